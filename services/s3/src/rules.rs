//! Rules that need no state.

pub(crate) mod acl;
pub(crate) mod archive;
pub(crate) mod bucket_name;
pub(crate) mod bucket_policy;
pub(crate) mod condition;
pub(crate) mod copy_source;
pub(crate) mod cors;
pub(crate) mod customer_key;
pub(crate) mod encryption;
pub(crate) mod form_policy;
pub(crate) mod given_id;
pub(crate) mod head;
pub(crate) mod integrity;
pub(crate) mod lifecycle;
pub(crate) mod location;
pub(crate) mod method;
pub(crate) mod notification;
pub(crate) mod public;
pub(crate) mod range;
pub(crate) mod replication;
pub(crate) mod tags;
pub(crate) mod transition;
pub(crate) mod website;
