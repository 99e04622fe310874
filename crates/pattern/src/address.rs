//! IP addresses: blocks of them, and addresses as exact values.

use std::net::IpAddr;

/// A block of addresses: those whose leading `bits` agree with `base`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Block {
    base: IpAddr,
    bits: u32,
}

impl Block {
    /// Reads `10.0.0.0/24` or `2001:db8::/32`.
    ///
    /// # Errors
    /// The service's words for what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (address, bits) = match text.split('/').collect::<Vec<_>>()[..] {
            [address, bits] => (address, bits),
            _ => return Err("Malformed CIDR, one '/' required".to_owned()),
        };
        let bits: i32 =
            bits.parse().map_err(|_| "Malformed CIDR, mask bits must be an integer".to_owned())?;
        let bits = u32::try_from(bits)
            .map_err(|_| "Malformed CIDR, mask bits must not be negative".to_owned())?;
        let base = find_address(address)?;
        match base {
            IpAddr::V4(_) if bits > 31 => Err("IPv4 mask bits must be < 32".to_owned()),
            IpAddr::V6(_) if bits > 127 => Err("IPv6 mask bits must be < 128".to_owned()),
            _ => Ok(Self { base, bits }),
        }
    }

    pub(crate) fn holds(&self, text: &str) -> bool {
        match (self.base, text.parse::<IpAddr>()) {
            (IpAddr::V4(base), Ok(IpAddr::V4(other))) => {
                let mask = u32::MAX.checked_shl(32 - self.bits).unwrap_or(0);
                (base.to_bits() ^ other.to_bits()) & mask == 0
            }
            (IpAddr::V6(base), Ok(IpAddr::V6(other))) => {
                let mask = u128::MAX.checked_shl(128 - self.bits).unwrap_or(0);
                (base.to_bits() ^ other.to_bits()) & mask == 0
            }
            _ => false,
        }
    }
}

fn find_address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| {
        let looks_v4 = text.split('.').count() == 4
            && text
                .split('.')
                .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
        let looks_v6 =
            text.contains(':') && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':');
        let kind = if looks_v4 || looks_v6 { "Invalid" } else { "Nonstandard" };
        format!("{kind} IP address: {text}")
    })
}
