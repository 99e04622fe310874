//! Tags of secrets.

use haar_kernel::{Answer, Call, Command};
use haar_ledger::Tx;
use haar_secretsmanager_contract::{
    TagResource, TagResourceOutput, TagResourceRequest, UntagResource, UntagResourceOutput,
    UntagResourceRequest,
};

use crate::SecretsManager;
use crate::lookup::find_own;
use crate::rules::name::add_tags;
use crate::state::SecretRow;

impl Command<TagResource> for SecretsManager {
    fn command(&self, call: &Call, tx: &mut Tx, input: TagResourceRequest) -> Answer<TagResource> {
        let mut row = SecretRow::clone(&*find_own(tx, call, &input.secret_id)?);
        add_tags(&mut row.tags, input.tags)?;
        tx.put(row);
        Ok(TagResourceOutput {})
    }
}

impl Command<UntagResource> for SecretsManager {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UntagResourceRequest,
    ) -> Answer<UntagResource> {
        let mut row = SecretRow::clone(&*find_own(tx, call, &input.secret_id)?);
        row.tags.retain(|key, _| !input.tag_keys.contains(key));
        tx.put(row);
        Ok(UntagResourceOutput {})
    }
}
