//! Sessions under crashes at moments that a seed picks, and on simulated time.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod cloud;

use std::sync::Arc;
use std::time::Duration;

use cloud::{ACCOUNT, Answer, Cloud, Key, allow, trust};
use haar_blobs::Blobs;
use haar_iam_contract::{CreateAccessKey, CreateRole, CreateUser, PutRolePolicy, PutUserPolicy};
use haar_kernel::{Auth, DoorParts, Doors, NoMeter, Principal, Settings};
use haar_sim::{Sim, SimDoors, World};
use haar_substrate::sim::SimSubstrate;
use haar_types::{AccountId, Region};
use haar_wire::Operation;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

type Story<'a> = World<'a, (), Cloud>;

/// As short as AWS lets a session be.
const SESSION: Duration = Duration::from_secs(900);

fn boot(sim: &SimDoors) -> Cloud {
    let account: AccountId = ACCOUNT.parse().unwrap();
    Cloud::on(Doors::new(DoorParts {
        clock: sim.clock.clone(),
        ids: sim.ids.clone(),
        ledger: sim.ledger.clone(),
        kv: sim.kv.clone(),
        blobs: Blobs::ephemeral(sim.ids.clone()).unwrap(),
        substrate: Arc::new(SimSubstrate::new(sim.clock.clone())),
        meter: Arc::new(NoMeter),
        settings: Settings { auth: Auth::Enforce, account, ..Settings::default() },
    }))
}

/// An operation by the account's root.
fn by_root<O: Operation>(world: &Story<'_>, input: Value) -> O::Output
where
    O::Input: DeserializeOwned,
{
    let root = Arc::new(Principal::root(ACCOUNT.parse().unwrap()));
    let input = serde_json::from_value(input).unwrap();
    world.run(world.process().doors.call::<O>(root, &Region::default(), input)).unwrap()
}

/// A user who may do all of STS, and the role that trusts her.
fn ann_and_role(world: &Story<'_>) -> (Key, String) {
    by_root::<CreateUser>(world, json!({ "UserName": "ann" }));
    let policy = allow(r#""sts:*""#);
    let put = json!({ "UserName": "ann", "PolicyName": "p", "PolicyDocument": policy });
    by_root::<PutUserPolicy>(world, put);
    let made = by_root::<CreateAccessKey>(world, json!({ "UserName": "ann" })).access_key;
    let trust = trust(&format!("arn:aws:iam::{ACCOUNT}:user/ann"), "");
    let role = json!({ "RoleName": "r", "AssumeRolePolicyDocument": trust });
    let arn = by_root::<CreateRole>(world, role).role.arn;
    let policy = allow(r#"["iam:ListUsers", "sts:*"]"#);
    let put = json!({ "RoleName": "r", "PolicyName": "p", "PolicyDocument": policy });
    by_root::<PutRolePolicy>(world, put);
    (Key { id: made.access_key_id, secret: made.secret_access_key, token: None }, arn)
}

fn ask(world: &Story<'_>, key: &Key, service: &str, form: &[(&str, &str)]) -> Answer {
    world.run(world.process().ask(key, service, form))
}

fn assume(world: &Story<'_>, ann: &Key, role: &str, name: &str) -> Key {
    let form = [
        ("Action", "AssumeRole"),
        ("RoleArn", role),
        ("RoleSessionName", name),
        ("DurationSeconds", "900"),
    ];
    let answer = ask(world, ann, "sts", &form);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.key()
}

fn who(world: &Story<'_>, key: &Key) -> Result<String, String> {
    let answer = ask(world, key, "sts", &[("Action", "GetCallerIdentity")]);
    match answer.status {
        200 => Ok(answer.get("Arn")),
        _ => Err(answer.refusal().0),
    }
}

#[test]
fn sessions_outlive_crashes_and_end_at_their_time() {
    Sim::new(haar_iam::tables(), |_| (), |doors, (): &()| boot(doors)).check(|world| {
        world.run_for(Duration::from_secs(1));
        let (ann, role) = ann_and_role(world);
        let mut sessions = Vec::new();
        for number in 0..4 {
            let name = format!("s{number}");
            sessions.push((assume(world, &ann, &role, &name), name));
            world.crash_within(Duration::from_secs(1));
        }
        let token = [("Action", "GetSessionToken"), ("DurationSeconds", "3600")];
        let hers = ask(world, &ann, "sts", &token).key();
        world.crash();
        for (key, name) in &sessions {
            let arn = format!("arn:aws:sts::{ACCOUNT}:assumed-role/r/{name}");
            assert_eq!(who(world, key).as_ref(), Ok(&arn));
            assert_eq!(ask(world, key, "iam", &[("Action", "ListUsers")]).status, 200);
        }

        world.run_for(SESSION);
        for (key, _) in &sessions {
            assert_eq!(who(world, key).unwrap_err(), "ExpiredToken");
        }
        world.crash();
        for (key, _) in &sessions {
            assert_eq!(who(world, key).unwrap_err(), "ExpiredToken");
        }
        let herself = format!("arn:aws:iam::{ACCOUNT}:user/ann");
        assert_eq!(who(world, &hers).as_ref(), Ok(&herself));
        world.run_for(Duration::from_secs(3600));
        assert_eq!(who(world, &hers).unwrap_err(), "ExpiredToken");
        assert_eq!(who(world, &ann).as_ref(), Ok(&herself));
    });
}

#[test]
fn a_token_of_one_session_opens_no_other_across_a_crash() {
    let sim = Sim::new(haar_iam::tables(), |_| (), |doors, (): &()| boot(doors)).seeds(5);
    sim.check(|world| {
        let (ann, role) = ann_and_role(world);
        let (one, two) = (assume(world, &ann, &role, "one"), assume(world, &ann, &role, "two"));
        world.crash_within(Duration::from_secs(1));
        let mixed = Key { token: two.token.clone(), ..one.clone() };
        assert_eq!(who(world, &mixed).unwrap_err(), "InvalidClientTokenId");
        let without = Key { token: None, ..one.clone() };
        assert_eq!(who(world, &without).unwrap_err(), "InvalidClientTokenId");
        assert!(who(world, &one).unwrap().ends_with("/one"));
    });
}
