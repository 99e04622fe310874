//! What sandboxes of different owners must not do to each other over the bridge they share.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // as tests do
#![allow(clippy::disallowed_methods)]
#![allow(unsafe_code)] // sockets for frames

mod house;

use std::net::Ipv4Addr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use haar_substrate::{ContainerState, Filter, FilterRule, Network, Peer, RuleProtocol, SandboxId};
use haar_substrate::{SandboxSpec, Substrate};
use haar_substrate_oci::OciSubstrate;
use house::{House, ask, container, fetch};
use rustix::net::sockopt::Timeout;
use rustix::thread::LinkNameSpaceType;

async fn house() -> Option<House> {
    let house = House::new().await?;
    if !house.can_filter() {
        println!("skipped: this kernel has no packet filter");
        return None;
    }
    Some(house)
}

/// A sandbox with a container that waits, and the container's process.
async fn waiting(substrate: &OciSubstrate, house: &House, spec: SandboxSpec) -> (SandboxId, u32) {
    let id = substrate.ensure(spec).await.unwrap().id;
    let main = container(house, "main", "exec sleep 1000");
    let started = substrate.start(&id, main).await.unwrap();
    let ContainerState::Running { pid } = started.containers["main"].state else { panic!() };
    (id, pid)
}

/// A sandbox whose container serves a page on port 80.
async fn serving(substrate: &OciSubstrate, house: &House, spec: SandboxSpec) -> SandboxId {
    let id = substrate.ensure(spec).await.unwrap().id;
    let script = "echo yes >/tmp/index.html; exec httpd -f -p 80 -h /tmp";
    substrate.start(&id, container(house, "main", script)).await.unwrap();
    id
}

async fn reaches(substrate: &OciSubstrate, id: &SandboxId, address: Ipv4Addr) -> bool {
    let get = format!(
        "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 1 {address} 80 2>/dev/null | grep -q yes"
    );
    ask(substrate, id, &get).await.0 == Some(0)
}

/// The hardware address that a sandbox has where none was asked for.
fn mac_of(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x02, 0x42, a, b, c, d]
}

const EVERYBODY: [u8; 6] = [0xff; 6];
/// Bridges' own, for what tells neighbours of them.
const BRIDGES: [u8; 6] = [0x01, 0x80, 0xc2, 0, 0, 0x0e];
const STRANGER: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];

/// A frame; what follows its content tells which.
fn frame(number: u8, (to, from): ([u8; 6], [u8; 6]), kind: u16, content: &[u8]) -> Vec<u8> {
    let mut frame = [&to[..], &from, &kind.to_be_bytes(), content].concat();
    frame.resize(60, 0);
    frame.extend(*b"haar-raw");
    frame.push(number);
    frame
}

/// The word of ARP that an address is at a hardware address.
fn claim(hardware: [u8; 6], address: Ipv4Addr) -> Vec<u8> {
    let begin = [0, 1, 8, 0, 6, 4, 0, 2];
    let to = Ipv4Addr::BROADCAST.octets();
    [&begin[..], &hardware, &address.octets(), &EVERYBODY, &to].concat()
}

