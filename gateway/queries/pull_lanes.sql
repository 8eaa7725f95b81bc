-- Which lanes hold something beyond a reader's places ($1, $2; $3 where it has none), and from where
-- to where. A lane has one writer, so everything up to its newest event is committed and stays so:
-- whoever reads up to there later misses nothing.
select l.lane as "lane!", f.id as "first!", n.id as "newest!"
from (
  select lane.lane, coalesce(c.place, $3) as place
  from lane left join unnest($1::smallint[], $2::bigint[]) as c (lane, place) on c.lane = lane.lane
  where lane.epoch > 0
) l
cross join lateral (select id from event where event.lane = l.lane and event.id > l.place order by id limit 1) f
cross join lateral (select id from event where event.lane = l.lane and event.id > l.place order by id desc limit 1) n
