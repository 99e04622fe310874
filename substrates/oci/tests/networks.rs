//! Addresses, filters and ports of sandboxes of images.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)] // as tests do

mod house;

use std::io::{Read, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::AsFd as _;
use std::time::Duration;

use haar_substrate::{
    ContainerState, ExecSpec, Filter, FilterRule, Lifetime, Network, Peer, PortMapping, Protocol,
    RuleProtocol, SandboxId, SandboxSpec, Substrate, SubstrateError,
};
use haar_substrate_oci::OciSubstrate;
use house::{House, container, fetch, text};
use rustix::net::sockopt::set_ip_freebind;
use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
use rustix::thread::LinkNameSpaceType;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_of_an_image_runs_with_an_address_of_its_own() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (spec, address) = house.task("web");
        let made = substrate.ensure(spec).await.unwrap();
        let network = made.network.clone().unwrap();
        assert_eq!(network.address, address);

        let script = "echo hello from $(hostname) >/tmp/index.html; ip addr show eth0 | grep inet; \
        exec httpd -f -p 80 -h /tmp";
        substrate.start(&made.id, container(&house, "main", script)).await.unwrap();
        let page = fetch(address, 80, "/").await;
        assert!(page.contains("hello from web"), "{page}");

        // another task reaches it by its address
        let (spec, _) = house.task("client");
        let client = substrate.ensure(spec).await.unwrap();
        let script =
            format!("printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 {address} 80 | grep hello");
        substrate.start(&client.id, container(&house, "main", &script)).await.unwrap();
        let exit = substrate.wait(&client.id, "main").await.unwrap();
        let said = text(substrate, &client.id, "main").await;
        assert_eq!((exit.code, said.as_str()), (Some(0), "hello from web\n"));

        // so does a container of the same task, as localhost
        let script = "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 127.0.0.1 80 | grep hello";
        substrate.start(&made.id, container(&house, "side", script)).await.unwrap();
        assert_eq!(substrate.wait(&made.id, "side").await.unwrap().code, Some(0));

        let taken = house.again(&SandboxId("other".into()), address);
        let refused = substrate.ensure(taken).await;
        assert!(matches!(refused, Err(SubstrateError::Refused { .. })), "{refused:?}");
        for id in [&made.id, &client.id] {
            substrate.remove(id, Duration::ZERO).await.unwrap();
        }
    });
    house.until_nothing_is_left().await;
}

