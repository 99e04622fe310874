//! The Java runtime's jar: compiled from its sources, committed, and checked to be fresh by
//! digests, so that only who changes the sources needs a compiler.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::{Outcome, tree};

const FOLDER: &str = "services/lambda/src/bootstraps/java";

/// The oldest Java that AWS's runtimes have.
const RELEASE: &str = "8";

/// The time of all entries, so that the same classes make the same jar.
const DATE: &str = "2026-01-01T00:00:00Z";

/// Says what is wrong when the jar is not what was made of the sources as they are.
pub(crate) fn check() -> Outcome {
    let recorded = fs::read_to_string(record_path()).unwrap_or_default();
    if recorded == record()? {
        return Ok(());
    }
    Err(format!("{} is out of date: run `cargo xtask gen` where javac is", relative(&jar_path())))
}

/// Compiles the sources where they have changed. Needs `javac` and `jar`.
pub(crate) fn build() -> Outcome {
    if check().is_ok() {
        return Ok(());
    }
    let classes = std::env::temp_dir().join(format!("haar-classes-{}", std::process::id()));
    let made = compile(&classes).and_then(|()| pack(&classes));
    let _ = fs::remove_dir_all(&classes); // what could not be made may not be there
    made?;
    let record = record()?;
    fs::write(record_path(), record).map_err(|error| format!("could not record the jar: {error}"))
}

fn compile(classes: &Path) -> Outcome {
    let mut javac = Command::new("javac");
    javac.args(["--release", RELEASE, "-Xlint:all,-options", "-Werror", "-encoding", "UTF-8"]);
    javac.arg("-d").arg(classes).args(sources()?);
    run(javac)
}

fn pack(classes: &Path) -> Outcome {
    let path = jar_path();
    let folder = path.parent().expect("the jar is in a folder");
    fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    let mut jar = Command::new("jar");
    jar.args(["--create", "--date", DATE, "--file"]).arg(&path);
    jar.arg("--manifest").arg(folder.with_file_name("MANIFEST.MF"));
    jar.arg("-C").arg(classes).arg(".");
    run(jar)
}

fn run(mut command: Command) -> Outcome {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name}: {status}")),
        Err(error) => Err(format!("could not run {name} (a JDK has it): {error}")),
    }
}

/// Digests of the sources and of the jar, as recorded beside it.
fn record() -> Result<String, String> {
    let mut sources_digest = Sha256::new();
    for path in sources()?.iter().chain([&tree::root().join(FOLDER).join("MANIFEST.MF")]) {
        sources_digest.update(relative(path));
        sources_digest.update(read(path)?);
    }
    let jar_digest = Sha256::digest(fs::read(jar_path()).unwrap_or_default());
    Ok(format!("sources {}\njar {}\n", hex(&sources_digest.finalize()), hex(&jar_digest)))
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The sources, sorted.
fn sources() -> Result<Vec<PathBuf>, String> {
    let folder = tree::root().join(FOLDER).join("haar");
    let entries = fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "java"));
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn relative(path: &Path) -> String {
    path.strip_prefix(tree::root()).unwrap_or(path).display().to_string()
}

fn jar_path() -> PathBuf {
    tree::root().join(FOLDER).join("generated/bootstrap.jar")
}

fn record_path() -> PathBuf {
    jar_path().with_extension("txt")
}
