//! Uploads that a machine made up: whatever they hold, they are refused with a reason or run within
//! their limits, and the host goes on.

use crate::support::{TestHost, batch, component, from_text, wrapped};
use arbitrary::Unstructured;
use bytes::Bytes;
use hookgate_plugin_host::{Refusal, Verdict};
use wasm_smith::{Component, Config, Module};

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

fn leb128(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// `component` with one section more at its end.
fn with_section(component: &[u8], id: u8, content: &[u8]) -> Bytes {
    [component, &[id], &leb128(content.len()), content]
        .concat()
        .into()
}

/// A section of core modules: the compiler sees it, nobody instantiates it.
const CORE_MODULE: u8 = 1;
const CUSTOM: u8 = 0;

async fn answers(host: &TestHost, component: Bytes) -> Result<(), Refusal> {
    let prepared = host.host.prepare(component).await;
    let plugin = prepared.map_err(|refused| refused.reason)?.plugin;
    let job = batch(&plugin, "acme", &["pass"]);
    let reports = host.host.run_batch(job).await.calls;
    assert_eq!(reports[0].result, Ok(Verdict::Pass));
    Ok(())
}

#[tokio::test]
async fn random_core_modules_inside_of_a_plugin_are_compiled_or_refused() {
    let host = TestHost::start();
    let sound = component("verdicts");
    let mut taken = 0;
    for seed in 0..40 {
        let input = Numbers(seed).bytes(2048);
        let config = Config {
            allow_start_export: true,
            ..Config::default()
        };
        let Ok(module) = Module::new(config, &mut Unstructured::new(&input)) else {
            continue;
        };
        let upload = with_section(&sound, CORE_MODULE, &module.to_bytes());
        match answers(&host, upload).await {
            Ok(()) => taken += 1,
            Err(reason) => assert!(
                matches!(
                    reason,
                    Refusal::Malformed | Refusal::OverLimits | Refusal::CompileInvalid
                ),
                "seed {seed}: {reason:?}"
            ),
        }
    }
    assert!(taken >= 5, "{taken} of 40 were taken");
}

#[tokio::test]
async fn random_components_are_refused_with_a_reason() {
    let host = TestHost::start();
    let mut made = 0;
    for seed in 0..200 {
        let input = Numbers(1000 + seed).bytes(4096);
        let Ok(made_up) = Component::new(Config::default(), &mut Unstructured::new(&input)) else {
            continue;
        };
        made += 1;
        let refused = host.refusal_of(made_up.to_bytes().into()).await;
        assert_ne!(
            refused.reason,
            Refusal::Unavailable,
            "seed {seed}: {refused}"
        );
        assert!(!refused.cure.is_empty());
    }
    assert!(made >= 50, "{made}");
}

#[tokio::test]
async fn a_flipped_bit_is_refused_or_harmless() {
    let host = TestHost::start();
    let sound = component("verdicts");
    let mut numbers = Numbers(7);
    for _ in 0..60 {
        let mut bytes = sound.to_vec();
        let at = usize::try_from(numbers.next()).unwrap() % bytes.len();
        bytes[at] ^= 1 << (numbers.next() % 8);
        let Ok(prepared) = host.host.prepare(bytes.into()).await else {
            continue;
        };
        // It may do anything now but harm: the next plugin answers as ever.
        let job = batch(&prepared.plugin, "acme", &["pass", "replace", "message"]);
        let _ = host.host.run_batch(job).await;
    }
    assert_eq!(answers(&host, sound).await, Ok(()));
}

/// W10: what stands in custom sections is nobody's business, up to the size of a component.
#[tokio::test]
async fn custom_sections_change_nothing() {
    let host = TestHost::start();
    let sound = component("verdicts");
    let named = |name: &[u8], content: &[u8]| [&leb128(name.len()), name, content].concat();
    for content in [
        named(b"signature", &[0xff; 64]),
        named("\u{1b}[2Jname\n".as_bytes(), b"x"),
        named(b"component-name", &[0xff; 300]),
        named(b"producers", &vec![0; 1 << 20]),
    ] {
        let upload = with_section(&sound, CUSTOM, &content);
        assert_eq!(answers(&host, upload).await, Ok(()));
    }
    let vast = with_section(&sound, CUSTOM, &named(b"vast", &vec![0; 40 << 20]));
    assert_eq!(answers(&host, vast).await, Err(Refusal::TooLarge));
}

/// W07.
#[tokio::test]
async fn exports_beside_the_contracts_are_passed_over_and_wrong_ones_are_named() {
    let host = TestHost::start();
    let text = |export: &str, function: &str| {
        from_text(&format!(
            r#"(component
              (core module $m (func (export "f") (result i32) (i32.const 0)))
              (core instance $i (instantiate $m))
              (func $f (result u32) (canon lift (core func $i "f")))
              (instance $n (export "{function}" (func $f)))
              (export "{export}" (instance $n)))"#
        ))
    };
    for (export, function, told) in [
        (
            "hookgate:plugin/transform@2.0.0",
            "handle",
            "transform@2.0.0",
        ),
        (
            "hookgate:plugin/transform@1.0.0",
            "manage",
            "no function `handle`",
        ),
        ("hookgate:plugin/fold@1.0.0", "fold", "fold.fold"),
        (
            "hookgate:plugin/receiver@1.0.0",
            "receive",
            "receiver.receive",
        ),
        (
            "hookgate:plugin/transforms@1.0.0",
            "handle",
            "transforms@1.0.0",
        ),
    ] {
        let refused = host.refusal_of(text(export, function)).await;
        assert_eq!(refused.reason, Refusal::Exports, "{refused}");
        assert!(refused.detail.contains(told), "{told}: {refused}");
    }
    let text = std::fs::read_to_string(crate::support::path_of("verdicts")).unwrap();
    let more = text.replace(
        "(unreachable)))",
        "(unreachable))\n  (func (export \"init\")))",
    );
    let module = wat::parse_str(more).unwrap();
    let extra = wrapped(module, "transform-plugin");
    assert_eq!(answers(&host, extra).await, Ok(()));
}

/// W04: huge in one place and small in the others.
#[tokio::test]
async fn functions_that_are_hard_to_compile_are_compiled_or_refused() {
    let host = TestHost::start();
    let sound = component("verdicts");
    let module = |fields: &str| wat::parse_str(format!("(module {fields})")).unwrap();
    let locals = module(&format!("(func (local {}))", "i32 ".repeat(49_000)));
    let table = |targets: usize| {
        let targets = "0 ".repeat(targets);
        module(&format!(
            "(func (param i32) (br_table {targets} (local.get 0)))"
        ))
    };
    let (wide, too_wide) = (table(65_000), table(100_000));
    let deep = module(&format!(
        "(func {} {})",
        "block ".repeat(5_000),
        "end ".repeat(5_000)
    ));
    for (what, module) in [("locals", locals), ("table", wide), ("blocks", deep)] {
        let upload = with_section(&sound, CORE_MODULE, &module);
        if let Err(reason) = answers(&host, upload).await {
            assert!(
                matches!(
                    reason,
                    Refusal::OverLimits | Refusal::CompileTimeout | Refusal::CompileMemory
                ),
                "{what}: {reason:?}"
            );
        }
    }
    // More targets than WebAssembly allows.
    let upload = with_section(&sound, CORE_MODULE, &too_wide);
    assert_eq!(answers(&host, upload).await, Err(Refusal::CompileInvalid));
}
