//! What a plugin may import and export: names, versions and types.
//!
//! The types stand here as text, in the form that `signature` gives to those of a
//! component, so that an upload is compared before anything is compiled. A test
//! holds this file against `wit/`.

use semver::Version;
use serde::Serialize;

/// The version of the contract that this host speaks. Older minor versions of it
/// are spoken too.
pub const CONTRACT_VERSION: Version = Version::new(1, 0, 0);

/// The one interface that is there to be imported.
pub(crate) const HOST_INTERFACE: &str = "hookgate:plugin/host@1.0.0";

const PACKAGE: &str = "hookgate:plugin/";

const LEVEL: &str = "enum{debug, info, warn, error}";
const ATTRIBUTES: &str = "list<record{name: string, value: string}>";
const FAILURE: &str =
    "variant{invalid-config(string), unusable-event(string), again-later(string)}";

/// An interface that a component may export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Export {
    Transform,
    Filter,
    Fold,
    Receiver,
}

impl Export {
    pub const ALL: [Self; 4] = [Self::Transform, Self::Filter, Self::Fold, Self::Receiver];

    /// The interface's name in the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transform => "transform",
            Self::Filter => "filter",
            Self::Fold => "fold",
            Self::Receiver => "receiver",
        }
    }

    /// The same, as it stands in messages.
    pub(crate) fn quoted(self) -> &'static str {
        match self {
            Self::Transform => "`transform`",
            Self::Filter => "`filter`",
            Self::Fold => "`fold`",
            Self::Receiver => "`receiver`",
        }
    }

    /// The interface's one function.
    pub(crate) fn function(self) -> &'static str {
        match self {
            Self::Transform => "handle",
            Self::Filter => "accepts",
            Self::Fold => "fold",
            Self::Receiver => "receive",
        }
    }

    pub(crate) fn signature(self) -> String {
        match self {
            Self::Transform => format!(
                "func(event: {}) -> result<{}, {FAILURE}>",
                event(),
                verdict()
            ),
            Self::Filter => format!("func(event: {}) -> result<bool, {FAILURE}>", event()),
            Self::Fold => {
                let event = event();
                format!("func(earlier: {event}, later: {event}) -> result<{event}, {FAILURE}>")
            }
            Self::Receiver => format!(
                "func(request: {}) -> result<{}, {FAILURE}>",
                request(),
                reception()
            ),
        }
    }
}

/// The signature of a function of `host`, where there is one of that name.
pub(crate) fn host_function(name: &str) -> Option<String> {
    match name {
        "log" => Some(format!("func(level: {LEVEL}, text: string)")),
        "config" | "data-url" => Some("func() -> string".to_owned()),
        _ => None,
    }
}

fn event() -> String {
    format!(
        "record{{id: string, source: string, event-type: string, subject: option<string>, \
         time-ms: u64, tenant: string, key: option<string>, content-type: string, \
         data: list<u8>, attributes: {ATTRIBUTES}}}"
    )
}

fn verdict() -> String {
    format!(
        "variant{{pass, drop(string), replace(list<u8>), \
         deliver(record{{content-type: string, body: list<u8>, headers: {ATTRIBUTES}}})}}"
    )
}

fn request() -> String {
    format!(
        "record{{method: string, path: string, query: string, headers: {ATTRIBUTES}, \
         body: list<u8>, secret: option<string>, received-ms: u64}}"
    )
}

fn reception() -> String {
    "variant{accepted(list<record{event-type: string, id: option<string>, \
     subject: option<string>, key: option<string>, time-ms: option<u64>, \
     content-type: string, data: list<u8>}>), challenge(record{status: u16, \
     content-type: string, body: list<u8>}), rejected(string)}"
        .to_owned()
}

/// An interface name of the contract's package, whatever its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContractName<'a> {
    pub(crate) interface: &'a str,
    pub(crate) version: Option<Version>,
}

impl<'a> ContractName<'a> {
    /// None for names of other packages.
    pub(crate) fn parse(name: &'a str) -> Option<Self> {
        let rest = name.strip_prefix(PACKAGE)?;
        let (interface, version) = rest.split_once('@').unwrap_or((rest, ""));
        Some(Self {
            interface,
            version: Version::parse(version).ok(),
        })
    }

    /// This host speaks that version.
    pub(crate) fn is_spoken(&self) -> bool {
        self.version.as_ref().is_some_and(|version| {
            version.major == CONTRACT_VERSION.major
                && (0..=CONTRACT_VERSION.minor).contains(&version.minor)
                && version.pre.is_empty()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::ContractName;

    #[test]
    fn versions_of_the_same_major_up_to_ours_are_spoken() {
        let cases = [
            ("hookgate:plugin/transform@1.0.0", Some(true)),
            ("hookgate:plugin/transform@1.0.7", Some(true)),
            ("hookgate:plugin/transform@1.1.0", Some(false)),
            ("hookgate:plugin/transform@2.0.0", Some(false)),
            ("hookgate:plugin/transform@1.0.0-rc.1", Some(false)),
            ("hookgate:plugin/transform", Some(false)),
            ("wasi:cli/run@0.2.0", None),
        ];
        for (name, is_spoken) in cases {
            assert_eq!(
                ContractName::parse(name).map(|name| name.is_spoken()),
                is_spoken,
                "{name}"
            );
        }
    }
}
