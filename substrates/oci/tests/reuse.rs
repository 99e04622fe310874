//! Networks that one sandbox after another has.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)] // as tests do

mod house;

use std::collections::BTreeSet;
use std::time::Duration;

use haar_substrate::{Capability, SandboxId, SandboxSpec, Substrate};
use haar_substrate_oci::OciSubstrate;
use house::{House, container, text};

/// More than are made ahead and kept.
const ROUNDS: usize = 40;

/// What a container finds of its network: the host's side, its addresses, its routes, who it knows.
const LOOK: &str = "cat /sys/class/net/eth0/iflink; \
    ip -4 -o addr show dev eth0 | awk '{print $4}'; ip -4 route | wc -l; tail -n +2 /proc/net/arp";

async fn look(
    house: &House,
    substrate: &OciSubstrate,
    spec: SandboxSpec,
    more: &str,
) -> Vec<String> {
    let id = substrate.ensure(spec).await.unwrap().id;
    let mut main = container(house, "main", &format!("{LOOK}; {more}"));
    if !more.is_empty() {
        main.capabilities_add = vec![Capability("NET_ADMIN".to_owned())];
    }
    substrate.start(&id, main).await.unwrap();
    assert_eq!(substrate.wait(&id, "main").await.unwrap().code, Some(0));
    let said = text(substrate, &id, "main").await;
    let stats = substrate.stats(&id).await.unwrap();
    assert!(stats.network_tx.count < 50, "of this sandbox alone: {:?}", stats.network_tx);
    substrate.remove(&id, Duration::ZERO).await.unwrap();
    said.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_is_used_again_has_nothing_of_the_one_before() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let mut interfaces = BTreeSet::new();
        for round in 0..ROUNDS {
            let (spec, address) = house.task(&format!("one{round}"));
            let said = look(&house, substrate, spec, "").await;
            let [interface, own, routes] = said.as_slice() else { panic!("{said:?}") };
            assert_eq!(own, &format!("{address}/24"));
            assert_eq!(routes, "2");
            interfaces.insert(interface.clone());
        }
        assert!(interfaces.len() < ROUNDS / 2, "{interfaces:?}");
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_somebody_could_change_is_nobody_elses() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (spec, address) = house.task("changes");
        let changed = look(&house, substrate, spec, "ip addr add 10.250.0.1/32 dev eth0").await;
        for round in 0..ROUNDS / 2 {
            let spec = house.again(&SandboxId(format!("next{round}")), address);
            let said = look(&house, substrate, spec, "").await;
            assert_ne!(said[0], changed[0]);
            assert_eq!(said[1..3], [format!("{address}/24"), "2".to_owned()]);
        }
    });
    house.until_nothing_is_left().await;
}
