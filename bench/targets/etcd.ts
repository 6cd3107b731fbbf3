import { join } from 'node:path'
import { expectStatus, type HttpConnection, httpRequest, openHttp } from '../http-connection.ts'
import { type Client, ClosedLoops, type Recorder } from '../load.ts'
import { pairs } from '../pairs.ts'
import { findProgram, firstLineOf, freePort, Program } from '../program.ts'
import type { TestBed } from '../test-bed.ts'
import type { Missing, Target } from './target.ts'

const LEASE_SECONDS = 3600

/** What a lock lives by, as long as it is not unlocked. */
interface Leases {
  readonly name: 'etcd' | 'etcd, a lease for each lock'
  readonly description: string
  client(port: number, recorder: Recorder, id: string): Promise<Client>
}

/** The least that a client can ask for: whatever its connection has locked ends together. */
export const ONE_LEASE: Leases = {
  name: 'etcd',
  description: 'one lease a connection granted beforehand (kinder than a lease a lock)',
  client: lockAndUnlock,
}

/** What the service's own pair is: each lock has a ttl of its own, and nothing is left of it. */
export const LEASE_A_LOCK: Leases = {
  name: 'etcd, a lease for each lock',
  description: 'a pair is the grant of a lease, a lock under it, and the end of the lease, which unlocks',
  client: leaseAndLock,
}

/** One member, as durable as etcd is by default, and its locks by the JSON gateway. */
export async function startEtcd({ cleanup, folder }: TestBed, leases: Leases): Promise<Target | Missing> {
  const file = await findProgram('etcd')
  if (file === undefined) return { missing: 'etcd is not installed (Debian: apt-get install etcd-server)' }
  const [port, peerPort] = [await freePort(), await freePort()]
  const url = `http://127.0.0.1:${port}`
  const peerUrl = `http://127.0.0.1:${peerPort}`
  const program = await Program.start(
    {
      name: 'etcd',
      file,
      args: [
        ...['--data-dir', join(folder, leases.name.replaceAll(/\W+/g, '-'))],
        ...['--logger', 'zap', '--log-level', 'error'],
        ...['--listen-client-urls', url, '--advertise-client-urls', url],
        ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl],
        ...['--initial-cluster', `default=${peerUrl}`],
        // a long run must not end at the default quota of 2 GB; a cluster in use compacts, too
        ...['--quota-backend-bytes', String(8 * 1024 ** 3)],
        ...['--auto-compaction-mode', 'periodic', '--auto-compaction-retention', '5m'],
      ],
      folder,
    },
    cleanup,
  )
  await program.ready(() => grantLease(port).catch(() => undefined))
  return {
    name: leases.name,
    description: `${await firstLineOf(file, ['--version'])}, one member, locks by /v3/lock of its JSON gateway, ${leases.description}`,
    processes: { service: [program.pid], database: [] },
    workloads: ['distinct'],
    load: (_workload, connections, run) =>
      ClosedLoops.start(connections, (index, recorder) => leases.client(port, recorder, `${run}-${index}`)),
  }
}

async function lockAndUnlock(port: number, recorder: Recorder, id: string): Promise<Client> {
  const lease = await grantLease(port)
  const connection = await openHttp(port)
  return pairs(recorder, {
    acquire: number => lock(connection, `${id}-${number}`, lease),
    async release(key) {
      const unlocked = await connection.send(httpRequest('POST', '/v3/lock/unlock', '', `{"key":"${key}"}`))
      expectStatus(unlocked, 200, 'an unlock of etcd')
    },
    close: () => connection.close(),
  })
}

async function leaseAndLock(port: number, recorder: Recorder, id: string): Promise<Client> {
  const connection = await openHttp(port)
  return pairs(recorder, {
    async acquire(number) {
      const lease = await grant(connection)
      await lock(connection, `${id}-${number}`, lease)
      return lease
    },
    async release(lease) {
      const revoked = await connection.send(
        httpRequest('POST', '/v3/lease/revoke', '', JSON.stringify({ ID: lease })),
      )
      expectStatus(revoked, 200, 'the end of a lease of etcd')
    },
    close: () => connection.close(),
  })
}

/** The key that stands for the lock. */
async function lock(connection: HttpConnection, id: string, lease: string): Promise<string> {
  const name = Buffer.from(`bench/item/${id}`).toString('base64')
  const locked = await connection.send(
    httpRequest('POST', '/v3/lock/lock', '', `{"name":"${name}","lease":"${lease}"}`),
  )
  const key = /"key":"([^"]+)"/.exec(expectStatus(locked, 200, 'a lock of etcd').body)?.[1]
  if (key === undefined) throw new Error(`a lock of etcd without its key: ${locked.body}`)
  return key
}

async function grantLease(port: number): Promise<string> {
  const connection = await openHttp(port)
  try {
    return await grant(connection)
  } finally {
    connection.close()
  }
}

async function grant(connection: HttpConnection): Promise<string> {
  const answer = await connection.send(
    httpRequest('POST', '/v3/lease/grant', '', JSON.stringify({ TTL: String(LEASE_SECONDS) })),
  )
  const id = /"ID":"(\d+)"/.exec(expectStatus(answer, 200, 'a lease of etcd').body)?.[1]
  if (id === undefined) throw new Error(`a lease of etcd without an id: ${answer.body}`)
  return id
}
