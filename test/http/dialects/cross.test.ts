import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { readConfig } from '../../../src/config.ts'
import { dialectSettings } from '../../../src/dialect-settings.ts'
import { faults } from '../../support/database.ts'
import { LOCKS, NAMESPACE, startService } from '../service.ts'
import {
  API_NAMES,
  APIS,
  type ApiName,
  type Caller,
  type ListedLock,
  settingsOf,
  type Thing,
  wordsOf,
} from './apis.ts'

/**
 * One lock, six APIs: what is taken through one of them is refused by every other that can name it, in its own
 * words, and is listed by the native API and in the view held_locks.
 *
 * All APIs are set to one namespace. By default each has types of its own there; the settings can give them types in
 * common, and then all of them name the same thing.
 */
const NAMESPACES = {
  VERSAL_NAMESPACE: NAMESPACE,
  POLARIS_NAMESPACE: NAMESPACE,
  BRIDGE_NAMESPACE: NAMESPACE,
}

/** What there is to lock, and who can name it. */
interface Kind {
  readonly kind: string
  readonly type: string
  readonly newId: () => string
  readonly named: readonly ApiName[]
}

let lastNumber = 100
const nextNumber = () => {
  lastNumber += 1
  return String(lastNumber)
}

/**
 * The native API names everything. Bimplus locks an object with all that is below it in the catalogue, of any type: so
 * it meets every other API there, and names the types `object` itself.
 */
const SETUPS: readonly {
  readonly name: string
  readonly settings: Readonly<Record<string, string>>
  readonly kinds: readonly Kind[]
}[] = [
  {
    name: 'types of their own',
    settings: NAMESPACES,
    kinds: [
      {
        kind: 'an object',
        type: 'object',
        newId: randomUUID,
        named: ['native', 'ALM, locks', 'ALM, entities', 'Bimplus'],
      },
      {
        kind: 'a gadget of a course',
        type: 'gadget',
        newId: () => `course${nextNumber()}/${randomUUID()}`,
        named: ['native', 'ALM, locks', 'ALM, entities', 'Bimplus', 'Versal'],
      },
      { kind: 'a numbered type', type: '27', newId: nextNumber, named: ['native', 'Bimplus', 'Polaris'] },
      {
        kind: 'a course template',
        type: 'CourseTemplate',
        newId: nextNumber,
        named: ['native', 'Bimplus', 'Bridge'],
      },
      { kind: 'a task', type: 'Task', newId: nextNumber, named: ['native', 'Bimplus', 'Bridge'] },
    ],
  },
  {
    name: 'types in common',
    settings: {
      ...NAMESPACES,
      VERSAL_GADGET_TYPE: 'object',
      VERSAL_GADGET_IDS: 'alone',
      POLARIS_TYPES: '27=object,3=defect',
      BRIDGE_COURSE_TEMPLATE_TYPE: 'object',
      BRIDGE_TASK_TYPE: 'defect',
    },
    kinds: [
      { kind: 'an object of all', type: 'object', newId: nextNumber, named: API_NAMES },
      {
        kind: 'a defect of most',
        type: 'defect',
        newId: nextNumber,
        named: API_NAMES.filter(name => name !== 'Versal'),
      },
    ],
  },
]

/** Where two APIs can meet. Where it is by types in common alone, a type of the one is no type to the other. */
const OF_ALL = ['an object of all']
const OF_MOST = [...OF_ALL, 'a defect of most']
const MEETINGS: Readonly<Record<string, readonly string[]>> = {
  'native and ALM': ['an object', 'a gadget of a course', ...OF_MOST],
  'native and Bimplus': SETUPS.flatMap(({ kinds }) => kinds.map(({ kind }) => kind)),
  'native and Versal': ['a gadget of a course', ...OF_ALL],
  'native and Polaris': ['a numbered type', ...OF_MOST],
  'native and Bridge': ['a course template', 'a task', ...OF_MOST],
  'ALM and Bimplus': ['an object', 'a gadget of a course', ...OF_MOST],
  'ALM and Versal': ['a gadget of a course', ...OF_ALL],
  // types of ALM are words in lower case, those of Polaris are numbers, those of Bridge begin with a capital
  'ALM and Polaris': OF_MOST,
  'ALM and Bridge': OF_MOST,
  'Bimplus and Versal': ['a gadget of a course', ...OF_ALL],
  'Bimplus and Polaris': ['a numbered type', ...OF_MOST],
  'Bimplus and Bridge': ['a course template', 'a task', ...OF_MOST],
  // Versal locks nothing but gadgets
  'Versal and Polaris': OF_ALL,
  'Versal and Bridge': OF_ALL,
  'Polaris and Bridge': OF_MOST,
}

