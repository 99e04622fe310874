//! Connections: plain or by TLS, straight or through the operator's proxy.

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioExecutor;

use crate::endpoint::is_local;

type Straight = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;
type Tunnelled = Client<HttpsConnector<Tunnel<HttpConnector>>, Empty<Bytes>>;

/// All connections to registries.
pub(crate) struct Connections {
    straight: Straight,
    proxies: Matcher,
    /// By the proxy's address.
    tunnelled: parking_lot::Mutex<Vec<(Uri, Tunnelled)>>,
}

impl Connections {
    /// By the environment: `SSL_CERT_FILE`, `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`.
    ///
    /// # Errors
    /// When the authorities' certificates cannot be read.
    pub(crate) fn open() -> Result<Self, String> {
        let straight = Client::builder(TokioExecutor::new()).build(secured(plain())?);
        Ok(Self { straight, proxies: Matcher::from_env(), tunnelled: Default::default() })
    }

    /// Sends a request where it goes.
    ///
    /// # Errors
    /// In words: no connection, or it broke.
    pub(crate) async fn send(
        &self,
        request: Request<Empty<Bytes>>,
    ) -> Result<Response<Incoming>, String> {
        let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        // What is on this machine no proxy can reach.
        let proxy = match is_local(&authority) {
            true => None,
            false => self.proxies.intercept(request.uri()),
        };
        let answer = match proxy {
            None => self.straight.request(request).await,
            Some(proxy) => self.tunnelled(&proxy)?.request(request).await,
        };
        answer.map_err(|error| said(&error))
    }

    fn tunnelled(&self, proxy: &Intercept) -> Result<Tunnelled, String> {
        let mut known = self.tunnelled.lock();
        if let Some((_, client)) = known.iter().find(|(uri, _)| uri == proxy.uri()) {
            return Ok(client.clone());
        }
        let mut tunnel = Tunnel::new(proxy.uri().clone(), plain());
        if let Some(login) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(login.clone());
        }
        let client: Tunnelled = Client::builder(TokioExecutor::new()).build(secured(tunnel)?);
        known.push((proxy.uri().clone(), client.clone()));
        Ok(client)
    }
}

fn plain() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector
}

fn secured<C>(inner: C) -> Result<HttpsConnector<C>, String> {
    let builder = HttpsConnectorBuilder::new().with_native_roots();
    let builder = builder.map_err(|error| format!("no certificates of authorities: {error}"))?;
    Ok(builder.https_or_http().enable_http1().wrap_connector(inner))
}

/// An error with its causes, which say more than itself.
pub(crate) fn said(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
