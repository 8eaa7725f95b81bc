//! The only place that knows all parts: makes them, hands each what it needs, and stops them in
//! order.
//!
//! Time, randomness and the program's own path are read here and passed on. Decides nothing about
//! an event.

mod adapters;
mod dashboard;
mod lives;
mod randomness;
mod stop;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use hookgate_plugin_host::{CompileWorker, HostConfig, Limits, PluginHost, PoolSize};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tracing::{info, warn};
use url::Url;

use self::randomness::system_random;
use crate::config::{Environment, KeyFile, MasterKey, Secret, Settings};
use crate::delivery::aside::Aside;
use crate::delivery::guard::Guard;
use crate::delivery::resolver::SystemLookup;
use crate::delivery::sender::{Sender, SenderParts, system_roots};
use crate::delivery::{Board, Bounds, Delivery, DeliveryConfig, DeliveryParts, Origin, Outside};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::ids::NodeId;
use crate::domain::random::Random;
use crate::embedded::{Durability, Embedded, EmbeddedConfig, Search};
use crate::http::{self, Api, ApiParts, ApiRules};
use crate::ingest::notices::Notices;
use crate::ingest::outbox::Drain;
use crate::ingest::room::Room;
use crate::jobs::{JobParts, Jobs};
use crate::lifecycle::Shutdown;
use crate::log::work::{ParkReason, Work};
use crate::log::{Log, LogConfig, LogParts, OutboxAt};
use crate::plugin::claim::ClaimSigner;
use crate::plugin::folder::{Folder, FolderPlaces};
use crate::plugin::{PluginParts, Plugins};
use crate::store::feed::Feed;
use crate::store::preflight::{self, Safety};
use crate::store::seal::Sealer;
use crate::store::{Store, migrate};
use crate::telemetry::metrics::Metrics;

/// Batches of work between the log and the delivery engine.
const READY_BATCHES: usize = 256;

/// What the operating system gives: read once, in `main`.
#[derive(Clone, Debug)]
pub struct Machine {
    pub environment: Environment,
    /// The running program; compile workers and the supervisor of Postgres are started from it.
    pub program: PathBuf,
}

/// A gateway that runs.
#[derive(Debug)]
pub struct Gateway {
    pub address: SocketAddr,
    /// Given or made; for the demo and for the line that says how to begin.
    pub admin_key: Secret,
    /// Whether the key was made just now, so that it is shown once.
    pub is_new_key: bool,
    pub shutdown: Shutdown,
    parts: Running,
}

struct Running {
    embedded: Option<Embedded>,
    pool: PgPool,
    log: Log,
    delivery: Delivery,
    plugins: Plugins,
}

/// The two keys of a deployment, from the settings or from the data folder.
struct Keys {
    admin: Secret,
    is_new: bool,
    master: MasterKey,
}

