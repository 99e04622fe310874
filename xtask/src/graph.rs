//! Which crate depends on which.

use crate::tidy::rings;
use crate::{Outcome, tree};

/// Prints the crates from the innermost ring outwards, each with what it depends on.
pub(crate) fn run(_arguments: &[String]) -> Outcome {
    let mut packages = tree::packages()?;
    packages.sort_by_key(|package| (rings::ring_of(package), package.name.clone()));
    let mut last = None;
    for package in &packages {
        let ring = rings::ring_of(package);
        if ring != last {
            println!("{}", ring.map_or("unplaced".to_owned(), |ring| format!("{ring:?}")));
            last = ring;
        }
        let mut dependencies = package.dependencies.clone();
        dependencies.sort();
        println!("  {:<26} {}", package.name, dependencies.join(" "));
    }
    Ok(())
}
