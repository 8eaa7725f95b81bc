//! The dashboard without a browser: who gets in, what they see, and that nothing foreign in it runs.

use hookgate_tests::component::component;
use hookgate_tests::dashboard::Dashboard;
use hookgate_tests::gateway::ADMIN_KEY;
use hookgate_tests::{Gateway, Receiver, Reply, event, wait};
use serde_json::json;

const PAGES: [&str; 15] = [
    "/ui",
    "/ui/events",
    "/ui/deliveries",
    "/ui/subscriptions",
    "/ui/subscriptions/new",
    "/ui/plugins",
    "/ui/plugins/skinny",
    "/ui/plugins/skinny/try",
    "/ui/sources",
    "/ui/jobs",
    "/ui/tenants",
    "/ui/keys",
    "/ui/audit",
    "/ui/nodes",
    "/ui/settings",
];
const HOSTILE: &str = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><b>";

async fn key(gateway: &Gateway, role: &str, tenant: Option<&str>) -> (String, String) {
    let wish = json!({"role": role, "tenant": tenant});
    let made = gateway.api().post("/v1/keys", &wish).await.expect(201);
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("key"), text("id"))
}

#[tokio::test]
async fn nobody_looks_without_a_session_and_every_page_is_guarded() {
    let gateway = Gateway::fresh().await;
    let stranger = Dashboard::of(&gateway);
    for page in PAGES {
        let shown = stranger.get(page).await;
        assert_eq!(shown.status, 303, "{page}: {}", shown.text);
        let led = shown.leads_to().unwrap();
        assert!(led.starts_with("/ui/login"), "{page} leads to {led}");
    }
    let wrong = stranger
        .post("/ui/login", &[("key", "hgk_not-a-key")])
        .await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.session_cookie().is_none());

    let right = stranger.post(
        "/ui/login",
        &[("key", ADMIN_KEY), ("next", "//evil.example")],
    );
    let right = right.await;
    assert_eq!(right.leads_to(), Some("/ui"), "nobody is led elsewhere");
    let cookie = right.session_cookie().unwrap().to_owned();
    for said in ["HttpOnly", "SameSite=Strict", "Path=/ui"] {
        assert!(cookie.contains(said), "{cookie}");
    }
    assert!(!cookie.contains(ADMIN_KEY));

    let visitor = Dashboard::signed_in(&gateway, ADMIN_KEY).await;
    for page in PAGES.into_iter().chain(["/ui/login", "/ui/no-such-page"]) {
        let shown = visitor.get(page).await;
        let expected = if page.contains("no-such") { 404 } else { 200 };
        assert_eq!(shown.status, expected, "{page}: {}", shown.text);
        let header = |name: &str| shown.headers[name].to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("cache-control"), "no-store");
        for inline in [" style=\"", " onclick=", "<style", "javascript:"] {
            assert!(!shown.text.contains(inline), "{page} has {inline}");
        }
        assert!(!shown.text.contains(ADMIN_KEY), "{page} shows the key");
    }
}

#[tokio::test]
async fn a_form_is_taken_only_from_its_own_session_and_its_own_site() {
    let gateway = Gateway::fresh().await;
    let visitor = Dashboard::signed_in(&gateway, ADMIN_KEY).await;
    let other = Dashboard::signed_in(&gateway, ADMIN_KEY).await;
    let forms = forms();
    assert!(forms.len() > 15, "{forms:?}");
    let foreign_token = other.token().await;
    for form in &forms {
        for fields in [&[][..], &[("form_token", foreign_token.as_str())]] {
            let refused = visitor.post(form, fields).await;
            // A form with a file is refused before it is read, because this is none.
            assert!(
                [400, 403].contains(&refused.status),
                "{form}: {} {}",
                refused.status,
                refused.text
            );
        }
        let cross = [("sec-fetch-site", "cross-site")];
        let refused = visitor.submit_with(form, &[], &cross).await;
        assert_eq!(refused.status, 403, "{form}: {}", refused.text);
        let elsewhere = [("origin", "https://evil.example")];
        let refused = visitor.submit_with(form, &[], &elsewhere).await;
        assert_eq!(refused.status, 403, "{form}: {}", refused.text);
    }
    assert_eq!(
        visitor.get("/ui").await.status,
        200,
        "nobody was signed out"
    );
    let tried = visitor.submit("/ui/keys", &[("role", "viewer")]).await;
    assert_eq!(tried.status, 200, "its own form is taken: {}", tried.text);
}

