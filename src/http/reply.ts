import type { RequestContext } from './context.ts'
import type { Reply } from './route.ts'

/** Puts a handler's answer on the response. */
export function sendReply(ctx: RequestContext, reply: Reply): void {
  ctx.status = reply.status
  for (const name in reply.headers) {
    const value = reply.headers[name]
    if (value !== undefined) ctx.res.setHeader(name, value)
  }
  const { body } = reply
  if (body === undefined) {
    ctx.body = null
    // a body of null makes a 204 of every other status
    ctx.status = reply.status
    return
  }
  ctx.res.setHeader('Content-Type', reply.type ?? 'application/json')
  ctx.body = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body)
}
