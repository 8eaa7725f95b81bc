//! A real browser, driven by the journeys in `tests/browser`: Chromium and the two packages that
//! drive and judge it. Where one of them is missing there is no browser, and a test says so.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use crate::gateway::{ADMIN_KEY, Gateway};
use crate::tool;

/// A whole journey on a busy machine.
const PATIENCE: Duration = Duration::from_secs(900);

/// Where the browser and its packages are.
#[derive(Clone, Debug)]
pub struct Browser {
    chromium: PathBuf,
    packages: PathBuf,
}

impl Browser {
    /// None where something is missing; says in one line what.
    #[must_use]
    pub fn find() -> Option<Self> {
        let packages = std::env::var_os("HOOKGATE_BROWSER").map(PathBuf::from);
        let Some(packages) = packages.filter(|folder| folder.join("node_modules").is_dir()) else {
            tool::left_out("HOOKGATE_BROWSER names no folder with playwright-core and axe-core");
            return None;
        };
        let chromium = tool::found("chromium", "apt-get install chromium")?;
        tool::found("node", "apt-get install nodejs")?;
        Some(Self { chromium, packages })
    }

    /// Runs `tests/browser/NAME.mjs` against a gateway, and hands over what it printed.
    ///
    /// # Panics
    /// Where the journey fails, with what it printed.
    pub async fn journey(&self, name: &str, gateway: &Gateway, scene: &Value) -> String {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let script = folder.join("browser").join(format!("{name}.mjs"));
        // Beside the packages, hence in the target folder: kept to be looked at.
        let pictures = self.packages.join("pictures").join(name);
        let running = Command::new("node")
            .arg(script)
            .env("HOOKGATE_BROWSER", &self.packages)
            .env("CHROMIUM", &self.chromium)
            .env("GATEWAY_URL", gateway.url())
            .env("GATEWAY_KEY", ADMIN_KEY)
            .env("SCENE", scene.to_string())
            .env("PICTURES", pictures)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let ran = tokio::time::timeout(PATIENCE, running).await;
        let ran = ran.expect("the journey ends").expect("node can be started");
        let printed = String::from_utf8_lossy(&ran.stdout).into_owned();
        let complaints = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{name}:\n{printed}\n{complaints}");
        printed
    }
}
