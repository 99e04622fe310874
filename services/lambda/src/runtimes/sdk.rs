//! AWS's SDKs, which AWS's runtimes bring along: what this host has of them, and how it comes into
//! sandboxes.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use haar_substrate::Mount;

use super::{Family, Interpreter};

/// What AWS's Python runtimes bring along: boto3 and what it needs.
const PYTHON_PACKAGES: &[&str] =
    &["boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py"];

/// What AWS's Node runtimes bring along. What these packages need lies within them, as npm puts it.
const NODE_SCOPES: [&str; 2] = ["@aws-sdk", "@smithy"];

/// Where `npm install --global` puts packages, beside what is next to an interpreter.
const NODE_PLACES: [&str; 3] =
    ["/usr/local/lib/node_modules", "/usr/lib/node_modules", "/usr/share/nodejs"];

/// An SDK that functions find without packaging it, where the host has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sdk {
    /// `boto3`, `@aws-sdk`.
    pub name: &'static str,
    /// Whose functions find it.
    pub family: Family,
    /// The folder that it was found in.
    pub place: Option<PathBuf>,
    /// For people: where it is, or how to get it.
    pub note: String,
}

/// What was found.
#[derive(Clone, Debug)]
pub(super) struct Sdks {
    /// The newest interpreter's `site-packages` with boto3, for Pythons that have none.
    python: Option<PathBuf>,
    /// A `node_modules` with `@aws-sdk`.
    node: Option<NodeModules>,
    /// Why the folder that the operator named is none.
    refused: Option<String>,
}

/// A `node_modules` folder, and how much of it functions find.
#[derive(Clone, Debug)]
struct NodeModules {
    place: PathBuf,
    /// The operator named it: functions find all of it. In what was merely there they find the SDK.
    is_named: bool,
}

impl Sdks {
    /// Looks in what the operator named, or else in the usual places.
    pub(super) fn find(found: &[Interpreter], node_modules: Option<&Path>) -> Self {
        let of = |family| found.iter().rev().filter(move |one| one.family == family);
        let beside = of(Family::Node)
            .filter_map(|one| Some(one.path.parent()?.parent()?.join("lib/node_modules")));
        let usual = beside.chain(NODE_PLACES.map(PathBuf::from));
        let is_named = node_modules.is_some();
        let (place, refused) = match node_modules.map(|named| (named, check_node_modules(named))) {
            Some((named, Ok(()))) => (Some(named.to_owned()), None),
            Some((_, Err(problem))) => (None, Some(problem)),
            None => (usual.into_iter().find(|place| check_node_modules(place).is_ok()), None),
        };
        Self {
            python: of(Family::Python).find_map(|one| one.packages.clone()),
            node: place.map(|place| NodeModules { place, is_named }),
            refused,
        }
    }

    /// Makes the empty places below `directory` that they are mounted on.
    pub(super) fn lay(&self, directory: &Path) -> io::Result<()> {
        let packages = directory.join("python-packages");
        fs::create_dir_all(&packages)?;
        let modules = directory.join("node_modules");
        fs::create_dir_all(&modules)?;
        let mounts = self.node_mounts();
        for scope in NODE_SCOPES {
            let place = modules.join(scope);
            match mounts.iter().any(|(_, place)| place.ends_with(scope)) {
                true => fs::create_dir_all(place)?,
                false => drop(fs::remove_dir(place)), // it may never have been there
            }
        }
        for (source, name) in self.python_packages() {
            let place = packages.join(name);
            if source.is_dir() { fs::create_dir_all(place)? } else { fs::write(place, "")? }
        }
        Ok(())
    }

