-- Lanes that nobody holds: the preferred one first, then those with work left by a node that is
-- gone, then settled ones from a place of this node's own, so that nodes seldom race for the same.
select l.lane from lane l
where not exists (
  select from pg_locks k
  where k.locktype = 'advisory' and k.classid::bigint = $1 and k.objid::bigint = l.lane and k.objsubid = 2
    and k.database = (select oid from pg_database where datname = current_database()))
order by l.lane <> $2, l.is_settled, (l.lane + $3 * 97) % 256
limit 16
