//! A client of other registries: reads manifests and blobs, anonymously. Source: *OCI
//! Distribution Specification 1.1 > Pull*, *Docker Registry Token Authentication*.

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use haar_blobs::Digest;
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

use super::Flights;
use super::challenge::Bearer;
use crate::rules::hosts;
use crate::rules::manifest::BYTES_MAX;

/// Redirects that are followed; registries send to where their bytes are.
const REDIRECTS_MAX: usize = 5;
/// Bytes of a token's document at most.
const TOKEN_BYTES_MAX: usize = 1 << 20;
/// What a manifest may be.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
                      application/vnd.oci.image.manifest.v1+json, \
                      application/vnd.docker.distribution.manifest.list.v2+json, \
                      application/vnd.docker.distribution.manifest.v2+json";

/// Why an upstream gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// It has no such thing.
    #[error("the upstream registry does not have it")]
    NotFound,
    /// It did not answer, or broke off.
    #[error("the upstream registry did not answer: {0}")]
    Unreachable(String),
    /// It refused.
    #[error("the upstream registry answered {0}")]
    Refused(StatusCode),
    /// What it sent does not have the digest that was asked for.
    #[error("the upstream registry sent something else than was asked for")]
    Lied,
    /// What it sent is no manifest.
    #[error("the upstream registry sent no manifest: {0}")]
    Unreadable(String),
}

/// A manifest as an upstream sent it.
pub(crate) struct Fetched {
    pub(crate) bytes: Bytes,
    pub(crate) media_type: Option<String>,
}

/// The address of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upstream(String);

impl Upstream {
    /// Reads a rule's URL: a host, by `https` unless it is this machine or says `http://`.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let url = url.trim_end_matches('/');
        let (scheme, host) = match url.split_once("://") {
            Some((scheme @ ("http" | "https"), host)) => (scheme, host),
            Some(_) => return None,
            None if hosts::is_local(url) => ("http", url),
            None => ("https", url),
        };
        let base = format!("{scheme}://{host}");
        let uri: Uri = base.parse().ok()?;
        let fits = uri.authority().is_some() && matches!(uri.path(), "" | "/");
        fits.then_some(Self(base))
    }
}

/// Connections to upstreams, and what is being fetched.
#[derive(Default)]
pub(crate) struct Upstreams {
    pub(super) flights: Flights,
    client: std::sync::OnceLock<Client<HttpsConnector<HttpConnector>, Empty<Bytes>>>,
}

impl Upstreams {
    /// Asks whether there is a registry.
    pub(crate) async fn ping(&self, url: &str) -> Result<(), UpstreamError> {
        let base = base(url)?;
        let answer = self.get(&format!("{base}/v2/"), None, None).await?;
        match answer.status() {
            StatusCode::OK | StatusCode::UNAUTHORIZED => Ok(()),
            status => Err(UpstreamError::Refused(status)),
        }
    }

    /// The manifest of a tag or digest.
    pub(crate) async fn manifest(
        &self,
        url: &str,
        name: &str,
        reference: &str,
    ) -> Result<Fetched, UpstreamError> {
        let url = format!("{}/v2/{name}/manifests/{reference}", base(url)?);
        let answer = self.authorised(&url, Some(ACCEPT)).await?;
        let media_type = answer.headers().get(header::CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let bytes = collect(answer, BYTES_MAX).await?;
        Ok(Fetched { bytes, media_type })
    }

    /// The bytes of a blob as they come.
    pub(crate) async fn blob(
        &self,
        url: &str,
        name: &str,
        digest: &Digest,
    ) -> Result<impl Stream<Item = Result<Bytes, hyper::Error>> + Send + use<>, UpstreamError> {
        let url = format!("{}/v2/{name}/blobs/{digest}", base(url)?);
        let answer = self.authorised(&url, None).await?;
        Ok(answer.into_body().into_data_stream().boxed())
    }

    /// A `GET` that fetches a token when it is asked for one.
    async fn authorised(
        &self,
        url: &str,
        accept: Option<&str>,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let mut answer = self.get(url, accept, None).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            let asked = answer.headers().get(header::WWW_AUTHENTICATE);
            let bearer = asked.and_then(|value| Bearer::parse(value.to_str().ok()?));
            let bearer = bearer.ok_or(UpstreamError::Refused(StatusCode::UNAUTHORIZED))?;
            let token = self.token(&bearer).await?;
            answer = self.get(url, accept, Some(&token)).await?;
        }
        match answer.status() {
            StatusCode::OK => Ok(answer),
            StatusCode::NOT_FOUND => Err(UpstreamError::NotFound),
            status => Err(UpstreamError::Refused(status)),
        }
    }

