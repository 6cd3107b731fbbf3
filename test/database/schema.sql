-- What all migrations together make. Written by "npm run schema:dump", never by hand.

create sequence fencing_token_seq as bigint increment 1 minvalue 1 maxvalue 9223372036854775807 start 1 cache 1;
comment on sequence fencing_token_seq is
  'Low part of the fencing tokens. Drawn by next_fencing_token() alone; never set it by hand.';

create sequence lock_events_id_seq as bigint increment 1 minvalue 1 maxvalue 9223372036854775807 start 1 cache 1;
comment on sequence lock_events_id_seq is
  'Numbers the events of the history. Drawn after whatever the event follows from was committed, so of two events of one resource the later one has the greater number, whatever the clock says.';

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

create table history (
  only_row boolean not null default true,
  complete_since timestamp with time zone,
  constraint history_pkey PRIMARY KEY (only_row),
  constraint history_only_row CHECK (only_row)
);
comment on table history is
  'One row: what can be said from lock_events.';
comment on column history.only_row is
  'Always true: keeps the table at one row.';
comment on column history.complete_since is
  'Every lock that was granted since then has its events. Null: set_history(false) has switched the history off.';

create table lock_events (
  id bigint not null default nextval('lock_events_id_seq'::regclass),
  xid xid8 not null default pg_current_xact_id(),
  at timestamp with time zone not null,
  lock_time timestamp with time zone not null,
  expired_at timestamp with time zone,
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
) partition by RANGE (at);
CREATE INDEX lock_events_place_idx ON ONLY lock_events USING btree (namespace, xid, id);
comment on table lock_events is
  'The history: a row for each grant and for each end of a lock, written by triggers in the transaction of the change, so that what is done by hand is in it too. The views lock_periods, longest_held and taken_over_this_week read it for people.';
comment on column lock_events.id is
  'Numbers the events; of two events of one resource the later one has the greater id.';
comment on column lock_events.xid is
  'The transaction that wrote it. Whoever reads on from where he stopped goes by (xid, id), and no further than the oldest transaction that is under way.';
comment on column lock_events.at is
  'When it was written, on the database''s clock; of a grant, its lock_time, and never before that.';
comment on column lock_events.lock_time is
  'When the lock was granted.';
comment on column lock_events.expired_at is
  'Of an expired lock: when it did. From then on it was dead; the event was written when somebody cleared it away.';
comment on column lock_events.lock_id is
  'The lock: each has one event granted, and one that says how it ended.';
comment on column lock_events.fencing_token is
  'The number of the grant.';
comment on column lock_events.session_id is
  'The session that held the lock.';
comment on column lock_events.kind is
  'granted; released by its holder; expired; session_ended, and the lock with it; taken_over by an administrator or by another session of the holder; forced: released by an administrator; deleted by a statement that is not the service''s.';
comment on column lock_events.namespace is
  'The room of resources.';
comment on column lock_events.resource_type is
  'Type of the resource.';
comment on column lock_events.resource_id is
  'Id of the resource.';
comment on column lock_events.holder is
  'The user who held the lock.';
comment on column lock_events.client is
  'The workstation or program, if the session said. Null too at the end of a lock whose session''s row was deleted by hand.';
comment on column lock_events.ended_by is
  'Who ended the lock: a user; of a deleted one the role in the database. Null of a grant, and where it expired.';
comment on column lock_events.reason is
  'Why, where somebody said so.';

create table lock_events_default (
  id bigint not null default nextval('lock_events_id_seq'::regclass),
  xid xid8 not null default pg_current_xact_id(),
  at timestamp with time zone not null,
  lock_time timestamp with time zone not null,
  expired_at timestamp with time zone,
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
) partition of lock_events default;
CREATE INDEX lock_events_default_namespace_xid_id_idx ON lock_events_default USING btree (namespace, xid, id);
comment on table lock_events_default is
  'Events of days that have no partition. Empty unless keep_history() was not called for days, or the clock was wrong.';

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
CREATE INDEX locks_list_idx ON locks USING btree (namespace, id) WHERE (id > 0);
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
CREATE INDEX sessions_user_name_id_idx ON sessions USING btree (user_name, id);
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

