//! Ranges of addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

use haar_ec2_contract::peek::Ipv4Range;

/// Addresses of a subnet that AWS keeps for itself: the first four and the last.
/// AWS docs: *Amazon VPC User Guide > Subnet sizing for IPv4*.
const RESERVED_FIRST: u32 = 4;

/// Reads `10.1.2.3/16` as its canonical range, `10.1.0.0/16`.
pub(crate) fn parse_ipv4(text: &str) -> Option<Ipv4Range> {
    let (address, prefix) = text.split_once('/')?;
    let address: Ipv4Addr = address.parse().ok()?;
    let well_formed = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
    let prefix: u8 = prefix.parse().ok().filter(|prefix| well_formed && *prefix <= 32)?;
    Some(Ipv4Range { first: Ipv4Addr::from(u32::from(address) & mask(prefix)), prefix })
}

/// Reads an IPv6 range and answers its canonical text.
pub(crate) fn parse_ipv6(text: &str) -> Option<String> {
    let (address, prefix) = text.split_once('/')?;
    let address: Ipv6Addr = address.parse().ok()?;
    let prefix: u32 = prefix.parse().ok().filter(|prefix| *prefix <= 128)?;
    let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
    Some(format!("{}/{prefix}", Ipv6Addr::from(u128::from(address) & mask)))
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

/// How many addresses a range has.
pub(crate) fn size(range: Ipv4Range) -> u64 {
    1 << (32 - u32::from(range.prefix))
}

/// Whether two ranges share an address.
pub(crate) fn overlaps(one: Ipv4Range, other: Ipv4Range) -> bool {
    one.contains(other.first) || other.contains(one.first)
}

/// Whether a range lies in another.
pub(crate) fn within(inner: Ipv4Range, outer: Ipv4Range) -> bool {
    inner.prefix >= outer.prefix && outer.contains(inner.first)
}

/// The offsets of a subnet's addresses that interfaces may have.
pub(crate) fn usable(range: Ipv4Range) -> std::ops::Range<u32> {
    let last = u32::try_from(size(range) - 1).unwrap_or(u32::MAX);
    RESERVED_FIRST..last.max(RESERVED_FIRST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Ipv4Range {
        parse_ipv4(text).unwrap()
    }

    #[test]
    fn ranges_are_read_in_canonical_form() {
        assert_eq!(range("100.68.0.18/18").to_string(), "100.68.0.0/18");
        assert_eq!(range("1.2.3.4/32").to_string(), "1.2.3.4/32");
        assert_eq!(range("1.2.3.4/0").to_string(), "0.0.0.0/0");
        for text in ["", "10.0.0.0", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/+8", "10.0.0.0/"] {
            assert_eq!(parse_ipv4(text), None, "{text}");
        }
        assert_eq!(parse_ipv6("::/0").as_deref(), Some("::/0"));
        assert_eq!(parse_ipv6("2001:DB8::1/32").as_deref(), Some("2001:db8::/32"));
        assert_eq!(parse_ipv6("10.0.0.0/8"), None);
    }

    #[test]
    fn ranges_are_compared() {
        assert!(overlaps(range("10.0.0.0/16"), range("10.0.5.0/24")));
        assert!(!overlaps(range("10.0.0.0/24"), range("10.0.1.0/24")));
        assert!(within(range("10.0.5.0/24"), range("10.0.0.0/16")));
        assert!(!within(range("10.0.0.0/16"), range("10.0.5.0/24")));
        assert!(within(range("9.9.9.9/32"), range("0.0.0.0/0")));
    }

    #[test]
    fn five_addresses_of_a_subnet_are_reserved() {
        assert_eq!(usable(range("10.0.0.0/28")), 4..15);
        assert_eq!(usable(range("172.31.0.0/20")).len(), 4091);
    }
}
