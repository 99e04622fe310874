//! Asks registries.

mod body;

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use futures_core::stream::BoxStream;
use haar_clock::Clock;
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::Empty;
use hyper::body::Incoming;

use crate::challenge::{Bearer, Challenge};
use crate::connection::Connections;
use crate::endpoint::Endpoint;
use crate::error::RegistryError;
use crate::grants::{Grants, TokenDocument};
use crate::login::Login;
use crate::pauses::Pauses;

/// Redirects that are followed; registries send to where their bytes are.
const REDIRECTS_MAX: usize = 5;
/// Bytes of a manifest, a token's document or an error at most.
const DOCUMENT_BYTES_MAX: usize = 4 << 20;
/// What a manifest may be.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
                      application/vnd.oci.image.manifest.v1+json, \
                      application/vnd.docker.distribution.manifest.list.v2+json, \
                      application/vnd.docker.distribution.manifest.v2+json";

/// How long a registry may take. *Ours*.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From a request to the head of its answer, the connection included.
    pub answer: Duration,
    /// Between two pieces of a body.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { answer: Duration::from_secs(30), idle: Duration::from_secs(30) }
    }
}

/// A repository somewhere, and who asks for it.
#[derive(Clone, Copy, Debug)]
pub struct Repository<'a> {
    /// Its registry.
    pub endpoint: &'a Endpoint,
    /// Its name there.
    pub name: &'a str,
    /// Who asks; nobody in particular where None.
    pub login: Option<&'a Login>,
}

/// A manifest as a registry sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The document.
    pub bytes: Bytes,
    /// Its type, as the registry says.
    pub media_type: Option<String>,
}

/// Connections to registries, and the tokens that these gave.
pub struct Registries {
    clock: Clock,
    limits: Limits,
    connections: OnceLock<Connections>,
    grants: Grants,
    pauses: Pauses,
}

/// What is asked for, beside its place.
#[derive(Clone, Copy, Default)]
struct Ask<'a> {
    accept: Option<&'static str>,
    /// First byte that is wanted.
    from: u64,
    authorization: Option<&'a str>,
}

impl Registries {
    /// Connects to nobody yet.
    pub fn new(clock: Clock, limits: Limits) -> Self {
        let (grants, pauses) = (Grants::default(), Pauses::default());
        Self { clock, limits, connections: OnceLock::new(), grants, pauses }
    }

