//! Judges where a delivery may go: the target's text once more, then every address it resolves to.
//!
//! Tenants choose targets, so without this the gateway would be their way into the operator's
//! network. One forbidden address among many refuses the whole name: a mixed answer is an attack
//! or a mistake, and should be loud. IPv6 is an allow-list, so that a special block that nobody
//! has heard of yet is refused as well. Nothing here resolves or connects.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Host;

use crate::domain::target_url::{InvalidTargetUrl, TargetRules, TargetUrl};

/// Why an address is not called. Its text names the rule and never the address: it is shown to
/// whoever chose the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// 127/8 and `::1`.
    Loopback,
    /// 10/8, 172.16/12, 192.168/16 and fc00::/7.
    Private,
    /// 100.64/10, behind a carrier's address translation.
    Shared,
    /// 0/8 and `::`: "this network", which most systems take as themselves.
    Unspecified,
    /// 169.254/16 and fe80::/10, where clouds answer with credentials.
    LinkLocal,
    /// Addresses outside the link-local blocks on which clouds answer with credentials.
    Metadata,
    /// One to many.
    Multicast,
    /// 240/4, broadcast included.
    Reserved,
    /// Set aside for documentation, benchmarks, anycast relays or protocols.
    SpecialPurpose,
    /// IPv6 that carries an IPv4 address inside: mapped, translated, tunnelled.
    EmbeddedIpv4,
    /// IPv6 outside of what is given out for the public internet.
    NotGlobal,
}

impl Rule {
    /// Whether `HOOKGATE_ALLOW_PRIVATE_NETWORKS` lifts the rule. The others hold everywhere.
    #[must_use]
    pub const fn is_lifted_by_opt_in(self) -> bool {
        matches!(self, Self::Loopback | Self::Private | Self::Shared)
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::Shared => "shared",
            Self::Unspecified => "unspecified",
            Self::LinkLocal => "link_local",
            Self::Metadata => "metadata",
            Self::Multicast => "multicast",
            Self::Reserved => "reserved",
            Self::SpecialPurpose => "special_purpose",
            Self::EmbeddedIpv4 => "embedded_ipv4",
            Self::NotGlobal => "not_global",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a target is not called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the target is not allowed: it {0}")]
    Target(#[from] InvalidTargetUrl),
    /// The address is for the operator's log only.
    #[error("the target's address is not allowed (rule {rule})")]
    Address { rule: Rule, address: IpAddr },
}

/// What must be known before a connection to a target can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// An address that the URL spells out, judged already.
    Literal(IpAddr),
    /// A name; each address that it resolves to must be judged.
    Name(Box<str>),
}

/// Judges targets by the rules of the deployment.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    rules: TargetRules,
}

impl Guard {
    #[must_use]
    pub fn new(rules: TargetRules) -> Self {
        Self { rules }
    }

    /// Whether names may go through the host's own search domains and host file.
    #[must_use]
    pub fn allows_private_networks(&self) -> bool {
        self.rules.allow_private_networks
    }

    /// Judges what the URL says by itself. Asked again for each stored target, because the rules
    /// may have become stricter since it was stored.
    ///
    /// # Errors
    /// The first rule that the target breaks.
    pub fn destination(&self, target: &TargetUrl) -> Result<Destination, Refusal> {
        let target = TargetUrl::parse(target.as_str(), &self.rules)?;
        let literal = match target.url().host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(name)) => return Ok(Destination::Name(name.into())),
            None => return Err(InvalidTargetUrl::NoHost.into()),
        };
        self.judge(&[literal])?;
        Ok(Destination::Literal(literal))
    }

    /// Judges all addresses of a name.
    ///
    /// # Errors
    /// The first address that may not be called; then none of them may.
    pub fn judge(&self, addresses: &[IpAddr]) -> Result<(), Refusal> {
        for &address in addresses {
            if let Some(rule) = broken_rule(address)
                && !(self.rules.allow_private_networks && rule.is_lifted_by_opt_in())
            {
                return Err(Refusal::Address { rule, address });
            }
        }
        Ok(())
    }
}

/// The rule that keeps an address from being called; none for the public internet.
#[must_use]
pub fn broken_rule(address: IpAddr) -> Option<Rule> {
    match address {
        IpAddr::V4(address) => broken_rule_v4(address),
        IpAddr::V6(address) => broken_rule_v6(address),
    }
}

/// Oracle's and Alibaba's metadata, and Azure's host, which has a public address.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
];

/// Amazon's and Google's metadata, in private blocks.
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254),
];

