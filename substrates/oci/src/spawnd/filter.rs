//! Who may reach a sandbox and whom it may reach, as rules of the host's packet filter.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;

use haar_substrate::{Filter, FilterRule, Peer, RuleProtocol};

use super::bridge::network_of;

/// Where rules can stand so that they see what one sandbox sends to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// With the host's own: the bridge shows its packets there.
    Ip,
    /// On the bridge itself.
    Bridge,
}

impl Family {
    /// As the packet filter calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Bridge => "bridge",
        }
    }
}

/// The table's name.
pub(super) fn table(tag: &str) -> String {
    format!("haar_filter_{tag}")
}

/// Rules for the traffic of these addresses, a pair of chains for each.
pub(super) fn rules(tag: &str, family: Family, filters: &BTreeMap<Ipv4Addr, Filter>) -> String {
    let table = format!("table {} {}", family.name(), table(tag));
    let mut text = format!("{table}\ndelete {table}\n{table} {{\n");
    let (mut to, mut from) = (String::new(), String::new());
    for (address, filter) in filters {
        let name = format!("{:08x}", u32::from(*address));
        let _ = writeln!(text, "chain in_{name} {{");
        filter.ingress.iter().for_each(|rule| write_rule(&mut text, rule, "saddr"));
        let _ = writeln!(text, "drop\n}}\nchain out_{name} {{");
        filter.egress.iter().for_each(|rule| write_rule(&mut text, rule, "daddr"));
        let _ = writeln!(text, "drop\n}}");
        // what is let out may still not be let in: both are asked
        let _ = writeln!(to, "ip daddr {address} jump in_{name}");
        let _ = writeln!(from, "ip saddr {address} jump out_{name}");
    }
    let only = match family {
        Family::Ip => "",
        Family::Bridge => "ether type != ip accept\n",
    };
    let hooks =
        [("forward", format!("{from}{to}")), ("input", from.clone()), ("output", to.clone())];
    for (hook, jumps) in hooks {
        let _ = writeln!(
            text,
            "chain {hook} {{ type filter hook {hook} priority 0; policy accept;\n\
             {only}ct state established,related accept\n{jumps}}}"
        );
    }
    text.push_str("}\n");
    text
}

fn write_rule(text: &mut String, rule: &FilterRule, side: &str) {
    let what = match rule.protocol {
        RuleProtocol::Any => String::new(),
        RuleProtocol::Tcp(first, last) => format!("tcp dport {first}-{last} "),
        RuleProtocol::Udp(first, last) => format!("udp dport {first}-{last} "),
        RuleProtocol::Icmp => "ip protocol icmp ".to_owned(),
    };
    for Peer { address, prefix } in &rule.peers {
        let prefix = (*prefix).min(32);
        let network = Ipv4Addr::from(network_of(*address, prefix));
        let _ = match prefix {
            0 => writeln!(text, "{what}return"),
            _ => writeln!(text, "ip {side} {network}/{prefix} {what}return"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_name_what_returns_before_all_is_dropped() {
        let web = FilterRule {
            protocol: RuleProtocol::Tcp(80, 80),
            peers: vec![Peer { address: Ipv4Addr::new(10, 1, 2, 3), prefix: 16 }],
        };
        let all = FilterRule {
            protocol: RuleProtocol::Any,
            peers: vec![Peer { address: Ipv4Addr::UNSPECIFIED, prefix: 0 }],
        };
        let filter = Filter { ingress: vec![web], egress: vec![all] };
        let address = Ipv4Addr::new(10, 1, 0, 9);
        let text = rules("x", Family::Ip, &BTreeMap::from([(address, filter)]));
        assert!(
            text.contains("chain in_0a010009 {\nip saddr 10.1.0.0/16 tcp dport 80-80 return\ndrop")
        );
        assert!(text.contains("chain out_0a010009 {\nreturn\ndrop"));
        assert!(text.contains("ip saddr 10.1.0.9 jump out_0a010009\nip daddr 10.1.0.9 jump in_"));
    }
}
