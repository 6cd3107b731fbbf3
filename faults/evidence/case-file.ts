import { writeFile } from 'node:fs/promises'
import type { Violation } from '../check/violation.ts'
import { type History, readHistory } from '../history/history-file.ts'
import { historyText } from './operation-text.ts'
import { shortestPiece } from './shrink.ts'
import { timelinePage } from './timeline.ts'

/**
 * What a person needs to see a violation: text to read, and a page beside the history's file. Of several, the one that
 * shows most: what is certainly wrong comes before what no order explains.
 */
export async function fileCase(path: string, violations: readonly Violation[]): Promise<string> {
  const [first] = violations
  if (first === undefined) return ''
  const piece = shortestPiece(await readHistory(path), first)
  const page = `${path.replace(/\.history$/, '')}.html`
  await writeFile(page, timelinePage(piece, first))
  return [
    `${first.rule}: k${first.key}: ${first.what}`,
    historyText(inOrder(piece)),
    `as a timeline: ${page}`,
    `judged again by: npm run faults -- --check ${path}`,
  ].join('\n')
}

function inOrder({ operations }: History): History['operations'] {
  return operations.toSorted((a, b) => a.sentUs - b.sentUs)
}
