//! The account's alias, password policy and summary.

use std::collections::BTreeMap;

use haar_iam_contract::{
    CreateAccountAlias, CreateAccountAliasOutput, CreateAccountAliasRequest, DeleteAccountAlias,
    DeleteAccountAliasOutput, DeleteAccountAliasRequest, DeleteAccountPasswordPolicy,
    DeleteAccountPasswordPolicyInput, DeleteAccountPasswordPolicyOutput, GetAccountPasswordPolicy,
    GetAccountPasswordPolicyInput, GetAccountPasswordPolicyResponse, GetAccountSummary,
    GetAccountSummaryInput, GetAccountSummaryResponse, ListAccountAliases,
    ListAccountAliasesRequest, ListAccountAliasesResponse, PasswordPolicy as Shown,
    UpdateAccountPasswordPolicy, UpdateAccountPasswordPolicyOutput,
    UpdateAccountPasswordPolicyRequest,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_types::AccountId;

use crate::Iam;
use crate::lookup::paged;
use crate::refusal::{no_such, taken};
use crate::state::{
    AccessKeyRow, AccountRow, GroupRow, InstanceProfileRow, MfaRow, OidcRow, PasswordPolicy,
    PolicyRow, RoleRow, SamlRow, ServerCertificateRow, UserRow, rows_of,
};

/// The account's row, as it is or as it begins.
pub(crate) fn account_of(snapshot: &Snapshot, account: &AccountId) -> AccountRow {
    let row = snapshot.get::<AccountRow>(account);
    row.map_or_else(|| AccountRow::new(account.clone()), |row| AccountRow::clone(&row))
}

impl Command<CreateAccountAlias> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateAccountAliasRequest,
    ) -> Answer<CreateAccountAlias> {
        let alias = input.account_alias;
        let owner = tx.by_index::<AccountRow>("alias", &alias).next();
        if owner.is_some_and(|row| row.account != call.account) {
            return Err(taken(format!("The account alias {alias} already exists.")));
        }
        tx.put(AccountRow { alias: Some(alias), ..account_of(tx, &call.account) });
        Ok(CreateAccountAliasOutput {})
    }
}

impl Command<DeleteAccountAlias> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteAccountAliasRequest,
    ) -> Answer<DeleteAccountAlias> {
        let row = account_of(tx, &call.account);
        if row.alias.as_ref() != Some(&input.account_alias) {
            let alias = input.account_alias;
            return Err(no_such(format!("The account alias {alias} cannot be found.")));
        }
        tx.put(AccountRow { alias: None, ..row });
        Ok(DeleteAccountAliasOutput {})
    }
}

impl Query<ListAccountAliases> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListAccountAliasesRequest,
    ) -> Answer<ListAccountAliases> {
        let alias = account_of(snapshot, &call.account).alias;
        let asked = (input.marker, input.max_items);
        let page = paged(alias, "ListAccountAliases", asked, String::clone)?;
        Ok(ListAccountAliasesResponse {
            account_aliases: page.items,
            is_truncated: Some(page.next.is_some()),
            marker: page.next,
        })
    }
}

impl Command<UpdateAccountPasswordPolicy> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateAccountPasswordPolicyRequest,
    ) -> Answer<UpdateAccountPasswordPolicy> {
        let yes = |flag: Option<bool>| flag.unwrap_or(false);
        let password_policy = Some(PasswordPolicy {
            length_min: input.minimum_password_length.unwrap_or(6),
            symbols: yes(input.require_symbols),
            numbers: yes(input.require_numbers),
            uppercase: yes(input.require_uppercase_characters),
            lowercase: yes(input.require_lowercase_characters),
            users_may_change: yes(input.allow_users_to_change_password),
            age_days_max: input.max_password_age,
            reuse_prevention: input.password_reuse_prevention,
            hard_expiry: input.hard_expiry,
        });
        tx.put(AccountRow { password_policy, ..account_of(tx, &call.account) });
        Ok(UpdateAccountPasswordPolicyOutput {})
    }
}

fn no_password_policy(account: &AccountId) -> haar_wire::AwsError {
    no_such(format!("The Password Policy with domain name {account} cannot be found."))
}

