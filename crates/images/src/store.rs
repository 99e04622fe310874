//! The store: what is here, and how it comes and goes.

mod bound;
mod look;
mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt};
use haar_clock::Clock;
use haar_substrate::{
    Image, ImageEntry, ImageError, ImageId, ImageRef, ImageSource, ImageStore, Manifest,
};
use parking_lot::Mutex;

use crate::blob::Blob;
use crate::digest;
use crate::document::{self, Descriptor, Document};
use crate::fetch::{self, blocking};
use crate::unpack::{Room, Unpacked};
use record::Record;

/// Layers of one image that are fetched and unpacked at once.
const LAYERS_AT_ONCE: usize = 3;
/// Layers of all images that are unpacked at once: each has a thread to itself.
const UNPACKED_AT_ONCE: usize = 32;

/// How long a pull that found the disk full waits for others that did.
const TURN_MAX: Duration = Duration::from_secs(30);

/// What the store takes.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of all layers as they came; images that nothing has used of late go when there are
    /// more.
    pub store_bytes: u64,
    /// Bytes of one layer, unpacked.
    pub layer_bytes: u64,
    /// Files, links and directories of one layer.
    pub layer_entries: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { store_bytes: 20 << 30, layer_bytes: 16 << 30, layer_entries: 1_000_000 }
    }
}

/// The store. Its directory belongs to one process.
pub struct Store {
    shelf: Shelf,
    unpacking: Arc<tokio::sync::Semaphore>,
    /// Pulls that found the disk full try again one after another.
    again: tokio::sync::Mutex<()>,
}

/// What is here, for threads that may wait for the disk.
#[derive(Clone)]
struct Shelf {
    dir: PathBuf,
    clock: Clock,
    bounds: Bounds,
    /// Held for a moment, never while files are written or removed.
    state: Arc<Mutex<State>>,
    /// Who changes images' records, on disk and in `state`, one at a time.
    records: Arc<Mutex<()>>,
    /// Held while what nobody needs is moved away, so that no pull takes it up; before `state`.
    moves: Arc<Mutex<()>>,
}

#[derive(Default)]
pub(crate) struct State {
    images: BTreeMap<ImageId, Record>,
    /// Uses of each image that is held.
    held: BTreeMap<ImageId, usize>,
    /// Images that are to stay though nothing runs from them, by who says so.
    kept: BTreeMap<String, BTreeSet<ImageId>>,
    /// One pull of a layer at a time; the others wait and find it.
    busy: BTreeMap<String, Arc<tokio::sync::Mutex<()>>>,
    /// Bytes that layers hold, unpacked.
    unpacked: BTreeMap<String, u64>,
    /// Layers of images that are being pulled, by what they hold and by the blobs they come in.
    wanted: Vec<BTreeSet<String>>,
}

impl State {
    /// True when an image may not go.
    fn is_needed(&self, id: &ImageId) -> bool {
        self.held.contains_key(id) || self.kept.values().any(|kept| kept.contains(id))
    }
}

/// An image to run from. While it is held its layers stay.
pub struct Bundle {
    /// The image.
    pub image: Image,
    /// Its layers' directories, lowest first.
    pub layers: Vec<PathBuf>,
    state: Arc<Mutex<State>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("dir", &self.shelf.dir).finish_non_exhaustive()
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        if let Some(count) = state.held.get_mut(&self.image.id) {
            *count -= 1;
            if *count == 0 {
                state.held.remove(&self.image.id);
            }
        }
    }
}

impl Store {
    /// Opens the store in `dir`, which is made where it is not there.
    pub fn open(dir: &Path, clock: Clock, bounds: Bounds) -> Result<Self, ImageError> {
        let failed = |error| ImageError::Disk("open the image store".into(), error);
        for name in ["images", "layers", "blobs", "going"] {
            fs::create_dir_all(dir.join(name)).map_err(failed)?;
        }
        let images = record::load(dir).map_err(failed)?;
        let layers = images.values().flat_map(|record| &record.layers);
        let unpacked = layers.map(|layer| (layer.diff_id.clone(), layer.unpacked_bytes)).collect();
        let state = State { images, unpacked, ..State::default() };
        let unpacking = Arc::new(tokio::sync::Semaphore::new(UNPACKED_AT_ONCE));
        let (dir, state) = (dir.to_owned(), Arc::new(Mutex::new(state)));
        let (records, moves) = Default::default();
        let shelf = Shelf { dir, clock, bounds, state, records, moves };
        shelf.remove_leavings().map_err(failed)?;
        Ok(Self { shelf, unpacking, again: tokio::sync::Mutex::default() })
    }

    /// Holds an image to run from it.
    pub fn bundle(&self, id: &ImageId) -> Result<Bundle, ImageError> {
        let mut state = self.shelf.state.lock();
        let now = self.shelf.clock.now();
        let record = state.images.get_mut(id).ok_or_else(|| ImageError::NotFound(id.0.clone()))?;
        record.used_at = now;
        let (image, layers) = (record.image.clone(), record.layers.clone());
        *state.held.entry(id.clone()).or_default() += 1;
        let layers = layers.iter().map(|layer| self.shelf.layer_dir(&layer.diff_id)).collect();
        Ok(Bundle { image, layers, state: self.shelf.state.clone() })
    }

