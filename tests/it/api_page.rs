//! The page that shows the API: from the binary alone, for anybody, and it takes nothing from elsewhere.

use hookgate_tests::{Gateway, tool};
use tokio::process::Command;

#[tokio::test]
async fn the_page_needs_no_key_and_nobody_else() {
    let gateway = Gateway::fresh().await;
    let anybody = gateway.api().with_key(None);
    let page = anybody.get("/docs").await;
    assert_eq!(page.status, 200);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(
        !policy.contains("unsafe") && !policy.contains("http"),
        "{policy}"
    );
    for (path, kind) in [
        ("/docs", "text/html"),
        ("/docs/page.css", "text/css"),
        ("/docs/page.js", "text/javascript"),
    ] {
        let part = anybody.get(path).await;
        assert_eq!(part.status, 200, "{path}");
        let found = part.headers["content-type"].to_str().unwrap();
        assert!(found.starts_with(kind), "{path} is {found}");
        assert_eq!(part.headers["x-content-type-options"], "nosniff");
        let text = part.text();
        for elsewhere in [
            "http://",
            "https://",
            "src=\"//",
            "@import",
            "innerHTML",
            "eval(",
        ] {
            assert!(!text.contains(elsewhere), "{path} has {elsewhere}");
        }
    }
    assert_eq!(anybody.get("/docs/other.js").await.status, 404);
}

/// A browser that is no browser: as much of a document as the script touches.
const STAGE: &str = r#"
class Element {
  constructor(name) { this.name = name; this.children = []; this.dataset = {}; this.listeners = {}; this.value = ""; }
  append(...children) { this.children.push(...children); }
  replaceChildren(...children) { this.children = children; }
  setAttribute(name, value) {
    this[name] = value;
    if (name.startsWith("data-")) this.dataset[name.slice(5)] = value;
  }
  addEventListener(name, listener) { this.listeners[name] = listener; }
  all() { return this.children.flatMap((child) => child instanceof Element ? [child, ...child.all()] : []); }
  querySelectorAll(what) {
    return this.all().filter((one) => what === "[data-in]" ? "in" in one.dataset : one.name === what);
  }
  querySelector(what) { return this.querySelectorAll(what)[0]; }
  set textContent(text) { this.children = [text]; }
  get textContent() { return this.children.map((child) => child.textContent ?? String(child)).join(""); }
}
const known = Object.fromEntries(["operations", "find", "key", "access"].map((id) => [id, new Element(id)]));
globalThis.document = {
  createElement: (name) => {
    const element = new Element(name);
    // The text of a textarea is its value.
    if (name === "textarea") Object.defineProperty(element, "value", { get: () => element.textContent });
    return element;
  },
  getElementById: (id) => known[id],
  querySelectorAll: (what) => known.operations.querySelectorAll(what),
};
const base = process.argv[2], asked = globalThis.fetch;
globalThis.fetch = (path, options) => asked(base + path, options);
require("node:vm").runInThisContext(require("node:fs").readFileSync(0, "utf8"));
setTimeout(async () => {
  const all = known.operations.querySelectorAll("details");
  const send = all.find((one) => one.dataset.text.startsWith("post /v1/events "));
  known.key.value = process.argv[3];
  const form = send.querySelector("form");
  form.listeners.submit({ preventDefault() {} });
  for (let n = 0; n < 200 && !/^\d{3} /.test(send.querySelector("pre").textContent); n++)
    await new Promise((go) => setTimeout(go, 50));
  known.find.listeners.input({ target: { value: "replay" } });
  const left = all.filter((one) => !one.hidden).length;
  console.log(JSON.stringify({ operations: all.length, left, answer: send.querySelector("pre").textContent }));
}, 1500);
"#;

#[tokio::test]
async fn what_is_typed_into_the_page_is_sent_and_answered() {
    let Some(node) = tool::found("node", "apt-get install nodejs") else {
        return;
    };
    let gateway = Gateway::fresh().await;
    let script = gateway.api().get("/docs/page.js").await.body;
    let document = gateway.api().get("/openapi.json").await.expect(200);
    let operations: usize = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .map(|item| item.as_object().unwrap().len())
        .sum();
    let mut command = Command::new(node);
    command.args([
        "-e",
        STAGE,
        "stage",
        gateway.url(),
        hookgate_tests::gateway::ADMIN_KEY,
    ]);
    let output = tool::fed(command, &script).await;
    let said = tool::said(&output);
    let found: serde_json::Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
    assert_eq!(found["operations"], operations);
    let left = found["left"].as_u64().unwrap();
    assert!((1..20).contains(&left), "{found}");
    let answer = found["answer"].as_str().unwrap();
    assert!(answer.starts_with("202 "), "{answer}");
}
