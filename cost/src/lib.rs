//! The meter and the bill: what functions used, and what AWS would charge for it.
//!
//! Use is summed up by account, region, day and function. **Invariant:** money is exact
//! ([`Dollars`]) until it is printed, and a bill's parts add up to its total.
//!
//! Begin with [`UsageBook`] for where use is noted, and [`Bill::of`] for what functions cost.
//! Prices are in `prices.toml`, with their date and source: a service whose metered kinds have
//! plain prices needs nothing but its lines there.

mod bill;
mod fargate;
mod meter;
mod money;
mod prices;
mod render;
mod services;
mod storage;
mod usage;

pub use bill::{Bill, Charges, FunctionBill, FunctionName};
pub use meter::{ResourceUsage, UsageBook, month_of};
pub use money::{Dollars, Price};
pub use prices::{FargatePrices, LambdaPrices, StoragePrices};
pub use render::{bill_json, bill_text};
pub use services::ServicePrices;
pub use usage::{Architecture, ComputeUsage, Usage};
