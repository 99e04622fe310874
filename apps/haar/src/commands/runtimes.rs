//! `haar runtimes`: AWS's runtimes and what each runs on here.

use serde_json::{Value, json};

use super::Output;
use super::table::table;

/// Looks at this machine's interpreters.
pub(super) fn run(output: Output) -> Result<(), String> {
    let directory = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    let runtimes = haar_lambda::runtimes::Runtimes::discover(directory.path())
        .map_err(|error| format!("could not look for interpreters: {error}"))?;
    let mut rows = Vec::new();
    let mut documents = Vec::new();
    for row in runtimes.rows() {
        let path = row.interpreter.as_ref().map(|found| found.path.display().to_string());
        let note = row.note.clone().unwrap_or_default();
        documents.push(json!({
            "runtime": row.id, "usable": row.usable, "interpreter": path, "note": row.note,
        }));
        let usable = if row.usable { "yes" } else { "no" };
        rows.push(vec![row.id.to_owned(), usable.to_owned(), path.unwrap_or_default(), note]);
    }
    output.show(&Value::Array(documents), || {
        table(&["runtime", "usable", "interpreter", "note"], &rows, &[])
    });
    Ok(())
}