create view audit as
 WITH since AS MATERIALIZED (
         SELECT history.complete_since AS at
           FROM history
          WHERE history.complete_since IS NOT NULL
        ), granted AS MATERIALIZED (
         SELECT e.id,
            e.namespace,
            e.resource_type,
            e.resource_id,
            e.lock_id,
            e.fencing_token,
            e.session_id,
            e.holder,
            e.lock_time,
            lead(e.id) OVER following AS next_id,
            lead(e.lock_id) OVER following AS next_lock_id,
            lead(e.fencing_token) OVER following AS next_token
           FROM lock_events e
          WHERE e.kind = 'granted'::text
          WINDOW following AS (PARTITION BY e.namespace, e.resource_type, e.resource_id ORDER BY e.id)
        ), ended AS MATERIALIZED (
         SELECT e.id,
            e.namespace,
            e.resource_type,
            e.resource_id,
            e.lock_id,
            e.fencing_token,
            e.session_id,
            e.holder,
            e.lock_time,
            e.kind
           FROM lock_events e
          WHERE e.kind <> 'granted'::text
        ), fault AS (
         SELECT 'two locks at once'::text AS fault,
            g.namespace,
            g.resource_type,
            g.resource_id,
            g.lock_id,
            format('lock %s was granted before this one had ended'::text, g.next_lock_id) AS detail
           FROM granted g
             LEFT JOIN ended e ON e.lock_id = g.lock_id
          WHERE g.next_id IS NOT NULL AND (e.id > g.next_id OR e.id IS NULL AND g.lock_time >= (( SELECT since.at
                   FROM since)))
        UNION ALL
         SELECT 'a token that did not grow'::text,
            g.namespace,
            g.resource_type,
            g.resource_id,
            g.next_lock_id,
            format('%s came after %s'::text, g.next_token, g.fencing_token) AS format
           FROM granted g
          WHERE g.next_token <= g.fencing_token
        UNION ALL
         SELECT 'a grant without an end'::text,
            g.namespace,
            g.resource_type,
            g.resource_id,
            g.lock_id,
            format('granted to %s at %s, and not held'::text, g.holder, g.lock_time) AS format
           FROM granted g
          WHERE g.lock_time >= (( SELECT since.at
                   FROM since)) AND NOT (EXISTS ( SELECT
                   FROM ended e
                  WHERE e.lock_id = g.lock_id)) AND NOT (EXISTS ( SELECT
                   FROM locks l
                  WHERE l.id = g.lock_id))
        UNION ALL
         SELECT 'an end without a grant'::text,
            e.namespace,
            e.resource_type,
            e.resource_id,
            e.lock_id,
            format('%s, granted at %s'::text, e.kind, e.lock_time) AS format
           FROM ended e
          WHERE e.lock_time >= (( SELECT since.at
                   FROM since)) AND NOT (EXISTS ( SELECT
                   FROM granted g
                  WHERE g.lock_id = e.lock_id))
        UNION ALL
         SELECT 'an end that is not that of its grant'::text,
            e.namespace,
            e.resource_type,
            e.resource_id,
            e.lock_id,
            format('of session %s, token %s'::text, e.session_id, e.fencing_token) AS format
           FROM ended e
             JOIN granted g ON g.lock_id = e.lock_id
          WHERE e.namespace <> g.namespace OR e.resource_type <> g.resource_type OR e.resource_id <> g.resource_id OR e.fencing_token <> g.fencing_token OR e.session_id <> g.session_id OR e.holder <> g.holder
        UNION ALL
         SELECT 'a lock that ended before it was granted'::text,
            e.namespace,
            e.resource_type,
            e.resource_id,
            e.lock_id,
            e.kind
           FROM ended e
             JOIN granted g ON g.lock_id = e.lock_id
          WHERE e.id < g.id
        UNION ALL
         SELECT 'a lock that was granted twice'::text,
            min(g.namespace) AS min,
            min(g.resource_type) AS min,
            min(g.resource_id) AS min,
            g.lock_id,
            format('%s times'::text, count(*)) AS format
           FROM granted g
          GROUP BY g.lock_id
         HAVING count(*) > 1
        UNION ALL
         SELECT 'a lock that ended twice'::text,
            min(e.namespace) AS min,
            min(e.resource_type) AS min,
            min(e.resource_id) AS min,
            e.lock_id,
            string_agg(e.kind, ', '::text ORDER BY e.id) AS string_agg
           FROM ended e
          GROUP BY e.lock_id
         HAVING count(*) > 1
        UNION ALL
         SELECT 'a lock that is held and has ended'::text,
            l.namespace,
            l.resource_type,
            l.resource_id,
            l.id,
            e.kind
           FROM locks l
             JOIN ended e ON e.lock_id = l.id
        UNION ALL
         SELECT 'a lock that the history does not know'::text,
            l.namespace,
            l.resource_type,
            l.resource_id,
            l.id,
            format('granted to %s at %s'::text, l.holder, l.lock_time) AS format
           FROM locks l
          WHERE l.lock_time >= (( SELECT since.at
                   FROM since)) AND NOT (EXISTS ( SELECT
                   FROM granted g
                  WHERE g.lock_id = l.id AND g.namespace = l.namespace AND g.resource_type = l.resource_type AND g.resource_id = l.resource_id AND g.fencing_token = l.fencing_token AND g.session_id = l.session_id AND g.holder = l.holder))
        UNION ALL
         SELECT 'a lock without a session'::text,
            l.namespace,
            l.resource_type,
            l.resource_id,
            l.id,
                CASE
                    WHEN s.id IS NULL THEN format('there is no session %s'::text, l.session_id)
                    ELSE format('session %s has ended'::text, l.session_id)
                END AS format
           FROM locks l
             LEFT JOIN sessions s ON s.id = l.session_id
          WHERE s.id IS NULL OR s.ended_at IS NOT NULL
        UNION ALL
         SELECT 'a lock of another user than its session'::text,
            l.namespace,
            l.resource_type,
            l.resource_id,
            l.id,
            format('held by %s, session of %s'::text, l.holder, s.user_name) AS format
           FROM locks l
             JOIN sessions s ON s.id = l.session_id
          WHERE s.user_name <> l.holder
        UNION ALL
         SELECT 'a session without the lock it was made for'::text,
            NULL::text,
            NULL::text,
            NULL::text,
            NULL::bigint,
            format('session %s of %s'::text, s.id, s.user_name) AS format
           FROM sessions s
          WHERE s.ended_at IS NULL AND s.ends_with_last_lock AND s.secret_hash IS NULL AND NOT (EXISTS ( SELECT
                   FROM locks l
                  WHERE l.session_id = s.id))
        UNION ALL
         SELECT 'an event of an unknown kind'::text,
            e.namespace,
            e.resource_type,
            e.resource_id,
            e.lock_id,
            e.kind
           FROM ended e
          WHERE e.kind <> ALL (ARRAY['released'::text, 'expired'::text, 'session_ended'::text, 'taken_over'::text, 'forced'::text, 'deleted'::text])
        UNION ALL
         SELECT 'a history of another server'::text,
            NULL::text,
            NULL::text,
            NULL::text,
            NULL::bigint,
            format('%s events of transactions that this server has not begun'::text, count(*)) AS format
           FROM lock_events e
          WHERE e.xid >= pg_snapshot_xmax(pg_current_snapshot())
         HAVING count(*) > 0
        UNION ALL
         SELECT 'a rule that is switched off'::text,
            NULL::text,
            NULL::text,
            NULL::text,
            NULL::bigint,
            format('the trigger %s on %s'::text, wanted.name, wanted.relation) AS format
           FROM ( VALUES ('locks'::text,'record_granted_locks'::text,true), ('locks'::text,'record_ended_locks'::text,false), ('locks'::text,'record_truncated_locks'::text,false), ('locks'::text,'refuse_changed_lock'::text,false), ('sessions'::text,'end_locks_of_session'::text,false)) wanted(relation, name, only_with_history)
          WHERE (NOT wanted.only_with_history OR (EXISTS ( SELECT
                   FROM since))) AND NOT (EXISTS ( SELECT
                   FROM pg_trigger t
                     JOIN pg_class c ON c.oid = t.tgrelid
                  WHERE (c.oid = ANY (ARRAY['locks'::regclass::oid, 'sessions'::regclass::oid])) AND c.relname = wanted.relation AND t.tgname = wanted.name AND (t.tgenabled = ANY (ARRAY['O'::"char", 'A'::"char"]))))
        UNION ALL
         SELECT 'a rule that is switched off'::text,
            NULL::text,
            NULL::text,
            NULL::text,
            NULL::bigint,
            format('the constraint %s'::text, wanted.name) AS format
           FROM ( VALUES ('locks_resource_key'::text), ('locks_session_id_fkey'::text)) wanted(name)
          WHERE NOT (EXISTS ( SELECT
                   FROM pg_constraint k
                  WHERE k.conrelid = 'locks'::regclass::oid AND k.conname = wanted.name AND k.convalidated))
        )
 SELECT fault,
    namespace,
    resource_type,
    resource_id,
    lock_id,
    detail
   FROM fault;
