-- Where providers send their webhooks: the address, how they are verified, what they become.
create table source (
  id int generated always as identity primary key,
  tenant_id int not null references tenant (id),
  name text not null constraint source_name_is_short check (length(name) between 1 and 64),
  description text not null default '',
  -- What follows /in/: random, so that nobody finds it.
  address text not null unique constraint source_address_is_long check (length(address) >= 32),
  rules json not null constraint source_rules_are_an_object check (json_typeof(rules) = 'object'),
  -- Sealed like the secrets of subscriptions, bound to tenant and source. Never in the open.
  sealed_secret bytea,
  sealed_old_secret bytea,
  old_secret_until timestamptz,
  sealed_verify_token bytea,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  v bigint not null
);
create index source_by_version on source (v);
create unique index source_by_name on source (tenant_id, name) where deleted_at is null;
