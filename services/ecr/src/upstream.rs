//! Pull-through caches: images of other registries, fetched when they are asked for. AWS docs:
//! *Amazon ECR User Guide > Sync an upstream registry with an Amazon ECR private registry*.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use haar_blobs::{BlobError, Digest};
use haar_ecr_contract::model::{ImageIdentifier, RCTAppliedFor};
use haar_kernel::Call;
use haar_ledger::Snapshot;
use haar_registry::{Endpoint, Fetched, Login, Registries, RegistryError, Repository};
use haar_secretsmanager_contract::peek::{SecretError, SecretValue, SecretsPeek};
use haar_types::Arn;
use haar_wire::AwsError;
use parking_lot::Mutex;
use serde::Deserialize;

use crate::Ecr;
use crate::creation;
use crate::images::Push;
use crate::layers::BYTES_MAX;
use crate::lookup::{find_image, find_repository};
use crate::refusal;
use crate::rules::{manifest, names, prefix};
use crate::state::{LayerRow, PullThroughRow, RepositoryKey, TagRow};

/// How long a tag is believed before the upstream is asked again. AWS docs: the same page.
const TAG_GOOD_FOR: Duration = Duration::from_secs(24 * 3600);

/// One fetch of a digest at a time; others wait for it. A flight ends with the last who waits.
type Flights = Mutex<BTreeMap<Digest, Weak<tokio::sync::Mutex<()>>>>;

/// Connections to upstreams, and what is being fetched.
pub(crate) struct Upstreams {
    registries: Arc<Registries>,
    flights: Flights,
}

impl Upstreams {
    pub(crate) fn new(registries: Arc<Registries>) -> Self {
        Self { registries, flights: Flights::default() }
    }

    /// The turn that those who want a digest take.
    fn flight(&self, digest: Digest) -> Arc<tokio::sync::Mutex<()>> {
        let mut flights = self.flights.lock();
        flights.retain(|_, flight| flight.strong_count() > 0);
        if let Some(flight) = flights.get(&digest).and_then(Weak::upgrade) {
            return flight;
        }
        let flight = Arc::default();
        flights.insert(digest, Arc::downgrade(&flight));
        flight
    }
}

/// Why an upstream gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// It refused, or did not answer.
    #[error("the upstream registry failed: {0}")]
    Registry(#[from] RegistryError),
    /// What it sent does not have the digest that was asked for.
    #[error("the upstream registry sent something else than was asked for")]
    Lied,
    /// What it sent is no manifest.
    #[error("the upstream registry sent no manifest: {0}")]
    Unreadable(String),
    /// The rule's secret holds no login.
    #[error("the secret of the pull through cache rule cannot be used: {0}")]
    NoLogin(String),
}

impl Ecr {
    /// Fetches an image that is not here, or whose tag has not been compared with the upstream's
    /// for long, where a rule says from where.
    ///
    /// # Errors
    /// When the upstream does not answer or the caller may not import, and nothing is here that
    /// could stand in.
    pub(crate) async fn ensure_image(
        &self,
        call: &Call,
        key: &RepositoryKey,
        id: &ImageIdentifier,
    ) -> Result<(), AwsError> {
        if !is_askable(key, id) {
            return Ok(()); // there is no such image, as whoever looks for it says
        }
        let snapshot = self.doors.ledger.snapshot();
        let Some((rule, name)) = rule_of(&snapshot, key) else { return Ok(()) };
        let is_here = find_image(&snapshot, key, id).is_ok();
        if is_here && self.is_fresh(&snapshot, key, id) {
            return Ok(());
        }
        let Some(reference) = id.image_digest.as_ref().or(id.image_tag.as_ref()) else {
            return Ok(());
        };
        match self.permit_import(call, key) {
            Ok(()) => {}
            Err(_) if is_here => return Ok(()),
            Err(denied) => return Err(denied),
        }
        match self.fetch_manifest(&rule, &name, reference).await {
            Ok(fetched) => self.keep_image(&rule, key, id, fetched).await,
            Err(UpstreamError::Registry(RegistryError::NotFound)) => Ok(()),
            Err(error) if is_here => {
                tracing::warn!(%error, upstream = rule.upstream_url, "an image was not compared");
                Ok(())
            }
            Err(error) => Err(unreachable(&error)),
        }
    }

    /// A digest never changes; a tag is good for a day.
    fn is_fresh(&self, snapshot: &Snapshot, key: &RepositoryKey, id: &ImageIdentifier) -> bool {
        let Some(tag) = id.image_tag.as_ref().filter(|_| id.image_digest.is_none()) else {
            return true;
        };
        let row = snapshot.get::<TagRow>(&key.tag(tag));
        row.is_some_and(|row| self.doors.clock.now() < row.checked_at + TAG_GOOD_FOR)
    }

