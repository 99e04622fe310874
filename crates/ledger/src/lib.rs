//! Control state: typed tables in memory, a durable log below.