    /// Does what may wait for the disk where that holds nobody up.
    async fn aside<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Shelf) -> Result<T, ImageError> + Send + 'static,
    ) -> Result<T, ImageError> {
        let shelf = self.shelf.clone();
        blocking(doing, move || Ok(work(&shelf))).await?
    }

    /// Layers must be whole on disk before a record says that they are here: what no record
    /// names is removed at the next start.
    async fn reach_disk(&self) -> Result<(), ImageError> {
        let dir = self.shelf.dir.join("layers");
        let synced = blocking("write layers to the disk", move || {
            Ok(rustix::fs::syncfs(fs::File::open(dir)?)?)
        });
        synced.await
    }

    async fn resolve(
        &self,
        tag_or_digest: &str,
        source: &dyn ImageSource,
    ) -> Result<Found, ImageError> {
        let first = source.manifest(tag_or_digest).await?;
        let digest = digest::of(&first.bytes);
        if tag_or_digest.starts_with("sha256:") {
            fetch::check_manifest(&first, tag_or_digest)?;
        }
        match document::parse(&first.bytes)? {
            Document::Image { config, layers } => {
                Ok(Found { manifest: first, digest, index_digest: None, config, layers })
            }
            Document::Index(descriptor) => {
                let manifest = source.manifest(&descriptor.digest).await?;
                fetch::check_manifest(&manifest, &descriptor.digest)?;
                let Document::Image { config, layers } = document::parse(&manifest.bytes)? else {
                    return Err(ImageError::Malformed("an index within an index".into()));
                };
                let index_digest = Some(digest);
                Ok(Found { manifest, digest: descriptor.digest, index_digest, config, layers })
            }
        }
    }

    /// Makes a layer be here.
    async fn layer(
        &self,
        source: &dyn ImageSource,
        descriptor: &Descriptor,
        diff_id: &str,
    ) -> Result<(), ImageError> {
        let dir = self.shelf.layer_dir(diff_id);
        let turn = self.shelf.state.lock().busy.entry(diff_id.to_owned()).or_default().clone();
        let turn = turn.lock_owned().await;
        if dir.exists() {
            return Ok(());
        }
        let mut blob = Blob::of(source, descriptor, &self.shelf.dir.join("blobs")).await?;
        let bounds = self.shelf.bounds;
        let room = Room { bytes: bounds.layer_bytes, entries: bounds.layer_entries };
        let (going, expected) = (self.shelf.dir.join("going"), diff_id.to_owned());
        let place = Arc::clone(&self.unpacking).acquire_owned().await;
        let (state, known) = (Arc::clone(&self.shelf.state), diff_id.to_owned());
        let unpacked = blocking(UNPACK, move || {
            let _held = (turn, place); // until the thread is done, though nobody waits any more
            let bytes = unpack(&mut blob, &going, room, &expected, &dir);
            let bytes = bytes.map_err(|error| judge(ImageError::Disk(UNPACK.to_owned(), error)));
            // what may do another time is not fetched again
            if !bytes.as_ref().is_err_and(ImageError::is_transient) {
                blob.remove();
            }
            Ok(bytes.map(|bytes| {
                state.lock().unpacked.insert(known, bytes);
            }))
        });
        unpacked.await?
    }
}

const UNPACK: &str = "unpack a layer";
const NOTE: &str = "note an image";

/// Unpacks a layer below `going`, and then calls it `dir`; how many bytes it has.
fn unpack(blob: &mut Blob, going: &Path, room: Room, diff_id: &str, dir: &Path) -> io::Result<u64> {
    let into = tempfile::Builder::new().prefix("layer-").tempdir_in(going)?;
    let content = into.path().join("fs");
    fs::create_dir(&content)?;
    let Unpacked { digest, bytes } = blob.unpack(&content, room)?;
    if digest != diff_id {
        let why = format!("layer {diff_id} has the content {digest}");
        return Err(crate::place::invalid(&why));
    }
    fs::rename(&content, dir)?;
    Ok(bytes)
}

/// What is wrong with an archive is its maker's fault; all else is the disk's.
fn judge(error: ImageError) -> ImageError {
    match error {
        ImageError::Disk(doing, error) => match error.kind() {
            io::ErrorKind::FileTooLarge => {
                ImageError::TooLarge("a layer holds more than is allowed".into())
            }
            io::ErrorKind::StorageFull => ImageError::Disk(doing, error),
            // readers of archives and compressed streams have no other words for what is broken
            io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::Other => ImageError::Malformed(error.to_string()),
            _ => ImageError::Disk(doing, error),
        },
        other => other,
    }
}

/// A manifest with what it names.
struct Found {
    manifest: Manifest,
    digest: String,
    index_digest: Option<String>,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

impl Store {
    async fn clear(&self) {
        let cleared = self.aside("empty a full disk", |shelf| {
            shelf.clear();
            Ok(())
        });
        if let Err(error) = cleared.await {
            tracing::warn!(%error, "could not clear the image store");
        }
    }

