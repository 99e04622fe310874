//! The `Condition` element.

use crate::context::RequestContext;
use crate::operator::{Comparison, Operator};
use crate::template::Template;

/// How many of the request's values must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantifier {
    /// No prefix.
    Single,
    /// `ForAllValues:`
    ForAllValues,
    /// `ForAnyValue:`
    ForAnyValue,
}

/// One key's test: `"ForAnyValue:StringLikeIfExists": {"aws:TagKeys": [...]}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clause {
    pub(crate) quantifier: Quantifier,
    pub(crate) operator: Operator,
    pub(crate) if_exists: bool,
    /// As it is written.
    pub(crate) name: String,
    /// In lower case.
    pub(crate) key: String,
    pub(crate) values: Vec<Template>,
}

impl Clause {
    /// Takes an operator's name apart; `None` when there is no such operator.
    pub(crate) fn operator(name: &str) -> Option<(Quantifier, Operator, bool)> {
        let (quantifier, name) = match name.split_once(':') {
            Some(("ForAllValues", name)) => (Quantifier::ForAllValues, name),
            Some(("ForAnyValue", name)) => (Quantifier::ForAnyValue, name),
            Some(_) => return None,
            None => (Quantifier::Single, name),
        };
        let (name, if_exists) = match name.strip_suffix("IfExists") {
            Some("Null") => return None,
            Some(name) => (name, true),
            None => (name, false),
        };
        Some((quantifier, Operator::named(name)?, if_exists))
    }

    /// True when the request passes the test. AWS docs: *IAM User Guide > Condition operators*
    /// and *> Multivalued context keys*.
    pub(crate) fn holds(&self, context: &RequestContext) -> bool {
        let ours = context.values(&self.key);
        if self.operator.comparison == Comparison::Null {
            return self.null_holds(ours.is_none(), context);
        }
        let Some(ours) = ours else {
            return match self.quantifier {
                _ if self.if_exists => true,
                Quantifier::ForAllValues => true,
                Quantifier::ForAnyValue => false,
                Quantifier::Single => self.operator.negated,
            };
        };
        let agrees = |value: &String| self.is_listed(value, context) != self.operator.negated;
        match self.quantifier {
            Quantifier::ForAllValues => ours.iter().all(agrees),
            Quantifier::ForAnyValue => ours.iter().any(agrees),
            // several values without a prefix: one match is a match, negated it is none
            Quantifier::Single if self.operator.negated => ours.iter().all(agrees),
            Quantifier::Single => ours.iter().any(agrees),
        }
    }

    /// True when one of the policy's values matches.
    fn is_listed(&self, ours: &str, context: &RequestContext) -> bool {
        self.values.iter().any(|template| {
            let Some(pattern) = template.expand(context) else { return false };
            let theirs = template.text(context).unwrap_or_default();
            self.operator.comparison.holds(ours, &pattern, &theirs)
        })
    }

    fn null_holds(&self, is_absent: bool, context: &RequestContext) -> bool {
        self.values.iter().any(|template| {
            let wanted = template.text(context).unwrap_or_default();
            (wanted.eq_ignore_ascii_case("true") && is_absent)
                || (wanted.eq_ignore_ascii_case("false") && !is_absent)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Principal;

    /// Tests `operator` for key `k` with the policy's `theirs` against the request's `ours`.
    fn holds(operator: &str, theirs: &[&str], ours: &[&str]) -> bool {
        let (quantifier, operator, if_exists) = Clause::operator(operator).unwrap();
        let wildcards = operator.has_wildcards();
        let values = theirs.iter().map(|value| Template::parse(value, wildcards, true)).collect();
        let clause =
            Clause { quantifier, operator, if_exists, name: "K".into(), key: "k".into(), values };
        let mut context = RequestContext::new(Principal::Anonymous, "a:B", "*");
        context.set("K", ours.iter().copied());
        clause.holds(&context)
    }

    #[test]
    fn one_key_follows_the_documented_truth_table() {
        for (operator, theirs, ours, expected) in [
            ("StringEquals", &["a", "b"][..], &["b"][..], true),
            ("StringEquals", &["a", "b"], &["c"], false),
            ("StringEquals", &["a"], &[], false),
            ("StringEqualsIfExists", &["a"], &[], true),
            ("StringEqualsIfExists", &["a"], &["b"], false),
            ("StringNotEquals", &["a", "b"], &["c"], true),
            ("StringNotEquals", &["a", "b"], &["b"], false),
            ("StringNotEquals", &["a"], &[], true),
            ("ForAllValues:StringEquals", &["a", "b"], &["a", "b"], true),
            ("ForAllValues:StringEquals", &["a", "b"], &["a", "c"], false),
            ("ForAllValues:StringEquals", &["a"], &[], true),
            ("ForAnyValue:StringEquals", &["a"], &["a", "c"], true),
            ("ForAnyValue:StringEquals", &["a"], &[], false),
            ("ForAnyValue:StringEqualsIfExists", &["a"], &[], true),
            ("ForAllValues:StringNotEquals", &["a"], &["b", "a"], false),
            ("ForAnyValue:StringNotEquals", &["a"], &["b", "a"], true),
            ("Null", &["true"], &[], true),
            ("Null", &["true"], &["x"], false),
            ("Null", &["false"], &["x"], true),
        ] {
            assert_eq!(holds(operator, theirs, ours), expected, "{operator} {theirs:?} {ours:?}");
        }
    }

    #[test]
    fn unknown_operators_are_refused() {
        for name in ["StringMatches", "NullIfExists", "ForSome:StringEquals", "stringequals", ""] {
            assert!(Clause::operator(name).is_none(), "{name}");
        }
    }
}
