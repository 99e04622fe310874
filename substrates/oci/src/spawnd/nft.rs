//! What the bridge lets through, by the host's packet filter: tables of one instance, which this
//! process alone changes. It is spoken to as the kernel wants it, without a program between.

mod batch;
mod rule;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::path::Path;

use haar_substrate::{Peer, RuleProtocol};
use parking_lot::Mutex;

use super::bridge::network_of;
use super::log;
use super::rules::{Change, Traffic};
pub(crate) use batch::is_there;
use batch::{Batch, Family, Hook, Table};
use rule::{Rule, Side, Verdict};

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ECHO_REQUEST: u8 = 8;
const FRAMES_IP: u16 = 0x0800;
const FRAMES_ARP: u16 = 0x0806;

/// Where the kernel asks: what comes to the host, what passes, what it sends, what leaves it.
const INPUT: u32 = 1;
const FORWARD: u32 = 2;
const OUTPUT: u32 = 3;
const POSTROUTING: u32 = 4;

/// Maps from addresses to chains, by who sends and who shall receive.
const FROM: &str = "from";
const TO: &str = "to";

/// The tables of one instance.
pub(super) struct Firewall {
    tag: String,
    bridge: String,
    /// What changes of the filters go over.
    socket: Mutex<Option<OwnedFd>>,
}

impl Firewall {
    pub(super) fn new(tag: &str, bridge: String) -> Self {
        Self { tag: tag.to_owned(), bridge, socket: Mutex::default() }
    }

    fn own(&self) -> Table {
        Table { family: Family::Ip, name: format!("haar_{}", self.tag) }
    }

    fn frames(&self) -> Table {
        Table { family: Family::Bridge, name: format!("haar_frames_{}", self.tag) }
    }

    fn filters(&self, family: Family) -> Table {
        Table { family, name: format!("haar_filter_{}", self.tag) }
    }

    /// Makes the tables anew for these addresses of the bridge: sandboxes reach each other, the
    /// world by the host's address, and of the host itself its answers, its name server on the
    /// bridge, and nothing else.
    pub(super) fn set_up(&self, gateways: &BTreeMap<Ipv4Addr, u8>) {
        let subnets: Vec<_> = gateways
            .iter()
            .map(|(gateway, prefix)| (Ipv4Addr::from(network_of(*gateway, *prefix)), *prefix))
            .collect();
        match self.protect(&subnets) {
            Ok(()) => {
                // what is translated must be passed on
                if let Err(error) = std::fs::write("/proc/sys/net/ipv4/ip_forward", "1") {
                    log(&format!("could not let packets pass: {error}"));
                }
            }
            Err(error) => log(&format!("could not set up the packet filter: {error}")),
        }
        if let Err(error) = self.sift_frames() {
            log(&format!("frames that are not IPv4 pass between sandboxes: {error}"));
        }
    }

