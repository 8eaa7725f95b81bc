//! Patterns of LIKE: `%` for any text, `_` for one character, a backslash before either for itself.

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LikePattern(Box<[Part]>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    AnyText,
    OneCharacter,
    Character(char),
}

impl LikePattern {
    pub(super) fn parse(text: &str) -> Self {
        let mut parts = Vec::with_capacity(text.len());
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            parts.push(match c {
                // Several in a row say no more than one.
                '%' if parts.last() == Some(&Part::AnyText) => continue,
                '%' => Part::AnyText,
                '_' => Part::OneCharacter,
                '\\' => match chars.next_if(|next| matches!(next, '%' | '_')) {
                    Some(escaped) => Part::Character(escaped),
                    None => Part::Character('\\'),
                },
                _ => Part::Character(c),
            });
        }
        Self(parts.into())
    }

    /// Only the last `%` is ever tried again, so the cost is at most text times pattern.
    pub(super) fn matches(&self, text: &str) -> bool {
        let mut parts = &self.0[..];
        let mut rest = text;
        let mut retry = None;
        loop {
            let mut chars = rest.chars();
            match (parts.split_first(), chars.next()) {
                (Some((Part::AnyText, after)), _) => {
                    parts = after;
                    retry = Some((after, rest));
                    continue;
                }
                (None, None) => return true,
                (Some((part, after)), Some(c)) if part.is(c) => {
                    parts = after;
                    rest = chars.as_str();
                    continue;
                }
                _ => {}
            }
            let Some((after, from)) = retry else {
                return false;
            };
            let mut chars = from.chars();
            if chars.next().is_none() {
                return false;
            }
            parts = after;
            rest = chars.as_str();
            retry = Some((after, rest));
        }
    }
}

impl Part {
    fn is(self, c: char) -> bool {
        match self {
            Self::AnyText => false,
            Self::OneCharacter => true,
            Self::Character(wanted) => wanted == c,
        }
    }
}
