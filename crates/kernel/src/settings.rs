//! What the operator chose.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use haar_types::{AccountId, Region};

use crate::Quotas;

/// Who is let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// Any key works; a 12-digit key id names the account.
    #[default]
    Permissive,
    /// Signatures and policies decide every call.
    Enforce,
}

/// What the operator chose at start; the same for all rooms.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who is let in.
    pub auth: Auth,
    /// The account of callers whose key names none.
    pub account: AccountId,
    /// The region of callers that name none.
    pub region: Region,
    /// The port that the API listens on.
    pub port: u16,
    /// Where state is kept; a temporary directory when ephemeral.
    pub data_dir: PathBuf,
    /// Nothing is kept.
    pub ephemeral: bool,
    /// Documented waits are divided by this (1 is as on AWS): async retries, idle reaping.
    pub wait_divisor: u32,
    /// Containers of tasks have users of their own: their root is nobody on the host.
    pub user_namespaces: bool,
    /// Signatures older than 15 minutes are refused.
    pub clock_skew_check: bool,
    /// The first address of default VPCs' ranges; those have 16 bits more.
    pub default_vpc: Option<Ipv4Addr>,
    /// A `node_modules` folder whose packages Node functions find.
    pub node_modules: Option<PathBuf>,
    /// What the operator put in the place of AWS's quotas.
    pub quotas: Quotas,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            auth: Auth::default(),
            account: AccountId::default(),
            region: Region::default(),
            port: 4566,
            data_dir: PathBuf::new(),
            ephemeral: true,
            wait_divisor: 1,
            user_namespaces: false,
            clock_skew_check: true,
            default_vpc: None,
            node_modules: None,
            quotas: Quotas::default(),
        }
    }
}

impl Settings {
    /// A wait that AWS documents, shortened as the operator asked.
    pub fn wait(&self, documented: Duration) -> Duration {
        documented / self.wait_divisor.max(1)
    }
}
