//! A plugin that can be run: machine code in memory, linked to the host.

use crate::check::{Fault, Refusal};
use crate::contract::Export;
use crate::digest::Digest;
use crate::engine::Metering;
use crate::instance::{Guest, host_linker};
use crate::limits::Limits;
use crate::precheck::Interfaces;
use std::fmt;
use wasmtime::Engine;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre};

/// Linear memory comes in pages of this size.
const PAGE_BYTES: u64 = 65_536;

/// A compiled component. Its code is freed with the last `Arc` of it.
pub struct LoadedPlugin {
    digest: Digest,
    exports: Vec<Export>,
    imports: Vec<String>,
    size_bytes: usize,
    resources: Resources,
    metering: Metering,
    pre: InstancePre<Guest>,
    /// In the order of [`Export::ALL`].
    functions: [Option<ComponentExportIndex>; 4],
}

/// What an instance takes before its first call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Resources {
    pub memories: u32,
    /// Of the largest memory.
    pub initial_memory_bytes: u64,
    pub tables: u32,
    /// Of the largest table.
    pub initial_table_elements: u64,
}

/// Machine code that this process or its own child made, byte for byte.
pub(crate) struct TrustedArtefact(pub(crate) Vec<u8>);

/// What a component is, apart from its code.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) digest: Digest,
    pub(crate) size_bytes: usize,
    pub(crate) interfaces: Interfaces,
}

impl LoadedPlugin {
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// What the contract lets the host ask of it.
    pub fn exports(&self) -> &[Export] {
        &self.exports
    }

    /// Names of its imports, escaped.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// Size of the component it was made of.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    pub fn resources(&self) -> Resources {
        self.resources
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.pre.engine()
    }

    pub(crate) fn counts_fuel(&self) -> bool {
        self.metering == Metering::TimeAndFuel
    }

    pub(crate) fn pre(&self) -> &InstancePre<Guest> {
        &self.pre
    }

    pub(crate) fn function(&self, export: Export) -> Option<&ComponentExportIndex> {
        self.functions[export as usize].as_ref()
    }
}

/// Maps `artefact` and links it: no guest code runs yet.
pub(crate) fn load(
    engine: &Engine,
    metering: Metering,
    identity: Identity,
    artefact: &TrustedArtefact,
    limits: &Limits,
) -> Result<LoadedPlugin, Fault> {
    let component = deserialize(engine, artefact).map_err(|error| not_loadable(&error))?;
    let resources = check_resources(&component, limits)?;
    let linker = host_linker(engine).map_err(|error| not_loadable(&error))?;
    let pre = linker.instantiate_pre(&component).map_err(|error| {
        let cure = "import nothing but `hookgate:plugin/host`";
        Fault::new(Refusal::Imports, format!("{error:#}"), cure)
    })?;
    let function = |export: Export| {
        let name = identity
            .interfaces
            .exports
            .iter()
            .find(|(known, _)| *known == export)?;
        let interface = component.get_export_index(None, name.1.as_str())?;
        component.get_export_index(Some(&interface), export.function())
    };
    let functions = Export::ALL.map(function);
    Ok(LoadedPlugin {
        digest: identity.digest,
        exports: identity
            .interfaces
            .exports
            .iter()
            .map(|(export, _)| *export)
            .collect(),
        imports: identity.interfaces.imports,
        size_bytes: identity.size_bytes,
        resources,
        metering,
        pre,
        functions,
    })
}

#[expect(
    unsafe_code,
    reason = "wasmtime trusts what it loads; see TrustedArtefact"
)]
fn deserialize(engine: &Engine, artefact: &TrustedArtefact) -> wasmtime::Result<Component> {
    // SAFETY: the bytes came from our own compile child over its pipe, or from the
    // cache under a MAC that only we can make.
    unsafe { Component::deserialize(engine, &artefact.0) }
}

fn check_resources(component: &Component, limits: &Limits) -> Result<Resources, Fault> {
    let Some(needs) = component.resources_required() else {
        return Err(Fault::new(
            Refusal::Imports,
            "the component imports a module",
            "link everything into the component",
        ));
    };
    let pages = needs.max_initial_memory_size.unwrap_or(0);
    let resources = Resources {
        memories: needs.num_memories,
        initial_memory_bytes: pages.saturating_mul(PAGE_BYTES),
        tables: needs.num_tables,
        initial_table_elements: needs.max_initial_table_size.unwrap_or(0),
    };
    match resources.over(limits) {
        Some(fault) => Err(fault),
        None => Ok(resources),
    }
}

impl Resources {
    fn over(&self, limits: &Limits) -> Option<Fault> {
        let bounds = [
            (u64::from(self.memories), limits.max_memories, "memories"),
            (u64::from(self.tables), limits.max_tables, "tables"),
            (
                self.initial_memory_bytes,
                limits.max_memory_bytes,
                "bytes of memory at once",
            ),
            (
                self.initial_table_elements,
                limits.max_table_elements,
                "elements in a table",
            ),
        ];
        let (actual, max, what) = bounds
            .into_iter()
            .find(|(actual, max, _)| *actual > *max as u64)?;
        Some(Fault::new(
            Refusal::OverLimits,
            format!("an instance takes {actual} {what}, {max} are allowed"),
            "start with less, and let it grow when an event needs it",
        ))
    }
}

fn not_loadable(error: &wasmtime::Error) -> Fault {
    Fault::new(
        Refusal::NotLoadable,
        format!("the compiled component does not load: {error:#}"),
        "upload it again; if this stays, tell Hookgate's developers",
    )
}

impl fmt::Debug for LoadedPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadedPlugin")
            .field("digest", &self.digest)
            .field("exports", &self.exports)
            .field("size_bytes", &self.size_bytes)
            .finish_non_exhaustive()
    }
}
