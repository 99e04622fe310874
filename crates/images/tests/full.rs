//! A store whose disk is full. To mount small ones these need root.

#![allow(clippy::unwrap_used)] // in what the tests share too

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::StreamExt;
use haar_clock::Clock;
use haar_images::build::{Compression, Layer};
use haar_images::{Bounds, OciLayout, Store};
use haar_substrate::{ImageError, ImageId, ImageRef, ImageSource, ImageStore, Manifest};
use haar_types::Timestamp;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use support::House;

const MIB: usize = 1 << 20;
/// After this an image that nothing used is no longer kept for what may be about to start.
const LONG: Duration = Duration::from_secs(30 * 60);

/// A store on a disk of 16 MiB, beside a house that makes images.
struct Small {
    house: House,
    store: Store,
}

impl Small {
    fn new(clock: Clock) -> Self {
        let house = House::new(Bounds::default());
        let disk = house.dir.path().join("disk");
        fs::create_dir(&disk).unwrap();
        mount("none", &disk, "tmpfs", MountFlags::empty(), c"size=16m").unwrap();
        let store = Store::open(&disk, clock, Bounds::default()).unwrap();
        Self { house, store }
    }

    /// Pulls an image of these layers from another registry than haar's own.
    async fn pull(
        &self,
        name: &str,
        layers: &[(Vec<u8>, Compression)],
    ) -> Result<ImageId, ImageError> {
        let (dir, _) = self.house.layout(name, layers);
        let source = Arc::new(Remote(OciLayout::new(&dir)));
        self.store.pull(&ImageRef(name.to_owned()), "latest", source).await
    }

    /// What is left of layers, and of blobs.
    fn left(&self) -> (usize, usize) {
        let count = |name: &str| fs::read_dir(self.disk().join(name)).unwrap().count();
        (count("layers"), count("blobs"))
    }

    fn disk(&self) -> std::path::PathBuf {
        self.house.dir.path().join("disk")
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = unmount(self.disk(), UnmountFlags::DETACH);
    }
}

/// Has nothing on this machine. Blobs of 3 MiB and a bit never come to their end.
struct Remote(OciLayout);

#[async_trait]
impl ImageSource for Remote {
    async fn manifest(&self, tag_or_digest: &str) -> Result<Manifest, ImageError> {
        self.0.manifest(tag_or_digest).await
    }

    async fn blob(
        &self,
        digest: &str,
        from: u64,
    ) -> Result<BoxStream<'static, Result<Bytes, ImageError>>, ImageError> {
        let there = self.0.file(digest).await?;
        let blob = self.0.blob(digest, from).await?;
        Ok(match there.map(|there| there.size as usize / MIB) {
            Some(3) => blob.take(1).chain(futures_util::stream::pending()).boxed(),
            _ => blob,
        })
    }
}

fn layer(seed: u8, mib: usize) -> Vec<u8> {
    Layer::new().file("x", 0o644, &vec![seed; mib * MIB]).finish()
}

#[tokio::test]
async fn what_has_no_room_is_refused_and_leaves_nothing() {
    let small = Small::new(Clock::system());
    let refused = |pulled: Result<ImageId, ImageError>| {
        let error = pulled.unwrap_err();
        assert!(error.is_full() && !error.is_transient(), "{error:?}");
    };
    let to_fetch = [(layer(1, 20), Compression::None), (layer(2, 3), Compression::None)];
    refused(small.pull("to-fetch", &to_fetch).await);
    assert_eq!(small.left(), (0, 0), "also of the other layer, which was on its way");
    let to_unpack = [(layer(3, 1), Compression::None), (layer(4, 20), Compression::Gzip)];
    refused(small.pull("to-unpack", &to_unpack).await);
    assert_eq!(small.left().1, 0);
    small.pull("fits", &[(layer(5, 4), Compression::None)]).await.unwrap();
    assert_eq!(small.left(), (1, 0));
}

#[tokio::test]
async fn a_layer_that_is_none_does_not_stay_as_a_blob() {
    let small = Small::new(Clock::system());
    let mut archive = layer(1, 1);
    archive.truncate(archive.len() / 2);
    let cut = small.pull("cut", &[(archive, Compression::Gzip)]).await;
    assert!(matches!(cut, Err(ImageError::Malformed(_))), "{cut:?}");
    assert_eq!(small.left(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn images_that_nobody_needs_make_room_on_a_full_disk() {
    let clock = Clock::simulated(Timestamp(0));
    let small = Small::new(clock.clone());
    let idle = small.pull("idle", &[(layer(1, 4), Compression::None)]).await.unwrap();
    let held = small.pull("held", &[(layer(2, 4), Compression::None)]).await.unwrap();
    let bundle = small.store.bundle(&held).unwrap();
    clock.sleep(LONG).await;
    // fetched and unpacked side by side
    let id = small.pull("next", &[(layer(3, 5), Compression::None)]).await.unwrap();
    assert!(small.store.find(&id).await.is_ok());
    assert!(small.store.find(&idle).await.is_err(), "it made room");
    assert!(is_whole(&bundle.layers[0], 4), "something runs from it");
    let none = small.pull("none", &[(layer(4, 9), Compression::None)]).await;
    assert!(none.is_err_and(|error| error.is_full()));
    assert!(small.store.find(&id).await.is_ok(), "pulled to be run in a moment");
}

/// What it serves fills the disk; asked again, it serves nothing and does not end.
struct Slow(Remote, AtomicUsize);

#[async_trait]
impl ImageSource for Slow {
    async fn manifest(&self, tag_or_digest: &str) -> Result<Manifest, ImageError> {
        self.0.manifest(tag_or_digest).await
    }

    async fn blob(
        &self,
        digest: &str,
        from: u64,
    ) -> Result<BoxStream<'static, Result<Bytes, ImageError>>, ImageError> {
        let blob = self.0.blob(digest, from).await?;
        let is_large = self.0.0.file(digest).await?.is_some_and(|there| there.size as usize > MIB);
        Ok(match is_large && self.1.fetch_add(1, Ordering::Relaxed) > 0 {
            true => futures_util::stream::pending().boxed(),
            false => blob,
        })
    }
}

#[tokio::test(start_paused = true)]
async fn one_who_tries_again_and_is_slow_keeps_no_other_for_long() {
    let clock = Clock::simulated(Timestamp(0));
    let small = Small::new(clock.clone());
    let (dir, _) = small.house.layout("slow", &[(layer(1, 20), Compression::None)]);
    let source = Arc::new(Slow(Remote(OciLayout::new(&dir)), AtomicUsize::new(0)));
    let name = ImageRef("slow".to_owned());
    let slow = small.store.pull(&name, "latest", source.clone());
    let other = async {
        while source.1.load(Ordering::Relaxed) < 2 {
            clock.sleep(Duration::from_millis(10)).await;
        }
        small.pull("other", &[(layer(2, 20), Compression::None)]).await
    };
    let begun = clock.now();
    let refused = tokio::select! {
        _ = slow => panic!("it never ends"),
        refused = other => refused,
    };
    assert!(refused.is_err_and(|error| error.is_full()));
    assert!(clock.now() < begun + Duration::from_secs(60));
    small.pull("fits", &[(layer(3, 4), Compression::None)]).await.unwrap();
}

fn is_whole(layer: &Path, mib: usize) -> bool {
    fs::metadata(layer.join("x")).is_ok_and(|file| file.len() == (mib * MIB) as u64)
}
