//! What a site learns of a request, and who may do what there.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use haar_kernel::{
    Auth, ForeignPage, Identities, Identity, IdentityError, Inbound, NoIdentities, Principal,
    Question,
};
use haar_ledger::Snapshot;
use haar_policy::{Document, Grammar, PolicySet, Principal as Who};
use haar_types::{AccountId, Timestamp};
use haar_wire::sigv4::Signer;
use http::Request;
use http::request::Parts;

use crate::toy::Cloud;

/// Knows one user, who has one policy.
struct OneUser;

impl Identities for OneUser {
    fn identify(
        &self,
        _snapshot: &Snapshot,
        access_key_id: &str,
        _session_token: Option<&str>,
        _now: Timestamp,
    ) -> Result<Identity, IdentityError> {
        if access_key_id != "AKIDUSER" {
            return Err(IdentityError::Unknown);
        }
        let account = AccountId::default();
        let arn = format!("arn:aws:iam::{account}:user/u");
        let who = Who::User { account: account.clone(), arn, name: "u".into(), id: "AIDA1".into() };
        let mut principal = Principal::of(account, who);
        principal.access_key_id = Some(access_key_id.to_owned());
        Ok(Identity { principal: Arc::new(principal), secret: "secret".to_owned() })
    }

    fn policies(&self, _snapshot: &Snapshot, principal: &Principal) -> PolicySet {
        let mut policies = PolicySet::default();
        if matches!(principal.identity, Who::User { .. }) {
            let allow = r#""Effect":"Allow","Action":["toy:Look","toy:Engines"],"Resource":"*""#;
            policies.identity.push(document(&format!("{{{allow}}}"), Grammar::Inline));
        }
        policies
    }
}

fn document(statement: &str, grammar: Grammar) -> Arc<Document> {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
    Arc::new(Document::parse(&text, grammar).unwrap())
}

fn request(cloud: &Cloud, signed: Option<(&str, &str, &str)>) -> Parts {
    let request = Request::get("http://x.toy.localhost:4566/a?b=c");
    let request = request.header("host", "x.toy.localhost:4566").body(()).unwrap();
    let mut parts = request.into_parts().0;
    parts.extensions.insert(IpAddr::V4(Ipv4Addr::LOCALHOST));
    if let Some((key, secret, service)) = signed {
        let signer = Signer {
            access_key_id: key.to_owned(),
            secret_access_key: secret.to_owned(),
            session_token: None,
            region: "eu-west-1".to_owned(),
            service: service.to_owned(),
        };
        signer.sign(&mut parts, b"body", cloud.doors.clock.now());
    }
    parts
}

fn closed() -> Cloud {
    Cloud::ephemeral(Auth::Enforce, Arc::new(OneUser))
}

fn question<'a>(action: &'a str, policy: Option<Arc<Document>>) -> Question<'a> {
    Question { action, resource: "arn:aws:toy:us-east-1:000000000000:engine/e", policy, keys: &[] }
}

