//! Who may do what: AWS's evaluation logic, case by case.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use std::sync::Arc;

use haar_policy::{
    Decision, Document, Grammar, PolicyKind, PolicySet, Principal, Reason, RequestContext, decide,
};
use proptest::prelude::*;

const OURS: &str = "111111111111";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:111111111111:function:f";
const THEIRS: &str = "arn:aws:lambda:us-east-1:222222222222:function:f";
const USER: &str = "arn:aws:iam::111111111111:user/ann";
const ROLE: &str = "arn:aws:iam::111111111111:role/r";
const FEDERATED: &str = "arn:aws:sts::111111111111:federated-user/fed";
const ELSEWHERE: &str = r#"{"Version": "2012-10-17", "Statement":
    {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}"#;
const SESSION: &str = "arn:aws:sts::111111111111:assumed-role/r/s";

fn user() -> Principal {
    let account = OURS.parse().unwrap();
    Principal::User { account, arn: USER.into(), name: "ann".into(), id: "AIDAANN".into() }
}

fn role() -> Principal {
    Principal::RoleSession {
        account: OURS.parse().unwrap(),
        role_arn: ROLE.into(),
        session_arn: SESSION.into(),
        id: "AROAROLE:s".into(),
    }
}

fn federated() -> Principal {
    Principal::Federated {
        account: OURS.parse().unwrap(),
        user_arn: USER.into(),
        user_id: "AIDAANN".into(),
        session_arn: FEDERATED.into(),
        id: "111111111111:fed".into(),
    }
}

fn root() -> Principal {
    Principal::Root { account: OURS.parse().unwrap() }
}

fn service() -> Principal {
    Principal::Service { name: "events.amazonaws.com".into() }
}

fn says(effect: &str) -> Arc<Document> {
    let text = format!(
        r#"{{"Version": "2012-10-17", "Statement":
            {{"Effect": "{effect}", "Action": "lambda:*", "Resource": "*"}}}}"#
    );
    Arc::new(Document::parse(&text, Grammar::Managed).unwrap())
}

fn names(effect: &str, principal: &str) -> Arc<Document> {
    let text = format!(
        r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "{effect}",
            "Principal": {principal}, "Action": "lambda:*", "Resource": "*"}}}}"#
    );
    Arc::new(Document::parse(&text, Grammar::Resource).unwrap())
}

