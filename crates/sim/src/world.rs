//! One play of a story.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use haar_clock::{Clock, IdSource};
use haar_kv::Kv;
use haar_ledger::store::MemoryStore;
use haar_ledger::{Ledger, Snapshot, Tx};
use haar_types::Timestamp;
use parking_lot::Mutex;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use crate::{Sim, SimDoors};

/// When every story begins: 2026-01-31T09:30:00Z.
const EPOCH: Timestamp = Timestamp(1_769_851_800_000);
/// Longest that the simulated disk takes for a flush.
const FLUSH_MS_MAX: u64 = 10;
/// How often [`World::run_until`] looks.
const LOOK: Duration = Duration::from_millis(20);

/// A simulated machine: its time, its disk, the process on it, and what is outside.
pub struct World<'a, O, P> {
    sim: &'a Sim<O, P>,
    chance: IdSource,
    disk: Arc<MemoryStore>,
    doors: SimDoors,
    /// What outlives the process.
    pub outside: O,
    /// `None` only while a crash is under way.
    life: Option<Life<P>>,
    /// The first invariant that did not hold.
    broken: Arc<Mutex<Option<String>>>,
}

/// One process, from its start to its crash. Fields are dropped in this order.
struct Life<P> {
    process: P,
    runtime: Runtime,
}

impl<'a, O, P> World<'a, O, P> {
    pub(crate) fn start(sim: &'a Sim<O, P>, chance: IdSource, outside: O) -> Self {
        let runtime = runtime();
        let clock = {
            let _inside = runtime.enter();
            Clock::simulated(EPOCH)
        };
        let disk = Arc::new(MemoryStore::new());
        let doors = SimDoors {
            clock,
            ids: IdSource::seeded(chance.draw()),
            ledger: open(sim, &disk),
            kv: Kv::ephemeral(),
        };
        let broken = Arc::default();
        let mut world = Self { sim, chance, disk, doors, outside, life: None, broken };
        world.boot(runtime);
        world
    }

    /// The doors of the process that runs now.
    pub fn doors(&self) -> &SimDoors {
        &self.doors
    }

    /// What the process keeps.
    pub fn process(&self) -> &P {
        &self.life().process
    }

    /// What is on the simulated disk.
    pub fn snapshot(&self) -> Snapshot {
        self.doors.ledger.snapshot()
    }

    /// The simulated time.
    pub fn now(&self) -> Timestamp {
        self.run(async { self.doors.clock.now() })
    }

    /// A number below `bound` that the seed picks.
    pub fn draw(&self, bound: u64) -> u64 {
        self.chance.draw() % bound.max(1)
    }

    /// Runs a future within the process, and with it all that the process does meanwhile.
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        let output = self.life().runtime.block_on(future);
        if let Some(broken) = self.broken.lock().take() {
            panic!("an invariant does not hold: {broken}");
        }
        output
    }

    /// Lets time pass.
    pub fn run_for(&self, duration: Duration) {
        self.run(self.doors.clock.sleep(duration));
    }

    /// Lets time pass until `done`, asked now and then; false when `limit` came first.
    pub fn run_until(&self, limit: Duration, done: impl Fn(&Snapshot) -> bool) -> bool {
        let end = self.now() + limit;
        while !done(&self.snapshot()) {
            if self.now() >= end {
                return false;
            }
            self.run_for(LOOK);
        }
        true
    }

    /// Commits as a customer's command does, and waits for the disk.
    ///
    /// # Panics
    /// When the commit is refused or the disk is broken.
    pub fn commit<T>(&self, work: impl FnOnce(&mut Tx) -> T) -> T {
        let committed = self.doors.ledger.write(work);
        self.run(committed.durable()).expect("the story's own commit is sound and the disk works")
    }

    /// Makes writes of the disk fail (true) or work again (false).
    pub fn break_disk(&self, broken: bool) {
        self.disk.break_writes(broken);
    }

    /// Kills the process where it stands and starts it anew from what is on disk.
    pub fn crash(&mut self) {
        let at = self.run(async { instant() });
        drop(self.life.take());
        let runtime = runtime();
        runtime.block_on(catch_up(at));
        self.doors.ledger = open(self.sim, &self.disk);
        self.boot(runtime);
    }

    /// Lets the seed pick a moment within `limit`, and crashes there.
    pub fn crash_within(&mut self, limit: Duration) {
        let millis = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        self.run_for(Duration::from_millis(self.draw(millis.saturating_add(1))));
        self.crash();
    }

    /// Asks the invariants a last time.
    pub(crate) fn end(self) {
        self.doors.ledger.flush();
        self.run(async {});
        holds(self.sim, &self.snapshot()).expect("the invariants hold when the story ends");
    }

    fn life(&self) -> &Life<P> {
        self.life.as_ref().expect("the process runs whenever the story does")
    }

    fn boot(&mut self, runtime: Runtime) {
        let process = {
            let _inside = runtime.enter();
            self.spawn_flusher();
            (self.sim.boot)(&self.doors, &self.outside)
        };
        self.life = Some(Life { process, runtime });
    }

    /// The simulated disk's own pace: each flush takes the time that the seed picks.
    #[allow(clippy::disallowed_methods)] // ends with the runtime, which is what a crash drops
    fn spawn_flusher(&self) {
        let (ledger, clock) = (self.doors.ledger.clone(), self.doors.clock.clone());
        let pace = IdSource::seeded(self.chance.draw());
        let (invariants, broken) = (self.sim.invariants.clone(), Arc::clone(&self.broken));
        tokio::spawn(async move {
            loop {
                ledger.flush_due().await;
                clock.sleep(Duration::from_millis(pace.draw() % FLUSH_MS_MAX)).await;
                ledger.flush();
                let now = ledger.snapshot();
                let failed = invariants.iter().find_map(|holds| holds(&now).err());
                if let Some(failed) = failed {
                    broken.lock().get_or_insert(failed);
                }
            }
        });
    }
}

fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().start_paused(true);
    builder.build().expect("a runtime without I/O starts")
}

/// A paused clock starts at the real time; this takes it to where the last one stood.
async fn catch_up(at: Instant) {
    tokio::time::advance(at.saturating_duration_since(instant())).await;
}

#[allow(clippy::disallowed_methods)] // simulated time is made here
fn instant() -> Instant {
    Instant::now()
}

fn open<O, P>(sim: &Sim<O, P>, disk: &Arc<MemoryStore>) -> Ledger {
    Ledger::open_manual(sim.tables.clone(), disk.clone()).expect("a simulated disk opens")
}

fn holds<O, P>(sim: &Sim<O, P>, now: &Snapshot) -> Result<(), String> {
    sim.invariants.iter().try_for_each(|holds| holds(now))
}
