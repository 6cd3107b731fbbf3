import pg from 'pg'
import { freshDatabase, once } from '../database.ts'

/** Of the session that is there in most starts, and its user. */
export const ALICES_SESSION = '55555555-5555-4555-8555-555555555555'
/** Of a session that nobody has at the start. */
export const TOMS_SESSION = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa'

export interface SessionState {
  readonly id: string
  readonly user: string
  readonly endsWithLastLock: boolean
  readonly started: string
  /** Seconds since 1970. */
  readonly expiresAt: number
  readonly ended: boolean
  readonly live: boolean
}

export interface LockState {
  readonly id: string
  readonly resource: string
  readonly sessionId: string
  readonly token: number
  readonly holder: string
  readonly sole: boolean
}

/** What is committed at some moment. */
export interface State {
  readonly sessions: ReadonlyMap<string, SessionState>
  readonly locks: ReadonlyMap<string, LockState>
}

/**
 * What there is at the start of a race. Alice's session holds `a` where there is one and it has not ended.
 *
 * `touched`: the session has expired for all who look, but a touch of it that came in time has not committed yet.
 */
export const STARTS = {
  absent: '',
  live: session({}),
  'live, not ending with its last lock': session({ endsWithLastLock: false }),
  expired: session({ expired: true }),
  'expired, not named by a client': session({ expired: true, named: false }),
  ended: session({ expired: true, ended: true }),
  touched: session({ expired: true }),
} as const

export type Start = keyof typeof STARTS

/** Of `touched`. It judged while the session lived, so nothing of it depends on the clock. */
export const LATE_TOUCH = `update leasehold.sessions
  set last_touch = clock_timestamp(), expires_at = clock_timestamp() + ttl where id = $1`

function session({ endsWithLastLock = true, named = true, expired = false, ended = false }): string {
  const age = expired ? `interval '2 days'` : `interval '1 second'`
  return `insert into leasehold.sessions
  (id, user_name, ttl, named, ends_with_last_lock, started, last_touch, expires_at, ended_at)
values ('${ALICES_SESSION}', 'alice', interval '1 hour', ${named}, ${endsWithLastLock}, now() - ${age}, now() - ${age},
  now() - ${age} + interval '1 hour', ${ended ? `now() - interval '1 day'` : 'null'});
${
  ended
    ? ''
    : `insert into leasehold.locks
  (namespace, resource_type, resource_id, session_id, fencing_token, holder, lock_time, metadata)
values ('tests', 'thing', 'a', '${ALICES_SESSION}', leasehold.next_fencing_token(), 'alice', now() - ${age}, '{}')
returning id;`
}`
}

const SNAPSHOT = `select
  (select coalesce(json_agg(json_build_object('id', id, 'user', user_name, 'endsWithLastLock', ends_with_last_lock,
      'started', started, 'expiresAt', extract(epoch from coalesce(nullif(expires_at, 'infinity'), '9999-01-01')),
      'ended', ended_at is not null, 'live', ended_at is null and expires_at > now())), '[]')
    from leasehold.sessions) as sessions,
  (select coalesce(json_agg(json_build_object('id', id::text, 'resource', resource_id, 'sessionId', session_id,
      'token', fencing_token, 'holder', holder, 'sole', sole)), '[]')
    from leasehold.locks) as locks`

/** A connection, and the backend at its other end. */
export interface Connected {
  readonly client: pg.Client
  readonly pid: number
}

/**
 * A database of its own, since a sweep is about all sessions of one, and connections to it: one for each who acts,
 * and one for who looks on.
 */
export class World {
  readonly actors: readonly Connected[]
  readonly url: string
  readonly #observer: pg.Client

  private constructor(url: string, actors: readonly Connected[], observer: pg.Client) {
    this.url = url
    this.actors = actors
    this.#observer = observer
  }

  static async open(
    t: { teardown(task: () => Promise<void> | void): void },
    serverUrl: string,
    change?: string,
  ): Promise<World> {
    const url = await freshDatabase(t, serverUrl)
    if (change !== undefined) await once(url, change)
    const connections: Connected[] = []
    for (let number = 0; number < 4; number += 1) connections.push(await connect(t, url))
    const [observer, ...actors] = connections
    if (observer === undefined) throw new Error('no connection')
    return new World(url, actors, observer.client)
  }

  /** Makes everything as it is at a start. The id of the lock of `a`, or one that no lock has. */
  async begin(start: Start): Promise<string> {
    const results: unknown = await this.#observer.query(
      `delete from leasehold.locks; delete from leasehold.sessions; ${STARTS[start]}`,
    )
    const rows = (results as pg.QueryResult<{ id: string }>[]).flatMap(result => result.rows)
    return rows[0]?.id ?? '999999999999'
  }

  async look(): Promise<State> {
    const { rows } = await this.#observer.query<{ sessions: SessionState[]; locks: LockState[] }>({
      name: 'snapshot',
      text: SNAPSHOT,
    })
    return {
      sessions: new Map(rows[0]?.sessions.map(session => [session.id, session])),
      locks: new Map(rows[0]?.locks.map(lock => [lock.id, lock])),
    }
  }

  /** So many deletes leave more dead rows than a table of three should have. */
  async tidy(): Promise<void> {
    await this.#observer.query('vacuum leasehold.sessions')
    await this.#observer.query('vacuum leasehold.locks')
  }
}

/** Nothing here is about the disk, so no commit waits for it. */
const OPTIONS =
  '-c synchronous_commit=off -c jit=off -c plan_cache_mode=force_generic_plan -c enable_seqscan=off'

async function connect(
  t: { teardown(task: () => Promise<void> | void): void },
  url: string,
): Promise<Connected> {
  const client = new pg.Client({ connectionString: url, options: OPTIONS })
  client.on('error', () => {})
  await client.connect()
  t.teardown(() => client.end())
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  return { client, pid: rows[0]?.pid ?? 0 }
}