fn aws(arn: &str) -> String {
    format!(r#"{{"AWS": "{arn}"}}"#)
}

fn identity(effects: &[&str]) -> PolicySet {
    PolicySet {
        identity: effects.iter().map(|effect| says(effect)).collect(),
        ..Default::default()
    }
}

fn weigh(set: &PolicySet, who: Principal, resource: &str) -> Decision {
    decide(set, &RequestContext::new(who, "lambda:GetFunction", resource))
}

fn reason(set: &PolicySet, who: Principal) -> Reason {
    weigh(set, who, FUNCTION).reason
}

#[test]
fn identity_policies_allow_and_denials_win() {
    use PolicyKind::Identity;
    assert_eq!(reason(&identity(&[]), user()), Reason::NotAllowed(Identity));
    assert_eq!(reason(&identity(&["Allow"]), user()), Reason::Allowed(Identity));
    assert_eq!(reason(&identity(&["Allow", "Deny"]), user()), Reason::ExplicitDeny(Identity));
    assert_eq!(reason(&identity(&[]), root()), Reason::Root);
}

#[test]
fn boundaries_and_session_policies_narrow() {
    let other = Arc::new(Document::parse(ELSEWHERE, Grammar::Managed).unwrap());
    let mut set = identity(&["Allow"]);
    set.boundary = Some(other.clone());
    assert_eq!(reason(&set, user()), Reason::NotAllowed(PolicyKind::Boundary));
    set.boundary = Some(says("Allow"));
    set.session = Some(vec![other]);
    assert_eq!(reason(&set, role()), Reason::NotAllowed(PolicyKind::Session));
    set.session = Some(vec![]);
    assert_eq!(reason(&set, role()), Reason::NotAllowed(PolicyKind::Session));
    set.session = Some(vec![says("Allow")]);
    assert_eq!(reason(&set, role()), Reason::Allowed(PolicyKind::Identity));
    set.session = Some(vec![says("Deny")]);
    assert_eq!(reason(&set, role()), Reason::ExplicitDeny(PolicyKind::Session));
}

#[test]
fn within_an_account_a_resources_policy_grants_by_how_closely_it_names() {
    let with = |principal: &str| PolicySet {
        resource: vec![names("Allow", principal)],
        ..PolicySet::default()
    };
    let granted = Reason::Allowed(PolicyKind::Resource);
    assert_eq!(reason(&with(&aws(USER)), user()), granted);
    assert_eq!(reason(&with("\"*\""), user()), granted);
    assert_eq!(reason(&with(&aws(ROLE)), role()), granted);
    assert_eq!(reason(&with(&aws(SESSION)), role()), granted);
    let delegated = reason(&with(&aws(OURS)), user());
    assert_eq!(delegated, Reason::NotAllowed(PolicyKind::Identity));

    // an empty boundary narrows grants to the role, not grants to the session itself
    let narrowed = |principal: &str| PolicySet { session: Some(vec![]), ..with(principal) };
    assert_eq!(reason(&narrowed(&aws(SESSION)), role()), granted);
    assert_ne!(reason(&narrowed(&aws(ROLE)), role()), granted);
}

#[test]
fn boundaries_and_session_policies_narrow_grants_to_roles_but_none_to_who_asks_or_anyone() {
    let with = |principals: &[String]| PolicySet {
        boundary: Some(Arc::new(Document::parse(ELSEWHERE, Grammar::Managed).unwrap())),
        session: Some(vec![]),
        resource: principals.iter().map(|principal| names("Allow", principal)).collect(),
        ..PolicySet::default()
    };
    let anyone = || "\"*\"".to_owned();
    let granted = Reason::Allowed(PolicyKind::Resource);
    for (who, named) in [
        (user(), aws(USER)),
        (user(), anyone()),
        (role(), aws(SESSION)),
        (role(), anyone()),
        (federated(), aws(FEDERATED)),
        (federated(), anyone()),
    ] {
        assert_eq!(reason(&with(&[named]), who), granted);
    }
    for (who, named) in [(role(), aws(ROLE)), (federated(), aws(USER))] {
        let refused = reason(&with(std::slice::from_ref(&named)), who.clone());
        assert_eq!(refused, Reason::NotAllowed(PolicyKind::Identity));
        assert_eq!(reason(&with(&[named, anyone()]), who), granted);
    }
    let across = weigh(&with(&[anyone()]), user(), THEIRS);
    assert_eq!(across.reason, Reason::NotAllowed(PolicyKind::Identity));
    let mut denied = with(&[aws(USER)]);
    denied.boundary = Some(says("Deny"));
    assert_eq!(reason(&denied, user()), Reason::ExplicitDeny(PolicyKind::Boundary));
}

#[test]
fn across_accounts_both_sides_must_agree() {
    let mut set = identity(&["Allow"]);
    let without = weigh(&set, user(), THEIRS);
    assert_eq!(without.reason, Reason::NotAllowed(PolicyKind::Resource));
    set.resource = vec![names("Allow", &aws(OURS))];
    assert!(weigh(&set, user(), THEIRS).allowed);
    assert!(weigh(&set, root(), THEIRS).allowed);
    set.identity.clear();
    let refused = weigh(&set, user(), THEIRS);
    assert_eq!(refused.reason, Reason::NotAllowed(PolicyKind::Identity));
}

#[test]
fn services_and_strangers_need_the_resources_policy() {
    let mut set = PolicySet::default();
    assert_eq!(reason(&set, service()), Reason::NotAllowed(PolicyKind::Resource));
    set.resource = vec![names("Allow", r#"{"Service": "events.amazonaws.com"}"#)];
    assert!(weigh(&set, service(), FUNCTION).allowed);
    assert!(!weigh(&set, Principal::Anonymous, FUNCTION).allowed);
    set.resource = vec![names("Allow", "\"*\"")];
    assert!(weigh(&set, Principal::Anonymous, FUNCTION).allowed);
}

#[test]
fn a_trust_policy_must_agree_even_within_the_account() {
    let trust = |principal: &str| PolicySet {
        resource: vec![names("Allow", principal)],
        resource_must_agree: true,
        ..identity(&["Allow"])
    };
    assert!(weigh(&trust(&aws(USER)), user(), FUNCTION).allowed);
    assert!(weigh(&trust(&aws(OURS)), user(), FUNCTION).allowed);
    let mut set = trust(&aws("arn:aws:iam::111111111111:user/bob"));
    assert_eq!(reason(&set, user()), Reason::NotAllowed(PolicyKind::Resource));
    set = trust(&aws(OURS));
    set.identity.clear();
    assert_eq!(reason(&set, user()), Reason::NotAllowed(PolicyKind::Identity));
}

#[test]
fn not_principal_denies_all_but_those_it_names() {
    let text = format!(
        r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Deny",
            "NotPrincipal": {{"AWS": "{USER}"}}, "Action": "*", "Resource": "*"}}}}"#
    );
    let document = Arc::new(Document::parse(&text, Grammar::Resource).unwrap());
    let set = PolicySet { resource: vec![document], ..identity(&["Allow"]) };
    assert!(weigh(&set, user(), FUNCTION).allowed);
    assert_eq!(reason(&set, role()), Reason::ExplicitDeny(PolicyKind::Resource));
    let bounded = PolicySet { boundary: Some(says("Allow")), ..set };
    assert_eq!(reason(&bounded, user()), Reason::ExplicitDeny(PolicyKind::Resource));
}

