-- The newest event of each lane, of those that have one above $1: whether it changed says whether
-- there is something to read.
select n.id as "id!"
from lane l
cross join lateral (select id from event where event.lane = l.lane and event.id > $1 order by id desc limit 1) n
where l.epoch > 0
order by l.lane
