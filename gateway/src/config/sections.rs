//! What each component gets, and the rules its settings obey.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::Settings;
use super::egress::EgressProxy;
use super::print::Effective;
use super::reader::{Reader, bytes, count, duration, list, parsed, truth};
use super::secret::{MasterKey, Secret};
use super::theme::{Logo, Theme};
use crate::domain::duration::parse_duration;
use crate::domain::retry::RetrySchedule;
use crate::domain::target_url::TargetRules;
use crate::telemetry::logging::{Filter, LogConfig};

const KIBIBYTE: usize = 1024;
const MEBIBYTE: usize = 1024 * KIBIBYTE;
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The process itself. Keys without a section, and `[log]`.
#[derive(Clone, Debug)]
pub struct ProcessConfig {
    /// Folder of the embedded database, the plugins and the keys.
    pub data_dir: PathBuf,
    /// Threads that serve and deliver; one per core where there is none.
    pub worker_threads: Option<NonZeroUsize>,
    pub log: LogConfig,
}

/// The listener. Section `[server]`.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    pub listen: SocketAddr,
    /// How receivers reach this gateway.
    pub public_url: Option<Url>,
    /// Largest body of one event.
    pub max_body_bytes: usize,
    /// Longest wait for a request's headers.
    pub header_timeout: Duration,
    /// Longest wait for a request's whole body, and while a client takes nothing of its answer.
    pub body_timeout: Duration,
    /// Bytes of bodies that are held at once.
    pub max_held_bytes: usize,
    /// Connections open at once; the next one waits.
    pub max_connections: NonZeroUsize,
    /// After SIGTERM, how long requests are still served while nothing is ready.
    pub drain_delay: Duration,
}

/// Who may call, and what seals secrets. Section `[access]`.
#[derive(Clone, Debug)]
pub struct AccessConfig {
    /// The first key. For the embedded database one is made where there is none.
    pub admin_key: Option<Secret>,
    /// Always there beside a database URL.
    pub master_key: Option<MasterKey>,
}

/// Where rows are kept. Section `[database]`.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// The embedded database where there is none.
    pub url: Option<Secret>,
    /// Folder of the Postgres programs for the embedded one.
    pub pg_bin: Option<PathBuf>,
    /// A server that may lose what it confirmed is accepted.
    pub allow_unsafe: bool,
    /// Connections apart from the lanes'.
    pub max_connections: NonZeroUsize,
}

/// Bounds of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptLimits {
    pub connect_timeout: Duration,
    /// Longest wait for the head of an answer.
    pub first_byte_timeout: Duration,
    /// Longest whole attempt.
    pub attempt_timeout: Duration,
    /// Part of an answer that is read.
    pub max_answer_bytes: usize,
    /// Part of an answer that is kept with its attempt.
    pub max_excerpt_bytes: usize,
}

impl Default for AttemptLimits {
    /// What the settings say where nobody sets them.
    fn default() -> Self {
        Self {
            connect_timeout: SECOND * 5,
            first_byte_timeout: SECOND * 15,
            attempt_timeout: SECOND * 30,
            max_answer_bytes: 64 * KIBIBYTE,
            max_excerpt_bytes: 4 * KIBIBYTE,
        }
    }
}

/// How hard the gateway tries, and where it may go. Section `[delivery]`.
#[derive(Clone, Debug)]
pub struct DeliveryConfig {
    pub limits: AttemptLimits,
    /// Deliveries in flight at once in this process.
    pub max_in_flight: NonZeroUsize,
    /// Of these, for one subscription.
    pub max_in_flight_per_subscription: NonZeroUsize,
    pub targets: TargetRules,
    /// What deliveries go through; they go straight where there is none.
    pub egress_proxy: Option<EgressProxy>,
    /// For subscriptions that name none.
    pub retry_schedule: RetrySchedule,
    /// A subscription of which nothing was accepted for so long is disabled.
    pub disable_after: Duration,
}

/// Where plugins come from and how many run at once. Section `[plugins]`.
#[derive(Clone, Debug)]
pub struct PluginConfig {
    /// The folder that is watched.
    pub folder: PathBuf,
    /// Threads that run plugins; one per core where there is none.
    pub threads: Option<NonZeroUsize>,
}

/// Databases of users' own that have an outbox. Section `[outbox]`.
#[derive(Clone, Debug)]
pub struct OutboxConfig {
    /// Beside the gateway's own, which always has one.
    pub urls: Vec<Secret>,
}

