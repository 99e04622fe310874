use std::collections::BTreeMap;

use haar_types::Region;

use super::{Bill, FunctionBill, FunctionName};
use crate::money::MIB_MS_PER_GB_SECOND;
use crate::prices::LambdaPrices;
use crate::usage::{Architecture, ComputeUsage, Usage};

fn used(architecture: Architecture, requests: u64, gb_seconds: u128) -> Usage {
    let duration_mib_ms = gb_seconds * MIB_MS_PER_GB_SECOND;
    let compute = ComputeUsage { duration_mib_ms, ..ComputeUsage::default() };
    Usage { requests, compute: [(architecture, compute)].into(), ephemeral_storage_mib_ms: 0 }
}

fn name(name: &str) -> FunctionName {
    FunctionName { region: Region::default(), name: name.to_owned() }
}

fn bill(functions: &[(&str, Usage)]) -> Bill {
    let usage: BTreeMap<_, _> =
        functions.iter().map(|(function, used)| (name(function), used.clone())).collect();
    Bill::of(&usage, &LambdaPrices::shipped())
}

#[track_caller]
fn check(bill: &FunctionBill, full: &str, net: &str) {
    assert_eq!(
        (bill.full.total().to_string(), bill.net.total().to_string()),
        (full.into(), net.into())
    );
}

/// The pricing page's first example: three million requests of 120 ms at 1,536 MB.
#[test]
fn the_pricing_pages_example_costs_what_it_says() {
    let bill = bill(&[("food", used(Architecture::X86_64, 3_000_000, 540_000))]);
    let total = bill.total();
    assert_eq!(total.net.duration.rounded(2), "2.33");
    assert_eq!(total.net.requests.rounded(2), "0.40");
    assert_eq!(total.net.total().rounded(2), "2.73");
    assert_eq!(total.full.total().rounded(2), "9.60");
}

#[test]
fn within_the_free_tier_nothing_is_due() {
    let bill = bill(&[
        ("a", used(Architecture::X86_64, 500_000, 100_000)),
        ("b", used(Architecture::Arm64, 500_000, 300_000)),
    ]);
    check(&bill.total(), "5.86669", "0.00");
}

#[test]
fn the_free_tier_is_shared_out_by_use_and_adds_up() {
    let functions = [
        ("a", used(Architecture::X86_64, 1, 1_000_000)),
        ("b", used(Architecture::X86_64, 1_999_999, 600_001)),
        ("c", used(Architecture::X86_64, 7, 3)),
    ];
    let together = bill(&functions);
    let mut sum = used(Architecture::X86_64, 0, 0);
    functions.iter().for_each(|(_, used)| sum.add(used));
    let alone = bill(&[("all", sum)]);
    assert_eq!(together.total().net, alone.total().net);
    assert_eq!(together.total().full, alone.total().full);
    let (a, b) = (&together.functions[&name("a")], &together.functions[&name("b")]);
    assert!(a.net.duration > b.net.duration && a.net.duration < a.full.duration);
}

#[test]
fn tiers_lower_the_price_of_what_is_beyond_them() {
    let bill = bill(&[
        ("a", used(Architecture::X86_64, 0, 5_000_000_000)),
        ("b", used(Architecture::X86_64, 0, 11_000_000_000)),
    ]);
    // 6e9 * 0.0000166667 + 9e9 * 0.000015 + 1e9 * 0.0000133334
    assert_eq!(bill.total().full.total().to_string(), "248333.60");
}

#[test]
fn provisioned_concurrency_and_storage_have_no_free_tier() {
    let compute = ComputeUsage {
        provisioned_mib_ms: 1_000_000 * MIB_MS_PER_GB_SECOND,
        provisioned_duration_mib_ms: 1_000_000 * MIB_MS_PER_GB_SECOND,
        duration_mib_ms: 0,
    };
    let usage = Usage {
        requests: 0,
        compute: [(Architecture::Arm64, compute)].into(),
        ephemeral_storage_mib_ms: 1_000_000 * MIB_MS_PER_GB_SECOND,
    };
    let bill = bill(&[("f", usage)]);
    check(&bill.total(), "11.1421", "11.1421");
    assert_eq!(bill.total().net.ephemeral_storage.to_string(), "0.0309");
}
