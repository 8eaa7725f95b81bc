//! The command line as a whole: what holds for every command, and what serves people and their shells.

use hookgate_tests::{Cli, Gateway, tool};
use tokio::process::Command;

/// Those that print no answer of the gateway: they run something, or write text that has a form already.
const WITHOUT_JSON: [&str; 9] = [
    "serve",
    "demo",
    "db start",
    "db stop",
    "db url",
    "db psql",
    "init",
    "completions",
    "man",
];

/// Every command that does something: its words and its help, by walking the helps.
pub(crate) async fn leaves() -> Vec<(Vec<String>, String)> {
    let cli = Cli::new();
    let mut found = Vec::new();
    let mut open = vec![Vec::<String>::new()];
    while let Some(words) = open.pop() {
        let mut asked: Vec<&str> = words.iter().map(String::as_str).collect();
        asked.push("--help");
        let help = cli.run(&asked).await.good();
        let Some((_, commands)) = help.split_once("\nCommands:\n") else {
            found.push((words, help));
            continue;
        };
        let below = commands
            .lines()
            .take_while(|line| !line.is_empty())
            .filter_map(|line| {
                let name = line.strip_prefix("  ")?.split(' ').next()?;
                (!name.is_empty() && name != "help")
                    .then(|| [words.clone(), vec![name.to_owned()]].concat())
            });
        open.extend(below.collect::<Vec<_>>().into_iter().rev());
    }
    assert!(found.len() > 40, "{}", found.len());
    found
}

#[tokio::test]
async fn every_command_that_shows_something_shows_it_as_json_too() {
    for (words, help) in leaves().await {
        let words = words.join(" ");
        let has_json = help.contains("--json");
        assert_eq!(has_json, !WITHOUT_JSON.contains(&&*words), "{words}");
        assert!(help.contains("Usage: hookgate"), "{words}: {help}");
    }
}

#[tokio::test]
async fn init_writes_every_setting_and_never_over_a_file() {
    let cli = Cli::new();
    let said = cli.run(&["init"]).await.good();
    assert!(said.contains("hookgate.toml"), "{said}");
    let file = cli.read("hookgate.toml");
    assert!(file.contains("#listen = \"127.0.0.1:8080\"") && file.contains("HOOKGATE_LISTEN"));
    // Nothing is set in it, so that it changes nothing.
    let with = cli.run(&["serve", "--print-config"]).await.good();
    let without = Cli::new().run(&["serve", "--print-config"]).await.good();
    assert_eq!(with, without);
    // With every # before a setting with a default taken away it is still a file that is taken.
    let lines = file.lines().map(|line| {
        let is_setting =
            line.starts_with('#') && !line.starts_with("# ") && !line.ends_with("\"\"");
        if is_setting { &line[1..] } else { line }
    });
    cli.write("hookgate.toml", lines.collect::<Vec<_>>().join("\n"));
    let set = cli.run(&["serve", "--print-config"]).await.good();
    assert!(set.contains("listen = \"127.0.0.1:8080\""), "{set}");

    let before = cli.read("hookgate.toml");
    let refused = cli.run(&["init"]).await.refused();
    assert!(refused.contains("cure: name another file"), "{refused}");
    assert_eq!(cli.read("hookgate.toml"), before);
    let _ = cli.run(&["init", "other.toml"]).await.good();
    let refused = cli.run(&["init", "no/such/folder/x.toml"]).await.refused();
    assert!(refused.contains("could not write"), "{refused}");
}

#[tokio::test]
async fn shells_take_the_completions() {
    let cli = Cli::new();
    for (shell, option) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        let text = cli.run(&["completions", shell]).await.good();
        assert!(
            text.contains("subscriptions") && text.contains("plugin"),
            "{shell}"
        );
        let Some(program) = tool::found(shell, &format!("apt-get install {shell}")) else {
            continue;
        };
        cli.write("completions", &text);
        let mut command = Command::new(program);
        command.arg(option).arg(cli.path("completions"));
        let output = command.output().await.unwrap();
        assert!(output.status.success(), "{shell}: {}", tool::said(&output));
    }
    let refused = cli.run(&["completions", "tcl"]).await.refused();
    assert!(refused.contains("possible values"), "{refused}");
}

