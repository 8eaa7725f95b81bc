//! `hookgate sources`: where providers' webhooks come in.

use std::io::{IsTerminal as _, Read as _};
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::client::{Client, ClientArgs};
use super::output::{Column, Output, line};
use super::query::{Paging, Query};

/// Create, list, look at, rotate and delete sources.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Kinds:
  standard-webhooks, github   a secret is made and shown once, unless you give one
  stripe, slack, shopify      the provider shows its secret: create first, then rotate it in
  hmac                        any HMAC in a header: --with tells which
  plugin                      a plugin that exports `receiver`: --with '{\"name\": \"stripe\"}'

Examples:
  hookgate sources create github --name ci
  hookgate sources create stripe --name pay && echo whsec_… | hookgate sources rotate src_… --secret -
  hookgate sources create hmac --name shop --secret - --type-from 'header=x-topic' --id-from 'header=x-id' \\
      --with '{\"header\": \"x-signature\", \"prefix\": \"sha256=\", \"timestamp_header\": \"x-time\"}'
  hookgate sources get src_…        # what came in, and why requests were refused")]
pub struct SourcesArgs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make one: an address for one provider.
    Create(Box<CreateArgs>),
    /// List them.
    List {
        #[arg(long)]
        tenant: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show one, and what came in.
    Get { id: String },
    /// Remove one; its address stops working.
    Delete { id: String },
    /// Give it another secret; the one before is taken too for a while.
    Rotate {
        id: String,
        /// The provider's secret, or - for standard input. Made where it is left out and the kind
        /// lets us choose it.
        #[arg(long, value_name = "TEXT|-")]
        secret: Option<String>,
        /// How long both are taken: 0s to 7d.
        #[arg(long, value_name = "SPAN", default_value = "24h")]
        overlap: String,
    },
}

#[derive(Debug, clap::Args)]
struct CreateArgs {
    /// How requests are verified.
    #[arg(value_parser = ["standard-webhooks", "github", "stripe", "slack", "shopify", "hmac", "plugin"])]
    kind: String,
    /// The source of its events.
    #[arg(long)]
    name: String,
    #[arg(long)]
    tenant: Option<String>,
    #[arg(long)]
    description: Option<String>,
    /// The provider's secret, or - for standard input, which keeps it out of the shell's history.
    #[arg(long, value_name = "TEXT|-")]
    secret: Option<String>,
    /// What the type of an event is made from: header=NAME, pointer=/type or text=TYPE.
    #[arg(long, value_name = "WHERE=WHAT", value_parser = place)]
    type_from: Option<(String, String)>,
    /// Stands before that type.
    #[arg(long, value_name = "TEXT", requires = "type_from")]
    prefix: Option<String>,
    /// Where the provider's delivery id is: header=NAME or pointer=/id.
    #[arg(long, value_name = "WHERE=WHAT", value_parser = place)]
    id_from: Option<(String, String)>,
    /// Further members of `verify`, as one JSON object: '{"tolerance": "1m"}'.
    #[arg(long, value_name = "JSON", value_parser = object)]
    with: Option<Value>,
    /// Challenges to answer, as one JSON object: '{"x_hook_secret": true}'.
    #[arg(long, value_name = "JSON", value_parser = object)]
    challenges: Option<Value>,
    /// What Meta has to show with its challenge.
    #[arg(long, value_name = "TEXT")]
    verify_token: Option<String>,
}

const COLUMNS: &[Column] = &[
    ("SOURCE", "/id"),
    ("NAME", "/name"),
    ("KIND", "/verify/kind"),
    ("TENANT", "/tenant"),
    ("SECRET", "/has_secret"),
    ("URL", "/url"),
];

/// # Errors
/// Where the gateway is not there or refuses.
pub async fn run(args: SourcesArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.client)?;
    let output = args.output;
    match args.command {
        Command::Create(create) => {
            let reply = client.post("/v1/sources", &create.body()?).await?;
            output.item(&reply)?;
            if !output.json {
                line(&advice(&reply.value))?;
            }
        }
        Command::List { tenant, paging } => {
            let path = Query::of("/v1/sources")
                .with("tenant", tenant.as_deref())
                .page(&paging)
                .finish();
            output.list(&client.get(&path).await?, COLUMNS)?;
        }
        Command::Get { id } => output.item(&client.get(&format!("/v1/sources/{id}")).await?)?,
        Command::Delete { id } => {
            let reply = client.delete(&format!("/v1/sources/{id}")).await?;
            output.done(
                &reply,
                &format!("{id}  deleted; its address takes nothing more"),
            )?;
        }
        Command::Rotate {
            id,
            secret,
            overlap,
        } => {
            let mut body = json!({"overlap": overlap});
            if let Some(secret) = secret {
                body["secret"] = json!(given(secret)?);
            }
            let path = format!("/v1/sources/{id}/secret/rotate");
            let reply = client.post(&path, &body).await?;
            let sentence = match reply.value["secret"].as_str() {
                Some(secret) => format!("{id}  give the provider this secret: {secret}"),
                None => format!("{id}  takes the new secret, and the old one for {overlap}"),
            };
            output.done(&reply, &sentence)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn advice(made: &Value) -> String {
    let url = made["url"].as_str().unwrap_or_default();
    let id = made["id"].as_str().unwrap_or_default();
    if made["secret"].is_string() {
        format!(
            "\nGive the provider the address and the secret, which is not shown again:\n  {url}"
        )
    } else if made["has_secret"] == true || made["challenges"]["x_hook_secret"] == true {
        format!("\nGive the provider the address:\n  {url}")
    } else {
        format!(
            "\nGive the provider the address, and Hookgate the secret that the provider shows:\n  \
             {url}\n  hookgate sources rotate {id} --secret -"
        )
    }
}

impl CreateArgs {
    fn body(self) -> anyhow::Result<Value> {
        let mut verify = self.with.unwrap_or_else(|| json!({}));
        verify["kind"] = json!(self.kind);
        if let Some(secret) = self.secret {
            verify["secret"] = json!(given(secret)?);
        }
        let mut body = json!({"name": self.name, "verify": verify});
        let texts = [
            ("tenant", self.tenant),
            ("description", self.description),
            ("verify_token", self.verify_token),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                body[name] = json!(text);
            }
        }
        if let Some((place, what)) = self.type_from {
            body["type_from"] = json!({ place: what });
            if let Some(prefix) = self.prefix {
                body["type_from"]["prefix"] = json!(prefix);
            }
        }
        if let Some((place, what)) = self.id_from {
            body["id_from"] = json!({ place: what });
        }
        if let Some(challenges) = self.challenges {
            body["challenges"] = challenges;
        }
        Ok(body)
    }
}

/// A secret as it stands, or the first line of standard input.
fn given(secret: String) -> anyhow::Result<String> {
    if secret != "-" {
        return Ok(secret);
    }
    if std::io::stdin().is_terminal() {
        eprintln!("Paste the secret and end with Ctrl-D:");
    }
    let mut text = String::new();
    let read = std::io::stdin().take(4096).read_to_string(&mut text);
    read.context("standard input could not be read")?;
    Ok(text.trim().to_owned())
}

fn place(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((place @ ("header" | "pointer" | "text"), what)) => {
            Ok((place.to_owned(), what.to_owned()))
        }
        _ => Err("it must be header=NAME, pointer=/PLACE or text=TYPE".to_owned()),
    }
}

fn object(text: &str) -> Result<Value, String> {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("it must be a JSON object".to_owned()),
        Err(error) => Err(format!("it is not JSON: {error}")),
    }
}
