//! `haar completions`: what a shell completes.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

/// See [`run`].
#[derive(Args)]
pub(crate) struct CompletionsArguments {
    /// The shell to complete for.
    shell: Shell,
}

/// Prints the script; `source <(haar completions bash)` takes it in.
pub(super) fn run(arguments: &CompletionsArguments) -> Result<(), String> {
    let mut command = crate::Arguments::command();
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "haar", &mut script);
    super::announce(String::from_utf8_lossy(&script).trim_end());
    Ok(())
}
