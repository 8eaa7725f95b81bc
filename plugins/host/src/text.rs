//! Makes text of a guest fit for records, terminals and databases.

/// `text` with control characters escaped, so that it is one line without effects,
/// cut to `max_bytes` at a character. True when something was cut.
pub(crate) fn printable(text: &str, max_bytes: usize) -> (String, bool) {
    let mut line = String::with_capacity(text.len().min(max_bytes));
    for character in text.chars() {
        let start = line.len();
        if is_harmless(character) {
            line.push(character);
        } else {
            line.extend(character.escape_default());
        }
        if line.len() > max_bytes {
            line.truncate(start);
            return (line, true);
        }
    }
    (line, false)
}

/// Neither a control character nor one that reorders or hides what surrounds it.
fn is_harmless(character: char) -> bool {
    !character.is_control()
        && !matches!(character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn text_of_a_guest_becomes_one_harmless_line() {
        let cases = [
            ("plain é", 64, "plain é", false),
            ("a\nb", 64, "a\\nb", false),
            ("\u{1b}[31mred\0", 64, "\\u{1b}[31mred\\u{0}", false),
            ("abc\u{202e}def", 64, "abc\\u{202e}def", false),
            ("éé", 3, "é", true),
            ("a\n", 2, "a", true),
        ];
        for (text, max_bytes, line, cut) in cases {
            assert_eq!(
                printable(text, max_bytes),
                (line.to_owned(), cut),
                "{text:?}"
            );
        }
    }
}
