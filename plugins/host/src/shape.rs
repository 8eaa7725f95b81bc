//! Measures a component before anything is made of it: how many of what it has, and
//! how deep and large they are.
//!
//! It reads section by section and looks into no function; those are validated where
//! they are compiled, in a process that may die of them.

use crate::check::{Fault, Refusal};
use crate::limits::Limits;
use crate::text::printable;
use std::fmt;
use wasmparser::types::Types;
use wasmparser::{Encoding, Instance, Parser, Payload, ValidPayload, Validator, WasmFeatures};

/// What was counted, core and nested parts together.
#[derive(Debug, Default, Clone)]
pub(crate) struct Shape {
    functions: usize,
    largest_function_bytes: usize,
    imports: usize,
    exports: usize,
    core_modules: usize,
    core_instances: usize,
    memories: usize,
    tables: usize,
    depth: usize,
}

/// What the engine is set to run, in the parser's terms.
fn features() -> WasmFeatures {
    WasmFeatures::WASM2
        | WasmFeatures::TAIL_CALL
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::COMPONENT_MODEL
}

/// Reads all of `component` once. The types come with the shape, for what looks at
/// imports and exports.
pub(crate) fn measure(component: &[u8], limits: &Limits) -> Result<(Types, Shape), Fault> {
    let mut validator = Validator::new_with_features(features());
    let mut shape = Shape::default();
    let mut open = Vec::new();
    let mut parser = Parser::new(0);
    parser.set_features(features());
    for payload in parser.parse_all(component) {
        let payload = payload.map_err(|error| malformed(&error))?;
        match &payload {
            Payload::Version {
                encoding: Encoding::Module,
                ..
            } if open.is_empty() => return Err(core_module()),
            Payload::Version { encoding, .. } => open.push(*encoding),
            Payload::End(_) => drop(open.pop()),
            _ => {}
        }
        shape.count(&payload, &open);
        shape.check(limits)?;
        let checked = validator
            .payload(&payload)
            .map_err(|error| malformed(&error))?;
        if let ValidPayload::End(types) = checked
            && open.is_empty()
        {
            return Ok((types, shape));
        }
    }
    Err(Fault::new(
        Refusal::Malformed,
        "the component has no end",
        UPLOAD_AGAIN,
    ))
}

impl Shape {
    fn count(&mut self, payload: &Payload<'_>, open: &[Encoding]) {
        let is_outermost = open.len() == 1;
        match payload {
            Payload::Version {
                encoding: Encoding::Component,
                ..
            } => {
                self.depth = self.depth.max(open.len());
            }
            Payload::Version {
                encoding: Encoding::Module,
                ..
            } => self.core_modules += 1,
            Payload::CodeSectionStart { count, .. } => self.functions += *count as usize,
            Payload::CodeSectionEntry(body) => {
                self.largest_function_bytes = self.largest_function_bytes.max(body.range().len());
            }
            Payload::MemorySection(section) => self.memories += section.count() as usize,
            Payload::TableSection(section) => self.tables += section.count() as usize,
            Payload::InstanceSection(section) => {
                let made = section.clone().into_iter().map_while(Result::ok);
                self.core_instances += made
                    .filter(|made| matches!(made, Instance::Instantiate { .. }))
                    .count();
            }
            Payload::ComponentImportSection(section) if is_outermost => {
                self.imports += section.count() as usize
            }
            Payload::ComponentExportSection(section) if is_outermost => {
                self.exports += section.count() as usize
            }
            _ => {}
        }
    }

    /// Compared while it is counted, so that nothing is read far beyond a limit.
    fn check(&self, limits: &Limits) -> Result<(), Fault> {
        let bounds = [
            (self.functions, limits.max_functions, "core functions"),
            (
                self.largest_function_bytes,
                limits.max_function_bytes,
                "bytes in one function",
            ),
            (self.imports, limits.max_imports, "imports"),
            (self.exports, limits.max_exports, "exports"),
            (self.core_modules, limits.max_core_modules, "core modules"),
            (
                self.core_instances,
                limits.max_core_instances,
                "core instances",
            ),
            (self.memories, limits.max_memories, "memories"),
            (self.tables, limits.max_tables, "tables"),
            (
                self.depth,
                limits.max_nested_depth,
                "levels of nested components",
            ),
        ];
        match bounds.into_iter().find(|(actual, max, _)| actual > max) {
            None => Ok(()),
            Some((actual, max, what)) => Err(Fault::new(
                Refusal::OverLimits,
                format!("the component has {actual} {what} or more, {max} are allowed"),
                "leave out what the plugin does not need, and build for size (`opt-level = \"s\"`, `lto`)",
            )),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} functions, the largest of {} bytes, in {} core modules with {} memories and {} tables",
            self.functions,
            self.largest_function_bytes,
            self.core_modules,
            self.memories,
            self.tables
        )
    }
}

const UPLOAD_AGAIN: &str = "build it again and upload the whole file";

fn malformed(error: &wasmparser::Error) -> Fault {
    let message = printable(error.message(), 512).0;
    let detail = format!(
        "the component is broken at byte {}: {message}",
        error.offset()
    );
    Fault::new(Refusal::Malformed, detail, UPLOAD_AGAIN)
}

fn core_module() -> Fault {
    Fault::new(
        Refusal::NotAComponent,
        "this is a core module, not a component",
        "wrap it with `hookgate plugin build`, or with `wasm-tools component new`",
    )
}