comment on view audit is
  'Empty when all is well: two locks at once, tokens that did not grow, grants and ends that do not go together, locks without a session, rules that are switched off. npm run audit shows it. It reads the whole history.';
comment on column audit.fault is
  'What is wrong.';
comment on column audit.namespace is
  'The room of the resource concerned, if it is about one.';
comment on column audit.resource_type is
  'Type of the resource.';
comment on column audit.resource_id is
  'Id of the resource.';
comment on column audit.lock_id is
  'The lock concerned.';
comment on column audit.detail is
  'More of it, in words.';

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

create view lock_periods as
 SELECT e.namespace,
    e.resource_type,
    e.resource_id,
    e.holder,
    e.client,
    tstzrange(e.lock_time, GREATEST(e.lock_time, COALESCE(e.expired_at, e.at))) AS held,
    e.kind AS ended,
    e.ended_by,
    e.reason,
    e.fencing_token,
    e.lock_id,
    e.session_id
   FROM lock_events e
  WHERE e.kind <> 'granted'::text
UNION ALL
 SELECT l.namespace,
    l.resource_type,
    l.resource_id,
    l.holder,
    s.client,
        CASE
            WHEN s.expires_at > now() THEN tstzrange(l.lock_time, NULL::timestamp with time zone)
            ELSE tstzrange(l.lock_time, GREATEST(l.lock_time, s.expires_at))
        END AS held,
        CASE
            WHEN s.expires_at <= now() THEN 'expired'::text
            ELSE NULL::text
        END AS ended,
    NULL::text AS ended_by,
    NULL::text AS reason,
    l.fencing_token,
    l.id AS lock_id,
    l.session_id
   FROM locks l
     JOIN sessions s ON s.id = l.session_id;
