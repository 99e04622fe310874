//! The price list, as it ships with haar.

use serde::Deserialize;

use crate::Architecture;
use crate::money::{MIB_MS_PER_GB_SECOND, Price};

/// The file beside `Cargo.toml`; whoever changes a price changes its date.
pub(crate) const FILE: &str = include_str!("../prices.toml");

/// What AWS Lambda asks for.
#[derive(Debug, Deserialize)]
pub struct LambdaPrices {
    /// The page that the prices are from.
    pub source: String,
    /// The region that they hold in.
    pub region: String,
    /// The day that they were read.
    pub as_of: String,
    pub(crate) request: Price,
    pub(crate) free_requests_per_month: u64,
    free_gb_seconds_per_month: u64,
    pub(crate) ephemeral_storage_gb_second: Price,
    x86_64: ComputePrices,
    arm64: ComputePrices,
}

/// What Amazon ECR asks for.
#[derive(Debug, Deserialize)]
pub struct StoragePrices {
    /// The page that the prices are from.
    pub source: String,
    /// The region that they hold in.
    pub region: String,
    /// The day that they were read.
    pub as_of: String,
    pub(crate) gb_month: Price,
}

impl StoragePrices {
    /// The prices that haar ships with.
    pub fn shipped() -> Self {
        #[derive(Deserialize)]
        struct File {
            ecr: StoragePrices,
        }
        let file: File = toml::from_str(FILE).expect("a test reads the shipped price list");
        file.ecr
    }
}

/// What AWS asks for tasks on Fargate.
#[derive(Debug, Deserialize)]
pub struct FargatePrices {
    /// The page that the prices are from.
    pub source: String,
    /// The region that they hold in.
    pub region: String,
    /// The day that they were read.
    pub as_of: String,
    pub(crate) x86_64_vcpu_hour: Price,
    pub(crate) x86_64_gb_hour: Price,
    pub(crate) arm64_vcpu_hour: Price,
    pub(crate) arm64_gb_hour: Price,
    pub(crate) ephemeral_gb_hour: Price,
    /// What spot costs of the usual price.
    pub(crate) spot_percent: u128,
}

impl FargatePrices {
    /// The prices that haar ships with.
    pub fn shipped() -> Self {
        #[derive(Deserialize)]
        struct File {
            fargate: FargatePrices,
        }
        let file: File = toml::from_str(FILE).expect("a test reads the shipped price list");
        file.fargate
    }
}

/// What one architecture's time costs.
#[derive(Debug, Deserialize)]
pub(crate) struct ComputePrices {
    pub(crate) tiers: Vec<Tier>,
    pub(crate) provisioned_gb_second: Price,
    pub(crate) provisioned_duration_gb_second: Price,
}

/// A price up to a monthly quantity.
#[derive(Debug, Deserialize)]
pub(crate) struct Tier {
    up_to_gb_seconds: Option<u64>,
    pub(crate) gb_second: Price,
}

impl Tier {
    /// Where the tier ends, in MiB-milliseconds.
    pub(crate) fn end_mib_ms(&self) -> u128 {
        self.up_to_gb_seconds.map_or(u128::MAX, |end| u128::from(end) * MIB_MS_PER_GB_SECOND)
    }
}

impl LambdaPrices {
    /// The prices that haar ships with.
    pub fn shipped() -> Self {
        #[derive(Deserialize)]
        struct File {
            lambda: LambdaPrices,
        }
        let file: File = toml::from_str(FILE).expect("a test reads the shipped price list");
        file.lambda
    }

    /// The prices of one architecture.
    pub(crate) fn compute(&self, architecture: Architecture) -> &ComputePrices {
        match architecture {
            Architecture::X86_64 => &self.x86_64,
            Architecture::Arm64 => &self.arm64,
        }
    }

    /// MiB-milliseconds a month that cost nothing, over both architectures.
    pub(crate) fn free_mib_ms_per_month(&self) -> u128 {
        u128::from(self.free_gb_seconds_per_month) * MIB_MS_PER_GB_SECOND
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_list_is_whole_and_its_tiers_ascend() {
        let prices = LambdaPrices::shipped();
        assert_eq!(prices.as_of.len(), 10);
        for architecture in Architecture::ALL {
            let tiers = &prices.compute(architecture).tiers;
            assert!(tiers.is_sorted_by_key(Tier::end_mib_ms));
            assert_eq!(tiers.last().map(Tier::end_mib_ms), Some(u128::MAX));
        }
    }
}
