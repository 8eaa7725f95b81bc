//! Uploads that are not taken: each says why, and what to change.

use crate::support::{TestHost, component, from_text, wrapped};
use bytes::Bytes;
use hookgate_plugin_host::{Limits, Refusal};
use std::fmt::Write;

#[track_caller]
fn assert_tells(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[tokio::test]
async fn foreign_imports_are_refused_by_name_with_the_cure() {
    let host = TestHost::start();
    let refused = host.refusal_of(component("imports-a-clock")).await;
    assert_eq!(refused.reason, Refusal::Imports);
    assert_tells(&refused.detail, &["wasi:clocks/monotonic-clock@0.2.3"]);
    assert_tells(&refused.cure, &["--stub-wasi", "wasm32-unknown-unknown"]);
    let names: Vec<_> = refused
        .report
        .checks
        .iter()
        .map(|check| (check.name, check.ok))
        .collect();
    assert_eq!(
        names,
        [
            ("size", true),
            ("format", true),
            ("shape", true),
            ("imports", false)
        ]
    );
}

/// P6: nothing but the contract's own three functions, whoever asks.
#[tokio::test]
async fn every_other_import_is_refused_by_its_name() {
    let host = TestHost::start();
    let interfaces = [
        "wasi:cli/environment@0.2.0",
        "wasi:cli/exit@0.2.12",
        "wasi:cli/run@0.2.0",
        "wasi:cli/stdout@0.2.3",
        "wasi:clocks/monotonic-clock@0.2.0",
        "wasi:clocks/wall-clock@0.3.0",
        "wasi:config/store@0.2.0-draft",
        "wasi:filesystem/preopens@0.2.0",
        "wasi:filesystem/types@0.2.6",
        "wasi:http/outgoing-handler@0.2.0",
        "wasi:io/poll@0.2.0",
        "wasi:io/streams@0.2.2",
        "wasi:keyvalue/store@0.2.0-draft",
        "wasi:logging/logging",
        "wasi:random/insecure-seed@0.2.0",
        "wasi:random/random@0.2.0",
        "wasi:sockets/ip-name-lookup@0.2.0",
        "wasi:sockets/tcp@0.2.0",
        "acme:own/things@1.0.0",
        "hookgate:plugin/files@1.0.0",
    ];
    for name in interfaces {
        let upload = format!(r#"(component (import "{name}" (instance (export "f" (func)))))"#);
        let refused = host.refusal_of(from_text(&upload)).await;
        assert_eq!(refused.reason, Refusal::Imports, "{name}: {refused}");
        assert_tells(&refused.detail, &[name]);
        assert!(!refused.cure.is_empty(), "{name}");
    }
    let bare = host
        .refusal_of(from_text(r#"(component (import "fetch" (func)))"#))
        .await;
    assert_eq!(bare.reason, Refusal::Imports, "{bare}");
    assert_tells(&bare.detail, &["fetch"]);
    let more =
        r#"(component (import "hookgate:plugin/host@1.0.0" (instance (export "fetch" (func)))))"#;
    let more = host.refusal_of(from_text(more)).await;
    assert_eq!(more.reason, Refusal::Imports, "{more}");
    assert_tells(&more.detail, &["fetch"]);
    assert_eq!(host.host.stats().compiles, 0);
}

#[tokio::test]
async fn imports_that_hold_only_types_are_harmless() {
    let host = TestHost::start();
    let refused = host.refusal_of(component("imports-only-types")).await;
    assert_eq!(refused.reason, Refusal::Exports, "{refused}");
}

#[tokio::test]
async fn a_later_contract_is_refused_with_the_version_that_is_spoken() {
    let host = TestHost::start();
    let refused = host.refusal_of(component("imports-a-later-host")).await;
    assert_eq!(refused.reason, Refusal::Imports);
    assert_tells(
        &refused.to_string(),
        &["hookgate:plugin/host@1.4.0", "speaks hookgate:plugin@1.0"],
    );
}

#[tokio::test]
async fn other_types_under_the_contracts_names_are_refused() {
    let host = TestHost::start();
    let refused = host.refusal_of(component("has-other-types")).await;
    assert_eq!(refused.reason, Refusal::Exports);
    assert_tells(
        &refused.detail,
        &["filter.accepts", "record{id: string", "event: string"],
    );
}

#[tokio::test]
async fn a_component_that_exports_nothing_known_is_refused() {
    let host = TestHost::start();
    let refused = host.refusal_of(component("exports-nothing-known")).await;
    assert_eq!(refused.reason, Refusal::Exports);
    assert_tells(&refused.to_string(), &["only run", "`transform`, `filter`"]);
}

#[tokio::test]
async fn what_is_no_component_is_refused_by_kind() {
    let host = TestHost::start();
    let text = "(component)".as_bytes();
    let elf = [b"\x7fELF".as_slice(), &[0; 64]].concat();
    let cases = [
        (from_text("(module)"), Refusal::NotAComponent, "core module"),
        (Bytes::from(elf), Refusal::Precompiled, "machine code"),
        (
            Bytes::copy_from_slice(text),
            Refusal::NotAComponent,
            "not a WebAssembly binary",
        ),
        (
            Bytes::new(),
            Refusal::NotAComponent,
            "not a WebAssembly binary",
        ),
        (
            Bytes::from_static(b"PK\x03\x04"),
            Refusal::NotAComponent,
            "not a WebAssembly binary",
        ),
    ];
    for (upload, reason, told) in cases {
        let refused = host.refusal_of(upload).await;
        assert_eq!(refused.reason, reason, "{refused}");
        assert_tells(&refused.detail, &[told]);
    }
}

#[tokio::test]
async fn a_truncated_component_is_refused_wherever_it_was_cut() {
    let host = TestHost::start();
    let whole = component("verdicts");
    for percent in 1..100 {
        let cut = whole.slice(..whole.len() * percent / 100);
        let refused = host.refusal_of(cut).await;
        assert_ne!(
            refused.reason,
            Refusal::Unavailable,
            "{percent} %: {refused}"
        );
    }
}

#[tokio::test]
async fn a_component_over_the_size_limit_is_not_even_read() {
    let limits = Limits {
        max_component_bytes: 100,
        ..Limits::default()
    };
    let host = TestHost::start_with(limits, crate::support::worker());
    let refused = host.refusal_of(component("verdicts")).await;
    assert_eq!(refused.reason, Refusal::TooLarge);
    assert_eq!(refused.report.checks.len(), 1);
}

/// The engine could run them, for its own glue between a component's parts; guests may not.
#[tokio::test]
async fn a_module_with_two_memories_is_refused_before_any_compile() {
    let host = TestHost::start();
    let refused = host.refusal_of(component_of("(memory 1) (memory 1)")).await;
    assert_eq!(refused.reason, Refusal::Malformed, "{refused}");
    assert_tells(&refused.detail, &["multiple memories"]);
}

#[tokio::test]
async fn shapes_over_a_limit_are_refused_before_any_compile() {
    let host = TestHost::start();
    let cases = [
        (component_of(&"(func)".repeat(50_001)), "core functions"),
        (
            component_of(&format!("(func {})", "nop ".repeat(524_289))),
            "bytes in one function",
        ),
        (
            from_text(&format!("(component {})", "(core module)".repeat(49))),
            "core modules",
        ),
        (
            from_text(&format!(
                "(component (core module $m) {})",
                "(core instance (instantiate $m))".repeat(900)
            )),
            "core instances",
        ),
        (component_of(&"(table 1 funcref)".repeat(9)), "tables"),
        (from_text(&imports(65)), "imports"),
        (from_text(&nested(6)), "levels of nested components"),
    ];
    for (upload, what) in cases {
        let refused = host.refusal_of(upload).await;
        assert_eq!(refused.reason, Refusal::OverLimits, "{what}: {refused}");
        assert_tells(&refused.detail, &[what]);
    }
    assert_eq!(host.host.stats().compiles, 0);
}

#[tokio::test]
async fn features_that_are_off_are_refused_before_any_compile() {
    let host = TestHost::start();
    for module in [
        "(memory i64 1)",
        "(memory 1) (memory 1)",
        "(memory 1 1 shared)",
        "(tag)",
    ] {
        let refused = host.refusal_of(component_of(module)).await;
        assert_eq!(refused.reason, Refusal::Malformed, "{module}: {refused}");
    }
    assert_eq!(host.host.stats().compiles, 0);
}

#[tokio::test]
async fn a_type_that_stands_for_billions_of_fields_is_refused_at_once() {
    let host = TestHost::start();
    let mut text = "(component (type $t0 (tuple u8 u8))".to_owned();
    for level in 1..16 {
        write!(
            text,
            "(type $t{level} (tuple $t{} $t{}))",
            level - 1,
            level - 1
        )
        .unwrap();
    }
    text += r#"(import "hookgate:plugin/host@1.0.0" (instance
        (alias outer 1 $t15 (type $t)) (export "config" (func (param "all" $t))))))"#;
    let refused = host.refusal_of(from_text(&text)).await;
    assert!(
        matches!(refused.reason, Refusal::Imports | Refusal::Malformed),
        "{refused}"
    );
    assert!(refused.detail.len() < 1024);
}

#[tokio::test]
async fn a_start_that_never_ends_is_refused() {
    let host = TestHost::start();
    let refused = host.refusal_of(component("spins-at-start")).await;
    assert_eq!(refused.reason, Refusal::Instantiation);
    assert_tells(&refused.detail, &["stopped after 500 ms"]);
}

#[tokio::test]
async fn a_memory_that_starts_over_the_limit_is_refused() {
    let host = TestHost::start();
    let module = r#"(module (memory (export "memory") 1025)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
        (func (export "hookgate:plugin/filter@1.0.0#accepts") (param i32) (result i32) unreachable))"#;
    let refused = host
        .refusal_of(wrapped(wat::parse_str(module).unwrap(), "filter-plugin"))
        .await;
    assert_eq!(refused.reason, Refusal::OverLimits);
    assert_tells(&refused.detail, &["bytes of memory"]);
}

fn component_of(module_fields: &str) -> Bytes {
    from_text(&format!("(component (core module {module_fields}))"))
}

fn imports(count: usize) -> String {
    let one = |number| format!(r#"(import "f{number}" (func))"#);
    format!("(component {})", (0..count).map(one).collect::<String>())
}

fn nested(depth: usize) -> String {
    format!("{}{}", "(component ".repeat(depth), ")".repeat(depth))
}
