use super::*;

fn told<T: std::fmt::Debug>(outcome: Result<T, AwsError>) -> String {
    outcome.unwrap_err().message().to_owned()
}

fn text(data_type: &str, value: &str) -> MessageAttributeValue {
    MessageAttributeValue {
        data_type: data_type.to_owned(),
        string_value: Some(value.to_owned()),
        ..MessageAttributeValue::default()
    }
}

fn one(name: &str, value: MessageAttributeValue) -> Result<Attributes, AwsError> {
    attributes(Some(BTreeMap::from([(name.to_owned(), value)])))
}

#[test]
fn a_body_has_the_characters_of_xml() {
    assert!(check_body("tab\t, line\n, ü, 😀, \u{fffd}").is_ok());
    for body in ["a\u{0}", "\u{1f}", "\u{b}", "\u{fffe}"] {
        assert_eq!(check_body(body).unwrap_err().name(), "InvalidMessageContents", "{body:?}");
    }
    assert!(told(check_body("\u{8}")).starts_with("Invalid binary character '#x8' was found"));
    assert_eq!(told(check_body("")), "The request must contain the parameter MessageBody.");
}

#[test]
fn attributes_have_a_type_and_a_value_of_it() {
    assert!(one("a", text("String", "x")).is_ok());
    assert!(one("a", text("String.custom", "x")).is_ok());
    assert!(one("a", text("Number", "-1.5e3")).is_ok());
    for (value, words) in [
        (text("", "x"), "must contain non-empty message attribute type."),
        (text("Text", "x"), "has an invalid message attribute type"),
        (text("String", ""), "must contain non-empty message attribute value"),
        (text("Binary", "x"), "for message attribute type 'Binary'."),
        (text("Number", "x"), "Can't cast the value of message attribute 'a' to a number."),
    ] {
        let told = told(one("a", value));
        assert!(told.contains(words), "{told}");
    }
    for name in ["", ".a", "a.", "a..b", "AWS.x", "amazon.y", "a b"] {
        assert!(one(name, text("String", "x")).is_err(), "{name}");
    }
    let many = (0..11).map(|number| (number.to_string(), text("String", "x")));
    assert_eq!(
        told(attributes(Some(many.collect()))),
        "Number of message attributes [11] exceeds the allowed maximum [10]."
    );
}

#[test]
fn the_size_counts_names_types_and_values() {
    let attributes = one("name", text("String", "value")).unwrap();
    assert_eq!(size_of("body", &attributes), 4 + 4 + 6 + 5);
    assert!(check_size(1024, 1024).is_ok());
    assert_eq!(
        told(check_size(1025, 1024)),
        "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes."
    );
}

#[test]
fn fifo_messages_have_a_group_and_an_id_or_are_told_apart_by_content() {
    let some = |text: &str| Some(text.to_owned());
    let by_content = lane(true, true, some("g"), None, "body").unwrap();
    assert_eq!(by_content.deduplication.unwrap().len(), 64);
    let given = lane(true, true, some("g"), some("id"), "body").unwrap();
    assert_eq!(given.deduplication.as_deref(), Some("id"));
    assert!(told(lane(true, true, None, None, "b")).ends_with("parameter MessageGroupId."));
    assert!(told(lane(true, false, some("g"), None, "b")).starts_with("The queue should either"));
    assert_eq!(
        told(lane(false, false, None, some("id"), "b")),
        "Value id for parameter MessageDeduplicationId is invalid. Reason: The request include \
         parameter that is not valid for this queue type."
    );
    assert!(lane(false, false, some("fair"), None, "b").is_ok());
    assert!(lane(true, true, some("with space"), None, "b").is_err());
}

#[test]
fn a_message_is_delayed_by_a_quarter_of_an_hour_at_most() {
    assert_eq!(delay(false, Some(900)).unwrap(), Some(900));
    assert_eq!(delay(false, None).unwrap(), None);
    assert_eq!(delay(true, Some(0)).unwrap(), None);
    assert_eq!(
        told(delay(false, Some(901))),
        "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and \
         <= 900."
    );
    assert!(delay(true, Some(1)).is_err());
}
