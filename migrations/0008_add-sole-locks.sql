-- Up Migration

alter table locks add column sole boolean not null default false;
comment on column locks.sole is
  'True: the holder has only this one of all such locks on the type. Asking for another one gives it up.';

-- what a holder gives up is found by it, and two acquires at once cannot both leave a lock behind
create unique index locks_sole_key on locks (namespace, resource_type, holder) where sole;

-- Down Migration

drop index locks_sole_key;
alter table locks drop column sole;