    async fn token(&self, bearer: &Bearer) -> Result<String, UpstreamError> {
        #[derive(Deserialize)]
        struct Document {
            token: Option<String>,
            access_token: Option<String>,
        }
        let answer = self.get(&bearer.url(), None, None).await?;
        if answer.status() != StatusCode::OK {
            return Err(UpstreamError::Refused(answer.status()));
        }
        let bytes = collect(answer, TOKEN_BYTES_MAX).await?;
        let document: Option<Document> = serde_json::from_slice(&bytes).ok();
        let token = document.and_then(|document| document.token.or(document.access_token));
        token.ok_or(UpstreamError::Refused(StatusCode::UNAUTHORIZED))
    }

    /// A `GET` that follows redirects; the token goes to the first host only.
    async fn get(
        &self,
        url: &str,
        accept: Option<&str>,
        token: Option<&str>,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let bad = |_| UpstreamError::Unreachable(format!("{url} is no address"));
        let first: Uri = url.parse().map_err(bad)?;
        let mut uri = first.clone();
        for _ in 0..=REDIRECTS_MAX {
            let mut request = Request::get(uri.clone()).header(header::USER_AGENT, "haar");
            if let Some(accept) = accept {
                request = request.header(header::ACCEPT, accept);
            }
            if let Some(token) = token.filter(|_| uri.authority() == first.authority()) {
                request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
            }
            let request = request.body(Empty::new());
            let request = request.map_err(|error| UpstreamError::Unreachable(error.to_string()))?;
            let answer = self.client()?.request(request).await;
            let answer = answer.map_err(|error| UpstreamError::Unreachable(said(&error)))?;
            if !answer.status().is_redirection() {
                return Ok(answer);
            }
            uri = next(&uri, &answer).ok_or(UpstreamError::Refused(answer.status()))?;
        }
        Err(UpstreamError::Unreachable("too many redirects".to_owned()))
    }

    fn client(
        &self,
    ) -> Result<&Client<HttpsConnector<HttpConnector>, Empty<Bytes>>, UpstreamError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(|error| UpstreamError::Unreachable(error.to_string()))?
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(self.client.get_or_init(|| client))
    }
}

fn base(url: &str) -> Result<String, UpstreamError> {
    let upstream = Upstream::parse(url).map(|upstream| upstream.0);
    upstream.ok_or_else(|| UpstreamError::Unreachable(format!("{url} is no address")))
}

/// Where a redirect leads, seen from where it was given.
fn next(from: &Uri, answer: &Response<Incoming>) -> Option<Uri> {
    let location = answer.headers().get(header::LOCATION)?.to_str().ok()?;
    let to: Uri = location.parse().ok()?;
    if to.authority().is_some() {
        return Some(to);
    }
    let (scheme, authority) = (from.scheme_str()?, from.authority()?);
    format!("{scheme}://{authority}{location}").parse().ok()
}

async fn collect(answer: Response<Incoming>, limit: usize) -> Result<Bytes, UpstreamError> {
    let collected = Limited::new(answer.into_body(), limit).collect().await;
    let collected = collected.map_err(|error| UpstreamError::Unreachable(error.to_string()))?;
    Ok(collected.to_bytes())
}

/// An error with its causes, which say more than itself.
fn said(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::Upstream;

    #[test]
    fn upstreams_are_asked_by_https_unless_they_are_here() {
        for (url, base) in [
            ("public.ecr.aws", Some("https://public.ecr.aws")),
            ("localhost:5000", Some("http://localhost:5000")),
            ("http://mirror.lan:5000/", Some("http://mirror.lan:5000")),
            ("https://quay.io", Some("https://quay.io")),
            ("ftp://quay.io", None),
            ("quay.io/path", None),
            ("", None),
        ] {
            assert_eq!(Upstream::parse(url).map(|it| it.0).as_deref(), base, "{url}");
        }
    }
}
