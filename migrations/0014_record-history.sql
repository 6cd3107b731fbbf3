-- Up Migration

create sequence lock_events_id_seq as bigint cache 1;
comment on sequence lock_events_id_seq is
  'Numbers the events of the history. Drawn after whatever the event follows from was committed, so of two events of one resource the later one has the greater number, whatever the clock says.';

-- What is written here is written by every acquire and release: no foreign key, one index, no check constraint (each
-- is parsed again by every statement), and nothing that is not needed to answer who held what. The numbers come first,
-- so that no row is padded. The table is cut into days, so that old ones are dropped and not deleted.
create table lock_events (
  id bigint not null default nextval('lock_events_id_seq'),
  xid xid8 not null default pg_current_xact_id(),
  at timestamptz not null,
  lock_time timestamptz not null,
  expired_at timestamptz,
  lock_id bigint not null,
  fencing_token bigint not null,
  session_id uuid not null,
  kind text collate "C" not null,
  namespace text collate "C" not null,
  resource_type text collate "C" not null,
  resource_id text collate "C" not null,
  holder text collate "C" not null,
  client text collate "C",
  ended_by text collate "C",
  reason text collate "C"
) partition by range (at);
comment on table lock_events is
  'The history: a row for each grant and for each end of a lock, written by triggers in the transaction of the change, so that what is done by hand is in it too. The views lock_periods, longest_held and taken_over_this_week read it for people.';
comment on column lock_events.id is 'Numbers the events; of two events of one resource the later one has the greater id.';
comment on column lock_events.xid is
  'The transaction that wrote it. Whoever reads on from where he stopped goes by (xid, id), and no further than the oldest transaction that is under way.';
comment on column lock_events.at is 'When it was written, on the database''s clock; of a grant, its lock_time, and never before that.';
comment on column lock_events.lock_time is 'When the lock was granted.';
comment on column lock_events.expired_at is
  'Of an expired lock: when it did. From then on it was dead; the event was written when somebody cleared it away.';
comment on column lock_events.lock_id is 'The lock: each has one event granted, and one that says how it ended.';
comment on column lock_events.fencing_token is 'The number of the grant.';
comment on column lock_events.session_id is 'The session that held the lock.';
comment on column lock_events.kind is
  'granted; released by its holder; expired; session_ended, and the lock with it; taken_over by an administrator or by another session of the holder; forced: released by an administrator; deleted by a statement that is not the service''s.';
comment on column lock_events.namespace is 'The room of resources.';
comment on column lock_events.resource_type is 'Type of the resource.';
comment on column lock_events.resource_id is 'Id of the resource.';
comment on column lock_events.holder is 'The user who held the lock.';
comment on column lock_events.client is
  'The workstation or program, if the session said. Null too at the end of a lock whose session''s row was deleted by hand.';
comment on column lock_events.ended_by is
  'Who ended the lock: a user; of a deleted one the role in the database. Null of a grant, and where it expired.';
comment on column lock_events.reason is 'Why, where somebody said so.';

-- for pages of a namespace, in an order in which nothing is added behind
create index lock_events_place_idx on lock_events (namespace, xid, id);

-- so that there is a place for an event whatever its time is
create table lock_events_default partition of lock_events default;
comment on table lock_events_default is
  'Events of days that have no partition. Empty unless keep_history() was not called for days, or the clock was wrong.';

create table history (
  only_row boolean not null default true
    constraint history_pkey primary key
    constraint history_only_row check (only_row),
  complete_since timestamptz
);
comment on table history is 'One row: what can be said from lock_events.';
comment on column history.only_row is 'Always true: keeps the table at one row.';
comment on column history.complete_since is
  'Every lock that was granted since then has its events. Null: set_history(false) has switched the history off.';

-- The functions below run as their owner, so that the service cannot change what happened. pg_temp comes last in
-- their search_path (below): a caller's temporary table never stands for one of ours.

-- By the index always: a plan that was made while a table was empty would read the whole of it once it has millions.
create function record_granted_locks() returns trigger
  language plpgsql
  security definer
  set search_path from current
  set enable_seqscan = off
  as $$
  begin
    insert into lock_events (
      at, lock_time, lock_id, fencing_token, session_id, kind, namespace, resource_type, resource_id, holder, client
    )
    select g.lock_time, g.lock_time, g.id, g.fencing_token, g.session_id, 'granted', g.namespace, g.resource_type,
      g.resource_id, g.holder, s.client
    from granted g
    left join sessions s on s.id = g.session_id;
    return null;
  end
  $$;
