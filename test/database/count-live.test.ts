import t from 'tap'
import { countLocksSql, countSessionsSql } from '../../src/database/statements/count-live.ts'
import { openStores } from '../support/database.ts'

/** 600 sessions of which every third has expired, with ten locks each; every page of both tables is the same mixture. */
const FILL = `
  insert into sessions (id, user_name, ttl, named, ends_with_last_lock, started, last_touch, expires_at)
  select md5(n::text)::uuid, 'alice', interval '1 minute', false, true, now() - interval '2 minutes',
    now() - interval '2 minutes', case when n % 3 = 0 then now() - interval '1 minute' else now() + interval '1 minute' end
  from generate_series(1, 600) n;
  insert into locks (namespace, resource_type, resource_id, session_id, fencing_token, holder, lock_time)
  select 'tests', 'thing', n::text, md5((n % 600 + 1)::text)::uuid, next_fencing_token(), 'alice', now()
  from generate_series(1, 6000) n`

t.test('live locks and sessions of small tables are counted', async t => {
  const stores = await openStores(t)
  await stores.sql(FILL)
  t.equal(await stores.locks.count(), 4000)
  t.equal(await stores.sessions.count(), 400)
})

t.test('those of large tables are estimated, and dead ones do not count', async t => {
  const stores = await openStores(t)
  await stores.sql(FILL)
  const estimates = async () => {
    const found = []
    for (const text of [countLocksSql, countSessionsSql].map(of => of('leasehold'))) {
      found.push(Number((await stores.database.run<{ live: string }>(text, [100]))[0]?.live))
    }
    return found
  }
  t.same(await estimates(), [4000, 400], 'what nobody has vacuumed yet is counted')
  await stores.sql('vacuum analyze locks')
  await stores.sql('vacuum analyze sessions')
  const [locks = 0, sessions = 0] = await estimates()
  t.ok(Math.abs(locks - 4000) < 200, `${locks} locks`)
  t.ok(Math.abs(sessions - 400) < 20, `${sessions} sessions`)
  await stores.sql('delete from sessions')
  t.same(await estimates(), [0, 0], 'emptied since the last vacuum')
  await stores.sql('truncate sessions cascade')
  t.same(await estimates(), [0, 0])
})
