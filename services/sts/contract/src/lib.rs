//! Contract of the sts room: generated model, peeks, events.
