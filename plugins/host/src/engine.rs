//! The engine's settings: a reviewed constant, the same for the process that
//! compiles and the process that runs.
//!
//! Nothing here comes from the environment or from a guest. A setting that changes
//! machine code makes every cached artefact stale, which the cache notices.

use crate::limits::Limits;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};
use tracing::{info, warn};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    RegallocAlgorithm, Strategy, WasmBacktraceDetails,
};

/// How often running guests look at their deadline.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// Address space of a linear memory and of the guard behind it. Part of the machine
/// code: bounds checks are left out on account of them.
const MEMORY_RESERVATION_BYTES: u64 = 256 << 20;
const MEMORY_GUARD_BYTES: u64 = 32 << 20;

/// What no plugin may exceed, whatever its own limit.
const MAX_MEMORY_BYTES: usize = 128 << 20;

/// Stays mapped between instances, so that a fresh one need not fault it in.
const KEEP_RESIDENT_BYTES: usize = 2 << 20;
const KEEP_RESIDENT_TABLE_BYTES: usize = 64 << 10;
const MAX_WARM_SLOTS: u32 = 32;

/// How many instances may live at once, over all plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSize {
    /// Must exceed the threads. The default is 512.
    pub max_instances: u32,
}

impl Default for PoolSize {
    fn default() -> Self {
        Self { max_instances: 512 }
    }
}

/// What the machine code counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Metering {
    /// Time alone: what deliveries run on.
    Time,
    /// Instructions as well: a figure that repeats exactly, for authors.
    TimeAndFuel,
}

impl Metering {
    /// How much more time to compile and room for machine code than the limits give:
    /// counting adds instructions to every block, and CPython's code grows from 33 MB
    /// to over 64 MiB by it. Only trials count.
    pub(crate) fn growth(self) -> u32 {
        match self {
            Self::Time => 1,
            Self::TimeAndFuel => 2,
        }
    }

    /// The bound on a component's machine code.
    pub(crate) fn max_artefact_bytes(self, limits: &Limits) -> usize {
        limits
            .max_artefact_bytes
            .saturating_mul(self.growth() as usize)
    }
}

/// How much the compiler tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    Full,
    /// Much faster to compile, slower to run.
    Least,
}

/// What compiling and running must agree on.
pub(crate) fn base_config(metering: Metering) -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .epoch_interruption(true)
        .consume_fuel(metering == Metering::TimeAndFuel)
        .concurrency_support(false)
        .memory_reservation(MEMORY_RESERVATION_BYTES)
        .memory_guard_size(MEMORY_GUARD_BYTES)
        .memory_init_cow(true)
        .max_wasm_stack(512 << 10)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_component_model(true)
        .wasm_memory64(false)
        // The engine's own glue between the parts of a component has several memories, as
        // QuickJS needs; a plugin's modules that have are refused before any compile.
        .wasm_multi_memory(true)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .wasm_relaxed_simd(false)
        .wasm_simd(true)
        .wasm_bulk_memory(true)
        .wasm_multi_value(true)
        .wasm_tail_call(true)
        .wasm_extended_const(true);
    config
}

/// Settings of the process that compiles: one thread, no pool.
pub(crate) fn compiling_config(metering: Metering, effort: Effort) -> Config {
    let mut config = base_config(metering);
    match effort {
        Effort::Full => config.cranelift_opt_level(OptLevel::Speed),
        Effort::Least => config
            .cranelift_opt_level(OptLevel::None)
            .cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass),
    };
    config
}

/// An engine for deliveries, and whether it has a pool. Without the address space
/// for a pool it allocates each instance anew, which is slower and otherwise alike.
pub(crate) fn running_engine(size: PoolSize, limits: &Limits) -> wasmtime::Result<(Engine, bool)> {
    let mut config = base_config(Metering::Time);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(size, limits)));
    let started_at = Instant::now();
    match Engine::new(&config) {
        Ok(engine) => {
            let ms = started_at.elapsed().as_millis();
            info!(
                plugin.max_instances = size.max_instances,
                plugin.pool_ms = ms,
                "plugin engine started"
            );
            Ok((engine, true))
        }
        Err(error) => {
            warn!(
                error = %format_args!("{error:#}"),
                "no address space for a pool of plugin instances; each is allocated on its own"
            );
            Ok((Engine::new(&base_config(Metering::Time))?, false))
        }
    }
}

fn pool(size: PoolSize, limits: &Limits) -> PoolingAllocationConfig {
    let instances = size.max_instances.max(1);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(6))
        .total_memories(instances.saturating_mul(4))
        .total_tables(instances.saturating_mul(4))
        .max_core_instances_per_component(count(limits.max_core_instances))
        .max_memories_per_component(count(limits.max_memories))
        .max_tables_per_component(count(limits.max_tables))
        .max_memory_size(MAX_MEMORY_BYTES.max(limits.max_memory_bytes))
        .table_elements(limits.max_table_elements)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_TABLE_BYTES)
        .max_unused_warm_slots(MAX_WARM_SLOTS)
        // It may hand a page that was swapped out to the next instance uncleared.
        .pagemap_scan(Enabled::No);
    pool
}

fn count(limit: usize) -> u32 {
    u32::try_from(limit).unwrap_or(u32::MAX)
}

/// Changes whenever artefacts of another engine would not load in this one.
pub(crate) fn fingerprint(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}
