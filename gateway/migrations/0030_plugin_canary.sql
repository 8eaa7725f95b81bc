-- A second version of a plugin may serve a share of the events, and each activation remembers what served before it.
alter table plugin
  add column canary_version int,
  add column canary_parts smallint,               -- of 10,000 events
  add column previous_version int,                -- what a rollback goes back to
  add column activated_at timestamptz,
  add constraint plugin_canary_is_whole check ((canary_version is null) = (canary_parts is null)),
  add constraint plugin_canary_is_a_part check (canary_parts between 1 and 9999),
  add constraint plugin_canary_stands_beside_an_active_version
    check (canary_version is null or (active_version is not null and canary_version <> active_version));
