use super::*;

fn record(sent_at: i64, due_at: i64, group: Option<&str>) -> Record {
    Record {
        sent_at: Timestamp(sent_at),
        due_at: Timestamp(due_at),
        receive_count: 0,
        first_received_at: Timestamp(0),
        received_at: Timestamp(0),
        delivery: 0,
        group: group.map(Arc::from),
    }
}

/// Takes up to `max` messages and hands them out until `due_at`.
fn take(index: &mut Index, max: usize, now: i64, due_at: i64) -> Vec<u64> {
    index.promote(Timestamp(now));
    let (mut current, mut taken) = (None, Vec::new());
    while taken.len() < max {
        let Some(sequence) = index.pop(&mut current) else { break };
        index.deliver(sequence, sequence + 100, Timestamp(now), Timestamp(due_at));
        taken.push(sequence);
    }
    index.settle(current);
    taken
}

fn counts(ready: usize, delayed: usize, in_flight: usize) -> Counts {
    Counts { ready, delayed, in_flight }
}

#[test]
fn messages_come_in_order_and_come_again_when_they_are_due() {
    let mut index = Index::new(false);
    for (sequence, due_at) in [(1, 0), (2, 0), (3, 50)] {
        index.insert(sequence, record(0, due_at, None), Timestamp(0));
    }
    assert_eq!(index.counts(), counts(2, 1, 0));
    assert_eq!(take(&mut index, 10, 10, 40), [1, 2]);
    assert_eq!(index.counts(), counts(0, 1, 2));
    assert_eq!(index.next_due(), Some(Timestamp(40)));
    assert_eq!(take(&mut index, 10, 39, 99), [0_u64; 0]);
    assert!(index.is_in_flight(1, 101) && !index.is_in_flight(1, 7));
    assert_eq!(take(&mut index, 1, 40, 99), [1]);
    assert_eq!(index.get(1).unwrap().receive_count, 2);
    assert_eq!(index.get(1).unwrap().first_received_at, Timestamp(10));
    index.remove(1);
    index.reschedule(2, Timestamp(40), Timestamp(41));
    assert_eq!(take(&mut index, 10, 50, 99), [2, 3]);
    index.remove(2);
    index.remove(3);
    assert_eq!((index.counts(), index.next_due(), index.oldest()), (counts(0, 0, 0), None, None));
}

#[test]
fn a_group_in_flight_keeps_its_others_back() {
    let mut index = Index::new(true);
    for (sequence, group) in [(1, "a"), (2, "b"), (3, "a"), (4, "a"), (5, "b")] {
        index.insert(sequence, record(0, 0, Some(group)), Timestamp(0));
    }
    assert_eq!(take(&mut index, 2, 1, 40), [1, 3]);
    assert_eq!(take(&mut index, 1, 2, 50), [2]);
    assert_eq!(take(&mut index, 10, 3, 60), [0_u64; 0]);
    index.remove(1);
    assert_eq!(take(&mut index, 10, 4, 60), [0_u64; 0]);
    index.remove(3);
    assert!(index.has_ready());
    assert_eq!(take(&mut index, 10, 5, 60), [4]);
    // The other group's first comes again before its second.
    assert_eq!(take(&mut index, 10, 50, 90), [2, 5]);
    assert_eq!(index.counts(), counts(0, 0, 3));
    index.reschedule(5, Timestamp(51), Timestamp(51));
    assert_eq!(take(&mut index, 10, 52, 90), [0_u64; 0]);
    index.reschedule(2, Timestamp(53), Timestamp(53));
    assert_eq!(take(&mut index, 10, 54, 90), [2, 5]);
}

#[test]
fn as_many_as_possible_come_from_one_group_then_from_the_next() {
    let mut index = Index::new(true);
    for (sequence, group) in [(1, "a"), (2, "b"), (3, "a"), (4, "c"), (5, "b")] {
        index.insert(sequence, record(0, 0, Some(group)), Timestamp(0));
    }
    assert_eq!(take(&mut index, 4, 1, 40), [1, 3, 2, 5]);
    assert_eq!(take(&mut index, 4, 2, 40), [4]);
}

#[test]
fn old_messages_are_found_by_when_they_were_sent() {
    let mut index = Index::new(false);
    index.insert(9, record(5, 0, None), Timestamp(9));
    index.insert(10, record(3, 99, None), Timestamp(9));
    assert_eq!(index.oldest(), Some(Timestamp(3)));
    assert_eq!(index.sent_by(Timestamp(4), 9), [10]);
    assert_eq!(index.sent_by(Timestamp(5), 9), [10, 9]);
    assert_eq!(index.sent_by(Timestamp(5), 1), [10]);
    assert_eq!(index.delayed(), [10]);
}
