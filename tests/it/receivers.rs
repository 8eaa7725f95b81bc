//! What the documentation gives to those who write receivers, run against real deliveries: snippets in
//! six languages, and the reference libraries in Python and JavaScript.

use std::path::PathBuf;

use hookgate_tests::tool;
use hookgate_tests::{Gateway, Receipt, Receiver, event};
use tokio::process::Command;

use crate::fetched::{from_npm, from_pypi};

#[path = "../../docs/receivers/verify.rs"]
#[allow(
    unreachable_pub,
    missing_debug_implementations,
    reason = "written for other people's programs"
)]
mod snippet;

/// Escapes, letters beyond ASCII and a number that no double holds: what a re-serialised body would change.
const ODD: &str = "{ \"n\": 12345678901234567890.10, \"t\": \"\\u00e9\\/é ✓\" }";

struct Case {
    secret: String,
    receipt: Receipt,
}

async fn delivery() -> Case {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let subscribed = gateway.subscribe("*", &receiver).await;
    // Two signatures: both secrets sign while one follows the other.
    let path = format!("/v1/subscriptions/{}/secret/rotate", subscribed.id);
    let rotated = gateway
        .api()
        .post(&path, &serde_json::json!({"overlap": "1h"}))
        .await
        .expect(200);
    gateway.send(event("a.b").raw_data(ODD)).await;
    let receipt = receiver.received(1).await.remove(0);
    let signatures = receipt.header("webhook-signature").unwrap();
    assert_eq!(signatures.split(' ').count(), 2, "{signatures}");
    Case {
        secret: rotated["secret"].as_str().unwrap().to_owned(),
        receipt,
    }
}

impl Case {
    fn headers(&self) -> [String; 3] {
        ["webhook-id", "webhook-timestamp", "webhook-signature"]
            .map(|name| self.receipt.header(name).unwrap().to_owned())
    }

    /// The real one passes; a changed byte, another id, another secret and an old timestamp do not.
    async fn tries(&self, program: &PathBuf, words: &[&str]) {
        let [id, timestamp, signature] = self.headers();
        let other_secret = "whsec_bm90IHRoZSBzZWNyZXQgb2YgdGhpcyBzdWJzY3JpcHRpb24=";
        let body = self.receipt.body.to_vec();
        let mut changed = body.clone();
        *changed.last_mut().unwrap() ^= 1;
        for (what, secret, id, timestamp, body, passes) in [
            ("as it is", &*self.secret, &*id, &*timestamp, &body, true),
            (
                "a byte changed",
                &self.secret,
                &id,
                &timestamp,
                &changed,
                false,
            ),
            (
                "another id",
                &self.secret,
                "dlv_other",
                &timestamp,
                &body,
                false,
            ),
            (
                "another secret",
                other_secret,
                &id,
                &timestamp,
                &body,
                false,
            ),
            (
                "an old timestamp",
                &self.secret,
                &id,
                "1700000000",
                &body,
                false,
            ),
        ] {
            let mut command = Command::new(program);
            command
                .args(words)
                .args([secret, id, timestamp, &signature]);
            let output = tool::fed(command, body).await;
            let said = tool::said(&output);
            assert_eq!(output.status.success(), passes, "{words:?} {what}: {said}");
        }
    }
}

fn snippet_path(name: &str) -> String {
    let path = tool::repository().join("docs/receivers").join(name);
    path.display().to_string()
}

#[tokio::test]
async fn the_snippets_verify_what_is_sent_and_nothing_else() {
    let case = delivery().await;
    for (program, cure, words) in [
        (
            "python3",
            "apt-get install python3",
            vec![snippet_path("verify.py")],
        ),
        (
            "node",
            "apt-get install nodejs",
            vec![snippet_path("verify.mjs")],
        ),
        (
            "ruby",
            "apt-get install ruby",
            vec![snippet_path("verify.rb")],
        ),
        (
            "php",
            "apt-get install php-cli",
            vec![snippet_path("verify.php")],
        ),
        (
            "go",
            "apt-get install golang",
            vec!["run".to_owned(), snippet_path("verify.go")],
        ),
    ] {
        let Some(program) = tool::found(program, cure) else {
            continue;
        };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        case.tries(&program, &words).await;
    }
    let [id, timestamp, signatures] = case.headers();
    let signed = |id| snippet::Signed {
        id,
        timestamp: &timestamp,
        signatures: &signatures,
    };
    let body = &case.receipt.body;
    assert_eq!(snippet::verify(&case.secret, &signed(&id), body), Ok(()));
    assert!(snippet::verify(&case.secret, &signed("dlv_other"), body).is_err());
    assert!(snippet::verify(&case.secret, &signed(&id), b"{}").is_err());
}

const PYTHON_LIBRARY: &str = "\
import sys
from standardwebhooks import Webhook
names = ['webhook-id', 'webhook-timestamp', 'webhook-signature']
Webhook(sys.argv[1]).verify(sys.stdin.buffer.read(), dict(zip(names, sys.argv[2:])))
";

const JAVASCRIPT_LIBRARY: &str = "\
const { Webhook } = require('standardwebhooks');
const [secret, id, timestamp, signature] = process.argv.slice(2);
const headers = { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature };
new Webhook(secret).verify(require('node:fs').readFileSync(0), headers);
";

#[tokio::test]
async fn the_reference_libraries_verify_what_is_sent_and_nothing_else() {
    if !tool::is_full("the libraries of PyPI and npm") {
        return;
    }
    let case = delivery().await;
    if let Some(python) = tool::found("python3", "apt-get install python3") {
        let wanted = (&["standardwebhooks==1.1.0"][..], "standardwebhooks");
        if let Some(folder) = from_pypi(&python, "standardwebhooks-python", wanted).await {
            let script = folder.join("check.py");
            std::fs::write(&script, PYTHON_LIBRARY).unwrap();
            case.tries(&python, &[&script.display().to_string()]).await;
        }
    }
    if let Some(node) = tool::found("node", "apt-get install nodejs") {
        let mark = "node_modules/standardwebhooks";
        let wanted = (&["standardwebhooks@1.1.1"][..], mark);
        if let Some(folder) = from_npm("standardwebhooks-javascript", wanted).await {
            let script = folder.join("check.cjs");
            std::fs::write(&script, JAVASCRIPT_LIBRARY).unwrap();
            case.tries(&node, &[&script.display().to_string()]).await;
        }
    }
}
