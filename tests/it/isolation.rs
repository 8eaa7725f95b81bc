//! Tenants cannot see each other: every route that the gateway describes is called by every kind of caller.
//!
//! The routes come from the running gateway's own description; one without a row here fails the test.

use std::collections::{BTreeMap, BTreeSet};

use hookgate_tests::component::component;
use hookgate_tests::{Answer, Api, Gateway, GatewayOptions, Receiver, fresh_database, wait};
use reqwest::Method;
use serde_json::{Value, json};

/// In everything that belongs to the tenant `acme`, and in nothing else.
const CANARY: &str = "canary-of-acme";

/// Routes that show a caller again what it asked for.
const ECHOES: [&str; 3] = ["GET /v1/audit", "GET /v1/jobs", "POST /v1/deliveries/retry"];

/// Its answer has no end; so those who may have it ask for a place that there is not, after it was
/// decided whether they may.
const ENDLESS: &str = "GET /v1/tail";

/// What a route asks of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    /// No key at all.
    Nothing,
    Send,
    Read,
    Manage,
    Administer,
    /// Of a key that is bound to no tenant: to read what is about all tenants, or to set limits.
    Operate,
}

/// What a foreign key gets that asks for something of `acme`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Foreign {
    /// There is no such thing.
    NotFound,
    /// Its own things alone, or something that it could have known.
    Own,
    /// It is told no more than that it named another tenant.
    OtherTenant,
}

struct Row {
    needs: Needs,
    foreign: Foreign,
    /// With the ids of things of `acme` filled in.
    path: String,
    body: Option<Value>,
}

/// Things of `acme`.
struct Things {
    event: String,
    subscription: String,
    delivery: String,
    source: String,
    address: String,
    job: String,
    key: String,
}

fn text(value: &Value, member: &str) -> String {
    value[member]
        .as_str()
        .unwrap_or_else(|| panic!("no {member}: {value}"))
        .to_owned()
}

async fn key(api: &Api, role: &str, tenant: Option<&str>) -> Api {
    let form = json!({"role": role, "tenant": tenant});
    let made = api.post("/v1/keys", &form).await.expect(201);
    api.with_key(made["key"].as_str())
}

fn subscription(receiver: &Receiver) -> Value {
    json!({"tenant": "acme", "event_types": ["a.*"], "target_url": receiver.url(&format!("/{CANARY}")),
        "description": CANARY, "delivery": {"retry_schedule": ["1h", "1h"]}})
}

async fn furnish(gateway: &Gateway, receiver: &Receiver) -> Things {
    let api = gateway.api();
    let form = subscription(receiver);
    let made = api.post("/v1/subscriptions", &form).await.expect(201);
    let subscription = text(&made, "id");
    let event = json!({"type": "a.b", "tenant": "acme", "source": CANARY, "data": {"is": CANARY}});
    let event = text(&api.post("/v1/events", &event).await.expect(202), "id");
    let list = format!("/v1/deliveries?event={event}");
    let delivery = wait::until("a delivery that waits", || async {
        let list = api.get(&list).await.json();
        let one = list["data"].as_array()?.first()?.clone();
        one["due_at"].is_string().then(|| text(&one, "id"))
    })
    .await;
    let source = json!({"name": CANARY, "tenant": "acme", "verify": {"kind": "github"}});
    let source = api.post("/v1/sources", &source).await.expect(201);
    let url = text(&source, "url");
    let address = url.split_once("/in/").unwrap().1.to_owned();
    let put = api.put_bytes(
        "/v1/plugins/canary-plugin?tenant=acme",
        "application/wasm",
        component("stamps"),
    );
    put.await.expect(201);
    // So slow that it does not end by itself.
    let replay = json!({"since": "1h", "rate": 1});
    let job = api
        .post(&format!("/v1/subscriptions/{subscription}/replay"), &replay)
        .await
        .expect(202);
    let form = json!({"role": "viewer", "tenant": "acme"});
    let made = api.post("/v1/keys", &form).await.expect(201);
    Things {
        event,
        subscription,
        delivery,
        source: text(&source, "id"),
        address,
        job: text(&job, "id"),
        key: text(&made, "id"),
    }
}

