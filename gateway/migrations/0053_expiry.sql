-- When a subscription ends unless it is renewed; by the database's clock.
alter table subscription add column expires_at timestamptz;
create index subscription_by_expiry on subscription (expires_at)
  where expires_at is not null and state in ('pending', 'active', 'paused');
