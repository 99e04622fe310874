//! `haar doctor`: what this machine allows, and what killed servers have left on it.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;

use super::Output;
use super::runtimes::RuntimesArguments;

/// Arguments of `haar doctor`.
#[derive(Args)]
pub(crate) struct DoctorArguments {
    /// Remove what servers that were killed have left: control groups that nobody uses.
    #[arg(long)]
    remove_leftovers: bool,
    #[command(flatten)]
    runtimes: RuntimesArguments,
}

/// Prints the findings; fails where nothing could run.
pub(super) fn run(arguments: &DoctorArguments, output: Output) -> Result<(), String> {
    let found = haar_substrate_oci::capabilities("doctor");
    let removed = match arguments.remove_leftovers {
        true => haar_substrate_oci::remove_leftovers(),
        false => Vec::new(),
    };
    let left = haar_substrate_oci::leftovers();
    let (sdks, unseen) = match arguments.runtimes.discover() {
        Ok(runtimes) => (Vec::from(runtimes.sdks()), None),
        Err(why) => (Vec::new(), Some(format!("missing  {:<28} {why}", "SDKs for functions"))),
    };
    let named: BTreeMap<_, _> = sdks.iter().map(|sdk| (sdk.name, &sdk.place)).collect();
    let document = json!({
        "usable": found.usable,
        "findings": found.findings,
        "leftovers": left,
        "removed": removed,
        "sdks": named,
    });
    output.show(&document, || {
        let lines = found.findings.iter().map(|finding| {
            let mark = if finding.present { "ok     " } else { "missing" };
            format!("{mark}  {:<28} {}", finding.name, finding.note)
        });
        let sdks = sdks.iter().map(|sdk| {
            let mark = if sdk.place.is_some() { "ok     " } else { "missing" };
            let name = format!("{} for functions", sdk.name);
            format!("{mark}  {name:<28} {}", sdk.note)
        });
        lines
            .chain(sdks)
            .chain(unseen)
            .chain(leftovers(&left, &removed))
            .collect::<Vec<_>>()
            .join("\n")
    });
    match found.usable {
        true => Ok(()),
        false => Err("functions and tasks cannot run here until the above is mended; all that \
                      only keeps records works"
            .to_owned()),
    }
}

/// Lines on what killed servers have left; none where that is nothing.
fn leftovers(left: &[String], removed: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    if !removed.is_empty() {
        lines.push(format!("removed  control groups of {} killed servers", removed.len()));
    }
    if !left.is_empty() {
        lines.push(format!(
            "left     {:<28} control groups of {} killed servers ({}): \
             haar doctor --remove-leftovers removes those whose helper is known to be gone",
            "leftovers",
            left.len(),
            left.iter().take(3).map(|one| format!("haar-{one}")).collect::<Vec<_>>().join(", ")
        ));
    }
    lines
}
