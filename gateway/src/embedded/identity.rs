//! As whom Postgres runs, since it refuses to run as root.
//!
//! An ordinary user runs it as himself. For root a user namespace keeps the files root's own; where
//! namespaces are forbidden (many containers) an unprivileged account takes over.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;

use super::{EmbeddedError, sys};

/// A numeric user and group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    pub uid: u32,
    pub gid: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Whoever runs the gateway.
    Own,
    /// Root outside, this account inside a user namespace.
    Namespace(Account),
    /// Root drops to this account.
    Account(Account),
}

impl Identity {
    /// # Errors
    /// Where root has neither a user namespace nor an account to drop to.
    pub fn choose(postgres: &Path) -> Result<Self, EmbeddedError> {
        if sys::effective_uid() != 0 {
            return Ok(Self::Own);
        }
        let accounts = Accounts::read();
        accounts
            .for_namespace()
            .map(Self::Namespace)
            .filter(|identity| identity.works_with(postgres))
            .or_else(|| {
                accounts
                    .to_drop_to()
                    .map(Self::Account)
                    .filter(|identity| identity.works_with(postgres))
            })
            .ok_or(EmbeddedError::Root)
    }

    /// A command that runs `program` as this identity; its process id is the program's own.
    #[must_use]
    pub fn command(self, program: &Path) -> Command {
        match self {
            Self::Own => Command::new(program),
            Self::Namespace(Account { uid, gid }) => {
                let mut command = Command::new("unshare");
                command
                    .arg("--user")
                    .arg(format!("--map-user={uid}"))
                    .arg(format!("--map-group={gid}"));
                command.arg("--").arg(program);
                command
            }
            Self::Account(Account { uid, gid }) => {
                let mut command = Command::new(program);
                command.uid(uid).gid(gid);
                command
            }
        }
    }

    /// Makes `path` and all below it this identity's, where somebody else owns it now.
    pub(super) fn take_over(self, path: &Path) -> io::Result<()> {
        let (uid, gid) = match self {
            Self::Account(account) => (account.uid, account.gid),
            Self::Own => return Ok(()),
            Self::Namespace(_) => (0, 0),
        };
        if fs::symlink_metadata(path)?.uid() == uid {
            Ok(())
        } else {
            chown_all(path, uid, gid)
        }
    }

    /// Whether every folder on the way to `path` lets this identity through.
    #[must_use]
    pub(super) fn can_reach(self, path: &Path) -> bool {
        !matches!(self, Self::Account(_))
            || path.ancestors().all(|folder| {
                fs::metadata(folder)
                    .map_or(true, |metadata| metadata.permissions().mode() & 0o001 != 0)
            })
    }

    fn works_with(self, postgres: &Path) -> bool {
        let mut probe = self.command(postgres);
        probe
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    }
}

/// As an argument of the supervisor: `own`, `namespace:101:104`, `account:101:104`.
impl FromStr for Identity {
    type Err = UnknownIdentity;

    fn from_str(text: &str) -> Result<Self, UnknownIdentity> {
        let unknown = || UnknownIdentity(text.to_owned());
        if text == "own" {
            return Ok(Self::Own);
        }
        let (kind, ids) = text.split_once(':').ok_or_else(unknown)?;
        let (uid, gid) = ids.split_once(':').ok_or_else(unknown)?;
        let account = Account {
            uid: uid.parse().map_err(|_| unknown())?,
            gid: gid.parse().map_err(|_| unknown())?,
        };
        match kind {
            "namespace" => Ok(Self::Namespace(account)),
            "account" => Ok(Self::Account(account)),
            _ => Err(unknown()),
        }
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Own => f.write_str("own"),
            Self::Namespace(Account { uid, gid }) => write!(f, "namespace:{uid}:{gid}"),
            Self::Account(Account { uid, gid }) => write!(f, "account:{uid}:{gid}"),
        }
    }
}

#[derive(Clone, Debug, thiserror::Error)]
#[error("{0:?} is not an identity: own, namespace:UID:GID or account:UID:GID")]
pub struct UnknownIdentity(String);

/// The lines of `/etc/passwd`.
struct Accounts(Vec<(String, Account)>);

impl Accounts {
    fn read() -> Self {
        Self::parse(&fs::read_to_string("/etc/passwd").unwrap_or_default())
    }

    fn parse(passwd: &str) -> Self {
        let account = |line: &str| {
            let mut fields = line.split(':');
            let (name, _, uid, gid) = (
                fields.next()?,
                fields.next()?,
                fields.next()?,
                fields.next()?,
            );
            Some((
                name.to_owned(),
                Account {
                    uid: uid.parse().ok()?,
                    gid: gid.parse().ok()?,
                },
            ))
        };
        Self(
            passwd
                .lines()
                .filter_map(account)
                .filter(|(_, account)| account.uid != 0)
                .collect(),
        )
    }

    fn named(&self, name: &str) -> Option<Account> {
        self.0
            .iter()
            .find(|(candidate, _)| candidate == name)
            .map(|(_, account)| *account)
    }

    /// Inside a namespace any account will do, but initdb insists on one with a name; 65534 is
    /// what foreign files look like in there, hence not it.
    fn for_namespace(&self) -> Option<Account> {
        let first = || {
            self.0
                .iter()
                .map(|(_, account)| *account)
                .find(|account| account.uid != 65534)
        };
        self.named("postgres").or_else(first)
    }

    fn to_drop_to(&self) -> Option<Account> {
        ["hookgate", "postgres", "nobody"]
            .into_iter()
            .find_map(|name| self.named(name))
    }
}

fn chown_all(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            chown_all(&entry?.path(), uid, gid)?;
        }
        return chown(path, Some(uid), Some(gid));
    }
    std::os::unix::fs::lchown(path, Some(uid), Some(gid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_survives_the_command_line() {
        for text in ["own", "namespace:101:104", "account:65534:65534"] {
            assert_eq!(text.parse::<Identity>().unwrap().to_string(), text);
        }
        assert!("root:0:0".parse::<Identity>().is_err());
    }

    #[test]
    fn the_namespace_wants_an_account_with_a_name_that_is_not_the_overflow_one() {
        let bare = Accounts::parse(
            "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\nbin:x:2:3::/:/bin/sh\n",
        );
        assert_eq!(bare.for_namespace(), Some(Account { uid: 2, gid: 3 }));
        assert_eq!(
            bare.to_drop_to(),
            Some(Account {
                uid: 65534,
                gid: 65534
            })
        );
    }
}
