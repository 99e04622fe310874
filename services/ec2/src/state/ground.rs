//! Where this cloud's default VPCs lie.

use std::net::Ipv4Addr;

use haar_ledger::Row;
use serde::{Deserialize, Serialize};

/// The range of default VPCs that are yet to be made; there is one row, or none. Writer: the start
/// of the process, which sees what else is on the host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GroundRow {
    /// Its first address; it has 16 bits more.
    pub(crate) first: Ipv4Addr,
}

impl GroundRow {
    /// The key of the only row.
    pub(crate) const KEY: &str = "default-vpc";
}

impl Row for GroundRow {
    type Key = String;
    const TABLE: &'static str = "ec2.ground";

    fn key(&self) -> String {
        Self::KEY.to_owned()
    }
}
