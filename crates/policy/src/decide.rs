//! AWS's evaluation logic.

use std::fmt;
use std::sync::Arc;

use crate::context::{Principal, RequestContext};
use crate::document::{Document, Effect};
use crate::principal::Naming;

/// Everything that is said about one request.
#[derive(Clone, Debug, Default)]
pub struct PolicySet {
    /// The principal's own: inline and attached ones, its groups' too.
    pub identity: Vec<Arc<Document>>,
    /// The permissions boundary, where one is set.
    pub boundary: Option<Arc<Document>>,
    /// The session's policies; `None` when the session was made without any.
    pub session: Option<Vec<Arc<Document>>>,
    /// The resource's policies. A role's trust policy is one, for `sts:AssumeRole`.
    pub resource: Vec<Arc<Document>>,
    /// The resource's policy must agree even within its account: role trust, KMS keys.
    pub resource_must_agree: bool,
}

/// Where a policy stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyKind {
    /// The principal's own.
    Identity,
    /// Its permissions boundary.
    Boundary,
    /// The session's.
    Session,
    /// The resource's.
    Resource,
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The root user of the resource's account needs no policy.
    Root,
    /// A statement of this kind of policy allows it, and nothing narrows it.
    Allowed(PolicyKind),
    /// A statement denies it.
    ExplicitDeny(PolicyKind),
    /// No statement of this kind of policy allows it, and one would have to.
    NotAllowed(PolicyKind),
}

/// A statement that took part: the policy's position in its list, and its own in the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Which list of the [`PolicySet`].
    pub kind: PolicyKind,
    /// Position of the policy in that list.
    pub policy: usize,
    /// Position of the statement in the policy.
    pub statement: usize,
    /// What the statement does.
    pub effect: Effect,
}

/// The outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// May it be done?
    pub allowed: bool,
    /// What decided.
    pub reason: Reason,
    /// Statements that apply to the request.
    pub matches: Vec<Match>,
}

impl Decision {
    /// AWS's text of an `AccessDenied`.
    pub fn message(&self, context: &RequestContext) -> String {
        let (who, action, resource) =
            (context.principal.shown(), &context.action, &context.resource);
        let because = self.reason.because(action);
        format!(
            "User: {who} is not authorized to perform: {action} on resource: {resource} {because}"
        )
    }
}

impl Reason {
    /// The end of AWS's message, such as `because no session policy allows the a:B action`.
    pub fn because(self, action: &str) -> String {
        match self {
            Self::ExplicitDeny(kind) => format!("with an explicit deny in {}", article(kind)),
            Self::NotAllowed(kind) => format!("because no {kind} allows the {action} action"),
            Self::Root | Self::Allowed(_) => String::new(),
        }
    }
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "identity-based policy",
            Self::Boundary => "permissions boundary",
            Self::Session => "session policy",
            Self::Resource => "resource-based policy",
        })
    }
}

fn article(kind: PolicyKind) -> String {
    format!("{} {kind}", if kind == PolicyKind::Identity { "an" } else { "a" })
}

/// Weighs a request. AWS docs: *IAM User Guide > Policy evaluation logic*.
pub fn decide(policies: &PolicySet, context: &RequestContext) -> Decision {
    let weighing = Weighing::of(policies, context);
    let reason = weighing.reason(policies, context);
    let allowed = matches!(reason, Reason::Root | Reason::Allowed(_));
    Decision { allowed, reason, matches: weighing.matches }
}

/// What each kind of policy says.
#[derive(Default)]
struct Weighing {
    denied_by: Option<PolicyKind>,
    identity: bool,
    boundary: bool,
    session: bool,
    /// The naming that grants most of those that a resource's policy allows.
    resource: Option<Naming>,
    matches: Vec<Match>,
}

