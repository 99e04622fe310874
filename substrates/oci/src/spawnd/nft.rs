//! What the bridge lets through, by the host's packet filter: tables of one instance, which this
//! process alone changes. It is spoken to as the kernel wants it, without a program between.

mod batch;
mod rule;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use haar_substrate::{Peer, RuleProtocol, TELLERS};
use parking_lot::Mutex;

use super::bridge::network_of;
use super::homes::Home;
use super::log;
use super::rules::{Change, Traffic};
pub(crate) use batch::is_there;
use batch::{Batch, Family, Hook, Kind, Table, Value};
use rule::{Rule, Sender, Side, Verdict};

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ECHO_REQUEST: u8 = 8;
const FRAMES_IP: u16 = 0x0800;
const FRAMES_ARP: u16 = 0x0806;

/// Where the kernel asks: what comes, what comes to the host, what passes, what it sends, what
/// leaves it.
const PREROUTING: u32 = 0;
const INPUT: u32 = 1;
const FORWARD: u32 = 2;
const OUTPUT: u32 = 3;
const POSTROUTING: u32 = 4;

/// The host's link, where its cloud tells it its secrets.
const ON_THE_LINK: (Ipv4Addr, u8) = (Ipv4Addr::new(169, 254, 0, 0), 16);

/// Maps from addresses to chains, by who sends and who shall receive.
const FROM: &str = "from";
const TO: &str = "to";

/// Who is where: what of a sandbox is at home at its interface. Then the chain of the realm that
/// each address is of, and all that are of any.
const HOMES: &str = "homes";
const REALM_OF: &str = "realm_of";
const OF_REALMS: &str = "of_realms";

/// The tables of one instance.
pub(super) struct Firewall {
    tag: String,
    bridge: String,
    /// The kernel looks into frames on bridges.
    sees_frames: AtomicBool,
    /// What changes of the filters go over.
    socket: Mutex<Option<OwnedFd>>,
}

