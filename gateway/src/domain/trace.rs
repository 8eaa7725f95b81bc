//! W3C Trace Context, level 2: what a request brings, and what each attempt carries on.
//!
//! The trace and its state go on as they came; each attempt is a span of its own. What breaks a rule
//! of the specification begins a new trace, and its state is dropped: a receiver is never handed
//! what its own tracer would choke on.

use std::collections::HashSet;

/// Most members of a state.
const MAX_MEMBERS: usize = 32;
/// Longest state that goes on; what the specification asks everybody to carry.
const MAX_STATE_BYTES: usize = 512;
/// Members longer than this go first where a state is too long.
const LONG_MEMBER_BYTES: usize = 128;
/// Sampled, and a random trace id; no other flag has a meaning yet.
const KNOWN_FLAGS: u8 = 0b11;

/// A trace that goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// As `traceparent` of version 00; none begins a new trace.
    pub parent: Option<Box<str>>,
    /// As `tracestate`; only beside a parent.
    pub state: Option<Box<str>>,
}

impl Trace {
    /// From all values of the two headers.
    #[must_use]
    pub fn read<'a>(
        mut parents: impl Iterator<Item = &'a str>,
        states: impl Iterator<Item = &'a str>,
    ) -> Self {
        let parent = match (parents.next(), parents.next()) {
            (Some(text), None) => parent(text.trim_matches([' ', '\t'])),
            // Two of them leave it open which trace is meant.
            _ => None,
        };
        let state = parent.as_ref().and_then(|_| state(states));
        Self { parent, state }
    }
}

/// The `traceparent` of a new span in a trace that goes on.
#[must_use]
pub fn child(parent: &str, span: &str) -> Option<String> {
    let parent = self::parent(parent)?;
    let (trace, flags) = (&parent[3..35], &parent[53..55]);
    Some(format!("00-{trace}-{span}-{flags}"))
}

fn parent(text: &str) -> Option<Box<str>> {
    let fields: Vec<&str> = text.splitn(5, '-').collect();
    let [version, trace, span, flags, rest @ ..] = &fields[..] else {
        return None;
    };
    let is_well_formed = is_hex(version, 2)
        && is_hex(trace, 32)
        && is_hex(span, 16)
        && is_hex(flags, 2)
        && *version != "ff"
        // Later versions may have more fields, this one has none.
        && (rest.is_empty() || *version != "00");
    let is_zero = |id: &str| id.bytes().all(|byte| byte == b'0');
    if !is_well_formed || is_zero(trace) || is_zero(span) {
        return None;
    }
    let flags = u8::from_str_radix(flags, 16).ok()? & KNOWN_FLAGS;
    Some(format!("00-{trace}-{span}-{flags:02x}").into())
}

fn is_hex(text: &str, length: usize) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == length && text.bytes().all(is_digit)
}

/// Several headers are one list; a member that breaks a rule spoils it all.
fn state<'a>(values: impl Iterator<Item = &'a str>) -> Option<Box<str>> {
    let mut members = Vec::new();
    let mut keys = HashSet::new();
    for member in values.flat_map(|value| value.split(',')) {
        let member = member.trim_matches([' ', '\t']);
        if member.is_empty() {
            continue;
        }
        let (key, value) = member.split_once('=')?;
        if !is_key(key) || !is_value(value) || !keys.insert(key) {
            return None;
        }
        members.push(member);
    }
    if members.is_empty() || members.len() > MAX_MEMBERS {
        return None;
    }
    let length = |members: &[&str]| members.iter().map(|member| member.len() + 1).sum::<usize>();
    if length(&members) > MAX_STATE_BYTES + 1 {
        members.retain(|member| member.len() <= LONG_MEMBER_BYTES);
    }
    while length(&members) > MAX_STATE_BYTES + 1 {
        members.pop();
    }
    (!members.is_empty()).then(|| members.join(",").into())
}

