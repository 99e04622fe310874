//! haar: a cloud of your own. `haar up` starts it; `haar help` tells the rest.

mod commands;
mod memory;
mod up;
mod wiring;

use std::process::ExitCode;

use clap::Parser;

use crate::commands::Command;

/// A cloud of your own: AWS's compute services, AWS's APIs, one binary.
#[derive(Parser)]
#[command(name = "haar", version, about, arg_required_else_help = true)]
struct Arguments {
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

/// Faster than the C library's under many threads, and gives memory back once a crowd has gone.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The helper that starts sandboxes is this binary too; it must not have threads yet.
    let mut arguments = std::env::args().skip(1);
    if arguments.next().is_some_and(|first| first == "spawnd") {
        return haar_substrate_oci::spawnd_main(arguments);
    }
    // The allocator asks for huge pages, which make twelve mebibytes of one. What the helper
    // starts has them again.
    let _ = rustix::thread::disable_transparent_huge_pages(true); // larger without, not wrong
    let arguments = Arguments::parse();
    commands::run(arguments.command, arguments.json)
}
