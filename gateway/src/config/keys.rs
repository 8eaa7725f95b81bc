//! Every setting there is: its key in the file, its variable, its flag, its default.
//!
//! One line here gives a setting all four; its type and its rule are in `sections`.

/// One setting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// Path in the TOML file.
    pub(super) name: &'static str,
    pub(super) variable: &'static str,
    pub(super) flag: &'static str,
    pub(super) default: Option<&'static str>,
    pub(super) help: &'static str,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    /// The flag alone means `true`.
    Switch,
    /// Never printed.
    Secret,
}

impl Key {
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    const fn with(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    const fn switch(mut self) -> Self {
        self.kind = Kind::Switch;
        self.default = Some("false");
        self
    }

    const fn secret(mut self) -> Self {
        self.kind = Kind::Secret;
        self
    }
}

const fn key(
    name: &'static str,
    variable: &'static str,
    flag: &'static str,
    help: &'static str,
) -> Key {
    Key {
        name,
        variable,
        flag,
        default: None,
        help,
        kind: Kind::Plain,
    }
}

pub(super) const KEYS: &[Key] = &[
    key("data_dir", "HOOKGATE_DATA_DIR", "data-dir", "Folder of the embedded database, the plugins and the keys")
        .with("./hookgate-data"),
    key("worker_threads", "HOOKGATE_WORKER_THREADS", "worker-threads", "Threads that serve and deliver; one per core where not given"),
    key("server.listen", "HOOKGATE_LISTEN", "listen", "Address and port to listen on").with("127.0.0.1:8080"),
    key("server.public_url", "HOOKGATE_PUBLIC_URL", "public-url", "How receivers reach this gateway, for claim checks and challenges"),
    key("server.max_body_bytes", "HOOKGATE_MAX_BODY_BYTES", "max-body-bytes", "Largest body of one event").with("1MiB"),
    key("server.header_timeout", "HOOKGATE_HEADER_TIMEOUT", "header-timeout", "Longest wait for a request's headers, and longest a connection stays idle").with("10s"),
    key("server.body_timeout", "HOOKGATE_BODY_TIMEOUT", "body-timeout", "Longest wait for a request's whole body, and for a client that takes nothing of its answer").with("30s"),
    key("server.max_held_bytes", "HOOKGATE_MAX_HELD_BYTES", "max-held-bytes", "Bytes of requests that are held at once; what does not fit gets 503").with("64MiB"),
    key("server.max_connections", "HOOKGATE_MAX_CONNECTIONS", "max-connections", "Connections open at once").with("4096"),
    key("server.drain_delay", "HOOKGATE_DRAIN_DELAY", "drain-delay", "After SIGTERM, how long requests are still served while /readyz says no").with("0s"),
    key("access.admin_key", "HOOKGATE_ADMIN_KEY", "admin-key", "The first key, with every right; made in the data folder for the embedded database").secret(),
    key("access.master_key", "HOOKGATE_MASTER_KEY", "master-key", "Seals secrets: the base64 of 32 random bytes; made in the data folder for the embedded database").secret(),
    key("database.url", "DATABASE_URL", "database-url", "A Postgres of your own instead of the embedded one").secret(),
    key("database.pg_bin", "HOOKGATE_PG_BIN", "pg-bin", "Folder of the Postgres programs for the embedded database"),
    key("database.allow_unsafe", "HOOKGATE_ALLOW_UNSAFE_POSTGRES", "allow-unsafe-postgres", "Accept a Postgres that may lose what it confirmed; for tests").switch(),
    key("database.max_connections", "HOOKGATE_DATABASE_CONNECTIONS", "database-connections", "Connections to Postgres apart from the lanes'").with("16"),
    key("delivery.allow_private_networks", "HOOKGATE_ALLOW_PRIVATE_NETWORKS", "allow-private-networks", "Deliver to private and loopback addresses, over http and to any port too").switch(),
    key("delivery.egress_proxy", "HOOKGATE_EGRESS_PROXY", "egress-proxy", "HTTP proxy that deliveries go through, as in http://user:password@proxy:3128; HTTP_PROXY and its like are never looked at").secret(),
    key("delivery.allowed_ports", "HOOKGATE_ALLOWED_PORTS", "allowed-ports", "Ports of receivers, with commas").with("443,8443"),
    key("delivery.retry_schedule", "HOOKGATE_RETRY_SCHEDULE", "retry-schedule", "Waits between attempts for subscriptions that name none").with("5s,30s,2m,10m,1h,3h,6h,14h"),
    key("delivery.disable_after", "HOOKGATE_DISABLE_AFTER", "disable-after", "A subscription of which nothing was accepted for so long is disabled").with("5d"),
    key("delivery.max_in_flight", "HOOKGATE_MAX_IN_FLIGHT", "max-in-flight", "Deliveries in flight at once").with("512"),
    key("delivery.max_in_flight_per_subscription", "HOOKGATE_MAX_IN_FLIGHT_PER_SUBSCRIPTION", "max-in-flight-per-subscription", "Of these, for a subscription that names no number").with("16"),
    key("delivery.connect_timeout", "HOOKGATE_CONNECT_TIMEOUT", "connect-timeout", "Longest wait for a receiver's connection").with("5s"),
    key("delivery.first_byte_timeout", "HOOKGATE_FIRST_BYTE_TIMEOUT", "first-byte-timeout", "Longest wait for the head of an answer").with("15s"),
    key("delivery.attempt_timeout", "HOOKGATE_ATTEMPT_TIMEOUT", "attempt-timeout", "Longest whole attempt, whatever a subscription asks for").with("30s"),
    key("delivery.max_answer_bytes", "HOOKGATE_MAX_ANSWER_BYTES", "max-answer-bytes", "Part of an answer that is read").with("64KiB"),
    key("delivery.max_excerpt_bytes", "HOOKGATE_MAX_EXCERPT_BYTES", "max-excerpt-bytes", "Part of an answer that is kept").with("4KiB"),
    key("plugins.folder", "HOOKGATE_PLUGINS", "plugins", "Folder watched for plugins; `plugins` in the data folder where not given"),
    key("plugins.threads", "HOOKGATE_PLUGIN_THREADS", "plugin-threads", "Threads that run plugins; one per core where not given"),
    key("outbox.urls", "HOOKGATE_OUTBOX_URLS", "outbox-urls", "Databases of your own whose outbox is drained (`hookgate db install-outbox`): addresses with commas").secret(),
    key("retention.events", "HOOKGATE_RETENTION", "retention", "How long events and attempts are kept").with("7d"),
    key("retention.audit", "HOOKGATE_AUDIT_RETENTION", "audit-retention", "How long entries of the audit log are kept").with("400d"),
    key("ui.name", "HOOKGATE_UI_NAME", "ui-name", "What the dashboard calls itself").with("Hookgate"),
    key("ui.logo", "HOOKGATE_UI_LOGO", "ui-logo", "File of the dashboard's logo: .svg, .png or .webp, at most 256 KiB"),
    key("ui.theme", "HOOKGATE_UI_THEME", "ui-theme", "Variables of the dashboard's style, as in accent=#0a7d5a,accent-dark=#4cc79c,radius=4px"),
    key("log.filter", "HOOKGATE_LOG", "log", "What is logged, as in info or hookgate=debug,sqlx=warn").with("info"),
    key("log.format", "HOOKGATE_LOG_FORMAT", "log-format", "text or json").with("text"),
];