impl Gateway {
    /// Starts everything; ready when it returns.
    ///
    /// # Errors
    /// Names the part that could not be started and why.
    pub async fn start(settings: Settings, machine: &Machine) -> anyhow::Result<Self> {
        let (listener, address, public_url) = listen(&settings).await?;
        let random = system_random();
        let clock = system_clock();
        let metrics = Metrics::new();
        let shutdown = Shutdown::new();
        std::fs::create_dir_all(&settings.process.data_dir).with_context(|| {
            format!(
                "could not make the data folder {}",
                settings.process.data_dir.display()
            )
        })?;
        let keys = keys(&settings, &random)?;

        let (embedded, database) = database(&settings, machine).await?;
        let pool = pool(&settings, database.clone()).await?;
        let sealer = Sealer::new(1, &keys.master);
        let feed = Feed::start(pool.clone(), sealer.clone(), clock.clone()).await?;
        let node = crate::log::join(&pool, &address.to_string()).await?;
        feed.announce_as(node).await?;
        shutdown.spawn("feed", feed.clone().run(shutdown.soft()));
        let store = Store::new(pool.clone(), sealer, feed, clock.clone(), random.clone());

        let (ready, work) = mpsc::channel(READY_BATCHES);
        let core = Core {
            settings: &settings,
            machine,
            store,
            clock,
            random,
            metrics,
            board: Board::default(),
            shutdown: shutdown.clone(),
        };
        let log = core.log(database, pool.clone(), node, ready).await?;
        let notices = lives::notices(&core.store, &log, &shutdown);
        let plugins = core.plugins(&log, notices.clone()).await?;
        let origin = Origin::new(public_url.clone());
        let claims = ClaimSigner::new(&keys.master, public_url, settings.retention.events);
        let pipeline = plugins.pipeline(claims.clone());
        let told = Told {
            notices,
            origin,
            ready: work,
        };
        let delivery = core.delivery(&log, pipeline, told);
        lives::upkeep(&core.store, settings.retention.audit, &shutdown);

        core.jobs(&plugins, &claims, node);
        let api = core.api(&log, &plugins, claims.clone(), &keys.admin);
        core.beside(&api)?;
        let router = http::router::router(api, http::plugins::routes());
        let router = dashboard::beside(router, (&core, node), (&keys.admin, claims.public_url()));
        core.serve(listener, router);
        info!(listen.address = %address, node.id = node.get(), "gateway is ready");
        let parts = Running {
            embedded,
            pool,
            log,
            delivery,
            plugins,
        };
        Ok(Self {
            address,
            admin_key: keys.admin,
            is_new_key: keys.is_new,
            shutdown,
            parts,
        })
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

/// What most parts are made from.
struct Core<'a> {
    settings: &'a Settings,
    machine: &'a Machine,
    store: Store,
    clock: Clock,
    random: Random,
    metrics: Metrics,
    /// How receivers fare.
    board: Board,
    shutdown: Shutdown,
}

/// What the engine needs beside the core.
struct Told {
    notices: Notices,
    origin: Origin,
    ready: mpsc::Receiver<Vec<Work>>,
}

impl Core<'_> {
    async fn log(
        &self,
        database: PgConnectOptions,
        pool: PgPool,
        node: NodeId,
        ready: mpsc::Sender<Vec<Work>>,
    ) -> anyhow::Result<Log> {
        let config = LogConfig {
            retention: self.settings.retention.events,
            ..LogConfig::default()
        };
        let parts = LogParts {
            database,
            pool,
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
            node,
            config_seen: self.store.catalog().changed(),
            ready,
            config,
        };
        let log = Log::start(parts)
            .await
            .context("could not start the event log")?;
        let (beats, feed) = (log.beats(), self.store.feed().clone());
        self.shutdown.spawn(
            "beats",
            adapters::follow_beats(beats, feed, self.shutdown.soft()),
        );
        Ok(log)
    }

    async fn plugins(&self, log: &Log, notices: Notices) -> anyhow::Result<Plugins> {
        let data_dir = &self.settings.process.data_dir;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let host = PluginHost::start(HostConfig {
            cache_dir: data_dir.join("plugin-cache"),
            compile_worker: CompileWorker {
                program: self.machine.program.clone(),
                arguments: vec!["compile-worker".to_owned()],
            },
            threads: self
                .settings
                .plugins
                .threads
                .map_or(cores, std::num::NonZeroUsize::get),
            limits: Limits::default(),
            pool: PoolSize::default(),
        })?;
        let plugins = Plugins::new(PluginParts {
            host,
            store: self.store.clone(),
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
            wake: adapters::wake(log.clone(), ParkReason::Plugin),
            tell: Arc::new(move |tenant, notice| notices.emit(tenant, notice)),
        });
        plugins.install_shipped().await;
        let places = FolderPlaces {
            folder: self.settings.plugins.folder.clone(),
            memory: data_dir.join("plugin-folder.json"),
        };
        let folder = Folder::open(plugins.clone(), places).with_context(|| {
            format!(
                "could not watch the plugin folder {}",
                self.settings.plugins.folder.display()
            )
        })?;
        self.shutdown
            .spawn("plugin folder", folder.run(self.shutdown.soft()));
        self.shutdown
            .spawn("plugins", plugins.clone().run(self.shutdown.soft()));
        Ok(plugins)
    }

