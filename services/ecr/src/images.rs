//! Images: how they come, and how they go.

use haar_blobs::{Digest, Digest512};
use haar_ecr_contract::model::{ImageFailure, ImageFailureCode, ImageIdentifier};
use haar_ledger::Tx;
use haar_wire::AwsError;

use crate::announce::Telling;
use crate::lookup::{find_image, find_repository, image_of, layer_of};
use crate::refusal;
use crate::replicate;
use crate::rules::digests::SaidDigest;
use crate::rules::manifest::{Manifest, SaidLayer};
use crate::rules::mutability;
use crate::state::{ImageRow, LayerRef, LayerRow, RepositoryKey, RepositoryRow, TagRow};

/// A manifest that is to become an image. Its bytes are a blob already.
pub(crate) struct Push<'a> {
    pub(crate) repository: &'a RepositoryKey,
    pub(crate) digest: Digest,
    pub(crate) manifest: &'a Manifest,
    pub(crate) manifest_size: u64,
    pub(crate) tag: Option<&'a str>,
    /// What it refers to may be missing: a pull-through cache fetches it when it is asked for.
    pub(crate) is_cached: bool,
    /// What it is pushed as, where that is not its own digest.
    pub(crate) sha512: Option<Digest512>,
    pub(crate) telling: Telling<'a>,
}

impl Push<'_> {
    /// Makes the image, or gives the one that is there a tag more.
    ///
    /// # Errors
    /// `ImageAlreadyExistsException` when that changes nothing, and AWS's refusals.
    pub(crate) fn commit(&self, tx: &mut Tx) -> Result<(), AwsError> {
        let repository = find_repository(tx, self.repository)?;
        let is_named_anew = self.name_too(tx);
        let is_there = match tx.get::<ImageRow>(&self.repository.image(self.digest)) {
            Some(row) if row.is_archived => {
                // Pushing it again brings it back.
                let active = Some(self.telling.now);
                tx.put(ImageRow { is_archived: false, activated_at: active, ..(*row).clone() });
                true
            }
            Some(_) if !is_named_anew && self.changes_no_tag(tx) => {
                return Err(refusal::image_exists(self.repository, &self.digest, self.tag));
            }
            found => found.is_some(),
        };
        self.check_tag(tx, &repository)?;
        if !is_there {
            let row = self.row(self.resolve(tx)?, tx);
            tx.put(row);
        }
        if let Some(tag) = self.tag {
            let (key, checked_at) = (self.repository.tag(tag), self.telling.now);
            tx.put(TagRow { key, digest: self.digest, checked_at });
        }
        let image = self.repository.image(self.digest);
        if !self.is_cached {
            self.telling.pushed(tx, &image, self.tag);
        }
        replicate::schedule(tx, &image, self.tag);
        Ok(())
    }

    fn changes_no_tag(&self, tx: &Tx) -> bool {
        self.tag.is_none_or(|tag| {
            let standing = tx.get::<TagRow>(&self.repository.tag(tag));
            standing.is_some_and(|row| row.digest == self.digest)
        })
    }

    fn check_tag(&self, tx: &Tx, repository: &RepositoryRow) -> Result<(), AwsError> {
        let Some(tag) = self.tag.filter(|_| !self.changes_no_tag(tx)) else { return Ok(()) };
        let stands = tx.contains::<TagRow>(&self.repository.tag(tag));
        match stands && mutability::is_immutable(&repository.settings, tag) {
            true => Err(refusal::immutable(self.repository, tag)),
            false => Ok(()),
        }
    }

    /// Has an image that is there already known by a name that is new to it; true if so.
    fn name_too(&self, tx: &mut Tx) -> bool {
        let key = self.repository.image(self.digest);
        let Some(row) = tx.get::<ImageRow>(&key).filter(|_| self.sha512.is_some()) else {
            return false;
        };
        let is_new = row.sha512 != self.sha512;
        if is_new {
            tx.put(ImageRow { sha512: self.sha512, ..(*row).clone() });
        }
        is_new
    }

    /// What the manifest refers to, which must be there.
    fn resolve(&self, tx: &Tx) -> Result<References, AwsError> {
        let mut missing = Vec::new();
        let config = self.manifest.config.as_ref().and_then(|it| self.layer(tx, it, &mut missing));
        let said = self.manifest.layers.iter();
        let layers = said.filter_map(|it| self.layer(tx, it, &mut missing)).collect();
        if !missing.is_empty() {
            return Err(refusal::missing("Layers", self.repository, &missing));
        }
        self.check_sizes(tx)?;
        let mut children = Vec::new();
        for said in &self.manifest.children {
            let digest = image_of(tx, self.repository, said).filter(|digest| {
                self.is_cached || tx.contains::<ImageRow>(&self.repository.image(*digest))
            });
            match digest {
                Some(digest) => children.push(digest),
                None => missing.push(*said),
            }
        }
        match missing.is_empty() {
            true => Ok(References { config, layers, children }),
            false => Err(refusal::missing("Images", self.repository, &missing)),
        }
    }

    fn layer(&self, tx: &Tx, said: &SaidLayer, missing: &mut Vec<SaidDigest>) -> Option<LayerRef> {
        let digest = layer_of(tx, self.repository, &said.digest).filter(|digest| {
            self.is_cached || tx.contains::<LayerRow>(&self.repository.layer(*digest))
        });
        if digest.is_none() {
            missing.push(said.digest);
        }
        Some(LayerRef { digest: digest?, size: said.size })
    }

    /// What an image weighs is what its manifest says, so it must say what is there.
    fn check_sizes(&self, tx: &Tx) -> Result<(), AwsError> {
        if self.is_cached {
            return Ok(());
        }
        for blob in self.manifest.config.iter().chain(&self.manifest.layers) {
            let digest = layer_of(tx, self.repository, &blob.digest);
            let actual = digest.and_then(|it| tx.get::<LayerRow>(&self.repository.layer(it)));
            if let Some(actual) = actual.filter(|actual| actual.size != blob.size) {
                let text = format!(
                    "The layer with digest '{}' has {} bytes, not {}",
                    blob.digest, actual.size, blob.size
                );
                return Err(refusal::constraint("ImageManifest", &text));
            }
        }
        Ok(())
    }

    fn row(&self, references: References, tx: &Tx) -> ImageRow {
        let manifest = self.manifest.clone();
        // By its own digest where it is known, as all that is about an image goes with it.
        let subject = manifest
            .subject
            .map(|said| image_of(tx, self.repository, &said).map_or(said, SaidDigest::from));
        ImageRow {
            key: self.repository.image(self.digest),
            media_type: manifest.media_type,
            manifest_size: self.manifest_size,
            artifact_type: manifest.artifact_type,
            config: references.config,
            layers: references.layers,
            children: references.children,
            subject,
            annotations: manifest.annotations,
            pushed_at: self.telling.now,
            pulled_at: None,
            archived_at: None,
            activated_at: None,
            is_archived: false,
            sha512: self.sha512,
        }
    }
}

