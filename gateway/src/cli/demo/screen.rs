//! What the demo prints: a line an event, sums, and what to try next.
//!
//! Prints what it is told and finds nothing out.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::super::output::{Paint, line, printable};
use super::samples::Sample;
use super::scene::{Role, Theme};

const TYPE_WIDTH: usize = 40;
const BYTES_WIDTH: usize = 8;
const CELL_WIDTH: usize = 19;

/// Where everything is.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) gateway: String,
    pub(super) admin_key: String,
    pub(super) data_dir: PathBuf,
    pub(super) plugin_folder: PathBuf,
}

/// What became of an event for one subscription.
#[derive(Debug)]
pub(super) enum Cell {
    /// Arrived, right and signed.
    Delivered {
        before_bytes: usize,
        after_bytes: usize,
    },
    Dropped {
        reason: String,
        bytes: usize,
    },
    Wrong(String),
}

#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) events: usize,
    pub(super) bytes_in: usize,
    has_plugins: bool,
    /// From the first event sent to the last delivery received.
    pub(super) took: Duration,
    delivered: usize,
    dropped: usize,
    wrong: usize,
    /// What would have gone out without plugins, and what went.
    before_bytes: usize,
    after_bytes: usize,
    dropped_bytes: usize,
}

impl Totals {
    pub(super) fn with_plugins(has_plugins: bool) -> Self {
        Self {
            has_plugins,
            ..Self::default()
        }
    }

