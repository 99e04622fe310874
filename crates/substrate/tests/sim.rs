//! The simulated substrate keeps the contract's words where they can be kept in memory.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::time::Duration;

use futures_util::StreamExt;
use haar_clock::Clock;
use haar_substrate::sim::{Behaviour, SimSubstrate, line};
use haar_substrate::{Exit, Substrate, SubstrateError, contract};
use haar_types::Timestamp;

const FINE: Exit = Exit { code: Some(0), signal: None, out_of_memory: false };

fn substrate() -> SimSubstrate {
    SimSubstrate::new(Clock::simulated(Timestamp(0)))
}

#[tokio::test(start_paused = true)]
async fn a_script_decides_what_runs_says_and_ends() {
    let substrate = substrate();
    substrate.script(|_| Behaviour::Exits {
        after: Duration::from_secs(3_600),
        exit: FINE,
        output: vec![line("hello")],
    });
    let (exit, out, _) = contract::run(&substrate, contract::shell("a", "")).await;
    assert_eq!((exit, out.as_str(), substrate.starts()), (FINE, "hello\n", 1));

    substrate.script(|_| Behaviour::Refused("not today".into()));
    let refused = substrate.ensure(contract::shell("b", "")).await;
    assert!(matches!(refused, Err(SubstrateError::Refused { .. })));
}

#[tokio::test(start_paused = true)]
async fn an_outage_ends_and_what_runs_goes_on() {
    let substrate = substrate();
    let clock = Clock::simulated(Timestamp(0));
    let status = substrate.ensure(contract::shell("a", "")).await.unwrap();
    substrate.outage(Duration::from_secs(90));
    let error = substrate.ensure(contract::shell("b", "")).await.unwrap_err();
    assert!(error.is_transient());
    clock.sleep(Duration::from_secs(90)).await;
    assert_eq!(substrate.list().await.unwrap(), [status]);
}

#[tokio::test]
async fn what_stands_in_for_a_program_is_dialled() {
    let substrate = substrate();
    let id = substrate.ensure(contract::shell("a", "")).await.unwrap().id;
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8001);
    let limit = Duration::from_secs(10);
    let refused = substrate.dial(&id, address, limit).await;
    assert!(matches!(refused, Err(SubstrateError::NoAnswer(..))), "{refused:?}");
    let outside = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    substrate.stand_in(&id, address, outside.local_addr().unwrap());
    let stream = substrate.dial(&id, address, limit).await.unwrap();
    assert_eq!(outside.accept().unwrap().1, stream.local_addr().unwrap());
}

#[tokio::test(start_paused = true)]
async fn what_dies_with_the_server_does_and_what_is_ended_says_so() {
    let substrate = substrate();
    let status = substrate.ensure(contract::shell("a", "")).await.unwrap();
    let mut output = substrate.output(&status.id, "main").await.unwrap();
    substrate.say(&status.id, "main", line("one"));
    assert_eq!(output.next().await, Some(line("one")));
    substrate.end(&status.id, "main", FINE);
    assert_eq!(substrate.wait(&status.id, "main").await.unwrap(), FINE);
    assert_eq!(output.next().await, None);
    substrate.server_died();
    assert!(substrate.list().await.unwrap().is_empty());
}
