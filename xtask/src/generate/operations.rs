//! Operations, the service's own table, and the list of lanes.

use std::fmt::Write;

use serde_json::Value;

use super::listing::{Listed, Listing};
use super::model::Model;
use super::names;

/// `operations.rs`: one type per listed operation.
pub(super) fn file(listing: &Listing, model: &Model) -> String {
    let mut out = String::from(
        "//! Listed operations.\n\n\
         use haar_wire::{Http, Lane, Operation, OperationSchema, Paginator, XmlRoot};\n\n\
         use super::{service::SERVICE, shapes, tables};\n\n",
    );
    for listed in &listing.operations {
        operation(listing, listed, model, &mut out);
    }
    out
}

fn operation(listing: &Listing, listed: &Listed, model: &Model, out: &mut String) {
    let name = &listed.name;
    let value = &model.operations[name];
    let shape = |key: &str| value[key]["shape"].as_str().unwrap_or_default();
    let (input, output) = (shape("input"), shape("output"));
    let (input_type, output_type) = (model.type_name(input), model.type_name(output));
    let table = names::constant(name);
    let _ = writeln!(
        out,
        "pub struct {name};\n\
         impl Operation for {name} {{\n\
             type Input = shapes::{input_type};\n\
             type Output = shapes::{output_type};\n\
             const SCHEMA: &'static OperationSchema = &{table};\n\
         }}"
    );
    for (alias, target) in [("Input", input_type), ("Output", output_type)] {
        let alias = format!("{name}{alias}");
        let taken = model.reached.iter().any(|shape| names::type_name(shape) == alias);
        if alias != target && !taken {
            let _ = writeln!(out, "pub type {alias} = shapes::{target};");
        }
    }
    let _ = writeln!(
        out,
        "pub static {table}: OperationSchema = OperationSchema {{\n{}}};\n",
        fields(listing, listed, model, value, input, output)
    );
}

fn fields(
    listing: &Listing,
    listed: &Listed,
    model: &Model,
    value: &Value,
    input: &str,
    output: &str,
) -> String {
    let name = &listed.name;
    let http = &value["http"];
    let method = http["method"].as_str().unwrap_or("POST");
    let uri = http["requestUri"].as_str().unwrap_or("/");
    let status = http.get("responseCode").and_then(Value::as_u64).unwrap_or(200);
    let errors = value.get("errors").and_then(Value::as_array);
    let errors: String = errors
        .into_iter()
        .flatten()
        .filter_map(|error| error["shape"].as_str())
        .map(|error| format!("&tables::{},", model.static_name(error)))
        .collect();
    let action = listed.action.clone();
    let action = action.unwrap_or_else(|| format!("{}:{name}", signing_name(listing, model)));
    let lane = match listed.lane.as_str() {
        "query" => "Query",
        "command" => "Command",
        _ => "Flow",
    };
    let wrapper = value["output"].get("resultWrapper").and_then(Value::as_str);
    let prefix = value.get("endpoint").and_then(|endpoint| endpoint["hostPrefix"].as_str());
    let auth = value.get("authtype").and_then(Value::as_str).unwrap_or_default();
    format!(
        "name: {name:?}, service: &SERVICE,\n\
         http: Http {{ method: {method:?}, uri: {uri:?}, status: {status} }},\n\
         input: &tables::{}, output: &tables::{}, errors: &[{errors}],\n\
         new_input: || Box::new(shapes::{}::default()),\n\
         new_output: || Box::new(shapes::{}::default()),\n\
         lane: Lane::{lane}, action: {action:?}, resource: {:?},\n\
         paginator: {}, result_wrapper: {wrapper:?}, host_prefix: {prefix:?},\n\
         signed: {}, unsigned_payload: {}, xml_root: {},\n",
        model.static_name(input),
        model.static_name(output),
        model.type_name(input),
        model.type_name(output),
        listed.resource,
        paginator(model, name),
        auth != "none" && listed.signed && !listing.anonymous,
        auth == "v4-unsigned-body",
        xml_root(listed),
    )
}

fn xml_root(listed: &Listed) -> String {
    match listed.xml_root.as_deref() {
        None => "XmlRoot::Shape".to_owned(),
        Some("") => "XmlRoot::Bare".to_owned(),
        Some(name) => format!("XmlRoot::Named({name:?})"),
    }
}

