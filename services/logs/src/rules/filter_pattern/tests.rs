use super::{FilterPattern, PatternError};

#[track_caller]
fn check(pattern: &str, matching: &[&str], others: &[&str]) {
    let parsed = FilterPattern::parse(pattern).unwrap();
    for message in matching {
        assert!(parsed.matches(message), "{pattern} should match {message}");
    }
    for message in others {
        assert!(!parsed.matches(message), "{pattern} should not match {message}");
    }
}

#[track_caller]
fn refuse(pattern: &str) -> PatternError {
    FilterPattern::parse(pattern).expect_err(pattern)
}

#[test]
fn an_empty_pattern_matches_everything() {
    check("", &["", "anything"], &[]);
    check("  ", &["x"], &[]);
    check("\" \"", &["two words"], &["word"]);
}

#[test]
fn all_terms_must_be_there_in_their_case() {
    check("ERROR", &["[ERROR 400] BAD REQUEST", "ERRORS"], &["error"]);
    check("ERROR ARGUMENTS", &["ERROR 419 MISSING ARGUMENTS"], &["ERROR", "ARGUMENTS"]);
    check("\"INTERNAL SERVER ERROR\"", &["500 INTERNAL SERVER ERROR"], &["SERVER INTERNAL ERROR"]);
    check(r#""say \"hi\"""#, &[r#"they say "hi""#], &["say hi"]);
}

#[test]
fn optional_and_excluded_terms() {
    check("?ERROR ?ARGUMENTS", &["ERROR 1", "ARGUMENTS 2"], &["INFO"]);
    check("ERROR -ARGUMENTS", &["ERROR 400"], &["ERROR ARGUMENTS", "x"]);
    check("-DEBUG", &["x"], &["DEBUG x"]);
    // Beside other terms, those with a question mark have no effect.
    check("?ERROR ?WARN REQUEST", &["REQUEST"], &["ERROR"]);
    check("-\"two words\"", &["two, words"], &["two words"]);
}

#[test]
fn regular_expressions_match_anywhere() {
    check("%AUTHORIZED%", &["UNAUTHORIZED x"], &["authorized"]);
    check("%colou?r%", &["color", "the colour"], &["colr"]);
    check(r"%10\.10\.0\.[0-9]{1,3}%", &["from 10.10.0.12"], &["10a10.0.1"]);
    check(r"%a.c\d%", &["abc1", "a\u{fc}c2"], &["ac1", "abc\u{663}"]);
    check("-%^START%", &["END"], &["START x"]);
    assert!(matches!(refuse("%(a)%"), PatternError::Regex(_)));
    assert_eq!(refuse("%a% %b% %c%"), PatternError::TooManyRegexes);
    // what is too many is not read
    assert_eq!(refuse("%a% %b% %c% %(%"), PatternError::TooManyRegexes);
    assert_eq!(refuse("[a=%a%, b=%b%, c=%(%]"), PatternError::TooManyRegexes);
}

#[test]
fn odd_characters_in_terms_need_quotes() {
    assert_eq!(refuse("a:b").to_string(), "Invalid character(s) in term 'a:b'");
    assert_eq!(refuse("\"open"), PatternError::Syntax);
    assert_eq!(refuse("%open"), PatternError::Syntax);
    assert_eq!(refuse("a -"), PatternError::Syntax);
}

const TRAIL: &str = r#"{"eventType":"UpdateTrail","sourceIPAddress":"111.111.111.111",
    "arrayKey":["value","another value"],"objectList":[{"name":"a","id":1},{"name":"b","id":2}],
    "SomeObject":null,"ThisFlag":true,"latency":120.5,"a b":{"c-d":"x"},"code":"404"}"#;