impl Firewall {
    pub(super) fn new(tag: &str, bridge: String) -> Self {
        let (sees_frames, socket) = (AtomicBool::new(false), Mutex::default());
        Self { tag: tag.to_owned(), bridge, sees_frames, socket }
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

    /// Makes the table anew for these addresses of the bridge: sandboxes reach each other, the
    /// world by the host's address but for what tells machines their secrets, and of the host
    /// itself its answers, its name server on the bridge, and nothing else.
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
        let hook = Hook { number: FORWARD, priority: -5, kind: "filter" };
        batch.chain(&table, "forward", Some(hook));
        batch.rule(&table, "forward", |rule| rule.not_from(&self.bridge).then(Verdict::Accept));
        let tellers = TELLERS.map(|address| (address, 32));
        for (network, prefix) in tellers.into_iter().chain([ON_THE_LINK]) {
            batch.rule(&table, "forward", |rule| {
                rule.within(Side::Destination, network, prefix).refuse();
            });
        }
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

    /// Tells changes of filters and homes; `anew` begins with none.
    pub(super) fn filter(&self, changes: &[Change], anew: bool) -> io::Result<()> {
        if !anew {
            let mut batch = Batch::new();
            self.write(&mut batch, changes);
            return batch.send_over(&mut self.socket.lock());
        }
        self.sees_frames.store(true, Ordering::SeqCst);
        match self.begin(changes) {
            // filters on bridges rely on what is done with frames
            Err(error) if family_of(&self.bridge) == Family::Ip => {
                self.sees_frames.store(false, Ordering::SeqCst);
                self.begin(changes)?;
                log(&format!("sandboxes may send frames that are not theirs: {error}"));
                Ok(())
            }
            begun => begun,
        }
    }

    fn begin(&self, changes: &[Change]) -> io::Result<()> {
        let mut batch = Batch::new();
        if self.sees_frames.load(Ordering::SeqCst) {
            begin_frames(&mut batch, &self.frames(), &format!("h{}", self.tag));
        }
        begin(&mut batch, &self.filters(family_of(&self.bridge)));
        self.write(&mut batch, changes);
        batch.send_over(&mut self.socket.lock())
    }

    fn write(&self, batch: &mut Batch, changes: &[Change]) {
        if self.sees_frames.load(Ordering::SeqCst) {
            write_homes(batch, &self.frames(), changes);
        }
        write(batch, &self.filters(family_of(&self.bridge)), changes);
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

/// A table that lets nothing in from sandboxes but IPv4, which filters know, and ARP, which finds
/// addresses, both with what is at home where they come from: who sends in the name of another
/// would get what is the other's, and pass for it. A bridge that never saw such a frame has not
/// noted its sender either.
fn begin_frames(batch: &mut Batch, table: &Table, interfaces: &str) {
    batch.remove_table(table);
    batch.table(table);
    batch.set(table, HOMES, Kind::Homes);
    let hook = Hook { number: PREROUTING, priority: -5, kind: "filter" };
    batch.chain(table, "arrival", Some(hook));
    let mut arrival = |fill: &dyn Fn(Rule<'_>)| batch.rule(table, "arrival", fill);
    arrival(&|rule| rule.by_none(interfaces).then(Verdict::Accept));
    arrival(&|rule| {
        rule.frames(FRAMES_IP).at_home(HOMES, Sender::OF_IP).then(Verdict::Accept);
    });
    arrival(&|rule| {
        let rule = rule.frames(FRAMES_ARP).at_home(HOMES, Sender::OF_ARP);
        rule.at_home(HOMES, Sender::IN_ARP).then(Verdict::Accept);
    });
    arrival(&|rule| rule.then(Verdict::Drop));
}

/// First who leaves, then who comes.
fn write_homes(batch: &mut Batch, table: &Table, changes: &[Change]) {
    let (mut left, mut come) = (BTreeSet::new(), BTreeMap::new());
    for change in changes {
        match change {
            Change::MoveOut(address, home) => drop(left.insert(home_key(*address, home))),
            Change::MoveIn(address, home) => {
                come.insert(home_key(*address, home), None);
            }
            _ => {}
        }
    }
    batch.take(table, HOMES, &left);
    batch.put(table, HOMES, &come);
}

/// The interface's name, its hardware address and the address, each filled up to whole words.
fn home_key(address: Ipv4Addr, home: &Home) -> Vec<u8> {
    let mut key = home.interface.as_bytes().to_vec();
    key.resize(16, 0);
    key.extend(home.mac);
    key.resize(24, 0);
    key.extend(address.octets());
    key
}

/// A table that lets all pass: addresses are looked up in maps, so thousands cost little more
/// than one.
fn begin(batch: &mut Batch, table: &Table) {
    batch.remove_table(table);
    batch.table(table);
    batch.set(table, FROM, Kind::Chains);
    batch.set(table, TO, Kind::Chains);
    batch.set(table, REALM_OF, Kind::Chains);
    batch.set(table, OF_REALMS, Kind::Addresses);
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
        if number != INPUT {
            batch.rule(table, name, |rule| rule.look_up(Side::Source, REALM_OF));
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

/// The chain of a realm, and the set of its addresses.
fn realm(number: u32) -> String {
    format!("realm_{number}")
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
            batch.set(table, &group(*number), Kind::Addresses);
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
    for change in changes {
        if let Change::MakeRealm(number) = change {
            let name = realm(*number);
            batch.set(table, &name, Kind::Addresses);
            batch.chain(table, &name, None);
            for (set, verdict) in [(&*name, Verdict::Return), (OF_REALMS, Verdict::Drop)] {
                batch.rule(table, &name, |rule| rule.member(Side::Destination, set).then(verdict));
            }
        }
    }
    write_elements(batch, table, changes);
    for change in changes {
        if let Change::EndRealm(number) = change {
            batch.remove_chain(table, &realm(*number));
            batch.remove_set(table, &realm(*number));
        }
    }
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
    let mut left: BTreeMap<String, BTreeSet<Vec<u8>>> = BTreeMap::new();
    let mut come: BTreeMap<String, BTreeMap<Vec<u8>, Value>> = BTreeMap::new();
    let mut leave = |set: &str, key: Vec<u8>| {
        left.entry(set.to_owned()).or_default().insert(key);
    };
    let mut enter = |set: &str, key: Vec<u8>, value| {
        come.entry(set.to_owned()).or_default().insert(key, value);
    };
    for change in changes {
        match change {
            Change::Leave(address) => {
                [FROM, TO].iter().for_each(|map| leave(map, address.octets().to_vec()));
            }
            Change::LeaveGroup(number, address) => {
                leave(&group(*number), address.octets().to_vec());
            }
            Change::Enter(address, number) => {
                let [(_, inward), (_, outward)] = chains(*number);
                for (map, chain) in [(TO, inward), (FROM, outward)] {
                    enter(map, address.octets().to_vec(), Some(chain));
                }
            }
            Change::JoinGroup(number, address) => {
                enter(&group(*number), address.octets().to_vec(), None);
            }
            Change::LeaveRealm(number, address) => {
                let sets = [REALM_OF, OF_REALMS, &realm(*number)];
                sets.iter().for_each(|set| leave(set, address.octets().to_vec()));
            }
            Change::JoinRealm(number, address) => {
                let chain = Some(realm(*number));
                enter(REALM_OF, address.octets().to_vec(), chain);
                for set in [OF_REALMS, &realm(*number)] {
                    enter(set, address.octets().to_vec(), None);
                }
            }
            _ => {}
        }
    }
    for (set, keys) in &left {
        batch.take(table, set, keys);
    }
    for (set, elements) in &come {
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
