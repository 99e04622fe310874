//! Simulations: what policies would decide.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use haar_iam_contract::{
    ContextEntry, EvaluationResult, GetContextKeysForCustomPolicy,
    GetContextKeysForCustomPolicyRequest, GetContextKeysForPolicyResponse,
    GetContextKeysForPrincipalPolicy, GetContextKeysForPrincipalPolicyRequest,
    PermissionsBoundaryDecisionDetail, PolicyEvaluationDecisionType as Outcome, PolicySourceType,
    Position, SimulateCustomPolicy, SimulateCustomPolicyRequest, SimulatePolicyResponse,
    SimulatePrincipalPolicy, SimulatePrincipalPolicyRequest, Statement,
};
use haar_kernel::{Answer, Call, Query};
use haar_ledger::Snapshot;
use haar_policy::{
    Decision, Document, Grammar, Match, PolicyKind, PolicySet, Principal, Reason, RequestContext,
    decide, positions,
};
use haar_types::{AccountId, Arn, Tags};
use haar_wire::AwsError;

use crate::Iam;
use crate::entity::Entity;
use crate::lookup::{find_role, find_user, paged};
use crate::policies::{Source, bounded_by};
use crate::refusal::{invalid, no_such};

/// What is to be decided, and by which policies.
struct Simulation {
    set: PolicySet,
    /// Where each of the set's identity policies comes from.
    sources: Vec<Source>,
    /// Where the resource's policy comes from.
    resource: Option<Source>,
    caller: Caller,
    actions: Vec<String>,
    resources: Vec<String>,
    entries: Vec<ContextEntry>,
    owner: Option<AccountId>,
}

/// Policies of the request. One that cannot be read is an invalid input here: simulations do
/// not know `MalformedPolicyDocument`.
fn read(texts: &[String], grammar: Grammar) -> Result<Vec<Arc<Document>>, AwsError> {
    let read = |text: &String| match Document::parse(text, grammar) {
        Ok(document) => Ok(Arc::new(document)),
        Err(error) => Err(invalid(error.to_string())),
    };
    texts.iter().map(read).collect()
}

/// Policies that were given with the request, by their position.
fn given_sources(texts: &[String]) -> impl Iterator<Item = Source> {
    texts.iter().enumerate().map(|(at, text)| Source {
        id: format!("PolicyInputList.{}", at + 1),
        kind: PolicySourceType::None,
        text: text.clone(),
    })
}

fn resource_source(text: &str) -> Source {
    let (id, kind) = ("ResourcePolicy".to_owned(), PolicySourceType::Resource);
    Source { id, kind, text: text.to_owned() }
}

/// Someone who asks, with the condition keys that their tags are.
struct Caller {
    principal: Principal,
    tags: Tags,
}

impl Caller {
    /// From an ARN; a caller without one is the account's user at large. Who is there has its
    /// unique id and its tags.
    fn find(call: &Call, snapshot: &Snapshot, arn: Option<&str>) -> Result<Self, AwsError> {
        let Some(arn) = arn else {
            let (account, name) = (call.account.clone(), "simulated".to_owned());
            let arn = format!("arn:aws:iam::{account}:user/{name}");
            let principal = Principal::User { account, arn, name, id: String::new() };
            return Ok(Self { principal, tags: Tags::new() });
        };
        let refused = || invalid(format!("ARN {arn} is not valid."));
        let parsed: Arn = arn.parse().map_err(|_| refused())?;
        let account: AccountId = parsed.account().parse().map_err(|_| refused())?;
        let name = parsed.resource().rsplit('/').next().unwrap_or_default().to_owned();
        let is_own = account == call.account;
        let (principal, tags) = match parsed.resource() {
            "root" => (Principal::Root { account }, None),
            role if role.starts_with("role/") => {
                let row = find_role(snapshot, &account, &name).ok().filter(|_| is_own);
                let id = row.as_ref().map(|row| format!("{}:simulated", row.id));
                let principal = Principal::RoleSession {
                    session_arn: format!("arn:aws:sts::{account}:assumed-role/{name}/simulated"),
                    account,
                    role_arn: arn.to_owned(),
                    id: id.unwrap_or_default(),
                };
                (principal, row.map(|row| row.tags.clone()))
            }
            _ => {
                let is_user = is_own && parsed.resource().starts_with("user/");
                let row = find_user(snapshot, &account, &name).ok().filter(|_| is_user);
                let id = row.as_ref().map(|row| row.id.clone()).unwrap_or_default();
                let principal = Principal::User { account, arn: arn.to_owned(), name, id };
                (principal, row.map(|row| row.tags.clone()))
            }
        };
        Ok(Self { principal, tags: tags.unwrap_or_default() })
    }

