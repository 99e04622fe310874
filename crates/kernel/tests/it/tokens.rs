//! Idempotency tokens.

use std::sync::Arc;
use std::time::Duration;

use haar_kernel::{Auth, NoIdentities, TOKEN_LIFETIME};
use haar_sim::Sim;

use crate::toy::{Cloud, tables};

fn cloud() -> Cloud {
    Cloud::ephemeral(Auth::Permissive, Arc::new(NoIdentities))
}

const HERE: &str = "us-east-1";

#[tokio::test(start_paused = true)]
async fn the_same_token_is_answered_as_the_first_time_and_done_once() {
    let cloud = cloud();
    let first = cloud.start(HERE, "diesel", Some("t")).await.unwrap();
    let again = cloud.start(HERE, "diesel", Some("t")).await.unwrap();
    assert_eq!((first.name, cloud.engines()), (again.name, 1));
    cloud.start(HERE, "diesel", Some("u")).await.unwrap();
    cloud.start(HERE, "diesel", None).await.unwrap();
    cloud.start(HERE, "diesel", Some("")).await.unwrap();
    cloud.start("eu-west-1", "diesel", Some("t")).await.unwrap();
    assert_eq!(cloud.engines(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_token_with_other_parameters_is_refused() {
    let cloud = cloud();
    cloud.start(HERE, "diesel", Some("t")).await.unwrap();
    let refused = cloud.start(HERE, "steam", Some("t")).await.unwrap_err();
    assert_eq!((refused.name(), refused.status()), ("IdempotentParameterMismatch", 400));
    assert!(refused.message().contains("'t' was used in an earlier StartEngine request"));
    assert_eq!(cloud.engines(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_command_may_be_tried_again_with_its_token() {
    let cloud = cloud();
    for _ in 0..2 {
        let refused = cloud.start(HERE, "square", Some("t")).await.unwrap_err();
        assert_eq!(refused.name(), "NoSuchKind");
    }
    cloud.start(HERE, "diesel", Some("t")).await.unwrap();
    assert_eq!(cloud.engines(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_forgotten_after_its_time_and_its_row_goes() {
    let cloud = cloud();
    for number in 0..5 {
        cloud.start(HERE, "diesel", Some(&format!("t{number}"))).await.unwrap();
    }
    tokio::time::advance(TOKEN_LIFETIME - Duration::from_secs(1)).await;
    cloud.start(HERE, "diesel", Some("t0")).await.unwrap();
    assert_eq!(cloud.engines(), 5);
    tokio::time::advance(Duration::from_secs(2)).await;
    cloud.start(HERE, "steam", Some("t0")).await.unwrap();
    let kept = cloud.doors.ledger.snapshot().row_counts();
    assert!(kept.contains(&("kernel.token", 1)), "{kept:?}");
    assert_eq!(cloud.engines(), 6);
}

#[test]
fn a_crash_loses_the_deed_and_its_token_or_neither() {
    let boot = |sim: &haar_sim::SimDoors| {
        let stores = (sim.ledger.clone(), sim.kv.clone());
        let chance = (sim.clock.clone(), sim.ids.clone());
        Cloud::on(chance, stores, Auth::Permissive, Arc::new(NoIdentities))
    };
    Sim::new(tables(), |_| (), move |doors, (): &()| boot(doors)).check(|world| {
        for number in 0..10 {
            let token = format!("t{number}");
            let started = |world: &mut haar_sim::World<'_, (), Cloud>| {
                world.run(world.process().start(HERE, "diesel", Some(&token))).map(|out| out.name)
            };
            let first = started(world).unwrap();
            if world.draw(2) == 0 {
                world.crash_within(Duration::from_millis(20));
            }
            assert_eq!(started(world).unwrap(), first);
        }
        assert_eq!(world.process().engines(), 10);
    });
}