/** `<taker> > <refuser>` of the refusals that were seen, by what it was that was refused. */
const refusals = new Map<string, Set<string>>()

const isDone = ({ status }: { readonly status: number }) => status >= 200 && status < 300

/** Leaves out what is another at each look. */
function withoutChance(value: object): unknown {
  return JSON.parse(
    JSON.stringify(value, (name, member) =>
      name === 'request_id' || name === 'expires_in' ? undefined : member,
    ),
  )
}

type Callers = Readonly<Record<ApiName, Caller>>

for (const { name, settings, kinds } of SETUPS) {
  t.test(name, async t => {
    for (const { kind } of kinds) refusals.set(kind, new Set())
    const service = await startService(t, { dialects: dialectSettings(readConfig(settings)) })
    const { services, stores, call } = service
    const { admin } = service.keys

    const alice = await everywhere('alice', service.keys.alice)
    const bob = await everywhere('bob', service.keys.bob)

    async function everywhere(user: string, key: string): Promise<Callers> {
      const signedIn = API_NAMES.map(
        async name => [name, await APIS[name].signIn(service, user, key)] as const,
      )
      return Object.fromEntries(await Promise.all(signedIn)) as Callers
    }

    /** A new one. What is no object itself is put below a new object. */
    async function newThing({ type, newId }: Kind, below?: string): Promise<Thing> {
      const id = newId()
      if (type === 'object' && below === undefined) return { type, id, object: id }
      const object = below ?? randomUUID()
      await inCatalogue('object', object)
      await inCatalogue(type, id, { parent: { type: 'object', id: object } })
      return { type, id, object }
    }

    async function inCatalogue(type: string, id: string, body: object = {}): Promise<void> {
      const path = [NAMESPACE, 'resources', type, id].map(encodeURIComponent).join('/')
      const { status, text } = await call('PUT', `/v1/namespaces/${path}`, { key: admin, body })
      if (status !== 200) throw new Error(text)
    }

    /** The locks on a thing: those that the native API lists, found to be those of the view for people. */
    async function listed(t: Test, { type, id }: Thing): Promise<readonly ListedLock[]> {
      const { json } = await call('GET', `${LOCKS}?${new URLSearchParams({ type, id })}`, { key: admin })
      const seen = await stores.sql(
        `select id::text, namespace, holder, session_id from held_locks where resource_type = $1 and resource_id = $2`,
        [type, id],
      )
      t.same(
        seen,
        json.locks.map((lock: ListedLock & { namespace: string; session: string }) => ({
          id: lock.id,
          namespace: lock.namespace,
          holder: lock.holder,
          session_id: lock.session,
        })),
        'the view shows what the list shows',
      )
      return json.locks
    }

    /** The only lock on a thing. */
    async function theLock(t: Test, thing: Thing): Promise<ListedLock> {
      const [lock, ...others] = await listed(t, thing)
      if (lock === undefined || others.length > 0)
        throw new Error(`not one lock on ${thing.type} ${thing.id}`)
      return lock
    }

    /** Checks that an API refuses a thing that somebody else holds, shows who, and changes nothing. */
    async function requireRefusal(t: Test, callers: Callers, api: ApiName, thing: Thing): Promise<void> {
      const lock = await theLock(t, thing)
      const refused = wordsOf(await callers[api].lock(thing))
      const expected = APIS[api].refusal(
        lock,
        await services.users.numberOf(lock.holder),
        settingsOf(service),
      )
      t.same(withoutChance(refused), withoutChance(expected), `refused by ${api} in its own words`)
      t.equal(await callers[api].holderOf(thing), lock.holder, `${api} shows who holds it`)
      t.same(withoutChance(await theLock(t, thing)), withoutChance(lock), 'the lock is what it was')
    }

    for (const kind of kinds) {
      for (const taker of kind.named) {
        for (const refuser of kind.named.filter(name => name !== taker)) {
          t.test(`${kind.kind} that is locked through ${taker} is refused by ${refuser}`, async t => {
            const thing = await newThing(kind)
            t.ok(isDone(await alice[taker].lock(thing)), 'locked')
            const { holder, resource } = await theLock(t, thing)
            t.same({ holder, resource }, { holder: 'alice', resource: { type: thing.type, id: thing.id } })
            await requireRefusal(t, bob, refuser, thing)
            t.ok(isDone(await alice[taker].unlock(thing)), 'unlocked')
            t.same(await listed(t, thing), [])
            t.ok(isDone(await bob[refuser].lock(thing)), 'it was that lock alone that was in the way')
            t.equal((await theLock(t, thing)).holder, 'bob')
            t.ok(isDone(await bob[refuser].unlock(thing)))
            t.same(await listed(t, thing), [])
            if (t.passing()) refusals.get(kind.kind)?.add(`${taker} > ${refuser}`)
          })
        }
      }
    }

    for (const api of API_NAMES) {
      for (const kind of kinds.filter(({ named }) => !named.includes(api))) {
        t.test(`${api} has no name for ${kind.kind}, and locks nothing that is asked for by it`, async t => {
          const thing = await newThing(kind)
          const { status } = await alice[api].lock(thing)
          t.ok([400, 404, 422].includes(status), String(status))
          t.same(await listed(t, thing), [])
        })
      }
    }

    t.test(
      'all APIs meet below one object: what one has locked there keeps Bimplus from the whole',
      async t => {
        const object = randomUUID()
        const things = await Promise.all(kinds.map(kind => newThing(kind, object)))
        for (const [index, thing] of things.entries()) {
          for (const taker of kinds[index]?.named.filter(name => name !== 'Bimplus') ?? []) {
            t.ok(isDone(await alice[taker].lock(thing)), `${thing.type} locked through ${taker}`)
            await requireRefusal(t, bob, 'Bimplus', thing)
            for (const other of things) t.equal((await listed(t, other)).length, other === thing ? 1 : 0)
            t.ok(isDone(await alice[taker].unlock(thing)))
          }
        }
      },
    )

    t.test(
      'all APIs meet below one object: when Bimplus has locked the whole, every other refuses its part',
      async t => {
        const object = randomUUID()
        const things = await Promise.all(kinds.map(kind => newThing(kind, object)))
        const [first] = things
        if (first === undefined) throw new Error('nothing there')
        t.ok(isDone(await alice.Bimplus.lock(first)))
        for (const [index, thing] of things.entries()) {
          for (const refuser of kinds[index]?.named ?? []) await requireRefusal(t, bob, refuser, thing)
        }
        t.ok(isDone(await alice.Bimplus.unlock(first)))
        for (const thing of things) t.same(await listed(t, thing), [])
      },
    )

    for (const api of API_NAMES.filter(name => name !== 'native')) {
      const { own } = APIS[api]
      t.test(`a lock that its holder asks for again through ${api} ${own}`, async t => {
        const kind = kinds.find(({ named }) => named.includes(api))
        if (kind === undefined) throw new Error(`nothing for ${api}`)
        const thing = await newThing(kind)
        t.ok(isDone(await alice.native.lock(thing)))
        const before = await theLock(t, thing)
        if (own === 'is in the way') {
          await requireRefusal(t, alice, api, thing)
          return
        }
        t.ok(isDone(await alice[api].lock(thing)))
        const after = await theLock(t, thing)
        t.equal(after.holder, 'alice')
        t.equal(after.id === before.id, own === 'stays')
      })
    }

    t.test('no call left anything that may not be', async t => {
      t.same(await faults(stores), [])
    })
  })
}