/// The address of every form that wants a session, as the routes name them.
fn forms() -> Vec<String> {
    let routes = concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway/src/ui/routes.rs");
    let text = std::fs::read_to_string(routes).unwrap();
    let text: String = text.split_whitespace().collect();
    let mut forms = Vec::new();
    for route in text.split(".route(").skip(1) {
        let route = route.split(".route(").next().unwrap();
        if !route.contains("post(") {
            continue;
        }
        let place = route.trim_start_matches("&format!(");
        // One that is named elsewhere has no form.
        if place.starts_with("one,") {
            continue;
        }
        let place = place.split('"').nth(1).unwrap().to_owned();
        let base = if text[..text.find(route).unwrap()].contains("/ui/plugins/{name}\"") {
            "/ui/plugins/skinny"
        } else {
            "/ui/subscriptions/sub_0000000000000"
        };
        let place = place.replace("{one}", base).replace("{{verb}}", "pause");
        let place = place.replace("{id}", "key_0000000000000");
        if !["/ui/login", "/ui/enter"].contains(&place.as_str()) {
            forms.push(place);
        }
    }
    forms
}

#[tokio::test]
async fn a_session_ends_with_its_key_and_by_signing_out() {
    let gateway = Gateway::fresh().await;
    let (secret, id) = key(&gateway, "viewer", None).await;
    let visitor = Dashboard::signed_in(&gateway, &secret).await;
    assert_eq!(visitor.get("/ui/events").await.status, 200);
    gateway
        .api()
        .delete(&format!("/v1/keys/{id}"))
        .await
        .expect(200);
    wait::until("the session has ended with its key", || async {
        (visitor.get("/ui/events").await.status == 303).then_some(())
    })
    .await;

    let visitor = Dashboard::signed_in(&gateway, ADMIN_KEY).await;
    let out = visitor.submit("/ui/logout", &[]).await;
    assert_eq!(out.leads_to(), Some("/ui/login"));
    assert_eq!(
        visitor.get("/ui").await.status,
        303,
        "the cookie opens nothing any more"
    );

    let (sender, _) = key(&gateway, "publisher", None).await;
    let refused = Dashboard::of(&gateway)
        .post("/ui/login", &[("key", &sender)])
        .await;
    assert_eq!(refused.status, 401);
}

#[tokio::test]
async fn a_tenant_sees_its_own_and_a_viewer_changes_nothing() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let wish = json!({"tenant": "acme", "event_types": ["*"], "description": "ours"});
    let ours = gateway.subscribe_with(wish, &receiver).await;
    let wish = json!({"tenant": "globex", "event_types": ["*"], "description": "theirs"});
    let theirs = gateway.subscribe_with(wish, &receiver).await;
    let foreign = gateway
        .send(event("secret.of.globex").with("tenant", "globex"))
        .await;
    let own = gateway
        .send(event("news.for.acme").with("tenant", "acme"))
        .await;
    receiver.verified(2).await;
    gateway.settled().await;

    let (secret, _) = key(&gateway, "viewer", Some("acme")).await;
    let viewer = Dashboard::signed_in(&gateway, &secret).await;
    for page in PAGES {
        let shown = viewer.get(page).await;
        for hidden in ["globex", theirs.id.as_str(), foreign.as_str()] {
            assert!(!shown.text.contains(hidden), "{page} shows {hidden}");
        }
    }
    assert!(
        viewer
            .get("/ui/events")
            .await
            .text
            .contains("news.for.acme")
    );
    assert_eq!(viewer.get(&format!("/ui/events/{own}")).await.status, 200);
    for place in [
        format!("/ui/events/{foreign}"),
        format!("/ui/events/{foreign}/data"),
        format!("/ui/subscriptions/{}", theirs.id),
        "/ui/events?tenant=globex".to_owned(),
        "/ui?tenant=globex".to_owned(),
        "/ui/settings".to_owned(),
    ] {
        let shown = viewer.get(&place).await;
        let says_so = shown.status == 404 || shown.text.contains("There is no such thing");
        assert!(says_so, "{place}: {} {}", shown.status, shown.text);
    }
    assert_eq!(viewer.get("/ui/keys").await.status, 403);
    let place = format!("/ui/subscriptions/{}/pause", ours.id);
    assert_eq!(viewer.submit(&place, &[]).await.status, 403);
    let page = viewer.get(&format!("/ui/subscriptions/{}", ours.id)).await;
    assert!(
        !page.text.contains("/pause"),
        "what is not allowed is not offered"
    );

    let (secret, _) = key(&gateway, "subscriber", Some("acme")).await;
    let subscriber = Dashboard::signed_in(&gateway, &secret).await;
    let place = format!("/ui/subscriptions/{}/pause", theirs.id);
    assert_eq!(subscriber.submit(&place, &[]).await.status, 404);
    let place = format!("/ui/subscriptions/{}/pause", ours.id);
    assert_eq!(subscriber.submit(&place, &[]).await.status, 303);
    let state = gateway
        .api()
        .get(&format!("/v1/subscriptions/{}", ours.id))
        .await;
    assert_eq!(state.expect(200)["state"], "paused");
}

