-- Begins a new epoch of a lane. Runs on the session that has just got the lane's lock, so the
-- highest id that it sees is the highest there will ever be from an earlier owner.
update lane set epoch = epoch + 1, is_settled = false where lane = $1
returning epoch, checkpoint, (select coalesce(max(e.id), 0) from event e where e.lane = $1) as "last!", clock_timestamp() as "now!"
