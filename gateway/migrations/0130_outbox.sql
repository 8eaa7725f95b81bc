-- Events straight from SQL: a row in the caller's own transaction, delivered if and only if it commits.
-- Also installed into databases of the users' own (`hookgate db install-outbox`), so all names are whole.

create table hookgate.outbox (
  id bigint generated always as identity primary key,
  tenant text not null,
  event_type text not null,
  source text,
  key text,
  data json not null,
  data_bytes int not null,
  emitted_at timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

-- Rows that can never become events, with the reason. Nobody takes them away but a person.
create table hookgate.outbox_refused (
  id bigint primary key,
  tenant text not null,
  event_type text not null,
  source text,
  key text,
  data json not null,
  emitted_at timestamptz not null,
  refused_at timestamptz not null default now(),
  reason text not null
);

-- Whether whoever drains the outbox sleeps and wants to be woken: only then does `emit` notify,
-- because transactions that notify commit one after the other.
create table hookgate.outbox_drainer (
  only_row boolean primary key default true constraint outbox_drainer_is_one check (only_row),
  sleeps boolean not null default false
) with (fillfactor = 20);
insert into hookgate.outbox_drainer default values;

-- The rules of events that come by HTTP. A row that is refused here is refused to its author, at once.
create function hookgate.check_event(type text, data json, tenant text, key text) returns void
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  -- Control characters and code points that stand for no character.
  unwanted constant text := '[\u0001-\u001F\u007F-\u009F\uFDD0-\uFDEF\uFFFE\uFFFF]';
  fault text;
  cure text;
begin
  if type is null or octet_length(type) not between 1 and 255 or type ~ unwanted then
    fault := 'type must have 1 to 255 bytes without control characters';
    cure := 'Name what happened, as in ''invoice.paid''.';
  elsif type like 'hookgate.%' then
    fault := format('type %s begins with hookgate., which is kept for the gateway''s own events', quote_literal(type));
    cure := 'Choose another first word.';
  elsif data is null then
    fault := 'data is null';
    cure := 'Give any JSON value; ''null''::json is one.';
  elsif octet_length(data::text) > 1048576 then
    fault := format('data has %s bytes, 1048576 are allowed', octet_length(data::text));
    cure := 'Send a reference and let receivers fetch the rest.';
  elsif tenant is null or tenant !~ '^[A-Za-z0-9_.-]{1,64}$' then
    fault := format('tenant %s is no name', coalesce(quote_literal(left(tenant, 80)), 'null'));
    cure := 'Use 1 to 64 characters of A-Z, a-z, 0-9, "_", "." and "-".';
  elsif key is not null and (octet_length(key) not between 1 and 255 or key ~ unwanted) then
    fault := 'key must have 1 to 255 bytes without control characters';
    cure := 'Leave it out where the event is about no entity.';
  else
    return;
  end if;
  raise exception 'hookgate.emit: %', fault using errcode = 'invalid_parameter_value', hint = cure;
end
$$;

-- Puts a checked event into the outbox. With a key it waits for the transaction that emitted with
-- the same key before it: so the order of ids of a key is the order in which its events commit.
-- The transaction's own id is taken before the row's: who drains can tell from it which rows may
-- still be missing.
create function hookgate.enqueue(type text, data json, tenant text, key text, source text) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  perform pg_current_xact_id();
  if key is not null then
    perform pg_advisory_xact_lock(hashtextextended('hookgate.emit ' || tenant || ' ' || key, 0));
  end if;
  insert into hookgate.outbox (tenant, event_type, source, key, data, data_bytes)
  values (tenant, type, source, key, data, octet_length(data::text));
  if (select d.sleeps from hookgate.outbox_drainer d) then
    perform pg_notify('hookgate_outbox', '');
  end if;
end
$$;

create function hookgate.emit(type text, data json, tenant text default 'default', key text default null) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform hookgate.check_event(type, data, tenant, key);
  perform hookgate.enqueue(type, data, tenant, key, null);
end
$$;

-- A role that may emit needs two grants, and gets nothing else by them:
--   grant usage on schema hookgate to app;
--   grant execute on function hookgate.emit to app;
revoke all on function hookgate.enqueue, hookgate.emit from public;
comment on function hookgate.emit is
  'Enqueues an event in the caller''s own transaction: delivered if and only if it commits.';
