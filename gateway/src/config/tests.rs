//! How settings are read, as tables.

use std::fs;
use std::time::Duration;

use clap::{Args as _, Command, FromArgMatches as _};

use super::*;

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::new(
        variables
            .iter()
            .map(|(name, value)| (name.into(), value.into())),
    )
}

fn flags(arguments: &[&str]) -> Flags {
    let command = Flags::augment_args(Command::new("serve")).no_binary_name(true);
    Flags::from_arg_matches(&command.try_get_matches_from(arguments).unwrap()).unwrap()
}

fn load(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    Settings::load(&flags(arguments), &environment(variables))
}

#[test]
fn without_any_setting_the_defaults_are_in_force() {
    let settings = load(&[], &[]).unwrap();
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.server.max_body_bytes, 1024 * 1024);
    assert_eq!(settings.process.data_dir.to_str(), Some("./hookgate-data"));
    assert_eq!(
        settings.plugins.folder.to_str(),
        Some("./hookgate-data/plugins")
    );
    assert_eq!(
        settings.retention.events,
        Duration::from_secs(7 * 24 * 3600)
    );
    assert_eq!(
        settings.delivery.retry_schedule,
        crate::domain::retry::RetrySchedule::default()
    );
    assert_eq!(
        settings.delivery.targets,
        crate::domain::target_url::TargetRules::default()
    );
    assert_eq!(
        settings.delivery.limits.attempt_timeout,
        Duration::from_secs(30)
    );
}

#[test]
fn a_flag_wins_over_a_variable_over_the_file_over_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("h.toml");
    fs::write(&file, "data_dir = \"/file\"\n[retention]\nevents = \"2d\"\n[server]\nmax_connections = 7\n[delivery]\nallowed_ports = [443, 9443]\n").unwrap();
    let file = file.to_str().unwrap();
    let variables = [
        ("HOOKGATE_DATA_DIR", "/variable"),
        ("HOOKGATE_RETENTION", "3d"),
        ("HOOKGATE_LISTEN", ""),
    ];

    let settings = load(
        &[
            "--config",
            file,
            "--data-dir",
            "/flag",
            "--allow-private-networks",
        ],
        &variables,
    )
    .unwrap();
    assert_eq!(settings.process.data_dir.to_str(), Some("/flag"));
    assert_eq!(
        settings.retention.events,
        Duration::from_secs(3 * 24 * 3600)
    );
    assert_eq!(settings.server.max_connections.get(), 7);
    assert_eq!(settings.delivery.targets.allowed_ports, [443, 9443]);
    assert!(settings.delivery.targets.allow_private_networks);

    let printed = settings.in_force.to_string();
    for (line, source) in [
        ("data_dir = \"/flag\"", "# --data-dir"),
        ("events = \"3d\"", "# HOOKGATE_RETENTION"),
        ("max_connections = \"7\"", "h.toml"),
        ("listen = \"127.0.0.1:8080\"", "# default"),
    ] {
        assert!(
            printed
                .lines()
                .any(|found| found.starts_with(line) && found.ends_with(source)),
            "{line}:\n{printed}"
        );
    }
    printed
        .parse::<toml::Table>()
        .expect("the listing is a file that can be used");
}

#[test]
fn all_mistakes_are_reported_at_once_with_key_value_rule_and_source() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("h.toml");
    fs::write(
        &file,
        "lisen = 1\n[server]\nmax_body_bytes = \"9 GB\"\n[nowhere]\nx = 1\n",
    )
    .unwrap();
    let variables = [
        ("HOOKGATE_RETRY_SCHEDULE", "5s,soon"),
        ("HOOKGATE_RETENTION", "1h"),
        ("HOOKGATE_LOG_FORMAT", "xml"),
        ("HOOKGATE_MASTER_KEY", "c2hvcnQ="),
        ("HOOKGATE_LOG", "info,="),
    ];
    let arguments = ["--config", file.to_str().unwrap(), "--listen", "8080"];

    let error = load(&arguments, &variables).unwrap_err().to_string();
    for part in [
        "9 settings are wrong",
        "lisen (",
        "nowhere (",
        "server.max_body_bytes = \"9 GB\" (",
        "delivery.retry_schedule = \"5s,soon\" (HOOKGATE_RETRY_SCHEDULE): \"soon\" is not a duration",
        "retention.events = \"1h\" (HOOKGATE_RETENTION): must be from 1d",
        "log.format = \"xml\"",
        "log.filter = \"info,=\"",
        "access.master_key (HOOKGATE_MASTER_KEY): must be the base64 of 32",
        "server.listen = \"8080\" (--listen): must be an address and a port",
    ] {
        assert!(error.contains(part), "{part} is not in:\n{error}");
    }
    assert!(!error.contains("c2hvcnQ="), "{error}");
}

#[test]
fn values_that_contradict_each_other_are_refused() {
    for (arguments, variables, part) in [
        (
            &["--max-answer-bytes", "1KiB"][..],
            &[][..],
            "delivery.max_excerpt_bytes",
        ),
        (
            &[],
            &[("DATABASE_URL", "postgres://u:hush@h/d")],
            "access.master_key: must be set beside DATABASE_URL",
        ),
        (
            &["--config", "/nowhere.toml"],
            &[],
            "/nowhere.toml: No such file",
        ),
    ] {
        let error = load(arguments, variables).unwrap_err().to_string();
        assert!(error.contains(part), "{part} is not in:\n{error}");
    }
}

#[test]
fn secrets_print_nowhere() {
    let master = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let variables = [
        ("DATABASE_URL", "postgres://u:hush@h/d"),
        ("HOOKGATE_MASTER_KEY", master),
        ("HOOKGATE_ADMIN_KEY", "hgk_0123456789abcdef"),
    ];
    let settings = load(&["--admin-key", "hgk_fedcba9876543210"], &variables).unwrap();
    let effective = &settings.in_force;
    assert_eq!(
        settings.access.admin_key.as_ref().unwrap().expose(),
        "hgk_fedcba9876543210"
    );
    let printed = format!(
        "{settings:?} {effective} {effective:?} {:?} {:?}",
        environment(&variables),
        flags(&["--admin-key", "hgk_fedcba9876543210"])
    );
    for secret in ["hush", master, "hgk_"] {
        assert!(!printed.contains(secret), "{secret} is in:\n{printed}");
    }
    assert!(
        printed.contains("# url is set and not shown (DATABASE_URL)"),
        "{printed}"
    );
}
