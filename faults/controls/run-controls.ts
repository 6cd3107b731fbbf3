import type { Cleanup } from '../../bench/cleanup.ts'
import { type CampaignResult, runCampaign } from '../campaign.ts'
import { markdownTable } from '../markdown.ts'
import { type Options, UsageError } from '../options.ts'
import { BROKEN_DATABASES } from './broken-databases.ts'
import type { Control } from './control.ts'
import { SERVICE_MUTANTS } from './service-mutants.ts'

export const CONTROLS: readonly Control[] = [...SERVICE_MUTANTS, ...BROKEN_DATABASES]

/** Short, since the first violation is enough. */
const ROUND_SECONDS = 15

export interface ControlResult {
  readonly control: Control
  readonly seed: number
  readonly operations: number
  readonly seconds: number
  /** The rules that were seen broken, with how often; empty: it was not caught. */
  readonly rules: ReadonlyMap<string, number>
  readonly isCaught: boolean
}

export function controlsNamed(name: string): readonly Control[] {
  if (name === 'all') return CONTROLS
  const chosen = name.split(',').map(one => CONTROLS.find(control => control.name === one))
  if (chosen.includes(undefined)) {
    throw new UsageError(`--control: there are all, ${CONTROLS.map(control => control.name).join(', ')}`)
  }
  return chosen.filter(control => control !== undefined)
}

/** Runs the harness against something that is wrong, until it notices or the time is up. */
export async function runControl(
  control: Control,
  options: Options,
  cleanup: Cleanup,
  say: (line: string) => void,
  interrupted: AbortSignal,
): Promise<ControlResult> {
  const setup: Options = {
    ...options,
    topology: control.topology,
    faults: control.faults,
    faultsPerMinute: control.faultsPerMinute ?? 40,
    keys: control.keys ?? 300,
    clients: control.clients ?? options.clients,
    roundSeconds: ROUND_SECONDS,
  }
  const result = await runCampaign(setup, control, cleanup, say, interrupted)
  const rules = rulesOf(result)
  return {
    control,
    seed: options.seed,
    operations: result.tally.operations,
    seconds: result.seconds,
    rules,
    isCaught: control.shows.some(rule => rules.has(rule)),
  }
}

function rulesOf({ badRounds }: CampaignResult): ReadonlyMap<string, number> {
  const rules = new Map<string, number>()
  for (const { violations } of badRounds) {
    for (const { rule } of violations) rules.set(rule, (rules.get(rule) ?? 0) + 1)
  }
  return rules
}

export function controlsReport(results: readonly ControlResult[]): string {
  const rows = results.map(({ control, seed, operations, seconds, rules, isCaught }) => {
    const found = [...rules].map(([rule, count]) => `${rule} (${count})`).join(', ')
    const verdict = isCaught ? found : '**not caught**'
    return [
      control.name,
      control.what,
      verdict,
      String(operations),
      String(Math.round(seconds)),
      String(seed),
    ]
  })
  return `${markdownTable(['control', 'the service ...', 'caught by', 'operations', 's', 'seed'], rows)}\n`
}
