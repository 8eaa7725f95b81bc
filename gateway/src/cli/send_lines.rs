//! `hookgate send --ndjson`: a stream of events from a file or a pipe, and how far it is.

use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use super::client::{Client, Reply};
use super::output::Output;
use super::query::Query;

/// Read at once.
const PIECE_BYTES: usize = 64 * 1024;
/// How often progress is shown.
const SHOW_EVERY: Duration = Duration::from_millis(500);

/// What to send, and on whose behalf.
#[derive(Debug)]
pub(super) struct LinesArgs<'a> {
    /// A file, or - for standard input.
    pub(super) place: &'a str,
    pub(super) tenant: Option<&'a str>,
    pub(super) idempotency_key: Option<&'a str>,
    pub(super) output: Output,
}

pub(super) async fn run(client: &Client, args: LinesArgs<'_>) -> anyhow::Result<ExitCode> {
    let file = open(args.place).await?;
    let path = Query::of("/v1/events/batch")
        .with("tenant", args.tenant)
        .finish();
    let mut progress = Progress::new();
    let answer = client
        .post_lines(&path, args.idempotency_key, pieces(file))
        .await;
    let mut answer = answer?;
    let mut last = serde_json::Value::Null;
    loop {
        match answer.next().await {
            Ok(None) => break,
            Ok(Some(line)) => {
                progress.show(line["committed_lines"].as_u64().unwrap_or(0));
                last = line;
            }
            Err(error) => {
                progress.end();
                return Err(error).context(stopped(progress.lines));
            }
        }
    }
    progress.end();
    let duplicates = last["duplicates"].as_u64().unwrap_or(0);
    let sentence = format!(
        "{} lines stored in {:.1} s, {duplicates} of them were there already",
        progress.lines,
        progress.began.elapsed().as_secs_f64()
    );
    let text = last.to_string();
    args.output.done(&Reply { text, value: last }, &sentence)?;
    Ok(ExitCode::SUCCESS)
}

fn stopped(lines: u64) -> String {
    format!(
        "it stopped; {lines} lines are stored. Send on from line {}, or all of it again with the \
         same --idempotency-key",
        lines + 1
    )
}

async fn open(place: &str) -> anyhow::Result<File> {
    if place == "-" {
        let input = io::stdin().as_fd().try_clone_to_owned();
        let input = input.context("standard input cannot be read")?;
        return Ok(File::from_std(input.into()));
    }
    let file = File::open(place).await;
    file.with_context(|| format!("{place} cannot be read"))
}

fn pieces(file: File) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    futures_util::stream::try_unfold(file, async |mut file: File| {
        let mut piece = BytesMut::with_capacity(PIECE_BYTES);
        let read = file.read_buf(&mut piece).await?;
        Ok((read > 0).then(|| (piece.freeze(), file)))
    })
}

/// One line on standard error, where somebody looks at it.
struct Progress {
    began: Instant,
    shown: Option<Instant>,
    is_seen: bool,
    lines: u64,
}

impl Progress {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            shown: None,
            is_seen: io::stderr().is_terminal(),
            lines: 0,
        }
    }

    fn show(&mut self, lines: u64) {
        self.lines = lines;
        let is_fresh = self.shown.is_some_and(|at| at.elapsed() < SHOW_EVERY);
        if !self.is_seen || is_fresh {
            return;
        }
        self.shown = Some(Instant::now());
        let per_second = lines as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        eprint!("\r  {lines} lines stored, {per_second:.0} a second\x1b[K");
        let _ = io::stderr().flush();
    }

    fn end(&mut self) {
        if self.shown.take().is_some() {
            eprint!("\r\x1b[K");
        }
    }
}