    fn api(&self, log: &Log, plugins: &Plugins, claims: ClaimSigner, admin_key: &Secret) -> Api {
        Api::new(ApiParts {
            store: self.store.clone(),
            log: log.clone(),
            metrics: self.metrics.clone(),
            claims,
            plugins: plugins.clone(),
            rules: ApiRules {
                admin_key: Some(crate::store::keys::hash(admin_key.expose())),
                max_body_bytes: self.settings.server.max_body_bytes,
                body_timeout: self.settings.server.body_timeout,
                targets: self.settings.delivery.targets.clone(),
                max_timeout: self.settings.delivery.limits.attempt_timeout,
            },
            write_body: adapters::write_body(self.clock.clone(), self.random.clone()),
            health: adapters::health(self.board.clone()),
            stopping: self.shutdown.draining(),
        })
    }

    /// What goes on beside the requests: outboxes are drained, and who waits for events is told.
    fn beside(&self, api: &Api) -> anyhow::Result<()> {
        let (stop, metrics) = (self.shutdown.soft(), &self.metrics);
        let own = Drain::own(api.ingest(), metrics.clone());
        self.shutdown.spawn("outbox", own.run(stop.clone()));
        for url in &self.settings.outbox.urls {
            let at = OutboxAt::elsewhere(url.expose())
                .context("outbox.urls (HOOKGATE_OUTBOX_URLS) has an address that cannot be read")?;
            let drain = Drain::at(at, api.ingest(), metrics.clone());
            self.shutdown
                .spawn("outbox elsewhere", drain.run(stop.clone()));
        }
        let arrivals = api.arrivals().clone();
        let sources = (self.store.clone(), api.log().clone());
        self.shutdown.spawn("arrivals", arrivals.run(sources, stop));
        Ok(())
    }

    fn serve(&self, listener: TcpListener, router: axum::Router) {
        let config = self.settings.server.clone();
        let held = self.metrics.http_held_bytes.clone();
        let served = http::server::Served {
            router,
            room: Room::new(config.max_held_bytes, held),
        };
        let ending = http::server::Ending::of(&self.shutdown);
        let serving = http::server::serve(listener, served, config, ending);
        self.shutdown.spawn("listener", serving);
    }

    fn sender(&self) -> Sender {
        let targets = &self.settings.delivery.targets;
        Sender::new(SenderParts {
            guard: Guard::new(targets.clone()),
            lookup: Arc::new(SystemLookup::new(targets.allow_private_networks)),
            roots: system_roots(),
            limits: self.settings.delivery.limits,
            proxy: self.settings.delivery.egress_proxy.clone(),
            clock: self.clock.clone(),
        })
    }

    fn jobs(&self, plugins: &Plugins, claims: &ClaimSigner, node: NodeId) {
        let pipeline = plugins.pipeline(claims.clone());
        let jobs = Jobs::new(JobParts {
            store: self.store.clone(),
            plugins: plugins.clone(),
            claims: claims.clone(),
            node,
            aside: adapters::aside(Aside {
                sender: self.sender(),
                transform: Arc::new(adapters::PluginTransform(pipeline)),
                clock: self.clock.clone(),
                random: self.random.clone(),
            }),
        });
        self.shutdown.spawn("jobs", jobs.run(self.shutdown.soft()));
    }

    fn delivery(&self, log: &Log, pipeline: crate::plugin::Pipeline, told: Told) -> Delivery {
        let settings = &self.settings.delivery;
        let bounds = Bounds {
            max_in_flight: settings.max_in_flight.get(),
            ..DeliveryConfig::default().bounds
        };
        let sender = self.sender();
        let pulse = log.pulse();
        Delivery::start(DeliveryParts {
            config: DeliveryConfig {
                bounds,
                retry_schedule: settings.retry_schedule.clone(),
                max_in_flight_per_subscription: settings.max_in_flight_per_subscription.get(),
            },
            ready: told.ready,
            origin: told.origin,
            outside: Outside {
                subscriptions: Arc::new(adapters::CatalogSubscriptions(
                    self.store.catalog().clone(),
                )),
                transform: Arc::new(adapters::PluginTransform(pipeline)),
                disable: lives::disable(self.store.clone(), told.notices.clone()),
                notify: lives::notify(self.store.clone(), told.notices, settings.disable_after),
                conclude: lives::conclude(self.store.clone(), log.clone()),
                may_start: Arc::new(move || pulse.is_fresh()),
                nodes: adapters::nodes(log.beats()),
                recovered: adapters::wake(log.clone(), ParkReason::Overflow),
            },
            sender,
            board: self.board.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
            metrics: self.metrics.clone(),
        })
    }
}

