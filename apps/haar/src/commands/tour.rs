//! `haar tour`: a guided run on real inputs, on a cloud of its own.
//!
//! Speaks with the aws CLI where it is installed, so that what is shown is what AWS's client
//! prints; otherwise with a small client of its own.

#![allow(clippy::disallowed_methods)] // starts a cloud and the aws CLI, as a user would

mod archive;
mod calls;
mod cloud;
mod image;
mod layer;
mod speaker;
mod stops;

use std::path::PathBuf;

use clap::Args;
use haar_clock::{Clock, Moment};
use serde_json::json;

use self::cloud::OwnCloud;
use self::speaker::Speaker;
use super::{Output, announce, block_on};

/// See [`run`].
#[derive(Args)]
pub(crate) struct TourArguments {
    /// Never call the aws CLI.
    #[arg(long)]
    built_in: bool,
    /// What runs functions and containers.
    #[arg(long, default_value = "oci")]
    substrate: String,
}

/// Shows every stop; fails at the first that does not work.
pub(super) fn run(arguments: &TourArguments, output: Output) -> Result<(), String> {
    block_on(async {
        let clock = Clock::system();
        let begun = clock.moment();
        let folder = tempfile::tempdir().map_err(|e| format!("no temporary folder: {e}"))?;
        let cloud = OwnCloud::start(&arguments.substrate).await?;
        let speaker = Speaker::new(&cloud.endpoint, folder.path(), !arguments.built_in)?;
        let mut guide = Guide { output, clock, begun, speaker, folder: folder.path().into() };
        let toured = stops::all(&mut guide).await;
        let stopped = cloud.stop().await;
        toured.and(stopped)?;
        guide.farewell();
        Ok(())
    })
}

/// Leads from stop to stop and tells what is seen.
struct Guide {
    output: Output,
    clock: Clock,
    begun: Moment,
    speaker: Speaker,
    /// Where the inputs are laid down.
    folder: PathBuf,
}

impl Guide {
    /// Opens a stop.
    fn stop(&self, title: &str) {
        match self.output.json {
            true => announce(&json!({ "stop": title }).to_string()),
            false => announce(&format!("\n\u{2500}\u{2500} {title}")),
        }
    }

    /// What was done.
    fn command(&self, command: &str) {
        match self.output.json {
            true => announce(&json!({ "command": command }).to_string()),
            false => announce(&format!("$ {command}")),
        }
    }

    /// What came of it.
    fn result(&self, text: &str) {
        match self.output.json {
            true => announce(&json!({ "output": text.trim_end() }).to_string()),
            false => announce(text.trim_end()),
        }
    }

    /// A remark.
    fn note(&self, text: &str) {
        match self.output.json {
            true => announce(&json!({ "note": text }).to_string()),
            false => announce(&format!("   ({text})")),
        }
    }

    /// True when this machine has an interpreter for runtimes of this name.
    fn runs(&self, family: &str) -> bool {
        let found = haar_lambda::runtimes::Runtimes::discover(&self.folder, None);
        found.is_ok_and(|runtimes| {
            runtimes.rows().any(|row| row.id.starts_with(family) && row.usable)
        })
    }

    /// The interpreter that stands in for a runtime here.
    fn interpreter(&self, runtime: &str) -> Option<PathBuf> {
        let found = haar_lambda::runtimes::Runtimes::discover(&self.folder, None).ok()?;
        let row = found.rows().find(|row| row.id == runtime)?;
        row.interpreter.as_ref().map(|interpreter| interpreter.path.clone())
    }

    fn farewell(&self) {
        let seconds = self.clock.moment().since(self.begun).as_secs_f32();
        self.stop("everything works");
        self.note(&format!(
            "took {seconds:.1} s. Your own cloud: `haar up` here, `eval \"$(haar env)\"` in \
             another shell, then any AWS client",
        ));
    }
}