impl Weighing {
    fn of(policies: &PolicySet, context: &RequestContext) -> Self {
        let mut weighing = Self::default();
        let session = policies.session.iter().flatten();
        let asked = (context, policies.boundary.is_some());
        weighing.identity =
            weighing.weigh(PolicyKind::Identity, &policies.identity, asked).is_some();
        weighing.boundary =
            weighing.weigh(PolicyKind::Boundary, &policies.boundary, asked).is_some();
        weighing.session = weighing.weigh(PolicyKind::Session, session, asked).is_some();
        weighing.resource = weighing.weigh(PolicyKind::Resource, &policies.resource, asked);
        weighing
    }

    /// Collects one kind's matches; answers the naming that grants most of those allowed.
    fn weigh<'a>(
        &mut self,
        kind: PolicyKind,
        documents: impl IntoIterator<Item = &'a Arc<Document>>,
        (context, is_bounded): (&RequestContext, bool),
    ) -> Option<Naming> {
        let mut most = None;
        for (policy, document) in documents.into_iter().enumerate() {
            for (position, statement) in document.statements.iter().enumerate() {
                let Some(naming) = statement.applies(context, is_bounded) else { continue };
                let effect = statement.effect;
                self.matches.push(Match { kind, policy, statement: position, effect });
                match effect {
                    Effect::Allow => most = most.max(Some(naming)),
                    Effect::Deny => self.denied_by = self.denied_by.or(Some(kind)),
                }
            }
        }
        most
    }

    fn reason(&self, policies: &PolicySet, context: &RequestContext) -> Reason {
        if let Some(kind) = self.denied_by {
            return Reason::ExplicitDeny(kind);
        }
        if context.principal.account().is_none() {
            return self.outsider();
        }
        let own = self.own_side(policies, context);
        if !context.is_same_account() {
            return match (own, self.resource) {
                (Some(refusal), _) => refusal,
                (None, None) => Reason::NotAllowed(PolicyKind::Resource),
                (None, Some(_)) => Reason::Allowed(PolicyKind::Resource),
            };
        }
        match (self.resource, own) {
            (Some(naming), _) if self.grants_alone(naming, policies) => {
                Reason::Allowed(PolicyKind::Resource)
            }
            (None, _) if policies.resource_must_agree => Reason::NotAllowed(PolicyKind::Resource),
            (_, Some(refusal)) => refusal,
            (_, None) if matches!(context.principal, Principal::Root { .. }) => Reason::Root,
            (_, None) => Reason::Allowed(PolicyKind::Identity),
        }
    }

    /// Services and unsigned callers have no policies of their own.
    fn outsider(&self) -> Reason {
        match self.resource {
            Some(_) => Reason::Allowed(PolicyKind::Resource),
            None => Reason::NotAllowed(PolicyKind::Resource),
        }
    }

    /// Why the principal's side refuses; `None` when identity, boundary and session agree.
    fn own_side(&self, policies: &PolicySet, context: &RequestContext) -> Option<Reason> {
        let is_root = matches!(context.principal, Principal::Root { .. });
        let sides = [
            (PolicyKind::Identity, self.identity || is_root),
            (PolicyKind::Boundary, self.boundary || policies.boundary.is_none()),
            (PolicyKind::Session, self.session || policies.session.is_none()),
        ];
        let refusing = sides.into_iter().find(|(_, agrees)| !agrees);
        refusing.map(|(kind, _)| Reason::NotAllowed(kind))
    }

    /// Within one account a resource's policy may grant by itself. One that names the very
    /// principal, or anyone, is narrowed by nothing; one that names the role is narrowed by
    /// boundary and session policies; one that names the account only delegates.
    /// AWS docs: *IAM User Guide > How AWS enforcement code logic evaluates requests*.
    fn grants_alone(&self, naming: Naming, policies: &PolicySet) -> bool {
        let boundary = self.boundary || policies.boundary.is_none();
        let session = self.session || policies.session.is_none();
        match naming {
            Naming::Self_ | Naming::Anyone => true,
            Naming::Role => boundary && session,
            Naming::Account => false,
        }
    }
}
