//! The config, and the tree of what it keeps.

use hookgate_plugin::json::Pointer;
use serde::Deserialize;

const MAX_DEPTH: usize = 64;

/// What a subscription asks of `skinny`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Written")]
pub struct Config {
    pub(crate) keep: Tree,
    pub(crate) adds_data_url: bool,
}

/// The pointers of `keep`, joined at their common beginnings, so that one pass over the
/// data serves them all.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    branches: Vec<Branch>,
}

#[derive(Debug)]
pub(crate) struct Branch {
    name: String,
    index: Option<usize>,
    /// The name as JSON text, with its quotes and a colon.
    pub(crate) member: String,
    /// None: all that is here is kept.
    pub(crate) below: Option<Tree>,
}

impl Tree {
    pub(crate) fn named(&self, name: &str) -> Option<&Branch> {
        self.branches.iter().find(|branch| branch.name == name)
    }

    pub(crate) fn at(&self, index: usize) -> Option<&Branch> {
        self.branches
            .iter()
            .find(|branch| branch.index == Some(index))
    }

    /// A pointer below one that is kept whole changes nothing, in either order.
    fn add(&mut self, pointer: &Pointer) -> Result<(), String> {
        let (last, way) = pointer.tokens().split_last().ok_or_else(|| {
            "keep holds \"\", which keeps everything: leave the plugin out instead".to_owned()
        })?;
        if way.len() >= MAX_DEPTH {
            return Err(format!(
                "pointer {pointer} is deeper than {MAX_DEPTH} steps"
            ));
        }
        let mut tree = self;
        for token in way {
            match tree.branch(token).below.as_mut() {
                Some(below) => tree = below,
                None => return Ok(()),
            }
        }
        tree.branch(last).below = None;
        Ok(())
    }

    fn branch(&mut self, token: &hookgate_plugin::json::Token) -> &mut Branch {
        let found = self
            .branches
            .iter()
            .position(|branch| branch.name == token.name());
        let at = found.unwrap_or_else(|| {
            self.branches.push(Branch {
                name: token.name().into(),
                index: token.index(),
                member: format!("{}:", serde_json::Value::from(token.name())),
                below: Some(Self::default()),
            });
            self.branches.len() - 1
        });
        &mut self.branches[at]
    }
}

/// As it stands in a subscription.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    keep: Vec<Pointer>,
    #[serde(default)]
    data_url: bool,
}

impl TryFrom<Written> for Config {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let mut keep = Tree::default();
        for pointer in &written.keep {
            let first = pointer.tokens().first();
            if written.data_url && first.is_some_and(|token| token.name() == "data_url") {
                return Err(format!(
                    "keep holds {pointer}, and data_url: true would add that member again"
                ));
            }
            keep.add(pointer)?;
        }
        Ok(Self {
            keep,
            adds_data_url: written.data_url,
        })
    }
}
