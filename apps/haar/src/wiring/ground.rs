//! Where default VPCs lie: 172.31.0.0/16 as on AWS, unless another cloud or the host has that.

use std::net::Ipv4Addr;

use haar_kernel::Settings;
use haar_ledger::Ledger;
use haar_substrate_oci::Ground;

/// In this order: AWS's own, then the rest of that private range.
fn candidates() -> Vec<Ipv4Addr> {
    (16..=31).rev().map(|second| Ipv4Addr::new(172, second, 0, 0)).collect()
}

/// Chooses, and keeps the choice: it never changes once an account has a default VPC, but by the
/// operator's will.
pub(super) fn claim(settings: &mut Settings, ledger: &Ledger, instance: &str) -> Ground {
    let chosen = settings.default_vpc.or_else(|| haar_ec2::ground(&ledger.snapshot()));
    let wanted = chosen.map_or_else(candidates, |chosen| vec![chosen]);
    let ground = haar_substrate_oci::claim(instance, &wanted);
    if let Some(clash) = &ground.clash {
        tracing::warn!(
            "default VPCs are at {}/16, which this host uses otherwise ({clash}): tasks cannot have \
             addresses there until that is gone; --default-vpc puts new ones elsewhere",
            ground.first
        );
    }
    settings.default_vpc = Some(ground.first);
    ground
}

/// Writes the choice down, at once; the future ends when it is on disk. Whatever is written later
/// comes after it there.
pub(super) fn keep(
    settings: &Settings,
    ledger: &Ledger,
) -> impl Future<Output = Result<(), String>> + Send + use<> {
    let kept = settings.default_vpc.map(|first| ledger.write(|tx| haar_ec2::set_ground(tx, first)));
    async move {
        let Some(kept) = kept else { return Ok(()) };
        let kept = kept.durable().await;
        kept.map(drop).map_err(|error| format!("the default VPCs' range: {error}"))
    }
}

/// Reads the range that an operator chose.
pub(crate) fn parse(text: &str) -> Result<Ipv4Addr, String> {
    let first = text.strip_suffix("/16").and_then(|first| first.parse::<Ipv4Addr>().ok());
    let whole = first.filter(|first| first.octets()[2..] == [0, 0] && first.is_private());
    whole.ok_or_else(|| "a private range of 16 bits' prefix, such as 172.30.0.0/16".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_private_ranges_will_do() {
        assert_eq!(parse("10.7.0.0/16"), Ok(Ipv4Addr::new(10, 7, 0, 0)));
        for wrong in ["10.7.0.0", "10.7.1.0/16", "8.8.0.0/16", "172.31.0.0/20", "x/16"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(candidates().first(), Some(&Ipv4Addr::new(172, 31, 0, 0)));
    }
}
