// Answers acquires and releases as the service does. With DATABASE_URL and TABLE each lock is a bare row there; without
// them nothing is kept.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import Router from '@koa/router'
import Koa from 'koa'
import rawBody from 'raw-body'
import { PlainRows } from './plain-rows.ts'

const SESSION = '011bd91b-8a86-47f7-b618-b3be757fb18f'
const SECONDS = 30

const { DATABASE_URL, TABLE } = process.env
const rows =
  DATABASE_URL === undefined || TABLE === undefined ? undefined : new PlainRows(DATABASE_URL, TABLE)

let lastLock = 0
/** The resources of the locks that are rows. */
const held = new Map<string, string>()

const router = new Router()
router.post('/v1/namespaces/:namespace/locks', async ctx => {
  const body: { resources: [{ id: string }] } = JSON.parse(await rawBody(ctx.req, { encoding: 'utf8' }))
  lastLock += 1
  const id = String(lastLock)
  if (rows !== undefined) {
    await rows.insert(body.resources[0].id)
    held.set(id, body.resources[0].id)
  }
  const now = Date.now()
  ctx.status = 201
  ctx.set('Content-Type', 'application/json')
  ctx.set('Cache-Control', 'no-store')
  ctx.set('Location', `/v1/namespaces/${ctx.params.namespace}/locks/${id}`)
  ctx.body = JSON.stringify({
    locks: [
      {
        id,
        fencing_token: 2 ** 40 + Number(id),
        namespace: ctx.params.namespace,
        resource: body.resources[0],
        holder: 'admin',
        client: null,
        session: SESSION,
        reference: null,
        metadata: {},
        lock_time: new Date(now).toISOString(),
        session_last_touch: new Date(now).toISOString(),
        expires_at: new Date(now + SECONDS * 1000).toISOString(),
        expires_in: SECONDS,
        existing: false,
      },
    ],
  })
})
router.delete('/v1/namespaces/:namespace/locks/:lock', async ctx => {
  const { lock = '' } = ctx.params
  const resource = held.get(lock)
  if (resource !== undefined) {
    held.delete(lock)
    await rows?.delete(resource)
  }
  ctx.status = 204
})

const app = new Koa()
app.use(router.routes())
const server = createServer(app.callback())
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`port ${(server.address() as AddressInfo).port}\n`)
})
process.on('SIGTERM', () => {
  server.close()
  server.closeAllConnections()
  void rows?.close()
})
