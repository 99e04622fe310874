//! What the tests of the store share.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub)] // each test file uses a part

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use haar_clock::Clock;
use haar_images::build::{self, Compression, Layer};
use haar_images::{Bounds, OciLayout, Store};
use haar_substrate::{ImageConfig, ImageError, ImageId, ImageRef, ImageStore};
use tempfile::TempDir;

/// A store on a disk of its own.
pub struct House {
    pub dir: TempDir,
    pub store: Store,
}

impl House {
    pub fn new(bounds: Bounds) -> Self {
        Self::at(Clock::system(), bounds)
    }

    pub fn at(clock: Clock, bounds: Bounds) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store"), clock, bounds).unwrap();
        Self { dir, store }
    }

    pub fn layout(&self, name: &str, layers: &[(Vec<u8>, Compression)]) -> (PathBuf, String) {
        let dir = self.dir.path().join(name);
        let digest = build::layout(&dir, &ImageConfig::default(), layers);
        (dir, digest)
    }

    pub async fn pull(&self, name: &str, dir: &Path) -> Result<ImageId, ImageError> {
        let source = Arc::new(OciLayout::new(dir));
        self.store.pull(&ImageRef(name.to_owned()), "latest", source).await
    }

    /// Pulls an image of one layer; answers where that is unpacked.
    pub async fn unpacked(&self, name: &str, layer: Layer) -> Result<PathBuf, ImageError> {
        let (dir, _) = self.layout(name, &[(layer.finish(), Compression::Gzip)]);
        let id = self.pull(name, &dir).await?;
        Ok(self.store.bundle(&id)?.layers[0].clone())
    }

    pub fn layers(&self) -> usize {
        fs::read_dir(self.dir.path().join("store/layers")).unwrap().count()
    }
}
