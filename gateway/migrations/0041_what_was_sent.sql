-- What an attempt sent, so that a past delivery can be made again and compared.

-- SHA-256 of the request's body; null where nothing was sent.
alter table attempt add column body_sha256 bytea
  constraint attempt_body_hash_is_sha256 check (length(body_sha256) = 32);

-- How a subscription made its bodies, by configuration version: a row for each change of its plugins
-- or its delivery policy. An attempt's run names the version.
create table subscription_history (
  subscription_id int not null,
  v bigint not null,
  plugins jsonb not null,
  delivery jsonb not null,
  since timestamptz not null default now(),
  primary key (subscription_id, v)
);
insert into subscription_history (subscription_id, v, plugins, delivery, since)
select id, v, plugins, delivery, updated_at from subscription;

-- A trigger, so that whoever writes a subscription cannot forget it. What was replaced more than 90
-- days ago goes; the row that was in force then stays.
create function keep_subscription_history() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' and new.plugins = old.plugins and new.delivery = old.delivery then
    return null;
  end if;
  insert into subscription_history (subscription_id, v, plugins, delivery)
  values (new.id, new.v, new.plugins, new.delivery)
  on conflict (subscription_id, v) do update set plugins = excluded.plugins, delivery = excluded.delivery;
  delete from subscription_history h
  where h.subscription_id = new.id and exists (
    select from subscription_history later
    where later.subscription_id = h.subscription_id and later.v > h.v and later.since < now() - interval '90 days');
  return null;
end
$$;
create trigger subscription_history_is_kept after insert or update of plugins, delivery on subscription
  for each row execute function keep_subscription_history();
