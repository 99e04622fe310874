use proptest::prelude::*;

use super::super::number::Number;
use super::*;

fn n(text: &str) -> Attr {
    Attr::N(Number::parse(text).unwrap())
}

#[test]
fn statements_of_each_kind_are_read() {
    let select = read(
        "SELECT a, b.c[0] FROM \"Music\".\"by-year\" WHERE \"Artist\" = ? AND Year BETWEEN 1 AND 2.5 \
         AND x IS NOT MISSING ORDER BY Year DESC",
        vec![Attr::S("It''s".to_owned())],
    )
    .unwrap();
    let Statement::Select(select) = select else { panic!("a select") };
    assert_eq!((select.table.as_str(), select.index.as_deref()), ("Music", Some("by-year")));
    assert_eq!(select.order, [("Year".to_owned(), true)]);
    assert_eq!(select.paths.unwrap().len(), 2);

    let text = "INSERT INTO t VALUE {'id': 'it''s', 'n': -1.5, 'l': [1, true, null], \
                's': <<'b', 'a'>>, 'm': {'k': ?}}";
    let Statement::Insert { item, .. } = read(text, vec![n("7")]).unwrap() else {
        panic!("an insert")
    };
    assert_eq!(item["id"], Attr::S("it's".to_owned()));
    assert_eq!(item["n"], n("-1.5"));
    assert_eq!(item["s"], Attr::Ss(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(item["m"], Attr::M([("k".to_owned(), n("7"))].into()));

    let text = "UPDATE t SET a = a + 1, b = list_append(b, [2]) REMOVE c SET d = set_add(d, <<1>>) \
                WHERE id = 'x' RETURNING MODIFIED NEW *";
    let Statement::Update { clauses, returning, .. } = read(text, Vec::new()).unwrap() else {
        panic!("an update")
    };
    assert_eq!(clauses.len(), 4);
    assert_eq!(returning, Some(Returning { is_new: true, is_all: false }));
    let text = "DELETE FROM t WHERE id = 'x' AND n > 3 RETURNING ALL OLD *;";
    assert!(matches!(read(text, Vec::new()), Ok(Statement::Delete { .. })));
    let text = "EXISTS(SELECT * FROM t WHERE id = 'x' AND size(a) > 1)";
    assert!(matches!(read(text, Vec::new()), Ok(Statement::Exists(_))));
}

#[test]
fn what_is_no_statement_is_refused() {
    let formed = "Statement wasn't well formed, can't be processed: ";
    for (text, why) in [
        ("", format!("{formed}Unexpected end of statement")),
        ("SELECT", format!("{formed}Unexpected end of statement")),
        ("SELECT * FROM t WHERE", format!("{formed}Unexpected end of statement")),
        ("SELECT * FROM t nonsense", format!("{formed}Unexpected term: nonsense")),
        ("INSERT INTO t VALUE 5", format!("{formed}INSERT takes a tuple")),
        ("UPDATE t WHERE id = 'x'", format!("{formed}Unexpected term: WHERE")),
        (
            "SELECT * FROM t WHERE a = ?",
            format!("{formed}Number of parameters in request and statement don't match."),
        ),
        ("SELECT * FROM t WHERE a = 'open", format!("{formed}Unexpected character: '")),
    ] {
        assert_eq!(read(text, Vec::new()).unwrap_err().message(), why, "{text}");
    }
    let more = read("SELECT * FROM t", vec![n("1")]).unwrap_err();
    assert_eq!(more.message(), "Number of parameters in request and statement don't match.");
    let deep = format!("SELECT * FROM t WHERE {}", "(".repeat(5000));
    assert!(read(&deep, Vec::new()).is_err());
}

proptest! {
    /// Whatever a customer sends is read or refused.
    #[test]
    fn any_text_is_read_or_refused(
        text in "[a-z?:(),.\\[\\]=<>{}+ \"'0-9-]{0,60}", any in any::<String>(),
    ) {
        let _ = read(&format!("SELECT * FROM t WHERE {text}"), vec![n("1")]);
        let _ = read(&format!("UPDATE t SET a = {text} WHERE a = 1"), Vec::new());
        let _ = read(&format!("INSERT INTO t VALUE {text}"), Vec::new());
        let _ = read(&any, Vec::new());
    }
}
