import { createHash, randomUUID } from 'node:crypto'
import { type IncomingHttpHeaders, request } from 'node:http'
import t from 'tap'
import type { AnyJson } from '../../../support/any-json.ts'
import { expire } from '../../../support/database.ts'
import { until } from '../../../support/until.ts'
import { NAMESPACE, startService, uniqueId } from '../../service.ts'

/** Requests as Terraform and OpenTofu send them, header for header. */

const service = await startService(t)
const namespace = encodeURIComponent(NAMESPACE)

function lockInfo(id: string = randomUUID(), more: object = {}) {
  return {
    ID: id,
    Operation: 'OperationTypeApply',
    Info: '',
    Who: 'steves@ws-15',
    Version: '1.11.4',
    Created: '2026-01-06T15:13:11.123456789Z',
    Path: '',
    ...more,
  }
}

interface Sent {
  readonly user?: string
  readonly key?: string
  readonly body?: object | string | undefined
  /** As an empty body is sent by a client that does not know that it is empty. */
  readonly chunked?: boolean
  readonly headers?: Record<string, string>
  readonly query?: string
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: AnyJson
}

function send(method: string, state: string, options: Sent = {}, signal?: AbortSignal): Promise<Answer> {
  const {
    user = 'alice',
    key = service.keys.alice,
    body,
    chunked = false,
    headers = {},
    query = '',
  } = options
  const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const sent = request(
      `${service.url}/terraform/${namespace}/${state}/lock${query}`,
      {
        method,
        ...(signal !== undefined && { signal }),
        headers: {
          'user-agent': 'Go-http-client/1.1',
          authorization: `Basic ${Buffer.from(`${user}:${key}`).toString('base64')}`,
          ...(chunked
            ? { 'transfer-encoding': 'chunked' }
            : {
                'content-length': String(Buffer.byteLength(text)),
                'content-type': 'application/json',
                'content-md5': createHash('md5').update(text).digest('base64'),
              }),
          'accept-encoding': 'gzip',
          ...headers,
        },
      },
      response => {
        const chunks: Buffer[] = []
        response.on('data', chunk => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const answer = Buffer.concat(chunks).toString()
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: answer === '' ? undefined : JSON.parse(answer),
          })
        })
      },
    )
    sent.on('error', reject)
    sent.end(text === '' ? undefined : text)
  })
}

const bob = { user: 'bob', key: service.keys.bob }
const root = { user: 'root', key: service.keys.admin }

/** How many acquires were refused so far. */
async function refusals(): Promise<number> {
  const counter = await service.services.metrics.registry.getSingleMetric('leasehold_acquires_total')?.get()
  return counter?.values.find(({ labels }) => labels.outcome === 'conflict')?.value ?? 0
}

async function heldBy(state: string): Promise<string | undefined> {
  const [row] = await service.stores.sql<{ holder: string }>(
    'select holder from held_locks where resource_id = $1',
    [decodeURIComponent(state)],
  )
  return row?.holder
}

t.test('LOCK and UNLOCK are 200, and the LockInfo is kept whole', async t => {
  const state = `network/${uniqueId()}`
  const info = lockInfo(undefined, { Info: 'deploy', Extra: { nested: ['kept', 1] } })
  t.match(await send('LOCK', state, { body: info }), { status: 200, body: info })
  const [row] = await service.stores.sql(
    `select namespace, resource_type, resource_id, holder, client, reference, time_left,
       metadata -> 'lock_info' ->> 'Operation' as operation, metadata -> 'lock_info' as info
     from held_locks where resource_id = $1`,
    [state],
  )
  t.same(row, {
    namespace: NAMESPACE,
    resource_type: 'terraform-state',
    resource_id: state,
    holder: 'alice',
    client: 'steves@ws-15',
    reference: info.ID,
    time_left: null,
    operation: 'OperationTypeApply',
    info,
  })
  t.equal((await send('UNLOCK', state, { body: info })).status, 200)
  t.equal(await heldBy(state), undefined)
})

