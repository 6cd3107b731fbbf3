import { clockAfter, TOUCH } from './lease.ts'

/** Of the row that a sign-in is read from: the session `s`, its key `k`, and the user `u` of that key. */
function signInColumns(now: string): string {
  return `s.secret_hash, s.id, s.user_name, s.client, extract(epoch from s.ttl)::float8 as ttl, s.started, s.last_touch,
  nullif(s.expires_at, 'infinity') as expires_at,
  extract(epoch from nullif(s.expires_at, 'infinity') - ${now})::float8 as expires_in,
  s.ends_with_last_lock, k.id as key_id, k.namespace as key_namespace,
  case when u.name = s.user_name then k.role else 'locker' end as role`
}

/** A key that was revoked or has run out takes its sign-ins with it. */
function keyInForce(now: string): string {
  return `k.revoked_at is null and (k.expires_at is null or k.expires_at > ${now})`
}

/**
 * A session with a secret. It is not named: no client knows its id, and a secret that is shown after the end finds
 * nothing. No row where the secret is in use, and nothing has changed then.
 *
 * $1 id, $2 hash of the secret, $3 id of the key, $4 user, $5 client, $6 ttl in seconds, $7 ends with last lock.
 */
export function openSignInSql(schema: string): string {
  return `with clock as materialized (
  select clock_timestamp() as t
)
insert into ${schema}.sessions
  (id, secret_hash, api_key_id, user_name, client, ttl, named, ends_with_last_lock, started, last_touch, expires_at)
select $1::uuid, $2::bytea, $3::bigint, $4, $5, make_interval(secs => $6::float8), false, $7::boolean, t, t,
  t + make_interval(secs => $6::float8)
from clock
on conflict do nothing
returning started, last_touch, expires_at, extract(epoch from expires_at - last_touch)::float8 as expires_in`
}

/** Touches the live sessions of secrets whose keys are in force. $1 hashes of the secrets. */
export function touchSignInsSql(schema: string): string {
  return `with present as materialized (
  select s.id, s.ttl, s.expires_at
  from ${schema}.sessions s
  where s.secret_hash = any($1::bytea[]) and s.ended_at is null
  order by s.id
  for no key update
),
clock as materialized (
  ${clockAfter('present')}
)
update ${schema}.sessions s
set ${TOUCH}
from present, clock, ${schema}.api_keys k, ${schema}.users u
where s.id = present.id and present.expires_at > clock.t
  and k.id = s.api_key_id and u.id = k.user_id and ${keyInForce('clock.t')}
returning ${signInColumns('s.last_touch')}`
}

/** The same sessions, only looked at. $1 hashes of the secrets. */
export function findSignInsSql(schema: string): string {
  return `select ${signInColumns('now()')}
from ${schema}.sessions s
join ${schema}.api_keys k on k.id = s.api_key_id
join ${schema}.users u on u.id = k.user_id
where s.secret_hash = any($1::bytea[]) and s.ended_at is null and s.expires_at > now() and ${keyInForce('now()')}`
}
