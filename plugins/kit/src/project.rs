//! What a plugin's folder says about it: `plugin.toml`.
//!
//! A folder with a `Cargo.toml` and no `plugin.toml` is a Rust plugin too. It refuses unknown
//! keys, languages and exports by name: a misspelt one would otherwise be ignored in silence.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;

/// The file that makes a folder a plugin's.
pub const MANIFEST: &str = "plugin.toml";

/// A plugin's source, not built yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// A plugin's name, as the gateway takes it.
    pub name: String,
    /// What it is written in.
    pub language: Language,
    /// What it says it exports; empty for a Rust package without `plugin.toml`, which exports
    /// whatever its source does.
    pub exports: Vec<Export>,
    /// The file that the build starts from, absolute.
    pub source: PathBuf,
    /// The folder, absolute.
    pub dir: PathBuf,
    /// Whether it comes inside Hookgate. Only of interest in Hookgate's own repository.
    pub is_shipped: bool,
}

/// A language that the kit compiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum Language {
    /// By cargo.
    Rust,
    /// On `QuickJS`.
    Js,
    /// As [`Language::Js`], its types stripped.
    Ts,
    /// `CPython`.
    Python,
    /// The standard toolchain.
    Go,
    /// By clang, without a libc.
    C,
}

/// An interface of the contract that a plugin may export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum Export {
    /// Changes, replaces or drops events.
    Transform,
    /// Lets events pass or drops them.
    Filter,
    /// Merges waiting events of one key.
    Fold,
    /// Takes the webhooks of a provider.
    Receiver,
}

/// Why a folder is no plugin.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// No folder, or one without a manifest.
    #[error(
        "{} is no plugin: it has neither plugin.toml nor Cargo.toml. Type: hookgate plugin new NAME",
        dir.display()
    )]
    NoManifest {
        /// The folder that was named.
        dir: PathBuf,
    },
    /// A manifest that can't be used.
    #[error("{}: {reason}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// With its place, where it has one.
        reason: String,
    },
    /// The manifest names a file that is not there.
    #[error("{} is not there: write it, or name another with source = \"…\" in plugin.toml", path.display())]
    NoSource {
        /// The file.
        path: PathBuf,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    name: String,
    language: Language,
    exports: Vec<Export>,
    source: Option<PathBuf>,
    #[serde(default)]
    shipped: bool,
}

#[derive(Deserialize)]
struct CargoManifest {
    package: Option<CargoPackage>,
}

#[derive(Deserialize)]
struct CargoPackage {
    name: String,
}

impl Project {
    /// Reads the manifest in `dir`.
    ///
    /// # Errors
    /// Where there is none, or it names what the kit does not know.
    pub fn read(dir: &Path) -> Result<Self, ProjectError> {
        let none = |_| ProjectError::NoManifest {
            dir: dir.to_owned(),
        };
        let dir = dir.canonicalize().map_err(none)?;
        let path = dir.join(MANIFEST);
        if path.is_file() {
            let text = text(&path)?;
            Self::parse(&text, &dir).map_err(|reason| ProjectError::Manifest { path, reason })
        } else {
            Self::of_cargo(dir)
        }
        .and_then(Self::with_source)
    }

    fn parse(text: &str, dir: &Path) -> Result<Self, String> {
        let manifest: Manifest = toml::from_str(text).map_err(|error| one_line(&error, text))?;
        check_name(&manifest.name)?;
        if manifest.exports.is_empty() {
            return Err(format!(
                "exports is empty: name one or more of {}",
                Export::NAMES
            ));
        }
        let mut exports = manifest.exports;
        exports.sort_unstable();
        exports.dedup();
        let source = manifest
            .source
            .unwrap_or_else(|| manifest.language.source().into());
        Ok(Self {
            name: manifest.name,
            language: manifest.language,
            exports,
            source: dir.join(source),
            dir: dir.to_owned(),
            is_shipped: manifest.shipped,
        })
    }

    fn of_cargo(dir: PathBuf) -> Result<Self, ProjectError> {
        let path = dir.join("Cargo.toml");
        if !path.is_file() {
            return Err(ProjectError::NoManifest { dir });
        }
        let refuse = |reason| ProjectError::Manifest {
            path: path.clone(),
            reason,
        };
        let text = text(&path)?;
        let manifest: CargoManifest =
            toml::from_str(&text).map_err(|error| refuse(one_line(&error, &text)))?;
        let package = manifest
            .package
            .ok_or_else(|| refuse("it has no [package]".into()))?;
        Ok(Self {
            name: package.name,
            language: Language::Rust,
            exports: Vec::new(),
            source: dir.join(Language::Rust.source()),
            dir,
            is_shipped: false,
        })
    }

