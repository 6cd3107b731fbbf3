import { randomUUID } from 'node:crypto'
import t from 'tap'
import { readConfig } from '../../../src/config.ts'
import { dialectSettings } from '../../../src/dialect-settings.ts'
import { connectedTo } from '../../support/scratch-database.ts'
import { LOCKS, NAMESPACE, startService } from '../service.ts'
import { APIS, type ApiName, type Thing } from './apis.ts'

const SETTINGS = {
  VERSAL_NAMESPACE: NAMESPACE,
  POLARIS_NAMESPACE: NAMESPACE,
  BRIDGE_NAMESPACE: NAMESPACE,
}

/** Something that each API can name. */
const THINGS: Readonly<Record<Exclude<ApiName, 'native'>, () => Omit<Thing, 'object'>>> = {
  'ALM, locks': () => ({ type: 'defect', id: '1' }),
  'ALM, entities': () => ({ type: 'defect', id: '2' }),
  Bimplus: () => ({ type: 'object', id: randomUUID() }),
  Versal: () => ({ type: 'gadget', id: `course1/${randomUUID()}` }),
  Polaris: () => ({ type: '27', id: '1' }),
  Bridge: () => ({ type: 'Task', id: '1' }),
}

for (const [name, thingOf] of Object.entries(THINGS)) {
  t.test(`${name}: where users cannot be read, a first lock is either answered or not taken`, async t => {
    const service = await startService(t, { dialects: dialectSettings(readConfig(SETTINGS)) })
    const caller = await APIS[name as ApiName].signIn(service, 'alice', service.keys.alice)
    // so that the key is known, and only the user's number is not
    await service.call('GET', LOCKS, { key: service.keys.alice })
    const thing = { object: randomUUID(), ...thingOf() }

    const blocker = await connectedTo(t, service.stores.url)
    await blocker.query('begin')
    await blocker.query('lock table leasehold.users in access exclusive mode')
    const { status, text } = await caller.lock(thing)
    await blocker.query('rollback')

    const isTaken = (await service.stores.locks.count()) > 0
    t.equal(isTaken, status < 500, `${status} ${text}`)
    if (!isTaken) t.ok((await caller.lock(thing)).status < 300, 'the same call once more')
  })
}
