//! The gateway needs nothing of its machine but its data folder and one for temporary files: with the root read-only, no
//! capability, and no way to get more rights, it stores, compiles plugins, delivers and starts again.

use std::fs;

use hookgate_tests::component::stamping;
use hookgate_tests::postgres::can_mount;
use hookgate_tests::{Gateway, GatewayOptions, Receiver, error_lines, event, figures, tool};
use serde_json::json;

#[tokio::test]
async fn only_data_and_temporary_files_are_written() {
    if !can_mount() {
        return tool::left_out("the root cannot be mounted read-only (needs root)");
    }
    let mut gateway = Gateway::start(GatewayOptions::default().caged()).await;
    is_caged(gateway.pid().unwrap());
    gateway.push("stamp", stamping(1)).await.expect(201);
    let receiver = Receiver::accepting().await;
    let wish = json!({"event_types": ["a.*"], "plugins": [{"name": "stamp"}]});
    let subscribed = gateway.subscribe_with(wish, &receiver).await;
    let id = gateway.send(event("a.b")).await;
    gateway.delivery_in((&id, &subscribed), "delivered").await;
    assert_eq!(receiver.verified(1).await[0].data(), r#"{"stamp":1}"#);

    gateway.stop().await;
    gateway.restart().await;
    is_caged(gateway.pid().unwrap());
    let id = gateway.send(event("a.c")).await;
    gateway.delivery_in((&id, &subscribed), "delivered").await;
    let log = gateway.log();
    assert_eq!(error_lines(&log), Vec::<&str>::new(), "{log}");
    figures::record(
        "O8",
        "root read-only, no capability, no new privileges: events stored, a plugin compiled and run, delivered, started again; \
         the system calls of the shipped unit's list are not enforced here",
    );
}

/// What the test says of the process is true of it.
fn is_caged(pid: u32) {
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    let root = mounts
        .lines()
        .rfind(|line| line.split(' ').nth(4) == Some("/"))
        .unwrap();
    let flags = root.split(' ').nth(5).unwrap();
    assert!(flags.split(',').any(|flag| flag == "ro"), "{root}");
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().to_owned()
    };
    for set in ["CapPrm:", "CapEff:", "CapBnd:"] {
        assert_eq!(value(set), "0000000000000000", "{set}");
    }
    assert_eq!(value("NoNewPrivs:"), "1");
}
