//! What functions may connect to: not the host itself, nor what lies beside it.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;

use haar_ec2_contract::peek::Ec2Peek;
use haar_kernel::Doors;
use haar_lambda::doors::Outside;
use haar_substrate::TELLERS;
use rustix::process::{Resource, getrlimit};
use tokio::sync::Semaphore;

/// Whatever the host reaches, but for itself, its link's neighbours (where a cloud tells its
/// machines their secrets) and VPCs, whose security groups do not know functions.
pub(super) struct HostOutside {
    doors: Doors,
    places: Arc<Semaphore>,
}

impl HostOutside {
    /// All functions together take up to a quarter of this process's descriptors, of which each
    /// connection needs two.
    pub(super) fn new(doors: Doors) -> Self {
        let files = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        let places = usize::try_from(files / 8).unwrap_or(usize::MAX);
        Self { doors, places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))) }
    }
}

impl Outside for HostOutside {
    fn allows(&self, address: Ipv4Addr) -> bool {
        let is_beside = address.is_unspecified()
            || address.is_loopback()
            || address.is_link_local()
            || address.is_multicast()
            || address.is_broadcast()
            || TELLERS.contains(&address);
        let ec2 = self.doors.peeks.expect::<dyn Ec2Peek>();
        !is_beside
            && !is_of_the_host(address)
            && !ec2.is_of_a_vpc(&self.doors.ledger.snapshot(), address)
    }

    fn places(&self) -> Arc<Semaphore> {
        Arc::clone(&self.places)
    }
}

/// The way to an address of the host's own begins at that address. One to which no way is found
/// is not for functions either.
fn is_of_the_host(address: Ipv4Addr) -> bool {
    let way = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((address, 9))?; // sends nothing
        socket.local_addr()
    });
    way.map_or(true, |from| from.ip() == address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_own_addresses_are_known() {
        assert!(is_of_the_host(Ipv4Addr::LOCALHOST));
        let way = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        if way.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).is_ok() {
            let std::net::IpAddr::V4(own) = way.local_addr().unwrap().ip() else { panic!() };
            assert!(is_of_the_host(own));
            assert!(!is_of_the_host(Ipv4Addr::new(192, 0, 2, 1)));
        }
    }
}