fn paginator(model: &Model, name: &str) -> String {
    let Some(paginator) = model.paginators["pagination"].get(name) else {
        return "None".to_owned();
    };
    let texts = |key: &str| match paginator.get(key) {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(texts)) => {
            texts.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    };
    let text = |key: &str| paginator.get(key).and_then(Value::as_str);
    format!(
        "Some(Paginator {{ input_token: &{:?}, output_token: &{:?}, limit_key: {:?}, \
         more_results: {:?}, result_key: &{:?} }})",
        texts("input_token"),
        texts("output_token"),
        text("limit_key"),
        text("more_results"),
        texts("result_key"),
    )
}

fn signing_name<'a>(listing: &'a Listing, model: &'a Model) -> &'a str {
    let metadata = |key: &str| model.metadata.get(key).and_then(Value::as_str);
    metadata("signingName").or_else(|| metadata("endpointPrefix")).unwrap_or(&listing.service)
}

/// `service.rs`: the service's own table.
pub(super) fn service_file(listing: &Listing, model: &Model) -> Result<String, String> {
    let text = |key: &str| model.metadata.get(key).and_then(Value::as_str);
    let mut protocols = protocols(model);
    if listing.also_query {
        protocols.push("Protocol::Query".to_owned());
    }
    let plain = protocols.first().is_some_and(|first| first.contains("Json"));
    let validation = if plain { "ValidationException" } else { "ValidationError" };
    let validation = listing.validation_code.as_deref().unwrap_or(validation);
    let malformed = listing.malformed_code.as_deref().unwrap_or("SerializationException");
    let missing = match &listing.missing {
        Some((name, code)) => {
            let words = &listing.missing_words;
            format!(
                "Some(haar_wire::MissingStyle {{ name: {name:?}, code: {code:?}, words: {words:?} }})"
            )
        }
        None => "None".to_owned(),
    };
    let wording = match (listing.first_violation, listing.document_schema) {
        (true, _) => "First",
        (false, true) => "Document",
        (false, false) => "All",
    };
    let message = if text("protocol") == Some("rest-json") { "Message" } else { "message" };
    let mut out = String::from(
        "//! The service itself.\n\n\
         use haar_wire::{ErrorStyle, Protocol, ServiceSchema, Unlisted};\n\n\
         use super::operations;\n\n",
    );
    let _ = writeln!(
        out,
        "pub static SERVICE: ServiceSchema = ServiceSchema {{\n\
         id: {:?}, service_id: {:?}, endpoint_prefix: {:?}, signing_name: {:?},\n\
         api_version: {:?}, target_prefix: {:?}, xml_namespace: {:?},\n\
         protocols: &[{}], query_compatible: {},\n\
         operations: &[{}],\n\
         unlisted: &[{}],\n\
         taggings: &[{}],\n\
         error_style: ErrorStyle {{ validation_code: {validation:?}, \
         malformed_code: {malformed:?}, message_key: {message:?}, missing: {missing}, \
         denied: {:?}, \
         wording: haar_wire::Wording::{wording}, wrapped: {} }},\n\
         host_label: {}, path_member: {:?},\n}};",
        listing.service,
        text("serviceId").unwrap_or_default(),
        text("endpointPrefix").unwrap_or_default(),
        signing_name(listing, model),
        text("apiVersion").unwrap_or_default(),
        text("targetPrefix"),
        listing.xml_namespace.as_deref().or_else(|| xml_namespace(model)),
        protocols.join(", "),
        model.metadata.get("awsQueryCompatible").is_some(),
        listed(listing),
        unlisted(listing, model),
        taggings(listing, model)?,
        listing.denied,
        listing.wrapped_errors,
        listing.host_label,
        listing.path_member,
    );
    Ok(out)
}

fn xml_namespace(model: &Model) -> Option<&str> {
    match model.metadata.get("xmlNamespace")? {
        Value::String(uri) => Some(uri),
        other => other.get("uri")?.as_str(),
    }
}