/// How long things are kept. Section `[retention]`.
#[derive(Clone, Copy, Debug)]
pub struct RetentionConfig {
    /// Events and their attempts. At least a day, the window of idempotency.
    pub events: Duration,
    /// Entries of the audit log. At least the 30 days for which the database refuses to delete them.
    pub audit: Duration,
}

/// How the dashboard looks. Section `[ui]`.
#[derive(Clone, Debug)]
pub struct UiConfig {
    pub name: String,
    pub logo: Option<Logo>,
    pub theme: Theme,
}

/// Reads all sections before it gives up on any, so that all mistakes are found.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<Settings> {
    let process = process(reader);
    let server = server(reader);
    let database = database(reader);
    let access = access(reader);
    let delivery = delivery(reader);
    let threads = reader.optional("plugins.threads", count(1024));
    let folder = reader.optional("plugins.folder", |text| Ok(PathBuf::from(text)));
    let outboxes = reader.optional("outbox.urls", |text| list(text, postgres_url));
    let events = reader.required("retention.events", duration(DAY, DAY * 3650));
    let audit = reader.required("retention.audit", duration(DAY * 30, DAY * 3650));
    let ui = ui(reader);

    if let (Some(database), Some(access)) = (&database, &access)
        && database.url.is_some()
        && access.master_key.is_none()
    {
        reader.refuse("access.master_key", "must be set beside DATABASE_URL, to the same value on every node; `openssl rand -base64 32` makes one");
    }
    let process = process?;
    let plugins = PluginConfig {
        folder: folder?.unwrap_or_else(|| process.data_dir.join("plugins")),
        threads: threads?,
    };
    Some(Settings {
        process,
        server: server?,
        access: access?,
        database: database?,
        delivery: delivery?,
        plugins,
        outbox: OutboxConfig {
            urls: outboxes?.unwrap_or_default(),
        },
        retention: RetentionConfig {
            events: events?,
            audit: audit?,
        },
        ui: ui?,
        in_force: Effective::default(),
    })
}

fn ui(reader: &mut Reader<'_>) -> Option<UiConfig> {
    let name = reader.required("ui.name", |text| {
        let is_name = (1..=40).contains(&text.chars().count()) && !text.contains(char::is_control);
        if is_name {
            Ok(text.to_owned())
        } else {
            Err("must have 1 to 40 characters".to_owned())
        }
    });
    let logo = reader.optional("ui.logo", Logo::read);
    let theme = reader.optional("ui.theme", Theme::parse);
    Some(UiConfig {
        name: name?,
        logo: logo?,
        theme: theme?.unwrap_or_default(),
    })
}

fn process(reader: &mut Reader<'_>) -> Option<ProcessConfig> {
    let data_dir = reader.required("data_dir", |text| Ok(PathBuf::from(text)));
    let worker_threads = reader.optional("worker_threads", count(1024));
    let filter = reader.required("log.filter", |text| {
        Filter::parse(text).map_err(|error| error.to_string())
    });
    let format = reader.required("log.format", parsed("must be text or json"));
    Some(ProcessConfig {
        data_dir: data_dir?,
        worker_threads: worker_threads?,
        log: LogConfig {
            filter: filter?,
            format: format?,
        },
    })
}

fn server(reader: &mut Reader<'_>) -> Option<ServerConfig> {
    let listen = reader.required(
        "server.listen",
        parsed("must be an address and a port, like 127.0.0.1:8080"),
    );
    let public_url = reader.optional("server.public_url", public_url);
    let max_body_bytes = reader.required("server.max_body_bytes", bytes(KIBIBYTE, 8 * MEBIBYTE));
    let header_timeout = reader.required("server.header_timeout", duration(SECOND, SECOND * 900));
    let body_timeout = reader.required("server.body_timeout", duration(SECOND, SECOND * 600));
    // The largest body of all, a component to be tried, must fit.
    let held = bytes(32 * MEBIBYTE, 4096 * MEBIBYTE);
    let max_held_bytes = reader.required("server.max_held_bytes", held);
    let max_connections = reader.required("server.max_connections", count(1_000_000));
    let drain_delay = reader.required("server.drain_delay", duration(Duration::ZERO, SECOND * 300));
    Some(ServerConfig {
        listen: listen?,
        public_url: public_url?,
        max_body_bytes: max_body_bytes?,
        header_timeout: header_timeout?,
        body_timeout: body_timeout?,
        max_held_bytes: max_held_bytes?,
        max_connections: max_connections?,
        drain_delay: drain_delay?,
    })
}

