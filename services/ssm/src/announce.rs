//! Changes of parameters, told to the default event bus.
//!
//! AWS docs: *AWS Systems Manager User Guide > Amazon EventBridge event examples for Systems
//! Manager*.

use haar_events_contract::events::ServiceEvent;
use haar_kernel::Outbox;
use haar_ledger::Tx;
use haar_types::Timestamp;
use serde_json::json;

use crate::lookup::version;
use crate::rules::name::arn_of;
use crate::state::{Key, ParameterRow};

/// What happened to a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Create,
    Update,
    Delete,
    LabelParameterVersion,
}

/// Tells of a parameter that is there: after it was written, before it is removed.
pub(crate) fn changed(outbox: &Outbox, tx: &mut Tx, key: &Key, change: Change, now: Timestamp) {
    let Some(row) = tx.get::<ParameterRow>(key) else { return };
    let Some(newest) = version(tx, key, row.version) else { return };
    let (account, region, name) = key;
    let mut detail = json!({
        "operation": format!("{change:?}"),
        "name": name,
        "type": newest.kind.as_str(),
    });
    if let Some(description) = &newest.description {
        detail["description"] = json!(description);
    }
    let event = ServiceEvent {
        account: account.clone(),
        region: region.clone(),
        source: "aws.ssm".to_owned(),
        detail_type: "Parameter Store Change".to_owned(),
        resources: vec![arn_of(account, region, name)],
        detail: detail.to_string(),
    };
    outbox.tell(tx, now, &event);
}
