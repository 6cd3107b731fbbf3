import fc from 'fast-check'
import t from 'tap'
import { LOCKS, NAMESPACE, startService, uniqueId } from '../service.ts'

/** Whatever comes is stored as it is, or refused: nothing in between, and no 500. */

const service = await startService(t)
const { admin, alice } = service.keys

const storable = (text: string) => text !== '' && !text.includes('\0') && Buffer.byteLength(text) <= 255

t.test('every text that is accepted names one lock, in a body, a path and a query alike', async t => {
  const text = fc
    .oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }), fc.webPath(), fc.json())
    .filter(candidate => storable(candidate) && candidate !== '.' && candidate !== '..')
  const parameters = { numRuns: 150, seed: Date.now() % 2 ** 31 }
  t.comment(`seed ${parameters.seed}`)
  await fc.assert(
    fc.asyncProperty(text, text, async (type, id) => {
      const acquired = await service.call('POST', LOCKS, {
        key: alice,
        body: { resources: [{ type, id }], metadata: { text: id }, reference: id, client: id },
      })
      if (acquired.status !== 201) throw new Error(acquired.text)
      const [lock] = acquired.json.locks
      const expected = { resource: { type, id }, metadata: { text: id }, reference: id, client: id }
      const [namespace, typeInPath, idInPath] = [NAMESPACE, type, id].map(encodeURIComponent)
      const found = await service.call(
        'GET',
        `/v1/namespaces/${namespace}/resources/${typeInPath}/${idInPath}/lock`,
        {
          key: alice,
        },
      )
      const listed = await service.call('GET', `${LOCKS}?${new URLSearchParams({ type, id })}`, {
        key: alice,
      })
      for (const seen of [lock, found.json, listed.json.locks[0]]) {
        const { resource, metadata, reference, client } = seen
        if (JSON.stringify({ resource, metadata, reference, client }) !== JSON.stringify(expected)) {
          throw new Error(JSON.stringify(seen))
        }
      }
      await service.call('DELETE', `${LOCKS}/${lock.id}`, { key: alice })
    }),
    parameters,
  )
})

t.test('metadata of every shape comes back as it was sent, or is refused', async t => {
  const parameters = { numRuns: 300, seed: Date.now() % 2 ** 31 }
  t.comment(`seed ${parameters.seed}`)
  let stored = 0
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ maxDepth: 4, stringUnit: 'grapheme' })),
      async metadata => {
        const sent = JSON.stringify(metadata)
        const { status, json, text } = await service.call('POST', LOCKS, {
          key: alice,
          body: { resources: [{ type: 'metadata', id: uniqueId() }], metadata },
        })
        if (status === 400) return
        if (status !== 201) throw new Error(`${text} for ${sent}`)
        stored += 1
        if (!t.same(json.locks[0].metadata, JSON.parse(sent))) throw new Error(sent)
      },
    ),
    parameters,
  )
  t.ok(stored > 20, `${stored} were stored`)
})

t.test('no body of any shape is a fault of the service', async t => {
  const field = fc.constantFrom(
    'resources',
    'ttl',
    'session',
    'reentry',
    'takeover',
    'reason',
    'metadata',
    'reference',
    'client',
    'ends_with_last_lock',
    'type',
    'id',
    'x',
  )
  const { value } = fc.letrec(tie => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(
        null,
        true,
        false,
        0,
        1,
        -1,
        30,
        1e308,
        2 ** 53,
        0.0001,
        '',
        'session',
        'x'.repeat(300),
      ),
      fc.uuid(),
      fc.string({ unit: 'binary' }),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(field, tie('value'), { maxKeys: 4 }),
    ),
  }))
  const parameters = { numRuns: 500, seed: Date.now() % 2 ** 31 }
  t.comment(`seed ${parameters.seed}`)
  const statuses = new Set<number>()
  await fc.assert(
    fc.asyncProperty(value, fc.constantFrom(LOCKS, '/v1/sessions', '/v1/keys'), async (body, path) => {
      const { status, text } = await service.call('POST', path, { key: admin, body })
      statuses.add(status)
      if (status >= 500) throw new Error(text)
    }),
    parameters,
  )
  t.ok(statuses.has(400))
})
