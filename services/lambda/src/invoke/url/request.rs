//! The event of an HTTP request.

use base64::Engine as _;
use bytes::Bytes;
use haar_types::{AccountId, Timestamp};
use serde_json::{Map, Value, json};

/// Headers that are about a client's connection, which ends here.
const OF_CONNECTIONS: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// An HTTP request to a function URL.
#[derive(Clone, Debug)]
pub struct UrlRequest<'a> {
    /// `GET`, `POST`, …
    pub method: &'a str,
    /// Still encoded: `/a%20b`.
    pub raw_path: &'a str,
    /// Without the question mark; may be empty.
    pub raw_query: &'a str,
    /// `HTTP/1.1`
    pub protocol: &'a str,
    /// Names in any case.
    pub headers: &'a [(String, String)],
    /// The whole body.
    pub body: Bytes,
    /// The host that was addressed.
    pub domain_name: &'a str,
    /// The first label of it.
    pub url_id: &'a str,
    /// Where the request came from.
    pub source_ip: &'a str,
    /// Names the request.
    pub request_id: &'a str,
    /// When it came.
    pub at: Timestamp,
    /// Who signed it, where the URL asks for `AWS_IAM`.
    pub caller: Option<IamCaller<'a>>,
}

/// Who signed a request.
#[derive(Clone, Debug)]
pub struct IamCaller<'a> {
    /// Its account.
    pub account: &'a AccountId,
    /// Its access key.
    pub access_key: &'a str,
    /// Its ARN.
    pub arn: String,
    /// Its unique id.
    pub user_id: String,
}

impl UrlRequest<'_> {
    /// The event that the function is given.
    pub fn event(&self) -> Bytes {
        let mut event = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": self.raw_path,
            "rawQueryString": self.raw_query,
        });
        let cookies = self.cookies();
        if !cookies.is_empty() {
            event["cookies"] = json!(cookies);
        }
        event["headers"] = self.joined_headers().into();
        let query = self.query();
        if !query.is_empty() {
            event["queryStringParameters"] = query.into();
        }
        event["requestContext"] = self.context();
        let binary = !self.body.is_empty() && !self.is_text();
        if binary {
            event["body"] = json!(base64::engine::general_purpose::STANDARD.encode(&self.body));
        } else if !self.body.is_empty() {
            event["body"] = json!(String::from_utf8_lossy(&self.body));
        }
        event["isBase64Encoded"] = json!(binary);
        event.to_string().into()
    }

    fn context(&self) -> Value {
        let account = self.caller.as_ref().map_or("anonymous", |caller| caller.account.as_str());
        let mut context = json!({ "accountId": account, "apiId": self.url_id });
        if let Some(caller) = &self.caller {
            context["authorizer"] = json!({ "iam": {
                "accessKey": caller.access_key,
                "accountId": caller.account.as_str(),
                "callerId": caller.user_id,
                "cognitoIdentity": null,
                "principalOrgId": null,
                "userArn": caller.arn,
                "userId": caller.user_id,
            }});
        }
        let more = json!({
            "domainName": self.domain_name,
            "domainPrefix": self.url_id,
            "http": {
                "method": self.method,
                "path": decoded(self.raw_path, false),
                "protocol": self.protocol,
                "sourceIp": self.source_ip,
                "userAgent": self.header("user-agent").unwrap_or_default(),
            },
            "requestId": self.request_id,
            "routeKey": "$default",
            "stage": "$default",
            "time": self.at.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": self.at.0,
        });
        if let (Value::Object(context), Value::Object(more)) = (&mut context, more) {
            context.extend(more);
        }
        context
    }

    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    fn cookies(&self) -> Vec<&str> {
        let of_name = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("cookie");
        let values = self.headers.iter().filter(of_name).map(|(_, value)| value.as_str());
        let cookies = values.flat_map(|value| value.split(';')).map(str::trim);
        cookies.filter(|cookie| !cookie.is_empty()).collect()
    }

    /// Lower-case names; equal ones joined by commas.
    fn joined_headers(&self) -> Map<String, Value> {
        let mut headers = Map::new();
        for (name, value) in self.headers {
            let name = name.to_ascii_lowercase();
            if name != "cookie" && !OF_CONNECTIONS.contains(&name.as_str()) {
                join(&mut headers, name, value);
            }
        }
        self.tell_way(&mut headers);
        headers
    }

    /// How the request came. AWS's URLs speak TLS only; frameworks make links and redirections
    /// of this, so it is what leads back here. A proxy before haar that ends TLS has told so.
    fn tell_way(&self, headers: &mut Map<String, Value>) {
        join(headers, "x-forwarded-for".to_owned(), self.source_ip);
        let protocol = headers.entry("x-forwarded-proto").or_insert_with(|| json!("http"));
        let usual = if protocol == "https" { "443" } else { "80" };
        let port = self.header("host").and_then(|host| host.rsplit_once(':'));
        let port = port.map_or(usual, |(_, port)| port);
        headers.entry("x-forwarded-port").or_insert_with(|| json!(port));
    }

    fn query(&self) -> Map<String, Value> {
        let mut query = Map::new();
        for pair in self.raw_query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            join(&mut query, decoded(name, true), &decoded(value, true));
        }
        query
    }

    fn is_text(&self) -> bool {
        let kind = self.header("content-type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let known = ["application/json", "application/xml", "application/javascript", ""];
        let texty = kind.starts_with("text/") || kind.ends_with("+json") || kind.ends_with("+xml");
        (texty || known.contains(&kind.as_str())) && std::str::from_utf8(&self.body).is_ok()
    }
}

