//! Contract of the lambda room: generated model, peeks, events.
