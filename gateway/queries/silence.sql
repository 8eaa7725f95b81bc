-- Ends the sessions of a node that has stopped beating, so that its locks fall. A process that is
-- stopped or hangs keeps its connections, and the kernel goes on answering for it.
select count(pg_terminate_backend(a.pid)) as "ended!"
from pg_stat_activity a
where a.datname = current_database() and a.pid <> pg_backend_pid() and a.application_name = $1
  and not exists (select from node where id = $2 and beat_at > now() - interval '10 seconds')
