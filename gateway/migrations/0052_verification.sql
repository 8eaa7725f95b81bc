-- How a receiver consents to being sent events, and how many a minute it allows.
alter table subscription
  add column verification text not null default 'none'
    constraint subscription_verification_is_known check (verification in ('none', 'echo', 'delayed', 'cloudevents')),
  add column allowed_rate int
    constraint subscription_allowed_rate_counts_from_one check (allowed_rate > 0);