/// The system's clock, not yet corrected by the database's.
#[must_use]
pub fn system_clock() -> Clock {
    Clock::new(|| Timestamp::from(OffsetDateTime::now_utc()))
}

/// First of all, so that a taken port is told before anything else is started.
async fn listen(settings: &Settings) -> anyhow::Result<(TcpListener, SocketAddr, Url)> {
    let wanted = settings.server.listen;
    let listener = TcpListener::bind(wanted).await.with_context(|| {
        format!("could not listen on {wanted}; is it taken? HOOKGATE_LISTEN sets another")
    })?;
    let address = listener
        .local_addr()
        .context("could not read the listener's address")?;
    let public_url = match &settings.server.public_url {
        Some(url) => url.clone(),
        None => {
            Url::parse(&format!("http://{address}")).context("the listener's address is no URL")?
        }
    };
    Ok((listener, address, public_url))
}

/// Given keys, or those in the data folder, made where there are none. Nodes that share a database
/// must share the master key, so beside `DATABASE_URL` it has to be given.
fn keys(settings: &Settings, random: &Random) -> anyhow::Result<Keys> {
    let data_dir = &settings.process.data_dir;
    let master = match &settings.access.master_key {
        Some(key) => key.clone(),
        None => KeyFile::master(data_dir).master_key(&random.bytes())?.key,
    };
    let (admin, is_new) = match &settings.access.admin_key {
        Some(key) => (key.clone(), false),
        None => {
            let kept = KeyFile::admin(data_dir).admin_key(&random.bytes())?;
            (kept.key, kept.is_new)
        }
    };
    Ok(Keys {
        admin,
        is_new,
        master,
    })
}

/// The database that is named, or an embedded one; either has passed the start-up check.
async fn database(
    settings: &Settings,
    machine: &Machine,
) -> anyhow::Result<(Option<Embedded>, PgConnectOptions)> {
    let (embedded, url) = if let Some(url) = &settings.database.url {
        (None, url.expose().to_owned())
    } else {
        let embedded = Embedded::start(EmbeddedConfig {
            data_dir: settings.process.data_dir.clone(),
            search: Search {
                named: settings.database.pg_bin.clone(),
                path: machine.environment.path(),
            },
            program: machine.program.clone(),
            durability: Durability::Full,
            identity: None,
        })
        .await?;
        let url = embedded.url().to_owned();
        (Some(embedded), url)
    };
    let options = PgConnectOptions::from_str(&url)
        .context("DATABASE_URL is not the address of a Postgres database")?
        .application_name("hookgate")
        .options([
            ("search_path", "hookgate"),
            // Compiling a plan takes longer than any of the short statements here.
            ("jit", "off"),
        ]);
    let safety = if settings.database.allow_unsafe {
        Safety::UnsafeAllowed
    } else {
        Safety::Required
    };
    let facts = preflight::check(&options, safety).await?;
    if !facts.unsafe_settings.is_empty() {
        warn!(settings = ?facts.unsafe_settings, "this Postgres may lose what it confirmed");
    }
    Ok((embedded, options))
}

async fn pool(settings: &Settings, database: PgConnectOptions) -> anyhow::Result<PgPool> {
    let max = u32::try_from(settings.database.max_connections.get()).unwrap_or(u32::MAX);
    let pool = PgPoolOptions::new()
        .max_connections(max)
        .min_connections(0)
        .idle_timeout(Duration::from_secs(60))
        .acquire_timeout(Duration::from_secs(10))
        .connect_with(database)
        .await
        .context("could not connect to the database")?;
    migrate(&pool).await?;
    if pool.is_closed() {
        bail!("the database closed the connection");
    }
    Ok(pool)
}
