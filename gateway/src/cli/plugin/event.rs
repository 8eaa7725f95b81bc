//! What `run` and `bench` show to a plugin: an event, a pair or a request, and a config.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use hookgate_plugin_golden::Setting;

use super::place::Plugin;

/// The sample that a new project brings.
const SAMPLE: &str = "event.json";

/// The question and its config, as arguments.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct EventArgs {
    /// An event as for `POST /v1/events`, a pair `{"earlier", "later"}`, a request `{"method", …}`,
    /// or a case of a golden file; `-` reads standard input. A project's own event.json where it is
    /// left out
    #[arg(long, value_name = "FILE|-")]
    pub(super) event: Option<PathBuf>,
    /// The subscription's config for it
    #[arg(long, value_name = "JSON|FILE")]
    pub(super) config: Option<String>,
}

impl EventArgs {
    pub(super) fn setting(&self, plugin: &Plugin) -> anyhow::Result<Setting> {
        let (place, text) = self.text(&plugin.folder)?;
        let mut setting =
            Setting::read(&text).map_err(|flaw| anyhow::anyhow!("{place}: {flaw}"))?;
        if let Some(config) = self.config()? {
            setting.config = config;
        }
        Ok(setting)
    }

    /// The question's text, and what to call it.
    pub(super) fn text(&self, folder: &Path) -> anyhow::Result<(String, String)> {
        if self.event.as_deref() == Some(Path::new("-")) {
            let text = std::io::read_to_string(std::io::stdin());
            let text = text.context("standard input could not be read")?;
            return Ok(("standard input".to_owned(), text));
        }
        let sample = folder.join(SAMPLE);
        let file = match &self.event {
            Some(file) => file,
            None if sample.is_file() => &sample,
            None => bail!(
                "no event to show: {} is not there\n  cure: --event FILE, or --event - to read \
                 one from standard input",
                sample.display()
            ),
        };
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("could not read {}", file.display()))?;
        Ok((file.display().to_string(), text))
    }

    /// As the gateway hands it on: read and written anew.
    pub(super) fn config(&self) -> anyhow::Result<Option<Arc<str>>> {
        self.config.as_deref().map(config).transpose()
    }
}

fn config(given: &str) -> anyhow::Result<Arc<str>> {
    let inline = serde_json::from_str::<serde_json::Value>(given);
    let looks_inline = given.trim_start().starts_with(['{', '[']);
    let value = match inline {
        Ok(value) => value,
        Err(error) if looks_inline => bail!("--config is not JSON: {error}"),
        Err(_) => {
            let text = std::fs::read_to_string(given)
                .with_context(|| format!("--config is neither JSON nor a file: {given}"))?;
            serde_json::from_str(&text).with_context(|| format!("{given} is not JSON"))?
        }
    };
    Ok(value.to_string().into())
}