fn public_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let is_base = matches!(url.scheme(), "http" | "https")
        && url.query().is_none()
        && url.fragment().is_none();
    if is_base {
        Ok(url)
    } else {
        Err("must be an http or https URL without query and fragment".to_owned())
    }
}

fn access(reader: &mut Reader<'_>) -> Option<AccessConfig> {
    let admin_key = reader.optional("access.admin_key", |text| {
        let is_key = text.len() >= 16 && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_key {
            Ok(Secret::new(text))
        } else {
            Err("must have at least 16 characters, none of them blank".to_owned())
        }
    });
    let master_key = reader.optional("access.master_key", |text| {
        MasterKey::parse(text).map_err(|error| error.to_string())
    });
    Some(AccessConfig {
        admin_key: admin_key?,
        master_key: master_key?,
    })
}

fn postgres_url(text: &str) -> Result<Secret, String> {
    let is_postgres =
        Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql"));
    if is_postgres {
        Ok(Secret::new(text))
    } else {
        Err("must be like postgres://user:password@host/database".to_owned())
    }
}

fn database(reader: &mut Reader<'_>) -> Option<DatabaseConfig> {
    let url = reader.optional("database.url", postgres_url);
    let pg_bin = reader.optional("database.pg_bin", |text| Ok(PathBuf::from(text)));
    let allow_unsafe = reader.required("database.allow_unsafe", truth);
    let max_connections = reader.required("database.max_connections", count(1000));
    Some(DatabaseConfig {
        url: url?,
        pg_bin: pg_bin?,
        allow_unsafe: allow_unsafe?,
        max_connections: max_connections?,
    })
}

fn delivery(reader: &mut Reader<'_>) -> Option<DeliveryConfig> {
    let limits = limits(reader);
    let max_in_flight = reader.required("delivery.max_in_flight", count(65_535));
    let per_subscription =
        reader.required("delivery.max_in_flight_per_subscription", count(65_535));
    let allow_private_networks = reader.required("delivery.allow_private_networks", truth);
    let allowed_ports = reader.required("delivery.allowed_ports", |text| {
        let rule = "must be ports from 1 to 65535 with commas";
        list(text, parsed::<std::num::NonZeroU16>(rule))
    });
    let egress_proxy = reader.optional("delivery.egress_proxy", EgressProxy::parse);
    let retry_schedule = reader.required("delivery.retry_schedule", |text| {
        let waits = list(text, |wait| {
            parse_duration(wait).map_err(|error| error.to_string())
        })?;
        RetrySchedule::new(waits).map_err(|error| error.to_string())
    });
    let disable_after = reader.required(
        "delivery.disable_after",
        duration(SECOND, SECOND * 86_400 * 365),
    );
    Some(DeliveryConfig {
        limits: limits?,
        max_in_flight: max_in_flight?,
        max_in_flight_per_subscription: per_subscription?,
        targets: TargetRules {
            allow_private_networks: allow_private_networks?,
            allowed_ports: allowed_ports?
                .into_iter()
                .map(std::num::NonZeroU16::get)
                .collect(),
        },
        egress_proxy: egress_proxy?,
        retry_schedule: retry_schedule?,
        disable_after: disable_after?,
    })
}

fn limits(reader: &mut Reader<'_>) -> Option<AttemptLimits> {
    let span = || duration(Duration::from_millis(100), SECOND * 120);
    let connect_timeout = reader.required("delivery.connect_timeout", span());
    let first_byte_timeout = reader.required("delivery.first_byte_timeout", span());
    let attempt_timeout = reader.required("delivery.attempt_timeout", span());
    let max_answer_bytes = reader.required("delivery.max_answer_bytes", bytes(KIBIBYTE, MEBIBYTE));
    let max_excerpt_bytes = reader.required("delivery.max_excerpt_bytes", bytes(0, 64 * KIBIBYTE));
    // The whole is the bound of its parts, so that it can be lowered alone.
    let attempt_timeout = attempt_timeout?;
    let limits = AttemptLimits {
        connect_timeout: connect_timeout?.min(attempt_timeout),
        first_byte_timeout: first_byte_timeout?.min(attempt_timeout),
        attempt_timeout,
        max_answer_bytes: max_answer_bytes?,
        max_excerpt_bytes: max_excerpt_bytes?,
    };
    if limits.max_excerpt_bytes > limits.max_answer_bytes {
        reader.refuse(
            "delivery.max_excerpt_bytes",
            "must not be more than delivery.max_answer_bytes",
        );
    }
    Some(limits)
}