#[tokio::test]
async fn a_portal_s_link_opens_one_tenant_once() {
    let gateway = Gateway::fresh().await;
    gateway.send(event("a.b").with("tenant", "acme")).await;
    let place = "/v1/tenants/acme/portal";
    let made = gateway
        .api()
        .post(place, &json!({"session_lasts": "1h"}))
        .await
        .expect(201);
    let url = made["url"].as_str().unwrap().to_owned();
    let path = url.strip_prefix(gateway.url()).unwrap();
    let link = path.split_once("link=").unwrap().1;

    let mut guest = Dashboard::of(&gateway);
    for _ in 0..2 {
        let looked = guest.get(path).await;
        assert_eq!(looked.status, 200, "looking at a link uses none up");
        assert!(looked.session_cookie().is_none());
    }
    let entered = guest.post("/ui/enter", &[("link", link)]).await;
    assert_eq!(entered.leads_to(), Some("/ui"), "{}", entered.text);
    guest.keep(&entered);
    let page = guest.get("/ui").await;
    assert!(
        page.text.contains("acme") && page.text.contains("subscriber"),
        "{}",
        page.text
    );
    assert!(!page.text.contains("/ui/keys"), "no operator's pages");
    assert_eq!(guest.get("/ui/keys").await.status, 403);

    let again = guest.post("/ui/enter", &[("link", link)]).await;
    assert_eq!(again.status, 410, "a link works once");
    let refused = gateway
        .api()
        .post("/v1/tenants/nobody/portal", &json!({}))
        .await;
    assert_eq!(refused.status, 404);
    let wrong = json!({"role": "admin", "link_lasts": "2h"});
    let refused = gateway.api().post(place, &wrong).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("#/role") && refused.text().contains("#/link_lasts"));
    // The text of a session is none of a link, and a key's is none of either.
    assert_eq!(
        guest.post("/ui/enter", &[("link", ADMIN_KEY)]).await.status,
        410
    );
}

