import t from 'tap'
import { checkHistory } from '../../faults/check/check-history.ts'
import { historyText } from '../../faults/evidence/operation-text.ts'
import { shortestPiece } from '../../faults/evidence/shrink.ts'
import { timelinePage } from '../../faults/evidence/timeline.ts'
import { SimulatedService } from './simulated-service.ts'

t.test('of thousands of operations a few are left that show what is wrong', async t => {
  const history = new SimulatedService(3, 16, 'grants what is held').run(12, 2000)
  const violation = checkHistory(history).violations.find(({ rule }) => rule === 'two holders')
  if (violation === undefined) throw new Error('the simulation was to be wrong')
  const piece = shortestPiece(history, violation)
  t.ok(piece.operations.length >= 2 && piece.operations.length <= 6, `${piece.operations.length} operations`)
  t.ok(
    checkHistory(piece).violations.some(({ rule, key }) => rule === 'two holders' && key === violation.key),
    'they still break the rule',
  )
  const text = historyText(piece.operations)
  t.equal(text.split('\n').length, piece.operations.length, 'one line each')
  t.match(text, /acquire k\d+ .*: granted lock/)
  const page = timelinePage(piece, violation)
  t.match(page, /<svg/)
  t.equal(page.match(/<g><title>(?:acquire|take over|release|touch|look) /g)?.length, piece.operations.length)
})
