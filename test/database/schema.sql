-- What all migrations together make. Written by "npm run schema:dump", never by hand.

create sequence fencing_token_seq as bigint increment 1 minvalue 1 maxvalue 9223372036854775807 start 1 cache 1;
comment on sequence fencing_token_seq is
  'Low part of the fencing tokens. Drawn by next_fencing_token() alone; never set it by hand.';

create table api_keys (
  id bigint not null generated always as identity,
  user_id integer not null,
  key_hash bytea not null,
  role text not null,
  namespace text collate "C" not null,
  created timestamp with time zone not null default now(),
  expires_at timestamp with time zone,
  revoked_at timestamp with time zone,
  first boolean not null default false,
  constraint api_keys_key_hash_key UNIQUE (key_hash),
  constraint api_keys_pkey PRIMARY KEY (id),
  constraint api_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id),
  constraint api_keys_key_hash_length CHECK ((octet_length(key_hash) = 32)),
  constraint api_keys_namespace_length CHECK (((octet_length(namespace) >= 1) AND (octet_length(namespace) <= 255))),
  constraint api_keys_role_known CHECK ((role = ANY (ARRAY['viewer'::text, 'locker'::text, 'admin'::text])))
);
CREATE UNIQUE INDEX api_keys_first_key ON api_keys USING btree (first) WHERE first;
CREATE INDEX api_keys_user_id_idx ON api_keys USING btree (user_id);
comment on table api_keys is
  'Keys of the REST API. To revoke one by hand: update api_keys set revoked_at = now() where id = ...; every replica obeys within seconds.';
comment on column api_keys.id is
  'Names the key; not a secret.';
comment on column api_keys.user_id is
  'Whom requests with this key act for.';
comment on column api_keys.key_hash is
  'SHA-256 of the key. The key itself is stored nowhere.';
comment on column api_keys.role is
  'viewer reads; locker also locks; admin also takes over and manages keys.';
comment on column api_keys.namespace is
  'The only namespace the key is good for, or * for all.';
comment on column api_keys.created is
  'When the key was made.';
comment on column api_keys.expires_at is
  'Null: it does not expire.';
comment on column api_keys.revoked_at is
  'Null: not revoked.';
comment on column api_keys.first is
  'The key that the service made up when it first ran on this database.';

create table fencing_epoch (
  only_row boolean not null default true,
  epoch integer not null default 0,
  constraint fencing_epoch_pkey PRIMARY KEY (only_row),
  constraint fencing_epoch_only_row CHECK (only_row),
  constraint fencing_epoch_range CHECK (((epoch >= 0) AND (epoch <= 4000)))
);
comment on table fencing_epoch is
  'One row. Raise the epoch after a restore from a backup, so that new fencing tokens are greater than those granted after the backup was made.';
comment on column fencing_epoch.only_row is
  'Always true: keeps the table at one row.';
comment on column fencing_epoch.epoch is
  'Added to the timeline of the server in the high bits of every fencing token.';

create table locks (
  id bigint not null generated always as identity,
  namespace text collate "C" not null,
  resource_type text collate "C" not null,
  resource_id text collate "C" not null,
  session_id uuid not null,
  fencing_token bigint not null,
  holder text collate "C" not null,
  lock_time timestamp with time zone not null,
  reference text collate "C",
  metadata jsonb not null default '{}'::jsonb,
  sole boolean not null default false,
  constraint locks_pkey PRIMARY KEY (id),
  constraint locks_resource_key UNIQUE (namespace, resource_type, resource_id),
  constraint locks_session_id_fkey FOREIGN KEY (session_id) REFERENCES sessions(id) ON DELETE CASCADE,
  constraint locks_fencing_token_positive CHECK ((fencing_token > 0)),
  constraint locks_holder_length CHECK (((octet_length(holder) >= 1) AND (octet_length(holder) <= 255))),
  constraint locks_metadata_length CHECK ((octet_length((metadata)::text) <= 262144)),
  constraint locks_metadata_object CHECK ((jsonb_typeof(metadata) = 'object'::text)),
  constraint locks_namespace_length CHECK (((octet_length(namespace) >= 1) AND (octet_length(namespace) <= 255))),
  constraint locks_reference_length CHECK (((octet_length(reference) >= 1) AND (octet_length(reference) <= 255))),
  constraint locks_resource_id_length CHECK (((octet_length(resource_id) >= 1) AND (octet_length(resource_id) <= 1024))),
  constraint locks_resource_type_length CHECK (((octet_length(resource_type) >= 1) AND (octet_length(resource_type) <= 255)))
) with (
  autovacuum_vacuum_scale_factor=0,
  autovacuum_vacuum_threshold=2000,
  autovacuum_vacuum_cost_delay=0,
  vacuum_truncate=off
);
CREATE INDEX locks_namespace_id_idx ON locks USING btree (namespace, id);
CREATE INDEX locks_session_id_idx ON locks USING btree (session_id);
CREATE UNIQUE INDEX locks_sole_key ON locks USING btree (namespace, resource_type, holder) WHERE sole;
comment on table locks is
  'One row a grant: this resource, to this session. A released lock''s row is gone. A lock whose session has expired is dead, even while its row is still here; the view held_locks leaves those out. Delete by hand if you must; never insert: only next_fencing_token() drawn under claim_resource() keeps the tokens in order.';