#[tokio::test]
async fn every_command_has_a_manual_page() {
    let cli = Cli::new();
    let _ = cli.run(&["man", "pages/man1"]).await.good();
    for (words, _) in leaves().await {
        let name = format!("pages/man1/hookgate-{}.1", words.join("-"));
        let text = cli.read(&name);
        assert!(
            text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"),
            "{name}"
        );
    }
    assert!(
        cli.read("pages/man1/hookgate.1")
            .contains("hookgate\\-serve")
    );
}

/// Colours belong to people who look: not into files and pipes, and not where somebody says no.
#[tokio::test]
async fn colours_are_for_terminals() {
    let gateway = Gateway::fresh().await;
    let cli = Cli::of(&gateway);
    for words in [
        &["subscriptions", "list"][..],
        &["doctor"],
        &["--help"],
        &["no-such-command"],
    ] {
        let ran = cli.run(words).await;
        let all = format!("{}{}", ran.out, ran.err);
        assert!(!all.contains('\u{1b}'), "{words:?}: {all:?}");
    }
}

/// The first ten minutes: each mistake is answered with what to do about it.
#[tokio::test]
async fn the_mistakes_of_the_first_ten_minutes_are_answered_with_their_cure() {
    let nobody = Cli::new().set("HOOKGATE_URL", "http://127.0.0.1:1");
    let refused = nobody.run(&["send", "a.b", "--data", "{}"]).await.refused();
    assert!(refused.contains("hookgate serve"), "{refused}");

    let gateway = Gateway::fresh().await;
    let wrong = Cli::new()
        .set("HOOKGATE_URL", gateway.url())
        .set("HOOKGATE_API_KEY", "hgk_mistyped");
    let refused = wrong.run(&["events", "list"]).await.refused();
    assert!(
        refused.contains("cure:") && refused.contains("HOOKGATE_API_KEY"),
        "{refused}"
    );
    let no_key = Cli::new().set("HOOKGATE_URL", gateway.url());
    let refused = no_key.run(&["events", "list"]).await.refused();
    assert!(refused.contains("HOOKGATE_API_KEY"), "{refused}");

    let cli = Cli::of(&gateway);
    for (words, cure) in [
        (&["send", "a.b", "--data", "{not json"][..], "JSON"),
        (&["send", "", "--data", "{}"], "type"),
        (
            &["subscriptions", "create", "a.*", "--to", "localhost:9000"],
            "http",
        ),
        (&["subscriptions", "get", "sub_9999999"], "no such"),
        (&["plugin", "push", "nothing.wasm"], "nothing.wasm"),
        (&["subcriptions", "list"], "subscriptions"),
    ] {
        let refused = cli.run(words).await.refused();
        assert!(refused.contains(cure), "{words:?}: {refused}");
        assert!(!refused.contains("panicked"), "{words:?}: {refused}");
    }
    let refused = cli.run(&["send", "a.b", "--data", "{bad"]).await.refused();
    let reason = "key must be a string";
    assert_eq!(refused.matches(reason).count(), 1, "told once: {refused}");
    for (variable, value, cure) in [
        ("HOOKGATE_LISTEN", "8080", "127.0.0.1:8080"),
        ("DATABASE_URL", "localhost/hookgate", "postgres://"),
        ("HOOKGATE_MASTER_KEY", "short", "32"),
        ("HOOKGATE_RETENTION", "1h", "1d"),
        ("HOOKGATE_RETRY_SCHEDULE", "soon", "soon"),
    ] {
        let refused = Cli::new()
            .set(variable, value)
            .run(&["serve"])
            .await
            .refused();
        assert!(
            refused.contains(variable) && refused.contains(cure),
            "{variable}: {refused}"
        );
    }
    let taken = gateway.address();
    let refused = Cli::new()
        .set("HOOKGATE_LISTEN", taken)
        .run(&["serve"])
        .await
        .refused();
    assert!(
        refused.contains("is it taken") && refused.contains("HOOKGATE_LISTEN"),
        "{refused}"
    );
}
