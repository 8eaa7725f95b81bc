-- Which events hold these idempotency keys. Runs after the append whose keys were not new: by then
-- the transaction that was first has committed, and only a new snapshot can see it.
-- The newest day wins: around midnight an older row may name an event that lost to another one.
select distinct on (k.position) k.position as "position!", i.event_id as "event_id!", i.body_hash as "body_hash!"
from unnest($1::int[], $2::bytea[]) with ordinality as k (tenant_id, key_hash, position)
cross join lateral (
  select day, event_id, body_hash from idempotency
  where tenant_id = k.tenant_id and key_hash = k.key_hash
    and day between floor(extract(epoch from now() - interval '1 minute') / 86400)::int - 1
                and floor(extract(epoch from now() + interval '1 minute') / 86400)::int
) i
order by k.position, i.day desc