comment on view lock_periods is
  'Who held what from when to when: every lock that is held, and every one that ended in the time of the history. Who held it at a time: where held @> timestamptz ''...''.';
comment on column lock_periods.namespace is
  'The room of resources.';
comment on column lock_periods.resource_type is
  'Type of the resource.';
comment on column lock_periods.resource_id is
  'Id of the resource.';
comment on column lock_periods.holder is
  'The user who held the lock.';
comment on column lock_periods.client is
  'The workstation or program, if it said.';
comment on column lock_periods.held is
  'From the grant until the end, which is not included; without an upper bound while it is held.';
comment on column lock_periods.ended is
  'How it ended, as in lock_events.kind. Null: it is held.';
comment on column lock_periods.ended_by is
  'Who ended it. Null where it is held, and where it expired.';
comment on column lock_periods.reason is
  'Why, where somebody said so.';
comment on column lock_periods.fencing_token is
  'The number of the grant.';
comment on column lock_periods.lock_id is
  'The lock.';
comment on column lock_periods.session_id is
  'The session that held it.';

create view longest_held as
 SELECT COALESCE(upper(held), now()) - lower(held) AS duration,
    namespace,
    resource_type,
    resource_id,
    holder,
    client,
    lower(held) AS lock_time,
    ended
   FROM lock_periods
  WHERE NOT isempty(held)
  ORDER BY (COALESCE(upper(held), now()) - lower(held)) DESC;