t.test('any two APIs meet where the table says, and have refused what the other had locked', async t => {
  const products = [...new Set(API_NAMES.map(productOf))]
  const kinds = SETUPS.flatMap(setup => setup.kinds)
  const meetings = products.flatMap((one, index) =>
    products.slice(index + 1).map(other => {
      const both = kinds.filter(({ kind }) => {
        const seen = [...(refusals.get(kind) ?? [])].map(refusal =>
          refusal.split(' > ').map(productOf).join(),
        )
        return seen.includes(`${one},${other}`) && seen.includes(`${other},${one}`)
      })
      return [`${one} and ${other}`, both.map(({ kind }) => kind)]
    }),
  )
  t.same(Object.fromEntries(meetings), MEETINGS)
})

t.test('every API has refused one thing that was locked through any of the others', async t => {
  const ways = API_NAMES.flatMap(one =>
    API_NAMES.filter(other => other !== one).map(other => `${one} > ${other}`),
  )
  const [kind = ''] = OF_ALL
  t.same(refusals.get(kind), new Set(ways))
  const pairs = ways.map(way => way.split(' > ').map(productOf))
  const ordered = new Set(pairs.filter(([one, other]) => one !== other).map(pair => pair.join(' > ')))
  t.equal(ordered.size, 30)
  t.comment(`${ordered.size} ordered pairs of 6 APIs, in ${ways.length} ways, each on ${kind}`)
})

/** The ways of one product in one. */
function productOf(api: string): string {
  return api.split(',')[0] ?? ''
}
