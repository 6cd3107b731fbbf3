import type { Cluster } from '../servers/cluster.ts'
import type { ServiceReplica } from '../servers/service-replica.ts'
import type { TcpProxy } from '../servers/tcp-proxy.ts'

/** Faults of one lane come one after the other; lanes are independent of each other. */
export const LANES = ['service', 'database', 'network', 'hand'] as const
export type Lane = (typeof LANES)[number]

/** What can be broken. */
export interface Stage {
  readonly cluster: Cluster
  readonly services: readonly ServiceReplica[]
  /** Between each service and the database, in the order of the services. */
  readonly databaseProxies: readonly TcpProxy[]
  /** Between some clients and each service. */
  readonly frontProxies: readonly TcpProxy[]
  readonly random: () => number
  /** The longest of the short ttls. */
  readonly shortTtlMs: number
  /** Records what a DBA does. */
  readonly hand: Hand
  /** A failover happened: what nobody had been promised may be gone. */
  onFailover(fromUs: number): void
}

/** A DBA at work on the schema of the service. */
export interface Hand {
  readonly schema: string
  readonly namespace: string
  /** Deletes some lock's row; false where there was none. */
  deleteLock(): Promise<boolean>
  /** Ends some session; false where there was none. */
  endSession(): Promise<boolean>
}

export interface Fault {
  readonly kind: string
  readonly lane: Lane
  /** How often it is chosen, beside the others of its lane. */
  readonly weight: number
  readonly needsStandby?: boolean
  /** Makes the fault, waits, and mends it. Resolves with what was seen of its effect; undefined: nothing was. */
  run(stage: Stage): Promise<string | undefined>
}

export function between(random: () => number, min: number, max: number): number {
  return min + random() * (max - min)
}

export function oneOf<Item>(random: () => number, items: readonly Item[]): Item {
  const item = items[Math.floor(random() * items.length)]
  if (item === undefined) throw new Error('there is nothing to choose from')
  return item
}
