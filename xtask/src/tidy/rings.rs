//! Arrows point to lower rings only.

use std::collections::BTreeMap;

use super::Findings;
use crate::tree::Package;

/// Where a crate stands; each may depend on those that [`Ring::may_see`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ring {
    /// Words and doors without I/O.
    Words,
    /// State, protocols, rules: one concern each.
    Parts,
    /// The request pipeline, the driver.
    Kernel,
    /// One backend that runs things.
    Substrate,
    /// What a room promises its neighbours.
    Contract,
    /// One AWS service.
    Room,
    /// Simulation, front door, bill.
    Outer,
    /// The binary.
    App,
    /// Tools for developers.
    Tool,
}

/// Crates whose folder does not tell.
const KERNEL: &[(&str, Ring)] = &[
    ("haar-types", Ring::Words),
    ("haar-clock", Ring::Words),
    ("haar-ledger", Ring::Parts),
    ("haar-blobs", Ring::Parts),
    ("haar-caller", Ring::Parts),
    ("haar-kv", Ring::Parts),
    ("haar-wire", Ring::Parts),
    ("haar-policy", Ring::Parts),
    ("haar-substrate", Ring::Parts),
    ("haar-images", Ring::Parts),
    ("haar-registry", Ring::Parts),
    ("haar-datachannel", Ring::Parts),
    ("haar-pack", Ring::Words),
    ("haar-pattern", Ring::Parts),
    ("haar-schedule", Ring::Parts),
    ("haar-courier", Ring::Kernel),
    ("haar-poller", Ring::Kernel),
    ("haar-timetable", Ring::Kernel),
    ("haar-kernel", Ring::Kernel),
    ("haar-controller", Ring::Kernel),
    ("haar-net", Ring::Kernel),
    ("haar-sim", Ring::Outer),
    ("haar-gateway", Ring::Outer),
    ("haar-cost", Ring::Outer),
];

/// Arrows within one ring that the map allows: (from, to).
const WITHIN_RING: &[(&str, &str)] = &[
    ("haar-clock", "haar-types"),
    ("haar-ledger", "haar-kv"),
    ("haar-images", "haar-substrate"),
    ("haar-registry", "haar-substrate"),
    ("haar-kernel", "haar-controller"),
    ("haar-controller", "haar-kernel"),
    ("haar-poller", "haar-kernel"),
    ("haar-dynamodbstreams-contract", "haar-dynamodb-contract"),
];

impl Ring {
    /// True when a crate of this ring may be built on one of `other`.
    fn may_see(self, other: Self) -> bool {
        match self {
            Self::Substrate => other <= Self::Parts,
            Self::Contract => other <= Self::Kernel,
            Self::Room => other <= Self::Kernel || other == Self::Contract,
            Self::Tool => true,
            _ => other < self,
        }
    }
}

/// Where a crate stands; `None` for one that nobody placed.
pub(crate) fn ring_of(package: &Package) -> Option<Ring> {
    let listed = KERNEL.iter().find(|(name, _)| *name == package.name);
    if let Some((_, ring)) = listed {
        return Some(*ring);
    }
    let folders: Vec<&str> = package.folder.split('/').collect();
    match folders.as_slice() {
        ["services", _, "contract"] => Some(Ring::Contract),
        ["services", _] => Some(Ring::Room),
        ["substrates", _] => Some(Ring::Substrate),
        ["apps", _] => Some(Ring::App),
        ["bench" | "xtask" | "conformance" | "fuzz", ..] => Some(Ring::Tool),
        _ => None,
    }
}

pub(super) fn check(packages: &[Package], findings: &mut Findings) {
    let mut rings = BTreeMap::new();
    for package in packages {
        match ring_of(package) {
            Some(ring) => drop(rings.insert(package.name.as_str(), ring)),
            None => findings.faults.push(format!(
                "{} is in no ring: place it in xtask/src/tidy/rings.rs",
                package.name
            )),
        }
    }
    for package in packages {
        let Some(&from) = rings.get(package.name.as_str()) else { continue };
        for name in &package.dependencies {
            let Some(&to) = rings.get(name.as_str()) else { continue };
            let allowed = WITHIN_RING.contains(&(package.name.as_str(), name.as_str()));
            if !from.may_see(to) && !allowed {
                findings.faults.push(format!(
                    "{} ({from:?}) must not depend on {name} ({to:?})",
                    package.name
                ));
            }
        }
        for name in &package.test_dependencies {
            let to = rings.get(name.as_str());
            if from == Ring::Substrate && to == Some(&Ring::Room) {
                findings.faults.push(format!("tests of {} must not see {name}", package.name));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, folder: &str, dependencies: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            folder: folder.to_owned(),
            dependencies: dependencies.iter().map(|name| (*name).to_owned()).collect(),
            test_dependencies: Vec::new(),
        }
    }

    fn faults(packages: &[Package]) -> Vec<String> {
        let mut findings = Findings::default();
        check(packages, &mut findings);
        findings.faults
    }

    #[test]
    fn a_room_sees_contracts_and_kernel_but_no_room() {
        let ecs_contract = package("haar-ecs-contract", "services/ecs/contract", &["haar-wire"]);
        let wire = package("haar-wire", "crates/wire", &[]);
        let ecr = package("haar-ecr", "services/ecr", &["haar-wire", "haar-ecs-contract"]);
        assert_eq!(faults(&[ecs_contract, wire, ecr]), Vec::<String>::new());

        let ecs = package("haar-ecs", "services/ecs", &[]);
        let ecr = package("haar-ecr", "services/ecr", &["haar-ecs"]);
        assert_eq!(faults(&[ecs, ecr]).len(), 1);
    }

    #[test]
    fn a_substrate_sees_no_contract_and_no_kernel() {
        let kernel = package("haar-kernel", "crates/kernel", &[]);
        let oci = package("haar-substrate-oci", "substrates/oci", &["haar-kernel"]);
        assert_eq!(faults(&[kernel, oci]).len(), 1);
    }

    #[test]
    fn a_crate_that_nobody_placed_is_a_fault() {
        assert_eq!(faults(&[package("haar-new", "crates/new", &[])]).len(), 1);
    }
}
