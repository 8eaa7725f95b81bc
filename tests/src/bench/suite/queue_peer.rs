//! A queue in a SQL table, as many build it themselves: one row an event, claimed by `for update skip
//! locked`, one transaction a task that is open while the receiver is asked.
//!
//! Runs as a process of its own, so that its processor time can be told from the load's. It is kinder to
//! itself than most: its workers are woken at once, it keeps no history, and it never tries again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::super::http::Wire;

/// Line on standard output that says where it listens.
pub(super) const GREETING: &str = "the queue listens on ";
const INSERTERS: u32 = 24;
const WORKERS: u32 = 16;
/// A worker looks again after so long, should nobody have woken it.
const POLL: Duration = Duration::from_millis(200);
const SECRET: &[u8] = b"the-secret-of-the-benchmark";
const STORED: &[u8] = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";

/// Serves until it is ended.
///
/// # Errors
/// Where the database cannot be reached.
pub async fn serve(database_url: &str, target: SocketAddr) -> anyhow::Result<()> {
    let pool = PgPoolOptions::new()
        .max_connections(INSERTERS + WORKERS)
        .connect(database_url)
        .await?;
    sqlx::raw_sql(
        "create schema bench_queue;
         create table bench_queue.task (id bigint generated always as identity primary key, body bytea not null)",
    )
    .execute(&pool)
    .await?;
    let wake = Arc::new(Notify::new());
    for _ in 0..WORKERS {
        let (pool, wake) = (pool.clone(), Arc::clone(&wake));
        tokio::spawn(async move {
            loop {
                match work(&pool, target).await {
                    Ok(true) => {}
                    // Whatever it was, the task is still there.
                    Ok(false) | Err(_) => {
                        let _ = tokio::time::timeout(POLL, wake.notified()).await;
                    }
                }
            }
        });
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{GREETING}{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(take(stream, pool.clone(), Arc::clone(&wake)));
    }
}

async fn take(stream: TcpStream, pool: PgPool, wake: Arc<Notify>) -> anyhow::Result<()> {
    let mut wire = Wire::on(stream)?;
    while let Some(message) = wire.next().await? {
        sqlx::query("insert into bench_queue.task (body) values ($1)")
            .bind(message.body)
            .execute(&pool)
            .await?;
        wake.notify_one();
        wire.write(STORED).await?;
    }
    Ok(())
}

/// Works as long as there is something to do; each task in a transaction of its own.
async fn work(pool: &PgPool, target: SocketAddr) -> anyhow::Result<bool> {
    let mut wire = Wire::open(target).await?;
    let mut connection = pool.acquire().await?;
    let mut has_worked = false;
    loop {
        let mut tx = sqlx::Connection::begin(&mut *connection).await?;
        let task: Option<(i64, Vec<u8>)> = sqlx::query_as(
            "select id, body from bench_queue.task order by id limit 1 for update skip locked",
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some((id, body)) = task else {
            return Ok(has_worked);
        };
        let status = wire.exchange(&signed(target, &body)?).await?;
        ensure!(status == 200, "answered {status}");
        sqlx::query("delete from bench_queue.task where id = $1")
            .bind(id)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        has_worked = true;
    }
}

fn signed(target: SocketAddr, body: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).context("any key will do")?;
    mac.update(body);
    let signature = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    let mut request = format!(
        "POST /r/0 HTTP/1.1\r\nhost: {target}\r\ncontent-type: application/json\r\n\
         webhook-signature: v1,{signature}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    Ok(request)
}
