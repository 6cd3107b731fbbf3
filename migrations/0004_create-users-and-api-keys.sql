-- Up Migration

create table users (
  id integer generated always as identity
    constraint users_pkey primary key,
  name text collate "C" not null
    constraint users_name_key unique
    constraint users_name_length check (octet_length(name) between 1 and 255),
  created timestamptz not null default now()
);
comment on table users is 'A number and a name for everybody who has had a key. Some lock APIs show the number.';
comment on column users.id is 'The number.';
comment on column users.name is 'The name; the holder of the user''s locks.';
comment on column users.created is 'When the first key of the user was made.';

create table api_keys (
  id bigint generated always as identity
    constraint api_keys_pkey primary key,
  user_id integer not null
    constraint api_keys_user_id_fkey references users (id),
  key_hash bytea not null
    constraint api_keys_key_hash_key unique
    constraint api_keys_key_hash_length check (octet_length(key_hash) = 32),
  role text not null
    constraint api_keys_role_known check (role in ('viewer', 'locker', 'admin')),
  namespace text collate "C" not null
    constraint api_keys_namespace_length check (octet_length(namespace) between 1 and 255),
  created timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  first boolean not null default false
);
comment on table api_keys is
  'Keys of the REST API. To revoke one by hand: update api_keys set revoked_at = now() where id = ...; every replica obeys within seconds.';
comment on column api_keys.id is 'Names the key; not a secret.';
comment on column api_keys.user_id is 'Whom requests with this key act for.';
comment on column api_keys.key_hash is 'SHA-256 of the key. The key itself is stored nowhere.';
comment on column api_keys.role is 'viewer reads; locker also locks; admin also takes over and manages keys.';
comment on column api_keys.namespace is 'The only namespace the key is good for, or * for all.';
comment on column api_keys.created is 'When the key was made.';
comment on column api_keys.expires_at is 'Null: it does not expire.';
comment on column api_keys.revoked_at is 'Null: not revoked.';
comment on column api_keys.first is 'The key that the service made up when it first ran on this database.';

-- however many replicas start on an empty database, one of them makes the first key
create unique index api_keys_first_key on api_keys (first) where first;

-- for the foreign key, and for "which keys has this user"
create index api_keys_user_id_idx on api_keys (user_id);

-- Down Migration

drop table api_keys;
drop table users;
