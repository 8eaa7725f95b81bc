-- Who did what to configuration, keys, secrets, plugins and jobs. Written with the change it tells of, and
-- never changed: an entry goes only when it is old.
create table audit (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  actor text not null constraint audit_actor_is_known
    check (actor in ('key', 'first_key', 'keyless', 'gateway')),
  key_id int,
  role text,
  address inet,                                   -- of the other end of the connection
  tenant_id int,                                  -- whose thing it is; null: no tenant's, or all tenants'
  operation text not null constraint audit_operation_is_short check (length(operation) between 1 and 64),
  object text not null constraint audit_object_is_short check (length(object) <= 200),
  result text not null constraint audit_result_is_known check (result in ('done', 'refused')),
  detail text not null default '' constraint audit_detail_is_short check (length(detail) <= 500),
  constraint audit_key_is_named check ((key_id is not null) = (actor = 'key'))
);
create index audit_by_tenant on audit (tenant_id, id);
create index audit_by_time on audit (at);

create function keep_audit() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' and old.at < now() - interval '30 days' then
    return old;
  end if;
  raise exception 'the audit log is only added to; what is older than 30 days may be deleted';
end
$$;
create trigger audit_is_kept before update or delete on audit for each row execute function keep_audit();
create trigger audit_is_not_emptied before truncate on audit for each statement execute function keep_audit();
