use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::*;

fn local() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

/// A question for the address of a name that says nothing, with a number.
fn question(number: u8) -> Vec<u8> {
    vec![number, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, b'a', 0, 0, 1, 0, 1]
}

fn forwarder(servers: Vec<SocketAddr>) -> (SocketAddr, Names, Seat) {
    let socket = local();
    let address = socket.local_addr().unwrap();
    let names = Names::new().unwrap();
    let seat = names.serve_by(socket, || Servers { all: servers, host: None }).unwrap();
    (address, names, seat)
}

#[test]
fn questions_are_handed_on_and_answers_come_back_to_their_askers() {
    let server = local();
    let (at, ..) = &forwarder(vec![server.local_addr().unwrap()]);
    let askers = [local(), local()];
    for (number, asker) in askers.iter().enumerate() {
        asker.send_to(&[question(7), vec![number as u8]].concat(), *at).unwrap();
    }
    let mut buffer = [0; 100];
    for _ in &askers {
        let (length, by) = server.recv_from(&mut buffer).unwrap();
        buffer[2] |= 0x80;
        server.send_to(&buffer[..length], by).unwrap();
    }
    for (number, asker) in askers.iter().enumerate() {
        let (length, _) = asker.recv_from(&mut buffer).unwrap();
        assert_eq!(buffer[..3], [7, 7, 0x81]);
        assert_eq!(usize::from(buffer[length - 1]), number);
    }
}

#[test]
fn without_servers_the_answer_is_a_failure() {
    let (at, ..) = &forwarder(servers("search example.com\nnameserver not-an-address\n"));
    let asker = local();
    asker.send_to(&question(1), *at).unwrap();
    let mut buffer = [0; 100];
    asker.recv_from(&mut buffer).unwrap();
    assert_eq!(buffer[..4], [1, 7, 0x81, 2]);
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap();
    [&length.to_be_bytes()[..], message].concat()
}

fn said(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut message).unwrap();
    message
}

#[test]
fn long_answers_come_by_tcp() {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (_, names, seat) = &forwarder(vec![server.local_addr().unwrap()]);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let at = listener.local_addr().unwrap();
    names.listen(seat, listener).unwrap();
    let mut asker = TcpStream::connect(at).unwrap();
    asker.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // two questions over one connection, the first in two pieces
    for number in [7, 8] {
        let asked = framed(&question(number));
        asker.write_all(&asked[..3]).unwrap();
        asker.write_all(&asked[3..]).unwrap();
        let (mut up, _) = server.accept().unwrap();
        let mut answer = said(&mut up);
        assert_eq!(answer, question(number));
        answer.resize(20_000, number);
        up.write_all(&framed(&answer)).unwrap();
        assert_eq!(said(&mut asker), answer);
    }
    // a server that hangs up is a failure
    asker.write_all(&framed(&question(9))).unwrap();
    drop(server.accept().unwrap());
    assert_eq!(said(&mut asker)[..4], [9, 7, 0x81, 2]);
}

/// Names by TCP at an address, of a server that none is asked of.
fn by_tcp(bounds: Bounds) -> (SocketAddr, Seat) {
    let names = Names::bounded(bounds).unwrap();
    let seat = names.serve_by(local(), || Servers { all: Vec::new(), host: None }).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let at = listener.local_addr().unwrap();
    names.listen(&seat, listener).unwrap();
    (at, seat)
}

