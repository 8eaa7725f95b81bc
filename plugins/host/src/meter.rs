//! Counts the memory of one instance, all its memories together, and says no at
//! the limit.

use crate::limits::Limits;
use wasmtime::ResourceLimiter;

#[derive(Debug)]
pub(crate) struct Meter {
    memory_bytes: usize,
    before_last_growth: usize,
    was_denied: bool,
    max_memory_bytes: usize,
    max_table_elements: usize,
    max_core_instances: usize,
    max_memories: usize,
    max_tables: usize,
}

impl Meter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_bytes: 0,
            before_last_growth: 0,
            was_denied: false,
            max_memory_bytes: limits.max_memory_bytes,
            max_table_elements: limits.max_table_elements,
            max_core_instances: limits.max_core_instances,
            max_memories: limits.max_memories,
            max_tables: limits.max_tables,
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    pub(crate) fn max_memory_bytes(&self) -> usize {
        self.max_memory_bytes
    }

    /// The instance was refused memory since this was last asked.
    pub(crate) fn take_was_denied(&mut self) -> bool {
        std::mem::take(&mut self.was_denied)
    }
}

impl ResourceLimiter for Meter {
    /// A refusal is -1 to the guest, which may cope; if it crashes instead, the
    /// refusal is told as the reason.
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.before_last_growth = self.memory_bytes;
        let total = self
            .memory_bytes
            .saturating_add(desired.saturating_sub(current));
        if total > self.max_memory_bytes {
            self.was_denied = true;
            return Ok(false);
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory_bytes = self.before_last_growth;
        Ok(())
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= self.max_table_elements)
    }

    fn instances(&self) -> usize {
        self.max_core_instances
    }

    fn memories(&self) -> usize {
        self.max_memories
    }

    fn tables(&self) -> usize {
        self.max_tables
    }
}
