//! Images that are about another one.

use haar_ecr_contract::model::{
    ArtifactStatus, ArtifactStatusFilter, ListImageReferrers, ListImageReferrersRequest,
    ListImageReferrersResponse,
};
use haar_kernel::{Answer, Call, Query};
use haar_ledger::Snapshot;

use crate::Ecr;
use crate::listing::PageAsk;
use crate::lookup::{find_repository, key_of};
use crate::refusal;
use crate::render;
use crate::rules::names;
use crate::state::ImageRow;

/// Referrers on a page where the caller asks for no number.
const PAGE_COUNT: usize = 20;

/// AWS docs: *Amazon ECR API Reference > ListImageReferrers*.
impl Query<ListImageReferrers> for Ecr {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListImageReferrersRequest,
    ) -> Answer<ListImageReferrers> {
        let key = key_of(call, input.registry_id.as_ref(), &input.repository_name);
        find_repository(snapshot, &key)?;
        let subject = names::digest(&input.subject_id.image_digest).ok_or_else(|| {
            refusal::constraint("imageDigest", "must be a digest of the algorithm sha256")
        })?;
        let filter = input.filter.unwrap_or_default();
        let (types, status) = (filter.artifact_types, filter.artifact_status);
        let entry = key.entry(&subject);
        let referrers = snapshot
            .by_index::<ImageRow>(ImageRow::BY_SUBJECT, &entry)
            .map(|row| render::referrer(&row))
            .filter(|it| {
                let kind = it.artifact_type.as_ref();
                types.as_ref().is_none_or(|types| kind.is_some_and(|kind| types.contains(kind)))
            })
            .filter(|it| match status.unwrap_or(ArtifactStatusFilter::Active) {
                ArtifactStatusFilter::Any => true,
                ArtifactStatusFilter::Active => it.artifact_status == Some(ArtifactStatus::Active),
                ArtifactStatusFilter::Archived => {
                    it.artifact_status == Some(ArtifactStatus::Archived)
                }
                ArtifactStatusFilter::Activating => false,
            });
        let scope = format!("ecr.referrers/{}/{subject}", key.arn());
        let ask = PageAsk { scope, token: input.next_token, max: input.max_results };
        let (page, next_token) = ask.cut(referrers, PAGE_COUNT, |it| it.digest.clone())?;
        Ok(ListImageReferrersResponse { referrers: Some(page), next_token })
    }
}
