import fc from 'fast-check'
import { readConfig } from '../src/config.ts'
import { dialectSettings } from '../src/dialect-settings.ts'
import { dialectFamilies } from '../src/http/dialects.ts'
import type { WireFamily } from '../src/http/route-family.ts'
import type { WireRoute } from '../src/http/wire-route.ts'
import { UNWELCOME, WELCOME } from './cast.ts'
import type { Draft, Signature } from './draft.ts'
import { nearly, type Text, textOf } from './mutations.ts'
import {
  badWays,
  contentType,
  extraHeaders,
  framing,
  harmlessMethod,
  otherMethod,
  type Quality,
  quality,
} from './requests.ts'
import { anyText, escaped, rawSegment } from './texts.ts'
import { queryOf, WIRE_APIS, type WireApi, XmlText } from './wire-apis.ts'

/** The other APIs, with the settings that a service has unless it is told otherwise. */
export const FAMILIES: readonly WireFamily[] = dialectFamilies(dialectSettings(readConfig({})))

/** They end what somebody has signed in with, whoever asks. */
const SIGN_OUT = /logout|sign-out|signout|site-session/

export function openWireDrafts(): fc.Arbitrary<Draft> {
  return ofAllRoutes((route, api) => {
    // the others' sign-ins have to last for a batch, or hardly anything would be granted
    const whos = SIGN_OUT.test(route.path) ? ['victor', 'stranger'] : [...WELCOME, 'victor', 'stranger']
    const signed = fc.oneof(
      { weight: 6, arbitrary: signedBy(api, whos) },
      { weight: 2, arbitrary: unwelcomeTo(api) },
    )
    return quality.chain(how => draftOf(route, api, how, signed, otherMethod))
  })
}

export function refusedWireDrafts(): fc.Arbitrary<Draft> {
  return ofAllRoutes((route, api) => {
    if (SIGN_OUT.test(route.path)) return undefined
    const anybody = signedBy(api, [...WELCOME, 'victor'])
    const who = route.method === 'GET' ? anybody : unwelcomeTo(api)
    return quality.chain(how => draftOf(route, api, how, who, harmlessMethod))
  })
}

function ofAllRoutes(
  make: (route: WireRoute, api: WireApi) => fc.Arbitrary<Draft> | undefined,
): fc.Arbitrary<Draft> {
  const families = FAMILIES.map(({ prefixes: [prefix = ''], routes }) => {
    const api = WIRE_APIS[prefix]
    if (api === undefined) throw new Error(`${prefix} has no generator`)
    const drafts = routes.map(route => make(route, api)).filter(draft => draft !== undefined)
    // one with many calls is asked more, and one with few not seldom
    return { weight: 4 + drafts.length, arbitrary: fc.oneof(...drafts) }
  })
  return fc.oneof(...families)
}

function signedBy({ ways }: WireApi, whos: readonly string[]): fc.Arbitrary<Signature> {
  return fc.record({ who: fc.constantFrom(...whos), way: fc.constantFrom(...ways) })
}

function unwelcomeTo(api: WireApi): fc.Arbitrary<Signature> {
  return fc.oneof(
    { weight: 4, arbitrary: signedBy(api, UNWELCOME) },
    {
      weight: 1,
      arbitrary: fc.record({
        who: fc.constant('alice'),
        way: fc.constantFrom(...badWays, 'basic of another'),
      }),
    },
  )
}

function draftOf(
  route: WireRoute,
  api: WireApi,
  how: Quality,
  signed: fc.Arbitrary<Signature>,
  others: fc.Arbitrary<string>,
): fc.Arbitrary<Draft> {
  const { method, path } = route
  return fc
    .record({
      path: pathOf(path, api, how),
      query: queryOf(api),
      content: bodyOf(route, api, how),
      own: api.headers ?? fc.constant([]),
      extra: how === 'valid' ? fc.constant([]) : extraHeaders,
      signed,
      framing,
      method: fc.oneof<fc.MaybeWeightedArbitrary<string>[]>(
        { weight: 30, arbitrary: fc.constant<string>(method) },
        { weight: 1, arbitrary: others },
      ),
    })
    .map(({ path: sent, query, content, own, extra, ...rest }) => ({
      ...rest,
      what: `${method} ${path}`,
      target: sent + query,
      headers: [...content.headers, ...own, ...extra],
      body: content.body,
    }))
}

