//! Pulls, bounds and hostile images. What is unpacked belongs to others than its maker, so
//! these need root.

#![allow(clippy::unwrap_used)] // in what the tests share too

mod support;

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::StreamExt;
use haar_clock::Clock;
use haar_images::build::{Compression, Layer};
use haar_images::{Bounds, OciLayout, Store};
use haar_substrate::{ImageEntry, ImageError, ImageRef, ImageSource, ImageStore, Manifest};
use haar_types::Timestamp;
use support::House;
use tar::EntryType;

/// After this an image that nothing used is no longer kept for what may be about to start.
const LONG: Duration = Duration::from_secs(30 * 60);

#[tokio::test]
async fn layers_of_every_compression_are_unpacked_once_and_found_again() {
    let house = House::new(Bounds::default());
    let first = Layer::new().dir("etc/", 0o750).file("etc/a", 0o4755, b"a").symlink("b", "etc/a");
    let first =
        first.hard_link("etc/c", "etc/a").entry(EntryType::Fifo, "p", (7, 8, 0o622), "", b"");
    let second = Layer::new().file("etc/.wh.a", 0, b"").dir("var/", 0o755);
    let second = second.file("var/.wh..wh..opq", 0, b"").file("deep/er/x", 0o600, b"xx");
    let third = Layer::new().xattr("user.note", b"kept").file("x", 0o644, &[7; 100_000]);
    let layers = [
        (first.finish(), Compression::Gzip),
        (second.finish(), Compression::Zstd),
        (third.finish(), Compression::None),
    ];
    let (dir, digest) = house.layout("all", &layers);
    let id = house.pull("all:1", &dir).await.unwrap();
    let unpacked: usize = layers.iter().map(|(archive, _)| archive.len()).sum();
    assert_eq!(house.store.find(&id).await.unwrap().unpacked_bytes, unpacked as u64);
    assert_eq!(id.0, digest);
    let bundle = house.store.bundle(&id).unwrap();
    let [first, second, third] = <[PathBuf; 3]>::try_from(bundle.layers.clone()).unwrap();
    let etc = fs::metadata(first.join("etc")).unwrap();
    assert_eq!((etc.mode() & 0o7777, etc.mtime()), (0o750, 1_000_000_000));
    let file = fs::metadata(first.join("etc/a")).unwrap();
    assert_eq!((file.mode() & 0o7777, file.nlink()), (0o4755, 2));
    assert_eq!(fs::read_link(first.join("b")).unwrap(), Path::new("etc/a"));
    let pipe = fs::metadata(first.join("p")).unwrap();
    assert!(pipe.file_type().is_fifo() && (pipe.uid(), pipe.gid()) == (7, 8));
    let hidden = fs::symlink_metadata(second.join("etc/a")).unwrap();
    assert!(hidden.file_type().is_char_device() && hidden.rdev() == 0);
    let mut value = [0; 8];
    let opaque = rustix::fs::getxattr(second.join("var"), "trusted.overlay.opaque", &mut value);
    assert_eq!(&value[..opaque.unwrap()], b"y");
    assert!(!second.join("var/.wh..wh..opq").exists() && second.join("deep/er/x").exists());
    let note = rustix::fs::getxattr(third.join("x"), "user.note", &mut value);
    assert_eq!(&value[..note.unwrap()], b"kept");

    // again, from a source that has nothing but the manifest: all is here
    fs::remove_dir_all(dir.join("blobs")).unwrap();
    let (again, _) = house.layout("manifest", &layers);
    for blob in fs::read_dir(again.join("blobs/sha256")).unwrap().flatten() {
        let keep = digest.ends_with(blob.file_name().to_str().unwrap());
        if !keep {
            fs::remove_file(blob.path()).unwrap();
        }
    }
    assert_eq!(house.pull("all:2", &again).await.unwrap(), id);
    assert_eq!(house.store.find(&id).await.unwrap().references.len(), 2);
}

