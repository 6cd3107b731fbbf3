import fc from 'fast-check'
import t from 'tap'
import { expire, faults } from '../../../support/database.ts'
import { SEED } from '../../../support/random.ts'
import { startService, uniqueId } from '../../service.ts'
import { type LfsCaller, lfsCaller } from './lfs-caller.ts'

/** Sequences of calls by several users, against a model of the API that is a list of locks. */

const RUNS = 40
/** On a slow machine there are fewer. */
const LIMIT_MS = 10_000

const service = await startService(t)

const USERS = ['alice', 'bob', 'root', 'victor'] as const
type User = (typeof USERS)[number]
const ROLES = { alice: 'locker', bob: 'locker', root: 'admin', victor: 'viewer' } as const
const REPOSITORIES = ['game', 'game/locks'] as const
const PATHS = ['a.bin', 'A.bin', 'dir/a b.bin'] as const

const keys = {} as Record<User, string>
const callers = {} as Record<User, LfsCaller>
for (const user of USERS) {
  keys[user] = await service.keyOf(user, ROLES[user], '*')
  callers[user] = lfsCaller(service, user, keys[user])
}

interface HeldLock {
  readonly id: string
  readonly repository: string
  readonly path: string
  readonly holder: User
  readonly hasEnd: boolean
}

const user = fc.constantFrom(...USERS)
const repository = fc.constantFrom(...REPOSITORIES)
const path = fc.constantFrom(...PATHS)
const limit = fc.integer({ min: 1, max: 3 })

const call = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('lock' as const), user, repository, path }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('lock for a minute' as const), user, repository, path }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('unlock' as const),
      user,
      repository,
      /** Of all locks that there ever were. */
      which: fc.nat(11),
      force: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('list' as const),
      user,
      repository,
      path: fc.option(path),
      limit,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('verify' as const), user, repository, limit }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('expire' as const) }) },
)
type Call = typeof call extends fc.Arbitrary<infer Value> ? Value : never

class Model {
  /** In the order in which they were granted. */
  held: HeldLock[] = []
  readonly everGranted: string[] = []

  of(repository: string, path?: string | null): HeldLock[] {
    return this.held.filter(
      lock => lock.repository === repository && (path === undefined || path === null || lock.path === path),
    )
  }

  grant(lock: HeldLock): void {
    this.held.push(lock)
    this.everGranted.push(lock.id)
  }
}

function same(what: string, actual: unknown, wanted: unknown): void {
  const [is, should] = [JSON.stringify(actual), JSON.stringify(wanted)]
  if (is !== should) throw new Error(`${what} is ${is} and should be ${should}`)
}

const seen = ({ id, path, owner }: { id: string; path: string; owner: { name: string } }) => [
  id,
  path,
  owner.name,
]
const wanted = ({ id, path, holder }: HeldLock) => [id, path, holder]

async function lock(model: Model, namespace: string, of: Extract<Call, { kind: 'lock' }>): Promise<void> {
  const [there] = model.of(of.repository, of.path)
  const { status, json } = await callers[of.user]('POST', `/lfs/${namespace}/${of.repository}/locks`, {
    body: { path: of.path },
  })
  if (of.user === 'victor') return same('lock by a viewer', status, 403)
  const own = there === undefined || there.holder === of.user
  same('lock', status, own ? (there === undefined ? 201 : 200) : 409)
  if (there !== undefined) return same('the lock', seen(json.lock), wanted(there))
  same('the new lock', seen(json.lock).slice(1), [of.path, of.user])
  if (model.everGranted.includes(json.lock.id)) throw new Error(`lock ${json.lock.id} was granted twice`)
  model.grant({ id: json.lock.id, repository: of.repository, path: of.path, holder: of.user, hasEnd: false })
}

async function lockForAMinute(
  model: Model,
  namespace: string,
  of: Extract<Call, { kind: 'lock for a minute' }>,
): Promise<void> {
  const { status, json } = await service.call('POST', `/v1/namespaces/${namespace}/locks`, {
    key: keys[of.user],
    body: { resources: [{ type: `git-lfs/${of.repository}`, id: of.path }], ttl: 60 },
  })
  if (of.user === 'victor') return same('lock through /v1 by a viewer', status, 403)
  const isFree = model.of(of.repository, of.path).length === 0
  same('lock through /v1', status, isFree ? 201 : 409)
  if (!isFree) return
  const { id } = json.locks[0]
  model.grant({ id, repository: of.repository, path: of.path, holder: of.user, hasEnd: true })
}

