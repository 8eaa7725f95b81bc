-- The next parked rows of the held buckets after a remembered position, in the order they are due.
-- Starts at that position and not at the left edge, where the entries of rows that went pile up
-- while a long transaction keeps vacuum from taking them away.
select p.id as "id!", p.bucket as "bucket!", p.event_id as "event_id!", p.subscription_id as "subscription_id!",
       p.due_at as "due_at!", p.number as "number!", p.order_key, p.sequence, p.members, p.grouping_code
from unnest($1::smallint[]) as b (bucket)
cross join lateral (
  select id, bucket, event_id, subscription_id, due_at, number, order_key, sequence, members, grouping_code from parked
  where parked.bucket = b.bucket and (due_at, id) > ($2::timestamptz, $3::bigint) and due_at < $4
  order by due_at, id limit $5
) p
order by p.due_at, p.id
limit $5
