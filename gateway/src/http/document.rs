//! The OpenAPI document, finished: what holds for all routes is said once here and not at each of them.
//!
//! Adds words and drops what nothing refers to; what a route takes and answers is said beside its
//! handler alone.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// What the groups of operations are about; a group that is not here gets its name.
const TAGS: [(&str, &str); 10] = [
    ("events", "Events in, and a look at them"),
    ("subscriptions", "Who wants which events, where and how"),
    (
        "deliveries",
        "One event for one subscription, with its attempts",
    ),
    (
        "plugins",
        "WebAssembly components between events and receivers",
    ),
    ("jobs", "Work that takes longer than a request"),
    ("keys", "Who may call"),
    ("audit", "Who did what"),
    (
        "tenants",
        "Whose events these are, and how much they may send",
    ),
    ("sources", "Where others' webhooks come in"),
    ("operating", "What operators and machines ask"),
];

/// The notices of the gateway itself: ordinary events, for whoever subscribes to them by name.
const NOTICES: [(&str, &str); 3] = [
    (
        "hookgate.subscription.disabled",
        "A subscription was disabled: its receiver is gone or failed for too long",
    ),
    ("hookgate.delivery.dead", "A delivery used up its retries"),
    (
        "hookgate.plugin.failed",
        "A plugin keeps failing, and what needs it waits",
    ),
];

/// Makes the document complete and consistent.
pub(super) fn finish(document: &mut Value) {
    document["servers"] = json!([{"url": "/", "description": "The gateway that serves this"}]);
    document["info"]["contact"] = json!({"name": "Hookgate", "url": "https://hookgate.dev"});
    let mut tags = BTreeSet::new();
    each_operation(document, |operation| {
        if !operation.contains_key("description") {
            let summary = operation.get("summary").cloned();
            operation.insert("description".to_owned(), summary.unwrap_or_default());
        }
        let of = operation.get("tags").and_then(Value::as_array);
        tags.extend(
            of.into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned),
        );
        let responses = operation
            .get_mut("responses")
            .and_then(Value::as_object_mut);
        for (status, response) in responses.into_iter().flatten() {
            if response["description"].as_str().is_none_or(str::is_empty) {
                response["description"] = meaning(status).into();
            }
        }
    });
    let tag = |name: String| {
        let known = TAGS.iter().find(|(known, _)| *known == name);
        let description = known.map_or_else(|| name.clone(), |(_, words)| (*words).to_owned());
        json!({"name": name, "description": description})
    };
    document["tags"] = tags.into_iter().map(tag).collect();
    document["webhooks"] = webhooks();
    make_plain(document);
    while drop_unused(document) {}
}

fn each_operation(document: &mut Value, mut change: impl FnMut(&mut Map<String, Value>)) {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for item in paths.filter_map(|(_, item)| item.as_object_mut()) {
        for (method, operation) in item {
            if method != "parameters"
                && let Some(operation) = operation.as_object_mut()
            {
                change(operation);
            }
        }
    }
}

fn meaning(status: &str) -> &'static str {
    match status {
        "200" => "What was asked for",
        "201" => "It was made",
        "202" => "It was taken, and goes on by itself",
        "204" => "It was done",
        "401" => "An API key is needed",
        "404" => "There is no such thing, or the key may not see it",
        "503" => "Not now: try again after Retry-After",
        _ => "Refused; the problem says why, and what to change",
    }
}

/// What goes out, for those who generate receivers.
fn webhooks() -> Value {
    let header = |name: &str, what: &str| {
        json!({"name": name, "in": "header", "required": true,
        "description": what, "schema": {"type": "string"}})
    };
    let webhook = |(name, what): (&str, &str)| {
        let body = json!({"type": "object", "required": ["type", "timestamp", "data", "id"],
            "properties": {"type": {"const": name}, "timestamp": {"type": "string", "format": "date-time"},
                "data": {"type": "object", "description": "What happened, with the ids of what it concerns"},
                "id": {"type": "string", "description": "The event's id"},
                "sequence": {"type": "string", "description": "Grows with time: what is lower is older"}}});
        let operation = json!({"post": {"operationId": name.replace('.', "_"), "tags": ["events"],
            "summary": what, "description": what,
            "parameters": [
                header("webhook-id", "The delivery's id, the same over all its attempts"),
                header("webhook-timestamp", "When this attempt was signed, in seconds since 1970"),
                header("webhook-signature", "Signatures of id, timestamp and body, with blanks between them")],
            "requestBody": {"required": true, "content": {"application/json": {"schema": body}}},
            "responses": {"2XX": {"description": "Taken; anything else is tried again"},
                "410": {"description": "Never again: the subscription is disabled"}}}});
        (name.to_owned(), operation)
    };
    Value::Object(NOTICES.into_iter().map(webhook).collect())
}

/// Arrays say what is in them, and a default is of its type.
fn make_plain(value: &mut Value) {
    match value {
        Value::Object(members) => {
            let is_array = members.get("type").is_some_and(|kind| kind == "array");
            let items = members.get("items");
            if is_array && items.is_none_or(|items| *items == json!(false)) {
                // A tuple says by its length that nothing follows.
                let length = members
                    .get("prefixItems")
                    .and_then(Value::as_array)
                    .map(Vec::len);
                if let Some(length) = length {
                    members.insert("maxItems".to_owned(), length.into());
                }
                members.insert("items".to_owned(), json!({}));
            }
            let has_no_default = members.get("default").is_some_and(Value::is_null);
            if has_no_default && members.get("type").is_some_and(Value::is_string) {
                members.remove("default");
            }
            members.values_mut().for_each(make_plain);
        }
        Value::Array(items) => items.iter_mut().for_each(make_plain),
        _ => {}
    }
}

/// Drops schemas that nothing refers to; whether there were any.
fn drop_unused(document: &mut Value) -> bool {
    let mut used = BTreeSet::new();
    references(document, &mut used);
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else {
        return false;
    };
    let before = schemas.len();
    schemas.retain(|name, _| used.contains(name));
    schemas.len() < before
}

fn references(value: &Value, used: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            let name = members
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|to| to.strip_prefix("#/components/schemas/"));
            used.extend(name.map(str::to_owned));
            members.values().for_each(|member| references(member, used));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, used)),
        _ => {}
    }
}
