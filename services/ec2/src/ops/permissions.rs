//! `IpPermissions` as rules: one for each kind of traffic and peer.

use haar_ec2_contract::peek::Place;
use haar_ec2_contract::{IpPermission, IpRange, UserIdGroupPair};
use haar_ledger::Snapshot;
use haar_wire::AwsError;

use super::security_group::find_group;
use crate::refusal::{combination, invalid, missing, refuse, unsupported};
use crate::rules::{managed_list, parse_ipv4, parse_ipv6};
use crate::state::{Peer, Resource as _, SecurityGroupRow, Traffic};

/// One rule that a request describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) traffic: Traffic,
    pub(super) peer: Peer,
    pub(super) description: Option<String>,
}

/// The members of a request that describe one permission without a list.
#[derive(Clone, Debug, Default)]
pub(super) struct Plain {
    pub(super) ip_protocol: Option<String>,
    pub(super) from_port: Option<i32>,
    pub(super) to_port: Option<i32>,
    pub(super) cidr_ip: Option<String>,
    pub(super) source_group_name: Option<String>,
}

/// All rules that a request describes, by its list or by its plain members.
pub(super) fn described(
    snapshot: &Snapshot,
    group: &SecurityGroupRow,
    list: Option<Vec<IpPermission>>,
    plain: Plain,
) -> Result<Vec<Described>, AwsError> {
    let is_plain =
        plain.ip_protocol.is_some() || plain.cidr_ip.is_some() || plain.source_group_name.is_some();
    let list = match (list.filter(|list| !list.is_empty()), is_plain) {
        (Some(_), true) => {
            let text = "The parameter 'ipProtocol' may not be used in combination with \
                        'ipPermissions'";
            return Err(combination(text));
        }
        (Some(list), false) => list,
        (None, true) => vec![permission_of(plain)],
        (None, false) => return Err(missing("ipPermissions")),
    };
    let place = group.place();
    let mut rules: Vec<Described> = Vec::new();
    for permission in list {
        for rule in rules_of(snapshot, &place, permission)? {
            let same = |known: &Described| known.traffic == rule.traffic && known.peer == rule.peer;
            if rules.iter().any(same) {
                let text = "The same permission must not appear multiple times";
                return Err(invalid(text));
            }
            rules.push(rule);
        }
    }
    Ok(rules)
}

fn permission_of(plain: Plain) -> IpPermission {
    let range = plain.cidr_ip.map(|cidr| IpRange { description: None, cidr_ip: Some(cidr) });
    let group = plain
        .source_group_name
        .map(|name| UserIdGroupPair { group_name: Some(name), ..UserIdGroupPair::default() });
    // A group by name alone means all its traffic.
    let all = group.is_some() && plain.ip_protocol.is_none();
    IpPermission {
        ip_protocol: if all { Some("-1".to_owned()) } else { plain.ip_protocol },
        from_port: plain.from_port,
        to_port: plain.to_port,
        ip_ranges: range.map(|range| vec![range]),
        user_id_group_pairs: group.map(|group| vec![group]),
        ..IpPermission::default()
    }
}

fn rules_of(
    snapshot: &Snapshot,
    place: &Place,
    permission: IpPermission,
) -> Result<Vec<Described>, AwsError> {
    let protocol = permission.ip_protocol.ok_or_else(|| missing("ipProtocol"))?;
    let traffic = traffic(&protocol, permission.from_port, permission.to_port)?;
    let mut peers = Vec::new();
    for range in permission.ip_ranges.unwrap_or_default() {
        peers.push((ipv4(range.cidr_ip.unwrap_or_default())?, range.description));
    }
    for range in permission.ipv6_ranges.unwrap_or_default() {
        peers.push((ipv6(range.cidr_ipv6.unwrap_or_default())?, range.description));
    }
    for list in permission.prefix_list_ids.unwrap_or_default() {
        let id = list.prefix_list_id.unwrap_or_default();
        peers.push((prefix_list(place, &id)?, list.description));
    }
    for pair in permission.user_id_group_pairs.unwrap_or_default() {
        if pair.user_id.as_deref().is_some_and(|owner| owner != place.account.as_str()) {
            return Err(unsupported("a security group of another account"));
        }
        let (id, name) = (pair.group_id.as_deref(), pair.group_name.as_deref());
        let group = find_group(snapshot, place, id, name)?;
        peers.push((Peer::Group(group.id().to_owned()), pair.description));
    }
    if peers.is_empty() {
        return Err(missing("cidrIp, cidrIpv6, prefixListId or groupId"));
    }
    let mut rules = Vec::new();
    for (peer, description) in peers {
        if let Some(text) = &description {
            check_description(text)?;
        }
        let description = description.filter(|text| !text.is_empty());
        rules.push(Described { traffic: traffic.clone(), peer, description });
    }
    Ok(rules)
}

/// An IPv4 range as a peer.
pub(super) fn ipv4(text: String) -> Result<Peer, AwsError> {
    let range = parse_ipv4(&text);
    let malformed = || invalid(format!("CIDR block {text} is malformed"));
    Ok(Peer::Ipv4(range.ok_or_else(malformed)?.to_string()))
}

