//! One version of each dependency, and none that `deny.toml` bans.

use std::collections::BTreeMap;

use super::Findings;
use crate::tree::SourceFile;

pub(super) fn check(files: &[SourceFile], findings: &mut Findings) {
    let table = |path: &str| {
        let file = files.iter().find(|file| file.path == path);
        file.and_then(|file| file.text.parse::<toml::Table>().ok())
    };
    let (Some(lock), Some(deny)) = (table("Cargo.lock"), table("deny.toml")) else {
        findings.faults.push("Cargo.lock or deny.toml is missing or broken".to_owned());
        return;
    };
    let bans = deny.get("bans");
    let skipped = names(bans.and_then(|bans| bans.get("skip")), "crate");
    let banned = names(bans.and_then(|bans| bans.get("deny")), "crate");
    let mut versions = BTreeMap::new();
    for name in names(lock.get("package"), "name") {
        *versions.entry(name).or_insert(0) += 1;
    }
    for (name, count) in &versions {
        if *count > 1 && !skipped.contains(name) {
            findings.faults.push(format!("{count} versions of {name} are in Cargo.lock"));
        }
        if banned.contains(name) {
            findings.faults.push(format!("{name} is banned by deny.toml"));
        }
    }
    for name in skipped.iter().filter(|name| versions.get(*name).is_none_or(|count| *count < 2)) {
        findings.notices.push(format!("deny.toml skips {name}, of which there is one version"));
    }
}

/// The names under `key` in a list of tables.
fn names(list: Option<&toml::Value>, key: &str) -> Vec<String> {
    let tables = list.and_then(toml::Value::as_array).into_iter().flatten();
    tables.filter_map(|table| Some(table.get(key)?.as_str()?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_pair(lock: &str, deny: &str) -> Findings {
        let file =
            |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
        let mut findings = Findings::default();
        check(&[file("Cargo.lock", lock), file("deny.toml", deny)], &mut findings);
        findings
    }

    #[test]
    fn a_second_version_needs_an_exception() {
        let lock = "[[package]]\nname = \"syn\"\nversion = \"1\"\n\
                    [[package]]\nname = \"syn\"\nversion = \"2\"\n";
        assert_eq!(check_pair(lock, "[bans]\nskip = []").faults.len(), 1);
        let skipped = check_pair(lock, "[bans]\nskip = [{ crate = \"syn\" }]");
        assert_eq!((skipped.faults.len(), skipped.notices.len()), (0, 0));
    }

    #[test]
    fn a_banned_crate_is_a_fault() {
        let lock = "[[package]]\nname = \"anyhow\"\nversion = \"1\"\n";
        let deny = "[[bans.deny]]\ncrate = \"anyhow\"\n";
        assert_eq!(check_pair(lock, deny).faults.len(), 1);
    }
}
