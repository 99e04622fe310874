//! Where `SigningCertURL` leads.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use haar_kernel::Site;
use haar_wire::Body;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};

use crate::Sns;

/// How the paths of certificates begin, as AWS's do; no bucket's name has capitals.
pub(super) const PATH: &str = "/SimpleNotificationService-";

/// Serves the certificate that messages are signed for.
pub struct Certificates(Arc<Sns>);

impl Sns {
    /// The site of its certificate.
    pub fn certificates(self: &Arc<Self>) -> Certificates {
        Certificates(Arc::clone(self))
    }
}

impl Site for Certificates {
    fn claims(&self, _host: &str, parts: &Parts) -> bool {
        let path = parts.uri.path();
        parts.method == Method::GET && path.starts_with(PATH) && path.ends_with(".pem")
    }

    fn serve(&self, request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        async move {
            let path = request.uri().path();
            let found = self.0.signer.certificate(path).await;
            let found = found.inspect_err(|error| tracing::error!(%error, "no certificate"));
            match found {
                Ok(Some(certificate)) => {
                    let mut response = Response::new(Body::from(certificate));
                    let kind = HeaderValue::from_static("application/x-pem-file");
                    response.headers_mut().insert(CONTENT_TYPE, kind);
                    response
                }
                Ok(None) => refused(StatusCode::NOT_FOUND, "there is no such certificate\n"),
                Err(_) => refused(StatusCode::INTERNAL_SERVER_ERROR, "no certificate\n"),
            }
        }
        .boxed()
    }
}

fn refused(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text.to_owned()));
    *response.status_mut() = status;
    response
}
