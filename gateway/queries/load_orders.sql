-- The first rows of some orders, each after those that are known to be gone. One snapshot: whatever
-- was acknowledged before one of these rows was sent is gone or stands before it.
select p.id as "id!", p.bucket as "bucket!", p.event_id as "event_id!", p.subscription_id as "subscription_id!",
       p.order_key as "order_key!", 
       case p.due_at when 'infinity' then null when '-infinity' then 0 else ceil(extract(epoch from p.due_at) * 1000)::bigint end as due_ms,
       p.number as "number!", p.blocks_until, p.sequence, p.members, p.grouping_code
from unnest($1::smallint[], $2::bigint[], $3::bigint[]) as k (bucket, order_key, after)
cross join lateral (
  select * from parked
  where parked.bucket = k.bucket and parked.order_key = k.order_key and order_key is not null and reason <> 4 and parked.id > k.after
  order by parked.id limit $4
) p
order by p.bucket, p.order_key, p.id
