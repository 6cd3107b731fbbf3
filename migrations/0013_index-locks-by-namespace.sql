-- no transaction

-- Up Migration

-- For lists: pages of a namespace in the order of ids. Without it a page was read from the primary key, past the locks
-- of all other namespaces: with a million of them a page of a small namespace took half a second.
-- one that was interrupted leaves an index that nothing uses
drop index concurrently if exists locks_namespace_id_idx;
create index concurrently locks_namespace_id_idx on locks (namespace, id);

-- Down Migration

drop index concurrently locks_namespace_id_idx;
