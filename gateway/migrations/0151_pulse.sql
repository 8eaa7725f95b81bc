-- What each node saw in ten seconds, by tenant: for charts of the last hour, and thrown away after it.
create unlogged table pulse (
  at timestamptz not null,
  node_id int not null,
  tenant_id int not null,                         -- 0: all beyond the busiest of a node
  events int not null,
  accepted int not null,
  failed int not null,
  ended int not null,                             -- dropped, merged, cancelled, expired, dead
  latency int[] not null,                         -- attempts by duration; the bounds are in telemetry/pulse.rs
  primary key (at, node_id, tenant_id)
);