function pathOf(template: string, { params }: WireApi, how: Quality): fc.Arbitrary<string> {
  const segments = template.split('/').map(segment => {
    const name = /^\{\*?(\w+)\}$/.exec(segment)?.[1]
    if (name === undefined) return fc.constant(segment)
    const valid = params[name] ?? fc.constant('x')
    if (how === 'valid') return valid
    return fc.oneof(
      { weight: 2, arbitrary: valid },
      { weight: 1, arbitrary: fc.oneof(anyText.map(escaped), rawSegment) },
    )
  })
  return fc
    .tuple(fc.tuple(...segments), fc.nat({ max: 40 }))
    .map(([parts, odd]) => parts.join('/') + (odd === 0 && how !== 'valid' ? '%20' : ''))
}

interface Content {
  readonly headers: readonly (readonly [string, string])[]
  readonly body: Text | undefined
}

function bodyOf({ method, path }: WireRoute, { bodies }: WireApi, how: Quality): fc.Arbitrary<Content> {
  const found = method === 'GET' ? [] : bodies.filter(([end]) => end.test(path))
  const odd = fc.oneof(
    { weight: 12, arbitrary: fc.constant<Content>({ headers: [], body: undefined }) },
    {
      weight: 1,
      arbitrary: fc.constant<Content>({ headers: [['Content-Type', 'application/json']], body: '{}' }),
    },
  )
  if (found.length === 0) return odd
  return fc.oneof(...found.map(([, type, values]) => contentOf(type, values, how)))
}

function contentOf(type: string, values: fc.Arbitrary<unknown>, how: Quality): fc.Arbitrary<Content> {
  const isBroken = how === 'wild' ? fc.boolean() : fc.constant(false)
  const body = values.chain(value =>
    value instanceof XmlText
      ? xmlOf(value.text, how)
      : textOf(how === 'valid' ? fc.constant(value) : nearly(fc.constant(value)), isBroken),
  )
  const headers = how === 'valid' ? fc.constant([['Content-Type', type] as const]) : contentType(type)
  return fc.record({ headers, body })
}

function xmlOf(text: string, how: Quality): fc.Arbitrary<Text> {
  if (how === 'valid') return fc.constant(text)
  return fc.oneof(
    fc.nat({ max: text.length }).map(at => text.slice(0, at)),
    fc
      .tuple(fc.nat({ max: text.length }), anyText)
      .map(([at, more]) => text.slice(0, at) + more + text.slice(at)),
    fc.constantFrom<Text>(
      `<!DOCTYPE a [<!ENTITY b "c">]>${text.replace('<?xml version="1.0"?>', '')}`,
      `<!DOCTYPE a [<!ENTITY a0 "x"><!ENTITY a1 "&a0;&a0;&a0;&a0;&a0;&a0;&a0;&a0;">]><Entity>&a1;</Entity>`,
      '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
      '<a>'.repeat(5000),
      `<a ${'b="c" '.repeat(3000)}/>`,
      `<a>${'&lt;'.repeat(9000)}</a>`,
      '<a><![CDATA[<b>]]></a>',
      '<a><?php echo 1 ?></a>',
      '<__proto__><constructor>1</constructor></__proto__>',
      '<a>&#0;</a>',
      '<a>&#xD800;</a>',
      '<a>&unknown;</a>',
      Buffer.from(text, 'utf16le'),
      `\ufeff${text}`,
    ),
  )
}
