//! AWS's services, those too that haar has no room for: what they are called, and in which protocol
//! their callers want to hear that they are not here.

mod table;

use http::request::Parts;

use crate::AwsError;
use crate::detect::{Catalogue, Refusal, header, signing_name};
use crate::operation::Protocol;
use crate::params::{self, Params};

/// What S3's requests about directory buckets are signed for.
const DIRECTORY_BUCKETS: &str = "s3express";

/// What a function signs for that answers in S3's stead.
const OBJECT_LAMBDA: &str = "s3-object-lambda";

/// One line of the table.
#[derive(Clone, Copy)]
struct Stranger {
    signing_name: &'static str,
    protocol: &'static str,
    id: &'static str,
    /// Prefix of its targets or version of its API.
    key: &'static str,
}

/// What a request asks for, as far as it can be seen without the service's model.
struct Asked<'a> {
    /// `TrentService` of a target, the version of a query.
    key: &'a str,
    operation: Option<String>,
    /// The letters of protocols that fit.
    letters: &'static str,
    /// The service that the aws CLI was told.
    command: &'a str,
}

/// The refusal of a request that is signed for a service of AWS's which is not here, or by another
/// name than its own; `None` where nobody knows that name.
pub(crate) fn refusal(
    catalogue: &Catalogue,
    parts: &Parts,
    params: &Params,
    found: Protocol,
) -> Option<Refusal> {
    let signed = signing_name(parts, params)?;
    let asked = asked(parts, params);
    let name = match &*signed {
        DIRECTORY_BUCKETS | OBJECT_LAMBDA => "s3",
        name => name,
    };
    let named = || strangers().filter(|stranger| stranger.signing_name == name);
    let fits = |stranger: &Stranger| asked.letters.contains(stranger.protocol);
    let keyed = || named().filter(|stranger| stranger.key == asked.key);
    let stranger = keyed()
        .find(|stranger| stranger.id == asked.command)
        .or_else(|| keyed().find(|stranger| stranger.id == signed)) // some share name and version
        .or_else(|| keyed().next())
        .or_else(|| named().find(|stranger| stranger.id == asked.command && fits(stranger)))
        .or_else(|| named().find(fits))
        .or_else(|| named().next())?;
    let protocol = match stranger.protocol {
        "q" if asked.letters.contains('q') => Protocol::Query,
        "e" if asked.letters.contains('e') => Protocol::Ec2,
        "x" if asked.letters.contains('x') => Protocol::RestXml,
        _ => found,
    };
    let what = match asked.operation {
        Some(operation) => format!("{}.{operation}", stranger.id),
        None => format!("{}: {} {}", stranger.id, parts.method, parts.uri.path()),
    };
    let error = AwsError::new("NotImplemented", 501, format!("{what} is not implemented by haar"));
    let service = catalogue.services().find(|service| service.id == stranger.id);
    Some(Refusal { service, protocol, error })
}

/// Whether AWS has a service of that id (botocore's folder), in small letters and without dashes.
pub fn is_service(id: &str) -> bool {
    strangers().any(|one| one.id.bytes().filter(|byte| *byte != b'-').eq(id.bytes()))
}

fn strangers() -> impl Iterator<Item = Stranger> {
    table::TABLE.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let mut next = || words.next();
        Some(Stranger { signing_name: next()?, protocol: next()?, id: next()?, key: next()? })
    })
}

fn asked<'a>(parts: &'a Parts, params: &'a Params) -> Asked<'a> {
    let (command, told) = command(parts);
    let target = header(parts, "x-amz-target");
    if !target.is_empty() {
        let (key, name) = target.rsplit_once('.').unwrap_or(("", target));
        return Asked { key, operation: Some(name.to_owned()), letters: "jc", command };
    }
    let path = parts.uri.path();
    let cbor = path.split_once("/service/").and_then(|(_, rest)| rest.split_once("/operation/"));
    if let Some((key, name)) = cbor {
        return Asked { key, operation: Some(name.to_owned()), letters: "cj", command };
    }
    if let Some(action) = params::first(params, "Action") {
        let key = params::first(params, "Version").unwrap_or_default();
        return Asked { key, operation: Some(action.to_owned()), letters: "qe", command };
    }
    let own = || params::first(params, "x-id").map(str::to_owned);
    Asked { key: "", operation: told.or_else(own), letters: "rx", command }
}

/// What the aws CLI says of itself: `md/command#apigateway.get-rest-apis` is `GetRestApis` of
/// `apigateway`.
fn command(parts: &Parts) -> (&str, Option<String>) {
    let agent = header(parts, "user-agent");
    let mut words = agent.split_once("md/command#").map(|(_, rest)| rest).unwrap_or_default();
    words = words.split(' ').next().unwrap_or_default();
    let Some((service, operation)) = words.split_once('.') else { return ("", None) };
    let operation = operation.split('-').map(|word| {
        let (first, rest) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
        first.to_uppercase() + rest
    });
    (service, Some(operation.collect()))
}
