//! What the same machine does without a gateway, in the same run: the client straight to the sink, raw
//! batched inserts, one `fdatasync`.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;

use super::super::load::PRODUCERS;

/// The same client straight to the same sink.
#[derive(Clone, Copy, Debug)]
pub(super) struct Floor {
    pub(super) per_second: f64,
    /// Processor time of client and sink for each request, in microseconds.
    pub(super) us: f64,
}

/// Sessions that insert; each takes whatever waits.
const WRITERS: usize = 2;
const MAX_BATCH: usize = 1000;
const SYNCS: usize = 200;

/// One event of the raw inserts, and who waits for its commit.
struct Waiting {
    id: i64,
    committed: oneshot::Sender<()>,
}

/// Events per second that the database takes by batches of whatever waits, with the columns and indexes
/// of the event table and as many producers as the load has. No HTTP, no matching, no keys.
pub(super) async fn raw_inserts(
    pool: &PgPool,
    data_bytes: usize,
    window: Duration,
) -> anyhow::Result<f64> {
    sqlx::raw_sql(
        "create schema if not exists bench_floor;
         drop table if exists bench_floor.event;
         create table bench_floor.event (
           id bigint not null, lane smallint not null, tenant_id int not null, event_type text not null,
           encoding smallint not null default 0, targets int[] not null, keyed int[] not null default '{}',
           attributes bytea not null, payload bytea not null, erased_at timestamptz, primary key (lane, id));
         create index on bench_floor.event (tenant_id, id);
         alter table bench_floor.event alter column payload set storage external",
    )
    .execute(pool)
    .await?;
    let (queue, waiting) = mpsc::channel::<Waiting>(1024);
    let waiting = Arc::new(Mutex::new(waiting));
    let mut writers = JoinSet::new();
    for lane in 0..WRITERS {
        let (pool, waiting) = (pool.clone(), Arc::clone(&waiting));
        let payload = vec![b'x'; data_bytes];
        writers
            .spawn(async move { write(&pool, &waiting, (i16::try_from(lane)?, &payload)).await });
    }
    let next = Arc::new(AtomicU64::new(1));
    let started_at = Instant::now();
    let mut producers = JoinSet::new();
    for _ in 0..PRODUCERS {
        let (queue, next) = (queue.clone(), Arc::clone(&next));
        producers.spawn(async move {
            let mut count = 0_u64;
            while started_at.elapsed() < window {
                let id = next.fetch_add(1, Relaxed).cast_signed();
                let (committed, is_committed) = oneshot::channel();
                if queue.send(Waiting { id, committed }).await.is_err()
                    || is_committed.await.is_err()
                {
                    break;
                }
                count += 1;
            }
            count
        });
    }
    drop(queue);
    let mut count = 0;
    while let Some(producer) = producers.join_next().await {
        count += producer?;
    }
    let took = started_at.elapsed();
    while let Some(writer) = writers.join_next().await {
        writer??;
    }
    sqlx::raw_sql("drop schema bench_floor cascade")
        .execute(pool)
        .await?;
    Ok(count as f64 / took.as_secs_f64())
}

async fn write(
    pool: &PgPool,
    waiting: &Mutex<mpsc::Receiver<Waiting>>,
    (lane, payload): (i16, &[u8]),
) -> anyhow::Result<()> {
    let mut connection = pool.acquire().await?;
    let mut batch = Vec::new();
    loop {
        if waiting.lock().await.recv_many(&mut batch, MAX_BATCH).await == 0 {
            return Ok(());
        }
        let ids: Vec<i64> = batch.iter().map(|waiting| waiting.id).collect();
        let payloads = vec![payload; batch.len()];
        sqlx::query(
            "insert into bench_floor.event (id, lane, tenant_id, event_type, targets, attributes, payload)
             select e.id, $2, 1, 'bench.sent', '{1}', '{}', e.payload
             from unnest($1::bigint[], $3::bytea[]) as e (id, payload)",
        )
        .bind(&ids)
        .bind(lane)
        .bind(&payloads)
        .execute(&mut *connection)
        .await?;
        for waiting in batch.drain(..) {
            let _ = waiting.committed.send(());
        }
    }
}

/// How long one `fdatasync` of 8 kB takes in this folder, the shortest first.
pub(super) fn fdatasync(folder: &Path) -> anyhow::Result<Vec<Duration>> {
    let mut file = tempfile::tempfile_in(folder)?;
    let block = [7_u8; 8192];
    let mut took = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&block)?;
        let started_at = Instant::now();
        file.sync_data()?;
        took.push(started_at.elapsed());
    }
    took.sort_unstable();
    Ok(took)
}
