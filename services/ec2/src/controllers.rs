//! What the room does by itself.

mod nat_gateways;

pub use nat_gateways::NatGateways;
