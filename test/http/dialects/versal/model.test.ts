import fc from 'fast-check'
import t from 'tap'
import { faults } from '../../../support/database.ts'
import { SEED } from '../../../support/random.ts'
import { DIALECTS, type Service, startService, uniqueId } from '../../service.ts'
import { ALONE, LOCK_SECONDS, NAMESPACE, type Wire, wireOf } from './wire.ts'

const USERS = 3
const COURSES = 2
const GADGETS = 4
const RUNS = 25

/** Two of them leave a lock alive, three do not: whatever the calls themselves take is far from both. */
const LEAP_SECONDS = 400

/** What the calls of one sequence may take. */
const SLACK_MS = 60_000

const user = fc.nat(USERS - 1)
/** 0 and 1 are sessions of the user, 2 is the user's own key. */
const way = fc.nat(2)
const course = fc.nat(COURSES - 1)

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('lock'), user, way, course, gadget: fc.nat(GADGETS - 1) }),
  },
  {
    weight: 2,
    /** One of the last four ids that were given, whoever has them; or, above, what the user had last. */
    arbitrary: fc.record({ kind: fc.constant('unlock'), user, way, back: fc.nat(7) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('leap') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('sign out'), user, way: fc.nat(1) }) },
)
type Step =
  | { kind: 'lock'; user: number; way: number; course: number; gadget: number }
  | { kind: 'unlock'; user: number; way: number; back: number }
  | { kind: 'leap' }
  | { kind: 'sign out'; user: number; way: number }

/** What a user holds: one lock, or none. */
interface Held {
  readonly id: string
  readonly course: number
  readonly gadget: number
  /** In leaps. */
  readonly since: number
}

/** Users, courses and gadgets that no other sequence knows. */
async function stage(service: Service, wire: Wire) {
  const suffix = uniqueId()
  const names = Array.from({ length: USERS }, (_, index) => `user${index}-${suffix}`)
  const keys = await Promise.all(names.map(name => service.keyOf(name, 'locker', NAMESPACE)))
  const sids = await Promise.all(
    names.map(async (name, index) => [await wire.signIn(name), await wire.signIn(name), keys[index] ?? '']),
  )
  const owners = await Promise.all(names.map(name => service.services.users.numberOf(name)))
  return {
    names,
    sids,
    owners,
    courses: Array.from({ length: COURSES }, (_, index) => `c${index}${suffix}`),
    gadgets: Array.from({ length: GADGETS }, (_, index) => `g${index}${suffix}`),
  }
}

/**
 * Plays the steps against the service and a model of one lock a user; throws where they differ. Where `isAlone`, a
 * gadget is the same in every course, and its lock is told with the course in which it was taken.
 */
