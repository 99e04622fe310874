//! Finding what a request names, or refusing.

use std::sync::Arc;

use haar_kernel::Call;
use haar_ledger::Snapshot;
use haar_wire::AwsError;

use crate::refusal::no_pipe;
use crate::state::{PipeKey, PipeRow};

/// A pipe of the caller's.
pub(crate) fn find_pipe(
    snapshot: &Snapshot,
    call: &Call,
    name: &str,
) -> Result<Arc<PipeRow>, AwsError> {
    snapshot.get::<PipeRow>(&PipeKey::own(call, name)).ok_or_else(|| no_pipe(name))
}

/// The pipe that an ARN names.
pub(crate) fn find_by_arn(snapshot: &Snapshot, arn: &str) -> Result<Arc<PipeRow>, AwsError> {
    let key = PipeKey::of_arn(arn);
    key.and_then(|key| snapshot.get::<PipeRow>(&key)).ok_or_else(|| no_pipe(arn))
}

/// The pipes of the caller's account in its region, by name.
pub(crate) fn pipes<'s>(
    snapshot: &'s Snapshot,
    call: &'s Call,
) -> impl Iterator<Item = Arc<PipeRow>> + 's {
    let first = PipeKey::own(call, "");
    snapshot
        .range::<PipeRow>(first..)
        .take_while(|row| row.key.account == call.account && row.key.region == call.region)
}
