//! One of botocore's models, and which of its shapes the listed operations reach.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::read::GzDecoder;
use serde_json::{Map, Value, json};

use super::listing::Listing;
use super::names;

/// A model, cut down to what is listed.
pub(super) struct Model {
    pub(super) metadata: Value,
    pub(super) operations: Map<String, Value>,
    pub(super) shapes: Map<String, Value>,
    pub(super) paginators: Value,
    /// Shapes that listed operations reach, by name.
    pub(super) reached: BTreeSet<String>,
    /// Shapes that contain themselves.
    pub(super) recursive: BTreeSet<String>,
    /// Structures whose XML has the items of several lists in one row.
    pub(super) mixed: Vec<String>,
    types: BTreeMap<String, String>,
    statics: BTreeMap<String, String>,
}

impl Model {
    pub(super) fn load(listing: &Listing) -> Result<Self, String> {
        let folder = botocore()?.join("data").join(&listing.service).join(&listing.version);
        let mut model = read_json(&folder.join("service-2.json.gz"))?;
        let paginators = read_json(&folder.join("paginators-1.json")).unwrap_or_default();
        let mut take = |key: &str| match model.get_mut(key).map(Value::take) {
            Some(Value::Object(object)) => Ok(object),
            _ => Err(format!("the model of {} has no {key}", listing.service)),
        };
        let mut model = Self {
            metadata: Value::Object(take("metadata")?),
            operations: take("operations")?,
            shapes: take("shapes")?,
            paginators,
            reached: BTreeSet::new(),
            recursive: BTreeSet::new(),
            mixed: listing.mixed_lists.clone(),
            types: BTreeMap::new(),
            statics: BTreeMap::new(),
        };
        for path in &listing.open_members {
            model.open(path)?;
        }
        model.name_for_query(listing)?;
        for listed in &listing.operations {
            model.complete(&listed.name)?;
        }
        for listed in &listing.operations {
            model.reach_operation(&listed.name);
        }
        model.find_recursion();
        model.name_all();
        Ok(model)
    }

    /// Makes a member with an enum one that takes any text.
    fn open(&mut self, path: &str) -> Result<(), String> {
        const TEXT: &str = "OpenText";
        let (shape, member) = path.split_once('.').unwrap_or((path, ""));
        let shape = self.shapes.get_mut(shape);
        let member = shape.and_then(|shape| match shape.get("members") {
            Some(_) => shape.get_mut("members")?.get_mut(member),
            None => shape.get_mut(member), // a list's item, a map's key or value
        });
        let member = member.ok_or_else(|| format!("the model has no member {path}"))?;
        member["shape"] = json!(TEXT);
        self.shapes.insert(TEXT.to_owned(), json!({ "type": "string" }));
        Ok(())
    }

    /// Names what the query protocol has names for that the model no longer tells.
    fn name_for_query(&mut self, listing: &Listing) -> Result<(), String> {
        for (shape, name) in &listing.query_items {
            let shape = self.shapes.get_mut(shape).ok_or_else(|| format!("no shape {shape}"))?;
            shape["member"]["locationName"] = json!(name);
        }
        for (shape, names) in &listing.query_entries {
            let [entry, key, value] = names.as_slice() else {
                return Err(format!("{shape} needs names of entry, key and value"));
            };
            let shape = self.shapes.get_mut(shape).ok_or_else(|| format!("no shape {shape}"))?;
            shape["entryName"] = json!(entry);
            shape["key"]["locationName"] = json!(key);
            shape["value"]["locationName"] = json!(value);
        }
        if listing.also_query {
            for (name, operation) in &mut self.operations {
                if let Some(output) = operation.get_mut("output") {
                    output["resultWrapper"] = json!(format!("{name}Result"));
                }
            }
        }
        Ok(())
    }

    /// Gives an operation without input or output an empty one.
    fn complete(&mut self, name: &str) -> Result<(), String> {
        let operation = self.operations.get_mut(name);
        let operation = operation.ok_or_else(|| format!("the model has no operation {name}"))?;
        for (key, suffix) in [("input", "Input"), ("output", "Output")] {
            if operation.get(key).is_none() {
                let shape = format!("{name}{suffix}");
                operation[key] = json!({ "shape": shape });
                self.shapes.insert(shape, json!({ "type": "structure", "members": {} }));
            }
        }
        Ok(())
    }

    fn reach_operation(&mut self, name: &str) {
        let operation = self.operations[name].clone();
        let errors = operation.get("errors").and_then(Value::as_array);
        let refs = [&operation["input"], &operation["output"]];
        for shape in refs.into_iter().chain(errors.into_iter().flatten()) {
            self.reach(shape["shape"].as_str().unwrap_or_default());
        }
    }

    fn reach(&mut self, name: &str) {
        if self.reached.insert(name.to_owned()) {
            for child in self.children(name) {
                self.reach(&child);
            }
        }
    }

    /// Shapes that a shape is made of.
    fn children(&self, name: &str) -> Vec<String> {
        let shape = &self.shapes[name];
        let members = shape.get("members").and_then(Value::as_object);
        let inner = ["member", "key", "value"].into_iter().filter_map(|key| shape.get(key));
        let all = members.into_iter().flat_map(Map::values).chain(inner);
        all.filter_map(|child| child["shape"].as_str()).map(str::to_owned).collect()
    }

