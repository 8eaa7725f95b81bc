-- Who is signed in to the dashboard, and the links that let somebody in once. Only hashes: what a
-- browser holds cannot be read out of here.
create table ui_session (
  hash bytea primary key constraint ui_session_hash_is_sha256 check (length(hash) = 32),
  key_hash bytea not null constraint ui_session_key_hash_is_sha256 check (length(key_hash) = 32),
  -- Of a portal: less than its key may, and one tenant alone.
  role text constraint ui_session_role_is_known check (role in ('subscriber', 'viewer')),
  tenant_id int references tenant (id),
  is_link boolean not null default false,
  session_seconds int not null constraint ui_session_lasts check (session_seconds between 60 and 2592000),
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  constraint ui_session_portal_has_both check ((role is null) = (tenant_id is null)),
  constraint ui_session_link_is_of_a_portal check (not is_link or role is not null)
);
create index ui_session_by_expiry on ui_session (expires_at);
