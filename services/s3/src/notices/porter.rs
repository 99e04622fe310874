//! Carries notices to whom they go.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use haar_courier::{Carrier, Parcel, Verdict, back_off};
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

/// The courier's carrier.
#[derive(Default)]
pub(crate) struct Porter {
    pub(crate) room: OnceLock<Weak<S3>>,
}

impl Carrier for Porter {
    fn carry<'a>(&'a self, parcel: &'a Parcel) -> BoxFuture<'a, Verdict> {
        async move {
            let Some(room) = self.room.get().and_then(Weak::upgrade) else {
                return Verdict::Retry(BACK_OFF_FIRST);
            };
            match serde_json::from_slice::<Notice>(&parcel.payload) {
                Ok(notice) => carry(&room, parcel, notice).await,
                Err(error) => {
                    tracing::error!(%error, "a notice cannot be read; it is dropped");
                    Verdict::Done
                }
            }
        }
        .boxed()
    }
}

async fn carry(room: &S3, parcel: &Parcel, notice: Notice) -> Verdict {
    let sender = sender(&notice.account, &notice.bucket);
    let (arn, body) = (notice.arn.clone(), notice.body.into_bytes());
    let mut consignment = Consignment::new(notice.arn, sender, notice.region, body.into());
    consignment.subject = Some("Amazon S3 Notification".to_owned());
    let Err(error) = room.doors.targets.deliver(&consignment).await else {
        return Verdict::Done;
    };
    let age = room.doors.clock.now().since(parcel.sent_at);
    if error.is_transient && age < AGE_MAX {
        return Verdict::Retry(back_off(BACK_OFF_FIRST, BACK_OFF_LONGEST, parcel.failed_count));
    }
    tracing::warn!(bucket = notice.bucket, arn, %error, "a notice is given up");
    Verdict::Done
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
