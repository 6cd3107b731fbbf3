import type { Operation } from '../history/operation.ts'

/** `acquire k3 ttl 1.2 s by user-1 at service-2: granted token 17` */
export function operationText(operation: Operation): string {
  const { kind, keys, session, lock, ttlMs, user, service } = operation
  const parts = [
    kind.replaceAll('_', ' '),
    keys.map(key => `k${key}`).join('+'),
    lock === null ? '' : `lock ${lock}`,
    session === null ? '' : `session ${session.slice(0, 8)}`,
    ttlMs === null ? '' : `ttl ${ttlMs / 1000} s`,
    `by ${user}`,
    service === '' ? '' : `at ${service}`,
  ]
  return `${parts.filter(part => part !== '').join(' ')}: ${answerText(operation)}`
}

function answerText({ outcome, code, seen, kind }: Operation): string {
  const locks = seen
    .map(({ lock, token, session }) => `lock ${lock} token ${token} session ${session.slice(0, 8)}`)
    .join(', ')
  if (outcome !== 'ok')
    return `${outcome}${code === '' ? '' : ` (${code})`}${locks === '' ? '' : `, shows ${locks}`}`
  if (locks === '') return 'done'
  const isGrant = kind === 'acquire' || kind === 'take_over'
  return `${isGrant ? (seen.every(({ existing }) => existing) ? 'held already' : 'granted') : 'shows'} ${locks}`
}

/** One line an operation, with when it was sent and answered, in ms since the first. */
export function historyText(operations: readonly Operation[]): string {
  const firstUs = Math.min(...operations.map(({ sentUs }) => sentUs))
  const ms = (us: number) => ((us - firstUs) / 1000).toFixed(1).padStart(9)
  return operations
    .map(operation => {
      const answered = operation.answeredUs === null ? 'never'.padStart(9) : ms(operation.answeredUs)
      return `${ms(operation.sentUs)} ..${answered} ms  client ${String(operation.client).padStart(3)}  ${operationText(operation)}`
    })
    .join('\n')
}
