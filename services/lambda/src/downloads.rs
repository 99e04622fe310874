//! Where customers download the code that they uploaded.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use haar_blobs::Digest;
use haar_kernel::{BadToken, Call, Doors, Site, mint_token, read_token};
use haar_types::Timestamp;
use haar_wire::Body;
use http::request::Parts;
use http::{Request, Response, StatusCode, header};

/// Where archives are served; no bucket begins with an underscore.
const PATH: &str = "/_lambda/code/";

/// How long a URL leads to its archive, as on AWS.
const VALID_FOR: Duration = Duration::from_secs(600);

/// Serves archives under URLs that [`Self::url`] made, for ten minutes each.
#[derive(Clone)]
pub struct Downloads {
    doors: Doors,
    /// Makes the URLs of one run unguessable.
    secret: Arc<str>,
}

impl Downloads {
    pub(crate) fn new(doors: &Doors) -> Self {
        let secret = doors.ids.uuid() + &doors.ids.uuid();
        Self { doors: doors.clone(), secret: secret.into() }
    }

    /// A URL that leads the caller to an archive.
    pub(crate) fn url(&self, call: &Call, digest: &Digest) -> String {
        let until = self.doors.clock.machine().now() + VALID_FOR;
        let token = mint_token(&self.secret, &format!("{}/{}", until.0, digest));
        format!("{}{PATH}{token}", call.endpoint)
    }

    /// The archive that a token stands for.
    fn archive(&self, token: &str) -> Result<Digest, StatusCode> {
        let key = read_token(&self.secret, token).map_err(|BadToken| StatusCode::FORBIDDEN)?;
        let (until, digest) = key.split_once('/').ok_or(StatusCode::FORBIDDEN)?;
        let until = until.parse().map(Timestamp).map_err(|_| StatusCode::FORBIDDEN)?;
        if self.doors.clock.machine().now() > until {
            return Err(StatusCode::FORBIDDEN);
        }
        digest.parse().map_err(|_| StatusCode::FORBIDDEN)
    }

    async fn answer(&self, token: String) -> Response<Body> {
        let read = match self.archive(&token) {
            Ok(digest) => self.doors.blobs.bytes(&digest).await.map_err(|_| StatusCode::NOT_FOUND),
            Err(status) => Err(status),
        };
        match read {
            Ok(archive) => Response::builder()
                .header(header::CONTENT_TYPE, "application/zip")
                .body(Body::from(archive))
                .expect("a fixed header is well-formed"),
            Err(status) => {
                let text = "this link has expired or never was; ask GetFunction for another\n";
                let mut response = Response::new(Body::from(Bytes::from_static(text.as_bytes())));
                *response.status_mut() = status;
                response
            }
        }
    }
}

impl Site for Downloads {
    fn claims(&self, _host: &str, parts: &Parts) -> bool {
        parts.uri.path().starts_with(PATH)
    }

    fn serve(&self, request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        let token = request.uri().path().trim_start_matches(PATH).to_owned();
        self.answer(token).boxed()
    }
}
