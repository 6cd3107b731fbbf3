import fc from 'fast-check'
import t from 'tap'
import { expire, faults } from '../../../support/database.ts'
import { SEED } from '../../../support/random.ts'
import { startService } from '../../service.ts'
import { PolarisClient, polarisSettings, type Workstation } from './client.ts'

/** Random calls of people at workstations, compared with the little that the published pages say of locks. */

/** Some 700 calls, in which each kind of answer is met a dozen times and more. */
const SEQUENCES = 20
const USERS = ['alice', 'bob', 'carol']
const WORKSTATIONS = [15, 16]
const TYPES = [3, 27]
const IDS = [1, 2, 3]

interface Object {
  readonly type: number
  readonly id: number
}
interface Held extends Object {
  readonly holder: number
  readonly date: string
  /** Locks that were asked for together last together. */
  readonly call: number
}

/** Who holds what; a holder is the number of a user at a workstation. */
class Model {
  readonly held = new Map<string, Held>()

  lock(holder: number, objects: readonly Object[]): { refused?: Held; existing: boolean[] } {
    const found = objects.map(object => this.held.get(keyOf(object)))
    const refused = found.find(lock => lock !== undefined && lock.holder !== holder)
    return { ...(refused && { refused }), existing: found.map(lock => lock !== undefined) }
  }

  of(holder: number): Held[] {
    return [...this.held.values()].filter(lock => lock.holder === holder)
  }

  forget(locks: Iterable<Held>): void {
    for (const lock of [...locks]) this.held.delete(keyOf(lock))
  }
}

const keyOf = ({ type, id }: Object) => `${type}/${id}`

const holder = fc.nat(USERS.length * WORKSTATIONS.length - 1)
const object = fc.record({ type: fc.constantFrom(...TYPES), id: fc.constantFrom(...IDS) })
const call = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('lock' as const), holder, object }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('lock many' as const),
      holder,
      type: fc.constantFrom(...TYPES),
      ids: fc.array(fc.constantFrom(...IDS), { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('unlock' as const), holder, object }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('unlock all' as const), holder }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('look' as const), holder, object }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('own' as const), holder }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('all' as const), holder }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('lapse' as const), object }) },
  // by the holder of one of the locks that there are
  { weight: 2, arbitrary: fc.record({ do: fc.constant('lock again' as const), at: fc.nat(100) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('give up' as const), at: fc.nat(100) }) },
)
type Call = typeof call extends fc.Arbitrary<infer T> ? T : never

