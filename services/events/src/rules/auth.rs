//! What a connection is authorised with, as the JSON that it was given in.

use haar_events_contract::model::ConnectionAuthorizationType as Kind;
use haar_wire::Json;

/// Members that are never shown.
const SECRETS: &[&str] = &["Password", "ApiKeyValue", "ClientSecret"];

/// The member that holds a kind's parameters.
pub(crate) fn member(kind: Kind) -> &'static str {
    match kind {
        Kind::Basic => "BasicAuthParameters",
        Kind::OauthClientCredentials => "OAuthParameters",
        Kind::ApiKey => "ApiKeyAuthParameters",
    }
}

/// Old parameters with what an update gives in their places; of one kind alone.
pub(crate) fn merged(old: Json, new: Json, kind: Kind) -> Json {
    let mut all = merge(old, new);
    if let Some(all) = all.as_object_mut() {
        let own = member(kind);
        all.retain(|name, _| name == own || name == "InvocationHttpParameters");
    }
    all
}

fn merge(old: Json, new: Json) -> Json {
    match (old, new) {
        (Json::Object(mut old), Json::Object(new)) => {
            for (name, value) in new {
                let before = old.shift_remove(&name).unwrap_or_default();
                old.insert(name, merge(before, value));
            }
            Json::Object(old)
        }
        (old, Json::Null) => old,
        (_, new) => new,
    }
}

/// Without what is secret.
pub(crate) fn shown(parameters: Json) -> Json {
    match parameters {
        Json::Object(mut members) => {
            let is_secret = members.get("IsValueSecret").and_then(Json::as_bool) == Some(true);
            members.retain(|name, _| {
                !(SECRETS.contains(&name.as_str()) || is_secret && name == "Value")
            });
            let each = |(name, value)| (name, shown(value));
            Json::Object(members.into_iter().map(each).collect())
        }
        Json::Array(items) => Json::Array(items.into_iter().map(shown).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_not_shown_and_updates_change_what_they_name() {
        let old = json!({"BasicAuthParameters": {"Username": "u", "Password": "p"}});
        assert_eq!(shown(old.clone()), json!({"BasicAuthParameters": {"Username": "u"}}));
        let new = json!({
            "BasicAuthParameters": {"Password": "q"},
            "InvocationHttpParameters": {"HeaderParameters": [
                {"Key": "a", "Value": "1", "IsValueSecret": false},
                {"Key": "b", "Value": "2", "IsValueSecret": true},
            ]},
        });
        let both = merged(old, new, Kind::Basic);
        assert_eq!(both["BasicAuthParameters"], json!({"Username": "u", "Password": "q"}));
        let headers = shown(both)["InvocationHttpParameters"]["HeaderParameters"].clone();
        assert_eq!(headers[0]["Value"], "1");
        assert!(headers[1].get("Value").is_none());
        let key = json!({"ApiKeyAuthParameters": {"ApiKeyName": "k", "ApiKeyValue": "v"}});
        let other = merged(json!({"BasicAuthParameters": {}}), key.clone(), Kind::ApiKey);
        assert_eq!(other, key);
    }
}
