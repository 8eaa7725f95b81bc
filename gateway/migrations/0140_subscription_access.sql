-- How a subscription's receiver is told who calls, and by which certificates it is known. The one
-- secret of it (a client's secret or a private key) is sealed beside it.
alter table subscription
  add column access jsonb not null default '{}',
  add column sealed_access bytea,
  add constraint subscription_access_has_its_secret check ((access ? 'auth') = (sealed_access is not null));