for (const [lock, unlock] of [
  ['LOCK', 'UNLOCK'],
  ['POST', 'DELETE'],
] as const) {
  t.test(`${lock} and ${unlock} can be repeated with the same ID`, async t => {
    const state = uniqueId()
    const info = lockInfo()
    for (let tries = 1; tries <= 3; tries += 1) {
      t.equal((await send(lock, state, { body: info })).status, 200, `lock, try ${tries}`)
    }
    t.equal((await send(lock, state, { body: lockInfo(info.ID.toUpperCase()) })).status, 200)
    for (let tries = 1; tries <= 3; tries += 1) {
      t.equal((await send(unlock, state, { body: info })).status, 200, `unlock, try ${tries}`)
    }
    const late = await send(lock, state, { body: info })
    t.match(late, { status: 410, body: { code: 'session_expired', status: 410 } })
    t.equal(await heldBy(state), undefined, 'a lock that comes after its unlock is granted to nobody')
    await send(lock, state, { ...bob, body: lockInfo() })
    t.equal(
      (await send(unlock, state, { body: info })).status,
      200,
      'the answer to the first may have been lost',
    )
    t.equal(await heldBy(state), 'bob')
  })
}

t.test('a state that is held is 423 with the holder LockInfo, as it was declared', async t => {
  const state = uniqueId()
  const info = lockInfo()
  await send('LOCK', state, { body: info })
  for (const other of [{}, bob, root]) {
    const { status, body } = await send('LOCK', state, { ...other, body: lockInfo() })
    t.equal(status, 423)
    t.match(body, info)
    t.equal(body.Holder, 'alice')
    t.notOk(Number.isNaN(Date.parse(body.LockTime)))
  }
  t.match(await send('GET', state, { body: undefined }), { status: 200, body: info })
  t.equal((await send('GET', uniqueId())).status, 404)
})