    async fn keep_image(
        &self,
        rule: &PullThroughRow,
        key: &RepositoryKey,
        id: &ImageIdentifier,
        fetched: Fetched,
    ) -> Result<(), AwsError> {
        let digest = Digest::of(&fetched.bytes);
        if id.image_digest.as_ref().is_some_and(|asked| *asked != digest.to_string()) {
            return Err(unreachable(&UpstreamError::Lied));
        }
        let parsed = manifest::parse(&fetched.bytes, fetched.media_type.as_deref());
        let parsed = parsed.map_err(|why| unreachable(&UpstreamError::Unreadable(why)))?;
        let manifest_size = fetched.bytes.len() as u64;
        let kept = self.doors.blobs.put(fetched.bytes).await;
        kept.map_err(|fault| refusal::server(&fault))?;
        let now = self.doors.clock.now();
        // What was asked for by its digest says nothing of where a tag stands.
        let tag = id.image_tag.as_deref().filter(|_| id.image_digest.is_none());
        let telling = self.telling(now);
        let push = Push {
            repository: key,
            digest,
            manifest: &parsed,
            manifest_size,
            tag,
            is_cached: true,
            sha512: None,
            telling,
        };
        self.commit(|tx| {
            creation::ensure(tx, key, RCTAppliedFor::PullThroughCache, now);
            match push.commit(tx) {
                Err(error) if error.name() == "ImageAlreadyExistsException" => {}
                // An immutable tag stays where it is.
                Err(error) if error.name() == "ImageTagAlreadyExistsException" => {}
                Ok(()) => telling.cached(tx, rule, &key.image(digest), tag),
                Err(other) => return Err(other),
            }
            if let Some(tag) = tag {
                tx.update::<TagRow>(&key.tag(tag), |row| row.checked_at = now);
            }
            Ok(())
        })
        .await
    }

    /// A layer of a repository. In a cache one that an image needs is fetched first.
    pub(crate) async fn ensure_layer(
        &self,
        key: &RepositoryKey,
        digest: &Digest,
    ) -> Result<Option<Arc<LayerRow>>, AwsError> {
        let layer = key.layer(*digest);
        if let Some(row) = self.layer(&layer) {
            return Ok(Some(row));
        }
        let snapshot = self.doors.ledger.snapshot();
        find_repository(&snapshot, key)?;
        let rule = rule_of(&snapshot, key).filter(|_| layer.is_needed(&snapshot));
        let Some((rule, name)) = rule else { return Ok(None) };
        let flight = self.upstreams.flight(*digest);
        let _one = flight.lock().await;
        match self.layer(&layer) {
            Some(row) => Ok(Some(row)),
            None => self.fetch_layer(key, digest, &rule, &name).await,
        }
    }

    async fn fetch_layer(
        &self,
        key: &RepositoryKey,
        digest: &Digest,
        rule: &PullThroughRow,
        name: &str,
    ) -> Result<Option<Arc<LayerRow>>, AwsError> {
        let stream = match self.open_blob(rule, name, digest).await {
            Ok(stream) => stream,
            Err(UpstreamError::Registry(RegistryError::NotFound)) => return Ok(None),
            Err(error) => return Err(unreachable(&error)),
        };
        let (actual, size) = match self.doors.blobs.put_stream(stream, BYTES_MAX).await {
            Ok(kept) => kept,
            Err(BlobError::Sender(text)) => {
                return Err(unreachable(&UpstreamError::Registry(RegistryError::Malformed(text))));
            }
            Err(fault) => return Err(refusal::server(&fault)),
        };
        if actual != *digest {
            return Err(unreachable(&UpstreamError::Lied));
        }
        let touched_at = self.doors.clock.now();
        let row = LayerRow { key: key.layer(actual), size, touched_at, sha512: None };
        self.commit(|tx| {
            find_repository(tx, key)?;
            tx.put(row.clone());
            Ok(())
        })
        .await?;
        Ok(Some(Arc::new(row)))
    }
}

impl Ecr {
    async fn fetch_manifest(
        &self,
        rule: &PullThroughRow,
        name: &str,
        reference: &str,
    ) -> Result<Fetched, UpstreamError> {
        let (endpoint, login) = (endpoint(rule)?, self.login(rule)?);
        let repository = Repository { endpoint: &endpoint, name, login: login.as_ref() };
        Ok(self.upstreams.registries.manifest(&repository, reference).await?)
    }

