//! What a function used, summed up.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A processor architecture, which sets the price of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Architecture {
    /// Intel and AMD.
    #[serde(rename = "x86_64")]
    X86_64,
    /// Graviton.
    #[serde(rename = "arm64")]
    Arm64,
}

impl Architecture {
    /// Both.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::Arm64];

    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }
}

/// What one function used in some span of time. Time is in MiB-milliseconds: memory as
/// configured, times billed duration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Invocations.
    pub requests: u64,
    /// By architecture.
    pub compute: BTreeMap<Architecture, ComputeUsage>,
    /// `/tmp` beyond what is free.
    pub ephemeral_storage_mib_ms: u128,
}

/// Time on one architecture, in MiB-milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComputeUsage {
    /// Invocations on demand.
    pub duration_mib_ms: u128,
    /// Concurrency held ready.
    pub provisioned_mib_ms: u128,
    /// Invocations on concurrency held ready.
    pub provisioned_duration_mib_ms: u128,
}

impl Usage {
    /// Reads a metering record's quantities: `requests`, `mb-ms/ARCHITECTURE` (on demand),
    /// `storage-mb-ms` (`/tmp` beyond 512 MB), `provisioned-mb-ms/ARCHITECTURE` (held ready),
    /// `provisioned-duration-mb-ms/ARCHITECTURE`. Others are of no account.
    pub(crate) fn of_quantities(quantities: &[(&'static str, u64)]) -> Self {
        let mut usage = Self::default();
        for (kind, quantity) in quantities {
            let (kind, architecture) = kind.split_once('/').unwrap_or((kind, ""));
            match kind {
                "requests" => usage.requests += quantity,
                "storage-mb-ms" => usage.ephemeral_storage_mib_ms += u128::from(*quantity),
                _ => usage.add_compute(kind, architecture, u128::from(*quantity)),
            }
        }
        usage
    }

    fn add_compute(&mut self, kind: &str, architecture: &str, mib_ms: u128) {
        let known = Architecture::ALL.into_iter().find(|known| known.as_str() == architecture);
        let sum = self.compute.entry(known.unwrap_or(Architecture::X86_64)).or_default();
        match kind {
            "mb-ms" => sum.duration_mib_ms += mib_ms,
            "provisioned-mb-ms" => sum.provisioned_mib_ms += mib_ms,
            "provisioned-duration-mb-ms" => sum.provisioned_duration_mib_ms += mib_ms,
            _ => tracing::warn!(kind, "unknown kind of usage"),
        }
    }

    /// Takes in what was used besides.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.ephemeral_storage_mib_ms += other.ephemeral_storage_mib_ms;
        for (architecture, used) in &other.compute {
            let sum = self.compute.entry(*architecture).or_default();
            sum.duration_mib_ms += used.duration_mib_ms;
            sum.provisioned_mib_ms += used.provisioned_mib_ms;
            sum.provisioned_duration_mib_ms += used.provisioned_duration_mib_ms;
        }
    }

    /// Time on demand over both architectures.
    pub fn duration_mib_ms(&self) -> u128 {
        self.compute.values().map(|used| used.duration_mib_ms).sum()
    }

    /// Time on demand on one architecture.
    pub(crate) fn duration_on(&self, architecture: Architecture) -> u128 {
        self.compute.get(&architecture).map_or(0, |used| used.duration_mib_ms)
    }
}