/// What a manifest refers to, by digests that things are kept by.
struct References {
    config: Option<LayerRef>,
    layers: Vec<LayerRef>,
    children: Vec<Digest>,
}

/// Removes an image with its tags. Its layers stay for a while: another push may be about to
/// name them, or a pull to read them.
pub(crate) fn remove(tx: &mut Tx, image: &ImageRow, telling: &Telling<'_>) {
    let (tags, now) = (image.tags(tx), telling.now);
    for tag in &tags {
        tx.remove::<TagRow>(&image.key.repository.tag(tag));
        telling.deleted(tx, &image.key, Some(tag));
    }
    if tags.is_empty() {
        telling.deleted(tx, &image.key, None);
    }
    for blob in image.config.iter().chain(&image.layers) {
        let key = image.key.repository.layer(blob.digest);
        tx.update::<LayerRow>(&key, |row| row.touched_at = now);
    }
    replicate::forget(tx, &image.key);
    tx.remove::<ImageRow>(&image.key);
}

/// Deletes what an identifier names, as `BatchDeleteImage` does: a tag alone takes its image
/// along when it was the last one. Answers what was deleted.
pub(crate) fn delete(
    tx: &mut Tx,
    key: &RepositoryKey,
    id: &ImageIdentifier,
    telling: &Telling<'_>,
) -> Result<Vec<ImageIdentifier>, ImageFailure> {
    let image = find_image(tx, key, id)?;
    let tags = image.tags(tx);
    let digest = image.key.digest.to_string();
    let one = |tag: Option<&String>| ImageIdentifier {
        image_digest: Some(digest.clone()),
        image_tag: tag.cloned(),
    };
    let by_tag = id.image_tag.as_ref().filter(|_| id.image_digest.is_none() && tags.len() > 1);
    if let Some(tag) = by_tag {
        tx.remove::<TagRow>(&key.tag(tag));
        telling.deleted(tx, &image.key, Some(tag));
        return Ok(vec![one(Some(tag))]);
    }
    let parents = image.parents(tx);
    if !parents.is_empty() {
        let listed: Vec<String> = parents.iter().map(Digest::to_string).collect();
        return Err(ImageFailure {
            image_id: Some(id.clone()),
            failure_code: Some(ImageFailureCode::ImageReferencedByManifestList),
            failure_reason: Some(format!(
                "Requested image referenced by manifest list: [{}]",
                listed.join(", ")
            )),
        });
    }
    remove(tx, &image, telling);
    Ok(match tags.is_empty() {
        true => vec![one(None)],
        false => tags.iter().map(|tag| one(Some(tag))).collect(),
    })
}
