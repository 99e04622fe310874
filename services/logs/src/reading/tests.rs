use haar_kv::Kv;
use haar_types::Timestamp;

use super::{Times, filtered_page, stream_page};
use crate::events::{EventStore, StoredEvent, StreamId};
use crate::rules::filter_pattern::FilterPattern;
use crate::rules::position::{Direction, Position};

const ALL: Times = Times { start: Timestamp(0), end: Timestamp(i64::MAX) };
const NOW: Timestamp = Timestamp(1_800_000_000_000);
const A: StreamId = StreamId { group: 1, stream: 1 };
const B: StreamId = StreamId { group: 1, stream: 2 };

fn store(events: &[(StreamId, i64, &str)]) -> EventStore {
    let store = EventStore::open(&Kv::ephemeral()).unwrap();
    for (id, at, message) in events {
        store.append(*id, &[(Timestamp(*at), (*message).to_owned())], NOW, |_, _| ()).unwrap();
    }
    store
}

fn text(events: &[StoredEvent]) -> String {
    events.iter().map(|event| event.message.as_str()).collect()
}

fn abc() -> EventStore {
    store(&[(A, 10, "a"), (A, 20, "b"), (A, 20, "c"), (A, 30, "d"), (B, 15, "x")])
}

#[test]
fn pages_lead_forward_to_the_end_and_stay_there() {
    let store = abc();
    let page =
        |from, limit| stream_page(&store, A, ALL, (Direction::Forward, from), limit).unwrap();
    let first = page(None, 3);
    assert_eq!(text(&first.events), "abc");
    let second = page(Some(first.forward), 3);
    assert_eq!(text(&second.events), "d");
    let end = page(Some(second.forward), 3);
    assert_eq!((text(&end.events), end.forward), (String::new(), second.forward));
    store.append(A, &[(Timestamp(40), "e".to_owned())], NOW, |_, _| ()).unwrap();
    assert_eq!(text(&page(Some(end.forward), 3).events), "e");
}

#[test]
fn pages_lead_backward_in_ascending_order() {
    let store = abc();
    let page =
        |from, limit| stream_page(&store, A, ALL, (Direction::Backward, from), limit).unwrap();
    let latest = page(None, 2);
    assert_eq!(text(&latest.events), "cd");
    let before = page(Some(latest.backward), 2);
    assert_eq!(text(&before.events), "ab");
    let start = page(Some(before.backward), 2);
    assert_eq!((text(&start.events), start.backward), (String::new(), before.backward));
    let again = stream_page(&store, A, ALL, (Direction::Forward, Some(before.forward)), 9);
    assert_eq!(text(&again.unwrap().events), "cd");
}

#[test]
fn times_include_the_start_and_exclude_the_end() {
    let times = Times { start: Timestamp(20), end: Timestamp(30) };
    let page = stream_page(&abc(), A, times, (Direction::Forward, None), 9).unwrap();
    assert_eq!(text(&page.events), "bc");
}

#[test]
fn streams_are_interleaved_and_filtered_page_by_page() {
    let store = abc();
    let pattern = FilterPattern::parse("?a ?c ?x").unwrap();
    let (mut from, mut found) = (None, String::new());
    for _ in 0..9 {
        let page = filtered_page(&store, &[A, B], ALL, from, (&pattern, 1)).unwrap();
        found.extend(page.events.iter().map(|(index, event)| format!("{index}{}", event.message)));
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert_eq!((found.as_str(), from), ("0a1x0c", None));
}

#[test]
fn a_page_holds_at_most_a_megabyte() {
    let long = "z".repeat(600_000);
    let store = store(&[(A, 1, &long), (A, 2, &long), (A, 3, &long)]);
    let page = stream_page(&store, A, ALL, (Direction::Forward, None), 9).unwrap();
    assert_eq!(page.events.len(), 1);
    let page = filtered_page(&store, &[A], ALL, None, (&FilterPattern::All, 9)).unwrap();
    assert_eq!(page.events.len(), 1);
    assert!(page.next.is_some());
}

#[test]
fn expired_and_purged_events_are_gone() {
    let store = abc();
    assert_eq!(store.expire(A, Timestamp(20)).unwrap(), 27);
    let all = || store.range(A, Position::start_of(Timestamp(0))..).map(Result::unwrap);
    assert_eq!(text(&all().collect::<Vec<_>>()), "bcd");
    store.purge(1, Some(1)).unwrap();
    assert_eq!(all().count(), 0);
    assert_eq!(store.range(B, ..).count(), 1);
    store.purge(1, None).unwrap();
    assert_eq!(store.range(B, ..).count(), 0);
}