comment on column locks.id is
  'Names the grant. A new grant of the same resource has a new id.';
comment on column locks.namespace is
  'A tenant''s or project''s room of resources.';
comment on column locks.resource_type is
  'Type of the resource, compared byte for byte.';
comment on column locks.resource_id is
  'Id of the resource, compared byte for byte.';
comment on column locks.session_id is
  'The session that holds the lock and with which it ends.';
comment on column locks.fencing_token is
  'Greater than that of every earlier grant of the same resource, for ever.';
comment on column locks.holder is
  'The user of the session.';
comment on column locks.lock_time is
  'When the lock was granted.';
comment on column locks.reference is
  'An id that the client brought.';
comment on column locks.metadata is
  'Whatever the client wants to be found beside the lock.';
comment on column locks.sole is
  'True: the holder has only this one of all such locks on the type. Asking for another one gives it up.';

create table namespaces (
  name text collate "C" not null,
  is_closed boolean not null default false,
  catalogue_version bigint not null default 0,
  constraint namespaces_pkey PRIMARY KEY (name),
  constraint namespaces_name_length CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 255)))
);
comment on table namespaces is
  'Namespaces that have a catalogue or that somebody has closed. One that is not here is open and has none.';
comment on column namespaces.name is
  'A tenant''s or project''s room of resources.';
comment on column namespaces.is_closed is
  'True: only resources of the catalogue can be locked.';
comment on column namespaces.catalogue_version is
  'Grows with every change of the catalogue, whose writers lock this row: they come one after the other.';

create table resources (
  namespace text collate "C" not null,
  resource_type text collate "C" not null,
  resource_id text collate "C" not null,
  parent_type text collate "C",
  parent_id text collate "C",
  kind text not null default 'object'::text,
  constraint resources_pkey PRIMARY KEY (namespace, resource_type, resource_id),
  constraint resources_namespace_fkey FOREIGN KEY (namespace) REFERENCES namespaces(name),
  constraint resources_parent_fkey FOREIGN KEY (namespace, parent_type, parent_id) REFERENCES resources(namespace, resource_type, resource_id),
  constraint resources_kind_known CHECK ((kind = ANY (ARRAY['object'::text, 'selection'::text]))),
  constraint resources_parent_whole CHECK (((parent_type IS NULL) = (parent_id IS NULL))),
  constraint resources_resource_id_length CHECK (((octet_length(resource_id) >= 1) AND (octet_length(resource_id) <= 1024))),
  constraint resources_resource_type_length CHECK (((octet_length(resource_type) >= 1) AND (octet_length(resource_type) <= 255)))
);
CREATE INDEX resources_parent_hash_idx ON resources USING btree (hashtextextended(((((namespace || chr(31)) || parent_type) || chr(31)) || parent_id), (0)::bigint)) WHERE (parent_id IS NOT NULL);
CREATE INDEX resources_parent_idx ON resources USING btree (namespace, parent_type, parent_id);
comment on table resources is
  'The catalogue: what a namespace knows of its resources. Locks do not depend on it in an open namespace.';
comment on column resources.namespace is
  'The namespace that the resource is in.';
comment on column resources.resource_type is
  'Type of the resource, compared byte for byte.';
comment on column resources.resource_id is
  'Id of the resource, compared byte for byte.';
comment on column resources.parent_type is
  'Type of the parent in the same namespace. Null: a root.';
comment on column resources.parent_id is
  'Id of the parent in the same namespace. Null: a root.';