#[tokio::test]
async fn hostile_payloads_names_and_answers_are_shown_as_text() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::answering([Reply::Body(500, HOSTILE.into())]).await;
    let wish = json!({
        "event_types": ["*"], "description": HOSTILE, "labels": [HOSTILE],
        "delivery": {"retry_schedule": ["1h"]},
    });
    let subscribed = gateway.subscribe_with(wish, &receiver).await;
    let hostile = event("hostile.event")
        .with("subject", HOSTILE)
        .with("source", HOSTILE)
        .with("key", HOSTILE)
        .data(&json!({ HOSTILE: HOSTILE }));
    let sent = gateway.send(hostile).await;
    let list = format!("/v1/deliveries?event={sent}");
    let delivery = wait::until("it was refused once", || async {
        let found = gateway.api().get(&list).await.expect(200);
        let waits = found["data"][0]["waits_for"] == "retry";
        waits.then(|| found["data"][0]["id"].as_str().unwrap().to_owned())
    })
    .await;
    let wish = json!({"role": "viewer", "description": HOSTILE});
    gateway.api().post("/v1/keys", &wish).await.expect(201);

    let visitor = Dashboard::signed_in(&gateway, ADMIN_KEY).await;
    let escaped = "&lt;script&gt;alert(1)&lt;/script&gt;";
    for (place, is_shown) in [
        ("/ui/events".to_owned(), true),
        (format!("/ui/events/{sent}"), true),
        (format!("/ui/deliveries/{delivery}"), true),
        ("/ui/subscriptions".to_owned(), true),
        (format!("/ui/subscriptions/{}", subscribed.id), true),
        (format!("/ui/subscriptions/{}/edit", subscribed.id), true),
        (format!("/ui/plugins/skinny/try?event={sent}"), true),
        ("/ui/keys".to_owned(), true),
        ("/ui/deliveries".to_owned(), false),
        (
            "/ui/events?type=%3Cscript%3Ealert(1)%3C%2Fscript%3E".to_owned(),
            true,
        ),
        (
            "/ui/login?next=%22%3E%3Cscript%3Ealert(1)%3C/script%3E".to_owned(),
            true,
        ),
        (
            "/ui/enter?link=%22%3E%3Cscript%3Ealert(1)%3C/script%3E".to_owned(),
            true,
        ),
    ] {
        let shown = visitor.get(&place).await;
        assert!(!shown.text.contains("<script>alert"), "{place}");
        assert!(!shown.text.contains("<img src=x"), "{place}");
        assert!(!shown.text.contains("\"'>"), "{place}");
        assert_eq!(
            shown.text.contains(escaped),
            is_shown,
            "{place}: {}",
            shown.text
        );
    }
    let data = visitor.get(&format!("/ui/events/{sent}/data")).await;
    assert_eq!(data.headers["content-disposition"], "attachment");
    let policy = data.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("sandbox"), "{policy}");
}

#[tokio::test]
async fn the_workbench_shows_what_a_plugin_does_and_a_hostile_log_as_text() {
    let gateway = Gateway::fresh().await;
    let visitor = Dashboard::signed_in(&gateway, ADMIN_KEY).await;
    let run = [
        (
            "event",
            r#"{"type": "a.b", "data": {"id": 7, "secret": 12345678901234567890.10}}"#,
        ),
        ("config", r#"{"keep": ["/id"]}"#),
    ];
    let shown = visitor.submit("/ui/plugins/skinny/try", &run).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    for part in [
        "id=\"result\"",
        "<del>",
        "12345678901234567890.10",
        "<meter",
        "Fuel",
    ] {
        assert!(shown.text.contains(part), "no {part}: {}", shown.text);
    }
    let bad = [("event", "{"), ("config", "{}")];
    let refused = visitor.submit("/ui/plugins/skinny/try", &bad).await;
    assert!(
        refused.text.contains("the event must be JSON"),
        "{}",
        refused.text
    );

    // Stamps what it got onto the data, so whatever is in the event comes back out of a plugin.
    let stored = gateway.push("stamps", component("stamps"));
    stored.await.expect(201);
    let hostile = format!("{{\"type\": \"a.b\", \"data\": {}}}", json!(HOSTILE));
    let run = [("event", hostile.as_str()), ("config", "{}")];
    let shown = visitor.submit("/ui/plugins/stamps/try", &run).await;
    assert!(shown.text.contains("id=\"result\""), "{}", shown.text);
    assert!(!shown.text.contains("<script>alert"), "{}", shown.text);
}

#[tokio::test]
async fn the_overview_moves_while_somebody_looks() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    gateway.subscribe("*", &receiver).await;
    gateway.send(event("a.b")).await;
    receiver.verified(1).await;
    let seen = wait::until("the timeline shows the delivery", || async {
        let seen = gateway.api().get("/v1/stats/timeline").await.expect(200);
        (seen["total"]["accepted"] == 1).then_some(seen)
    })
    .await;
    assert_eq!(seen["total"]["events"], 1);
    assert_eq!(seen["tenants"][0]["tenant"], "default");
    assert_eq!(seen["nodes"].as_array().unwrap().len(), 1);
    assert!(seen["p99_ms"].as_u64().is_some());
    let other = gateway.api().get("/v1/stats/timeline?tenant=nobody").await;
    assert_eq!(other.status, 404);

    let visitor = Dashboard::signed_in(&gateway, ADMIN_KEY).await;
    let page = visitor.get("/ui").await;
    assert!(
        page.text.contains("data-live=\"/ui/live\""),
        "{}",
        page.text
    );
    assert!(page.text.contains("class=\"chart\""), "{}", page.text);
}