comment on view longest_held is
  'Locks, held or ended, that were held longest, the longest first.';
comment on column longest_held.duration is
  'From the grant until the end, or until now.';
comment on column longest_held.namespace is
  'The room of resources.';
comment on column longest_held.resource_type is
  'Type of the resource.';
comment on column longest_held.resource_id is
  'Id of the resource.';
comment on column longest_held.holder is
  'The user who held the lock.';
comment on column longest_held.client is
  'The workstation or program, if it said.';
comment on column longest_held.lock_time is
  'When it was granted.';
comment on column longest_held.ended is
  'How it ended. Null: it is held.';

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

create view taken_over_this_week as
 SELECT at,
    kind,
    namespace,
    resource_type,
    resource_id,
    holder AS taken_from,
    client,
    ended_by AS taken_by,
    reason,
    at - lock_time AS held_for
   FROM lock_events
  WHERE (kind = ANY (ARRAY['taken_over'::text, 'forced'::text, 'deleted'::text])) AND at > (now() - '7 days'::interval)
  ORDER BY at DESC;
comment on view taken_over_this_week is
  'Locks that were taken from their holders in the last seven days: taken over, released by force, or deleted by hand.';
comment on column taken_over_this_week.at is
  'When.';
comment on column taken_over_this_week.kind is
  'taken_over, forced or deleted.';
comment on column taken_over_this_week.namespace is
  'The room of resources.';
comment on column taken_over_this_week.resource_type is
  'Type of the resource.';
comment on column taken_over_this_week.resource_id is
  'Id of the resource.';
comment on column taken_over_this_week.taken_from is
  'The user who held the lock.';
comment on column taken_over_this_week.client is
  'The workstation or program, if it said.';
comment on column taken_over_this_week.taken_by is
  'Who took it: a user, or the role that deleted it.';
comment on column taken_over_this_week.reason is
  'Why, where somebody said so.';
comment on column taken_over_this_week.held_for is
  'How long it had been held.';

CREATE OR REPLACE FUNCTION add_history_days()
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'SCHEMA', 'pg_temp'
AS $function$
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
  $function$;
comment on function add_history_days() is
  'Makes the partitions of today and of the next three days. How many were missing.';

CREATE OR REPLACE FUNCTION assert_lock(namespace text, resource_type text, resource_id text, fencing_token bigint)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'SCHEMA', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
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
  $function$;
comment on function assert_lock(text,text,text,bigint) is
  'Raises LH001 unless that grant is live. If it is, the lock cannot end before your transaction does: nobody releases it, takes it over or clears it away, and everything written until the commit was written under it.';

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
 SET search_path TO 'SCHEMA', 'pg_temp'
AS $function$
  begin
    delete from locks where session_id = new.id;
    if not new.named and new.end_reason is not null then
      delete from sessions where id = new.id;
    end if;
    return null;
  end
  $function$;
comment on function end_locks_of_session() is
  'A session ends whole: all its locks end with it.';

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

CREATE OR REPLACE FUNCTION history_users()
 RETURNS TABLE(virtualtransaction text)
 LANGUAGE sql
BEGIN ATOMIC
 SELECT l.virtualtransaction
    FROM pg_locks l
   WHERE ((l.relation = ('lock_events'::regclass)::oid) AND (l.database = ( SELECT d.oid
            FROM pg_database d
           WHERE (d.datname = current_database()))) AND (l.pid IS DISTINCT FROM pg_backend_pid()));
