-- Deliveries that wait for each other: in order, in windows of a key, in batches. What is plain gets
-- no entry in any of this.

-- Which order a row belongs to (a hash of subscription and key); it is delivered when every row of
-- its order with a lower id is gone. Missed rows (reason 4) stand outside until they are released.
alter table parked add column order_key bigint;
-- From then on it holds up nobody; null: as long as it waits.
alter table parked add column blocks_until timestamptz;
-- Its number in its order where that is not its own id: it was parked anew.
alter table parked add column sequence bigint;
-- The events it stands for, itself among them, and what is made of them.
alter table parked add column members bigint[];
alter table parked add column grouping_code smallint constraint parked_grouping_is_known check (grouping_code between 1 and 3);
alter table parked add constraint parked_members_have_a_grouping check ((members is null) = (grouping_code is null));
alter table parked drop constraint parked_reason_is_known;
alter table parked add constraint parked_reason_is_known check (reason between 1 and 9);
create index parked_by_order on parked (bucket, order_key, id) where order_key is not null and reason <> 4;
create index parked_in_order on parked (id) where order_key is not null and reason <> 4;

alter table attempt add column sequence bigint;
alter table attempt add column members bigint[];
alter table attempt add column grouping_code smallint constraint attempt_grouping_is_known check (grouping_code between 1 and 3);

-- Open windows: events that wait for others with their key (debounce) or on their lane (batch).
-- Only the primary key is indexed, so that updates stay on their page.
create table pending_key (
  bucket smallint not null constraint pending_key_bucket_is_one_of_256 check (bucket between 0 and 255),
  subscription_id int not null,
  key text not null,
  grouping_code smallint not null constraint pending_key_grouping_is_known check (grouping_code between 1 and 3),
  members bigint[] not null,
  sizes int[] not null,                           -- bytes of the members' data
  bytes bigint not null,                          -- of all of them
  quiet_ms int,
  max_wait_ms int not null,
  max_events int not null,
  max_bytes int not null,
  first_at timestamptz not null,
  due_at timestamptz not null,
  constraint pending_key_members_have_sizes check (cardinality(members) = cardinality(sizes)),
  primary key (bucket, subscription_id, key)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
