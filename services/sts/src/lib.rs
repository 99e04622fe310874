//! The sts room.
