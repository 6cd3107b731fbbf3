-- Up Migration

-- The rule of end_session_with_last_lock, once a statement instead of once a row: a set of a hundred thousand locks
-- mostly belongs to one session, which needs one look. The rows of sessions are locked in the order of their ids,
-- and each is judged after it was locked, in a fresh snapshot.
create function end_sessions_with_last_lock() returns trigger
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
comment on function end_sessions_with_last_lock() is 'Sessions made for their locks end with the last of them.';

drop trigger end_session_with_last_lock on locks;
drop function end_session_with_last_lock();

create trigger end_sessions_with_last_lock
  after delete on locks
  referencing old table as gone
  for each statement
  execute function end_sessions_with_last_lock();

-- Down Migration

drop trigger end_sessions_with_last_lock on locks;
drop function end_sessions_with_last_lock();

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
