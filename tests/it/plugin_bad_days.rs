//! What goes wrong around plugins: processes that die while a version comes in, files by the
//! hundred that are no plugins, components that are gone. What served goes on serving, whole; and
//! what cannot be transformed never goes out as it was.

use std::time::Duration;

use hookgate_tests::component::{component, distinct, stamping};
use hookgate_tests::{Gateway, GatewayOptions, Receiver, Subscribed, event, fresh_database, wait};
use serde_json::{Value, json};

use crate::plugin_folder::publish;

async fn plugin(gateway: &Gateway, name: &str) -> Value {
    let path = format!("/v1/plugins/{name}");
    gateway.api().get(&path).await.expect(200)
}

async fn subscribe(gateway: &Gateway, receiver: &Receiver) -> Subscribed {
    let body = json!({"event_types": ["a.b"], "plugins": [{"name": "stamp"}]});
    gateway.subscribe_with(body, receiver).await
}

/// P10: a crash at any step of a push. `HOOKGATE_CRASHES=40` for the long form.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_killed_while_a_version_comes_in_serves_the_old_one_or_the_new_one() {
    let crashes: u32 = std::env::var("HOOKGATE_CRASHES").map_or(5, |text| text.parse().unwrap());
    let mut gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let first = gateway.push("stamp", stamping(1)).await.expect(201);
    let mut versions = vec![first["digest"].clone()];
    subscribe(&gateway, &receiver).await;
    for round in 0..crashes {
        // Another digest each time; the stamp says which of two kinds it is.
        let stamp = u8::try_from(round % 2 + 2).unwrap();
        let upload = distinct(&stamping(stamp), round);
        let request = gateway
            .api()
            .request(reqwest::Method::PUT, "/v1/plugins/stamp")
            .header("content-type", "application/wasm")
            .body(upload);
        let pushing = request.send();
        // Spread over the time that a push takes; the figure itself does not matter.
        let dies_after = Duration::from_millis(u64::from(round) * 29 % 150);
        let answered = tokio::time::timeout(dies_after, pushing).await;
        gateway.kill_9().await;
        gateway.restart().await;

        let seen = plugin(&gateway, "stamp").await;
        let list = seen["versions"].as_array().unwrap();
        assert!(list.len() - versions.len() <= 1, "{seen}");
        let active = seen["active_version"].as_u64().expect("one serves");
        if matches!(answered, Ok(Ok(answer)) if answer.status().is_success()) {
            assert_eq!(
                list.len(),
                versions.len() + 1,
                "what was told stays: {seen}"
            );
            assert_eq!(active, list.len() as u64, "{seen}");
        }
        versions = list
            .iter()
            .map(|version| version["digest"].clone())
            .collect();
        let before = receiver.count();
        gateway.send(event("a.b")).await;
        let receipt = receiver.verified(before + 1).await.remove(before);
        let data: Value = serde_json::from_str(&receipt.data()).unwrap();
        assert!(matches!(data["stamp"].as_u64(), Some(1..=3)), "{data}");
        assert_eq!(active == 1, data["stamp"] == 1, "version {active}: {data}");
    }
}

/// P10: cut off at every hundredth, with another start, of no content, of other formats.
fn bad_files() -> Vec<Vec<u8>> {
    let whole = stamping(2).to_vec();
    let mut files: Vec<Vec<u8>> = (1..90)
        .map(|part| whole[..whole.len() * part / 90].to_vec())
        .collect();
    for place in 0..8 {
        let mut flipped = whole.clone();
        flipped[place] ^= 0x10;
        files.push(flipped);
    }
    files.push(Vec::new());
    files.push(b"(component)".to_vec());
    files.push([b"\x7fELF".as_slice(), &[0; 64]].concat());
    files
}

#[tokio::test]
async fn of_a_hundred_bad_files_none_serves_and_the_good_one_goes_on() {
    let gateway = Gateway::fresh().await;
    let folder = gateway.plugin_folder();
    let receiver = Receiver::accepting().await;
    publish(&folder, "stamp.wasm", &stamping(1));
    wait::until("the good file serves", || async {
        let answer = gateway.api().get("/v1/plugins/stamp").await;
        (answer.status == 200 && answer.json()["active_version"] == 1).then_some(())
    })
    .await;
    subscribe(&gateway, &receiver).await;

    let files = bad_files();
    assert_eq!(files.len(), 100);
    for (number, file) in files.iter().enumerate() {
        publish(&folder, &format!("bad-{number}.wasm"), file);
    }
    publish(&folder, "stamp.wasm", &files[50]);
    let list = wait::until("all of them are refused", || async {
        let list = gateway.api().get("/v1/plugins?limit=500").await.expect(200);
        let plugins = list["data"].as_array()?.clone();
        let refused = plugins
            .iter()
            .filter(|plugin| plugin["refused_file"].is_object());
        (refused.count() == 101).then_some(plugins)
    })
    .await;
    for plugin in &list {
        let name = plugin["name"].as_str().unwrap();
        if name.starts_with("bad-") {
            assert_eq!(plugin["active_version"], Value::Null, "{plugin}");
        }
    }
    // Renamed and deleted: no news either.
    std::fs::rename(folder.join("bad-7.wasm"), folder.join("worse-7.wasm")).unwrap();
    std::fs::remove_file(folder.join("stamp.wasm")).unwrap();
    publish(&folder, "last.wasm", &stamping(3));
    wait::until("the folder was looked at again", || async {
        (gateway.api().get("/v1/plugins/last").await.status == 200).then_some(())
    })
    .await;
    gateway.send(event("a.b")).await;
    assert_eq!(receiver.verified(1).await[0].data(), "{\"stamp\":1}");
    assert_eq!(plugin(&gateway, "stamp").await["active_version"], 1);
}

