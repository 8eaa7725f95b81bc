//! Finds what is to be covered, and puts something else in its place.
//!
//! Values are looked at only where a pointer leads; the text between what is covered is copied
//! as it is. A name that is there twice is covered both times, since nobody knows which of them
//! a receiver will read.

use hookgate_plugin::json::{RawValue, View};
use hookgate_plugin::{Failure, json};

use crate::config::Config;
use crate::tree::Tree;

/// `data` with everything covered; None where there was nothing to cover.
///
/// # Errors
/// `unusable-event` where `data` is not JSON.
pub(crate) fn cover(data: &str, config: &Config) -> Result<Option<String>, Failure> {
    let document: &RawValue = json::from_str(data)?;
    let mut covering = Covering {
        config,
        data,
        out: String::new(),
        copied: 0,
    };
    covering.walk(document, &[&config.tree])?;
    Ok(covering.finish())
}

struct Covering<'a> {
    config: &'a Config,
    data: &'a str,
    out: String,
    /// How much of `data` is in `out`, or was left out of it.
    copied: usize,
}

impl Covering<'_> {
    /// `trees` are all that have something to say here or below: by a name, an index or `*`.
    fn walk(&mut self, value: &RawValue, trees: &[&Tree]) -> Result<(), serde_json::Error> {
        if let Some(cover) = trees.iter().filter_map(|tree| tree.cover()).min() {
            let covered = match View::of(value)? {
                View::String(text) => self.config.covered(cover, &text),
                _ => self.config.covered(cover, value.get()),
            };
            self.replace(value.get(), &covered);
            return Ok(());
        }
        match View::of(value)? {
            View::Object(members) => {
                for (name, value) in members {
                    let below: Vec<_> = trees.iter().flat_map(|tree| tree.member(&name)).collect();
                    self.go_on(value, &below)?;
                }
            }
            View::Array(elements) => {
                for (index, value) in elements.into_iter().enumerate() {
                    let below: Vec<_> = trees.iter().flat_map(|tree| tree.element(index)).collect();
                    self.go_on(value, &below)?;
                }
            }
            View::String(_) | View::Plain(_) => {}
        }
        Ok(())
    }

    fn go_on(&mut self, value: &RawValue, trees: &[&Tree]) -> Result<(), serde_json::Error> {
        if trees.is_empty() {
            return Ok(());
        }
        self.walk(value, trees)
    }

    /// `value` is a part of `data`, and lies after all that was replaced before.
    fn replace(&mut self, value: &str, covered: &str) {
        let start = value.as_ptr() as usize - self.data.as_ptr() as usize;
        self.out.push_str(&self.data[self.copied..start]);
        self.out.push_str(covered);
        self.copied = start + value.len();
    }

    fn finish(mut self) -> Option<String> {
        if self.copied == 0 {
            return None;
        }
        self.out.push_str(&self.data[self.copied..]);
        Some(self.out)
    }
}
