//! A store whose disk is full. To mount a small one this needs root.

#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use futures_util::{FutureExt as _, stream};
use haar_blobs::{BlobError, Blobs};
use haar_clock::IdSource;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

/// A disk of its own, of few MiB.
struct Small(tempfile::TempDir);

impl Small {
    fn of(size: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let size = std::ffi::CString::new(size).unwrap();
        mount("none", dir.path(), "tmpfs", MountFlags::empty(), &*size).unwrap();
        Self(dir)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = unmount(self.0.path(), UnmountFlags::DETACH);
    }
}

#[tokio::test]
async fn who_frees_the_disk_is_told_once_that_bytes_were_refused() {
    let disk = Small::of("size=16m");
    let blobs = Blobs::open(disk.0.path(), IdSource::seeded(1)).unwrap();
    assert_eq!(blobs.refused().now_or_never(), None);
    assert!(blobs.put(Bytes::from_static(b"fog")).await.unwrap_err().is_full());
    let pieces = stream::iter([Ok::<_, String>(Bytes::from_static(b"fog"))]);
    assert!(blobs.put_stream(pieces, 9).await.unwrap_err().is_full());
    assert_eq!(blobs.refused().now_or_never(), Some(()));
    assert_eq!(blobs.refused().now_or_never(), None);
}

#[tokio::test]
async fn what_the_disk_cuts_short_is_no_blob() {
    let disk = Small::of("size=98m");
    let blobs = Blobs::open(disk.0.path(), IdSource::seeded(1)).unwrap();
    let pieces = stream::iter([Ok::<_, String>(Bytes::from(vec![7; 99 << 20]))]);
    assert!(blobs.put_stream(pieces, u64::MAX).await.unwrap_err().is_full());
    assert!(blobs.list().unwrap().is_empty());
}

#[test]
fn who_may_not_take_more_of_a_disk_finds_it_full() {
    let ran_into = |kind: std::io::ErrorKind| BlobError::Disk("write", kind.into());
    assert!(ran_into(std::io::ErrorKind::QuotaExceeded).is_full());
    assert!(!ran_into(std::io::ErrorKind::PermissionDenied).is_full());
}
