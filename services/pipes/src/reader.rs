//! On whose behalf a pipe reads and sends: its role's.

use std::sync::Arc;

use haar_iam_contract::peek::AssumeError;
use haar_iam_contract::sender::role_sender;
use haar_kernel::Doors;
use haar_kernel::targets::Sender;
use haar_poller::{Errand, Filters, Identity, Reader};
use haar_types::Region;
use haar_wire::AwsError;

use crate::state::PipeRow;

/// The service as policies know it.
pub(crate) const SERVICE_PRINCIPAL: &str = "pipes.amazonaws.com";

/// A session of the pipe's role.
pub(crate) fn sender(doors: &Doors, row: &PipeRow) -> Result<Sender, AwsError> {
    let (role_arn, source) = (&row.role_arn, row.key.arn());
    role_sender(doors, role_arn, SERVICE_PRINCIPAL, &source).map_err(|error| {
        AwsError::access_denied(match error {
            AssumeError::NoSuchRole => format!("There is no role {role_arn}."),
            AssumeError::NotTrusted => {
                format!("The role {role_arn} could not be assumed by {SERVICE_PRINCIPAL}.")
            }
        })
    })
}

/// Reads a pipe's source.
struct PipeReader {
    doors: Doors,
    row: Arc<PipeRow>,
}

impl Reader for PipeReader {
    fn identity(&self) -> Result<Identity, AwsError> {
        let principal = sender(&self.doors, &self.row)?.principal;
        Ok(Identity { principal, role_arn: self.row.role_arn.clone() })
    }

    fn region(&self) -> Region {
        self.row.key.region.clone()
    }
}

/// The errand of reading a pipe's source.
pub(crate) fn errand(doors: &Doors, row: &Arc<PipeRow>, filters: Filters) -> Errand {
    Errand {
        doors: doors.clone(),
        source_arn: row.source.clone(),
        filters: Arc::new(filters),
        since: row.created_at,
        reader: Arc::new(PipeReader { doors: doors.clone(), row: Arc::clone(row) }),
    }
}
