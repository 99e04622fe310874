//! What an extension may ask for. AWS docs: *Lambda Telemetry API reference > Subscribe*, *Lambda
//! Logs API > Subscribe*.

use std::time::Duration;

use serde_json::Value;

/// Which of the two APIs an extension speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    /// `PUT /2022-07-01/telemetry`
    Telemetry,
    /// `PUT /2020-08-15/logs`
    Logs,
}

impl Api {
    fn name(self) -> &'static str {
        match self {
            Self::Telemetry => "Telemetry",
            Self::Logs => "Logs",
        }
    }
}

/// `schemaVersion`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schema {
    /// `2020-08-15`
    Logs2020,
    /// `2021-03-18`: with `platform.runtimeDone`.
    Logs2021,
    /// `2022-07-01`
    Telemetry2022July,
    /// `2022-12-13`, and `2025-01-29`, which says the same of functions like ours.
    Telemetry2022December,
}

/// `types`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Platform,
    Function,
    Extension,
}

impl Kind {
    const ALL: [(&'static str, Self); 3] = [
        ("platform", Self::Platform),
        ("function", Self::Function),
        ("extension", Self::Extension),
    ];

    /// As in requests and events.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Function => "function",
            Self::Extension => "extension",
        }
    }
}

/// `buffering`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Buffering {
    pub(crate) items_max: usize,
    pub(crate) bytes_max: usize,
    pub(crate) timeout: Duration,
}

/// `destination`: a listener inside the sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    Http { method: &'static str, host: String, port: u16, path: String },
    Tcp { port: u16 },
}

/// A request that was found good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) api: Api,
    pub(crate) schema: Schema,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) buffering: Buffering,
    pub(crate) destination: Destination,
}

/// Why a request is refused: the answer's status and document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: &'static str,
    pub(crate) error_type: String,
    pub(crate) message: String,
}

impl Refused {
    fn invalid(api: Api, message: String) -> Self {
        let error_type = match api {
            Api::Telemetry => "ValidationError".to_owned(),
            Api::Logs => "Logs.ValidationError".to_owned(),
        };
        Self { status: "400 Bad Request", error_type, message }
    }

    pub(super) fn closed(api: Api) -> Self {
        let name = api.name();
        Self {
            status: "403 Forbidden",
            error_type: format!("{name}.SubscriptionClosed"),
            message: format!("{name} API subscription is closed already"),
        }
    }

    pub(super) fn other_api(api: Api) -> Self {
        let (name, other) = match api {
            Api::Telemetry => ("Telemetry", "Logs"),
            Api::Logs => ("Logs", "Telemetry"),
        };
        let message =
            format!("{name} API subscription is not allowed after a {other} API subscription");
        Self::invalid(api, message)
    }
}

impl Subscription {
    /// Reads a request.
    ///
    /// # Errors
    /// With all that is wrong with it, in one text.
    pub(crate) fn parse(api: Api, body: &[u8]) -> Result<Self, Refused> {
        let request: Value = serde_json::from_slice(body)
            .map_err(|error| Refused::invalid(api, format!("Invalid JSON: {error}")))?;
        let mut wrong = Vec::new();
        let schema = schema(api, &request["schemaVersion"], &mut wrong);
        let destination = destination(api, &request["destination"], &mut wrong);
        let kinds = kinds(&request["types"], &mut wrong);
        let buffering = buffering(api, &request["buffering"], &mut wrong);
        match (schema, destination) {
            (Some(schema), Some(destination)) if wrong.is_empty() => {
                Ok(Self { api, schema, kinds, buffering, destination })
            }
            _ => Err(Refused::invalid(api, wrong.join("; "))),
        }
    }
}

fn schema(api: Api, given: &Value, wrong: &mut Vec<String>) -> Option<Schema> {
    let found = match (api, given.as_str()) {
        (Api::Logs, None) if given.is_null() => Some(Schema::Logs2020),
        (Api::Logs, Some("2020-08-15")) => Some(Schema::Logs2020),
        (Api::Logs, Some("2021-03-18")) => Some(Schema::Logs2021),
        (Api::Telemetry, Some("2022-07-01")) => Some(Schema::Telemetry2022July),
        (Api::Telemetry, Some("2022-12-13" | "2025-01-29")) => Some(Schema::Telemetry2022December),
        _ => None,
    };
    if found.is_none() {
        wrong.push(match given {
            Value::Null => "schemaVersion is not provided".to_owned(),
            given => format!("schemaVersion {given} is not supported"),
        });
    }
    found
}

fn kinds(given: &Value, wrong: &mut Vec<String>) -> Vec<Kind> {
    let mut kinds = Vec::new();
    for each in given.as_array().into_iter().flatten() {
        let known = Kind::ALL.iter().find(|(name, _)| each == name).map(|(_, kind)| *kind);
        match known {
            Some(kind) if kinds.contains(&kind) => {}
            Some(kind) => kinds.push(kind),
            None => wrong.push(format!("type {each} is not supported")),
        }
    }
    if given.as_array().is_none_or(Vec::is_empty) {
        wrong.push("types should not be empty".to_owned());
    }
    kinds
}

/// The bounds of *Configuring memory usage and buffering*.
fn buffering(api: Api, given: &Value, wrong: &mut Vec<String>) -> Buffering {
    let mut bounded = |name: &str, default: u64, low: u64, high: u64| match &given[name] {
        Value::Null => default,
        given => match given.as_u64().filter(|number| (low..=high).contains(number)) {
            Some(number) => number,
            None => {
                wrong.push(format!("buffering.{name} should be between {low} and {high}"));
                default
            }
        },
    };
    let items_default = if api == Api::Telemetry { 1_000 } else { 10_000 };
    Buffering {
        items_max: bounded("maxItems", items_default, 1_000, 10_000) as usize,
        bytes_max: bounded("maxBytes", 262_144, 262_144, 1_048_576) as usize,
        timeout: Duration::from_millis(bounded("timeoutMs", 1_000, 25, 30_000)),
    }
}

