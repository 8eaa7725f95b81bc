-- Appends one lane's batch: idempotency keys first, then the events whose keys are new, then the
-- parked rows and open windows of those events. All of it or nothing. Returns the events that are new, the
-- version of the configuration that this very snapshot saw, and when the first of the windows closes.
--
-- Guarantee: of all events with one key, over all lanes and nodes, one is stored. Keys live in days
-- of the database's clock. `older` and `newer` are the same day except within a minute of midnight;
-- then both are written, the older first. Two statements with the same key therefore always insert
-- at least one row of the same day, and there the second waits for the first to commit. What was
-- committed the day before `older` is old enough to be visible, so looking is enough.
-- Guarantee: a row of the outbox leaves it in the statement that stores its event, so it becomes one
-- event, whoever else has read it; where it is gone already, nothing is stored for it. Nor where the
-- configuration is newer than $23, the one it was matched with: nobody could be told to try again.
-- Keys come sorted, so that two batches never wait for each other in a circle; so do the windows.
--
-- Guarantee of order: a row's id is drawn after its event was written, hence by a transaction that has
-- its own id already (scan_orders.sql). Of events with one key in one flush the window is touched once.
with days as (
  select floor(extract(epoch from now() - interval '1 minute') / 86400)::int as older,
         floor(extract(epoch from now() + interval '1 minute') / 86400)::int as newer
),
keys as (
  select k.tenant_id, k.key_hash, k.body_hash, k.event_id, d.older, d.newer
  from unnest($17::int[], $18::bytea[], $19::bytea[], $20::bigint[]) as k (tenant_id, key_hash, body_hash, event_id)
  cross join days d
  where not exists (
    select from idempotency i
    where i.day = d.older - 1 and i.tenant_id = k.tenant_id and i.key_hash = k.key_hash)
),
in_older as (
  insert into idempotency (day, tenant_id, key_hash, body_hash, event_id)
  select older, tenant_id, key_hash, body_hash, event_id from keys order by tenant_id, key_hash
  on conflict do nothing
  returning tenant_id, key_hash, body_hash, event_id
),
in_newer as (
  insert into idempotency (day, tenant_id, key_hash, body_hash, event_id)
  select d.newer, o.tenant_id, o.key_hash, o.body_hash, o.event_id
  from in_older o cross join days d where d.newer <> d.older order by o.tenant_id, o.key_hash
  on conflict do nothing
  returning event_id
),
fresh as (
  select o.event_id from in_older o cross join days d where d.newer = d.older
  union all
  select event_id from in_newer
),
taken as (
  delete from outbox where id = any ($21::bigint[]) and (select v from config_version) <= $23 returning id
),
stored as (
  insert into event (id, lane, tenant_id, event_type, attributes, payload, targets, keyed)
  select e.id, $1, e.tenant_id, e.event_type, e.attributes, e.payload,
         ($7::int[])[e.targets_from : e.targets_to], ($8::int[])[e.parked_from : e.parked_to]
  from unnest($2::bigint[], $3::int[], $4::text[], $5::bytea[], $6::bytea[], $9::boolean[],
              $10::int[], $11::int[], $12::int[], $13::int[], $22::bigint[])
       as e (id, tenant_id, event_type, attributes, payload, has_key, targets_from, targets_to, parked_from, parked_to, outbox_id)
  where (not e.has_key or e.id in (select event_id from fresh))
    and (e.outbox_id = 0 or e.outbox_id in (select id from taken))
  returning id
),
waiting as (
  insert into parked (bucket, event_id, subscription_id, lane, due_at, reason, order_key)
  select p.bucket, p.event_id, p.subscription_id, $1,
         case when p.reason = 8 then '-infinity'::timestamptz else 'infinity' end, p.reason, p.order_key
  from unnest($14::smallint[], $15::bigint[], $8::int[], $16::smallint[], $24::bigint[])
       with ordinality as p (bucket, event_id, subscription_id, reason, order_key, position)
  where p.reason is not null and p.event_id in (select id from stored)
  order by p.position
  on conflict do nothing
),
opened as (
  insert into pending_key as open
    (bucket, subscription_id, key, grouping_code, members, sizes, bytes, quiet_ms, max_wait_ms, max_events, max_bytes, first_at, due_at)
  select w.bucket, w.subscription_id, w.key, max(w.grouping_code),
         array_agg(w.event_id order by w.event_id), array_agg(w.size order by w.event_id), sum(w.size),
         max(w.quiet_ms), max(w.max_wait_ms), max(w.max_events), max(w.max_bytes), now(),
         case when count(*) >= max(w.max_events) or sum(w.size) >= max(w.max_bytes) then now()
              else now() + interval '1 millisecond' * least(max(w.max_wait_ms), max(w.quiet_ms)) end
  from unnest($14::smallint[], $15::bigint[], $8::int[], $25::text[], $26::smallint[], $27::int[], $28::int[], $29::int[], $30::int[], $31::int[])
       as w (bucket, event_id, subscription_id, key, grouping_code, size, quiet_ms, max_wait_ms, max_events, max_bytes)
  where w.key is not null and w.event_id in (select id from stored)
  group by w.bucket, w.subscription_id, w.key
  order by w.bucket, w.subscription_id, w.key
  on conflict (bucket, subscription_id, key) do update
  set members = open.members || excluded.members, sizes = open.sizes || excluded.sizes, bytes = open.bytes + excluded.bytes,
      grouping_code = excluded.grouping_code, quiet_ms = excluded.quiet_ms, max_wait_ms = excluded.max_wait_ms,
      max_events = excluded.max_events, max_bytes = excluded.max_bytes,
      due_at = case
        when cardinality(open.members) + cardinality(excluded.members) >= excluded.max_events
          or open.bytes + excluded.bytes >= excluded.max_bytes then now()
        else least(open.first_at + interval '1 millisecond' * excluded.max_wait_ms,
                   now() + interval '1 millisecond' * excluded.quiet_ms) end
  returning open.due_at
)
select s.id as "id!", c.v as "config!", w.due_at as window_at
from stored s cross join config_version c cross join (select min(due_at) as due_at from opened) w
