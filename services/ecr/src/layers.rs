//! Layers: how they are uploaded, mounted and found.

use haar_blobs::BlobError;
use haar_kernel::Call;
use haar_ledger::{Snapshot, Tx};
use haar_types::Timestamp;
use haar_wire::AwsError;

use crate::Ecr;
use crate::lookup::{find_repository, layer_of};
use crate::refusal;
use crate::rules::digests::SaidDigest;
use crate::state::{LayerKey, LayerRow, RepositoryKey, RepositoryRow, UploadKey, UploadRow};

/// Bytes of one layer at most. AWS docs: *Amazon ECR User Guide > Service quotas* (52,000 MiB).
pub(crate) const BYTES_MAX: u64 = 52_000 << 20;
/// How seldom a layer's `touched_at` is written, in milliseconds.
const TOUCH_EVERY_MS: i64 = 600_000;

impl Ecr {
    /// Begins an upload to a repository; answers its id.
    pub(crate) async fn begin_upload(
        &self,
        call: &Call,
        key: &RepositoryKey,
    ) -> Result<String, AwsError> {
        let id = call.ids.uuid();
        self.doors.blobs.begin_upload(&id).map_err(|fault| refusal::server(&fault))?;
        let begun = self
            .commit(|tx| {
                find_repository(tx, key)?;
                tx.put(UploadRow {
                    key: UploadKey(id.clone()),
                    repository: key.clone(),
                    started_at: call.now,
                    part_count: 0,
                    has_short_part: false,
                    is_spoilt: false,
                });
                Ok(())
            })
            .await;
        if begun.is_err() {
            self.drop_upload(&id);
        }
        begun.map(|()| id)
    }

    /// Makes a layer of an upload whose bytes have this digest.
    ///
    /// # Errors
    /// [`BlobError::Mismatch`] on the inner level: the bytes have another one.
    pub(crate) async fn finish_upload(
        &self,
        upload: &UploadRow,
        said: &SaidDigest,
        now: Timestamp,
    ) -> Result<Result<u64, BlobError>, AwsError> {
        let (id, key) = (&upload.key.0, &upload.repository);
        let blobs = &self.doors.blobs;
        let finished = match said {
            SaidDigest::Sha256(it) => blobs.finish_upload(id, it).await.map(|size| (*it, size)),
            SaidDigest::Sha512(it) => blobs.finish_upload_by_sha512(id, it).await,
        };
        let (digest, size) = match finished {
            Ok(finished) => finished,
            Err(BlobError::NoUpload(_)) => return Err(refusal::no_upload(key, id)),
            Err(fault @ BlobError::Disk(..)) => return Err(refusal::server(&fault)),
            Err(fault) => return Ok(Err(fault)),
        };
        self.commit(|tx| {
            find_repository(tx, key)?;
            tx.remove::<UploadRow>(&upload.key);
            let (key, found) = (key.layer(digest), tx.get::<LayerRow>(&key.layer(digest)));
            let sha512 = said.sha512().or(found.and_then(|row| row.sha512));
            tx.put(LayerRow { key, size, touched_at: now, sha512 });
            Ok(())
        })
        .await?;
        Ok(Ok(size))
    }

    /// Gives an upload up.
    pub(crate) async fn abort_upload(&self, upload: &UploadRow) -> Result<(), AwsError> {
        self.drop_upload(&upload.key.0);
        self.commit(|tx| {
            tx.remove::<UploadRow>(&upload.key);
            Ok(())
        })
        .await
    }

    fn drop_upload(&self, id: &str) {
        if let Err(error) = self.doors.blobs.abort_upload(id) {
            tracing::warn!(%error, id, "the bytes of an upload were not removed");
        }
    }

    /// The upload of that id in that repository.
    pub(crate) fn find_upload(
        &self,
        key: &RepositoryKey,
        id: &str,
    ) -> Result<std::sync::Arc<UploadRow>, AwsError> {
        let snapshot = self.doors.ledger.snapshot();
        find_repository(&snapshot, key)?;
        let found = snapshot.get::<UploadRow>(&UploadKey(id.to_owned()));
        let own = found.filter(|row| row.repository == *key);
        own.ok_or_else(|| refusal::no_upload(key, id))
    }

    /// A layer's row. One that no image needs is kept for longer because somebody asks for it.
    pub(crate) fn layer(&self, key: &LayerKey) -> Option<std::sync::Arc<LayerRow>> {
        let snapshot = self.doors.ledger.snapshot();
        let row = snapshot.get::<LayerRow>(key)?;
        let now = self.doors.clock.now();
        if now.0 - row.touched_at.0 > TOUCH_EVERY_MS && !key.is_needed(&snapshot) {
            // Not waited for: were it lost, the layer would have to be uploaded again.
            let touch = |row: &mut LayerRow| row.touched_at = now;
            let _ = self.doors.ledger.write(|tx| tx.update(key, touch)).early();
        }
        Some(row)
    }
}

/// Gives a repository a layer that another one of the same registry has. AWS docs: *Amazon ECR
/// User Guide > Blob mounting*.
///
/// False when the other one does not have it, or the two are encrypted in different ways.
pub(crate) fn mount(
    tx: &mut Tx,
    from: &RepositoryKey,
    to: &RepositoryKey,
    said: &SaidDigest,
    now: Timestamp,
) -> Result<bool, AwsError> {
    let target = find_repository(tx, to)?;
    let Some(source) = tx.get::<RepositoryRow>(from) else { return Ok(false) };
    let alike = source.settings.encryption == target.settings.encryption;
    let digest = layer_of(tx, from, said).filter(|_| alike);
    let Some(layer) = digest.and_then(|digest| tx.get::<LayerRow>(&from.layer(digest))) else {
        return Ok(false);
    };
    let key = to.layer(layer.key.digest);
    let sha512 = layer.sha512.or(tx.get::<LayerRow>(&key).and_then(|row| row.sha512));
    tx.put(LayerRow { key, size: layer.size, touched_at: now, sha512 });
    Ok(true)
}

/// A repository of the registry that has a layer, for mounts that do not say from where.
pub(crate) fn anywhere(
    snapshot: &Snapshot,
    to: &RepositoryKey,
    said: &SaidDigest,
) -> Option<RepositoryKey> {
    let has = |key: &RepositoryKey| {
        let digest = layer_of(snapshot, key, said);
        digest.is_some_and(|digest| snapshot.contains::<LayerRow>(&key.layer(digest)))
    };
    let mut all = to.registry.repositories(snapshot).map(|row| row.key.clone());
    all.find(|key| key != to && has(key))
}
