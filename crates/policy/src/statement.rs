//! One statement of a policy.

use std::iter;

use crate::condition::Clause;
use crate::context::RequestContext;
use crate::document::Effect;
use crate::glob::{Glob, matches};
use crate::principal::{AwsPrincipal, Naming, Principals};
use crate::resource::ResourcePattern;

/// A statement that was read and understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Statement {
    pub(crate) sid: Option<String>,
    pub(crate) effect: Effect,
    /// `None` in identities' policies, whose principal is the identity.
    pub(crate) principal: Option<Scope<Principals>>,
    pub(crate) action: Scope<Vec<Vec<Glob>>>,
    /// `None` in trust policies, whose resource is the role.
    pub(crate) resource: Option<Scope<Vec<ResourcePattern>>>,
    pub(crate) condition: Vec<Clause>,
}

/// What an element covers: what it lists, or (`NotAction`) all the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope<T> {
    Listed(T),
    Unlisted(T),
}

impl<T> Scope<T> {
    pub(crate) fn list(&self) -> &T {
        match self {
            Self::Listed(list) | Self::Unlisted(list) => list,
        }
    }

    fn covers(&self, is_listed: impl Fn(&T) -> bool) -> bool {
        match self {
            Self::Listed(list) => is_listed(list),
            Self::Unlisted(list) => !is_listed(list),
        }
    }
}

impl Statement {
    /// How the statement names who asks, if it is about this request at all. A statement
    /// without principals names them as they are. One that denies all but those it names denies
    /// them too, who have a permissions boundary: AWS docs: *IAM User Guide > Permissions
    /// boundaries for IAM entities*.
    pub(crate) fn applies(&self, context: &RequestContext, is_bounded: bool) -> Option<Naming> {
        let naming = match &self.principal {
            None => Naming::Self_,
            Some(Scope::Listed(principals)) => principals.names(&context.principal)?,
            Some(Scope::Unlisted(principals)) => {
                let denies_all = is_bounded && self.effect == Effect::Deny;
                if !denies_all && principals.names(&context.principal).is_some() {
                    return None;
                }
                Naming::Anyone
            }
        };
        (self.covers(context) && self.condition.iter().all(|clause| clause.holds(context)))
            .then_some(naming)
    }

    fn covers(&self, context: &RequestContext) -> bool {
        let action = |list: &Vec<Vec<Glob>>| {
            list.iter().any(|pattern| matches(pattern, &context.action, true))
        };
        let resource =
            |list: &Vec<ResourcePattern>| list.iter().any(|pattern| pattern.covers(context));
        self.action.covers(action)
            && self.resource.as_ref().is_none_or(|scope| scope.covers(resource))
    }

    pub(crate) fn context_keys(&self) -> Vec<String> {
        let resources = self.resource.iter().flat_map(|scope| scope.list());
        let variables = resources.flat_map(ResourcePattern::keys).map(str::to_owned);
        let tested = self.condition.iter().flat_map(|clause| {
            let in_values = clause.values.iter().flat_map(|template| template.keys());
            iter::once(clause.name.clone()).chain(in_values.map(str::to_owned))
        });
        variables.chain(tested).collect()
    }

    pub(crate) fn aws_principals(&self) -> impl Iterator<Item = &str> {
        let listed = self.principal.iter().flat_map(|scope| &scope.list().aws);
        listed.map(AwsPrincipal::text)
    }

    pub(crate) fn service_principals(&self) -> impl Iterator<Item = &str> {
        self.principal.iter().flat_map(|scope| &scope.list().services).map(String::as_str)
    }
}
