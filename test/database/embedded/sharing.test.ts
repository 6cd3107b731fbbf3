import { readdir } from 'node:fs/promises'
import t from 'tap'
import {
  ask,
  dataFolder,
  EmbeddedProcess,
  killServer,
  serverPid,
  usedFolder,
} from '../../support/embedded.ts'
import { until } from '../../support/until.ts'

t.setTimeout(240_000)

t.test(
  'Processes that start at once on an empty folder get one server, one owner and the rest guests',
  async t => {
    for (let round = 1; round <= 2; round++) {
      const dataDir = await dataFolder(t)
      const services = [1, 2, 3].map(() => new EmbeddedProcess(t, dataDir))
      const outcomes = await Promise.all(services.map(service => service.outcome()))
      t.same(outcomes.map(({ role }) => role).sort(), ['guest', 'guest', 'owner'], `round ${round}`)
      t.equal(new Set(outcomes.map(({ url }) => url)).size, 1, 'all use one server')
      t.same(
        (await readdir(dataDir)).filter(name => !/^(postgres|postgres\.log|password|url)$/.test(name)),
        [],
        'no leftovers of the one that lost',
      )
      await Promise.all(services.map(service => service.stop()))
      t.equal(await serverPid(dataDir), undefined, 'whoever stopped last ended the server')
    }
  },
)

t.test('The owner leaves the server to a guest that still uses it, and the guest ends it', async t => {
  const dataDir = await usedFolder(t)
  const owner = new EmbeddedProcess(t, dataDir)
  await owner.outcome()
  const guest = new EmbeddedProcess(t, dataDir)
  const { role, url } = await guest.outcome()
  t.equal(role, 'guest')
  const pid = await serverPid(dataDir)
  t.equal(await owner.stop(), 0, 'its process ends although its child lives')
  t.match(owner.events.at(-1), { event: 'embedded_postgres_left_running' })
  t.equal(await serverPid(dataDir), pid)
  t.same(await ask(String(url), 'select 1 as one'), [{ one: 1 }])
  t.equal(await guest.stop(), 0)
  t.equal(await serverPid(dataDir), undefined)
})

t.test('The server of a killed service is replaced by one that is looked after', async t => {
  const dataDir = await usedFolder(t)
  const killed = new EmbeddedProcess(t, dataDir)
  const { url } = await killed.outcome()
  await ask(String(url), 'create table kept as select 42 as answer')
  const orphan = await serverPid(dataDir)
  await killed.kill()
  t.equal(await serverPid(dataDir), orphan, 'the server outlives its service')

  const service = new EmbeddedProcess(t, dataDir)
  t.match(await service.outcome(), { role: 'owner', url })
  t.match(await service.told('embedded_postgres_orphan_stopped'), { pid: orphan })
  t.not(await serverPid(dataDir), orphan)
  t.same(await ask(String(url), 'select answer from kept'), [{ answer: 42 }])
  await service.stop()
})

t.test('A young server whose starter has yet to register is not taken for an orphan', async t => {
  const dataDir = await usedFolder(t)
  const owner = new EmbeddedProcess(t, dataDir)
  const { url } = await owner.outcome()
  const pid = await serverPid(dataDir)
  owner.freeze()
  const registered = `from pg_stat_activity where application_name = 'leasehold embedded'`
  await ask(String(url), `select pg_terminate_backend(pid) ${registered}`)
  const guest = new EmbeddedProcess(t, dataDir)
  await until(
    'the guest looks at the server',
    async () => (await ask(String(url), `select ${registered}`)).length,
  )
  owner.thaw()
  t.match(await guest.outcome(), { role: 'guest' })
  t.equal(await serverPid(dataDir), pid)
  await owner.told('embedded_postgres_restored')
  await Promise.all([owner.stop(), guest.stop()])
  t.equal(await serverPid(dataDir), undefined)
})

t.test('Two services that start after a third was killed get one server', async t => {
  const dataDir = await usedFolder(t)
  for (let round = 1; round <= 2; round++) {
    const killed = new EmbeddedProcess(t, dataDir)
    await killed.outcome()
    await killed.kill()
    const services = [1, 2].map(() => new EmbeddedProcess(t, dataDir))
    const outcomes = await Promise.all(services.map(service => service.outcome()))
    t.same(outcomes.map(({ role }) => role).sort(), ['guest', 'owner'], `round ${round}`)
    await Promise.all(services.map(service => service.stop()))
    t.equal(await serverPid(dataDir), undefined)
  }
})

t.test('A guest keeps the server of a killed owner, and a newcomer joins it', async t => {
  const dataDir = await usedFolder(t)
  const owner = new EmbeddedProcess(t, dataDir)
  await owner.outcome()
  const guest = new EmbeddedProcess(t, dataDir)
  await guest.outcome()
  const pid = await serverPid(dataDir)
  await owner.kill()
  const newcomer = new EmbeddedProcess(t, dataDir)
  t.match(await newcomer.outcome(), { role: 'guest' })
  t.equal(await serverPid(dataDir), pid)
  await Promise.all([guest.stop(), newcomer.stop()])
  t.equal(await serverPid(dataDir), undefined)
})

t.test('A guest starts the server again where its owner is gone', async t => {
  const dataDir = await usedFolder(t)
  const owner = new EmbeddedProcess(t, dataDir)
  await owner.outcome()
  const guest = new EmbeddedProcess(t, dataDir)
  const { url } = await guest.outcome()
  await owner.kill()
  await killServer(dataDir)
  t.match(await guest.told('embedded_postgres_restored'), { role: 'owner' })
  t.same(await ask(String(url), 'select 1 as one'), [{ one: 1 }])
  await guest.stop()
  t.equal(await serverPid(dataDir), undefined)
})

t.test('A guest comes back to the server that its owner has started again', async t => {
  const dataDir = await usedFolder(t)
  const owner = new EmbeddedProcess(t, dataDir)
  await owner.outcome()
  const guest = new EmbeddedProcess(t, dataDir)
  await guest.outcome()
  await killServer(dataDir)
  t.match(await owner.told('embedded_postgres_restored'), { role: 'owner' })
  t.match(await guest.told('embedded_postgres_restored'), { role: 'guest' })
  await owner.stop()
  t.ok(await until('the server is still there', () => serverPid(dataDir)), 'the guest is registered again')
  await guest.stop()
  t.equal(await serverPid(dataDir), undefined)
})
