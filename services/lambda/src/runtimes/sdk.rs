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
    node: Option<PathBuf>,
}

impl Sdks {
    /// Looks in what the operator named, or else in the usual places.
    pub(super) fn find(found: &[Interpreter], node_modules: Option<&Path>) -> Self {
        let of = |family| found.iter().rev().filter(move |one| one.family == family);
        let beside = of(Family::Node)
            .filter_map(|one| Some(one.path.parent()?.parent()?.join("lib/node_modules")));
        let usual = beside.chain(NODE_PLACES.map(PathBuf::from));
        Self {
            python: of(Family::Python).find_map(|one| one.packages.clone()),
            node: match node_modules {
                Some(named) => Some(named.to_owned()).filter(|place| is_node_sdk(place)),
                None => usual.into_iter().find(|place| is_node_sdk(place)),
            },
        }
    }

    /// Makes the empty places below `directory` that they are mounted on.
    pub(super) fn lay(&self, directory: &Path) -> io::Result<()> {
        let packages = directory.join("python-packages");
        fs::create_dir_all(&packages)?;
        fs::create_dir_all(directory.join("node_modules"))?;
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
                self.node.iter().map(|place| mount(place.clone(), "node_modules")).collect()
            }
            _ => Vec::new(),
        }
    }

    fn python_packages(&self) -> Vec<(PathBuf, &'static str)> {
        let Some(packages) = &self.python else { return Vec::new() };
        let all = PYTHON_PACKAGES.iter().map(|name| (packages.join(name), *name));
        all.filter(|(source, _)| source.exists()).collect()
    }

    /// For people.
    pub(super) fn told(&self) -> [Sdk; 2] {
        let told = |name, family, place: &Option<PathBuf>, install: &str| {
            let note = match place {
                Some(place) => place.display().to_string(),
                None => install.to_owned(),
            };
            Sdk { name, family, place: place.clone(), note }
        };
        [
            told(
                "boto3",
                Family::Python,
                &self.python,
                "functions do not find boto3 unless they bring it: apt install python3-boto3",
            ),
            told(
                "@aws-sdk",
                Family::Node,
                &self.node,
                "functions do not find @aws-sdk unless they bring it: npm install --global \
                 @aws-sdk/client-s3 and what else they use, or name a node_modules folder that \
                 has them in HAAR_NODE_MODULES",
            ),
        ]
    }
}

/// A folder with the SDK in it that functions' user may read.
fn is_node_sdk(place: &Path) -> bool {
    let is_open = |found: fs::Metadata| found.is_dir() && found.permissions().mode() & 0o005 == 5;
    place.join("@aws-sdk").is_dir() && fs::metadata(place).is_ok_and(is_open)
}
