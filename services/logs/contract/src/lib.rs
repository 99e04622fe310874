//! Contract of the logs room: generated model, peeks, events.