fn is_key(key: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_rest = |byte: u8| is_first(byte) || b"_-*/@".contains(&byte);
    (1..=256).contains(&key.len())
        && key.bytes().next().is_some_and(is_first)
        && key.bytes().all(is_rest)
        && key.matches('@').count() <= 1
}

fn is_value(value: &str) -> bool {
    let is_allowed = |byte: u8| (0x20..=0x7E).contains(&byte) && byte != b'=';
    (1..=256).contains(&value.len()) && value.bytes().all(is_allowed) && !value.ends_with(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn read(parents: &[&str], states: &[&str]) -> Trace {
        Trace::read(parents.iter().copied(), states.iter().copied())
    }

    #[test]
    fn parents_are_read_strictly() {
        let with_flags = |flags: &str| format!("{}{flags}", &GIVEN[..53]);
        let later = format!("cc{}-what-else", &GIVEN[2..]);
        for (text, expected) in [
            (GIVEN, Some(GIVEN.to_owned())),
            (&*format!(" {GIVEN}\t"), Some(GIVEN.to_owned())),
            (&with_flags("03"), Some(with_flags("03"))),
            (&with_flags("ff"), Some(with_flags("03"))),
            (&later, Some(GIVEN.to_owned())),
            (&format!("{GIVEN}-more"), None),
            (&format!("ff{}", &GIVEN[2..]), None),
            (&GIVEN.to_uppercase(), None),
            (
                &GIVEN.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
                None,
            ),
            (&GIVEN.replace("b7ad6b7169203331", &"0".repeat(16)), None),
            (&GIVEN[1..], None),
            ("", None),
        ] {
            assert_eq!(
                read(&[text], &[]).parent.as_deref(),
                expected.as_deref(),
                "{text}"
            );
        }
        assert_eq!(read(&[GIVEN, GIVEN], &["a=1"]), Trace::default());
    }

    #[test]
    fn states_keep_their_order_and_rules() {
        let many = |count: usize| -> String {
            let members = (0..count).map(|number| format!("k{number}=v"));
            members.collect::<Vec<_>>().join(",")
        };
        for (states, expected) in [
            (&["b=2,a=1"][..], Some("b=2,a=1".to_owned())),
            (
                &["b=2 , ,\ta=1", "c@x=y z"],
                Some("b=2,a=1,c@x=y z".to_owned()),
            ),
            (&["a=1,a=2"], None),
            (&["A=1"], None),
            (&["a="], None),
            (&["a"], None),
            (&["a=b=c"], None),
            (&["a=é"], None),
            (&["_a=1"], None),
            (&[], None),
            (&[&many(32)], Some(many(32))),
            (&[&many(33)], None),
        ] {
            let state = read(&[GIVEN], states).state;
            assert_eq!(state.as_deref(), expected.as_deref(), "{states:?}");
        }
        assert_eq!(read(&[], &["a=1"]).state, None, "no state without a parent");
    }

    #[test]
    fn a_long_state_loses_whole_members_the_long_ones_first() {
        let long = format!("a={}", "x".repeat(200));
        let short: Vec<String> = (0..20)
            .map(|number| format!("k{number}={}", "y".repeat(20)))
            .collect();
        let given = format!("{long},{}", short.join(","));
        let state = read(&[GIVEN], &[&given]).state.unwrap();
        assert!(state.len() <= MAX_STATE_BYTES && state.starts_with("k0="));
        assert_eq!(state.split(',').count(), 20);
        let medium: Vec<String> = (0..8)
            .map(|number| format!("k{number}={}", "y".repeat(100)))
            .collect();
        let state = read(&[GIVEN], &[&medium.join(",")]).state.unwrap();
        assert_eq!(state, medium[..4].join(",").into());
    }

    #[test]
    fn a_child_is_another_span_of_the_same_trace() {
        let child = |parent| child(parent, "abababababababab");
        assert_eq!(
            child(GIVEN).as_deref(),
            Some("00-0af7651916cd43dd8448eb211c80319c-abababababababab-01")
        );
        assert_eq!(child("nonsense"), None);
    }
}
