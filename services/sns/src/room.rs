//! The room: its doors, its courier, its outbox.

use std::sync::{Arc, OnceLock};

use haar_caller::Caller;
use haar_courier::{Courier, CourierError, CourierSettings, Paces, Porter};
use haar_kernel::{DataKey, Doors, Kept, Lanes};
use haar_kv::KvError;
use haar_ledger::Tables;
use haar_pattern::Pattern;
use haar_wire::AwsError;

use crate::archive::Archive;
use crate::delivery::http::ANSWER_MAX;
use crate::lanes;
use crate::metrics::Metrics;
use crate::ordered::Ordered;
use crate::outbox::Outbox;
use crate::publish::Delivery;
use crate::rules::filter::{self, Scope};
use crate::signing::Signer;
use crate::state::{self, SubscriptionKey};
use crate::target::Topics;

/// Compiled filter policies that are kept at most.
const PATTERNS_MAX: usize = 10_000;

/// The room.
pub struct Sns {
    pub(crate) doors: Doors,
    pub(crate) metrics: Metrics,
    pub(crate) outbox: Outbox,
    pub(crate) ordered: Ordered,
    pub(crate) archive: Archive,
    pub(crate) caller: Caller,
    pub(crate) signer: Signer,
    pub(crate) paces: Paces<SubscriptionKey>,
    patterns: Kept<(String, bool), Pattern>,
    courier: OnceLock<Courier>,
}

impl Sns {
    /// The room's tables, to be known to the ledger before it opens.
    pub fn tables(tables: Tables) -> Tables {
        state::tables(tables)
    }

    /// Opens the room, and offers its topics to who sends to them.
    ///
    /// # Errors
    /// When kv does not open what the room keeps there.
    pub fn open(doors: &Doors, key: DataKey) -> Result<Arc<Self>, KvError> {
        doors.targets.offer("sns", Arc::new(Topics(doors.clone())));
        Ok(Arc::new(Self {
            doors: doors.clone(),
            metrics: Metrics::new(doors),
            outbox: Outbox::open(&doors.kv)?,
            ordered: Ordered::open(&doors.kv)?,
            archive: Archive::open(&doors.kv)?,
            caller: Caller::new(ANSWER_MAX),
            signer: Signer::open(doors, key)?,
            paces: Paces::default(),
            patterns: Kept::new(PATTERNS_MAX),
            courier: OnceLock::new(),
        }))
    }

    /// Every operation in its lane.
    pub fn lanes(lanes: &mut Lanes<Self>) {
        lanes::lanes(lanes);
    }

    /// Begins to carry notifications, also those that were left. Once all targets are offered.
    ///
    /// # Errors
    /// When those that were left cannot be read.
    pub fn start(self: &Arc<Self>) -> Result<(), CourierError> {
        let porter = Porter::<Delivery>::of(self);
        let (kv, clock) = (&self.doors.kv, self.doors.clock.clone());
        let settings = CourierSettings::default();
        let courier = Courier::open(kv, clock, "sns.delivery", porter, settings)?;
        let _ = self.courier.set(courier); // a second start keeps the first courier
        Ok(self.take_up_replays()?)
    }

    /// Forgets what is in memory; to be called in a reset.
    ///
    /// # Errors
    /// When notifications on their way cannot be removed.
    pub fn reset(&self) -> Result<(), KvError> {
        self.patterns.clear();
        self.ordered.forget();
        self.signer.forget();
        self.paces.clear();
        self.outbox.forget();
        self.courier.get().map_or(Ok(()), Courier::clear)
    }

    /// What went to people and devices, the newest first: email, SMS, mobile push.
    ///
    /// # Errors
    /// When kv fails.
    pub fn outbox(&self, count_max: usize) -> Result<Vec<serde_json::Value>, KvError> {
        self.outbox.newest(count_max)
    }

    pub(crate) fn courier(&self) -> Result<&Courier, AwsError> {
        self.courier.get().ok_or_else(|| AwsError::internal_failure("haar is starting"))
    }

    /// A filter policy, compiled once.
    pub(crate) fn pattern(&self, text: &str, scope: Scope) -> Option<Arc<Pattern>> {
        let key = (text.to_owned(), scope == Scope::Body);
        self.patterns.get(&key).or_else(|| {
            let pattern = filter::compile(text, scope).ok()?;
            Some(self.patterns.keep(key, pattern))
        })
    }
}
