//! The tour's inputs: functions, as the zip files that a user would make.

use std::io::{Cursor, Write as _};
use std::path::Path;
use std::process::Command;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const PYTHON: &str = include_str!("inputs/hello.py");
const NODE: &str = include_str!("inputs/hello.mjs");
const STATIC: &str = include_str!("inputs/bootstrap.c");
const AWS: &str = include_str!("inputs/aws.py");
const JPEG: &str = include_str!("inputs/jpeg.py");

/// What the tour's Python functions run on.
pub(super) const PYTHON_RUNTIME: &str = "python3.13";

/// Writes down when it was called.
pub(super) const TICK: &str = include_str!("inputs/tick.py");
/// Makes pictures small.
pub(super) const THUMBNAIL: &str = include_str!("inputs/thumbnail.py");
/// Takes orders from a queue.
pub(super) const ORDERS: &str = include_str!("inputs/orders.py");

/// One function of the tour.
pub(super) struct Input {
    pub(super) name: &'static str,
    pub(super) runtime: &'static str,
    pub(super) handler: String,
    pub(super) zip: Vec<u8>,
}

/// `hello.py`, as `python3.13` would run it.
pub(super) fn python() -> Result<Input, String> {
    let zip = archive(&[("hello.py", PYTHON.as_bytes())])?;
    Ok(Input {
        name: "hello-python",
        runtime: PYTHON_RUNTIME,
        handler: "hello.handler".to_owned(),
        zip,
    })
}

/// `hello.mjs`.
pub(super) fn node() -> Result<Input, String> {
    let zip = archive(&[("hello.mjs", NODE.as_bytes())])?;
    Ok(Input {
        name: "hello-node",
        runtime: "nodejs22.x",
        handler: "hello.handler".to_owned(),
        zip,
    })
}

/// A Python function of a pipeline, with what it imports.
pub(super) fn bundle(name: &'static str, code: &str) -> Result<Input, String> {
    let main = format!("{name}.py");
    let files = [(main.as_str(), code), ("aws.py", AWS), ("jpeg.py", JPEG)];
    let zip = archive(&files.map(|(name, text)| (name, text.as_bytes())))?;
    Ok(Input { name, runtime: PYTHON_RUNTIME, handler: format!("{name}.handler"), zip })
}

/// A static binary that speaks the Runtime API by itself; `None` without a C compiler.
pub(super) fn provided(folder: &Path) -> Result<Option<Input>, String> {
    let Some(program) = static_program(folder)? else { return Ok(None) };
    let zip = archive(&[("bootstrap", &program)])?;
    Ok(Some(Input {
        name: "hello-static",
        runtime: "provided.al2023",
        handler: "bootstrap".to_owned(),
        zip,
    }))
}

/// The bytes of that binary.
pub(super) fn static_program(folder: &Path) -> Result<Option<Vec<u8>>, String> {
    compile(folder, "bootstrap", STATIC)
}

/// Compiles a C source here, into a static program; `None` without a C compiler.
pub(super) fn compile(folder: &Path, name: &str, text: &str) -> Result<Option<Vec<u8>>, String> {
    let (source, binary) = (folder.join(format!("{name}.c")), folder.join(name));
    std::fs::write(&source, text).map_err(|error| format!("could not write: {error}"))?;
    let compiled =
        Command::new("cc").args(["-Os", "-static", "-s", "-o"]).arg(&binary).arg(&source).output();
    let Ok(compiled) = compiled else { return Ok(None) };
    if !compiled.status.success() {
        return Err(format!("cc: {}", String::from_utf8_lossy(&compiled.stderr)));
    }
    let program = std::fs::read(&binary).map_err(|error| format!("could not read: {error}"))?;
    Ok(Some(program))
}

fn archive(files: &[(&str, &[u8])]) -> Result<Vec<u8>, String> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().unix_permissions(0o755);
    let mut add = |name: &str, content: &[u8]| {
        zip.start_file(name, options)?;
        zip.write_all(content).map_err(zip::result::ZipError::from)
    };
    for (name, content) in files {
        add(name, content).map_err(|error| format!("could not zip {name}: {error}"))?;
    }
    let written = zip.finish().map(Cursor::into_inner);
    written.map_err(|error| format!("could not write a zip file: {error}"))
}
