//! How commands print: tables and members for people, the API's own text with `--json`.
//!
//! Knows nothing of what it prints but where a value stands.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

use serde_json::Value;

use super::client::Reply;

/// Widest a cell of a table gets; the rest is cut, since `get` shows it all.
const MAX_CELL_CHARS: usize = 60;

/// For people or for machines.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(super) struct Output {
    /// Print the API's answer as JSON.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

/// A column: its title, and the JSON pointer of its values.
pub(super) type Column = (&'static str, &'static str);

impl Output {
    /// A list as a table, one row an item.
    ///
    /// # Errors
    /// Where nobody reads any more.
    pub(super) fn list(self, reply: &Reply, columns: &[Column]) -> io::Result<()> {
        if self.json {
            return line(&reply.text);
        }
        let items = reply.value["data"].as_array();
        let items = items.map(Vec::as_slice).unwrap_or_default();
        if items.is_empty() {
            return line("nothing found");
        }
        line(table(items, columns).trim_end())?;
        if let Some(next) = reply.value["next"].as_str() {
            line(&format!("\nThere is more: --after {next}"))?;
        }
        Ok(())
    }

    /// One item, a member a line.
    ///
    /// # Errors
    /// Where nobody reads any more.
    pub(super) fn item(self, reply: &Reply) -> io::Result<()> {
        if self.json {
            return line(&reply.text);
        }
        line(members(&reply.value, 0).trim_end())
    }

    /// A sentence about what was done.
    ///
    /// # Errors
    /// Where nobody reads any more.
    pub(super) fn done(self, reply: &Reply, sentence: &str) -> io::Result<()> {
        line(if self.json { &reply.text } else { sentence })
    }
}

pub(super) fn line(text: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Words in colour, where somebody looks at a terminal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    has_colour: bool,
}

impl Paint {
    pub(super) fn for_stdout() -> Self {
        Self {
            has_colour: io::stdout().is_terminal(),
        }
    }

    pub(super) fn good(self, text: &str) -> String {
        self.paint(text, "32")
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.paint(text, "31")
    }

    pub(super) fn strong(self, text: &str) -> String {
        self.paint(text, "1")
    }

    pub(super) fn faint(self, text: &str) -> String {
        self.paint(text, "2")
    }

    fn paint(self, text: &str, code: &str) -> String {
        if self.has_colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Checks of a component, one a line, each with its cure where it failed.
pub(super) fn check_lines(checks: &[Value]) -> String {
    let mut text = String::new();
    for check in checks {
        let member = |name: &str| check.get(name).map(plain).unwrap_or_default();
        let mark = if check["ok"] == true { "ok" } else { "refused" };
        let detail = printable(&member("detail"));
        let found = format!("  {mark:<8} {:<14} {detail}", member("name"));
        let _ = writeln!(text, "{}", found.trim_end());
        if check.get("cure").is_some() {
            let _ = writeln!(text, "  {:<23} cure: {}", "", printable(&member("cure")));
        }
    }
    if checks.last().is_some_and(|last| last["ok"] == false) {
        text.push_str("  the checks after it were not made");
    }
    text
}

fn table(items: &[Value], columns: &[Column]) -> String {
    let mut rows = vec![
        columns
            .iter()
            .map(|(title, _)| (*title).to_owned())
            .collect::<Vec<_>>(),
    ];
    rows.extend(items.iter().map(|item| {
        let cells = columns
            .iter()
            .map(|(_, pointer)| cell(item.pointer(pointer)));
        cells.collect()
    }));
    let widths: Vec<usize> = (0..columns.len())
        .map(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::Array(items)) => {
            let items: Vec<String> = items.iter().map(|item| cell(Some(item))).collect();
            items.join(",")
        }
        Some(value) => plain(value),
    };
    let text = printable(&text);
    if text.chars().count() <= MAX_CELL_CHARS {
        return text;
    }
    let cut: String = text.chars().take(MAX_CELL_CHARS - 1).collect();
    format!("{cut}…")
}

fn members(value: &Value, indent: usize) -> String {
    let mut text = String::new();
    match value {
        Value::Object(members_of) => {
            for (name, value) in members_of {
                let _ = if is_nested(value) {
                    write!(
                        text,
                        "{:indent$}{name}:\n{}",
                        "",
                        members(value, indent + 2)
                    )
                } else {
                    writeln!(text, "{:indent$}{name}: {}", "", printable(&plain(value)))
                };
            }
        }
        Value::Array(items) => {
            for item in items {
                let lines = members(item, indent + 2);
                let _ = writeln!(text, "{:indent$}- {}", "", lines.trim());
            }
        }
        value => {
            let _ = writeln!(text, "{:indent$}{}", "", printable(&plain(value)));
        }
    }
    text
}

fn is_nested(value: &Value) -> bool {
    match value {
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        value => value.to_string(),
    }
}

/// What others wrote must not steer the terminal.
pub(super) fn printable(text: &str) -> String {
    let replace = |c: char| {
        if c.is_control() && c != '\n' {
            '\u{fffd}'
        } else {
            c
        }
    };
    text.chars().map(replace).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_is_as_wide_as_its_cells_and_no_terminal_is_steered() {
        let items = [
            json!({"id": "a", "types": ["x.y", "z"]}),
            json!({"id": "long\u{1b}[2J"}),
        ];
        let text = table(&items, &[("ID", "/id"), ("TYPES", "/types")]);
        assert_eq!(
            text,
            "ID        TYPES\na         x.y,z\nlong\u{fffd}[2J  -\n"
        );
    }

    #[test]
    fn an_item_is_written_member_by_member() {
        let item = json!({"id": "a", "attempts": [{"n": 1, "outcome": "accepted"}], "none": []});
        assert_eq!(
            members(&item, 0),
            "attempts:\n  - n: 1\n    outcome: accepted\nid: a\nnone: []\n"
        );
    }
}