    fn find_recursion(&mut self) {
        for name in self.reached.clone() {
            let mut seen = BTreeSet::new();
            let mut queue = self.children(&name);
            while let Some(next) = queue.pop() {
                if seen.insert(next.clone()) {
                    queue.extend(self.children(&next));
                }
            }
            if seen.contains(&name) && self.kind(&name) == "structure" {
                self.recursive.insert(name);
            }
        }
    }

    fn name_all(&mut self) {
        let mut types: BTreeSet<String> = self.operations.keys().cloned().collect();
        let mut statics = BTreeSet::new();
        for name in &self.reached {
            let kind = self.kind(name);
            if kind == "structure" || self.enum_values(name).is_some() {
                let ident = unique(names::type_name(name), &mut types, "Shape");
                self.types.insert(name.clone(), ident);
            }
            let ident = unique(names::constant(name), &mut statics, "_SHAPE");
            self.statics.insert(name.clone(), ident);
        }
    }

    pub(super) fn kind(&self, name: &str) -> &str {
        self.shapes[name]["type"].as_str().unwrap_or_default()
    }

    pub(super) fn shape(&self, name: &str) -> &Value {
        &self.shapes[name]
    }

    /// A shape's flag, such as `sensitive`.
    pub(super) fn is(&self, name: &str, flag: &str) -> bool {
        self.shapes[name].get(flag).is_some_and(|value| value != &Value::Bool(false))
    }

    pub(super) fn enum_values(&self, name: &str) -> Option<Vec<String>> {
        let values = self.shapes[name].get("enum")?.as_array()?;
        Some(values.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// Members of a structure with their references, in the model's order.
    pub(super) fn members(&self, name: &str) -> Vec<(&String, &Value)> {
        let shape = self.shapes.get(name);
        let members = shape.and_then(|shape| shape.get("members")?.as_object());
        members.into_iter().flatten().collect()
    }

    pub(super) fn is_required(&self, name: &str, member: &str) -> bool {
        let required = self.shapes[name].get("required").and_then(Value::as_array);
        required.is_some_and(|names| names.iter().any(|name| name == member))
    }

    /// Rust's name of the table that a reference leads to: another one where the member streams
    /// or is flattened though its shape is not.
    pub(super) fn table_of(&self, reference: &Value) -> String {
        let name = reference["shape"].as_str().unwrap_or_default();
        let variant = match self.variant(reference) {
            Some("streaming") => "_STREAM",
            Some(_) => "_FLAT",
            None => "",
        };
        format!("{}{variant}", self.static_name(name))
    }

    /// What a member says of its shape that the shape itself does not.
    pub(super) fn variant(&self, reference: &Value) -> Option<&'static str> {
        let name = reference["shape"].as_str().unwrap_or_default();
        let says =
            |flag: &&str| reference.get(*flag) == Some(&Value::Bool(true)) && !self.is(name, flag);
        match self.kind(name) {
            "blob" => Some("streaming").filter(says),
            "list" | "map" => Some("flattened").filter(says),
            _ => None,
        }
    }

    /// Rust's name of a structure or an enum.
    pub(super) fn type_name(&self, name: &str) -> &str {
        &self.types[name]
    }

    /// Rust's name of a shape's table.
    pub(super) fn static_name(&self, name: &str) -> &str {
        &self.statics[name]
    }

    /// Whether a structure holds a body or events.
    pub(super) fn streams(&self, name: &str) -> bool {
        self.members(name).iter().any(|(_, member)| {
            let child = member["shape"].as_str().unwrap_or_default();
            self.is_stream(child, member) || self.is(child, "eventstream")
        })
    }

    pub(super) fn is_stream(&self, name: &str, member: &Value) -> bool {
        self.kind(name) == "blob"
            && (self.is(name, "streaming") || member.get("streaming") == Some(&Value::Bool(true)))
    }
}

fn unique(mut name: String, taken: &mut BTreeSet<String>, suffix: &str) -> String {
    while !taken.insert(name.clone()) {
        name.push_str(suffix);
    }
    name
}

pub(super) fn read_json(path: &Path) -> Result<Value, String> {
    let failed = |error: String| format!("{}: {error}", path.display());
    let bytes = fs::read(path).map_err(|error| failed(error.to_string()))?;
    let mut text = String::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        GzDecoder::new(&bytes[..]).read_to_string(&mut text).map_err(|e| failed(e.to_string()))?;
    } else {
        text = String::from_utf8(bytes).map_err(|error| failed(error.to_string()))?;
    }
    serde_json::from_str(&text).map_err(|error| failed(error.to_string()))
}

/// Where the installed botocore is; `BOTOCORE` names another.
pub(super) fn botocore() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("BOTOCORE") {
        return Ok(path.into());
    }
    let code = "import botocore; print(botocore.__path__[0])";
    let output = Command::new("python3").args(["-c", code]).output();
    let output = output.map_err(|error| format!("could not run python3: {error}"))?;
    if !output.status.success() {
        return Err("python3 has no botocore: `pip install botocore`, or set BOTOCORE".to_owned());
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}