    pub(super) fn count(&mut self, cell: &Cell) {
        match cell {
            Cell::Delivered {
                before_bytes,
                after_bytes,
            } => {
                self.delivered += 1;
                self.before_bytes += before_bytes;
                self.after_bytes += after_bytes;
            }
            Cell::Dropped { bytes, .. } => {
                self.dropped += 1;
                self.before_bytes += bytes;
                self.dropped_bytes += bytes;
            }
            Cell::Wrong(_) => self.wrong += 1,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    paint: Paint,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self {
            paint: Paint::for_stdout(),
        }
    }

    pub(super) fn starting(self) -> io::Result<()> {
        let text = "Starting a gateway with a Postgres of its own …";
        line(&self.paint.faint(text))
    }

    pub(super) fn places(self, place: &Place, receiver: &str, took: Duration) -> io::Result<()> {
        let strong = |text: &str| self.paint.strong(text);
        line(&format!(
            "\n{}   {}   ready in {:.1} s; its data is in {} until the end",
            strong("gateway "),
            place.gateway,
            took.as_secs_f64(),
            place.data_dir.display()
        ))?;
        line(&format!(
            "{} {}/ui   sign in with the key {}",
            strong("dashboard"),
            place.gateway,
            place.admin_key
        ))?;
        line(&format!(
            "{}   {receiver}   checks every signature (Standard Webhooks, HMAC-SHA256)\n",
            strong("receiver")
        ))
    }

    pub(super) fn no_plugins(self) -> io::Result<()> {
        line(&self.paint.bad(
            "This binary has no plugins inside, so only the plain subscription is shown. `cargo xtask build` makes one with them.",
        ))
    }

    pub(super) fn subscription(self, role: Role, theme: Theme) -> io::Result<()> {
        let name = self.paint.strong(&format!("{:8}", role.name()));
        let wish = match role.config(theme) {
            None => "no plugin: every event, byte for byte".to_owned(),
            Some(config) => format!("plugin {} {config}", role.name()),
        };
        line(&format!("{name}   {wish}"))
    }

    pub(super) fn head(self, roles: &[Role]) -> io::Result<()> {
        let mut text = format!("\n{:TYPE_WIDTH$} {:>BYTES_WIDTH$}", "event in", "bytes");
        for role in roles {
            text.push_str(&format!("   {:CELL_WIDTH$}", role.name()));
        }
        line(&self.paint.strong(text.trim_end()))
    }

    pub(super) fn event(self, sample: &Sample, cells: &[Cell]) -> io::Result<()> {
        let mut name: String = printable(&sample.event_type);
        if name.chars().count() > TYPE_WIDTH {
            name = name.chars().take(TYPE_WIDTH - 1).collect();
            name.push('…');
        }
        let bytes = grouped(sample.data.get().len());
        let mut text = format!("{name:TYPE_WIDTH$} {bytes:>BYTES_WIDTH$}");
        for cell in cells {
            text.push_str("   ");
            text.push_str(&self.cell(cell));
        }
        line(text.trim_end())
    }

    fn cell(self, cell: &Cell) -> String {
        let pad = |text: &str| format!("{text:CELL_WIDTH$}");
        match cell {
            Cell::Delivered {
                before_bytes,
                after_bytes,
            } if before_bytes == after_bytes => self.paint.good(&pad("✓ as it came")),
            Cell::Delivered {
                before_bytes,
                after_bytes,
            } => {
                let (before, after) = (grouped(*before_bytes), grouped(*after_bytes));
                self.paint.good(&pad(&format!("✓ {before} → {after}")))
            }
            Cell::Dropped { reason, .. } => {
                let text = format!("- dropped: {}", printable(reason));
                self.paint.faint(&pad(&text))
            }
            Cell::Wrong(_) => self.paint.bad(&pad("✗ see below")),
        }
    }

    pub(super) fn totals(self, totals: &Totals) -> io::Result<()> {
        let row = |name: &str, text: String| {
            line(&format!(
                "{}   {text}",
                self.paint.strong(&format!("{name:10}"))
            ))
        };
        line("")?;
        row(
            "events",
            format!("{} in, {} bytes", totals.events, grouped(totals.bytes_in)),
        )?;
        let due = totals.delivered + totals.dropped + totals.wrong;
        row(
            "deliveries",
            format!(
                "{due} due: {} delivered, {} dropped by plugins, {} missing or wrong",
                totals.delivered, totals.dropped, totals.wrong
            ),
        )?;
        row(
            "signatures",
            format!("{} verified by the receiver", totals.delivered),
        )?;
        let saved = totals.before_bytes.saturating_sub(totals.after_bytes);
        if totals.has_plugins {
            row(
                "bytes",
                format!(
                    "{} saved of {} ({} %): {} by skinny, {} by match",
                    grouped(saved),
                    grouped(totals.before_bytes),
                    (saved * 100).checked_div(totals.before_bytes).unwrap_or(0),
                    grouped(saved.saturating_sub(totals.dropped_bytes)),
                    grouped(totals.dropped_bytes),
                ),
            )?;
        }
        row(
            "time",
            format!(
                "{:.2} s from the first event in to the last delivery out; events were sent one after another",
                totals.took.as_secs_f64()
            ),
        )
    }

    pub(super) fn claim_opened(self, sample: &Sample) -> io::Result<()> {
        let name = self.paint.strong("data_url  ");
        line(&format!(
            "{name}   that of the first skinny delivery was opened without a key: all {} bytes of {}",
            grouped(sample.data.get().len()),
            printable(&sample.event_type)
        ))
    }

    pub(super) fn verdict(self, faults: &[String]) -> io::Result<()> {
        line("")?;
        for fault in faults {
            line(&self.paint.bad(&format!("✗ {}", printable(fault))))?;
        }
        if faults.is_empty() {
            line(
                &self
                    .paint
                    .good("✓ Every event became what it should, and every delivery was signed."),
            )
        } else {
            line(&self.paint.bad(&format!("{} faults", faults.len())))
        }
    }

    pub(super) fn try_next(self, place: &Place, is_waiting: bool) -> io::Result<()> {
        if !is_waiting {
            return line(&self.paint.faint(
                "Run `hookgate demo` in a terminal and it goes on until Ctrl-C, with things to try.",
            ));
        }
        let (url, key) = (&place.gateway, &place.admin_key);
        let folder = place.plugin_folder.display();
        let title = self.paint.strong("What to try next, in a second terminal");
        line(&format!(
            "\n{title}
  export HOOKGATE_URL={url} HOOKGATE_API_KEY={key}
  curl -s $HOOKGATE_URL/v1/deliveries?limit=3 -H \"Authorization: Bearer $HOOKGATE_API_KEY\"
  hookgate listen --port 9000                                   # a receiver that prints
  hookgate subscriptions create '*' --to http://127.0.0.1:9000/ # and a subscription for it
  hookgate send invoice.paid --data '{{\"id\": \"inv_1\"}}'
  hookgate plugin build && hookgate plugin push                 # a plugin of your own, over REST
  # or as a file: copied, used at once; replace it while the gateway runs
  cp NAME.wasm {folder}/
"
        ))?;
        line(&self.paint.strong("The gateway goes on until Ctrl-C."))
    }
}

/// With a comma between thousands.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_told_apart() {
        let of = |number| grouped(number);
        assert_eq!((of(7), of(1000)), ("7".to_owned(), "1,000".to_owned()));
        assert_eq!(of(3_384_199), "3,384,199");
    }
}
