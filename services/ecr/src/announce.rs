//! What becomes of images, told to the default event bus.
//!
//! AWS docs: *Amazon ECR User Guide > Amazon ECR events and EventBridge*.

use haar_events_contract::events::ServiceEvent;
use haar_kernel::Outbox;
use haar_ledger::Tx;
use haar_types::Timestamp;
use serde_json::{Value, json};

use crate::state::{ImageKey, PullThroughRow, RepositoryKey};

/// Tells what happens now.
#[derive(Clone, Copy)]
pub(crate) struct Telling<'a> {
    pub(crate) outbox: &'a Outbox,
    pub(crate) now: Timestamp,
}

impl Telling<'_> {
    /// An image was pushed.
    pub(crate) fn pushed(&self, tx: &mut Tx, image: &ImageKey, tag: Option<&str>) {
        let detail = about(image, "PUSH", tag);
        self.tell(tx, &image.repository, "ECR Image Action", Vec::new(), &detail);
    }

    /// An image, or one of its tags, is gone.
    pub(crate) fn deleted(&self, tx: &mut Tx, image: &ImageKey, tag: Option<&str>) {
        let detail = about(image, "DELETE", tag);
        self.tell(tx, &image.repository, "ECR Image Action", Vec::new(), &detail);
    }

    /// An image came from another registry.
    pub(crate) fn replicated(
        &self,
        tx: &mut Tx,
        source: &RepositoryKey,
        copy: &ImageKey,
        tag: Option<&str>,
    ) {
        let mut detail = about(copy, "PUSH", tag);
        detail["source-account"] = json!(source.registry.account);
        detail["source-region"] = json!(source.registry.region);
        let resources = vec![copy.repository.arn()];
        self.tell(tx, &copy.repository, "ECR Replication Action", resources, &detail);
    }

    /// An image came from the upstream of a pull-through cache.
    pub(crate) fn cached(
        &self,
        tx: &mut Tx,
        rule: &PullThroughRow,
        image: &ImageKey,
        tag: Option<&str>,
    ) {
        let detail = without_nulls(json!({
            "rule-version": "1",
            "sync-status": "SUCCESS",
            "ecr-repository-prefix": rule.key.1,
            "repository-name": image.repository.name,
            "upstream-registry-url": rule.upstream_url,
            "image-tag": tag,
            "image-digest": image.digest.to_string(),
        }));
        let resources = vec![image.repository.arn()];
        self.tell(tx, &image.repository, "ECR Pull Through Cache Action", resources, &detail);
    }

    fn tell(
        &self,
        tx: &mut Tx,
        repository: &RepositoryKey,
        detail_type: &str,
        resources: Vec<String>,
        detail: &Value,
    ) {
        let event = ServiceEvent {
            account: repository.registry.account.clone(),
            region: repository.registry.region.clone(),
            source: "aws.ecr".to_owned(),
            detail_type: detail_type.to_owned(),
            resources,
            detail: detail.to_string(),
        };
        self.outbox.tell(tx, self.now, &event);
    }
}

fn about(image: &ImageKey, action: &str, tag: Option<&str>) -> Value {
    without_nulls(json!({
        "result": "SUCCESS",
        "repository-name": image.repository.name,
        "image-digest": image.digest.to_string(),
        "action-type": action,
        "image-tag": tag,
    }))
}

fn without_nulls(mut detail: Value) -> Value {
    if let Some(members) = detail.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    detail
}
