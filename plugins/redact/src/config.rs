//! The config: what to mask, what to hash, and how.

use hmac::{Hmac, KeyInit as _, Mac as _};
use hookgate_plugin::json::Pointer;
use serde::Deserialize;
use sha2::Sha256;

use crate::tree::{Cover, Tree};

/// Shorter ones can be found by trying.
const MIN_SALT_BYTES: usize = 16;

/// What a subscription asks of `redact`.
#[derive(Deserialize)]
#[serde(try_from = "Written")]
pub struct Config {
    pub(crate) tree: Tree,
    /// The mask as JSON text.
    mask: String,
    /// Keyed by the salt; None where nothing is hashed.
    hash: Option<Hmac<Sha256>>,
}

impl Config {
    /// The JSON text that stands for a value; `value` is a string's own text, else JSON as it
    /// stands.
    pub(crate) fn covered(&self, cover: Cover, value: &str) -> String {
        match (cover, &self.hash) {
            (Cover::Hash, Some(hash)) => {
                let tag = hash.clone().chain_update(value).finalize().into_bytes();
                let mut text = String::with_capacity(2 * tag.len() + 2);
                text.push('"');
                for byte in tag {
                    for digit in [byte >> 4, byte & 15] {
                        text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
                    }
                }
                text.push('"');
                text
            }
            // Without a salt there is no pointer to hash; if there were, its value would not leak.
            _ => self.mask.clone(),
        }
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("tree", &self.tree)
            .field("mask", &self.mask)
            .finish_non_exhaustive()
    }
}

/// As it stands in a subscription.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    mask: Vec<Pointer>,
    #[serde(default)]
    hash: Vec<Pointer>,
    #[serde(default = "stars")]
    mask_with: String,
    salt: Option<String>,
}

fn stars() -> String {
    "***".into()
}

impl TryFrom<Written> for Config {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        if written.mask.is_empty() && written.hash.is_empty() {
            return Err("neither mask nor hash names anything to redact".into());
        }
        let mut tree = Tree::default();
        for (pointers, cover) in [(&written.mask, Cover::Mask), (&written.hash, Cover::Hash)] {
            for pointer in pointers {
                tree.add(pointer, cover)?;
            }
        }
        let salt = written.salt.as_deref();
        let hash = match (written.hash.is_empty(), salt) {
            (true, None) => None,
            (true, Some(_)) => return Err("salt is given, and hash names nothing".into()),
            (false, Some(salt)) if salt.len() >= MIN_SALT_BYTES => {
                Some(Hmac::new_from_slice(salt.as_bytes()).expect("HMAC takes keys of any length"))
            }
            (false, _) => {
                return Err(format!(
                    "hash needs a salt of at least {MIN_SALT_BYTES} bytes: without it, anybody can \
                     find short values by trying them all"
                ));
            }
        };
        Ok(Self {
            tree,
            mask: serde_json::Value::from(written.mask_with).to_string(),
            hash,
        })
    }
}