#[test]
fn conditions_and_variables_see_the_request() {
    let text = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "lambda:*",
        "Resource": "arn:aws:lambda:*:*:function:${aws:username}-*",
        "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}}"#;
    let document = Arc::new(Document::parse(text, Grammar::Inline).unwrap());
    let set = PolicySet { identity: vec![document], ..PolicySet::default() };
    let ask = |name: &str, ip: &str| {
        let resource = format!("arn:aws:lambda:us-east-1:{OURS}:function:{name}");
        let mut context = RequestContext::new(user(), "lambda:GetFunction", resource);
        context.set("aws:SourceIp", [ip]);
        decide(&set, &context).allowed
    };
    assert!(ask("ann-1", "10.1.2.3"));
    assert!(!ask("bob-1", "10.1.2.3"));
    assert!(!ask("ann-1", "192.168.0.1"));
}

#[test]
fn refusals_are_told_in_awss_words() {
    let context = RequestContext::new(user(), "lambda:GetFunction", FUNCTION);
    let text = |set: &PolicySet| decide(set, &context).message(&context);
    let head = format!(
        "User: {USER} is not authorized to perform: lambda:GetFunction on resource: {FUNCTION}"
    );
    assert_eq!(
        text(&identity(&[])),
        format!("{head} because no identity-based policy allows the lambda:GetFunction action")
    );
    assert_eq!(
        text(&identity(&["Deny"])),
        format!("{head} with an explicit deny in an identity-based policy")
    );
    let bounded = PolicySet { boundary: Some(says("Deny")), ..identity(&["Allow"]) };
    assert_eq!(text(&bounded), format!("{head} with an explicit deny in a permissions boundary"));
}

fn any_policies() -> impl Strategy<Value = PolicySet> {
    let effects = || prop::collection::vec(prop::sample::select(vec!["Allow", "Deny"]), 0..3);
    let principal = prop::sample::select(vec![aws(USER), aws(ROLE), aws(OURS), "\"*\"".to_owned()]);
    let resource = (effects(), principal).prop_map(|(effects, principal)| {
        effects.into_iter().map(|effect| names(effect, &principal)).collect::<Vec<_>>()
    });
    (effects(), prop::option::of(effects()), prop::bool::ANY, resource).prop_map(
        |(own, session, bounded, resource)| PolicySet {
            session: session.map(|effects| effects.into_iter().map(says).collect()),
            boundary: bounded.then(|| says("Allow")),
            resource,
            ..identity(&own)
        },
    )
}

proptest! {
    #[test]
    fn an_added_denial_always_wins(mut set in any_policies()) {
        set.identity.push(says("Deny"));
        prop_assert!(!weigh(&set, user(), FUNCTION).allowed);
        prop_assert!(!weigh(&set, role(), THEIRS).allowed);
        prop_assert!(!weigh(&set, root(), FUNCTION).allowed);
    }

    #[test]
    fn an_added_permission_never_takes_one_away(mut set in any_policies()) {
        let who = [user(), role(), root()];
        let before = who.clone().map(|who| weigh(&set, who, FUNCTION).allowed);
        set.identity.push(says("Allow"));
        let after = who.map(|who| weigh(&set, who, FUNCTION).allowed);
        prop_assert!(before.iter().zip(after).all(|(before, after)| !before || after));
    }

    #[test]
    fn nothing_said_allows_nothing(action in "[a-z]{1,8}:[A-Za-z]{1,12}") {
        let context = RequestContext::new(user(), action, FUNCTION);
        prop_assert!(!decide(&PolicySet::default(), &context).allowed);
    }
}
