//! What website configurations may say.

use haar_s3_contract::model::{RoutingRule, WebsiteConfiguration};
use haar_wire::AwsError;

use crate::refusal;

/// Refuses a configuration that AWS refuses.
pub(crate) fn check(config: &WebsiteConfiguration) -> Result<(), AwsError> {
    let redirects = config.redirect_all_requests_to.is_some();
    let others = config.index_document.is_some()
        || config.error_document.is_some()
        || config.routing_rules.is_some();
    if redirects && others {
        let text = "RedirectAllRequestsTo cannot be provided in conjunction with other Routing \
                    Rules.";
        return Err(refusal::invalid_request(text));
    }
    let both = |rule: &RoutingRule| {
        rule.redirect.replace_key_with.is_some() && rule.redirect.replace_key_prefix_with.is_some()
    };
    if config.routing_rules.iter().flatten().any(both) {
        let text = "You can only define ReplaceKeyPrefix or ReplaceKey but not both.";
        return Err(refusal::invalid_request(text));
    }
    match (&config.index_document, redirects) {
        (None, false) => {
            let text = "A value for IndexDocument Suffix must be provided if \
                        RedirectAllRequestsTo is empty";
            Err(refusal::invalid_argument(text, "IndexDocument", "null"))
        }
        (Some(index), _) if index.suffix.is_empty() || index.suffix.contains('/') => {
            let text = "The IndexDocument Suffix is not well formed";
            Err(refusal::invalid_argument(text, "IndexDocument", &index.suffix))
        }
        _ => Ok(()),
    }
}
