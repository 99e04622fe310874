//! Blobs, through their public face.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::stream;
use haar_blobs::{BlobError, Blobs, Digest};
use haar_clock::IdSource;

#[tokio::test]
async fn what_was_put_is_found_by_its_digest_and_only_once() {
    let blobs = Blobs::ephemeral(IdSource::system()).unwrap();
    let digest = blobs.put(Bytes::from_static(b"fog")).await.unwrap();
    assert_eq!(blobs.put(Bytes::from_static(b"fog")).await.unwrap(), digest);
    assert_eq!(digest, Digest::of(b"fog"));
    assert_eq!(blobs.bytes(&digest).await.unwrap(), "fog");
    assert_eq!(blobs.list().unwrap(), [digest]);
    assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
    assert!(format!("sha256:{}", "+f".repeat(32)).parse::<Digest>().is_err());
}

#[tokio::test]
async fn a_stream_that_breaks_off_or_is_too_long_leaves_nothing() {
    let blobs = Blobs::ephemeral(IdSource::system()).unwrap();
    let parts = |parts: Vec<Result<&'static str, &'static str>>| {
        stream::iter(parts.into_iter().map(|part| part.map(Bytes::from)))
    };
    let broken = blobs.put_stream(parts(vec![Ok("a"), Err("hung up")]), 10).await;
    assert!(matches!(broken, Err(BlobError::Sender(_))));
    let long = blobs.put_stream(parts(vec![Ok("abc"), Ok("def")]), 5).await;
    assert!(matches!(long, Err(BlobError::Sender(_))));
    assert!(blobs.list().unwrap().is_empty());
    let (digest, length) = blobs.put_stream(parts(vec![Ok("abc"), Ok("de")]), 5).await.unwrap();
    assert_eq!((digest, length), (Digest::of(b"abcde"), 5));
}

#[tokio::test]
async fn a_sweep_removes_what_nobody_holds() {
    let blobs = Blobs::ephemeral(IdSource::system()).unwrap();
    let held = blobs.put(Bytes::from_static(b"held")).await.unwrap();
    let orphan = blobs.put(Bytes::from_static(b"orphan")).await.unwrap();
    assert_eq!(blobs.sweep(&BTreeSet::from([held])).unwrap(), 1);
    assert!(matches!(blobs.bytes(&orphan).await, Err(BlobError::Missing(_))));
    assert_eq!(blobs.bytes(&held).await.unwrap(), "held");
}

#[tokio::test]
async fn an_ephemeral_store_goes_with_its_last_clone() {
    let blobs = Blobs::ephemeral(IdSource::system()).unwrap();
    let digest = blobs.put(Bytes::from_static(b"fog")).await.unwrap();
    let path = blobs.path(&digest);
    assert!(path.exists());
    drop(blobs);
    assert!(!path.exists());
}
