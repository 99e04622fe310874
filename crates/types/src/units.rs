//! Sizes with their unit in the type.

use serde::{Deserialize, Serialize};

/// Memory in mebibytes, the unit of Lambda's `MemorySize` and ECS's `memory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MemoryMib(pub u64);

impl MemoryMib {
    /// The same size in bytes.
    pub fn bytes(self) -> u64 {
        self.0 << 20
    }
}

/// CPU in ECS's units: 1,024 are one vCPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CpuUnits(pub u64);
