//! What is simulated, and its play under many seeds.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use haar_clock::IdSource;
use haar_ledger::{Snapshot, Tables};

use crate::{SimDoors, World};

/// Names one seed to play alone.
const SEED: &str = "HAAR_SIM_SEED";
/// Seeds that a story is played under unless it says otherwise.
const SEEDS: u64 = 20;

type Boot<O, P> = Arc<dyn Fn(&SimDoors, &O) -> P>;
type Invariant = Arc<dyn Fn(&Snapshot) -> Result<(), String> + Send + Sync>;

/// A process to simulate: `P` is what it keeps while it runs, `O` what outlives its crashes.
pub struct Sim<O, P> {
    pub(crate) tables: Tables,
    pub(crate) boot: Boot<O, P>,
    pub(crate) invariants: Vec<Invariant>,
    outside: Box<dyn Fn(&IdSource) -> O>,
    seeds: u64,
}

impl<O, P> Sim<O, P> {
    /// A process with these tables. `outside` makes what is around it, with chance of its own;
    /// `boot` starts it, within its runtime, at first and after each crash.
    pub fn new(
        tables: Tables,
        outside: impl Fn(&IdSource) -> O + 'static,
        boot: impl Fn(&SimDoors, &O) -> P + 'static,
    ) -> Self {
        Self {
            tables,
            boot: Arc::new(boot),
            invariants: Vec::new(),
            outside: Box::new(outside),
            seeds: SEEDS,
        }
    }

    /// Asks this of each durable state; an error fails the story.
    #[must_use]
    pub fn invariant(
        mut self,
        holds: impl Fn(&Snapshot) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.invariants.push(Arc::new(holds));
        self
    }

    /// Plays under so many seeds.
    #[must_use]
    pub fn seeds(mut self, count: u64) -> Self {
        self.seeds = count;
        self
    }

    /// Plays a story under each seed, or only under the one that `HAAR_SIM_SEED` names.
    ///
    /// # Panics
    /// When the story does; the failing seed is printed first.
    pub fn check(&self, story: impl Fn(&mut World<'_, O, P>)) {
        match std::env::var(SEED).ok().and_then(|seed| seed.parse().ok()) {
            Some(seed) => self.play(seed, &story),
            None => (0..self.seeds).for_each(|seed| self.play(seed, &story)),
        }
    }

    #[allow(clippy::print_stderr)] // whoever reads the failed test needs the seed
    fn play(&self, seed: u64, story: &impl Fn(&mut World<'_, O, P>)) {
        let played = catch_unwind(AssertUnwindSafe(|| {
            let chance = IdSource::seeded(seed);
            let outside = (self.outside)(&IdSource::seeded(chance.draw()));
            let mut world = World::start(self, chance, outside);
            story(&mut world);
            world.end();
        }));
        if let Err(panic) = played {
            eprintln!("the story failed under seed {seed}; again: {SEED}={seed}");
            resume_unwind(panic);
        }
    }
}
