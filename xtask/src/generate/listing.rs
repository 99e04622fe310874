//! A room's `operations.toml`.

use std::fs;
use std::path::Path;

use crate::tree;

/// What a room lists.
pub(super) struct Listing {
    pub(super) service: String,
    pub(super) version: String,
    pub(super) room: String,
    pub(super) validation_code: Option<String>,
    pub(super) malformed_code: Option<String>,
    /// Name and query code of the error for members that are missing.
    pub(super) missing: Option<(String, String)>,
    /// Name and query code of the error for what policies do not allow, if it has its own.
    pub(super) denied: Option<(String, String)>,
    /// What it says of one, with `{}` for its name.
    pub(super) missing_words: String,
    /// Members with an enum whose values the room checks itself, as `Shape.Member`: texts for
    /// the decoder.
    pub(super) open_members: Vec<String>,
    /// Outputs whose XML has the items of several lists in one row.
    pub(super) mixed_lists: Vec<String>,
    /// True: of violated constraints the first alone is told, in other words.
    pub(super) first_violation: bool,
    /// Documents that do not fit their schema are malformed.
    pub(super) document_schema: bool,
    /// True: callers may also speak the query protocol, of which the model knows no more.
    pub(super) also_query: bool,
    /// Member that the path of a query request may hold.
    pub(super) path_member: Option<String>,
    /// Names of flattened lists' items in the query protocol, by shape.
    pub(super) query_items: Vec<(String, String)>,
    /// Names of flattened maps' entries, keys and values there, by shape.
    pub(super) query_entries: Vec<(String, Vec<String>)>,
    /// Namespace of its XML, where the model names none.
    pub(super) xml_namespace: Option<String>,
    /// False: XML errors have no `ErrorResponse` around them.
    pub(super) wrapped_errors: bool,
    /// True: the first label of paths may stand before the host's name.
    pub(super) host_label: bool,
    /// True: anyone may call without a signature; the room decides what they may.
    pub(super) anonymous: bool,
    pub(super) operations: Vec<Listed>,
}

/// One listed operation.
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) lane: String,
    pub(super) action: Option<String>,
    pub(super) resource: String,
    /// False: callers may come without a signature, where the model does not say so.
    pub(super) signed: bool,
    /// Name of the answer's XML element; empty where its only member is the element.
    pub(super) xml_root: Option<String>,
    /// What else is asked where the input gives tags.
    pub(super) tagging: Option<ListedTagging>,
}

/// The second action of an operation that gives tags.
pub(super) struct ListedTagging {
    pub(super) member: String,
    pub(super) action: String,
    pub(super) resource: Option<String>,
}

impl Listing {
    /// Reads the list at a path below the root.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let fault = |message: String| format!("{}: {message}", path.display());
        let text = fs::read_to_string(tree::root().join(path)).map_err(|e| fault(e.to_string()))?;
        let table: toml::Table = text.parse().map_err(|e: toml::de::Error| fault(e.to_string()))?;
        let string = |key: &str| table.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        let flag = |key: &str| table.get(key).and_then(toml::Value::as_bool);
        let need = |key: &str| string(key).ok_or_else(|| fault(format!("no {key}")));
        let operations = table.get("operation").and_then(toml::Value::as_array);
        Ok(Self {
            service: need("service")?,
            version: need("version")?,
            room: need("room")?,
            validation_code: string("validation_code"),
            malformed_code: string("malformed_code"),
            missing: string("missing_name").zip(string("missing_code")),
            denied: string("denied_name").zip(string("denied_code")),
            missing_words: string("missing_words")
                .unwrap_or_else(|| "The parameter {} is required.".to_owned()),
            first_violation: flag("first_violation").unwrap_or(false),
            document_schema: flag("document_schema").unwrap_or(false),
            open_members: texts(&table, "open_members"),
            mixed_lists: texts(&table, "mixed_lists"),
            also_query: flag("also_query").unwrap_or(false),
            path_member: string("path_member"),
            query_items: entries(&table, "query_items")
                .filter_map(|(shape, name)| Some((shape.clone(), name.as_str()?.to_owned())))
                .collect(),
            query_entries: entries(&table, "query_entries")
                .map(|(shape, names)| {
                    let names = names.as_array().into_iter().flatten();
                    let names = names.filter_map(toml::Value::as_str).map(str::to_owned);
                    (shape.clone(), names.collect())
                })
                .collect(),
            xml_namespace: string("xml_namespace"),
            wrapped_errors: flag("wrapped_errors").unwrap_or(true),
            host_label: flag("host_label").unwrap_or(false),
            anonymous: flag("anonymous").unwrap_or(false),
            operations: operations
                .into_iter()
                .flatten()
                .map(|operation| Listed::read(operation).map_err(fault))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// The rows of a table within.
fn entries<'t>(
    table: &'t toml::Table,
    key: &str,
) -> impl Iterator<Item = (&'t String, &'t toml::Value)> {
    table.get(key).and_then(toml::Value::as_table).into_iter().flatten()
}

/// A list of texts.
fn texts(table: &toml::Table, key: &str) -> Vec<String> {
    let list = table.get(key).and_then(toml::Value::as_array);
    list.into_iter().flatten().filter_map(toml::Value::as_str).map(str::to_owned).collect()
}

impl Listed {
    fn read(operation: &toml::Value) -> Result<Self, String> {
        let string = |key: &str| operation.get(key)?.as_str().map(str::to_owned);
        let name = string("name").ok_or("an operation without a name")?;
        Ok(Self {
            lane: string("lane").ok_or_else(|| format!("{name} has no lane"))?,
            action: string("action"),
            resource: string("resource").unwrap_or_else(|| "*".to_owned()),
            signed: operation.get("signed").and_then(toml::Value::as_bool).unwrap_or(true),
            xml_root: string("xml_root"),
            tagging: operation.get("tagging").map(ListedTagging::read).transpose()?,
            name,
        })
    }
}

impl ListedTagging {
    fn read(tagging: &toml::Value) -> Result<Self, String> {
        let string = |key: &str| tagging.get(key)?.as_str().map(str::to_owned);
        Ok(Self {
            member: string("member").ok_or("a tagging without a member")?,
            action: string("action").ok_or("a tagging without an action")?,
            resource: string("resource"),
        })
    }
}
