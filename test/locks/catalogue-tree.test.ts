import fc from 'fast-check'
import t from 'tap'
import type { CatalogueEntry } from '../../src/locks/catalogue.ts'
import { findFlaw, keyOf } from '../../src/locks/catalogue-tree.ts'

const NODES = 8
const name = (number: number) => ({ type: 'node', id: String(number) })
const entry = (id: number, parent: number | null): CatalogueEntry => ({
  resource: { namespace: 'n', ...name(id) },
  parent: parent === null ? null : name(parent),
  kind: 'object',
  elements: [],
})

/** By the definition: whoever climbs as often as there are nodes has been somewhere twice. */
function climbs(parents: ReadonlyMap<number, number | null>, from: number): 'root' | 'nowhere' | 'round' {
  let at: number | null = from
  for (let step = 0; step <= parents.size; step += 1) {
    if (at === null) return 'root'
    const parent: number | null | undefined = parents.get(at)
    if (parent === undefined) return 'nowhere'
    at = parent
  }
  return 'round'
}

t.test('a flaw is found if and only if some entry does not lead to a root', async () => {
  const link = fc.tuple(fc.nat(NODES - 1), fc.option(fc.nat(NODES), { nil: null }))
  fc.assert(
    fc.property(fc.uniqueArray(link, { selector: ([id]) => id, minLength: 1 }), links => {
      const parents = new Map<number, number | null>(links)
      const flaw = findFlaw(
        links.map(([id, parent]) => entry(id, parent)),
        new Map(),
      )
      const ends = links.map(([id]) => climbs(parents, id))
      if (ends.every(end => end === 'root')) return flaw === undefined
      if (flaw === undefined) return false
      const end = climbs(parents, Number(flaw.resource.id))
      return flaw.kind === (end === 'round' ? 'cycle' : 'parent_not_found')
    }),
    { numRuns: 5000 },
  )
})

t.test('what is above the entries is climbed too, and entries win over it', async t => {
  const above = new Map([
    [keyOf(name(1)), name(2)],
    [keyOf(name(2)), null],
  ])
  t.equal(findFlaw([entry(0, 1)], above), undefined)
  t.match(findFlaw([entry(0, 1), entry(2, 0)], above), { kind: 'cycle' })
  t.match(findFlaw([entry(0, 7)], above), { kind: 'parent_not_found', resource: { id: '0' } })
})

t.test('a chain of a hundred thousand takes time in proportion', async t => {
  const chain = Array.from({ length: 100_000 }, (_, id) => entry(id, id === 0 ? null : id - 1))
  t.equal(findFlaw(chain.reverse(), new Map()), undefined)
})
