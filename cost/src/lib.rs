//! The meter and the bill: what functions used, and what AWS would charge for it.
//!
//! Use is summed up by account, region, day and function. **Invariant:** money is exact
//! ([`Dollars`]) until it is printed, and a bill's parts add up to its total.
//!
//! Begin with [`Bill::of`]. Prices are in `prices.toml`, with their date and source.

mod bill;
mod money;
mod prices;
mod usage;

pub use bill::{Bill, Charges, FunctionBill};
pub use money::{Dollars, Price};
pub use prices::LambdaPrices;
pub use usage::{Architecture, ComputeUsage, Usage};
