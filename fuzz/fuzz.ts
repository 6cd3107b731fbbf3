import { setTimeout as pause } from 'node:timers/promises'
import type { Cleanup } from '../bench/cleanup.ts'
import { makeTestBed } from '../bench/test-bed.ts'
import { auditOf } from './audit.ts'
import { Campaign, type CampaignOptions } from './campaign.ts'
import { ErrorLines } from './error-lines.ts'
import { troublesOf } from './report.ts'
import { type ServiceOptions, startService } from './service.ts'

export interface FuzzOptions extends Omit<CampaignOptions, 'progress'>, Partial<ServiceOptions> {
  readonly databaseUrl: string | undefined
  readonly folder: string | undefined
  /** Told after each batch how many requests and findings there are. */
  readonly progress: (requests: number, findings: number) => void
}

export interface Outcome {
  readonly campaign: Campaign
  readonly seconds: number
  /** What is wrong besides what single answers showed. */
  readonly troubles: readonly string[]
}

/** What the service and the fuzzer may open, with room. */
const DATABASE_CONNECTIONS = 60

/** Sends made-up requests to a service of its own, and judges what comes of them. */
export async function fuzz(options: FuzzOptions, cleanup: Cleanup): Promise<Outcome> {
  const { databaseUrl, folder, nodeArgs = [], environment = {}, progress, ...others } = options
  const bed = await makeTestBed(
    {
      databaseUrl,
      parentFolder: folder,
      serviceSettings: {},
      profileFolder: undefined,
      maxConnections: DATABASE_CONNECTIONS,
      remark: () => {},
    },
    cleanup,
  )
  const service = await startService(await bed.database(), bed.folder, { nodeArgs, environment }, cleanup)
  const ended = new AbortController()
  let end: string | undefined
  void service.program.ended.then(how => {
    end = how
    ended.abort()
  })
  const errors = new ErrorLines()
  const started = performance.now()
  const campaign = await Campaign.run(service, {
    ...others,
    signal: AbortSignal.any([options.signal, ended.signal]),
    progress: ({ requests, findings }) => {
      errors.read(service.program.output)
      progress(requests, findings.count)
    },
  })
  const seconds = (performance.now() - started) / 1000
  // what it writes last may still be on its way
  await pause(100)
  errors.read(service.program.output)
  const troubles = [...troublesOf(campaign), ...(await auditOf(service.query, service.schema))]
  if (end !== undefined) troubles.push(`the service ended: ${end}`)
  for (const line of errors.all) troubles.push(`the service logged an error: ${line}`)
  return { campaign, seconds, troubles }
}