#[tokio::test]
async fn nothing_is_written_or_linked_outside() {
    let house = House::new(Bounds::default());
    let outside = house.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    let out = outside.to_str().unwrap();

    let up = house.unpacked("up", Layer::new().file("a/../../evil", 0o644, b"x")).await;
    assert!(matches!(up, Err(ImageError::Malformed(_))), "{up:?}");
    let hidden = house.unpacked("hides", Layer::new().file("a/.wh...", 0, b"")).await;
    assert!(matches!(hidden, Err(ImageError::Malformed(_))), "{hidden:?}");
    let linked = Layer::new().hard_link("stolen", &format!("{out}/secret"));
    let linked = house.unpacked("linked", linked).await;
    assert!(matches!(linked, Err(ImageError::Malformed(_))), "{linked:?}");

    // through links, absolute and not, directly and by way of each other
    let layer = Layer::new()
        .symlink("abs", out)
        .file("abs/evil", 0o644, b"x")
        .symlink("rel", "../../../../../../../../../../../../../../tmp")
        .file("rel/evil", 0o644, b"x")
        .symlink("file", &format!("{out}/secret"))
        .file("file", 0o644, b"overwritten")
        .symlink("dir", "sub")
        .dir("dir/", 0o777)
        .file("dir/x", 0o644, b"x")
        .symlink("self", "/proc/self/root")
        .file("self/evil", 0o644, b"x")
        .hard_link("shadow", "abs/secret2");
    let refused = house.unpacked("through", layer).await;
    assert!(matches!(refused, Err(ImageError::Malformed(_))), "a link to what is not there");
    let layer = Layer::new()
        .symlink("abs", out)
        .file("abs/evil", 0o644, b"x")
        .symlink("file", &format!("{out}/secret"))
        .file("file", 0o600, b"overwritten")
        .dir("d/", 0o755)
        .symlink("d/up", "..")
        .file("d/up/d/up/made", 0o644, b"x");
    let inside = house.unpacked("contained", layer).await.unwrap();
    assert!(inside.join("made").exists());
    assert_eq!(fs::read(inside.join("file")).unwrap(), b"overwritten");
    assert!(inside.join("abs/evil").exists());
    let names: Vec<_> = fs::read_dir(&outside).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(names, ["secret"]);
    assert_eq!(fs::read(outside.join("secret")).unwrap(), b"secret");
    assert!(!Path::new("/tmp/evil").exists());
}

#[tokio::test]
async fn devices_are_left_out_and_tricks_with_overlays_do_nothing() {
    let house = House::new(Bounds::default());
    let layer = Layer::new()
        .entry(EntryType::Block, "disk", (0, 0, 0o666), "", b"")
        .entry(EntryType::Char, "mem", (0, 0, 0o666), "", b"")
        .xattr("trusted.overlay.redirect", b"/etc")
        .dir("moved/", 0o755)
        .xattr("trusted.overlay.opaque", b"y")
        .dir("opaque/", 0o755);
    let inside = house.unpacked("devices", layer).await.unwrap();
    assert!(fs::symlink_metadata(inside.join("disk")).is_err());
    assert!(fs::symlink_metadata(inside.join("mem")).is_err());
    let mut value = [0; 64];
    for (dir, name) in [("moved", "redirect"), ("opaque", "opaque")] {
        let name = format!("trusted.overlay.{name}");
        assert!(rustix::fs::getxattr(inside.join(dir), &*name, &mut value).is_err());
    }
}

#[tokio::test]
async fn bombs_are_refused_and_leave_nothing() {
    let bounds = Bounds { layer_bytes: 1 << 20, layer_entries: 50, ..Bounds::default() };
    let house = House::new(bounds);
    let large = house.unpacked("large", Layer::new().file("zeros", 0o644, &vec![0; 2 << 20])).await;
    assert!(matches!(large, Err(ImageError::TooLarge(_))), "{large:?}");
    let many = (0..60).fold(Layer::new(), |layer, number| layer.dir(&format!("d{number}/"), 0o755));
    let many = house.unpacked("many", many).await;
    assert!(matches!(many, Err(ImageError::TooLarge(_))), "{many:?}");
    let mut archive = Layer::new().file("whole", 0o644, &[1; 4_000]).finish();
    archive.truncate(2_000);
    let (dir, _) = house.layout("cut", &[(archive, Compression::Gzip)]);
    let cut = house.pull("cut", &dir).await;
    assert!(matches!(cut, Err(ImageError::Malformed(_))), "{cut:?}");
    let deep = house.layout("deep", &[(deep(300), Compression::Gzip)]).0;
    let deep = house.pull("deep", &deep).await;
    assert!(matches!(&deep, Err(ImageError::Malformed(why)) if why.contains("deep")), "{deep:?}");
    assert_eq!(house.layers(), 0);
    assert_eq!(fs::read_dir(house.dir.path().join("store/going")).unwrap().count(), 0);
    assert!(house.store.list().await.unwrap().is_empty());
}

