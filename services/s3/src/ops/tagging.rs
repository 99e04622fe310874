//! Tags of objects.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Flow};
use haar_s3_contract::model::{
    DeleteObjectTagging, DeleteObjectTaggingOutput, DeleteObjectTaggingRequest, GetObjectTagging,
    GetObjectTaggingOutput, GetObjectTaggingRequest, PutObjectTagging, PutObjectTaggingOutput,
    PutObjectTaggingRequest,
};
use haar_types::Tags;

use crate::S3;
use crate::lookup::version_shown;
use crate::metering::Class;
use crate::notices::Happening;
use crate::rules::tags;

impl Flow<PutObjectTagging> for S3 {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: PutObjectTaggingRequest,
    ) -> Answer<PutObjectTagging> {
        let bucket = self.bucket(&input.bucket)?;
        let new = tags::of_list(input.tagging.tag_set, tags::On::Object)?;
        let which = (&*input.key, input.version_id.as_deref());
        let record =
            self.rewrite(&call, &bucket, which, Some(Happening::TaggingPut), |_, manner| {
                manner.tags = new;
                Ok(())
            });
        let version_id = version_shown(&bucket, &record.await?);
        Ok(PutObjectTaggingOutput { version_id })
    }
}

impl Flow<GetObjectTagging> for S3 {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: GetObjectTaggingRequest,
    ) -> Answer<GetObjectTagging> {
        let bucket = self.bucket(&input.bucket)?;
        let version_id = input.version_id.as_deref();
        let record = self.settled_object(&bucket, &input.key, version_id, "GET").await?;
        self.meter(&call, &bucket, Class::Read);
        Ok(GetObjectTaggingOutput {
            version_id: version_shown(&bucket, &record),
            tag_set: tags::shown(&record.manner.tags),
        })
    }
}

impl Flow<DeleteObjectTagging> for S3 {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: DeleteObjectTaggingRequest,
    ) -> Answer<DeleteObjectTagging> {
        let bucket = self.bucket(&input.bucket)?;
        let which = (&*input.key, input.version_id.as_deref());
        let record =
            self.rewrite(&call, &bucket, which, Some(Happening::TaggingDelete), |_, manner| {
                manner.tags = Tags::new();
                Ok(())
            });
        let version_id = version_shown(&bucket, &record.await?);
        Ok(DeleteObjectTaggingOutput { version_id })
    }
}
