//! `haar doctor`: what this machine allows.

use serde_json::json;

use super::Output;

/// Prints the findings; fails where nothing could run.
pub(super) fn run(output: Output) -> Result<(), String> {
    let found = haar_substrate_oci::capabilities("doctor");
    let document = json!({ "usable": found.usable, "findings": found.findings });
    output.show(&document, || {
        let lines = found.findings.iter().map(|finding| {
            let mark = if finding.present { "ok     " } else { "missing" };
            format!("{mark}  {:<28} {}", finding.name, finding.note)
        });
        lines.collect::<Vec<_>>().join("\n")
    });
    match found.usable {
        true => Ok(()),
        false => Err("functions cannot run here until the above is mended".to_owned()),
    }
}
