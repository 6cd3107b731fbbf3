-- Up Migration

-- Some lock APIs hand out a cookie or a token where somebody signs in. It is the secret of a session: a request that
-- shows it acts for the session's user, with what the key may do that was used to sign in, as long as both are good.
-- A null column costs a session without one nothing, and no touch changes either column, so touches stay HOT.
alter table sessions
  add column secret_hash bytea
    constraint sessions_secret_hash_length check (octet_length(secret_hash) = 32),
  add column api_key_id bigint
    constraint sessions_api_key_id_fkey references api_keys (id),
  add constraint sessions_secret_needs_key check ((secret_hash is null) = (api_key_id is null));
comment on column sessions.secret_hash is
  'SHA-256 of the cookie or token that a sign-in handed out. Null: the session was not made by a sign-in.';
comment on column sessions.api_key_id is 'The key that was used to sign in: revoked with it, the sign-in is void.';

-- for every request that shows a secret; unique, so that a secret stands for one session. A tombstone is not in the
-- way of the next sign-in
create unique index sessions_secret_hash_key on sessions (secret_hash)
  where secret_hash is not null and ended_at is null;

-- for the foreign key, and for "what is open with this key"
create index sessions_api_key_id_idx on sessions (api_key_id) where api_key_id is not null;

-- Down Migration

drop index sessions_api_key_id_idx;
drop index sessions_secret_hash_key;
alter table sessions
  drop constraint sessions_secret_needs_key,
  drop column api_key_id,
  drop column secret_hash;