/// An IPv6 range as a peer.
pub(super) fn ipv6(text: String) -> Result<Peer, AwsError> {
    let malformed = || invalid(format!("CIDR block {text} is malformed"));
    Ok(Peer::Ipv6(parse_ipv6(&text).ok_or_else(malformed)?))
}

/// A prefix list as a peer.
pub(super) fn prefix_list(place: &Place, id: &str) -> Result<Peer, AwsError> {
    let missing = || {
        let text = format!("The prefix list ID '{id}' does not exist");
        refuse("InvalidPrefixListID.NotFound", text)
    };
    Ok(Peer::PrefixList(managed_list(place, id).ok_or_else(missing)?.id))
}

/// A description's length and letters. AWS docs: *API Reference > IpRange*.
pub(super) fn check_description(text: &str) -> Result<(), AwsError> {
    let legal =
        |letter: char| letter.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(letter);
    if text.len() <= 255 && text.chars().all(legal) {
        return Ok(());
    }
    Err(invalid(
        "Invalid rule description. Valid descriptions are strings less than 256 characters from \
         the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*",
    ))
}

/// A protocol and its ports, as they are kept.
pub(super) fn traffic(
    protocol: &str,
    from: Option<i32>,
    to: Option<i32>,
) -> Result<Traffic, AwsError> {
    let protocol = protocol_name(protocol)?;
    let ports = match protocol.as_str() {
        "tcp" | "udp" => Some(port_range(from, to)?),
        "icmp" | "icmpv6" => Some(icmp(&protocol, from, to)?),
        _ => None,
    };
    Ok(Traffic { protocol, ports })
}

fn protocol_name(text: &str) -> Result<String, AwsError> {
    let lower = text.to_lowercase();
    let name = match lower.as_str() {
        "tcp" | "6" => "tcp",
        "udp" | "17" => "udp",
        "icmp" | "1" => "icmp",
        "icmpv6" | "58" => "icmpv6",
        "-1" | "all" => "-1",
        number => match number.parse::<u8>() {
            Ok(number) => return Ok(number.to_string()),
            Err(_) => {
                let text = format!("Invalid value '{text}' for IP protocol. Unknown protocol.");
                return Err(invalid(text));
            }
        },
    };
    Ok(name.to_owned())
}

fn port_range(from: Option<i32>, to: Option<i32>) -> Result<(i32, i32), AwsError> {
    let (Some(from), Some(to)) = (from, to) else {
        let text = "Invalid value 'Must specify both from and to ports with TCP/UDP.' for \
                    portRange.";
        return Err(invalid(text));
    };
    if (from, to) == (-1, -1) {
        return Ok((0, 65535));
    }
    for port in [from, to] {
        if !(0..=65535).contains(&port) {
            return Err(invalid(format!("TCP/UDP port ({port}) out of range")));
        }
    }
    if from > to {
        return Err(invalid(format!("Invalid TCP/UDP port range ({from}:{to})")));
    }
    Ok((from, to))
}

fn icmp(protocol: &str, kind: Option<i32>, code: Option<i32>) -> Result<(i32, i32), AwsError> {
    let (kind, code) = (kind.unwrap_or(-1), code.unwrap_or(-1));
    let legal = -1..=255;
    if !legal.contains(&kind) || !legal.contains(&code) || (kind == -1 && code != -1) {
        let name = protocol.to_uppercase();
        return Err(invalid(format!("{name} code ({code}) or type ({kind}) is out of range")));
    }
    Ok((kind, code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(protocol: &str, from: Option<i32>, to: Option<i32>) -> Result<Traffic, String> {
        traffic(protocol, from, to).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn protocols_have_one_name_each() {
        let tcp = Traffic { protocol: "tcp".to_owned(), ports: Some((80, 80)) };
        assert_eq!(kept("6", Some(80), Some(80)), Ok(tcp.clone()));
        assert_eq!(kept("TCP", Some(80), Some(80)), Ok(tcp));
        let all = Traffic { protocol: "-1".to_owned(), ports: None };
        assert_eq!(kept("all", Some(1), Some(2)), Ok(all));
        let ping = Traffic { protocol: "icmp".to_owned(), ports: Some((8, -1)) };
        assert_eq!(kept("icmp", Some(8), None), Ok(ping));
        assert_eq!(kept("50", None, None).map(|it| it.protocol).as_deref(), Ok("50"));
        assert!(kept("http", None, None).is_err());
    }

    #[test]
    fn ports_are_in_order_and_in_range() {
        assert!(kept("tcp", Some(80), None).is_err());
        let message = kept("tcp", Some(80), Some(22)).unwrap_err();
        assert_eq!(message, "Invalid TCP/UDP port range (80:22)");
        let message = kept("udp", Some(1), Some(65536)).unwrap_err();
        assert_eq!(message, "TCP/UDP port (65536) out of range");
        assert_eq!(kept("tcp", Some(-1), Some(-1)).map(|it| it.ports), Ok(Some((0, 65535))));
    }
}
