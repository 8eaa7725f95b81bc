-- Work that takes longer than a request. A job is run by the node that holds its lease; epoch grows
-- each time it is taken, and every step is written under the epoch that did it, so that a node which
-- lost the lease can write nothing more. All times are the database's.
create table job (
  id bigint generated always as identity primary key,
  tenant_id int,                                  -- null: of more than one tenant
  kind text not null constraint job_kind_is_known check (kind in ('backtest', 'replay', 'retry', 'release', 'erasure')),
  state text not null default 'queued' constraint job_state_is_known
    check (state in ('queued', 'running', 'done', 'failed', 'cancelled')),
  spec jsonb not null,
  done bigint not null default 0,
  total bigint,                                   -- null: not counted yet
  saved jsonb,                                    -- where to go on after the node died
  result jsonb constraint job_result_is_bounded check (length(result::text) <= 1048576),
  reason text,                                    -- why it failed
  epoch int not null default 0,
  node_id int,
  lease_until timestamptz,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  constraint job_that_ended_says_when check ((finished_at is not null) = (state in ('done', 'failed', 'cancelled')))
) with (fillfactor = 50);
-- What is to be run or watched; few rows.
create index job_unfinished on job (id) where state in ('queued', 'running');
create index job_by_tenant on job (tenant_id, id);
create index job_by_end on job (finished_at) where finished_at is not null;
