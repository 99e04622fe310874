//! Ids and names.

use std::net::Ipv4Addr;

use haar_clock::Ids;
use haar_ec2_contract::peek::Place;
use sha2::{Digest as _, Sha256};

/// A new id of a kind: `vpc-0123456789abcdef0`.
pub(crate) fn mint(ids: &Ids, prefix: &str) -> String {
    format!("{prefix}-0{}", ids.hex(16))
}

/// The id of what every account has in a region: always the same for its role.
pub(crate) fn derived(prefix: &str, place: &Place, role: &str) -> String {
    let text = format!("{}|{}|{prefix}|{role}", place.account, place.region);
    let hash = Sha256::digest(text.as_bytes());
    let hex: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{prefix}-0{hex}")
}

/// The hardware address of an interface, made from its own address: `0a:58:ac:1f:00:05`.
pub(crate) fn mac_of(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("0a:58:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

/// `ip-172-31-0-5.ec2.internal`; other regions than `us-east-1` name themselves.
pub(crate) fn private_dns_name(address: Ipv4Addr, region: &str) -> String {
    let [a, b, c, d] = address.octets();
    format!("ip-{a}-{b}-{c}-{d}.{}", domain(region))
}

/// The domain of a region's private names.
pub(crate) fn domain(region: &str) -> String {
    match region {
        "us-east-1" => "ec2.internal".to_owned(),
        _ => format!("{region}.compute.internal"),
    }
}

#[cfg(test)]
mod tests {
    use haar_clock::IdSource;

    use super::*;

    #[test]
    fn ids_have_seventeen_digits() {
        assert_eq!(mint(&IdSource::seeded(1).ids(), "vpc").len(), "vpc-".len() + 17);
        let place = Place::new(&"123456789012".parse().unwrap(), &"eu-west-1".parse().unwrap());
        let id = derived("subnet", &place, "a");
        assert_eq!(id.len(), "subnet-".len() + 17);
        assert_eq!(id, derived("subnet", &place, "a"));
        assert_ne!(id, derived("subnet", &place, "b"));
    }

    #[test]
    fn names_follow_the_address() {
        let address = Ipv4Addr::new(172, 31, 0, 5);
        assert_eq!(mac_of(address), "0a:58:ac:1f:00:05");
        assert_eq!(private_dns_name(address, "us-east-1"), "ip-172-31-0-5.ec2.internal");
        let other = "ip-172-31-0-5.eu-west-1.compute.internal";
        assert_eq!(private_dns_name(address, "eu-west-1"), other);
    }
}
