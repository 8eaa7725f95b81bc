-- What came of deliveries of one lane, in one statement on the session that holds the lane's lock:
-- the attempts, and a parked row for each delivery that waits.
--
-- Guarantee: a delivery leaves memory only when this has committed, so at every instant it is
-- outstanding on its lane, parked, or final. What is parked already stays as it is.
-- $13 says that an earlier try of the same outcomes may have committed before its answer was lost:
-- then rows that are there are not written twice, and nothing final is parked again.
with made as (
  insert into attempt (event_id, subscription_id, lane, at, number, outcome, status, duration_ms, node_id, run_id, address, note, is_final, body_sha256)
  select a.event_id, a.subscription_id, ((a.event_id >> 13) & 255)::smallint, a.at, a.number, a.outcome, a.status, a.duration_ms, $1, a.run_id,
         a.address::inet, a.note, a.is_final, a.body_sha256
  from unnest($2::bigint[], $3::int[], $4::timestamptz[], $5::smallint[], $6::smallint[], $7::smallint[], $8::int[], $9::int[],
              $10::text[], $11::bytea[], $12::boolean[], $20::bytea[])
       as a (event_id, subscription_id, at, number, outcome, status, duration_ms, run_id, address, note, is_final, body_sha256)
  where not $13::boolean or not exists (
    select from attempt o
    where o.lane = ((a.event_id >> 13) & 255)::smallint and o.event_id = a.event_id and o.subscription_id = a.subscription_id
      and o.number = a.number and o.outcome = a.outcome and o.at = a.at)
),
waiting as (
  insert into parked (bucket, event_id, subscription_id, lane, due_at, number, reason)
  select p.bucket, p.event_id, p.subscription_id, ((p.event_id >> 13) & 255)::smallint,
         greatest(coalesce(p.due_at, 'infinity'), now()), p.number, p.reason
  from unnest($14::smallint[], $15::bigint[], $16::int[], $17::timestamptz[], $18::smallint[], $19::smallint[])
       as p (bucket, event_id, subscription_id, due_at, number, reason)
  where not $13::boolean or not exists (
    select from attempt o
    where o.lane = ((p.event_id >> 13) & 255)::smallint and o.event_id = p.event_id and o.subscription_id = p.subscription_id and o.is_final)
  on conflict (subscription_id, event_id) do nothing
)
select 1 as done
