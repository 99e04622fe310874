use std::collections::BTreeMap;

use haar_dynamodb_contract::AttributeValue;
use proptest::prelude::*;

use super::super::number::Number;
use super::super::value::{Attr, Item};
use super::apply::apply;
use super::*;

fn s(text: &str) -> Attr {
    Attr::S(text.to_owned())
}

fn n(text: &str) -> Attr {
    Attr::N(Number::parse(text).unwrap())
}

fn map(entries: &[(&str, Attr)]) -> Item {
    entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

/// An item with a bit of everything.
fn item() -> Item {
    map(&[
        ("id", s("1")),
        ("txt", s("hello")),
        ("num", n("10")),
        ("flag", Attr::Bool(true)),
        ("nothing", Attr::Null),
        ("tags", Attr::Ss(vec!["a".to_owned(), "b".to_owned()])),
        ("lst", Attr::L(vec![n("1"), s("two"), Attr::M(map(&[("deep", n("3"))]))])),
        ("doc", Attr::M(map(&[("x", n("1")), ("y", Attr::M(map(&[("z", s("end"))])))]))),
    ])
}

fn wire(value: &Attr) -> AttributeValue {
    crate::convert::to_wire_value(value.clone())
}

fn placeholders(names: &[(&str, &str)], values: &[(&str, Attr)]) -> Placeholders {
    let names: BTreeMap<_, _> =
        names.iter().map(|(key, name)| ((*key).to_owned(), (*name).to_owned())).collect();
    let values: BTreeMap<_, _> =
        values.iter().map(|(key, value)| ((*key).to_owned(), wire(value))).collect();
    let given = [("ConditionExpression", Some("x"))];
    let (names, values) =
        ((!names.is_empty()).then_some(names), (!values.is_empty()).then_some(values));
    Placeholders::read(names, values, &given, &given).unwrap()
}

fn usual() -> Placeholders {
    placeholders(
        &[("#n", "num"), ("#d", "doc")],
        &[
            (":ten", n("10")),
            (":nine", n("9")),
            (":he", s("he")),
            (":a", s("a")),
            (":one", n("1")),
            (":s", s("S")),
            (":lst", Attr::L(vec![n("7")])),
            (":t", Attr::Bool(true)),
            (":set", Attr::Ss(vec!["b".to_owned(), "c".to_owned()])),
        ],
    )
}

#[test]
fn conditions_hold_as_aws_evaluates_them() {
    for (text, holds) in [
        ("num = :ten", true),
        ("#n > :nine AND txt <> :he", true),
        ("NOT num = :ten", false),
        ("num BETWEEN :nine AND :ten", true),
        ("num IN (:one, :nine)", false),
        ("num IN (:one, :ten)", true),
        ("attribute_exists(doc.y.z) AND attribute_not_exists(doc.q)", true),
        ("attribute_exists(lst[2].deep) and attribute_not_exists(lst[3])", true),
        ("attribute_type(txt, :s)", true),
        ("begins_with(txt, :he)", true),
        ("contains(tags, :a)", true),
        ("contains(txt, :he)", true),
        ("contains(lst, :one)", true),
        ("size(tags) < :nine", true),
        ("size(txt) = :nine", false),
        ("size(num) > :one", false),
        ("absent = :ten", false),
        ("absent <> :ten", true),
        ("absent < :ten", false),
        ("txt = :ten", false),
        ("txt < :ten", false),
        ("flag = :t", true),
        ("num = :one OR num = :ten AND flag = :t", true),
        ("(num = :one OR num = :ten) AND NOT flag = :t", false),
        ("NOT (num = :one OR num = :nine)", true),
    ] {
        let condition = condition("ConditionExpression", text, &mut usual()).expect(text);
        assert_eq!(condition.holds(&item()), holds, "{text}");
    }
}

#[test]
fn what_is_no_condition_is_refused_in_aws_words() {
    for (text, why) in [
        ("", "The expression can not be empty;"),
        ("num =", "Syntax error; token: \"<EOF>\", near: \"=\""),
        ("num = = :ten", "Syntax error; token: \"=\", near: \"= = :ten\""),
        ("num ! :ten", "Syntax error; token: \"!\", near: \"num ! :ten\""),
        ("name = :ten", "Attribute name is a reserved keyword; reserved keyword: name"),
        (
            "num = :x",
            "An expression attribute value used in expression is not defined; attribute value: :x",
        ),
        (
            "#x = :ten",
            "An expression attribute name used in the document path is not defined; attribute name: #x",
        ),
        ("foo(num)", "Invalid function name; function: foo"),
        (
            "size(txt)",
            "The function is not allowed to be used this way in an expression; function: size",
        ),
        (
            "attribute_exists(num) = :ten",
            "The function is not allowed to be used this way in an expression; function: attribute_exists",
        ),
        (
            "if_not_exists(num, :ten) = :ten",
            "The function is not allowed in a condition expression; function: if_not_exists",
        ),
        (
            "attribute_exists(num, txt)",
            "Incorrect number of operands for operator or function; operator or function: attribute_exists, number of operands: 2",
        ),
        (
            "attribute_exists(:ten)",
            "Operator or function requires a document path; operator or function: attribute_exists",
        ),
        (
            "begins_with(txt, :ten)",
            "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
        ),
        (
            "num < :t",
            "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL",
        ),
        (
            "attribute_type(txt, :a)",
            "Invalid attribute type name found; type: a, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
        ),
        (
            "num BETWEEN :ten AND :nine",
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:10}, upper bound operand: AttributeValue: {N:9}",
        ),
        (
            "num BETWEEN :a AND :nine",
            "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {S:a}, upper bound operand: AttributeValue: {N:9}",
        ),
        (
            "num = num",
            "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [num]",
        ),
        ("((num = :ten))", "The expression has redundant parentheses;"),
        ("((num = :ten AND flag = :t))", "The expression has redundant parentheses;"),
    ] {
        let refused = condition("ConditionExpression", text, &mut usual()).expect_err(text);
        assert_eq!(refused.message(), format!("Invalid ConditionExpression: {why}"), "{text}");
    }
    for text in ["(num = :ten)", "((num = :ten) AND (flag = :t))", "(num = :ten) OR (flag = :t)"] {
        assert!(condition("ConditionExpression", text, &mut usual()).is_ok(), "{text}");
    }
}

