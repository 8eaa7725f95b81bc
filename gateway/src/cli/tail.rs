//! `hookgate tail`: events as they come in, on whichever node, until somebody stops it.
//!
//! A line that breaks is taken up again behind the last event that was printed. With a file for the
//! place the next run goes on there too: whoever was away gets all of it, each event at least once.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use super::client::{Client, ClientArgs, ClientError, Frame};
use super::output::{Output, Paint, line, printable};
use super::query::Query;

/// Waits before a broken line is taken up again.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Follow events as they come in, on whichever node.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate tail                                 # everything from now on, a line an event
  hookgate tail --type 'invoice.*' --since 1h   # the last hour first
  hookgate tail --data --json --place orders.place | ./consume
                # all events with their data, each run going on where the last one ended

Each event is printed at least once: after a crash the last ones may come again, with the same id.
`hookgate deliveries list` shows what became of them.")]
pub struct TailArgs {
    #[arg(long)]
    tenant: Option<String>,
    /// A pattern: invoice.*
    #[arg(long = "type", value_name = "PATTERN")]
    event_type: Option<String>,
    /// Begin then: 24h (back from now), or 2026-01-31T12:00:00Z. Left out: now.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Print each event's data too.
    #[arg(long)]
    data: bool,
    /// Keep the place in this file, and go on from it where it is there already.
    #[arg(long, value_name = "FILE")]
    place: Option<PathBuf>,
    /// End after so many events.
    #[arg(long, value_name = "NUMBER")]
    count: Option<u64>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    client: ClientArgs,
}

/// # Errors
/// Where the gateway is not there at first, or refuses, or the file of the place cannot be used.
pub async fn run(args: TailArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.client)?;
    let mut tail = Tail {
        last: args.place.as_deref().map(read_place).transpose()?.flatten(),
        printed: 0,
        is_new: false,
        args,
    };
    tokio::select! {
        ended = tail.follow(&client) => ended?,
        _ = tokio::signal::ctrl_c() => {}
    }
    tail.keep_place()?;
    Ok(ExitCode::SUCCESS)
}

/// How far it is.
struct Tail {
    args: TailArgs,
    last: Option<String>,
    printed: u64,
    /// Whether the file of the place is behind.
    is_new: bool,
}

impl Tail {
    async fn follow(&mut self, client: &Client) -> anyhow::Result<()> {
        let mut wait = FIRST_WAIT;
        let mut was_there = false;
        loop {
            let before = self.last.clone();
            let broken = match self.follow_once(client, &mut was_there).await? {
                Followed::Enough => return Ok(()),
                Followed::Ended => "the gateway ended it".to_owned(),
                Followed::Broken(error) if was_there && may_pass(&error) => error.to_string(),
                Followed::Broken(error) => return Err(error.into()),
            };
            self.keep_place()?;
            if self.last != before {
                wait = FIRST_WAIT;
            }
            let reason = broken.lines().next().unwrap_or_default();
            eprintln!("  {}; going on where it was", printable(reason));
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(MAX_WAIT);
        }
    }

    async fn follow_once(
        &mut self,
        client: &Client,
        was_there: &mut bool,
    ) -> anyhow::Result<Followed> {
        let path = self.path();
        let mut frames = match client.follow(&path, self.last.as_deref()).await {
            Ok(frames) => frames,
            Err(error) => return Ok(Followed::Broken(error)),
        };
        *was_there = true;
        loop {
            if frames.is_drained() {
                self.keep_place()?;
            }
            match frames.next().await {
                Ok(Some(frame)) if frame.event == "problem" => {
                    return Ok(Followed::Broken(client.told(&frame.data)));
                }
                Ok(Some(frame)) => self.take(frame)?,
                Ok(None) => return Ok(Followed::Ended),
                Err(error) => return Ok(Followed::Broken(error)),
            }
            if self.args.count.is_some_and(|count| self.printed >= count) {
                return Ok(Followed::Enough);
            }
        }
    }

