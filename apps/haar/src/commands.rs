//! The command line: one file per command.
//!
//! `up` is the cloud; all others are its clients, or look at this machine.

#![allow(clippy::print_stdout, clippy::print_stderr)] // the command line's own output

mod client;
mod clock;
mod completions;
mod cost;
mod doctor;
mod env;
mod exec;
mod images;
mod logs;
mod outbox;
mod reset;
mod runtimes;
mod status;
mod table;
mod tour;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::up::UpArguments;

/// What haar can be told to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start the cloud and stay in the foreground until stopped.
    Up(UpArguments),
    /// Tell whether a cloud is up, and what it serves.
    Status(status::StatusArguments),
    /// Print what functions logged; -f goes on until interrupted.
    Logs(logs::LogsArguments),
    /// Run a command in a container of a task: a shell, where none is named.
    Exec(exec::ExecArguments),
    /// Print the exports that point AWS clients of this shell at the cloud: eval "$(haar env)".
    Env(env::EnvArguments),
    /// Show on real inputs that everything works, on a cloud of its own.
    Tour(tour::TourArguments),
    /// Tell what this machine allows, and what is missing.
    Doctor(doctor::DoctorArguments),
    /// List AWS's runtimes and what each runs on here.
    Runtimes(runtimes::RuntimesArguments),
    /// Bring images in from the disk, list those that are ready to run, and remove them.
    Images(images::ImagesArguments),
    /// Print email, SMS and mobile push that topics sent.
    Outbox(outbox::OutboxArguments),
    /// Print what was used this month and what AWS would charge for it.
    Cost(cost::CostArguments),
    /// Tell the cloud's time, or move it on: what is due on the way happens.
    Clock(clock::ClockArguments),
    /// Bring the cloud back to its initial state.
    Reset(reset::ResetArguments),
    /// Print the completions for a shell.
    Completions(completions::CompletionsArguments),
}

/// Runs one command to its end.
pub(crate) fn run(command: Command, json: bool) -> ExitCode {
    let output = Output { json };
    let outcome = match command {
        Command::Up(arguments) => return crate::up::run(&arguments, json),
        Command::Status(arguments) => status::run(&arguments, output),
        Command::Logs(arguments) => logs::run(&arguments, output),
        Command::Exec(arguments) => match exec::run(&arguments) {
            Ok(code) => return code,
            Err(message) => Err(message),
        },
        Command::Env(arguments) => env::run(&arguments, output),
        Command::Tour(arguments) => tour::run(&arguments, output),
        Command::Doctor(arguments) => doctor::run(&arguments, output),
        Command::Runtimes(arguments) => runtimes::run(&arguments, output),
        Command::Images(arguments) => images::run(&arguments, output),
        Command::Outbox(arguments) => outbox::run(&arguments, output),
        Command::Cost(arguments) => cost::run(&arguments, output),
        Command::Clock(arguments) => clock::run(&arguments, output),
        Command::Reset(arguments) => reset::run(&arguments, output),
        Command::Completions(arguments) => completions::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            fail(&message, json);
            ExitCode::FAILURE
        }
    }
}

/// Tells what went wrong: the operator, or the program that reads JSON.
pub(crate) fn fail(message: &str, json: bool) {
    match json {
        true => announce(&json!({ "error": message }).to_string()),
        false => complain(message),
    }
}

/// Tells the operator what went wrong.
pub(crate) fn complain(message: &str) {
    eprintln!("haar: {message}");
}

/// Tells the operator, or the program that started this one, at once.
pub(crate) fn announce(message: &str) {
    let mut out = std::io::stdout().lock();
    // A reader that went away is no reason to stop.
    let _ = writeln!(out, "{message}").and_then(|()| out.flush());
}

/// How a command prints: text for people, or JSON for programs.
#[derive(Clone, Copy)]
struct Output {
    json: bool,
}

impl Output {
    /// Prints one document, or the text that says the same.
    fn show(self, document: &Value, text: impl FnOnce() -> String) {
        if self.json {
            announce(&document.to_string());
        } else {
            announce(text().trim_end());
        }
    }
}

/// Runs a client's future on this thread.
fn block_on<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| format!("could not start: {error}"))?.block_on(work)
}
