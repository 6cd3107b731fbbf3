-- Up Migration

create view held_locks as
  select
    l.id,
    l.namespace,
    l.resource_type,
    l.resource_id,
    l.holder,
    s.client,
    date_trunc('milliseconds', now() - l.lock_time) as age,
    date_trunc('milliseconds', now() - s.last_touch) as since_last_touch,
    case when s.ttl is not null then date_trunc('milliseconds', s.expires_at - now()) end as time_left,
    l.fencing_token,
    l.reference,
    l.metadata,
    l.session_id,
    l.lock_time,
    s.last_touch as session_last_touch,
    s.expires_at
  from locks l
  join sessions s on s.id = l.session_id
  where s.ended_at is null and s.expires_at > now();
comment on view held_locks is 'Who holds what, for how long, with the last sign of life and the time left.';
comment on column held_locks.id is 'Names the grant.';
comment on column held_locks.namespace is 'The room of resources.';
comment on column held_locks.resource_type is 'Type of the locked resource.';
comment on column held_locks.resource_id is 'Id of the locked resource.';
comment on column held_locks.holder is 'The user who holds the lock.';
comment on column held_locks.client is 'The workstation or program, if it said.';
comment on column held_locks.age is 'Time since the grant.';
comment on column held_locks.since_last_touch is 'Time since the session''s last sign of life.';
comment on column held_locks.time_left is 'Time until the session expires unless it is touched. Null: it never does.';
comment on column held_locks.fencing_token is 'The number of the grant.';
comment on column held_locks.reference is 'An id that the client brought.';
comment on column held_locks.metadata is 'What the client left beside the lock.';
comment on column held_locks.session_id is 'The session with which the lock ends.';
comment on column held_locks.lock_time is 'When the lock was granted.';
comment on column held_locks.session_last_touch is 'Last sign of life of the session.';
comment on column held_locks.expires_at is 'When the session expires unless it is touched.';

create view stale_sessions as
  select
    s.id,
    s.user_name,
    s.client,
    case when s.expires_at <= now() then 'expired, not yet swept' else 'never expires, silent for an hour' end as why,
    date_trunc('milliseconds', now() - s.last_touch) as since_last_touch,
    (select count(*) from locks l where l.session_id = s.id) as locks,
    s.ttl,
    s.started,
    s.last_touch,
    s.expires_at
  from sessions s
  where s.ended_at is null
    and (s.expires_at <= now() or (s.ttl is null and s.last_touch < now() - interval '1 hour'));
comment on view stale_sessions is
  'Sessions that are dead and wait for the sweeper, and sessions that never expire but have been silent for an hour.';
comment on column stale_sessions.id is 'The session.';
comment on column stale_sessions.user_name is 'Whose session it is.';
comment on column stale_sessions.client is 'The workstation or program, if it said.';
comment on column stale_sessions.why is 'Why it is listed.';
comment on column stale_sessions.since_last_touch is 'Time since the last sign of life.';
comment on column stale_sessions.locks is 'How many locks it has.';
comment on column stale_sessions.ttl is 'How long it lives after each touch. Null: it never expires.';
comment on column stale_sessions.started is 'When it began.';
comment on column stale_sessions.last_touch is 'Last sign of life.';
comment on column stale_sessions.expires_at is 'When it expired or expires.';

create view lock_counts as
  select
    namespace,
    count(*) as locks,
    count(distinct holder) as holders,
    min(lock_time) as oldest
  from held_locks
  group by namespace;
comment on view lock_counts is 'How many locks are held in each namespace.';
comment on column lock_counts.namespace is 'The room of resources.';
comment on column lock_counts.locks is 'Locks held now.';
comment on column lock_counts.holders is 'Users who hold them.';
comment on column lock_counts.oldest is 'When the oldest of them was granted.';

-- Down Migration

drop view lock_counts;
drop view stale_sessions;
drop view held_locks;