    fn with_source(self) -> Result<Self, ProjectError> {
        // Cargo may keep a library anywhere, and says so itself where it is missing.
        if self.language == Language::Rust || self.source.is_file() {
            Ok(self)
        } else {
            Err(ProjectError::NoSource { path: self.source })
        }
    }
}

fn text(path: &Path) -> Result<String, ProjectError> {
    std::fs::read_to_string(path).map_err(|error| ProjectError::Manifest {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

/// A plugin's name, as the gateway takes it.
///
/// # Errors
/// Says the rule.
pub fn check_name(name: &str) -> Result<(), String> {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let starts_well = name.starts_with(|first: char| first.is_ascii_lowercase());
    if starts_well && name.len() <= 64 && name.bytes().all(is_allowed) {
        return Ok(());
    }
    Err(format!(
        "{name:?} is no plugin's name: 1 to 64 characters of a-z 0-9 -, starting with a letter"
    ))
}

/// Toml draws the place over several lines.
fn one_line(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().lines().collect::<Vec<_>>().join(" ");
    match error.span() {
        Some(span) => {
            let line = text[..span.start.min(text.len())].matches('\n').count() + 1;
            format!("line {line}: {message}")
        }
        None => message,
    }
}

impl Language {
    /// As `plugin.toml` spells them.
    pub const NAMES: &'static str = "rust, js, ts, python, go, c";
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Rust,
        Self::Js,
        Self::Ts,
        Self::Python,
        Self::Go,
        Self::C,
    ];

    /// As `plugin.toml` spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Js => "js",
            Self::Ts => "ts",
            Self::Python => "python",
            Self::Go => "go",
            Self::C => "c",
        }
    }

    /// Where the source stands when `plugin.toml` does not say.
    #[must_use]
    pub fn source(self) -> &'static str {
        match self {
            Self::Rust => "src/lib.rs",
            Self::Js => "src/plugin.js",
            Self::Ts => "src/plugin.ts",
            Self::Python => "plugin.py",
            Self::Go => "plugin.go",
            Self::C => "src/plugin.c",
        }
    }
}

impl Export {
    /// As `plugin.toml` spells them.
    pub const NAMES: &'static str = "transform, filter, fold, receiver";
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Transform, Self::Filter, Self::Fold, Self::Receiver];

    /// As `plugin.toml` and `wit/` spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Transform => "transform",
            Self::Filter => "filter",
            Self::Fold => "fold",
            Self::Receiver => "receiver",
        }
    }
}

impl FromStr for Language {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|it| it.name() == text)
            .ok_or_else(|| format!("no language {text:?}: there are {}", Self::NAMES))
    }
}

impl TryFrom<String> for Language {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Export {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|it| it.name() == text)
            .ok_or_else(|| format!("no export {text:?}: there are {}", Self::NAMES))
    }
}

impl TryFrom<String> for Export {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Project, String> {
        Project::parse(text, Path::new("/p"))
    }

    #[test]
    fn a_manifest_is_read_with_the_language_s_own_source() {
        let text = "name = \"a-1\"\nlanguage = \"ts\"\nexports = [\"filter\", \"transform\"]";
        let project = parse(text).unwrap();
        assert_eq!(project.name, "a-1");
        assert_eq!(project.language, Language::Ts);
        assert_eq!(project.exports, [Export::Transform, Export::Filter]);
        assert_eq!(project.source, Path::new("/p/src/plugin.ts"));
        assert!(!project.is_shipped);
    }

    #[test]
    fn what_is_not_known_is_refused_with_its_place_in_one_line() {
        let cases = [
            (
                "name = \"a\"\nlanguage = \"perl\"\nexports = [\"filter\"]",
                "line 2: no language \"perl\": there are rust, js, ts, python, go, c",
            ),
            (
                "name = \"a\"\nlanguage = \"c\"\nexports = [\"filters\"]",
                "line 3: no export \"filters\": there are transform, filter, fold, receiver",
            ),
            (
                "name = \"A\"\nlanguage = \"c\"\nexports = [\"filter\"]",
                "\"A\" is no plugin's name: 1 to 64 characters of a-z 0-9 -, starting with a letter",
            ),
            (
                "name = \"a\"\nlanguage = \"c\"\nexports = []",
                "exports is empty: name one or more of transform, filter, fold, receiver",
            ),
        ];
        for (text, message) in cases {
            assert_eq!(parse(text).unwrap_err(), message);
        }
        let misspelt = parse("name = \"a\"\nlang = \"c\"\nexports = [\"filter\"]").unwrap_err();
        assert!(
            misspelt.starts_with("line 2: unknown field `lang`"),
            "{misspelt}"
        );
    }
}
