//! Events that patterns match, and those that they do not.

use haar_pattern::{Dialect, Pattern};
use proptest::prelude::*;
use serde_json::{Value, json};

fn matches(pattern: &Value, event: &Value) -> bool {
    Pattern::compile(&pattern.to_string(), &Dialect::EVENT_BUS).expect("a pattern").matches(event)
}

/// One field's pattern against its values: those that match, those that do not.
fn field(alternatives: Value, yes: &[Value], no: &[Value]) {
    let pattern = json!({"detail": {"field": alternatives}});
    for value in yes {
        assert!(matches(&pattern, &json!({"detail": {"field": value}})), "{pattern} on {value}");
    }
    for value in no {
        assert!(!matches(&pattern, &json!({"detail": {"field": value}})), "{pattern} on {value}");
    }
}

#[test]
fn exact_values_are_of_one_type() {
    field(json!(["a", "b"]), &[json!("a"), json!("b")], &[json!("A"), json!("ab"), json!(null)]);
    field(json!([5]), &[json!(5), json!(5.0)], &[json!("5"), json!(5.1), json!(true)]);
    field(
        json!([123_456_789_012_u64]),
        &[json!(123_456_789_012_u64)],
        &[json!(123_456_789_013_u64)],
    );
    field(json!([null]), &[json!(null)], &[json!(""), json!("null"), json!(0)]);
    field(json!([""]), &[json!("")], &[json!(null), json!(" ")]);
    field(json!([true]), &[json!(true)], &[json!(false), json!("true")]);
    field(json!(["::1"]), &[json!("::1"), json!("0:0:0:0:0:0:0:1")], &[json!("::2")]);
}

#[test]
fn texts_are_compared_at_their_ends_and_in_any_case() {
    field(json!([{"prefix": "us-"}]), &[json!("us-east-1")], &[json!("US-east-1"), json!(1)]);
    field(
        json!([{"prefix": {"equals-ignore-case": "EventB"}}]),
        &[json!("EVENTBridge"), json!("eventb")],
        &[json!("event")],
    );
    field(json!([{"suffix": ".png"}]), &[json!("a.png"), json!(".png")], &[json!("a.PNG")]);
    field(
        json!([{"suffix": {"equals-ignore-case": ".PnG"}}]),
        &[json!("a.png"), json!("a.PNG")],
        &[json!("a.jpg")],
    );
    field(json!([{"equals-ignore-case": "alice"}]), &[json!("ALICE")], &[json!("alice2")]);
}

#[test]
fn anything_but_wants_a_value_that_is_none_of_these() {
    let plain = json!([{"anything-but": "initializing"}]);
    field(plain.clone(), &[json!("running"), json!(5), json!(null)], &[json!("initializing")]);
    assert!(!matches(&json!({"state": plain}), &json!({"other": "running"})));
    field(json!([{"anything-but": ["a", "b"]}]), &[json!("c"), json!(["a", "c"])], &[json!("a")]);
    field(json!([{"anything-but": 123}]), &[json!(124), json!("123")], &[json!(123)]);
    field(json!([{"anything-but": [1, 2]}]), &[json!(3)], &[json!(1), json!([1, 2])]);
    field(json!([{"anything-but": {"prefix": "us-"}}]), &[json!("eu-")], &[json!("us-east-1")]);
    field(
        json!([{"anything-but": {"prefix": ["us-", "eu-"]}}]),
        &[json!("ap-")],
        &[json!("us-1"), json!("eu-1")],
    );
    field(json!([{"anything-but": {"suffix": ".png"}}]), &[json!("a.jpg")], &[json!("a.png")]);
    field(
        json!([{"anything-but": {"equals-ignore-case": ["One", "two"]}}]),
        &[json!("three")],
        &[json!("ONE"), json!("TWO")],
    );
    field(
        json!([{"anything-but": {"wildcard": "*/lib/*"}}]),
        &[json!("/usr/bin/ls")],
        &[json!("/usr/lib/x.so")],
    );
}

#[test]
fn numbers_are_compared_in_ranges() {
    field(json!([{"numeric": ["=", 3.018e2]}]), &[json!(301.8)], &[json!(301.81), json!("301.8")]);
    field(
        json!([{"numeric": [">", 0, "<=", 5]}]),
        &[json!(0.1), json!(5)],
        &[json!(0), json!(5.1)],
    );
    field(json!([{"numeric": ["<", 10]}]), &[json!(-10)], &[json!(10), json!(null)]);
    field(json!([{"numeric": [">=", -1.5]}]), &[json!(-1.5)], &[json!(-1.500_01)]);
}

#[test]
fn addresses_lie_in_blocks() {
    field(
        json!([{"cidr": "10.0.0.0/24"}]),
        &[json!("10.0.0.0"), json!("10.0.0.255")],
        &[json!("10.0.1.0"), json!("10.0.0"), json!("::1"), json!(10)],
    );
    field(json!([{"cidr": "0.0.0.0/0"}]), &[json!("255.1.2.3")], &[json!("::1")]);
    field(
        json!([{"cidr": "2001:db8::/32"}]),
        &[json!("2001:DB8:ffff::1")],
        &[json!("2001:db9::1"), json!("10.0.0.1")],
    );
}

