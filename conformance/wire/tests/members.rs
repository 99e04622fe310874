//! Single members, as policies ask for them.

use haar_wire::{AwsError, Json, from_json_into, json_member, structures, text_member, to_json};
use serde_json::json;

#[test]
fn one_member_is_what_the_whole_has_of_it() {
    let catalogue = haar_wire_conformance::catalogue();
    let operation = catalogue.operation("lambda", "TagResource").expect("it is served");
    let mut input = (operation.new_input)();
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
    let given = json!({ "Resource": arn, "Tags": { "team": "blue", "cost": "7" } });
    from_json_into(given, &mut *input).expect("it is an input");
    assert_eq!(json_member(&*input, "Tags"), to_json(&*input)["Tags"]);
    assert_eq!(json_member(&*input, "Resource"), json!(arn));
    assert_eq!(json_member(&*input, "TagKeys"), Json::Null);
    assert!(structures(&*input, "Tags").is_empty(), "a map is no list");
}

#[test]
fn a_list_of_structures_is_read_in_its_order() {
    let catalogue = haar_wire_conformance::catalogue();
    let operation = catalogue.operation("logs", "PutLogEvents").expect("it is served");
    let mut input = (operation.new_input)();
    let events = json!([{ "timestamp": 1, "message": "a" }, { "timestamp": 2, "message": "b" }]);
    let given = json!({ "logGroupName": "g", "logStreamName": "s", "logEvents": events });
    from_json_into(given, &mut *input).expect("it is an input");
    let all = structures(&*input, "logEvents").into_iter();
    let messages: Vec<_> = all.filter_map(|event| text_member(event, "message")).collect();
    assert_eq!(messages, ["a", "b"]);
}

#[test]
fn what_may_pass_is_told_from_what_will_not() {
    let is_transient =
        |name: &'static str, status| AwsError::new(name, status, String::new()).is_transient();
    assert!(is_transient("ProvisionedThroughputExceededException", 400));
    assert!(is_transient("ThrottlingException", 400));
    assert!(is_transient("TooManyRequestsException", 429));
    assert!(is_transient("InternalFailure", 500));
    assert!(!is_transient("NotImplemented", 501));
    assert!(!is_transient("ResourceNotFoundException", 404));
    assert!(!is_transient("LimitExceededException", 400));
}