t.test('for any calls, the answers are those of the model', async t => {
  const service = await startService(t, { dialects: polarisSettings({ maxLockAgeHours: 1 }) })
  const client = new PolarisClient(service)
  const people: Workstation[] = []
  for (const user of USERS) {
    const signedIn = await client.signIn(user)
    for (const number of WORKSTATIONS) people.push(await client.workstation(signedIn, number))
  }
  const numbers = await service.services.users.numbersOf(USERS)
  const counted = new Map<string, number>()
  let base = 0

  const person = (of: number) => people[of] as Workstation
  /** Ids of this sequence: what an earlier one left is not looked at. */
  const shown = (id: number) => base + id
  const plain = (lock: Held) => ({
    ObjectTypeID: lock.type,
    ObjectID: shown(lock.id),
    PolarisUserID: numbers.get(person(lock.holder).user),
    WorkstationID: person(lock.holder).number,
    LockDate: lock.date,
  })
  const named = (lock: Held) => ({
    ...plain(lock),
    PolarisUserName: person(lock.holder).user,
    WorkstationName: String(person(lock.holder).number),
  })
  const listed = (lock: Held) => ({
    ...named(lock),
    ExistingLock: false,
    StaffEmail: '',
    LockExistsInDatabase: false,
  })
  const refusal = (lock: Held) => ({
    ErrorCode: 70000,
    Message: "Exception of type 'Polaris.Common.Exceptions.PolarisObjectLockException' was thrown.",
    MessageDetail: null,
    StackTrace: null,
    InnerException: null,
    Data: named(lock),
  })

  function expectSame(what: string, found: unknown, expected: unknown): void {
    counted.set(what, (counted.get(what) ?? 0) + 1)
    const [is, should] = [found, expected].map(value => JSON.stringify(value))
    if (is !== should) throw new Error(`${what}: ${is} should be ${should}`)
  }
  function expectList(what: string, found: readonly { ObjectID: number }[], locks: readonly Held[]): void {
    const place = (lock: { ObjectTypeID?: number; ObjectID?: number }) => JSON.stringify(lock)
    const sorted = (list: readonly object[]) => list.map(place).sort()
    expectSame(
      what,
      sorted(found.filter(({ ObjectID }) => ObjectID > base)),
      sorted(locks.map(lock => listed(lock))),
    )
  }

  async function run(model: Model, step: Call, index: number): Promise<void> {
    switch (step.do) {
      case 'lock': {
        const { object, holder } = step
        const { refused, existing } = model.lock(holder, [object])
        const { status, json } = await person(holder).lock(object.type, shown(object.id))
        if (refused !== undefined) return expectSame('lock refused', [status, json], [409, refusal(refused)])
        const before = model.held.get(keyOf(object))
        const lock = before ?? { ...object, holder, date: json.LockDate, call: index }
        const body = { ExistingLock: existing[0], ...plain(lock), LockExistsInDatabase: true }
        expectSame(before === undefined ? 'lock granted' : 'lock existing', [status, json], [200, body])
        model.held.set(keyOf(object), lock)
        return
      }
      case 'lock many': {
        const { holder, type } = step
        const objects = [...new Set(step.ids)].map(id => ({ type, id }))
        const { refused, existing } = model.lock(holder, objects)
        const { status, json } = await person(holder).lockMany(type, step.ids.map(shown))
        if (refused !== undefined) return expectSame('many refused', [status, json], [409, refusal(refused)])
        const locks = objects.map(
          (object, at): Held =>
            model.held.get(keyOf(object)) ?? { ...object, holder, date: json[at]?.LockDate, call: index },
        )
        const body = locks.map((lock, at) => ({
          ...named(lock),
          ExistingLock: existing[at],
          LockExistsInDatabase: true,
        }))
        expectSame('many granted', [status, json], [200, body])
        for (const lock of locks) model.held.set(keyOf(lock), lock)
        return
      }
      case 'unlock': {
        const lock = model.held.get(keyOf(step.object))
        const { status, json } = await person(step.holder).unlock(step.object.type, shown(step.object.id))
        if (lock !== undefined && lock.holder !== step.holder) {
          return expectSame('unlock refused', [status, json], [409, refusal(lock)])
        }
        expectSame(lock === undefined ? 'unlock of none' : 'unlock', [status, json], [200, undefined])
        if (lock !== undefined) model.forget([lock])
        return
      }
      case 'lock again':
      case 'give up': {
        const held = [...model.held.values()]
        const lock = held[step.at % Math.max(1, held.length)]
        if (lock === undefined) return
        const { holder, type, id } = lock
        const what = step.do === 'give up' ? 'unlock' : 'lock'
        return run(model, { do: what, holder, object: { type, id } }, index)
      }
      case 'unlock all': {
        const { status } = await person(step.holder).unlockAll()
        expectSame('unlock all', status, 200)
        return model.forget(model.of(step.holder))
      }
      case 'look': {
        const lock = model.held.get(keyOf(step.object))
        const { status, json } = await person(step.holder).look(step.object.type, shown(step.object.id))
        if (lock === undefined) return expectSame('look at none', status, 404)
        return expectSame('look', [status, json], [200, plain(lock)])
      }
      case 'own':
        return expectList('own', (await person(step.holder).own()).json, model.of(step.holder))
      case 'all':
        return expectList('all', (await person(step.holder).all()).json, [...model.held.values()])
      case 'lapse': {
        const lock = model.held.get(keyOf(step.object))
        if (lock === undefined) return
        const [row] = await service.stores.sql<{ id: string }>(
          'select session_id as id from locks where resource_type = $1 and resource_id = $2',
          [String(step.object.type), String(shown(step.object.id))],
        )
        if (row === undefined) throw new Error('the lock is not there')
        await expire(service.stores, row.id)
        counted.set('lapse', (counted.get('lapse') ?? 0) + 1)
        return model.forget([...model.held.values()].filter(({ call }) => call === lock.call))
      }
    }
  }

  t.comment(`seed ${SEED}`)
  let sequences = 0
  await fc.assert(
    fc.asyncProperty(fc.array(call, { minLength: 10, maxLength: 60, size: 'max' }), async calls => {
      sequences += 1
      base += 10
      const model = new Model()
      for (const [index, step] of calls.entries()) await run(model, step, index)
      const all = (await person(0).all()).json
      expectList('all', all, [...model.held.values()])
    }),
    { seed: SEED, numRuns: SEQUENCES },
  )
  t.same(await faults(service.stores), [])
  const calls = [...counted.values()].reduce((sum, count) => sum + count, 0)
  t.comment(`${sequences} sequences, ${calls} answers: ${JSON.stringify(Object.fromEntries(counted))}`)
  for (const what of WHATS) t.ok((counted.get(what) ?? 0) > 0, `${what} was met`)
})

const WHATS = [
  'lock granted',
  'lock existing',
  'lock refused',
  'many granted',
  'many refused',
  'unlock',
  'unlock of none',
  'unlock refused',
  'unlock all',
  'look',
  'look at none',
  'own',
  'all',
  'lapse',
]
