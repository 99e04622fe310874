//! Who does what: threads that receive what the server asks, one at a time, and do it. Of those
//! that begin something only so many work at once, for a start mostly waits for locks in the
//! kernel; whoever ends something never waits for one of them.
//!
//! **Invariant:** the threads last as long as the process: a child dies with the one that made it.

use std::collections::VecDeque;

use parking_lot::{Condvar, Mutex};

use crate::proto::Request;

/// Threads that begin something at the same time.
const WORKERS: usize = 4;
/// Threads beside them, to receive and to end.
const OTHERS: usize = 2;
/// Threads whose work waits for something else than locks.
const ASIDE_MAX: usize = 64;

/// Who asked for something.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    /// The number that the answer repeats; 0 where nobody waits for one.
    pub(super) number: u64,
    /// How many servers had gone when it was received.
    pub(super) losses: u64,
}

/// What was asked.
pub(super) struct Job {
    pub(super) asked: Asked,
    pub(super) request: Request,
}

/// What a thread does next.
pub(super) enum Turn {
    /// Receive; then say so.
    Receive,
    /// Do this; then say so.
    Work(Box<Job>),
}

/// The threads, and what waits for one.
#[derive(Default)]
pub(super) struct Crew {
    hands: Mutex<Hands>,
    changed: Condvar,
}

#[derive(Default)]
struct Hands {
    threads: usize,
    /// Begin something.
    working: usize,
    /// Began something that takes long.
    aside: usize,
    is_receiving: bool,
    backlog: VecDeque<Job>,
}

impl Crew {
    /// Threads that are wanting.
    pub(super) fn lack(&self) -> std::ops::Range<usize> {
        let mut hands = self.hands.lock();
        let before = hands.threads;
        hands.threads = before.max(WORKERS + OTHERS + hands.aside);
        before..hands.threads
    }

    /// So many of those that were wanting could not be started.
    pub(super) fn did_not_come(&self, count: usize) {
        self.hands.lock().threads -= count;
    }

    /// Waits until there is something to do.
    pub(super) fn next(&self) -> Turn {
        let mut hands = self.hands.lock();
        loop {
            if hands.working < WORKERS
                && let Some(job) = hands.backlog.pop_front()
            {
                hands.working += 1;
                return Turn::Work(Box::new(job));
            }
            if !hands.is_receiving {
                hands.is_receiving = true;
                return Turn::Receive;
            }
            self.changed.wait(&mut hands);
        }
    }

    /// Lets another thread receive.
    pub(super) fn received(&self) {
        self.hands.lock().is_receiving = false;
        self.changed.notify_one();
    }

    /// Takes up what begins something, which was just received; else it waits for its turn.
    pub(super) fn take_up(&self, job: Job) -> Option<Job> {
        let mut hands = self.hands.lock();
        hands.is_receiving = false;
        if hands.working >= WORKERS {
            hands.backlog.push_back(job);
            return None;
        }
        hands.working += 1;
        drop(hands);
        self.changed.notify_one();
        Some(job)
    }

    /// What was taken up is done.
    pub(super) fn done(&self) {
        self.hands.lock().working -= 1;
        self.changed.notify_one();
    }

    /// Has something done when it is its turn.
    pub(super) fn put_off(&self, job: Job) {
        self.hands.lock().backlog.push_back(job);
        self.changed.notify_one();
    }

    /// Lets others work while this takes its time: only for what was taken up, once. `hire` sees to
    /// it that there are enough threads.
    pub(super) fn step_aside<T>(&self, hire: impl FnOnce(), work: impl FnOnce() -> T) -> T {
        {
            let mut hands = self.hands.lock();
            if hands.aside >= ASIDE_MAX {
                drop(hands);
                return work();
            }
            hands.aside += 1;
            hands.working -= 1;
        }
        hire();
        self.changed.notify_one();
        let done = work();
        let mut hands = self.hands.lock();
        hands.aside -= 1;
        hands.working += 1;
        done
    }
}
