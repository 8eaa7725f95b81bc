-- The next due rows of one subscription that has more waiting than memory may hold; oldest event first.
select id as "id!", bucket as "bucket!", event_id as "event_id!", due_at as "due_at!", number as "number!", sequence, members, grouping_code
from parked
where subscription_id = $1 and event_id > $2 and due_at < $3 and order_key is null
order by event_id
limit $4
