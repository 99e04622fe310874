//! Crashes at moments that a seed picks: what was acknowledged is there afterwards.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

#[path = "house/nothing.rs"]
#[allow(unreachable_pub)]
mod nothing;

use std::sync::Arc;
use std::time::Duration;

use haar_blobs::Blobs;
use haar_iam::Iam;
use haar_iam_contract::peek::{IamPeek as _, ServiceSession};
use haar_iam_contract::{CreateAccessKey, CreateRole, CreateUser};
use haar_kernel::{
    DoorParts, Doors, Identities, Kernel, KernelBuilder, NoMeter, Principal, Settings,
};
use haar_sim::{Sim, SimDoors, World};
use haar_types::{AccountId, Region};
use haar_wire::Operation;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

struct Process {
    doors: Doors,
    iam: Arc<Iam>,
    _kernel: Arc<Kernel>,
}

fn boot(sim: &SimDoors) -> Process {
    let doors = Doors::new(DoorParts {
        clock: sim.clock.clone(),
        ids: sim.ids.clone(),
        ledger: sim.ledger.clone(),
        kv: sim.kv.clone(),
        blobs: Blobs::ephemeral(sim.ids.clone()).unwrap(),
        substrate: Arc::new(nothing::Nothing),
        meter: Arc::new(NoMeter),
        settings: Settings::default(),
    });
    let iam = Arc::new(Iam::new(doors.clone(), haar_kernel::DataKey::new(&[7; 32])));
    let identities: Arc<dyn Identities> = iam.clone();
    let kernel = KernelBuilder::new(doors.clone(), identities);
    let kernel = kernel.room(Arc::clone(&iam), haar_iam::lanes).build();
    Process { doors, iam, _kernel: kernel }
}

fn ok<O: Operation>(world: &World<'_, (), Process>, input: Value) -> O::Output
where
    O::Input: DeserializeOwned,
{
    let principal = Arc::new(Principal::root(AccountId::default()));
    let input = serde_json::from_value(input).unwrap();
    let region = Region::default();
    world.run(world.process().doors.call::<O>(principal, &region, input)).unwrap()
}

fn knows(world: &World<'_, (), Process>, key: &str, token: Option<&str>, secret: &str) {
    let found = world.process().iam.identify(&world.snapshot(), key, token, world.now());
    assert_eq!(found.map(|identity| identity.secret).as_deref(), Ok(secret));
}

#[test]
fn keys_and_sessions_outlive_crashes() {
    let sim = Sim::new(haar_iam::tables(), |_| (), |doors, (): &()| boot(doors));
    sim.check(|world| {
        world.run_for(Duration::from_secs(1));
        let role = json!({ "RoleName": "r", "AssumeRolePolicyDocument": TRUST });
        let role_arn = ok::<CreateRole>(world, role).role.arn;
        let (mut keys, mut sessions) = (Vec::new(), Vec::new());
        for number in 0..4 {
            let name = json!({ "UserName": format!("u{number}") });
            ok::<CreateUser>(world, name.clone());
            keys.push(ok::<CreateAccessKey>(world, name).access_key);
            let process = world.process();
            let session = ServiceSession {
                role_arn: &role_arn,
                service: "lambda.amazonaws.com",
                session_name: "function",
                lifetime: Duration::from_secs(3600),
            };
            let (snapshot, ids) = (world.snapshot(), process.doors.ids.ids());
            let minted = process.iam.service_session(&snapshot, &ids, &session, world.now());
            sessions.push(minted.unwrap());
            world.crash_within(Duration::from_secs(1));
            for key in &keys {
                knows(world, &key.access_key_id, None, &key.secret_access_key);
            }
            for session in &sessions {
                let token = Some(session.session_token.as_str());
                knows(world, &session.access_key_id, token, &session.secret_access_key);
            }
        }
    });
}
