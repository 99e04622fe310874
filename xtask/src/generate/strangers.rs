//! The table of AWS's services by the names that requests are signed for: which protocol a service
//! speaks that haar has no room for.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::model;

/// Where the table goes.
pub(super) const PATH: &str = "crates/wire/src/strangers/table.rs";

/// One line for each service of the installed models.
pub(super) fn file() -> Result<String, String> {
    let mut lines = BTreeSet::new();
    let data = model::botocore()?.join("data");
    for service in names_in(&data)? {
        let folder = data.join(&service);
        let versions = names_in(&folder)?;
        let newest = versions.iter().rev().map(|version| folder.join(version));
        let Some(path) = newest.map(|at| at.join("service-2.json.gz")).find(|path| path.exists())
        else {
            continue;
        };
        lines.insert(line(&service, &model::read_json(&path)?["metadata"]));
    }
    let mut out = String::from(
        "//! One line for each service of AWS's: its signing name, a letter for its protocol, its\n\
         //! name, and what tells it from others that are signed for the same name.\n\n\
         /// The services.\npub(super) const TABLE: &str = \"\\\n",
    );
    for line in lines {
        out.push_str(&line);
        out.push_str("\\n\\\n");
    }
    out.push_str("\";\n");
    Ok(out)
}

fn line(service: &str, metadata: &Value) -> String {
    let text = |key: &str| metadata.get(key).and_then(Value::as_str);
    let signed = text("signingName").or_else(|| text("endpointPrefix")).unwrap_or(service);
    let letter = match text("protocol").unwrap_or_default() {
        "query" => 'q',
        "ec2" => 'e',
        "json" => 'j',
        "rest-xml" => 'x',
        "smithy-rpc-v2-cbor" => 'c',
        _ => 'r',
    };
    let key = match letter {
        'q' | 'e' => text("apiVersion"),
        _ => text("targetPrefix"),
    };
    format!("{signed} {letter} {service} {}", key.unwrap_or("-"))
}

fn names_in(folder: &Path) -> Result<Vec<String>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let folders = entries.flatten().filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> =
        folders.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}
