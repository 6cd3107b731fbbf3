import { setTimeout as pause } from 'node:timers/promises'
import { nowUs } from '../history/clock.ts'
import type { PostgresNode } from '../servers/postgres-node.ts'
import { signalOne } from '../servers/process-family.ts'
import { processState } from '../servers/process-state.ts'
import { between, type Fault, oneOf, type Stage } from './fault.ts'

/** How often is looked whether a statement waits, 10 ms apart. */
const LOOKS_FOR_WAITING = 100

/** What happens to PostgreSQL. All of it leaves a primary behind that works, with its standby where it had one. */
export const DATABASE_FAULTS: readonly Fault[] = [
  {
    kind: 'PostgreSQL killed',
    lane: 'database',
    weight: 3,
    run: stage =>
      restarted(stage, /database system was interrupted|automatic recovery in progress/, primary =>
        primary.kill(),
      ),
  },
  {
    kind: 'PostgreSQL stopped immediately',
    lane: 'database',
    weight: 2,
    run: stage =>
      restarted(stage, /received immediate shutdown request/, primary => primary.stop('immediate')),
  },
  {
    kind: 'PostgreSQL restarted',
    lane: 'database',
    weight: 2,
    run: stage => restarted(stage, /received fast shutdown request/, primary => primary.stop('fast')),
  },
  {
    kind: 'backend killed',
    lane: 'database',
    weight: 2,
    async run({ cluster, random }) {
      const { primary } = cluster
      const logged = await logOf(primary)
      const backends = await serviceBackends(primary)
      if (backends.length === 0) return undefined
      signalOne(oneOf(random, backends), 'SIGKILL')
      // the postmaster ends all others and recovers
      await pause(50)
      await primary.ready()
      const said = /was terminated by signal 9/.exec(await logged())
      return said === null ? undefined : said[0]
    },
  },
  {
    kind: 'backends paused',
    lane: 'database',
    weight: 2,
    async run({ cluster, random, shortTtlMs }) {
      const backends = (await serviceBackends(cluster.primary)).filter(() => random() < 0.3)
      return paused(backends, shortTtlMs * between(random, 0.05, 1.5))
    },
  },
  {
    kind: 'backends paused while they wait for another',
    lane: 'database',
    weight: 2,
    async run({ cluster, random }) {
      for (let attempt = 0; attempt < LOOKS_FOR_WAITING; attempt += 1) {
        const waiting = await waitingBackends(cluster.primary)
        if (waiting.length > 0) return paused(waiting, between(random, 200, 1500))
        await pause(10)
      }
      return undefined
    },
  },
  {
    kind: 'PostgreSQL paused',
    lane: 'database',
    weight: 2,
    async run({ cluster, random, shortTtlMs }) {
      const { primary } = cluster
      primary.signalAll('SIGSTOP')
      const probe = performance.now()
      const answered = primary.query('select 1').then(() => performance.now() - probe)
      answered.catch(() => {})
      const pauseMs = shortTtlMs * between(random, 0.1, 1.7)
      await pause(pauseMs)
      primary.signalAll('SIGCONT')
      const tookMs = await answered.catch(() => pauseMs)
      return tookMs >= pauseMs - 10 ? `a query took ${Math.round(tookMs)} ms` : undefined
    },
  },
  {
    kind: 'failover to the synchronous standby',
    lane: 'database',
    weight: 14,
    needsStandby: true,
    run: async stage => failOver(stage, nowUs(), await stage.cluster.timeline()),
  },
  {
    kind: 'standby stopped while commits wait',
    lane: 'database',
    weight: 2,
    needsStandby: true,
    async run({ cluster, random }) {
      const { primary, standby } = cluster
      if (standby === undefined) return undefined
      const waiting = await whileStopped(standby, async () => {
        await pause(between(random, 300, 2500))
        return committingBackends(primary)
      })
      return waiting.length > 0 ? `${waiting.length} commits waited` : undefined
    },
  },
  {
    kind: 'backends paused while their commits wait',
    lane: 'database',
    weight: 2,
    needsStandby: true,
    async run({ cluster, random, shortTtlMs }) {
      const { primary, standby } = cluster
      if (standby === undefined) return undefined
      const committing = await whileStopped(standby, async () => {
        await pause(between(random, 20, 100))
        const some = (await committingBackends(primary)).filter(() => random() < 0.7)
        for (const pid of some) signalOne(pid, 'SIGSTOP')
        return some
      })
      // all others go on, and meet rows whose change is neither done nor undone
      return paused(committing, shortTtlMs * between(random, 0.1, 0.8))
    },
  },
  {
    kind: 'commits cut off while they wait before a failover',
    lane: 'database',
    weight: 2,
    needsStandby: true,
    async run(stage) {
      const { cluster, random } = stage
      const { primary, standby } = cluster
      if (standby === undefined) return undefined
      const before = await cluster.timeline()
      const fromUs = nowUs()
      standby.signalAll('SIGSTOP')
      await pause(between(random, 200, 800))
      // who waits is let go without the standby's word: committed here and visible, but nowhere else
      const cut = await terminateWaiting(primary)
      await pause(between(random, 50, 400))
      if (random() < 0.5) {
        await primary.stop('immediate')
        await cluster.startPrimary()
        await pause(between(random, 100, 500))
      }
      await primary.kill()
      standby.signalAll('SIGCONT')
      const seen = await failOver(stage, fromUs, before)
      return cut > 0 && seen !== undefined ? `${cut} commits cut off; ${seen}` : undefined
    },
  },
]

