//! What browsers ask for: websites, leave to ask across origins, forms.

mod form;
mod form_body;
mod form_input;
mod preflight;
mod website;

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use haar_kernel::{Asker, Site, host_of, whose_page};
use haar_s3_contract::model::SERVICE;
use haar_types::RequestId;
use haar_wire::{AwsError, Body, Protocol};
use http::header::ORIGIN;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};

use crate::S3;
use crate::rules::bucket_name::is_legal;
use crate::state::BucketRow;

/// Answers browsers.
pub struct Sites(pub(crate) Arc<S3>);

/// What a request is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// A page of a bucket's website.
    Page(String),
    /// The question whether a page may ask for something across origins,
    /// about an object of a bucket or the bucket itself.
    Preflight(String, bool),
    /// A form with a file.
    Form(String),
}

impl Sites {
    /// A question across origins may be about a bucket that is none, unless a page of this machine
    /// asks: that may call whatever there is.
    fn kind(&self, host: &str, parts: &Parts) -> Option<Kind> {
        if let Some(bucket) = website::bucket_of(host) {
            return Some(Kind::Page(bucket.to_owned()));
        }
        let is_preflight = parts.method == Method::OPTIONS;
        let is_form = parts.method == Method::POST && form_body::is_form(parts);
        if !is_preflight && !is_form {
            return None;
        }
        let path = haar_wire::labelled_path(&SERVICE, parts, None);
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        if is_preflight {
            let origin = parts.headers.get(ORIGIN);
            let is_local = origin.is_some_and(|origin| whose_page(origin, host) == Asker::Local);
            let asked = self.0.bucket(bucket).is_ok() || (!is_local && is_legal(bucket));
            return asked.then(|| Kind::Preflight(bucket.to_owned(), !key.is_empty()));
        }
        let bucket = self.0.bucket(bucket).ok()?;
        key.is_empty().then(|| Kind::Form(bucket.name.clone()))
    }
}

impl Site for Sites {
    fn claims(&self, host: &str, parts: &Parts) -> bool {
        self.kind(host, parts).is_some()
    }

    /// All of it: policies and ACLs decide who sees a website and whose form is taken, and a question
    /// across origins is answered by the bucket's rules.
    fn welcomes(&self, _host: &str, _parts: &Parts) -> bool {
        true
    }

    fn streams(&self, parts: &Parts) -> bool {
        parts.method == Method::POST && form_body::is_form(parts)
    }

    fn serve(&self, request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        async move {
            let (parts, body) = request.into_parts();
            let host = host_of(&parts);
            match self.kind(&host, &parts) {
                Some(Kind::Page(bucket)) => website::serve(&self.0, &bucket, &parts).await,
                Some(Kind::Preflight(bucket, of_object)) => {
                    preflight::serve(&self.0, &bucket, of_object, &parts)
                }
                Some(Kind::Form(bucket)) => form::serve(&self.0, &bucket, &parts, body).await,
                None => refused(&self.0, &crate::refusal::no_such_bucket("")),
            }
        }
        .boxed()
    }
}

/// An error in S3's form.
fn refused(room: &S3, error: &AwsError) -> Response<Body> {
    let request_id = RequestId::new(room.doors.ids.uuid());
    haar_wire::encode_error_as(Protocol::RestXml, Some(&SERVICE), error, &request_id)
}

/// An answer without a body.
fn bare(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    answer
}

/// Adds what lets a page read an answer.
fn adorn(bucket: &BucketRow, parts: &Parts, answer: &mut Response<Body>) {
    if let Some(origin) = parts.headers.get("origin").and_then(|origin| origin.to_str().ok()) {
        crate::cors::adorn(bucket, parts.method.as_str(), origin, answer);
    }
}
