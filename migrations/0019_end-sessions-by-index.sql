-- Up Migration

-- The sessions of released locks, each found by its index. A plan of this function is kept; one that was made while there
-- were hardly any locks joined all sessions with all locks, for each release, until the next vacuum or analyze.
-- A subquery with `offset 0`, or with a lock on its rows, is none that PostgreSQL turns into such a join.
create or replace function record_ended_locks() returns trigger
  language plpgsql
  security definer
  set search_path from current
  set enable_seqscan = off
  as $$
  declare
    emptied uuid[] := array(select session_id from gone);
    said text;
    ended timestamptz;
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
      said := current_setting('lock_events.why', true);
      ended := clock_timestamp();
      if said = '{"kind":"released"}' then
        insert into lock_events (
          at, lock_time, lock_id, fencing_token, session_id, kind, namespace, resource_type, resource_id, holder, client,
          ended_by
        )
        select greatest(g.lock_time, ended), g.lock_time, g.id, g.fencing_token, g.session_id, 'released', g.namespace,
          g.resource_type, g.resource_id, g.holder, (select s.client from sessions s where s.id = g.session_id), g.holder
        from gone g;
      else
        note := nullif(said, '');
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
                where n.namespace = g.namespace and n.resource_type = g.resource_type
                  and n.resource_id = g.resource_id
              )
              else ended
            end
          ),
          g.lock_time,
          case why when 'expired' then (select s.expires_at from sessions s where s.id = g.session_id) end,
          g.id, g.fencing_token, g.session_id,
          case when why = 'forced' and g.holder = doer then 'released' else why end,
          g.namespace, g.resource_type, g.resource_id, g.holder,
          (select s.client from sessions s where s.id = g.session_id),
          case why when 'released' then g.holder else doer end,
          note ->> 'reason'
        from gone g;
      end if;
    end if;

    select array_agg(s.id), bool_or(s.named)
    into emptied, some_named
    from (select distinct id from unnest(emptied) as e(id) order by id) one
    cross join lateral (
      select * from sessions p
      where p.id = one.id and p.ends_with_last_lock and p.ended_at is null
      for update
    ) s;
    if emptied is null then
      return null;
    end if;
    delete from sessions s
    where s.id = any(emptied) and not s.named and not exists (select from locks l where l.session_id = s.id offset 0);
    if some_named then
      update sessions s
      set ended_at = clock_timestamp(), end_reason = 'last_lock_gone'
      where s.id = any(emptied) and s.named and not exists (select from locks l where l.session_id = s.id offset 0);
    end if;
    return null;
  end
  $$;

-- What "create or replace" has taken off the function.
do $$
begin
  execute format('alter function record_ended_locks() set search_path = %I, pg_temp', current_schema());
  if not exists (select from history where complete_since is not null) then
    alter function record_ended_locks() set lock_events.off = 'yes';
  end if;
end
$$;

-- Down Migration

create or replace function record_ended_locks() returns trigger
  language plpgsql
  security definer
  set search_path from current
  set enable_seqscan = off
  as $$
  declare
    emptied uuid[] := array(select session_id from gone);
    said text;
    ended timestamptz;
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
      said := current_setting('lock_events.why', true);
      ended := clock_timestamp();
      if said = '{"kind":"released"}' then
        insert into lock_events (
          at, lock_time, lock_id, fencing_token, session_id, kind, namespace, resource_type, resource_id, holder, client,
          ended_by
        )
        select greatest(g.lock_time, ended), g.lock_time, g.id, g.fencing_token, g.session_id, 'released', g.namespace,
          g.resource_type, g.resource_id, g.holder, (select s.client from sessions s where s.id = g.session_id), g.holder
        from gone g;
      else
        note := nullif(said, '');
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
                where n.namespace = g.namespace and n.resource_type = g.resource_type
                  and n.resource_id = g.resource_id
              )
              else ended
            end
          ),
          g.lock_time,
          case why when 'expired' then (select s.expires_at from sessions s where s.id = g.session_id) end,
          g.id, g.fencing_token, g.session_id,
          case when why = 'forced' and g.holder = doer then 'released' else why end,
          g.namespace, g.resource_type, g.resource_id, g.holder,
          (select s.client from sessions s where s.id = g.session_id),
          case why when 'released' then g.holder else doer end,
          note ->> 'reason'
        from gone g;
      end if;
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

-- What "create or replace" has taken off the function.
do $$
begin
  execute format('alter function record_ended_locks() set search_path = %I, pg_temp', current_schema());
  if not exists (select from history where complete_since is not null) then
    alter function record_ended_locks() set lock_events.off = 'yes';
  end if;
end
$$;
