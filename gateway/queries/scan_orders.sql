-- Rows of orders that came after a mark, in the order of their ids, with what moves the mark: the
-- oldest transaction that may still commit, the next one that will begin, and the newest id drawn.
--
-- Guarantee: ids are drawn in order and committed in any order. An id that was drawn before this
-- statement's snapshot belongs to a transaction below `next_tx`; when `oldest_tx` of a later snapshot
-- has reached that, none of them can appear any more, and the mark may pass them.
select s.oldest_tx as "oldest_tx!", s.next_tx as "next_tx!", s.newest as "newest!",
       p.id as "id?", p.event_id as "event_id?", p.subscription_id as "subscription_id?", p.order_key as "order_key?"
from (
  select pg_snapshot_xmin(c.snapshot)::text::bigint as oldest_tx, pg_snapshot_xmax(c.snapshot)::text::bigint as next_tx,
         (select case when is_called then last_value else 0 end from parked_id_seq) as newest
  from (select pg_current_snapshot() as snapshot) c
) s
left join lateral (
  select id, event_id, subscription_id, order_key from parked
  where order_key is not null and reason <> 4 and id > $2 and bucket = any($1::smallint[])
  order by id limit $3
) p on true
order by p.id