/// A layer of directories in each other.
fn deep(count: usize) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(EntryType::Directory);
    header.set_size(0);
    header.set_mode(0o755);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    archive.append_data(&mut header, "a/".repeat(count), &[][..]).unwrap();
    archive.into_inner().unwrap()
}

#[tokio::test]
async fn what_lies_deep_is_found_and_made_through_links() {
    let house = House::new(Bounds::default());
    let begin = "a/".repeat(40);
    let layer = Layer::new()
        .dir(&begin, 0o755)
        .symlink("one", &begin)
        .dir(&format!("one/{begin}"), 0o755)
        .symlink("two", &format!("/one/{begin}"))
        .file(&format!("two/{begin}end"), 0o644, b"x")
        .symlink("gone", "/nowhere")
        .file("gone/b/c/end", 0o644, b"y");
    let inside = house.unpacked("links", layer).await.unwrap();
    assert_eq!(fs::read(inside.join("a/".repeat(120)).join("end")).unwrap(), b"x");
    assert_eq!(fs::read(inside.join("gone/b/c/end")).unwrap(), b"y");
    assert!(!inside.join("nowhere").exists());
}

#[tokio::test]
async fn headers_that_would_fill_memory_are_refused_and_large_files_are_not() {
    let house = House::new(Bounds::default());
    let long = vec![b'n'; 5 << 20];
    for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader] {
        let layer = Layer::new().entry(kind, "long", (0, 0, 0o644), "", &long);
        let layer = layer.file("x", 0o644, b"");
        let refused = house.unpacked("headers", layer).await;
        assert!(matches!(refused, Err(ImageError::TooLarge(_))), "{kind:?}: {refused:?}");
    }
    let name = "n".repeat(150);
    let layer = Layer::new()
        .file("large", 0o644, &long)
        .entry(EntryType::Char, "passed-over", (0, 0, 0o644), "", &long)
        .entry(EntryType::GNULongName, "long", (0, 0, 0o644), "", name.as_bytes())
        .file("x", 0o644, b"x");
    let mut archive = layer.finish();
    archive.resize(archive.len() + (6 << 20), 0);
    let (dir, _) = house.layout("large", &[(archive, Compression::Gzip)]);
    let id = house.pull("large", &dir).await.unwrap();
    let inside = house.store.bundle(&id).unwrap().layers[0].clone();
    assert_eq!(fs::read(inside.join("large")).unwrap(), long);
    assert_eq!(fs::read(inside.join(name)).unwrap(), b"x");
    assert!(!inside.join("passed-over").exists());
}

/// A source whose blobs break off, or lie.
struct Broken {
    inner: OciLayout,
    /// Bytes after which a blob breaks off, of one byte or more.
    after: usize,
    lies: bool,
    asked: AtomicU64,
}

#[async_trait]
impl ImageSource for Broken {
    async fn manifest(&self, tag_or_digest: &str) -> Result<Manifest, ImageError> {
        self.inner.manifest(tag_or_digest).await
    }

    async fn blob(
        &self,
        digest: &str,
        from: u64,
    ) -> Result<BoxStream<'static, Result<Bytes, ImageError>>, ImageError> {
        self.asked.fetch_max(from, Ordering::SeqCst);
        let whole: Vec<_> = self.inner.blob(digest, from).await?.collect().await;
        let mut bytes = Vec::new();
        for chunk in whole {
            bytes.extend_from_slice(&chunk?);
        }
        if self.lies {
            bytes[0] ^= 1;
        }
        bytes.truncate(self.after);
        Ok(futures_util::stream::iter([Ok(Bytes::from(bytes))]).boxed())
    }
}

