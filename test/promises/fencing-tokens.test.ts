import { EventEmitter } from 'node:events'
import t from 'tap'
import { auditIsEmpty } from '../support/audit.ts'
import { Client } from '../support/client.ts'
import {
  acquire,
  granted,
  grantedOne,
  once,
  openStores,
  type request,
  type Stores,
} from '../support/database.ts'
import { randomFrom, SEED } from '../support/random.ts'
import { connectedTo } from '../support/scratch-database.ts'
import { startService } from '../support/service-process.ts'
import { untilWaiting } from '../support/waiting.ts'

const CONNECTIONS = 32
const GRANTS = 20_000

/** How many of those who wait try again after a release: enough to meet inside the database. */
const MOST_WOKEN = 4

/** Set to 1 to see the hammer fail. */
const WITHOUT_CLAIM = process.env.TEST_WITHOUT_CLAIM === '1'

/** The guard, taken out. */
const NO_CLAIM = `create or replace function leasehold.claim_resource(namespace text, resource_type text,
  resource_id text) returns boolean language sql volatile as 'select true'`

type Teardown = Parameters<typeof connectedTo>[0]

/** One grant as its client saw it: it held the lock between these two instants, on the clock of this process. */
interface Hold {
  readonly token: number
  readonly from: number
  readonly until: number
}

t.test('tokens grow in the order of grants, and there are never two holders', async t => {
  const stores = await openStores(t)
  if (WITHOUT_CLAIM) await once(stores.url, NO_CLAIM)
  const environment = { DATABASE_URL: stores.url, DATABASE_POOL_SIZE: String(CONNECTIONS / 2) }
  const services = await Promise.all([startService(t, environment), startService(t, environment)])
  const random = randomFrom(SEED)
  const released = new EventEmitter().setMaxListeners(0)
  const waiting: (() => void)[] = []
  const holds: Hold[] = []
  let refused = 0
  let contended = 0
  released.on('one', () => {
    for (let woken = Math.ceil(random() * MOST_WOKEN); woken > 0 && waiting.length > 0; woken -= 1) {
      waiting.splice(Math.floor(random() * waiting.length), 1)[0]?.()
    }
  })
  const contend = async (number: number): Promise<void> => {
    const client = new Client(services[number % 2]?.url ?? '', { connections: 1 })
    while (holds.length < GRANTS) {
      const seen = holds.length
      const answer = await client.acquire('hot', { client: `connection ${number}` })
      const from = performance.now()
      if (answer.status === 409) {
        refused += 1
        // unless a release came in between, which woke only those who waited already
        if (holds.length === seen) await new Promise<void>(resolve => waiting.push(resolve))
        continue
      }
      if (answer.status === 503) {
        contended += 1
        continue
      }
      if (answer.status !== 201) throw new Error(JSON.stringify(answer))
      const lock = answer.body.locks[0]
      const until = performance.now()
      const { status } = await client.release(lock.id)
      if (status !== 204) throw new Error(`a release is answered ${status}`)
      holds.push({ token: lock.fencing_token, from, until })
      released.emit('one')
    }
    for (const wake of waiting.splice(0)) wake()
    client.close()
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, (_, number) => contend(number)))
  holds.sort((a, b) => a.from - b.from)
  let backwards = 0
  let overlapping = 0
  for (let index = 1; index < holds.length; index += 1) {
    const [earlier, later] = [holds[index - 1] as Hold, holds[index] as Hold]
    if (later.token <= earlier.token) backwards += 1
    if (later.from < earlier.until) overlapping += 1
  }
  t.comment(
    `seed ${SEED}: ${holds.length} grants, ${refused} refused, ${contended} contended; ${backwards} tokens backwards, ${overlapping} overlapping holds`,
  )
  t.ok(holds.length >= GRANTS)
  t.ok(refused > GRANTS / 10, 'there was a race')
  t.equal(backwards, 0)
  t.equal(overlapping, 0)
  await auditIsEmpty(t, stores)
})

/**
 * Stages the one order that matters: an acquire has drawn its token and is held up before its row is in, while
 * another is granted the same resource. Returns the tokens in the order of the grants.
 */
async function overtake(
  t: Teardown,
  stores: Stores,
): Promise<{ overtaking: string; tokens: readonly number[] }> {
  await stores.sql(`create function hold_up() returns trigger language plpgsql as $$
    begin
      if new.reference = 'slow' then perform pg_advisory_xact_lock(42); end if;
      return new;
    end $$`)
  await stores.sql('create trigger hold_up before insert on locks for each row execute function hold_up()')
  const gate = await connectedTo(t, stores.url)
  await gate.query('select pg_advisory_lock(42)')
  const slow = granted(stores, 'a', { holder: 'slow', reference: 'slow' })
  await untilWaiting(stores, 1)
  const overtaking = await acquire(stores, 'a', { holder: 'fast' })
  const tokens: number[] = []
  if (overtaking.kind === 'granted') {
    for (const { lock } of overtaking.grants) {
      tokens.push(lock.fencingToken)
      await stores.locks.release({ namespace: 'tests', lockId: lock.id, holder: 'fast' })
    }
  }
  await gate.query('select pg_advisory_unlock(42)')
  for (const lock of await slow) tokens.push(lock.fencingToken)
  return { overtaking: overtaking.kind, tokens }
}

t.test('nobody is granted a resource while another grant of it is under way', async t => {
  const { overtaking, tokens } = await overtake(t, await openStores(t))
  t.equal(overtaking, 'contended', 'neither held nor free')
  t.equal(tokens.length, 1)
})

t.test('without the claim an overtaken acquire is granted with an older token', async t => {
  const stores = await openStores(t)
  await stores.sql(NO_CLAIM)
  const { overtaking, tokens } = await overtake(t, stores)
  t.equal(overtaking, 'granted')
  t.ok((tokens[1] ?? 0) < (tokens[0] ?? 0), 'the claim is what keeps the order')
})

t.test('a token is greater than every earlier one, whatever ended the lock before', async t => {
  const stores = await openStores(t)
  const tokens: number[] = []
  const take = async (id: string, options: Parameters<typeof request>[1] = {}) => {
    const lock = await grantedOne(stores, id, options)
    tokens.push(lock.fencingToken)
    return lock
  }
  const first = await take('a')
  await stores.locks.release({ namespace: 'tests', lockId: first.id, holder: 'alice' })
  const second = await take('a')
  await stores.sessions.end(second.sessionId, 'alice')
  await take('a')
  await take('a', { holder: 'root', takeover: { reason: 'test' } })
  await stores.sql('delete from locks')
  await take('a')
  await stores.sql('delete from sessions')
  await take('a')
  await stores.sql(`update fencing_epoch set epoch = epoch + 1`)
  await stores.sql(`alter sequence fencing_token_seq restart`)
  await stores.sql('delete from locks')
  await take('a')
  t.same(
    tokens,
    [...tokens].sort((a, b) => a - b),
  )
  t.equal(new Set(tokens).size, tokens.length)
})
