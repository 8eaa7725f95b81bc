-- Rows of the outbox, those that are still there, in their order.
select id, tenant, event_type, source, key, data::text as "data!", emitted_at
from hookgate.outbox where id = any ($1::bigint[]) order by id
