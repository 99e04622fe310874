//! What the room does by itself.

mod expiry;

pub use expiry::Expiry;