fn join(map: &mut Map<String, Value>, name: String, value: &str) {
    match map.get_mut(&name) {
        Some(Value::String(known)) => *known = format!("{known},{value}"),
        _ => drop(map.insert(name, json!(value))),
    }
}

/// Percent-decodes; in queries a plus is a space.
fn decoded(text: &str, query: bool) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (bytes[at], hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                at += 2;
            }
            (b'+', _) if query => decoded.push(b' '),
            (byte, _) => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(headers: &[(&str, &str)], query: &str, body: &[u8]) -> Value {
        let owned: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request = UrlRequest {
            method: "POST",
            raw_path: "/a%20b",
            raw_query: query,
            protocol: "HTTP/1.1",
            headers: &owned,
            body: Bytes::copy_from_slice(body),
            domain_name: "abc.lambda-url.us-east-1.localhost",
            url_id: "abc",
            source_ip: "127.0.0.1",
            request_id: "r-1",
            at: Timestamp(1_583_348_638_390),
            caller: None,
        };
        serde_json::from_slice(&request.event()).unwrap()
    }

    #[test]
    fn a_request_is_an_event_of_format_2() {
        let headers = [
            ("Content-Type", "application/json"),
            ("X-A", "1"),
            ("x-a", "2"),
            ("Cookie", "s=1; t=2"),
            ("Connection", "close"),
        ];
        let event = event(&headers, "a=1&a=2&b=x%26y+z&c", b"{}");
        assert_eq!(event["version"], "2.0");
        assert_eq!(event["rawPath"], "/a%20b");
        assert_eq!(event["cookies"], json!(["s=1", "t=2"]));
        assert_eq!(event["headers"]["x-a"], "1,2");
        assert!(event["headers"].get("cookie").is_none());
        assert!(event["headers"].get("connection").is_none());
        assert_eq!(event["queryStringParameters"], json!({ "a": "1,2", "b": "x&y z", "c": "" }));
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("{}"), &json!(false)));
        let context = &event["requestContext"];
        assert_eq!(context["accountId"], "anonymous");
        assert_eq!(context["http"]["path"], "/a b");
        assert_eq!(context["time"], "04/Mar/2020:19:03:58 +0000");
    }

    #[test]
    fn an_event_tells_how_its_request_came() {
        let way = |headers: &[(&str, &str)]| {
            let event = event(headers, "", b"");
            let told = ["for", "proto", "port"]
                .map(|what| event["headers"][format!("x-forwarded-{what}")].clone());
            told.map(|value| value.as_str().unwrap().to_owned())
        };
        assert_eq!(way(&[("Host", "abc.localhost:4566")]), ["127.0.0.1", "http", "4566"]);
        assert_eq!(way(&[("Host", "abc.localhost")]), ["127.0.0.1", "http", "80"]);
        let proxy = [
            ("Host", "abc.example"),
            ("X-Forwarded-For", "192.0.2.1"),
            ("X-Forwarded-Proto", "https"),
        ];
        assert_eq!(way(&proxy), ["192.0.2.1,127.0.0.1", "https", "443"]);
    }

    #[test]
    fn a_body_that_is_no_text_is_base64() {
        let event = event(&[("content-type", "application/octet-stream")], "", &[0, 255]);
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("AP8="), &json!(true)));
    }
}
