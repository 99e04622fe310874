//! Figures as ratios: haar against a peer or a limit, in one run.
//!
//! Prints a markdown table and stops by itself. Nothing here fails for being slow: a machine's
//! mood is no test. Begin with the list of [`figures`].

#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)] // measures

mod calls;
mod client;
mod cloud;
mod counting;
mod echo;
mod emulators;
mod figures;
mod functions;
mod images;
mod keeper;
mod peers;
mod relay;
mod report;
mod tasks;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::report::Report;

/// Haar's own: the ledger is measured within this process, and so is its store.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures haar beside its peers and prints a table.
#[derive(Parser)]
struct Arguments {
    /// The binary to measure; by default the one beside this one.
    #[arg(long)]
    haar: Option<PathBuf>,
    /// A folder with the programs `moto_server` and `ministack`, to measure them too.
    #[arg(long)]
    emulators: Option<PathBuf>,
    /// Measure those alone whose name holds this.
    #[arg(long)]
    only: Option<String>,
    /// Fewer rounds, to see whether all of it works.
    #[arg(long)]
    quick: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// The peer: an echo server, which prints its address.
    Echo,
    /// The limit of a warm call: hands what it is sent to one program, and prints its address.
    Relay,
    /// The limit of a durable write: keeps what it is sent in a folder, and prints its address.
    Keeper {
        /// Where.
        folder: PathBuf,
    },
}

/// What every measurement knows.
struct Bench {
    haar: PathBuf,
    emulators: Option<PathBuf>,
    quick: bool,
    report: Report,
}

impl Bench {
    /// Rounds to make: fewer when asked to be quick.
    fn rounds(&self, full: usize) -> usize {
        if self.quick { full.div_ceil(10) } else { full }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.part {
        Some(Part::Echo) => return echo::serve().await,
        Some(Part::Relay) => return relay::serve().await,
        Some(Part::Keeper { folder }) => return keeper::serve(&folder).await,
        None => {}
    }
    let beside = || std::env::current_exe().ok()?.parent().map(|folder| folder.join("haar"));
    let haar = arguments.haar.or_else(beside).filter(|path| path.is_file());
    let Some(haar) = haar else {
        eprintln!("no haar to measure: cargo build --release --package haar, or --haar PATH");
        return ExitCode::FAILURE;
    };
    let Arguments { emulators, quick, .. } = arguments;
    let mut bench = Bench { haar, emulators, quick, report: Report::default() };
    let mut failed = false;
    for (name, measure) in figures::ALL {
        if arguments.only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        eprintln!("measuring {name}");
        if let Err(error) = measure(&mut bench).await {
            eprintln!("{name}: {error}");
            failed = true;
        }
    }
    println!("{}", bench.report);
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
