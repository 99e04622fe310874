//! Who else may use a layer version.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Command, Query};
use haar_lambda_contract::model::{
    AddLayerVersionPermission, AddLayerVersionPermissionResponse, GetLayerVersionPolicy,
    GetLayerVersionPolicyResponse, RemoveLayerVersionPermission,
};
use haar_ledger::{Snapshot, Tx};

use super::Input;
use super::layer::named_version;
use super::permission::no_such_resource;
use crate::lookup::check_revision;
use crate::rules::permission;
use crate::state::{LayerVersionKey, LayerVersionRow};
use crate::{Lambda, Refusal};

fn find(snapshot: &Snapshot, key: &LayerVersionKey) -> Result<Arc<LayerVersionRow>, Refusal> {
    snapshot.get::<LayerVersionRow>(key).ok_or_else(|| {
        Refusal::ResourceNotFound(format!("Layer version {} does not exist.", key.arn()))
    })
}

/// AWS docs: *Lambda API Reference > AddLayerVersionPermission*.
impl Command<AddLayerVersionPermission> for Lambda {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<AddLayerVersionPermission>,
    ) -> Answer<AddLayerVersionPermission> {
        let key = named_version(call, &input.layer_name, input.version_number)?;
        let mut row = LayerVersionRow::clone(&*find(tx, &key)?);
        check_revision(input.revision_id.as_deref(), &row.revision_id, "GetLayerPolicy")?;
        let organization = input.organization_id.as_deref();
        let new = permission::layer_statement(
            &input.statement_id,
            &input.principal,
            organization,
            key.arn().as_str(),
        )?;
        permission::check_addition(&row.statements, &new)?;
        row.statements.push(new.clone());
        row.revision_id = call.ids.uuid();
        let revision_id = Some(row.revision_id.clone());
        tx.put(row);
        Ok(AddLayerVersionPermissionResponse { statement: Some(new.json), revision_id })
    }
}

/// AWS docs: *Lambda API Reference > RemoveLayerVersionPermission*.
impl Command<RemoveLayerVersionPermission> for Lambda {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<RemoveLayerVersionPermission>,
    ) -> Answer<RemoveLayerVersionPermission> {
        let key = named_version(call, &input.layer_name, input.version_number)?;
        let mut row = LayerVersionRow::clone(&*find(tx, &key)?);
        check_revision(input.revision_id.as_deref(), &row.revision_id, "GetLayerPolicy")?;
        let present = row.statements.len();
        row.statements.retain(|statement| statement.sid != input.statement_id);
        if row.statements.len() == present {
            let text = format!("Statement {} is not found in resource policy.", input.statement_id);
            return Err(Refusal::ResourceNotFound(text).into());
        }
        row.revision_id = call.ids.uuid();
        tx.put(row);
        Ok(Default::default())
    }
}

/// AWS docs: *Lambda API Reference > GetLayerVersionPolicy*.
impl Query<GetLayerVersionPolicy> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<GetLayerVersionPolicy>,
    ) -> Answer<GetLayerVersionPolicy> {
        let key = named_version(call, &input.layer_name, input.version_number)?;
        let row = snapshot.get::<LayerVersionRow>(&key).ok_or_else(no_such_resource)?;
        if row.statements.is_empty() {
            let text = "No policy is associated with the given resource.";
            return Err(Refusal::ResourceNotFound(text.to_owned()).into());
        }
        Ok(GetLayerVersionPolicyResponse {
            policy: Some(permission::document(&row.statements)),
            revision_id: Some(row.revision_id.clone()),
        })
    }
}
