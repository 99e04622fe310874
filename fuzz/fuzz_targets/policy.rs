//! No policy text makes the reader or the evaluation panic, and none allows the denied.
#![no_main]

use std::sync::Arc;

use haar_policy::{Document, Grammar, PolicySet, Principal, RequestContext, decide};
use libfuzzer_sys::fuzz_target;

const GRAMMARS: [Grammar; 6] =
    [Grammar::Managed, Grammar::Inline, Grammar::Session, Grammar::Trust, Grammar::Resource, Grammar::Own];

fuzz_target!(|text: &str| {
    let denial = r#"{"Version": "2012-10-17",
        "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}"#;
    let denial = Arc::new(Document::parse(denial, Grammar::Managed).expect("it is a policy"));
    for grammar in GRAMMARS {
        let Ok(document) = Document::parse(text, grammar) else { continue };
        let document = Arc::new(document);
        let context = RequestContext::new(Principal::Anonymous, "lambda:GetFunction", "*");
        let mut set = PolicySet {
            identity: vec![document.clone()],
            resource: vec![document],
            ..PolicySet::default()
        };
        decide(&set, &context);
        set.identity.push(denial.clone());
        assert!(!decide(&set, &context).allowed);
    }
});