    async fn open_blob(
        &self,
        rule: &PullThroughRow,
        name: &str,
        digest: &Digest,
    ) -> Result<BoxStream<'static, Result<Bytes, RegistryError>>, UpstreamError> {
        let (endpoint, login) = (endpoint(rule)?, self.login(rule)?);
        let repository = Repository { endpoint: &endpoint, name, login: login.as_ref() };
        Ok(self.upstreams.registries.blob(&repository, &digest.to_string(), 0).await?)
    }

    /// Asks whether a rule's upstream is there and takes the rule's login.
    ///
    /// # Errors
    /// When it would not give anything.
    pub(crate) async fn check_upstream(&self, rule: &PullThroughRow) -> Result<(), UpstreamError> {
        let (endpoint, login) = (endpoint(rule)?, self.login(rule)?);
        Ok(self.upstreams.registries.check(&endpoint, login.as_ref()).await?)
    }

    /// The login that a rule's secret holds: ECR itself reads it, not the one who pulls.
    fn login(&self, rule: &PullThroughRow) -> Result<Option<Login>, UpstreamError> {
        let Some(arn) = &rule.credential_arn else { return Ok(None) };
        let unusable = |error: SecretError| UpstreamError::NoLogin(error.to_string());
        let value = self.secret(&self.doors.ledger.snapshot(), rule, arn).map_err(unusable)?;
        let login = serde_json::from_slice::<LoginDocument>(&value).ok();
        let malformed = "it is no JSON object with username and accessToken";
        let login = login.ok_or_else(|| UpstreamError::NoLogin(malformed.to_owned()))?;
        Ok(Some(Login { username: login.username, password: login.access_token }))
    }

    /// The value of the secret that a rule names: one of the rule's own account and region. AWS
    /// docs: *Amazon ECR User Guide > Creating a pull through cache rule in Amazon ECR*.
    pub(crate) fn secret(
        &self,
        snapshot: &Snapshot,
        rule: &PullThroughRow,
        arn: &str,
    ) -> Result<Vec<u8>, SecretError> {
        let place = (&rule.key.0.account, &rule.key.0.region);
        let missing = || SecretError::NotFound(arn.to_owned());
        let owner: Arn = arn.parse().map_err(|_| missing())?;
        if (owner.account(), owner.region()) != (place.0.as_str(), place.1.as_str()) {
            return Err(missing());
        }
        let secrets = self.doors.peeks.get::<dyn SecretsPeek>().ok_or_else(missing)?;
        Ok(match secrets.version(snapshot, place, arn, None, None)?.value {
            SecretValue::Text(text) => text.into_bytes(),
            SecretValue::Binary(bytes) => bytes,
        })
    }
}

/// What a rule's secret holds. AWS docs: *Amazon ECR User Guide > Storing your upstream
/// repository credentials in an AWS Secrets Manager secret*.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LoginDocument {
    username: String,
    access_token: String,
}

fn endpoint(rule: &PullThroughRow) -> Result<Endpoint, UpstreamError> {
    let url = &rule.upstream_url;
    let nowhere = || RegistryError::Malformed(format!("{url} is no address"));
    Ok(Endpoint::parse(url).ok_or_else(nowhere)?)
}

/// False for what would not come through an upstream's address as it is.
fn is_askable(key: &RepositoryKey, id: &ImageIdentifier) -> bool {
    names::is_repository(&key.name)
        && id.image_tag.as_deref().is_none_or(names::is_tag)
        && id.image_digest.as_deref().is_none_or(|text| names::digest(text).is_some())
}

/// The rule that a repository is a cache by, and the repository's name at the upstream.
fn rule_of(snapshot: &Snapshot, key: &RepositoryKey) -> Option<(Arc<PullThroughRow>, String)> {
    let rows = snapshot.range::<PullThroughRow>(key.registry.texts());
    let rule = prefix::closest(rows, |row| &row.key.1, &key.name)?;
    let rest = prefix::behind(&rule.key.1, &key.name)?;
    let name = match rule.upstream_prefix.as_deref() {
        None | Some(prefix::ROOT) => rest.to_owned(),
        Some(before) => format!("{}/{rest}", before.trim_end_matches('/')),
    };
    Some((rule, name))
}

fn unreachable(error: &UpstreamError) -> AwsError {
    tracing::warn!(%error, "an upstream registry failed");
    let text = format!(
        "The image or images were unable to be pulled using the pull through cache rule: {error}"
    );
    AwsError::new("UnableToGetUpstreamImageException", 503, text)
}
