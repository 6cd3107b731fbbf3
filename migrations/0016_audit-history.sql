-- Up Migration

create view lock_periods as
  select
    e.namespace,
    e.resource_type,
    e.resource_id,
    e.holder,
    e.client,
    tstzrange(e.lock_time, greatest(e.lock_time, coalesce(e.expired_at, e.at))) as held,
    e.kind as ended,
    e.ended_by,
    e.reason,
    e.fencing_token,
    e.lock_id,
    e.session_id
  from lock_events e
  where e.kind <> 'granted'
  union all
  select
    l.namespace,
    l.resource_type,
    l.resource_id,
    l.holder,
    s.client,
    case when s.expires_at > now() then tstzrange(l.lock_time, null)
      else tstzrange(l.lock_time, greatest(l.lock_time, s.expires_at)) end,
    case when s.expires_at <= now() then 'expired' end,
    null,
    null,
    l.fencing_token,
    l.id,
    l.session_id
  from locks l
  join sessions s on s.id = l.session_id;
comment on view lock_periods is
  'Who held what from when to when: every lock that is held, and every one that ended in the time of the history. Who held it at a time: where held @> timestamptz ''...''.';
comment on column lock_periods.namespace is 'The room of resources.';
comment on column lock_periods.resource_type is 'Type of the resource.';
comment on column lock_periods.resource_id is 'Id of the resource.';
comment on column lock_periods.holder is 'The user who held the lock.';
comment on column lock_periods.client is 'The workstation or program, if it said.';
comment on column lock_periods.held is 'From the grant until the end, which is not included; without an upper bound while it is held.';
comment on column lock_periods.ended is 'How it ended, as in lock_events.kind. Null: it is held.';
comment on column lock_periods.ended_by is 'Who ended it. Null where it is held, and where it expired.';
comment on column lock_periods.reason is 'Why, where somebody said so.';
comment on column lock_periods.fencing_token is 'The number of the grant.';
comment on column lock_periods.lock_id is 'The lock.';
comment on column lock_periods.session_id is 'The session that held it.';

create view longest_held as
  select
    coalesce(upper(held), now()) - lower(held) as duration,
    namespace,
    resource_type,
    resource_id,
    holder,
    client,
    lower(held) as lock_time,
    ended
  from lock_periods
  where not isempty(held)
  order by duration desc;
comment on view longest_held is 'Locks, held or ended, that were held longest, the longest first.';
comment on column longest_held.duration is 'From the grant until the end, or until now.';
comment on column longest_held.namespace is 'The room of resources.';
comment on column longest_held.resource_type is 'Type of the resource.';
comment on column longest_held.resource_id is 'Id of the resource.';
comment on column longest_held.holder is 'The user who held the lock.';
comment on column longest_held.client is 'The workstation or program, if it said.';
comment on column longest_held.lock_time is 'When it was granted.';
comment on column longest_held.ended is 'How it ended. Null: it is held.';

create view taken_over_this_week as
  select at, kind, namespace, resource_type, resource_id, holder as taken_from, client, ended_by as taken_by, reason,
    at - lock_time as held_for
  from lock_events
  where kind in ('taken_over', 'forced', 'deleted') and at > now() - interval '7 days'
  order by at desc;
comment on view taken_over_this_week is
  'Locks that were taken from their holders in the last seven days: taken over, released by force, or deleted by hand.';
comment on column taken_over_this_week.at is 'When.';
comment on column taken_over_this_week.kind is 'taken_over, forced or deleted.';
comment on column taken_over_this_week.namespace is 'The room of resources.';
comment on column taken_over_this_week.resource_type is 'Type of the resource.';
comment on column taken_over_this_week.resource_id is 'Id of the resource.';
comment on column taken_over_this_week.taken_from is 'The user who held the lock.';
comment on column taken_over_this_week.client is 'The workstation or program, if it said.';
comment on column taken_over_this_week.taken_by is 'Who took it: a user, or the role that deleted it.';
comment on column taken_over_this_week.reason is 'Why, where somebody said so.';
comment on column taken_over_this_week.held_for is 'How long it had been held.';