fn dial(at: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

#[test]
fn messages_and_connections_have_their_time() {
    let ms = Duration::from_millis;
    let long = Duration::from_secs(60);
    let bounds = Bounds { silence: long, message: ms(300), connection: long, open: 64 };
    let (at, _seat) = &by_tcp(bounds);
    let mut slow = dial(*at);
    // more often than any silence ends, and for longer than a message has
    let ended = framed(&question(1)).iter().cycle().take(200).any(|byte| {
        std::thread::sleep(ms(20));
        slow.write_all(&[0x7f, *byte]).is_err()
    });
    assert!(ended, "a message has its time, however it comes");
    let bounds = Bounds { silence: long, message: long, connection: ms(500), open: 64 };
    let (at, _seat) = &by_tcp(bounds);
    let mut talks = dial(*at);
    let mut asks = || {
        std::thread::sleep(ms(50));
        talks.write_all(&framed(&question(1)))?;
        talks.read_exact(&mut [0; 21])
    };
    assert!(asks().is_ok());
    assert!((0..200).any(|_| asks().is_err()), "a connection has its time");
}

#[test]
fn where_all_places_are_taken_the_longest_idle_connection_goes() {
    let (at, _seat) = &by_tcp(Bounds { open: 3, ..Bounds::default() });
    let ask = |stream: &mut TcpStream| {
        stream.write_all(&framed(&question(1))).unwrap();
        assert_eq!(said(stream)[..4], [1, 7, 0x81, 2]);
    };
    let mut all: Vec<_> = std::iter::repeat_with(|| dial(*at)).take(3).collect();
    all.iter_mut().for_each(ask);
    ask(&mut all[0]);
    let mut next = dial(*at);
    ask(&mut next);
    assert_eq!(all[1].read(&mut [0]).unwrap(), 0, "it has asked nothing for the longest time");
    for one in [0, 2] {
        ask(&mut all[one]);
    }
}

#[test]
fn of_the_asker_with_the_most_connections_one_goes() {
    let (at, _seat) = &by_tcp(Bounds { open: 4, ..Bounds::default() });
    let ask = |stream: &mut TcpStream| {
        stream.write_all(&framed(&question(1))).unwrap();
        assert_eq!(said(stream)[..4], [1, 7, 0x81, 2]);
    };
    let mut quiet = dial_by(2, *at);
    ask(&mut quiet);
    let mut many: Vec<_> = std::iter::repeat_with(|| dial_by(3, *at)).take(3).collect();
    many.iter_mut().for_each(ask);
    let mut next = dial_by(4, *at);
    ask(&mut next);
    assert_eq!(many[0].read(&mut [0]).unwrap(), 0, "its asker has three");
    ask(&mut quiet);
    // one who has all that they may have gets room from themselves
    let (at, _seat) = &by_tcp(Bounds::default());
    let mut others = dial_by(2, *at);
    ask(&mut others);
    let mut many: Vec<_> = std::iter::repeat_with(|| dial_by(3, *at)).take(9).collect();
    many[1..].iter_mut().for_each(ask);
    assert_eq!(many[0].read(&mut [0]).unwrap(), 0);
    ask(&mut others);
}

/// A connection from another address of this machine.
fn dial_by(last: u8, at: SocketAddr) -> TcpStream {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let made = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&made, &SocketAddr::from(([127, 0, 0, last], 0))).unwrap();
    connect(&made, &at).unwrap();
    let stream = TcpStream::from(made);
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

#[test]
fn one_who_takes_all_descriptors_keeps_nobody_waiting() {
    let inside = std::thread::spawn(|| {
        sys::unshare(libc::CLONE_FILES).unwrap(); // the descriptors of these threads alone
        let names = Names::new().unwrap();
        let socket = local();
        let by_udp = socket.local_addr().unwrap();
        let seat = names.serve_by(socket, || Servers { all: Vec::new(), host: None }).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let by_tcp = listener.local_addr().unwrap();
        names.listen(&seat, listener).unwrap();
        let asker = local();
        let few = Rlimit { current: Some(200), ..getrlimit(Resource::Nofile) };
        setrlimit(Resource::Nofile, few).unwrap();
        let fill = || std::iter::from_fn(|| fs::File::open("/dev/null").ok());
        let mut all: Vec<_> = fill().collect();
        drop(all.pop());
        let mut first = dial(by_tcp);
        let clock = Clock::system();
        let waits = (0..20).map(|_| {
            let begun = clock.moment();
            asker.send_to(&question(1), by_udp).unwrap();
            asker.recv(&mut [0; 100]).unwrap();
            clock.moment().since(begun)
        });
        let least = waits.min().unwrap();
        assert!(least < REST / 2, "{least:?}: the thread slept");
        drop(all.pop());
        first.write_all(&framed(&question(1))).unwrap();
        assert_eq!(said(&mut first)[..4], [1, 7, 0x81, 2]);
        all.extend(fill());
        drop(all.pop());
        let mut second = dial(by_tcp);
        assert_eq!(first.read(&mut [0]).unwrap(), 0, "it was idle, and made room");
        second.write_all(&framed(&question(2))).unwrap();
        assert_eq!(said(&mut second)[..4], [2, 7, 0x81, 2]);
    });
    inside.join().unwrap();
}

#[test]
fn others_are_asked_for_nothing_but_what_a_name_has() {
    let server = local();
    let (at, ..) = &forwarder(vec![server.local_addr().unwrap()]);
    let (by_tcp, _seat) = &by_tcp(Bounds::default());
    let mut messages = Vec::new();
    for (place, byte) in [(16, 252), (16, 251), (2, 0x29), (2, 0x21), (5, 2), (5, 0), (12, 0xc0)] {
        let mut message = question(1);
        message[place] = byte;
        messages.push(message);
    }
    messages.push(question(1)[..15].to_vec());
    for message in messages {
        let mut refused = message.clone();
        refused[2] |= 0x80;
        refused[3] |= 5;
        let asker = local();
        asker.send_to(&message, *at).unwrap();
        let mut buffer = [0; 100];
        let (length, _) = asker.recv_from(&mut buffer).unwrap();
        assert_eq!(buffer[..length], refused, "by UDP");
        let mut stream = dial(*by_tcp);
        stream.write_all(&framed(&message)).unwrap();
        assert_eq!(said(&mut stream), refused, "by TCP");
    }
    // nothing of that was handed on, and answers are no questions
    let mut answer = question(1);
    answer[2] |= 0x80;
    local().send_to(&answer, *at).unwrap();
    local().send_to(&question(2), *at).unwrap();
    let mut buffer = [0; 100];
    let (length, _) = server.recv_from(&mut buffer).unwrap();
    assert_eq!(buffer[2..length], question(2)[2..]);
}

#[test]
fn a_seat_that_was_given_up_hears_nothing_and_the_others_go_on() {
    let server = local();
    let (at, names, seat) = forwarder(vec![server.local_addr().unwrap()]);
    let second = local();
    let second_at = second.local_addr().unwrap();
    let _second = names.serve_by(second, Servers::of_the_host).unwrap();
    drop(seat);
    UdpSocket::bind(at).expect("its socket is closed");
    local().send_to(&question(1), second_at).unwrap();
    let mut buffer = [0; 100];
    assert_eq!(server.recv_from(&mut buffer).unwrap().0, question(1).len());
}

#[test]
fn the_hosts_servers_are_asked_from_the_host_whoever_serves_first() {
    let server = local();
    let all = vec![server.local_addr().unwrap()];
    let names = Names::new().unwrap();
    let inside = std::thread::spawn(move || {
        sys::unshare(libc::CLONE_NEWNET).ok()?; // not without privileges
        super::super::net::loopback_up().unwrap();
        let (socket, asker) = (local(), local());
        let at = socket.local_addr().unwrap();
        let seat = names.serve_by(socket, || Servers { all, host: None }).unwrap();
        asker.send_to(&question(1), at).unwrap();
        Some((seat, asker))
    });
    let Some((_seat, asker)) = inside.join().unwrap() else { return };
    let mut buffer = [0; 100];
    let (length, by) = server.recv_from(&mut buffer).unwrap();
    server.send_to(&buffer[..length], by).unwrap();
    assert_eq!(asker.recv_from(&mut buffer).unwrap().0, length);
}

#[test]
fn the_hosts_servers_are_read() {
    let conf = "# comment\nnameserver 10.0.0.2\nnameserver ::1\nnameserver  127.0.0.53\n";
    let found: Vec<_> = servers(conf).iter().map(ToString::to_string).collect();
    assert_eq!(found, ["10.0.0.2:53", "127.0.0.53:53"]);
}
