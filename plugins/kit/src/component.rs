//! Makes a core module a component, and checks it as the server will.

use wit_component::{ComponentEncoder, DecodedWasm};
use wit_parser::{Resolve, WorldItem, WorldKey};

use crate::Export;

const CONTRACT: &str = "hookgate:plugin/";
const IMPORTABLE: [&str; 2] = ["hookgate:plugin/host@1", "hookgate:plugin/types@1"];

/// A component that imports nothing but Hookgate's host and exports some of its contract.
#[derive(Debug, Clone)]
pub struct Component {
    bytes: Vec<u8>,
    exports: Vec<String>,
    imports: Vec<String>,
}

/// Why the server would refuse it.
#[derive(Debug, thiserror::Error)]
pub enum UnfitComponent {
    /// The module carries no description of its interfaces, or a broken one.
    #[error("the module could not be made a component: {0}")]
    NotAComponent(String),
    /// Nothing for Hookgate to call.
    #[error(
        "it exports nothing that Hookgate can call; in Rust, write \
         hookgate_plugin::export!(YourPlugin as transform); or … as filter"
    )]
    NoExport,
    /// A plugin gets no clock, files or network.
    #[error(
        "it imports {interface}, and a plugin may import only hookgate:plugin/host: build it with \
         this kit, and leave out what needs a clock, files or network"
    )]
    ForeignImport {
        /// Its name and version.
        interface: String,
    },
}

impl Component {
    /// Wraps `module`, which carries its interfaces in a section of its own.
    ///
    /// # Errors
    /// Where it is no such module, or the server would refuse the component.
    pub fn from_module(module: &[u8]) -> Result<Self, UnfitComponent> {
        let bytes = Self::encoded(module, None).map_err(UnfitComponent::NotAComponent)?;
        Self::from_bytes(bytes)
    }

    /// The component of `module`, unchecked. `adapter` gives what the module imports of a
    /// system interface: its name and a module.
    pub(crate) fn encoded(
        module: &[u8],
        adapter: Option<(&str, &[u8])>,
    ) -> Result<Vec<u8>, String> {
        let encode = || {
            let mut encoder = ComponentEncoder::default().validate(true).module(module)?;
            if let Some((name, bytes)) = adapter {
                encoder = encoder.adapter(name, bytes)?;
            }
            encoder.encode()
        };
        encode().map_err(|error| format!("{error:#}"))
    }

    /// Takes a finished component.
    ///
    /// # Errors
    /// As [`Component::from_module`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, UnfitComponent> {
        let decoded = wit_component::decode(&bytes);
        let (resolve, world) = match decoded {
            Ok(DecodedWasm::Component(resolve, world)) => (resolve, world),
            Ok(DecodedWasm::WitPackage(..)) => {
                return Err(UnfitComponent::NotAComponent(
                    "it holds interfaces and no code".into(),
                ));
            }
            Err(error) => return Err(failed(error)),
        };
        let world = &resolve.worlds[world];
        for (key, item) in &world.imports {
            let name = resolve.name_world_key(key);
            if has_functions(&resolve, item)
                && !IMPORTABLE.iter().any(|start| name.starts_with(start))
            {
                return Err(UnfitComponent::ForeignImport { interface: name });
            }
        }
        let imports = names(
            &resolve,
            world
                .imports
                .iter()
                .filter(|(_, item)| has_functions(&resolve, item)),
        );
        let mut exports = names(&resolve, world.exports.iter());
        exports.retain(|name| name.starts_with(CONTRACT));
        if exports.is_empty() {
            return Err(UnfitComponent::NoExport);
        }
        Ok(Self {
            bytes,
            exports,
            imports,
        })
    }

    /// What to upload.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Interfaces of the contract, such as `hookgate:plugin/transform@1.0.0`.
    #[must_use]
    pub fn exports(&self) -> &[String] {
        &self.exports
    }

    /// As `plugin.toml` names them.
    #[must_use]
    pub fn exported(&self) -> Vec<Export> {
        let is_there = |export: &Export| {
            let start = format!("{CONTRACT}{export}@");
            self.exports.iter().any(|name| name.starts_with(&start))
        };
        Export::ALL.into_iter().filter(is_there).collect()
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Interfaces with functions; those that hold only types are no demand on anybody.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.imports
    }
}

fn failed(error: impl std::fmt::Display) -> UnfitComponent {
    UnfitComponent::NotAComponent(format!("{error:#}"))
}

fn names<'a>(
    resolve: &Resolve,
    items: impl Iterator<Item = (&'a WorldKey, &'a WorldItem)>,
) -> Vec<String> {
    items.map(|(key, _)| resolve.name_world_key(key)).collect()
}

fn has_functions(resolve: &Resolve, item: &WorldItem) -> bool {
    match item {
        WorldItem::Interface { id, .. } => !resolve.interfaces[*id].functions.is_empty(),
        WorldItem::Function(_) => true,
        WorldItem::Type { .. } => false,
    }
}
