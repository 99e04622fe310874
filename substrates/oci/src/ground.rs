//! Which networks of private addresses are free on this host, shared out among its servers.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::spawnd::bridge_name;

/// Servers of this host hold a locked file here for as long as they live.
const CLAIMS: &str = "/run/haar/networks";
/// Bits of each network.
const PREFIX: u32 = 16;

/// A network of 16 bits' length, claimed for as long as this is there.
#[derive(Debug)]
pub struct Ground {
    /// Its first address.
    pub first: Ipv4Addr,
    /// Who has it on this host, where none was free: sandboxes cannot have addresses there as long
    /// as that is so.
    pub clash: Option<String>,
    _claim: Option<File>,
}

/// Claims the first of these networks that nothing on this host uses, its other servers
/// included; else the very first, with the clash told.
pub fn claim(instance: &str, candidates: &[Ipv4Addr]) -> Ground {
    let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
    let own = bridge_name(instance);
    let mut first_clash = None;
    for &first in candidates {
        let clash = match user(&routes, first, &own) {
            Some(user) => user,
            None => match hold(first) {
                Ok(claim) => return Ground { first, clash: None, _claim: claim },
                Err(clash) => clash,
            },
        };
        first_clash.get_or_insert(clash);
    }
    let first = candidates.first().copied().unwrap_or(Ipv4Addr::UNSPECIFIED);
    Ground { first, clash: first_clash, _claim: None }
}

/// The interface that a network is reached by, our own bridge aside.
fn user(routes: &str, first: Ipv4Addr, own: &str) -> Option<String> {
    routes.lines().skip(1).find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (name, to, mask) = (fields.first()?, fields.get(1)?, fields.get(7)?);
        let number = |text: &str| Some(u32::from_be_bytes(parse(text)?));
        let (to, mask) = (number(to)?, number(mask)?);
        // the way to everywhere is nobody's network
        let shared = mask & (u32::MAX << (32 - PREFIX));
        let overlaps = mask != 0 && (to ^ u32::from(first)) & shared == 0;
        let network = Ipv4Addr::from(to);
        let prefix = mask.count_ones();
        (overlaps && *name != own).then(|| format!("interface {name} leads to {network}/{prefix}"))
    })
}

/// An address as the kernel prints it: its bytes as one number of this machine's.
fn parse(text: &str) -> Option<[u8; 4]> {
    u32::from_str_radix(text, 16).ok().map(u32::to_ne_bytes)
}

/// None where claims cannot be kept here: then routes alone tell.
fn hold(first: Ipv4Addr) -> Result<Option<File>, String> {
    if fs::create_dir_all(CLAIMS).is_err() {
        return Ok(None);
    }
    let Ok(file) = File::create(Path::new(CLAIMS).join(first.to_string())) else { return Ok(None) };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            Err(format!("another haar of this host has {first}/{PREFIX}"))
        }
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn networks_that_routes_lead_to_are_used() {
        let routes = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\t\n\
            eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\n\
            hb00\t00001FAC\t00000000\t0001\t0\t0\t0\t00F0FFFF\t0\n\
            vpn\t000010AC\t00000000\t0001\t0\t0\t0\t0000FEFF\t0\n";
        let at = |second| Ipv4Addr::new(172, second, 0, 0);
        assert_eq!(
            user(routes, at(31), "hb11").as_deref(),
            Some("interface hb00 leads to 172.31.0.0/20")
        );
        assert_eq!(user(routes, at(31), "hb00"), None);
        assert!(user(routes, at(16), "").is_some() && user(routes, at(17), "").is_some());
        assert_eq!(user(routes, at(30), ""), None);
    }

    #[test]
    fn two_servers_never_claim_the_same() {
        let candidates = [1, 2].map(|third| Ipv4Addr::new(198, 19, third, 0));
        let one = claim("one", &candidates);
        let other = claim("other", &candidates);
        if one._claim.is_none() {
            return; // claims cannot be kept here
        }
        assert_eq!((one.first, other.first), (candidates[0], candidates[1]));
        let third = claim("third", &candidates);
        assert!(third.clash.is_some_and(|clash| clash.contains("another haar")));
        drop(one);
        assert_eq!(claim("third", &candidates).first, candidates[0]);
    }
}