    /// What an interpreter's sandboxes have below `/var/runtime`.
    pub(super) fn mounts(&self, interpreter: &Interpreter) -> Vec<Mount> {
        let mount = |source: PathBuf, place: &str| Mount::Bind {
            source,
            target: format!("/var/runtime/{place}"),
            read_only: true,
        };
        match interpreter.family {
            Family::Python if interpreter.packages.is_none() => self
                .python_packages()
                .into_iter()
                .map(|(source, name)| mount(source, &format!("python-packages/{name}")))
                .collect(),
            Family::Node => {
                let all = self.node_mounts().into_iter();
                all.map(|(source, place)| mount(source, &place)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// What Node functions find, and where below `/var/runtime`.
    fn node_mounts(&self) -> Vec<(PathBuf, String)> {
        let Some(NodeModules { place, is_named }) = &self.node else { return Vec::new() };
        if *is_named {
            return vec![(place.clone(), "node_modules".to_owned())];
        }
        let scopes = NODE_SCOPES.iter().filter(|scope| is_open(&place.join(scope)));
        scopes.map(|scope| (place.join(scope), format!("node_modules/{scope}"))).collect()
    }

    fn python_packages(&self) -> Vec<(PathBuf, &'static str)> {
        let Some(packages) = &self.python else { return Vec::new() };
        let all = PYTHON_PACKAGES.iter().map(|name| (packages.join(name), *name));
        all.filter(|(source, _)| source.exists()).collect()
    }

    /// For people.
    pub(super) fn told(&self) -> [Sdk; 2] {
        let told = |name, family, place: Option<&PathBuf>, install: &str| {
            let note = match place {
                Some(place) => place.display().to_string(),
                None => install.to_owned(),
            };
            Sdk { name, family, place: place.cloned(), note }
        };
        let no_node = "functions do not find @aws-sdk unless they bring it: npm install --global \
                       @aws-sdk/client-s3 and what else they use, or name a node_modules folder \
                       that has them in HAAR_NODE_MODULES";
        [
            told(
                "boto3",
                Family::Python,
                self.python.as_ref(),
                "functions do not find boto3 unless they bring it: apt install python3-boto3",
            ),
            told(
                "@aws-sdk",
                Family::Node,
                self.node.as_ref().map(|modules| &modules.place),
                self.refused.as_deref().unwrap_or(no_node),
            ),
        ]
    }
}

/// Refuses a `node_modules` folder in which functions would not find `@aws-sdk`.
///
/// # Errors
/// In words for the operator: what is the matter, and what to do.
pub fn check_node_modules(place: &Path) -> Result<(), String> {
    let problem = match fs::metadata(place) {
        Err(error) => format!("cannot be read ({error})"),
        Ok(found) if !found.is_dir() => "is no folder".to_owned(),
        Ok(_) if !is_open(place) => {
            "cannot be read by functions, which run as another user (chmod o+rx)".to_owned()
        }
        Ok(_) if !place.join(NODE_SCOPES[0]).is_dir() => {
            "has no @aws-sdk in it (npm install @aws-sdk/client-s3 beside it)".to_owned()
        }
        Ok(_) => return Ok(()),
    };
    Err(format!("the node_modules folder {} {problem}", place.display()))
}

/// A folder that functions' user may read.
fn is_open(place: &Path) -> bool {
    let is_open = |found: fs::Metadata| found.is_dir() && found.permissions().mode() & 0o005 == 5;
    fs::metadata(place).is_ok_and(is_open)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A place with the SDK and a package of somebody's.
    fn place(below: &Path) -> PathBuf {
        let place = below.join("lib/node_modules");
        for package in ["@aws-sdk/client-s3", "@smithy/core", "private"] {
            fs::create_dir_all(place.join(package)).unwrap();
        }
        place
    }

    fn interpreter(path: PathBuf) -> Interpreter {
        Interpreter { family: Family::Node, version: (24, 0), path, prefix: None, packages: None }
    }

    fn targets(sdks: &Sdks, node: &Interpreter) -> Vec<String> {
        let all = sdks.mounts(node).into_iter().map(|mount| match mount {
            Mount::Bind { target, .. } => target,
            other => panic!("{other:?}"),
        });
        all.collect()
    }

    #[test]
    fn functions_find_the_sdk_alone_in_a_folder_that_nobody_named() {
        let (host, runtime) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let place = place(host.path());
        let node = interpreter(host.path().join("bin/node"));
        let found = Sdks::find(std::slice::from_ref(&node), None);
        let scopes = ["/var/runtime/node_modules/@aws-sdk", "/var/runtime/node_modules/@smithy"];
        assert_eq!(targets(&found, &node), scopes);
        found.lay(runtime.path()).unwrap();
        assert!(runtime.path().join("node_modules/@smithy").is_dir());
        let named = Sdks::find(std::slice::from_ref(&node), Some(&place));
        assert_eq!(targets(&named, &node), ["/var/runtime/node_modules"]);
        named.lay(runtime.path()).unwrap();
        assert_eq!(fs::read_dir(runtime.path().join("node_modules")).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_was_named_and_is_none_is_told_of() {
        let host = tempfile::tempdir().unwrap();
        let note = |place: &Path| Sdks::find(&[], Some(place)).told()[1].note.clone();
        assert!(note(&host.path().join("absent")).contains("absent cannot be read (No such file"));
        fs::set_permissions(host.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(note(host.path()).contains("has no @aws-sdk in it"));
        let place = place(host.path());
        assert_eq!(note(&place), place.display().to_string());
        fs::set_permissions(&place, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(note(&place).contains("chmod o+rx"));
    }
}
