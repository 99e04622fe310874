//! The source tree: its root, its files, its crates.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().expect("xtask is a folder of the workspace").to_path_buf()
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    let folder = std::env::var_os("CARGO_TARGET_DIR");
    folder.map_or_else(|| root().join("target"), PathBuf::from)
}

/// One text file of the tree.
pub(crate) struct SourceFile {
    /// From the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl SourceFile {
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Written by `cargo xtask gen`, or recorded.
    pub(crate) fn is_generated(&self) -> bool {
        self.path.contains("/generated/") || self.path.contains("/contract/src/model/")
    }

    pub(crate) fn is_test(&self) -> bool {
        self.path.contains("/tests/")
            || self.path.ends_with("tests.rs")
            || self.path.starts_with("conformance/")
    }

    pub(crate) fn lines(&self) -> usize {
        self.text.lines().count()
    }
}

/// The files that are, or are about to be, under version control and are text.
pub(crate) fn files() -> Result<Vec<SourceFile>, String> {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listed = output("git", &list)?;
    let root = root();
    let paths = listed.split('\0').filter(|path| !path.is_empty());
    let read = |path: &str| {
        let text = std::fs::read_to_string(root.join(path)).ok()?;
        Some(SourceFile { path: path.to_owned(), text })
    };
    Ok(paths.filter_map(read).collect())
}

/// One crate of the workspace.
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its folder from the root, with `/`.
    pub(crate) folder: String,
    /// The workspace's crates that it depends on, to build.
    pub(crate) dependencies: Vec<String>,
    /// Those that only its tests depend on.
    pub(crate) test_dependencies: Vec<String>,
}

/// The crates of the workspace, by name.
pub(crate) fn packages() -> Result<Vec<Package>, String> {
    let text = output("cargo", &["metadata", "--no-deps", "--format-version", "1"])?;
    let metadata: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let root = root();
    let packages = metadata["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    let mut packages: Vec<Package> = packages.iter().map(|one| package(one, &root)).collect();
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packages)
}

fn package(document: &Value, root: &Path) -> Package {
    let manifest = Path::new(document["manifest_path"].as_str().unwrap_or_default());
    let folder = manifest.parent().unwrap_or(root);
    let folder = folder.strip_prefix(root).unwrap_or(folder);
    let mut dependencies = Vec::new();
    let mut test_dependencies = Vec::new();
    for dependency in document["dependencies"].as_array().into_iter().flatten() {
        if dependency["path"].is_null() {
            continue;
        }
        let name = dependency["name"].as_str().unwrap_or_default().to_owned();
        match dependency["kind"].as_str() {
            Some("dev") => test_dependencies.push(name),
            _ => dependencies.push(name),
        }
    }
    Package {
        name: document["name"].as_str().unwrap_or_default().to_owned(),
        folder: folder.to_string_lossy().into_owned(),
        dependencies,
        test_dependencies,
    }
}

/// What a program prints; its complaint when it fails.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).current_dir(root()).output();
    let output = output.map_err(|error| format!("could not run {program}: {error}"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program} {} failed: {complaint}", arguments.join(" ")));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("{program} printed no UTF-8"))
}
