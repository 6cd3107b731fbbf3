import { readFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { migrateUp } from '../../src/database/migrations/migrate.ts'
import { Cluster, installedBinaries, NO_CLUSTERS } from '../support/cluster.ts'
import { granted, grantedOne, openStores, type Stores } from '../support/database.ts'

/** A sequence is written ahead 32 numbers at a time, so fewer grants than that could hide what was lost. */
const LOST_GRANTS = 100

/** The low bits of a token are the sequence's. */
const SEQUENCE_BITS = 2 ** 40

const OPERATIONS_PAGE = new URL('../../../docs/operations.md', import.meta.url)

/** Grants and releases the same resource again and again; the token of the last grant. */
async function grantMany(stores: Stores, count = LOST_GRANTS): Promise<number> {
  let last = 0
  for (let number = 0; number < count; number += 1) {
    const lock = await grantedOne(stores, 'a')
    if (lock.fencingToken <= last) throw new Error('a token went back')
    last = lock.fencingToken
    await stores.locks.release({ namespace: 'tests', lockId: lock.id, holder: 'alice' })
  }
  return last
}

async function nextToken(stores: Stores): Promise<number> {
  return await grantMany(stores, 1)
}

/** The first block of SQL of a section of the runbook that has some words in it. */
async function runbook(section: string, words: string): Promise<string> {
  const page = await readFile(OPERATIONS_PAGE, 'utf8')
  const text = page.slice(page.indexOf(`\n### ${section}\n`))
  const blocks = [...text.matchAll(/```sql\n([\s\S]*?)```/g)].map(block => block[1] ?? '')
  const found = blocks.find(block => block.includes(words))
  if (found === undefined) throw new Error(`no SQL with ${words} in ${section}`)
  return found
}

/** What the runbook says about the epoch, as it stands there. */
async function raiseEpoch(cluster: Cluster, greatest: number): Promise<void> {
  const text = (await runbook('After a restore', 'update leasehold.fencing_epoch')).replaceAll(
    ':greatest',
    String(greatest),
  )
  await cluster.sql(text)
}

async function serving(t: Test, cluster: Cluster): Promise<Stores> {
  return await openStores(t, { url: cluster.url })
}

for (const [version, binaries] of await installedBinaries()) {
  const skip = NO_CLUSTERS

  t.test(
    `PostgreSQL ${version}: after failovers to standbys that lost grants, tokens go on growing`,
    { skip },
    async t => {
      let primary = await Cluster.create(t, binaries)
      await migrateUp({ url: primary.url, schema: 'leasehold' })
      for (let failover = 1; failover <= 2; failover += 1) {
        const stores = await serving(t, primary)
        await grantMany(stores, 10)
        const standby = await primary.copy(t, { standby: 'behind' })
        await standby.start()
        await primary.caughtUp()
        await standby.kill()
        const [lost] = await granted(stores, 'lost', { session: { kind: 'implicit', ttlSeconds: null } })
        const greatest = Math.max(await grantMany(stores), lost?.fencingToken ?? 0)
        await primary.kill()
        await standby.start()
        await standby.promote()
        const next = await serving(t, standby)
        t.equal(await next.locks.find({ namespace: 'tests', type: 'thing', id: 'lost' }), undefined)
        const token = await nextToken(next)
        t.ok(token > greatest, `failover ${failover}: ${token} after ${greatest}`)
        t.ok(
          token % SEQUENCE_BITS < greatest % SEQUENCE_BITS,
          'the sequence alone would have gone back: the timeline is what grows',
        )
        primary = standby
      }
    },
  )

  t.test(`PostgreSQL ${version}: a base backup that is older than many grants`, { skip }, async t => {
    const primary = await Cluster.create(t, binaries)
    await migrateUp({ url: primary.url, schema: 'leasehold' })
    const stores = await serving(t, primary)
    await grantMany(stores, 10)
    const bare = await primary.copy(t, 'bare')
    const recovered = await primary.copy(t, 'recovery')
    const greatest = await grantMany(stores)
    const lastId = Number((await grantedOne(stores, 'b')).id)
    await primary.kill()

    await t.test('as a copy, it needs the step of the runbook', async t => {
      await bare.start()
      const restored = await serving(t, bare)
      t.ok((await nextToken(restored)) <= greatest, 'without it tokens come twice')
      await raiseEpoch(bare, greatest)
      t.ok((await nextToken(restored)) > greatest)
      await bare.sql(await runbook('After a restore', 'locks_id_seq'))
      t.ok(Number((await grantedOne(restored, 'b')).id) > lastId, 'nor do ids of locks come twice')
      await bare.sql(await runbook('After a restore', 'update leasehold.sessions'))
      t.equal(await restored.locks.count(), 0, 'and nobody holds what was released long ago')
    })

    await t.test('with archive recovery it gets a timeline of its own, and needs nothing', async t => {
      await recovered.start()
      await recovered.writable()
      t.ok((await nextToken(await serving(t, recovered))) > greatest)
    })
  })

  t.test(`PostgreSQL ${version}: a sequence that was lost`, { skip }, async t => {
    const primary = await Cluster.create(t, binaries)
    await migrateUp({ url: primary.url, schema: 'leasehold' })
    const stores = await serving(t, primary)
    const tokens = [await grantMany(stores, 40)]
    for (let loss = 0; loss < 3; loss += 1) {
      await primary.sql('alter sequence leasehold.fencing_token_seq restart')
      await raiseEpoch(primary, Math.max(...tokens))
      tokens.push(await nextToken(stores))
    }
    t.same(
      tokens,
      [...tokens].sort((a, b) => a - b),
    )
    t.equal(new Set(tokens).size, tokens.length)
  })
}
