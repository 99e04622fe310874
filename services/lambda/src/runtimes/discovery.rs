//! Finds interpreters on the host.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Family;

/// An interpreter on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// Its language.
    pub family: Family,
    /// Major and minor version; the minor is 0 where AWS names the major alone.
    pub version: (u32, u32),
    /// The program, without links.
    pub path: PathBuf,
    /// Where it is installed, when that is outside `/usr`.
    pub prefix: Option<PathBuf>,
    /// Python: the `site-packages` that hold boto3. Ruby: gems that are installed for all users
    /// outside of `/usr`.
    pub packages: Option<PathBuf>,
}

impl Interpreter {
    /// `python3.12`, `nodejs20`.
    pub fn label(&self) -> String {
        let (major, minor) = self.version;
        match self.family {
            Family::Python | Family::Ruby => format!("{}{major}.{minor}", self.family.name()),
            _ => format!("{}{major}", self.family.name()),
        }
    }
}

/// All interpreters, the better of two equal versions first.
pub(super) fn discover() -> Vec<Interpreter> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for directory in directories() {
        for (name, path) in programs(&directory) {
            if let Some(family) = family_of(&name)
                && seen.insert(path.clone())
                && let Some(version) = version_of(family, &name, &path)
            {
                found.push(describe(family, version, path));
            }
        }
    }
    found.sort_by_key(|one| (one.family, one.version, one.packages.is_none()));
    found
}

/// Where programs are: `PATH`, the usual places, and version managers' homes.
fn directories() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut all: Vec<PathBuf> = std::env::split_paths(&path).collect();
    all.extend(["/usr/bin", "/usr/local/bin"].map(PathBuf::from));
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let managers = [
        home.join(".pyenv/versions"),
        home.join(".rbenv/versions"),
        home.join(".nvm/versions/node"),
        home.join(".asdf/installs/python"),
        home.join(".asdf/installs/nodejs"),
        home.join(".asdf/installs/ruby"),
        home.join(".local/share/uv/python"),
        PathBuf::from("/usr/lib/jvm"),
        PathBuf::from("/opt"),
    ];
    for manager in managers {
        let Ok(entries) = fs::read_dir(manager) else { continue };
        let mut versions: Vec<PathBuf> =
            entries.flatten().map(|entry| entry.path().join("bin")).collect();
        versions.sort();
        all.extend(versions);
    }
    all.retain(|directory| directory.is_absolute() && directory.is_dir());
    all
}

/// The native programs in a directory that have an interpreter's name; scripts (shims) are not.
fn programs(directory: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut programs: Vec<(String, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            family_of(&name)?;
            let path = fs::canonicalize(entry.path()).ok()?;
            is_native(&path).then_some((name, path))
        })
        .collect();
    programs.sort();
    programs
}

fn is_native(path: &Path) -> bool {
    let mut magic = [0; 4];
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok()
        && magic == *b"\x7fELF"
}

fn family_of(name: &str) -> Option<Family> {
    match name {
        "node" | "nodejs" => Some(Family::Node),
        "java" => Some(Family::Java),
        "ruby" => Some(Family::Ruby),
        _ => {
            let minor = name.strip_prefix("python3.")?;
            minor.parse::<u32>().is_ok().then_some(Family::Python)
        }
    }
}

fn version_of(family: Family, name: &str, path: &Path) -> Option<(u32, u32)> {
    match family {
        Family::Python => Some((3, name.strip_prefix("python3.")?.parse().ok()?)),
        Family::Java => {
            let release = fs::read_to_string(path.parent()?.parent()?.join("release")).ok()?;
            let line = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION=\""))?;
            let version = numbers(line)?;
            Some((if version.0 == 1 { version.1 } else { version.0 }, 0))
        }
        Family::Node => Some((node_major(path)?, 0)),
        _ => numbers(&ask(path)?),
    }
}

/// From the header beside the program where there is one: asking takes node 70 ms.
fn node_major(path: &Path) -> Option<u32> {
    let header = path.parent()?.parent()?.join("include/node/node_version.h");
    if let Ok(text) = fs::read_to_string(header) {
        let line = text.lines().find_map(|line| line.strip_prefix("#define NODE_MAJOR_VERSION "));
        if let Some(major) = line.and_then(|text| text.trim().parse().ok()) {
            return Some(major);
        }
    }
    Some(numbers(&ask(path)?)?.0)
}

fn ask(path: &Path) -> Option<String> {
    let output = Command::new(path).arg("--version").output().ok()?;
    String::from_utf8(output.stdout).ok()
}

/// The first `A.B` in a text.
fn numbers(text: &str) -> Option<(u32, u32)> {
    let from = text.find(|letter: char| letter.is_ascii_digit())?;
    let mut parts = text[from..].split(|letter: char| !letter.is_ascii_digit());
    let major = parts.next()?.parse().ok()?;
    Some((major, parts.next().and_then(|minor| minor.parse().ok()).unwrap_or(0)))
}

fn describe(family: Family, version: (u32, u32), path: PathBuf) -> Interpreter {
    let home = path.parent().and_then(Path::parent).map(Path::to_owned);
    let prefix = home.filter(|prefix| !prefix.starts_with("/usr") && prefix != Path::new("/"));
    let packages = match family {
        Family::Python => boto3_beside(&path, version),
        Family::Ruby => gems_for_all(version),
        _ => None,
    };
    Interpreter { family, version, path, prefix, packages }
}

/// Where Debian's `gem install` puts them.
fn gems_for_all((major, minor): (u32, u32)) -> Option<PathBuf> {
    Some(PathBuf::from(format!("/var/lib/gems/{major}.{minor}.0"))).filter(|place| place.is_dir())
}

fn boto3_beside(path: &Path, (major, minor): (u32, u32)) -> Option<PathBuf> {
    let prefix = path.parent()?.parent()?;
    let places = [
        prefix.join(format!("lib/python{major}.{minor}/site-packages")),
        prefix.join(format!("lib/python{major}/dist-packages")),
        prefix.join(format!("local/lib/python{major}.{minor}/dist-packages")),
    ];
    places.into_iter().find(|place| place.join("boto3").is_dir())
}
