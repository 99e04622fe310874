//! What a bucket tells its listeners: staged with what it tells of, carried until it arrives.
//!
//! AWS docs: *Amazon S3 User Guide > Amazon S3 Event Notifications*.

mod errand;
mod message;

use haar_courier::{Lane, Letter, Staged};
use haar_kernel::Call;
use haar_types::{AccountId, Region, Timestamp};
use serde::{Deserialize, Serialize};

pub(crate) use errand::sender;
pub(crate) use message::test_event;

use crate::S3;
use crate::rules::notification::{Listener, listeners};
use crate::state::BucketRow;
use crate::store::{Change, Record};

/// What happened to an object, as event names have it: `ObjectCreated:Put`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    Put,
    Post,
    Copy,
    CompleteMultipartUpload,
    Delete,
    DeleteMarkerCreated,
    TaggingPut,
    TaggingDelete,
    AclPut,
    LifecycleDelete,
    LifecycleDeleteMarkerCreated,
    LifecycleTransition,
    RestorePost,
    RestoreCompleted,
    RestoreDelete,
}

impl Happening {
    /// Whether it is for copies in other buckets too.
    fn is_copied(self) -> bool {
        use Happening::*;
        matches!(
            self,
            Put | Post
                | Copy
                | CompleteMultipartUpload
                | DeleteMarkerCreated
                | TaggingPut
                | TaggingDelete
                | AclPut
        )
    }

    /// Without `s3:`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Put => "ObjectCreated:Put",
            Self::Post => "ObjectCreated:Post",
            Self::Copy => "ObjectCreated:Copy",
            Self::CompleteMultipartUpload => "ObjectCreated:CompleteMultipartUpload",
            Self::Delete => "ObjectRemoved:Delete",
            Self::DeleteMarkerCreated => "ObjectRemoved:DeleteMarkerCreated",
            Self::TaggingPut => "ObjectTagging:Put",
            Self::TaggingDelete => "ObjectTagging:Delete",
            Self::AclPut => "ObjectAcl:Put",
            Self::LifecycleDelete => "LifecycleExpiration:Delete",
            Self::LifecycleDeleteMarkerCreated => "LifecycleExpiration:DeleteMarkerCreated",
            Self::LifecycleTransition => "LifecycleTransition",
            Self::RestorePost => "ObjectRestore:Post",
            Self::RestoreCompleted => "ObjectRestore:Completed",
            Self::RestoreDelete => "ObjectRestore:Delete",
        }
    }
}

/// Who made it happen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cause<'a> {
    /// A caller.
    Caller(&'a Call),
    /// S3 itself, with an id of its own for the request.
    Service(&'a str),
}

const SERVICE_NAME: &str = "s3.amazonaws.com";

impl Cause<'_> {
    pub(crate) fn principal_id(&self) -> String {
        match self {
            Self::Caller(call) => format!("AWS:{}", call.principal.identity.user_id()),
            Self::Service(_) => SERVICE_NAME.to_owned(),
        }
    }

    /// The account that asked; the service's name where S3 did it itself.
    pub(crate) fn requester(&self) -> &str {
        match self {
            Self::Caller(call) => call.account.as_str(),
            Self::Service(_) => SERVICE_NAME,
        }
    }

    pub(crate) fn source_ip(&self) -> Option<String> {
        match self {
            Self::Caller(call) => call.source_ip.map(|address| address.to_string()),
            Self::Service(_) => None,
        }
    }

    pub(crate) fn request_id(&self) -> &str {
        match self {
            Self::Caller(call) => call.request_id.as_str(),
            Self::Service(id) => id,
        }
    }
}

/// What was staged in one batch with what it tells of. To be sent once that is applied.
#[derive(Debug, Default)]
#[must_use = "what is staged is carried once it is sent"]
pub(crate) struct Outgoing {
    pub(crate) notices: Staged,
    /// In other buckets.
    pub(crate) copies: Staged,
    /// Of what becomes due.
    pub(crate) reminders: Staged,
}

/// One notice on its way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Notice {
    /// Whom it goes to.
    pub(crate) arn: String,
    pub(crate) bucket: String,
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    pub(crate) body: String,
}

/// What is told of one object.
pub(crate) struct Tale<'a> {
    pub(crate) bucket: &'a BucketRow,
    pub(crate) key: &'a str,
    pub(crate) record: &'a Record,
    pub(crate) happening: Happening,
    pub(crate) cause: Cause<'a>,
    pub(crate) at: Timestamp,
}

impl S3 {
    /// Stages what a change tells its bucket's listeners. To be sent once the change is applied.
    pub(crate) fn tell(
        &self,
        change: &mut Change<'_>,
        row: &BucketRow,
        (record, happening, cause): (&Record, Happening, Cause<'_>),
    ) -> Outgoing {
        let notices = self.tell_only(change, row, (record, happening, cause)).notices;
        // What a lifecycle rule does stays in its bucket.
        let copies = match happening.is_copied() {
            true => self.stage_copies(change, row, record),
            false => Staged::default(),
        };
        Outgoing { notices, copies, ..Outgoing::default() }
    }

    /// The same without copies in other buckets.
    pub(crate) fn tell_only(
        &self,
        change: &mut Change<'_>,
        row: &BucketRow,
        (record, happening, cause): (&Record, Happening, Cause<'_>),
    ) -> Outgoing {
        let Some(courier) = self.courier.get() else { return Outgoing::default() };
        let (key, at) = (change.key, change.now);
        let heard = listeners(&row.notification, happening.name(), key);
        if heard.is_empty() {
            return Outgoing::default();
        }
        let tale = Tale { bucket: row, key, record, happening, cause, at };
        change.is_told = true;
        let letters: Vec<Letter> = heard.iter().map(|listener| letter(&tale, listener)).collect();
        let notices = courier.stage(&mut change.batch, letters);
        Outgoing { notices, ..Outgoing::default() }
    }

    /// Has carried what was staged.
    pub(crate) fn send(&self, outgoing: Outgoing) {
        let Outgoing { notices, copies, reminders } = outgoing;
        for (courier, staged) in
            [(&self.courier, notices), (&self.copies, copies), (&self.reminders, reminders)]
        {
            if let Some(courier) = courier.get() {
                courier.dispatch(staged);
            }
        }
    }
}

fn letter(tale: &Tale<'_>, listener: &Listener<'_>) -> Letter {
    let bucket = tale.bucket;
    let (arn, body) = match listener {
        Listener::Arn { arn, id } => ((*arn).to_owned(), message::records(tale, id)),
        Listener::EventBridge => {
            let bus =
                format!("arn:aws:events:{}:{}:event-bus/default", bucket.region, bucket.account);
            (bus, message::event(tale))
        }
    };
    let notice = Notice {
        bucket: bucket.name.clone(),
        account: bucket.account.clone(),
        region: bucket.region.clone(),
        body: body.to_string(),
        arn: arn.clone(),
    };
    let payload = serde_json::to_vec(&notice).expect("a notice is plain data");
    Letter::new(&bucket.account, Lane::Shared(arn), payload)
}
