//! The audit log: whatever changes is written down with who did it, and nobody can unwrite it.

use hookgate_tests::component::component;
use hookgate_tests::dashboard::Dashboard;
use hookgate_tests::gateway::ADMIN_KEY;
use hookgate_tests::{Api, Cli, Gateway, GatewayOptions, Receiver, event, fresh_database, wait};
use serde_json::{Value, json};

/// Entries of a question, newest first.
async fn entries(api: &Api, query: &str) -> Vec<Value> {
    let page = api.get(&format!("/v1/audit?{query}")).await.expect(200);
    page["data"].as_array().unwrap().clone()
}

async fn key(api: &Api, role: &str, tenant: Option<&str>) -> (Api, Value) {
    let form = json!({"role": role, "tenant": tenant});
    let made = api.post("/v1/keys", &form).await.expect(201);
    (api.with_key(made["key"].as_str()), made)
}

fn operations(entries: &[Value]) -> Vec<&str> {
    let mut found: Vec<&str> = entries
        .iter()
        .map(|entry| entry["operation"].as_str().unwrap())
        .collect();
    found.reverse();
    found
}

/// Does one of everything to a subscription, a source, a plugin, jobs and deliveries.
async fn journey(gateway: &Gateway, api: &Api, receiver: &Receiver) -> Vec<String> {
    let mut secrets = Vec::new();
    let mut keep = |answer: &Value| {
        for member in ["secret", "key"] {
            secrets.extend(answer[member].as_str().map(str::to_owned));
        }
    };
    let form = json!({"event_types": ["a.*"], "target_url": receiver.url("/journey?token=in-the-url"),
        "delivery": {"headers": {"x-token": "in-a-header"}, "retry_schedule": ["1h"]}});
    let made = api.post("/v1/subscriptions", &form).await.expect(201);
    keep(&made);
    let sub = made["id"].as_str().unwrap().to_owned();
    let at = |rest: &str| format!("/v1/subscriptions/{sub}{rest}");
    let none = json!({});
    api.patch(&at(""), &json!({"description": "changed"}))
        .await
        .expect(200);
    keep(&api.post(&at("/secret/rotate"), &none).await.expect(200));
    api.post(&at("/pause"), &none).await.expect(200);
    api.post(&at("/resume"), &none).await.expect(200);
    api.post(&at("/test"), &none).await.expect(202);
    let sent = json!({"type": "a.b", "tenant": "acme", "data": {}});
    let sent = gateway.api().post("/v1/events", &sent).await.expect(202);
    let event = sent["id"].as_str().unwrap().to_owned();
    let delivery = wait::until("the delivery failed once", || async {
        let list = api.get(&format!("/v1/deliveries?event={event}")).await;
        let list = list.json();
        let one = list["data"].as_array()?.first()?.clone();
        one["due_at"]
            .is_string()
            .then(|| one["id"].as_str().unwrap().to_owned())
    })
    .await;
    let at_delivery = |rest: &str| format!("/v1/deliveries/{delivery}/{rest}");
    wait::until("it may be cancelled", || async {
        let cancelled = api.post(&at_delivery("cancel"), &json!({})).await;
        (cancelled.status == 200).then_some(())
    })
    .await;
    api.post(&at_delivery("retry"), &none).await.expect(202);
    let replay = json!({"since": "1h", "rate": 1});
    let job = api.post(&at("/replay"), &replay).await.expect(202);
    let job = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    // It may have ended by itself.
    assert!([200, 409].contains(&api.delete(&job).await.status));
    let source = json!({"name": "shop", "verify": {"kind": "github"}});
    let source = api.post("/v1/sources", &source).await.expect(201);
    keep(&source);
    let at_source = format!("/v1/sources/{}", source["id"].as_str().unwrap());
    let changed = json!({"name": "shop2", "verify": {"kind": "github"}});
    api.put(&at_source, &changed).await.expect(200);
    let rotate = format!("{at_source}/secret/rotate");
    keep(&api.post(&rotate, &none).await.expect(200));
    api.delete(&at_source).await.expect(204);
    let wasm = component("stamps");
    let put = api.put_bytes("/v1/plugins/mine", "application/wasm", wasm);
    put.await.expect(201);
    api.post("/v1/plugins/mine/activate", &json!({"version": 1}))
        .await
        .expect(200);
    api.delete("/v1/plugins/mine").await.expect(200);
    api.delete(&at("")).await.expect(204);
    secrets.extend(["in-the-url", "in-a-header"].map(str::to_owned));
    secrets
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one journey through all operations")]
async fn whatever_changes_is_written_down_with_who_did_it_and_without_a_secret() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::answering([hookgate_tests::Reply::Status(500)]).await;
    let (subscriber, made) = key(gateway.api(), "subscriber", Some("acme")).await;
    let mut secrets = journey(&gateway, &subscriber, &receiver).await;
    secrets.push(made["key"].as_str().unwrap().to_owned());
    secrets.push(ADMIN_KEY.to_owned());
    let admin = gateway.api();
    let id = made["id"].as_str().unwrap();
    let limit = json!({"quota": {"events_per_second": 1000}});
    admin.put("/v1/tenants/acme", &limit).await.expect(200);
    let link = admin.post("/v1/tenants/acme/portal", &json!({})).await;
    let link = link.expect(201)["url"].as_str().unwrap().to_owned();
    let link = link.split_once("link=").unwrap().1.to_owned();
    let portal = Dashboard::of(&gateway);
    portal.post("/ui/enter", &[("link", &link)]).await;
    secrets.push(link);
    let sent = gateway.send(event("a.b").with("tenant", "acme")).await;
    admin
        .delete(&format!("/v1/events/{sent}"))
        .await
        .expect(204);
    let erase = json!({"confirm": "acme"});
    admin
        .post("/v1/tenants/acme/erase", &erase)
        .await
        .expect(202);
    admin.delete(&format!("/v1/keys/{id}")).await.expect(200);

    let mine = entries(admin, &format!("key={id}&limit=500&result=done")).await;
    for expected in [
        "subscription.create",
        "subscription.change",
        "subscription.rotate_secret",
        "subscription.pause",
        "subscription.resume",
        "subscription.test",
        "subscription.delete",
        "delivery.cancel",
        "delivery.retry",
        "job.create",
        "source.create",
        "source.change",
        "source.rotate_secret",
        "source.delete",
        "plugin.upload",
        "plugin.activate",
        "plugin.delete",
    ] {
        let of_it: Vec<&Value> = mine
            .iter()
            .filter(|entry| entry["operation"] == expected)
            .collect();
        assert_eq!(of_it.len(), 1, "{expected}: {:?}", operations(&mine));
        assert_eq!(of_it[0]["tenant"], "acme", "{expected}");
        assert_eq!(of_it[0]["address"], "127.0.0.1", "{expected}");
        assert_eq!(of_it[0]["role"], "subscriber", "{expected}");
        assert_ne!(of_it[0]["object"], "", "{expected}");
    }
    let all = entries(admin, "limit=500").await;
    for (operation, actor) in [
        ("key.create", "first_key"),
        ("key.revoke", "first_key"),
        ("tenant.create", "first_key"),
        ("tenant.set", "first_key"),
        ("tenant.erase", "first_key"),
        ("portal.link", "first_key"),
        ("session.open", "keyless"),
        ("event.erase", "first_key"),
    ] {
        let found = all
            .iter()
            .any(|entry| entry["operation"] == operation && entry["actor"] == actor);
        assert!(found, "{operation} by {actor}: {:?}", operations(&all));
    }
    let changed = &entries(admin, "operation=subscription.change").await[0];
    assert_eq!(changed["detail"], "description");
    let text = Value::from(all).to_string();
    for secret in secrets {
        assert!(!text.contains(&secret), "{secret} is in the audit log");
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one journey through all operations")]
async fn what_is_refused_is_written_down_too_and_tenants_see_their_own() {
    let gateway = Gateway::fresh().await;
    let admin = gateway.api();
    let (viewer, seen) = key(admin, "viewer", Some("acme")).await;
    let (acme, _) = key(admin, "admin", Some("acme")).await;
    let (other, _) = key(admin, "subscriber", Some("other")).await;
    let form = json!({"event_types": ["a"], "target_url": "http://127.0.0.1:9/"});
    let theirs = other.post("/v1/subscriptions", &form).await.expect(201);
    let theirs = theirs["id"].as_str().unwrap();

    viewer.post("/v1/subscriptions", &form).await.expect(403);
    let probe = format!("/v1/subscriptions/{theirs}/pause");
    acme.post(&probe, &json!({})).await.expect(404);
    let stranger = admin.with_key(Some("hgk_nobody"));
    stranger
        .post("/v1/keys", &json!({"role": "admin"}))
        .await
        .expect(401);
    let nobody = admin.with_key(None);
    nobody
        .post("/v1/keys", &json!({"role": "admin"}))
        .await
        .expect(401);
    let wrong = Dashboard::of(&gateway);
    wrong.post("/ui/login", &[("key", "hgk_guess")]).await;

    let refused = entries(admin, "result=refused").await;
    let told: Vec<String> = refused
        .iter()
        .rev()
        .map(|entry| {
            let text = |name: &str| entry[name].as_str().unwrap_or("-").to_owned();
            let parts = ["operation", "object", "actor", "tenant", "detail"].map(text);
            parts.join(" ").replace(theirs, "SUB")
        })
        .collect();
    assert_eq!(
        told,
        [
            "subscription.create  key acme role-forbids",
            "subscription.pause SUB key acme not-found",
            "key.create  keyless - unknown-key",
            "session.open dashboard keyless - ",
        ]
    );
    let viewers = entries(admin, &format!("key={}", seen["id"].as_str().unwrap())).await;
    assert_eq!(operations(&viewers), ["subscription.create"]);

    // Bound keys see what was done to their tenant's things, and nothing of others.
    let own = entries(&acme, "limit=500").await;
    assert!(own.iter().all(|entry| entry["tenant"] == "acme"), "{own:?}");
    assert!(own.len() >= 4, "{own:?}");
    acme.get("/v1/audit?tenant=other").await.expect(404);
    viewer.get("/v1/audit").await.expect(403);
    nobody.get("/v1/audit").await.expect(401);
    admin.get("/v1/audit?result=perhaps").await.expect(400);

    // By pages, each entry once.
    let mut walked = Vec::new();
    let mut after = String::new();
    loop {
        let page = admin
            .get(&format!("/v1/audit?limit=3{after}"))
            .await
            .expect(200);
        walked.extend(page["data"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(walked, entries(admin, "limit=500").await);
    let of_keys = entries(admin, "operation=key").await;
    assert!(
        of_keys
            .iter()
            .all(|entry| entry["operation"] == "key.create")
    );
    assert_eq!(of_keys.len(), 4);
}

#[tokio::test]
async fn a_change_and_its_entry_are_one_and_no_entry_can_be_changed() {
    let database = fresh_database().await;
    let mut gateway = Gateway::start(GatewayOptions::on(&database)).await;
    let pool = database.pool().await;
    gateway
        .api()
        .post(
            "/v1/keys",
            &json!({"role": "viewer", "description": "the first"}),
        )
        .await
        .expect(201);
    for change in [
        "update hookgate.audit set operation = 'x.y'",
        "delete from hookgate.audit",
        "truncate hookgate.audit",
    ] {
        let error = sqlx::query(change).execute(&pool).await.unwrap_err();
        assert!(
            error.to_string().contains("only added to"),
            "{change}: {error}"
        );
    }

    // What cannot be written down is not done.
    let deaf = "alter table hookgate.audit add constraint deaf check (operation <> 'key.create') not valid";
    sqlx::query(deaf).execute(&pool).await.unwrap();
    gateway
        .api()
        .post(
            "/v1/keys",
            &json!({"role": "admin", "description": "unseen"}),
        )
        .await
        .expect(503);
    let keys = gateway.api().get("/v1/keys").await.expect(200);
    assert!(!keys.to_string().contains("unseen"), "{keys}");

    // What is old goes, and nothing else.
    let old = "insert into hookgate.audit (at, actor, operation, object, result)
               select now() - make_interval(days => d), 'gateway', 'job.cancel', 'old', 'done'
               from unnest(array[29, 31, 399, 401]) as d";
    sqlx::query(old).execute(&pool).await.unwrap();
    gateway.restart().await;
    wait::until("what is older than 400 days is gone", || async {
        (entries(gateway.api(), "object=old").await.len() == 3).then_some(())
    })
    .await;
    let swept = sqlx::query(
        "delete from hookgate.audit where object = 'old' and at < now() - interval '30 days'",
    );
    assert_eq!(swept.execute(&pool).await.unwrap().rows_affected(), 2);
}

#[tokio::test]
async fn the_command_line_and_the_dashboard_show_it() {
    let gateway = Gateway::fresh().await;
    let cli = Cli::of(&gateway);
    let words = ["keys", "create", "viewer", "--tenant", "acme"];
    assert!(cli.run(&words).await.good().contains("hgk_"));
    let shown = cli.run(&["audit", "--operation", "key"]).await.good();
    assert!(
        shown.contains("key.create") && shown.contains("first_key"),
        "{shown}"
    );
    assert!(!shown.contains("tenant.create"), "{shown}");
    let json = cli
        .run(&["audit", "--tenant", "acme", "--json"])
        .await
        .good();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["data"][0]["operation"], "key.create");

    let visitor = Dashboard::signed_in(&gateway, ADMIN_KEY).await;
    let page = visitor.get("/ui/audit?operation=session").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("session.open"), "{}", page.text);
    // What the dashboard does for somebody is theirs, with their address.
    visitor.submit("/ui/keys", &[("role", "publisher")]).await;
    let made = &entries(gateway.api(), "operation=key.create").await[0];
    assert_eq!(made["address"], "127.0.0.1");
    assert_eq!(made["actor"], "first_key");
}
