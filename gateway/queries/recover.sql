-- The next events of a lane above its checkpoint, each with the targets that have neither a final
-- outcome nor a parked row, and how often each of those was tried.
--
-- Guarantee: one snapshot. A delivery that leaves `parked` gets its final attempt in the same
-- transaction, so it is seen in one of the two places, never in none. An attempt that is not final
-- does not count as an outcome: its owner may have died before it parked the delivery.
select e.id as "id!", e.tenant_id as "tenant_id!", e.event_type as "event_type!", e.attributes as "attributes!",
       case when t.open is not null then e.payload end as payload,
       coalesce(t.open, '{}') as "open!", coalesce(t.made, '{}') as "made!"
from event e
cross join lateral (
  select array_agg(o.subscription_id order by o.position) as open, array_agg(o.made order by o.position) as made
  from (
    select t.subscription_id, t.position,
           (select coalesce(max(a.number), 0) from attempt a
            where a.lane = e.lane and a.event_id = e.id and a.subscription_id = t.subscription_id and a.outcome <= 6) as made
    from unnest(e.targets) with ordinality as t (subscription_id, position)
    where not exists (
        select from attempt a
        where a.lane = e.lane and a.event_id = e.id and a.subscription_id = t.subscription_id and a.is_final)
      and not exists (
        select from parked p where p.subscription_id = t.subscription_id and p.event_id = e.id)
  ) o
) t
where e.lane = $1 and e.id > $2 and e.id <= $3
order by e.id
limit $4
