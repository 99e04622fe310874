//! What CORS configurations may say.

use haar_s3_contract::model::CORSConfiguration;
use haar_wire::AwsError;

use crate::refusal;

const METHODS: [&str; 5] = ["GET", "PUT", "HEAD", "POST", "DELETE"];
/// Most rules of one configuration.
const RULE_COUNT_MAX: usize = 100;

/// Refuses a configuration that AWS refuses.
pub(crate) fn check(config: &CORSConfiguration) -> Result<(), AwsError> {
    if config.cors_rules.is_empty() || config.cors_rules.len() > RULE_COUNT_MAX {
        return Err(refusal::malformed_xml());
    }
    for rule in &config.cors_rules {
        if rule.allowed_methods.is_empty() || rule.allowed_origins.is_empty() {
            return Err(refusal::malformed_xml());
        }
        if let Some(method) = rule.allowed_methods.iter().find(|m| !METHODS.contains(&&***m)) {
            return Err(refusal::invalid_request(format!(
                "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
            )));
        }
        let shown = rule.expose_headers.iter().flatten();
        if let Some(header) = shown.into_iter().find(|header| header.contains('*')) {
            return Err(refusal::invalid_request(format!(
                "ExposeHeader \"{header}\" contains wildcard. We currently do not support \
                 wildcard for ExposeHeader."
            )));
        }
        let headers = rule.allowed_headers.iter().flatten();
        for (text, what) in rule
            .allowed_origins
            .iter()
            .map(|text| (text, "AllowedOrigin"))
            .chain(headers.map(|text| (text, "AllowedHeader")))
        {
            if text.matches('*').count() > 1 {
                let text = format!("{what} \"{text}\" can not have more than one wildcard.");
                return Err(refusal::invalid_request(text));
            }
        }
    }
    Ok(())
}
