//! What is carried.

use bytes::Bytes;
use haar_types::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};

/// Which parcels of an account share a way to their receiver.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Lane {
    /// A bounded number of them is carried at once, in no order. Named by the receiver.
    Shared(String),
    /// One after another; later ones wait until the first is done, also while it is retried.
    Ordered(String),
}

/// A parcel that is about to be sent.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Whose it is: accounts share places evenly.
    pub owner: AccountId,
    /// Its way.
    pub lane: Lane,
    /// What the carrier needs to know of it.
    pub payload: Bytes,
    /// When it is to be carried first; at once where `None`.
    pub due_at: Option<Timestamp>,
    /// How often its sender has tried in vain before it came to the courier.
    pub failed_count: u32,
}

impl Letter {
    /// One that is due at once.
    pub fn new(owner: &AccountId, lane: Lane, payload: impl Into<Bytes>) -> Self {
        let (owner, payload) = (owner.clone(), payload.into());
        Self { owner, lane, payload, due_at: None, failed_count: 0 }
    }

    /// One that its sender could not deliver by itself at the first try.
    pub fn after_a_failure(self, due_at: Timestamp) -> Self {
        Self { due_at: Some(due_at), failed_count: 1, ..self }
    }
}

/// A parcel on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    /// Names it in its courier's keyspace; later ones have higher numbers.
    pub number: u64,
    /// Its way.
    pub lane: Lane,
    /// What the carrier needs to know of it.
    pub payload: Bytes,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// When it is to be carried next.
    pub due_at: Timestamp,
    /// How often it was carried in vain.
    pub failed_count: u32,
    /// Whose it is.
    #[serde(default)]
    pub owner: AccountId,
}

impl Parcel {
    /// What a sender that tries first by itself judges a failure by: a parcel that nobody keeps.
    pub fn unsent(letter: &Letter, now: Timestamp) -> Self {
        let Letter { owner, lane, payload, failed_count, .. } = letter.clone();
        Self { number: 0, lane, payload, sent_at: now, due_at: now, failed_count, owner }
    }
}
