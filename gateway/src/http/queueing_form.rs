//! How deliveries wait for each other, as subscribers write it: `ordering`, `debounce`, `batch`.
//!
//! One of them at a time. What contradicts itself is refused, all of it together and each with the
//! reason.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::check::Check;
use crate::domain::duration::{format_duration, parse_duration};
use crate::domain::plugin::PluginName;
use crate::domain::queueing::{Batch, Blocks, Debounce, Keep, Ordering, Queueing, Scope};
use crate::domain::subscription::Format;

/// The members as they were given.
pub(super) struct QueueingForm {
    pub(super) ordering: Option<Value>,
    pub(super) on_blocked: Option<Value>,
    pub(super) debounce: Option<Value>,
    pub(super) batch: Option<Value>,
}

/// What is one order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OrderingForm {
    /// Deliveries do not wait for each other.
    #[default]
    None,
    /// Of events with the same key (or subject) one is delivered after the other.
    Key,
    /// Of all events one is delivered after the other.
    Strict,
}

/// How long a delivery that fails holds up those behind it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BlockedForm {
    /// `success` (it is tried until it is delivered), `dead` (until its retries are used up), or a
    /// span: at most so long after its first failure, 1s to 7d.
    #[schema(example = "dead")]
    until: String,
}

/// Of many events with one key in a short time, one is delivered.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DebounceForm {
    /// The window closes when no event came for so long: 100ms to 1h.
    #[schema(example = "15s")]
    quiet: String,
    /// It closes at the latest so long after its first event: `quiet` to 24h.
    #[schema(example = "5m")]
    max_wait: String,
    /// `latest`, or `{"fold": "plugin-name"}`.
    #[serde(default = "latest")]
    keep: KeepForm,
}

fn latest() -> KeepForm {
    KeepForm::Word(KeepWord::Latest)
}

/// What stands for the events of a window.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum KeepForm {
    Word(KeepWord),
    Fold {
        /// The plugin that folds them into one.
        #[schema(value_type = String)]
        fold: PluginName,
    },
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeepWord {
    Latest,
}

/// Many events in one request.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchForm {
    /// 1 to 1,000.
    #[serde(default = "max_events")]
    max_events: u32,
    /// From the first event of a batch to its request: 100ms to 1h.
    #[serde(default = "max_wait")]
    #[schema(example = "10s")]
    max_wait: String,
    /// Bytes of the data of its events: 1,024 to 4,194,304; one larger event goes by itself.
    #[serde(default = "max_bytes")]
    max_bytes: u32,
}

const fn max_events() -> u32 {
    100
}

fn max_wait() -> String {
    "10s".to_owned()
}

const fn max_bytes() -> u32 {
    262_144
}

impl QueueingForm {
    pub(super) fn valid(self, check: &mut Check, format: Format) -> Queueing {
        let on_blocked = self.on_blocked.filter(|value| !value.is_null());
        let is_default = on_blocked
            .as_ref()
            .is_none_or(|on| *on == json!({"until": "dead"}));
        let ordering: OrderingForm = check.value("/delivery/ordering", self.ordering);
        let blocks = check.blocks(on_blocked);
        let debounce = check.debounce(self.debounce);
        let batch = check.batch(self.batch);
        if ordering == OrderingForm::None && !is_default {
            let detail =
                "says how an order is held up, and there is none: set ordering to key or strict";
            check.error("/delivery/on_blocked", detail);
        }
        if ordering != OrderingForm::None && debounce.is_some() {
            let detail = "delivers one of many events, and ordering promises each of them; windows of a \
                          key follow each other in their order anyway: leave one of the two out";
            check.error("/delivery/debounce", detail);
        }
        if ordering != OrderingForm::None && batch.is_some() {
            let detail = "delivers events of many keys at once, and ordering one after the other: leave \
                          one of the two out";
            check.error("/delivery/batch", detail);
        }
        if debounce.is_some() && batch.is_some() {
            let detail = "would hold events that debounce holds already: leave one of the two out";
            check.error("/delivery/batch", detail);
        }
        if batch.is_some() && matches!(format, Format::Raw | Format::CloudEventsBinary) {
            let detail =
                "needs a format in which each item names itself: event or cloudevents-structured";
            check.error("/delivery/batch", detail);
        }
        let scope = match ordering {
            OrderingForm::None => None,
            OrderingForm::Key => Some(Scope::Key),
            OrderingForm::Strict => Some(Scope::Strict),
        };
        match (scope, debounce, batch) {
            (Some(scope), _, _) => Queueing::Ordered(Ordering { scope, blocks }),
            (None, Some(debounce), _) => Queueing::Debounced(debounce),
            (None, None, Some(batch)) => Queueing::Batched(batch),
            (None, None, None) => Queueing::Plain,
        }
    }
}

