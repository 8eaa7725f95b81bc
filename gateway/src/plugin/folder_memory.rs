//! What this node last took from the plugin folder, kept over restarts.
//!
//! A node publishes a file only when it is another than the one it took last. Without this memory a
//! restart would undo a roll-back, and nodes with different folders would fight.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::PathBuf;

use data_encoding::HEXLOWER;
use tracing::warn;

use crate::domain::plugin::{ComponentDigest, PluginName};

/// One file in the data folder: names and digests as JSON.
#[derive(Debug)]
pub struct FolderMemory {
    path: PathBuf,
    taken: BTreeMap<PluginName, String>,
}

impl FolderMemory {
    /// Reads the memory; one that is missing or spoilt counts as empty, and the worst that follows
    /// is that components are checked again.
    #[must_use]
    pub fn open(path: PathBuf) -> Self {
        let taken = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                warn!(error = %error, "memory of the plugin folder is spoilt and begins anew");
                BTreeMap::new()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                warn!(error = %error, "memory of the plugin folder cannot be read");
                BTreeMap::new()
            }
        };
        Self { path, taken }
    }

    /// Whether a file of this name was ever taken.
    #[must_use]
    pub fn knows(&self, name: &PluginName) -> bool {
        self.taken.contains_key(name)
    }

    /// Whether `digest` is what was taken last.
    #[must_use]
    pub fn is_last(&self, name: &PluginName, digest: ComponentDigest) -> bool {
        self.taken
            .get(name)
            .is_some_and(|last| *last == HEXLOWER.encode(&digest.0))
    }

    /// Written beside the old file and moved over it, so that no crash leaves half a memory.
    pub fn note(&mut self, name: &PluginName, digest: ComponentDigest) {
        self.taken.insert(name.clone(), HEXLOWER.encode(&digest.0));
        if let Err(error) = self.save() {
            warn!(error = %error, "memory of the plugin folder cannot be written");
        }
    }

    fn save(&self) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(std::path::Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&mut file, &self.taken)?;
        file.flush()?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_remembers_and_a_spoilt_memory_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plugins-seen.json");
        let name: PluginName = "skinny".parse().unwrap();
        let digest = ComponentDigest([5; 32]);

        let mut memory = FolderMemory::open(path.clone());
        assert!(!memory.knows(&name));
        memory.note(&name, digest);

        let memory = FolderMemory::open(path.clone());
        assert!(memory.knows(&name) && memory.is_last(&name, digest));
        assert!(!memory.is_last(&name, ComponentDigest([6; 32])));

        std::fs::write(&path, b"{\"skinny\":").unwrap();
        assert!(!FolderMemory::open(path).knows(&name));
    }
}
