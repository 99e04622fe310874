//! Weighted aliases.

use std::collections::BTreeMap;

use crate::refusal::Refusal;
use crate::state::Version;

/// Reads `AdditionalVersionWeights` for an alias that points at `version`.
///
/// # Errors
/// When the weights are no shares, or the versions cannot share an alias.
pub fn weights(
    version: Version,
    given: &BTreeMap<String, f64>,
) -> Result<BTreeMap<Version, f64>, Refusal> {
    if given.len() > 1 {
        return Err(Refusal::invalid(
            "Number of items in AdditionalVersionWeights cannot be greater than 1",
        ));
    }
    let mut weights = BTreeMap::new();
    for (text, weight) in given {
        let other: Version = text.parse().map_err(|()| {
            Refusal::constraint(
                format!("{{{text}={weight}}}"),
                "routingConfig.additionalVersionWeights",
                "Map keys must satisfy constraint: [Member must have length less than or equal \
                 to 1024, Member must have length greater than or equal to 1, Member must \
                 satisfy regular expression pattern: [0-9]+]",
            )
        })?;
        if version == Version::Latest || other == Version::Latest {
            return Err(Refusal::invalid(
                "$LATEST is not supported for an alias pointing to more than 1 version",
            ));
        }
        if other == version {
            return Err(Refusal::invalid(format!(
                "Invalid function version {other}. Function version {other} is already included \
                 in routing configuration."
            )));
        }
        if !(0.0..=1.0).contains(weight) {
            return Err(Refusal::constraint(
                format!("{{{text}={weight}}}"),
                "routingConfig.additionalVersionWeights",
                "Map value must satisfy constraint: [Member must have value less than or equal \
                 to 1.0, Member must have value greater than or equal to 0.0]",
            ));
        }
        weights.insert(other, *weight);
    }
    Ok(weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str, weight: f64) -> BTreeMap<String, f64> {
        [(text.to_owned(), weight)].into()
    }

    #[test]
    fn one_other_version_may_share_an_alias() {
        let read = weights(Version::Number(1), &given("2", 0.1)).unwrap();
        assert_eq!(read, [(Version::Number(2), 0.1)].into());
        assert!(weights(Version::Number(1), &given("1", 0.1)).is_err());
        assert!(weights(Version::Number(1), &given("2", 1.5)).is_err());
        assert!(weights(Version::Number(1), &given("two", 0.5)).is_err());
        let two = [("2".to_owned(), 0.1), ("3".to_owned(), 0.1)].into();
        assert!(weights(Version::Number(1), &two).is_err());
    }

    #[test]
    fn latest_shares_no_alias() {
        let text = "$LATEST is not supported for an alias pointing to more than 1 version";
        let refused = weights(Version::Latest, &given("2", 0.1)).unwrap_err();
        assert_eq!(refused, Refusal::invalid(text));
    }
}
