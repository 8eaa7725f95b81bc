//! The template: JSON in which some objects stand for values of the event.

use hookgate_plugin::json::{self, RawValue, View};
use serde::Deserialize;

use crate::config::Missing;
use crate::gather::Wanted;
use crate::place::Place;

const MAX_DEPTH: usize = 64;

/// A part of the template.
#[derive(Debug)]
pub(crate) enum Node {
    /// Stands as it was written.
    Literal(String),
    /// Members: the name as JSON text with its colon, and what stands there.
    Object(Vec<(String, Node)>),
    Array(Vec<Node>),
    Value(Value),
    Text(Vec<Piece>, Option<Missing>),
}

/// `{"$": "/pointer"}`.
#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) place: Place,
    pub(crate) or: Option<String>,
    pub(crate) missing: Option<Missing>,
}

/// A stretch of a text.
#[derive(Debug)]
pub(crate) enum Piece {
    Plain(String),
    Place(Place),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenValue {
    #[serde(rename = "$")]
    pointer: String,
    #[serde(default, deserialize_with = "given")]
    or: Option<Box<RawValue>>,
    missing: Option<Missing>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenText {
    #[serde(rename = "$text")]
    text: String,
    missing: Option<Missing>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLiteral {
    #[serde(rename = "$literal")]
    value: Box<RawValue>,
}

/// Tells `"or": null` from no `or` at all.
fn given<'de, D: serde::Deserializer<'de>>(reader: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(reader).map(Some)
}

/// Errors begin with where in the template they are.
pub(crate) fn parse(template: &RawValue, wanted: &mut Wanted) -> Result<Node, String> {
    Parser {
        wanted,
        way: vec!["template".to_owned()],
    }
    .node(template)
}

struct Parser<'w> {
    wanted: &'w mut Wanted,
    way: Vec<String>,
}

impl Parser<'_> {
    fn fail(&self, why: impl std::fmt::Display) -> String {
        format!("{}: {why}", self.way.join("/"))
    }

    fn node(&mut self, value: &RawValue) -> Result<Node, String> {
        if self.way.len() > MAX_DEPTH {
            return Err(self.fail(format_args!(
                "the template is deeper than {MAX_DEPTH} levels"
            )));
        }
        match View::of(value).map_err(|error| self.fail(error))? {
            View::Object(members) => {
                let marks: Vec<_> = members
                    .iter()
                    .filter(|(name, _)| name.starts_with('$'))
                    .collect();
                match marks.as_slice() {
                    [] => self.object(members),
                    [(name, _)] if name == "$" => self.value(value),
                    [(name, _)] if name == "$text" => self.text(value),
                    [(name, _)] if name == "$literal" => {
                        let written: WrittenLiteral = self.read(value)?;
                        Ok(Node::Literal(written.value.get().to_owned()))
                    }
                    [(name, _), ..] => Err(self.fail(format_args!(
                        "an object has one of $, $text and $literal, not {name}: to write such a \
                         member as it is, put the object into {{\"$literal\": …}}"
                    ))),
                }
            }
            View::Array(elements) => {
                let mut nodes = Vec::new();
                for (index, element) in elements.into_iter().enumerate() {
                    nodes.push(self.below(&index.to_string(), element)?);
                }
                Ok(Node::Array(nodes))
            }
            View::String(_) | View::Plain(_) => Ok(Node::Literal(value.get().to_owned())),
        }
    }

    fn below(&mut self, name: &str, value: &RawValue) -> Result<Node, String> {
        self.way.push(name.to_owned());
        let node = self.node(value)?;
        self.way.pop();
        Ok(node)
    }

    fn object(
        &mut self,
        members: Vec<(std::borrow::Cow<'_, str>, &RawValue)>,
    ) -> Result<Node, String> {
        let mut nodes: Vec<(String, Node)> = Vec::new();
        for (name, value) in members {
            let member = format!("{}:", serde_json::Value::from(name.as_ref()));
            if nodes.iter().any(|(known, _)| *known == member) {
                return Err(self.fail(format_args!("the member {name} is there twice")));
            }
            nodes.push((member, self.below(&name, value)?));
        }
        Ok(Node::Object(nodes))
    }

    fn read<'a, T: Deserialize<'a>>(&self, value: &'a RawValue) -> Result<T, String> {
        json::from_str(value.get()).map_err(|error| self.fail(error))
    }

    fn value(&mut self, value: &RawValue) -> Result<Node, String> {
        let written: WrittenValue = self.read(value)?;
        if written.or.is_some() && written.missing.is_some() {
            return Err(
                self.fail("or and missing exclude each other: or is what stands there instead")
            );
        }
        Ok(Node::Value(Value {
            place: self.place(&written.pointer)?,
            or: written.or.map(|or| or.get().to_owned()),
            missing: written.missing,
        }))
    }

    fn place(&mut self, pointer: &str) -> Result<Place, String> {
        Place::parse(pointer, self.wanted).map_err(|error| self.fail(error))
    }

    /// `{/pointer}` is a place; `{{` and `}}` are braces.
    fn text(&mut self, value: &RawValue) -> Result<Node, String> {
        let written: WrittenText = self.read(value)?;
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = written.text.as_str();
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("{{") {
                plain.push('{');
                rest = after;
            } else if let Some(after) = rest.strip_prefix("}}") {
                plain.push('}');
                rest = after;
            } else {
                let inside = rest
                    .strip_prefix('{')
                    .and_then(|inside| inside.split_once('}'));
                let Some((pointer, after)) = inside else {
                    return Err(self
                        .fail("a lone brace: write {/pointer} for a value, {{ and }} for braces"));
                };
                if !plain.is_empty() {
                    pieces.push(Piece::Plain(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Place(self.place(pointer)?));
                rest = after;
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Plain(plain));
        }
        Ok(Node::Text(pieces, written.missing))
    }
}
