import fc from 'fast-check'
import { MAIN, OTHER, VICTIMS } from './cast.ts'
import { anyText, escaped, IDS, kept, newUuid, plainText, TYPES } from './texts.ts'

/** What a generator has to know of one of the other APIs, besides its table of routes. */
export interface WireApi {
  /** How to sign; the first one is the usual one. */
  readonly ways: readonly string[]
  /** Values of the parameters in paths, escaped. */
  readonly params: Readonly<Record<string, fc.Arbitrary<string>>>
  /** Bodies of routes whose path ends like this, the first that does. */
  readonly bodies: readonly (readonly [end: RegExp, type: string, values: fc.Arbitrary<unknown>])[]
  readonly queries: readonly string[]
  readonly headers?: fc.Arbitrary<readonly (readonly [string, string])[]>
}

const id = fc.constantFrom(...IDS)
const type = fc.constantFrom(...TYPES)
const namespace = fc.constantFrom(MAIN, MAIN, MAIN, OTHER, VICTIMS).map(escaped)
const lock = kept('lock')
const who = fc.constantFrom('root', 'boss', 'alice', 'bob', 'victor', 'revoked', 'nobody')
const numbers = fc.constantFrom(1, 2, 3, 27, 29937, 2 ** 31 - 1)

/** Whom a sign-in names and what it shows: right, or of two users. */
const signIn = fc
  .tuple(who, fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: who }))
  .map(([user, other]) => ({ user, key: `@{key_${other ?? user}:0}` }))

const entity = fc.record({ type, id: fc.oneof(id, numbers) })
const fields = fc.record({ id: fc.oneof(id, plainText), type }).map(({ id: entityId, type: entityType }) => ({
  Type: 'lock',
  Fields: [
    { Name: 'entity-id', values: [{ value: entityId }] },
    { Name: 'entity-type', values: [{ value: entityType }] },
  ],
}))
const xml = (text: fc.Arbitrary<string>) => text.map(raw => new XmlText(raw))

