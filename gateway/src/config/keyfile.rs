//! Keys that Hookgate makes for its embedded database and keeps in the data folder, for the owner's
//! eyes only.
//!
//! Randomness comes in as bytes; a key once written is never replaced.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::secret::{MasterKey, Secret};

/// Where one key is kept.
#[derive(Clone, Debug)]
pub struct KeyFile {
    path: PathBuf,
}

/// A key, and whether it is new and should be shown this once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept<Key> {
    pub key: Key,
    pub is_new: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("{} could not be read or made: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} may be read by others; `chmod 600` it", path.display())]
    OpenToOthers { path: PathBuf },
    #[error("{} does not hold a key", path.display())]
    NotAKey { path: PathBuf },
}

impl KeyFile {
    #[must_use]
    pub fn admin(data_dir: &Path) -> Self {
        Self {
            path: data_dir.join("admin.key"),
        }
    }

    #[must_use]
    pub fn master(data_dir: &Path) -> Self {
        Self {
            path: data_dir.join("master.key"),
        }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The admin key that is kept here, or a new one of `random`.
    ///
    /// # Errors
    /// Where the file cannot be used, or others may read it.
    pub fn admin_key(&self, random: &[u8; 32]) -> Result<Kept<Secret>, KeyFileError> {
        let kept = self.keep(&format!("hgk_{}", URL_SAFE_NO_PAD.encode(random)))?;
        Ok(Kept {
            key: Secret::new(&kept.key),
            is_new: kept.is_new,
        })
    }

    /// The master key that is kept here, or a new one of `random`.
    ///
    /// # Errors
    /// Where the file cannot be used, others may read it, or it holds no master key.
    pub fn master_key(&self, random: &[u8; 32]) -> Result<Kept<MasterKey>, KeyFileError> {
        let kept = self.keep(&STANDARD.encode(random))?;
        let key = MasterKey::parse(&kept.key).map_err(|_| KeyFileError::NotAKey {
            path: self.path.clone(),
        })?;
        Ok(Kept {
            key,
            is_new: kept.is_new,
        })
    }

    fn keep(&self, new: &str) -> Result<Kept<String>, KeyFileError> {
        let failed = |source| KeyFileError::File {
            path: self.path.clone(),
            source,
        };
        match self.read()? {
            Some(key) => Ok(Kept { key, is_new: false }),
            None if self.write(new).map_err(failed)? => Ok(Kept {
                key: new.to_owned(),
                is_new: true,
            }),
            // Another process was faster.
            None => self
                .read()?
                .map(|key| Kept { key, is_new: false })
                .ok_or_else(|| failed(io::ErrorKind::NotFound.into())),
        }
    }

    fn read(&self) -> Result<Option<String>, KeyFileError> {
        let failed = |source| KeyFileError::File {
            path: self.path.clone(),
            source,
        };
        let text = match fs::read_to_string(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(failed)?,
        };
        if fs::metadata(&self.path)
            .map_err(failed)?
            .permissions()
            .mode()
            & 0o077
            != 0
        {
            return Err(KeyFileError::OpenToOthers {
                path: self.path.clone(),
            });
        }
        match text.trim() {
            "" => Err(KeyFileError::NotAKey {
                path: self.path.clone(),
            }),
            key => Ok(Some(key.to_owned())),
        }
    }

    /// Whole or not at all, on disk when this returns. False where there is one already.
    fn write(&self, key: &str) -> io::Result<bool> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        // Made with mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        writeln!(file, "{key}")?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(&self.path) {
            Ok(_file) => File::open(folder)?.sync_all().map(|()| true),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error.error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept_for_the_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let first = KeyFile::admin(&data_dir).admin_key(&[1; 32]).unwrap();
        let second = KeyFile::admin(&data_dir).admin_key(&[2; 32]).unwrap();
        assert!(first.is_new && !second.is_new);
        assert_eq!(first.key, second.key);

        let path = data_dir.join("admin.key");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = KeyFile::admin(&data_dir).admin_key(&[3; 32]).unwrap_err();
        assert!(refused.to_string().ends_with("`chmod 600` it"), "{refused}");
    }

    #[test]
    fn a_master_key_comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::master(folder.path());
        assert_eq!(file.master_key(&[7; 32]).unwrap().key.bytes(), &[7; 32]);
        assert_eq!(file.master_key(&[8; 32]).unwrap().key.bytes(), &[7; 32]);
        fs::write(file.path(), "not a key\n").unwrap();
        assert!(matches!(
            file.master_key(&[8; 32]),
            Err(KeyFileError::NotAKey { .. })
        ));
    }
}
