//! What functions may connect to: not the host itself, nor what lies beside it.

use std::net::{Ipv4Addr, UdpSocket};

use haar_ec2_contract::peek::Ec2Peek;
use haar_kernel::Doors;
use haar_lambda::doors::Outside;

/// Whatever the host reaches, but for itself, its link's neighbours (where a cloud tells its
/// machines their secrets) and VPCs, whose security groups do not know functions.
pub(super) struct HostOutside {
    pub(super) doors: Doors,
}

impl Outside for HostOutside {
    fn allows(&self, address: Ipv4Addr) -> bool {
        let is_beside = address.is_unspecified()
            || address.is_loopback()
            || address.is_link_local()
            || address.is_multicast()
            || address.is_broadcast();
        let ec2 = self.doors.peeks.expect::<dyn Ec2Peek>();
        !is_beside
            && !is_of_the_host(address)
            && !ec2.is_of_a_vpc(&self.doors.ledger.snapshot(), address)
    }
}

/// An address can be bound where it is the host's own, and nowhere else.
fn is_of_the_host(address: Ipv4Addr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}
