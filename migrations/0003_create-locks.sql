-- Up Migration

create table locks (
  id bigint generated always as identity
    constraint locks_pkey primary key,
  namespace text collate "C" not null
    constraint locks_namespace_length check (octet_length(namespace) between 1 and 255),
  resource_type text collate "C" not null
    constraint locks_resource_type_length check (octet_length(resource_type) between 1 and 255),
  resource_id text collate "C" not null
    constraint locks_resource_id_length check (octet_length(resource_id) between 1 and 1024),
  session_id uuid not null
    constraint locks_session_id_fkey references sessions (id) on delete cascade,
  fencing_token bigint not null
    constraint locks_fencing_token_positive check (fencing_token > 0),
  holder text collate "C" not null
    constraint locks_holder_length check (octet_length(holder) between 1 and 255),
  lock_time timestamptz not null,
  reference text collate "C"
    constraint locks_reference_length check (octet_length(reference) between 1 and 255),
  -- 4 KiB of JSON at the service, but numbers grow here: 5e-324 is written with all its zeros
  metadata jsonb not null default '{}'
    constraint locks_metadata_object check (jsonb_typeof(metadata) = 'object')
    constraint locks_metadata_length check (octet_length(metadata::text) <= 262144),
  constraint locks_resource_key unique (namespace, resource_type, resource_id)
) with (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_cost_delay = 0,
  vacuum_truncate = off
);
comment on table locks is
  'One row a grant: this resource, to this session. A released lock''s row is gone. A lock whose session has expired is dead, even while its row is still here; the view held_locks leaves those out. Delete by hand if you must; never insert: only next_fencing_token() drawn under claim_resource() keeps the tokens in order.';
comment on column locks.id is 'Names the grant. A new grant of the same resource has a new id.';
comment on column locks.namespace is 'A tenant''s or project''s room of resources.';
comment on column locks.resource_type is 'Type of the resource, compared byte for byte.';
comment on column locks.resource_id is 'Id of the resource, compared byte for byte.';
comment on column locks.session_id is 'The session that holds the lock and with which it ends.';
comment on column locks.fencing_token is 'Greater than that of every earlier grant of the same resource, for ever.';
comment on column locks.holder is 'The user of the session.';
comment on column locks.lock_time is 'When the lock was granted.';
comment on column locks.reference is 'An id that the client brought.';
comment on column locks.metadata is 'Whatever the client wants to be found beside the lock.';

-- for the end of a session, which deletes its locks, and for the cascade
create index locks_session_id_idx on locks (session_id);

-- Every grant claims its resource first and draws its token while the claim is held, so that inserts of one
-- key never wait for each other: a token drawn before such a wait would be older than one already granted.
-- Claims are tried, never waited for, and end with the transaction. The oid of the table keeps two schemas in
-- one database apart; a collision of hashes costs a repeat and nothing else.
create function claim_resource(namespace text, resource_type text, resource_id text) returns boolean
  language sql volatile
  begin atomic
    select pg_try_advisory_xact_lock(
      hashtextextended(
        namespace || chr(31) || resource_type || chr(31) || resource_id,
        'locks'::regclass::oid::bigint
      )
    );
  end;
comment on function claim_resource(text, text, text) is
  'True: until the end of the transaction nobody else can grant this resource. False: somebody is at it now.';

-- A set that was taken in part may not stay: the error undoes the statement, and the service sends it again.
create function refuse_partial_set() returns text
  language plpgsql
  as $$
  begin
    raise exception 'a set of resources was taken in part' using errcode = 'serialization_failure';
  end
  $$;
comment on function refuse_partial_set() is 'Raises 40001.';

-- Wholeness is kept by triggers, so that a statement made by hand obeys it too. Each command of a trigger has a
-- fresh snapshot under the session's row lock: a lock granted while the ending statement waited is seen here,
-- and was not seen by the statement itself.
create function end_locks_of_session() returns trigger
  language plpgsql
  set search_path from current
  as $$
  begin
    delete from locks where session_id = new.id;
    return null;
  end
  $$;
comment on function end_locks_of_session() is 'A session ends whole: all its locks end with it.';

create trigger end_locks_of_session
  after update of ended_at on sessions
  for each row
  when (old.ended_at is null and new.ended_at is not null)
  execute function end_locks_of_session();

create function end_session_with_last_lock() returns trigger
  language plpgsql
  set search_path from current
  as $$
  declare
    session sessions;
  begin
    select * into session from sessions where id = old.session_id for update;
    if found
      and session.ends_with_last_lock
      and session.ended_at is null
      and not exists (select from locks where session_id = old.session_id)
    then
      if session.named then
        update sessions set ended_at = clock_timestamp(), end_reason = 'last_lock_gone' where id = session.id;
      else
        delete from sessions where id = session.id;
      end if;
    end if;
    return null;
  end
  $$;
comment on function end_session_with_last_lock() is 'A session made for its locks ends with the last of them.';

create trigger end_session_with_last_lock
  after delete on locks
  for each row
  execute function end_session_with_last_lock();

-- Down Migration

drop trigger end_locks_of_session on sessions;
drop function claim_resource(text, text, text);
drop table locks;
drop function end_session_with_last_lock();
drop function end_locks_of_session();
drop function refuse_partial_set();
