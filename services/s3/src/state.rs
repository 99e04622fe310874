//! The room's table: buckets.

use std::collections::BTreeMap;

use haar_ledger::{Row, Tables};
use haar_s3_contract::model::{
    AnalyticsConfiguration, BucketLifecycleConfiguration, BucketVersioningStatus,
    CORSConfiguration, IntelligentTieringConfiguration, InventoryConfiguration, LoggingEnabled,
    MFADelete, MetricsConfiguration, NotificationConfiguration, ObjectLockConfiguration,
    ObjectOwnership, Payer, PublicAccessBlockConfiguration, ReplicationConfiguration,
    ServerSideEncryptionConfiguration, WebsiteConfiguration,
};
use haar_types::{AccountId, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use crate::rules::acl::Acl;

/// A bucket. Its name is one of a cloud, whoever's it is. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BucketRow {
    /// Key.
    pub(crate) name: String,
    /// Names this incarnation in the keys of its objects.
    pub(crate) id: u64,
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    pub(crate) created_at: Timestamp,
    /// `None` before anybody asked for versions.
    pub(crate) versioning: Option<BucketVersioningStatus>,
    pub(crate) mfa_delete: Option<MFADelete>,
    pub(crate) tags: Tags,
    /// Whether they count in policies.
    #[serde(default)]
    pub(crate) tags_count: bool,
    /// `None` for the owner's alone.
    pub(crate) acl: Option<Acl>,
    /// `None` once somebody deleted it: as `ObjectWriter`.
    pub(crate) ownership: Option<ObjectOwnership>,
    pub(crate) public_access_block: Option<PublicAccessBlockConfiguration>,
    pub(crate) policy: Option<String>,
    pub(crate) encryption: Option<ServerSideEncryptionConfiguration>,
    pub(crate) cors: Option<CORSConfiguration>,
    pub(crate) lifecycle: Option<BucketLifecycleConfiguration>,
    pub(crate) lifecycle_minimum_size: Option<String>,
    /// When the rules were written; later than any before.
    pub(crate) lifecycle_at: Timestamp,
    /// Writer: `controllers::lifecycles`. The midnight that the rules were last kept to.
    pub(crate) swept_at: Option<Timestamp>,
    pub(crate) notification: NotificationConfiguration,
    pub(crate) website: Option<WebsiteConfiguration>,
    /// Set where the bucket locks objects.
    pub(crate) lock: Option<ObjectLockConfiguration>,
    pub(crate) replication: Option<ReplicationConfiguration>,
    pub(crate) logging: Option<LoggingEnabled>,
    pub(crate) accelerate: Option<String>,
    pub(crate) payer: Payer,
    pub(crate) tiering: BTreeMap<String, IntelligentTieringConfiguration>,
    #[serde(default)]
    pub(crate) metrics: BTreeMap<String, MetricsConfiguration>,
    #[serde(default)]
    pub(crate) analytics: BTreeMap<String, AnalyticsConfiguration>,
    #[serde(default)]
    pub(crate) inventories: BTreeMap<String, InventoryConfiguration>,
}

impl BucketRow {
    /// A bucket that is about to exist, with what AWS gives to new ones.
    pub(crate) fn new(
        name: String,
        id: u64,
        account: AccountId,
        region: Region,
        created_at: Timestamp,
    ) -> Self {
        let all = PublicAccessBlockConfiguration {
            block_public_acls: Some(true),
            ignore_public_acls: Some(true),
            block_public_policy: Some(true),
            restrict_public_buckets: Some(true),
        };
        Self {
            name,
            id,
            account,
            region,
            created_at,
            versioning: None,
            mfa_delete: None,
            tags: Tags::new(),
            tags_count: false,
            acl: None,
            ownership: Some(ObjectOwnership::BucketOwnerEnforced),
            public_access_block: Some(all),
            policy: None,
            encryption: None,
            cors: None,
            lifecycle: None,
            lifecycle_minimum_size: None,
            lifecycle_at: created_at,
            swept_at: None,
            notification: NotificationConfiguration::default(),
            website: None,
            lock: None,
            replication: None,
            logging: None,
            accelerate: None,
            payer: Payer::BucketOwner,
            tiering: BTreeMap::new(),
            metrics: BTreeMap::new(),
            analytics: BTreeMap::new(),
            inventories: BTreeMap::new(),
        }
    }

    /// `arn:aws:s3:::NAME`.
    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:s3:::{}", self.name)
    }

    /// Whether ACLs have no say here.
    pub(crate) fn is_owner_enforced(&self) -> bool {
        self.ownership == Some(ObjectOwnership::BucketOwnerEnforced)
    }
}

impl Row for BucketRow {
    type Key = String;
    const TABLE: &'static str = "s3.bucket";

    fn key(&self) -> String {
        self.name.clone()
    }

    fn check(old: Option<&Self>, new: &Self) -> Result<(), String> {
        match old {
            Some(old)
                if old.id == new.id && old.versioning.is_some() && new.versioning.is_none() =>
            {
                Err("versions are not kept any more".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// The room's tables, to be known to the ledger before it opens.
pub(crate) fn tables() -> Tables {
    Tables::new().with::<BucketRow>()
}
