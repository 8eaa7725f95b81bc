-- A tenant's events in lanes ($4) above a reader's places ($5) and up to what was seen to be committed
-- ($6), oldest first. What was erased is there without its data, so that it can be told.
select e.id, e.event_type, e.encoding, e.attributes, e.payload, e.erased_at is not null as "is_erased!"
from event e
where e.tenant_id = $1 and e.id >= $2 and e.id <= $3
  and exists (
    select from unnest($4::smallint[], $5::bigint[], $6::bigint[]) as l (lane, place, newest)
    where l.lane = e.lane and e.id > l.place and e.id <= l.newest)
order by e.id
limit $7
