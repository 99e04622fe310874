//! On whose behalf a source is polled: the function's execution role's.

use std::sync::Arc;

use haar_iam_contract::peek::IamPeek;
use haar_kernel::{Auth, Principal};
use haar_poller::{Filters, SourceError};
use haar_types::{Arn, Region};
use haar_wire::{AwsError, Operation};

use crate::Lambda;
use crate::lookup::{ResolvedVersion, resolve_key};
use crate::state::EventSourceMappingRow;

/// A mapping that is polled.
#[derive(Clone)]
pub(super) struct Poll {
    pub(super) room: Arc<Lambda>,
    pub(super) row: Arc<EventSourceMappingRow>,
    pub(super) filters: Arc<Filters>,
}

impl Poll {
    /// The function's version that the mapping leads to now.
    pub(super) fn resolve(&self) -> Result<ResolvedVersion, AwsError> {
        let snapshot = self.room.doors.ledger.snapshot();
        let chance = self.room.doors.ids.draw() as f64 / u64::MAX as f64;
        let function = &self.row.function;
        Ok(resolve_key(&snapshot, &function.function, function.qualifier(), chance)?)
    }

    /// The source's ARN.
    pub(super) fn source(&self) -> &str {
        self.row.settings.event_source_arn.as_deref().unwrap_or_default()
    }

    /// The source's region.
    pub(super) fn source_region(&self) -> Region {
        let arn = Arn::try_from(self.source().to_owned()).ok();
        let region = arn.and_then(|arn| arn.region().parse().ok());
        region.unwrap_or_else(|| self.row.key.region.clone())
    }

    /// The execution role's session. In permissive mode nobody asks what it may.
    pub(super) fn principal(&self) -> Result<Arc<Principal>, AwsError> {
        principal(&self.room, &self.resolve()?)
    }

    /// Calls a source's operation.
    pub(super) async fn call<O: Operation>(&self, input: O::Input) -> Result<O::Output, AwsError> {
        let principal = self.principal()?;
        self.room.doors.call::<O>(principal, &self.source_region(), input).await
    }
}

/// The session of a function's execution role.
pub(super) fn principal(
    room: &Lambda,
    resolved: &ResolvedVersion,
) -> Result<Arc<Principal>, AwsError> {
    let key = &resolved.function.key;
    let account = key.account.clone();
    let role = &resolved.version.settings.role;
    let snapshot = room.doors.ledger.snapshot();
    let iam = room.doors.peeks.get::<dyn IamPeek>();
    let session = iam.and_then(|iam| iam.role_session(&snapshot, role, &key.name));
    match session {
        Some(identity) => Ok(Arc::new(Principal::of(account, identity))),
        None if room.doors.settings.auth == Auth::Permissive => {
            Ok(Arc::new(Principal::root(account)))
        }
        None => Err(AwsError::new(
            "AccessDeniedException",
            403,
            format!("The role {role} cannot be assumed by Lambda."),
        )),
    }
}

/// How a poller sees an error of its source.
pub(super) fn source_error(error: AwsError) -> SourceError {
    let is_throttled = error.name().contains("Throttl") || error.name().contains("Throughput");
    match error.name() {
        "ExpiredIteratorException" => SourceError::Expired,
        _ if error.status() >= 500 || error.status() == 429 || is_throttled => {
            SourceError::Transient(error.message().to_owned())
        }
        name => SourceError::Refused(format!("{name}: {}", error.message())),
    }
}
