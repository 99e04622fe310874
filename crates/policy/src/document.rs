//! A policy document.

use serde_json::Value;

use crate::statement::Statement;

/// One value or several, as policies write them; none for what is not there.
pub fn listed(value: &Value) -> &[Value] {
    match value {
        Value::Null => &[],
        Value::Array(all) => all,
        one => std::slice::from_ref(one),
    }
}

/// What a statement does with the requests that it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Allows them.
    Allow,
    /// Denies them, whatever else allows them.
    Deny,
}

/// Where a policy is to stand, which decides what it must and must not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grammar {
    /// A managed policy: no principal, resources, version 2012-10-17.
    Managed,
    /// An identity's inline policy: no principal, resources.
    Inline,
    /// A session policy of `AssumeRole` and its kin.
    Session,
    /// A role's trust policy: principals, no resources.
    Trust,
    /// A resource's policy: principals.
    Resource,
    /// A policy that is about the resource that carries it alone: principals, no resources.
    Own,
}

/// Why a policy is refused, in AWS's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PolicyError(pub(crate) String);

/// A policy that was read and understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    pub(crate) statements: Vec<Statement>,
}

impl Document {
    /// Reads a policy.
    ///
    /// # Errors
    /// The first fault, in the words of AWS's `MalformedPolicyDocument`.
    pub fn parse(text: &str, grammar: Grammar) -> Result<Self, PolicyError> {
        crate::parse::document(text, grammar)
    }

    /// Two policies about the same resource as one: what either denies is denied.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.statements.extend(other.statements);
        self
    }

    /// Condition keys that the policy asks for, in conditions and as variables, in its own order;
    /// a key that it asks for again is there again.
    pub fn context_keys(&self) -> impl Iterator<Item = String> {
        self.statements.iter().flat_map(Statement::context_keys)
    }

    /// Principals that the policy names in its `AWS` lists.
    pub fn aws_principals(&self) -> impl Iterator<Item = &str> {
        self.statements.iter().flat_map(Statement::aws_principals)
    }

    /// Services that the policy names as principals.
    pub fn service_principals(&self) -> impl Iterator<Item = &str> {
        self.statements.iter().flat_map(Statement::service_principals)
    }

    /// Each statement's `Sid`, if it has one.
    pub fn sids(&self) -> impl Iterator<Item = Option<&str>> {
        self.statements.iter().map(|statement| statement.sid.as_deref())
    }
}
