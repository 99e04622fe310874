//! Reading parameters.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Flow, Query, page, read_token};
use haar_ledger::Snapshot;
use haar_ssm_contract::{
    GetParameter, GetParameterRequest, GetParameterResult, GetParameters, GetParametersByPath,
    GetParametersByPathRequest, GetParametersByPathResult, GetParametersRequest,
    GetParametersResult, InvalidNextToken,
};
use haar_wire::AwsError;

use super::reference;
use crate::lookup::{Found, find, version};
use crate::refusal::invalid;
use crate::rules::filter;
use crate::rules::name::prefix_of_path;
use crate::state::parameters;
use crate::{Ssm, render};

/// Parameters of a page, by path, at most.
const PAGE_MAX: usize = 10;

impl Flow<GetParameter> for Ssm {
    async fn flow(self: Arc<Self>, call: Call, input: GetParameterRequest) -> Answer<GetParameter> {
        let decrypt = input.with_decryption == Some(true);
        let parameter = match reference::secret_named(&input.name) {
            Some(secret) => reference::parameter(&self, &call, secret, decrypt).await?,
            None => {
                let snapshot = self.doors.ledger.snapshot();
                let found = find(&snapshot, &call, &input.name)?;
                render::parameter(&self.key, &found, decrypt)
            }
        };
        Ok(GetParameterResult { parameter: Some(parameter) })
    }
}

impl Flow<GetParameters> for Ssm {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: GetParametersRequest,
    ) -> Answer<GetParameters> {
        let decrypt = input.with_decryption == Some(true);
        let snapshot = self.doors.ledger.snapshot();
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for (index, name) in input.names.iter().enumerate() {
            if input.names[..index].contains(name) {
                let text = "Parameter names and ARNs must be unique within a request.";
                return Err(invalid(text));
            }
            let read = match reference::secret_named(name) {
                Some(secret) => reference::parameter(&self, &call, secret, decrypt).await,
                None => find(&snapshot, &call, name)
                    .map(|found| render::parameter(&self.key, &found, decrypt)),
            };
            match read {
                Ok(parameter) => found.push(parameter),
                Err(error) if is_missing(&error) => missing.push(name.clone()),
                Err(error) => return Err(error),
            }
        }
        found.sort_by(|one, other| (&one.name, &one.selector).cmp(&(&other.name, &other.selector)));
        Ok(GetParametersResult { parameters: Some(found), invalid_parameters: Some(missing) })
    }
}

fn is_missing(error: &AwsError) -> bool {
    matches!(error.name(), "ParameterNotFound" | "ParameterVersionNotFound")
}

impl Query<GetParametersByPath> for Ssm {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetParametersByPathRequest,
    ) -> Answer<GetParametersByPath> {
        let decrypt = input.with_decryption == Some(true);
        let filters = filter::read(input.parameter_filters, filter::BY_PATH)?;
        let prefix = prefix_of_path(&input.path)?;
        let recursive = input.recursive == Some(true);
        let filter_scope: Vec<String> = filters.iter().map(filter::Filter::scope).collect();
        let scope = format!(
            "GetParametersByPath/{}/{}/{prefix}/{recursive}/{filter_scope:?}",
            call.account, call.region
        );
        let after = after(&scope, input.next_token)?;
        let rows = parameters(snapshot, &call.account, &call.region, &prefix);
        let rows = rows.filter(|row| {
            let rest = row.key.2.strip_prefix(&prefix).unwrap_or_default();
            (recursive || !rest.contains('/'))
                && after.as_ref().is_none_or(|last| row.key.2 > *last)
        });
        let found = rows.filter_map(|row| {
            let newest = version(snapshot, &row.key, row.version)?;
            let fits = filters.iter().all(|filter| filter.fits(&row, &newest));
            fits.then_some(Found { row, version: newest, selector: None })
        });
        let page = page(found, limit(input.max_results, PAGE_MAX), &scope, |found| {
            found.row.key.2.clone()
        });
        let shown = page.items.iter().map(|found| render::parameter(&self.key, found, decrypt));
        Ok(GetParametersByPathResult { parameters: Some(shown.collect()), next_token: page.next })
    }
}

/// The size of a page; the model bounds what may be asked for.
pub(super) fn limit(wanted: Option<i32>, max: usize) -> usize {
    wanted
        .and_then(|wanted| usize::try_from(wanted).ok())
        .map_or(max, |wanted| wanted.clamp(1, max))
}

/// Where a page goes on.
pub(super) fn after(scope: &str, token: Option<String>) -> Result<Option<String>, AwsError> {
    let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(None) };
    let bad = |_| AwsError::from(InvalidNextToken::message("The specified token is not valid."));
    read_token(scope, &token).map(Some).map_err(bad)
}