#[test]
fn stars_stand_for_any_text() {
    field(
        json!([{"wildcard": "dir/*.png"}]),
        &[json!("dir/.png"), json!("dir/a/b.png")],
        &[json!("dir/a.pn"), json!("xdir/a.png")],
    );
    field(json!([{"wildcard": "*a*b*"}]), &[json!("xaxbx"), json!("ab")], &[json!("ba")]);
    field(json!([{"wildcard": r"a\*b\\"}]), &[json!(r"a*b\")], &[json!(r"axb\")]);
    field(json!([{"wildcard": "aba*aba"}]), &[json!("abaaba")], &[json!("aba"), json!("ababa")]);
}

#[test]
fn existence_is_a_matter_of_leaves() {
    let there = json!({"detail": {"state": [{"exists": true}]}});
    assert!(matches(&there, &json!({"detail": {"state": null}})));
    assert!(!matches(&there, &json!({"detail": {"state": {"within": 1}}})));
    assert!(!matches(&there, &json!({"detail": {"state": []}})));
    let gone = json!({"detail": {"state": [{"exists": false}]}});
    assert!(matches(&gone, &json!({"detail": {}})));
    assert!(matches(&gone, &json!({})));
    assert!(matches(&gone, &json!({"detail": "text"})));
    assert!(!matches(&gone, &json!({"detail": {"state": ""}})));
    let either = json!({"state": [{"exists": false}, "on"]});
    assert!(matches(&either, &json!({})) && matches(&either, &json!({"state": "on"})));
    assert!(!matches(&either, &json!({"state": "off"})));
}

#[test]
fn absence_is_judged_over_all_elements_of_an_array() {
    let pattern = json!({"items": {"error": [{"exists": false}]}});
    assert!(matches(&pattern, &json!({"items": [{"ok": 1}, {"ok": 2}]})));
    assert!(!matches(&pattern, &json!({"items": [{"ok": 1}, {"error": 2}]})));
}

#[test]
fn an_array_matches_by_any_element_and_fields_of_an_element_belong_together() {
    field(json!(["b"]), &[json!(["a", "b"]), json!([["b"]])], &[json!(["a"]), json!([])]);
    let pattern = json!({"employees": {"name": ["Anna"], "role": ["boss"]}});
    let one = json!({"employees": [{"name": "Anna", "role": "boss"}, {"name": "Ben"}]});
    let two = json!({"employees": [{"name": "Anna", "role": "clerk"}, {"role": "boss"}]});
    assert!(matches(&pattern, &one));
    assert!(!matches(&pattern, &two));
}

#[test]
fn or_joins_fields_and_may_be_nested() {
    let pattern = json!({
        "source": ["aws.cloudwatch"],
        "$or": [
            {"metric": [{"prefix": "CPU"}]},
            {"$or": [{"unit": ["s"], "depth": {"of": ["x"]}}, {"scale": [{"numeric": [">", 5]}]}]},
        ],
    });
    let of = |rest: Value| {
        let mut event = json!({"source": "aws.cloudwatch"});
        event.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        matches(&pattern, &event)
    };
    assert!(of(json!({"metric": "CPULoad"})));
    assert!(of(json!({"unit": "s", "depth": {"of": "x"}})));
    assert!(of(json!({"scale": 6})));
    assert!(!of(json!({"unit": "s"})));
    assert!(!matches(&pattern, &json!({"metric": "CPULoad"})));
}

#[test]
fn leaves_are_counted_for_each_alternative() {
    let text = r#"{"a": ["x", 1], "$or": [{"b": {"c": ["y"]}}, {"d": [{"prefix": "z"}]}]}"#;
    let pattern = Pattern::compile(text, &Dialect::FILTER_POLICY).unwrap();
    let counts: Vec<Vec<(usize, usize)>> = pattern
        .leaves()
        .map(|leaves| leaves.map(|leaf| (leaf.path.len(), leaf.values)).collect())
        .collect();
    assert_eq!(counts, [vec![(1, 2), (2, 1)], vec![(1, 2), (1, 1)]]);
    assert!(pattern.is_nested());
    let flat = Pattern::compile(r#"{"a": ["x"]}"#, &Dialect::FILTER_POLICY).unwrap();
    assert!(!flat.is_nested());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-c*\\\\.]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c]|[$]or|prefix|numeric", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// The pattern that asks for exactly the leaves of an object.
fn pattern_of(value: &Value) -> Option<Value> {
    match value {
        Value::Object(fields) => {
            let fields: serde_json::Map<String, Value> = fields
                .iter()
                .filter(|(name, _)| *name != "$or")
                .filter_map(|(name, value)| Some((name.clone(), pattern_of(value)?)))
                .collect();
            (!fields.is_empty()).then_some(Value::Object(fields))
        }
        Value::Array(_) => None,
        leaf => Some(json!([leaf])),
    }
}

proptest! {
    #[test]
    fn an_event_matches_the_pattern_of_its_own_leaves(event in any_json()) {
        if let Some(pattern) = pattern_of(&event).filter(Value::is_object) {
            prop_assert!(matches(&pattern, &event));
        }
    }

    #[test]
    fn any_text_compiles_or_is_refused(text in any_json(), cut in 0usize..40, event in any_json()) {
        let mut text = text.to_string();
        text.truncate(text.len().saturating_sub(cut % 7));
        if let Ok(pattern) = Pattern::compile(&text, &Dialect::EVENT_BUS) {
            pattern.matches(&event);
        }
    }

    #[test]
    fn a_wildcard_holds_what_its_stars_are_filled_with(
        pieces in prop::collection::vec("[ab]{1,3}", 1..4),
        filled in prop::collection::vec("[abc]{0,3}", 4),
    ) {
        let wildcard = pieces.join("*");
        let text: String =
            pieces.iter().zip(&filled).map(|(piece, fill)| format!("{piece}{fill}")).collect();
        let text = &text[..text.len() - filled[pieces.len() - 1].len()];
        let pattern = json!({"a": [{"wildcard": wildcard}]});
        let event = json!({"a": text});
        prop_assert!(matches(&pattern, &event));
    }
}
