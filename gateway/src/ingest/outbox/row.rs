//! A row of an outbox as an event: the rules of events that come by HTTP, once more.
//!
//! `hookgate.emit` has refused most of what breaks them in the caller's own transaction. What is
//! left are rules that SQL does not check, and rows that somebody wrote without it.

use bytes::Bytes;

use crate::domain::event::Attributes;
use crate::domain::ids::TenantId;
use crate::domain::pattern::MAX_TYPE_BYTES;
use crate::domain::tenant::TenantName;
use crate::ingest::flaw::{Flaw, Rule};
use crate::ingest::{json, scan, text};
use crate::log::{NewEvent, OutboxRow};

/// The tenant's name, and the event without its tenant and its targets; else why it is none.
pub(super) fn checked(row: OutboxRow) -> Result<(TenantName, NewEvent), String> {
    let wrong = |member: &str, rule: Rule| Flaw::body(format!("/{member}"), rule).to_string();
    let tenant = row
        .tenant
        .parse()
        .map_err(|error| wrong("tenant", Rule::Domain(format!("is not allowed: {error}"))))?;
    text::bounded(&row.event_type, MAX_TYPE_BYTES).map_err(|rule| wrong("type", rule))?;
    text::not_own(&row.event_type).map_err(|rule| wrong("type", rule))?;
    let bounded = |member: &str, value: Option<String>, max_bytes| match value {
        Some(value) => match text::bounded(&value, max_bytes) {
            Ok(_) => Ok(Some(value.into_boxed_str())),
            Err(rule) => Err(wrong(member, rule)),
        },
        None => Ok(None),
    };
    let data = row.data.trim_matches([' ', '\t', '\n', '\r']);
    json::bounded_data(data.len()).map_err(|rule| wrong("data", rule))?;
    scan::check(data.as_bytes()).map_err(|rule| wrong("data", rule))?;
    let attributes = Attributes {
        source: bounded("source", row.source, text::MAX_ATTRIBUTE_BYTES)?,
        key: bounded("key", row.key, text::MAX_ID_BYTES)?,
        time: Some(row.emitted_at),
        ..Attributes::default()
    };
    let event = NewEvent {
        tenant: TenantId::new(0),
        event_type: row.event_type.into(),
        attributes,
        data: Bytes::copy_from_slice(data.as_bytes()),
        targets: Vec::new(),
        parked: Vec::new(),
        idempotency: None,
        outbox: None,
    };
    Ok((tenant, event))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::Timestamp;

    fn row() -> OutboxRow {
        OutboxRow {
            id: 1,
            tenant: "default".into(),
            event_type: "a.b".into(),
            source: None,
            key: Some("k".into()),
            data: " {\"a\" : 1.50}\n".into(),
            emitted_at: Timestamp::from_ms(5),
        }
    }

    #[test]
    fn the_data_is_what_its_author_wrote() {
        let (_, event) = checked(row()).unwrap();
        assert_eq!(event.data, "{\"a\" : 1.50}");
        assert_eq!(event.attributes.key.as_deref(), Some("k"));
        assert_eq!(event.attributes.time, Some(Timestamp::from_ms(5)));
    }

    #[test]
    fn what_breaks_a_rule_is_refused_with_its_place() {
        for (place, row) in [
            (
                "/tenant",
                OutboxRow {
                    tenant: "no name".into(),
                    ..row()
                },
            ),
            (
                "/type",
                OutboxRow {
                    event_type: String::new(),
                    ..row()
                },
            ),
            (
                "/type",
                OutboxRow {
                    event_type: "hookgate.mine".into(),
                    ..row()
                },
            ),
            (
                "/key",
                OutboxRow {
                    key: Some("\u{7f}".into()),
                    ..row()
                },
            ),
            (
                "/data",
                OutboxRow {
                    data: r#""\ud800""#.into(),
                    ..row()
                },
            ),
            (
                "/data",
                OutboxRow {
                    data: "[".repeat(65) + &"]".repeat(65),
                    ..row()
                },
            ),
        ] {
            let reason = checked(row).unwrap_err();
            assert!(reason.starts_with(place), "{reason}");
        }
    }
}
