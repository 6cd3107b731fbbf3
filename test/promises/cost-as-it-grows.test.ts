import { randomBytes, randomUUID } from 'node:crypto'
import t from 'tap'
import { ApiKeyRepository } from '../../src/database/api-key-repository.ts'
import { SignInRepository } from '../../src/database/sign-in-repository.ts'
import { acquire, granted, grantedOne, named, openStores, type Stores } from '../support/database.ts'
import { directOnly } from '../support/through-pooler.ts'

const HELD = 3000
/** Rows and entries of indexes that a call may read for each lock that it is about. The most that was seen is 17. */
const MOST_READ = 25
const TOGETHER = 8

/** Something a client asks for. It comes with what it needs first, and how many locks it is about. */
interface Call {
  readonly what: string
  readonly locks: number
  prepare(stores: Stores): Promise<(stores: Stores) => Promise<unknown>>
}

let last = 0
const fresh = () => {
  last += 1
  return `fresh ${last}`
}
const several = <Item>(make: () => Promise<Item>) => Promise.all(Array.from({ length: TOGETHER }, make))
const nameOf = ({ id }: { readonly id: string }) => ({ namespace: 'tests', lockId: id, holder: 'alice' })
const of = (what: string, prepare: Call['prepare'], locks = 1): Call => ({ what, prepare, locks })

