//! Sums beside records.

use haar_kv::{Batch, Kv, Tallies};

use crate::both;

fn add(kv: &Kv, tallies: &Tallies<2>, key: &str, more: [i64; 2]) {
    let mut batch = Batch::new();
    tallies.add(&mut batch, key.as_bytes(), more).unwrap();
    kv.apply(batch).unwrap();
}

#[test]
fn sums_are_added_up_and_read_by_prefix_also_by_others() {
    both(|kv| {
        let open = || Tallies::<2>::new(kv.keyspace("sums").unwrap());
        let tallies = open();
        add(&kv, &tallies, "a/1", [1, 10]);
        add(&kv, &tallies, "a/1", [1, 5]);
        add(&kv, &tallies, "a/2", [-3, 1]);
        add(&kv, &tallies, "b", [7, 7]);
        assert_eq!(tallies.sum("a/").unwrap(), [-1, 16]);
        let another = open();
        add(&kv, &another, "a/1", [1, 1]);
        assert_eq!(another.sum("a/1").unwrap(), [3, 16]);
    });
}

#[test]
fn a_sum_that_was_not_written_after_all_is_forgotten() {
    let kv = Kv::ephemeral();
    let tallies = Tallies::<2>::new(kv.keyspace("sums").unwrap());
    add(&kv, &tallies, "a", [1, 1]);
    tallies.add(&mut Batch::new(), b"a", [100, 100]).unwrap();
    tallies.forget();
    add(&kv, &tallies, "a", [1, 1]);
    assert_eq!(tallies.sum("a").unwrap(), [2, 2]);
}

#[tokio::test]
async fn sums_begin_anew_where_they_were_removed() {
    let kv = Kv::ephemeral();
    let tallies = Tallies::<2>::new(kv.keyspace("sums").unwrap());
    add(&kv, &tallies, "a/1", [1, 1]);
    tallies.clear_prefix("a/").await.unwrap();
    add(&kv, &tallies, "a/1", [2, 2]);
    assert_eq!(tallies.sum("a/1").unwrap(), [2, 2]);
    kv.reset().unwrap();
    add(&kv, &tallies, "a/1", [3, 3]);
    assert_eq!(tallies.sum("").unwrap(), [3, 3]);
}

#[test]
fn more_sums_than_are_kept_in_memory_are_right_all_the_same() {
    let kv = Kv::ephemeral();
    let tallies = Tallies::<2>::new(kv.keyspace("sums").unwrap());
    for round in 0..2 {
        for number in 0..6000 {
            add(&kv, &tallies, &number.to_string(), [1, round]);
        }
    }
    assert_eq!(tallies.sum("").unwrap(), [12_000, 6000]);
}
