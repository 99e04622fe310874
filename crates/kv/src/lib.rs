//! Customer records too many for memory: ordered, durable, range scans.
