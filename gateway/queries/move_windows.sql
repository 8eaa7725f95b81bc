-- Moves windows to `parked`, each as one row or, where a batch is full, as several; the events that
-- another one stands for end as merged.
--
-- Guarantee: one statement, so there is exactly one delivery for each window, whatever dies when. A row
-- that waits already for the same event becomes the window's.
with gone as (
  delete from pending_key w using unnest($1::smallint[], $2::int[], $3::text[]) as g (bucket, subscription_id, key)
  where w.bucket = g.bucket and w.subscription_id = g.subscription_id and w.key = g.key
),
merged as (
  insert into attempt (event_id, subscription_id, lane, number, outcome, duration_ms, node_id, note, is_final)
  select m.event_id, m.subscription_id, ((m.event_id >> 13) & 255)::smallint, 1, $5, 0, $4, m.note, true
  from unnest($6::bigint[], $7::int[], $8::bytea[]) as m (event_id, subscription_id, note)
)
insert into parked (bucket, event_id, subscription_id, lane, due_at, reason, order_key, members, grouping_code)
select p.bucket, p.event_id, p.subscription_id, ((p.event_id >> 13) & 255)::smallint,
       case when p.order_key is null then now() else '-infinity' end, $9, p.order_key, p.members::bigint[], p.grouping_code
from unnest($10::smallint[], $11::bigint[], $12::int[], $13::bigint[], $14::text[], $15::smallint[])
     as p (bucket, event_id, subscription_id, order_key, members, grouping_code)
on conflict (subscription_id, event_id) do update
set due_at = excluded.due_at, reason = excluded.reason, order_key = excluded.order_key,
    members = excluded.members, grouping_code = excluded.grouping_code
