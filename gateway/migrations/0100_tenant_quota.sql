-- What a tenant may send in a second, over all nodes; null: as much as the gateway can take.
alter table tenant
  add column events_per_second bigint constraint tenant_events_per_second_is_positive check (events_per_second > 0),
  add column bytes_per_second bigint constraint tenant_bytes_per_second_is_positive check (bytes_per_second > 0);
