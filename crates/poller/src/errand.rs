//! On whose behalf a source is read.

use std::sync::Arc;

use haar_kernel::{Doors, Principal};
use haar_types::{Arn, Region, Timestamp};
use haar_wire::{AwsError, Operation};

use crate::{Filters, SourceError};

/// Who reads.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The session of a role.
    pub principal: Arc<Principal>,
    /// The role's ARN, which records of Kinesis name.
    pub role_arn: String,
}

/// Knows who reads at each moment: roles of functions and pipes change.
pub trait Reader: Send + Sync + 'static {
    /// Who reads now.
    ///
    /// # Errors
    /// When the role is gone, or cannot be assumed.
    fn identity(&self) -> Result<Identity, AwsError>;

    /// The region of a source whose ARN tells none.
    fn region(&self) -> Region;
}

/// One source that is read for somebody. Cheap to clone.
#[derive(Clone)]
pub struct Errand {
    /// The doors that calls go through.
    pub doors: Doors,
    /// The source.
    pub source_arn: String,
    /// What is wanted of it.
    pub filters: Arc<Filters>,
    /// From when on `LATEST` counts, where the source itself does not know.
    pub since: Timestamp,
    /// Who reads.
    pub reader: Arc<dyn Reader>,
}

impl Errand {
    /// The source's region.
    pub fn region(&self) -> Region {
        let arn = Arn::try_from(self.source_arn.clone()).ok();
        let region = arn.and_then(|arn| arn.region().parse().ok());
        region.unwrap_or_else(|| self.reader.region())
    }

    /// Calls an operation of the source's service, as who reads.
    ///
    /// # Errors
    /// The operation's, and why nobody can read.
    pub async fn call<O: Operation>(&self, input: O::Input) -> Result<O::Output, AwsError> {
        let principal = self.reader.identity()?.principal;
        self.doors.call::<O>(principal, &self.region(), input).await
    }
}

impl From<AwsError> for SourceError {
    /// How a poller sees an error of its source.
    fn from(error: AwsError) -> Self {
        match error.name() {
            "ExpiredIteratorException" => Self::Expired,
            _ if error.is_transient() => Self::Transient(error.message().to_owned()),
            name => Self::Refused(format!("{name}: {}", error.message())),
        }
    }
}
