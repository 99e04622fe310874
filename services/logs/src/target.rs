//! Log groups as other rooms' targets: what is sent becomes a log event.
//!
//! *Ours*: groups have no resource policies here, so the services of an account may write to its
//! groups.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use haar_kernel::targets::{Consignment, Target, Undelivered};
use haar_logs_contract::peek::{LogLine, LogSink};
use haar_types::{AccountId, Region};

use crate::fault::Fault;
use crate::sink::Sink;
use crate::state::{GroupKey, GroupRow};

/// Writes what is sent to groups.
pub(crate) struct Groups(pub(crate) Arc<Sink>);

impl Target for Groups {
    fn deliver<'a>(
        &'a self,
        consignment: &'a Consignment,
    ) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(async move {
            let refused = |message: &str| Undelivered {
                code: "ResourceNotFoundException".to_owned(),
                message: message.to_owned(),
                is_transient: false,
            };
            let (account, region, group) = place(&consignment.arn)
                .filter(|(account, ..)| *account == consignment.sender.principal.account)
                .ok_or_else(|| refused("The specified log group does not exist."))?;
            let key = GroupKey::new(&account, &region, &group);
            if !self.0.ledger.snapshot().contains::<GroupRow>(&key) {
                return Err(refused("The specified log group does not exist."));
            }
            let message = String::from_utf8_lossy(&consignment.body).into_owned();
            let line = LogLine { timestamp: self.0.clock.now(), message };
            // A stream for each sender, named as the last part of its ARN.
            let sender = consignment.sender.source_arn.as_str();
            let stream = sender.rsplit(['/', ':']).next().filter(|name| !name.is_empty());
            let stream = stream.unwrap_or("events");
            self.0.append(&account, &region, &group, stream, vec![line]);
            self.0.flush().await.map_err(|error: Fault| Undelivered {
                code: "ServiceUnavailableException".to_owned(),
                message: error.to_string(),
                is_transient: true,
            })
        })
    }
}

/// Reads `arn:aws:logs:REGION:ACCOUNT:log-group:NAME`, perhaps with `:*` behind it.
fn place(arn: &str) -> Option<(AccountId, Region, String)> {
    let mut parts = arn.splitn(6, ':').skip(3);
    let (region, account) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let group = parts.next()?.strip_prefix("log-group:")?;
    Some((account, region, group.strip_suffix(":*").unwrap_or(group).to_owned()))
}