/// One row a route. What `acme` itself may do, it does in the order of the names, deletions last.
#[expect(clippy::too_many_lines, reason = "a table")]
fn matrix(things: &Things, receiver: &Receiver) -> BTreeMap<String, Row> {
    use Foreign::{NotFound, OtherTenant, Own};
    use Needs::{Administer, Manage, Nothing, Operate, Read, Send};

    let yes = json!({});
    let whole = subscription(receiver);
    let event = json!({"type": "a.b", "tenant": "acme", "data": {}});
    let source = json!({"name": CANARY, "tenant": "acme", "verify": {"kind": "github"}});
    let explain = json!({"subscription_id": things.subscription, "event": things.event});
    let run = json!({"event": {"type": "a.b", "data": {}}, "config": {}});
    let last = json!({"last": 1, "version": 1, "config": {}});
    let retry = json!({"event": things.event, "since": "1h"});
    let rows: Vec<(&str, Needs, Foreign, &str, Option<Value>)> = vec![
        ("GET /in/{address}", Nothing, Own, "", None),
        ("OPTIONS /in/{address}", Nothing, Own, "", None),
        ("POST /in/{address}", Nothing, Own, "", None),
        ("GET /livez", Nothing, Own, "", None),
        ("GET /readyz", Nothing, Own, "", None),
        // Open on loopback, where this test is; the extractor has a test of its own beside it.
        ("GET /metrics", Nothing, Own, "", None),
        ("GET /v1/audit", Administer, Own, "", None),
        ("GET /v1/deliveries", Read, Own, "", None),
        ("GET /v1/deliveries/{id}", Read, NotFound, "", None),
        ("GET /v1/deliveries/{id}/retrace", Read, NotFound, "", None),
        ("GET /v1/deliveries/{id}/verify", Read, NotFound, "", None),
        ("POST /v1/deliveries/{id}/verify", Read, NotFound, "", None),
        ("POST /v1/deliveries/retry", Manage, Own, "", Some(retry)),
        ("POST /v1/deliveries/{id}/retry", Manage, NotFound, "", None),
        (
            "POST /v1/deliveries/{id}/cancel",
            Manage,
            NotFound,
            "",
            None,
        ),
        ("GET /v1/events", Read, Own, "", None),
        ("GET /v1/events/{id}", Read, NotFound, "", None),
        ("GET /v1/events/{id}/data", Read, NotFound, "", None),
        (
            "POST /v1/events",
            Send,
            OtherTenant,
            "",
            Some(event.clone()),
        ),
        (
            "POST /v1/events/batch",
            Send,
            OtherTenant,
            "",
            Some(json!([event])),
        ),
        ("DELETE /v1/events/{id}", Administer, NotFound, "", None),
        ("GET /v1/jobs", Read, Own, "", None),
        ("GET /v1/jobs/{id}", Read, NotFound, "", None),
        ("DELETE /v1/jobs/{id}", Manage, NotFound, "", None),
        ("GET /v1/keys", Administer, Own, "", None),
        (
            "POST /v1/keys",
            Administer,
            OtherTenant,
            "",
            Some(json!({"role": "viewer", "tenant": "acme"})),
        ),
        ("DELETE /v1/keys/{id}", Administer, NotFound, "", None),
        ("GET /v1/nodes", Operate, Own, "", None),
        ("GET /v1/stats", Operate, Own, "", None),
        ("GET /v1/stats/timeline", Read, Own, "", None),
        ("GET /v1/plugins", Read, Own, "", None),
        ("GET /v1/plugins/{name}", Read, NotFound, "", None),
        ("GET /v1/plugins/{name}/logs", Read, NotFound, "", None),
        (
            "PUT /v1/plugins/{name}",
            Manage,
            NotFound,
            "?tenant=acme",
            None,
        ),
        (
            "POST /v1/plugins/{name}/activate",
            Manage,
            NotFound,
            "",
            Some(json!({"version": 1})),
        ),
        (
            "POST /v1/plugins/{name}/backtest",
            Manage,
            NotFound,
            "",
            Some(last),
        ),
        (
            "POST /v1/plugins/{name}/run",
            Manage,
            OtherTenant,
            "",
            Some(run),
        ),
        ("POST /v1/plugins/run", Manage, Own, "", None),
        ("DELETE /v1/plugins/{name}", Manage, NotFound, "", None),
        ("GET /v1/sources", Read, Own, "", None),
        (
            "POST /v1/sources",
            Manage,
            OtherTenant,
            "",
            Some(source.clone()),
        ),
        ("GET /v1/sources/{id}", Read, NotFound, "", None),
        ("PUT /v1/sources/{id}", Manage, NotFound, "", Some(source)),
        (
            "POST /v1/sources/{id}/secret/rotate",
            Manage,
            NotFound,
            "",
            Some(yes.clone()),
        ),
        // Again is fine, hence also what never was.
        ("DELETE /v1/sources/{id}", Manage, Own, "", None),
        ("GET /v1/subscriptions", Read, Own, "", None),
        (
            "POST /v1/subscriptions",
            Manage,
            OtherTenant,
            "",
            Some(whole.clone()),
        ),
        (
            "POST /v1/subscriptions/check",
            Manage,
            OtherTenant,
            "",
            Some(whole.clone()),
        ),
        (
            "POST /v1/subscriptions/explain",
            Read,
            NotFound,
            "",
            Some(explain),
        ),
        ("GET /v1/subscriptions/{id}", Read, NotFound, "", None),
        (
            "PUT /v1/subscriptions/{id}",
            Manage,
            NotFound,
            "",
            Some(whole),
        ),
        (
            "PATCH /v1/subscriptions/{id}",
            Manage,
            NotFound,
            "",
            Some(json!({"labels": ["x"]})),
        ),
        ("GET /v1/subscriptions/{id}/confirm", Nothing, Own, "", None),
        (
            "POST /v1/subscriptions/{id}/confirm",
            Nothing,
            Own,
            "",
            Some(yes.clone()),
        ),
        (
            "GET /v1/subscriptions/{id}/events",
            Read,
            NotFound,
            "",
            None,
        ),
        (
            "GET /v1/subscriptions/{id}/missed",
            Read,
            NotFound,
            "",
            None,
        ),
        (
            "POST /v1/subscriptions/{id}/missed/release",
            Manage,
            NotFound,
            "",
            Some(yes.clone()),
        ),
        (
            "POST /v1/subscriptions/{id}/pause",
            Manage,
            NotFound,
            "",
            None,
        ),
        (
            "POST /v1/subscriptions/{id}/resume",
            Manage,
            NotFound,
            "",
            None,
        ),
        (
            "POST /v1/subscriptions/{id}/replay",
            Manage,
            NotFound,
            "",
            Some(json!({"since": "1h"})),
        ),
        (
            "GET /v1/subscriptions/{id}/samples",
            Read,
            NotFound,
            "",
            None,
        ),
        (
            "POST /v1/subscriptions/{id}/secret/rotate",
            Manage,
            NotFound,
            "",
            Some(yes.clone()),
        ),
        (
            "POST /v1/subscriptions/{id}/test",
            Manage,
            NotFound,
            "",
            None,
        ),
        // Again is fine, hence also what never was.
        ("DELETE /v1/subscriptions/{id}", Manage, Own, "", None),
        (ENDLESS, Read, NotFound, "?tenant=acme&after=no-place", None),
        ("GET /v1/tenants", Read, Own, "", None),
        (
            "PUT /v1/tenants/{name}",
            Operate,
            NotFound,
            "",
            Some(yes.clone()),
        ),
        (
            "POST /v1/tenants/{name}/portal",
            Administer,
            NotFound,
            "",
            Some(yes),
        ),
        (
            "POST /v1/tenants/{tenant}/erase",
            Administer,
            NotFound,
            "",
            Some(json!({"confirm": "acme"})),
        ),
    ];
    let filled = rows
        .into_iter()
        .map(|(route, needs, foreign, query, body)| {
            let path = route.split_once(' ').unwrap().1;
            let id = match path.split('/').nth(2).unwrap_or_default() {
                "events" => &things.event,
                "subscriptions" => &things.subscription,
                "deliveries" => &things.delivery,
                "sources" => &things.source,
                "jobs" => &things.job,
                "keys" => &things.key,
                _ => "",
            };
            let name = if path.contains("/plugins/") {
                "canary-plugin"
            } else {
                "acme"
            };
            let path = path
                .replace("{id}", id)
                .replace("{address}", &things.address)
                .replace("{name}", name)
                .replace("{tenant}", "acme");
            let path = format!("{path}{query}");
            (
                route.to_owned(),
                Row {
                    needs,
                    foreign,
                    path,
                    body,
                },
            )
        });
    filled.collect()
}

