//! Storage of container images: what was stored, and what it costs.
//!
//! AWS docs: *Amazon ECR Pricing*: by the GB-month. A month is as long as it is, so that the same
//! image costs the same in each. The free tier of an account's first year is left out.

use serde_json::{Value, json};

use crate::meter::ResourceUsage;
use crate::money::Dollars;
use crate::prices::StoragePrices;

/// The metered kind of quantity.
const KIND: &str = "kib-ms/standard";

const KIB_PER_GB: u128 = 1024 * 1024;
const MS_PER_DAY: u128 = 24 * 3600 * 1000;

/// Milliseconds of a month such as `2026-11`.
pub(crate) fn month_ms(month: &str) -> u128 {
    let days = |month: &str| {
        let (year, month) = month.split_once('-')?;
        let (year, month): (u32, u32) = (year.parse().ok()?, month.parse().ok()?);
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        Some(match month {
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => 31,
        })
    };
    days(month).unwrap_or(30) * MS_PER_DAY
}

/// An account's repositories with what each costs, and the sum.
pub(crate) fn charge(
    usage: &ResourceUsage,
    month: &str,
    prices: &StoragePrices,
) -> (Vec<Value>, Dollars) {
    let per_month = KIB_PER_GB * month_ms(month);
    let mut sum = Dollars::default();
    let rows = usage.iter().map(|(repository, kinds)| {
        let kib_ms = kinds.get(KIND).copied().unwrap_or_default();
        let cost = prices.gb_month.times_part(kib_ms, per_month);
        sum += cost;
        json!({
            "region": repository.region,
            "repository": repository.name,
            "gbMonths": kib_ms as f64 / per_month as f64,
            "cost": cost.to_string(),
        })
    });
    (rows.collect(), sum)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use haar_types::Region;

    use super::*;
    use crate::bill::FunctionName;

    #[test]
    fn a_gb_for_a_month_costs_its_price_whatever_the_month() {
        for (month, days) in [("2026-11", 30), ("2026-02", 28), ("2028-02", 29), ("2026-12", 31)] {
            let name = FunctionName { region: Region::default(), name: "app".to_owned() };
            let usage = BTreeMap::from([(KIND.to_owned(), KIB_PER_GB * days * MS_PER_DAY)]);
            let usage = BTreeMap::from([(name, usage)]);
            let (rows, sum) = charge(&usage, month, &StoragePrices::shipped());
            assert_eq!(sum.to_string(), "0.10", "{month}");
            assert_eq!(rows[0]["gbMonths"], 1.0);
        }
    }
}