/** `fromUs`: since when the primary may have shown what the standby does not have. */
async function failOver(
  { cluster, random, onFailover }: Stage,
  fromUs: number,
  before: number,
): Promise<string | undefined> {
  const timeline = await cluster.failOver(random() < 0.5)
  onFailover(fromUs)
  await pause(between(random, 0, 500))
  await cluster.addStandby()
  return timeline > before ? `timeline ${timeline}` : undefined
}

/** Stops the primary in some way, starts it again, and looks into its log for what that must have left there. */
async function restarted(
  { cluster, random }: Stage,
  evidence: RegExp,
  stop: (primary: PostgresNode) => Promise<void>,
): Promise<string | undefined> {
  const logged = await logOf(cluster.primary)
  await stop(cluster.primary)
  await pause(between(random, 0, 300))
  await cluster.startPrimary()
  await cluster.followed()
  return evidence.exec(await logged())?.[0]
}

async function whileStopped<Result>(standby: PostgresNode, work: () => Promise<Result>): Promise<Result> {
  standby.signalAll('SIGSTOP')
  try {
    return await work()
  } finally {
    standby.signalAll('SIGCONT')
  }
}

/** Those whose commit waits for the standby. */
async function committingBackends(primary: PostgresNode): Promise<readonly number[]> {
  const rows = await primary.query<{ pid: number }>(
    `select pid from pg_stat_activity where wait_event = 'SyncRep'`,
  )
  return rows.map(({ pid }) => pid)
}

async function terminateWaiting(primary: PostgresNode): Promise<number> {
  const rows = await primary.query<{ done: boolean }>(
    `select pg_terminate_backend(pid) as done from pg_stat_activity where wait_event = 'SyncRep'`,
  )
  return rows.filter(({ done }) => done).length
}

async function serviceBackends(primary: PostgresNode): Promise<readonly number[]> {
  const rows = await primary.query<{ pid: number }>(
    `select pid from pg_stat_activity where application_name = 'leasehold' and backend_type = 'client backend'`,
  )
  return rows.map(({ pid }) => pid)
}

/** Statements of the service that wait for a row, or for whoever inserts the same. */
async function waitingBackends(primary: PostgresNode): Promise<readonly number[]> {
  const rows = await primary.query<{ pid: number }>(
    `select pid from pg_stat_activity
     where application_name = 'leasehold' and wait_event_type = 'Lock' and wait_event in ('transactionid', 'tuple')`,
  )
  return rows.map(({ pid }) => pid)
}

async function paused(backends: readonly number[], ms: number): Promise<string | undefined> {
  for (const pid of backends) signalOne(pid, 'SIGSTOP')
  await pause(ms)
  const states = await Promise.all(backends.map(processState))
  for (const pid of backends) signalOne(pid, 'SIGCONT')
  const stopped = states.filter(state => state === 'T').length
  return stopped > 0 ? `${stopped} backends were in state T` : undefined
}

/** What the log says from now on. */
async function logOf(node: PostgresNode): Promise<() => Promise<string>> {
  const { length } = await node.log()
  return async () => (await node.log()).slice(length)
}
