//! The plugin folder: a file `NAME.wasm` becomes the shared plugin NAME when it appears or changes.
//!
//! A hint from the system and a poll lead to the same look. A file is read when two looks found it
//! unchanged, and taken when it has not changed while it was read, so half a file is never taken for
//! a whole one. A file that is refused leaves the last good version serving; one that vanishes is no
//! news.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use hookgate_plugin_host::{Digest, Refusal};
use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::Plugins;
use super::folder_memory::FolderMemory;
use super::publish::{Publication, PublishError};
use super::records::RefusedFile;
use crate::domain::plugin::{ComponentDigest, PluginName, PluginOwner};
use crate::store::catalog::Catalog;
use crate::store::plugins::{Activation, PluginKey, PluginStoreError};

/// Time between two looks at a file that has just changed.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// Longest time that a change stays unseen where the system gives no hint.
const POLL: Duration = Duration::from_secs(2);
const ENDING: &str = ".wasm";

/// Where the folder is, and where this node remembers what it took.
#[derive(Clone, Debug)]
pub struct FolderPlaces {
    pub folder: PathBuf,
    pub memory: PathBuf,
}

/// The plugin folder of this node.
#[derive(Debug)]
pub struct Folder {
    plugins: Plugins,
    folder: PathBuf,
    memory: FolderMemory,
    files: HashMap<OsString, Looked>,
}

/// What a look at the folder left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Every file has been dealt with.
    Settled,
    /// A file has just changed: look again soon.
    Settling,
}

/// Tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size_bytes: u64,
    modified_at: (i64, i64),
    changed_at: (i64, i64),
}

#[derive(Clone, Copy, Debug)]
struct Looked {
    stamp: Stamp,
    is_done: bool,
}

/// What to do about a file now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Nothing,
    Wait,
    Read,
}

impl Folder {
    /// Makes the folder where it is missing.
    ///
    /// # Errors
    /// Where the folder can neither be found nor made.
    pub fn open(plugins: Plugins, places: FolderPlaces) -> io::Result<Self> {
        std::fs::create_dir_all(&places.folder)?;
        Ok(Self {
            plugins,
            folder: places.folder,
            memory: FolderMemory::open(places.memory),
            files: HashMap::new(),
        })
    }

    /// Looks until `stop`. Files that are there already count as having just appeared.
    pub async fn run(mut self, stop: CancellationToken) {
        let (hint, mut hints) = mpsc::channel(1);
        let _watcher = watch(&self.folder, hint.clone());
        while !stop.is_cancelled() {
            let wait = match self.look().await {
                Look::Settled => POLL,
                Look::Settling => DEBOUNCE,
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
                _ = hints.recv() => tokio::time::sleep(DEBOUNCE).await,
            }
        }
    }

    /// Looks at each file once, and takes what has settled.
    pub async fn look(&mut self) -> Look {
        let found = match stamps(&self.folder) {
            Ok(found) => found,
            Err(error) => {
                // Vanished is no news; the versions that came from it go on.
                warn!(error = %error, "plugin folder cannot be read");
                return Look::Settled;
            }
        };
        self.files.retain(|file, _| found.contains_key(file));
        let mut look = Look::Settled;
        for (file, stamp) in found {
            match next(self.files.get(&file), stamp) {
                Next::Nothing => {}
                Next::Wait => {
                    look = Look::Settling;
                    let is_done = false;
                    self.files.insert(file, Looked { stamp, is_done });
                }
                Next::Read => {
                    let is_done = self.take(&file, stamp).await;
                    self.files.insert(file, Looked { stamp, is_done });
                }
            }
        }
        look
    }