fn broken_rule_v4(address: Ipv4Addr) -> Option<Rule> {
    if METADATA_V4.contains(&address) {
        return Some(Rule::Metadata);
    }
    let rule = match address.octets() {
        [0, ..] => Rule::Unspecified,
        [127, ..] => Rule::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Rule::Private,
        [100, 64..=127, ..] => Rule::Shared,
        [169, 254, ..] => Rule::LinkLocal,
        // Protocol assignments, three documentation blocks, 6to4 relays, AS112, AMT, benchmarks.
        [192, 0, 0 | 2, _]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [192, 88, 99, _]
        | [192, 31, 196, _]
        | [192, 175, 48, _]
        | [192, 52, 193, _]
        | [198, 18 | 19, ..] => Rule::SpecialPurpose,
        [224..=239, ..] => Rule::Multicast,
        [240..=255, ..] => Rule::Reserved,
        _ => return None,
    };
    Some(rule)
}

fn broken_rule_v6(address: Ipv6Addr) -> Option<Rule> {
    if METADATA_V6.contains(&address) {
        return Some(Rule::Metadata);
    }
    let rule = match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Rule::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Rule::Loopback,
        // Compatible and mapped, IPv4-translated (SIIT), NAT64, 6to4, Teredo, ISATAP.
        [0, 0, 0, 0, 0, 0 | 0xffff, ..]
        | [0, 0, 0, 0, 0xffff, 0, ..]
        | [0x64, 0xff9b, ..]
        | [0x2002, ..]
        | [0x2001, 0, ..]
        | [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => Rule::EmbeddedIpv4,
        [0xfc00..=0xfdff, ..] => Rule::Private,
        [0xfe80..=0xfebf, ..] => Rule::LinkLocal,
        [0xff00..=0xffff, ..] => Rule::Multicast,
        // The rest of 2001::/23 is for protocols (benchmarks, ORCHID, DRIP, relays); then
        // documentation, the returned 6bone and AS112.
        [0x2001, 0x1..=0x1ff | 0x0db8, ..]
        | [0x3fff, 0..=0x0fff, ..]
        | [0x3ffe, ..]
        | [0x2620, 0x4f, 0x8000, ..] => Rule::SpecialPurpose,
        [0x2000..=0x3fff, ..] => return None,
        _ => Rule::NotGlobal,
    };
    Some(rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> TargetRules {
        TargetRules {
            allow_private_networks: true,
            allowed_ports: vec![],
        }
    }

    #[test]
    fn each_special_block_is_refused_by_its_rule() {
        for (text, rule) in [
            ("0.0.0.0", Rule::Unspecified),
            ("0.1.2.3", Rule::Unspecified),
            ("127.0.0.1", Rule::Loopback),
            ("127.255.255.254", Rule::Loopback),
            ("10.0.0.1", Rule::Private),
            ("10.255.255.255", Rule::Private),
            ("172.16.0.1", Rule::Private),
            ("172.31.255.255", Rule::Private),
            ("192.168.1.1", Rule::Private),
            ("100.64.0.1", Rule::Shared),
            ("100.127.255.255", Rule::Shared),
            ("100.100.100.200", Rule::Metadata),
            ("192.0.0.192", Rule::Metadata),
            ("168.63.129.16", Rule::Metadata),
            ("169.254.169.254", Rule::LinkLocal),
            ("169.254.0.1", Rule::LinkLocal),
            ("192.0.0.8", Rule::SpecialPurpose),
            ("192.0.2.7", Rule::SpecialPurpose),
            ("198.51.100.7", Rule::SpecialPurpose),
            ("203.0.113.7", Rule::SpecialPurpose),
            ("192.88.99.1", Rule::SpecialPurpose),
            ("198.19.255.255", Rule::SpecialPurpose),
            ("224.0.0.1", Rule::Multicast),
            ("239.255.255.255", Rule::Multicast),
            ("240.0.0.1", Rule::Reserved),
            ("255.255.255.255", Rule::Reserved),
            ("::", Rule::Unspecified),
            ("::1", Rule::Loopback),
            ("::ffff:127.0.0.1", Rule::EmbeddedIpv4),
            ("::ffff:8.8.8.8", Rule::EmbeddedIpv4),
            ("::ffff:a9fe:a9fe", Rule::EmbeddedIpv4),
            ("::127.0.0.1", Rule::EmbeddedIpv4),
            ("::ffff:0:127.0.0.1", Rule::EmbeddedIpv4),
            ("64:ff9b::7f00:1", Rule::EmbeddedIpv4),
            ("64:ff9b:1::a00:1", Rule::EmbeddedIpv4),
            ("2002:7f00:1::", Rule::EmbeddedIpv4),
            ("2002:a9fe:a9fe::1", Rule::EmbeddedIpv4),
            ("2001:0:7f00:1::", Rule::EmbeddedIpv4),
            ("::5efe:7f00:1", Rule::EmbeddedIpv4),
            ("2607:f8b0::200:5efe:a00:1", Rule::EmbeddedIpv4),
            ("fc00::1", Rule::Private),
            ("fdff:ffff::1", Rule::Private),
            ("fd00:ec2::254", Rule::Metadata),
            ("fd20:ce::254", Rule::Metadata),
            ("fe80::1", Rule::LinkLocal),
            ("febf::1", Rule::LinkLocal),
            ("fec0::1", Rule::NotGlobal),
            ("ff02::1", Rule::Multicast),
            ("2001:db8::1", Rule::SpecialPurpose),
            ("3fff::1", Rule::SpecialPurpose),
            ("3fff:fff::1", Rule::SpecialPurpose),
            ("2001:2::1", Rule::SpecialPurpose),
            ("2001:10::1", Rule::SpecialPurpose),
            ("2001:2f:ffff::1", Rule::SpecialPurpose),
            ("2001:1ff::1", Rule::SpecialPurpose),
            ("100::1", Rule::NotGlobal),
            ("5f00::1", Rule::NotGlobal),
            ("1fff::1", Rule::NotGlobal),
            ("4000::1", Rule::NotGlobal),
            ("e000::1", Rule::NotGlobal),
        ] {
            let address = text.parse().unwrap();
            assert_eq!(broken_rule(address), Some(rule), "{text}");
            let is_refused_openly = Guard::new(open()).judge(&[address]).is_err();
            assert_eq!(is_refused_openly, !rule.is_lifted_by_opt_in(), "{text}");
        }
    }

    #[test]
    fn neighbours_of_special_blocks_pass() {
        for text in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.255.254",
            "100.128.0.1",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "169.255.0.1",
            "172.15.255.255",
            "172.32.0.1",
            "192.0.1.1",
            "192.0.3.1",
            "192.167.255.255",
            "192.169.0.1",
            "198.17.255.255",
            "198.20.0.1",
            "203.0.112.1",
            "203.0.114.1",
            "223.255.255.255",
            "168.63.129.17",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2003::1",
            "2606:4700::1111",
            "2a00:1450::1",
            "3fff:1000::1",
        ] {
            assert_eq!(broken_rule(text.parse().unwrap()), None, "{text}");
        }
    }

    #[test]
    fn literals_are_judged_in_every_spelling() {
        let guard = Guard::default();
        for text in [
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://017700000001/",
            "https://0x7f.1/",
            "https://0251.0xfe.43518/",
            "https://0/",
            "https://①②⑦.⓪.⓪.①/",
            "https://%31%32%37.0.0.1/",
            "https://127.0.0.1./",
            "https://127。0。0。1/",
            "https://10.1/",
            "https://[::]/",
            "https://[::1]/",
            "https://[::ffff:7f00:1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[0:0:0:0:0:5efe:7f00:1]/",
            "https://[2002:7f00:1::]/",
            "https://[fec0::1]/",
            "https://[fe80::1]/",
            "https:///127.0.0.1/",
            "https:127.0.0.1/",
            "https://localhost/",
            "https://a.LOCALHOST./",
            "https://intranet/",
            "https://printer.local/",
            "https://metadata.google.internal/",
            "https://8.8.8.8:22/",
            "http://8.8.8.8/",
        ] {
            let Some(target) = TargetUrl::from_stored(text) else {
                continue;
            };
            let judged = guard.destination(&target);
            assert!(judged.is_err(), "{text}: {judged:?}");
        }
    }

    #[test]
    fn public_targets_pass() {
        let guard = Guard::default();
        for (text, expected) in [
            (
                "https://8.8.8.8:8443/a%20b",
                Destination::Literal("8.8.8.8".parse().unwrap()),
            ),
            (
                "https://[2606:4700::1111]/",
                Destination::Literal("2606:4700::1111".parse().unwrap()),
            ),
            (
                "https://Example.COM/",
                Destination::Name("example.com".into()),
            ),
            (
                "https://bücher.example/",
                Destination::Name("xn--bcher-kva.example".into()),
            ),
        ] {
            let target = TargetUrl::from_stored(text).unwrap();
            assert_eq!(guard.destination(&target), Ok(expected), "{text}");
        }
    }

    #[test]
    fn one_forbidden_address_refuses_the_name_and_is_not_shown() {
        let addresses = ["8.8.8.8", "10.0.0.5"].map(|text| text.parse().unwrap());
        let refusal = Guard::default().judge(&addresses).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "the target's address is not allowed (rule private)"
        );
    }
}
