//! Requests as they come from outside.

use std::sync::Arc;

use bytes::Bytes;
use haar_kernel::{Auth, Inbound, NoIdentities};
use haar_wire::Body;
use http::{Request, Response};

use crate::toy::Cloud;

async fn start(cloud: &Cloud, kind: &str) -> Response<Body> {
    let request = Request::post("http://127.0.0.1:4566/")
        .header("host", "127.0.0.1:4566")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "Toy_20260101.StartEngine")
        .body(())
        .unwrap();
    let body = Bytes::from(format!(r#"{{"kind":"{kind}"}}"#));
    let inbound = Inbound { parts: request.into_parts().0, body, source_ip: None };
    cloud.kernel.serve(inbound).await
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_fails_its_own_request_only() {
    let cloud = Cloud::ephemeral(Auth::Permissive, Arc::new(NoIdentities));
    let failed = start(&cloud, "exploding").await;
    assert_eq!(failed.status(), 500);
    let body = String::from_utf8(failed.body().as_bytes().unwrap().to_vec()).unwrap();
    assert!(body.contains("InternalFailure"), "{body}");
    assert_eq!(cloud.engines(), 0);
    assert_eq!(start(&cloud, "round").await.status(), 200);
    assert_eq!(cloud.engines(), 1);
}
