//! The project's own chores; `cargo xtask` lists them.

#![allow(clippy::disallowed_methods)] // a tool for developers: starts programs, reads the clock

mod check;
mod dashboard;
mod generate;
mod graph;
mod jar;
mod release;
mod tidy;
mod tree;

use std::process::ExitCode;

/// What a chore answers: nothing, or what to tell whoever ran it.
type Outcome = Result<(), String>;

/// One chore: its name, what it does, its body.
struct Chore {
    name: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Outcome,
}

const CHORES: &[Chore] = &[
    Chore {
        name: "check",
        about: "everything that must hold: the one test command",
        run: check::run,
    },
    Chore {
        name: "coverage",
        about: "docs/coverage.md, from the operation lists",
        run: generate::coverage,
    },
    Chore {
        name: "dashboard",
        about: "sizes of files and functions beside their targets",
        run: dashboard::run,
    },
    Chore {
        name: "gen",
        about: "Rust out of AWS's API models, the Java runtime's jar; --check: is it fresh?",
        run: generate::run,
    },
    Chore { name: "graph", about: "which crate depends on which, by ring", run: graph::run },
    Chore {
        name: "release",
        about: "the binary to hand out: built, trained by the benchmark, built again",
        run: release::run,
    },
    Chore {
        name: "tidy",
        about: "arrows between rings, file sizes, docs, operation lists",
        run: tidy::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        print_chores();
        return ExitCode::FAILURE;
    };
    let Some(chore) = CHORES.iter().find(|chore| chore.name == name) else {
        eprintln!("xtask: no chore is called {name}");
        print_chores();
        return ExitCode::FAILURE;
    };
    match (chore.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask {name}: {message}");
            ExitCode::FAILURE
        }
    }
}

fn print_chores() {
    for chore in CHORES {
        eprintln!("  cargo xtask {:<10} {}", chore.name, chore.about);
    }
}
