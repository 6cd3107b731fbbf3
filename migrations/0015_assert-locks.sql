-- Up Migration

-- For applications that keep what a lock protects in the same database: the write and the proof that the lock is
-- held commit together. The rows of the session and of the lock stay locked until the caller's transaction ends:
--
-- - The session first, as everybody does who ends one, so that the two cannot wait for each other. `for key share`
--   stands in nobody's way but theirs: touches and acquires of the session go on.
-- - The row of the lock too, since a hand-made delete, or a hand-made end of the session, locks nothing else.
-- - The clock is read when both are had. A lease that runs out afterwards, before the commit, is nobody else's: whoever
--   wants the resource has to end the session first, and cannot.
--
-- Each of these is a command of its own with a fresh snapshot; so what was seen before a wait is never believed after
-- it. A caller's transaction in repeatable read keeps its old snapshot: then a lock that has gone since is an error
-- 40001, and one that has come since is not seen.
create function assert_lock(namespace text, resource_type text, resource_id text, fencing_token bigint) returns void
  language plpgsql
  security definer
  set search_path from current
  set enable_seqscan = off
  as $$
  declare
    holding uuid;
    is_live boolean;
    other bigint;
  begin
    select l.session_id into holding
    from locks l
    where l.namespace = assert_lock.namespace and l.resource_type = assert_lock.resource_type
      and l.resource_id = assert_lock.resource_id and l.fencing_token = assert_lock.fencing_token;
    if found then
      perform from sessions s where s.id = holding for key share;
      perform from locks l
      where l.namespace = assert_lock.namespace and l.resource_type = assert_lock.resource_type
        and l.resource_id = assert_lock.resource_id and l.fencing_token = assert_lock.fencing_token
      for key share;
      if found then
        select s.ended_at is null and s.expires_at > clock_timestamp() into is_live from sessions s where s.id = holding;
        if is_live then
          return;
        end if;
      end if;
    end if;
    select l.fencing_token into other
    from locks l
    join sessions s on s.id = l.session_id
    where l.namespace = assert_lock.namespace and l.resource_type = assert_lock.resource_type
      and l.resource_id = assert_lock.resource_id and s.ended_at is null and s.expires_at > clock_timestamp();
    raise exception 'the lock of %/% in % with the token % is gone', resource_type, resource_id, namespace, fencing_token
      using errcode = 'LH001',
        detail = case when is_live is not null then 'Its session has expired.'
          when other is null then 'Nobody holds the resource.'
          else format('The resource is held with the token %s.', other)
        end,
        hint = 'Roll back and stop: whatever was done under this lock may be overtaken.';
  end
  $$;
comment on function assert_lock(text, text, text, bigint) is
  'Raises LH001 unless that grant is live. If it is, the lock cannot end before your transaction does: nobody releases it, takes it over or clears it away, and everything written until the commit was written under it.';

-- The block gives back the row locks of a lock that has expired.
create function try_assert_lock(namespace text, resource_type text, resource_id text, fencing_token bigint)
  returns boolean
  language plpgsql
  security definer
  set search_path from current
  as $$
  begin
    perform assert_lock(namespace, resource_type, resource_id, fencing_token);
    return true;
  exception
    when sqlstate 'LH001' then
      return false;
  end
  $$;
comment on function try_assert_lock(text, text, text, bigint) is
  'Like assert_lock(), but says false instead of raising. Trouble, such as a time-out, is still an error and never false.';

do $$
declare
  name text;
begin
  foreach name in array array[
    'assert_lock(text, text, text, bigint)', 'try_assert_lock(text, text, text, bigint)'
  ]
  loop
    execute format('alter function %s set search_path = %I, pg_temp', name, current_schema());
    execute format('revoke execute on function %s from public', name);
  end loop;
end
$$;

-- Down Migration

drop function try_assert_lock(text, text, text, bigint);
drop function assert_lock(text, text, text, bigint);
