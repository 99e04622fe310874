//! Finding what a request names, or refusing.

use std::sync::Arc;

use haar_kernel::Call;
use haar_ledger::Snapshot;
use haar_types::Timestamp;
use haar_wire::AwsError;

use crate::refusal::{no_bus, no_rule};
use crate::state::{BusKey, BusRow, DEFAULT_BUS, RuleKey, RuleRow};

/// A bus that is there. The default bus always is.
pub(crate) fn get_bus(snapshot: &Snapshot, key: &BusKey) -> Option<Arc<BusRow>> {
    let row = snapshot.get::<BusRow>(key);
    row.or_else(|| key.is_default().then(|| Arc::new(BusRow::new(key.clone(), Timestamp(0)))))
}

/// A bus that a request names; nothing is the default bus.
pub(crate) fn find_bus(
    snapshot: &Snapshot,
    call: &Call,
    named: Option<&str>,
) -> Result<Arc<BusRow>, AwsError> {
    let key = BusKey::read(call, named);
    get_bus(snapshot, &key).ok_or_else(|| no_bus(&key.name))
}

/// A rule that a request names, on a bus that is there.
pub(crate) fn find_rule(
    snapshot: &Snapshot,
    call: &Call,
    bus: Option<&str>,
    name: &str,
) -> Result<Arc<RuleRow>, AwsError> {
    let bus = find_bus(snapshot, call, bus)?.key.clone();
    let key = RuleKey { bus, name: name.to_owned() };
    snapshot.get::<RuleRow>(&key).ok_or_else(|| no_rule(name, &key.bus.name))
}

/// The rules of a bus, by name.
pub(crate) fn rules<'s>(
    snapshot: &'s Snapshot,
    bus: &'s BusKey,
) -> impl Iterator<Item = Arc<RuleRow>> + 's {
    let first = RuleKey { bus: bus.clone(), name: String::new() };
    snapshot.range::<RuleRow>(first..).take_while(move |row| row.key.bus == *bus)
}

/// The buses of a caller's account in its region, by name; the default bus is among them.
pub(crate) fn buses(snapshot: &Snapshot, call: &Call) -> Vec<Arc<BusRow>> {
    let first = BusKey::own(call, "");
    let own = |row: &Arc<BusRow>| row.key.account == call.account && row.key.region == call.region;
    let mut all: Vec<_> = snapshot.range::<BusRow>(first..).take_while(own).collect();
    if !all.iter().any(|row| row.key.is_default()) {
        all.extend(get_bus(snapshot, &BusKey::own(call, DEFAULT_BUS)));
        all.sort_by(|one, other| one.key.cmp(&other.key));
    }
    all
}
