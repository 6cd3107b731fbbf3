import { setTimeout as pause } from 'node:timers/promises'
import type { Query } from './fingerprint.ts'

/** How a service that nobody asks anything is. */
export interface Health {
  readonly requests: number
  /** Live memory of JavaScript after a collection, and all memory of the process. */
  readonly heapMb: number
  readonly residentMb: number
  /** Of clients; the one that asks is among them, and those that are slow on purpose are not. */
  readonly connections: number
  readonly databaseConnections: number
}

/** May grow by so much over a run, whatever it was: caches fill, and memory of a process comes in pieces. */
const ROOM = { heapMb: 16, residentMb: 80 }

/** What the service may open with its defaults: for requests, in the background, for large sets. */
const MOST_DATABASE_CONNECTIONS = 14

/** A collection takes a moment after it was asked for. */
const COLLECTING_MS = 400

/** Closed sockets are noticed a moment later; on a machine with much to do, a long one. */
const SETTLED_WITHIN_MS = 10_000
const SETTLING_POLL_MS = 200

export interface Observed {
  readonly url: string
  readonly pid: number
  readonly adminKey: string
}

/** To be called when all clients have closed their connections, but for some that are slow on purpose: `slow` counts them. */
export async function lookAt(
  service: Observed,
  query: Query,
  requests: number,
  slow: () => number,
): Promise<Health> {
  for (let times = 0; times < 2; times += 1) {
    process.kill(service.pid, 'SIGUSR2')
    await pause(COLLECTING_MS)
  }
  const deadline = performance.now() + SETTLED_WITHIN_MS
  let metric = await metricsOf(service)
  let connections = metric('leasehold_http_connections') - slow()
  while (connections > 1 && performance.now() < deadline) {
    await pause(SETTLING_POLL_MS)
    metric = await metricsOf(service)
    connections = metric('leasehold_http_connections') - slow()
  }
  const [row] = await query<{ count: string }>(
    `select count(*) from pg_stat_activity
     where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()`,
  )
  return {
    requests,
    heapMb: metric('nodejs_heap_size_used_bytes') / 2 ** 20,
    residentMb: metric('process_resident_memory_bytes') / 2 ** 20,
    connections,
    databaseConnections: Number(row?.count),
  }
}

async function metricsOf({ url, adminKey }: Observed): Promise<(name: string) => number> {
  const response = await fetch(`${url}/metrics`, {
    headers: { authorization: `Bearer ${adminKey}`, connection: 'close' },
  })
  const text = await response.text()
  return name => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
}

/** What has grown that must not: the least of the first looks against the least of the last ones. */
export function growthIn(looks: readonly Health[]): readonly string[] {
  if (looks.length === 0) return []
  const third = Math.max(1, Math.floor(looks.length / 3))
  const [first, last] = [looks.slice(0, third), looks.slice(-third)]
  const least = (of: readonly Health[], name: keyof Health) => Math.min(...of.map(look => look[name]))
  const grown: string[] = []
  for (const name of ['heapMb', 'residentMb'] as const) {
    const [before, after] = [least(first, name), least(last, name)]
    // not a number where the service did not tell it
    if (!(after <= before + ROOM[name])) {
      grown.push(`${name} grew from ${before.toFixed(1)} to ${after.toFixed(1)}`)
    }
  }
  const most = Math.max(...looks.map(look => look.connections))
  if (!(most <= 1)) grown.push(`${most} connections were open when all clients had closed theirs`)
  const database = Math.max(...last.map(look => look.databaseConnections))
  if (database > MOST_DATABASE_CONNECTIONS) grown.push(`${database} connections to the database`)
  return grown
}
