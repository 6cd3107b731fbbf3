import { lockedSessions } from './by-index.ts'
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

/** The sessions `s` of the secrets $1 that have not ended: see by-index.ts. */
function sessionsOfSecrets(schema: string): string {
  return `(select distinct secret_hash from unnest($1::bytea[]) as w(secret_hash)) w
  cross join lateral (
    select * from ${schema}.sessions
    where secret_hash = w.secret_hash and ended_at is null
    offset 0
  ) s`
}

/** The key `k` of a session, and its user `u`. */
function keyAndUser(schema: string, session: string): string {
  return `cross join lateral (select * from ${schema}.api_keys where id = ${session}.api_key_id offset 0) k
  cross join lateral (select * from ${schema}.users where id = k.user_id offset 0) u`
}

/** Touches the live sessions of secrets whose keys are in force. $1 hashes of the secrets. */
export function touchSignInsSql(schema: string): string {
  return `with present as materialized (
  ${lockedSessions(schema, `select s.id from ${sessionsOfSecrets(schema)}`, 'no key update')}
),
clock as materialized (
  ${clockAfter('present')}
),
touched as (
  update ${schema}.sessions s
  set ${TOUCH}
  from clock
  where s.id = any(array(
    select present.id
    from present
    cross join clock
    ${keyAndUser(schema, 'present')}
    where present.ended_at is null and present.expires_at > clock.t and ${keyInForce('clock.t')}
  ))
  returning s.*
)
select ${signInColumns('s.last_touch')}
from touched s
${keyAndUser(schema, 's')}`
}

/** The same sessions, only looked at. $1 hashes of the secrets. */
export function findSignInsSql(schema: string): string {
  return `select ${signInColumns('now()')}
from ${sessionsOfSecrets(schema)}
${keyAndUser(schema, 's')}
where s.expires_at > now() and ${keyInForce('now()')}`
}
