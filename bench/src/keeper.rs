//! The limit of a durable write: a hyper server that hashes what it is sent, keeps it in haar's
//! records, and does nothing else.

use std::convert::Infallible;
use std::path::Path;
use std::process::ExitCode;

use bytes::Bytes;
use haar_kv::{Batch, Keyspace, Kv};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use md5::{Digest as _, Md5};

use crate::echo::answering;

/// Serves until it is killed.
pub(crate) async fn serve(folder: &Path) -> ExitCode {
    let Ok(kv) = Kv::open(folder) else { return ExitCode::FAILURE };
    let Ok(objects) = kv.keyspace("keeper") else { return ExitCode::FAILURE };
    let keep = move |request| keep(kv.clone(), objects.clone(), request);
    answering(keep).await
}

async fn keep(
    kv: Kv,
    objects: Keyspace,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.map(|body| body.to_bytes());
    let body = body.unwrap_or_default();
    let digest = haar_types::hex(&Md5::digest(&body));
    let mut batch = Batch::new();
    batch.put(&objects, path, body);
    let kept = match kv.stage(batch) {
        Ok(()) => kv.sync().await,
        Err(error) => Err(error),
    };
    let mut answer = Response::builder();
    if kept.is_err() {
        answer = answer.status(500);
    }
    Ok(answer.header("etag", digest).body(Full::default()).unwrap_or_default())
}
