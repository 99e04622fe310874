//! The form of messages, and the order that a channel keeps, through the crate's public face.

#![allow(clippy::unwrap_used)] // a test

use std::time::Duration;

use bytes::Bytes;
use haar_clock::{Clock, IdSource};
use haar_datachannel::{
    Channel, HEADER_BYTES, Heard, Message, MessageError, MessageKind, PayloadKind, Role, documents,
};
use haar_types::Timestamp;

fn message(payload: &'static [u8]) -> Message {
    Message {
        kind: MessageKind::OutputStreamData,
        created_at: Timestamp(1_700_000_000_123),
        sequence: 7,
        id: [0xd, 0xd0, 1, 2, 3, 4, 0x45, 6, 0x87, 8, 9, 10, 11, 12, 13, 14],
        payload_kind: PayloadKind::Output,
        payload: Bytes::from_static(payload),
    }
}

fn pair() -> (Channel, Channel) {
    let (clock, ids) = (Clock::simulated(Timestamp(1_000)), IdSource::seeded(1));
    let agent = Channel::new(Role::Agent, clock.clone(), ids.clone());
    (agent, Channel::new(Role::Client, clock, ids))
}

fn data(text: &str) -> Heard {
    Heard::Data(PayloadKind::Output, Bytes::copy_from_slice(text.as_bytes()))
}

