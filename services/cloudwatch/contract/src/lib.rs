//! Contract of the cloudwatch room: generated model, peeks, events.
