// Loaded into a service that is fuzzed (node --import): plants the fault that PLANTED_FAULT names.
import { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import pg from 'pg'

const { PLANTED_FAULT: fault, DATABASE_URL: url, DATABASE_SCHEMA: schema } = process.env

type End = (this: ServerResponse, ...args: unknown[]) => ServerResponse
const end = Reflect.get(ServerResponse.prototype, 'end') as End

/** Does something ahead of each answer's end. */
function aheadOfEnd(task: (response: ServerResponse) => Promise<unknown> | undefined): void {
  Reflect.set(ServerResponse.prototype, 'end', function (this: ServerResponse, ...args: unknown[]) {
    const done = task(this)
    if (done === undefined) return end.apply(this, args)
    void done.then(() => end.apply(this, args))
    return this
  } satisfies End)
}

/** Answers calls of a method and a path with another status. */
function answerInstead(method: string, path: RegExp, was: number, becomes: number): void {
  aheadOfEnd(response => {
    const { req, statusCode } = response
    const isMeant = req.method === method && path.test(req.url ?? '') && statusCode === was
    if (isMeant && !response.headersSent) response.statusCode = becomes
    return undefined
  })
}

const leaked: unknown[] = []
let connections = 0

const PLANTS: Readonly<Record<string, () => void>> = {
  'a native status that is not documented': () => answerInstead('GET', /^\/v1\/sessions/, 200, 203),
  'a status that another API does not have': () => answerInstead('GET', /^\/session$/, 200, 203),
  'a 500': () => answerInstead('DELETE', /^\/v1\/sessions\//, 404, 500),
  'a refused request that writes': () => {
    const pool = new pg.Pool({ connectionString: url, max: 1 })
    aheadOfEnd(({ req, statusCode }) =>
      statusCode === 403 && req.method === 'PUT'
        ? pool.query(`insert into ${schema}.users (name) values (gen_random_uuid())`)
        : undefined,
    )
  },
  'a refused request that takes from somebody': () => {
    const pool = new pg.Pool({ connectionString: url, max: 1 })
    aheadOfEnd(({ req, statusCode }) =>
      statusCode === 403 && req.method === 'DELETE'
        ? pool.query(`delete from ${schema}.locks where holder = 'victim'`)
        : undefined,
    )
  },
  'a history that is wrong': () => {
    const pool = new pg.Pool({ connectionString: url, max: 1 })
    aheadOfEnd(({ req, statusCode }) =>
      statusCode === 403 && req.method === 'DELETE'
        ? pool.query(`delete from ${schema}.lock_events where kind = 'granted' and holder = 'victim'`)
        : undefined,
    )
  },
  'connections that stay': () => {
    const emit = Server.prototype.emit
    Reflect.set(Server.prototype, 'emit', function (this: Server, event: string, ...args: unknown[]) {
      const isHeard = Reflect.apply(emit, this, [event, ...args])
      if (event === 'connection') {
        connections += 1
        // nobody sees that the client has gone
        if (connections % 20 === 0) (args[0] as Socket).removeAllListeners('end')
      }
      return isHeard
    })
  },
  'memory that stays': () =>
    aheadOfEnd(() => {
      leaked.push(Array.from({ length: 2000 }, () => ({})))
      return undefined
    }),
  'a process that ends': () =>
    aheadOfEnd(({ req, statusCode }) => {
      if (req.method === 'PATCH' && statusCode === 405) process.exit(3)
      return undefined
    }),
}

const plant = PLANTS[fault ?? '']
if (plant === undefined) throw new Error(`there is no fault ${fault}`)
plant()
