-- Up Migration

-- A set that is too large for a claim on each of its resources claims its namespace instead, and alone. So that
-- nobody else can be granted a resource there meanwhile, whoever claims a resource claims its namespace too,
-- together with all the others who do. The seeds of the two kinds have opposite signs: the claim of a namespace is
-- never that of a resource, whatever their names are. A waiting claim_namespace() makes new claims of resources
-- fail, so it never waits longer than the statements that are under way.
create or replace function claim_resource(namespace text, resource_type text, resource_id text) returns boolean
  language sql volatile
  begin atomic
    select pg_try_advisory_xact_lock_shared(hashtextextended(namespace, -('locks'::regclass::oid::bigint)))
      and pg_try_advisory_xact_lock(
        hashtextextended(
          namespace || chr(31) || resource_type || chr(31) || resource_id,
          'locks'::regclass::oid::bigint
        )
      );
  end;

create function claim_namespace(namespace text) returns boolean
  language sql volatile
  begin atomic
    select pg_advisory_xact_lock(hashtextextended(namespace, -('locks'::regclass::oid::bigint)));
    select true;
  end;
comment on function claim_namespace(text) is
  'Waits, at most for lock_timeout; then, until the end of the transaction, nobody else can grant any resource of the namespace. Call it before anything else is locked: whoever holds the row of a session while waiting here can deadlock.';

-- Down Migration

drop function claim_namespace(text);

create or replace function claim_resource(namespace text, resource_type text, resource_id text) returns boolean
  language sql volatile
  begin atomic
    select pg_try_advisory_xact_lock(
      hashtextextended(
        namespace || chr(31) || resource_type || chr(31) || resource_id,
        'locks'::regclass::oid::bigint
      )
    );
  end;
