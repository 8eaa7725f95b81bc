//! All that can be said about an upload without compiling it.
//!
//! Cheap checks come first, and each names what is wrong and what to change. What
//! passes here imports only what the host defines, exports something it can call,
//! and has the contract's types in both places.

use crate::check::{CheckReport, Fault, Refusal, Refused};
use crate::contract::{self, ContractName, Export};
use crate::limits::Limits;
use crate::shape::measure;
use crate::signature::signature;
use crate::text::printable;
use wasmparser::component_types::{ComponentEntityType, ComponentInstanceTypeId};
use wasmparser::types::{Types, TypesRef};
use wasmparser::{Parser, Payload};

/// A name that is longer says nothing more to its author.
const MAX_NAME_BYTES: usize = 200;

/// What a component imports and exports, by the names it uses.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interfaces {
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<(Export, String)>,
}

/// Makes the checks `size`, `format`, `shape`, `imports` and `exports`. Costs a few
/// milliseconds for each MiB.
pub(crate) fn precheck(
    component: &[u8],
    limits: &Limits,
    report: &mut CheckReport,
) -> Result<Interfaces, Refused> {
    report.note("size", size(component, limits))?;
    report.note("format", format(component))?;
    let measured = measure(component, limits);
    let types = report.note(
        "shape",
        measured.map(|(types, shape)| (types, shape.to_string())),
    )?;
    let imports = report.note("imports", imports(component, &types))?;
    let exports = report.note("exports", exports(component, &types))?;
    Ok(Interfaces { imports, exports })
}

fn size(component: &[u8], limits: &Limits) -> Result<((), String), Fault> {
    let (actual, max) = (component.len(), limits.max_component_bytes);
    if actual <= max {
        return Ok(((), format!("{actual} bytes")));
    }
    Err(Fault::new(
        Refusal::TooLarge,
        format!("the component has {actual} bytes, {max} are allowed"),
        "strip names and debug information, and build for size",
    ))
}

fn format(component: &[u8]) -> Result<((), String), Fault> {
    if component.starts_with(b"\x7fELF")
        || wasmtime::Engine::detect_precompiled(component).is_some()
    {
        return Err(Fault::new(
            Refusal::Precompiled,
            "this is machine code, not WebAssembly",
            "upload the component itself; Hookgate compiles it",
        ));
    }
    if component.starts_with(b"\0asm") {
        return Ok(((), "WebAssembly binary".to_owned()));
    }
    Err(Fault::new(
        Refusal::NotAComponent,
        "this is not a WebAssembly binary",
        "upload the .wasm file that `hookgate plugin build` made, not its text or an archive",
    ))
}

/// Names of the component's own imports (or exports), in order.
fn names(component: &[u8], of: Side) -> Vec<&str> {
    let mut depth = 0;
    let mut names = Vec::new();
    // Was validated as a whole before; what can't be read can't be there.
    for payload in Parser::new(0).parse_all(component).map_while(Result::ok) {
        match payload {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 1 && of == Side::Imports => {
                names.extend(
                    section
                        .into_iter()
                        .map_while(Result::ok)
                        .map(|import| import.name.name),
                );
            }
            Payload::ComponentExportSection(section) if depth == 1 && of == Side::Exports => {
                names.extend(
                    section
                        .into_iter()
                        .map_while(Result::ok)
                        .map(|export| export.name.name),
                );
            }
            _ => {}
        }
    }
    names
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Imports,
    Exports,
}

fn imports(component: &[u8], types: &Types) -> Result<(Vec<String>, String), Fault> {
    let mut imported = Vec::new();
    for name in names(component, Side::Imports) {
        let shown = printable(name, MAX_NAME_BYTES).0;
        match types.component_item_for_import(name).map(|item| item.ty) {
            Some(ComponentEntityType::Instance(id)) if holds_only_types(types.as_ref(), id) => {}
            Some(ComponentEntityType::Instance(id)) if is_host(name) => {
                check_host(types.as_ref(), id)?
            }
            // A type is a name for something, and gives nothing.
            Some(ComponentEntityType::Type { .. }) => {}
            _ => return Err(foreign_import(&shown)),
        }
        imported.push(shown);
    }
    let detail = if imported.is_empty() {
        "none".to_owned()
    } else {
        imported.join(", ")
    };
    Ok((imported, detail))
}

fn is_host(name: &str) -> bool {
    ContractName::parse(name).is_some_and(|name| name.interface == "host" && name.is_spoken())
}

fn holds_only_types(types: TypesRef<'_>, id: ComponentInstanceTypeId) -> bool {
    let instance = &types[id];
    instance.explicit_resources.is_empty()
        && instance
            .exports
            .values()
            .all(|item| matches!(item.ty, ComponentEntityType::Type { .. }))
}

