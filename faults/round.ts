import { setTimeout as pause } from 'node:timers/promises'
import { Behaviour, type ClientFaults } from './clients/behaviour.ts'
import { Caller, type Entrance } from './clients/caller.ts'
import { LockClient, type Room } from './clients/lock-client.ts'
import type { ProtectedLists } from './clients/protected-lists.ts'
import type { Tally } from './clients/tally.ts'
import type { User } from './clients/users.ts'
import { nowUs } from './history/clock.ts'
import { type Header, HistoryWriter } from './history/history-file.ts'
import type { Operation } from './history/operation.ts'
import { Dba } from './nemesis/dba.ts'
import type { Nemesis } from './nemesis/nemesis.ts'
import { auditFindings } from './servers/audit.ts'
import { SCHEMA, type TestBed } from './servers/test-bed.ts'

/** The longest of the short ttls of the clients. */
const SHORT_TTL_MS = 1500
/** What a client waits for an answer, in ms. Some wait far longer, to see what the service's own deadline is. */
const PATIENCE_MS = { usual: 4000, patient: 40_000 }
const PATIENT_SHARE = 0.1
/** Long enough for a machine that has other work too; how soon it has to be is for the requests' deadlines to say. */
const SETTLED_WITHIN_MS = 120_000
const LAST_LOOK_WITHIN_MS = 60_000
/** In how many clients one comes by the proxy in front of its service. */
const PROXIED_EVERY = 3
/** Who look at all resources at the end, a service. */
const LOOKERS = 8

export interface RoundOptions {
  readonly header: Header
  readonly path: string
  readonly seconds: number
  readonly clients: number
  readonly users: readonly User[]
  /** The share of short leases that are kept for longer than they last. */
  readonly lateTouches: number
  readonly random: () => number
  readonly nemesis: Nemesis
  readonly tally: Tally
  readonly lists: ProtectedLists
  readonly clientFaults: ClientFaults
  readonly interrupted: AbortSignal
}

/**
 * Clients at work on resources of their own while things break; then all is mended and looked at. What the schema's
 * own audit finds wrong then.
 */
export async function playRound(bed: TestBed, options: RoundOptions): Promise<readonly string[]> {
  const { header, random, nemesis, tally, interrupted } = options
  const history = new HistoryWriter(options.path, header)
  let last = 0
  const room: Room = {
    namespace: header.namespace,
    keys: header.keys.length,
    nextNumber: () => {
      last += 1
      return last
    },
    record(operation: Operation) {
      history.add(operation)
      tally.count(operation)
    },
  }
  const stage = {
    ...bed,
    random,
    shortTtlMs: SHORT_TTL_MS,
    hand: new Dba(SCHEMA, bed.cluster, room),
    onFailover: (fromUs: number) =>
      history.add({ mark: 'failover', what: 'the standby was promoted', fromUs, toUs: nowUs() }),
  }
  let isOver = false
  const behaviours = Array.from({ length: options.clients }, (_, index) =>
    behaviourOf(index, bed, room, options, () => isOver),
  )
  const living = Promise.all(behaviours.map(behaviour => behaviour.live()))
  const stop = new AbortController()
  const timer = setTimeout(() => stop.abort(), options.seconds * 1000)
  const stopNow = () => stop.abort()
  interrupted.addEventListener('abort', stopNow)
  try {
    await Promise.race([nemesis.work(stage, stop.signal, mark => history.add(mark)), failureOf(living)])
    await settle(bed)
    history.add({ mark: 'healed', what: 'everything was mended', fromUs: nowUs(), toUs: nowUs() })
    await pause(300)
    isOver = true
    await living
    await lookAtAll(bed, room, options)
    const log = await bed.cluster.log.take(bed.cluster.primary)
    if (typeof log === 'string') history.add({ mark: 'log', what: log, fromUs: nowUs(), toUs: nowUs() })
    else {
      for (const entry of log) history.add(entry)
      history.add({ logEntries: log.length })
    }
  } finally {
    isOver = true
    clearTimeout(timer)
    interrupted.removeEventListener('abort', stopNow)
    // what was recorded is judged, however the round ended
    await living.catch(() => {})
    await history.close()
  }
  return auditFindings(bed.cluster.primary, SCHEMA)
}

function behaviourOf(
  index: number,
  bed: TestBed,
  room: Room,
  { users, random, lateTouches, lists, clientFaults }: RoundOptions,
  isOver: () => boolean,
): Behaviour {
  const user = users[index % users.length]
  if (user === undefined) throw new Error('there are no users')
  const isPatient = random() < PATIENT_SHARE
  const entrances = index % PROXIED_EVERY === 0 ? behindProxies(bed) : bed.services.map(entranceOf)
  const caller = new Caller(entrances, random, isPatient ? PATIENCE_MS.patient : PATIENCE_MS.usual)
  const client = new LockClient({ client: index, user: user.name, apiKey: user.apiKey }, room, caller)
  return new Behaviour(client, {
    keys: room.keys,
    random,
    isAdmin: user.isAdmin,
    lateTouches,
    lists,
    faults: clientFaults,
    isOver,
  })
}

function entranceOf(service: TestBed['services'][number]): Entrance {
  return {
    service: service.name,
    get port() {
      return service.port
    },
  }
}

/** The proxy listens even where its service does not. */
function behindProxies({ frontProxies, services }: TestBed): readonly Entrance[] {
  return frontProxies.map((proxy, index) => ({ service: services[index]?.name ?? '', port: proxy.port }))
}

/** Rejects where the clients fail; never resolves. */
function failureOf(living: Promise<unknown>): Promise<never> {
  return new Promise((_, reject) => {
    living.catch(reject)
  })
}

/** Every replica says that it is ready. */
async function settle({ services }: TestBed): Promise<void> {
  const deadline = performance.now() + SETTLED_WITHIN_MS
  for (const service of services) {
    // it ended by itself, which the report tells
    if (service.pid === undefined) await service.start()
    for (;;) {
      let said = ''
      try {
        const answer = await fetch(`http://127.0.0.1:${service.port}/readyz`)
        if (answer.status === 200) break
        said = await answer.text()
      } catch (error) {
        said = String(error instanceof Error ? error.cause : error)
      }
      if (performance.now() > deadline) {
        throw new Error(
          [`${service.name} did not get ready again: ${said}`, ...service.unwantedEnds].join('\n'),
        )
      }
      await pause(100)
    }
  }
}

/** The last word on every resource, through every replica in turn. All of it has to be answered. */
async function lookAtAll(bed: TestBed, room: Room, { users, random }: RoundOptions): Promise<void> {
  const [user] = users
  if (user === undefined) return
  const services = bed.services.flatMap(service => Array.from({ length: LOOKERS }, () => service))
  const callers = services.map(service => new Caller([entranceOf(service)], random, PATIENCE_MS.usual))
  const clients = callers.map(
    caller => new LockClient({ client: -2, user: user.name, apiKey: user.apiKey }, room, caller),
  )
  await Promise.all(
    clients.map(async (client, index) => {
      for (let key = index; key < room.keys; key += clients.length) {
        await lastLook(client, key)
      }
      client.leave()
    }),
  )
}

async function lastLook(client: LockClient, key: number): Promise<void> {
  const deadline = performance.now() + LAST_LOOK_WITHIN_MS
  for (;;) {
    const answer = await client.look(key)
    if (answer?.outcome === 'ok' || answer?.outcome === 'refused') return
    if (performance.now() > deadline) {
      throw new Error(`the last look at k${key} was not answered: ${answer?.code ?? 'not sent'}`)
    }
  }
}
