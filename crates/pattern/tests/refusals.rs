//! What is no pattern, in the service's words.

use haar_pattern::{DEPTH_MAX, Dialect, Pattern};

#[track_caller]
fn refused(text: &str) -> (String, usize, usize) {
    let error = Pattern::compile(text, &Dialect::EVENT_BUS).expect_err("no pattern");
    (error.reason, error.line, error.column)
}

#[track_caller]
fn reason(text: &str, expected: &str) {
    assert_eq!(refused(text).0, expected, "{text}");
}

#[test]
fn the_place_is_told_as_the_service_tells_it() {
    let text = r#"{"source":["test.event-pattern"],"detail":{"lenderId":"LenderA"}}"#;
    let error = Pattern::compile(text, &Dialect::EVENT_BUS).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "\"lenderId\" must be an object or an array\n at [Source: (String)\"{text}\"; line: 1, \
             column: 56]"
        )
    );
    assert_eq!(refused("{\n  \"a\": [],\n}"), ("Empty arrays are not allowed".to_owned(), 2, 10));
}

#[test]
fn shapes_of_patterns() {
    reason("[]", "Filter is not an object");
    reason("\"text\"", "Filter is not an object");
    reason("{}", "Empty objects are not allowed");
    reason(r#"{"a": {}}"#, "Empty objects are not allowed");
    reason(r#"{"a": 5}"#, "\"a\" must be an object or an array");
    reason(r#"{"a": [[1]]}"#, "Match value must be String, number, true, false, or null");
    reason(r#"{"a": [{}]}"#, "Match expression name not found");
    reason(r#"{"a": [{"regex": "x"}]}"#, "Unrecognized match type regex");
    reason(
        r#"{"a": [{"prefix": "x", "suffix": "y"}]}"#,
        "Only one key allowed in match expression",
    );
}

#[test]
fn operands() {
    reason(r#"{"a": [{"prefix": 1}]}"#, "prefix match pattern must be a string");
    reason(r#"{"a": [{"prefix": {"wildcard": "x"}}]}"#, "Unsupported prefix pattern: wildcard");
    reason(r#"{"a": [{"suffix": []}]}"#, "suffix match pattern must be a string");
    reason(r#"{"a": [{"exists": "yes"}]}"#, "exists match pattern must be either true or false.");
    reason(r#"{"a": [{"wildcard": "a**b"}]}"#, "Consecutive wildcard characters at pos 2");
    reason(r#"{"a": [{"wildcard": "a\\b"}]}"#, "Invalid escape character at pos 2");
    reason(r#"{"a": [{"cidr": "10.0.0.0"}]}"#, "Malformed CIDR, one '/' required");
    reason(r#"{"a": [{"cidr": "10.0.0.0/x"}]}"#, "Malformed CIDR, mask bits must be an integer");
    reason(r#"{"a": [{"cidr": "10.0.0.0/32"}]}"#, "IPv4 mask bits must be < 32");
    reason(r#"{"a": [{"cidr": "10.0.0.900/8"}]}"#, "Invalid IP address: 10.0.0.900");
    reason(r#"{"a": [{"cidr": "host/8"}]}"#, "Nonstandard IP address: host");
}

#[test]
fn numbers() {
    reason(r#"{"a": [{"numeric": 5}]}"#, "Value of numeric must be an array.");
    reason(r#"{"a": [{"numeric": ["!", 5]}]}"#, "Unrecognized numeric range operator: !");
    reason(r#"{"a": [{"numeric": [5]}]}"#, "Invalid member in numeric match: 5");
    reason(r#"{"a": [{"numeric": ["=", "5"]}]}"#, "Value of equals must be numeric");
    reason(r#"{"a": [{"numeric": ["<", 5, ">", 1]}]}"#, "Too many elements in numeric expression");
    reason(r#"{"a": [{"numeric": [">", 5, ">", 1]}]}"#, "Bad numeric range operator: >");
    reason(r#"{"a": [{"numeric": [">", 5, "<", 1]}]}"#, "Bottom must be less than top");
    reason(
        r#"{"a": [{"numeric": [">", 5000000001]}]}"#,
        "Value must be between -5.0E9 and 5.0E9, inclusive",
    );
}

#[test]
fn exclusions() {
    let mixed = "Inside anything but list, either all values are number or string, mixed type is \
                 not supported";
    reason(r#"{"a": [{"anything-but": ["x", 1]}]}"#, mixed);
    reason(r#"{"a": [{"anything-but": []}]}"#, mixed);
    reason(
        r#"{"a": [{"anything-but": [null]}]}"#,
        "Inside anything but list, start|null|boolean is not supported.",
    );
    reason(
        r#"{"a": [{"anything-but": true}]}"#,
        "Value of anything-but must be an array or single string/number value.",
    );
    reason(r#"{"a": [{"anything-but": {"prefix": ""}}]}"#, "Null prefix/suffix not allowed");
    reason(
        r#"{"a": [{"anything-but": {"numeric": 1}}]}"#,
        "Unsupported anything-but pattern: numeric",
    );
}

#[test]
fn alternatives() {
    reason(r#"{"$or": {"a": ["x"]}}"#, "It must be an Array followed with $or.");
    reason(r#"{"$or": [{"a": ["x"]}]}"#, "There must have at least 2 Objects in $or relationship.");
    reason(r#"{"$or": ["x", "y"]}"#, "Only JSON object is allowed in array of $or relationship.");
    reason(
        r#"{"$or": [{"prefix": ["x"]}, {"b": ["y"]}]}"#,
        "prefix is Ruler reserved fieldName which cannot be used inside $or.",
    );
    let ten: Vec<String> = (0..11).map(|n| format!("{{\"f{n}\": [1]}}")).collect();
    let or = format!("{{\"$or\": [{}]}}", ten.join(","));
    let nested = format!("{{\"a\": {or}, \"b\": {or}, \"c\": {or}}}");
    assert!(refused(&nested).0.starts_with("Rule is too complex"));
}

#[test]
fn broken_json() {
    reason(
        "this is not json",
        "Unrecognized token 'this': was expecting (JSON String, Number, Array, Object or token \
         'null', 'true' or 'false')",
    );
    reason(
        "{\"a\" [1]}",
        "Unexpected character ('[' (code 91)): was expecting a colon to separate field name and \
         value",
    );
    reason(
        "{\"a\": [1] \"b\"}",
        "Unexpected character ('\"' (code 34)): was expecting comma to separate Object entries",
    );
    reason(
        "{",
        "Unexpected end-of-input: expected close marker for Object (start marker at [Source: \
         (String)\"{\"; line: 1, column: 1])",
    );
    let deep = "{\"a\":".repeat(DEPTH_MAX + 1);
    reason(&deep, "Document nesting depth exceeds 200");
}

#[test]
fn dialects_know_their_own_operators() {
    for text in [
        r#"{"a": [{"wildcard": "x*"}]}"#,
        r#"{"a": [{"cidr": "10.0.0.0/8"}]}"#,
        r#"{"a": [{"anything-but": {"prefix": "x"}}]}"#,
    ] {
        assert!(Pattern::compile(text, &Dialect::PIPE).is_err(), "{text}");
        assert!(Pattern::compile(text, &Dialect::FILTER_POLICY).is_ok(), "{text}");
    }
    let big = r#"{"a": [{"numeric": ["<", 2000000000]}]}"#;
    assert!(Pattern::compile(big, &Dialect::PIPE).is_ok());
    assert!(Pattern::compile(big, &Dialect::FILTER_POLICY).is_err());
}

#[test]
fn alternatives_do_not_copy_a_long_list_without_end() {
    let branches = |count: usize| vec![r#"{"a":[1]}"#; count].join(",");
    let values = |count: usize| vec![r#""x""#; count].join(",");
    let before = |count, many| format!(r#"{{"b":[{}],"$or":[{}]}}"#, values(many), branches(count));
    let behind = |count, many| format!(r#"{{"$or":[{}],"b":[{}]}}"#, branches(count), values(many));
    for text in [before(1_000, 1_000), behind(1_000, 1_000)] {
        assert!(refused(&text).0.starts_with("Rule is too complex - the bytes of values"));
    }
    for text in [before(1_000, 90), behind(1_000, 90), before(2, 40_000), behind(2, 40_000)] {
        assert!(Pattern::compile(&text, &Dialect::EVENT_BUS).is_ok());
    }
    let fields: Vec<String> = (0..500).map(|at| format!("\"{at}\": [1]")).collect();
    let name = "n".repeat(10_000);
    let text = format!("{{\"{name}\": {{{}}}}}", fields.join(","));
    assert!(refused(&text).0.starts_with("Rule is too complex - the bytes of values"));
}
