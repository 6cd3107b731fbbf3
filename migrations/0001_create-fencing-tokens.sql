-- Up Migration

-- cache 1: with a larger cache each connection would draw from a block of its own, and tokens would go
-- backwards from one connection to the next
create sequence fencing_token_seq as bigint cache 1;
comment on sequence fencing_token_seq is
  'Low part of the fencing tokens. Drawn by next_fencing_token() alone; never set it by hand.';

create table fencing_epoch (
  only_row boolean not null default true
    constraint fencing_epoch_pkey primary key
    constraint fencing_epoch_only_row check (only_row),
  epoch integer not null default 0
    constraint fencing_epoch_range check (epoch between 0 and 4000)
);
comment on table fencing_epoch is
  'One row. Raise the epoch after a restore from a backup, so that new fencing tokens are greater than those granted after the backup was made.';
comment on column fencing_epoch.only_row is 'Always true: keeps the table at one row.';
comment on column fencing_epoch.epoch is 'Added to the timeline of the server in the high bits of every fencing token.';
insert into fencing_epoch default values;

-- The timeline grows with every failover and point-in-time recovery, so a token stays greater than all earlier
-- ones even where the promoted standby had not seen them. pg_control_checkpoint() would still name the old
-- timeline until the next checkpoint; the WAL file's name does not. The body is bound when it is created, so
-- that it works whatever the caller's search_path is.
create function next_fencing_token() returns bigint
  language sql volatile
  begin atomic
    select (
      (
        ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint
        + (select epoch from fencing_epoch)
      ) << 40
    ) + nextval('fencing_token_seq');
  end;
comment on function next_fencing_token() is
  'A number greater than every one drawn before: (timeline + epoch) * 2^40 + sequence. Below 2^53 up to timeline + epoch 8191.';

-- Down Migration

drop function next_fencing_token();
drop table fencing_epoch;
drop sequence fencing_token_seq;
