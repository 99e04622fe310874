//! Account settings, and whose pulls are not dated.

use haar_ecr_contract::model::{
    DeregisterPullTimeUpdateExclusion, DeregisterPullTimeUpdateExclusionRequest,
    DeregisterPullTimeUpdateExclusionResponse, GetAccountSetting, GetAccountSettingRequest,
    GetAccountSettingResponse, ListPullTimeUpdateExclusions, ListPullTimeUpdateExclusionsRequest,
    ListPullTimeUpdateExclusionsResponse, PutAccountSetting, PutAccountSettingRequest,
    PutAccountSettingResponse, RegisterPullTimeUpdateExclusion,
    RegisterPullTimeUpdateExclusionRequest, RegisterPullTimeUpdateExclusionResponse,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use crate::Ecr;
use crate::listing::PageAsk;
use crate::refusal;
use crate::state::{RegistryKey, RegistryRow};

/// Exclusions on a page where the caller asks for no number.
const PAGE_COUNT: usize = 100;

/// Each setting with its values; the first holds until another is set.
const SETTINGS: [(&str, &[&str]); 3] = [
    ("BASIC_SCAN_TYPE_VERSION", &["AWS_NATIVE"]),
    ("REGISTRY_POLICY_SCOPE", &["V2"]),
    (BLOB_MOUNTING, &["DISABLED", "ENABLED"]),
];

/// Whether layers may be mounted from one repository into another.
pub(crate) const BLOB_MOUNTING: &str = "BLOB_MOUNTING";

/// The values that a setting may have.
fn values_of(name: &str) -> Result<&'static [&'static str], AwsError> {
    let found = SETTINGS.iter().find(|(known, _)| *known == name).map(|(_, values)| *values);
    found.ok_or_else(|| {
        refusal::validation(format!("The account setting name '{name}' is not supported."))
    })
}

/// What a setting is at.
pub(crate) fn setting(registry: &RegistryRow, name: &str) -> Option<String> {
    let default = values_of(name).ok().and_then(|values| values.first());
    registry.settings.get(name).cloned().or_else(|| default.map(|&text| text.to_owned()))
}

/// AWS docs: *Amazon ECR API Reference > GetAccountSetting*.
impl Query<GetAccountSetting> for Ecr {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetAccountSettingRequest,
    ) -> Answer<GetAccountSetting> {
        values_of(&input.name)?;
        let row = RegistryKey::of(call, None).row(snapshot);
        let value = setting(&row, &input.name);
        Ok(GetAccountSettingResponse { name: Some(input.name), value })
    }
}

/// AWS docs: *Amazon ECR API Reference > PutAccountSetting*.
impl Command<PutAccountSetting> for Ecr {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: PutAccountSettingRequest,
    ) -> Answer<PutAccountSetting> {
        let PutAccountSettingRequest { name, value } = input;
        if !values_of(&name)?.contains(&value.as_str()) {
            let text =
                format!("The value '{value}' is not valid for the account setting '{name}'.");
            return Err(refusal::validation(text));
        }
        let mut row = RegistryKey::of(call, None).row(tx);
        row.settings.insert(name.clone(), value.clone());
        tx.put(row);
        Ok(PutAccountSettingResponse { name: Some(name), value: Some(value) })
    }
}

/// AWS docs: *Amazon ECR API Reference > RegisterPullTimeUpdateExclusion*.
impl Command<RegisterPullTimeUpdateExclusion> for Ecr {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: RegisterPullTimeUpdateExclusionRequest,
    ) -> Answer<RegisterPullTimeUpdateExclusion> {
        let mut row = RegistryKey::of(call, None).row(tx);
        let arn = input.principal_arn;
        if row.pull_time_exclusions.contains_key(&arn) {
            let text = format!("A pull time update exclusion for '{arn}' already exists.");
            return Err(refusal::error("ExclusionAlreadyExistsException", text));
        }
        row.pull_time_exclusions.insert(arn.clone(), call.now);
        tx.put(row);
        Ok(RegisterPullTimeUpdateExclusionResponse {
            principal_arn: Some(arn),
            created_at: Some(call.now),
        })
    }
}

/// AWS docs: *Amazon ECR API Reference > DeregisterPullTimeUpdateExclusion*.
impl Command<DeregisterPullTimeUpdateExclusion> for Ecr {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeregisterPullTimeUpdateExclusionRequest,
    ) -> Answer<DeregisterPullTimeUpdateExclusion> {
        let mut row = RegistryKey::of(call, None).row(tx);
        let arn = input.principal_arn;
        if row.pull_time_exclusions.remove(&arn).is_none() {
            let text = format!("A pull time update exclusion for '{arn}' does not exist.");
            return Err(refusal::error("ExclusionNotFoundException", text));
        }
        tx.put(row);
        Ok(DeregisterPullTimeUpdateExclusionResponse { principal_arn: Some(arn) })
    }
}

/// AWS docs: *Amazon ECR API Reference > ListPullTimeUpdateExclusions*.
impl Query<ListPullTimeUpdateExclusions> for Ecr {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListPullTimeUpdateExclusionsRequest,
    ) -> Answer<ListPullTimeUpdateExclusions> {
        let key = RegistryKey::of(call, None);
        let scope = format!("ecr.exclusions/{}/{}", key.account, key.region);
        let ask = PageAsk { scope, token: input.next_token, max: input.max_results };
        let arns = key.row(snapshot).pull_time_exclusions.into_keys();
        let (page, next_token) = ask.cut(arns, PAGE_COUNT, String::clone)?;
        Ok(ListPullTimeUpdateExclusionsResponse {
            pull_time_update_exclusions: Some(page),
            next_token,
        })
    }
}