/// Asks a server that may still be starting.

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_keep_traffic_out() {
    let Some(house) = House::new().await else { return };
    if !house.can_filter() {
        println!("skipped: this kernel has no packet filter");
        return;
    }
    house.crash(async |substrate| {
        let (spec, address) = house.task("server");
        let server = substrate.ensure(spec).await.unwrap().id;
        let script = "echo yes >/tmp/index.html; httpd -p 81 -h /tmp; exec httpd -f -p 80 -h /tmp";
        substrate.start(&server, container(&house, "main", script)).await.unwrap();
        fetch(address, 80, "/").await;
        let (spec, client_address) = house.task("client");
        let client = substrate.ensure(spec).await.unwrap().id;
        substrate.start(&client, container(&house, "main", "exec sleep 1000")).await.unwrap();
        let reaches = async |port: u16| {
            let script = format!(
                "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 1 {address} {port} | grep -q yes"
            );
            let check = ExecSpec::new(&["sh", "-c", &script]);
            let check = substrate.exec(&client, "main", check).await.unwrap();
            check.wait().await.unwrap().code == Some(0)
        };
        assert!(reaches(80).await && reaches(81).await);

        let rule = |protocol, address, prefix| FilterRule {
            protocol,
            peers: vec![Peer { address, prefix }],
            groups: Vec::new(),
        };
        let anybody = rule(RuleProtocol::Any, Ipv4Addr::UNSPECIFIED, 0);
        let web = rule(RuleProtocol::Tcp(80, 80), client_address, 32);
        let filter =
            Filter { groups: Vec::new(), ingress: vec![web], egress: vec![anybody.clone()] };
        substrate.filter(&server, Some(filter)).await.unwrap();
        assert!(reaches(80).await && !reaches(81).await);
        let mute = Filter { groups: Vec::new(), ingress: vec![anybody], egress: Vec::new() };
        substrate.filter(&client, Some(mute)).await.unwrap();
        assert!(!reaches(80).await);
        // names are found whatever the filter says
        let dashed = address.to_string().replace('.', "-");
        let name = format!("ip-{dashed}.eu-west-1.compute.internal");
        let ask = ExecSpec::new(&["sh", "-c", &format!("nslookup {name}")]);
        let asked = substrate.exec(&client, "main", ask).await.unwrap();
        let said = house::all(asked.output().unwrap()).await;
        assert!(said.contains(&format!("Address: {address}")), "{said}");
        // and by TCP
        let server_of = "$(sed -n 's/nameserver //p' /etc/resolv.conf)";
        let ask = format!(
            "printf '{}' | nc -w 3 {server_of} 53 | tail -c 4 | od -An -tu1",
            by_tcp(&name)
        );
        let asked =
            substrate.exec(&client, "main", ExecSpec::new(&["sh", "-c", &ask])).await.unwrap();
        let said = house::all(asked.output().unwrap()).await;
        let octets = address.octets().map(|octet| octet.to_string());
        assert_eq!(said.split_whitespace().collect::<Vec<_>>(), octets);
        substrate.filter(&client, None).await.unwrap();
        substrate.filter(&server, None).await.unwrap();
        assert!(reaches(81).await);
        for id in [&server, &client] {
            substrate.remove(id, Duration::ZERO).await.unwrap();
        }
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_served_to_sandboxes_of_the_bridge_alone() {
    let (Some(house), Some(neighbour)) = (House::new().await, House::new().await) else { return };
    house.crash(async |substrate| {
        let sandboxes = [(&house, 0), (&neighbour, 1)].map(|(house, network)| {
            let (mut spec, _) = house.task("asks");
            let Network::Bridged(bridged) = &mut spec.network else { panic!() };
            let [a, b, c, d] = bridged.address.octets();
            bridged.address = Ipv4Addr::new(a, b, c ^ network, d);
            bridged.gateway = Ipv4Addr::new(a, b, c ^ network, 1);
            (bridged.gateway, spec)
        });
        let [(gateway, spec), (other_gateway, other_spec)] = sandboxes;
        let other = neighbour.start().await;
        let id = substrate.ensure(spec).await.unwrap().id;
        other.ensure(other_spec).await.unwrap();
        // both are called the same, each in its instance
        for (substrate, house) in [(substrate, &house), (&other, &neighbour)] {
            substrate.start(&id, container(house, "main", "exec sleep 1000")).await.unwrap();
        }
        let is_answered = async |substrate: &OciSubstrate, at: Ipv4Addr| {
            let question = by_tcp("ip-10-0-3-7.ec2.internal");
            let ask = format!("printf '{question}' | nc -w 3 {at} 53 2>/dev/null | wc -c");
            let ask = ExecSpec::new(&["sh", "-c", &ask]);
            let asked = substrate.exec(&id, "main", ask).await.unwrap();
            house::all(asked.output().unwrap()).await.trim() != "0"
        };
        assert!(is_answered(substrate, gateway).await);
        assert!(is_answered(&other, other_gateway).await);
        assert!(!is_answered(&other, gateway).await, "the host leads there, but not to names");
        for substrate in [substrate, &other] {
            substrate.remove(&id, Duration::ZERO).await.unwrap();
        }
    });
    house.until_nothing_is_left().await;
    neighbour.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_served_where_their_listener_cannot_be_opened() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (spec, _) = house.task("asks");
        let Network::Bridged(bridged) = &spec.network else { panic!() };
        let taken = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        set_ip_freebind(&taken, true).unwrap(); // the bridge comes later
        bind(&taken, &SocketAddrV4::new(bridged.gateway, 53)).unwrap();
        listen(&taken, 1).unwrap();
        let id = substrate.ensure(spec).await.unwrap().id;
        substrate.start(&id, container(&house, "main", "exec sleep 1000")).await.unwrap();
        let ask = ExecSpec::new(&["nslookup", "ip-10-0-3-7.ec2.internal"]);
        let asked = substrate.exec(&id, "main", ask).await.unwrap();
        let said = house::all(asked.output().unwrap()).await;
        assert!(said.contains("Address: 10.0.3.7"), "{said}");
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_a_group_reach_each_other_from_their_first_moment() {
    let Some(house) = House::new().await else { return };
    if !house.can_filter() {
        println!("skipped: this kernel has no packet filter");
        return;
    }
    let any = |groups: &[&str], peers| FilterRule {
        protocol: RuleProtocol::Any,
        peers,
        groups: groups.iter().map(|&name| name.to_owned()).collect(),
    };
    let anybody = Peer { address: Ipv4Addr::UNSPECIFIED, prefix: 0 };
    let member = |group: &str| Filter {
        groups: vec![group.to_owned()],
        ingress: vec![any(&["friends"], Vec::new())],
        egress: vec![any(&[], vec![anybody])],
    };
    house.crash(async |substrate| {
        let with = |id: &str, filter| {
            let (mut spec, address) = house.task(id);
            let Network::Bridged(bridged) = &mut spec.network else { panic!() };
            bridged.filter = Some(filter);
            (spec, address)
        };
        let (spec, address) = with("server", member("friends"));
        let server = substrate.ensure(spec).await.unwrap().id;
        let script = "echo yes >/tmp/index.html; exec httpd -f -p 80 -h /tmp";
        substrate.start(&server, container(&house, "main", script)).await.unwrap();
        let ask = |address| {
            let request = "printf 'GET / HTTP/1.0\\r\\n\\r\\n'";
            format!("{request} | nc -w 1 {address} 80 | grep -q yes")
        };
        let ready = format!("until {}; do sleep 0.05; done", ask(Ipv4Addr::LOCALHOST));
        assert_eq!(house::ask(substrate, &server, &ready).await.0, Some(0));
        let reaches = async |id: &str, group: &str| {
            let (spec, _) = with(id, member(group));
            let client = substrate.ensure(spec).await.unwrap().id;
            substrate.start(&client, container(&house, "main", &ask(address))).await.unwrap();
            let code = substrate.wait(&client, "main").await.unwrap().code;
            substrate.remove(&client, Duration::ZERO).await.unwrap();
            code == Some(0)
        };
        // nobody tells the server's filter of them
        assert!(reaches("one", "friends").await);
        assert!(!reaches("two", "strangers").await);
        substrate.filter(&server, Some(member("strangers"))).await.unwrap();
        assert!(reaches("three", "friends").await, "whom it lets in is what it was");

        // somebody removes the table: it is made again with all that is to be in it
        let tag = haar_substrate_oci::interface_tag(&house.config.instance);
        let command = format!("nft delete table ip haar_filter_{tag}");
        let _ = std::process::Command::new("sh").args(["-c", &command]).status();
        assert!(!reaches("four", "strangers").await);
        assert!(reaches("five", "friends").await);
        substrate.remove(&server, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_filters_cannot_see_has_no_way_at_all() {
    let Some(house) = House::new().await else { return };
    if !std::path::Path::new("/proc/sys/net/ipv6").exists() {
        println!("skipped: this host has no IPv6");
        return;
    }
    house.crash(async |substrate| {
        let (spec, _) = house.task("six");
        let id = substrate.ensure(spec).await.unwrap().id;
        let bridge = format!("hb{}", haar_substrate_oci::interface_tag(&house.config.instance));
        let switch = |name: &str| format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6");
        assert_eq!(std::fs::read_to_string(switch(&bridge)).unwrap(), "1\n");
        let addresses = std::fs::read_to_string("/proc/net/if_inet6").unwrap();
        assert!(!addresses.contains(&bridge), "{addresses}");

        let mut main = container(
            &house,
            "main",
            "cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6; grep -c eth0 /proc/net/if_inet6; \
             ip link add veth7 type dummy; cat /proc/sys/net/ipv6/conf/*7/disable_ipv6; \
             ip -6 addr add fd00::1/64 dev eth0 2>/dev/null || echo refused",
        );
        main.capabilities_add = vec![haar_substrate::Capability("NET_ADMIN".into())];
        substrate.start(&id, main).await.unwrap();
        substrate.wait(&id, "main").await.unwrap();
        let said = text(substrate, &id, "main").await;
        let said: Vec<_> = said.lines().filter(|line| line.len() < 8).collect();
        assert!(matches!(said[..], ["1", "0", "refused"] | ["1", "0", "1", "refused"]), "{said:?}");

        for of in ["eth0", "all", "default"] {
            let mut bad = container(&house, of, "true");
            let name = format!("net.ipv6.conf.{of}.disable_ipv6");
            bad.sysctls = [(name.clone(), "0".into())].into();
            let refused = substrate.start(&id, bad.clone()).await;
            assert!(matches!(refused, Err(SubstrateError::Refused { .. })), "{refused:?}");
            // as it is already
            bad.sysctls = [(name, "1".into())].into();
            substrate.start(&id, bad).await.unwrap();
        }
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ports_of_the_host_lead_inside_and_are_there_again_after_a_crash() {
    let Some(house) = House::new().await else { return };
    let get = |port: u16| {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let (id, port) = house.crash(async |substrate| {
        let (mut spec, address) = house.task("ports");
        let Network::Bridged(bridged) = &mut spec.network else { panic!() };
        bridged.ports = made_ports(0);
        let made = substrate.ensure(spec.clone()).await.unwrap();
        let port = made.network.unwrap().ports[0].host_port;
        let script = "echo through >/tmp/index.html; exec httpd -f -p 80 -h /tmp";
        substrate.start(&made.id, container(&house, "main", script)).await.unwrap();
        fetch(address, 80, "/").await;
        assert!(get(port).contains("through"));
        let stats = substrate.stats(&made.id).await.unwrap();
        assert!(stats.network_rx.bytes > 100 && stats.network_tx.count > 2, "{stats:?}");

        let (mut taken, _) = house.task("taken");
        let Network::Bridged(bridged) = &mut taken.network else { panic!() };
        bridged.ports = made_ports(port);
        let refused = substrate.ensure(taken).await;
        assert!(matches!(refused, Err(SubstrateError::Refused { .. })), "{refused:?}");
        (made.id, port)
    });
    house.crash(async |substrate| {
        assert!(get(port).contains("through"));
        substrate.remove(&id, Duration::ZERO).await.unwrap();
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    });
    house.until_nothing_is_left().await;
}

fn made_ports(host_port: u16) -> Vec<PortMapping> {
    let host_address = Ipv4Addr::LOCALHOST;
    vec![PortMapping { host_address, host_port, container_port: 80, protocol: Protocol::Tcp }]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datagrams_to_a_port_of_the_host_are_answered_to_their_senders() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (mut spec, _) = house.task("datagrams");
        let Network::Bridged(bridged) = &mut spec.network else { panic!() };
        let mut ports = made_ports(0);
        (ports[0].protocol, ports[0].container_port) = (Protocol::Udp, 5300);
        bridged.ports = ports;
        let made = substrate.ensure(spec).await.unwrap();
        let port = made.network.unwrap().ports[0].host_port;
        let started =
            substrate.start(&made.id, container(&house, "main", "exec sleep 1000")).await.unwrap();
        let ContainerState::Running { pid } = started.containers["main"].state else { panic!() };
        let echo = std::thread::spawn(move || echo_once(pid, 5300));
        let sender = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        sender.connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let clock = haar_clock::Clock::system();
        let mut buffer = [0; 100];
        let mut answered = None;
        for _ in 0..200 {
            sender.send(b"ping").await.unwrap();
            let answer = sender.recv(&mut buffer);
            if let Ok(Ok(length)) = clock.timeout(Duration::from_millis(100), answer).await {
                answered = Some(buffer[..length].to_vec());
                break;
            }
        }
        assert_eq!(answered.as_deref(), Some(b"ping".as_slice()));
        echo.join().unwrap();
        substrate.remove(&made.id, Duration::ZERO).await.unwrap();
        assert!(std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok(), "it is free again");
    });
    house.until_nothing_is_left().await;
}

/// Answers one datagram with itself, in the network of a process.
fn echo_once(pid: u32, port: u16) {
    let network = std::fs::File::open(format!("/proc/{pid}/ns/net")).unwrap();
    let kind = Some(LinkNameSpaceType::Network);
    rustix::thread::move_into_link_name_space(network.as_fd(), kind).unwrap();
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap();
    let mut buffer = [0; 100];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    socket.send_to(&buffer[..length], from).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sandbox_may_have_the_hosts_network() {
    let Some(house) = House::new().await else { return };
    let outside = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = outside.local_addr().unwrap().port();
    house.crash(async |substrate| {
        let (mut spec, _) = house.task("host");
        spec.network = Network::Host;
        let made = substrate.ensure(spec).await.unwrap();
        assert_eq!(made.network, None);
        let script = format!("nc -w 5 127.0.0.1 {port} </dev/null && ls /sys/class/net");
        substrate.start(&made.id, container(&house, "main", &script)).await.unwrap();
        let (mut stream, _) = outside.accept().unwrap();
        stream.write_all(b"from the host\n").unwrap();
        drop(stream);
        assert_eq!(substrate.wait(&made.id, "main").await.unwrap().code, Some(0));
        let said = text(substrate, &made.id, "main").await;
        assert!(said.starts_with("from the host\n"), "{said}");
        let mut seen: Vec<_> = said.lines().skip(1).map(str::to_owned).collect();
        seen.retain(|name| std::path::Path::new("/sys/class/net").join(name).exists());
        assert!(!seen.is_empty(), "{said}");
        substrate.remove(&made.id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_starts_without_a_filter_that_was_set_meanwhile() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let nobody = Filter { groups: Vec::new(), ingress: Vec::new(), egress: Vec::new() };
        for number in 0..20 {
            // it has no interface, so nothing can be filtered
            let id = SandboxId(format!("unfiltered-{number}"));
            let spec = SandboxSpec { lifetime: Lifetime::Own, ..SandboxSpec::new(id.clone()) };
            let made = substrate.ensure(spec);
            let set = substrate.filter_all(vec![(nobody.clone(), vec![id.clone()])]);
            let (made, set) = futures_util::future::join(made, set).await;
            // whichever came first: somebody is told
            assert_ne!(made.is_ok(), set.is_ok(), "{made:?}, {set:?}");
            let listed = substrate.list().await.unwrap();
            assert_eq!(listed.len(), usize::from(made.is_ok()));
            substrate.remove(&id, Duration::ZERO).await.unwrap();
        }
    });
    house.until_nothing_is_left().await;
}

/// A question for a name's address, as `printf` writes it.
fn by_tcp(name: &str) -> String {
    let mut question = vec![7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(u8::try_from(label.len()).unwrap());
        question.extend(label.bytes());
    }
    question.extend([0, 0, 1, 0, 1]);
    let length = u16::try_from(question.len()).unwrap().to_be_bytes();
    length.iter().chain(&question).map(|byte| format!("\\{byte:03o}")).collect()
}
