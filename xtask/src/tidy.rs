//! House rules that no compiler checks.

mod lock;
mod operations;
pub(crate) mod rings;
mod sources;

use crate::{Outcome, jar, tree};

/// Checks the tree, prints what is worth a look, fails on what must not stay.
pub(crate) fn run(_arguments: &[String]) -> Outcome {
    let files = tree::files()?;
    let packages = tree::packages()?;
    let mut findings = Findings::default();
    rings::check(&packages, &mut findings);
    sources::check(&files, &packages, &mut findings);
    operations::check(&files, &mut findings);
    lock::check(&files, &mut findings);
    findings.faults.extend(jar::check().err());

    for notice in &findings.notices {
        println!("notice: {notice}");
    }
    for fault in &findings.faults {
        eprintln!("fault: {fault}");
    }
    let counted = format!("{} files, {} crates", files.len(), packages.len());
    match findings.faults.len() {
        0 => {
            println!("tidy: {counted}, {} notices, no faults", findings.notices.len());
            Ok(())
        }
        faults => Err(format!("{counted}, {faults} faults")),
    }
}

/// What the checks found.
#[derive(Default)]
struct Findings {
    /// Worth a look.
    notices: Vec<String>,
    /// Must not stay.
    faults: Vec<String>,
}
