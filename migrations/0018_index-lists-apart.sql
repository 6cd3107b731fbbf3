-- no transaction

-- Up Migration

-- The index for lists, for nothing but lists. While few locks are held PostgreSQL takes all indexes for equally cheap,
-- and by this one it looked a resource or a grant up among all locks of the namespace, and went on doing so until the
-- next vacuum or analyze. A query can use it only if it says `id > 0`, which is true for every lock.
-- one that was interrupted leaves an index that nothing uses
drop index concurrently if exists locks_list_idx;
create index concurrently locks_list_idx on locks (namespace, id) where id > 0;
drop index concurrently if exists locks_namespace_id_idx;

-- Down Migration

drop index concurrently if exists locks_namespace_id_idx;
create index concurrently locks_namespace_id_idx on locks (namespace, id);
drop index concurrently if exists locks_list_idx;
