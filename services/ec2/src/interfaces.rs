//! Taking and giving back addresses.

use std::net::Ipv4Addr;

use haar_ec2_contract::peek::Ipv4Range;
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use crate::refusal::{invalid, refuse};
use crate::rules::usable;
use crate::state::{AddressRow, InterfaceRow, Resource as _, SubnetRow, held};

/// Public addresses come from the range that RFC 2544 sets aside for tests: they are nobody's,
/// so nothing that is sent to them by mistake reaches a stranger. *Ours*.
const PUBLIC: Ipv4Range = Ipv4Range { first: Ipv4Addr::new(198, 18, 0, 0), prefix: 15 };
/// Tries of drawn public addresses before the range counts as used up.
const DRAWS_MAX: usize = 64;

/// Whether an address of a subnet is held by an interface.
pub(crate) fn is_held(snapshot: &Snapshot, subnet: &str, address: Ipv4Addr) -> bool {
    snapshot.by_index::<InterfaceRow>("held", &held(subnet, address)).next().is_some()
}

/// Addresses of a subnet that are free.
pub(crate) fn available(snapshot: &Snapshot, subnet: &SubnetRow) -> u32 {
    let all = u32::try_from(usable(subnet.range()).len()).unwrap_or(u32::MAX);
    let held = snapshot.by_index_prefix::<InterfaceRow>("held", &format!("{}|", subnet.id()));
    all.saturating_sub(u32::try_from(held.count()).unwrap_or(u32::MAX))
}

/// The next free address of a subnet, in rounds, so that one that was given back rests before
/// it is taken again. Moves the subnet's cursor; the caller writes the interface.
pub(crate) fn next_free(tx: &mut Tx, subnet: &SubnetRow, taken: &[Ipv4Addr]) -> Option<Ipv4Addr> {
    next(tx, subnet, |tx, address| !taken.contains(&address) && !is_held(tx, subnet.id(), address))
}

/// One that nobody has in any account or region: whoever runs something there has it on this
/// host's network, where all of them are.
pub(crate) fn next_free_anywhere(tx: &mut Tx, subnet: &SubnetRow) -> Option<Ipv4Addr> {
    next(tx, subnet, |tx, address| {
        tx.by_index::<InterfaceRow>("private_ip", &address.to_string()).next().is_none()
    })
}

fn next(
    tx: &mut Tx,
    subnet: &SubnetRow,
    is_free: impl Fn(&Tx, Ipv4Addr) -> bool,
) -> Option<Ipv4Addr> {
    let offsets = usable(subnet.range());
    let cursor = tx.get::<SubnetRow>(&subnet.key).map_or(subnet.cursor, |row| row.cursor);
    let begin = cursor.clamp(offsets.start, offsets.end);
    let base = u32::from(subnet.first);
    let round = (begin..offsets.end).chain(offsets.start..begin);
    let found = round.into_iter().find(|offset| is_free(tx, Ipv4Addr::from(base + offset)))?;
    tx.update::<SubnetRow>(&subnet.key, |row| row.cursor = found + 1);
    Some(Ipv4Addr::from(base + found))
}

/// A given address, if it is one of the subnet's, not reserved, and free.
pub(crate) fn given(
    tx: &Tx,
    subnet: &SubnetRow,
    text: &str,
    taken: &[Ipv4Addr],
) -> Result<Ipv4Addr, AwsError> {
    let address: Ipv4Addr =
        text.parse().map_err(|_| invalid(format!("Invalid IPv4 address: {text}")))?;
    let range = subnet.range();
    if !range.contains(address) {
        return Err(invalid("Address does not fall within the subnet's address range"));
    }
    if !usable(range).contains(&(u32::from(address) - u32::from(range.first))) {
        return Err(invalid("Address is in subnet's reserved address range"));
    }
    if taken.contains(&address) || is_held(tx, subnet.id(), address) {
        let text = format!("The address '{address}' is already in use.");
        return Err(refuse("InvalidIPAddress.InUse", text));
    }
    Ok(address)
}

/// No address is left.
pub(crate) fn exhausted(subnet: &str) -> AwsError {
    let text = format!(
        "The specified subnet '{subnet}' does not have enough free addresses to satisfy the \
         request."
    );
    refuse("InsufficientFreeAddressesInSubnet", text)
}

/// A public address that nobody holds.
pub(crate) fn public_address(snapshot: &Snapshot, draw: impl Fn() -> u64) -> Option<Ipv4Addr> {
    let size = 1_u64 << (32 - u32::from(PUBLIC.prefix));
    (0..DRAWS_MAX).find_map(|_| {
        let offset = u32::try_from(draw() % (size - 2) + 1).unwrap_or(1);
        let address = Ipv4Addr::from(u32::from(PUBLIC.first) + offset);
        let text = address.to_string();
        let free = snapshot.by_index::<AddressRow>("public_ip", &text).next().is_none()
            && snapshot.by_index::<InterfaceRow>("public_ip", &text).next().is_none();
        free.then_some(address)
    })
}

/// Removes an interface; elastic addresses that stood for it stand for nothing then.
pub(crate) fn remove(tx: &mut Tx, key: &crate::state::Key) {
    let Some(row) = tx.remove::<InterfaceRow>(key) else { return };
    let elastic: Vec<_> = tx.by_index::<AddressRow>("interface", row.id()).collect();
    for address in elastic {
        tx.update::<AddressRow>(&address.key, |row| {
            (row.interface, row.private_ip, row.association) = (None, None, None);
        });
    }
}
