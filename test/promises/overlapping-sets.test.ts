import t from 'tap'
import { auditIsEmpty } from '../support/audit.ts'
import { Client } from '../support/client.ts'
import { openStores } from '../support/database.ts'
import { randomFrom, SEED } from '../support/random.ts'
import { startService } from '../support/service-process.ts'

const CLIENTS = 12
const ACQUIRES = 6000
const RESOURCES = 8

t.test('sets that overlap in opposite orders never deadlock, and are taken whole', async t => {
  const stores = await openStores(t)
  const environment = { DATABASE_URL: stores.url }
  const services = await Promise.all([startService(t, environment), startService(t, environment)])
  const random = randomFrom(SEED)
  const before = await deadlocks()
  const holder = new Map<string, number>()
  const counts: Record<string, number> = {}
  let left = ACQUIRES
  const work = async (number: number): Promise<void> => {
    const client = new Client(services[number % 2]?.url ?? '', { connections: 1 })
    while (left > 0) {
      left -= 1
      const size = 2 + Math.floor(random() * 4)
      const start = Math.floor(random() * RESOURCES)
      const ids = Array.from({ length: size }, (_, index) => `r${(start + index) % RESOURCES}`)
      if (random() < 0.5) ids.reverse()
      const answer = await client.acquire(ids)
      counts[answer.status] = (counts[answer.status] ?? 0) + 1
      if (answer.status !== 201) continue
      t.equal(answer.body.locks.length, size)
      for (const id of ids) {
        if (holder.has(id)) t.fail(`${id} has two holders`)
        holder.set(id, number)
      }
      for (const id of ids) holder.delete(id)
      for (const lock of answer.body.locks) await client.release(lock.id)
    }
    client.close()
  }
  await Promise.all(Array.from({ length: CLIENTS }, (_, number) => work(number)))
  const found = (await deadlocks()) - before
  t.comment(`seed ${SEED}: ${ACQUIRES} acquires by status ${JSON.stringify(counts)}, ${found} deadlocks`)
  t.same(
    Object.keys(counts).filter(status => !['201', '409', '503'].includes(status)),
    [],
  )
  t.ok((counts[201] ?? 0) > 100 && (counts[409] ?? 0) > 100, 'there was a race')
  t.ok((counts[503] ?? 0) < ACQUIRES / 50, 'next to nobody was put off')
  t.equal(found, 0, 'claims are never waited for, so there is nothing to deadlock on')
  await auditIsEmpty(t, stores)
  t.equal(await stores.locks.count(), 0, 'nothing was taken in part')

  async function deadlocks(): Promise<number> {
    const [row] = await stores.sql<{ deadlocks: string }>(
      'select deadlocks from pg_stat_database where datname = current_database()',
    )
    return Number(row?.deadlocks)
  }
})
