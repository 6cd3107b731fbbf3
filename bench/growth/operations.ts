import { createHash } from 'node:crypto'
import { type Address, LeaseholdClient } from '../leasehold-client.ts'
import type { Client, Recorder } from '../load.ts'
import { clientOf } from '../workloads.ts'
import { heldNamespace, heldResource, LISTED_LOCKS, LISTED_NAMESPACE, LOCKS_PER_SESSION } from './fill.ts'
import type { OperationName } from './growth-result.ts'

const CONFLICT = 409
const PAGE = 100

/** What is in the tables of a service. */
export interface Contents {
  readonly address: Address
  /** Locks held besides those of the listed namespace. */
  readonly heldLocks: number
}

/** One connection of those that do the operation. */
export interface Place {
  readonly run: string
  readonly connection: number
  readonly connections: number
}

/** Makes the client of one connection. */
export function operationClient(
  operation: OperationName,
  contents: Contents,
  place: Place,
  recorder: Recorder,
): Promise<Client> {
  switch (operation) {
    case 'acquire and release':
      return clientOf.distinct(contents.address, recorder, { id: place.run, connection: place.connection })
    case 'touch':
      return touch(contents, place, recorder)
    case 'conflict':
      return conflict(contents, recorder)
    case 'list of a small namespace':
      return list(contents, LISTED_NAMESPACE, recorder)
    case 'list of a large namespace':
      return list(
        contents,
        contents.heldLocks === 0 ? LISTED_NAMESPACE : heldNamespace(place.connection),
        recorder,
      )
  }
}

/** Touches sessions at random; none is another connection's, so that none waits for another. */
async function touch({ address, heldLocks }: Contents, place: Place, recorder: Recorder): Promise<Client> {
  const client = await LeaseholdClient.open(address)
  const touched = recorder.kind('touch')
  const prefix = heldLocks === 0 ? 'listed' : 'held'
  const sessions = (heldLocks === 0 ? LISTED_LOCKS : heldLocks) / LOCKS_PER_SESSION
  const own = Math.max(1, Math.floor(sessions / place.connections))
  return {
    async work() {
      const session = sessionId(prefix, place.connection + place.connections * randomBelow(own))
      const started = performance.now()
      await client.touch(session)
      touched(started)
    },
    close: () => client.close(),
  }
}

/** Asks for what somebody else holds. */
async function conflict({ address, heldLocks }: Contents, recorder: Recorder): Promise<Client> {
  const client = await LeaseholdClient.open(address)
  const conflicted = recorder.kind('conflict')
  return {
    async work() {
      const lock = randomBelow(heldLocks === 0 ? LISTED_LOCKS : heldLocks)
      const namespace = heldLocks === 0 ? LISTED_NAMESPACE : heldNamespace(lock)
      const resource = heldResource(heldLocks === 0 ? 'listed' : 'held', lock)
      const started = performance.now()
      const acquired = await client.tryAcquire(namespace, resource, [CONFLICT])
      if ('lock' in acquired) throw new Error(`${namespace} ${resource} was granted, though it is held`)
      conflicted(started)
    },
    close: () => client.close(),
  }
}

/** Reads a namespace page by page, again and again. */
async function list({ address }: Contents, namespace: string, recorder: Recorder): Promise<Client> {
  const client = await LeaseholdClient.open(address)
  const listed = recorder.kind('list')
  let cursor: string | null = null
  return {
    async work() {
      const started = performance.now()
      const page = await client.list(namespace, PAGE, cursor)
      listed(started)
      if (page.locks === 0 && cursor === null) throw new Error(`nothing is listed of ${namespace}`)
      cursor = page.nextCursor
    },
    close: () => client.close(),
  }
}

/** The same as PostgreSQL makes of it in the filling. */
function sessionId(prefix: string, number: number): string {
  const digest = createHash('md5').update(`${prefix} ${number}`).digest('hex')
  return digest.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

function randomBelow(limit: number): number {
  return Math.floor(Math.random() * limit)
}
