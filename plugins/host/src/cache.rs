//! Keeps machine code between starts, in a folder that only this user can read.
//!
//! wasmtime checks who made an artefact, not whether somebody changed it since. So
//! every file carries a MAC over its name and content, under a key made at first
//! start; whatever does not verify is deleted and compiled anew. Nothing in here is
//! ever sent elsewhere or taken from elsewhere.

use crate::digest::Digest;
use crate::load::TrustedArtefact;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tracing::warn;

const KEY_BYTES: usize = 32;
const MAC_BYTES: usize = 32;
const KEY_FILE: &str = "key";

/// The folder and its key.
pub(crate) struct ArtefactCache {
    folder: PathBuf,
    key: [u8; KEY_BYTES],
}

/// An artefact is for one component and one engine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ArtefactName {
    pub(crate) digest: Digest,
    pub(crate) fingerprint: u64,
}

impl ArtefactName {
    fn file_name(self) -> String {
        format!("{}-{:016x}.cwasm", self.digest, self.fingerprint)
    }
}

/// What a look into the cache brought.
pub(crate) enum Lookup {
    Hit(TrustedArtefact),
    Miss,
    /// Something was there and did not verify; it is gone now.
    Spoiled,
}

impl ArtefactCache {
    /// Makes the folder (mode 0700) and the key (mode 0600) where they are missing.
    pub(crate) fn open(folder: PathBuf) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        // It may have been there before, and open to others.
        fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
        let key = match read_key(&folder.join(KEY_FILE))? {
            Some(key) => key,
            None => make_key(&folder)?,
        };
        Ok(Self { folder, key })
    }

    /// Looks `name` up. Files above `max_bytes` count as spoiled.
    pub(crate) fn load(&self, name: ArtefactName, max_bytes: usize) -> Lookup {
        let path = self.folder.join(name.file_name());
        let mut content = match read_bounded(&path, max_bytes + MAC_BYTES) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Lookup::Miss,
            Err(error) => return self.spoiled(&path, &error.to_string()),
        };
        let Some((tag, code)) = content.split_first_chunk::<MAC_BYTES>() else {
            return self.spoiled(&path, "the file is too short");
        };
        if self.mac(name, code).verify_slice(tag).is_err() {
            return self.spoiled(&path, "the file was changed");
        }
        content.drain(..MAC_BYTES);
        Lookup::Hit(TrustedArtefact(content))
    }

    /// Stores `artefact` so that a crash leaves all of it or nothing.
    pub(crate) fn store(&self, name: ArtefactName, artefact: &TrustedArtefact) -> io::Result<()> {
        let tag = self.mac(name, &artefact.0).finalize().into_bytes();
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(&tag)?;
        file.write_all(&artefact.0)?;
        file.as_file().sync_all()?;
        file.persist(self.folder.join(name.file_name()))
            .map_err(|error| error.error)?;
        File::open(&self.folder)?.sync_all()
    }

    fn mac(&self, name: ArtefactName, code: &[u8]) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        // The name too, so that one plugin's code can't be put in another's place.
        mac.update(name.file_name().as_bytes());
        mac.update(code);
        mac
    }

    fn spoiled(&self, path: &Path, reason: &str) -> Lookup {
        warn!(artefact.path = %path.display(), reason, "cached plugin code does not verify; compiling anew");
        if let Err(error) = fs::remove_file(path) {
            warn!(artefact.path = %path.display(), %error, "cached plugin code could not be removed");
        }
        Lookup::Spoiled
    }
}

fn read_bounded(path: &Path, max_bytes: usize) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut content = Vec::new();
    file.take(max_bytes as u64 + 1).read_to_end(&mut content)?;
    if content.len() > max_bytes {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "the file is too large",
        ));
    }
    Ok(content)
}

fn read_key(path: &Path) -> io::Result<Option<[u8; KEY_BYTES]>> {
    let content = match read_bounded(path, KEY_BYTES) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    // A key of another length is no key: with a new one, old artefacts are spoiled.
    Ok(content.try_into().ok())
}

fn make_key(folder: &Path) -> io::Result<[u8; KEY_BYTES]> {
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    let draft = folder.join(format!("{KEY_FILE}.{}", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(&key)?;
    file.sync_all()?;
    fs::rename(&draft, folder.join(KEY_FILE))?;
    File::open(folder)?.sync_all()?;
    Ok(key)
}

impl std::fmt::Debug for ArtefactCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArtefactCache")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}
