//! Contract of the iam room: generated model, peeks, events.
