//! A small HTTP client for a cloud on this machine.

use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use haar_clock::Clock;
use haar_types::Region;
use haar_wire::sigv4::Signer;
use http::{HeaderMap, Method, Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// Longest wait for an answer; a synchronous invocation takes at most 15 minutes.
const ANSWER_MAX: Duration = Duration::from_secs(16 * 60);

/// Longest wait for what a command can do without.
const HINT_MAX: Duration = Duration::from_secs(2);

/// Which cloud a command talks to.
#[derive(Args, Clone, Debug)]
pub(super) struct EndpointArguments {
    /// The cloud to talk to.
    #[arg(long, env = "HAAR_ENDPOINT", default_value = "http://127.0.0.1:4566")]
    pub(super) endpoint: String,
}

impl EndpointArguments {
    pub(super) fn client(&self) -> Result<Client, String> {
        Client::new(&self.endpoint)
    }
}

/// One cloud.
#[derive(Clone)]
pub(super) struct Client {
    authority: String,
}

/// What a cloud answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The service's own words where it refuses.
    fn refusal(&self) -> Option<String> {
        if self.status < 300 {
            return None;
        }
        let document: Value = serde_json::from_slice(&self.body).ok()?;
        let said = document["message"].as_str().or_else(|| document["Message"].as_str())?;
        let code = document["__type"].as_str().map(|name| name.rsplit('#').next().unwrap_or(name));
        let unknown =
            matches!(code, Some("UnrecognizedClientException" | "InvalidSignatureException"));
        let advice = ": export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of a key of this cloud";
        let said = said.trim_end_matches('.');
        Some(format!("{said}{}", if unknown { advice } else { "" }))
    }

    /// The document of an answer that is no error.
    pub(super) fn document(&self) -> Result<Value, String> {
        if self.status >= 300 {
            let told = serde_json::from_slice::<Value>(&self.body).ok();
            let told = told.and_then(|document| document["error"].as_str().map(str::to_owned));
            let text = told.unwrap_or_else(|| self.text().trim().to_owned());
            return Err(format!("the cloud answered {}: {text}", self.status));
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| format!("the cloud's answer is no JSON: {error}"))
    }
}

impl Client {
    pub(super) fn new(endpoint: &str) -> Result<Self, String> {
        let uri: Uri = endpoint.parse().map_err(|_| format!("{endpoint} is no URL"))?;
        if uri.scheme_str() != Some("http") {
            return Err(format!("{endpoint} must begin with http://"));
        }
        let authority = uri.authority().ok_or_else(|| format!("{endpoint} names no host"))?;
        let port = uri.port_u16().unwrap_or(80);
        Ok(Self { authority: format!("{}:{port}", authority.host()) })
    }

    /// As `http://HOST:PORT`.
    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// The region that is meant: the one that was named, the shell's, the cloud's, else us-east-1.
    pub(super) async fn region(&self, named: Option<&str>) -> String {
        let shells = || shells_region(|name| std::env::var(name).ok());
        if let Some(region) = named.map(str::to_owned).or_else(shells) {
            return region;
        }
        let health = self.hint("/_haar/health").await;
        health["region"].as_str().unwrap_or(Region::DEFAULT).to_owned()
    }

    /// A page that a command can do without: nothing, where it does not come soon.
    pub(super) async fn hint(&self, path: &str) -> Value {
        let page = Clock::system().timeout(HINT_MAX, self.page(Method::GET, path)).await;
        page.ok().and_then(Result::ok).unwrap_or_default()
    }

    /// Reads one of haar's own pages.
    pub(super) async fn page(&self, method: Method, path: &str) -> Result<Value, String> {
        self.send(method, path, &[], Bytes::new()).await?.document()
    }

    /// Sends one request on a connection of its own.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, String> {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(header::HOST, &self.authority);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
        self.ask(request).await
    }

    /// Posts a document to one of haar's own pages and takes its answer, however long that takes.
    pub(super) async fn post(&self, path: &str, document: &Value) -> Result<Value, String> {
        let request = Request::post(path)
            .header(header::HOST, &self.authority)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(document.to_string())));
        self.exchange(request.map_err(|error| error.to_string())?).await?.document()
    }

    /// Calls one operation of the JSON protocol and takes its answer; a refusal is told in the
    /// service's own words.
    pub(super) async fn call(
        &self,
        (service, region): (&str, &str),
        target: &str,
        input: &Value,
    ) -> Result<Value, String> {
        let body = Bytes::from(input.to_string());
        let request = Request::post("/")
            .header(header::HOST, &self.authority)
            .header(header::CONTENT_TYPE, "application/x-amz-json-1.1")
            .header("x-amz-target", target)
            .body(());
        let (mut parts, ()) = request.map_err(|error| error.to_string())?.into_parts();
        match signer(service, region, |name| std::env::var(name).ok()) {
            Some(signer) => signer.sign(&mut parts, &body, Clock::system().now()),
            None => {
                let scope = scope(service, region).parse().map_err(|_| "no such region")?;
                parts.headers.insert(header::AUTHORIZATION, scope);
            }
        }
        let answer = self.ask(Request::from_parts(parts, Full::new(body))).await?;
        answer.refusal().map_or_else(|| answer.document(), Err)
    }

    /// Exchanges one request, within the longest time that an answer may take.
    async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        match Clock::system().timeout(ANSWER_MAX, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("{} did not answer in time", self.endpoint())),
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let stream = TcpStream::connect(&self.authority).await.map_err(|error| {
            format!(
                "no cloud answers on {} ({error}): start one with `haar up`, or name another \
                 with --endpoint",
                self.endpoint(),
            )
        })?;
        let failed = |error: hyper::Error| format!("{} hung up: {error}", self.endpoint());
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        let answer = async move {
            let response: Response<_> = sender.send_request(request).await?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await?.to_bytes();
            drop(sender); // ends the connection beside
            Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
        };
        let (answer, _ended) = tokio::join!(answer, connection);
        answer.map_err(failed)
    }
}

/// The region of the shell's clients, where it has one.
fn shells_region(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    set("AWS_REGION").or_else(|| set("AWS_DEFAULT_REGION"))
}

/// The header that names service and region to a cloud that lets everybody in.
pub(super) fn scope(service: &str, region: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/{region}/{service}/aws4_request, \
         SignedHeaders=host, Signature=0",
    )
}

/// Signs with the keys of the shell, where there are any.
fn signer(
    service: &str,
    region: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> Option<Signer> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    Some(Signer {
        access_key_id: set("AWS_ACCESS_KEY_ID")?,
        secret_access_key: set("AWS_SECRET_ACCESS_KEY")?,
        session_token: set("AWS_SESSION_TOKEN"),
        region: region.to_owned(),
        service: service.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_names_its_region_by_either_variable() {
        let shell = |set: &[(&str, &str)]| {
            shells_region(|name| {
                let found = set.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        let both = [("AWS_DEFAULT_REGION", "eu-west-1"), ("AWS_REGION", "eu-north-1")];
        assert_eq!(shell(&both).as_deref(), Some("eu-north-1"));
        assert_eq!(shell(&both[..1]).as_deref(), Some("eu-west-1"));
        assert_eq!(shell(&[both[0], ("AWS_REGION", "")]).as_deref(), Some("eu-west-1"));
        assert_eq!(shell(&[]), None);
    }
}