    /// The same without tags: a custom policy is simulated with the context that is given, whoever
    /// is there. AWS docs: *IAM API Reference > SimulateCustomPolicy*.
    fn named(call: &Call, snapshot: &Snapshot, arn: Option<&str>) -> Result<Self, AwsError> {
        Ok(Self { tags: Tags::new(), ..Self::find(call, snapshot, arn)? })
    }
}

/// An owner given as an account or as its root's ARN.
fn owner(text: Option<&str>) -> Option<AccountId> {
    let text = text?;
    text.parse().ok().or_else(|| text.parse::<Arn>().ok()?.account().parse().ok())
}

impl Query<SimulateCustomPolicy> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: SimulateCustomPolicyRequest,
    ) -> Answer<SimulateCustomPolicy> {
        let boundary = input.permissions_boundary_policy_input_list.unwrap_or_default();
        let resource: Vec<String> = input.resource_policy.into_iter().collect();
        let set = PolicySet {
            identity: read(&input.policy_input_list, Grammar::Inline)?,
            boundary: read(&boundary, Grammar::Inline)?.into_iter().next(),
            resource: read(&resource, Grammar::Resource)?,
            ..PolicySet::default()
        };
        let simulation = Simulation {
            sources: given_sources(&input.policy_input_list).collect(),
            resource: resource.first().map(|text| resource_source(text)),
            set,
            caller: Caller::named(call, snapshot, input.caller_arn.as_deref())?,
            actions: input.action_names,
            resources: input.resource_arns.unwrap_or_else(|| vec!["*".to_owned()]),
            entries: input.context_entries.unwrap_or_default(),
            owner: owner(input.resource_owner.as_deref()),
        };
        simulation.answer("SimulateCustomPolicy", (input.marker, input.max_items))
    }
}

impl Query<SimulatePrincipalPolicy> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: SimulatePrincipalPolicyRequest,
    ) -> Answer<SimulatePrincipalPolicy> {
        let source_arn = &input.policy_source_arn;
        let (mut sources, bounding) = self.sources_of(call, snapshot, source_arn)?;
        let read_source = |source: &Source| self.parsed.document(&source.text);
        let mut identity: Vec<_> = sources.iter().filter_map(read_source).collect();
        let more = input.policy_input_list.unwrap_or_default();
        identity.extend(read(&more, Grammar::Inline)?);
        sources.extend(given_sources(&more));
        let given = input.permissions_boundary_policy_input_list.unwrap_or_default();
        let given = read(&given, Grammar::Inline)?.into_iter().next();
        let resource: Vec<String> = input.resource_policy.into_iter().collect();
        let set = PolicySet {
            identity,
            boundary: given.or(bounding),
            resource: read(&resource, Grammar::Resource)?,
            ..PolicySet::default()
        };
        let asker = input.caller_arn.as_ref().unwrap_or(source_arn);
        let simulation = Simulation {
            resource: resource.first().map(|text| resource_source(text)),
            set,
            sources,
            caller: Caller::find(call, snapshot, Some(asker))?,
            actions: input.action_names,
            resources: input.resource_arns.unwrap_or_else(|| vec!["*".to_owned()]),
            entries: input.context_entries.unwrap_or_default(),
            owner: owner(input.resource_owner.as_deref()),
        };
        simulation.answer("SimulatePrincipalPolicy", (input.marker, input.max_items))
    }
}

impl Iam {
    /// The policies of a user, group or role, and its boundary.
    fn sources_of(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        arn: &str,
    ) -> Result<(Vec<Source>, Option<Arc<Document>>), AwsError> {
        let refused = || {
            invalid(format!(
                "Invalid Entity Arn: {arn} does not clearly define entity type and name."
            ))
        };
        let parsed = arn.parse::<Arn>().ok().filter(Entity::is_named_by).ok_or_else(refused)?;
        let other = || no_such(format!("The entity with ARN {arn} cannot be found."));
        let found = Entity::named(snapshot, &call.account, &parsed)?.ok_or_else(other)?;
        let boundary = bounded_by(snapshot, &self.parsed, found.boundary());
        Ok((found.sources(snapshot), boundary))
    }
}

impl Simulation {
    fn answer(
        &self,
        scope: &str,
        paging: (Option<String>, Option<i32>),
    ) -> Result<SimulatePolicyResponse, AwsError> {
        let pairs = self.actions.iter().flat_map(|action| {
            self.resources.iter().map(move |resource| (action.as_str(), resource.as_str()))
        });
        let results = pairs.enumerate().map(|(at, pair)| (at, self.evaluate(pair)));
        let page = paged(results, scope, paging, |(at, _)| format!("{at:08}"))?;
        Ok(SimulatePolicyResponse {
            evaluation_results: Some(page.items.into_iter().map(|(_, result)| result).collect()),
            is_truncated: Some(page.next.is_some()),
            marker: page.next,
        })
    }

