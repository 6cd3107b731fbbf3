import t from 'tap'
import { checkHistory } from '../../faults/check/check-history.ts'
import { MUTANTS, SimulatedService } from './simulated-service.ts'

const OPERATIONS = 2000
const SEEDS = 10
const CLIENTS = 12
const KEYS = 16
const OPTIONS = { budgetMs: 60_000, maxSteps: 500_000 }

t.test('a service that keeps its promises is never blamed, whatever gets lost or comes late', async t => {
  let operations = 0
  for (let seed = 1; seed <= 4 * SEEDS; seed += 1) {
    const history = new SimulatedService(seed, KEYS).run(CLIENTS, OPERATIONS)
    const { violations, counts } = checkHistory(history, OPTIONS)
    operations += counts.operations
    t.same(violations, [], `seed ${seed}`)
    t.equal(counts.exactUndecided, 0, `seed ${seed} is decided`)
  }
  t.comment(`${operations} operations`)
})

for (const mutant of MUTANTS) {
  t.test(`a service is caught that ${mutant}`, async t => {
    const rules = new Map<string, number>()
    let caught = 0
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const history = new SimulatedService(seed, KEYS, mutant).run(CLIENTS, OPERATIONS)
      const { violations } = checkHistory(history, OPTIONS)
      if (violations.length > 0) caught += 1
      for (const { rule } of violations) rules.set(rule, (rules.get(rule) ?? 0) + 1)
    }
    t.comment(
      `with ${caught} of ${SEEDS} seeds: ${[...rules].map(([rule, count]) => `${rule} ${count}`).join(', ')}`,
    )
    t.ok(caught >= SEEDS / 2, `with ${caught} of ${SEEDS} seeds`)
  })
}
