//! Where the URLs of `GetDownloadUrlForLayer` lead.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use haar_blobs::Digest;
use haar_kernel::{BadToken, Call, Doors, Site, mint_token, read_token};
use haar_types::Timestamp;
use haar_wire::Body;
use http::request::Parts;
use http::{Request, Response, StatusCode};

use crate::registry::serve_blob;

/// Where layers are served; no bucket begins with an underscore.
const PATH: &str = "/_ecr/layer/";

/// How long a URL leads to its layer. *Ours*.
const VALID_FOR: Duration = Duration::from_secs(3600);

/// Serves layers under URLs that `GetDownloadUrlForLayer` gave out, for an hour each.
#[derive(Clone)]
pub struct LayerDownloads {
    doors: Doors,
    /// Makes the URLs of one run unguessable.
    secret: Arc<str>,
}

impl LayerDownloads {
    pub(crate) fn new(doors: &Doors) -> Self {
        let secret = doors.ids.uuid() + &doors.ids.uuid();
        Self { doors: doors.clone(), secret: secret.into() }
    }

    /// A URL that leads the caller to a layer.
    pub(crate) fn url(&self, call: &Call, digest: &Digest) -> String {
        let until = self.doors.clock.machine().now() + VALID_FOR;
        let token = mint_token(&self.secret, &format!("{}/{digest}", until.0));
        format!("{}{PATH}{token}", call.endpoint)
    }

    /// The layer that a token stands for.
    fn layer(&self, token: &str) -> Result<Digest, StatusCode> {
        let key = read_token(&self.secret, token).map_err(|BadToken| StatusCode::FORBIDDEN)?;
        let (until, digest) = key.split_once('/').ok_or(StatusCode::FORBIDDEN)?;
        let until = until.parse().map(Timestamp).map_err(|_| StatusCode::FORBIDDEN)?;
        if self.doors.clock.machine().now() > until {
            return Err(StatusCode::FORBIDDEN);
        }
        digest.parse().map_err(|_| StatusCode::FORBIDDEN)
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (parts, _) = request.into_parts();
        let token = parts.uri.path().trim_start_matches(PATH);
        let served = match self.layer(token) {
            Ok(digest) => serve_blob(&self.doors.blobs, &digest, &parts).await,
            Err(status) => {
                let text = "this link has expired or never was; ask GetDownloadUrlForLayer again\n";
                let mut response = Response::new(Body::from(text.to_owned()));
                *response.status_mut() = status;
                return response;
            }
        };
        served.unwrap_or_else(|fault| fault.response())
    }
}

impl Site for LayerDownloads {
    fn claims(&self, _host: &str, parts: &Parts) -> bool {
        parts.uri.path().starts_with(PATH)
    }

    fn serve(&self, request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        self.answer(request).boxed()
    }
}
