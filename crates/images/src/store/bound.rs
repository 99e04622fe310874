//! Keeps the store within its bound, and rid of what nobody needs.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use haar_substrate::{ImageError, ImageId, ImageRef};
use parking_lot::Mutex;

use super::record::{self, Record};
use super::{State, Store};
use crate::digest;
use crate::fetch::PART;

/// An image was pulled to be run soon: for so long it stays, though nothing runs from it yet.
const FRESH: Duration = Duration::from_secs(20 * 60);

/// Layers that a pull needs, until it has ended.
pub(super) struct Wanted {
    layers: BTreeSet<String>,
    state: Arc<Mutex<State>>,
}

impl Drop for Wanted {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        if let Some(at) = state.wanted.iter().position(|layers| *layers == self.layers) {
            state.wanted.swap_remove(at);
        }
        for layer in &self.layers {
            let idle = state.busy.get(layer).is_some_and(|turn| Arc::strong_count(turn) == 1);
            if idle {
                state.busy.remove(layer);
            }
        }
    }
}

impl Store {
    /// Keeps these layers for as long as the answer lives.
    pub(super) fn want<'a>(&self, layers: impl Iterator<Item = &'a String>) -> Wanted {
        let layers: BTreeSet<_> = layers.cloned().collect();
        self.state.lock().wanted.push(layers.clone());
        Wanted { layers, state: self.state.clone() }
    }

    /// Notes another name for an image that is here; false when it is not.
    pub(super) fn known_again(
        &self,
        id: &ImageId,
        reference: &ImageRef,
        is_import: bool,
    ) -> Result<bool, ImageError> {
        let mut state = self.state.lock();
        let now = self.clock.now();
        let Some(record) = state.images.get_mut(id) else { return Ok(false) };
        record.used_at = now;
        let image = &mut record.image;
        let is_named = image.references.contains(reference);
        let is_marked = !is_import || image.imported_as.contains(reference);
        if is_named && is_marked {
            return Ok(true);
        }
        if !is_named {
            image.references.push(reference.clone());
        }
        if !is_marked {
            image.imported_as.push(reference.clone());
        }
        let record = record.clone();
        self.rename_others(&mut state, id, reference)?;
        self.save(&record)?;
        Ok(true)
    }

    /// Notes an image that is here whole by now.
    pub(super) fn keep(&self, record: Record) -> Result<(), ImageError> {
        let mut state = self.state.lock();
        let id = record.image.id.clone();
        for reference in &record.image.references {
            self.rename_others(&mut state, &id, reference)?;
        }
        self.save(&record)?;
        state.images.insert(id, record);
        Ok(())
    }

    /// A name belongs to the image that was pulled by it last.
    fn rename_others(
        &self,
        state: &mut State,
        id: &ImageId,
        reference: &ImageRef,
    ) -> Result<(), ImageError> {
        let others = state.images.iter_mut().filter(|(other, _)| *other != id);
        for (_, record) in others {
            let before = record.image.references.len();
            record.image.references.retain(|name| name != reference);
            record.image.imported_as.retain(|name| name != reference);
            if record.image.references.len() < before {
                self.save(record)?;
            }
        }
        Ok(())
    }

    fn save(&self, record: &Record) -> Result<(), ImageError> {
        record::save(&self.dir, record)
            .map_err(|error| ImageError::Disk("note an image".into(), error))
    }

    /// Forgets an image that nothing uses; one that is used or kept stays.
    pub(super) fn forget(&self, id: &ImageId) -> Result<(), ImageError> {
        let mut state = self.state.lock();
        if state.is_needed(id) {
            return Ok(());
        }
        record::erase(&self.dir, id)
            .map_err(|error| ImageError::Disk("forget an image".into(), error))?;
        state.images.remove(id);
        Ok(())
    }

    /// Forgets images, the longest unused first, until the rest is within the bound. Those that
    /// were used a moment ago stay, also where there are too many of them.
    pub(super) fn make_room(&self) {
        let now = self.clock.now();
        loop {
            let oldest = {
                let state = self.state.lock();
                if bytes(&state) <= self.bounds.store_bytes {
                    break;
                }
                let idle = state
                    .images
                    .iter()
                    .filter(|(id, record)| !state.is_needed(id) && record.used_at + FRESH <= now);
                idle.min_by_key(|(_, record)| record.used_at).map(|(id, _)| id.clone())
            };
            let Some(id) = oldest else { break };
            if let Err(error) = self.forget(&id) {
                tracing::warn!(image = %id, %error, "could not forget an image");
                break;
            }
        }
        self.sweep();
    }

    /// Empties a full disk of what can be had again: images that nobody needs, but for those that
    /// were used a moment ago, and what no pull wants of layers.
    pub(super) fn clear(&self) {
        let now = self.clock.now();
        let idle: Vec<_> = {
            let state = self.state.lock();
            let idle = state.images.iter().filter(|(id, record)| {
                // no registry has what was imported
                record.image.imported_as.is_empty()
                    && !state.is_needed(id)
                    && record.used_at + FRESH <= now
            });
            idle.map(|(id, _)| id.clone()).collect()
        };
        for id in idle {
            if let Err(error) = self.forget(&id) {
                tracing::warn!(image = %id, %error, "could not forget an image");
            }
        }
        self.sweep();
        self.sweep_blobs();
    }

    /// Removes what came of layers that no pull wants.
    fn sweep_blobs(&self) {
        let state = self.state.lock(); // so that no pull goes on with one that is about to go
        let wanted: BTreeSet<_> =
            state.wanted.iter().flatten().filter_map(|id| digest::digits(id).ok()).collect();
        let Ok(entries) = fs::read_dir(self.dir.join("blobs")) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let digits = name.to_str().and_then(|name| name.strip_suffix(PART));
            if digits.is_some_and(|digits| !wanted.contains(digits)) {
                let _ = fs::remove_file(entry.path()); // the next time does
            }
        }
    }

    /// Removes layers that no image has and no pull wants.
    pub(super) fn sweep(&self) {
        // under the lock, so that no pull takes up a layer that is about to go
        let state = self.state.lock();
        let of_images = state.images.values().flat_map(|record| &record.layers);
        let mut needed: BTreeSet<&str> = of_images.map(|layer| layer.diff_id.as_str()).collect();
        needed.extend(state.wanted.iter().flatten().map(String::as_str));
        let needed: BTreeSet<_> =
            needed.into_iter().filter_map(|id| digest::digits(id).ok()).collect();
        let Ok(entries) = fs::read_dir(self.dir.join("layers")) else { return };
        let mut gone = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| needed.contains(name)) {
                continue;
            }
            let to = self.dir.join("going").join(&name);
            if fs::rename(entry.path(), &to).is_ok() {
                gone.push(to);
            }
        }
        drop(state);
        for dir in gone {
            if let Err(error) = fs::remove_dir_all(&dir) {
                tracing::warn!(dir = %dir.display(), %error, "could not remove a layer");
            }
        }
    }

    /// Removes what a process that was killed has left half done. Blobs that broke off stay.
    pub(super) fn remove_leavings(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.dir.join("going"))? {
            let path = entry?.path();
            match path.is_dir() {
                true => fs::remove_dir_all(path)?,
                false => fs::remove_file(path)?,
            }
        }
        self.sweep();
        Ok(())
    }
}

/// Bytes of all layers, each once.
fn bytes(state: &State) -> u64 {
    let layers = state.images.values().flat_map(|record| &record.layers);
    let sizes: std::collections::BTreeMap<_, _> =
        layers.map(|layer| (layer.diff_id.as_str(), layer.size_bytes)).collect();
    sizes.into_values().sum()
}
