//! What is known of an image, in a file of its own.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use haar_substrate::{Image, ImageId};
use haar_types::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest;

/// An image that is here whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) image: Image,
    /// Lowest first.
    pub(super) layers: Vec<Layer>,
    /// When it was pulled or run last; in memory only after that.
    pub(super) used_at: Timestamp,
}

/// A layer of an image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Layer {
    pub(super) diff_id: String,
    pub(super) size_bytes: u64,
    /// Of its archive, uncompressed; 0 where that is not known.
    #[serde(default)]
    pub(super) unpacked_bytes: u64,
}

/// Reads all records. One whose layers are not all here is forgotten.
pub(super) fn load(dir: &Path) -> io::Result<BTreeMap<ImageId, Record>> {
    let mut images = BTreeMap::new();
    for entry in fs::read_dir(dir.join("images"))? {
        let path = entry?.path();
        let record = serde_json::from_slice::<Record>(&fs::read(&path)?).ok();
        let whole = record.filter(|record| {
            record.layers.iter().all(|layer| {
                let digits = digest::digits(&layer.diff_id);
                digits.is_ok_and(|digits| dir.join("layers").join(digits).is_dir())
            })
        });
        match whole {
            Some(record) => drop(images.insert(record.image.id.clone(), record)),
            None => fs::remove_file(path)?,
        }
    }
    Ok(images)
}

/// Writes a record, whole or not at all.
pub(super) fn save(dir: &Path, record: &Record) -> io::Result<()> {
    let body = serde_json::to_vec(record).map_err(io::Error::other)?;
    let mut file = tempfile::NamedTempFile::new_in(dir.join("going"))?;
    file.write_all(&body)?;
    file.as_file().sync_data()?;
    file.persist(path(dir, &record.image.id)).map_err(|error| error.error)?;
    fs::File::open(dir.join("images"))?.sync_all()
}

/// Removes a record; one that is gone is fine.
pub(super) fn erase(dir: &Path, id: &ImageId) -> io::Result<()> {
    match fs::remove_file(path(dir, id)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn path(dir: &Path, id: &ImageId) -> PathBuf {
    let digits = digest::digits(&id.0).unwrap_or("malformed");
    dir.join("images").join(format!("{digits}.json"))
}