impl Check {
    fn blocks(&mut self, value: Option<Value>) -> Blocks {
        let pointer = "/delivery/on_blocked";
        let form: Option<BlockedForm> = self.value(pointer, value);
        let Some(form) = form else {
            return Blocks::UntilDead;
        };
        match form.until.as_str() {
            "success" => Blocks::UntilSuccess,
            "dead" => Blocks::UntilDead,
            text => {
                let pointer = format!("{pointer}/until");
                let bounds = (Duration::from_secs(1), Duration::from_secs(7 * 24 * 3600));
                Blocks::For(self.span(&pointer, text, bounds))
            }
        }
    }

    fn debounce(&mut self, value: Option<Value>) -> Option<Debounce> {
        let pointer = "/delivery/debounce";
        let form: Option<DebounceForm> = self.value(pointer, value);
        let form = form?;
        let shortest = Duration::from_millis(100);
        let bounds = (shortest, Duration::from_secs(3600));
        let quiet = self.span(&format!("{pointer}/quiet"), &form.quiet, bounds);
        let bounds = (shortest, Duration::from_secs(24 * 3600));
        let max_wait = self.span(&format!("{pointer}/max_wait"), &form.max_wait, bounds);
        if max_wait < quiet {
            let detail = "is shorter than quiet, which then would never matter";
            self.error(&format!("{pointer}/max_wait"), detail);
        }
        Some(Debounce {
            quiet,
            max_wait,
            keep: match form.keep {
                KeepForm::Word(KeepWord::Latest) => Keep::Latest,
                KeepForm::Fold { fold } => Keep::Fold(fold),
            },
        })
    }

    fn batch(&mut self, value: Option<Value>) -> Option<Batch> {
        let pointer = "/delivery/batch";
        let form: Option<BatchForm> = self.value(pointer, value);
        let form = form?;
        if !(1..=1_000).contains(&form.max_events) {
            let pointer = format!("{pointer}/max_events");
            self.error(&pointer, "must be from 1 to 1,000");
        }
        if !(1_024..=4 << 20).contains(&form.max_bytes) {
            let pointer = format!("{pointer}/max_bytes");
            self.error(&pointer, "must be from 1,024 to 4,194,304");
        }
        let bounds = (Duration::from_millis(100), Duration::from_secs(3600));
        Some(Batch {
            max_events: form.max_events,
            max_wait: self.span(&format!("{pointer}/max_wait"), &form.max_wait, bounds),
            max_bytes: form.max_bytes,
        })
    }

    fn span(&mut self, pointer: &str, text: &str, bounds: (Duration, Duration)) -> Duration {
        let Some(span) = self.parsed(pointer, parse_duration(text)) else {
            return bounds.1;
        };
        self.within(pointer, span, bounds);
        span
    }

    pub(super) fn within(
        &mut self,
        pointer: &str,
        span: Duration,
        (min, max): (Duration, Duration),
    ) {
        if !(min..=max).contains(&span) {
            let (min, max) = (format_duration(min), format_duration(max));
            self.error(pointer, format!("must be from {min} to {max}"));
        }
    }
}

/// The same going out.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueueingView {
    ordering: OrderingForm,
    on_blocked: BlockedForm,
    debounce: Option<DebounceForm>,
    batch: Option<BatchForm>,
}