    fn protect(&self, subnets: &[(Ipv4Addr, u8)]) -> io::Result<()> {
        let (table, mut batch) = (self.own(), Batch::new());
        batch.remove_table(&table);
        batch.table(&table);
        let hook = Hook { number: INPUT, priority: -5, kind: "filter" };
        batch.chain(&table, "input", Some(hook));
        let mut input = |fill: &dyn Fn(Rule<'_>)| batch.rule(&table, "input", fill);
        input(&|rule| rule.not_from(&self.bridge).then(Verdict::Accept));
        input(&|rule| rule.answers().then(Verdict::Accept));
        input(&|rule| rule.protocol(ICMP).icmp_type(ECHO_REQUEST).then(Verdict::Accept));
        input(&|rule| rule.protocol(UDP).ports(53, 53).then(Verdict::Accept));
        input(&|rule| rule.protocol(TCP).ports(53, 53).then(Verdict::Accept));
        input(&|rule| rule.refuse());
        let hook = Hook { number: POSTROUTING, priority: 100, kind: "nat" };
        batch.chain(&table, "postrouting", Some(hook));
        for (network, prefix) in subnets {
            batch.rule(&table, "postrouting", |rule| {
                rule.within(Side::Destination, *network, *prefix).then(Verdict::Return);
            });
        }
        for (network, prefix) in subnets {
            batch.rule(&table, "postrouting", |rule| {
                rule.within(Side::Source, *network, *prefix).masquerade();
            });
        }
        batch.send()
    }

    /// Lets no frames pass between sandboxes but those that filters know, and those that find
    /// their addresses.
    fn sift_frames(&self) -> io::Result<()> {
        let (table, mut batch) = (self.frames(), Batch::new());
        batch.remove_table(&table);
        batch.table(&table);
        let hook = Hook { number: FORWARD, priority: -5, kind: "filter" };
        batch.chain(&table, "forward", Some(hook));
        let interfaces = format!("h{}", self.tag);
        for kind in [FRAMES_IP, FRAMES_ARP] {
            batch.rule(&table, "forward", |rule| {
                rule.by_any(&interfaces).frames(kind).then(Verdict::Accept);
            });
        }
        batch.rule(&table, "forward", |rule| rule.by_any(&interfaces).then(Verdict::Drop));
        batch.send()
    }

    /// Tells changes of the filters; `anew` begins with none.
    pub(super) fn filter(&self, changes: &[Change], anew: bool) -> io::Result<()> {
        let (table, mut batch) = (self.filters(family_of(&self.bridge)), Batch::new());
        if anew && table.family == Family::Bridge {
            self.sift_frames()?; // which `begin` relies on: without it no filter stands
        }
        if anew {
            begin(&mut batch, &table);
        }
        write(&mut batch, &table, changes);
        batch.send_over(&mut self.socket.lock())
    }

    /// Removes the tables, those of a former helper too.
    pub(super) fn tear_down(&self) {
        let filters = [Family::Ip, Family::Bridge].map(|family| self.filters(family));
        for table in filters.into_iter().chain([self.own(), self.frames()]) {
            let mut batch = Batch::new();
            batch.remove_table(&table);
            let _ = batch.send();
        }
    }
}

/// Has the bridge show its packets to the host's rules, where the kernel can.
fn family_of(bridge: &str) -> Family {
    let switch = format!("/sys/class/net/{bridge}/bridge/nf_call_iptables");
    let shown = Path::new("/proc/sys/net/bridge").exists() && std::fs::write(switch, "1").is_ok();
    if shown { Family::Ip } else { Family::Bridge }
}

/// A table that lets all pass: addresses are looked up in maps, so thousands cost little more
/// than one.
fn begin(batch: &mut Batch, table: &Table) {
    batch.remove_table(table);
    batch.table(table);
    batch.set(table, FROM, true);
    batch.set(table, TO, true);
    // what is let out may still not be let in: both are asked
    let hooks: [(_, _, &[_]); 3] = [
        ("forward", FORWARD, &[(Side::Source, FROM), (Side::Destination, TO)]),
        ("input", INPUT, &[(Side::Source, FROM)]),
        ("output", OUTPUT, &[(Side::Destination, TO)]),
    ];
    for (name, number, maps) in hooks {
        batch.chain(table, name, Some(Hook { number, priority: 0, kind: "filter" }));
        if table.family == Family::Bridge {
            // judged before
            batch.rule(table, name, |rule| rule.frames_but(FRAMES_IP).then(Verdict::Accept));
        }
        batch.rule(table, name, |rule| rule.answers().then(Verdict::Accept));
        if number == INPUT {
            // names are found whatever the filter says
            for protocol in [UDP, TCP] {
                batch.rule(table, name, |rule| {
                    rule.protocol(protocol).ports(53, 53).then(Verdict::Accept);
                });
            }
        }
        for (side, map) in maps {
            batch.rule(table, name, |rule| rule.look_up(*side, map));
        }
    }
}

fn group(number: u32) -> String {
    format!("group_{number}")
}

/// Chains for what comes in to an address, and for what it lets out.
fn chains(number: u32) -> [(Side, String); 2] {
    [(Side::Source, format!("in_{number}")), (Side::Destination, format!("out_{number}"))]
}

/// Writes changes in the order that the kernel needs: what is referred to comes first and goes
/// last.
fn write(batch: &mut Batch, table: &Table, changes: &[Change]) {
    for change in changes {
        if let Change::MakeGroup(number) = change {
            batch.set(table, &group(*number), false);
        }
    }
    for change in changes {
        if let Change::MakeChains(number, rules) = change {
            let sides = [&rules.ingress, &rules.egress];
            for ((side, chain), traffic) in chains(*number).into_iter().zip(sides) {
                batch.chain(table, &chain, None);
                traffic.iter().for_each(|one| write_traffic(batch, (table, &chain), one, side));
                batch.rule(table, &chain, |rule| rule.then(Verdict::Drop));
            }
        }
    }
    write_elements(batch, table, changes);
    for change in changes {
        if let Change::EndChains(number) = change {
            chains(*number).iter().for_each(|(_, chain)| batch.remove_chain(table, chain));
        }
    }
    for change in changes {
        if let Change::EndGroup(number) = change {
            batch.remove_set(table, &group(*number));
        }
    }
}

/// First what leaves, then what comes.
fn write_elements(batch: &mut Batch, table: &Table, changes: &[Change]) {
    let mut left: BTreeMap<String, BTreeSet<Ipv4Addr>> = BTreeMap::new();
    let mut come: BTreeMap<String, BTreeMap<Ipv4Addr, Option<String>>> = BTreeMap::new();
    for change in changes {
        match change {
            Change::Leave(address) => {
                for map in [FROM, TO] {
                    left.entry(map.to_owned()).or_default().insert(*address);
                }
            }
            Change::LeaveGroup(number, address) => {
                left.entry(group(*number)).or_default().insert(*address);
            }
            Change::Enter(address, number) => {
                let [(_, inward), (_, outward)] = chains(*number);
                for (map, chain) in [(TO, inward), (FROM, outward)] {
                    come.entry(map.to_owned()).or_default().insert(*address, Some(chain));
                }
            }
            Change::JoinGroup(number, address) => {
                come.entry(group(*number)).or_default().insert(*address, None);
            }
            _ => {}
        }
    }
    for (set, addresses) in &left {
        batch.take(table, set, addresses);
    }
    for (set, elements) in &come {
        let elements = elements.iter().map(|(address, chain)| (*address, chain.as_deref()));
        batch.put(table, set, elements);
    }
}

/// Rules that let some traffic through; networks may overlap, which a set may not, so each has
/// its own.
fn write_traffic(batch: &mut Batch, (table, chain): (&Table, &str), traffic: &Traffic, side: Side) {
    for Peer { address, prefix } in &traffic.peers {
        batch.rule(table, chain, |rule| {
            let rule = of_protocol(rule, traffic.protocol);
            let rule = match prefix {
                0 => rule,
                _ => rule.within(side, *address, (*prefix).min(32)),
            };
            rule.then(Verdict::Return);
        });
    }
    for number in &traffic.groups {
        batch.rule(table, chain, |rule| {
            let rule = of_protocol(rule, traffic.protocol);
            rule.member(side, &group(*number)).then(Verdict::Return);
        });
    }
}

fn of_protocol(rule: Rule<'_>, protocol: RuleProtocol) -> Rule<'_> {
    match protocol {
        RuleProtocol::Any => rule,
        RuleProtocol::Tcp(first, last) => rule.protocol(TCP).ports(first, last),
        RuleProtocol::Udp(first, last) => rule.protocol(UDP).ports(first, last),
        RuleProtocol::Icmp => rule.protocol(ICMP),
    }
}
