//! `hookgate demo`: a real gateway, a real receiver and three subscriptions, on one screen.
//!
//! All of it is the program's own: the gateway that `serve` starts, its REST API, its plugins, its
//! Postgres in a temporary folder that is removed at the end. Settings of this machine are left
//! alone on purpose, so that a demo never writes into a database that somebody needs. What comes
//! out is compared with what went in; a delivery that is missing or wrong ends it with 1.

mod arrivals;
mod run;
mod samples;
mod scene;
mod screen;

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use tokio_util::task::AbortOnDropHandle;

use self::arrivals::Arrivals;
use self::run::{Run, Subscribed};
use self::scene::{Role, Theme};
use self::screen::{Place, Screen};
use super::client::{Client, ClientArgs};
use super::local_receiver::LocalReceiver;
use crate::app::{Gateway, Machine, system_clock};
use crate::config::{Environment, Flags, Settings};
use crate::domain::secret::SigningSecret;
use crate::plugin::shipped::shipped;
use crate::telemetry::logging;

/// What the demo takes from the environment: where Postgres and the folder for temporary files are.
const TAKEN: [&str; 4] = ["PATH", "HOOKGATE_PG_BIN", "HOME", "TMPDIR"];

/// A gateway, a receiver, three subscriptions and events, on one screen.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate demo
  npm install @octokit/webhooks-examples && hookgate demo --payloads node_modules/@octokit/webhooks-examples

Everything is in a temporary folder that is removed at the end. The exit code is 1 where a delivery
was missing, wrong or badly signed.")]
pub struct DemoArgs {
    /// Send every *.json below this folder: EVENT/*.payload.json, or an index.json of examples
    #[arg(long, value_name = "DIR")]
    payloads: Option<PathBuf>,
    /// End after the last delivery; so it does where the output is no terminal
    #[arg(long)]
    no_wait: bool,
}

/// # Errors
/// The part that could not be started, or payloads that cannot be read.
pub async fn run(args: DemoArgs, machine: &Machine) -> anyhow::Result<ExitCode> {
    let (theme, samples) = match &args.payloads {
        Some(folder) => (Theme::GitHub, samples::below(folder)?),
        None => (Theme::Shop, samples::built_in()),
    };
    let folder = tempfile::Builder::new()
        .prefix("hookgate-demo-")
        .tempdir()
        .context("could not make a temporary folder")?;
    let settings = settings(folder.path(), machine)?;
    logging::start(&settings.process.log)?;
    let screen = Screen::new();
    let plugin_folder = settings.plugins.folder.clone();
    screen.starting()?;
    let started_at = Instant::now();
    let gateway = Gateway::start(settings, machine).await?;
    let start_up = started_at.elapsed();
    gateway
        .shutdown
        .listen_for_signals(std::time::Duration::ZERO)?;

    let place = Place {
        gateway: format!("http://{}", gateway.address),
        admin_key: gateway.admin_key.expose().to_owned(),
        data_dir: folder.path().to_owned(),
        plugin_folder,
    };
    let is_right = tokio::select! {
        shown = show(&screen, &place, start_up, (theme, samples)) => shown,
        () = gateway.shutdown.stopping() => Ok(false),
    };
    if let Ok(_) = &is_right
        && !gateway.shutdown.is_stopping()
    {
        let is_waiting = !args.no_wait && std::io::stdout().is_terminal();
        screen.try_next(&place, is_waiting)?;
        if is_waiting {
            gateway.shutdown.stopping().await;
        }
    }
    gateway.shutdown.stop();
    gateway.run_until_stopped().await?;
    Ok(if is_right? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The whole play. Whether all was as it should be.
async fn show(
    screen: &Screen,
    place: &Place,
    start_up: std::time::Duration,
    (theme, samples): (Theme, Vec<samples::Sample>),
) -> anyhow::Result<bool> {
    let client = client(place, Some(place.admin_key.clone()))?;
    let receiver = LocalReceiver::bind(0).await?;
    let receiver_url = receiver.url("");
    screen.places(place, &receiver_url, start_up)?;
    let roles: Vec<Role> = Role::ALL
        .into_iter()
        .filter(|role| *role == Role::Plain || is_inside(role.name()))
        .collect();
    if roles.len() < Role::ALL.len() {
        screen.no_plugins()?;
    }
    let mut subscribed = Vec::new();
    let mut secrets = Vec::new();
    for role in roles {
        let form = role.form(theme, &receiver.url(&role.path()));
        let reply = client.post("/v1/subscriptions", &form).await?;
        let text = |member: &str| reply.value[member].as_str().unwrap_or_default().to_owned();
        let secret = SigningSecret::parse(&text("secret"))
            .context("the gateway gave a secret that is none")?;
        subscribed.push(Subscribed {
            role,
            id: text("id"),
        });
        secrets.push((role, secret));
        screen.subscription(role, theme)?;
    }
    let arrivals = Arrivals::new(secrets, system_clock());
    let taking = arrivals.clone();
    let _receiver = AbortOnDropHandle::new(tokio::spawn(
        receiver.serve(move |arrival| std::future::ready(taking.take(&arrival))),
    ));
    let play = Run {
        screen,
        client,
        keyless: self::client(place, None)?,
        gateway_url: place.gateway.clone(),
        subscribed,
        arrivals,
        theme,
    };
    play.send_and_compare(samples).await
}

fn is_inside(name: &str) -> bool {
    shipped().iter().any(|plugin| plugin.name == name)
}

fn client(place: &Place, api_key: Option<String>) -> anyhow::Result<Client> {
    Ok(Client::new(&ClientArgs {
        url: place.gateway.parse().context("the gateway's address")?,
        api_key,
        // A folder without a key: nothing is found by itself.
        data_dir: place.data_dir.join("no-key"),
    })?)
}

/// Nothing from a file, nothing from the environment but where programs are.
fn settings(folder: &Path, machine: &Machine) -> anyhow::Result<Settings> {
    let file = folder.join("hookgate.toml");
    std::fs::write(&file, "").context("could not write into the temporary folder")?;
    let data_dir = folder.join("data");
    let taken = TAKEN
        .iter()
        .filter_map(|name| Some((*name, OsString::from(machine.environment.get(name)?))));
    let own = [
        ("HOOKGATE_LISTEN", "127.0.0.1:0".into()),
        ("HOOKGATE_ALLOW_PRIVATE_NETWORKS", "true".into()),
        ("HOOKGATE_LOG", "warn".into()),
        ("HOOKGATE_DATA_DIR", data_dir.into_os_string()),
    ];
    let variables = taken.chain(own);
    let environment = Environment::new(variables.map(|(name, value)| (name.into(), value)));
    let mut flags = Flags::default();
    flags.config_file = Some(file);
    Ok(Settings::load(&flags, &environment)?)
}
