import { textTable } from '../bench/table.ts'
import type { Campaign } from './campaign.ts'
import { growthIn, type Health } from './health.ts'
import { FAMILIES } from './wire-drafts.ts'

/** From so many requests on, every call has to have been granted something. */
const ENOUGH = 500_000

/** What is wrong with a run, besides what single answers showed; empty: nothing. */
export function troublesOf(campaign: Campaign): readonly string[] {
  const troubles = [...growthIn(campaign.looks)]
  if (campaign.requests >= ENOUGH) {
    const never = grantable(campaign).filter(what => !campaign.tally.wasGranted(what))
    if (never.length > 0) troubles.push(`never granted: ${never.join(', ')}`)
  }
  return troubles
}

/** Every call that can be answered 2xx, as generators call it. */
function grantable({ stage }: Campaign): readonly string[] {
  const isGrant = (status: string | number) => /^2/.test(String(status))
  return [
    ...stage.operations
      .filter(({ responses }) => Object.keys(responses).some(isGrant))
      .map(({ operationId }) => operationId),
    ...FAMILIES.flatMap(({ routes }) => routes)
      .filter(({ statuses }) => statuses.some(isGrant))
      .map(({ method, path }) => `${method} ${path}`),
  ]
}

export function reportOf(campaign: Campaign, seconds: number, troubles: readonly string[]): string {
  const { requests, findings, tally, batches, looks } = campaign
  const lines = [
    tableOf(campaign),
    '',
    `${requests.toLocaleString('en-US')} requests in ${seconds.toFixed(0)} s, ${Math.round(requests / seconds).toLocaleString('en-US')} a second`,
    `batches: ${batches.open} of any requests, ${batches.refused} of such as are refused, with the rows before and after compared, ${batches.malformed} of malformed ones`,
    `503 resource_contended: ${tally.contended}`,
    '',
    healthTable(looks),
    '',
  ]
  for (const [what, count, examples] of findings.all) {
    lines.push(`FOUND ${count} x ${what}`)
    for (const { request, answer } of examples) {
      lines.push(indented('sent', request), indented('got', answer))
    }
  }
  for (const trouble of troubles) lines.push(`FOUND ${trouble}`)
  const count = findings.count + troubles.length
  lines.push(count === 0 ? 'nothing was found' : `${count} findings`)
  return `${lines.join('\n')}\n`
}

function tableOf({ tally }: Campaign): string {
  const statuses = [...new Set(tally.rows.flatMap(([, counts]) => [...counts.keys()]))].sort((a, b) => a - b)
  const name = (status: number) => (status === 0 ? 'closed' : String(status))
  return textTable(
    [
      ['', ...statuses.map(name)],
      ...tally.rows.map(([api, counts]) => [
        api,
        ...statuses.map(status => String(counts.get(status) ?? '')),
      ]),
    ],
    1,
  )
}

function healthTable(looks: readonly Health[]): string {
  return textTable(
    [
      ['requests', 'heap MB', 'resident MB', 'connections', 'to the database'],
      ...looks.map(look => [
        look.requests.toLocaleString('en-US'),
        look.heapMb.toFixed(1),
        look.residentMb.toFixed(1),
        String(look.connections),
        String(look.databaseConnections),
      ]),
    ],
    0,
  )
}

function indented(title: string, text: string): string {
  return `  ${title}:\n${text.replaceAll('\r', '\\r').replaceAll(/^/gm, '    ')}`
}
