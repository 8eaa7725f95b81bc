-- How long a tenant's events are kept; null: as long as the gateway's setting says.
alter table tenant
  add column retention_seconds bigint constraint tenant_retention_is_a_day_or_more check (retention_seconds >= 86400),
  -- Events up to this one have been erased for their age: where the next look begins.
  add column aged_until bigint not null default 0;
