//! `haar runtimes`: AWS's runtimes and what each runs on here.

use std::path::PathBuf;

use clap::Args;
use haar_lambda::runtimes::Runtimes;
use serde_json::{Value, json};

use super::Output;
use super::table::table;

/// Arguments of `haar runtimes`.
#[derive(Args)]
pub(crate) struct RuntimesArguments {
    /// The node_modules folder that `haar up` is told of.
    #[arg(long, value_name = "DIR", env = "HAAR_NODE_MODULES")]
    pub(super) node_modules: Option<PathBuf>,
}

impl RuntimesArguments {
    /// Looks at this machine's interpreters and SDKs.
    pub(super) fn discover(&self) -> Result<Runtimes, String> {
        let directory =
            tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
        Runtimes::discover(directory.path(), self.node_modules.as_deref())
            .map_err(|error| format!("could not look for interpreters: {error}"))
    }
}

/// Lists the runtimes, then the SDKs that functions find.
pub(super) fn run(arguments: &RuntimesArguments, output: Output) -> Result<(), String> {
    let runtimes = arguments.discover()?;
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
        let listed = table(&["runtime", "usable", "interpreter", "note"], &rows, &[]);
        let sdks = runtimes.sdks().map(|sdk| format!("{}: {}", sdk.name, sdk.note));
        format!("{}\n\n{}", listed.trim_end(), sdks.join("\n"))
    });
    Ok(())
}
