import type { DatabaseServer } from '../database-server.ts'

export const LOCKS_PER_SESSION = 10
/** Held locks are spread over so many namespaces. */
export const NAMESPACES = 100
/** A namespace of the same size in every table, to list it. */
export const LISTED_NAMESPACE = 'listed'
export const LISTED_LOCKS = 1000
/** The user of the service's first key, whose sessions these have to be to be touched. */
const USER = 'admin'
const BATCH_LOCKS = 250_000
/** Sorting so many entries of an index at once is quicker than finding a place for each of them. */
const INDEX_AFTERWARDS = 500_000

/** The namespace of the held lock of this number. */
export function heldNamespace(lock: number): string {
  return `held-${lock % NAMESPACES}`
}

export function heldResource(prefix: string, lock: number): string {
  return `${prefix}-${lock}`
}

/** Fills a new schema with the namespace that is listed. */
export function fillListed(database: DatabaseServer, schema: string): Promise<void> {
  const namespace = `'${LISTED_NAMESPACE}'`
  return insert(database, schema, { prefix: 'listed', namespace, from: 0, to: LISTED_LOCKS })
}

/** Adds held locks, and their sessions, from one number of locks to another. */
export async function fillHeld(
  database: DatabaseServer,
  schema: string,
  from: number,
  to: number,
  progress: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const namespace = `'held-' || n % ${NAMESPACES}`
  const indexes = to - from < INDEX_AFTERWARDS ? [] : await dropIndexes(database, schema)
  for (let start = from; start < to; start += BATCH_LOCKS) {
    signal.throwIfAborted()
    const end = Math.min(start + BATCH_LOCKS, to)
    await insert(database, schema, { prefix: 'held', namespace, from: start, to: end })
    progress(`filling: ${end.toLocaleString('en-US')} locks`)
  }
  await database.query("set maintenance_work_mem = '512MB'")
  for (const { name, make } of indexes) {
    signal.throwIfAborted()
    progress(`filling: ${name}`)
    await database.query(make)
  }
  await database.query('reset maintenance_work_mem')
}

interface Index {
  readonly name: string
  readonly drop: string
  readonly make: string
}

/** Drops the indexes of the locks but that of the primary key, which grows at its end only. The statements to remake them. */
async function dropIndexes(database: DatabaseServer, schema: string): Promise<readonly Index[]> {
  const indexes = await database.query<Index & Record<string, unknown>>(
    `select i.indexrelid::regclass::text as name,
            case when c.oid is null then format('drop index %s', i.indexrelid::regclass)
                 else format('alter table %s drop constraint %I', i.indrelid::regclass, c.conname) end as drop,
            case when c.oid is null then pg_get_indexdef(i.indexrelid)
                 else format('alter table %s add constraint %I %s', i.indrelid::regclass, c.conname,
                             pg_get_constraintdef(c.oid)) end as make
     from pg_index i
     left join pg_constraint c on c.conindid = i.indexrelid and c.contype = 'u'
     where i.indrelid = $1::regclass and not i.indisprimary`,
    [`${schema}.locks`],
  )
  for (const { drop } of indexes) await database.query(drop)
  return indexes
}

/** What a while without growth does to tables, so that each size is measured in good order. */
export async function settle(database: DatabaseServer, schema: string): Promise<void> {
  await database.query(`vacuum (analyze) ${schema}.sessions`)
  await database.query(`vacuum (analyze) ${schema}.locks`)
  // else the pages of the filling would be written while something else is measured; needs a role for it
  await database.query('checkpoint').catch(() => {})
}

/** SQL for the id of the session of this number: any order, as real ones have, and known without asking. */
export function sessionIdSql(prefix: string, number: string): string {
  return `md5('${prefix} ' || ${number})::uuid`
}

interface Batch {
  readonly prefix: string
  /** SQL for the namespace of lock n. */
  readonly namespace: string
  readonly from: number
  readonly to: number
}

async function insert(database: DatabaseServer, schema: string, batch: Batch): Promise<void> {
  const { prefix, namespace, from, to } = batch
  await database.query('begin')
  try {
    await database.query('set local synchronous_commit = off')
    // nothing is held yet of what is inserted, and the sessions are there: no claim and no check of the reference
    const [role] = await database.query<{ superuser: string }>(
      "select current_setting('is_superuser') as superuser",
    )
    if (role?.superuser === 'on') await database.query('set local session_replication_role = replica')
    await database.query(
      `insert into ${schema}.sessions
         (id, user_name, ttl, named, ends_with_last_lock, started, last_touch, expires_at)
       select ${sessionIdSql(prefix, 'n')}, '${USER}', interval '1 day', n % 2 = 0, true, now(), now(),
              now() + interval '1 day'
       from generate_series($1::int, $2::int) as n`,
      [Math.ceil(from / LOCKS_PER_SESSION), Math.ceil(to / LOCKS_PER_SESSION) - 1],
    )
    await database.query(
      // the high part of a token is the same for all of them: asking for it once takes a minute off ten million
      `insert into ${schema}.locks
         (namespace, resource_type, resource_id, session_id, fencing_token, holder, lock_time)
       select ${namespace}, 'item', '${prefix}-' || n, ${sessionIdSql(prefix, `n / ${LOCKS_PER_SESSION}`)},
              high.part + nextval('${schema}.fencing_token_seq'), '${USER}', now()
       from generate_series($1::int, $2::int) as n,
            (select ${schema}.next_fencing_token() >> 40 << 40 as part offset 0) as high`,
      [from, to - 1],
    )
    await database.query('commit')
  } catch (error) {
    await database.query('rollback').catch(() => {})
    throw error
  }
}
