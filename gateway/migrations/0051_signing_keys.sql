-- A signing key is a shared secret (v1) or the private half of a pair (v1a), whose public half is no secret.
alter table subscription
  add column secret_scheme text not null default 'v1'
    constraint subscription_secret_scheme_is_known check (secret_scheme in ('v1', 'v1a')),
  add column old_secret_scheme text
    constraint subscription_old_secret_scheme_is_known check (old_secret_scheme in ('v1', 'v1a')),
  add column public_key text,
  add constraint subscription_public_key_is_there check ((public_key is not null) = (secret_scheme = 'v1a'));
