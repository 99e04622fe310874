//! Durable deliveries with retries: what a topic, a rule, a bucket or a schedule sends.
//!
//! A room writes its parcels in the same batch as the record that they tell of, or by
//! themselves; from then on the courier hands each to the room's [`Carrier`] until that says
//! [`Verdict::Done`]. What a parcel holds, when it is given up and where dead letters go is the
//! carrier's to know.
//!
//! **Invariant:** a parcel whose batch is on disk is carried at least once, whatever happens in
//! between. **Invariant:** parcels of an ordered lane are carried one after another, in the order
//! of their staging. **Invariant:** a parcel has a place only while it is carried; no account has
//! all of them, whatever its receivers do, and no receiver all of its account's: each lane has a
//! bound of its own, and a place that comes free is for who has fewest.
//!
//! Rooms whose parcels hold one kind of thing implement [`Errand`] and leave the carrying to a
//! [`Porter`].
//!
//! Begin reading at [`Courier`].

mod courier;
mod paces;
mod parcel;
mod porter;
mod retries;
mod schedule;

pub use courier::{Carrier, Courier, CourierError, CourierSettings, Staged, Verdict, back_off};
pub use paces::Paces;
pub use parcel::{Lane, Letter, Parcel};
pub use porter::{Errand, Porter};
pub use retries::{Exhausted, GivenUp, Outcome, Retries, after_dead_letter};