#[test]
fn placeholders_must_be_used_and_well_formed() {
    let mut some = placeholders(&[("#n", "num"), ("#z", "zeta")], &[(":ten", n("10"))]);
    condition("ConditionExpression", "#n = :ten", &mut some).unwrap();
    assert_eq!(
        some.check_all_used().unwrap_err().message(),
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#z}"
    );
    let mut some = placeholders(&[], &[(":ten", n("10")), (":b", n("1")), (":c", n("1"))]);
    condition("ConditionExpression", "num = :ten", &mut some).unwrap();
    assert_eq!(
        some.check_all_used().unwrap_err().message(),
        "Value provided in ExpressionAttributeValues unused in expressions: keys: {:b, :c}"
    );
    let none = [("FilterExpression", None), ("KeyConditionExpression", None)];
    let values = BTreeMap::from([(":a".to_owned(), wire(&n("1")))]);
    assert_eq!(
        Placeholders::read(None, Some(values), &none, &none).unwrap_err().message(),
        "ExpressionAttributeValues can only be specified when using expressions: FilterExpression \
         and KeyConditionExpression are null"
    );
    let given = [("FilterExpression", Some("a = :a"))];
    let bad = BTreeMap::from([("a".to_owned(), wire(&n("1")))]);
    assert_eq!(
        Placeholders::read(None, Some(bad), &given, &given).unwrap_err().message(),
        "ExpressionAttributeValues contains invalid key: Syntax error; key: \"a\""
    );
    let empty = BTreeMap::from([(":a".to_owned(), AttributeValue::default())]);
    assert_eq!(
        Placeholders::read(None, Some(empty), &given, &given).unwrap_err().message(),
        "ExpressionAttributeValues contains invalid value: Supplied AttributeValue is empty, must \
         contain exactly one of the supported datatypes for key :a"
    );
}

fn updated(text: &str) -> Result<Item, String> {
    let mut item = item();
    let clauses = update(text, &mut usual()).map_err(|error| error.message().to_owned())?;
    apply(&clauses, &mut item).map_err(|error| error.message().to_owned())?;
    Ok(item)
}

#[test]
fn updates_change_what_they_name_and_read_what_was_before() {
    let after = updated(
        "SET num = num + :one, twin = num, doc.y.z = :a, lst[0] = :ten, lst[9] = :nine, \
         fresh = if_not_exists(fresh, :he), txt = if_not_exists(txt, :a) \
         REMOVE nothing, lst[1] ADD hits :ten, tags :set",
    )
    .unwrap();
    assert_eq!(after["num"], n("11"));
    assert_eq!(after["twin"], n("10"), "the value before");
    assert_eq!(after["fresh"], s("he"));
    assert_eq!(after["txt"], s("hello"));
    assert_eq!(after["hits"], n("10"));
    assert_eq!(after["tags"], Attr::Ss(vec!["a".into(), "b".into(), "c".into()]));
    assert!(!after.contains_key("nothing"));
    let deep = Attr::M(map(&[("deep", n("3"))]));
    assert_eq!(after["lst"], Attr::L(vec![n("10"), deep, n("9")]));
    let after = updated("set lst = list_append(lst, :lst) delete tags :set").unwrap();
    assert_eq!(after["tags"], Attr::Ss(vec!["a".into()]));
    assert!(matches!(&after["lst"], Attr::L(lst) if lst.len() == 4 && lst[3] == n("7")));
    let after = updated("REMOVE lst[0], lst[2], #d.x").unwrap();
    assert_eq!(after["lst"], Attr::L(vec![s("two")]));
    let after = updated("SET a = num - :ten").unwrap();
    assert_eq!(after["a"], n("0"));
}