fn protocols(model: &Model) -> Vec<String> {
    let metadata = &model.metadata;
    let single = vec![metadata["protocol"].clone()];
    let all = metadata.get("protocols").and_then(Value::as_array).unwrap_or(&single);
    let version = metadata.get("jsonVersion").and_then(Value::as_str);
    all.iter()
        .filter_map(Value::as_str)
        .map(|protocol| match protocol {
            "json" if version == Some("1.1") => "Json11",
            "json" => "Json10",
            "rest-json" => "RestJson",
            "rest-xml" => "RestXml",
            "ec2" => "Ec2",
            "smithy-rpc-v2-cbor" => "RpcV2Cbor",
            _ => "Query",
        })
        .map(|name| format!("Protocol::{name}"))
        .collect()
}

/// The path with what tells the operation from others of the same path: its required query
/// parameters and headers.
fn unlisted_uri(model: &Model, operation: &Value) -> String {
    let mut uri = operation["http"]["requestUri"].as_str().unwrap_or("/").to_owned();
    let input = operation["input"]["shape"].as_str().unwrap_or_default();
    let mut headers = String::new();
    for (member, value) in model.members(input) {
        let wire = value.get("locationName").and_then(Value::as_str).unwrap_or(member);
        let location = value.get("location").and_then(Value::as_str);
        match location.filter(|_| model.is_required(input, member)) {
            Some("querystring") => {
                uri.push(if uri.contains('?') { '&' } else { '?' });
                uri.push_str(wire);
            }
            Some("header") => headers.push_str(&format!("@{wire}")),
            _ => {}
        }
    }
    uri + &headers
}

fn listed(listing: &Listing) -> String {
    let constants = listing.operations.iter().map(|listed| names::constant(&listed.name));
    constants.map(|name| format!("&operations::{name},")).collect()
}

fn unlisted(listing: &Listing, model: &Model) -> String {
    model
        .operations
        .iter()
        .filter(|(name, _)| !listing.operations.iter().any(|listed| listed.name == **name))
        .map(|(name, value)| {
            let method = value["http"]["method"].as_str().unwrap_or("POST");
            let uri = unlisted_uri(model, value);
            format!("Unlisted {{ name: {name:?}, method: {method:?}, uri: {uri:?} }},\n")
        })
        .collect()
}

/// Operations whose tags ask for a second action; a member that the model lacks is an error.
fn taggings(listing: &Listing, model: &Model) -> Result<String, String> {
    let mut out = String::new();
    for listed in &listing.operations {
        let Some(tagging) = &listed.tagging else { continue };
        let (name, member) = (&listed.name, &tagging.member);
        let input = model.operations[name]["input"]["shape"].as_str().unwrap_or_default();
        if !model.members(input).iter().any(|(known, _)| *known == member) {
            return Err(format!("{name} has no member {member} for tags"));
        }
        let (action, resource) = (&tagging.action, &tagging.resource);
        let _ = writeln!(
            out,
            "haar_wire::Tagging {{ operation: {name:?}, member: {member:?}, action: {action:?}, \
             resource: {resource:?} }},"
        );
    }
    Ok(out)
}

/// `model.rs`: the parent of all these.
pub(super) fn parent_file(listing: &Listing) -> String {
    format!(
        "//! The API model of {}: shapes, enums, errors, operations, tables.\n//!\n\
         //! Names are AWS's; *{} API Reference* says what they mean.\n\n\
         #![allow(missing_docs, unreachable_pub, unused_imports, clippy::all)] // generated; the model's words are not copied\n\n\
         pub mod enums;\npub mod errors;\npub mod operations;\npub mod service;\n\
         pub mod shapes;\npub mod tables;\n\n\
         pub use enums::*;\npub use errors::*;\npub use operations::*;\n\
         pub use service::SERVICE;\npub use shapes::*;\n",
        listing.service, listing.room
    )
}

/// `lanes.rs`: one line per operation.
pub(super) fn lanes_file(room: &str, listing: &Listing) -> String {
    let mut out = format!(
        "//! Which operation is which kind of handler; does not compile while one is missing.\n\n\
         use haar_{room}_contract::model;\n\n\
         /// Every operation of this room, in its lane.\n\
         pub(crate) fn lanes(lanes: &mut haar_kernel::Lanes<crate::{}>) {{\n",
        listing.room
    );
    for listed in &listing.operations {
        let _ = writeln!(out, "    lanes.{}::<model::{}>();", listed.lane, listed.name);
    }
    out.push_str("}\n");
    out
}
