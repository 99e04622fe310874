//! The `operations.toml` files: each operation once, each lane known.

use std::collections::BTreeSet;

use super::Findings;
use crate::tree::SourceFile;

const LANES: &[&str] = &["query", "command", "flow"];

pub(super) fn check(files: &[SourceFile], findings: &mut Findings) {
    let mut services = BTreeSet::new();
    for file in files.iter().filter(|file| file.path.ends_with("operations.toml")) {
        match file.text.parse::<toml::Table>() {
            Ok(table) => check_list(file, &table, &mut services, findings),
            Err(error) => findings.faults.push(format!("{}: {error}", file.path)),
        }
    }
}

fn check_list(
    file: &SourceFile,
    table: &toml::Table,
    services: &mut BTreeSet<String>,
    findings: &mut Findings,
) {
    let mut fault = |message: String| findings.faults.push(format!("{}: {message}", file.path));
    match table.get("service").and_then(toml::Value::as_str) {
        // Samples of the protocols' tests may be of services that have a room.
        Some(_) if !file.path.starts_with("services/") => {}
        Some(service) if !services.insert(service.to_owned()) => {
            fault(format!("service {service} has another list"));
        }
        Some(_) => {}
        None => fault("names no service".to_owned()),
    }
    let mut seen = BTreeSet::new();
    let operations = table.get("operation").and_then(toml::Value::as_array);
    for operation in operations.into_iter().flatten() {
        let text = |key: &str| operation.get(key).and_then(toml::Value::as_str).unwrap_or_default();
        let name = text("name");
        if !seen.insert(name.to_owned()) {
            fault(format!("{name} is listed twice"));
        }
        if !LANES.contains(&text("lane")) {
            fault(format!("{name} has no lane of {}", LANES.join(", ")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let mut findings = Findings::default();
        let path = "services/x/operations.toml".to_owned();
        check(&[SourceFile { path, text: text.to_owned() }], &mut findings);
        findings.faults
    }

    #[test]
    fn an_operation_stands_once_and_in_a_lane() {
        let one = "[[operation]]\nname = \"Invoke\"\nlane = \"flow\"\n";
        let service = "service = \"lambda\"\n";
        assert!(faults(&format!("{service}{one}")).is_empty());
        assert_eq!(faults(&format!("{service}{one}{one}")).len(), 1);
        assert_eq!(faults(&format!("{service}{}", one.replace("flow", "fast"))).len(), 1);
        assert_eq!(faults(one).len(), 1);
    }
}