t.test('a LockInfo whose time Terraform could not read is mended, and the rest left alone', async t => {
  const state = uniqueId()
  await send('LOCK', state, {
    body: lockInfo(undefined, { Created: '2026-01-06 15:13:11.123+00', Who: '7x' }),
  })
  const { body } = await send('LOCK', state, { ...bob, body: lockInfo() })
  t.match(body.Created, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  t.equal(body.Who, '7x')
})

t.test('a lock never expires by itself', async t => {
  const state = uniqueId()
  await send('LOCK', state, { body: lockInfo() })
  await expire(service.stores)
  t.equal((await send('LOCK', state, { ...bob, body: lockInfo() })).status, 423)
})

t.test('an UNLOCK with another ID, or of another user, changes nothing', async t => {
  const state = uniqueId()
  const info = lockInfo()
  await send('LOCK', state, { body: info })
  t.match(await send('UNLOCK', state, { body: lockInfo() }), { status: 409, body: { ID: info.ID } })
  t.match(await send('UNLOCK', state, { body: { ID: randomUUID() } }), { status: 409, body: { ID: info.ID } })
  t.match(await send('UNLOCK', state, { ...bob, body: info }), { status: 403, body: { code: 'forbidden' } })
  t.match(await send('UNLOCK', state, { ...bob, chunked: true }), { status: 403 })
  t.equal(await heldBy(state), 'alice')
})

const force: readonly [string, (id: string) => Sent][] = [
  ['Terraform: an empty chunked body', () => ({ chunked: true })],
  ['an empty body with a type and a length of 0', () => ({ body: '' })],
  [
    'OpenTofu: only the ID',
    id => ({ body: lockInfo(id, { Operation: '', Who: '', Version: '', Created: '0001-01-01T00:00:00Z' }) }),
  ],
  ['the ID in the query', id => ({ query: `?ID=${id}` })],
]
for (const [name, body] of force) {
  t.test(`force-unlock, ${name}: by the holder and by an administrator, and it is logged`, async t => {
    for (const [user, key] of [
      ['alice', service.keys.alice],
      ['root', service.keys.admin],
    ] as const) {
      const state = uniqueId()
      const info = lockInfo()
      await send('LOCK', state, { body: info })
      const { id } = (
        await service.call('GET', `/v1/namespaces/${namespace}/resources/terraform-state/${state}/lock`, {
          key,
        })
      ).json
      t.equal((await send('UNLOCK', state, { user, key, ...body(info.ID) })).status, 200)
      t.equal(await heldBy(state), undefined)
      if (name !== 'the ID in the query') {
        t.match(
          service.log.find(line => line.event === 'state_unlocked_by_force' && line.lock === id),
          { by: user, holder: 'alice' },
        )
      }
      if (user === 'root') {
        t.match(
          service.audit.find(({ lockIds }) => lockIds.includes(id)),
          { event: 'lock_force_released', by: 'root', holders: ['alice'], reason: 'terraform force-unlock' },
        )
      }
      t.equal((await send('UNLOCK', state, { user, key, ...body(info.ID) })).status, 200, 'again')
    }
  })
}

t.test('who polls with one ID gets the lock when it is free', async t => {
  const state = uniqueId()
  const held = lockInfo()
  const waiting = lockInfo()
  await send('LOCK', state, { body: held })
  for (let tries = 1; tries <= 3; tries += 1) {
    t.equal((await send('LOCK', state, { ...bob, body: waiting })).status, 423)
  }
  await send('UNLOCK', state, { body: held })
  t.equal((await send('LOCK', state, { ...bob, body: waiting })).status, 200)
  t.equal(await heldBy(state), 'bob')
})

t.test(
  '?wait= holds the answer open until the lock is free, without a connection to the database',
  async t => {
    const state = uniqueId()
    const held = lockInfo()
    await send('LOCK', state, { body: held })
    let answered = 0
    const waiting = Array.from({ length: 30 }, () =>
      send('LOCK', state, { ...bob, body: lockInfo(), query: '?wait=60' }).then(answer => {
        answered += 1
        return answer
      }),
    )
    await until('all have been refused once', () => {
      const refused = service.services.metrics.registry.getSingleMetric('leasehold_acquires_total')
      return refused !== undefined && service.stores.database.connections.idle > 0
    })
    t.equal((await send('LOCK', uniqueId(), { body: lockInfo() })).status, 200, 'others go on')
    t.equal(answered, 0)
    await send('UNLOCK', state, { body: held })
    const first = await Promise.race(waiting)
    t.equal(first.status, 200)
    await send('UNLOCK', state, { ...bob, chunked: true })
    let done = 1
    while (done < waiting.length) {
      await until('the next one has it', () => answered > done || undefined)
      done = answered
      await send('UNLOCK', state, { ...bob, chunked: true })
    }
    t.ok(
      (await Promise.all(waiting)).every(({ status }) => status === 200),
      'all of them in turn',
    )
  },
)

t.test('a client that goes away while it waits gets nothing', async t => {
  const state = uniqueId()
  const held = lockInfo()
  await send('LOCK', state, { body: held })
  const patience = new AbortController()
  const before = await refusals()
  const waiting = send('LOCK', state, { ...bob, body: lockInfo(), query: '?wait=60' }, patience.signal)
  await until('it was refused once', async () => (await refusals()) > before)
  patience.abort()
  await t.rejects(waiting)
  await until('it is noticed', () => service.log.some(line => line.status === 499))
  await send('UNLOCK', state, { body: held })
  t.equal(await heldBy(state), undefined)
})

t.test('a wait of 0 is answered at once, and one that is no number is refused', async t => {
  const state = uniqueId()
  await send('LOCK', state, { body: lockInfo() })
  t.equal((await send('LOCK', state, { ...bob, body: lockInfo(), query: '?wait=0' })).status, 423)
  for (const wait of ['-1', '1.5', 'x', '301', '']) {
    t.equal(
      (await send('LOCK', state, { ...bob, body: lockInfo(), query: `?wait=${wait}` })).status,
      400,
      wait,
    )
  }
})

t.test('what is no LockInfo is refused, and nothing is locked', async t => {
  const state = uniqueId()
  const refused: readonly [Sent, number][] = [
    [{ body: '' }, 400],
    [{ chunked: true }, 400],
    [{ body: '{' }, 400],
    [{ body: [] }, 400],
    [{ body: {} }, 400],
    [{ body: { ID: '' } }, 400],
    [{ body: { ID: 7 } }, 400],
    [{ body: { ID: 'x'.repeat(256) } }, 400],
    [{ body: lockInfo(undefined, { Info: 'x'.repeat(5000) }) }, 413],
    [{ body: lockInfo(undefined, { Info: 'x'.repeat(50_000) }) }, 413],
    [{ body: lockInfo(), headers: { 'content-md5': 'AAAA' } }, 400],
    [{ body: lockInfo(), headers: { 'content-type': 'text/plain' } }, 415],
  ]
  for (const [sent, status] of refused) {
    t.equal((await send('LOCK', state, sent)).status, status, JSON.stringify(sent).slice(0, 80))
  }
  t.equal(await heldBy(state), undefined)
})

t.test('a body of GET is not looked at', async t => {
  const state = uniqueId()
  t.equal((await send('GET', state, { body: '{' })).status, 404)
  const info = lockInfo()
  await send('LOCK', state, { body: info })
  t.match(await send('GET', state, { body: {} }), { status: 200, body: { ID: info.ID } })
  t.equal((await send('GET', 'x'.repeat(1025))).status, 400, 'its path is')
})

t.test('an ID that is no UUID works as well, and is its user own', async t => {
  const state = uniqueId()
  const info = lockInfo('build-4711')
  t.equal((await send('LOCK', state, { body: info })).status, 200)
  t.equal((await send('LOCK', state, { body: info })).status, 200)
  t.match(await send('LOCK', state, { ...bob, body: info }), { status: 423, body: { ID: 'build-4711' } })
  t.equal((await send('UNLOCK', state, { body: info })).status, 200)
  t.equal((await send('LOCK', state, { ...bob, body: info })).status, 200)
})

t.test('credentials are asked for, roles and namespaces are kept to', async t => {
  const state = uniqueId()
  const none = await send('LOCK', state, { body: lockInfo(), headers: { authorization: '' } })
  t.equal(none.status, 401)
  t.match(String(none.headers['www-authenticate']), /Basic/)
  t.equal(
    (await send('LOCK', state, { user: 'bob', body: lockInfo() })).status,
    401,
    'a key of somebody else',
  )
  t.equal(
    (await send('LOCK', state, { user: 'victor', key: service.keys.viewer, body: lockInfo() })).status,
    403,
  )
  const elsewhere = await service.keyOf('dave', 'locker', 'elsewhere')
  t.equal((await send('LOCK', state, { user: 'dave', key: elsewhere, body: lockInfo() })).status, 403)
  t.equal(await heldBy(state), undefined)
})

t.test(
  'a lock that another API took is shown as what is known of it, and can be unlocked by its ID',
  async t => {
    const state = uniqueId()
    const taken = await service.call('POST', `/v1/namespaces/${namespace}/locks`, {
      key: service.keys.alice,
      body: { resources: [{ type: 'terraform-state', id: state }], client: 'console' },
    })
    const [lock] = taken.json.locks
    const refused = await send('LOCK', state, { ...bob, body: lockInfo() })
    t.match(refused, { status: 423, body: { ID: lock.id, Who: 'alice (console)', Path: state } })
    t.equal((await send('UNLOCK', state, { body: { ID: lock.id } })).status, 200)
    t.equal(await heldBy(state), undefined)
  },
)

t.test('a state is not looked for here: never 404, which would mean an empty one', async t => {
  const key = service.keys.alice
  for (const [method, path] of [
    ['GET', '/terraform/demo/network'],
    ['POST', '/terraform/demo/network?ID=1'],
    ['DELETE', '/terraform/demo/network'],
    ['GET', '/terraform/demo'],
  ] as const) {
    const answer = await service.call(method, path, { key })
    t.equal(answer.status, 422)
    t.match(answer.json.detail, /keeps locks and no states/)
  }
  t.notOk(
    service.log.some(({ status }) => Number(status) >= 500),
    'and no fault of the service',
  )
})

t.test('names have parts, spaces and any letters', async t => {
  for (const state of [`a/b/c-${uniqueId()}`, `lock/lock/${uniqueId()}`, `%C3%A4%20%23/${uniqueId()}`]) {
    t.equal((await send('LOCK', state, { body: lockInfo() })).status, 200, state)
    t.equal(await heldBy(state), 'alice')
  }
  t.equal((await send('LOCK', 'x'.repeat(1025), { body: lockInfo() })).status, 400)
})

t.test('switched off, its paths are not there', async t => {
  const off = await startService(t, { dialects: {} })
  const answer = await off.call('GET', '/terraform/demo/network/lock', { key: off.keys.alice })
  t.match(answer, { status: 404, json: { code: 'not_found' } })
})