impl From<&Queueing> for QueueingView {
    fn from(queueing: &Queueing) -> Self {
        let mut view = Self {
            ordering: OrderingForm::None,
            on_blocked: BlockedForm {
                until: "dead".to_owned(),
            },
            debounce: None,
            batch: None,
        };
        match queueing {
            Queueing::Plain => {}
            Queueing::Ordered(ordering) => {
                view.ordering = match ordering.scope {
                    Scope::Key => OrderingForm::Key,
                    Scope::Strict => OrderingForm::Strict,
                };
                view.on_blocked.until = match ordering.blocks {
                    Blocks::UntilSuccess => "success".to_owned(),
                    Blocks::UntilDead => "dead".to_owned(),
                    Blocks::For(time) => format_duration(time),
                };
            }
            Queueing::Debounced(debounce) => {
                view.debounce = Some(DebounceForm {
                    quiet: format_duration(debounce.quiet),
                    max_wait: format_duration(debounce.max_wait),
                    keep: match &debounce.keep {
                        Keep::Latest => KeepForm::Word(KeepWord::Latest),
                        Keep::Fold(plugin) => KeepForm::Fold {
                            fold: plugin.clone(),
                        },
                    },
                });
            }
            Queueing::Batched(batch) => {
                view.batch = Some(BatchForm {
                    max_events: batch.max_events,
                    max_wait: format_duration(batch.max_wait),
                    max_bytes: batch.max_bytes,
                });
            }
        }
        view
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &Value, format: Format) -> (Queueing, Vec<String>) {
        let mut check = Check::default();
        let member = |name: &str| body.get(name).cloned();
        let form = QueueingForm {
            ordering: member("ordering"),
            on_blocked: member("on_blocked"),
            debounce: member("debounce"),
            batch: member("batch"),
        };
        let queueing = form.valid(&mut check, format);
        let errors = check.errors.into_iter().map(|error| error.pointer);
        (queueing, errors.collect())
    }

    #[test]
    fn what_is_read_is_shown_again() {
        for body in [
            json!({}),
            json!({"ordering": "key"}),
            json!({"ordering": "strict", "on_blocked": {"until": "success"}}),
            json!({"ordering": "key", "on_blocked": {"until": "5m"}}),
            json!({"debounce": {"quiet": "15s", "max_wait": "5m", "keep": "latest"}}),
            json!({"debounce": {"quiet": "1s", "max_wait": "1s", "keep": {"fold": "merge-patch"}}}),
            json!({"batch": {"max_events": 7, "max_wait": "10s", "max_bytes": 2048}}),
        ] {
            let (queueing, errors) = read(&body, Format::Event);
            assert!(errors.is_empty(), "{body}: {errors:?}");
            let view = serde_json::to_value(QueueingView::from(&queueing)).unwrap();
            for (name, value) in body.as_object().unwrap() {
                assert_eq!(view[name], *value);
            }
            assert_eq!(read(&view, Format::Event).0, queueing);
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused_together() {
        let debounce = json!({"quiet": "10s", "max_wait": "1m"});
        for (body, format, expected) in [
            (
                json!({"ordering": "key", "debounce": debounce, "batch": {}}),
                Format::Raw,
                vec![
                    "#/delivery/debounce",
                    "#/delivery/batch",
                    "#/delivery/batch",
                    "#/delivery/batch",
                ],
            ),
            (
                json!({"on_blocked": {"until": "success"}}),
                Format::Event,
                vec!["#/delivery/on_blocked"],
            ),
            (
                json!({"debounce": {"quiet": "10s", "max_wait": "1s"}}),
                Format::Event,
                vec!["#/delivery/debounce/max_wait"],
            ),
            (
                json!({"batch": {"max_events": 0, "max_wait": "2h", "max_bytes": 1}}),
                Format::Event,
                vec![
                    "#/delivery/batch/max_events",
                    "#/delivery/batch/max_bytes",
                    "#/delivery/batch/max_wait",
                ],
            ),
            (
                json!({"ordering": "always", "on_blocked": {"until": "later"}}),
                Format::Event,
                vec![
                    "#/delivery/ordering",
                    "#/delivery/on_blocked/until",
                    "#/delivery/on_blocked",
                ],
            ),
        ] {
            assert_eq!(read(&body, format).1, expected, "{body}");
        }
    }
}