/** A body that is no JSON. */
export class XmlText {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

const project = fc.constantFrom(
  ['FUZZ', 'main'],
  ['FUZZ', 'main'],
  ['fuzz', 'main'],
  ['FUZZ', 'other'],
  ['VICTIM', 'one'],
)

export const WIRE_APIS: Readonly<Record<string, WireApi>> = {
  '/qcbin': {
    ways: ['cookies', 'cookies', 'sign-in cookie', 'basic'],
    params: {
      domain: project.map(([domain = '']) => domain),
      project: project.map(([, name = '']) => name),
      id: fc.oneof(kept('lock_qcbin'), kept('lock_qcbin'), lock, id),
      collection: type.map(name => `${name}s`),
    },
    bodies: [
      [
        /oauth2\/login$/,
        'application/json',
        signIn.map(({ user, key }) => ({ clientId: user, secret: key })),
      ],
      [
        /alm-authenticate$/,
        'application/xml',
        xml(
          signIn.map(
            ({ user, key }) =>
              `<?xml version="1.0"?><alm-authentication><user>${user}</user><password>${key}</password></alm-authentication>`,
          ),
        ),
      ],
      [
        /site-session$/,
        'application/xml',
        xml(fc.constantFrom('', '<session-parameters><client-type>REST</client-type></session-parameters>')),
      ],
      [
        /^\/qcbin\/api\/.*\/locks$/,
        'application/json',
        fc.record({ data: fc.array(fc.record({ entity }), { minLength: 1, maxLength: 3 }) }),
      ],
      [
        /^\/qcbin\/rest\/.*\/locks$/,
        'application/xml',
        xml(
          fc
            .tuple(type, id)
            .map(
              ([entityType, entityId]) =>
                `<Entity Type="lock"><Fields><Field Name="entity-id"><Value>${entityId}</Value></Field><Field Name="entity-type"><Value>${entityType}</Value></Field></Fields></Entity>`,
            ),
        ),
      ],
      [/^\/qcbin\/rest\/.*\/locks$/, 'application/json', fields],
    ],
    queries: [
      'query={id[>0]}',
      'query={user[alice or bob];entity.type[defect]}',
      'query="user=alice"',
      'query={id[',
      `query={id[${'('.repeat(40)}1`,
      'query={entity.id["*1*"]}',
      'fields=id,user',
      'fields=nothing',
      'order-by=user,-id',
      'order-by={id[DESC]}',
      'page-size=max',
      'page-size=0',
      'start-index=2',
      'ids-to-delete=@{lock_qcbin:0}',
      'ids-to-delete=@{lock_qcbin:1}',
      'ids-to-delete=@{lock_qcbin:2}',
      'ids-to-delete=@{lock:0},@{lock:1}',
      'ids-to-delete=x',
      '_=1',
      'login-form-required=y',
    ],
    headers: fc.constantFrom<readonly (readonly [string, string])[]>(
      [],
      [],
      [['Accept', 'application/json']],
      [['Accept', 'application/xml']],
      [['X-XSRF-TOKEN', 'wrong']],
    ),
  },
  '/v2': {
    ways: ['token', 'token', 'token', 'bearer'],
    params: { team: namespace, id: fc.oneof(id, newUuid) },
    bodies: [
      [
        /authorize$/,
        'application/json',
        signIn.map(({ user, key }) => ({
          user_id: user,
          password: key,
          application_id: 'x',
          client_id: 'viewer',
        })),
      ],
    ],
    queries: ['withChildren=true', 'withChildren=false', 'withChildren=yes', 'asAdmin=true', 'asAdmin=1'],
  },
  '/locks': {
    ways: ['sid', 'sid', 'sid key'],
    params: { lockId: lock },
    bodies: [
      [
        /\/locks$/,
        'application/json',
        fc.record({
          type: fc.constant('gadget'),
          subject: fc.record({
            courseId: fc.constantFrom('course1', 'course2', '12', '-3', 'victim1'),
            gadgetId: fc.oneof(id, plainText),
          }),
        }),
      ],
      [
        /\/sessions$/,
        'application/json',
        fc.oneof(
          who.map(email => ({ email })),
          fc.nat({ max: 20 }).map(userId => ({ userId, expiresIn: 1000 })),
        ),
      ],
    ],
    queries: [
      'subject.courseId=course1',
      'subject.courseId=victim1',
      'subject.courseId=',
      'subject.courseId=..',
    ],
  },
  '/polaris.applicationservices': {
    ways: ['pas', 'pas', 'bearer', 'domain'],
    params: {
      version: fc.constantFrom('v1', 'v1', 'v1', 'V1', 'v2'),
      language: fc.constantFrom('eng', 'eng', 'FRE', 'xxx'),
      productId: fc.constantFrom('20', '20', '0', '25'),
      siteDomain: fc.constantFrom('polaris', 'site'),
      organizationId: fc.constantFrom('73', '1', '-1'),
      workstationId: fc.constantFrom('15', '16', '0', '015'),
      objecttypeid: numbers.map(String),
      objectid: numbers.map(String),
    },
    bodies: [
      [/objectlocks$/, 'application/json', fc.record({ ObjectTypeID: numbers, ObjectID: numbers })],
      [
        /objectlocks\/\{objecttypeid\}$/,
        'application/json',
        fc.array(numbers, { minLength: 1, maxLength: 4 }),
      ],
    ],
    queries: ['objecttypeid=27', 'x=y'],
  },
  '/api/author': {
    ways: ['basic', 'basic', 'bearer'],
    params: { id: fc.constantFrom('1', '2', '3', '7', '9223372036854775807') },
    bodies: [],
    queries: ['x=y'],
    headers: fc.oneof(
      fc.constant([]),
      fc.oneof(kept('session'), newUuid, fc.constant('x')).map(value => [['X-Lock-Id', value] as const]),
    ),
  },
  '/terraform': {
    ways: ['basic', 'basic', 'bearer'],
    params: {
      namespace,
      name: fc.constantFrom('state', 'prod/network', 'a%20b'),
      anything: fc.constantFrom('x', 'x/y', 'state'),
    },
    bodies: [
      [
        /lock$/,
        'application/json',
        fc.record({
          ID: fc.oneof(newUuid, fc.constantFrom('1', '2', 'of-the-victim')),
          Operation: fc.constantFrom('OperationTypeApply', 'x'),
          Info: plainText,
          Who: fc.constantFrom('alice@ws-15', 'x'),
          Version: fc.constant('1.9.0'),
          Created: fc.constant('2026-01-06T15:13:11Z'),
          Path: plainText,
        }),
      ],
    ],
    queries: ['ID=1', 'ID=of-the-victim', 'wait=0', 'wait=x', 'wait=301'],
  },
  '/lfs': {
    ways: ['basic', 'basic', 'bearer'],
    params: {
      namespace,
      repository: fc.constantFrom('repo', 'group/repo.git', 'repo.git/info/lfs', 'a/../b'),
      id: lock,
    },
    bodies: [
      [
        /\/locks$/,
        'application/vnd.git-lfs+json',
        fc.record(
          { path: fc.constantFrom('a.bin', 'b/c.bin', './x', 'é.psd'), ref: fc.record({ name: plainText }) },
          { requiredKeys: ['path'] },
        ),
      ],
      [
        /verify$/,
        'application/vnd.git-lfs+json',
        fc.record({ cursor: lock, limit: fc.nat({ max: 2000 }) }, { requiredKeys: [] }),
      ],
      [/unlock$/, 'application/vnd.git-lfs+json', fc.record({ force: fc.boolean() }, { requiredKeys: [] })],
      [
        /batch$/,
        'application/vnd.git-lfs+json',
        fc.record({ operation: fc.constant('upload'), objects: fc.constant([]) }),
      ],
    ],
    queries: [
      'path=a.bin',
      'id=@{lock:3}',
      'cursor=@{lock:1}',
      'cursor=x',
      'limit=0',
      'limit=5000',
      'limit=-1',
      'refspec=main',
    ],
  },
}

/** A query of any of these, or of anything. */
export function queryOf(api: WireApi): fc.Arbitrary<string> {
  const pair = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...api.queries) },
    {
      weight: 1,
      arbitrary: fc.tuple(anyText, anyText).map(([name, value]) => `${escaped(name)}=${escaped(value)}`),
    },
  )
  return fc.oneof(
    { weight: 1, arbitrary: fc.constant('') },
    {
      weight: 1,
      arbitrary: fc.array(pair, { minLength: 1, maxLength: 2 }).map(pairs => `?${queryText(pairs)}`),
    },
  )
}

/** What may not stand in a target, escaped. */
function queryText(pairs: readonly string[]): string {
  return pairs
    .join('&')
    .replaceAll(/[\s"<>[\]{}()*|^]/g, sign => (sign === '{' || sign === '}' ? sign : escapedAll(sign)))
}

function escapedAll(sign: string): string {
  return `%${sign.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase()}`
}
