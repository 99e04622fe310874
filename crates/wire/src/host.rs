//! Labels of a path that stand in the host's name instead: `BUCKET.s3.localhost`.

use std::borrow::Cow;
use std::net::IpAddr;

use http::request::Parts;

use crate::detect::header;
use crate::operation::ServiceSchema;

/// The host that a request is for, without its port.
pub(crate) fn name(parts: &Parts) -> &str {
    let host = parts.uri.host().unwrap_or_else(|| header(parts, "host"));
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// A request's path as a service understands it: with the label that its host's name begins
/// with, where this service knows such.
pub fn path<'a>(service: &ServiceSchema, parts: &'a Parts, signed: Option<&str>) -> Cow<'a, str> {
    let path = parts.uri.path();
    let is_signed = signed.is_some_and(|name| name == service.signing_name);
    let label = || label(service.endpoint_prefix, name(parts), is_signed);
    let label = service.host_label.then(label).flatten();
    match label {
        Some(label) => Cow::Owned(format!("/{label}{path}")),
        None => Cow::Borrowed(path),
    }
}

/// The bucket that a host's name begins with, for requests that are S3's; `is_signed` where the
/// signature names S3.
pub(crate) fn bucket(parts: &Parts, is_signed: bool) -> Option<&str> {
    label("s3", name(parts), is_signed)
}

/// What stands before the service's own name, or, where a caller's signature names the service
/// and the host does not, before a local name.
fn label<'a>(own: &str, host: &'a str, is_signed: bool) -> Option<&'a str> {
    if !host.contains('.') || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return None;
    }
    for mark in [format!(".{own}."), format!(".{own}-")] {
        if let Some(at) = host.rfind(&mark) {
            return Some(&host[..at]).filter(|label| !label.is_empty());
        }
    }
    let names_itself = host.split(['.', '-']).next() == Some(own);
    let local = [".localhost", ".localhost.localstack.cloud"];
    let label = local.iter().find_map(|suffix| host.strip_suffix(suffix))?;
    (is_signed && !names_itself && !label.is_empty()).then_some(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{ErrorStyle, Wording};

    static S3: ServiceSchema = ServiceSchema {
        id: "s3",
        service_id: "S3",
        endpoint_prefix: "s3",
        signing_name: "s3",
        api_version: "2006-03-01",
        target_prefix: None,
        xml_namespace: None,
        protocols: &[],
        query_compatible: false,
        operations: &[],
        unlisted: &[],
        taggings: &[],
        error_style: ErrorStyle {
            validation_code: "InvalidArgument",
            malformed_code: "MalformedXML",
            message_key: "message",
            missing: None,
            denied: None,
            wording: Wording::All,
            wrapped: false,
        },
        host_label: true,
        path_member: None,
    };

    fn seen(host: &str, signed: Option<&str>) -> String {
        let request = http::Request::get("/key?x=y").header("host", host).body(()).unwrap();
        path(&S3, &request.into_parts().0, signed).into_owned()
    }

    #[test]
    fn a_bucket_before_the_services_name_is_the_paths_first_label() {
        assert_eq!(seen("my-bucket.s3.localhost:4566", None), "/my-bucket/key");
        assert_eq!(seen("a.b.c.s3.us-west-2.amazonaws.com", None), "/a.b.c/key");
        assert_eq!(seen("b.s3-eu-west-1.amazonaws.com", None), "/b/key");
        assert_eq!(seen("s3.b.s3.localhost", None), "/s3.b/key");
    }

    #[test]
    fn the_services_own_hosts_have_none() {
        for host in ["s3.localhost:4566", "s3.us-east-1.localhost", "localhost:4566", "[::1]:4566"]
        {
            assert_eq!(seen(host, Some("s3")), "/key", "{host}");
        }
        assert_eq!(seen("127.0.0.1:4566", Some("s3")), "/key");
        assert_eq!(seen("my-bucket.localhost:4566", None), "/key");
        assert_eq!(seen("my-bucket.localhost:4566", Some("lambda")), "/key");
    }

    #[test]
    fn a_signature_for_the_service_tells_that_a_local_name_begins_with_a_label() {
        assert_eq!(seen("my-bucket.localhost:4566", Some("s3")), "/my-bucket/key");
        assert_eq!(seen("b.localhost.localstack.cloud:4566", Some("s3")), "/b/key");
    }
}