async fn call(api: &Api, route: &str, row: &Row) -> Answer {
    let method: Method = route.split_once(' ').unwrap().0.parse().unwrap();
    let request = api.request(method, &row.path);
    let request = match (route, &row.body) {
        (_, Some(body)) => request.json(body),
        ("PUT /v1/plugins/{name}", _) => request
            .header("content-type", "application/wasm")
            .body(component("stamps")),
        ("POST /v1/plugins/run", _) => request
            .header("content-type", "multipart/form-data; boundary=X")
            .body(upload()),
        _ => request,
    };
    api.send(request).await
}

/// A component with an event to show to it.
fn upload() -> Vec<u8> {
    let part = |name: &str| {
        format!("\r\n--X\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n").into_bytes()
    };
    let event = br#"{"type": "a.b", "data": {}}"#;
    let component = component("stamps");
    let parts = [
        part("component"),
        component.to_vec(),
        part("event"),
        event.to_vec(),
    ];
    [parts.concat(), b"\r\n--X--\r\n".to_vec()].concat()
}

async fn routes(api: &Api) -> BTreeSet<String> {
    let document = api.get("/openapi.json").await.expect(200);
    let mut routes = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            routes.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    routes
}

/// All that `acme` can see of its things.
async fn looked_at(api: &Api, things: &Things) -> Value {
    let mut seen = Vec::new();
    for path in [
        format!("/v1/subscriptions/{}", things.subscription),
        format!("/v1/sources/{}", things.source),
        format!("/v1/events/{}/data", things.event),
        format!("/v1/deliveries/{}", things.delivery),
        "/v1/plugins/canary-plugin".to_owned(),
        "/v1/subscriptions".to_owned(),
        "/v1/sources".to_owned(),
        "/v1/events".to_owned(),
        "/v1/keys".to_owned(),
        "/v1/tenants".to_owned(),
    ] {
        seen.push(api.get(&path).await.expect(200));
    }
    // A job moves by itself.
    let job = api
        .get(&format!("/v1/jobs/{}", things.job))
        .await
        .expect(200);
    seen.push(job["id"].clone());
    Value::from(seen)
}

