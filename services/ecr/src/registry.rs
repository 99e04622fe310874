//! The registry, as clients such as `docker`, `skopeo` and `buildah` speak to it. Source: *OCI
//! Distribution Specification 1.1*; where ECR answers in its own way, as ECR does.

mod blob;
mod caller;
mod fault;
mod listing;
mod manifest;
mod route;
mod upload;

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use haar_kernel::Site;
use haar_wire::Body;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use crate::Ecr;
pub(crate) use blob::serve as serve_blob;
use caller::Caller;
pub(crate) use caller::password_of;
use fault::Fault;
use route::Route;

/// Serves `/v2/`.
pub struct RegistrySite {
    room: Arc<Ecr>,
}

/// What a handler of the registry answers.
type Served = Result<Response<Body>, Fault>;

impl RegistrySite {
    pub(crate) fn new(room: Arc<Ecr>) -> Self {
        Self { room }
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let mut response = match self.serve_route(&parts, body).await {
            Ok(response) => response,
            Err(fault) => fault.response(),
        };
        let version = HeaderValue::from_static("registry/2.0");
        response.headers_mut().insert("docker-distribution-api-version", version);
        response
    }

    async fn serve_route(&self, parts: &Parts, body: Body) -> Served {
        let caller = self.caller(parts)?;
        match Route::of(parts.uri.path()).ok_or_else(Fault::not_found)? {
            Route::Version => Ok(empty(StatusCode::OK)),
            Route::Catalogue => self.catalogue(&caller, parts),
            Route::Tags(name) => self.tags(&caller, &caller.repository(name)?, parts),
            Route::Referrers(name, digest) => {
                self.referrers(&caller, &caller.repository(name)?, digest, parts)
            }
            Route::Manifest(name, reference) => {
                let key = caller.repository(name)?;
                match parts.method {
                    Method::GET | Method::HEAD => {
                        self.get_manifest(&caller, &key, reference, parts).await
                    }
                    Method::PUT => self.put_manifest(&caller, &key, reference, parts, body).await,
                    Method::DELETE => self.delete_manifest(&caller, &key, reference).await,
                    _ => Err(Fault::unsupported()),
                }
            }
            Route::Blob(name, digest) => {
                let key = caller.repository(name)?;
                match parts.method {
                    Method::GET | Method::HEAD => self.get_blob(&caller, &key, digest, parts).await,
                    Method::DELETE => self.delete_blob(&caller, &key, digest).await,
                    _ => Err(Fault::unsupported()),
                }
            }
            Route::Uploads(name) => {
                let key = caller.repository(name)?;
                match parts.method {
                    Method::POST => self.begin_upload(&caller, &key, parts, body).await,
                    _ => Err(Fault::unsupported()),
                }
            }
            Route::Upload(name, id) => {
                let key = caller.repository(name)?;
                match parts.method {
                    Method::GET => self.upload_status(&caller, &key, id).await,
                    Method::PATCH => self.append_upload(&caller, &key, id, parts, body).await,
                    Method::PUT => self.finish_upload(&caller, &key, id, parts, body).await,
                    Method::DELETE => self.abort_upload(&caller, &key, id).await,
                    _ => Err(Fault::unsupported()),
                }
            }
        }
    }

    fn caller(&self, parts: &Parts) -> Result<Caller, Fault> {
        caller::identify(&self.room, parts)
    }
}

impl Site for RegistrySite {
    fn claims(&self, host: &str, parts: &Parts) -> bool {
        if Route::of(parts.uri.path()).is_none() {
            return false;
        }
        // Other APIs have paths under `/v2/` too; their callers sign, or use other hosts.
        let signed = parts.headers.get(header::AUTHORIZATION).is_some_and(|value| {
            value.to_str().is_ok_and(|value| value.starts_with("AWS4-HMAC-SHA256"))
        });
        let elsewhere = [".execute-api.", ".lambda-url.", ".s3."];
        !signed && !elsewhere.iter().any(|part| host.contains(part))
    }

    fn streams(&self, parts: &Parts) -> bool {
        matches!(Route::of(parts.uri.path()), Some(Route::Uploads(_) | Route::Upload(..)))
    }

    fn serve(&self, request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        self.answer(request).boxed()
    }
}

/// No body.
fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Sets a header whose value is plain text.
fn set(response: &mut Response<Body>, name: &'static str, value: impl AsRef<str>) {
    if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
        response.headers_mut().insert(name, value);
    }
}

/// A parameter of the query string, decoded.
fn query(parts: &Parts, name: &str) -> Option<String> {
    let fields = parts.uri.query()?.split('&');
    let value = fields.filter_map(|field| field.split_once('=')).find(|(key, _)| *key == name)?.1;
    let value = value.replace('+', " ");
    Some(percent_encoding::percent_decode_str(&value).decode_utf8_lossy().into_owned())
}

/// A header as text.
fn header_text<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name).and_then(|value| value.to_str().ok())
}