const CALLS: readonly Call[] = [
  of('acquire', async () => stores => granted(stores, fresh())),
  of('acquires together', async () => stores => several(() => granted(stores, fresh())), TOGETHER),
  of('acquire that is refused', async stores => {
    const { resource } = await grantedOne(stores, fresh())
    return stores => acquire(stores, resource.id, { holder: 'bob' })
  }),
  of(
    'acquire of a set under a named session',
    async () => stores => {
      return granted(stores, [fresh(), fresh(), fresh()], { session: named() })
    },
    3,
  ),
  of(
    'acquires under named sessions together',
    async () => stores => {
      return several(() => granted(stores, fresh(), { session: named() }))
    },
    TOGETHER,
  ),
  of('acquire that is repeated', async stores => {
    const session = named()
    const { resource } = await grantedOne(stores, fresh(), { session })
    return stores => granted(stores, resource.id, { session })
  }),
  of('acquire of what the user holds already', async stores => {
    const { resource } = await grantedOne(stores, fresh())
    return stores => granted(stores, resource.id, { reentry: 'user' })
  }),
  of('takeover', async stores => {
    const { resource } = await grantedOne(stores, fresh())
    return stores => granted(stores, resource.id, { holder: 'root', takeover: { reason: 'tests' } })
  }),
  of('acquire of a sole lock', async stores => {
    const holder = fresh()
    await granted(stores, fresh(), { holder, isSole: true })
    return stores => granted(stores, fresh(), { holder, isSole: true })
  }),
  of('acquire of what has expired', async stores => {
    const { resource, sessionId } = await grantedOne(stores, fresh())
    await stores.database.run(
      `update leasehold.sessions set started = started - ttl, last_touch = last_touch - ttl, expires_at = expires_at - ttl
       where id = $1`,
      [sessionId],
    )
    return stores => granted(stores, resource.id, { holder: 'bob' })
  }),
  of('touch', async stores => {
    const lock = await grantedOne(stores, fresh())
    return stores => stores.locks.touch(nameOf(lock))
  }),
  of(
    'touches together',
    async stores => {
      const locks = await several(() => grantedOne(stores, fresh()))
      return stores => Promise.all(locks.map(lock => stores.locks.touch(nameOf(lock))))
    },
    TOGETHER,
  ),
  of('touch of a session', async stores => {
    const { sessionId } = await grantedOne(stores, fresh())
    return stores => stores.sessions.touch(sessionId, 'alice')
  }),
  of(
    'touches of sessions together',
    async stores => {
      const locks = await several(() => grantedOne(stores, fresh()))
      return stores => Promise.all(locks.map(({ sessionId }) => stores.sessions.touch(sessionId, 'alice')))
    },
    TOGETHER,
  ),
  of('look at a lock', async stores => {
    const { id } = await grantedOne(stores, fresh())
    return stores => stores.locks.get('tests', id)
  }),
  of('look at a resource', async stores => {
    const { resource } = await grantedOne(stores, fresh())
    return stores => stores.locks.find(resource)
  }),
  of('list of one resource', async stores => {
    const { resource } = await grantedOne(stores, fresh())
    return stores => stores.locks.list({ ...resource, limit: 100 })
  }),
  of('list of one lock', async stores => {
    const { id } = await grantedOne(stores, fresh())
    return stores => stores.locks.list({ namespace: 'tests', lockId: id, limit: 100 })
  }),
  of('list of a session', async stores => {
    const { sessionId } = await grantedOne(stores, fresh())
    return stores => stores.locks.list({ namespace: 'tests', sessionId, limit: 100 })
  }),
  of('touch of a sign-in', async stores => {
    const secretHash = await signedIn(stores)
    return stores => new SignInRepository(stores.database).touch([secretHash])
  }),
  of('look at a sign-in', async stores => {
    const secretHash = await signedIn(stores)
    return stores => new SignInRepository(stores.database).find([secretHash])
  }),
  of('look at a session', async stores => {
    const { sessionId } = await grantedOne(stores, fresh())
    return stores => stores.sessions.get(sessionId, 'alice')
  }),
  of("list of a user's sessions", async stores => {
    const holder = fresh()
    await grantedOne(stores, fresh(), { holder, session: named() })
    return stores => stores.sessions.list({ user: holder, afterSessionId: undefined, limit: 100 })
  }),
  of("next page of a user's sessions", async stores => {
    const holder = fresh()
    const { sessionId } = await grantedOne(stores, fresh(), { holder, session: named() })
    const before = `00000000${sessionId.slice(8)}`
    return stores => stores.sessions.list({ user: holder, afterSessionId: before, limit: 100 })
  }),
  of('release', async stores => {
    const lock = await grantedOne(stores, fresh())
    return stores => stores.locks.release(nameOf(lock))
  }),
  of(
    'releases together',
    async stores => {
      const locks = await several(() => grantedOne(stores, fresh()))
      return stores => Promise.all(locks.map(lock => stores.locks.release(nameOf(lock))))
    },
    TOGETHER,
  ),
  of('release of the last lock of a named session', async stores => {
    const lock = await grantedOne(stores, fresh(), { session: named() })
    return stores => stores.locks.release(nameOf(lock))
  }),
  of('release of one lock of many of a session', async stores => {
    const [{ session_id: id } = { session_id: '' }] = await stores.database.run<{ session_id: string }>(
      `select session_id from leasehold.locks group by session_id having count(*) > 1000 limit 1`,
      [],
    )
    const session = id === '' ? named(randomUUID(), 60, false) : ({ kind: 'existing', id } as const)
    const lock = await grantedOne(stores, fresh(), { session })
    return stores => stores.locks.release(nameOf(lock))
  }),
  of('forced release', async stores => {
    const { id } = await grantedOne(stores, fresh())
    return stores => {
      return stores.locks.forceRelease({ namespace: 'tests', lockId: id }, { by: 'root', reason: 'tests' })
    }
  }),
  of(
    'release of a set by ids',
    async stores => {
      const locks = await granted(stores, [fresh(), fresh(), fresh()])
      const which = { kind: 'locks', lockIds: locks.map(({ id }) => id) } as const
      return stores => stores.locks.releaseSet({ namespace: 'tests', holder: 'alice', which })
    },
    3,
  ),
  of(
    'release of a set by resources',
    async stores => {
      const locks = await granted(stores, [fresh(), fresh(), fresh()])
      const resources = locks.map(({ resource: { type, id } }) => ({ type, id }))
      const which = { kind: 'resources', resources } as const
      return stores => stores.locks.releaseSet({ namespace: 'tests', holder: 'alice', which })
    },
    3,
  ),
  of('end of a session', async stores => {
    const { sessionId } = await grantedOne(stores, fresh(), { session: named() })
    return stores => stores.sessions.end(sessionId, 'alice')
  }),
]