fn say(channel: &mut Channel, text: &str) -> Bytes {
    channel.send(PayloadKind::Output, Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn every_field_stands_where_awss_ends_look_for_it() {
    let bytes = message(b"hello").encode();
    assert_eq!(bytes.len(), HEADER_BYTES + 4 + 5);
    assert_eq!(bytes[..4], 116u32.to_be_bytes());
    assert_eq!(&bytes[4..36], b"output_stream_data              ");
    assert_eq!(bytes[36..40], 1u32.to_be_bytes());
    assert_eq!(bytes[40..48], 1_700_000_000_123i64.to_be_bytes());
    assert_eq!(bytes[48..56], 7i64.to_be_bytes());
    assert_eq!(bytes[56..64], [0; 8]);
    assert_eq!(bytes[64..72], [0x87, 8, 9, 10, 11, 12, 13, 14]);
    assert_eq!(bytes[72..80], [0xd, 0xd0, 1, 2, 3, 4, 0x45, 6]);
    assert_eq!(bytes[80..84], [0x2c, 0xf2, 0x4d, 0xba]); // SHA-256 of `hello`
    assert_eq!(bytes[112..116], 1u32.to_be_bytes());
    assert_eq!(bytes[116..120], 5u32.to_be_bytes());
    assert_eq!(&bytes[120..], b"hello");
    assert_eq!(message(b"").id_text(), "0dd00102-0304-4506-8708-090a0b0c0d0e");
    assert_eq!(Message { sequence: 0, ..message(b"") }.encode()[56..64], 1u64.to_be_bytes());
}

#[test]
fn messages_come_back_as_they_were() {
    for kind in [
        MessageKind::InputStreamData,
        MessageKind::OutputStreamData,
        MessageKind::Acknowledge,
        MessageKind::ChannelClosed,
        MessageKind::StartPublication,
        MessageKind::PausePublication,
    ] {
        for number in 0..20 {
            let payload_kind = PayloadKind::from_number(number);
            assert_eq!(payload_kind.number(), number);
            let sent = Message { kind, payload_kind, ..message(b"\0\xff{}") };
            assert_eq!(Message::decode(&sent.encode()), Ok(sent));
        }
    }
    let padded = message(b"x").encode();
    let mut padded = padded.to_vec();
    padded[22..36].fill(0); // other ends fill up with zeros
    assert_eq!(Message::decode(&padded.into()), Ok(message(b"x")));
}

#[test]
fn what_is_no_message_is_told_from_what_is() {
    let whole = message(b"hello").encode();
    for length in 0..whole.len() {
        let error = Message::decode(&whole.slice(..length)).unwrap_err();
        assert_eq!(error == MessageError::Short, length < HEADER_BYTES + 4, "{length}");
    }
    let with = |place: usize, byte: u8| {
        let mut bytes = whole.to_vec();
        bytes[place] = byte;
        Message::decode(&bytes.into())
    };
    assert_eq!(with(0, 0xff), Err(MessageError::Header));
    assert_eq!(with(3, 115), Err(MessageError::Header));
    assert_eq!(with(3, 117), Err(MessageError::Length));
    assert_eq!(with(4, b'O'), Err(MessageError::Kind));
    assert_eq!(with(80, 0), Err(MessageError::Digest));
    assert_eq!(with(119, 4), Err(MessageError::Length));
    assert_eq!(with(124, b'O'), Err(MessageError::Digest));
    let mut undigested = whole.to_vec();
    undigested[80..112].fill(b'0');
    assert_eq!(Message::decode_unchecked(&undigested.into()), Ok(message(b"hello")));
}

/// Bytes that are nearly messages, from seeds: an end must live through all of them.
#[test]
fn no_bytes_make_a_channel_panic_or_hand_over_what_was_not_sent() {
    let source = IdSource::seeded(20);
    for _ in 0..20_000 {
        let (mut agent, mut client) = pair();
        let mut bytes = say(&mut agent, "printed").to_vec();
        let damage = source.draw() % 4;
        for _ in 0..damage {
            let place = source.draw() as usize % bytes.len();
            bytes[place] = source.draw() as u8;
        }
        if source.draw().is_multiple_of(3) {
            bytes.truncate(source.draw() as usize % (bytes.len() + 1));
        }
        let bytes = Bytes::from(bytes);
        let heard = client.hear(&bytes, true);
        // the agent looks at no digest: it must only live
        let _ = agent.hear(&bytes, true);
        for heard in heard.into_iter().flat_map(|(heard, _)| heard) {
            match heard {
                Heard::Data(_, payload) => assert!(payload.is_empty() || payload == "printed"),
                Heard::Closed(document) => assert_eq!(document, Default::default()),
            }
        }
        let mut junk = vec![0; source.draw() as usize % 300];
        source.fill(&mut junk);
        let junk = Bytes::from(junk);
        assert!(agent.hear(&junk, true).is_err() && client.hear(&junk, true).is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_out_of_turn_or_twice_is_handed_over_once_and_in_turn() {
    let (mut agent, mut client) = pair();
    let sent: Vec<_> = ["a", "b", "c"].map(|text| say(&mut agent, text)).into();
    let (heard, ack_c) = client.hear(&sent[2], true).unwrap();
    assert_eq!(heard, []);
    let (heard, ack_a) = client.hear(&sent[0], true).unwrap();
    assert_eq!(heard, [data("a")]);
    let (heard, _) = client.hear(&sent[0], true).unwrap();
    assert_eq!(heard, []);
    let (heard, ack_b) = client.hear(&sent[1], true).unwrap();
    assert_eq!(heard, [data("b"), data("c")]);
    assert!(!agent.is_settled());
    for ack in [ack_c, ack_a, ack_b] {
        assert_eq!(agent.hear(&ack.unwrap(), true).unwrap(), (Vec::new(), None));
    }
    assert!(agent.is_settled());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_acknowledged_is_sent_again_ever_more_seldom() {
    let (mut agent, mut client) = pair();
    let first = say(&mut agent, "a");
    let second = say(&mut agent, "b");
    assert_eq!(agent.resend(), None);
    let clock = Clock::simulated(Timestamp(0));
    let mut waits = Vec::new();
    for _ in 0..5 {
        let before = clock.moment();
        clock.sleep_until(agent.due_at().unwrap()).await;
        waits.push(clock.moment().since(before).as_millis());
        assert_eq!(agent.resend(), Some(first.clone()));
    }
    assert_eq!(waits, [200, 400, 800, 1_000, 1_000]);
    let (_, ack) = client.hear(&first, true).unwrap();
    agent.hear(&ack.unwrap(), true).unwrap();
    assert_eq!(agent.resend(), Some(second)); // due since long
}

#[tokio::test(start_paused = true)]
async fn what_is_not_wanted_for_now_comes_again() {
    let (mut agent, mut client) = pair();
    let typed = say(&mut client, "typed");
    assert_eq!(agent.hear(&typed, false).unwrap(), (Vec::new(), None));
    Clock::simulated(Timestamp(0)).sleep(Duration::from_secs(1)).await;
    let again = client.resend().unwrap();
    assert_eq!(agent.hear(&again, true).unwrap().0, [data("typed")]);
}

#[tokio::test(start_paused = true)]
async fn an_end_takes_only_so_much_and_only_from_the_other_side() {
    let (mut agent, mut client) = pair();
    let mut sent = 0;
    while agent.has_room() {
        say(&mut agent, "x");
        sent += 1;
    }
    assert_eq!(sent, 256);
    // its own kind of data means nothing to it
    let echo = agent.resend().unwrap_or_else(|| say(&mut agent, "x"));
    assert_eq!(agent.hear(&echo, true).unwrap(), (Vec::new(), None));
    // ahead of their turn, a bounded number is kept
    let ahead = |sequence| Message { sequence, ..message(b"early") }.encode();
    let taken = (1..5_000).filter(|&at| client.hear(&ahead(at), true).unwrap().1.is_some());
    assert_eq!(taken.count(), 1_024);
}

#[test]
fn documents_are_as_awss_ends_write_and_read_them() {
    let (agent, mut client) = pair();
    let last = agent.close("session", "target", "why");
    let (heard, answer) = client.hear(&last, true).unwrap();
    let [Heard::Closed(closed)] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!((&closed.output[..], &closed.session_id[..], answer), ("why", "session", None));
    let text = r#"{"MessageSchemaVersion":"1.0","RequestId":"r","TokenValue":"t","ClientId":"c",
        "ClientVersion":"1.2.707.0"}"#;
    let opened: documents::OpenDataChannel = documents::decode(text.as_bytes()).unwrap();
    assert_eq!((&opened.token_value[..], opened.separate_output_stream), ("t", false));
    assert!(!serde_json::to_string(&opened).unwrap().contains("ExitCode"));
    assert_eq!(documents::encode_exit_code(137), "EXIT_CODE: 137");
    assert_eq!(documents::decode_exit_code(b"EXIT_CODE: -1"), Some(-1));
    assert_eq!(documents::decode_exit_code(b"EXIT_CODE: x"), None);
    for flag in [documents::Flag::DisconnectToPort, documents::Flag::TerminateSession] {
        assert_eq!(documents::Flag::decode(&flag.encode()), Some(flag));
    }
    assert_eq!(documents::Flag::decode(b"\0\0\0"), None);
    let size: documents::Size = documents::decode(br#"{"cols":80,"rows":24}"#).unwrap();
    assert_eq!((size.cols, size.rows), (80, 24));
}
