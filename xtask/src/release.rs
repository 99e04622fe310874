//! The binary as it is handed out: built twice, the second time by what the first did at work.
//!
//! The compiler lays out code, chooses what to inline and what to make small by counts of how
//! often each branch was taken (rustc's *Profile-guided Optimization*). The counts come from
//! the benchmark, run against a binary that counts. Nothing of it is kept under version control:
//! a profile is as old as the code that it was made of.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Outcome, tree};

/// What hardly ever runs is not copied into who calls it.
const COLD: &str = "-Cllvm-args=-inline-cold-callsite-threshold=5";

/// Builds, trains and builds again; says where the binary is.
///
/// `cargo xtask release --quick` trains by requests alone.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let compiler = Compiler::ask()?;
    let work = tree::target().join("trained");
    let counts = work.join("counts");
    remove(&counts)?;
    std::fs::create_dir_all(&counts).map_err(|error| format!("{}: {error}", counts.display()))?;

    println!("── a binary that counts");
    let flag = format!("-Cprofile-generate={}", counts.display());
    let counting = compiler.build(&work, &["haar", "haar-bench"], &flag)?;
    println!("── at work");
    train(&counting, arguments.iter().any(|argument| argument == "--quick"))?;
    println!("── the binary");
    let profile = compiler.merge(&counts)?;
    let flags = format!("-Cprofile-use={} {COLD}", profile.display());
    let trained = compiler.build(&work, &["haar"], &flags)?;
    println!("{}", trained.join("haar").display());
    Ok(())
}

/// Runs the benchmark for what it makes the binary do; its figures are those of a binary that
/// counts, and worth nothing.
fn train(folder: &Path, quick: bool) -> Outcome {
    let mut command = Command::new(folder.join("haar-bench"));
    command.arg("--quick");
    if quick {
        command.args(["--only", "requests"]);
    }
    succeed(command.stdout(std::process::Stdio::null())).map(drop)
}

/// rustc, and the tool for profiles that belongs to it.
struct Compiler {
    host: String,
    profdata: PathBuf,
}

impl Compiler {
    fn ask() -> Result<Self, String> {
        let about = tree::output("rustc", &["-vV"])?;
        let host = about.lines().find_map(|line| line.strip_prefix("host: "));
        let host = host.ok_or("rustc -vV names no host")?.to_owned();
        let libraries = tree::output("rustc", &["--print", "target-libdir"])?;
        let profdata = Path::new(libraries.trim()).with_file_name("bin").join("llvm-profdata");
        if !profdata.is_file() {
            return Err("llvm-profdata is missing: rustup component add llvm-tools".to_owned());
        }
        Ok(Self { host, profdata })
    }

    /// Builds packages for release, in a target folder of their own, and answers where they are.
    /// With `--target`, what runs while it builds is built without the flags.
    fn build(&self, target: &Path, packages: &[&str], flags: &str) -> Result<PathBuf, String> {
        let mut command = Command::new("cargo");
        command.args(["build", "--release", "--target", &self.host]);
        command.args(packages.iter().flat_map(|package| ["--package", package]));
        command.env("CARGO_TARGET_DIR", target).env("RUSTFLAGS", flags);
        succeed(command.current_dir(tree::root()))?;
        Ok(target.join(&self.host).join("release"))
    }

    /// One profile of all counts.
    fn merge(&self, counts: &Path) -> Result<PathBuf, String> {
        let profile = counts.with_file_name("profile");
        succeed(Command::new(&self.profdata).arg("merge").arg("-o").arg(&profile).arg(counts))?;
        Ok(profile)
    }
}

fn remove(folder: &Path) -> Outcome {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("{}: {error}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn succeed(command: &mut Command) -> Outcome {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?}: {status}")),
        Err(error) => Err(format!("could not run {command:?}: {error}")),
    }
}
