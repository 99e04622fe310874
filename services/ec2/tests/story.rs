//! Interfaces come and go under crashes at moments that a seed picks: no address is held
//! twice, none is lost.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use haar_blobs::Blobs;
use haar_ec2::Ec2;
use haar_ec2_contract::peek::{Ec2Peek, Interface, InterfaceError, InterfaceRequest, Place};
use haar_ec2_contract::{CreateSubnet, CreateSubnetRequest, CreateVpc, CreateVpcRequest};
use haar_kernel::{
    DoorParts, Doors, Kernel, KernelBuilder, NoIdentities, NoMeter, Principal, Settings,
};
use haar_sim::{Sim, SimDoors, World};
use haar_substrate::sim::SimSubstrate;
use haar_types::{AccountId, Region, Tags};
use haar_wire::Operation;

/// Addresses of a subnet of 16 that may be held.
const ROOM: usize = 11;

struct Process {
    doors: Doors,
    peek: Arc<dyn Ec2Peek>,
    _kernel: Arc<Kernel>,
}

fn boot(sim: &SimDoors) -> Process {
    let doors = Doors::new(DoorParts {
        clock: sim.clock.clone(),
        ids: sim.ids.clone(),
        ledger: sim.ledger.clone(),
        kv: sim.kv.clone(),
        blobs: Blobs::ephemeral(sim.ids.clone()).unwrap(),
        substrate: Arc::new(SimSubstrate::new(sim.clock.clone())),
        meter: Arc::new(NoMeter),
        settings: Settings::default(),
    });
    let room = Arc::new(Ec2::new(&doors));
    let kernel = KernelBuilder::new(doors.clone(), Arc::new(NoIdentities));
    let kernel = kernel.room(room, haar_ec2::lanes).build();
    Process { peek: doors.peeks.expect::<dyn Ec2Peek>(), doors, _kernel: kernel }
}

fn place() -> Place {
    Place::new(&AccountId::default(), &Region::default())
}

fn ok<O: Operation>(world: &World<'_, (), Process>, input: O::Input) -> O::Output {
    let principal = Arc::new(Principal::root(AccountId::default()));
    let region = Region::default();
    world.run(world.process().doors.call::<O>(principal, &region, input)).unwrap()
}

fn subnet(world: &World<'_, (), Process>, vpc: &str, range: &str) -> String {
    let input = CreateSubnetRequest {
        vpc_id: vpc.to_owned(),
        cidr_block: Some(range.to_owned()),
        ..Default::default()
    };
    ok::<CreateSubnet>(world, input).subnet.unwrap().subnet_id.unwrap()
}

fn take(world: &World<'_, (), Process>, subnet: &str) -> Result<Interface, InterfaceError> {
    let request = InterfaceRequest {
        place: place(),
        subnet_id: subnet.to_owned(),
        security_group_ids: Vec::new(),
        description: String::new(),
        requester: "ecs.amazonaws.com".to_owned(),
        interface_type: "interface".to_owned(),
        public_ip: world.draw(2) == 0,
        tags: Tags::new(),
        now: world.now(),
    };
    let (peek, ids) = (Arc::clone(&world.process().peek), world.process().doors.ids.ids());
    world.commit(|tx| peek.allocate_interface(tx, &ids, &request))
}

/// All interfaces that are there; each address once.
fn held(world: &World<'_, (), Process>) -> BTreeMap<String, Interface> {
    let all = world.process().peek.interfaces_of(&world.snapshot(), "ecs.amazonaws.com");
    let addresses: BTreeSet<_> = all.iter().map(|(_, it)| it.private_ip).collect();
    assert_eq!(addresses.len(), all.len(), "an address is held twice");
    let public: Vec<_> = all.iter().filter_map(|(_, it)| it.public_ip).collect();
    assert_eq!(BTreeSet::from_iter(&public).len(), public.len(), "a public address is held twice");
    all.into_iter().map(|(_, it)| (it.id.clone(), it)).collect()
}

#[test]
fn addresses_are_neither_shared_nor_lost() {
    let tables = haar_kernel::tables().and(&haar_ec2::tables());
    let sim = Sim::new(tables, |_| (), |doors, (): &()| boot(doors));
    sim.check(|world| {
        let range = Some("10.0.0.0/16".to_owned());
        let input = CreateVpcRequest { cidr_block: range, ..Default::default() };
        let vpc = ok::<CreateVpc>(world, input).vpc.unwrap().vpc_id.unwrap();
        let subnets = ["10.0.0.0/28", "10.0.0.16/28"].map(|range| subnet(world, &vpc, range));
        let mut mine: BTreeMap<String, Interface> = BTreeMap::new();
        for _ in 0..60 {
            let subnet = &subnets[usize::try_from(world.draw(2)).unwrap()];
            let here = mine.values().filter(|it| it.subnet_id == *subnet).count();
            match world.draw(5) {
                0..=2 => match take(world, subnet) {
                    Ok(made) => {
                        assert!(here < ROOM);
                        mine.insert(made.id.clone(), made);
                    }
                    Err(error) => {
                        let full = InterfaceError::InsufficientFreeAddresses(subnet.clone());
                        assert_eq!((error, here), (full, ROOM));
                    }
                },
                3 => {
                    let at = usize::try_from(world.draw(mine.len() as u64)).unwrap();
                    if let Some(id) = mine.keys().nth(at).cloned() {
                        let peek = Arc::clone(&world.process().peek);
                        world.commit(|tx| peek.release_interface(tx, &place(), &id));
                        mine.remove(&id);
                    }
                }
                _ => world.crash_within(Duration::from_millis(30)),
            }
            assert_eq!(held(world), mine);
        }
        for subnet in &subnets {
            let shown = world.process().peek.subnet(&world.snapshot(), &place(), subnet).unwrap();
            let here = mine.values().filter(|it| it.subnet_id == *subnet).count();
            assert_eq!(usize::try_from(shown.available_count).unwrap(), ROOM - here);
        }
    });
}
