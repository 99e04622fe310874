//! Aliases: names for versions, with weights.

use std::collections::BTreeMap;

use haar_ledger::Row;
use serde::{Deserialize, Serialize};

use super::{FunctionKey, QualifiedKey, Version};

/// An alias. Writer: operations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AliasRow {
    /// Key: the function.
    pub function: FunctionKey,
    /// Key: the name.
    pub name: String,
    /// Where invocations go that the weights leave over.
    pub version: Version,
    /// `Description`.
    pub description: String,
    /// `AdditionalVersionWeights`: the share of invocations, above 0 and at most 1.
    pub weights: BTreeMap<Version, f64>,
    /// A new UUID at each change.
    pub revision_id: String,
}

impl AliasRow {
    /// Which version an invocation goes to; `chance` is uniform in `0..1`.
    pub fn route(&self, chance: f64) -> Version {
        let mut sum = 0.0;
        for (version, weight) in &self.weights {
            sum += weight;
            if chance < sum {
                return *version;
            }
        }
        self.version
    }
}

impl Row for AliasRow {
    type Key = QualifiedKey;
    const TABLE: &'static str = "lambda.alias";

    fn key(&self) -> QualifiedKey {
        QualifiedKey::new(&self.function, Some(&self.name))
    }
}

#[cfg(test)]
mod tests {
    use haar_types::{AccountId, Region};

    use super::*;

    #[test]
    fn an_invocation_goes_where_the_weights_say() {
        let alias = AliasRow {
            function: FunctionKey::new(&AccountId::default(), &Region::default(), "f"),
            name: "live".into(),
            version: Version::Number(1),
            description: String::new(),
            weights: [(Version::Number(2), 0.25)].into(),
            revision_id: String::new(),
        };
        assert_eq!(alias.route(0.0), Version::Number(2));
        assert_eq!(alias.route(0.249), Version::Number(2));
        assert_eq!(alias.route(0.25), Version::Number(1));
        assert_eq!(alias.route(0.999), Version::Number(1));
    }
}
