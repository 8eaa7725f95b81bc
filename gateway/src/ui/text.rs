//! Words and figures as people read them: sizes, spans, counts, and JSON laid out without a digit
//! of it changed.

use data_encoding::BASE64;

/// Deepest nesting that is laid out; deeper text is shown as it is.
const MAX_DEPTH: usize = 64;
/// Data beyond this is cut where it is shown; the whole can be fetched.
pub const MAX_SHOWN: usize = 64 * 1024;

pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1_024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

pub fn millis(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{:.1} s", ms as f64 / 1_000.0),
        _ => seconds(ms / 1_000),
    }
}

pub fn micros(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{:.1} ms", us as f64 / 1_000.0),
        _ => format!("{:.1} s", us as f64 / 1_000_000.0),
    }
}

pub fn seconds(s: u64) -> String {
    match s {
        0..60 => format!("{s} s"),
        60..3_600 => format!("{} min {} s", s / 60, s % 60),
        3_600..86_400 => format!("{} h {} min", s / 3_600, s % 3_600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3_600),
    }
}

/// With a thin gap between thousands.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// `2026-11-24T13:50:01.123Z` as `2026-11-24 13:50:01`.
pub fn instant(rfc3339: &str) -> String {
    let short = rfc3339.get(..19).unwrap_or(rfc3339);
    short.replacen('T', " ", 1)
}

/// Data as it can be read: JSON laid out, other text as it is, the rest as base64. Says whether it
/// was cut.
pub fn readable(data: &[u8]) -> (String, bool) {
    let is_cut = data.len() > MAX_SHOWN;
    match std::str::from_utf8(data) {
        Ok(text) if !is_cut => (laid_out(text), false),
        Ok(text) => {
            let mut end = MAX_SHOWN;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            (text[..end].to_owned(), true)
        }
        Err(_) => (BASE64.encode(&data[..data.len().min(MAX_SHOWN)]), is_cut),
    }
}

/// The same JSON with line ends and indents; what is no JSON, or nests too deep, stays as it is.
pub fn laid_out(text: &str) -> String {
    if serde_json::from_str::<&serde_json::value::RawValue>(text.trim()).is_err() {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let mut rest = text.trim().chars().peekable();
    while let Some(c) = rest.next() {
        if in_string {
            out.push(c);
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        match c {
            '"' => {
                in_string = true;
                out.push(c);
            }
            '{' | '[' => {
                out.push(c);
                while rest.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(end) = rest.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c if c.is_ascii_whitespace() => {}
            c => out.push(c),
        }
        if depth > MAX_DEPTH {
            return text.to_owned();
        }
    }
    out
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_laid_out_and_no_digit_of_it_changes() {
        let odd = r#"{ "n" : 1.50e3,"big":12345678901234567890.10, "t":"a\"{,:é","e":[],"o":{ } , "l":[1,2]}"#;
        let expected = "{\n  \"n\": 1.50e3,\n  \"big\": 12345678901234567890.10,\n  \"t\": \"a\\\"{,:é\",\n  \
                        \"e\": [],\n  \"o\": {},\n  \"l\": [\n    1,\n    2\n  ]\n}";
        assert_eq!(laid_out(odd), expected);
        assert_eq!(laid_out("not { json"), "not { json");
        let deep = "[".repeat(100) + &"]".repeat(100);
        assert_eq!(laid_out(&deep), deep);
    }

    #[test]
    fn what_is_no_text_is_shown_as_base64() {
        assert_eq!(readable(&[0xff, 0x00]), ("/wA=".to_owned(), false));
        let long = "é".repeat(MAX_SHOWN);
        let (shown, is_cut) = readable(long.as_bytes());
        assert!(is_cut && shown.len() <= MAX_SHOWN);
    }

    #[test]
    fn figures_are_short() {
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!((count(0), count(999)), ("0".to_owned(), "999".to_owned()));
        assert_eq!(size(1_536), "1.5 KiB");
        assert_eq!(micros(1_500), "1.5 ms");
        assert_eq!(seconds(3_661), "1 h 1 min");
        assert_eq!(instant("2026-11-24T13:50:01.123Z"), "2026-11-24 13:50:01");
    }
}
