import { lockById, type Patience } from './by-index.ts'
import { endNote, signedEndNote } from './end-note.ts'
import { clockAfter } from './lease.ts'

/**
 * Releases one grant, named by its id, so that a late release can never end a newer grant of the same resource.
 * The session's row is locked first, as everybody does who may end a session: the trigger decides in a fresh
 * snapshot under that lock whether the session ends with this lock.
 *
 * $1 lock id, $2 namespace, $3 holder. The lock, or no row; one that does not wait has none either where another has the
 * session.
 */
export function releaseSql(schema: string, patience: Patience): string {
  return releasing(schema, 'holder = $3', endNote('released'), patience)
}

/** The same by an administrator, whosever lock it is. $1 lock id, $2 namespace, $3 who releases it, $4 why. */
export function forceReleaseSql(schema: string): string {
  return releasing(schema, 'true', signedEndNote("'forced'", '$3::text', '$4::text'), { waits: true })
}

function releasing(schema: string, whose: string, note: string, { waits }: Patience): string {
  return `with present as materialized (
  select s.id, s.expires_at, s.ended_at
  from ${schema}.sessions s
  where s.id = (
    select l.session_id from ${lockById(schema, '$1::bigint')} l
    where namespace = $2 and ${whose}
  )
  for update${waits ? '' : ' skip locked'}
),
clock as materialized (
  ${clockAfter('present')}
),
noted as materialized (
  ${note}
)
delete from ${schema}.locks l
where l.id = $1::bigint and exists (
  select from present, clock, noted where present.ended_at is null and present.expires_at > clock.t
)
returning l.id, l.holder, l.fencing_token`
}

/**
 * Releases many grants, each as above, in one commit. The sessions' rows are locked in the order of their ids; `waits`:
 * also those that others have. Else they are told of.
 *
 * $1 lock ids, none twice, $2 namespaces, $3 holders. A row for each that was released, `busy` null, and for each whose
 * session could not be locked, `busy` that session: either another has it, or it has ended meanwhile.
 */
export function releaseManySql(schema: string, { waits }: Patience): string {
  return `with target as materialized (
  select l.id, l.session_id
  from unnest($1::bigint[], $2::text[], $3::text[]) as w(id, namespace, holder)
  cross join ${lockById(schema, 'w.id')} l
  where l.namespace = w.namespace and l.holder = w.holder
),
present as materialized (
  select w.session_id, w.lock_ids, s.expires_at
  from (select session_id, array_agg(id) as lock_ids from target group by session_id order by session_id) w
  cross join lateral (
    select expires_at from ${schema}.sessions
    where id = w.session_id and ended_at is null
    for update${waits ? '' : ' skip locked'}
  ) s
),
clock as materialized (
  ${clockAfter('present')}
),
noted as materialized (
  ${endNote('released')}
),
released as (
  delete from ${schema}.locks l
  where l.id = any(array(
    select unnest(lock_ids) from present, clock, noted where expires_at > clock.t
  ))
  returning l.id, l.holder, l.fencing_token
)
select id, holder, fencing_token, null::uuid as busy from released
union all
select id, null, null, session_id from target
where session_id not in (select session_id from present)`
}
