// Answers acquires and releases as the service does, and keeps nothing.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import Router from '@koa/router'
import Koa from 'koa'
import rawBody from 'raw-body'

const SESSION = '011bd91b-8a86-47f7-b618-b3be757fb18f'
const SECONDS = 30

let lastLock = 0

const router = new Router()
router.post('/v1/namespaces/:namespace/locks', async ctx => {
  const body: { resources: [unknown] } = JSON.parse(await rawBody(ctx.req, { encoding: 'utf8' }))
  lastLock += 1
  const now = Date.now()
  ctx.status = 201
  ctx.set('Content-Type', 'application/json')
  ctx.set('Cache-Control', 'no-store')
  ctx.set('Location', `/v1/namespaces/${ctx.params.namespace}/locks/${lastLock}`)
  ctx.body = JSON.stringify({
    locks: [
      {
        id: String(lastLock),
        fencing_token: 2 ** 40 + lastLock,
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
router.delete('/v1/namespaces/:namespace/locks/:lock', ctx => {
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
})
