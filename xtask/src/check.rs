//! Everything that must hold, in the order of what it costs to find out.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::{Outcome, tidy, tree};

/// Runs every step and stops at the first that fails.
///
/// `cargo xtask check --no-conformance` leaves out the black-box tests.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let begun = Instant::now();
    let mut times = Vec::new();
    let mut step = |name: &'static str, body: &dyn Fn() -> Outcome| {
        println!("── {name}");
        let begun = Instant::now();
        body()?;
        times.push((name, begun.elapsed()));
        Ok::<(), String>(())
    };

    step("fmt", &|| cargo(&["fmt", "--all", "--check"]))?;
    step("tidy", &|| tidy::run(&[]))?;
    step("deny", &deny)?;
    step("clients", &|| run_program(&tree::root().join("conformance/prepare"), &[]))?;
    step("gen", &generated)?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    step("clippy", &|| cargo(&clippy))?;
    step("tests", &tests)?;
    step("docs", &|| cargo(&["test", "--workspace", "--doc", "--quiet"]))?;
    if !arguments.iter().any(|argument| argument == "--no-conformance") {
        let programs = ["build", "--package", "haar", "--package", "haar-wire-conformance"];
        step("build", &|| cargo(&programs))?;
        println!("{}", table(&times, begun.elapsed()));
        println!("── conformance");
        conformance()?;
    }
    println!("check: all passed in {} s", begun.elapsed().as_secs());
    Ok(())
}

/// The Rust tests, by cargo-nextest where it is installed.
fn tests() -> Outcome {
    if has_cargo("nextest") {
        return cargo(&["nextest", "run", "--workspace"]);
    }
    cargo(&["test", "--workspace", "--lib", "--bins", "--tests"])
}

/// The rules of `deny.toml`, where cargo-deny is installed.
fn deny() -> Outcome {
    if has_cargo("deny") {
        return cargo(&["deny", "--offline", "check", "bans", "licenses", "sources"]);
    }
    println!("cargo-deny is not installed: left out");
    Ok(())
}

/// Generated code and the coverage page are as the models say that the tests' clients bring.
fn generated() -> Outcome {
    let xtask = std::env::current_exe().map_err(|error| error.to_string())?;
    let botocore = botocore()?;
    for chore in ["gen", "coverage"] {
        let mut command = Command::new(&xtask);
        let status = command.args([chore, "--check"]).env("BOTOCORE", &botocore).status();
        if !status.is_ok_and(|status| status.success()) {
            return Err(format!("{chore} --check failed"));
        }
    }
    Ok(())
}

/// Where `conformance/prepare` has put botocore.
fn botocore() -> Result<PathBuf, String> {
    let lib = tree::target().join("clients/venv/lib");
    let folders = std::fs::read_dir(&lib).map_err(|e| format!("{}: {e}", lib.display()))?;
    let mut found = folders.flatten().map(|folder| folder.path().join("site-packages/botocore"));
    found.find(|path| path.exists()).ok_or_else(|| format!("no botocore in {}", lib.display()))
}

/// The black-box tests against the binary that was just built.
fn conformance() -> Outcome {
    let script = tree::root().join("conformance/run");
    if !script.exists() {
        return Err("conformance/run is missing".to_owned());
    }
    run_program(&script, &[])
}

fn has_cargo(command: &str) -> bool {
    let output = Command::new("cargo").args([command, "--version"]).output();
    output.is_ok_and(|output| output.status.success())
}

fn cargo(arguments: &[&str]) -> Outcome {
    run_program(Path::new("cargo"), arguments)
}

fn run_program(program: &Path, arguments: &[&str]) -> Outcome {
    let name = format!("{} {}", program.display(), arguments.join(" "));
    let status = Command::new(program).args(arguments).current_dir(tree::root()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name}: {status}")),
        Err(error) => Err(format!("could not run {name}: {error}")),
    }
}

fn table(times: &[(&str, Duration)], total: Duration) -> String {
    let steps = times.iter().map(|(name, time)| format!("{name} {} s", time.as_secs()));
    let steps: Vec<String> = steps.collect();
    format!("so far: {} (in all {} s)", steps.join(", "), total.as_secs())
}
