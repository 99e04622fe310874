//! What a store lets go of when nobody writes.

use std::path::Path;
use std::time::Duration;

use haar_kv::Kv;

/// What this process holds that is no file's.
fn own_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// How many sorted files there are.
fn sorted(dir: &Path) -> usize {
    let records = std::fs::read_dir(dir.join("records/keyspaces")).unwrap();
    let tables = |place: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_dir(place.unwrap().path().join("tables")).map_or(0, Iterator::count)
    };
    records.map(tables).sum()
}

async fn is_told(kv: &Kv, wait: Duration) -> bool {
    tokio::time::timeout(wait, kv.written_out()).await.is_ok()
}

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_secs(3);

#[tokio::test]
async fn what_nobody_adds_to_goes_to_the_disk_and_its_memory_to_the_system() {
    let dir = tempfile::tempdir().unwrap();
    let kv = Kv::open(dir.path()).unwrap();
    let keyspace = kv.keyspace("test").unwrap();
    keyspace.put("first", "small").unwrap();
    let files = sorted(dir.path());

    let before = own_bytes();
    for name in ["a", "b", "c", "d", "e", "f"] {
        keyspace.put(name, vec![1; 1 << 20]).unwrap();
    }
    let held = own_bytes() - before;
    assert!(held > 5 << 20, "{held}");
    assert!(is_told(&kv, LONG).await);
    assert!(sorted(dir.path()) > files);
    let left = own_bytes().saturating_sub(before);
    assert!(left < 2 << 20, "{left}");

    assert_eq!(keyspace.all().count(), 7);
    assert_eq!(keyspace.get("f").unwrap().map(|value| value.len()), Some(1 << 20));
}

#[tokio::test]
async fn who_reads_meanwhile_goes_on_reading_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let kv = Kv::open(dir.path()).unwrap();
    let keyspace = kv.keyspace("test").unwrap();
    keyspace.put("a", vec![1; 1 << 20]).unwrap();
    let range = keyspace.all();
    keyspace.put("b", vec![1; 1 << 20]).unwrap();
    assert!(is_told(&kv, LONG).await);
    assert_eq!((range.count(), keyspace.all().count()), (1, 2));
}

#[tokio::test]
async fn little_is_left_in_memory_and_what_an_earlier_process_left_there_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let kv = Kv::open(dir.path()).unwrap();
    let keyspace = kv.keyspace("test").unwrap();
    keyspace.put("a", "small").unwrap();
    assert!(!is_told(&kv, SHORT).await);
    keyspace.put("b", vec![1; 1 << 20]).unwrap();
    drop((keyspace, kv)); // nobody was quiet yet

    let kv = Kv::open(dir.path()).unwrap();
    assert!(is_told(&kv, LONG).await);
    assert_eq!(kv.keyspace("test").unwrap().all().count(), 2);
    assert!(!is_told(&kv, SHORT).await, "told once");
}
