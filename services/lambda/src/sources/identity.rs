//! On whose behalf a source is polled: the function's execution role's.

use std::sync::Arc;

use haar_iam_contract::peek::IamPeek;
use haar_kernel::{Auth, Principal};
use haar_poller::{Errand, Filters, Identity, Reader};
use haar_types::Region;
use haar_wire::AwsError;

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

    /// The errand of reading the source, under the execution role.
    pub(super) fn errand(&self) -> Errand {
        Errand {
            doors: self.room.doors.clone(),
            source_arn: self.source().to_owned(),
            filters: Arc::clone(&self.filters),
            since: self.row.last_modified_at,
            reader: Arc::new(self.clone()),
        }
    }

    /// The execution role's session. In permissive mode nobody asks what it may.
    pub(super) fn principal(&self) -> Result<Arc<Principal>, AwsError> {
        principal(&self.room, &self.resolve()?)
    }
}

impl Reader for Poll {
    fn identity(&self) -> Result<Identity, AwsError> {
        let resolved = self.resolve()?;
        let role_arn = resolved.version.settings.role.clone();
        Ok(Identity { principal: principal(&self.room, &resolved)?, role_arn })
    }

    fn region(&self) -> Region {
        self.row.key.region.clone()
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
