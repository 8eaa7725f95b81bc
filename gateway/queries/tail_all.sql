-- The next events of all tenants in lanes ($1) above a reader's places ($2) and up to what was seen to be
-- committed ($3), oldest first, with their data only where it is asked for ($4). Each lane gives at most a
-- page, so that one that is far ahead is not read to its end.
select e.id as "id!", e.tenant_id as "tenant_id!", e.event_type as "event_type!", e.encoding as "encoding!",
  e.attributes as "attributes!", e.size_bytes as "size_bytes!", e.data, e.erased_at
from unnest($1::smallint[], $2::bigint[], $3::bigint[]) as l (lane, place, newest)
cross join lateral (
  select id, tenant_id, event_type, encoding, attributes, length(payload) as size_bytes,
    case when $4 then payload end as data, erased_at
  from event where event.lane = l.lane and event.id > l.place and event.id <= l.newest
  order by id limit $5) e
order by e.id
limit $5
