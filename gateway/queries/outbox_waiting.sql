-- What waits in the outbox, in one snapshot: of two transactions that emitted with the same key the
-- second began to emit after the first had committed, so whoever sees the second's rows sees the
-- first's, with lower ids. Starts above what is known to be done, not at the left edge of the index,
-- where rows that went pile up while a long transaction keeps vacuum from taking them away.
select id, data_bytes from hookgate.outbox where id > $1 order by id limit $2
