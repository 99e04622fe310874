//! The room's operations, by noun.

mod events;
mod filter;
mod group;
mod kms_key;
mod live_tail;
mod metric_filter;
mod retention;
mod stream;
mod subscription_filter;
mod tags;