#[tokio::test(start_paused = true)]
async fn a_signed_visitor_is_known_with_its_circumstances() {
    let cloud = closed();
    let parts = request(&cloud, Some(("AKIDUSER", "secret", "toy")));
    let call = cloud.doors.visitor(&parts, b"body", "toy").unwrap();
    assert_eq!(call.principal.arn(), "arn:aws:iam::000000000000:user/u");
    assert_eq!(call.principal.identity.user_id(), "AIDA1");
    assert_eq!(
        (call.region.as_str(), &*call.endpoint),
        ("eu-west-1", "http://x.toy.localhost:4566")
    );
    assert_eq!(call.source_ip, Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
}

#[tokio::test(start_paused = true)]
async fn a_visitor_whose_signature_proves_nothing_is_refused() {
    let cloud = closed();
    let name = |signed, body: &[u8]| {
        let parts = request(&cloud, Some(signed));
        cloud.doors.visitor(&parts, body, "toy").unwrap_err().name().to_owned()
    };
    assert_eq!(name(("AKIDUSER", "wrong", "toy"), b"body"), "InvalidSignatureException");
    assert_eq!(name(("AKIDUSER", "secret", "toy"), b"other"), "InvalidSignatureException");
    assert_eq!(name(("AKIDUSER", "secret", "s3"), b"body"), "InvalidSignatureException");
    assert_eq!(name(("AKIDNONE", "secret", "toy"), b"body"), "UnrecognizedClientException");
}

#[tokio::test(start_paused = true)]
async fn a_visitor_may_do_what_its_own_policies_or_the_resources_say() {
    let cloud = closed();
    let parts = request(&cloud, Some(("AKIDUSER", "secret", "toy")));
    let call = cloud.doors.visitor(&parts, b"body", "toy").unwrap();
    cloud.doors.authorise(&call, &question("toy:Look", None)).unwrap();
    let denied = cloud.doors.authorise(&call, &question("toy:Touch", None)).unwrap_err();
    assert_eq!(
        denied.message(),
        "User: arn:aws:iam::000000000000:user/u is not authorized to perform: toy:Touch on \
         resource: arn:aws:toy:us-east-1:000000000000:engine/e because no identity-based policy \
         allows the toy:Touch action"
    );
    let allow = r#"{"Effect":"Allow","Principal":"*","Action":"toy:Touch","Resource":"*"}"#;
    let open = document(allow, Grammar::Resource);
    cloud.doors.authorise(&call, &question("toy:Touch", Some(Arc::clone(&open)))).unwrap();

    let nobody = cloud.doors.visitor(&request(&cloud, None), b"", "toy").unwrap();
    assert_eq!(
        (nobody.principal.arn().as_str(), &nobody.principal.access_key_id),
        ("anonymous", &None)
    );
    assert!(cloud.doors.authorise(&nobody, &question("toy:Look", None)).is_err());
    cloud.doors.authorise(&nobody, &question("toy:Touch", Some(open))).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_passer_by_is_nobody_whatever_it_brings() {
    let cloud = closed();
    let parts = request(&cloud, Some(("AKIDUSER", "wrong", "toy")));
    assert_eq!(cloud.doors.passer_by(&parts).unwrap().principal.arn(), "anonymous");
}

#[tokio::test(start_paused = true)]
async fn in_permissive_mode_everybody_may() {
    let cloud = Cloud::ephemeral(Auth::Permissive, Arc::new(NoIdentities));
    let parts = request(&cloud, Some(("111122223333", "any", "toy")));
    let call = cloud.doors.visitor(&parts, b"other", "toy").unwrap();
    assert_eq!(call.principal.arn(), "arn:aws:iam::111122223333:root");
    cloud.doors.authorise(&call, &question("toy:Touch", None)).unwrap();
}

#[tokio::test(start_paused = true)]
async fn policies_decide_on_pages_of_other_sites_in_permissive_mode_too() {
    let cloud = Cloud::ephemeral(Auth::Permissive, Arc::new(OneUser));
    let visit = |signed| {
        let mut parts = request(&cloud, signed);
        parts.extensions.insert(ForeignPage);
        cloud.doors.visitor(&parts, b"body", "toy")
    };
    let nobody = visit(None).unwrap();
    assert_eq!(nobody.principal.arn(), "anonymous");
    assert!(cloud.doors.authorise(&nobody, &question("toy:Look", None)).is_err());
    for wrong in [("AKIDUSER", "wrong", "toy"), ("111122223333", "any", "toy")] {
        assert!(visit(Some(wrong)).is_err(), "{wrong:?}");
    }
    let user = visit(Some(("AKIDUSER", "secret", "toy"))).unwrap();
    cloud.doors.authorise(&user, &question("toy:Look", None)).unwrap();
    assert!(cloud.doors.authorise(&user, &question("toy:Touch", None)).is_err());
}

#[tokio::test(start_paused = true)]
async fn who_gives_tags_to_what_they_make_must_be_allowed_to_give_tags() {
    let cloud = closed();
    let start = async |body: &'static str| {
        let request = Request::post("/").header("host", "toy.localhost:4566");
        let request = request.header("content-type", "application/x-amz-json-1.1");
        let request = request.header("x-amz-target", "Toy_20260101.StartEngine").body(()).unwrap();
        let mut parts = request.into_parts().0;
        let signer = Signer {
            access_key_id: "AKIDUSER".to_owned(),
            secret_access_key: "secret".to_owned(),
            session_token: None,
            region: "eu-west-1".to_owned(),
            service: "toy".to_owned(),
        };
        signer.sign(&mut parts, body.as_bytes(), cloud.doors.clock.now());
        let inbound = Inbound { parts, body: body.into(), source_ip: None };
        let answer = cloud.kernel.serve(inbound).await;
        let text = String::from_utf8_lossy(answer.body().as_bytes().unwrap()).into_owned();
        (answer.status().as_u16(), text)
    };
    let (status, text) = start(r#"{"kind":"round","tags":["a"]}"#).await;
    assert_eq!(status, 400, "{text}");
    assert!(text.contains("is not authorized to perform: toy:TagEngine on resource: arn:aws:toy:"));
    assert_eq!(cloud.engines(), 0);
    assert_eq!(start(r#"{"kind":"round","tags":[]}"#).await.0, 200);
    assert_eq!(start(r#"{"kind":"round"}"#).await.0, 200);
}
