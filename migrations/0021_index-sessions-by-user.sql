-- no transaction

-- Up Migration

-- For the list of somebody's sessions. Without it the primary key was read from end to end, through the sessions of
-- everybody, until the page was full: with a million of them, seconds. Neither column ever changes, so touches stay HOT.
-- one that was interrupted leaves an index that nothing uses
drop index concurrently if exists sessions_user_name_id_idx;
create index concurrently sessions_user_name_id_idx on sessions (user_name, id);

-- Down Migration

drop index concurrently if exists sessions_user_name_id_idx;