fn allows(role: &str, needs: Needs) -> bool {
    match needs {
        Needs::Nothing => true,
        Needs::Send => matches!(role, "admin" | "publisher"),
        Needs::Read => matches!(role, "admin" | "subscriber" | "viewer"),
        Needs::Manage => matches!(role, "admin" | "subscriber"),
        Needs::Administer => role == "admin",
        Needs::Operate => false,
    }
}

#[tokio::test]
async fn every_route_keeps_tenants_apart_whoever_calls() {
    let options = GatewayOptions::on(&fresh_database().await);
    let gateway = Gateway::start(options).await;
    let receiver = Receiver::answering([hookgate_tests::Reply::Status(500)]).await;
    let things = furnish(&gateway, &receiver).await;
    let admin = gateway.api();
    let matrix = matrix(&things, &receiver);
    let there = routes(admin).await;
    let known: BTreeSet<String> = matrix.keys().cloned().collect();
    assert_eq!(
        there, known,
        "a route without a row, or a row without a route"
    );

    let acme = key(admin, "admin", Some("acme")).await;
    let before = looked_at(&acme, &things).await;
    strangers(admin, &matrix).await;
    foreigners(admin, &matrix, &things).await;
    assert_eq!(
        before,
        looked_at(&acme, &things).await,
        "nothing has changed"
    );
    lesser_roles(admin, &matrix).await;
    assert_eq!(before[0], looked_at(&acme, &things).await[0]);
    own(admin, &acme, &matrix).await;
}

