//! Services whose metered kinds have plain prices: so much for a million requests, for a GB-month.
//!
//! A price list's line says all of it; a free quantity is shared out among an account's resources
//! in proportion to use (*Ours*).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::bill::FreeShare;
use crate::meter::ResourceUsage;
use crate::money::{Dollars, Price};
use crate::prices::FILE;
use crate::storage::month_ms;

/// What one service asks for.
#[derive(Debug, Deserialize)]
pub struct ServicePrices {
    /// As its metering records name it.
    pub name: String,
    /// As people know it.
    pub title: String,
    /// The page that the prices are from.
    pub source: String,
    /// The region that they hold in.
    pub region: String,
    /// The day that they were read.
    pub as_of: String,
    kinds: Vec<Kind>,
}

/// The price of one metered kind.
#[derive(Debug, Deserialize)]
struct Kind {
    /// As metering records name it.
    kind: String,
    /// What is sold, for people: `million requests`.
    unit: String,
    /// How much of the metered quantity is one unit.
    per: u128,
    /// The metered quantity is milliseconds of it; a unit is one month of `per`.
    #[serde(default)]
    monthly: bool,
    price: Price,
    /// How much of the metered quantity is free each month.
    #[serde(default)]
    free: u128,
}

impl ServicePrices {
    /// All services of the price list that haar ships with.
    pub fn shipped() -> Vec<Self> {
        #[derive(Deserialize)]
        struct File {
            service: Vec<ServicePrices>,
        }
        let file: File = toml::from_str(FILE).expect("a test reads the shipped price list");
        file.service
    }
}

/// An account's resources of one service with what each kind costs; the sums before and after
/// what is free.
pub(crate) fn charge(
    usage: &ResourceUsage,
    month: &str,
    prices: &ServicePrices,
) -> (Vec<Value>, Dollars, Dollars) {
    let (mut rows, mut full, mut net) = (Vec::new(), Dollars::default(), Dollars::default());
    let mut shares: BTreeMap<&str, FreeShare> = prices
        .kinds
        .iter()
        .map(|kind| {
            let used = usage.values().filter_map(|kinds| kinds.get(&kind.kind));
            (kind.kind.as_str(), FreeShare::new(kind.free_in(month), used.sum()))
        })
        .collect();
    for (resource, used) in usage {
        for kind in &prices.kinds {
            let Some(quantity) = used.get(&kind.kind).copied() else { continue };
            let unit = kind.unit_in(month);
            let payable = shares.get_mut(kind.kind.as_str()).map_or(0, |one| one.payable(quantity));
            let cost = kind.price.times_part(quantity, unit);
            let after = kind.price.times_part(payable, unit);
            full += cost;
            net += after;
            rows.push(json!({
                "service": prices.title,
                "region": resource.region,
                "resource": resource.name,
                "kind": kind.kind,
                "unit": kind.unit,
                "units": quantity as f64 / unit as f64,
                "cost": cost.to_string(),
                "costAfterFreeTier": after.to_string(),
            }));
        }
    }
    (rows, full, net)
}

impl Kind {
    fn unit_in(&self, month: &str) -> u128 {
        (if self.monthly { self.per * month_ms(month) } else { self.per }).max(1)
    }

    fn free_in(&self, month: &str) -> u128 {
        if self.monthly { self.free * month_ms(month) } else { self.free }
    }
}

#[cfg(test)]
mod tests {
    use haar_types::Region;

    use super::*;
    use crate::bill::FunctionName;

    fn usage(quantities: &[(&str, &str, u128)]) -> ResourceUsage {
        let mut usage = ResourceUsage::new();
        for (name, kind, quantity) in quantities {
            let name = FunctionName { region: Region::default(), name: (*name).to_owned() };
            *usage.entry(name).or_default().entry((*kind).to_owned()).or_default() += quantity;
        }
        usage
    }

    #[test]
    fn the_shipped_list_names_each_service_and_kind_once() {
        let services = ServicePrices::shipped();
        let mut names: Vec<String> = services
            .iter()
            .flat_map(|service| {
                service.kinds.iter().map(|kind| format!("{}/{}", service.name, kind.kind))
            })
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!((names.len(), count > 0), (count, true));
        assert!(services.iter().all(|service| service.as_of.len() == 10));
    }

    #[test]
    fn what_is_free_is_shared_out_by_use() {
        let prices: ServicePrices = toml::from_str(
            r#"
            name = "sqs"
            title = "Amazon SQS"
            source = "a page"
            region = "us-east-1"
            as_of = "2026-11-25"
            kinds = [
                { kind = "requests", unit = "million", per = 1_000_000, price = "0.40", free = 1_000_000 },
                { kind = "kib-ms", unit = "GB-month", per = 1_048_576, monthly = true, price = "0.10" },
            ]
            "#,
        )
        .unwrap();
        let day = 24 * 3600 * 1000;
        let used = usage(&[
            ("a", "requests", 3_000_000),
            ("b", "requests", 1_000_000),
            ("b", "kib-ms", 1_048_576 * 3 * day),
            ("b", "unknown", 7),
        ]);
        let (rows, full, net) = charge(&used, "2026-11", &prices);
        assert_eq!((full.to_string(), net.to_string()), ("1.61".to_owned(), "1.21".to_owned()));
        assert_eq!(
            (&rows[0]["costAfterFreeTier"], &rows[2]["cost"]),
            (&json!("0.90"), &json!("0.01"))
        );
        assert_eq!(rows.len(), 3);
    }
}