    fn evaluate(&self, (action, resource): (&str, &str)) -> EvaluationResult {
        let mut context = RequestContext::new(self.caller.principal.clone(), action, resource);
        for (name, value) in &self.caller.tags {
            context.set(&format!("aws:PrincipalTag/{name}"), [value.clone()]);
        }
        context.resource_account = self.owner.clone();
        for entry in &self.entries {
            let values = entry.context_key_values.clone().unwrap_or_default();
            context.set(entry.context_key_name.as_deref().unwrap_or_default(), values);
        }
        let decision = decide(&self.set, &context);
        let narrowed_by = |kind| {
            matches!(decision.reason, Reason::NotAllowed(found) | Reason::ExplicitDeny(found)
                if found == kind)
        };
        let detail = self.set.boundary.as_ref().map(|_| PermissionsBoundaryDecisionDetail {
            allowed_by_permissions_boundary: Some(!narrowed_by(PolicyKind::Boundary)),
        });
        EvaluationResult {
            eval_action_name: action.to_owned(),
            eval_resource_name: Some(resource.to_owned()),
            eval_decision: outcome(&decision),
            matched_statements: Some(self.matched(&decision)),
            missing_context_values: Some(self.missing(&context)),
            permissions_boundary_decision_detail: detail,
            eval_decision_details: Some(BTreeMap::new()),
            ..EvaluationResult::default()
        }
    }

    fn matched(&self, decision: &Decision) -> Vec<Statement> {
        let statement = |found: &Match| {
            let source = match found.kind {
                PolicyKind::Identity => self.sources.get(found.policy)?,
                PolicyKind::Resource => self.resource.as_ref()?,
                PolicyKind::Boundary | PolicyKind::Session => return None,
            };
            let place = positions(&source.text).into_iter().nth(found.statement);
            Some(Statement {
                source_policy_id: Some(source.id.clone()),
                source_policy_type: Some(source.kind),
                start_position: place.map(|(begin, _)| position(begin)),
                end_position: place.map(|(_, end)| position(end)),
            })
        };
        decision.matches.iter().filter_map(statement).collect()
    }

    /// Keys that the policies ask for and the request does not have.
    fn missing(&self, context: &RequestContext) -> Vec<String> {
        let documents = self.set.identity.iter().chain(&self.set.boundary);
        let mut missing = keys_of(documents);
        missing.retain(|name| context.values(&name.to_lowercase()).is_none());
        missing
    }
}

fn position(place: haar_policy::Position) -> Position {
    let number = |number: usize| i32::try_from(number).ok();
    Position { line: number(place.line), column: number(place.column) }
}

fn outcome(decision: &Decision) -> Outcome {
    match decision.reason {
        Reason::Root | Reason::Allowed(_) => Outcome::Allowed,
        Reason::ExplicitDeny(_) => Outcome::ExplicitDeny,
        Reason::NotAllowed(_) => Outcome::ImplicitDeny,
    }
}

/// Keys that policies ask for, each once, in the order of the policies.
fn keys_of<'a>(documents: impl IntoIterator<Item = &'a Arc<Document>>) -> Vec<String> {
    let mut known = BTreeSet::new();
    let keys = documents.into_iter().flat_map(|document| document.context_keys());
    keys.filter(|name| known.insert(name.to_lowercase())).collect()
}

impl Query<GetContextKeysForCustomPolicy> for Iam {
    fn query(
        &self,
        _call: &Call,
        _snapshot: &Snapshot,
        input: GetContextKeysForCustomPolicyRequest,
    ) -> Answer<GetContextKeysForCustomPolicy> {
        let documents = read(&input.policy_input_list, Grammar::Inline)?;
        Ok(GetContextKeysForPolicyResponse { context_key_names: Some(keys_of(&documents)) })
    }
}

impl Query<GetContextKeysForPrincipalPolicy> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetContextKeysForPrincipalPolicyRequest,
    ) -> Answer<GetContextKeysForPrincipalPolicy> {
        let (sources, _) = self.sources_of(call, snapshot, &input.policy_source_arn)?;
        let own = sources.iter().filter_map(|source| self.parsed.document(&source.text));
        let mut documents: Vec<Arc<Document>> = own.collect();
        documents.extend(read(&input.policy_input_list.unwrap_or_default(), Grammar::Inline)?);
        Ok(GetContextKeysForPolicyResponse { context_key_names: Some(keys_of(&documents)) })
    }
}
