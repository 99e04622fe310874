//! What the bridge lets through, by the host's packet filter: one table per instance. Without
//! the `nft` program there is none, and `haar doctor` says so.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};

use haar_substrate::Filter;

use super::bridge::network_of;
use super::log;
use super::rules::{self, Family};
use crate::probe;
use crate::proto::Failure;

/// The tables.
pub(super) struct Firewall;

impl Firewall {
    /// Makes the table anew for these addresses of the bridge: sandboxes reach each other, the
    /// world by the host's address, and of the host itself its answers, its name server on the
    /// bridge, and nothing else.
    pub(super) fn set_up(&self, tag: &str, bridge: &str, gateways: &BTreeMap<Ipv4Addr, u8>) {
        if probe::nft().is_none() {
            return;
        }
        let subnets: Vec<_> = gateways
            .iter()
            .map(|(gateway, prefix)| {
                format!("{}/{prefix}", Ipv4Addr::from(network_of(*gateway, *prefix)))
            })
            .collect();
        let subnets = subnets.join(", ");
        let mut rules = String::new();
        let _ = write!(
            rules,
            "table ip haar_{tag}\ndelete table ip haar_{tag}\ntable ip haar_{tag} {{\n\
             chain input {{ type filter hook input priority -5; policy accept;\n\
             iifname != \"{bridge}\" accept\n\
             ct state established,related accept\n\
             icmp type echo-request accept\n\
             udp dport 53 accept\n\
             tcp dport 53 accept\n\
             reject with icmp type port-unreachable\n}}\n\
             chain postrouting {{ type nat hook postrouting priority 100;\n\
             ip saddr {{ {subnets} }} ip daddr != {{ {subnets} }} masquerade\n}}\n}}\n"
        );
        match apply(&rules) {
            Ok(()) => {
                // what is translated must be passed on
                if let Err(error) = std::fs::write("/proc/sys/net/ipv4/ip_forward", "1") {
                    log(&format!("could not let packets pass: {error}"));
                }
            }
            Err(error) => log(&format!("could not set up the packet filter: {error}")),
        }
    }

    /// Sets the filters of all addresses.
    pub(super) fn filter(
        &self,
        (tag, bridge): (&str, &str),
        filters: &BTreeMap<Ipv4Addr, Filter>,
    ) -> Result<(), Failure> {
        if probe::nft().is_none() {
            return Err(Failure::Unsupported(
                "traffic cannot be filtered: nft is not installed".to_owned(),
            ));
        }
        let family = family_of(bridge);
        apply(&rules::rules(tag, family, filters)).map_err(|error| {
            Failure::Unsupported(format!("traffic on the bridge cannot be filtered: {error}"))
        })
    }

    /// Removes the tables, those of a former helper too.
    pub(super) fn tear_down(&self, tag: &str) {
        if probe::nft().is_none() {
            return;
        }
        let own = format!("table ip haar_{tag}");
        let filters = [Family::Ip, Family::Bridge]
            .map(|family| format!("table {} {}", family.name(), rules::table(tag)));
        for table in filters.into_iter().chain([own]) {
            // one that is not there is made first: removing it is never an error then
            let _ = apply(&format!("{table}\ndelete {table}\n"));
        }
    }
}

/// Has the bridge show its packets to the host's rules, where the kernel can.
fn family_of(bridge: &str) -> Family {
    let switch = format!("/sys/class/net/{bridge}/bridge/nf_call_iptables");
    let shown = Path::new("/proc/sys/net/bridge").exists() && std::fs::write(switch, "1").is_ok();
    if shown { Family::Ip } else { Family::Bridge }
}

fn apply(rules: &str) -> std::io::Result<()> {
    let program = probe::nft().ok_or(std::io::ErrorKind::NotFound)?;
    let mut child = Command::new(program)
        .args(["-f", "-"])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(rules.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(std::io::Error::other(said.lines().next().unwrap_or_default().to_owned()))
        }
    }
}
