//! Connections.

use haar_events_contract::model::{
    Connection, ConnectionAuthResponseParameters, ConnectionAuthorizationType, ConnectionState,
    CreateConnection, CreateConnectionRequest, CreateConnectionResponse, DeauthorizeConnection,
    DeauthorizeConnectionRequest, DeauthorizeConnectionResponse, DeleteConnection,
    DeleteConnectionRequest, DeleteConnectionResponse, DescribeConnection,
    DescribeConnectionRequest, DescribeConnectionResponse, ListConnections, ListConnectionsRequest,
    ListConnectionsResponse, UpdateConnection, UpdateConnectionRequest, UpdateConnectionResponse,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_wire::{AwsError, Json, to_json};

use super::{check_count, listing, named};
use crate::Events;
use crate::refusal::{exists, invalid, not_found};
use crate::rules::auth::{member, merged, shown};
use crate::state::{ConnectionRow, NameKey};

/// Connections of an account in a region. *Amazon EventBridge quotas*.
const CONNECTIONS_MAX: usize = 3000;

/// Whose parameters are sealed.
pub(crate) fn about(key: &NameKey) -> String {
    format!("events/connection/{}/{}/{}", key.account, key.region, key.name)
}

impl Events {
    /// A connection's parameters.
    pub(crate) fn parameters(&self, row: &ConnectionRow) -> Json {
        let opened = self.key.open(&about(&row.key), &row.sealed);
        let read = opened.and_then(|text| serde_json::from_slice(&text).ok());
        read.unwrap_or_default()
    }

    fn sealed(&self, call: &Call, key: &NameKey, parameters: &Json) -> Vec<u8> {
        self.key.seal(&call.ids, &about(key), parameters.to_string().as_bytes())
    }
}

fn check(parameters: &Json, kind: ConnectionAuthorizationType) -> Result<(), AwsError> {
    match parameters.get(member(kind)) {
        Some(_) => Ok(()),
        None => Err(invalid(format!("Parameter(s) {} must be specified.", member(kind)))),
    }
}

/// Refuses endpoints in private networks. *Ours*: AWS reaches them by resource configurations.
fn check_reach(is_private: bool) -> Result<(), AwsError> {
    match is_private {
        true => Err(invalid("InvocationConnectivityParameters is not implemented by haar.")),
        false => Ok(()),
    }
}

fn state(row: &ConnectionRow) -> ConnectionState {
    match row.is_authorized {
        true => ConnectionState::Authorized,
        false => ConnectionState::Deauthorized,
    }
}

fn find(snapshot: &Snapshot, call: &Call, name: &str) -> Result<ConnectionRow, AwsError> {
    let row = snapshot.get::<ConnectionRow>(&NameKey::own(call, name));
    let text = format!("Failed to describe the connection(s). Connection '{name}' does not exist.");
    row.map(|row| ConnectionRow::clone(&row)).ok_or_else(|| not_found(text))
}

impl Command<CreateConnection> for Events {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateConnectionRequest,
    ) -> Answer<CreateConnection> {
        check_reach(input.invocation_connectivity_parameters.is_some())?;
        let key = NameKey::own(call, &input.name);
        if tx.contains::<ConnectionRow>(&key) {
            return Err(exists(format!("Connection {} already exists.", key.name)));
        }
        let kind = input.authorization_type;
        let parameters = merged(Json::Null, to_json(&input.auth_parameters), kind);
        check(&parameters, kind)?;
        check_count::<ConnectionRow>(tx, call, CONNECTIONS_MAX)?;
        let row = ConnectionRow {
            sealed: self.sealed(call, &key, &parameters),
            key,
            id: call.ids.uuid(),
            description: input.description,
            kind,
            is_authorized: true,
            kms_key: input.kms_key_identifier,
            created_at: call.now,
            modified_at: call.now,
            authorized_at: call.now,
        };
        let output = CreateConnectionResponse {
            connection_arn: Some(row.arn()),
            connection_state: Some(state(&row)),
            creation_time: Some(row.created_at),
            last_modified_time: Some(row.modified_at),
        };
        tx.put(row);
        Ok(output)
    }
}