comment on function record_granted_locks() is 'Writes the history of grants.';

create trigger record_granted_locks
  after insert on locks
  referencing new table as granted
  for each statement
  execute function record_granted_locks();

-- History first: the second half deletes sessions that the first half looks at. One function for both, since calling
-- one costs as much as what it does for a single lock.
--
-- Why a lock ends is known to the statement that ends it. It says so in the setting lock_events.why, for its own
-- transaction alone: {"kind": ..., "by": ..., "reason": ...}. A transaction of the service is one statement, and none
-- ends locks for two reasons. Whatever says nothing was typed by hand.
--
-- The rows of the sessions are locked in the order of their ids; each later command has a fresh snapshot under those
-- locks.
create function record_ended_locks() returns trigger
  language plpgsql
  security definer
  set search_path from current
  set enable_seqscan = off
  as $$
  declare
    emptied uuid[] := array(select session_id from gone);
    note jsonb;
    why text;
    doer text;
    some_named boolean;
  begin
    -- the delete of a session comes here again through the foreign key, for no rows
    if emptied = '{}' then
      return null;
    end if;

    if current_setting('lock_events.off', true) is distinct from 'yes' then
      note := nullif(current_setting('lock_events.why', true), '');
      why := coalesce(note ->> 'kind', 'deleted');
      doer := coalesce(note ->> 'by', case why when 'deleted' then session_user end);
      insert into lock_events (
        at, lock_time, expired_at, lock_id, fencing_token, session_id, kind, namespace, resource_type, resource_id,
        holder, client, ended_by, reason
      )
      select
        -- a lock that is taken over ends when the next one begins, which is there by now
        greatest(
          g.lock_time,
          case why
            when 'taken_over' then (
              select n.lock_time from locks n
              where n.namespace = g.namespace and n.resource_type = g.resource_type and n.resource_id = g.resource_id
            )
            else clock_timestamp()
          end
        ),
        g.lock_time, case why when 'expired' then s.expires_at end, g.id, g.fencing_token,
        g.session_id, case when why = 'forced' and g.holder = doer then 'released' else why end, g.namespace,
        g.resource_type, g.resource_id, g.holder, s.client, case why when 'released' then g.holder else doer end,
        note ->> 'reason'
      from gone g
      left join sessions s on s.id = g.session_id;
    end if;

    select array_agg(s.id), bool_or(s.named)
    into emptied, some_named
    from (
      select present.id, present.named
      from sessions present
      where present.id = any(emptied) and present.ends_with_last_lock and present.ended_at is null
      order by present.id
      for update
    ) s;
    if emptied is null then
      return null;
    end if;
    delete from sessions s
    where s.id = any(emptied) and not s.named and not exists (select from locks l where l.session_id = s.id);
    if some_named then
      update sessions s
      set ended_at = clock_timestamp(), end_reason = 'last_lock_gone'
      where s.id = any(emptied) and s.named and not exists (select from locks l where l.session_id = s.id);
    end if;
    return null;
  end
  $$;
comment on function record_ended_locks() is
  'Writes the history of ends, then ends the sessions that were made for their locks and have lost the last of them.';

drop trigger end_sessions_with_last_lock on locks;
drop function end_sessions_with_last_lock();

create trigger record_ended_locks
  after delete on locks
  referencing old table as gone
  for each statement
  execute function record_ended_locks();

create function record_truncated_locks() returns trigger
  language plpgsql
  security definer
  set search_path from current
  as $$
  begin
    if current_setting('lock_events.off', true) is distinct from 'yes' then
      insert into lock_events (
        at, lock_time, lock_id, fencing_token, session_id, kind, namespace, resource_type, resource_id, holder, client,
        ended_by
      )
      select greatest(clock_timestamp(), l.lock_time), l.lock_time, l.id, l.fencing_token, l.session_id, 'deleted', l.namespace,
        l.resource_type, l.resource_id, l.holder, s.client, session_user
      from locks l
      left join sessions s on s.id = l.session_id;
    end if;
    return null;
  end
  $$;
comment on function record_truncated_locks() is 'Writes the history of locks that a TRUNCATE takes away.';

create trigger record_truncated_locks
  before truncate on locks
  for each statement
  execute function record_truncated_locks();

