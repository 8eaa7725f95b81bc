-- The event log in lanes, its outcomes, and what waits. The protocol that keeps them right is told in src/log/mod.rs.

-- One row a running gateway process; the beat says that it lives.
create table node (
  id int generated always as identity primary key,
  addr text not null,
  config_seen bigint not null default 0,
  beat_at timestamptz not null default now()
) with (fillfactor = 20);

-- 256 lanes. The writer is whoever holds the lane's session lock; epoch grows each time it is taken.
-- A lane that is not settled and that nobody holds has work left by a node that is gone.
create table lane (
  lane smallint primary key constraint lane_is_one_of_256 check (lane between 0 and 255),
  epoch int not null default 0,
  checkpoint bigint not null default 0,
  is_settled boolean not null default true
) with (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
insert into lane (lane) select generate_series(0, 255);

-- Append-only. id = milliseconds << 21 | lane << 13 | counter.
create table event (
  id bigint not null,
  lane smallint not null constraint event_lane_is_in_its_id check (lane = ((id >> 13) & 255)),
  tenant_id int not null,
  event_type text not null,
  encoding smallint not null default 0 constraint event_encoding_is_known check (encoding in (0, 1)),
  targets int[] not null,                         -- subscriptions that are served from memory
  keyed int[] not null default '{}',              -- subscriptions that got a parked row in the same statement
  attributes bytea not null,
  payload bytea not null,
  erased_at timestamptz,
  primary key (lane, id)
) partition by range (id);
create index event_by_tenant on event (tenant_id, id);
create table event_default partition of event default;
alter table event alter column payload set storage external;
alter table event_default alter column payload set storage external;

-- Which plugins, in which versions, and which configuration an attempt ran with; few rows, many references.
create table run (
  id int generated always as identity primary key,
  config_v bigint not null,
  plugins jsonb not null,                         -- [["name", "digest in hex"], …]
  unique (config_v, plugins)
);

-- Append-only: one row an attempt or final verdict.
create table attempt (
  event_id bigint not null,
  subscription_id int not null,
  lane smallint not null,
  at timestamptz not null default now(),
  number smallint not null,
  outcome smallint not null constraint attempt_outcome_is_known check (outcome between 1 and 11),
  status smallint,
  duration_ms int not null,
  node_id int not null,
  run_id int,
  address inet,
  note bytea,
  is_final boolean not null
) partition by range (at);
create index attempt_by_event on attempt (lane, event_id);
create index attempt_by_subscription on attempt (subscription_id, at);
create table attempt_default partition of attempt default;

-- What waits: to be retried, for a plugin to be mended, for a pause to end, for memory.
create table parked (
  id bigint generated always as identity,
  bucket smallint not null constraint parked_bucket_is_one_of_256 check (bucket between 0 and 255),
  event_id bigint not null,
  subscription_id int not null,
  lane smallint not null,
  due_at timestamptz not null,                    -- 'infinity': until somebody wakes it
  number smallint not null default 0,             -- attempts made so far
  reason smallint not null constraint parked_reason_is_known check (reason between 1 and 7),
  primary key (bucket, id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);
create index parked_by_due on parked (bucket, due_at, id);
-- Nothing waits twice: not by a node that lost its lane, not by a replay over what is pending.
create unique index parked_once on parked (subscription_id, event_id);
create index parked_by_event on parked (lane, event_id);

-- Idempotency keys in windows of a day by the database's clock; old windows are dropped whole.
create table idempotency (
  day int not null,
  tenant_id int not null,
  key_hash bytea not null,
  body_hash bytea not null,
  event_id bigint not null,
  primary key (day, tenant_id, key_hash)
) partition by list (day);
create table idempotency_default partition of idempotency default;
