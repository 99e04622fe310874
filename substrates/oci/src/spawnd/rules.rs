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

/// Rules for the traffic of these addresses. Addresses with the same filter share a pair of
/// chains, and are looked up in a map: thousands cost little more than one.
pub(super) fn rules(tag: &str, family: Family, filters: &BTreeMap<Ipv4Addr, Filter>) -> String {
    let table = format!("table {} {}", family.name(), table(tag));
    let mut text = format!("{table}\ndelete {table}\n{table} {{\n");
    let mut chains: Vec<&Filter> = Vec::new();
    let (mut to, mut from) = (Vec::new(), Vec::new());
    for (address, filter) in filters {
        let number = chains.iter().position(|known| *known == filter).unwrap_or_else(|| {
            write_chains(&mut text, chains.len(), filter);
            chains.push(filter);
            chains.len() - 1
        });
        to.push(format!("{address} : jump in_{number}"));
        from.push(format!("{address} : jump out_{number}"));
    }
    let lookup = |side: &str, all: &[String]| match all {
        [] => String::new(),
        all => format!("ip {side} vmap {{ {} }}\n", all.join(", ")),
    };
    // what is let out may still not be let in: both are asked
    let (to, from) = (lookup("daddr", &to), lookup("saddr", &from));
    let only = match family {
        Family::Ip => "",
        // what cannot be filtered does not pass
        Family::Bridge => "ether type arp accept\nether type != ip drop\n",
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

fn write_chains(text: &mut String, number: usize, filter: &Filter) {
    let _ = writeln!(text, "chain in_{number} {{");
    filter.ingress.iter().for_each(|rule| write_rule(text, rule, "saddr"));
    let _ = writeln!(text, "drop\n}}\nchain out_{number} {{");
    filter.egress.iter().for_each(|rule| write_rule(text, rule, "daddr"));
    let _ = writeln!(text, "drop\n}}");
}

fn write_rule(text: &mut String, rule: &FilterRule, side: &str) {
    let what = match rule.protocol {
        RuleProtocol::Any => String::new(),
        RuleProtocol::Tcp(first, last) => format!("tcp dport {first}-{last} "),
        RuleProtocol::Udp(first, last) => format!("udp dport {first}-{last} "),
        RuleProtocol::Icmp => "ip protocol icmp ".to_owned(),
    };
    let mut single: Vec<String> = Vec::new();
    for Peer { address, prefix } in &rule.peers {
        let network = Ipv4Addr::from(network_of(*address, (*prefix).min(32)));
        let _ = match prefix {
            0 => writeln!(text, "{what}return"),
            // networks may overlap, which a set may not
            1..32 => writeln!(text, "ip {side} {network}/{prefix} {what}return"),
            _ => {
                single.push(network.to_string());
                Ok(())
            }
        };
    }
    single.sort();
    single.dedup();
    if !single.is_empty() {
        let _ = writeln!(text, "ip {side} {{ {} }} {what}return", single.join(", "));
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
        let members = FilterRule {
            protocol: RuleProtocol::Any,
            peers: [9, 8, 9]
                .map(|last| Peer { address: [10, 1, 0, last].into(), prefix: 32 })
                .into(),
        };
        let filter = Filter { ingress: vec![web, members], egress: vec![all] };
        let other = Filter::default();
        let filters = [(9, filter.clone()), (10, other), (11, filter)];
        let filters = filters.map(|(last, filter)| (Ipv4Addr::new(10, 1, 0, last), filter));
        let text = rules("x", Family::Ip, &BTreeMap::from(filters));
        assert!(text.contains(
            "chain in_0 {\nip saddr 10.1.0.0/16 tcp dport 80-80 return\n\
             ip saddr { 10.1.0.8, 10.1.0.9 } return\ndrop"
        ));
        assert!(text.contains("chain out_0 {\nreturn\ndrop"));
        assert!(text.contains("chain in_1 {\ndrop") && !text.contains("in_2"));
        assert!(text.contains(
            "ip daddr vmap { 10.1.0.9 : jump in_0, 10.1.0.10 : jump in_1, 10.1.0.11 : jump in_0 }"
        ));
    }

    #[test]
    fn without_filters_all_passes() {
        assert!(!rules("x", Family::Bridge, &BTreeMap::new()).contains("vmap"));
    }
}
