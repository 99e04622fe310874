//! What a lifecycle policy would do.

use haar_ecr_contract::model::{
    GetLifecyclePolicyPreview, GetLifecyclePolicyPreviewRequest, GetLifecyclePolicyPreviewResponse,
    ImageActionType, LifecyclePolicyPreviewResult, LifecyclePolicyPreviewStatus,
    LifecyclePolicyPreviewSummary, LifecyclePolicyRuleAction, LifecyclePolicyTargetStorageClass,
    StartLifecyclePolicyPreview, StartLifecyclePolicyPreviewRequest,
    StartLifecyclePolicyPreviewResponse, TagStatus, TransitioningImageTotalCount,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_types::Timestamp;

use super::lifecycle::{check_policy, no_policy};
use crate::Ecr;
use crate::controllers::candidates;
use crate::listing::PageAsk;
use crate::lookup::{find_repository, key_of};
use crate::refusal;
use crate::render;
use crate::rules::lifecycle::{Action, Deed, Policy, evaluate};
use crate::state::{ImageRow, Preview, PreviewRow, RepositoryKey};

/// Results on a page where the caller asks for no number.
const PAGE_COUNT: usize = 100;

/// AWS docs: *Amazon ECR API Reference > StartLifecyclePolicyPreview*.
impl Command<StartLifecyclePolicyPreview> for Ecr {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: StartLifecyclePolicyPreviewRequest,
    ) -> Answer<StartLifecyclePolicyPreview> {
        let key = key_of(call, input.registry_id.as_ref(), &input.repository_name);
        let row = find_repository(tx, &key)?;
        let in_force = row.settings.lifecycle.as_ref().map(|policy| policy.text.clone());
        let text = input.lifecycle_policy_text.or(in_force).ok_or_else(|| no_policy(&key))?;
        let policy = check_policy(&text)?;
        let preview =
            Preview { text: text.clone(), results: work_out(tx, &key, &policy, call.now) };
        tx.put(PreviewRow { repository: key.clone(), preview });
        Ok(StartLifecyclePolicyPreviewResponse {
            registry_id: Some(key.registry.account.to_string()),
            repository_name: Some(key.name),
            lifecycle_policy_text: Some(text),
            status: Some(LifecyclePolicyPreviewStatus::InProgress),
        })
    }
}

fn work_out(
    snapshot: &Snapshot,
    key: &RepositoryKey,
    policy: &Policy,
    now: Timestamp,
) -> Vec<(LifecyclePolicyPreviewResult, Timestamp)> {
    let deeds = evaluate(policy, &candidates(snapshot, key), now);
    let result = |deed: Deed| {
        let row = snapshot.get::<ImageRow>(&key.image(deed.digest))?;
        Some((result(snapshot, &row, &deed), row.pushed_at))
    };
    let mut results: Vec<_> = deeds.into_iter().filter_map(result).collect();
    results.sort_by(|(one, _), (other, _)| one.image_digest.cmp(&other.image_digest));
    results
}

fn result(snapshot: &Snapshot, row: &ImageRow, deed: &Deed) -> LifecyclePolicyPreviewResult {
    let action = match deed.action {
        Action::Expire => LifecyclePolicyRuleAction {
            r#type: Some(ImageActionType::Expire),
            target_storage_class: None,
        },
        Action::Archive => LifecyclePolicyRuleAction {
            r#type: Some(ImageActionType::Transition),
            target_storage_class: Some(LifecyclePolicyTargetStorageClass::Archive),
        },
    };
    LifecyclePolicyPreviewResult {
        image_tags: Some(row.tags(snapshot)),
        image_digest: Some(row.key.digest.to_string()),
        image_pushed_at: None,
        action: Some(action),
        applied_rule_priority: Some(deed.priority),
        storage_class: Some(render::storage_class(row)),
    }
}

/// AWS docs: *Amazon ECR API Reference > GetLifecyclePolicyPreview*.
impl Query<GetLifecyclePolicyPreview> for Ecr {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetLifecyclePolicyPreviewRequest,
    ) -> Answer<GetLifecyclePolicyPreview> {
        let key = key_of(call, input.registry_id.as_ref(), &input.repository_name);
        find_repository(snapshot, &key)?;
        let row = snapshot.get::<PreviewRow>(&key).ok_or_else(|| {
            let name = "LifecyclePolicyPreviewNotFoundException";
            refusal::nothing_set(name, "Lifecycle policy preview", &key)
        })?;
        let status = input.filter.and_then(|filter| filter.tag_status);
        let ids = input.image_ids;
        let shown = |result: &LifecyclePolicyPreviewResult| {
            let tags = result.image_tags.as_deref().unwrap_or_default();
            let tags_fit = match status.unwrap_or(TagStatus::Any) {
                TagStatus::Any => true,
                TagStatus::Tagged => !tags.is_empty(),
                TagStatus::Untagged => tags.is_empty(),
            };
            let named = ids.as_ref().is_none_or(|ids| {
                ids.iter().any(|id| {
                    id.image_digest
                        .as_ref()
                        .is_none_or(|it| Some(it) == result.image_digest.as_ref())
                        && id.image_tag.as_ref().is_none_or(|it| tags.contains(it))
                })
            });
            tags_fit && named
        };
        let results = row.preview.results.iter().filter(|(result, _)| shown(result));
        let results = results.map(|(result, pushed_at)| LifecyclePolicyPreviewResult {
            image_pushed_at: Some(*pushed_at),
            ..result.clone()
        });
        let scope = format!("ecr.preview/{}", key.arn());
        let ask = PageAsk { scope, token: input.next_token, max: input.max_results };
        let digest =
            |result: &LifecyclePolicyPreviewResult| result.image_digest.clone().unwrap_or_default();
        let (page, next_token) = ask.cut(results, PAGE_COUNT, digest)?;
        Ok(GetLifecyclePolicyPreviewResponse {
            registry_id: Some(key.registry.account.to_string()),
            repository_name: Some(key.name),
            lifecycle_policy_text: Some(row.preview.text.clone()),
            status: Some(LifecyclePolicyPreviewStatus::Complete),
            next_token,
            preview_results: Some(page),
            summary: Some(summary(&row.preview)),
        })
    }
}

fn summary(preview: &Preview) -> LifecyclePolicyPreviewSummary {
    let count = |wanted: ImageActionType| {
        let of_it = preview.results.iter().filter(|(result, _)| {
            result.action.as_ref().and_then(|action| action.r#type) == Some(wanted)
        });
        i32::try_from(of_it.count()).unwrap_or(i32::MAX)
    };
    let moving = count(ImageActionType::Transition);
    let counts = (moving > 0).then(|| {
        vec![TransitioningImageTotalCount {
            target_storage_class: Some(LifecyclePolicyTargetStorageClass::Archive),
            image_total_count: Some(moving),
        }]
    });
    LifecyclePolicyPreviewSummary {
        expiring_image_total_count: Some(count(ImageActionType::Expire)),
        transitioning_image_total_counts: counts,
    }
}
