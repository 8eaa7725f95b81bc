//! Tells when a project's sources change, and is deaf to what a build writes.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// An editor writes several files, and each in several steps.
const QUIET: Duration = Duration::from_millis(150);
/// Folders that builds and tools write to.
const NOT_SOURCES: [&str; 6] = [
    "target",
    "node_modules",
    "__pycache__",
    ".git",
    "build",
    "dist",
];

pub(super) struct Changes {
    changed: mpsc::Receiver<()>,
    _watcher: RecommendedWatcher,
}

impl Changes {
    pub(super) fn of(folder: &Path) -> anyhow::Result<Self> {
        // One is enough to know that something changed.
        let (sender, changed) = mpsc::channel(1);
        let root = folder.to_owned();
        let tell = move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| is_of_sources(&root, &event)) {
                let _ = sender.try_send(());
            }
        };
        let mut watcher =
            notify::recommended_watcher(tell).context("changes cannot be watched here")?;
        watcher
            .watch(folder, RecursiveMode::Recursive)
            .with_context(|| format!("{} cannot be watched", folder.display()))?;
        Ok(Self {
            changed,
            _watcher: watcher,
        })
    }

    /// What changed so far is in the build that begins now.
    pub(super) fn forget(&mut self) {
        while self.changed.try_recv().is_ok() {}
    }

    /// Waits for a change, and then for a moment without any.
    pub(super) async fn next(&mut self) -> anyhow::Result<()> {
        self.changed
            .recv()
            .await
            .context("the watcher of the file system has ended")?;
        while tokio::time::timeout(QUIET, self.changed.recv())
            .await
            .is_ok()
        {}
        Ok(())
    }
}

fn is_of_sources(root: &Path, event: &Event) -> bool {
    !matches!(event.kind, EventKind::Access(_))
        && event.paths.iter().any(|path| is_source(root, path))
}

fn is_source(root: &Path, path: &Path) -> bool {
    let inner: PathBuf = path.strip_prefix(root).unwrap_or(path).to_owned();
    let is_made = inner.components().any(|part| match part {
        Component::Normal(name) => {
            let name = name.to_string_lossy();
            NOT_SOURCES.contains(&&*name) || name.starts_with('.') || name.ends_with('~')
        }
        _ => false,
    });
    let is_component = inner
        .extension()
        .is_some_and(|end| end == "wasm" || end == "part");
    let is_lock = inner.file_name().is_some_and(|name| name == "Cargo.lock");
    !is_made && !is_component && !is_lock
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_build_writes_is_no_change() {
        let root = Path::new("/p");
        for path in [
            "src/lib.rs",
            "plugin.toml",
            "tests/a.json",
            "sdk/src/lib.rs",
        ] {
            assert!(is_source(root, &root.join(path)), "{path}");
        }
        for path in [
            "p.wasm",
            ".p.wasm.part",
            "target/guests/x",
            "node_modules/a/b.js",
            ".git/index",
            "src/.lib.rs.swp",
            "src/lib.rs~",
            "Cargo.lock",
        ] {
            assert!(!is_source(root, &root.join(path)), "{path}");
        }
    }
}