-- The service never changes a lock. Changed by hand, it would be another one than the history says.
create function refuse_changed_lock() returns trigger
  language plpgsql
  as $$
  begin
    if (old.id, old.namespace, old.resource_type, old.resource_id, old.session_id, old.fencing_token, old.holder)
      is distinct from
      (new.id, new.namespace, new.resource_type, new.resource_id, new.session_id, new.fencing_token, new.holder)
    then
      raise exception 'lock % stays what was granted', old.id
        using errcode = 'integrity_constraint_violation', hint = 'Delete it; whoever needs another one acquires it.';
    end if;
    return null;
  end
  $$;
comment on function refuse_changed_lock() is 'What was granted to whom is never changed, not by hand either.';

create trigger refuse_changed_lock
  after update of id, namespace, resource_type, resource_id, session_id, fencing_token, holder on locks
  for each row
  execute function refuse_changed_lock();

-- The row of a session that no client named goes once its locks have gone, and not before: the history wants to know
-- of it. One that was ended by hand stays, as the reason is null, and tells so for a while.
create or replace function end_locks_of_session() returns trigger
  language plpgsql
  set search_path from current
  as $$
  begin
    delete from locks where session_id = new.id;
    if not new.named and new.end_reason is not null then
      delete from sessions where id = new.id;
    end if;
    return null;
  end
  $$;

create function add_history_days() returns integer
  language plpgsql
  security definer
  set search_path from current
  as $$
  declare
    today constant date := (now() at time zone 'UTC')::date;
    day date;
    name text;
    grantee text;
    added integer := 0;
  begin
    for day in select today + n from generate_series(0, 3) n loop
      name := 'lock_events_' || to_char(day, 'YYYYMMDD');
      -- a day that has begun in the default partition stays there
      continue when to_regclass(name) is not null or exists (
        select from lock_events_default
        where at >= day::timestamp at time zone 'UTC' and at < (day + 1)::timestamp at time zone 'UTC'
      );
      begin
        execute format('create table %I (like lock_events including all)', name);
        execute format('comment on table %I is %L', name, 'Events of ' || to_char(day, 'YYYY-MM-DD') || ' (UTC).');
        for grantee in
          select distinct coalesce(quote_ident(r.rolname), 'public')
          from pg_class c
          cross join aclexplode(c.relacl) a
          left join pg_roles r on r.oid = a.grantee
          where c.oid = to_regclass(name) and a.grantee <> c.relowner
        loop
          execute format('revoke all on %I from %s', name, grantee);
        end loop;
        execute format(
          'alter table lock_events attach partition %I for values from (%L) to (%L)',
          name, to_char(day, 'YYYY-MM-DD 00:00:00+00'), to_char(day + 1, 'YYYY-MM-DD 00:00:00+00')
        );
        added := added + 1;
      exception
        -- somebody reads for long, or an event of that day has come into the default partition just now
        when lock_not_available or check_violation then null;
      end;
    end loop;
    return added;
  end
  $$;
comment on function add_history_days() is
  'Makes the partitions of today and of the next three days. How many were missing.';

create function history_users() returns table (virtualtransaction text)
  language sql
  volatile
  begin atomic
    select l.virtualtransaction
    from pg_locks l
    where l.relation = 'lock_events'::regclass
      and l.database = (select d.oid from pg_database d where d.datname = current_database())
      and l.pid is distinct from pg_backend_pid();
  end;
comment on function history_users() is 'Other transactions that read or write the history now.';

-- To drop a partition, its table has to be had alone, and every acquire and release would wait behind whoever waits
-- for that. So it is not even tried while somebody reads for longer than a moment, and given up soon. The commit
-- waits for no standby, since everybody would wait for it: a day that comes back after a crash is dropped again.
create function keep_history(days integer) returns integer
  language plpgsql
  security definer
  set search_path from current
  as $$
  declare
    oldest text;
    bound timestamptz;
    others text[];
  begin
    if days < 1 then
      raise exception 'the history is kept for a day at least' using errcode = 'invalid_parameter_value';
    end if;
    if not pg_try_advisory_xact_lock('lock_events'::regclass::oid::bigint) then
      return 0;
    end if;
    perform set_config('lock_timeout', '100', true), set_config('synchronous_commit', 'off', true);
    if add_history_days() > 0 then
      return 1;
    end if;
    delete from lock_events_default
    where ctid = any(array(
      select ctid from lock_events_default where at < now() - make_interval(days => days) limit 10000
    ));

    select c.relname, (to_date(right(c.relname, 8), 'YYYYMMDD') + 1)::timestamp at time zone 'UTC'
    into oldest, bound
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'lock_events'::regclass and c.relname ~ '^lock_events_\d{8}$'
    order by c.relname
    limit 1;
    if oldest is null or bound > now() - make_interval(days => days) then
      return 0;
    end if;
    others := array(select virtualtransaction from history_users());
    perform pg_sleep(0.2);
    if exists (select from history_users() where virtualtransaction = any(others)) then
      return 0;
    end if;
    begin
      execute format('drop table %I', oldest);
    exception
      when lock_not_available then return 0;
    end;
    update history set complete_since = greatest(complete_since, bound) where complete_since is not null;
    return 1;
  end
  $$;
