//! The real gateway, as users run it: a process that is started, killed and started again.

mod process;
mod use_it;

use std::path::PathBuf;

use tempfile::TempDir;

use crate::api::Api;
use crate::postgres::{Database, fresh_database};
use process::Process;

pub use process::binary;
pub(crate) use process::is_ours;
pub use use_it::{Subscribed, error_lines};

/// The key that every gateway of the tests takes.
pub const ADMIN_KEY: &str = "hgk_the-admin-key-of-the-tests-0123456789";
/// 32 bytes in base64; the same for all nodes, as it must be.
pub const MASTER_KEY: &str = "dGhlIG1hc3RlciBrZXkgb2YgYWxsIHRoZSB0ZXN0cyE=";

/// How a gateway is started. Says nothing that a test does not need.
#[derive(Clone, Debug, Default)]
pub struct GatewayOptions {
    database: Option<Database>,
    environment: Vec<(String, String)>,
    is_caged: bool,
}

impl GatewayOptions {
    /// On a database that others may use too: several nodes.
    #[must_use]
    pub fn on(database: &Database) -> Self {
        Self {
            database: Some(database.clone()),
            ..Self::default()
        }
    }

    /// With the whole machine read-only but its data folder, and without any capability. Needs root.
    #[must_use]
    pub fn caged(mut self) -> Self {
        self.is_caged = true;
        self
    }

    /// Any setting, by the name of its variable: `("HOOKGATE_RETRY_SCHEDULE", "10ms,20ms")`.
    #[must_use]
    pub fn set(mut self, (name, value): (&str, &str)) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// One running gateway; killed when it is dropped.
#[derive(Debug)]
pub struct Gateway {
    process: Process,
    api: Api,
    database: Database,
    data_folder: TempDir,
    environment: Vec<(String, String)>,
    is_caged: bool,
}

impl Gateway {
    /// Starts one, with a database of its own unless `options` name another, and waits until it is
    /// ready.
    ///
    /// # Panics
    /// Where it does not get ready, with its log.
    pub async fn start(options: GatewayOptions) -> Self {
        let database = match options.database {
            Some(database) => database,
            None => fresh_database().await,
        };
        let data_folder = tempfile::Builder::new()
            .prefix("hookgate-data-")
            .tempdir()
            .expect("a temporary folder can be made");
        let mut environment = defaults(&database, &data_folder);
        environment.extend(options.environment);
        let is_caged = options.is_caged;
        let process = Process::start(&environment, data_folder.path(), is_caged).await;
        Self {
            api: Api::new(process.url(), Some(ADMIN_KEY)),
            process,
            database,
            data_folder,
            environment,
            is_caged,
        }
    }

    /// Starts one with nothing special about it.
    pub async fn fresh() -> Self {
        Self::start(GatewayOptions::default()).await
    }

    /// The API, with the admin key.
    #[must_use]
    pub fn api(&self) -> &Api {
        &self.api
    }

    #[must_use]
    pub fn url(&self) -> &str {
        self.process.url()
    }

    /// Host and port.
    ///
    /// # Panics
    /// Never: it listens without TLS.
    #[must_use]
    pub fn address(&self) -> &str {
        let address = self.url().strip_prefix("http://");
        address.expect("it listens without TLS")
    }

    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Where files of plugins are picked up.
    #[must_use]
    pub fn plugin_folder(&self) -> PathBuf {
        self.data_folder.path().join("plugins")
    }

    /// The id of the process, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// What it has logged so far, over all its lives.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Ends it as a crash would.
    pub async fn kill_9(&mut self) {
        self.process.kill_9().await;
    }

    /// Stops it from running at all, as a debugger or a stalled machine would (SIGSTOP): its
    /// connections stay open, and nobody reads them.
    pub async fn freeze(&self) {
        self.process.signal("STOP").await;
    }

    /// Lets it go on after [`Self::freeze`].
    pub async fn thaw(&self) {
        self.process.signal("CONT").await;
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    ///
    /// # Panics
    /// Where it does not stop in time, or not cleanly.
    pub async fn stop(&mut self) {
        self.process.stop().await;
    }

    /// Asks it to stop (SIGTERM) and does not wait.
    pub async fn ask_to_stop(&self) {
        self.process.signal("TERM").await;
    }

    /// Waits until it has stopped cleanly after [`Self::ask_to_stop`].
    ///
    /// # Panics
    /// Where it does not stop in time, or not cleanly.
    pub async fn gone(&mut self) {
        self.process.gone().await;
    }

    /// Starts it again, on another port, after [`Self::kill_9`] or [`Self::stop`].
    pub async fn restart(&mut self) {
        let folder = self.data_folder.path();
        self.process = Process::start(&self.environment, folder, self.is_caged).await;
        self.api = Api::new(self.process.url(), Some(ADMIN_KEY));
    }
}

fn defaults(database: &Database, data_folder: &TempDir) -> Vec<(String, String)> {
    let folder = data_folder.path().display().to_string();
    [
        ("HOOKGATE_LISTEN", "127.0.0.1:0"),
        ("DATABASE_URL", &database.url),
        ("HOOKGATE_ADMIN_KEY", ADMIN_KEY),
        ("HOOKGATE_MASTER_KEY", MASTER_KEY),
        ("HOOKGATE_ALLOW_PRIVATE_NETWORKS", "true"),
        ("HOOKGATE_DATA_DIR", &folder),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}