comment on column resources.kind is
  'object, or selection: a choice of resources, listed in selection_elements.';

create table schema_migrations (
  id integer not null generated always as identity,
  name text collate "C" not null,
  run_on timestamp with time zone not null,
  checksum text collate "C" not null default current_setting('leasehold.migration_checksum'::text, true),
  constraint schema_migrations_name_key UNIQUE (name),
  constraint schema_migrations_pkey PRIMARY KEY (id),
  constraint schema_migrations_checksum_is_sha256 CHECK ((checksum ~ '^[0-9a-f]{64}$'::text))
);
comment on table schema_migrations is
  'The migrations that have been applied to this schema. Written by "npm run migrate"; a row is added in the transaction of its migration.';
comment on column schema_migrations.id is
  'In the order of application.';
comment on column schema_migrations.name is
  'The file of the migration, without .sql.';
comment on column schema_migrations.run_on is
  'When the migration was applied, on the database''s clock.';
comment on column schema_migrations.checksum is
  'SHA-256 of the file as it was applied, line endings normalised. "npm run migrate -- check" compares.';

create table selection_elements (
  namespace text collate "C" not null,
  selection_type text collate "C" not null,
  selection_id text collate "C" not null,
  element_type text collate "C" not null,
  element_id text collate "C" not null,
  "position" integer not null,
  constraint selection_elements_pkey PRIMARY KEY (namespace, selection_type, selection_id, "position"),
  constraint selection_elements_selection_fkey FOREIGN KEY (namespace, selection_type, selection_id) REFERENCES resources(namespace, resource_type, resource_id) ON DELETE CASCADE,
  constraint selection_elements_element_id_length CHECK (((octet_length(element_id) >= 1) AND (octet_length(element_id) <= 1024))),
  constraint selection_elements_element_type_length CHECK (((octet_length(element_type) >= 1) AND (octet_length(element_type) <= 255))),
  constraint selection_elements_position_positive CHECK (("position" > 0))
);
comment on table selection_elements is
  'The elements of selections. They need not be in the catalogue.';
comment on column selection_elements.namespace is
  'The namespace of the selection and of its elements.';
comment on column selection_elements.selection_type is
  'Type of the selection.';
comment on column selection_elements.selection_id is
  'Id of the selection.';
comment on column selection_elements.element_type is
  'Type of the element.';
comment on column selection_elements.element_id is
  'Id of the element.';
comment on column selection_elements."position" is
  'Place of the element, from 1.';

create table sessions (
  id uuid not null,
  user_name text collate "C" not null,
  client text collate "C",
  ttl interval,
  named boolean not null,
  ends_with_last_lock boolean not null,
  started timestamp with time zone not null,
  last_touch timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  ended_at timestamp with time zone,
  end_reason text,
  secret_hash bytea,
  api_key_id bigint,
  constraint sessions_pkey PRIMARY KEY (id),
  constraint sessions_api_key_id_fkey FOREIGN KEY (api_key_id) REFERENCES api_keys(id),
  constraint sessions_client_length CHECK (((octet_length(client) >= 1) AND (octet_length(client) <= 255))),
  constraint sessions_end_reason_known CHECK ((end_reason = ANY (ARRAY['ended'::text, 'expired'::text, 'last_lock_gone'::text]))),
  constraint sessions_expiry_follows_ttl CHECK (((ttl IS NULL) = (expires_at = 'infinity'::timestamp with time zone))),
  constraint sessions_reason_needs_end CHECK (((end_reason IS NULL) OR (ended_at IS NOT NULL))),
  constraint sessions_secret_hash_length CHECK ((octet_length(secret_hash) = 32)),
  constraint sessions_secret_needs_key CHECK (((secret_hash IS NULL) = (api_key_id IS NULL))),
  constraint sessions_touched_after_start CHECK ((last_touch >= started)),
  constraint sessions_ttl_positive CHECK ((ttl > '00:00:00'::interval)),
  constraint sessions_user_name_length CHECK (((octet_length(user_name) >= 1) AND (octet_length(user_name) <= 255)))
) with (
  fillfactor=50,
  autovacuum_vacuum_scale_factor=0,
  autovacuum_vacuum_threshold=2000,
  autovacuum_vacuum_cost_delay=0,
  vacuum_truncate=off
);
CREATE INDEX sessions_api_key_id_idx ON sessions USING btree (api_key_id) WHERE (api_key_id IS NOT NULL);
CREATE UNIQUE INDEX sessions_secret_hash_key ON sessions USING btree (secret_hash) WHERE ((secret_hash IS NOT NULL) AND (ended_at IS NULL));
comment on table sessions is
  'Client instances of users. A session holds locks; when it ends, all its locks end with it. To end one by hand: update sessions set ended_at = now() where id = ...';
