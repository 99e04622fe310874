//! An image store in memory: it has what it was told of, and fetches nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use haar_types::Timestamp;
use parking_lot::Mutex;

use crate::{
    Image, ImageConfig, ImageEntry, ImageError, ImageId, ImageRef, ImageSource, ImageStore,
};

/// The store.
#[derive(Default)]
pub struct SimImages {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What can be pulled.
    offered: BTreeMap<ImageRef, Image>,
    here: BTreeMap<ImageId, Image>,
    failing: BTreeMap<ImageRef, Failing>,
    pulls: u64,
    held: BTreeMap<String, BTreeSet<ImageId>>,
}

type Failing = Arc<dyn Fn() -> ImageError + Send + Sync>;

impl SimImages {
    /// From now on this image can be pulled by this name, whatever the source.
    pub fn offer(&self, reference: &str, config: ImageConfig) -> ImageId {
        let mut state = self.state.lock();
        let id = ImageId(format!("sha256:{:064x}", state.offered.len() + 1));
        let reference = ImageRef(reference.to_owned());
        let image = Image {
            id: id.clone(),
            index_digest: None,
            references: vec![reference.clone()],
            imported_as: Vec::new(),
            size_bytes: 1 << 20,
            unpacked_bytes: 2 << 20,
            pulled_at: Timestamp(0),
            config,
        };
        state.failing.remove(&reference);
        state.offered.insert(reference, image);
        id
    }

    /// An image that was offered is here, and holds so much.
    pub fn bring(&self, id: &ImageId, unpacked_bytes: u64) {
        let mut state = self.state.lock();
        let found = state.offered.values().find(|image| image.id == *id).cloned();
        if let Some(image) = found {
            state.here.insert(id.clone(), Image { unpacked_bytes, ..image });
        }
    }

    /// From now on pulling by this name fails so.
    pub fn fail(&self, reference: &str, error: impl Fn() -> ImageError + Send + Sync + 'static) {
        let reference = ImageRef(reference.to_owned());
        self.state.lock().failing.insert(reference, Arc::new(error));
    }

    /// Pulls that were asked for.
    pub fn pulls(&self) -> u64 {
        self.state.lock().pulls
    }

    /// What a holder keeps.
    pub fn held(&self, holder: &str) -> BTreeSet<ImageId> {
        self.state.lock().held.get(holder).cloned().unwrap_or_default()
    }
}

#[async_trait]
impl ImageStore for SimImages {
    async fn pull(
        &self,
        reference: &ImageRef,
        _tag_or_digest: &str,
        _source: Arc<dyn ImageSource>,
    ) -> Result<ImageId, ImageError> {
        let mut state = self.state.lock();
        state.pulls += 1;
        if let Some(failing) = state.failing.get(reference) {
            return Err(failing());
        }
        let found = state.offered.get(reference).cloned();
        let image = found.ok_or_else(|| ImageError::NotFound(reference.to_string()))?;
        let id = image.id.clone();
        state.here.insert(id.clone(), image);
        Ok(id)
    }

    async fn find(&self, id: &ImageId) -> Result<Image, ImageError> {
        let found = self.state.lock().here.get(id).cloned();
        found.ok_or_else(|| ImageError::NotFound(id.to_string()))
    }

    async fn list(&self) -> Result<Vec<Image>, ImageError> {
        Ok(self.state.lock().here.values().cloned().collect())
    }

    async fn remove(&self, id: &ImageId) -> Result<(), ImageError> {
        let mut state = self.state.lock();
        if !state.held.values().any(|held| held.contains(id)) {
            state.here.remove(id);
        }
        Ok(())
    }

    fn hold(&self, holder: &str, images: BTreeSet<ImageId>) {
        self.state.lock().held.insert(holder.to_owned(), images);
    }

    /// Every directory is there, and empty.
    async fn directory(
        &self,
        id: &ImageId,
        _path: &str,
    ) -> Result<Option<Vec<ImageEntry>>, ImageError> {
        self.find(id).await.map(|_| Some(Vec::new()))
    }
}
