//! What other rooms see of parameters.

use haar_kernel::DataKey;
use haar_ledger::Snapshot;
use haar_ssm_contract::peek::{ParameterError, SsmPeek};
use haar_types::{AccountId, Region};

use crate::lookup::find_at;
use crate::render;
use crate::rules::name::Reference;

/// The room's facts; they all are in the ledger.
pub(crate) struct Peek {
    pub(crate) key: DataKey,
}

impl SsmPeek for Peek {
    fn value(
        &self,
        snapshot: &Snapshot,
        account: &AccountId,
        region: &Region,
        name: &str,
    ) -> Result<String, ParameterError> {
        let at = Reference::read(account, region, name);
        let at = at.ok_or_else(|| ParameterError::Malformed(name.to_owned()))?;
        let found = find_at(snapshot, &at).map_err(|error| match error.name() {
            "ParameterVersionNotFound" => ParameterError::VersionNotFound(name.to_owned()),
            _ => ParameterError::NotFound(name.to_owned()),
        })?;
        let value = render::value(&self.key, &found.version, true);
        value.ok_or_else(|| ParameterError::NotFound(name.to_owned()))
    }
}