fn destination(api: Api, given: &Value, wrong: &mut Vec<String>) -> Option<Destination> {
    if given.is_null() {
        wrong.push("destination is not provided".to_owned());
        return None;
    }
    let uri = given["URI"].as_str().or_else(|| given["uri"].as_str());
    match given["protocol"].as_str() {
        Some("HTTP") => {
            let method = match (api, given["method"].as_str()) {
                (Api::Logs, Some("PUT")) => "PUT",
                _ => "POST",
            };
            let rest = uri.unwrap_or_default().strip_prefix("http://");
            if rest.is_none() {
                wrong.push("URI scheme should be http".to_owned());
            }
            let (authority, path) = split_path(rest?);
            let (host, port) = place(authority, wrong)?;
            Some(Destination::Http { method, host, port, path })
        }
        Some("TCP") => match given["port"].as_u64() {
            Some(port) => Some(Destination::Tcp { port: checked(port, wrong)? }),
            None => {
                let uri = uri.unwrap_or_default();
                let authority = uri.split_once("://").map_or(uri, |(_, rest)| rest);
                let (_, port) = place(split_path(authority).0, wrong)?;
                Some(Destination::Tcp { port })
            }
        },
        _ => {
            wrong.push("destination protocol should be HTTP or TCP".to_owned());
            None
        }
    }
}

fn split_path(rest: &str) -> (&str, String) {
    match rest.find('/') {
        Some(at) => (&rest[..at], rest[at..].to_owned()),
        None => (rest, "/".to_owned()),
    }
}

/// Host and port. Lambda sends to destinations inside the environment only.
fn place(authority: &str, wrong: &mut Vec<String>) -> Option<(String, u16)> {
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    if !["sandbox.localdomain", "sandbox", "localhost", "127.0.0.1"].contains(&host) {
        wrong.push("URI host should be sandbox.localdomain".to_owned());
    }
    if port.is_empty() {
        wrong.push("URI port is not provided".to_owned());
        return None;
    }
    let Ok(number) = port.parse() else {
        wrong.push(format!("URI port {port} is no port"));
        return None;
    };
    Some((host.to_owned(), checked(number, wrong)?))
}

fn checked(port: u64, wrong: &mut Vec<String>) -> Option<u16> {
    match u16::try_from(port) {
        Ok(port @ 1..) if u64::from(port) != u64::from(crate::runtimes::RUNTIME_API_PORT) => {
            Some(port)
        }
        _ => {
            wrong.push(format!("port {port} is reserved or no port"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request() -> Value {
        json!({
            "schemaVersion": "2022-07-01",
            "types": ["platform", "function", "platform"],
            "buffering": { "maxItems": 1000, "maxBytes": 262_144, "timeoutMs": 25 },
            "destination": { "protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/a/b" },
        })
    }

    fn parse(api: Api, request: &Value) -> Result<Subscription, Refused> {
        Subscription::parse(api, request.to_string().as_bytes())
    }

    #[test]
    fn a_good_request_is_understood() {
        let found = parse(Api::Telemetry, &request()).unwrap();
        let (method, host) = ("POST", "sandbox.localdomain".to_owned());
        let path = "/a/b".to_owned();
        assert_eq!(found.destination, Destination::Http { method, host, port: 8080, path });
        assert_eq!(found.kinds, [Kind::Platform, Kind::Function]);
        assert_eq!(found.buffering.timeout, Duration::from_millis(25));
        let tcp =
            json!({ "types": ["extension"], "destination": { "protocol": "TCP", "port": 7 } });
        let found = parse(Api::Logs, &tcp).unwrap();
        assert_eq!(
            (found.schema, found.destination),
            (Schema::Logs2020, Destination::Tcp { port: 7 })
        );
        assert_eq!(found.buffering.items_max, 10_000);
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let mut bad = request();
        bad["types"] = json!([]);
        bad["destination"]["URI"] = json!("http://sandbox.localdomain");
        let refused = parse(Api::Telemetry, &bad).unwrap_err();
        assert_eq!(refused.message, "URI port is not provided; types should not be empty");
        assert_eq!(
            (refused.status, refused.error_type.as_str()),
            ("400 Bad Request", "ValidationError")
        );
        assert_eq!(parse(Api::Logs, &json!({})).unwrap_err().error_type, "Logs.ValidationError");
    }

    #[test]
    fn bounds_are_kept() {
        for (name, number) in [("maxItems", 999), ("maxBytes", 1_048_577), ("timeoutMs", 24)] {
            let mut bad = request();
            bad["buffering"][name] = json!(number);
            let refused = parse(Api::Telemetry, &bad).unwrap_err();
            assert!(refused.message.contains(name), "{refused:?}");
        }
        for uri in [
            "http://example.com:80",
            "https://sandbox:80",
            "http://sandbox:9001",
            "http://sandbox:x",
        ] {
            let mut bad = request();
            bad["destination"]["URI"] = json!(uri);
            assert!(parse(Api::Telemetry, &bad).is_err(), "{uri}");
        }
        for version in [json!("2020-08-15"), json!(null), json!(1)] {
            let mut bad = request();
            bad["schemaVersion"] = version;
            assert!(parse(Api::Telemetry, &bad).is_err());
        }
    }
}