comment on function keep_history(integer) is
  'Makes the partitions of the next days; where they are there, drops the oldest one if its events are older than so many days. How much was done: call it again until it says 0. It holds up nobody for longer than 100 ms.';

create function set_history(is_on boolean) returns void
  language plpgsql
  set search_path from current
  as $$
  begin
    -- whoever is at it comes to an end first, and nobody begins: so "since" is true to the microsecond
    lock table locks in share row exclusive mode;
    execute format('alter table locks %s trigger record_granted_locks', case when is_on then 'enable' else 'disable' end);
    if is_on then
      alter function record_ended_locks() reset lock_events.off;
      alter function record_truncated_locks() reset lock_events.off;
      update history set complete_since = clock_timestamp() where complete_since is null;
    else
      alter function record_ended_locks() set lock_events.off = 'yes';
      alter function record_truncated_locks() set lock_events.off = 'yes';
      update history set complete_since = null;
    end if;
  end
  $$;
comment on function set_history(boolean) is
  'Switches the writing of the history off, or on again, for all replicas at once. For the owner. What is held by then has no grant in it, and what ends meanwhile no end.';

do $$
declare
  name text;
begin
  foreach name in array array[
    'record_granted_locks()', 'record_ended_locks()', 'record_truncated_locks()', 'add_history_days()',
    'keep_history(integer)'
  ]
  loop
    execute format('alter function %s set search_path = %I, pg_temp', name, current_schema());
    execute format('revoke execute on function %s from public', name);
  end loop;
end
$$;

select add_history_days();

-- Last, since the triggers have made everybody wait: whoever goes on now reads a later clock.
insert into history (complete_since) values (clock_timestamp());

-- Down Migration

drop trigger refuse_changed_lock on locks;
drop trigger record_truncated_locks on locks;
drop trigger record_ended_locks on locks;
drop trigger record_granted_locks on locks;
drop function set_history(boolean);
drop function keep_history(integer);
drop function history_users();
drop function add_history_days();
drop function refuse_changed_lock();
drop function record_truncated_locks();
drop function record_ended_locks();
drop function record_granted_locks();
drop table history;
drop table lock_events;
drop sequence lock_events_id_seq;

create or replace function end_locks_of_session() returns trigger
  language plpgsql
  set search_path from current
  as $$
  begin
    delete from locks where session_id = new.id;
    return null;
  end
  $$;

create function end_sessions_with_last_lock() returns trigger
  language plpgsql
  set search_path from current
  as $$
  declare
    emptied uuid[];
    some_named boolean;
  begin
    if not exists (select from gone) then
      return null;
    end if;
    select array_agg(id), bool_or(named) into emptied, some_named
    from (
      select s.id, s.named
      from sessions s
      where s.id = any (array(select session_id from gone)) and s.ends_with_last_lock and s.ended_at is null
      order by s.id
      for update
    ) locked;
    if emptied is null then
      return null;
    end if;
    delete from sessions s
    where s.id = any (emptied) and not s.named and not exists (select from locks l where l.session_id = s.id);
    if some_named then
      update sessions s set ended_at = clock_timestamp(), end_reason = 'last_lock_gone'
      where s.id = any (emptied) and s.named and not exists (select from locks l where l.session_id = s.id);
    end if;
    return null;
  end
  $$;
comment on function end_sessions_with_last_lock() is 'Sessions made for their locks end with the last of them.';

create trigger end_sessions_with_last_lock
  after delete on locks
  referencing old table as gone
  for each statement
  execute function end_sessions_with_last_lock();
