import { existsSync } from 'node:fs'
import { copyFile, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Cleanup } from '../bench/cleanup.ts'
import { cpuSecondsOf } from '../bench/cpu.ts'
import { randomFrom } from '../test/support/random.ts'
import { CHECK_DEFAULTS } from './check/check-history.ts'
import { Checker } from './check/checker.ts'
import type { CheckCounts, Verdict, Violation } from './check/violation.ts'
import type { ClientFaults } from './clients/behaviour.ts'
import { ProtectedLists } from './clients/protected-lists.ts'
import { Tally } from './clients/tally.ts'
import { makeUsers } from './clients/users.ts'
import type { Control } from './controls/control.ts'
import type { Fault } from './nemesis/fault.ts'
import { ALL_FAULTS, Nemesis } from './nemesis/nemesis.ts'
import { type Options, UsageError } from './options.ts'
import { playRound, type RoundOptions } from './round.ts'
import { forgetHistory } from './servers/audit.ts'
import { ADMIN_KEY, SCHEMA, startTestBed, type TestBed } from './servers/test-bed.ts'

/** In how many rounds one is without a standby, where both are wanted. */
const SINGLE_EVERY = 4
/** Of how many rounds the history is kept: for longer than any lease. */
const AUDITED_ROUNDS = 3
/** The share of short leases that are kept for longer than they last. */
const LATE_TOUCHES = 0.08

/** A round's history that breaks a promise, and where it is kept. */
export interface BadRound {
  readonly round: number
  readonly file: string
  readonly violations: readonly Violation[]
}

/** What a run came to. */
export interface CampaignResult {
  readonly seed: number
  readonly seconds: number
  readonly rounds: number
  readonly postgres: string
  readonly tally: Tally
  readonly nemesis: Nemesis
  readonly clientFaults: ClientFaults
  readonly lists: ProtectedLists
  readonly checks: readonly CheckCounts[]
  readonly badRounds: readonly BadRound[]
  /** What the schema's own audit found wrong. */
  readonly audit: readonly string[]
  readonly unwantedEnds: readonly string[]
  /** Why it could not go on, and was over early. */
  readonly trouble: string | undefined
  /** To a standby that commits had waited for. */
  readonly failovers: number
  /** All faults were allowed. */
  readonly isFull: boolean
}

