//! Function URLs.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Command, Query};
use haar_lambda_contract::model::{
    Cors as CorsShape, CreateFunctionUrlConfig, CreateFunctionUrlConfigResponse,
    DeleteFunctionUrlConfig, GetFunctionUrlConfig, GetFunctionUrlConfigResponse,
    ListFunctionUrlConfigs, ListFunctionUrlConfigsResponse, UpdateFunctionUrlConfig,
    UpdateFunctionUrlConfigResponse,
};
use haar_ledger::{Snapshot, Tx};

use super::Input;
use super::listing::Listing;
use super::permission::no_such_resource;
use crate::lookup::find_unqualified;
use crate::rules::names::function_and_qualifier;
use crate::state::{AliasRow, Cors, FunctionRow, QualifiedKey, UrlRow};
use crate::{Lambda, Refusal, render};

/// Letters of a URL's id, as AWS's have them.
const URL_ID_LEN: usize = 32;

/// The function or alias that is to have a URL.
fn find_subject(
    call: &Call,
    snapshot: &Snapshot,
    name: &str,
    qualifier: Option<&str>,
) -> Result<QualifiedKey, Refusal> {
    let (function, qualifier) =
        function_and_qualifier(&call.account, &call.region, name, qualifier)?;
    let key = QualifiedKey::new(&function, qualifier.as_deref());
    let is_there = snapshot.contains::<FunctionRow>(&function)
        && (qualifier.is_none() || snapshot.contains::<AliasRow>(&key));
    if is_there {
        return Ok(key);
    }
    Err(Refusal::ResourceNotFound("Function does not exist".to_owned()))
}

fn find_url(
    call: &Call,
    snapshot: &Snapshot,
    name: &str,
    qualifier: Option<&str>,
) -> Result<Arc<UrlRow>, Refusal> {
    let (function, qualifier) =
        function_and_qualifier(&call.account, &call.region, name, qualifier)?;
    let key = QualifiedKey::new(&function, qualifier.as_deref());
    snapshot.get::<UrlRow>(&key).ok_or_else(no_such_resource)
}

fn cors_of(shape: CorsShape) -> Cors {
    Cors {
        allow_credentials: shape.allow_credentials,
        allow_headers: shape.allow_headers,
        allow_methods: shape.allow_methods,
        allow_origins: shape.allow_origins,
        expose_headers: shape.expose_headers,
        max_age_s: shape.max_age,
    }
}

/// AWS docs: *Lambda API Reference > CreateFunctionUrlConfig*.
impl Command<CreateFunctionUrlConfig> for Lambda {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<CreateFunctionUrlConfig>,
    ) -> Answer<CreateFunctionUrlConfig> {
        let qualifier = input.qualifier.as_deref();
        let key = find_subject(call, tx, &input.function_name, qualifier)?;
        if tx.contains::<UrlRow>(&key) {
            return Err(Refusal::ResourceConflict(format!(
                "Failed to create function url config for [functionArn = {}]. Error message:  \
                 FunctionUrlConfig exists for this Lambda function",
                key.arn()
            ))
            .into());
        }
        let row = UrlRow {
            key,
            url_id: call.ids.of(b"abcdefghijklmnopqrstuvwxyz234567", URL_ID_LEN),
            auth_type: input.auth_type.to_string(),
            invoke_mode: input
                .invoke_mode
                .map_or_else(|| "BUFFERED".to_owned(), |mode| mode.to_string()),
            cors: input.cors.map(cors_of),
            created_at: call.now,
            last_modified_at: call.now,
        };
        let shown = render::url_config(&row, &call.endpoint);
        tx.put(row);
        Ok(CreateFunctionUrlConfigResponse {
            function_url: shown.function_url,
            function_arn: shown.function_arn,
            auth_type: shown.auth_type,
            cors: shown.cors,
            creation_time: shown.creation_time,
            invoke_mode: shown.invoke_mode,
        })
    }
}

/// AWS docs: *Lambda API Reference > GetFunctionUrlConfig*.
impl Query<GetFunctionUrlConfig> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<GetFunctionUrlConfig>,
    ) -> Answer<GetFunctionUrlConfig> {
        let qualifier = input.qualifier.as_deref();
        let row = find_url(call, snapshot, &input.function_name, qualifier)?;
        let shown = render::url_config(&row, &call.endpoint);
        Ok(GetFunctionUrlConfigResponse {
            function_url: shown.function_url,
            function_arn: shown.function_arn,
            auth_type: shown.auth_type,
            cors: shown.cors,
            creation_time: shown.creation_time,
            last_modified_time: shown.last_modified_time,
            invoke_mode: shown.invoke_mode,
        })
    }
}

/// AWS docs: *Lambda API Reference > UpdateFunctionUrlConfig*.
impl Command<UpdateFunctionUrlConfig> for Lambda {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<UpdateFunctionUrlConfig>,
    ) -> Answer<UpdateFunctionUrlConfig> {
        let qualifier = input.qualifier.as_deref();
        let mut row = UrlRow::clone(&*find_url(call, tx, &input.function_name, qualifier)?);
        if let Some(auth_type) = input.auth_type {
            row.auth_type = auth_type.to_string();
        }
        if let Some(mode) = input.invoke_mode {
            row.invoke_mode = mode.to_string();
        }
        if let Some(cors) = input.cors {
            row.cors = Some(cors_of(cors)).filter(|cors| *cors != Cors::default());
        }
        row.last_modified_at = call.now;
        let shown = render::url_config(&row, &call.endpoint);
        tx.put(row);
        Ok(UpdateFunctionUrlConfigResponse {
            function_url: shown.function_url,
            function_arn: shown.function_arn,
            auth_type: shown.auth_type,
            cors: shown.cors,
            creation_time: shown.creation_time,
            last_modified_time: shown.last_modified_time,
            invoke_mode: shown.invoke_mode,
        })
    }
}

/// AWS docs: *Lambda API Reference > DeleteFunctionUrlConfig*.
impl Command<DeleteFunctionUrlConfig> for Lambda {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<DeleteFunctionUrlConfig>,
    ) -> Answer<DeleteFunctionUrlConfig> {
        let qualifier = input.qualifier.as_deref();
        let row = find_url(call, tx, &input.function_name, qualifier)?;
        tx.remove::<UrlRow>(&row.key);
        Ok(Default::default())
    }
}

/// AWS docs: *Lambda API Reference > ListFunctionUrlConfigs*.
impl Query<ListFunctionUrlConfigs> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<ListFunctionUrlConfigs>,
    ) -> Answer<ListFunctionUrlConfigs> {
        let function =
            find_unqualified(snapshot, &call.account, &call.region, &input.function_name)?;
        let subject = format!("urls/{}", function.key.name);
        let listing = Listing::new(call, &subject, input.marker.as_deref(), input.max_items)?;
        let rows = snapshot.range::<UrlRow>(QualifiedKey::all(&function.key));
        let page = listing.page(rows, |row| row.key.qualifier.clone());
        let shown = page.items.iter().map(|row| render::url_config(row, &call.endpoint));
        Ok(ListFunctionUrlConfigsResponse {
            function_url_configs: shown.collect(),
            next_marker: page.next,
        })
    }
}
