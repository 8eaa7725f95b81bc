-- The same of one tenant ($6), by its own index, between the lowest and the highest id of all lanes ($7, $8).
select e.id as "id!", e.tenant_id as "tenant_id!", e.event_type as "event_type!", e.encoding as "encoding!",
  e.attributes as "attributes!", length(e.payload) as "size_bytes!",
  case when $4 then e.payload end as data, e.erased_at
from event e
where e.tenant_id = $6 and e.id >= $7 and e.id <= $8
  and exists (
    select from unnest($1::smallint[], $2::bigint[], $3::bigint[]) as l (lane, place, newest)
    where l.lane = e.lane and e.id > l.place and e.id <= l.newest)
order by e.id
limit $5
