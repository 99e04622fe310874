//! The calls of the tour, each as the aws CLI and as plain HTTP make it.

pub(super) mod containers;
pub(super) mod pipelines;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};

use super::archive::Input;

/// Whose credentials functions get.
const ROLE: &str = "arn:aws:iam::000000000000:role/tour";
/// The trust policy of that role.
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// One call.
pub(super) struct Call {
    /// The service's signing name.
    pub(super) service: &'static str,
    /// Behind `aws`.
    pub(super) command: Vec<String>,
    /// Files that the command names, by name.
    pub(super) files: Vec<(String, Vec<u8>)>,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Call {
    fn new(service: &'static str, command: &[&str]) -> Self {
        Self {
            service,
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            files: Vec::new(),
            method: Method::POST,
            path: "/".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    fn file(mut self, name: &str, content: &[u8]) -> Self {
        self.files.push((name.to_owned(), content.to_vec()));
        self
    }

    /// The form of the query protocol.
    fn form(mut self, fields: &[(&str, &str)]) -> Self {
        let encoded = fields.iter().map(|(name, value)| {
            let value =
                percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
            format!("{name}={value}")
        });
        self.body = encoded.collect::<Vec<_>>().join("&").into_bytes();
        self.headers.push(("content-type", "application/x-www-form-urlencoded".to_owned()));
        self
    }

    /// A document of the JSON protocols.
    fn target(mut self, target: &str, version: &str, document: &Value) -> Self {
        self.headers.push(("x-amz-target", target.to_owned()));
        self.headers.push(("content-type", format!("application/x-amz-json-{version}")));
        self.body = document.to_string().into_bytes();
        self
    }

    fn rest(mut self, method: Method, path: String, body: Vec<u8>) -> Self {
        (self.method, self.path, self.body) = (method, path, body);
        self
    }
}

pub(super) fn caller_identity() -> Call {
    Call::new("sts", &["sts", "get-caller-identity"])
        .form(&[("Action", "GetCallerIdentity"), ("Version", "2011-06-15")])
}

pub(super) fn create_role() -> Call {
    let file = "file://trust.json";
    let words =
        ["iam", "create-role", "--role-name", "tour", "--assume-role-policy-document", file];
    Call::new("iam", &words).file("trust.json", TRUST.as_bytes()).form(&[
        ("Action", "CreateRole"),
        ("Version", "2010-05-08"),
        ("RoleName", "tour"),
        ("AssumeRolePolicyDocument", TRUST),
    ])
}

pub(super) fn create_function(input: &Input) -> Call {
    let archive = format!("{}.zip", input.name);
    let zip = format!("fileb://{archive}");
    let mut words = vec!["lambda", "create-function", "--function-name", input.name];
    words.extend(["--runtime", input.runtime, "--handler", &input.handler]);
    words.extend(["--role", ROLE, "--memory-size", "256", "--timeout", "30", "--zip-file", &zip]);
    let document = json!({
        "FunctionName": input.name,
        "Runtime": input.runtime,
        "Handler": input.handler,
        "Role": ROLE,
        "MemorySize": 256,
        "Timeout": 30,
        "Code": { "ZipFile": STANDARD.encode(&input.zip) },
    });
    let body = document.to_string().into_bytes();
    Call::new("lambda", &words).file(&archive, &input.zip).rest(
        Method::POST,
        "/2015-03-31/functions".to_owned(),
        body,
    )
}

pub(super) fn get_state(name: &str) -> Call {
    let words = ["lambda", "get-function-configuration", "--function-name", name];
    let path = format!("/2015-03-31/functions/{name}/configuration");
    Call::new("lambda", &words).rest(Method::GET, path, Vec::new())
}

pub(super) fn invoke(name: &str, payload: &str) -> Call {
    let words = ["lambda", "invoke", "--function-name", name, "--log-type", "Tail"];
    let mut call = Call::new("lambda", &words).file("event.json", payload.as_bytes());
    let rest = ["--payload", "fileb://event.json", "answer.json"];
    call.command.extend(rest.map(str::to_owned));
    call.headers.push(("x-amz-log-type", "Tail".to_owned()));
    let path = format!("/2015-03-31/functions/{name}/invocations");
    call.rest(Method::POST, path, payload.as_bytes().to_vec())
}

pub(super) fn log_events(group: &str) -> Call {
    let mut words = vec!["logs", "filter-log-events", "--log-group-name", group];
    words.extend(["--query", "events[].message", "--output", "json"]);
    Call::new("logs", &words).target(
        "Logs_20140328.FilterLogEvents",
        "1.1",
        &json!({ "logGroupName": group }),
    )
}

/// The sum of invocations between two times, as ISO 8601.
pub(super) fn invocations(name: &str, from: &str, to: &str) -> Call {
    let dimension = format!("Name=FunctionName,Value={name}");
    let mut words = vec!["cloudwatch", "get-metric-statistics", "--namespace", "AWS/Lambda"];
    words.extend(["--metric-name", "Invocations", "--dimensions", &dimension]);
    words.extend(["--start-time", from, "--end-time", to]);
    words.extend(["--period", "3600", "--statistics", "Sum"]);
    Call::new("monitoring", &words).form(&[
        ("Action", "GetMetricStatistics"),
        ("Version", "2010-08-01"),
        ("Namespace", "AWS/Lambda"),
        ("MetricName", "Invocations"),
        ("Dimensions.member.1.Name", "FunctionName"),
        ("Dimensions.member.1.Value", name),
        ("StartTime", from),
        ("EndTime", to),
        ("Period", "3600"),
        ("Statistics.member.1", "Sum"),
    ])
}