#[tokio::test]
async fn a_blob_that_broke_off_goes_on_where_it_was_and_one_that_lies_is_thrown_away() {
    let house = House::new(Bounds::default());
    let bytes: Vec<u8> = (0..9_000u32).map(|at| at as u8).collect();
    let layer = Layer::new().file("x", 0o644, &bytes).finish();
    let whole = layer.len() as u64;
    let (dir, _) = house.layout("broken", &[(layer, Compression::None)]);
    let source =
        |after, lies| Broken { inner: OciLayout::new(&dir), after, lies, asked: AtomicU64::new(0) };
    let name = ImageRef("broken".into());
    let lying = Arc::new(source(usize::MAX, true));
    let lied = house.store.pull(&name, "latest", lying).await;
    assert!(matches!(lied, Err(ImageError::Malformed(_))), "{lied:?}");

    // longer than the configuration, shorter than the layer
    let breaking = Arc::new(source(4_000, false));
    let mut pulls = 0;
    let id = loop {
        pulls += 1;
        match house.store.pull(&name, "latest", breaking.clone()).await {
            Ok(id) => break id,
            Err(error) => assert!(error.is_transient() && pulls < 10, "{error}"),
        }
    };
    assert_eq!(pulls, whole.div_ceil(4_000));
    assert_eq!(breaking.asked.load(Ordering::SeqCst), (pulls - 1) * 4_000);
    let inside = house.store.bundle(&id).unwrap().layers[0].clone();
    assert_eq!(fs::read(inside.join("x")).unwrap(), bytes);
    assert_eq!(fs::read_dir(house.dir.path().join("store/blobs")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_blob_is_read_where_it_lies_and_judged_by_its_digest() {
    let house = House::new(Bounds::default());
    let layer = Layer::new().file("x", 0o644, b"what it is").finish();
    let (dir, _) = house.layout("there", &[(layer, Compression::Gzip)]);
    // nothing can be fetched into the store
    let blobs = house.dir.path().join("store/blobs");
    fs::remove_dir(&blobs).unwrap();
    fs::write(&blobs, "").unwrap();
    let paths: Vec<PathBuf> = fs::read_dir(dir.join("blobs/sha256"))
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| fs::read(path).unwrap().starts_with(&[0x1f, 0x8b]))
        .collect();
    let [blob] = <[PathBuf; 1]>::try_from(paths).unwrap();
    let whole = fs::read(&blob).unwrap();
    let mut other = whole.clone();
    other[5] ^= 1; // when it was compressed: the archive within is the same
    fs::write(&blob, &other).unwrap();
    let refused = house.pull("there", &dir).await;
    let Err(ImageError::Malformed(why)) = &refused else { panic!("{refused:?}") };
    assert!(why.contains("has the digest"), "{why}");
    assert_eq!(house.layers(), 0);
    fs::write(&blob, &whole).unwrap();
    let id = house.pull("there", &dir).await.unwrap();
    let inside = house.store.bundle(&id).unwrap().layers[0].clone();
    assert_eq!(fs::read(inside.join("x")).unwrap(), b"what it is");
}

#[tokio::test(start_paused = true)]
async fn a_name_belongs_to_what_was_pulled_by_it_last_and_what_nobody_uses_goes() {
    let clock = Clock::simulated(Timestamp(0));
    let house = House::at(clock.clone(), Bounds { store_bytes: 250_000, ..Bounds::default() });
    let noise = |seed: u8| {
        let bytes: Vec<u8> =
            (0..100_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8 ^ seed).collect();
        Layer::new().file("noise", 0o644, &bytes).finish()
    };
    let mut ids = Vec::new();
    for seed in 0..2 {
        let (dir, _) = house.layout(&format!("image-{seed}"), &[(noise(seed), Compression::None)]);
        ids.push(house.pull("app:latest", &dir).await.unwrap());
    }
    let names = |image: haar_substrate::Image| image.references.len();
    assert_eq!(names(house.store.find(&ids[0]).await.unwrap()), 0);
    assert_eq!(names(house.store.find(&ids[1]).await.unwrap()), 1);
    // the older one is in use: the younger one goes for the third
    let held = house.store.bundle(&ids[0]).unwrap();
    clock.sleep(LONG).await;
    let (dir, _) = house.layout("image-3", &[(noise(3), Compression::None)]);
    let third = house.pull("app:3", &dir).await.unwrap();
    assert!(matches!(house.store.find(&ids[1]).await, Err(ImageError::NotFound(_))));
    assert!(held.layers[0].join("noise").exists());
    assert_eq!(house.layers(), 2);
    house.store.remove(&ids[0]).await.unwrap();
    assert!(held.layers[0].join("noise").exists(), "it is in use");
    drop(held);
    house.store.remove(&ids[0]).await.unwrap();
    house.store.remove(&third).await.unwrap();
    assert_eq!(house.layers(), 0);
}

#[tokio::test]
async fn a_store_knows_its_images_when_it_is_opened_again() {
    let house = House::new(Bounds::default());
    let (dir, _) =
        house.layout("one", &[(Layer::new().file("a", 0o644, b"a").finish(), Compression::None)]);
    let id = house.pull("one", &dir).await.unwrap();
    let path = house.dir.path().join("store");
    let leaving = path.join("going/layer-half");
    fs::create_dir_all(leaving.join("fs")).unwrap();
    let again = Store::open(&path, Clock::system(), Bounds::default()).unwrap();
    assert_eq!(again.list().await.unwrap().len(), 1);
    assert!(!leaving.exists() && again.bundle(&id).unwrap().layers[0].join("a").exists());
    // an image whose layer is gone is no image
    fs::remove_dir_all(&again.bundle(&id).unwrap().layers[0]).unwrap();
    let third = Store::open(&path, Clock::system(), Bounds::default()).unwrap();
    assert!(third.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_image_is_looked_into_as_its_containers_would_see_it() {
    let house = House::new(Bounds::default());
    let first = Layer::new().dir("opt/", 0o755).dir("opt/extensions/", 0o755);
    let first = first.file("opt/extensions/old", 0o755, b"x").file("opt/notes", 0o644, b"");
    let first = first.dir("gone/", 0o755).file("gone/x", 0o755, b"").dir("var/", 0o755);
    let first = first.file("var/low", 0o644, b"").file("plain", 0o644, b"");
    let second = Layer::new().file("opt/extensions/.wh.old", 0, b"").file(".wh.gone", 0, b"");
    let second = second.file("opt/extensions/run", 0o755, b"x");
    let second = second.file("opt/extensions/readme", 0o644, b"x");
    let second = second.symlink("opt/extensions/linked", "/opt/extensions/run");
    let second = second.symlink("opt/extensions/astray", "../../../nowhere");
    let second = second.symlink("short", "opt/../opt/extensions").symlink("loop", "loop");
    let second = second.file("var/.wh..wh..opq", 0, b"").file("var/high", 0o644, b"");
    let layers = [(first.finish(), Compression::None), (second.finish(), Compression::None)];
    let (dir, _) = house.layout("looked", &layers);
    let id = house.pull("looked:1", &dir).await.unwrap();
    let look = async |path: &str| {
        let found = house.store.directory(&id, path).await.unwrap();
        let names = |entry: ImageEntry| (entry.name, entry.is_program);
        found.map(|entries| entries.into_iter().map(names).collect::<Vec<_>>())
    };
    let of = |entries: &[(&str, bool)]| {
        Some(entries.iter().map(|(name, is)| ((*name).to_owned(), *is)).collect::<Vec<_>>())
    };
    let extensions = of(&[("astray", false), ("linked", true), ("readme", false), ("run", true)]);
    assert_eq!(look("/opt/extensions").await, extensions);
    assert_eq!(look("/short/").await, extensions);
    assert_eq!(look("/../../opt/extensions").await, extensions, "never out of the root");
    assert_eq!(look("/var").await, of(&[("high", false)]));
    for nothing in ["/gone", "/plain", "/plain/x", "/nowhere", "/loop"] {
        assert_eq!(look(nothing).await, None, "{nothing}");
    }
    let all = look("/").await.unwrap_or_default();
    assert!(!all.iter().any(|(name, _)| name == "gone"), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn what_somebody_holds_stays_when_room_is_made_and_goes_when_let_go() {
    let bytes = |seed: u8| Layer::new().file("x", 0o644, &vec![seed; 4096]).finish();
    let room = bytes(0).len() as u64;
    let clock = Clock::simulated(Timestamp(0));
    let house = House::at(clock.clone(), Bounds { store_bytes: room, ..Bounds::default() });
    let (one, _) = house.layout("one", &[(bytes(1), Compression::None)]);
    let first = house.pull("one:1", &one).await.unwrap();
    house.store.hold("functions", [first.clone()].into());
    house.store.remove(&first).await.unwrap();
    let (two, _) = house.layout("two", &[(bytes(2), Compression::None)]);
    let second = house.pull("two:1", &two).await.unwrap();
    assert!(house.store.find(&first).await.is_ok(), "held");
    assert!(house.store.find(&second).await.is_ok(), "pulled to be run in a moment");
    clock.sleep(LONG).await;
    let (three, _) = house.layout("three", &[(bytes(3), Compression::None)]);
    let third = house.pull("three:1", &three).await.unwrap();
    assert!(house.store.find(&first).await.is_ok(), "held");
    assert!(house.store.find(&second).await.is_err(), "the other made room");
    house.store.remove(&third).await.unwrap();
    house.store.hold("functions", [].into());
    house.store.remove(&first).await.unwrap();
    assert!(house.store.find(&first).await.is_err());
    assert_eq!(house.layers(), 0);
}
