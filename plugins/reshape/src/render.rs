//! Writes the new body.

use hookgate_plugin::{Event, Failure};

use crate::config::{Config, Missing};
use crate::gather::Values;
use crate::place::{Part, Place};
use crate::plain_text;
use crate::template::{Node, Piece, Value};

/// # Errors
/// `unusable-event` where something is missing that must not be.
pub(crate) fn render(
    config: &Config,
    event: &Event,
    values: &Values<'_>,
) -> Result<String, Failure> {
    let renderer = Renderer {
        missing: config.missing,
        event,
        values,
    };
    let mut out = String::with_capacity(512);
    if renderer.node(&config.template, &mut out)? {
        return Ok(out);
    }
    Err(Failure::UnusableEvent(
        "the event has nothing of what the template asks for".into(),
    ))
}

struct Renderer<'a> {
    missing: Missing,
    event: &'a Event,
    values: &'a Values<'a>,
}

impl Renderer<'_> {
    /// Appends what `node` stands for. False where nothing is to stand there, and then `out` is
    /// as it was.
    fn node(&self, node: &Node, out: &mut String) -> Result<bool, Failure> {
        match node {
            Node::Literal(text) => out.push_str(text),
            Node::Value(value) => return self.value(value, out),
            Node::Text(pieces, missing) => {
                out.push_str(&quoted(
                    &self.text(pieces, missing.unwrap_or(self.missing))?,
                ));
            }
            Node::Object(members) => {
                out.push('{');
                let start = out.len();
                for (name, node) in members {
                    self.item(name, node, start, out)?;
                }
                out.push('}');
            }
            Node::Array(nodes) => {
                out.push('[');
                let start = out.len();
                for node in nodes {
                    self.item("", node, start, out)?;
                }
                out.push(']');
            }
        }
        Ok(true)
    }

    /// A member or an element, with its comma, unless nothing is to stand there.
    fn item(&self, name: &str, node: &Node, start: usize, out: &mut String) -> Result<(), Failure> {
        let before = out.len();
        if before > start {
            out.push(',');
        }
        out.push_str(name);
        if !self.node(node, out)? {
            out.truncate(before);
        }
        Ok(())
    }

    fn value(&self, value: &Value, out: &mut String) -> Result<bool, Failure> {
        let found = match &value.place.part {
            Part::Data(slot) => self.values.get(*slot).map(|found| found.get().to_owned()),
            part => part.text(self.event).map(|text| quoted(&text)),
        };
        match (found, &value.or, value.missing.unwrap_or(self.missing)) {
            (Some(text), ..) => out.push_str(&text),
            (None, Some(or), _) => out.push_str(or),
            (None, None, Missing::Omit) => return Ok(false),
            (None, None, Missing::Null) => out.push_str("null"),
            (None, None, Missing::Fail) => return Err(is_missing(&value.place)),
        }
        Ok(true)
    }

    fn text(&self, pieces: &[Piece], missing: Missing) -> Result<String, Failure> {
        let mut text = String::new();
        for piece in pieces {
            let place = match piece {
                Piece::Plain(plain) => {
                    text.push_str(plain);
                    continue;
                }
                Piece::Place(place) => place,
            };
            let found = match &place.part {
                Part::Data(slot) => self.values.get(*slot).map(plain_text).transpose()?,
                part => part.text(self.event),
            };
            match (found, missing) {
                (Some(found), _) => text.push_str(&found),
                (None, Missing::Omit) => {}
                (None, Missing::Null) => text.push_str("null"),
                (None, Missing::Fail) => return Err(is_missing(place)),
            }
        }
        Ok(text)
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn is_missing(place: &Place) -> Failure {
    Failure::UnusableEvent(format!(
        "the event has no {}, and the template says that it must",
        place.pointer
    ))
}