async function play(
  { service, wire, isAlone }: { service: Service; wire: Wire; isAlone: boolean },
  steps: readonly Step[],
  count: (what: string) => void,
): Promise<void> {
  const { names, sids, owners, courses, gadgets } = await stage(service, wire)
  const holding: (Held | undefined)[] = names.map(() => undefined)
  const given: string[] = []
  let leaps = 0

  const live = (held: Held | undefined): held is Held =>
    held !== undefined && (leaps - held.since) * LEAP_SECONDS < LOCK_SECONDS
  const holderOf = (matches: (held: Held) => boolean) =>
    holding.findIndex(held => live(held) && matches(held))

  for (const one of steps) {
    if (one.kind === 'lock') {
      const { course, gadget } = one
      const holder = holderOf(held => (isAlone || held.course === course) && held.gadget === gadget)
      const { status, json } = await wire.lock(
        sids[one.user]?.[one.way] ?? '',
        courses[course] ?? '',
        gadgets[gadget] ?? '',
      )
      if (holder !== -1 && holder !== one.user) {
        count('refused')
        same([status, json], [403, { error: 403, message: 'Resource locked' }])
      } else {
        const earlier = holding[one.user]
        const again = holder === one.user ? earlier : undefined
        const told = again?.course ?? course
        count(again !== undefined ? 'again' : live(earlier) ? 'instead' : 'new')
        if (told !== course) count('again elsewhere')
        same(
          [status, json],
          [
            201,
            {
              type: 'gadget',
              subject: { courseId: courses[told], gadgetId: gadgets[gadget] },
              ownerId: String(owners[one.user]),
              expiresIn: LOCK_SECONDS * 1000,
              id: again?.id ?? json.id,
            },
          ],
        )
        if (again === undefined) {
          if (given.some(id => BigInt(id) >= BigInt(json.id))) throw new Error(`${json.id} is no new id`)
          given.push(json.id)
        }
        holding[one.user] = { id: json.id, course: told, gadget, since: leaps }
      }
    } else if (one.kind === 'unlock') {
      const id = one.back < 4 ? given.at(-1 - one.back) : holding[one.user]?.id
      if (id === undefined) continue
      const holder = holderOf(held => held.id === id)
      const { status, json } = await wire.unlock(sids[one.user]?.[one.way] ?? '', id)
      const expected =
        holder === -1
          ? [404, { error: 404, message: `Lock '${id}' not found` }]
          : holder === one.user
            ? [200, {}]
            : [403, { error: 403, message: 'Insufficient permissions' }]
      count(`unlock ${expected[0]}`)
      same([status, json], expected)
      if (holder === one.user) holding[one.user] = undefined
    } else if (one.kind === 'leap') {
      leaps += 1
      await service.stores.sql(
        `update sessions set started = started - $2 * interval '1 s', last_touch = last_touch - $2 * interval '1 s',
           expires_at = expires_at - $2 * interval '1 s'
         where user_name = any($1) and secret_hash is null`,
        [names, LEAP_SECONDS],
      )
    } else {
      const own = sids[one.user]
      same((await wire.call(own?.[one.way], 'POST', '/signout')).status, 200)
      if (own !== undefined) own[one.way] = await wire.signIn(names[one.user] ?? '')
    }
    for (const [course, courseId] of courses.entries()) {
      const { json } = await wire.locksOf(sids[0]?.[2] ?? '', courseId)
      const expected = holding
        .flatMap((held, owner) => (live(held) && held.course === course ? [{ ...held, owner }] : []))
        .sort((a, b) => Number(BigInt(a.id) - BigInt(b.id)))
      same(
        json.map(({ expiresIn: _, ...lock }: { expiresIn: number }) => lock),
        expected.map(({ id, gadget, owner }) => ({
          type: 'gadget',
          subject: { courseId, gadgetId: gadgets[gadget] },
          ownerId: String(owners[owner]),
          id,
        })),
      )
      expected.forEach(({ since }, index) => {
        const left = (LOCK_SECONDS - (leaps - since) * LEAP_SECONDS) * 1000
        const { expiresIn } = json[index]
        if (expiresIn > left || expiresIn < left - SLACK_MS) throw new Error(`${expiresIn} of ${left} ms`)
      })
    }
  }
}

function same(found: unknown, wanted: unknown): void {
  const [is, should] = [JSON.stringify(found), JSON.stringify(wanted)]
  if (is !== should) throw new Error(`answered ${is} instead of ${should}`)
}

for (const versal of [DIALECTS.versal, ALONE]) {
  t.test(
    `with ids of ${versal.gadgetIds}, whatever three users do, it is as if each had one lock at most`,
    async t => {
      const isAlone = versal.gadgetIds === 'alone'
      const service = await startService(t, { dialects: { versal } })
      const wire = wireOf(service)
      t.comment(`seed ${SEED}`)
      const counts = new Map<string, number>()
      const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1)
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 30 }), steps =>
          play({ service, wire, isAlone }, steps as readonly Step[], count),
        ),
        { seed: SEED, numRuns: RUNS },
      )
      t.comment(JSON.stringify(Object.fromEntries(counts)))
      for (const what of ['new', 'again', 'instead', 'refused', 'unlock 200', 'unlock 403', 'unlock 404']) {
        t.ok(counts.has(what), what)
      }
      t.equal(counts.has('again elsewhere'), isAlone, 'a gadget that is held in another course')
      t.same(await faults(service.stores), [])
    },
  )
}
