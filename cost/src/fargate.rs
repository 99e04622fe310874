//! Tasks on Fargate: vCPU, memory and scratch disk by the second, and what they cost.
//!
//! AWS docs: *AWS Fargate Pricing*. Records hold whole CPU unit-seconds (1,024 are a vCPU-second),
//! MiB-seconds and GB-seconds of scratch disk beyond the 20 GB that are free.

use serde_json::{Value, json};

use crate::meter::ResourceUsage;
use crate::money::Dollars;
use crate::prices::FargatePrices;

const UNITS_PER_VCPU_HOUR: u128 = 1024 * 3600;
const MIB_PER_GB_HOUR: u128 = 1024 * 3600;
const SECONDS_PER_HOUR: u128 = 3600;

/// An account's services and families with what each costs, and the sum.
pub(crate) fn charge(usage: &ResourceUsage, prices: &FargatePrices) -> (Vec<Value>, Dollars) {
    let mut sum = Dollars::default();
    let rows = usage.iter().map(|(name, kinds)| {
        let costs = kinds.iter().map(|(kind, quantity)| charge_kind(kind, *quantity, prices));
        let cost = costs.fold(Dollars::default(), |sum, cost| sum + cost);
        sum += cost;
        let total = |stem: &str, per: f64| -> f64 {
            let same = kinds.iter().filter(|(kind, _)| kind.contains(stem));
            same.map(|(_, quantity)| *quantity as f64).sum::<f64>() / per
        };
        json!({
            "region": name.region,
            "name": name.name,
            "vcpuSeconds": total("cpu-unit-s", 1024.0),
            "gbSeconds": total("mb-s", 1024.0),
            "ephemeralGbSeconds": total("ephemeral-gb-s", 1.0),
            "cost": cost.to_string(),
        })
    });
    (rows.collect(), sum)
}

fn charge_kind(kind: &str, quantity: u128, prices: &FargatePrices) -> Dollars {
    let (what, architecture) = kind.split_once('/').unwrap_or((kind, ""));
    let (vcpu, gb) = match architecture {
        "arm64" => (prices.arm64_vcpu_hour, prices.arm64_gb_hour),
        _ => (prices.x86_64_vcpu_hour, prices.x86_64_gb_hour),
    };
    let spot = prices.spot_percent;
    match what {
        "cpu-unit-s" => vcpu.times_part(quantity, UNITS_PER_VCPU_HOUR),
        "mb-s" => gb.times_part(quantity, MIB_PER_GB_HOUR),
        "spot-cpu-unit-s" => vcpu.times_part(quantity * spot, UNITS_PER_VCPU_HOUR * 100),
        "spot-mb-s" => gb.times_part(quantity * spot, MIB_PER_GB_HOUR * 100),
        "ephemeral-gb-s" => prices.ephemeral_gb_hour.times_part(quantity, SECONDS_PER_HOUR),
        _ => Dollars::default(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use haar_types::Region;

    use super::*;
    use crate::bill::FunctionName;

    fn cost(kinds: &[(&str, u128)]) -> String {
        let name = FunctionName { region: Region::default(), name: "web".to_owned() };
        let kinds = kinds.iter().map(|(kind, quantity)| ((*kind).to_owned(), *quantity));
        let usage = BTreeMap::from([(name, kinds.collect())]);
        charge(&usage, &FargatePrices::shipped()).1.rounded(5)
    }

    #[test]
    fn an_hour_of_a_vcpu_and_two_gb_costs_its_price() {
        let hour = [("cpu-unit-s/x86_64", 1024 * 3600), ("mb-s/x86_64", 2048 * 3600)];
        assert_eq!(cost(&hour), "0.04937");
        let arm = [("cpu-unit-s/arm64", 1024 * 3600), ("mb-s/arm64", 2048 * 3600)];
        assert_eq!(cost(&arm), "0.03950");
        let spot = [("spot-cpu-unit-s/x86_64", 1024 * 3600)];
        assert_eq!(cost(&spot), "0.01214");
        assert_eq!(cost(&[("ephemeral-gb-s", 100 * 3600)]), "0.01110");
    }
}
