//! A carrier for rooms: reads what a parcel holds, and hands it to the room while that is there.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Carrier, Parcel, Verdict};

/// The wait until the room is there. *Ours*.
const ROOM_WAIT: Duration = Duration::from_secs(1);

/// What the parcels of a room hold.
pub trait Errand: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Who carries them.
    type Room: Send + Sync + 'static;

    /// Makes one attempt, see [`Carrier::carry`].
    fn run(self, room: &Self::Room, parcel: &Parcel) -> impl Future<Output = Verdict> + Send;

    /// As a parcel holds it.
    fn to_payload(&self) -> Bytes {
        serde_json::to_vec(self).expect("an errand is plain data").into()
    }
}

/// Carries errands for a room, and does not keep it alive.
pub struct Porter<E: Errand> {
    room: Weak<E::Room>,
    errand: PhantomData<fn() -> E>,
}

impl<E: Errand> Porter<E> {
    /// Carries for a room.
    pub fn of(room: &Arc<E::Room>) -> Arc<Self> {
        Arc::new(Self { room: Arc::downgrade(room), errand: PhantomData })
    }
}

impl<E: Errand> Carrier for Porter<E> {
    fn carry<'a>(&'a self, parcel: &'a Parcel) -> BoxFuture<'a, Verdict> {
        async move {
            // Without its room the courier ends too: the parcel stays.
            let Some(room) = self.room.upgrade() else { return Verdict::Retry(ROOM_WAIT) };
            match serde_json::from_slice::<E>(&parcel.payload) {
                Ok(errand) => errand.run(&room, parcel).await,
                Err(error) => {
                    tracing::error!(%error, "a parcel cannot be read; it is dropped");
                    Verdict::Done
                }
            }
        }
        .boxed()
    }
}