/// A packet of a protocol that is for trying things.
fn packet(from: Ipv4Addr, to: Ipv4Addr) -> Vec<u8> {
    let mut head = vec![0x45, 0, 0, 55, 0, 1, 0, 0, 64, 253, 0, 0]; // up to the frame's end
    head.extend(from.octets());
    head.extend(to.octets());
    let words = head.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum: u32 = words.sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    head[10..12].copy_from_slice(&sum.to_be_bytes());
    head
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_sends_in_the_name_of_another_nor_what_filters_do_not_know() {
    let Some(house) = house().await else { return };
    house.crash(async |substrate| {
        let (mine, me) = house.task("one");
        let (theirs, victim) = house.task("two");
        let (one, pid) = waiting(substrate, &house, mine).await;
        let (two, other) = waiting(substrate, &house, theirs).await;
        let (sends, hears) = (raw_socket(pid), raw_socket(other));
        let (mac, there) = (mac_of(me), mac_of(victim));
        let frames = [
            frame(0, (EVERYBODY, mac), 0x88b5, b""),
            frame(1, (EVERYBODY, STRANGER), 0x0806, &claim(mac, me)),
            frame(2, (EVERYBODY, mac), 0x0806, &claim(mac, victim)),
            frame(3, (EVERYBODY, mac), 0x0806, &claim(STRANGER, me)),
            frame(4, (there, mac), 0x0800, &packet(victim, victim)),
            frame(5, (there, STRANGER), 0x0800, &packet(me, victim)),
            frame(6, (BRIDGES, STRANGER), 0x88cc, b""),
            // what is true passes, the last one last
            frame(7, (there, mac), 0x0800, &packet(me, victim)),
            frame(8, (EVERYBODY, mac), 0x0806, &claim(mac, me)),
        ];
        for frame in &frames {
            rustix::io::write(&sends, frame).unwrap();
        }
        let mut heard = Vec::new();
        while heard.last() != Some(&8) {
            let mut frame = [0; 2_000];
            let length = rustix::io::read(&hears, &mut frame).unwrap();
            if length >= 69 && &frame[60..68] == b"haar-raw" {
                heard.push(frame[68]);
            }
        }
        assert_eq!(heard, [7, 8]);
        // nor does the bridge take the interface for a stranger's
        let bridge = format!("hb{}", haar_substrate_oci::interface_tag(&house.config.instance));
        let noted = std::fs::read(format!("/sys/class/net/{bridge}/brforward")).unwrap();
        let noted: Vec<_> = noted.chunks(16).map(|entry| &entry[..6]).collect();
        assert!(noted.contains(&&mac[..]) && !noted.contains(&&STRANGER[..]), "{noted:x?}");

        // whoever has the interface next has another address: that of before is not its own
        substrate.remove(&one, Duration::ZERO).await.unwrap();
        let (spec, next) = house.task("three");
        let (three, pid) = waiting(substrate, &house, spec).await;
        let sends = raw_socket(pid);
        let mac = mac_of(next);
        for frame in [
            frame(9, (EVERYBODY, mac), 0x0806, &claim(mac, me)),
            frame(10, (EVERYBODY, mac), 0x0806, &claim(mac, next)),
        ] {
            rustix::io::write(&sends, &frame).unwrap();
        }
        while heard.last() != Some(&10) {
            let mut frame = [0; 2_000];
            let length = rustix::io::read(&hears, &mut frame).unwrap();
            if length >= 69 && &frame[60..68] == b"haar-raw" {
                heard.push(frame[68]);
            }
        }
        assert_eq!(heard, [7, 8, 10]);
        for id in [&two, &three] {
            substrate.remove(id, Duration::ZERO).await.unwrap();
        }
    });
    house.until_nothing_is_left().await;
}

/// A socket for frames of all kinds, on the interface `eth0` of a process's network.
fn raw_socket(pid: u32) -> OwnedFd {
    use std::os::fd::{AsRawFd as _, FromRawFd as _};
    let enter = move || {
        let network = std::fs::File::open(format!("/proc/{pid}/ns/net")).unwrap();
        let kind = Some(LinkNameSpaceType::Network);
        rustix::thread::move_into_link_name_space(network.as_fd(), kind).unwrap();
        let all = (libc::ETH_P_ALL as u16).to_be();
        // SAFETY: the descriptor is new, and the address is whole and only read.
        unsafe {
            let raw = libc::socket(libc::AF_PACKET, libc::SOCK_RAW, i32::from(all));
            assert!(raw >= 0);
            let socket = OwnedFd::from_raw_fd(raw);
            let wait = Some(Duration::from_secs(20));
            rustix::net::sockopt::set_socket_timeout(&socket, Timeout::Recv, wait).unwrap();
            let mut at: libc::sockaddr_ll = std::mem::zeroed();
            at.sll_family = libc::AF_PACKET as u16;
            at.sll_protocol = all;
            at.sll_ifindex = libc::if_nametoindex(c"eth0".as_ptr()) as i32;
            let at: *const libc::sockaddr_ll = &at;
            let length = size_of::<libc::sockaddr_ll>() as u32;
            assert_eq!(libc::bind(socket.as_raw_fd(), at.cast(), length), 0);
            socket
        }
    };
    std::thread::spawn(enter).join().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn realms_do_not_reach_each_other_whatever_filters_say() {
    let Some(house) = house().await else { return };
    let open = FilterRule {
        protocol: RuleProtocol::Any,
        peers: vec![Peer { address: Ipv4Addr::UNSPECIFIED, prefix: 0 }],
        groups: Vec::new(),
    };
    let open = Filter { groups: Vec::new(), ingress: vec![open.clone()], egress: vec![open] };
    house.crash(async |substrate| {
        // each in the one subnet and in another, which the host routes to
        let made = |id: &str, realm: Option<&str>, subnet: u8| {
            let (mut spec, _) = house.task(id);
            let Network::Bridged(bridged) = &mut spec.network else { panic!() };
            for address in [&mut bridged.address, &mut bridged.gateway] {
                let [a, b, c, d] = address.octets();
                *address = Ipv4Addr::new(a, b, c ^ subnet, d);
            }
            bridged.realm = realm.map(str::to_owned);
            bridged.filter = Some(open.clone());
            let address = bridged.address;
            (spec, address)
        };
        let (spec, address) = made("server", Some("a"), 0);
        let server = serving(substrate, &house, spec).await;
        fetch(address, 80, "/").await; // the host's own programs reach all
        let clients = [
            ("same", Some("a"), true),
            ("other", Some("b"), false),
            ("none", None, true),
            ("last", Some("a"), true),
        ];
        for subnet in [0, 1] {
            for (name, realm, expected) in clients {
                let (spec, _) = made(&format!("{name}-{subnet}"), realm, subnet);
                let (client, _) = waiting(substrate, &house, spec).await;
                let reached = reaches(substrate, &client, address).await;
                assert_eq!(reached, expected, "{name} in {subnet}");
                substrate.remove(&client, Duration::ZERO).await.unwrap();
            }
        }
        // the address of one that is gone is of its next one's realm
        let (mut spec, free) = made("was-a", Some("a"), 0);
        let (client, _) = waiting(substrate, &house, spec.clone()).await;
        assert!(reaches(substrate, &client, address).await);
        substrate.remove(&client, Duration::ZERO).await.unwrap();
        let Network::Bridged(bridged) = &mut spec.network else { panic!() };
        assert_eq!(bridged.address, free);
        bridged.realm = Some("b".to_owned());
        let (client, _) = waiting(substrate, &house, spec).await;
        assert!(!reaches(substrate, &client, address).await);
        // who looks after the host sees what there is
        let tag = haar_substrate_oci::interface_tag(&house.config.instance);
        for table in ["filter", "frames"].map(|name| format!("haar_{name}_{tag}")) {
            for family in ["ip", "bridge"] {
                let list =
                    format!("command -v nft >/dev/null || exit 1; nft list table {family} {table}");
                let shown = std::process::Command::new("sh").args(["-c", &list]).status().unwrap();
                assert!(matches!(shown.code(), Some(0 | 1)), "{shown}: {list}");
            }
        }
        for id in [&server, &client] {
            substrate.remove(id, Duration::ZERO).await.unwrap();
        }
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_tells_the_host_its_secrets_is_out_of_reach() {
    let Some(house) = house().await else { return };
    house.crash(async |substrate| {
        // a subnet of the link stands for what a cloud has there
        let [_, a, b, _] = house.task("none").1.octets();
        let (mut spec, _) = house.task("teller");
        let Network::Bridged(bridged) = &mut spec.network else { panic!() };
        bridged.address = Ipv4Addr::new(169, 254, a, (b & 0xf0) | 2);
        bridged.gateway = Ipv4Addr::new(169, 254, a, (b & 0xf0) | 1);
        bridged.prefix = 30;
        let teller = bridged.address;
        let telling = serving(substrate, &house, spec).await;
        fetch(teller, 80, "/").await;
        let (spec, address) = house.task("server");
        let server = serving(substrate, &house, spec).await;
        fetch(address, 80, "/").await;
        let (client, _) = waiting(substrate, &house, house.task("client").0).await;
        assert!(reaches(substrate, &client, address).await);
        assert!(!reaches(substrate, &client, teller).await);
        // and hears so, but not each time: the kernel sends few such words a second
        let mut heard = Vec::new();
        for _ in 0..10 {
            let (code, said) = ask(substrate, &client, &format!("nc -w 3 {teller} 80")).await;
            assert_eq!(code, Some(1), "{said}");
            heard.push(said);
            if heard.last().is_some_and(|said| said.contains("refused")) {
                break;
            }
        }
        assert!(heard.last().is_some_and(|said| said.contains("refused")), "{heard:?}");
        for id in [&telling, &server, &client] {
            substrate.remove(id, Duration::ZERO).await.unwrap();
        }
    });
    house.until_nothing_is_left().await;
}