-- The promises, looked at from outside: whatever this shows is a fault, of the service or of a hand. It trusts no clock:
-- of two events that follow from each other the later one has the greater id. It asks nothing of locks that were
-- granted before history.complete_since, whose events may have been dropped.
create view audit as
  with since as materialized (
    select complete_since as at from history where complete_since is not null
  ),
  granted as materialized (
    select e.id, e.namespace, e.resource_type, e.resource_id, e.lock_id, e.fencing_token, e.session_id, e.holder,
      e.lock_time,
      lead(e.id) over following as next_id,
      lead(e.lock_id) over following as next_lock_id,
      lead(e.fencing_token) over following as next_token
    from lock_events e
    where e.kind = 'granted'
    window following as (partition by e.namespace, e.resource_type, e.resource_id order by e.id)
  ),
  ended as materialized (
    select e.id, e.namespace, e.resource_type, e.resource_id, e.lock_id, e.fencing_token, e.session_id, e.holder,
      e.lock_time, e.kind
    from lock_events e
    where e.kind <> 'granted'
  ),
  fault as (
    select 'two locks at once' as fault, g.namespace, g.resource_type, g.resource_id, g.lock_id,
      format('lock %s was granted before this one had ended', g.next_lock_id) as detail
    from granted g
    left join ended e on e.lock_id = g.lock_id
    where g.next_id is not null
      and (e.id > g.next_id or (e.id is null and g.lock_time >= (select at from since)))
    union all
    select 'a token that did not grow', g.namespace, g.resource_type, g.resource_id, g.next_lock_id,
      format('%s came after %s', g.next_token, g.fencing_token)
    from granted g
    where g.next_token <= g.fencing_token
    union all
    select 'a grant without an end', g.namespace, g.resource_type, g.resource_id, g.lock_id,
      format('granted to %s at %s, and not held', g.holder, g.lock_time)
    from granted g
    where g.lock_time >= (select at from since)
      and not exists (select from ended e where e.lock_id = g.lock_id)
      and not exists (select from locks l where l.id = g.lock_id)
    union all
    select 'an end without a grant', e.namespace, e.resource_type, e.resource_id, e.lock_id,
      format('%s, granted at %s', e.kind, e.lock_time)
    from ended e
    where e.lock_time >= (select at from since)
      and not exists (select from granted g where g.lock_id = e.lock_id)
    union all
    select 'an end that is not that of its grant', e.namespace, e.resource_type, e.resource_id, e.lock_id,
      format('of session %s, token %s', e.session_id, e.fencing_token)
    from ended e
    join granted g on g.lock_id = e.lock_id
    where (e.namespace, e.resource_type, e.resource_id, e.fencing_token, e.session_id, e.holder)
      <> (g.namespace, g.resource_type, g.resource_id, g.fencing_token, g.session_id, g.holder)
    union all
    select 'a lock that ended before it was granted', e.namespace, e.resource_type, e.resource_id, e.lock_id, e.kind
    from ended e
    join granted g on g.lock_id = e.lock_id
    where e.id < g.id
    union all
    select 'a lock that was granted twice', min(g.namespace), min(g.resource_type), min(g.resource_id), g.lock_id,
      format('%s times', count(*))
    from granted g
    group by g.lock_id
    having count(*) > 1
    union all
    select 'a lock that ended twice', min(e.namespace), min(e.resource_type), min(e.resource_id), e.lock_id,
      string_agg(e.kind, ', ' order by e.id)
    from ended e
    group by e.lock_id
    having count(*) > 1
    union all
    select 'a lock that is held and has ended', l.namespace, l.resource_type, l.resource_id, l.id, e.kind
    from locks l
    join ended e on e.lock_id = l.id
    union all
    select 'a lock that the history does not know', l.namespace, l.resource_type, l.resource_id, l.id,
      format('granted to %s at %s', l.holder, l.lock_time)
    from locks l
    where l.lock_time >= (select at from since)
      and not exists (
        select from granted g
        where g.lock_id = l.id
          and (g.namespace, g.resource_type, g.resource_id, g.fencing_token, g.session_id, g.holder)
            = (l.namespace, l.resource_type, l.resource_id, l.fencing_token, l.session_id, l.holder)
      )
    union all
    select 'a lock without a session', l.namespace, l.resource_type, l.resource_id, l.id,
      case when s.id is null then format('there is no session %s', l.session_id)
        else format('session %s has ended', l.session_id) end
    from locks l
    left join sessions s on s.id = l.session_id
    where s.id is null or s.ended_at is not null
    union all
    select 'a lock of another user than its session', l.namespace, l.resource_type, l.resource_id, l.id,
      format('held by %s, session of %s', l.holder, s.user_name)
    from locks l
    join sessions s on s.id = l.session_id
    where s.user_name <> l.holder
    union all
    select 'a session without the lock it was made for', null, null, null, null,
      format('session %s of %s', s.id, s.user_name)
    from sessions s
    where s.ended_at is null and s.ends_with_last_lock and s.secret_hash is null
      and not exists (select from locks l where l.session_id = s.id)
    union all
    select 'an event of an unknown kind', e.namespace, e.resource_type, e.resource_id, e.lock_id, e.kind
    from ended e
    where e.kind not in ('released', 'expired', 'session_ended', 'taken_over', 'forced', 'deleted')
    union all
    select 'a history of another server', null, null, null, null,
      format('%s events of transactions that this server has not begun', count(*))
    from lock_events e
    where e.xid >= pg_snapshot_xmax(pg_current_snapshot())
    having count(*) > 0
    union all
    select 'a rule that is switched off', null, null, null, null,
      format('the trigger %s on %s', wanted.name, wanted.relation)
    from (
      values ('locks', 'record_granted_locks', true), ('locks', 'record_ended_locks', false),
        ('locks', 'record_truncated_locks', false), ('locks', 'refuse_changed_lock', false),
        ('sessions', 'end_locks_of_session', false)
    ) wanted (relation, name, only_with_history)
    where (not wanted.only_with_history or exists (select from since))
      and not exists (
        select from pg_trigger t
        join pg_class c on c.oid = t.tgrelid
        where c.oid in ('locks'::regclass, 'sessions'::regclass) and c.relname = wanted.relation
          and t.tgname = wanted.name and t.tgenabled in ('O', 'A')
      )
    union all
    select 'a rule that is switched off', null, null, null, null, format('the constraint %s', wanted.name)
    from (values ('locks_resource_key'), ('locks_session_id_fkey')) wanted (name)
    where not exists (
      select from pg_constraint k
      where k.conrelid = 'locks'::regclass and k.conname = wanted.name and k.convalidated
    )
  )
  select fault, namespace, resource_type, resource_id, lock_id, detail from fault;
comment on view audit is
  'Empty when all is well: two locks at once, tokens that did not grow, grants and ends that do not go together, locks without a session, rules that are switched off. npm run audit shows it. It reads the whole history.';
comment on column audit.fault is 'What is wrong.';
comment on column audit.namespace is 'The room of the resource concerned, if it is about one.';
comment on column audit.resource_type is 'Type of the resource.';
comment on column audit.resource_id is 'Id of the resource.';
comment on column audit.lock_id is 'The lock concerned.';
comment on column audit.detail is 'More of it, in words.';

-- Down Migration

drop view audit;
drop view taken_over_this_week;
drop view longest_held;
drop view lock_periods;
