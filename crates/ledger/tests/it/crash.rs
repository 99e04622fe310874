//! `kill -9` at random moments: what was acknowledged is there, nothing is there by half.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use haar_clock::IdSource;
use haar_ledger::Ledger;
use haar_ledger::store::FjallStore;

use crate::rows::{VisitRow, tables};

const ROUNDS: u64 = 10;
const WRITERS: u32 = 4;
/// The child's data directory.
const DIR: &str = "HAAR_LEDGER_CRASH_DIR";
/// The same, where the child's writers rest now and then.
const RESTS: &str = "HAAR_LEDGER_CRASH_RESTS";
/// Entries of a writer between two rests: enough for the store to sort them onto the disk then.
const UNTIL_REST: u64 = 800;
/// The store sorts a second or two after the last commit.
const REST: Duration = Duration::from_millis(2500);
/// Keys of a writer's entries count from 1; its tally stands at 0.
const TALLY: u64 = 0;

fn open(dir: &Path) -> Ledger {
    Ledger::open(tables(), Arc::new(FjallStore::open(dir).unwrap())).unwrap()
}

/// The child: each writer adds an entry and raises its tally in one transaction, for ever.
/// In an ordinary test run there is no directory and nothing to do.
#[test]
#[allow(clippy::disallowed_methods)] // real writers rest
fn crash_child() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let rests = std::env::var_os(RESTS).is_some();
    println!("opening");
    let ledger = open(Path::new(&dir));
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let ledger = &ledger;
            scope.spawn(move || {
                loop {
                    let count = add(ledger, writer);
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "ack {writer} {count}").and_then(|()| out.flush()).unwrap();
                    drop(out);
                    if rests && count.is_multiple_of(UNTIL_REST) {
                        std::thread::sleep(REST);
                    }
                }
            });
        }
    });
}

fn add(ledger: &Ledger, writer: u32) -> u64 {
    let added = ledger.write(|tx| {
        let count = tx.get::<VisitRow>(&(writer, TALLY)).map_or(0, |row| row.count) + 1;
        tx.put(VisitRow { reader: (writer, TALLY), count });
        tx.put(VisitRow { reader: (writer, count), count });
        count
    });
    added.wait().unwrap()
}

#[allow(clippy::disallowed_methods)] // a crash needs a process of its own
fn spawn_child(dir: &Path, rests: bool) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::crash_child", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .envs(rests.then_some((RESTS, "")))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Lets a child run for `lines` acknowledgements, and for `rest` where it rests, kills it, and
/// returns all that it printed.
#[allow(clippy::disallowed_methods)] // real writers rest
fn run_and_kill(dir: &Path, lines: u64, rest: Option<Duration>) -> Vec<(u32, u64)> {
    let mut child = spawn_child(dir, rest.is_some());
    let (mut acks, mut killed) = (Vec::new(), false);
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split(' ').collect();
        if let ["ack", writer, count] = words[..] {
            acks.push((writer.parse().unwrap(), count.parse().unwrap()));
        }
        if acks.len() as u64 == lines && !killed {
            rest.into_iter().for_each(std::thread::sleep);
            child.kill().unwrap();
            killed = true;
        }
    }
    child.wait().unwrap();
    assert!(killed, "the child ended by itself after {} lines", acks.len());
    acks
}

#[test]
fn every_acknowledged_commit_outlives_kill_9_and_none_is_there_twice_or_by_half() {
    let ids = IdSource::seeded(41);
    outlives(ROUNDS, || (1 + ids.draw() % 400, None));
}

#[test]
fn so_it_does_where_rows_are_sorted_onto_the_disk_meanwhile() {
    let ids = IdSource::seeded(42);
    let all_rest = u64::from(WRITERS) * UNTIL_REST;
    outlives(4, || (all_rest, Some(Duration::from_millis(1000 + ids.draw() % 1100))));
}

/// Kills children after as many acknowledgements, and as long a rest, as `end` says.
fn outlives(rounds: u64, end: impl Fn() -> (u64, Option<Duration>)) {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = [0; WRITERS as usize];
    for round in 0..rounds {
        let (lines, rest) = end();
        for (writer, count) in run_and_kill(dir.path(), lines, rest) {
            acknowledged[writer as usize] = count;
        }
        let now = open(dir.path()).snapshot();
        for writer in 0..WRITERS {
            let tally = now.get::<VisitRow>(&(writer, TALLY)).map_or(0, |row| row.count);
            let entries: Vec<u64> =
                now.range::<VisitRow>((writer, 1)..(writer + 1, 0)).map(|row| row.count).collect();
            assert!(entries.iter().copied().eq(1..=tally), "round {round}: {entries:?}");
            let acked = acknowledged[writer as usize];
            assert!(tally >= acked, "round {round}: {acked} were acknowledged, {tally} are there");
        }
    }
}

#[test]
fn a_directory_opens_even_when_its_creation_was_killed() {
    let ids = IdSource::seeded(43);
    for _ in 0..ROUNDS {
        let dir = tempfile::tempdir().unwrap();
        let mut child = spawn_child(dir.path(), false);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let begun = lines.map_while(Result::ok).any(|line| line.ends_with("opening"));
        assert!(begun, "the child did not open its directory");
        (0..ids.draw() % 4000).for_each(|_| std::thread::yield_now());
        child.kill().unwrap();
        child.wait().unwrap();
        let ledger = open(dir.path());
        let before = ledger.snapshot().get::<VisitRow>(&(0, TALLY)).map_or(0, |row| row.count);
        assert_eq!(add(&ledger, 0), before + 1);
    }
}
