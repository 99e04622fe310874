//! The operations, by noun.

mod archive;
mod bus;
mod connection;
mod destination;
mod pattern;
mod permission;
mod put_events;
mod replay;
pub(crate) mod rule;
mod tags;
mod target;

use std::sync::Arc;

use haar_kernel::{Call, Listing};
use haar_ledger::{Row, Snapshot, Tx};
use haar_wire::{AwsError, Operation, Shape, text_member};

use crate::refusal::{bad_token, too_many};
use crate::state::NameKey;

pub(crate) use destination::connection;
pub(crate) use tags::tags_of;

/// Items of a page where the caller says nothing; also the most.
const PAGE_MAX: usize = 100;

fn listing<O: Operation>(call: &Call, input: &O::Input) -> Result<Listing, AwsError> {
    // the model leaves out the paginators of some, but all name these two alike
    let names = (Some("NextToken"), Some("Limit"));
    Listing::named(O::SCHEMA, call, input, names, (PAGE_MAX, PAGE_MAX)).map_err(bad_token)
}

/// The rows of a kind that the caller's account has in its region, by name.
fn named<'s, R: Row<Key = NameKey>>(
    snapshot: &'s Snapshot,
    call: &'s Call,
) -> impl Iterator<Item = Arc<R>> + 's {
    let own = |row: &Arc<R>| {
        let NameKey { account, region, .. } = row.key();
        account == call.account && region == call.region
    };
    snapshot.range::<R>(NameKey::own(call, "")..).take_while(own)
}

/// Refuses one more row of a kind where the caller's account has so many in its region.
fn check_count<R: Row<Key = NameKey>>(tx: &Tx, call: &Call, most: usize) -> Result<(), AwsError> {
    // all accounts together seldom have as many
    match tx.len::<R>() >= most && named::<R>(tx, call).count() >= most {
        true => Err(too_many()),
        false => Ok(()),
    }
}

/// The ARN of an archive, a replay, a connection or an API destination that a call names.
pub(crate) fn resource(call: &Call, operation: &str, input: &dyn Shape) -> String {
    let text = |member: &str| text_member(input, member).unwrap_or_else(|| "*".to_owned());
    let (kind, name) = match operation {
        name if name.contains("Archive") => ("archive", text("ArchiveName")),
        name if name.contains("Replay") => ("replay", text("ReplayName")),
        name if name.contains("Connection") => ("connection", text("Name")),
        name if name.contains("ApiDestination") => ("api-destination", text("Name")),
        _ => return "*".to_owned(),
    };
    format!("arn:aws:events:{}:{}:{kind}/{name}", call.region, call.account)
}