/** The hash of the secret of a sign-in with a key of its own. */
async function signedIn(stores: Stores): Promise<Buffer> {
  const key = { user: 'alice', role: 'locker', namespace: '*', ttlSeconds: null } as const
  const { id } = await new ApiKeyRepository(stores.database).create({ ...key, hash: randomBytes(32) })
  const secretHash = randomBytes(32)
  await new SignInRepository(stores.database).open({
    secretHash,
    keyId: id,
    user: 'alice',
    client: null,
    ttlSeconds: 60,
    endsWithLastLock: false,
  })
  return secretHash
}

/**
 * Tables that were found empty by the last vacuum: PostgreSQL takes all ways through them for equally cheap, and keeps the
 * plan that it makes then while they grow.
 */
async function foundEmpty(stores: Stores, before: number): Promise<void> {
  for (const table of ['locks', 'sessions'])
    await stores.database.run(`alter table leasehold.${table} set (autovacuum_enabled = off)`, [])
  await fill(stores, 'gone', before)
  await stores.database.run('delete from leasehold.sessions', [])
  for (const table of ['locks', 'sessions']) await stores.database.run(`vacuum leasehold.${table}`, [])
}

/** Locks of sessions of their own, and as many of one session. */
async function fill(stores: Stores, prefix: string, count: number): Promise<void> {
  await stores.database.run(
    `with made as (
       insert into leasehold.sessions (id, user_name, ttl, named, ends_with_last_lock, started, last_touch, expires_at)
       select gen_random_uuid(), 'alice', '1 hour', false, true, now(), now(), now() + interval '1 hour'
       from generate_series(0, $2::int)
       returning id
     ),
     numbered as (
       select id, row_number() over () - 1 as number from made
     )
     insert into leasehold.locks (namespace, resource_type, resource_id, session_id, fencing_token, holder, lock_time)
     select 'tests', 'thing', $1 || ' ' || number, id, leasehold.next_fencing_token(), 'alice', now() from numbered where number > 0
     union all
     select 'tests', 'thing', $1 || ' of one ' || n, id, leasehold.next_fencing_token(), 'alice', now()
     from numbered, generate_series(1, $2::int) n
     where number = 0`,
    [prefix, count],
  )
}

/**
 * Rows of tables and entries of indexes that a call reads, by all that it brings about. A connection may tell its counts
 * seconds later; so everything here that reads goes by that of the stores, which is made to tell them.
 */
async function readBy(stores: Stores, call: () => Promise<unknown>): Promise<number> {
  const before = await readSoFar(stores)
  await call()
  return (await readSoFar(stores)) - before
}

async function readSoFar(stores: Stores): Promise<number> {
  await stores.database.run('select pg_stat_force_next_flush()', [])
  const [row] = await stores.sql<{ read: string }>(
    `select (select sum(seq_tup_read) from pg_stat_user_tables where relname in ('locks', 'sessions'))
       + (select sum(idx_tup_read) from pg_stat_user_indexes where relname in ('locks', 'sessions')) as read`,
  )
  return Number(row?.read)
}

for (const before of [3, HELD]) {
  t.test(
    `what a call reads does not grow with the locks that are held, though its plan is of tables that had ${before} and none`,
    { skip: directOnly('counts what one connection reads') },
    async t => {
      const stores = await openStores(t, { max: 1 })
      await foundEmpty(stores, before)
      // each statement is planned now
      for (const { prepare } of CALLS) await (await prepare(stores))(stores)
      await fill(stores, 'held', HELD)
      for (const { what, prepare, locks } of CALLS) {
        const call = await prepare(stores)
        const read = await readBy(stores, () => call(stores))
        t.ok(read <= MOST_READ * locks, `${what}: ${read} rows and entries`)
      }
    },
  )
}
