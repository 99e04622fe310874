//! *Tell*: events between rooms, written in the commit that they tell of, delivered at least
//! once to each listener, in the order of the commits.
//!
//! An event is one row per listener; a controller ([`Delivery`]) hands it over and then
//! removes the row. A crash between the two delivers it again, so listeners must bear
//! repetition: what an event asks for is named by its id ([`Told::id`]).
//!
//! **Invariant:** an event is told exactly when its commit holds.

mod delivery;

use std::any::Any;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use haar_ledger::{Row, Snapshot, Tables, Tx};
use haar_types::Timestamp;
use parking_lot::RwLock;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use delivery::{Delivery, DeliveryStep};

/// What a room tells its neighbours; declared in its contract's `events.rs`.
pub trait Event: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Names the kind of event: `ecs.task_state`. Never changes: told events outlive upgrades.
    const TOPIC: &'static str;
}

/// An event as a listener gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told<E> {
    /// The same at every repetition, and for this listener of no other event.
    pub id: String,
    /// When it was told.
    pub at: Timestamp,
    /// The event.
    pub event: E,
}

/// Why a listener could not take an event now; it gets it again, ever more seldom.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotHeard(pub String);

/// Hears of events of one kind. What it does must bear repetition.
pub trait Listener<E: Event>: Send + Sync + 'static {
    /// Takes one event. Later ones wait until it is taken.
    fn hear(&self, told: Told<E>) -> BoxFuture<'_, Result<(), NotHeard>>;

    /// Whether it would do anything with such an event, as the ledger stands in the commit that
    /// tells of it: what it does not want is never written down. Asked before an event is made
    /// in full too ([`Outbox::is_wanted`]): it must not look at what is costly to make.
    fn wants(&self, snapshot: &Snapshot, event: &E) -> bool {
        let _ = (snapshot, event);
        true
    }
}

/// Who hears of what; one for the whole process, filled while haar is wired.
#[derive(Clone, Default)]
pub struct Outbox {
    listeners: Arc<RwLock<Vec<Entry>>>,
}

type Hear = Arc<dyn Fn(&ToldRow) -> BoxFuture<'static, Result<(), NotHeard>> + Send + Sync>;
type Wants = Arc<dyn Fn(&Snapshot, &dyn Any) -> bool + Send + Sync>;

#[derive(Clone)]
struct Entry {
    name: &'static str,
    topic: &'static str,
    hear: Hear,
    wants: Wants,
}

impl Entry {
    fn hears<E: Event>(&self, snapshot: &Snapshot, event: &E) -> bool {
        self.topic == E::TOPIC && (self.wants)(snapshot, event)
    }
}

/// Names one event for one listener; in the order of telling.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct ToldKey {
    listener: String,
    number: u64,
}

/// An event that a listener has still to take. Writers: [`Outbox::tell`], then [`Delivery`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ToldRow {
    key: ToldKey,
    topic: String,
    /// The event as JSON.
    event: String,
    at: Timestamp,
}

impl Row for ToldRow {
    type Key = ToldKey;
    const TABLE: &'static str = "kernel.told";

    fn key(&self) -> ToldKey {
        self.key.clone()
    }
}

/// Counts what was told to a listener, so that no number comes twice.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ListenerRow {
    name: String,
    told_count: u64,
}

impl Row for ListenerRow {
    type Key = String;
    const TABLE: &'static str = "kernel.listener";

    fn key(&self) -> String {
        self.name.clone()
    }

    fn check(old: Option<&Self>, new: &Self) -> Result<(), String> {
        match old {
            Some(old) if new.told_count < old.told_count => Err("counts back".to_owned()),
            _ => Ok(()),
        }
    }
}

pub(crate) fn tables() -> Tables {
    Tables::new().with::<ToldRow>().with::<ListenerRow>()
}

impl Outbox {
    /// Lets `listener` hear of all `E` that are told from now on. `name` (`events.bus`) names it
    /// on disk: under the same name it gets, after a restart, what it has not taken yet.
    pub fn listen<E: Event>(&self, name: &'static str, listener: Arc<dyn Listener<E>>) {
        let asked = Arc::clone(&listener);
        let wants: Wants = Arc::new(move |snapshot, event| {
            event.downcast_ref::<E>().is_some_and(|event| asked.wants(snapshot, event))
        });
        let hear: Hear = Arc::new(move |row| {
            let listener = Arc::clone(&listener);
            let (id, at) = (format!("{}/{}", row.key.listener, row.key.number), row.at);
            let event = serde_json::from_str::<E>(&row.event);
            Box::pin(async move {
                let event = event.map_err(|error| NotHeard(error.to_string()))?;
                listener.hear(Told { id, at, event }).await
            })
        });
        self.listeners.write().push(Entry { name, topic: E::TOPIC, hear, wants });
    }

    /// Whether anybody wants an event like this one, of which only that is made yet which
    /// listeners look at ([`Listener::wants`]).
    pub fn is_wanted<E: Event>(&self, snapshot: &Snapshot, event: &E) -> bool {
        self.listeners.read().iter().any(|one| one.hears(snapshot, event))
    }

    /// Tells an event, as part of a transaction. Free where nobody listens.
    pub fn tell<E: Event>(&self, tx: &mut Tx, at: Timestamp, event: &E) {
        let listeners = self.listeners.read();
        let hearing: Vec<&Entry> = listeners.iter().filter(|one| one.hears(tx, event)).collect();
        if hearing.is_empty() {
            return;
        }
        let event = serde_json::to_string(event).expect("events are plain data");
        for entry in hearing {
            let name = entry.name.to_owned();
            let told = tx.get::<ListenerRow>(&name).map_or(0, |row| row.told_count);
            let key = ToldKey { listener: name.clone(), number: told };
            let topic = E::TOPIC.to_owned();
            tx.put(ToldRow { key, topic, event: event.clone(), at });
            tx.put(ListenerRow { name, told_count: told + 1 });
        }
    }

    fn find(&self, row: &ToldRow) -> Option<Hear> {
        let listeners = self.listeners.read();
        let is_it = |one: &&Entry| one.name == row.key.listener && one.topic == row.topic;
        listeners.iter().find(is_it).map(|entry| Arc::clone(&entry.hear))
    }
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let listeners = self.listeners.read();
        f.debug_list().entries(listeners.iter().map(|entry| (entry.name, entry.topic))).finish()
    }
}