#[tokio::test]
async fn a_delivery_s_way_shows_what_each_plugin_changed() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let wish = json!({
        "event_types": ["*"],
        "plugins": [{"name": "skinny", "config": {"keep": ["/id"]}}],
    });
    let subscribed = gateway.subscribe_with(wish, &receiver).await;
    let sent = gateway
        .send(event("a.b").raw_data(r#"{"id": 7, "note": "long"}"#))
        .await;
    receiver.verified(1).await;
    let delivery = gateway.delivery_in((&sent, &subscribed), "delivered").await;
    let id = delivery["id"].as_str().unwrap();

    let traced = gateway
        .api()
        .get(&format!("/v1/deliveries/{id}/retrace"))
        .await
        .expect(200);
    let step = &traced["steps"][0];
    assert_eq!(step["plugin"], "skinny");
    assert_eq!(step["before"]["data"], r#"{"id": 7, "note": "long"}"#);
    assert!(
        !step["after"]["data"].as_str().unwrap().contains("note"),
        "{step}"
    );
    assert_eq!(traced["body_is_the_same"], true, "{traced}");

    let visitor = Dashboard::signed_in(&gateway, ADMIN_KEY).await;
    let page = visitor.get(&format!("/ui/deliveries/{id}")).await;
    for part in ["<del>", "the same bytes", "Attempt 1", "127.0.0.1"] {
        assert!(page.text.contains(part), "no {part}: {}", page.text);
    }
}

#[tokio::test]
async fn a_subscription_is_made_checked_and_replayed_in_the_dashboard() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let visitor = Dashboard::signed_in(&gateway, ADMIN_KEY).await;
    let target = receiver.url("/mine");
    let wrong = [("event_types", "a*b"), ("target_url", "ftp://x")];
    let checked = visitor.submit("/ui/subscriptions/check", &wrong).await;
    for place in ["/event_types", "/target_url"] {
        assert!(checked.text.contains(place), "{}", checked.text);
    }
    let wish = [
        ("event_types", "a.*\r\nb.c"),
        ("target_url", target.as_str()),
        (
            "filters",
            r#"[{"data": {"pointer": "/n", "gte": 12345678901234567890.5}}]"#,
        ),
        ("description", "mine"),
    ];
    let checked = visitor.submit("/ui/subscriptions/check", &wish).await;
    assert!(checked.text.contains("can be taken"), "{}", checked.text);
    let listed = gateway.api().get("/v1/subscriptions").await.expect(200);
    assert_eq!(listed["data"], json!([]), "checking makes nothing");

    let made = visitor.submit("/ui/subscriptions", &wish).await;
    assert_eq!(made.status, 200, "{}", made.text);
    assert!(made.text.contains("whsec_"), "the secret is shown once");
    let listed = gateway.api().get("/v1/subscriptions").await;
    assert!(
        listed.text().contains("12345678901234567890.5"),
        "{}",
        listed.text()
    );
    let id = listed.expect(200)["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();

    let place = format!("/ui/subscriptions/{id}/explain");
    let told = visitor
        .submit(&place, &[("event", r#"{"type": "x.y", "data": {"n": 1}}"#)])
        .await;
    assert!(
        told.text.contains("It does not get this event"),
        "{}",
        told.text
    );
    let place = format!("/ui/subscriptions/{id}/replay");
    let counted = visitor.submit(&place, &[("since", "1h")]).await;
    assert!(
        counted.text.contains("would be delivered once more"),
        "{}",
        counted.text
    );
    let place = format!("/ui/subscriptions/{id}/rotate");
    assert!(visitor.submit(&place, &[]).await.text.contains("whsec_"));
    let place = format!("/ui/subscriptions/{id}/delete");
    assert_eq!(
        visitor.submit(&place, &[]).await.leads_to(),
        Some("/ui/subscriptions")
    );
}
