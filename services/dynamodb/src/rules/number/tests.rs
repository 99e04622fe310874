use proptest::prelude::*;

use super::*;

fn number(text: &str) -> Number {
    Number::parse(text).unwrap()
}

#[test]
fn numbers_are_answered_in_normal_form() {
    for (written, shown) in [
        ("0", "0"),
        ("-0.00", "0"),
        ("007", "7"),
        ("12.50", "12.5"),
        ("1e3", "1000"),
        ("-1.5E-3", "-0.0015"),
        ("+.5", "0.5"),
        ("100", "100"),
        ("12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
        ("0.1e1", "1"),
    ] {
        assert_eq!(number(written).to_string(), shown, "{written}");
    }
    assert_eq!(number("1e125").to_string().len(), 126);
    assert_eq!(number("1e-130").to_string().len(), 132);
}

#[test]
fn what_is_no_number_is_refused_with_its_reason() {
    for (text, why) in [
        ("", NumberError::Malformed(String::new())),
        ("abc", NumberError::Malformed("abc".to_owned())),
        ("1e", NumberError::Malformed("1e".to_owned())),
        ("1 2", NumberError::Malformed("1 2".to_owned())),
        ("--1", NumberError::Malformed("--1".to_owned())),
        (".", NumberError::Malformed(".".to_owned())),
        ("123456789012345678901234567890123456789", NumberError::TooPrecise),
        ("1e126", NumberError::Overflow),
        ("1e-131", NumberError::Underflow),
        ("1e999999999999", NumberError::Overflow),
    ] {
        assert_eq!(Number::parse(text), Err(why), "{text}");
    }
}

#[test]
fn sums_are_exact() {
    for (one, other, total) in [
        ("0.1", "0.2", "0.3"),
        ("1", "-1", "0"),
        ("99999999999999999999999999999999999999", "1", "100000000000000000000000000000000000000"),
        ("-5", "3", "-2"),
        ("1000", "-0.001", "999.999"),
        ("0", "7", "7"),
    ] {
        assert_eq!(number(one).plus(number(other)).unwrap().to_string(), total);
        assert_eq!(number(other).plus(number(one)).unwrap().to_string(), total);
    }
    assert_eq!(number("1e100").plus(number("1")), Err(NumberError::TooPrecise));
    assert_eq!(number("9e125").plus(number("9e125")), Err(NumberError::Overflow));
    assert_eq!(number("3").minus(number("5")).unwrap(), number("-2"));
}

#[test]
fn a_number_has_whole_seconds() {
    assert_eq!(number("1700000000.9").whole(), Some(1_700_000_000));
    assert_eq!(number("17e8").whole(), Some(1_700_000_000));
    assert_eq!(number("1e40").whole(), None);
}

proptest! {
    #[test]
    fn bytes_sort_as_numbers_do(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000,
                                x in -20_i32..20, y in -20_i32..20) {
        let (one, other) = (number(&format!("{a}e{x}")), number(&format!("{b}e{y}")));
        let exact = (a as f64 * 10_f64.powi(x)).total_cmp(&(b as f64 * 10_f64.powi(y)));
        let close = (one.minus(other)).is_ok_and(|gap| gap == Number::ZERO);
        if !close && a != 0 && b != 0 {
            prop_assert_eq!(one.cmp(&other), exact);
        }
        prop_assert_eq!(one.sortable().cmp(&other.sortable()), one.cmp(&other));
    }

    #[test]
    fn sums_agree_with_whole_numbers(a in any::<i64>(), b in any::<i64>()) {
        let total = i128::from(a) + i128::from(b);
        let sum = Number::of(a).plus(Number::of(b)).unwrap();
        prop_assert_eq!(sum.to_string(), total.to_string());
    }
}
