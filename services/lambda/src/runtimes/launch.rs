//! How functions of a runtime are started: templates, and haar's bootstraps on disk.

use std::fs::{self, Permissions};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use haar_substrate::{Mount, OUTSIDE, Root, User, WarmTemplate};
use haar_types::MemoryMib;
use sha2::{Digest, Sha256};

use super::sdk::Sdks;
use super::{Family, Interpreter, Launch, RuntimeRow, java, native};

/// Who functions run as (`sbx_user1051` on AWS).
pub const SANDBOX_USER: User = User { uid: 993, gid: 990 };

/// Where the Runtime API listens inside a sandbox.
pub const RUNTIME_API_PORT: u16 = 9001;

/// The variable that says where.
pub(crate) const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// Where haar's own API listens inside a sandbox, whatever port it has outside.
pub const API_PORT: u16 = 4566;

const FILES: &[(&str, &[u8])] = &[
    ("bootstrap.py", include_bytes!("../bootstraps/python.py")),
    ("bootstrap.cjs", include_bytes!("../bootstraps/node.cjs")),
    ("bootstrap.rb", include_bytes!("../bootstraps/ruby.rb")),
    ("bootstrap.jar", include_bytes!("../bootstraps/java/generated/bootstrap.jar")),
];

/// Writes haar's bootstraps into a directory named by their digest, empty places for the SDKs'
/// packages to be mounted on, and each interpreter's `/var/lang`.
pub(super) fn lay_bootstraps(
    data_dir: &Path,
    sdks: &Sdks,
    found: &[Interpreter],
) -> io::Result<PathBuf> {
    let library = native::library();
    let files: Vec<(&str, &[u8])> =
        FILES.iter().copied().chain([("libhaar.so", library.as_slice())]).collect();
    let mut digest = Sha256::new();
    for (name, text) in &files {
        digest.update(name);
        digest.update(text);
    }
    let name: String = digest.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let directory = data_dir.join("runtimes").join(name);
    fs::create_dir_all(&directory)?;
    for (name, text) in files {
        fs::write(directory.join(name), text)?;
        fs::set_permissions(directory.join(name), Permissions::from_mode(0o644))?;
    }
    sdks.lay(&directory)?;
    for interpreter in found.iter().rev() {
        lay_language(&directory, interpreter)?; // the better of two equal versions last
    }
    Ok(directory)
}

/// Lays links by the names under which AWS's runtimes have the interpreter: scripts begin with
/// them, and child processes are started by them.
fn lay_language(directory: &Path, interpreter: &Interpreter) -> io::Result<()> {
    let bin = language(directory, interpreter).join("bin");
    fs::create_dir_all(&bin)?;
    let names = match interpreter.family {
        Family::Python => vec!["python".to_owned(), "python3".to_owned(), interpreter.label()],
        Family::Node => vec!["node".to_owned()],
        family => vec![family.name().to_owned()],
    };
    for link in names.into_iter().map(|name| bin.join(name)) {
        match fs::remove_file(&link) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => symlink(&interpreter.path, link)?,
        }
    }
    Ok(())
}

/// What an interpreter's sandboxes have as `/var/lang`.
fn language(directory: &Path, interpreter: &Interpreter) -> PathBuf {
    directory.with_extension("lang").join(interpreter.label())
}

pub(super) fn launch(
    row: &RuntimeRow,
    memory: MemoryMib,
    sdks: &Sdks,
    directory: &Path,
) -> Result<Launch, String> {
    let family = row.family;
    if family == Family::Provided {
        let version = row.id.replacen('.', ":", 1);
        return Ok(Launch { template: None, family, version, interpreter: (0, 0), warning: None });
    }
    let missing = || row.note.clone().unwrap_or_default();
    let interpreter = row.interpreter.as_ref().ok_or_else(missing)?;
    let (major, minor) = interpreter.version;
    let version = match row.family {
        Family::Python | Family::Ruby => format!("{}:{major}.{minor}", row.family.name()),
        _ => format!("{}:{major}", row.family.name()),
    };
    let argv = argv(row, interpreter, memory);
    let template = Some(template(interpreter, argv, sdks, directory));
    let warning = row.note.clone();
    Ok(Launch { template, family, version, interpreter: interpreter.version, warning })
}

/// The program with its arguments.
fn argv(row: &RuntimeRow, interpreter: &Interpreter, memory: MemoryMib) -> Vec<String> {
    let mut argv = vec![interpreter.path.display().to_string()];
    match interpreter.family {
        Family::Python => argv.extend(["-s".into(), "/var/runtime/bootstrap.py".into()]),
        Family::Node => argv.push("/var/runtime/bootstrap.cjs".into()),
        Family::Ruby => argv.push("/var/runtime/bootstrap.rb".into()),
        Family::Java => argv.extend(java::arguments(row.id, memory)),
        Family::Dotnet | Family::Provided => {} // there is no such interpreter
    }
    argv
}

fn template(
    interpreter: &Interpreter,
    argv: Vec<String>,
    sdks: &Sdks,
    directory: &Path,
) -> WarmTemplate {
    let read_only =
        |source, target: &str| Mount::Bind { source, target: target.into(), read_only: true };
    let mut mounts = vec![
        read_only(directory.to_owned(), "/var/runtime"),
        read_only(language(directory, interpreter), "/var/lang"),
    ];
    mounts.extend(sdks.mounts(interpreter));
    let gems = interpreter.packages.iter().filter(|_| interpreter.family == Family::Ruby);
    WarmTemplate {
        name: interpreter.label(),
        root: Root::Host { also: interpreter.prefix.iter().chain(gems).cloned().collect() },
        argv,
        env: waiting_environment(),
        mounts,
        listen: listen(),
        user: SANDBOX_USER,
        mount_points: ["/var/task", "/opt", "/tmp"].map(str::to_owned).to_vec(),
    }
}

/// Addresses that every environment's sandbox has.
pub(crate) fn listen() -> Vec<SocketAddrV4> {
    let local = |port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    vec![local(RUNTIME_API_PORT), local(API_PORT), OUTSIDE]
}

/// The environment that is the same for all functions. AWS docs: *Defined runtime environment
/// variables*.
pub(crate) fn waiting_environment() -> Vec<(String, String)> {
    [
        ("PATH", "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
        (
            "LD_LIBRARY_PATH",
            "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:\
             /var/task/lib:/opt/lib",
        ),
        ("LANG", "en_US.UTF-8"),
        ("TZ", ":UTC"),
        (RUNTIME_API, "127.0.0.1:9001"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}