    /// Asks whether there is a registry, and whether it takes the login. Without one, a registry
    /// that asks for one is there as well: it may have images for everybody.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn check(
        &self,
        endpoint: &Endpoint,
        login: Option<&Login>,
    ) -> Result<(), RegistryError> {
        let repository = Repository { endpoint, name: "", login };
        self.grants.forget(&repository);
        let url = format!("{}/v2/", endpoint.base());
        if login.is_some() {
            return self.authorised(&repository, &url, Ask::default()).await.map(drop);
        }
        let answer = self.get(&url, Ask::default()).await?;
        match answer.status() {
            StatusCode::OK | StatusCode::UNAUTHORIZED => Ok(()),
            status => {
                let said = self.said(&url, answer).await;
                Err(refusal(&url, status, said))
            }
        }
    }

    /// The manifest of a tag or digest.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn manifest(
        &self,
        repository: &Repository<'_>,
        reference: &str,
    ) -> Result<Fetched, RegistryError> {
        let base = repository.endpoint.base();
        let url = format!("{base}/v2/{}/manifests/{reference}", repository.name);
        let ask = Ask { accept: Some(ACCEPT), ..Ask::default() };
        let answer = self.authorised(repository, &url, ask).await?;
        let media_type = answer.headers().get(header::CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let bytes = self.collect(&url, answer).await?;
        Ok(Fetched { bytes, media_type })
    }

    /// The bytes of a blob from an offset on, as they come.
    ///
    /// # Errors
    /// [`RegistryError`], also in the stream.
    pub async fn blob(
        &self,
        repository: &Repository<'_>,
        digest: &str,
        from: u64,
    ) -> Result<BoxStream<'static, Result<Bytes, RegistryError>>, RegistryError> {
        let url = format!("{}/v2/{}/blobs/{digest}", repository.endpoint.base(), repository.name);
        let answer = self.authorised(repository, &url, Ask { from, ..Ask::default() }).await?;
        body::from(self.clock.clone(), self.limits.idle, &url, answer, from)
    }

    /// A `GET` that shows what it is asked for.
    async fn authorised(
        &self,
        repository: &Repository<'_>,
        url: &str,
        ask: Ask<'_>,
    ) -> Result<Response<Incoming>, RegistryError> {
        let known = self.grants.find(&self.clock, repository);
        let mut answer = self.get(url, Ask { authorization: known.as_deref(), ..ask }).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            let challenge = Challenge::of(answer.headers());
            let granted = self.grant(repository, challenge).await?;
            answer = self.get(url, Ask { authorization: Some(&granted), ..ask }).await?;
        }
        match answer.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(answer),
            StatusCode::NOT_FOUND => Err(RegistryError::NotFound),
            status => {
                self.grants.forget(repository);
                let said = self.said(url, answer).await;
                Err(refusal(url, status, said))
            }
        }
    }

    /// The value of the header that a registry asks for.
    async fn grant(
        &self,
        repository: &Repository<'_>,
        challenge: Option<Challenge>,
    ) -> Result<String, RegistryError> {
        let (value, good_for) = match (challenge, repository.login) {
            (Some(Challenge::Bearer(bearer)), login) => {
                self.token(repository, bearer, login).await?
            }
            (Some(Challenge::Basic), Some(login)) => (login.basic(), Duration::from_secs(3600)),
            (Some(Challenge::Basic), None) => return Err(denied("no basic auth credentials")),
            (None, _) => {
                return Err(denied("the registry asks for no kind of login that is known"));
            }
        };
        self.grants.keep(&self.clock, repository, value.clone(), good_for);
        Ok(value)
    }

    async fn token(
        &self,
        repository: &Repository<'_>,
        mut bearer: Bearer,
        login: Option<&Login>,
    ) -> Result<(String, Duration), RegistryError> {
        if bearer.scope.is_none() && !repository.name.is_empty() {
            bearer.scope = Some(format!("repository:{}:pull", repository.name));
        }
        if repository.endpoint.base().starts_with("https:") && !bearer.realm.starts_with("https:") {
            let realm = &bearer.realm;
            return Err(denied(&format!("tokens are to be had without encryption only: {realm}")));
        }
        let kind = if login.is_some() { "oauth" } else { "anonymous" };
        let failed = |why| RegistryError::NoToken { kind, why: Box::new(why) };
        let basic = login.map(Login::basic);
        let url = bearer.url();
        let ask = Ask { authorization: basic.as_deref(), ..Ask::default() };
        let answer = self.get(&url, ask).await.map_err(failed)?;
        let status = answer.status();
        if status != StatusCode::OK {
            let said = self.said(&url, answer).await;
            return Err(failed(RegistryError::Status { url, status, said }));
        }
        let bytes = self.collect(&url, answer).await.map_err(failed)?;
        TokenDocument::read(&bytes).map_err(failed)
    }

    /// A `GET` that follows redirects; what authorises goes to the first server only.
    async fn get(&self, url: &str, ask: Ask<'_>) -> Result<Response<Incoming>, RegistryError> {
        let malformed = |_| RegistryError::Malformed(format!("{url} is no address"));
        let first: Uri = url.parse().map_err(malformed)?;
        let mut uri = first.clone();
        for _ in 0..=REDIRECTS_MAX {
            let is_first = uri.authority() == first.authority() && uri.scheme() == first.scheme();
            let authorization = ask.authorization.filter(|_| is_first);
            let answer = self.send(&uri, Ask { authorization, ..ask }).await?;
            if !answer.status().is_redirection() {
                return Ok(answer);
            }
            let leads = next(&uri, &answer);
            let nowhere = || {
                RegistryError::Malformed(format!("{uri} answered {} to nowhere", answer.status()))
            };
            uri = leads.ok_or_else(nowhere)?;
        }
        Err(RegistryError::Malformed(format!("{url} redirects too often")))
    }

    async fn send(&self, uri: &Uri, ask: Ask<'_>) -> Result<Response<Incoming>, RegistryError> {
        let unreachable = |why: String| RegistryError::Unreachable { url: uri.to_string(), why };
        let mut request = Request::get(uri.clone()).header(header::USER_AGENT, "haar");
        if let Some(accept) = ask.accept {
            request = request.header(header::ACCEPT, accept);
        }
        if ask.from > 0 {
            request = request.header(header::RANGE, format!("bytes={}-", ask.from));
        }
        if let Some(authorization) = ask.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(Empty::new());
        let request = request.map_err(|error| RegistryError::Malformed(error.to_string()))?;
        self.pauses.wait(&self.clock, uri).await;
        let sent = self.connections().map_err(unreachable)?.send(request);
        match self.clock.timeout(self.limits.answer, sent).await {
            Ok(answer) => answer.map_err(unreachable).inspect(|answer| {
                self.pauses.note(&self.clock, uri, answer.status(), answer.headers());
            }),
            Err(_) => Err(unreachable("i/o timeout".to_owned())),
        }
    }

    fn connections(&self) -> Result<&Connections, String> {
        if let Some(open) = self.connections.get() {
            return Ok(open);
        }
        let opened = Connections::open()?;
        Ok(self.connections.get_or_init(|| opened))
    }

    async fn collect(&self, url: &str, answer: Response<Incoming>) -> Result<Bytes, RegistryError> {
        let (clock, idle) = (self.clock.clone(), self.limits.idle);
        body::collect(body::from(clock, idle, url, answer, 0)?, url, DOCUMENT_BYTES_MAX).await
    }

    /// What an answer that is no good says: `: CODE: TEXT`.
    async fn said(&self, url: &str, answer: Response<Incoming>) -> String {
        let bytes = self.collect(url, answer).await.unwrap_or_default();
        body::said(&bytes)
    }
}

fn denied(why: &str) -> RegistryError {
    RegistryError::Denied(format!("authorization failed: {why}"))
}

fn refusal(url: &str, status: StatusCode, said: String) -> RegistryError {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let said = said.trim_start_matches(": ");
            let said = if said.is_empty() { status.as_str() } else { said };
            RegistryError::Denied(format!("server message: {said}"))
        }
        status => RegistryError::Status { url: url.to_owned(), status, said },
    }
}

/// Where a redirect leads, seen from where it was given; never from `https` to `http`.
fn next(from: &Uri, answer: &Response<Incoming>) -> Option<Uri> {
    let location = answer.headers().get(header::LOCATION)?.to_str().ok()?;
    let to: Uri = location.parse().ok()?;
    let to = match to.authority() {
        Some(_) => to,
        None => {
            let (scheme, authority) = (from.scheme_str()?, from.authority()?);
            format!("{scheme}://{authority}{location}").parse().ok()?
        }
    };
    let is_downgrade = from.scheme_str() == Some("https") && to.scheme_str() != Some("https");
    (!is_downgrade).then_some(to)
}