impl Query<GetAccountPasswordPolicy> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        _input: GetAccountPasswordPolicyInput,
    ) -> Answer<GetAccountPasswordPolicy> {
        let policy = account_of(snapshot, &call.account).password_policy;
        let policy = policy.ok_or_else(|| no_password_policy(&call.account))?;
        let password_policy = Shown {
            minimum_password_length: Some(policy.length_min),
            require_symbols: Some(policy.symbols),
            require_numbers: Some(policy.numbers),
            require_uppercase_characters: Some(policy.uppercase),
            require_lowercase_characters: Some(policy.lowercase),
            allow_users_to_change_password: Some(policy.users_may_change),
            expire_passwords: Some(policy.age_days_max.is_some_and(|days| days > 0)),
            max_password_age: policy.age_days_max,
            password_reuse_prevention: policy.reuse_prevention,
            hard_expiry: policy.hard_expiry,
        };
        Ok(GetAccountPasswordPolicyResponse { password_policy })
    }
}

impl Command<DeleteAccountPasswordPolicy> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        _input: DeleteAccountPasswordPolicyInput,
    ) -> Answer<DeleteAccountPasswordPolicy> {
        let row = account_of(tx, &call.account);
        if row.password_policy.is_none() {
            return Err(no_password_policy(&call.account));
        }
        tx.put(AccountRow { password_policy: None, ..row });
        Ok(DeleteAccountPasswordPolicyOutput {})
    }
}

/// Quotas as AWS gives them to a new account.
const QUOTAS: [(&str, usize); 19] = [
    ("AccessKeysPerUserQuota", 2),
    ("AssumeRolePolicySizeQuota", 2048),
    ("AttachedPoliciesPerGroupQuota", 10),
    ("AttachedPoliciesPerRoleQuota", 10),
    ("AttachedPoliciesPerUserQuota", 10),
    ("GlobalEndpointTokenVersion", 1),
    ("GroupPolicySizeQuota", 5120),
    ("GroupsPerUserQuota", 10),
    ("GroupsQuota", 300),
    ("InstanceProfilesQuota", 1000),
    ("PoliciesQuota", 1500),
    ("PolicySizeQuota", 6144),
    ("PolicyVersionsInUseQuota", 10_000),
    ("RolePolicySizeQuota", 10_240),
    ("RolesQuota", 1000),
    ("ServerCertificatesQuota", 20),
    ("SigningCertificatesPerUserQuota", 2),
    ("UserPolicySizeQuota", 2048),
    ("VersionsPerPolicyQuota", 5),
];

/// What only a root user of AWS has: a password, a device, certificates of its own.
const OF_THE_ROOT: [&str; 3] =
    ["AccountMFAEnabled", "AccountPasswordPresent", "AccountSigningCertificatesPresent"];

impl Query<GetAccountSummary> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        _input: GetAccountSummaryInput,
    ) -> Answer<GetAccountSummary> {
        let account = &call.account;
        let root_keys = snapshot.by_index::<AccessKeyRow>("owner", &format!("{account}|")).count();
        let versions = rows_of::<PolicyRow>(snapshot, account).map(|row| row.versions.len()).sum();
        let devices = rows_of::<MfaRow>(snapshot, account);
        let devices_in_use = devices.filter(|row| row.holder.is_some()).count();
        let providers = rows_of::<OidcRow>(snapshot, account).count()
            + rows_of::<SamlRow>(snapshot, account).count();
        let counts = [
            ("AccountAccessKeysPresent", root_keys.min(1)),
            ("Groups", rows_of::<GroupRow>(snapshot, account).count()),
            ("InstanceProfiles", rows_of::<InstanceProfileRow>(snapshot, account).count()),
            ("MFADevices", rows_of::<MfaRow>(snapshot, account).count()),
            ("MFADevicesInUse", devices_in_use),
            ("Policies", rows_of::<PolicyRow>(snapshot, account).count()),
            ("PolicyVersionsInUse", versions),
            ("Providers", providers),
            ("Roles", rows_of::<RoleRow>(snapshot, account).count()),
            ("ServerCertificates", rows_of::<ServerCertificateRow>(snapshot, account).count()),
            ("Users", rows_of::<UserRow>(snapshot, account).count()),
            ("UsersQuota", 5000),
        ];
        let none = OF_THE_ROOT.into_iter().map(|name| (name, 0));
        let all = counts.into_iter().chain(QUOTAS).chain(none);
        let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        let map: BTreeMap<String, i32> =
            all.map(|(name, count)| (name.to_owned(), number(count))).collect();
        Ok(GetAccountSummaryResponse { summary_map: Some(map) })
    }
}
