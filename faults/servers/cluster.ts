import { setTimeout as pause } from 'node:timers/promises'
import type { Cleanup } from '../../bench/cleanup.ts'
import { freePort } from '../../bench/program.ts'
import { copyNode } from './copy-node.ts'
import { LockLog } from './lock-log.ts'
import type { Installation } from './postgres-binaries.ts'
import { DATABASE, PostgresNode, SERVICE_ROLE, type Settings } from './postgres-node.ts'

const STREAMING_WITHIN_MS = 60_000
const POLL_MS = 20

/** Small and as durable as by default; `wal_level` and what keeps WAL are for copies and for reading it. */
const SETTINGS: Settings = {
  max_connections: '75',
  // the harness gets in even where a fault uses up all others
  superuser_reserved_connections: '10',
  shared_buffers: '96MB',
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  wal_level: 'logical',
  wal_keep_size: '192MB',
  max_wal_size: '384MB',
  min_wal_size: '64MB',
  checkpoint_timeout: '60s',
  max_wal_senders: '6',
  hot_standby: 'on',
  // so that nothing is vacuumed away that decoding on the standby needs
  hot_standby_feedback: 'on',
  wal_receiver_status_interval: '1s',
  // what is asked on the standby must not hold up what it has to know
  max_standby_streaming_delay: '300ms',
  wal_retrieve_retry_interval: '200ms',
  autovacuum_naptime: '5s',
  deadlock_timeout: '200ms',
  client_connection_check_interval: '500ms',
  log_line_prefix: '%m [%p] ',
  log_min_messages: 'log',
  // the texts of statements would be most of it
  log_min_error_statement: 'panic',
  log_checkpoints: 'off',
  jit: 'off',
}

export interface ClusterOptions {
  /** Whose locks the log is about. */
  readonly schema: string
  readonly settings: Settings
  /** Whether commits wait for the standby, where there is one. */
  readonly isSynchronous: boolean
}

/** A primary, and a standby that it may be told to wait for. Which of the two nodes is which changes. */
export class Cluster {
  #primary: PostgresNode
  #other: PostgresNode
  readonly log: LockLog
  #hasStandby = false
  #failovers = 0
  readonly #overrides: Settings
  /** Whether commits wait for the standby. */
  readonly #isSynchronous: boolean
  /** Called with the new primary's port after each failover. */
  readonly #onPrimary: (port: number) => void

  private constructor(
    primary: PostgresNode,
    other: PostgresNode,
    { settings, isSynchronous }: ClusterOptions,
    log: LockLog,
    onPrimary: (port: number) => void,
  ) {
    this.log = log
    this.#primary = primary
    this.#other = other
    this.#overrides = settings
    this.#isSynchronous = isSynchronous
    this.#onPrimary = onPrimary
  }

  static async start(
    folder: string,
    installation: Installation,
    options: ClusterOptions,
    onPrimary: (port: number) => void,
    cleanup: Cleanup,
  ): Promise<Cluster> {
    const a = new PostgresNode('a', folder, await freePort(), installation, cleanup)
    const b = new PostgresNode('b', folder, await freePort(), installation, cleanup)
    const cluster = new Cluster(a, b, options, new LockLog(options.schema, installation.version), onPrimary)
    await a.initialise()
    await a.start(cluster.#settings())
    await a.query(`create role ${SERVICE_ROLE} login`, [], 'postgres')
    await a.query(`create database ${DATABASE} owner ${SERVICE_ROLE}`, [], 'postgres')
    onPrimary(a.port)
    return cluster
  }

  get primary(): PostgresNode {
    return this.#primary
  }

  get standby(): PostgresNode | undefined {
    return this.#hasStandby ? this.#other : undefined
  }

  /** How often a standby has been promoted. */
  get failovers(): number {
    return this.#failovers
  }

  /** Starts the primary again, as it was started before. */
  async startPrimary(): Promise<void> {
    await this.#primary.start(this.#settings())
  }

  /**
   * Makes a standby out of a copy of the primary. Resolves only when it has everything that was committed: from then
   * on, if commits wait for it, a failover loses nothing that was answered.
   */
  async addStandby(): Promise<void> {
    const standby = this.#other
    await copyNode(this.#primary, standby)
    await standby.start({
      ...this.#settings(),
      primary_conninfo: `host=127.0.0.1 port=${this.#primary.port} user=postgres application_name=${standby.name}`,
    })
    this.#hasStandby = true
    if (this.#isSynchronous) await this.#setSynchronous(standby.name)
    await this.followed()
    await this.log.follow(this.#primary, standby)
  }

  /** Resolves once the standby, where there is one, has all that was committed. */
  async followed(): Promise<void> {
    if (this.#hasStandby) await this.#waitUntilStreaming(this.#isSynchronous ? 'sync' : 'async')
  }

  /** Commits wait for nobody from now on. */
  async removeStandby(): Promise<void> {
    await this.#setSynchronous('')
    this.#hasStandby = false
    await this.#other.kill()
  }

  async #setSynchronous(name: string): Promise<void> {
    await this.#primary.query(`alter system set synchronous_standby_names = '${name}'`, [], 'postgres')
    await this.#primary.query('select pg_reload_conf()', [], 'postgres')
  }

  /** The standby has all WAL of this moment. */
  async #waitUntilStreaming(state: 'sync' | 'async'): Promise<void> {
    const deadline = performance.now() + STREAMING_WITHIN_MS
    let wanted: string | undefined
    while (performance.now() < deadline) {
      const [row] = await this.#primary.query<{ now: string; has: boolean }>(
        `select pg_current_wal_lsn()::text as now, flush_lsn >= coalesce($1::pg_lsn, 'FFFFFFFF/FFFFFFFF') as has
         from pg_stat_replication where state = 'streaming' and sync_state = $2`,
        [wanted ?? null, state],
        'postgres',
      )
      if (row?.has === true) return
      if (row !== undefined) wanted ??= row.now
      await pause(POLL_MS)
    }
    throw new Error('the standby does not follow')
  }

  /**
   * Loses the primary and promotes the standby. The old primary's folder is gone with the next copy. With
   * `waits` the new primary's commits wait for the standby to come; without, they wait for nobody until it is there.
   * The new timeline.
   */
  async failOver(waits: boolean): Promise<number> {
    const [old, next] = [this.#primary, this.#other]
    if (!this.#hasStandby) throw new Error('there is no standby to fail over to')
    await old.kill()
    this.#hasStandby = false
    await next.query('select pg_promote(true, 30)', [], 'postgres')
    this.#primary = next
    this.#other = old
    this.#failovers += 1
    // the copy has the old primary's settings, which name the node that is the primary now
    await this.#setSynchronous(waits && this.#isSynchronous ? old.name : '')
    this.#onPrimary(next.port)
    await this.log.failedOver(next)
    return this.timeline()
  }

  async timeline(): Promise<number> {
    const [row] = await this.#primary.query<{ timeline: number }>(
      `select ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int as timeline`,
      [],
      'postgres',
    )
    return row?.timeline ?? 0
  }

  #settings(): Settings {
    return { ...SETTINGS, ...this.#overrides }
  }
}
