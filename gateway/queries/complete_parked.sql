-- What came of parked deliveries, in one statement on the session that holds their buckets' locks:
-- the attempts; rows that are final go, the others wait anew.
--
-- Guarantee: a row goes in the same statement that writes its final outcome. A row that somebody
-- cancelled meanwhile is not brought back. How long a row holds up those behind it counts from its
-- first failure, by the database's clock. $13 as in complete_lane.sql.
with made as (
  insert into attempt (event_id, subscription_id, lane, at, number, outcome, status, duration_ms, node_id, run_id, address, note, is_final, body_sha256, sequence, members, grouping_code)
  select a.event_id, a.subscription_id, ((a.event_id >> 13) & 255)::smallint, a.at, a.number, a.outcome, a.status, a.duration_ms, $1, a.run_id,
         a.address::inet, a.note, a.is_final, a.body_sha256, a.sequence, a.members::bigint[], a.grouping_code
  from unnest($2::bigint[], $3::int[], $4::timestamptz[], $5::smallint[], $6::smallint[], $7::smallint[], $8::int[], $9::int[],
              $10::text[], $11::bytea[], $12::boolean[], $21::bytea[], $22::bigint[], $23::text[], $24::smallint[])
       as a (event_id, subscription_id, at, number, outcome, status, duration_ms, run_id, address, note, is_final, body_sha256,
             sequence, members, grouping_code)
  where not $13::boolean or not exists (
    select from attempt o
    where o.lane = ((a.event_id >> 13) & 255)::smallint and o.event_id = a.event_id and o.subscription_id = a.subscription_id
      and o.number = a.number and o.outcome = a.outcome and o.at = a.at)
),
gone as (
  delete from parked p using unnest($14::smallint[], $15::bigint[]) as g (bucket, id)
  where p.bucket = g.bucket and p.id = g.id
)
update parked p
set due_at = greatest(coalesce(w.due_at, 'infinity'), now()), number = greatest(p.number, w.number), reason = w.reason,
    blocks_until = coalesce(p.blocks_until, now() + interval '1 millisecond' * w.blocks_for_ms)
from unnest($16::smallint[], $17::bigint[], $18::timestamptz[], $19::smallint[], $20::smallint[], $25::int[])
     as w (bucket, id, due_at, number, reason, blocks_for_ms)
where p.bucket = w.bucket and p.id = w.id and (not $13::boolean or p.number <= w.number)