#[test]
fn json_strings_compare_with_wildcards() {
    check("{ $.eventType = \"UpdateTrail\" }", &[TRAIL], &["{}", "UpdateTrail", "[]"]);
    check("{$.eventType=Update*}", &[TRAIL], &[r#"{"eventType":"Other"}"#]);
    check("{ $.sourceIPAddress != 123.123.* }", &[TRAIL], &["{}"]);
    check("{ $.arrayKey[0] = \"value\" }", &[TRAIL], &[r#"{"arrayKey":["x"]}"#]);
    check("{ $.objectList[1].id = 2 }", &[TRAIL], &["{}"]);
    check("{ $.objectList[*].name = \"b\" }", &[TRAIL], &["{}"]);
    check("{ $['a b']['c-d'] = x }", &[TRAIL], &["{}"]);
}

#[test]
fn json_numbers_compare_as_numbers() {
    check("{ $.latency > 120 }", &[TRAIL], &[r#"{"latency":120}"#, r#"{"latency":"x"}"#]);
    check("{ $.latency >= 120.5 && $.latency < 1e3 }", &[TRAIL], &[r#"{"latency":1000}"#]);
    check("{ $.latency = 1.205e2 }", &[TRAIL], &[]);
    check("{ $.code = 404 }", &[TRAIL, r#"{"code":404}"#], &[r#"{"code":405}"#]);
    check("{ $.code != 404 }", &[r#"{"code":405}"#], &[TRAIL, r#"{"code":404.0}"#]);
}

#[test]
fn json_null_flags_and_existence() {
    check("{ $.SomeObject IS NULL }", &[TRAIL], &["{}"]);
    check("{ $.SomeOther NOT EXISTS }", &[TRAIL], &[r#"{"SomeOther":null}"#]);
    check("{ $.eventType EXISTS }", &[TRAIL], &["{}"]);
    check("{ $.ThisFlag IS TRUE }", &[TRAIL], &[r#"{"ThisFlag":false}"#, r#"{"ThisFlag":"true"}"#]);
    check("{ $.ThisFlag IS FALSE }", &[r#"{"ThisFlag":false}"#], &[TRAIL]);
}

#[test]
fn json_conditions_combine_with_precedence() {
    let pattern = "{ ($.user.id = 1) && ($.users[0].email = \"a@*\") || $.all IS TRUE }";
    let both = r#"{"user":{"id":1},"users":[{"email":"a@b"}]}"#;
    check(pattern, &[both, r#"{"all":true}"#], &[r#"{"user":{"id":1}}"#]);
    check("{ $.a = 1 && ($.b = 2 || $.c = 3) }", &[r#"{"a":1,"c":3}"#], &[r#"{"c":3}"#]);
    check("{ $.a = %^v[0-9]+$% }", &[r#"{"a":"v12"}"#], &[r#"{"a":"v"}"#]);
}

#[test]
fn broken_json_patterns_are_refused() {
    for pattern in [
        "{}",
        "{ $.a }",
        "{ $.a = }",
        "{ $.a = 1",
        "{ $ = 1 }",
        "{ ($.a = 1 }",
        "{ $.a = 1 && }",
        "{ a = 1 }",
        "{ $.a IS MAYBE }",
        "{ $.a[x] = 1 }",
        "{ $.a = 1 $.b = 2 }",
        "{ $.a & 1 }",
    ] {
        assert_eq!(refuse(pattern), PatternError::Syntax, "{pattern}");
    }
}

const ACCESS: &str =
    r#"127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534"#;

#[test]
fn fields_are_matched_by_their_place() {
    check("[ip, user, username, timestamp, request, status_code, bytes]", &[ACCESS], &["a b"]);
    check("[ip, user, username, timestamp, request = *.html*, status = 4*, bytes]", &[ACCESS], &[]);
    check("[..., status_code=4*, bytes]", &[ACCESS], &["x 500 1"]);
    check("[ip, ..., bytes > 1500]", &[ACCESS], &["x 1", "x 1500"]);
    check("[w1=ERROR, w2]", &["ERROR x"], &["WARN x", "ERROR x y"]);
    check("[w1!=ERROR&&w1!=WARN, w2]", &["INFO x"], &["WARN x"]);
    check("[w1=ERROR || w1=%WARN%, ...]", &["ERROR", "aWARN x y"], &["INFO"]);
    check("[, , x=3]", &["1 2 3"], &["1 2 4"]);
    check("[..., (s = 404 || s = 410), bytes]", &[ACCESS], &["x 500 1"]);
}

#[test]
fn broken_field_patterns_are_refused() {
    for pattern in ["[]", "[a", "[a=]", "[a=1 b=2]", "[a=1 && b=2]", "[..., a, ...]", "[(a=1]"] {
        assert_eq!(refuse(pattern), PatternError::Syntax, "{pattern}");
    }
}

#[test]
fn patterns_within_patterns_without_end_are_refused() {
    for start in ["[", "{ "] {
        let pattern = format!("{start}{}", "(".repeat(100_000));
        assert_eq!(refuse(&pattern), PatternError::Syntax);
    }
    let fine = format!("{{ {}$.a = 1{} }}", "(".repeat(20), ")".repeat(20));
    check(&fine, &[r#"{"a":1}"#], &[r#"{"a":2}"#]);
}

#[test]
fn names_stand_for_what_they_matched() {
    let fields = FilterPattern::parse("[ip, ..., request, status, size]").unwrap().extract(ACCESS);
    assert_eq!(fields["$ip"], "127.0.0.1");
    assert_eq!(fields["$request"], "GET /index.html HTTP/1.0");
    assert_eq!(fields["$status"], "404");
    assert_eq!(fields["$2"], "Prod");

    let json = FilterPattern::parse("{ $.eventType = * && $.latency > 1 }").unwrap();
    let found = json.extract(TRAIL);
    assert_eq!(found["$.eventType"], "UpdateTrail");
    assert_eq!(found["$.latency"], "120.5");
}
