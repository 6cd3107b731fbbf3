import { rmSync } from 'node:fs'
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Cleanup } from '../../bench/cleanup.ts'
import { migrateUp } from '../../src/database/migrations/migrate.ts'
import type { Control } from '../controls/control.ts'
import { makeMutant } from '../controls/mutant-build.ts'
import { Cluster } from './cluster.ts'
import { findInstallation, type Installation } from './postgres-binaries.ts'
import { DATABASE, SERVICE_ROLE, type Settings } from './postgres-node.ts'
import { ServiceReplica } from './service-replica.ts'
import { TcpProxy } from './tcp-proxy.ts'

const REPLICAS = 3
export const SCHEMA = 'leasehold'
export const ADMIN_KEY = 'an-admin-key-of-the-fault-runs'
const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url))

/** Everything that is started for a run, and can be broken. */
export interface TestBed {
  readonly folder: string
  readonly installation: Installation
  readonly cluster: Cluster
  readonly services: readonly ServiceReplica[]
  readonly databaseProxies: readonly TcpProxy[]
  readonly frontProxies: readonly TcpProxy[]
}

export interface TestBedOptions {
  readonly postgres: string
  readonly serviceSettings: Settings
  /** What is not as it should be. */
  readonly control: Control | undefined
}

/** What bounds waiting is short, so that a fault costs seconds and not minutes. */
const SERVICE_SETTINGS: Settings = {
  HOST: '127.0.0.1',
  PORT: '0',
  DATABASE_SCHEMA: SCHEMA,
  BOOTSTRAP_KEY: ADMIN_KEY,
  DATABASE_POOL_SIZE: '8',
  DATABASE_CONNECT_TIMEOUT_MS: '1000',
  DATABASE_STATEMENT_TIMEOUT_MS: '1500',
  DATABASE_LOCK_TIMEOUT_MS: '300',
  SWEEP_INTERVAL_MS: '700',
  TOMBSTONE_SECONDS: '60',
  DRAIN_TIMEOUT_MS: '3000',
  DIALECTS: 'none',
  LOG_LEVEL: 'fatal',
}

export async function startTestBed(options: TestBedOptions, cleanup: Cleanup): Promise<TestBed> {
  const folder = await makeFolder(cleanup)
  const installation = await findInstallation(options.postgres, folder)
  const { account } = installation.launcher
  if (account !== undefined) await chown(folder, account.uid, account.gid)
  const databaseProxies = await startProxies(cleanup)
  const frontProxies = await startProxies(cleanup)
  const point = (port: number) => {
    for (const proxy of databaseProxies) proxy.pointAt(port)
  }
  const { control } = options
  const main = control?.replacements === undefined ? MAIN : await makeMutant(folder, control.replacements)
  const clusterOptions = {
    schema: SCHEMA,
    settings: control?.databaseSettings ?? {},
    isSynchronous: control?.isAsynchronous !== true,
  }
  const cluster = await Cluster.start(folder, installation, clusterOptions, point, cleanup)
  await migrateUp({
    url: `postgres://${SERVICE_ROLE}@127.0.0.1:${cluster.primary.port}/${DATABASE}`,
    schema: SCHEMA,
    log: () => {},
  })
  for (const sql of control?.sql ?? []) await cluster.primary.query(`set search_path to ${SCHEMA}; ${sql}`)
  await cluster.log.begin(cluster.primary)
  const services = databaseProxies.map((proxy, index) => {
    const environment = {
      ...SERVICE_SETTINGS,
      DATABASE_URL: `postgres://${SERVICE_ROLE}@127.0.0.1:${proxy.port}/${DATABASE}`,
      ...control?.serviceSettings,
      ...options.serviceSettings,
    }
    const onPort = (port: number | undefined) => frontProxies[index]?.pointAt(port ?? 1)
    const name = `service-${index + 1}`
    return new ServiceReplica(name, main, folder, environment, onPort, cleanup)
  })
  await Promise.all(services.map(service => service.start()))
  return { folder, installation, cluster, services, databaseProxies, frontProxies }
}

async function makeFolder(cleanup: Cleanup): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'leasehold-faults-'))
  const removal = { recursive: true, force: true, maxRetries: 5 }
  cleanup.add(
    'its files',
    () => rm(folder, removal),
    () => rmSync(folder, removal),
  )
  await chmod(folder, 0o755)
  return folder
}

async function startProxies(cleanup: Cleanup): Promise<readonly TcpProxy[]> {
  const proxies = await Promise.all(Array.from({ length: REPLICAS }, () => TcpProxy.start()))
  cleanup.add(
    'the proxies',
    () =>
      proxies.forEach(proxy => {
        proxy.close()
      }),
    () => {},
  )
  return proxies
}
