//! Rows as answers show them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haar_kernel::DataKey;
use haar_ssm_contract::{Parameter, ParameterHistory, ParameterInlinePolicy, ParameterMetadata};

use crate::lookup::Found;
use crate::rules::name::arn_of;
use crate::state::{Key, ParameterRow, Value, VersionRow};

/// What a sealed value belongs to.
pub(crate) fn about(key: &Key, version: i64) -> String {
    format!("ssm|{}|{}|{}|{version}", key.0, key.1, key.2)
}

/// A version's value. A `SecureString` that is not to be decrypted shows as it is kept.
pub(crate) fn value(key: &DataKey, row: &VersionRow, decrypt: bool) -> Option<String> {
    match &row.value {
        Value::Plain(text) => Some(text.clone()),
        Value::Sealed(sealed) if decrypt => {
            let plain = key.open(&about(&row.key.0, row.key.1), sealed);
            plain.and_then(|plain| String::from_utf8(plain).ok())
        }
        Value::Sealed(sealed) => Some(STANDARD.encode(sealed)),
    }
}

pub(crate) fn parameter(key: &DataKey, found: &Found, decrypt: bool) -> Parameter {
    let (account, region, name) = &found.row.key;
    let version = &found.version;
    Parameter {
        name: Some(name.clone()),
        r#type: Some(version.kind),
        value: value(key, version, decrypt),
        version: Some(version.key.1),
        selector: found.selector.as_ref().map(|selector| selector.shown()),
        source_result: None,
        last_modified_date: Some(version.modified_at),
        arn: Some(arn_of(account, region, name)),
        data_type: Some(version.data_type.clone()),
    }
}

pub(crate) fn metadata(row: &ParameterRow, version: &VersionRow) -> ParameterMetadata {
    let (account, region, name) = &row.key;
    ParameterMetadata {
        name: Some(name.clone()),
        arn: Some(arn_of(account, region, name)),
        r#type: Some(version.kind),
        key_id: version.key_id.clone(),
        last_modified_date: Some(version.modified_at),
        last_modified_user: Some(version.modified_by.clone()),
        description: version.description.clone(),
        allowed_pattern: version.allowed_pattern.clone(),
        version: Some(version.key.1),
        tier: Some(version.tier),
        policies: Some(policies(version)),
        data_type: Some(version.data_type.clone()),
    }
}

pub(crate) fn history(key: &DataKey, version: &VersionRow, decrypt: bool) -> ParameterHistory {
    ParameterHistory {
        name: Some(version.key.0.2.clone()),
        r#type: Some(version.kind),
        key_id: version.key_id.clone(),
        last_modified_date: Some(version.modified_at),
        last_modified_user: Some(version.modified_by.clone()),
        description: version.description.clone(),
        value: value(key, version, decrypt),
        allowed_pattern: version.allowed_pattern.clone(),
        version: Some(version.key.1),
        labels: Some(version.labels.iter().cloned().collect()),
        tier: Some(version.tier),
        policies: Some(policies(version)),
        data_type: Some(version.data_type.clone()),
    }
}

fn policies(version: &VersionRow) -> Vec<ParameterInlinePolicy> {
    let policy = |(kind, text): &(String, String)| ParameterInlinePolicy {
        policy_text: Some(text.clone()),
        policy_type: Some(kind.clone()),
        policy_status: Some("Pending".to_owned()),
    };
    version.policies.iter().map(policy).collect()
}