comment on column sessions.id is
  'Chosen by the client (named) or by the service.';
comment on column sessions.user_name is
  'Whose session it is; the holder of its locks.';
comment on column sessions.client is
  'The workstation or program, if it said.';
comment on column sessions.ttl is
  'How long the session lives after each touch. Null: it never expires.';
comment on column sessions.named is
  'The client knows the id, so the row stays as a tombstone for a while after the end: a late duplicate of an acquire is refused instead of granted to nobody.';
comment on column sessions.ends_with_last_lock is
  'The session ends when its last lock is gone.';
comment on column sessions.started is
  'When the session began, on the database''s clock, like every time here.';
comment on column sessions.last_touch is
  'Last sign of life.';
comment on column sessions.expires_at is
  'last_touch + ttl; infinity where ttl is null. From this instant on the session is dead, swept or not, and never revived.';
comment on column sessions.ended_at is
  'Set: the row is a tombstone.';
comment on column sessions.end_reason is
  'ended, expired or last_lock_gone; null where the session was ended by hand.';
comment on column sessions.secret_hash is
  'SHA-256 of the cookie or token that a sign-in handed out. Null: the session was not made by a sign-in.';
comment on column sessions.api_key_id is
  'The key that was used to sign in: revoked with it, the sign-in is void.';

create table users (
  id integer not null generated always as identity,
  name text collate "C" not null,
  created timestamp with time zone not null default now(),
  constraint users_name_key UNIQUE (name),
  constraint users_pkey PRIMARY KEY (id),
  constraint users_name_length CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 255)))
);
comment on table users is
  'A number and a name for everybody who has had a key. Some lock APIs show the number.';
comment on column users.id is
  'The number.';
comment on column users.name is
  'The name; the holder of the user''s locks.';
comment on column users.created is
  'When the first key of the user was made.';

create view fencing_token_base as
 SELECT ((('x'::text || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)))::bit(32)::bigint + epoch) << 40 AS base
   FROM fencing_epoch;
comment on view fencing_token_base is
  'What next_fencing_token() adds to the sequence: the server''s timeline and the epoch, in the high bits.';
comment on column fencing_token_base.base is
  '(timeline + epoch) * 2^40.';

create view held_locks as
 SELECT l.id,
    l.namespace,
    l.resource_type,
    l.resource_id,
    l.holder,
    s.client,
    date_trunc('milliseconds'::text, now() - l.lock_time) AS age,
    date_trunc('milliseconds'::text, now() - s.last_touch) AS since_last_touch,
        CASE
            WHEN s.ttl IS NOT NULL THEN date_trunc('milliseconds'::text, s.expires_at - now())
            ELSE NULL::interval
        END AS time_left,
    l.fencing_token,
    l.reference,
    l.metadata,
    l.session_id,
    l.lock_time,
    s.last_touch AS session_last_touch,
    s.expires_at
   FROM locks l
     JOIN sessions s ON s.id = l.session_id
  WHERE s.ended_at IS NULL AND s.expires_at > now();
comment on view held_locks is
  'Who holds what, for how long, with the last sign of life and the time left.';
comment on column held_locks.id is
  'Names the grant.';
comment on column held_locks.namespace is
  'The room of resources.';
comment on column held_locks.resource_type is
  'Type of the locked resource.';
comment on column held_locks.resource_id is
  'Id of the locked resource.';
comment on column held_locks.holder is
  'The user who holds the lock.';
comment on column held_locks.client is
  'The workstation or program, if it said.';
comment on column held_locks.age is
  'Time since the grant.';
comment on column held_locks.since_last_touch is
  'Time since the session''s last sign of life.';
comment on column held_locks.time_left is
  'Time until the session expires unless it is touched. Null: it never does.';
comment on column held_locks.fencing_token is
  'The number of the grant.';
comment on column held_locks.reference is
  'An id that the client brought.';
comment on column held_locks.metadata is
  'What the client left beside the lock.';
comment on column held_locks.session_id is
  'The session with which the lock ends.';
