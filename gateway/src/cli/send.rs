//! `hookgate send`: one event from the shell, its data untouched; or a stream of them.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;
use serde_json::value::RawValue;

use super::client::{Client, ClientArgs};
use super::output::Output;
use super::send_lines::{self, LinesArgs};

/// Send one event, or a stream of them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate send invoice.paid --data '{\"id\": \"inv_1\", \"amount\": 120}'
  hookgate send invoice.paid --data invoice.json --key inv_1
  git log -1 --format='{\"commit\": \"%H\"}' | hookgate send code.pushed --data -
  hookgate send invoice.paid --id order-17/paid     # again with the same id: accepted, delivered once
  hookgate send --ndjson events.ndjson --idempotency-key import-1
  tail -f orders.ndjson | hookgate send --ndjson -

The answer comes once the event is safely stored. `hookgate events get ID` then shows what
became of it. A line of --ndjson is an event as POST /v1/events takes it:
  {\"type\": \"invoice.paid\", \"data\": {\"id\": \"inv_1\"}}
Lines are read as fast as they are stored, a chunk at a time. Where it breaks off, the same file
with the same --idempotency-key stores each line once.")]
pub struct SendArgs {
    /// What happened, as noun.verb: invoice.paid.
    #[arg(value_name = "TYPE", required_unless_present = "ndjson")]
    event_type: Option<String>,
    /// Send the events of a file, or of standard input (-), one JSON event a line.
    #[arg(long, value_name = "FILE|-", conflicts_with_all = ["event_type", "data", "key", "id", "source", "subject"])]
    ndjson: Option<String>,
    /// What tells this stream from others: sent again with the same key, no line is stored twice.
    #[arg(long, value_name = "TEXT", requires = "ndjson")]
    idempotency_key: Option<String>,
    /// JSON, or a file that holds it, or - for standard input. Forwarded byte for byte.
    #[arg(long, value_name = "JSON|FILE|-", default_value = "{}")]
    data: String,
    /// Whose event it is.
    #[arg(long)]
    tenant: Option<String>,
    /// The entity it is about.
    #[arg(long)]
    key: Option<String>,
    /// Your id: a second event with the same one is a duplicate and not delivered again.
    #[arg(long)]
    id: Option<String>,
    /// Where it comes from, for filters.
    #[arg(long)]
    source: Option<String>,
    /// What it is about, for filters.
    #[arg(long)]
    subject: Option<String>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Debug, thiserror::Error)]
enum DataError {
    #[error("{file} is neither JSON nor a file that can be read")]
    NoFile {
        file: String,
        source: std::io::Error,
    },
    #[error("{place} does not hold JSON")]
    NotJson {
        place: String,
        source: serde_json::Error,
    },
    #[error("standard input could not be read: {0}")]
    Input(std::io::Error),
}

/// # Errors
/// Where the data is no JSON, or the gateway is not there or refuses.
pub async fn run(args: SendArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.client)?;
    if let Some(place) = &args.ndjson {
        let lines = LinesArgs {
            place,
            tenant: args.tenant.as_deref(),
            idempotency_key: args.idempotency_key.as_deref(),
            output: args.output,
        };
        return send_lines::run(&client, lines).await;
    }
    let body = body(&args, &data(&args.data)?);
    let reply = client.post_json_text("/v1/events", body).await?;
    let id = reply.value["id"].as_str().unwrap_or_default();
    let sentence = if reply.value["duplicate"] == true {
        format!("{id}  already there: a duplicate, not delivered again")
    } else {
        format!("{id}  stored; `hookgate events get {id}` shows its deliveries")
    };
    args.output.done(&reply, &sentence)?;
    Ok(ExitCode::SUCCESS)
}

fn body(args: &SendArgs, data: &RawValue) -> String {
    let members = [
        ("type", args.event_type.as_ref()),
        ("tenant", args.tenant.as_ref()),
        ("key", args.key.as_ref()),
        ("id", args.id.as_ref()),
        ("source", args.source.as_ref()),
        ("subject", args.subject.as_ref()),
    ];
    let mut body = String::from("{");
    for (name, value) in members {
        if let Some(value) = value {
            body.push_str(&format!("\"{name}\":{},", Value::from(value.as_str())));
        }
    }
    body.push_str("\"data\":");
    body.push_str(data.get());
    body.push('}');
    body
}

fn data(given: &str) -> Result<Box<RawValue>, DataError> {
    let (place, text) = if given == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(DataError::Input)?;
        ("standard input", text)
    } else if let Ok(value) = serde_json::from_str::<Box<RawValue>>(given) {
        return Ok(value);
    } else if given.trim_start().starts_with(['{', '[', '"']) && !Path::new(given).exists() {
        ("--data", given.to_owned())
    } else {
        let text = std::fs::read_to_string(given).map_err(|source| DataError::NoFile {
            file: given.to_owned(),
            source,
        })?;
        (given, text)
    };
    serde_json::from_str(&text).map_err(|source| DataError::NotJson {
        place: place.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_taken_as_it_stands() {
        let odd = r#"{ "a" :1.50, "a":2 }"#;
        assert_eq!(data(odd).unwrap().get(), odd);
        assert_eq!(data("17").unwrap().get(), "17");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[1,  2]\n").unwrap();
        let read = data(file.path().to_str().unwrap()).unwrap();
        assert_eq!(read.get(), "[1,  2]");
        assert!(matches!(data("{\"a\":"), Err(DataError::NotJson { .. })));
        assert!(matches!(
            data("no-such-file"),
            Err(DataError::NoFile { .. })
        ));
    }
}