/// P14: the ways in which a plugin can be gone, or can take too much; in none of them does an
/// event go out as it was, each is seen, and each ends when the plugin is mended.
#[tokio::test]
async fn events_wait_for_a_plugin_that_is_broken_and_go_on_when_it_is_mended() {
    let database = fresh_database().await;
    let mut gateway = Gateway::start(GatewayOptions::on(&database)).await;
    let receiver = Receiver::accepting().await;
    gateway.push("stamp", stamping(1)).await.expect(201);
    let subscribed = subscribe(&gateway, &receiver).await;

    // Its component is spoiled in the database, and the machine code that was made of it is gone.
    gateway.stop().await;
    let pool = sqlx::PgPool::connect(&database.url).await.unwrap();
    let spoiled = sqlx::query("update component set bytes = ''").execute(&pool);
    assert!(spoiled.await.unwrap().rows_affected() >= 1);
    std::fs::remove_dir_all(gateway.plugin_folder().with_file_name("plugin-cache")).unwrap();
    gateway.restart().await;
    let waiting = gateway.send(event("a.b")).await;
    let delivery = waits(&gateway, &waiting, &subscribed).await;
    assert_eq!(delivery["waits_for"], "plugin", "{delivery}");
    assert!(
        delivery.to_string().contains("cannot be loaded"),
        "{delivery}"
    );
    assert_eq!(receiver.count(), 0, "nothing went out as it was");

    gateway.push("stamp", stamping(2)).await.expect(201);
    assert_eq!(receiver.verified(1).await[0].data(), "{\"stamp\":2}");
}

async fn waits(gateway: &Gateway, event: &str, subscribed: &Subscribed) -> Value {
    wait::until("it waits for its plugin", || async {
        let delivery = gateway.delivery_in((event, subscribed), "pending").await;
        (delivery["waits_for"] == "plugin").then_some(delivery)
    })
    .await
}

#[tokio::test]
async fn plugins_over_their_limits_or_out_of_line_let_nothing_out() {
    let gateway = Gateway::fresh().await;
    for (name, kind) in [
        ("grows", "memory-limit"),
        ("recurses", "trap"),
        ("returns-too-much", "output-too-large"),
        ("amplifies", "output-too-large"),
        ("points-outside", "trap"),
        ("folds", "not-exported"),
    ] {
        let receiver = Receiver::accepting().await;
        gateway.push(name, component(name)).await.expect(201);
        let body = json!({"event_types": [name], "plugins": [{"name": name}],
            "target_url": receiver.url(&receiver.next_path())});
        let answer = gateway.api().post("/v1/subscriptions", &body).await;
        if kind == "not-exported" && answer.status >= 400 {
            // Refused before there is an event.
            assert!(answer.text().contains("transform"), "{}", answer.text());
            continue;
        }
        let subscribed = answer.expect(201);
        let id = gateway.send(event(name)).await;
        let path = format!(
            "/v1/deliveries?event={id}&subscription={}",
            subscribed["id"].as_str().unwrap()
        );
        let delivery = wait::until("the plugin failed it", || async {
            let list = gateway.api().get(&path).await.expect(200);
            let found = list["data"][0]["id"].as_str()?.to_owned();
            let path = format!("/v1/deliveries/{found}");
            let delivery = gateway.api().get(&path).await.expect(200);
            let has_failed = delivery["attempts"][0]["outcome"] == "plugin_failed";
            has_failed.then_some(delivery)
        })
        .await;
        assert_eq!(delivery["state"], "pending", "parked: {delivery}");
        let failure = plugin(&gateway, name).await["last_failures"][0].clone();
        assert_eq!(failure["kind"], kind, "{failure}");
        assert_eq!(receiver.count(), 0, "{name} let something out");
    }
}