comment on column held_locks.lock_time is
  'When the lock was granted.';
comment on column held_locks.session_last_touch is
  'Last sign of life of the session.';
comment on column held_locks.expires_at is
  'When the session expires unless it is touched.';

create view lock_counts as
 SELECT namespace,
    count(*) AS locks,
    count(DISTINCT holder) AS holders,
    min(lock_time) AS oldest
   FROM held_locks
  GROUP BY namespace;
comment on view lock_counts is
  'How many locks are held in each namespace.';
comment on column lock_counts.namespace is
  'The room of resources.';
comment on column lock_counts.locks is
  'Locks held now.';
comment on column lock_counts.holders is
  'Users who hold them.';
comment on column lock_counts.oldest is
  'When the oldest of them was granted.';

create view stale_sessions as
 SELECT id,
    user_name,
    client,
        CASE
            WHEN expires_at <= now() THEN 'expired, not yet swept'::text
            ELSE 'never expires, silent for an hour'::text
        END AS why,
    date_trunc('milliseconds'::text, now() - last_touch) AS since_last_touch,
    ( SELECT count(*) AS count
           FROM locks l
          WHERE l.session_id = s.id) AS locks,
    ttl,
    started,
    last_touch,
    expires_at
   FROM sessions s
  WHERE ended_at IS NULL AND (expires_at <= now() OR ttl IS NULL AND last_touch < (now() - '01:00:00'::interval));
comment on view stale_sessions is
  'Sessions that are dead and wait for the sweeper, and sessions that never expire but have been silent for an hour.';
comment on column stale_sessions.id is
  'The session.';
comment on column stale_sessions.user_name is
  'Whose session it is.';
comment on column stale_sessions.client is
  'The workstation or program, if it said.';
comment on column stale_sessions.why is
  'Why it is listed.';
comment on column stale_sessions.since_last_touch is
  'Time since the last sign of life.';
comment on column stale_sessions.locks is
  'How many locks it has.';
comment on column stale_sessions.ttl is
  'How long it lives after each touch. Null: it never expires.';
comment on column stale_sessions.started is
  'When it began.';
comment on column stale_sessions.last_touch is
  'Last sign of life.';
comment on column stale_sessions.expires_at is
  'When it expired or expires.';

CREATE OR REPLACE FUNCTION claim_namespace(namespace text)
 RETURNS boolean
 LANGUAGE sql
BEGIN ATOMIC
 SELECT pg_advisory_xact_lock(hashtextextended(namespace, (- (('locks'::regclass)::oid)::bigint))) AS pg_advisory_xact_lock;
 SELECT true;
END;
comment on function claim_namespace(text) is
  'Waits, at most for lock_timeout; then, until the end of the transaction, nobody else can grant any resource of the namespace. Call it before anything else is locked: whoever holds the row of a session while waiting here can deadlock.';

CREATE OR REPLACE FUNCTION claim_resource(namespace text, resource_type text, resource_id text)
 RETURNS boolean
 LANGUAGE sql
BEGIN ATOMIC
 SELECT (pg_try_advisory_xact_lock_shared(hashtextextended(namespace, (- (('locks'::regclass)::oid)::bigint))) AND pg_try_advisory_xact_lock(hashtextextended(((((namespace || chr(31)) || resource_type) || chr(31)) || resource_id), (('locks'::regclass)::oid)::bigint)));
END;
comment on function claim_resource(text,text,text) is
  'True: until the end of the transaction nobody else can grant this resource. False: somebody is at it now.';

CREATE OR REPLACE FUNCTION end_locks_of_session()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'SCHEMA'
AS $function$
  begin
    delete from locks where session_id = new.id;
    return null;
  end
  $function$;
comment on function end_locks_of_session() is
  'A session ends whole: all its locks end with it.';

CREATE OR REPLACE FUNCTION end_sessions_with_last_lock()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'SCHEMA'
AS $function$
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
  $function$;
comment on function end_sessions_with_last_lock() is
  'Sessions made for their locks end with the last of them.';

