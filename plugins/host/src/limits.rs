//! The one table of what a plugin may use.
//!
//! Every bound on guests has its name here and nowhere else, so that the value a
//! user reads is the value that holds. The ranges an operator may choose from are
//! the business of the configuration, not of this file.

use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// What a plugin may use, from its upload to the end of each call.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Limits {
    /// Wall time for one event, filter and transform together.
    pub time_per_event: Duration,
    /// Wall time to make one instance.
    pub time_to_instantiate: Duration,
    /// Wall time for one batch; what is not reached by then goes back untouched.
    pub time_per_batch: Duration,
    /// Linear memory of one instance, all its memories together.
    pub max_memory_bytes: usize,
    /// Data of one event.
    pub max_input_bytes: usize,
    /// What one call may hand back: data, or body and headers together, or all drafts together.
    pub max_output_bytes: usize,
    /// Events that a receiver may make of one request.
    pub max_drafts: usize,
    /// Data of all events of a batch, and what they are answered with.
    pub max_batch_bytes: usize,
    /// What the host copies out of a guest in one call, wanted or not.
    pub max_hostcall_bytes: usize,
    /// Headers of a `deliver`.
    pub max_headers: usize,
    /// The text of a `drop` or a failure; the rest is cut.
    pub max_reason_bytes: usize,
    /// Log lines kept for one call.
    pub max_log_lines: usize,
    /// One log line; the rest is cut.
    pub max_log_line_bytes: usize,
    /// All log lines of one call.
    pub max_log_bytes: usize,
    /// Failures that cost an instance, after which a batch ends.
    pub max_failures_per_batch: usize,
    /// The component as uploaded.
    pub max_component_bytes: usize,
    /// The component's machine code.
    pub max_artefact_bytes: usize,
    /// Functions with a body, in all core modules.
    pub max_functions: usize,
    /// The largest body of a function.
    pub max_function_bytes: usize,
    /// Imports of the component.
    pub max_imports: usize,
    /// Exports of the component.
    pub max_exports: usize,
    /// Core modules, nested ones too.
    pub max_core_modules: usize,
    /// Core instances, those of the component model's own glue too.
    pub max_core_instances: usize,
    /// Linear memories of an instance.
    pub max_memories: usize,
    /// Tables of an instance.
    pub max_tables: usize,
    /// Elements of one table.
    pub max_table_elements: usize,
    /// Components within components.
    pub max_nested_depth: usize,
    /// Processor time to compile a component.
    pub compile_cpu_time: Duration,
    /// Wall time to compile a component.
    pub compile_time: Duration,
    /// Address space to compile a component in.
    pub max_compile_memory_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time_per_event: Duration::from_millis(50),
            time_to_instantiate: Duration::from_millis(500),
            time_per_batch: Duration::from_secs(2),
            max_memory_bytes: 64 * MIB,
            max_input_bytes: 256 * KIB,
            max_output_bytes: 256 * KIB,
            max_drafts: 100,
            max_batch_bytes: 4 * MIB,
            max_hostcall_bytes: 4 * MIB,
            max_headers: 32,
            max_reason_bytes: KIB,
            max_log_lines: 32,
            max_log_line_bytes: KIB,
            max_log_bytes: 8 * KIB,
            max_failures_per_batch: 3,
            max_component_bytes: 24 * MIB,
            max_artefact_bytes: 64 * MIB,
            max_functions: 50_000,
            max_function_bytes: 512 * KIB,
            max_imports: 64,
            max_exports: 64,
            max_core_modules: 48,
            max_core_instances: 48,
            max_memories: 4,
            max_tables: 8,
            max_table_elements: 65_536,
            max_nested_depth: 4,
            compile_cpu_time: Duration::from_secs(20),
            compile_time: Duration::from_secs(60),
            max_compile_memory_bytes: 2 * 1024 * MIB as u64,
        }
    }
}