/** Plays one round after the other until the time is up, each judged while the next one is played. */
export async function runCampaign(
  options: Options,
  control: Control | undefined,
  cleanup: Cleanup,
  say: (line: string) => void,
  interrupted: AbortSignal,
): Promise<CampaignResult> {
  const random = randomFrom(options.seed)
  const what = control === undefined ? 'three services' : `three services; each ${control.what}`
  say(`seed ${options.seed}: starting PostgreSQL (${options.postgres}) and ${what}`)
  const bed = await startTestBed({ ...options, control }, cleanup)
  const users = await firstUsers(bed)
  const [nemesis, tally, lists] = [
    new Nemesis(chosenFaults(options.faults), options.faultsPerMinute),
    new Tally(),
    new ProtectedLists(),
  ]
  const clientFaults: ClientFaults = { pause: 0, death: 0, duplicate: 0 }
  const checker = new Checker()
  cleanup.add(
    'the checker',
    () => checker.close(),
    () => {},
  )
  const checks: CheckCounts[] = []
  const badRounds: BadRound[] = []
  const audit: string[] = []
  const namespaces: string[] = []
  const judging: Promise<void>[] = []
  const started = performance.now()
  const secondsGone = () => (performance.now() - started) / 1000
  let round = 0
  let trouble: string | undefined
  // a control has done its work once it was caught
  const isCaught = () => control !== undefined && badRounds.length > 0
  const wantedSeconds = options.minutes * 60
  const isEnough = () =>
    secondsGone() >= wantedSeconds &&
    (tally.definite >= options.operations || secondsGone() >= 2 * wantedSeconds)
  while (!isEnough() && !interrupted.aborted && !isCaught() && trouble === undefined) {
    round += 1
    const topology = topologyOf(options.topology, round)
    const number = round
    const path = join(bed.folder, `round-${round}.history`)
    const namespace = `round-${round}`
    const keys = Array.from({ length: options.keys }, (_, index) => `k${index}`)
    const before = {
      definite: tally.definite,
      observed: nemesis.observed,
      at: secondsGone(),
      cpu: cpuSecondsOf([process.pid]) ?? 0,
    }
    const conditions: RoundOptions = {
      header: { seed: options.seed, round, namespace, keys, topology },
      path,
      seconds: Math.min(
        options.roundSeconds,
        secondsGone() < wantedSeconds ? Math.max(5, wantedSeconds - secondsGone()) : options.roundSeconds,
      ),
      clients: options.clients,
      users,
      lateTouches: control?.lateTouches ?? LATE_TOUCHES,
      random,
      nemesis,
      tally,
      lists,
      clientFaults,
      interrupted,
    }
    namespaces.push(namespace)
    try {
      await arrange(bed, topology)
      audit.push(...(await playRound(bed, conditions)).map(finding => `round ${number}: ${finding}`))
      await forgetHistory(bed.cluster.primary, SCHEMA, namespaces.slice(-AUDITED_ROUNDS))
    } catch (error) {
      trouble = `round ${number}: ${error instanceof Error ? error.message : String(error)}`
      say(trouble)
    }
    const seconds = secondsGone() - before.at
    const cpuMs = ((cpuSecondsOf([process.pid]) ?? 0) - before.cpu) * 1000
    const rate = Math.round((tally.definite - before.definite) / seconds)
    say(
      `round ${round} (${topology}): ${seconds.toFixed(0)} s, ${rate} operations a second, ${nemesis.observed - before.observed} faults, ${(cpuMs / (tally.definite - before.definite)).toFixed(2)} ms of CPU an operation`,
    )
    // what could not even begin has no history
    if (!existsSync(path)) break
    judging.push(checker.check(path, CHECK_DEFAULTS).then(verdict => judge(verdict, number, path)))
    // memory and disk hold two rounds, not all of them
    if (judging.length > 1) await judging.shift()
  }
  await Promise.all(judging)
  return {
    seed: options.seed,
    seconds: secondsGone(),
    rounds: round,
    postgres: bed.installation.version,
    tally,
    nemesis,
    clientFaults,
    lists,
    checks,
    badRounds,
    audit,
    trouble,
    unwantedEnds: bed.services.flatMap(({ unwantedEnds }) => unwantedEnds),
    failovers: control?.isAsynchronous === true ? 0 : bed.cluster.failovers,
    isFull: options.faults === undefined,
  }

  async function judge({ violations, counts }: Verdict, number: number, path: string): Promise<void> {
    checks.push(counts)
    say(
      `  round ${number} judged in ${(counts.milliseconds / 1000).toFixed(1)} s: ${counts.operations} operations, ${counts.grants} grants, ${violations.length} violations`,
    )
    const folder = options.keep ?? (violations.length > 0 ? `faults-${options.seed}` : undefined)
    if (folder !== undefined) {
      await mkdir(folder, { recursive: true })
      const file = join(folder, `round-${number}.history`)
      await copyFile(path, file)
      if (violations.length > 0) badRounds.push({ round: number, file, violations })
    }
    await rm(path)
  }
}

function chosenFaults(names: readonly string[] | undefined): readonly Fault[] {
  if (names === undefined) return ALL_FAULTS
  const chosen = ALL_FAULTS.filter(({ kind, lane }) => names.includes(kind) || names.includes(lane))
  const unknown = names.filter(name => !ALL_FAULTS.some(({ kind, lane }) => name === kind || name === lane))
  if (unknown.length > 0) throw new UsageError(`--faults: ${unknown.join(', ')} is not known`)
  return chosen
}

function topologyOf(wanted: Options['topology'], round: number): 'pair' | 'single' {
  if (wanted !== 'both') return wanted
  return round % SINGLE_EVERY === 0 ? 'single' : 'pair'
}

async function arrange({ cluster }: TestBed, topology: 'pair' | 'single'): Promise<void> {
  if (topology === 'pair' && cluster.standby === undefined) await cluster.addStandby()
  if (topology === 'single' && cluster.standby !== undefined) await cluster.removeStandby()
}

/** The service makes its first key once its database is ready for it. */
async function firstUsers({ services }: TestBed) {
  const [service] = services
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await makeUsers(service?.port ?? 0, ADMIN_KEY)
    } catch (error) {
      if (attempt === 50) throw error
      await pause(100)
    }
  }
}
