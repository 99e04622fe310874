//! Keeps the store within its bound, and rid of what nobody needs.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use haar_substrate::{ImageError, ImageId, ImageRef};
use parking_lot::Mutex;

use super::record::{self, Record};
use super::{NOTE, Shelf, State};
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

impl Shelf {
    pub(super) fn layer_dir(&self, diff_id: &str) -> PathBuf {
        let digits = digest::digits(diff_id).unwrap_or("malformed");
        self.dir.join("layers").join(digits)
    }

    /// Keeps these layers for as long as the answer lives.
    pub(super) fn want(&self, layers: BTreeSet<String>) -> Wanted {
        let _still = self.moves.lock(); // what goes at this moment is seen to have gone
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
        let _records = self.records.lock();
        let mut state = self.state.lock();
        let Some(record) = state.images.get_mut(id) else { return Ok(false) };
        record.used_at = self.clock.now();
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
        let others = rename_others(&mut state, id, reference);
        drop(state);
        others.iter().chain([&record]).try_for_each(|record| self.save(record))?;
        Ok(true)
    }

    /// Notes an image that is here whole by now.
    pub(super) fn keep(&self, record: Record) -> Result<(), ImageError> {
        let _records = self.records.lock();
        let id = record.image.id.clone();
        let others: Vec<_> = {
            let mut state = self.state.lock();
            let names = record.image.references.iter();
            names.flat_map(|name| rename_others(&mut state, &id, name)).collect()
        };
        others.iter().chain([&record]).try_for_each(|record| self.save(record))?;
        self.state.lock().images.insert(id, record);
        Ok(())
    }

    fn save(&self, record: &Record) -> Result<(), ImageError> {
        record::save(&self.dir, record).map_err(|error| ImageError::Disk(NOTE.into(), error))
    }

    /// Forgets an image that nothing uses; one that is used or kept stays.
    pub(super) fn forget(&self, id: &ImageId) -> Result<(), ImageError> {
        let _records = self.records.lock();
        let forgotten = {
            let mut state = self.state.lock();
            if state.is_needed(id) { None } else { state.images.remove(id) }
        };
        let Some(record) = forgotten else { return Ok(()) };
        record::erase(&self.dir, id).map_err(|error| {
            self.state.lock().images.insert(id.clone(), record);
            ImageError::Disk("forget an image".into(), error)
        })
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
        self.take_away("blobs", PART, State::wanted);
    }

    /// Removes layers that no image has and no pull wants.
    pub(super) fn sweep(&self) {
        self.take_away("layers", "", |state| {
            let layers = state.images.values().flat_map(|record| &record.layers);
            let mut needed = state.wanted();
            needed.extend(layers.filter_map(|layer| digits(&layer.diff_id)));
            needed
        });
    }

    /// Removes what a folder has beside what is needed, of that whose names have an ending.
    fn take_away(&self, folder: &str, ending: &str, needed: impl Fn(&State) -> BTreeSet<String>) {
        let Ok(entries) = fs::read_dir(self.dir.join(folder)) else { return };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let names: Vec<_> = names.collect();
        let mut gone = Vec::new();
        {
            let _moving = self.moves.lock();
            let needed = needed(&self.state.lock()); // no more comes to that meanwhile
            let is_needed = |digits| needed.contains(digits);
            for name in &names {
                if name.strip_suffix(ending).is_none_or(is_needed) {
                    continue;
                }
                let to = self.dir.join("going").join(name);
                if fs::rename(self.dir.join(folder).join(name), &to).is_ok() {
                    gone.push(to);
                }
            }
        }
        for path in gone {
            if let Err(error) = remove(&path) {
                tracing::warn!(path = %path.display(), %error, "could not remove what nobody needs");
            }
        }
    }

    /// Removes what a process that was killed has left half done. Blobs that broke off stay.
    pub(super) fn remove_leavings(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.dir.join("going"))? {
            remove(&entry?.path())?;
        }
        self.sweep();
        Ok(())
    }
}

fn remove(path: &Path) -> io::Result<()> {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

fn digits(id: &str) -> Option<String> {
    digest::digits(id).ok().map(str::to_owned)
}

impl State {
    /// What pulls want of layers and blobs.
    fn wanted(&self) -> BTreeSet<String> {
        self.wanted.iter().flatten().filter_map(|id| digits(id)).collect()
    }
}

/// A name belongs to the image that was pulled by it last: the others' records that change.
fn rename_others(state: &mut State, id: &ImageId, reference: &ImageRef) -> Vec<Record> {
    let others = state.images.iter_mut().filter(|(other, _)| *other != id);
    let named = others.filter(|(_, record)| record.image.references.contains(reference));
    let renamed = named.map(|(_, record)| {
        record.image.references.retain(|name| name != reference);
        record.image.imported_as.retain(|name| name != reference);
        record.clone()
    });
    renamed.collect()
}

/// Bytes of all layers, each once.
fn bytes(state: &State) -> u64 {
    let layers = state.images.values().flat_map(|record| &record.layers);
    let sizes: std::collections::BTreeMap<_, _> =
        layers.map(|layer| (layer.diff_id.as_str(), layer.size_bytes)).collect();
    sizes.into_values().sum()
}
