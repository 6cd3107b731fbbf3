import { randomUUID } from 'node:crypto'
import { type Address, LeaseholdClient } from './leasehold-client.ts'
import type { Client, Recorder } from './load.ts'
import { pairs } from './pairs.ts'

/** What each connection does again and again, and the kinds of operation that are counted. */
export const WORKLOADS = {
  distinct: { kinds: ['pair'], says: 'acquire a resource of its own, release it' },
  named: { kinds: ['pair'], says: 'the same under a session that was started before' },
  hot: {
    kinds: ['grant', 'refusal'],
    says: 'all want one resource; who has it looks at it once and releases',
  },
  touch: { kinds: ['touch'], says: 'touch a session of its own' },
  mixed: { kinds: ['request'], says: '2 acquires, 2 releases, 4 touches, a look and a refusal' },
} as const satisfies Record<string, { kinds: readonly string[]; says: string }>

export type WorkloadName = keyof typeof WORKLOADS

/** Makes the client of one connection. */
type MakeClient = (address: Address, recorder: Recorder, run: Run) => Promise<Client>

/** One measurement: what its clients must not share with those of another. */
export interface Run {
  /** Part of the ids of its resources. */
  readonly id: string
  readonly connection: number
}

const NAMESPACE = 'bench'
const SESSION_SECONDS = 60

/** All tries ended in a race with others: an answer, though not a good one. */
const CONTENDED = 503
const CONFLICT = 409

export const clientOf: Readonly<Record<WorkloadName, MakeClient>> = {
  distinct: (address, recorder, run) => acquireAndRelease(address, recorder, run, undefined),
  named: (address, recorder, run) => acquireAndRelease(address, recorder, run, randomUUID()),
  hot,
  touch,
  mixed,
}

async function acquireAndRelease(
  address: Address,
  recorder: Recorder,
  run: Run,
  session: string | undefined,
): Promise<Client> {
  const client = await LeaseholdClient.open(address)
  if (session !== undefined) await client.startSession(session, SESSION_SECONDS)
  const ids = resourceIds(run)
  return pairs(recorder, {
    acquire: () => client.acquire(NAMESPACE, ids(), session),
    release: lock => client.release(NAMESPACE, lock),
    close: () => client.close(),
  })
}

async function hot(address: Address, recorder: Recorder, run: Run): Promise<Client> {
  const client = await LeaseholdClient.open(address)
  const grant = recorder.kind('grant')
  const refusal = recorder.kind('refusal')
  const contended = recorder.kind('contended')
  return {
    async work() {
      const started = performance.now()
      const acquired = await client.tryAcquire(NAMESPACE, `${run.id}-hot`, [CONFLICT, CONTENDED])
      if ('refused' in acquired) {
        if (acquired.refused === CONFLICT) refusal(started)
        else contended(started)
        return
      }
      grant(started)
      await client.look(NAMESPACE, acquired.lock)
      await client.release(NAMESPACE, acquired.lock)
    },
    close: () => client.close(),
  }
}

async function touch(address: Address, recorder: Recorder): Promise<Client> {
  const client = await LeaseholdClient.open(address)
  const session = randomUUID()
  await client.startSession(session, SESSION_SECONDS)
  const touched = recorder.kind('touch')
  return {
    async work() {
      const started = performance.now()
      await client.touch(session)
      touched(started)
    },
    close: () => client.close(),
  }
}

/** Ten requests in a fixed order, so that every round has the same mixture. */
async function mixed(address: Address, recorder: Recorder, run: Run): Promise<Client> {
  const client = await LeaseholdClient.open(address)
  const holder = randomUUID()
  const session = randomUUID()
  await client.startSession(holder, SESSION_SECONDS)
  await client.startSession(session, SESSION_SECONDS)
  const held = `${run.id}-${run.connection}-held`
  await client.acquire(NAMESPACE, held, holder)
  const ids = resourceIds(run)
  const request = recorder.kind('request')
  const timed = async <Result>(kind: string, work: () => Promise<Result>): Promise<Result> => {
    const started = performance.now()
    const result = await work()
    recorder.kind(kind)(started)
    request(started)
    return result
  }
  const acquireAndRelease = async () => {
    const lock = await timed('acquire', () => client.acquire(NAMESPACE, ids(), session))
    await timed('touch', () => client.touch(session))
    await timed('touch', () => client.touch(holder))
    await timed('release', () => client.release(NAMESPACE, lock))
    return lock
  }
  return {
    async work() {
      await acquireAndRelease()
      await timed('refusal', () => refused(client, held))
      const lock = await timed('acquire', () => client.acquire(NAMESPACE, ids(), session))
      await timed('touch', () => client.touch(session))
      await timed('look', () => client.look(NAMESPACE, lock))
      await timed('touch', () => client.touch(holder))
      await timed('release', () => client.release(NAMESPACE, lock))
    },
    close: () => client.close(),
  }
}

async function refused(client: LeaseholdClient, id: string): Promise<void> {
  const acquired = await client.tryAcquire(NAMESPACE, id, [CONFLICT])
  if ('lock' in acquired) throw new Error(`${id} was granted, though it is held`)
}

/** A new id each time, that no other connection and no other run uses. */
function resourceIds(run: Run): () => string {
  let number = 0
  return () => {
    number += 1
    return `${run.id}-${run.connection}-${number}`
  }
}
