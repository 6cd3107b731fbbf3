-- Up Migration

-- The rule of end_sessions_with_last_lock for all sessions of a statement at once: a batch of releases by a hundred
-- clients empties a hundred sessions, and four statements for each of them cost more than the releases. The rows of
-- the sessions are locked first, in the order of their ids; each later command has a fresh snapshot under those locks,
-- and sees a lock that was granted meanwhile.
--
-- The delete of a session fires this again through the foreign key, for no rows: that has to be cheap.
create or replace function end_sessions_with_last_lock() returns trigger
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

-- The part of a fencing token that is the same for all that one statement draws. In a statement for many requests
-- next_fencing_token() would work it out for each of them.
create view fencing_token_base as
  select (('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint + epoch) << 40 as base
  from fencing_epoch;
comment on view fencing_token_base is
  'What next_fencing_token() adds to the sequence: the server''s timeline and the epoch, in the high bits.';
comment on column fencing_token_base.base is '(timeline + epoch) * 2^40.';

create or replace function next_fencing_token() returns bigint
  language sql volatile
  begin atomic
    select (select base from fencing_token_base) + nextval('fencing_token_seq');
  end;

-- Down Migration

create or replace function next_fencing_token() returns bigint
  language sql volatile
  begin atomic
    select (
      (
        ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint
        + (select epoch from fencing_epoch)
      ) << 40
    ) + nextval('fencing_token_seq');
  end;

drop view fencing_token_base;

create or replace function end_sessions_with_last_lock() returns trigger
  language plpgsql
  set search_path from current
  as $$
  declare
    emptied uuid;
    session sessions;
  begin
    for emptied in select distinct session_id from gone order by session_id loop
      select * into session from sessions where id = emptied for update;
      if found
        and session.ends_with_last_lock
        and session.ended_at is null
        and not exists (select from locks where session_id = emptied)
      then
        if session.named then
          update sessions set ended_at = clock_timestamp(), end_reason = 'last_lock_gone' where id = emptied;
        else
          delete from sessions where id = emptied;
        end if;
      end if;
    end loop;
    return null;
  end
  $$;
