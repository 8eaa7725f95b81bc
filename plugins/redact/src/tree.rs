//! The pointers of a config, joined at their common beginnings.

use hookgate_plugin::json::{Pointer, Token};

const MAX_DEPTH: usize = 64;
/// Every element of an array. In an object it is the name of a member like any other.
const EACH: &str = "*";

/// What is done to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cover {
    /// First, so that it wins where two pointers name the same value: it tells less.
    Mask,
    Hash,
}

#[derive(Debug, Default)]
pub(crate) struct Tree {
    cover: Option<Cover>,
    branches: Vec<(Token, Tree)>,
}

impl Tree {
    pub(crate) fn add(&mut self, pointer: &Pointer, cover: Cover) -> Result<(), String> {
        if pointer.tokens().len() > MAX_DEPTH {
            return Err(format!(
                "pointer {pointer} is deeper than {MAX_DEPTH} steps"
            ));
        }
        let mut tree = self;
        for token in pointer.tokens() {
            let found = tree.branches.iter().position(|(known, _)| known == token);
            let at = found.unwrap_or_else(|| {
                tree.branches.push((token.clone(), Self::default()));
                tree.branches.len() - 1
            });
            tree = &mut tree.branches[at].1;
        }
        match tree.cover {
            Some(other) if other != cover => Err(format!(
                "{pointer} stands both in mask and in hash: decide for one"
            )),
            _ => {
                tree.cover = Some(cover);
                Ok(())
            }
        }
    }

    /// What to do to the whole value that this leads to.
    pub(crate) fn cover(&self) -> Option<Cover> {
        self.cover
    }

    /// What goes on at a member of an object.
    pub(crate) fn member<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        let branches = self.branches.iter();
        branches
            .filter(move |(token, _)| token.name() == name)
            .map(|(_, tree)| tree)
    }

    /// What goes on at an element of an array: by its index, and at every one.
    pub(crate) fn element(&self, index: usize) -> impl Iterator<Item = &Self> {
        let branches = self.branches.iter();
        branches
            .filter(move |(token, _)| token.index() == Some(index) || token.name() == EACH)
            .map(|(_, tree)| tree)
    }
}
