//! The bodies of the fuzz targets on bytes that are made up here: any bytes, and sound input that was
//! spoilt in a few places. Short; `gateway/fuzz` goes on for as long as one likes.

#[path = "../../gateway/fuzz/src/guests.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "part of another crate, which has users for all of it"
)]
mod guests;
#[path = "../../gateway/fuzz/src/text.rs"]
#[allow(unreachable_pub, reason = "part of another crate")]
mod text;

use hookgate_tests::component::component;
use hookgate_tests::figures;
use hookgate_tests::gateway::binary;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use guests::Guests;

/// Runs `body` on as many inputs as `HOOKGATE_FUZZ_CASES` says, half of them made from `samples`.
fn fuzz(name: &str, cases: u32, samples: &[&[u8]], body: impl Fn(&[u8])) {
    let cases = std::env::var("HOOKGATE_FUZZ_CASES").map_or(cases, |cases| cases.parse().unwrap());
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let samples: Vec<Vec<u8>> = samples.iter().map(|sample| sample.to_vec()).collect();
    for sample in &samples {
        body(sample);
    }
    let edits = vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 0..6);
    let spoilt = (prop::sample::select(samples), edits).prop_map(|(mut sample, edits)| {
        for (place, byte, edit) in edits {
            let at = place.index(sample.len() + 1);
            match edit {
                0 => sample.insert(at, byte),
                1 if at < sample.len() => sample[at] = byte,
                _ => sample.truncate(at.max(1)),
            }
        }
        sample
    });
    let input = prop_oneof![vec(any::<u8>(), 0..600), spoilt];
    let ran = TestRunner::new(config).run(&input, |bytes| {
        body(&bytes);
        Ok(())
    });
    ran.unwrap_or_else(|failed| panic!("{name}: {failed}"));
    figures::record(
        "I3",
        format!("{name}: {cases} inputs of the property test, 0 panics, 0 broken rules"),
    );
}

#[test]
fn event_json() {
    let samples: [&[u8]; 4] = [
        br#"{"type":"invoice.paid","data":{"id":1,"x":[1.50,"\u00e9",null]},"key":"k","labels":["eu"]}"#,
        br#"[{"type":"a","data":1},{"type":"b","data":"x","time":"2026-01-01T00:00:00Z","headers":{"x-a":"b"}}]"#,
        b"{\"type\":\"a\",\"data\":1}\n\n{\"type\":\"b\",\"data\":2}\n",
        br#"{"type":"t","data":"\ud83d\ude00","tenant":"acme","source":"s","id":"1"}"#,
    ];
    fuzz("event-json", 4000, &samples, text::event_json);
}

#[test]
fn cloud_events() {
    let samples: [&[u8]; 2] = [
        br#"{"specversion":"1.0","id":"1","source":"/s","type":"t","time":"2026-01-01T00:00:00Z","data":{"a":1},"ext":"x"}"#,
        br#"[{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"AAEC","datacontenttype":"image/png"}]"#,
    ];
    fuzz("cloud-events", 4000, &samples, text::cloud_events);
}

#[test]
fn headers() {
    let samples: [&[u8]; 3] = [
        b"content-type:application/json\nidempotency-key:\"a-1\"\nretry-after:120\n\n{\"type\":\"a\",\"data\":1}",
        b"ce-specversion:1.0\nce-id:1\nce-source:/s\nce-type:t%20x\ncontent-type:text/plain\n\nhello",
        b"content-type:application/cloudevents+json\ntraceparent:00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\ntracestate:a=1,b=2\nretry-after:Wed, 21 Oct 2026 07:28:00 GMT\n\n{}",
    ];
    fuzz("headers", 4000, &samples, text::headers);
}

#[test]
fn filters() {
    let samples: [&[u8]; 3] = [
        b"[{\"exact\":{\"source\":\"shop\"}},{\"not\":{\"prefix\":{\"type\":\"x\"}}}]\0{}",
        b"[{\"sql\":\"source = 'shop' AND LENGTH(type) > 3 OR NOT EXISTS subject\"}]\0{}",
        b"[{\"data\":{\"amount\":[{\"numeric\":[\">\",10]}],\"status\":[\"paid\"]}}]\0{\"amount\":12.5,\"status\":\"paid\"}",
    ];
    fuzz("filters", 4000, &samples, text::filters);
}

#[test]
fn url_guard() {
    let samples: [&[u8]; 8] = [
        b"https://hooks.example.com/in?a=b",
        b"https://[2001:db8::1]:8443/",
        b"https://[::ffff:7f00:1]/",
        b"https://2130706433/",
        b"https://0x7f.1/",
        "https://\u{2460}\u{2461}\u{2466}.0.0.1/".as_bytes(),
        b"https://a.b.c.:443//x/../y",
        b"http://user@127.0.0.1:80/#f",
    ];
    fuzz("url-guard", 8000, &samples, text::url_guard);
}

#[test]
fn cursor() {
    use hookgate::domain::clock::Timestamp;
    use hookgate::domain::ids::SubscriptionId;
    use hookgate::domain::pull_cursor::PullCursor;

    let at = Timestamp::from_ms(1_790_000_000_000);
    let cursor = PullCursor::at(Some(SubscriptionId::new(7)), at).to_string();
    let samples: [&[u8]; 3] = [
        cursor.as_bytes(),
        b"evt_01j5n3g2p8000",
        b"dlv_01j5n3g2p8000_1",
    ];
    fuzz("cursor", 8000, &samples, text::cursor);
}

#[test]
fn components() {
    let guests = Guests::start(binary());
    let (sound, other) = (component("verdicts"), component("imports-a-clock"));
    let body = |bytes: &[u8]| guests.component(bytes);
    fuzz("component", 500, &[&sound, &other], body);
}

#[test]
fn verdicts() {
    let guests = Guests::start(binary());
    // result ok, then pass; drop with a text; replace; deliver; an error; pointers to nowhere.
    let word =
        |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
    let samples = [
        word(&[0, 0, 0, 0, 0, 0, 0, 0, 0]),
        word(&[0, 1, 4096, 8, 0, 0, 0, 0, 0]),
        word(&[0, 2, 4096, 64, 0, 0, 0, 0, 0]),
        word(&[0, 3, 4096, 4, 4096, 4, 4096, 1, 0]),
        word(&[1, 2, 4096, 3, 0, 0, 0, 0, 0]),
        word(&[0, 2, 0xffff_fff0, 0x7fff_ffff, 1, 1, 1, 1, 1]),
    ];
    let samples: Vec<&[u8]> = samples.iter().map(Vec::as_slice).collect();
    fuzz("verdict", 500, &samples, |bytes| guests.verdict(bytes));
}