fn check_host(types: TypesRef<'_>, id: ComponentInstanceTypeId) -> Result<(), Fault> {
    for (name, item) in &types[id].exports {
        let (found, expected) = match item.ty {
            ComponentEntityType::Type { .. } => continue,
            ComponentEntityType::Func(id) => (signature(types, id), contract::host_function(name)),
            _ => (String::new(), None),
        };
        let shown = printable(name, MAX_NAME_BYTES).0;
        let Some(expected) = expected else {
            return Err(Fault::new(
                Refusal::Imports,
                format!("`{}` has no `{shown}`", contract::HOST_INTERFACE),
                "build against the wit folder of this Hookgate",
            ));
        };
        if found != expected {
            return Err(mismatch(
                Refusal::Imports,
                &format!("host.{shown}"),
                &expected,
                &found,
            ));
        }
    }
    Ok(())
}

fn foreign_import(name: &str) -> Fault {
    let cure = if name.starts_with("wasi:") {
        "plugins run without WASI: Rust: build for wasm32-unknown-unknown; JavaScript: componentize-qjs with \
         `--sync --stub-wasi`; Python: componentize-py with `--stub-wasi`; Go and C: `hookgate plugin build`"
    } else if ContractName::parse(name).is_some() {
        "this Hookgate speaks hookgate:plugin@1.0: build against its wit folder"
    } else {
        "import nothing but `hookgate:plugin/host`"
    };
    Fault::new(
        Refusal::Imports,
        format!("the component imports `{name}`, which plugins can't have"),
        cure,
    )
}

fn exports(component: &[u8], types: &Types) -> Result<(Vec<(Export, String)>, String), Fault> {
    let mut known = Vec::new();
    let mut others = Vec::new();
    for name in names(component, Side::Exports) {
        let Some(export) = known_export(name) else {
            others.push(printable(name, MAX_NAME_BYTES).0);
            continue;
        };
        let Some(ComponentEntityType::Instance(id)) =
            types.component_item_for_export(name).map(|item| item.ty)
        else {
            return Err(missing_function(export));
        };
        check_export(types.as_ref(), id, export)?;
        known.push((export, name.to_owned()));
    }
    if known.is_empty() {
        return Err(nothing_known(&others));
    }
    let detail = known
        .iter()
        .map(|(export, _)| export.as_str())
        .collect::<Vec<_>>()
        .join(", ");
    Ok((known, detail))
}

fn known_export(name: &str) -> Option<Export> {
    let name = ContractName::parse(name).filter(ContractName::is_spoken)?;
    Export::ALL
        .into_iter()
        .find(|export| export.as_str() == name.interface)
}

fn check_export(
    types: TypesRef<'_>,
    id: ComponentInstanceTypeId,
    export: Export,
) -> Result<(), Fault> {
    let item = types[id].exports.get(export.function());
    let Some(ComponentEntityType::Func(id)) = item.map(|item| item.ty) else {
        return Err(missing_function(export));
    };
    let (found, expected) = (signature(types, id), export.signature());
    if found == expected {
        return Ok(());
    }
    let function = format!("{}.{}", export.as_str(), export.function());
    Err(mismatch(Refusal::Exports, &function, &expected, &found))
}

fn missing_function(export: Export) -> Fault {
    let (interface, function) = (export.as_str(), export.function());
    Fault::new(
        Refusal::Exports,
        format!("the exported `{interface}` has no function `{function}`"),
        "build against the wit folder of this Hookgate",
    )
}

fn nothing_known(others: &[String]) -> Fault {
    let found = if others.is_empty() {
        "nothing".to_owned()
    } else {
        format!("only {}", others.join(", "))
    };
    Fault::new(
        Refusal::Exports,
        format!("the component exports {found}"),
        "export `transform`, `filter`, `fold` or `receiver` of hookgate:plugin@1.0.0",
    )
}

/// Tells where two signatures part, with some of the text around it.
fn mismatch(reason: Refusal, function: &str, expected: &str, found: &str) -> Fault {
    const BEFORE: usize = 24;
    const AFTER: usize = 48;
    let place = expected
        .bytes()
        .zip(found.bytes())
        .take_while(|(left, right)| left == right)
        .count();
    // Component names and the contract are ASCII, so every byte starts a character.
    let around = |text: &str| {
        let end = text.len().min(place + AFTER);
        printable(
            text.get(place.saturating_sub(BEFORE)..end).unwrap_or(""),
            BEFORE + AFTER,
        )
        .0
    };
    Fault::new(
        reason,
        format!(
            "the types of `{function}` differ: the contract has `…{}…`, the component `…{}…`",
            around(expected),
            around(found)
        ),
        "build against the wit folder of this Hookgate",
    )
}