impl Command<UpdateConnection> for Events {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateConnectionRequest,
    ) -> Answer<UpdateConnection> {
        check_reach(input.invocation_connectivity_parameters.is_some())?;
        let mut row = find(tx, call, &input.name)?;
        row.kind = input.authorization_type.unwrap_or(row.kind);
        let new = input.auth_parameters.as_ref().map(|given| to_json(given)).unwrap_or_default();
        let parameters = merged(self.parameters(&row), new, row.kind);
        check(&parameters, row.kind)?;
        row.sealed = self.sealed(call, &row.key, &parameters);
        row.description = input.description.or(row.description);
        row.kms_key = input.kms_key_identifier.or(row.kms_key);
        row.is_authorized = true;
        row.modified_at = call.now;
        row.authorized_at = call.now;
        let output = UpdateConnectionResponse {
            connection_arn: Some(row.arn()),
            connection_state: Some(state(&row)),
            creation_time: Some(row.created_at),
            last_modified_time: Some(row.modified_at),
            last_authorized_time: Some(row.authorized_at),
        };
        tx.put(row);
        Ok(output)
    }
}

impl Command<DeauthorizeConnection> for Events {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeauthorizeConnectionRequest,
    ) -> Answer<DeauthorizeConnection> {
        let mut row = find(tx, call, &input.name)?;
        row.sealed = self.sealed(call, &row.key, &Json::Null);
        row.is_authorized = false;
        self.http.forget_token(&row.arn());
        row.modified_at = call.now;
        let output = DeauthorizeConnectionResponse {
            connection_arn: Some(row.arn()),
            connection_state: Some(state(&row)),
            creation_time: Some(row.created_at),
            last_modified_time: Some(row.modified_at),
            last_authorized_time: Some(row.authorized_at),
        };
        tx.put(row);
        Ok(output)
    }
}

impl Command<DeleteConnection> for Events {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteConnectionRequest,
    ) -> Answer<DeleteConnection> {
        let row = find(tx, call, &input.name)?;
        tx.remove::<ConnectionRow>(&row.key);
        self.http.forget_token(&row.arn());
        Ok(DeleteConnectionResponse {
            connection_arn: Some(row.arn()),
            connection_state: Some(ConnectionState::Deleting),
            creation_time: Some(row.created_at),
            last_modified_time: Some(row.modified_at),
            last_authorized_time: Some(row.authorized_at),
        })
    }
}

impl Query<DescribeConnection> for Events {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeConnectionRequest,
    ) -> Answer<DescribeConnection> {
        let row = find(snapshot, call, &input.name)?;
        let parameters = shown(self.parameters(&row));
        let auth_parameters: Option<ConnectionAuthResponseParameters> =
            haar_wire::restore(parameters).ok();
        let place = format!("{}:{}", row.key.region, row.key.account);
        let secret = format!("events!connection/{}/{}", row.key.name, row.id);
        Ok(DescribeConnectionResponse {
            connection_arn: Some(row.arn()),
            name: Some(row.key.name.clone()),
            description: row.description.clone(),
            connection_state: Some(state(&row)),
            authorization_type: Some(row.kind),
            secret_arn: Some(format!("arn:aws:secretsmanager:{place}:secret:{secret}")),
            kms_key_identifier: row.kms_key.clone(),
            auth_parameters,
            creation_time: Some(row.created_at),
            last_modified_time: Some(row.modified_at),
            last_authorized_time: Some(row.authorized_at),
            ..DescribeConnectionResponse::default()
        })
    }
}

impl Query<ListConnections> for Events {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListConnectionsRequest,
    ) -> Answer<ListConnections> {
        let listing = listing::<ListConnections>(call, &input)?;
        let prefix = input.name_prefix.unwrap_or_default();
        let is_asked_for = |row: &ConnectionRow| {
            row.key.name.starts_with(&prefix)
                && input.connection_state.is_none_or(|asked| asked == state(row))
        };
        let all = named::<ConnectionRow>(snapshot, call).filter(|row| is_asked_for(row));
        let page = listing.page(all, |row| row.key.name.clone());
        let shown = |row: &std::sync::Arc<ConnectionRow>| Connection {
            connection_arn: Some(row.arn()),
            name: Some(row.key.name.clone()),
            connection_state: Some(state(row)),
            state_reason: None,
            authorization_type: Some(row.kind),
            creation_time: Some(row.created_at),
            last_modified_time: Some(row.modified_at),
            last_authorized_time: Some(row.authorized_at),
        };
        let connections = page.items.iter().map(shown).collect();
        Ok(ListConnectionsResponse { connections: Some(connections), next_token: page.next })
    }
}