#[test]
fn what_is_no_update_is_refused_in_aws_words() {
    let syntax = |text: &str| format!("Invalid UpdateExpression: {text}");
    for (text, why) in [
        ("SET", syntax("Syntax error; token: \"<EOF>\", near: \"SET\"")),
        ("SET num", syntax("Syntax error; token: \"<EOF>\", near: \"num\"")),
        ("PUT num = :ten", syntax("Syntax error; token: \"PUT\", near: \"PUT num\"")),
        (
            "SET num = :ten SET txt = :a",
            syntax("The \"SET\" section can only be used once in an update expression;"),
        ),
        (
            "SET doc = :a, doc.x = :a",
            syntax(
                "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [doc], path two: [doc, x]",
            ),
        ),
        (
            "SET doc.x = :a REMOVE doc[0]",
            syntax(
                "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [doc, x], path two: [doc, [0]]",
            ),
        ),
        (
            "SET num = num + :a",
            syntax(
                "Incorrect operand type for operator or function; operator or function: +, operand type: S",
            ),
        ),
        (
            "SET lst = list_append(lst, :a)",
            syntax(
                "Incorrect operand type for operator or function; operator or function: list_append, operand type: S",
            ),
        ),
        (
            "ADD num :a",
            syntax(
                "Incorrect operand type for operator or function; operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND",
            ),
        ),
        (
            "DELETE tags :ten",
            syntax(
                "Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND",
            ),
        ),
        (
            "SET a = size(txt)",
            syntax("The function is not allowed in an update expression; function: size"),
        ),
        (
            "SET num = absent + :one",
            "The provided expression refers to an attribute that does not exist in the item"
                .to_owned(),
        ),
        (
            "SET num = txt + :one",
            "An operand in the update expression has an incorrect data type".to_owned(),
        ),
        (
            "SET absent.x = :one",
            "The document path provided in the update expression is invalid for update".to_owned(),
        ),
        (
            "SET doc[0] = :one",
            "The document path provided in the update expression is invalid for update".to_owned(),
        ),
        (
            "ADD txt :one",
            "An operand in the update expression has an incorrect data type".to_owned(),
        ),
    ] {
        assert_eq!(updated(text), Err(why), "{text}");
    }
}

#[test]
fn projections_cut_items_down() {
    let cut = |text: &str| projection(text, &mut usual()).map(|it| it.apply(item()));
    let kept = cut("id, doc.y, lst[2].deep, lst[0], absent").unwrap();
    let y = Attr::M(map(&[("y", Attr::M(map(&[("z", s("end"))])))]));
    let list = Attr::L(vec![n("1"), Attr::M(map(&[("deep", n("3"))]))]);
    assert_eq!(kept, map(&[("id", s("1")), ("doc", y), ("lst", list)]));
    assert_eq!(
        cut("doc, doc.x").unwrap_err().message(),
        "Invalid ProjectionExpression: Two document paths overlap with each other; must remove or \
         rewrite one of these paths; path one: [doc], path two: [doc, x]"
    );
    assert_eq!(
        cut("id,").unwrap_err().message(),
        "Invalid ProjectionExpression: Syntax error; token: \"<EOF>\", near: \",\""
    );
}

#[test]
fn deep_nesting_is_refused_and_not_a_crash() {
    let text = format!("{}num = :ten{}", "NOT ".repeat(900), "");
    assert!(condition("ConditionExpression", &text, &mut usual()).is_err());
    let text = format!("SET a = {}:one", "(".repeat(2000));
    assert!(update(&text, &mut usual()).is_err());
}

proptest! {
    /// Whatever a customer sends is read or refused.
    #[test]
    fn any_text_is_read_or_refused(text in "[a-z#:(),.\\[\\]=<>+ \"'0-9-]{0,60}") {
        let _ = condition("ConditionExpression", &text, &mut usual());
        let _ = update(&format!("SET {text}"), &mut usual());
        let _ = projection(&text, &mut usual());
        let _ = named(&text).count();
    }

    #[test]
    fn any_characters_are_no_crash(text in any::<String>()) {
        let _ = condition("ConditionExpression", &text, &mut usual());
        let _ = update(&text, &mut usual());
        let _ = projection(&text, &mut usual());
    }
}
