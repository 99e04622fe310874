//! Sockets of the server's inside sandboxes: they take no port from programs, and outlive the
//! server.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)] // as tests do

mod house;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use haar_substrate::{Network, SandboxId, Substrate};
use haar_substrate_oci::OciSubstrate;
use house::{House, ask, container, fetch, text};
use tokio::io::AsyncWriteExt;

const METADATA: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(169, 254, 170, 2), 80);
const API: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 4566);

/// Answers every connection to a socket inside with a line.
async fn answer(substrate: &OciSubstrate, id: &SandboxId, at: SocketAddrV4, line: &'static str) {
    let listener = substrate.listener(id, at).await.unwrap();
    let again = substrate.listener(id, at).await;
    assert!(again.is_err(), "only once");
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(line.as_bytes()).await.unwrap();
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_may_listen_where_the_server_answers_and_the_next_server_answers_too() {
    let Some(house) = House::new().await else { return };
    let connect = "nc -w 5 169.254.170.2 80 </dev/null; nc -w 5 127.0.0.1 4566 </dev/null";
    let (id, hides) = house.crash(async |substrate| {
        let (mut spec, address) = house.task("doors");
        spec.listen = vec![METADATA, API];
        let id = substrate.ensure(spec).await.unwrap().id;
        answer(substrate, &id, METADATA, "keys\n").await;
        answer(substrate, &id, API, "api\n").await;
        let hides = substrate.capabilities().hides_listeners;
        let script = match hides {
            true => {
                "echo mine >/tmp/index.html; httpd -p 4566 -h /tmp && exec httpd -f -p 80 -h /tmp"
            }
            false => "exec sleep 1000",
        };
        substrate.start(&id, container(&house, "main", script)).await.unwrap();
        if hides {
            assert!(fetch(address, 80, "/").await.contains("mine"));
            assert!(fetch(address, 4566, "/").await.contains("mine"));
            let (_, said) = ask(substrate, &id, "wget -q -O - http://127.0.0.1/").await;
            assert_eq!(said, "mine\n");
        }
        assert_eq!(ask(substrate, &id, connect).await.1, "keys\napi\n");

        // nobody else gets there by sending it to this task's interface
        let (spec, _) = house.task("neighbour");
        let other = substrate.ensure(spec).await.unwrap().id;
        let mut thief = container(
            &house,
            "main",
            &format!(
                "ip route add 169.254.170.2/32 via {address} dev eth0 && echo routed; \
                 nc -w 2 169.254.170.2 80 </dev/null; nc -w 2 169.254.170.2 51679 </dev/null"
            ),
        );
        thief.capabilities_add = vec![haar_substrate::Capability("NET_ADMIN".into())];
        substrate.start(&other, thief).await.unwrap();
        substrate.wait(&other, "main").await.unwrap();
        let stolen = text(substrate, &other, "main").await;
        assert!(stolen.contains("routed") && !stolen.contains("keys"), "{stolen}");
        substrate.remove(&other, Duration::ZERO).await.unwrap();
        (id, hides)
    });
    house.crash(async |substrate| {
        answer(substrate, &id, METADATA, "new keys\n").await;
        answer(substrate, &id, API, "new api\n").await;
        assert_eq!(ask(substrate, &id, connect).await.1, "new keys\nnew api\n");
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    assert_eq!(hides, house.has("sk_lookup"));
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_are_kept_from_the_hosts_ports_but_not_from_their_own_listeners() {
    let Some(house) = House::new().await else { return };
    let private = std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let port = private.local_addr().unwrap().port();
    house.crash(async |substrate| {
        let (mut spec, _) = house.task("kept");
        spec.listen = vec![METADATA];
        let Network::Bridged(bridged) = &spec.network else { panic!() };
        let gateway = bridged.gateway;
        let id = substrate.ensure(spec).await.unwrap().id;
        substrate.start(&id, container(&house, "main", "exec sleep 1000")).await.unwrap();
        answer(substrate, &id, METADATA, "credentials\n").await;
        let (_, said) = ask(substrate, &id, "sleep 5 | nc -w 5 169.254.170.2 80 2>&1").await;
        assert_eq!(said, "credentials\n");

        let (_, said) = ask(substrate, &id, "cat /etc/resolv.conf").await;
        assert_eq!(said, format!("nameserver {gateway}\n"));
        if house.can_filter() {
            let (code, _) =
                ask(substrate, &id, &format!("nc -w 1 {gateway} {port} </dev/null")).await;
            assert_ne!(code, Some(0), "a private port of the host answered");
        }
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}
