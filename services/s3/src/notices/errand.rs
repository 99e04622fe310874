//! Carries notices to whom they go.

use std::sync::Arc;
use std::time::Duration;

use haar_courier::{Errand, Parcel, Verdict, back_off};
use haar_kernel::Principal;
use haar_kernel::targets::{Consignment, Sender};
use haar_types::AccountId;

use super::Notice;
use crate::S3;

/// The wait after the first failure; each further one is twice as long. *Ours*.
const BACK_OFF_FIRST: Duration = Duration::from_secs(1);
/// The longest wait. *Ours*.
const BACK_OFF_LONGEST: Duration = Duration::from_secs(300);
/// Age at which a notice is given up. *Ours*: AWS names none.
const AGE_MAX: Duration = Duration::from_secs(24 * 3600);

impl Errand for Notice {
    type Room = S3;

    async fn run(self, room: &S3, parcel: &Parcel) -> Verdict {
        let sender = sender(&self.account, &self.bucket);
        let (arn, body) = (self.arn.clone(), self.body.into_bytes());
        let mut consignment = Consignment::new(self.arn, sender, self.region, body.into());
        consignment.subject = Some("Amazon S3 Notification".to_owned());
        let Err(error) = room.doors.targets.deliver(&consignment).await else {
            return Verdict::Done;
        };
        let age = room.doors.clock.now().since(parcel.sent_at);
        if error.is_transient && age < AGE_MAX {
            return Verdict::Retry(back_off(BACK_OFF_FIRST, BACK_OFF_LONGEST, parcel.failed_count));
        }
        tracing::warn!(bucket = self.bucket, arn, %error, "a notice is given up");
        Verdict::Done
    }
}

/// S3 on behalf of a bucket.
pub(crate) fn sender(account: &AccountId, bucket: &str) -> Sender {
    let source_arn = format!("arn:aws:s3:::{bucket}");
    let mut principal = Principal::service(account.clone(), "s3.amazonaws.com");
    principal.session_keys = vec![
        ("aws:SourceArn".to_owned(), source_arn.clone()),
        ("aws:SourceAccount".to_owned(), account.to_string()),
    ];
    Sender { principal: Arc::new(principal), source_arn }
}
