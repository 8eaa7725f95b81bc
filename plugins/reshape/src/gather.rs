//! Fetches every value that the template wants, in one pass over the data.

use hookgate_plugin::json::{RawValue, Token, View};

const MAX_DEPTH: usize = 64;

/// Which of the gathered values is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(usize);

/// The pointers into the data, joined at their common beginnings.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    root: Branch,
    slots: usize,
}

#[derive(Debug, Default)]
struct Branch {
    slot: Option<Slot>,
    below: Vec<(Token, Branch)>,
}

/// What was found, by slot, in its original text.
pub(crate) struct Values<'a>(Vec<Option<&'a RawValue>>);

impl Values<'_> {
    pub(crate) fn get(&self, slot: Slot) -> Option<&RawValue> {
        self.0[slot.0]
    }
}

impl Wanted {
    /// `pointer` is for messages; `tokens` are its steps below the data.
    pub(crate) fn add(&mut self, pointer: &str, tokens: &[Token]) -> Result<Slot, String> {
        if tokens.len() > MAX_DEPTH {
            return Err(format!(
                "pointer {pointer} is deeper than {MAX_DEPTH} steps"
            ));
        }
        let mut branch = &mut self.root;
        for token in tokens {
            let found = branch.below.iter().position(|(known, _)| known == token);
            let at = found.unwrap_or_else(|| {
                branch.below.push((token.clone(), Branch::default()));
                branch.below.len() - 1
            });
            branch = &mut branch.below[at].1;
        }
        let slots = &mut self.slots;
        Ok(*branch.slot.get_or_insert_with(|| {
            *slots += 1;
            Slot(*slots - 1)
        }))
    }

    /// Whether the template takes anything from the data.
    pub(crate) fn is_needed(&self) -> bool {
        self.slots > 0
    }

    pub(crate) fn nothing(&self) -> Values<'static> {
        Values(vec![None; self.slots])
    }

    pub(crate) fn gather<'a>(&self, data: &'a RawValue) -> Result<Values<'a>, serde_json::Error> {
        let mut values = Values(vec![None; self.slots]);
        self.root.visit(data, &mut values)?;
        Ok(values)
    }
}

impl Branch {
    fn visit<'a>(
        &self,
        value: &'a RawValue,
        values: &mut Values<'a>,
    ) -> Result<(), serde_json::Error> {
        if let Some(slot) = self.slot {
            values.0[slot.0] = Some(value);
        }
        if self.below.is_empty() {
            return Ok(());
        }
        match View::of(value)? {
            View::Object(members) => {
                for (name, value) in members {
                    if let Some((_, branch)) = self.below.iter().find(|(it, _)| it.name() == name) {
                        // Of members with one name the last counts, and nothing of the others.
                        branch.clear(values);
                        branch.visit(value, values)?;
                    }
                }
            }
            View::Array(elements) => {
                for (token, branch) in &self.below {
                    if let Some(value) = token.index().and_then(|index| elements.get(index)) {
                        branch.visit(value, values)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn clear(&self, values: &mut Values<'_>) {
        if let Some(slot) = self.slot {
            values.0[slot.0] = None;
        }
        for (_, branch) in &self.below {
            branch.clear(values);
        }
    }
}
