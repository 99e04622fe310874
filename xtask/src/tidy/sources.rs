//! Sizes, docs and words of the source files.

use super::Findings;
use crate::tree::{Package, SourceFile};

/// Lines of a hand-written file worth a look.
const LINES_NOTICE: usize = 500;
/// Lines that no hand-written file may pass.
const LINES_MAX: usize = 800;

/// Words that tie the tree to one place: registries by host, folders of one machine.
const PLACES: &[&str] = &[
    concat!("registry.", "npmjs"),
    concat!("pypi", ".org"),
    concat!("files.python", "hosted"),
    concat!("static.", "crates.io"),
    concat!("index.", "crates.io"),
    concat!("deb.", "debian.org"),
    concat!("/wo", "rk/"),
    concat!("/root", "/."),
];

/// What unfinished code leaves behind in Rust.
const UNFINISHED: &[&str] =
    &[concat!("to", "do!("), concat!("unim", "plemented!("), concat!("#[ign", "ore")];

pub(super) fn check(files: &[SourceFile], packages: &[Package], findings: &mut Findings) {
    for file in files {
        sizes(file, findings);
        words(file, findings);
    }
    for package in packages {
        crate_docs(package, files, findings);
    }
}

fn sizes(file: &SourceFile, findings: &mut Findings) {
    if !file.is_rust() || file.is_generated() || file.is_test() {
        return;
    }
    let lines = file.lines();
    if lines > LINES_MAX {
        findings.faults.push(format!("{} has {lines} lines, at most {LINES_MAX}", file.path));
    } else if lines > LINES_NOTICE {
        findings.notices.push(format!("{} has {lines} lines", file.path));
    }
}

fn words(file: &SourceFile, findings: &mut Findings) {
    let is_lock = file.path.ends_with(".lock") || file.path.ends_with("package-lock.json");
    if is_lock {
        return;
    }
    for (index, line) in file.text.lines().enumerate() {
        let place = || format!("{}:{}", file.path, index + 1);
        if let Some(word) = PLACES.iter().find(|word| line.contains(**word)) {
            findings.faults.push(format!("{} names a place: {word}", place()));
        }
        let unfinished = || UNFINISHED.iter().find(|word| line.contains(**word));
        if file.is_rust()
            && let Some(word) = unfinished()
        {
            findings.faults.push(format!("{} is unfinished: {word}", place()));
        }
    }
}

/// Each crate opens with what it does.
fn crate_docs(package: &Package, files: &[SourceFile], findings: &mut Findings) {
    let entry = |name: &str| {
        let path = format!("{}/src/{name}.rs", package.folder);
        files.iter().find(|file| file.path == path)
    };
    match entry("lib").or_else(|| entry("main")) {
        Some(file) if file.text.starts_with("//!") => {}
        Some(file) => findings.faults.push(format!("{} does not open with crate docs", file.path)),
        None => findings.faults.push(format!("{} has neither lib.rs nor main.rs", package.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(path: &str, text: String) -> Findings {
        let mut findings = Findings::default();
        check(&[SourceFile { path: path.to_owned(), text }], &[], &mut findings);
        findings
    }

    #[test]
    fn long_files_are_noticed_then_refused() {
        assert_eq!(check_one("a/src/b.rs", "\n".repeat(500)).notices.len(), 0);
        assert_eq!(check_one("a/src/b.rs", "\n".repeat(501)).notices.len(), 1);
        assert_eq!(check_one("a/src/b.rs", "\n".repeat(801)).faults.len(), 1);
        assert_eq!(check_one("a/src/generated/b.rs", "\n".repeat(9_000)).faults.len(), 0);
        assert_eq!(check_one("a/tests/b.rs", "\n".repeat(801)).faults.len(), 0);
    }

    #[test]
    fn unfinished_code_is_refused() {
        let code = format!("fn later() {{ {}) }}", UNFINISHED[0]);
        assert_eq!(check_one("a/src/b.rs", code.clone()).faults.len(), 1);
        assert_eq!(check_one("docs/b.md", code).faults.len(), 0);
    }
}
