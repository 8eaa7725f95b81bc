-- Events of parked deliveries that are due now; without those that were erased, which nobody gets.
select e.id as "id!", e.tenant_id as "tenant_id!", e.event_type as "event_type!", e.attributes as "attributes!", e.payload as "payload!"
from unnest($1::smallint[], $2::bigint[]) as w (lane, id)
join event e on e.lane = w.lane and e.id = w.id and e.erased_at is null
