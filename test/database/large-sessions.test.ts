import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { ApiKeyRepository } from '../../src/database/api-key-repository.ts'
import { Database } from '../../src/database/database.ts'
import { LockRepository } from '../../src/database/lock-repository.ts'
import { SessionRepository } from '../../src/database/session-repository.ts'
import { SignInRepository } from '../../src/database/sign-in-repository.ts'
import { sweepAll } from '../../src/locks/sweeper.ts'
import {
  acquire,
  expire,
  faults,
  granted,
  openStores,
  POOL_SETTINGS,
  type Stores,
} from '../support/database.ts'

/** Of the connections of requests, and of no others. */
const STATEMENT_TIMEOUT_MS = 19_999

/**
 * The server gives up on the end of a session with as many locks as would take longer, without taking as long: what
 * these tests are about must not depend on the speed of a machine.
 */
const GIVES_UP = `
create function give_up() returns trigger language plpgsql as $$
begin
  if (select count(*) > 1 from leasehold.locks where session_id = old.id)
    and current_setting('statement_timeout') = '${STATEMENT_TIMEOUT_MS}ms'
  then
    raise exception 'canceling statement due to statement timeout' using errcode = '57014';
  end if;
  return new;
end $$;
create trigger sessions_given_up before update of ended_at on sessions for each row execute function give_up()`

interface LargeSession extends Stores {
  readonly signIns: SignInRepository
  readonly sessionId: string
  readonly secretHash: Buffer
}

/** Stores, and a session that the connections of requests cannot end in time. */
async function openStoresWithLargeSession(t: Test): Promise<LargeSession> {
  const stores = await openStores(t)
  const hasty = new Database(
    { ...POOL_SETTINGS, url: stores.url, statementTimeoutMs: STATEMENT_TIMEOUT_MS },
    'leasehold',
  )
  t.teardown(() => hasty.close())
  const key = { user: 'alice', role: 'locker', namespace: '*', ttlSeconds: null } as const
  const { id: keyId } = await new ApiKeyRepository(stores.database).create({ ...key, hash: randomBytes(32) })
  const signIns = new SignInRepository(hasty, stores.database)
  const secretHash = randomBytes(32)
  const session = await signIns.open({
    secretHash,
    keyId,
    user: 'alice',
    client: null,
    ttlSeconds: 3600,
    endsWithLastLock: false,
  })
  const sessionId = session?.id ?? ''
  await granted(stores, ['a', 'b', 'c'], { session: { kind: 'existing', id: sessionId } })
  await stores.sql(GIVES_UP)
  const bulk = stores.database
  await t.rejects(new SessionRepository(hasty, 3600).end(sessionId, 'alice'), { code: 'database_timeout' })
  return {
    ...stores,
    locks: new LockRepository(hasty, { retried() {} }, { bulk }),
    sessions: new SessionRepository(hasty, 3600, { bulk }),
    signIns,
    sessionId,
    secretHash,
  }
}

async function locksLeft({ sql, sessionId }: LargeSession): Promise<number | undefined> {
  const text = 'select count(*)::int from locks where session_id = $1'
  const [row] = await sql<{ count: number }>(text, [sessionId])
  return row?.count
}

t.test('a session with more locks than a request has time for can be ended', async t => {
  const stores = await openStoresWithLargeSession(t)
  t.equal(await stores.sessions.end(stores.sessionId, 'alice'), true)
  t.equal(await locksLeft(stores), 0)
  t.same(await faults(stores), [])
})

t.test('what such a session held is free once it has expired', async t => {
  const stores = await openStoresWithLargeSession(t)
  await expire(stores)
  t.equal((await acquire(stores, 'b', { holder: 'bob' })).kind, 'granted')
  t.same(await faults(stores), [])
})

t.test('it is swept, and so is what comes behind it', async t => {
  const stores = await openStoresWithLargeSession(t)
  await acquire(stores, ['other'], { holder: 'bob' })
  await expire(stores)
  const swept = await sweepAll(stores.sessions, { rest: async () => {} })
  t.equal(swept.sessions, 2)
  t.equal(await locksLeft(stores), 0)
})

t.test('a sign-in ends such a session of the same secret, once it has expired', async t => {
  const stores = await openStoresWithLargeSession(t)
  await expire(stores)
  await stores.signIns.endExpired(stores.secretHash)
  t.equal(await locksLeft(stores), 0)
})
