//! The words that every ring shares: names, times, sizes and tags.
//!
//! No I/O, no async, no AWS service by name. **Invariant:** a value of these types is
//! well-formed; parsing happens once, at the edge.
//!
//! Begin with [`Arn`] and [`Timestamp`].

mod arn;
mod hex;
mod ids;
mod regions;
mod tags;
mod time;
mod units;

pub use arn::{Arn, ArnError};
pub use hex::hex;
pub use ids::{AccountId, Partition, Region, RequestId};
pub use regions::{REGIONS, is_region_name, partition_of};
pub use tags::Tags;
pub use time::Timestamp;
pub use units::{CpuUnits, MemoryMib};