END;
comment on function history_users() is
  'Other transactions that read or write the history now.';

CREATE OR REPLACE FUNCTION keep_history(days integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'SCHEMA', 'pg_temp'
AS $function$
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
  $function$;
comment on function keep_history(integer) is
  'Makes the partitions of the next days; where they are there, drops the oldest one if its events are older than so many days. How much was done: call it again until it says 0. It holds up nobody for longer than 100 ms.';

CREATE OR REPLACE FUNCTION next_fencing_token()
 RETURNS bigint
 LANGUAGE sql
BEGIN ATOMIC
 SELECT (( SELECT fencing_token_base.base
            FROM fencing_token_base) + nextval('fencing_token_seq'::regclass));
END;
comment on function next_fencing_token() is
  'A number greater than every one drawn before: (timeline + epoch) * 2^40 + sequence. Below 2^53 up to timeline + epoch 8191.';

CREATE OR REPLACE FUNCTION record_ended_locks()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'SCHEMA', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
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
  $function$;
comment on function record_ended_locks() is
  'Writes the history of ends, then ends the sessions that were made for their locks and have lost the last of them.';

CREATE OR REPLACE FUNCTION record_granted_locks()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'SCHEMA', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
  begin
    insert into lock_events (
      at, lock_time, lock_id, fencing_token, session_id, kind, namespace, resource_type, resource_id, holder, client
    )
    select g.lock_time, g.lock_time, g.id, g.fencing_token, g.session_id, 'granted', g.namespace, g.resource_type,
      g.resource_id, g.holder, (select s.client from sessions s where s.id = g.session_id)
    from granted g;
    return null;
  end
  $function$;
comment on function record_granted_locks() is
  'Writes the history of grants.';

CREATE OR REPLACE FUNCTION record_truncated_locks()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'SCHEMA', 'pg_temp'
AS $function$
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
  $function$;
comment on function record_truncated_locks() is
  'Writes the history of locks that a TRUNCATE takes away.';

CREATE OR REPLACE FUNCTION refuse_changed_lock()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
  $function$;
comment on function refuse_changed_lock() is
  'What was granted to whom is never changed, not by hand either.';

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

CREATE OR REPLACE FUNCTION set_history(is_on boolean)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'SCHEMA', 'pg_temp'
AS $function$
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
  $function$;
comment on function set_history(boolean) is
  'Switches the writing of the history off, or on again, for all replicas at once. For the owner. What is held by then has no grant in it, and what ends meanwhile no end.';

CREATE OR REPLACE FUNCTION try_assert_lock(namespace text, resource_type text, resource_id text, fencing_token bigint)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'SCHEMA', 'pg_temp'
AS $function$
  begin
    perform assert_lock(namespace, resource_type, resource_id, fencing_token);
    return true;
  exception
    when sqlstate 'LH001' then
      return false;
  end
  $function$;
comment on function try_assert_lock(text,text,text,bigint) is
  'Like assert_lock(), but says false instead of raising. Trouble, such as a time-out, is still an error and never false.';

CREATE TRIGGER record_ended_locks AFTER DELETE ON locks REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION record_ended_locks();

CREATE TRIGGER record_granted_locks AFTER INSERT ON locks REFERENCING NEW TABLE AS granted FOR EACH STATEMENT EXECUTE FUNCTION record_granted_locks();

CREATE TRIGGER record_truncated_locks BEFORE TRUNCATE ON locks FOR EACH STATEMENT EXECUTE FUNCTION record_truncated_locks();

CREATE TRIGGER refuse_changed_lock AFTER UPDATE OF id, namespace, resource_type, resource_id, session_id, fencing_token, holder ON locks FOR EACH ROW EXECUTE FUNCTION refuse_changed_lock();

CREATE TRIGGER end_locks_of_session AFTER UPDATE OF ended_at ON sessions FOR EACH ROW WHEN (old.ended_at IS NULL AND new.ended_at IS NOT NULL) EXECUTE FUNCTION end_locks_of_session();
