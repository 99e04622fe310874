//! `RestoreObject`.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Flow};
use haar_s3_contract::model::{
    RestoreObject, RestoreObjectOutput, RestoreObjectRequest, RestoreRequest, Tier,
};
use haar_wire::AwsError;

use crate::S3;
use crate::notices::{Cause, Happening, Outgoing};
use crate::refusal;
use crate::rules::archive::{self, Asked};

/// AWS docs: *Amazon S3 API Reference > RestoreObject*.
impl Flow<RestoreObject> for S3 {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: RestoreObjectRequest,
    ) -> Answer<RestoreObject> {
        let bucket = self.bucket(&input.bucket)?;
        let version_id = input.version_id.as_deref();
        self.settled_object(&bucket, &input.key, version_id, "POST").await?;
        let wanted = wanted(input.restore_request.as_ref())?;
        let when = (call.now, self.doors.settings.wait_divisor);
        let (ledger, cause) = (&self.doors.ledger, Cause::Caller(&call));
        let changed = self.store.change(ledger, &bucket, &input.key, call.now, |change, row| {
            let found = change.find(version_id)?.filter(|record| !record.is_marker);
            let mut record = found.ok_or_else(|| refusal::no_such_key(&input.key))?;
            let class = record.manner.headers.storage_class;
            let asked = archive::ask(class, record.restore, wanted, when)?;
            let (Asked::Begun(restore) | Asked::Prolonged(restore)) = asked;
            record.restore = Some(restore);
            change.rewrite(&record)?;
            let told = match asked {
                Asked::Begun(_) => self.tell(change, row, (&record, Happening::RestorePost, cause)),
                Asked::Prolonged(_) => Outgoing::default(),
            };
            let reminders = self.remind(change, row, &record, call.now);
            Ok((asked, record, Outgoing { reminders, ..told }))
        });
        let (asked, record, staged) = self.store.settled(changed).await?;
        self.send(staged);
        self.store.sync().await?;
        let mut output = RestoreObjectOutput::default();
        if let Asked::Begun(restore) = asked {
            self.meter_restore(&call, &bucket, &record, restore);
            output.restore_output_path = Some(ACCEPTED.to_owned());
        }
        Ok(output)
    }
}

/// In the place of an output's path, which archives have none of: the answer is to be
/// `202 Accepted`. `Room::adorn` takes it out.
pub(crate) const ACCEPTED: &str = "accepted";

/// The tier, and for how many days.
fn wanted(request: Option<&RestoreRequest>) -> Result<(Tier, i32), AwsError> {
    let request = request.ok_or_else(refusal::malformed_xml)?;
    if request.r#type.is_some() || request.select_parameters.is_some() {
        // Amazon S3 Select is closed to new customers.
        return Err(refusal::method_not_allowed("POST", "OBJECT"));
    }
    let tier = request.glacier_job_parameters.as_ref().map(|parameters| parameters.tier);
    let days = request.days.ok_or_else(refusal::malformed_xml)?;
    Ok((tier.or(request.tier).unwrap_or(Tier::Standard), days))
}