async function unlock(model: Model, namespace: string, of: Extract<Call, { kind: 'unlock' }>): Promise<void> {
  const id = model.everGranted[of.which] ?? '999999999'
  const there = model.of(of.repository).find(held => held.id === id)
  const address = `/lfs/${namespace}/${of.repository}/locks/${id}/unlock`
  const { status, json } = await callers[of.user]('POST', address, { body: { force: of.force } })
  if (there === undefined) return same('unlock of nothing', status, 404)
  const isAllowed = there.holder === of.user || (of.user === 'root' && of.force)
  same('unlock', status, isAllowed ? 200 : 403)
  if (!isAllowed) return
  same('the unlocked', seen(json.lock), wanted(there))
  model.held = model.held.filter(held => held !== there)
}

async function list(model: Model, namespace: string, of: Extract<Call, { kind: 'list' }>): Promise<void> {
  const all = model.of(of.repository, of.path).map(wanted)
  const found: unknown[] = []
  let cursor: string | undefined
  do {
    const query = new URLSearchParams({
      limit: String(of.limit),
      ...(of.path !== null && { path: of.path }),
      ...(cursor !== undefined && { cursor }),
    })
    const { status, json } = await callers[of.user](
      'GET',
      `/lfs/${namespace}/${of.repository}/locks?${query}`,
    )
    same('list', status, 200)
    same('size of a page', json.locks.length, Math.min(of.limit, all.length - found.length))
    found.push(...json.locks.map(seen))
    cursor = json.next_cursor
  } while (cursor !== undefined)
  same('the list', found, all)
}

async function verify(model: Model, namespace: string, of: Extract<Call, { kind: 'verify' }>): Promise<void> {
  const all = model.of(of.repository)
  const [ours, theirs]: [unknown[], unknown[]] = [[], []]
  let cursor: string | undefined
  do {
    const { status, json } = await callers[of.user](
      'POST',
      `/lfs/${namespace}/${of.repository}/locks/verify`,
      {
        body: { limit: of.limit, ...(cursor !== undefined && { cursor }) },
      },
    )
    if (of.user === 'victor') return same('verify by a viewer', status, 403)
    same('verify', status, 200)
    ours.push(...json.ours.map(seen))
    theirs.push(...json.theirs.map(seen))
    cursor = json.next_cursor
  } while (cursor !== undefined)
  same('ours', ours, all.filter(({ holder }) => holder === of.user).map(wanted))
  same('theirs', theirs, all.filter(({ holder }) => holder !== of.user).map(wanted))
}

async function make(model: Model, namespace: string, of: Call): Promise<void> {
  switch (of.kind) {
    case 'lock':
      return lock(model, namespace, of)
    case 'lock for a minute':
      return lockForAMinute(model, namespace, of)
    case 'unlock':
      return unlock(model, namespace, of)
    case 'list':
      return list(model, namespace, of)
    case 'verify':
      return verify(model, namespace, of)
    case 'expire':
      await expire(service.stores)
      model.held = model.held.filter(({ hasEnd }) => !hasEnd)
  }
}

t.test('answers are those of a list of locks, whatever is called in which order', async t => {
  t.comment(`TEST_SEED=${SEED}`)
  let [sequences, calls] = [0, 0]
  await fc.assert(
    fc.asyncProperty(fc.array(call, { minLength: 8, maxLength: 40 }), async sequence => {
      sequences += 1
      const model = new Model()
      const namespace = uniqueId()
      for (const next of sequence) {
        calls += 1
        await make(model, namespace, next)
      }
    }),
    { numRuns: RUNS, seed: SEED, interruptAfterTimeLimit: LIMIT_MS },
  )
  t.comment(`${calls} calls in ${sequences} sequences`)
  t.same(await faults(service.stores), [])
})