    fn path(&self) -> String {
        let args = &self.args;
        // A place says all about where to begin.
        let since = args.since.as_deref().filter(|_| self.last.is_none());
        Query::of("/v1/tail")
            .with("tenant", args.tenant.as_deref())
            .with("type", args.event_type.as_deref())
            .with("since", since)
            .with("data", args.data.then_some("true"))
            .finish()
    }

    fn take(&mut self, frame: Frame) -> anyhow::Result<()> {
        match frame.event.as_str() {
            "event" => {
                self.print(&frame.data)?;
                self.printed += 1;
            }
            "gap" => {
                let gap: Value = serde_json::from_str(&frame.data).unwrap_or_default();
                let at = |member: &str| gap[member].as_str().unwrap_or("?").to_owned();
                let (since, until) = (at("since"), at("until"));
                eprintln!("  what came from {since} to {until} is not kept any more");
            }
            _ => {}
        }
        if frame.id.is_some() {
            self.last = frame.id;
            self.is_new = true;
        }
        Ok(())
    }

    fn print(&self, data: &str) -> io::Result<()> {
        if self.args.output.json {
            return line(data);
        }
        let event: Value = serde_json::from_str(data).unwrap_or_default();
        let text = |member: &str| printable(event[member].as_str().unwrap_or("-"));
        let paint = Paint::for_stdout();
        let size = event["size_bytes"].as_u64().unwrap_or(0);
        let erased = if event["erased_at"].is_null() {
            ""
        } else {
            "  erased"
        };
        line(&format!(
            "{}  {}  {}  {}  {size} bytes{erased}",
            paint.faint(&text("received_at")),
            paint.strong(&text("type")),
            text("tenant"),
            paint.faint(&text("id")),
        ))?;
        match event.get("data").or_else(|| event.get("data_base64")) {
            Some(data) => line(&printable(&data.to_string())),
            None => Ok(()),
        }
    }

    /// After what was printed has left this process.
    fn keep_place(&mut self) -> anyhow::Result<()> {
        let (Some(file), Some(last)) = (&self.args.place, &self.last) else {
            return Ok(());
        };
        if self.is_new {
            io::stdout().flush()?;
            write_place(file, last)?;
            self.is_new = false;
        }
        Ok(())
    }
}

/// How a line came to its end.
enum Followed {
    Enough,
    Ended,
    Broken(ClientError),
}

/// Whether another try may go better.
fn may_pass(error: &ClientError) -> bool {
    match error {
        ClientError::Refused(refusal) => refusal.status >= 500 || refusal.status == 429,
        ClientError::Unreachable { .. } | ClientError::NotHookgate { .. } => true,
        _ => false,
    }
}

fn read_place(file: &Path) -> anyhow::Result<Option<String>> {
    match std::fs::read_to_string(file) {
        Ok(place) => Ok(Some(place.trim().to_owned()).filter(|place| !place.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| unusable(file)),
    }
}

/// The old place or the new one is there, whatever happens.
fn write_place(file: &Path, place: &str) -> anyhow::Result<()> {
    let parent = file
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let written =
        tempfile::NamedTempFile::new_in(parent.unwrap_or(Path::new("."))).and_then(|mut new| {
            writeln!(new, "{place}")?;
            new.persist(file).map(drop).map_err(|error| error.error)
        });
    written.with_context(|| unusable(file))
}

fn unusable(file: &Path) -> String {
    format!(
        "--place {} cannot be used; name a file in a folder that you may write to",
        file.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_kept_whole_and_none_is_no_mistake() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("place");
        assert_eq!(read_place(&file).unwrap(), None);
        for place in ["AQAA", "AQAB"] {
            write_place(&file, place).unwrap();
            assert_eq!(read_place(&file).unwrap().as_deref(), Some(place));
        }
        let nowhere = folder.path().join("no/such/place");
        let refused = write_place(&nowhere, "x").unwrap_err().to_string();
        assert!(
            refused.contains("--place") && refused.contains("may write"),
            "{refused}"
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
