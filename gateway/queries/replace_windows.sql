-- A newer window of the same key takes the place of an older one that waits: the older one ends as
-- merged, and its events are the newer one's too. The number of attempts starts anew.
with old as (
  delete from parked p
  using unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::bytea[]) as w (bucket, older, newer, note)
  where p.bucket = w.bucket and p.id = w.older
    and exists (select from parked n where n.bucket = w.bucket and n.id = w.newer)
  returning p.bucket, p.event_id, p.subscription_id, p.lane, p.number, p.members, w.newer, w.note
),
merged as (
  insert into attempt (event_id, subscription_id, lane, number, outcome, duration_ms, node_id, note, is_final)
  select event_id, subscription_id, lane, number + 1, $6, 0, $5, note, true from old
)
update parked p set members = old.members || p.members
from old where p.bucket = old.bucket and p.id = old.newer
