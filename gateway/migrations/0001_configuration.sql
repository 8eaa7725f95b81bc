-- Who may call, who wants what, and with which plugins. Small tables, held in memory by every node.

-- Grows with every change of the tables below; a node that has seen version v knows all changes up to v.
create table config_version (
  only_row boolean primary key default true constraint config_version_has_one_row check (only_row),
  v bigint not null
);
insert into config_version (v) values (0);

create table tenant (
  id int generated always as identity primary key,
  name text not null unique constraint tenant_name_is_short check (length(name) between 1 and 64),
  created_at timestamptz not null default now(),
  v bigint not null
);
create index tenant_by_version on tenant (v);

create table api_key (
  id int generated always as identity primary key,
  hash bytea not null unique constraint api_key_hash_is_sha256 check (length(hash) = 32),
  role text not null constraint api_key_role_is_known check (role in ('admin', 'publisher', 'subscriber', 'viewer')),
  tenant_id int references tenant (id),
  description text not null default '',
  created_at timestamptz not null default now(),
  revoked_at timestamptz,
  v bigint not null
);
create index api_key_by_version on api_key (v);

create table subscription (
  id int generated always as identity primary key,
  tenant_id int not null references tenant (id),
  state text not null constraint subscription_state_is_known
    check (state in ('pending', 'active', 'paused', 'disabled', 'expired', 'deleted')),
  state_reason text,
  description text not null default '',
  metadata jsonb not null default '{}' constraint subscription_metadata_is_an_object check (jsonb_typeof(metadata) = 'object'),
  labels text[] not null default '{}',
  event_types text[] not null constraint subscription_names_event_types check (cardinality(event_types) between 1 and 100),
  target_url text,
  plugins jsonb not null default '[]' constraint subscription_plugins_are_a_list check (jsonb_typeof(plugins) = 'array'),
  delivery jsonb not null default '{}',
  -- Sealed with an AEAD under the master key named in the first byte; bound to tenant and subscription. Never in the open.
  sealed_secret bytea not null,
  sealed_old_secret bytea,
  old_secret_until timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  v bigint not null
);
create index subscription_by_version on subscription (v);
create index subscription_by_tenant on subscription (tenant_id, id);

-- Components by content; a version of a plugin names one of them.
create table component (
  digest bytea primary key constraint component_digest_is_sha256 check (length(digest) = 32),
  bytes bytea not null,
  exports text[] not null,
  imports text[] not null,
  created_at timestamptz not null default now()
);
alter table component alter column bytes set storage external;

create table plugin (
  id int generated always as identity primary key,
  tenant_id int not null default 0,               -- 0: shared by all tenants
  name text not null constraint plugin_name_is_short check (length(name) between 1 and 64),
  owner text not null constraint plugin_owner_is_known check (owner in ('api', 'folder', 'binary')),
  active_version int,
  deleted_at timestamptz,
  v bigint not null,
  unique (tenant_id, name)
);
create index plugin_by_version on plugin (v);

create table plugin_version (
  plugin_id int not null references plugin (id),
  number int not null constraint plugin_version_counts_from_one check (number > 0),
  digest bytea not null references component (digest),
  created_at timestamptz not null default now(),
  primary key (plugin_id, number),
  unique (plugin_id, digest)
);
