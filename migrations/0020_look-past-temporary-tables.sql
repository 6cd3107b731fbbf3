-- Up Migration

-- A schema of temporary tables that is not named in a search_path is searched first: where a DBA's connection had a
-- temporary table `locks`, the end of a session took its locks there, and left those that are held. 0014 names it last
-- for the functions that run as their owner; these two run as their caller.
do $$
declare
  name text;
begin
  foreach name in array array['end_locks_of_session()', 'set_history(boolean)']
  loop
    execute format('alter function %s set search_path = %I, pg_temp', name, current_schema());
  end loop;
end
$$;

-- Down Migration

do $$
declare
  name text;
begin
  foreach name in array array['end_locks_of_session()', 'set_history(boolean)']
  loop
    execute format('alter function %s set search_path = %I', name, current_schema());
  end loop;
end
$$;
