//! The bill, over metering records.
