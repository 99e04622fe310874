//! What other rooms see of secrets.

use haar_kernel::DataKey;
use haar_ledger::Snapshot;
use haar_secretsmanager_contract::peek::{SecretError, SecretValue, SecretVersion, SecretsPeek};
use haar_types::{AccountId, Arn, Region};

use crate::lookup::{find_version, get};
use crate::render;

/// The room's facts; they all are in the ledger.
pub(crate) struct Peek {
    pub(crate) key: DataKey,
}

impl SecretsPeek for Peek {
    fn version(
        &self,
        snapshot: &Snapshot,
        place: (&AccountId, &Region),
        secret: &str,
        version_id: Option<&str>,
        stage: Option<&str>,
    ) -> Result<SecretVersion, SecretError> {
        let row = get(snapshot, place.0, place.1, secret);
        let row = row.ok_or_else(|| SecretError::NotFound(secret.to_owned()))?;
        if row.deleted.is_some() {
            return Err(SecretError::Deleted(row.arn.clone()));
        }
        let what = match (version_id, stage) {
            (Some(id), _) => format!("VersionId: {id}"),
            (None, stage) => format!("staging label: {}", stage.unwrap_or(crate::state::CURRENT)),
        };
        let missing = || SecretError::VersionNotFound(what.clone());
        let version = find_version(snapshot, &row, version_id, stage).map_err(|_| missing())?;
        let value = render::value(&self.key, &version).ok_or_else(missing)?;
        Ok(SecretVersion {
            arn: row.arn.clone(),
            name: row.key.2.clone(),
            stages: row.stages_of(&version.key.1),
            version_id: version.key.1.clone(),
            created_at: version.created_at,
            value,
        })
    }

    fn value_from(
        &self,
        snapshot: &Snapshot,
        place: (&AccountId, &Region),
        value_from: &str,
    ) -> Result<String, SecretError> {
        let malformed = || SecretError::Malformed(value_from.to_owned());
        let wanted = ValueFrom::read(value_from).ok_or_else(malformed)?;
        let (id, stage) = (wanted.version_id.as_deref(), wanted.stage.as_deref());
        let found = self.version(snapshot, place, &wanted.arn, id, stage)?;
        let text = match found.value {
            SecretValue::Text(text) => text,
            SecretValue::Binary(_) => return Err(malformed()),
        };
        match wanted.json_key {
            None => Ok(text),
            Some(key) => json_member(&text, &key).ok_or(SecretError::KeyNotFound(key)),
        }
    }
}

/// One member of a JSON object as text.
fn json_member(text: &str, key: &str) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    match json.as_object()?.get(key)? {
        serde_json::Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// An ARN with what may follow it.
#[derive(Debug, PartialEq, Eq)]
struct ValueFrom {
    arn: String,
    json_key: Option<String>,
    stage: Option<String>,
    version_id: Option<String>,
}

impl ValueFrom {
    fn read(text: &str) -> Option<Self> {
        let arn: Arn = text.parse().ok().filter(|arn: &Arn| arn.service() == "secretsmanager")?;
        let rest = arn.resource().strip_prefix("secret:")?;
        let mut parts = rest.split(':');
        let name = parts.next().filter(|name| !name.is_empty())?;
        let head = text.len() - rest.len();
        let mut next = || parts.next().filter(|part| !part.is_empty()).map(str::to_owned);
        let (json_key, stage, version_id) = (next(), next(), next());
        let arn = format!("{}{name}", &text[..head]);
        parts.next().is_none().then_some(Self { arn, json_key, stage, version_id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf";

    #[test]
    fn what_follows_an_arn_picks_key_stage_and_version() {
        let read = |rest: &str| ValueFrom::read(&format!("{ARN}{rest}")).unwrap();
        let parts = |rest: &str| {
            let it = read(rest);
            assert_eq!(it.arn, ARN);
            (it.json_key, it.stage, it.version_id)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(parts(""), (None, None, None));
        assert_eq!(parts(":user::"), (some("user"), None, None));
        assert_eq!(parts("::AWSPREVIOUS:"), (None, some("AWSPREVIOUS"), None));
        assert_eq!(parts(":k::id"), (some("k"), None, some("id")));
        assert_eq!(ValueFrom::read(&format!("{ARN}:a:b:c:d")), None);
        assert_eq!(ValueFrom::read("arn:aws:ssm:eu-west-1:123456789012:parameter/a"), None);
        assert_eq!(ValueFrom::read("db"), None);
    }

    #[test]
    fn members_of_json_come_as_text() {
        let text = r#"{"user":"me","port":5432}"#;
        assert_eq!(json_member(text, "user").as_deref(), Some("me"));
        assert_eq!(json_member(text, "port").as_deref(), Some("5432"));
        assert_eq!(json_member(text, "none"), None);
        assert_eq!(json_member("plain", "user"), None);
    }
}
