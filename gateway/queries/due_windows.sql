-- Windows that are to close now, held until they are moved. A window that an event postpones or adds to
-- meanwhile is looked at again when that has committed.
select bucket as "bucket!", subscription_id as "subscription_id!", key as "key!", grouping_code as "grouping_code!",
       members as "members!", sizes as "sizes!", max_events as "max_events!", max_bytes as "max_bytes!"
from pending_key
where bucket = any($1::smallint[]) and due_at <= now()
order by bucket, subscription_id, key
limit $2
for update
