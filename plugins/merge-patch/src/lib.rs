//! `merge-patch`: merges waiting events of one key by JSON Merge Patch (RFC 7396).
//!
//! The data of the later event is a patch to that of the earlier one: its members replace those
//! of the same name, objects are merged member by member, and `null` takes a member away.
//! Numbers keep their text, members their order, and new ones come last.
//!
//! It has no config. It refuses data that is not JSON, and names the event that carries it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hookgate_plugin::json::{self, NoConfig, RawValue, View};
use hookgate_plugin::{Event, Failure, Fold};

/// Objects within objects, in the patch. More is an attack and no update.
const MAX_DEPTH: usize = 64;
const PATCH_TYPE: &str = "application/merge-patch+json";

/// The plugin.
#[derive(Debug)]
pub struct MergePatch;

impl Fold for MergePatch {
    type Config = NoConfig;

    fn fold(earlier: Event, later: Event, _: &NoConfig) -> Result<Event, Failure> {
        let target = document(&earlier, "earlier")?;
        // An event without data changes nothing.
        let Some(patch) = document(&later, "later")? else {
            return Ok(Event {
                content_type: earlier.content_type,
                data: earlier.data,
                ..later
            });
        };
        let mut data = String::with_capacity(earlier.data.len() + later.data.len());
        merge(target, patch, 0, &mut data)?;
        let is_patch = later.content_type.eq_ignore_ascii_case(PATCH_TYPE);
        let content_type = match (is_patch, target) {
            (false, _) => later.content_type.clone(),
            (true, Some(_)) => earlier.content_type,
            (true, None) => "application/json".into(),
        };
        Ok(Event {
            content_type,
            data: data.into_bytes(),
            ..later
        })
    }
}

fn document<'a>(event: &'a Event, which: &str) -> Result<Option<&'a RawValue>, Failure> {
    if event.data.is_empty() {
        return Ok(None);
    }
    json::from_slice(&event.data).map(Some).map_err(|error| {
        Failure::UnusableEvent(format!(
            "the data of the {which} event, {}: {error}",
            event.id
        ))
    })
}

/// Appends `target` as `patch` changes it.
fn merge(
    target: Option<&RawValue>,
    patch: &RawValue,
    depth: usize,
    out: &mut String,
) -> Result<(), Failure> {
    if depth > MAX_DEPTH {
        return Err(Failure::UnusableEvent(format!(
            "the later event's data has objects more than {MAX_DEPTH} deep"
        )));
    }
    let View::Object(patch) = View::of(patch)? else {
        out.push_str(patch.get());
        return Ok(());
    };
    let patch = Members::new(patch);
    let target = match target.map(View::of).transpose()? {
        Some(View::Object(members)) => Members::new(members),
        _ => Members::default(),
    };
    out.push('{');
    let start = out.len();
    let kept = target
        .in_order
        .iter()
        .map(|(name, value)| (name, Some(*value), patch.get(name)));
    let new = patch
        .in_order
        .iter()
        .filter(|(name, _)| target.get(name).is_none());
    for (name, value, patch) in kept.chain(new.map(|(name, value)| (name, None, Some(*value)))) {
        if patch.is_some_and(|patch| patch.get() == "null") {
            continue;
        }
        if out.len() > start {
            out.push(',');
        }
        out.push_str(&serde_json::Value::from(name.as_ref()).to_string());
        out.push(':');
        match (value, patch) {
            (value, Some(patch)) => merge(value, patch, depth + 1, out)?,
            (Some(value), None) => out.push_str(value.get()),
            (None, None) => {}
        }
    }
    out.push('}');
    Ok(())
}

/// The members of an object, each name once: of several with one name the last counts.
#[derive(Default)]
struct Members<'a> {
    in_order: Vec<(Cow<'a, str>, &'a RawValue)>,
    places: BTreeMap<Cow<'a, str>, usize>,
}

impl<'a> Members<'a> {
    fn new(members: Vec<(Cow<'a, str>, &'a RawValue)>) -> Self {
        let mut unique = Self::default();
        for (name, value) in members {
            match unique.places.get(&name) {
                Some(place) => unique.in_order[*place].1 = value,
                None => {
                    unique.places.insert(name.clone(), unique.in_order.len());
                    unique.in_order.push((name, value));
                }
            }
        }
        unique
    }

    fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.places.get(name).map(|place| self.in_order[*place].1)
    }
}

hookgate_plugin::export!(MergePatch as fold);