    /// Pulls once. What a full disk had no room for has left it, but for other images' layers.
    async fn pull_once(
        &self,
        reference: &ImageRef,
        tag_or_digest: &str,
        source: &dyn ImageSource,
    ) -> Result<ImageId, ImageError> {
        let found = self.resolve(tag_or_digest, source).await?;
        let id = ImageId(found.digest.clone());
        let is_import = source.is_import();
        let (known, name) = (id.clone(), reference.clone());
        let noted = self.aside(NOTE, move |shelf| shelf.known_again(&known, &name, is_import));
        if noted.await? {
            return Ok(id);
        }
        let config = fetch::document(source, &found.config).await?;
        let config = document::parse_config(&config)?;
        if config.diff_ids.len() != found.layers.len() {
            return Err(ImageError::Malformed(
                "manifest and configuration differ in their number of layers".into(),
            ));
        }
        for diff_id in &config.diff_ids {
            digest::digits(diff_id)?;
        }
        let blobs = found.layers.iter().map(|layer| &layer.digest);
        let wanted = config.diff_ids.iter().chain(blobs).cloned().collect();
        let wanted = self.aside("want layers", move |shelf| Ok(shelf.want(wanted))).await?;
        let pairs: Vec<_> = found.layers.iter().zip(&config.diff_ids).collect();
        let each = pairs.iter().map(|(layer, diff_id)| self.layer(source, layer, diff_id));
        let each: Vec<_> = each.collect();
        futures_util::stream::iter(each)
            .buffer_unordered(LAYERS_AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
        let now = self.shelf.clock.now();
        let unpacked: Vec<u64> = {
            let known = &self.shelf.state.lock().unpacked;
            let bytes = |diff_id| known.get(diff_id).copied().unwrap_or_default();
            config.diff_ids.iter().map(bytes).collect()
        };
        let image = Image {
            id: id.clone(),
            index_digest: found.index_digest.clone(),
            references: vec![reference.clone()],
            imported_as: is_import.then(|| reference.clone()).into_iter().collect(),
            size_bytes: found.layers.iter().map(|layer| layer.size).sum(),
            unpacked_bytes: unpacked.iter().sum(),
            pulled_at: now,
            config: config.config,
        };
        let layers = pairs
            .iter()
            .zip(unpacked)
            .map(|((layer, diff_id), unpacked_bytes)| record::Layer {
                diff_id: (*diff_id).clone(),
                size_bytes: layer.size,
                unpacked_bytes,
            })
            .collect();
        self.reach_disk().await?;
        tracing::debug!(image = %id, %reference, bytes = found.manifest.bytes.len(), "pulled");
        let record = Record { image, layers, used_at: now };
        let kept = self.aside(NOTE, move |shelf| {
            let _wanted = wanted; // until its record is there, though nobody waits any more
            shelf.keep(record)?;
            shelf.make_room();
            Ok(())
        });
        kept.await.map(|()| id)
    }
}

#[async_trait]
impl ImageStore for Store {
    async fn pull(
        &self,
        reference: &ImageRef,
        tag_or_digest: &str,
        source: Arc<dyn ImageSource>,
    ) -> Result<ImageId, ImageError> {
        let pulled = self.pull_once(reference, tag_or_digest, source.as_ref()).await;
        if !pulled.as_ref().is_err_and(ImageError::is_full) {
            return pulled;
        }
        self.clear().await;
        // of those that filled the disk together, one may have room; a slow one keeps no other long
        let _turn = self.shelf.clock.timeout(TURN_MAX, self.again.lock()).await;
        let pulled = self.pull_once(reference, tag_or_digest, source.as_ref()).await;
        if pulled.as_ref().is_err_and(ImageError::is_full) {
            self.clear().await;
        }
        pulled
    }

    async fn find(&self, id: &ImageId) -> Result<Image, ImageError> {
        let state = self.shelf.state.lock();
        let record = state.images.get(id).ok_or_else(|| ImageError::NotFound(id.0.clone()))?;
        Ok(record.image.clone())
    }

    async fn list(&self) -> Result<Vec<Image>, ImageError> {
        Ok(self.shelf.state.lock().images.values().map(|record| record.image.clone()).collect())
    }

    async fn remove(&self, id: &ImageId) -> Result<(), ImageError> {
        let id = id.clone();
        let forgotten = self.aside("forget an image", move |shelf| {
            shelf.forget(&id)?;
            shelf.sweep();
            Ok(())
        });
        forgotten.await
    }

    fn hold(&self, holder: &str, images: BTreeSet<ImageId>) {
        self.shelf.state.lock().kept.insert(holder.to_owned(), images);
    }

    async fn directory(
        &self,
        id: &ImageId,
        path: &str,
    ) -> Result<Option<Vec<ImageEntry>>, ImageError> {
        let (bundle, path) = (self.bundle(id)?, path.to_owned());
        blocking("look into an image", move || look::directory(&bundle.layers, &path)).await
    }
}
