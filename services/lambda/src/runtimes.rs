//! Managed runtimes: which of the host's interpreters stands in for which of AWS's.
//!
//! A runtime whose exact version is absent runs on the nearest of its family that is present,
//! with a warning; none present: invoking says what to install.

#![allow(clippy::disallowed_methods)] // looks for programs on the host and asks their versions

mod discovery;
mod java;
mod launch;
mod native;
mod sdk;
mod table;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use haar_substrate::WarmTemplate;
use haar_types::MemoryMib;

pub use discovery::Interpreter;
pub(crate) use java::take_options;
pub use launch::{API_PORT, RUNTIME_API_PORT, SANDBOX_USER};
pub(crate) use launch::{RUNTIME_API, listen, waiting_environment};
pub use sdk::{Sdk, check_node_modules};
pub use table::Family;

/// The runtimes that this host can offer.
#[derive(Clone, Debug)]
pub struct Runtimes {
    sdks: sdk::Sdks,
    rows: BTreeMap<&'static str, RuntimeRow>,
    directory: PathBuf,
}

/// One of AWS's runtimes and what it runs on here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeRow {
    /// AWS's identifier, such as `python3.12`.
    pub id: &'static str,
    /// Its language.
    pub family: Family,
    /// The interpreter that stands in for it; `None` for `provided` and where none is present.
    pub interpreter: Option<Interpreter>,
    /// True when functions of this runtime can run.
    pub usable: bool,
    /// What is not as on AWS, or what to install.
    pub note: Option<String>,
}

/// How to start a function of a runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The waiting interpreter; `None` for `provided`.
    pub template: Option<WarmTemplate>,
    /// The family, for what differs by language.
    pub family: Family,
    /// As `INIT_START` shows it: `python:3.12`; empty for images, which have none.
    pub version: String,
    /// What really runs, major and minor; `(0, 0)` for `provided`.
    pub interpreter: (u32, u32),
    /// A line for the log of a new environment: this is not the version asked for.
    pub warning: Option<String>,
}

impl Launch {
    /// An image brings its own program.
    pub(crate) fn of_image() -> Self {
        Self {
            template: None,
            family: Family::Provided,
            version: String::new(),
            interpreter: (0, 0),
            warning: None,
        }
    }
}

impl Runtimes {
    /// Looks for interpreters and lays haar's bootstraps under `data_dir`. Node functions find the
    /// packages of `node_modules`, or the SDK of a folder where npm puts it. Blocking: asks some programs
    /// for their version.
    ///
    /// # Errors
    /// When the bootstraps cannot be written.
    pub fn discover(data_dir: &Path, node_modules: Option<&Path>) -> io::Result<Self> {
        let found = discovery::discover();
        let sdks = sdk::Sdks::find(&found, node_modules);
        let directory = launch::lay_bootstraps(data_dir, &sdks, &found)?;
        let rows = table::RUNTIMES
            .iter()
            .map(|(id, family, version)| (*id, table::row(id, *family, *version, &found)));
        let rows = rows.collect();
        Ok(Self { sdks, rows, directory })
    }

    /// AWS's runtimes in the order of their identifiers, for `haar runtimes`.
    pub fn rows(&self) -> impl Iterator<Item = &RuntimeRow> {
        self.rows.values()
    }

    /// AWS's SDKs as functions find them here, for `haar runtimes` and `haar doctor`.
    pub fn sdks(&self) -> [Sdk; 2] {
        self.sdks.told()
    }

    /// How to start a function of runtime `id` with so much memory, which sets a Java heap's size.
    ///
    /// # Errors
    /// In words for the customer: what is missing on this host.
    pub fn launch(&self, id: &str, memory: MemoryMib) -> Result<Launch, String> {
        let row = self.rows.get(id);
        let row = row.ok_or_else(|| format!("The runtime {id} is not known to this haar."))?;
        launch::launch(row, memory, &self.sdks, &self.directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_runtime_is_offered_or_says_what_to_install() {
        let dir = tempfile::tempdir().unwrap();
        let runtimes = Runtimes::discover(dir.path(), None).unwrap();
        for row in runtimes.rows() {
            match runtimes.launch(row.id, MemoryMib(128)) {
                Ok(launch) => assert!(row.usable && !launch.version.is_empty(), "{row:?}"),
                Err(missing) => assert!(!row.usable && missing.contains("nstall"), "{missing}"),
            }
        }
        let own = runtimes.launch("provided.al2023", MemoryMib(128));
        assert!(own.unwrap().template.is_none());
        assert!(runtimes.launch("cobol85", MemoryMib(128)).is_err());
    }
}
