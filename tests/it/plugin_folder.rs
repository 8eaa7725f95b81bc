//! The plugin folder: files become plugins while the gateway runs; a broken one never replaces a
//! good one, half a one is never taken, a vanished one is no news.

use std::path::Path;

use hookgate_tests::component::stamping;
use hookgate_tests::{Gateway, Receiver, event, wait};
use serde_json::{Value, json};

/// As a careful publisher does it: whole, or not at all.
pub(crate) fn publish(folder: &Path, name: &str, content: &[u8]) {
    let part = folder.join(format!(".{name}.part"));
    std::fs::write(&part, content).unwrap();
    std::fs::rename(&part, folder.join(name)).unwrap();
}

async fn plugin_when(gateway: &Gateway, what: &str, is_there: impl Fn(&Value) -> bool) -> Value {
    wait::until(what, || async {
        let answer = gateway.api().get("/v1/plugins/stamp").await;
        (answer.status == 200)
            .then(|| answer.json())
            .filter(|plugin| is_there(plugin))
    })
    .await
}

async fn active(gateway: &Gateway, version: i64) -> Value {
    let what = format!("version {version} serves");
    plugin_when(gateway, &what, |plugin| plugin["active_version"] == version).await
}

#[tokio::test]
async fn files_become_plugins_and_only_whole_good_ones_do() {
    let gateway = Gateway::fresh().await;
    let folder = gateway.plugin_folder();
    let receiver = Receiver::accepting().await;

    publish(&folder, "stamp.wasm", &stamping(1));
    assert_eq!(active(&gateway, 1).await["owner"], "folder");
    let body = json!({"event_types": ["*"], "plugins": [{"name": "stamp"}]});
    gateway.subscribe_with(body, &receiver).await;
    gateway.send(event("a.b")).await;
    assert_eq!(receiver.verified(1).await[0].data(), "{\"stamp\":1}");

    // Broken: refused, visible, and the good one goes on.
    publish(&folder, "stamp.wasm", b"this is no component");
    let is_refused = |plugin: &Value| plugin["refused_file"].is_object();
    let plugin = plugin_when(&gateway, "the broken file is refused", is_refused).await;
    assert_eq!(plugin["active_version"], 1);
    gateway.send(event("a.b")).await;
    assert_eq!(receiver.verified(2).await[1].data(), "{\"stamp\":1}");
    let metrics = gateway.api().get("/metrics").await.text();
    let failed = metrics.contains("hookgate_plugin_reloads_failed_total 1");
    assert!(failed, "{metrics}");

    // Half written: not taken for a whole one, however long the rest takes.
    let (whole, path) = (stamping(2), folder.join("stamp.wasm"));
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let is_truncated = |plugin: &Value| plugin["refused_file"]["kind"] == "malformed";
    let plugin = plugin_when(&gateway, "half a file is refused", is_truncated).await;
    assert_eq!(plugin["active_version"], 1);
    std::fs::write(&path, &whole).unwrap();
    plugin_when(&gateway, "the whole file serves", |plugin| {
        plugin["active_version"] == 2 && plugin["refused_file"].is_null()
    })
    .await;
    gateway.send(event("a.b")).await;
    assert_eq!(receiver.verified(3).await[2].data(), "{\"stamp\":2}");

    // Vanished: no news.
    std::fs::remove_file(&path).unwrap();
    publish(&folder, "other.wasm", &stamping(3));
    wait::until("the folder was looked at again", || async {
        (gateway.api().get("/v1/plugins/other").await.status == 200).then_some(())
    })
    .await;
    active(&gateway, 2).await;
    gateway.send(event("a.b")).await;
    assert_eq!(receiver.verified(4).await[3].data(), "{\"stamp\":2}");
}

#[tokio::test]
async fn a_roll_back_outlasts_restarts_until_the_file_changes() {
    let mut gateway = Gateway::fresh().await;
    let folder = gateway.plugin_folder();
    publish(&folder, "stamp.wasm", &stamping(1));
    active(&gateway, 1).await;
    publish(&folder, "stamp.wasm", &stamping(2));
    active(&gateway, 2).await;

    let back = json!({"version": 1});
    let api = gateway.api();
    api.post("/v1/plugins/stamp/activate", &back)
        .await
        .expect(200);
    gateway.stop().await;
    gateway.restart().await;

    publish(&folder, "other.wasm", &stamping(3));
    wait::until("the folder was looked at again", || async {
        (gateway.api().get("/v1/plugins/other").await.status == 200).then_some(())
    })
    .await;
    active(&gateway, 1).await;
    publish(&folder, "stamp.wasm", &stamping(4));
    active(&gateway, 3).await;
}

#[tokio::test]
async fn owners_do_not_overwrite_each_other() {
    let gateway = Gateway::fresh().await;
    let folder = gateway.plugin_folder();
    publish(&folder, "stamp.wasm", &stamping(1));
    active(&gateway, 1).await;
    let api = gateway.api();
    let upload = |name: &str| {
        let path = format!("/v1/plugins/{name}");
        async move { api.put_bytes(&path, "application/wasm", stamping(2)).await }
    };

    let refused = upload("stamp").await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.text().contains("folder"), "{}", refused.text());

    upload("mine").await.expect(201);
    publish(&folder, "mine.wasm", &stamping(3));
    let mine = wait::until("the file is refused", || async {
        let plugin = gateway.api().get("/v1/plugins/mine").await.expect(200);
        plugin["refused_file"].is_object().then_some(plugin)
    })
    .await;
    assert_eq!(mine["refused_file"]["kind"], "owned");
    assert_eq!(mine["versions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_first_file_that_is_broken_is_seen_too() {
    let gateway = Gateway::fresh().await;
    publish(&gateway.plugin_folder(), "stamp.wasm", b"\0asm");

    let is_refused = |plugin: &Value| plugin["refused_file"].is_object();
    let plugin = plugin_when(&gateway, "the broken file is refused", is_refused).await;

    assert_eq!(plugin["versions"], json!([]));
    let list = gateway.api().get("/v1/plugins").await.expect(200);
    assert!(list.to_string().contains("refused_file"), "{list}");
    publish(&gateway.plugin_folder(), "stamp.wasm", &stamping(1));
    active(&gateway, 1).await;
}

#[tokio::test]
async fn files_that_were_there_before_the_gateway_are_picked_up() {
    let mut gateway = Gateway::fresh().await;
    gateway.stop().await;
    publish(&gateway.plugin_folder(), "stamp.wasm", &stamping(1));
    gateway.restart().await;
    active(&gateway, 1).await;
}
