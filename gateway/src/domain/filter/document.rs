//! JSON as a tree whose scalars keep their text, so that numbers stay exact.
//!
//! Reads what `ingest` has found to be well-formed; where it is not, there is no document. Depth
//! and size are bounded by what ingest lets in.

use std::borrow::Cow;

/// Deepest nesting that is read; ingest refuses deeper data.
const MAX_DEPTH: usize = 64;

/// A value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Node<'a> {
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
    Array(Vec<Node<'a>>),
    Scalar(&'a str),
}

/// One step of a pointer: a member's name, which in an array may be an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) name: Box<str>,
    pub(super) index: Option<usize>,
}

impl<'a> Node<'a> {
    pub(super) fn read(text: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut reader = Reader { text, at: 0 };
        let node = reader.value(0)?;
        reader.skip_space();
        (reader.at == text.len()).then_some(node)
    }

    /// Of members with the same name the last counts, as for nearly every JSON reader.
    pub(super) fn find(&self, steps: &[Step]) -> Option<&Self> {
        steps.iter().try_fold(self, |node, step| match node {
            Self::Object(members) => {
                let mut from_the_end = members.iter().rev();
                let found = from_the_end.find(|(name, _)| **name == *step.name);
                found.map(|(_, node)| node)
            }
            Self::Array(items) => items.get(step.index?),
            Self::Scalar(_) => None,
        })
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        self.skip_space();
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn value(&mut self, depth: usize) -> Option<Node<'a>> {
        self.skip_space();
        match self.peek()? {
            b'{' | b'[' if depth == MAX_DEPTH => None,
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string().map(Node::Scalar),
            _ => self.word().map(Node::Scalar),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Node<'a>> {
        let mut members = Vec::new();
        self.at += 1;
        if self.take(b'}') {
            return Some(Node::Object(members));
        }
        loop {
            self.skip_space();
            let name = unescaped(self.string()?)?;
            if !self.take(b':') {
                return None;
            }
            members.push((name, self.value(depth + 1)?));
            if self.take(b'}') {
                return Some(Node::Object(members));
            }
            if !self.take(b',') {
                return None;
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<Node<'a>> {
        let mut items = Vec::new();
        self.at += 1;
        if self.take(b']') {
            return Some(Node::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.take(b']') {
                return Some(Node::Array(items));
            }
            if !self.take(b',') {
                return None;
            }
        }
    }

    /// With its quotes.
    fn string(&mut self) -> Option<&'a str> {
        let begin = self.at;
        if self.peek() != Some(b'"') {
            return None;
        }
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        self.text.get(begin..self.at)
    }

    /// A number, `true`, `false` or `null`: up to what cannot be a part of one.
    fn word(&mut self) -> Option<&'a str> {
        let rest = self.text.get(self.at..)?;
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        let length = rest
            .bytes()
            .position(|byte| !is_part(byte))
            .unwrap_or(rest.len());
        self.at += length;
        (length > 0).then(|| &rest[..length])
    }
}

/// The text of a JSON string, borrowed where it has no escapes.
pub(super) fn unescaped(quoted: &str) -> Option<Cow<'_, str>> {
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(quoted).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(names: &[&str]) -> Vec<Step> {
        let step = |name: &&str| Step {
            name: (*name).into(),
            index: name.parse().ok(),
        };
        names.iter().map(step).collect()
    }

    #[test]
    fn values_are_found_by_their_steps() {
        let text =
            br#" {"a": {"b/c": [ 1e400, {"\u0064": "x\"y"} ], "n": null}, "a2": [], "t": true} "#;
        let node = Node::read(text).unwrap();
        for (names, expected) in [
            (&["a", "b/c", "0"][..], Some("1e400")),
            (&["a", "b/c", "1", "d"], Some(r#""x\"y""#)),
            (&["a", "n"], Some("null")),
            (&["t"], Some("true")),
            (&["a", "b/c", "2"], None),
            (&["a", "b/c", "d"], None),
            (&["t", "x"], None),
            (&["missing"], None),
        ] {
            let found = node.find(&steps(names));
            assert_eq!(found, expected.map(Node::Scalar).as_ref(), "{names:?}");
        }
        assert_eq!(node.find(&steps(&["a2"])), Some(&Node::Array(vec![])));
    }

    #[test]
    fn the_last_of_several_members_counts() {
        let node = Node::read(br#"{"a": 1, "a": 2}"#).unwrap();
        assert_eq!(node.find(&steps(&["a"])), Some(&Node::Scalar("2")));
    }

    #[test]
    fn what_is_not_json_or_too_deep_is_no_document() {
        let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        for (text, is_fine) in [
            ("1", true),
            ("", false),
            ("{", false),
            ("[1,]", false),
            ("{\"a\" 1}", false),
            ("\"a", false),
            ("1 2", false),
            (&deep(64), true),
            (&deep(65), false),
        ] {
            assert_eq!(Node::read(text.as_bytes()).is_some(), is_fine, "{text}");
        }
    }
}
