//! Account settings. *Developer Guide > Account settings*.

use haar_ecs_contract::model::{
    DeleteAccountSetting, DeleteAccountSettingResponse, ListAccountSettings,
    ListAccountSettingsResponse, PutAccountSetting, PutAccountSettingDefault,
    PutAccountSettingDefaultResponse, PutAccountSettingResponse, Setting, SettingName, SettingType,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use super::Input;
use crate::Ecs;
use crate::lookup::{Listing, place};
use crate::refusal::invalid;
use crate::rules::awslogs::{BLOCKING, MODES};
use crate::rules::names::Place;
use crate::state::SettingRow;

/// Each setting's value where nobody changed it, and the values that it takes.
fn usual(name: SettingName) -> (&'static str, &'static [&'static str]) {
    const SWITCH: &[&str] = &["enabled", "disabled"];
    const ONOFF: &[&str] = &["on", "off"];
    match name {
        SettingName::ServiceLongArnFormat
        | SettingName::TaskLongArnFormat
        | SettingName::ContainerInstanceLongArnFormat => ("enabled", SWITCH),
        SettingName::AwsvpcTrunking | SettingName::FargateFIPSMode => ("disabled", SWITCH),
        SettingName::ContainerInsights => ("disabled", &["enabled", "disabled", "enhanced"]),
        // what makes resources with tags asks for the right to tag, whatever this says
        SettingName::TagResourceAuthorization => ("on", ONOFF),
        SettingName::GuardDutyActivate => ("off", ONOFF),
        SettingName::FargateTaskRetirementWaitPeriod => ("7", &["0", "7", "14"]),
        SettingName::DefaultLogDriverMode => ("non-blocking", &MODES),
        SettingName::FargateEventWindows => ("disabled", SWITCH),
    }
}

/// The value that holds for a principal of a place: their own, else the account's, else AWS's.
pub(crate) fn effective(
    snapshot: &Snapshot,
    place: Place<'_>,
    principal: &str,
    name: SettingName,
) -> String {
    let own = row(snapshot, place, stored(principal), name);
    let value = own.or_else(|| row(snapshot, place, "", name));
    value.unwrap_or_else(|| usual(name).0.to_owned())
}

/// Whether logs whose mode is not told hold up tasks that a principal asks for.
pub(crate) fn blocks_on_logs(snapshot: &Snapshot, place: Place<'_>, principal: &str) -> bool {
    effective(snapshot, place, principal, SettingName::DefaultLogDriverMode) == BLOCKING
}

/// The root user's setting is the account's default.
fn stored(principal: &str) -> &str {
    if principal.ends_with(":root") { "" } else { principal }
}

fn row(
    snapshot: &Snapshot,
    place: Place<'_>,
    principal: &str,
    name: SettingName,
) -> Option<String> {
    let (account, region) = (place.account.clone(), place.region.clone());
    let key = (account, region, principal.to_owned(), name.as_str().to_owned());
    snapshot.get::<SettingRow>(&key).map(|row| row.value.clone())
}

fn setting(name: SettingName, value: &str, principal: String) -> Setting {
    let managed = name == SettingName::GuardDutyActivate;
    Setting {
        name: Some(name),
        value: Some(value.to_owned()),
        principal_arn: Some(principal),
        r#type: Some(if managed { SettingType::AwsManaged } else { SettingType::User }),
    }
}

fn put(
    call: &Call,
    tx: &mut Tx,
    (name, value): (SettingName, &str),
    principal: &str,
) -> Result<(), AwsError> {
    if !usual(name).1.contains(&value) {
        return Err(invalid(format!("Invalid account setting value: {value}")));
    }
    let is_long_arn = name.as_str().ends_with("LongArnFormat");
    if is_long_arn && value == "disabled" {
        return Err(invalid("The long ARN format can no longer be disabled."));
    }
    if name == SettingName::TagResourceAuthorization && value == "off" {
        return Err(invalid("Tagging authorization can no longer be turned off."));
    }
    let (account, region) = (call.account.clone(), call.region.clone());
    let key = (account, region, principal.to_owned(), name.as_str().to_owned());
    tx.put(SettingRow { key, value: value.to_owned() });
    Ok(())
}

/// AWS docs: *Amazon ECS API Reference > PutAccountSetting*.
impl Command<PutAccountSetting> for Ecs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<PutAccountSetting>,
    ) -> Answer<PutAccountSetting> {
        let principal = input.principal_arn.unwrap_or_else(|| call.principal.arn());
        put(call, tx, (input.name, &input.value), stored(&principal))?;
        let setting = setting(input.name, &input.value, principal);
        Ok(PutAccountSettingResponse { setting: Some(setting) })
    }
}

/// AWS docs: *Amazon ECS API Reference > PutAccountSettingDefault*.
impl Command<PutAccountSettingDefault> for Ecs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<PutAccountSettingDefault>,
    ) -> Answer<PutAccountSettingDefault> {
        put(call, tx, (input.name, &input.value), "")?;
        let root = format!("arn:aws:iam::{}:root", call.account);
        let setting = setting(input.name, &input.value, root);
        Ok(PutAccountSettingDefaultResponse { setting: Some(setting) })
    }
}

/// AWS docs: *Amazon ECS API Reference > DeleteAccountSetting*.
impl Command<DeleteAccountSetting> for Ecs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<DeleteAccountSetting>,
    ) -> Answer<DeleteAccountSetting> {
        let principal = input.principal_arn.unwrap_or_else(|| call.principal.arn());
        let (account, region) = (call.account.clone(), call.region.clone());
        let name = input.name.as_str().to_owned();
        let key = (account, region, stored(&principal).to_owned(), name);
        let was = tx.get::<SettingRow>(&key);
        tx.remove::<SettingRow>(&key);
        let value = was.as_ref().map_or("", |row| row.value.as_str());
        let setting = setting(input.name, value, principal);
        Ok(DeleteAccountSettingResponse { setting: Some(setting) })
    }
}

/// AWS docs: *Amazon ECS API Reference > ListAccountSettings*.
impl Query<ListAccountSettings> for Ecs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<ListAccountSettings>,
    ) -> Answer<ListAccountSettings> {
        let principal = input.principal_arn.clone().unwrap_or_else(|| call.principal.arn());
        let is_effective = input.effective_settings.unwrap_or(false);
        let mut settings = Vec::new();
        for name in
            SettingName::ALL.iter().filter(|name| input.name.is_none_or(|one| one == **name))
        {
            let value = match is_effective {
                true => Some(effective(snapshot, place(call), &principal, *name)),
                false => row(snapshot, place(call), stored(&principal), *name),
            };
            let Some(value) = value else { continue };
            if input.value.as_ref().is_none_or(|wanted| *wanted == value) {
                settings.push(setting(*name, &value, principal.clone()));
            }
        }
        let bounds = (input.next_token.as_deref(), input.max_results);
        let listing = Listing::new(call, format!("settings/{principal}"), bounds, 100)?;
        let key =
            |setting: &Setting| setting.name.map(SettingName::as_str).unwrap_or_default().into();
        let page = listing.page(settings, key);
        Ok(ListAccountSettingsResponse { settings: Some(page.items), next_token: page.next })
    }
}
