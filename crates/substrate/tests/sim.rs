//! The simulated substrate keeps the contract's words where they can be kept in memory.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::time::Duration;

use futures_util::StreamExt;
use haar_clock::Clock;
use haar_substrate::sim::{Behaviour, SimSubstrate, Told, line};
use haar_substrate::{
    Bridged, ContainerSpec, ContainerState, Event, ExecSpec, Exit, ImageId, Lifetime, Network,
    PortMapping, Protocol, Root, SandboxId, SandboxSpec, Substrate, SubstrateError, contract,
};
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

fn task(id: &str) -> SandboxSpec {
    let network = Network::Bridged(Bridged {
        address: Ipv4Addr::new(10, 0, 0, 4),
        prefix: 24,
        gateway: Ipv4Addr::new(10, 0, 0, 1),
        mac: None,
        dns: Vec::new(),
        search: Vec::new(),
        ports: vec![PortMapping {
            host_address: Ipv4Addr::UNSPECIFIED,
            host_port: 0,
            container_port: 80,
            protocol: Protocol::Tcp,
        }],
        realm: None,
        filter: None,
    });
    let id = SandboxId(id.to_owned());
    SandboxSpec { lifetime: Lifetime::Own, network, ..SandboxSpec::new(id) }
}

fn container(name: &str, attempt: u32) -> ContainerSpec {
    let root = Root::Image(ImageId("sha256:0".to_owned()));
    ContainerSpec { attempt, ..ContainerSpec::new(name, root) }
}

#[tokio::test(start_paused = true)]
async fn containers_start_one_by_one_and_again_with_a_higher_attempt_only() {
    let substrate = substrate();
    let made = substrate.ensure(task("t")).await.unwrap();
    assert!(made.containers.is_empty());
    let network = made.network.unwrap();
    assert_eq!(network.address, Ipv4Addr::new(10, 0, 0, 4));
    assert_ne!(network.ports[0].host_port, 0);

    let first = substrate.start(&made.id, container("web", 0)).await.unwrap();
    assert_eq!(substrate.start(&made.id, container("web", 1)).await.unwrap(), first, "it runs");
    substrate.say(&made.id, "web", line("one"));
    substrate.end(&made.id, "web", FINE);
    let again = substrate.start(&made.id, container("web", 0)).await.unwrap();
    assert_eq!(again.containers["web"].state, ContainerState::Exited(FINE));
    let third = substrate.start(&made.id, container("web", 1)).await.unwrap();
    assert!(matches!(third.containers["web"].state, ContainerState::Running { .. }));
    assert_eq!(third.containers["web"].attempt, 1);

    substrate.say(&made.id, "web", line("two"));
    let mut logs = substrate.logs(&made.id, "web", 0).await.unwrap();
    assert_eq!(logs.next().await.unwrap().bytes, "one\n");
    assert_eq!(logs.next().await.unwrap().bytes, "two\n");
    let end = substrate.stop(&made.id, "web", Duration::from_secs(30)).await.unwrap();
    assert_eq!(end.exit.signal, Some(15));
    assert!(logs.next().await.is_none());
    let mut rest = substrate.logs(&made.id, "web", 5).await.unwrap();
    assert_eq!(rest.next().await.unwrap().bytes, "wo\n");
    assert_eq!(substrate.spec(&made.id).unwrap().containers.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn watchers_hear_of_ends_when_they_are_due() {
    let substrate = substrate();
    let mut events = substrate.watch().await.unwrap();
    substrate.script_containers(|_, container| match container.name.as_str() {
        "init" => {
            Behaviour::Exits { after: Duration::from_secs(60), exit: FINE, output: Vec::new() }
        }
        "stubborn" => Behaviour::Stubborn,
        _ => Behaviour::NoImage(ImageId("sha256:0".to_owned())),
    });
    let id = substrate.ensure(task("t")).await.unwrap().id;
    substrate.start(&id, container("init", 0)).await.unwrap();
    substrate.start(&id, container("stubborn", 0)).await.unwrap();
    let missing = substrate.start(&id, container("other", 0)).await;
    assert!(matches!(missing, Err(SubstrateError::ImageNotFound(_))));

    let (sandbox, name) = (id.clone(), "init".to_owned());
    let Some(Event::Exited { id: of, container, attempt, exit, at }) = events.next().await else {
        panic!("an end is told");
    };
    assert_eq!((of, container, attempt, exit), (sandbox, name, 0, FINE));
    let again = substrate.stop(&id, "init", Duration::ZERO).await.unwrap();
    assert_eq!((again.exit, again.at), (FINE, at), "it ended when it did");
    let end = substrate.stop(&id, "stubborn", Duration::from_secs(30)).await.unwrap();
    assert_eq!(end.exit.signal, Some(9));
    events.next().await.unwrap();
    substrate.helper_died();
    assert_eq!(events.next().await, Some(Event::Lost(id.clone())));
    assert!(matches!(substrate.stats(&id).await, Err(SubstrateError::Gone(_))));
}

#[tokio::test(start_paused = true)]
async fn commands_run_in_containers_that_run() {
    let substrate = substrate();
    let id = substrate.ensure(task("t")).await.unwrap().id;
    substrate.start(&id, container("web", 0)).await.unwrap();
    substrate.script_exec(|_, _, argv| match argv[0].as_str() {
        "cat" => Told { output: Vec::new(), exit: None },
        _ => Told { output: vec![line("fine")], exit: Some(FINE) },
    });
    let check = substrate.exec(&id, "web", ExecSpec::new(&["check"])).await.unwrap();
    assert_eq!(check.wait().await.unwrap(), FINE);
    assert_eq!(check.output().unwrap().next().await, Some(line("fine")));

    let shell = substrate.exec(&id, "web", ExecSpec::new(&["cat"])).await.unwrap();
    shell.write("hello\n".into()).await.unwrap();
    let mut output = shell.output().unwrap();
    assert_eq!(output.next().await, Some(line("hello")));
    shell.close_input().await;
    assert_eq!(output.next().await, None);
    substrate.end(&id, "web", FINE);
    let late = substrate.exec(&id, "web", ExecSpec::new(&["check"])).await;
    assert!(matches!(late, Err(SubstrateError::Gone(_))));
}