CREATE OR REPLACE FUNCTION expand_resources(namespace text, types text[], ids text[], expand text, most integer)
 RETURNS TABLE(resource_type text, resource_id text, kind text, is_named boolean, is_element boolean)
 LANGUAGE sql
 ROWS 10000
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
BEGIN ATOMIC
 WITH RECURSIVE named AS MATERIALIZED (
          SELECT (w.resource_type COLLATE "C") AS resource_type,
             (w.resource_id COLLATE "C") AS resource_id,
             r.kind
            FROM (UNNEST(expand_resources.types, expand_resources.ids) w(resource_type, resource_id)
              LEFT JOIN resources r ON (((r.namespace = expand_resources.namespace) AND (r.resource_type = w.resource_type) AND (r.resource_id = w.resource_id))))
         ), below AS (
          SELECT n.resource_type,
             n.resource_id
            FROM named n
           WHERE ((n.kind = 'object'::text) AND (expand_resources.expand = ANY (ARRAY['children'::text, 'contents'::text])))
         UNION
          SELECT child.resource_type,
             child.resource_id
            FROM (below b
              CROSS JOIN LATERAL ( SELECT r.namespace,
                     r.resource_type,
                     r.resource_id,
                     r.parent_type,
                     r.parent_id,
                     r.kind
                    FROM resources r
                   WHERE ((hashtextextended(((((r.namespace || chr(31)) || r.parent_type) || chr(31)) || r.parent_id), (0)::bigint) = hashtextextended(((((expand_resources.namespace || chr(31)) || b.resource_type) || chr(31)) || b.resource_id), (0)::bigint)) AND (r.parent_id IS NOT NULL))
                  OFFSET 0) child)
           WHERE ((child.namespace = expand_resources.namespace) AND (child.parent_type = b.resource_type) AND (child.parent_id = b.resource_id))
         ), element AS MATERIALIZED (
          SELECT DISTINCT listed.element_type,
             listed.element_id
            FROM (named n
              CROSS JOIN LATERAL ( SELECT e.element_type,
                     e.element_id
                    FROM selection_elements e
                   WHERE ((e.namespace = expand_resources.namespace) AND (e.selection_type = n.resource_type) AND (e.selection_id = n.resource_id))
                  OFFSET 0) listed)
           WHERE ((n.kind = 'selection'::text) AND (expand_resources.expand = ANY (ARRAY['elements'::text, 'contents'::text])))
          LIMIT (expand_resources.most + 1)
         ), part AS (
          SELECT n.resource_type,
             n.resource_id,
             n.kind,
             true AS is_named,
             false AS is_element
            FROM named n
         UNION ALL
         ( SELECT b.resource_type,
             b.resource_id,
             NULL::text,
             false,
             false
            FROM below b
          LIMIT (expand_resources.most + 1))
         UNION ALL
          SELECT e.element_type,
             e.element_id,
             r.kind,
             false,
             true
            FROM (element e
              LEFT JOIN resources r ON (((r.namespace = expand_resources.namespace) AND (r.resource_type = e.element_type) AND (r.resource_id = e.element_id))))
         )
  SELECT p.resource_type,
     p.resource_id,
     max(p.kind) AS max,
     bool_or(p.is_named) AS bool_or,
     bool_or(p.is_element) AS bool_or
    FROM part p
   GROUP BY p.resource_type, p.resource_id;
END;
comment on function expand_resources(text,text[],text[],text,integer) is
  'What the named resources stand for, themselves included. expand: none; elements (of selections); children (of objects, at any depth); contents (both). Where it is more than "most", a part that is larger than that. kind is null for what the catalogue does not have, and for what was only found below another.';

CREATE OR REPLACE FUNCTION next_fencing_token()
 RETURNS bigint
 LANGUAGE sql
BEGIN ATOMIC
 SELECT (( SELECT fencing_token_base.base
            FROM fencing_token_base) + nextval('fencing_token_seq'::regclass));
END;
comment on function next_fencing_token() is
  'A number greater than every one drawn before: (timeline + epoch) * 2^40 + sequence. Below 2^53 up to timeline + epoch 8191.';

CREATE OR REPLACE FUNCTION refuse_partial_set()
 RETURNS text
 LANGUAGE plpgsql
AS $function$
  begin
    raise exception 'a set of resources was taken in part' using errcode = 'serialization_failure';
  end
  $function$;
comment on function refuse_partial_set() is
  'Raises 40001.';

CREATE TRIGGER end_sessions_with_last_lock AFTER DELETE ON locks REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION end_sessions_with_last_lock();

CREATE TRIGGER end_locks_of_session AFTER UPDATE OF ended_at ON sessions FOR EACH ROW WHEN (old.ended_at IS NULL AND new.ended_at IS NOT NULL) EXECUTE FUNCTION end_locks_of_session();
