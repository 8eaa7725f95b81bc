//! One pass over JSON that was found well-formed, for what the parser lets through while it skips:
//! nesting without end, and halves of surrogate pairs.

use super::flaw::Rule;

/// Deepest nesting of data; what filters and plugins can be asked to walk through.
pub(super) const MAX_DEPTH: usize = 64;

pub(super) fn check(text: &[u8]) -> Result<(), Rule> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(Rule::TooDeep {
                        max_depth: MAX_DEPTH,
                        offset: at,
                    });
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => at = end_of_string(text, at + 1)?,
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// Position of the quote that ends the string whose first character is at `at`.
fn end_of_string(text: &[u8], mut at: usize) -> Result<usize, Rule> {
    loop {
        match text.get(at) {
            None | Some(b'"') => return Ok(at),
            Some(b'\\') if text.get(at + 1) == Some(&b'u') => at = after_escape(text, at)?,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
        }
    }
}

/// Position after the `\uXXXX` at `at`, or after two of them that are one character.
fn after_escape(text: &[u8], at: usize) -> Result<usize, Rule> {
    let lone = Rule::LoneSurrogate { offset: at };
    match unit(text, at) {
        Some(0xD800..=0xDBFF) => match unit(text, at + 6) {
            Some(0xDC00..=0xDFFF) => Ok(at + 12),
            _ => Err(lone),
        },
        Some(0xDC00..=0xDFFF) => Err(lone),
        _ => Ok(at + 6),
    }
}

fn unit(text: &[u8], at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_has_a_bound_and_brackets_in_strings_are_none() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(check(nested(MAX_DEPTH).as_bytes()), Ok(()));
        assert!(check(nested(MAX_DEPTH + 1).as_bytes()).is_err());
        let in_string = format!(r#"{{"a": "\"{}\\"}}"#, "[".repeat(100));
        assert_eq!(check(in_string.as_bytes()), Ok(()));
        let wide = format!("[{}[]]", "[],".repeat(1000));
        assert_eq!(check(wide.as_bytes()), Ok(()));
    }

    #[test]
    fn surrogates_come_in_pairs() {
        for (text, is_fine) in [
            (r#""\ud83d\ude00""#, true),
            (r#""\u00e9\\ud83d""#, true),
            (r#""\ud83d""#, false),
            (r#""\ud83dx""#, false),
            (r#""\ude00""#, false),
            (r#""\ud83d\ud83d""#, false),
        ] {
            assert_eq!(check(text.as_bytes()).is_ok(), is_fine, "{text}");
        }
    }
}
