//! What is read again and again while others write it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use haar_kv::{Batch, Keyspace, Kv};

use crate::both;

const WRITES: u32 = 20_000;

fn number(keyspace: &Keyspace, key: &str) -> u32 {
    let value = keyspace.get(key).unwrap();
    value.map_or(0, |bytes| std::str::from_utf8(&bytes).unwrap().parse().unwrap())
}

#[test]
fn a_record_that_is_read_all_the_while_is_never_older_than_before() {
    both(|kv| {
        let keyspace = kv.keyspace("test").unwrap();
        let done = AtomicBool::new(false);
        let read = || {
            let mut last = 0;
            while !done.load(Ordering::Relaxed) {
                let now = number(&keyspace, "a");
                assert!(now >= last, "{now} after {last}");
                last = now;
            }
        };
        let written = thread::scope(|scope| {
            let readers = [(); 3].map(|()| scope.spawn(read));
            let written = (1..=WRITES).find(|count| {
                keyspace.put("a", count.to_string()).unwrap();
                number(&keyspace, "a") != *count
            });
            done.store(true, Ordering::Relaxed);
            readers.into_iter().for_each(|reader| reader.join().unwrap());
            written
        });
        assert_eq!(written, None, "not read once it was written");
    });
}

#[test]
fn what_was_read_is_gone_with_its_removal_and_with_a_reset() {
    both(|kv| {
        let keyspace = kv.keyspace("test").unwrap();
        let mut batch = Batch::new();
        for key in ["a", "b", "c"] {
            batch.put(&keyspace, key, "1");
        }
        kv.apply(batch).unwrap();
        for key in ["a", "b", "c", "a"] {
            assert_eq!(number(&keyspace, key), 1);
        }
        keyspace.remove("a").unwrap();
        assert_eq!(keyspace.remove_range("b"..="b").unwrap(), 1);
        assert_eq!(["a", "b", "c"].map(|key| number(&keyspace, key)), [0, 0, 1]);
        kv.reset().unwrap();
        assert_eq!(number(&keyspace, "c"), 0);
    });
}

#[test]
fn many_records_are_read_as_they_are_however_often() {
    both(|kv: Kv| {
        let keyspace = kv.keyspace("test").unwrap();
        for round in 1..=3 {
            for key in 0..2000 {
                keyspace.put(key.to_string(), round.to_string()).unwrap();
                assert_eq!(number(&keyspace, &(key / 2).to_string()), round);
            }
        }
    });
}
