//! What `docker save` writes: one archive with a list of images, their configurations, and
//! their layers as archives.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use haar_substrate::{BlobFile, ImageError, ImageSource, Manifest};
use serde::Deserialize;

use crate::digest::{self, HashRead};
use crate::document::{self, Descriptor};
use crate::fetch::{DOCUMENT_BYTES_MAX, blocking, opened};
use crate::layout::{file_of, file_stream};

/// OCI's names for what is made of it.
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// An archive of images; not compressed as a whole.
pub struct DockerArchive {
    path: PathBuf,
    /// By digest: where its bytes are.
    blobs: BTreeMap<String, Part>,
    images: Vec<Made>,
}

/// Where bytes are in an archive.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    pub(crate) at: u64,
    pub(crate) size: u64,
}

/// A manifest for one of its images.
struct Made {
    names: Vec<String>,
    manifest: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

impl DockerArchive {
    /// Opens an archive and reads its list.
    pub async fn open(path: &Path) -> Result<Self, ImageError> {
        let own = path.to_owned();
        let read = blocking("read an image archive", move || Ok(Self::read(&own))).await?;
        opened(path, read)
    }

    /// Names of its images.
    pub fn names(&self) -> Vec<String> {
        self.images.iter().flat_map(|image| image.names.clone()).collect()
    }

    fn read(path: &Path) -> io::Result<Self> {
        let parts = parts(path)?;
        let find = |name: &str| parts.get(name).copied().ok_or_else(|| missing(name));
        let list = bytes(path, find("manifest.json")?)?;
        let list: Vec<Listed> = document::json(&list, "manifest.json").map_err(invalid)?;
        let mut own = Self { path: path.to_owned(), blobs: BTreeMap::new(), images: Vec::new() };
        for listed in list {
            let config = bytes(path, find(&listed.config)?)?;
            let digest = digest::of(&config);
            own.blobs.insert(digest.clone(), find(&listed.config)?);
            let config = Descriptor::new(CONFIG, digest, config.len() as u64);
            let mut layers = Vec::new();
            for layer in &listed.layers {
                let part = find(layer)?;
                let digest = hash(path, part)?;
                layers.push(Descriptor::new(LAYER, digest.clone(), part.size));
                own.blobs.insert(digest, part);
            }
            let manifest = manifest(&config, &layers)?;
            own.images.push(Made { names: listed.repo_tags.unwrap_or_default(), manifest });
        }
        Ok(own)
    }
}

/// A manifest of these.
pub(crate) fn manifest(config: &Descriptor, layers: &[Descriptor]) -> io::Result<Bytes> {
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config,
        "layers": layers,
    });
    Ok(serde_json::to_vec(&manifest)?.into())
}

/// All files of an archive by their names.
pub(crate) fn parts(path: &Path) -> io::Result<BTreeMap<String, Part>> {
    let mut archive = tar::Archive::new(File::open(path)?);
    let mut parts = BTreeMap::new();
    let mut links = Vec::new();
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        let name = entry.path()?.to_string_lossy().trim_start_matches("./").to_owned();
        if let Some(to) = entry.link_name()? {
            links.push((name, to.to_string_lossy().into_owned()));
        } else if entry.header().entry_type().is_file() {
            parts.insert(name, Part { at: entry.raw_file_position(), size: entry.size() });
        }
    }
    // layers that several images share are links: `../ID/layer.tar`
    for (name, to) in links {
        let to = to.trim_start_matches("../");
        if let Some(part) = parts.get(to).copied() {
            parts.insert(name, part);
        }
    }
    Ok(parts)
}

fn part(path: &Path, part: Part) -> io::Result<impl Read> {
    use std::io::Seek as _;

    let mut file = File::open(path)?;
    file.seek(io::SeekFrom::Start(part.at))?;
    Ok(file.take(part.size))
}

/// A document of an archive.
pub(crate) fn bytes(path: &Path, at: Part) -> io::Result<Vec<u8>> {
    if at.size > DOCUMENT_BYTES_MAX {
        return Err(invalid(ImageError::TooLarge("a document of the archive".into())));
    }
    let mut bytes = Vec::new();
    part(path, at)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn hash(path: &Path, at: Part) -> io::Result<String> {
    HashRead::new(part(path, at)?).finish()
}

pub(crate) fn missing(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the archive has no {name}"))
}

pub(crate) fn invalid(error: ImageError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

#[async_trait]
impl ImageSource for DockerArchive {
    fn is_import(&self) -> bool {
        true
    }

    async fn manifest(&self, tag_or_digest: &str) -> Result<Manifest, ImageError> {
        let fits = |image: &&Made| {
            image.names.iter().any(|name| {
                name == tag_or_digest
                    || name.rsplit_once(':').is_some_and(|(_, tag)| tag == tag_or_digest)
            }) || digest::of(&image.manifest) == tag_or_digest
        };
        let only = match self.images.as_slice() {
            [only] if tag_or_digest.is_empty() => Some(only),
            _ => None,
        };
        let found = self.images.iter().find(fits).or(only);
        let image =
            found.ok_or_else(|| ImageError::NotFound(format!("{tag_or_digest} in the archive")))?;
        Ok(Manifest { media_type: MANIFEST.to_owned(), bytes: image.manifest.clone() })
    }

    async fn blob(
        &self,
        digest: &str,
        from: u64,
    ) -> Result<BoxStream<'static, Result<Bytes, ImageError>>, ImageError> {
        let part = self.blobs.get(digest).ok_or_else(|| ImageError::NotFound(digest.to_owned()))?;
        let left = part.size.saturating_sub(from);
        file_stream(&self.path, digest, part.at + from, left).await
    }

    async fn file(&self, digest: &str) -> Result<Option<BlobFile>, ImageError> {
        let Some(part) = self.blobs.get(digest) else { return Ok(None) };
        Ok(file_of(&self.path, part.at, Some(part.size)).await)
    }
}