    /// Whether the file has been dealt with; otherwise it is tried again with the next look.
    async fn take(&mut self, file: &OsString, stamp: Stamp) -> bool {
        let Some(name) = plugin_name(file) else {
            self.plugins.metrics.plugin_reloads_failed.inc();
            warn!(
                plugin.file = %file.to_string_lossy().escape_debug(),
                "plugin file left out: its name is not 1 to 64 characters of a-z 0-9 - that start \
                 with a letter"
            );
            return true;
        };
        let max_bytes = self.plugins.limits.max_component_bytes as u64;
        if stamp.size_bytes > max_bytes {
            let reason = format!(
                "the file has {} bytes, {max_bytes} are allowed",
                stamp.size_bytes
            );
            self.refuse(&name, "too-large", reason);
            return true;
        }
        let path = self.folder.join(file);
        let read = tokio::task::spawn_blocking(move || read_whole(&path, stamp)).await;
        match read.expect("reading a file does not panic") {
            Ok(Some(component)) => self.publish(&name, component).await,
            // It changed meanwhile: the next look sees how.
            Ok(None) => false,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => {
                self.refuse(&name, "unreadable", error.to_string());
                true
            }
        }
    }

    async fn publish(&mut self, name: &PluginName, component: Bytes) -> bool {
        let digest = ComponentDigest(*Digest::of(&component).as_bytes());
        let key = key(name);
        if self.memory.is_last(name, digest) {
            self.plugins.records.note_file(&key, None);
            return true;
        }
        let activation = if self.memory.knows(name) {
            Activation::Now
        } else {
            Activation::IfNew
        };
        let publication = Publication {
            key: key.clone(),
            owner: PluginOwner::Folder,
            component,
            activation,
        };
        match self.plugins.publish(publication).await {
            Ok(_) => {
                self.memory.note(name, digest);
                self.plugins.records.note_file(&key, None);
                true
            }
            Err(PublishError::Refused(refused)) => {
                self.refuse(name, refused.reason.as_str(), refused.to_string());
                refused.reason != Refusal::Unavailable
            }
            Err(PublishError::Store(PluginStoreError::Owned(owner))) => {
                let reason = format!(
                    "the name belongs to {}; rename the file, or delete that plugin first",
                    owner.as_str()
                );
                self.refuse(name, "owned", reason);
                true
            }
            Err(PublishError::Store(error)) => {
                error!(plugin.name = %name, error = %error, "plugin file could not be stored yet");
                false
            }
        }
    }

    fn refuse(&self, name: &PluginName, kind: &'static str, reason: String) {
        self.plugins.metrics.plugin_reloads_failed.inc();
        warn!(
            plugin.name = %name,
            plugin.refusal = kind,
            reason = %reason,
            "plugin file refused; the version before it goes on"
        );
        let at = self.plugins.registry.clock().now();
        let refused = RefusedFile { at, kind, reason };
        self.plugins.records.note_file(&key(name), Some(refused));
    }
}

fn key(name: &PluginName) -> PluginKey {
    PluginKey {
        tenant: Catalog::SHARED,
        name: name.clone(),
    }
}

fn next(before: Option<&Looked>, stamp: Stamp) -> Next {
    match before {
        Some(looked) if looked.stamp == stamp && looked.is_done => Next::Nothing,
        Some(looked) if looked.stamp == stamp => Next::Read,
        _ => Next::Wait,
    }
}

fn plugin_name(file: &OsString) -> Option<PluginName> {
    file.to_str()?.strip_suffix(ENDING)?.parse().ok()
}

/// Regular files that end in `.wasm`, links to them included; hidden ones are somebody's work under
/// way.
fn stamps(folder: &Path) -> io::Result<HashMap<OsString, Stamp>> {
    let mut stamps = HashMap::new();
    for entry in std::fs::read_dir(folder)? {
        let file = entry?.file_name();
        let bytes = file.as_encoded_bytes();
        if !bytes.ends_with(ENDING.as_bytes()) || bytes.starts_with(b".") {
            continue;
        }
        // One that has just vanished is no news.
        let Ok(metadata) = std::fs::metadata(folder.join(&file)) else {
            continue;
        };
        if metadata.is_file() {
            stamps.insert(file, Stamp::of(&metadata));
        }
    }
    Ok(stamps)
}

