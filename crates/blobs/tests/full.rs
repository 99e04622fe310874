//! A store whose disk is full. To mount a small one this needs root.

#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use futures_util::{FutureExt as _, stream};
use haar_blobs::{BlobError, Blobs};
use haar_clock::IdSource;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

/// A disk of 16 MiB.
struct Small(tempfile::TempDir);

impl Small {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        mount("none", dir.path(), "tmpfs", MountFlags::empty(), c"size=16m").unwrap();
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
    let disk = Small::new();
    let blobs = Blobs::open(disk.0.path(), IdSource::seeded(1)).unwrap();
    assert_eq!(blobs.refused().now_or_never(), None);
    assert!(blobs.put(Bytes::from_static(b"fog")).await.unwrap_err().is_full());
    let pieces = stream::iter([Ok::<_, String>(Bytes::from_static(b"fog"))]);
    assert!(blobs.put_stream(pieces, 9).await.unwrap_err().is_full());
    assert_eq!(blobs.refused().now_or_never(), Some(()));
    assert_eq!(blobs.refused().now_or_never(), None);
}

#[test]
fn who_may_not_take_more_of_a_disk_finds_it_full() {
    let ran_into = |kind: std::io::ErrorKind| BlobError::Disk("write", kind.into());
    assert!(ran_into(std::io::ErrorKind::QuotaExceeded).is_full());
    assert!(!ran_into(std::io::ErrorKind::PermissionDenied).is_full());
}
