//! Tags of repositories.

use haar_ecr_contract::model::{
    ListTagsForResource, ListTagsForResourceRequest, ListTagsForResourceResponse, TagResource,
    TagResourceRequest, UntagResource, UntagResourceRequest,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};

use crate::Ecr;
use crate::lookup::find_by_arn;
use crate::rules::tags;

/// AWS docs: *Amazon ECR API Reference > TagResource*.
impl Command<TagResource> for Ecr {
    fn command(&self, _: &Call, tx: &mut Tx, input: TagResourceRequest) -> Answer<TagResource> {
        let mut row = (*find_by_arn(tx, &input.resource_arn)?).clone();
        tags::add(&mut row.settings.tags, input.tags)?;
        tx.put(row);
        Ok(Default::default())
    }
}

/// AWS docs: *Amazon ECR API Reference > UntagResource*.
impl Command<UntagResource> for Ecr {
    fn command(&self, _: &Call, tx: &mut Tx, input: UntagResourceRequest) -> Answer<UntagResource> {
        let mut row = (*find_by_arn(tx, &input.resource_arn)?).clone();
        row.settings.tags.retain(|key, _| !input.tag_keys.contains(key));
        tx.put(row);
        Ok(Default::default())
    }
}

/// AWS docs: *Amazon ECR API Reference > ListTagsForResource*.
impl Query<ListTagsForResource> for Ecr {
    fn query(
        &self,
        _: &Call,
        snapshot: &Snapshot,
        input: ListTagsForResourceRequest,
    ) -> Answer<ListTagsForResource> {
        let row = find_by_arn(snapshot, &input.resource_arn)?;
        Ok(ListTagsForResourceResponse { tags: Some(tags::shown(&row.settings.tags)) })
    }
}
