-- The one statement an idle node runs each second: it says that the node lives, and asks what the
-- node must react to. A node whose row was swept away while it was cut off comes back by this.
with beat as (
  insert into node (id, addr, config_seen) overriding system value values ($1, $2, $3)
  on conflict (id) do update set beat_at = now(), config_seen = excluded.config_seen
)
select clock_timestamp() as "now!",
       (select v from config_version) as "config!",
       array(select id from node where beat_at > now() - interval '5 seconds' and id <> $1) as "peers!",
       array(select id from node where id <> $1 and beat_at < now() - interval '10 seconds') as "silent!",
       array(select l.lane from lane l where not l.is_settled and not exists (
         select from pg_locks k
         where k.locktype = 'advisory' and k.classid::bigint = $4 and k.objid::bigint = l.lane and k.objsubid = 2
           and k.database = (select oid from pg_database where datname = current_database())
       )) as "orphans!",
       (select case when is_called then last_value else 0 end from outbox_id_seq) as "newest_outbox_row!",
       due.next as next_due_at,
       (select min(w.due_at) from pending_key w where w.bucket = any($5)) as next_window_at,
       (select case when is_called then last_value else 0 end from parked_id_seq) as "newest_row!"
from (
  select min(p.due_at) as next
  from unnest($5::smallint[]) as b (bucket)
  cross join lateral (
    select due_at from parked where parked.bucket = b.bucket and due_at >= $6 and due_at < 'infinity' order by due_at limit 1
  ) p
) due