/// Nobody gets in without a key that is known.
async fn strangers(admin: &Api, matrix: &BTreeMap<String, Row>) {
    let form = json!({"role": "admin", "tenant": "acme"});
    let made = admin.post("/v1/keys", &form).await.expect(201);
    let revoked = admin.with_key(made["key"].as_str());
    let at = format!("/v1/keys/{}", text(&made, "id"));
    admin.delete(&at).await.expect(200);
    for stranger in [
        admin.with_key(None),
        revoked,
        admin.with_key(Some("hgk_guess")),
    ] {
        for (route, row) in matrix.iter().filter(|(_, row)| row.needs != Needs::Nothing) {
            let answer = call(&stranger, route, row).await;
            assert_eq!(answer.status, 401, "{route}: {}", answer.text());
        }
    }
}

/// Whoever has a key of another tenant, even an admin's, neither sees nor changes anything.
async fn foreigners(admin: &Api, matrix: &BTreeMap<String, Row>, things: &Things) {
    let mut wrong = Vec::new();
    for role in ["admin", "subscriber", "viewer", "publisher"] {
        let foreigner = key(admin, role, Some("other")).await;
        for (route, row) in matrix {
            if row.needs == Needs::Nothing {
                continue;
            }
            let answer = call(&foreigner, route, row).await;
            let said = answer.text();
            let expected: &[u16] = match (allows(role, row.needs), row.foreign) {
                (false, Foreign::NotFound) if role == "admin" => &[404],
                (false, _) => &[403],
                (true, Foreign::NotFound) => &[404],
                (true, Foreign::Own) => &[200, 202, 204],
                (true, Foreign::OtherTenant) => &[403, 404, 422],
            };
            if !expected.contains(&answer.status) {
                wrong.push(format!("{role} {route}: {} {said}", answer.status));
            }
            // What it asked for in vain is in its own audit log and in its own jobs.
            let ids = [&things.event, &things.delivery, &things.address];
            let hidden = ids
                .into_iter()
                .filter(|_| !ECHOES.contains(&route.as_str()));
            for secret in hidden.map(String::as_str).chain([CANARY]) {
                if said.contains(secret) {
                    wrong.push(format!("{role} {route} shows {secret}: {said}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A role may do what it is for, with things of its own tenant too.
async fn lesser_roles(admin: &Api, matrix: &BTreeMap<String, Row>) {
    let mut wrong = Vec::new();
    for role in ["viewer", "publisher", "subscriber"] {
        let lesser = key(admin, role, Some("acme")).await;
        for (route, row) in matrix.iter().filter(|(_, row)| !allows(role, row.needs)) {
            let answer = call(&lesser, route, row).await;
            if answer.status != 403 {
                wrong.push(format!(
                    "{role} {route}: {} {}",
                    answer.status,
                    answer.text()
                ));
            }
        }
    }
    let viewer = key(admin, "viewer", Some("acme")).await;
    for (route, row) in matrix.iter().filter(|(_, row)| row.needs == Needs::Read) {
        let answer = call(&viewer, route, row).await;
        if answer.status >= 300 && (route != ENDLESS || answer.status != 400) {
            wrong.push(format!(
                "viewer {route}: {} {}",
                answer.status,
                answer.text()
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Its own admin may do everything but what is about all tenants: so each row asks for what is there.
async fn own(admin: &Api, acme: &Api, matrix: &BTreeMap<String, Row>) {
    let last = |route: &str| route.starts_with("DELETE ") || route.ends_with("/erase");
    let (ends, rows): (Vec<_>, Vec<_>) = matrix.iter().partition(|(route, _)| last(route));
    let mut wrong = Vec::new();
    for (route, row) in rows.into_iter().chain(ends) {
        let answer = call(acme, route, row).await;
        let is_right = match row.needs {
            Needs::Operate => {
                let operator = call(admin, route, row).await;
                answer.status == 403 && operator.status == 200
            }
            // Those have secrets of their own, of which other tests tell.
            Needs::Nothing => answer.status < 500,
            // It is there, whatever its state allows now.
            _ if route == ENDLESS => answer.status == 400,
            _ => answer.status < 300 || answer.status == 409,
        };
        if !is_right {
            wrong.push(format!("{route}: {} {}", answer.status, answer.text()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
