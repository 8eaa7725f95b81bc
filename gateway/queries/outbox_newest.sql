-- How far the outbox's rows go, which transactions are still open, and (only where there is news) a
-- transaction's id of our own. The row's number is read before that id is taken, and `emit` takes its
-- transaction's id before its row's: so every row up to `newest` belongs to a transaction below `ours`.
select case when s.is_called then s.last_value else 0 end as "newest!",
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint as "oldest_open!",
       case when s.is_called and s.last_value > $1 then pg_current_xact_id()::text::bigint end as ours
from hookgate.outbox_id_seq s
