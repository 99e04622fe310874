//! The iam room.
