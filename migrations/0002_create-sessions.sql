-- Up Migration

-- fillfactor 50 and no index on any time: every touch changes last_touch and expires_at, and an index on
-- either would end HOT updates. vacuum_truncate off: truncation takes an exclusive lock that touches would
-- wait for. Autovacuum by count, not by share: dead rows come with touches, not with the size of the table.
create table sessions (
  id uuid
    constraint sessions_pkey primary key,
  user_name text collate "C" not null
    constraint sessions_user_name_length check (octet_length(user_name) between 1 and 255),
  client text collate "C"
    constraint sessions_client_length check (octet_length(client) between 1 and 255),
  ttl interval
    constraint sessions_ttl_positive check (ttl > interval '0'),
  named boolean not null,
  ends_with_last_lock boolean not null,
  started timestamptz not null,
  last_touch timestamptz not null,
  expires_at timestamptz not null,
  ended_at timestamptz,
  end_reason text
    constraint sessions_end_reason_known check (end_reason in ('ended', 'expired', 'last_lock_gone')),
  constraint sessions_touched_after_start check (last_touch >= started),
  constraint sessions_expiry_follows_ttl check ((ttl is null) = (expires_at = 'infinity')),
  constraint sessions_reason_needs_end check (end_reason is null or ended_at is not null)
) with (
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_cost_delay = 0,
  vacuum_truncate = off
);
comment on table sessions is
  'Client instances of users. A session holds locks; when it ends, all its locks end with it. To end one by hand: update sessions set ended_at = now() where id = ...';
comment on column sessions.id is 'Chosen by the client (named) or by the service.';
comment on column sessions.user_name is 'Whose session it is; the holder of its locks.';
comment on column sessions.client is 'The workstation or program, if it said.';
comment on column sessions.ttl is 'How long the session lives after each touch. Null: it never expires.';
comment on column sessions.named is
  'The client knows the id, so the row stays as a tombstone for a while after the end: a late duplicate of an acquire is refused instead of granted to nobody.';
comment on column sessions.ends_with_last_lock is 'The session ends when its last lock is gone.';
comment on column sessions.started is 'When the session began, on the database''s clock, like every time here.';
comment on column sessions.last_touch is 'Last sign of life.';
comment on column sessions.expires_at is
  'last_touch + ttl; infinity where ttl is null. From this instant on the session is dead, swept or not, and never revived.';
comment on column sessions.ended_at is 'Set: the row is a tombstone.';
comment on column sessions.end_reason is 'ended, expired or last_lock_gone; null where the session was ended by hand.';

-- Down Migration

drop table sessions;