/// None where the file changed since it was stamped, or while it was read.
fn read_whole(path: &Path, stamp: Stamp) -> io::Result<Option<Bytes>> {
    let mut file = std::fs::File::open(path)?;
    let mut bytes = Vec::with_capacity(usize::try_from(stamp.size_bytes).unwrap_or(0));
    // One byte more than expected is enough to know that it grew.
    (&mut file)
        .take(stamp.size_bytes + 1)
        .read_to_end(&mut bytes)?;
    let is_same = Stamp::of(&file.metadata()?) == stamp
        && Stamp::of(&std::fs::metadata(path)?) == stamp
        && bytes.len() as u64 == stamp.size_bytes;
    Ok(is_same.then(|| bytes.into()))
}

impl Stamp {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size_bytes: metadata.len(),
            modified_at: (metadata.mtime(), metadata.mtime_nsec()),
            changed_at: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Hints only: without them, the poll finds everything.
fn watch(folder: &Path, hint: mpsc::Sender<()>) -> Option<notify::RecommendedWatcher> {
    let told = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Our own looks open the folder and its files; that is nobody's change.
        let is_own_look = matches!(&event, Ok(event) if matches!(event.kind, EventKind::Access(kind)
            if kind != AccessKind::Close(AccessMode::Write)));
        if !is_own_look {
            // A full channel holds a hint already.
            let _ = hint.try_send(());
        }
    })
    .and_then(|mut watcher| {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    told.inspect_err(|error| warn!(error = %error, "plugin folder is polled, not watched"))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_when_two_looks_found_it_unchanged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("skinny.wasm");
        let file = OsString::from("skinny.wasm");
        let stamp = || stamps(folder.path()).unwrap()[&file];

        std::fs::write(&path, b"half").unwrap();
        let half = stamp();
        assert_eq!(next(None, half), Next::Wait);
        let looked = |stamp, is_done| Looked { stamp, is_done };
        assert_eq!(next(Some(&looked(half, false)), half), Next::Read);

        std::fs::write(&path, b"half and the rest").unwrap();
        assert_eq!(next(Some(&looked(half, false)), stamp()), Next::Wait);
        assert_eq!(read_whole(&path, half).unwrap(), None, "changed since");
        let whole = read_whole(&path, stamp()).unwrap().unwrap();
        assert_eq!(whole, &b"half and the rest"[..]);
        assert_eq!(next(Some(&looked(stamp(), true)), stamp()), Next::Nothing);
    }

    #[test]
    fn a_file_of_the_same_size_that_is_moved_over_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a.wasm"), folder.path().join("b"));
        std::fs::write(&path, b"one").unwrap();
        std::fs::write(&other, b"two").unwrap();
        let before = stamps(folder.path()).unwrap()[&OsString::from("a.wasm")];
        std::fs::rename(&other, &path).unwrap();
        let after = stamps(folder.path()).unwrap()[&OsString::from("a.wasm")];
        assert_ne!(before, after);
    }

    #[test]
    fn only_files_with_a_plugins_name_are_taken() {
        for (file, name) in [
            ("skinny.wasm", Some("skinny")),
            ("Skinny.wasm", None),
            (".wasm", None),
            ("a b.wasm", None),
            ("skinny.wasm.tmp", None),
        ] {
            let found = plugin_name(&file.into());
            assert_eq!(found.as_ref().map(PluginName::as_str), name, "{file}");
        }
        let folder = tempfile::tempdir().unwrap();
        for file in [".hidden.wasm", "notes.txt", "a.wasm.part"] {
            std::fs::write(folder.path().join(file), b"").unwrap();
        }
        std::fs::create_dir(folder.path().join("dir.wasm")).unwrap();
        assert_eq!(stamps(folder.path()).unwrap(), HashMap::new());
    }
}
