//! Policies that narrow a session.

use haar_ledger::Snapshot;
use haar_policy::{Document, Grammar};
use haar_sts_contract::PolicyDescriptorType;
use haar_wire::AwsError;

use crate::Sts;
use crate::refusal::{malformed, validation};

impl Sts {
    /// The texts of an inline policy and of managed ones, each read to be sure that it can be.
    pub(crate) fn session_policies(
        &self,
        snapshot: &Snapshot,
        inline: Option<String>,
        managed: Option<Vec<PolicyDescriptorType>>,
    ) -> Result<Vec<String>, AwsError> {
        let mut texts = Vec::new();
        if let Some(text) = inline {
            Document::parse(&text, Grammar::Session).map_err(malformed)?;
            texts.push(text);
        }
        for arn in managed.unwrap_or_default().into_iter().filter_map(|policy| policy.arn) {
            let text = self.iam().managed_policy(snapshot, &arn);
            texts.push(text.ok_or_else(|| validation(format!("Policy {arn} was not found.")))?);
        }
        Ok(texts)
    }
}
