-- A delivery has no row of its own: it is what targets, outcomes and parked rows say together.
-- Filters on tenant_id, lane and event_id reach the event table's indexes; the rest is looked up
-- for each event.
create view delivery as
select e.id as event_id, e.lane, e.tenant_id, e.event_type, wanted.subscription_id,
  case when parked.reason = 4 then 'dead'         -- missed: waits for nobody until it is released
       when parked.id is not null then 'pending'
       when final.outcome is null then 'pending'
       when final.outcome = 1 then 'delivered'
       when final.outcome = 7 then 'dropped'
       when final.outcome = 8 then 'merged'
       when final.outcome = 9 then 'cancelled'
       when final.outcome = 10 then 'expired'
       else 'dead'
  end as state,
  final.note as final_note, final.at as final_at,
  parked.reason as park_reason, parked.due_at
from event e
cross join lateral (
  select unnest(e.targets || e.keyed) as subscription_id
  union select a.subscription_id from attempt a where a.lane = e.lane and a.event_id = e.id
  union select p.subscription_id from parked p where p.lane = e.lane and p.event_id = e.id
) wanted
left join lateral (
  select a.outcome, a.note, a.at from attempt a
  where a.lane = e.lane and a.event_id = e.id and a.subscription_id = wanted.subscription_id and a.is_final
  order by a.at desc limit 1
) final on true
left join lateral (
  select p.id, p.reason, p.due_at from parked p
  where p.subscription_id = wanted.subscription_id and p.event_id = e.id
) parked on true;
