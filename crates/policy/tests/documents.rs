//! What is read as a policy, and what is refused in which words.

use haar_policy::{Document, Grammar};
use proptest::prelude::*;

fn refusal(grammar: Grammar, text: &str) -> String {
    Document::parse(text, grammar).expect_err(text).to_string()
}

/// A managed policy of one statement.
fn managed(statement: &str) -> String {
    format!(r#"{{"Version": "2012-10-17", "Statement": {{{statement}}}}}"#)
}

#[test]
fn sound_policies_are_read() {
    for statement in [
        r#""Effect": "Allow", "Action": "*", "Resource": "*""#,
        r#""Sid": "a1", "Effect": "Deny", "NotAction": ["s3:Get*"], "NotResource": "arn:aws:s3:::b""#,
        r#""Effect": "Allow", "Action": ["lambda:InvokeFunction"],
           "Resource": "arn:aws:lambda:*:${aws:PrincipalAccount}:function:*",
           "Condition": {"ForAnyValue:StringLikeIfExists": {"aws:TagKeys": ["a", "b*"]},
                         "Bool": {"aws:SecureTransport": true},
                         "NumericLessThan": {"s3:max-keys": 10}}"#,
    ] {
        Document::parse(&managed(statement), Grammar::Managed).expect(statement);
    }
    let trust = r#"{"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"Service": ["lambda.amazonaws.com"], "AWS": "123456789012"}}]}"#;
    Document::parse(trust, Grammar::Trust).unwrap();
}

#[test]
fn managed_policies_are_refused_in_iams_words() {
    for (statement, expected) in [
        (r#""Effect": "Allow", "Action": "s3:*""#, "Policy statement must contain resources."),
        (r#""Effect": "Allow", "Resource": "*""#, "Policy statement must contain actions."),
        (
            r#""Effect": "Allow", "Action": [], "Resource": "*""#,
            "Policy statement must contain actions.",
        ),
        (
            r#""Effect": "Allow", "Action": "*", "NotResource": []"#,
            "Policy statement must contain resources.",
        ),
        (
            r#""Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*""#,
            "Policy document should not specify a principal.",
        ),
        (
            r#""Effect": "Allow", "Action": "Get*", "Resource": "*""#,
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (
            r#""Effect": "Allow", "Action": "s3:a:b", "Resource": "*""#,
            "Actions/Condition can contain only one colon.",
        ),
        (r#""Effect": "Allow", "Action": "s3*:Get", "Resource": "*""#, "Vendor s3* is not valid"),
        (
            r#""Effect": "Allow", "Action": "s3:*", "Resource": "bucket""#,
            r#"Resource bucket must be in ARN format or "*"."#,
        ),
        (
            r#""Effect": "Allow", "Action": "s3:*", "Resource": "arn:mine:s3:::b""#,
            r#"Partition "mine" is not valid for resource "arn:mine:s3:::b"."#,
        ),
        (
            r#""Effect": "Allow", "Action": "s3:*", "Resource": "*",
               "Condition": {"StringMatches": {"aws:x": "y"}}"#,
            "Invalid Condition type : StringMatches",
        ),
        (
            r#""Sid": "a-b", "Effect": "Allow", "Action": "s3:*", "Resource": "*""#,
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the \
             regular expression [0-9A-Za-z]*",
        ),
        (r#""Effect": "allow", "Action": "*", "Resource": "*""#, "Syntax errors in policy."),
        (r#""Effect": "Allow", "Action": 1, "Resource": "*""#, "Syntax errors in policy."),
        (
            r#""Effect": "Allow", "Action": "*", "NotAction": "*", "Resource": "*""#,
            "Syntax errors in policy.",
        ),
        (
            r#""Effect": "Allow", "Effect": "Deny", "Action": "*", "Resource": "*""#,
            "Syntax errors in policy.",
        ),
        (
            r#""Effect": "Allow", "Action": "*", "Resource": "*", "Foo": 1"#,
            "Syntax errors in policy.",
        ),
    ] {
        assert_eq!(refusal(Grammar::Managed, &managed(statement)), expected, "{statement}");
    }
}

#[test]
fn whole_documents_are_refused_in_iams_words() {
    let statement = r#"{"Sid": "x", "Effect": "Allow", "Action": "*", "Resource": "*"}"#;
    let twice = format!(r#"{{"Version": "2012-10-17", "Statement": [{statement}, {statement}]}}"#);
    let old = format!(r#"{{"Statement": [{statement}]}}"#);
    for (text, expected) in [
        ("", "Syntax errors in policy."),
        ("[]", "Syntax errors in policy."),
        (r#"{"Version": "2012-10-17"}"#, "Syntax errors in policy."),
        (r#"{"Version": "2012-10-17", "Statement": []}"#, "Syntax errors in policy."),
        (r#"{"Version": "2020-01-01", "Statement": []}"#, "Syntax errors in policy."),
        (&twice, "Statement IDs (SID) in a single policy must be unique."),
        (&old, "Policy document must be version 2012-10-17 or greater."),
    ] {
        assert_eq!(refusal(Grammar::Managed, text), expected, "{text}");
    }
    assert!(Document::parse(&old, Grammar::Inline).is_ok());
}

#[test]
fn trust_policies_are_refused_in_iams_words() {
    let trust = |body: &str| format!(r#"{{"Version": "2012-10-17", "Statement": [{{{body}}}]}}"#);
    for (body, expected) in [
        (
            r#""Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*", "Resource": "*""#,
            "Has prohibited field Resource",
        ),
        (r#""Effect": "Allow", "Principal": "*""#, "Missing required field Action"),
        (r#""Effect": "Allow", "Action": "sts:AssumeRole""#, "Missing required field Principal"),
        (
            r#""Effect": "Allow", "Action": "s3:*", "Principal": "*""#,
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
        (
            r#""Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "bob"}"#,
            r#"Invalid principal in policy: "AWS":"bob""#,
        ),
        (
            r#""Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda"}"#,
            r#"Invalid principal in policy: "SERVICE":"lambda""#,
        ),
    ] {
        assert_eq!(refusal(Grammar::Trust, &trust(body)), expected, "{body}");
    }
    assert_eq!(refusal(Grammar::Trust, "{"), "This policy contains invalid Json");
}

#[test]
fn the_keys_that_a_policy_asks_for_are_known() {
    let text = managed(
        r#""Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::${aws:username}/*",
           "Condition": {"StringEquals": {"aws:PrincipalTag/Team": "${aws:RequestTag/Team}"}}"#,
    );
    let document = Document::parse(&text, Grammar::Managed).unwrap();
    let keys: Vec<String> = document.context_keys().collect();
    assert_eq!(keys, ["aws:username", "aws:PrincipalTag/Team", "aws:RequestTag/Team"]);
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in r#"[\{\}\[\]":,a-zA-Z0-9*?$ ]{0,60}"#) {
        for grammar in [Grammar::Managed, Grammar::Trust, Grammar::Resource] {
            let _ = Document::parse(&text, grammar);
        }
    }
}
