//! The cloudwatch room.
