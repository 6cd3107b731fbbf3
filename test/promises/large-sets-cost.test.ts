import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { auditIsEmpty } from '../support/audit.ts'
import { putTree } from '../support/catalogue.ts'
import { acquire, grantedOne, openStores, request, type Stores } from '../support/database.ts'

/** Lone acquires while something else goes on: how long each took in ms, and what they came to. */
function loneAcquires(stores: Stores, namespace: string, workers: number) {
  let going = true
  const timesMs: number[] = []
  const outcomes: Record<string, number> = {}
  const work = async (number: number): Promise<void> => {
    const resource = { namespace, type: 'lone', id: `lone ${number}` }
    while (going) {
      const started = performance.now()
      const [outcome] = await stores.locks.acquire([{ ...request([]), resources: [resource] }])
      timesMs.push(performance.now() - started)
      outcomes[outcome?.kind ?? ''] = (outcomes[outcome?.kind ?? ''] ?? 0) + 1
      if (outcome?.kind === 'granted') {
        const lockId = outcome.grants[0]?.lock.id ?? ''
        await stores.locks.release({ namespace, lockId, holder: 'alice' })
      } else await delay(5)
    }
  }
  const done = Promise.all(Array.from({ length: workers }, (_, number) => work(number)))
  return async () => {
    going = false
    await done
    timesMs.sort((a, b) => a - b)
    const p99 = timesMs[Math.floor(timesMs.length * 0.99)] ?? 0
    return `${JSON.stringify(outcomes)}, p99 ${p99.toFixed(1)} ms`
  }
}

async function seconds<Result>(task: () => Promise<Result>): Promise<readonly [Result, string]> {
  const started = performance.now()
  const result = await task()
  return [result, `${((performance.now() - started) / 1000).toFixed(2)} s`]
}

for (const size of [1000, 10_000, 100_000]) {
  t.test(`${size} resources in one request, and what others notice`, async t => {
    const large = await openStores(t, { statementTimeoutMs: 120_000, lockTimeoutMs: 500 })
    const others = await openStores(t, { url: large.url, lockTimeoutMs: 500 })
    await putTree(large, 'root', size - 1)
    await large.sql('vacuum analyze')
    const tree = { kind: 'expanded', resource: { type: 'thing', id: 'root' }, expand: 'contents' } as const
    const take = () => acquire(large, 'root', { expand: 'contents' })
    const release = (holder: string) => large.locks.releaseSet({ namespace: 'tests', which: tree, holder })

    const [taken, takenIn] = await seconds(take)
    t.match(taken, { kind: 'granted', count: size, existingCount: 0 })
    const [refused, refusedIn] = await seconds(() => release('bob'))
    t.match(refused, { kind: 'conflict', conflictCount: size })
    const [released, releasedIn] = await seconds(() => release('alice'))
    t.match(released, { kind: 'released', count: size })
    t.comment(
      `${size} alone: acquired in ${takenIn}, released in ${releasedIn}, refused to release in ${refusedIn}`,
    )

    const foreign = await grantedOne(large, 'root/0/7', { holder: 'bob' })
    const [conflict, conflictIn] = await seconds(take)
    t.match(conflict, { kind: 'conflict', conflicts: [{ id: foreign.id }], conflictCount: 1 })
    t.same(
      await large.sql(
        'select count(*)::int as locks, (select count(*)::int from sessions) as sessions from locks',
      ),
      [{ locks: 1, sessions: 1 }],
      'nothing left behind',
    )
    await large.locks.release({ namespace: 'tests', lockId: foreign.id, holder: 'bob' })
    t.comment(`${size} with one lock of somebody else: refused in ${conflictIn}`)

    const before = loneAcquires(others, 'elsewhere', 4)
    await delay(2000)
    t.comment(`lone acquires before: ${await before()}`)
    const elsewhere = loneAcquires(others, 'elsewhere', 4)
    const here = loneAcquires(others, 'tests', 2)
    const [again, againIn] = await seconds(take)
    t.match(again, { kind: 'granted', count: size })
    t.comment(
      `${size} with others at work: acquired in ${againIn}; elsewhere ${await elsewhere()}; in the same namespace ${await here()}`,
    )
    const [ended, endedIn] = await seconds(() => large.sql('update sessions set ended_at = now()'))
    t.ok(ended)
    t.comment(`${size}: their session ended in ${endedIn}`)
    t.equal(await large.locks.count(), 0)
    await auditIsEmpty(t, large)
  })
}
