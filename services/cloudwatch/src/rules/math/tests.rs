use std::collections::BTreeMap;

use super::{Expression, MathError, Scope, Series, Value, evaluate};

struct Request {
    values: BTreeMap<String, Value>,
    end: i64,
}

impl Scope for Request {
    fn variable(&mut self, id: &str) -> Result<Value, MathError> {
        self.values.get(id).cloned().ok_or_else(|| MathError::Undefined(id.to_owned()))
    }

    fn metric_ids(&self) -> Vec<String> {
        self.values.keys().filter(|id| id.starts_with('m')).cloned().collect()
    }

    fn search(&mut self, terms: &str, stat: &str, period_s: u32) -> Result<Vec<Series>, MathError> {
        Ok(vec![Series { label: format!("{terms} {stat}"), period_s, ..Series::default() }])
    }

    fn range(&self) -> (i64, i64) {
        (0, self.end)
    }

    fn period_s(&self) -> u32 {
        60
    }
}

fn series(points: &[(i64, f64)]) -> Series {
    Series { label: String::new(), period_s: 60, points: points.iter().copied().collect() }
}

fn compute(text: &str) -> Result<Value, MathError> {
    compute_until(text, 300)
}

fn compute_until(text: &str, end: i64) -> Result<Value, MathError> {
    let m1 = series(&[(0, 1.0), (60, 2.0), (120, 4.0), (240, 8.0)]);
    let m2 = series(&[(0, 10.0), (60, 0.0), (180, 5.0)]);
    let variables = [
        ("m1", Value::One(m1.clone())),
        ("m2", Value::One(m2.clone())),
        ("list", Value::Many(vec![m1, m2, series(&[])])),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value));
    evaluate(&Expression::parse(text)?, &mut Request { values: variables.into(), end })
}

#[track_caller]
fn scalar(text: &str, expected: f64) {
    assert_eq!(compute(text), Ok(Value::Scalar(expected)), "{text}");
}

#[track_caller]
fn points(text: &str, expected: &[(i64, f64)]) {
    let Ok(Value::One(found)) = compute(text) else { panic!("{text}: {:?}", compute(text)) };
    assert_eq!(found.points, expected.iter().copied().collect(), "{text}");
}

#[test]
fn operators_bind_as_in_arithmetic() {
    scalar("1 + 2 * 3", 7.0);
    scalar("(1 + 2) * 3", 9.0);
    scalar("2 ^ 3 ^ 2", 512.0);
    scalar("10 - 3 - 2", 5.0);
    scalar("-2 ^ 2", -4.0);
    scalar("2 * -3", -6.0);
    scalar("1.5e1 / 3", 5.0);
    scalar("1 < 2 AND 3 > 4 || 1 == 1", 1.0);
    scalar("1 != 1", 0.0);
}

#[test]
fn series_meet_at_common_points_and_drop_what_is_no_number() {
    points("m1 + m2", &[(0, 11.0), (60, 2.0)]);
    points("m1 / m2", &[(0, 0.1)]);
    points("m1 * 10", &[(0, 10.0), (60, 20.0), (120, 40.0), (240, 80.0)]);
    points("m1 > 2", &[(0, 0.0), (60, 0.0), (120, 1.0), (240, 1.0)]);
    points("100 * (m2 / m1)", &[(0, 1000.0), (60, 0.0)]);
}

#[test]
fn series_are_summed_up() {
    scalar("SUM(m1)", 15.0);
    scalar("AVG(m1)", 3.75);
    scalar("MAX(m1) - MIN(m1)", 7.0);
    scalar("DATAPOINT_COUNT(m2)", 3.0);
    scalar("PERIOD(m1)", 60.0);
    points("STDDEV([m1, m1])", &[(0, 0.0), (60, 0.0), (120, 0.0), (240, 0.0)]);
}

#[test]
fn lists_are_summed_up_across() {
    points("SUM([m1, m2])", &[(0, 11.0), (60, 2.0), (120, 4.0), (180, 5.0), (240, 8.0)]);
    points("SUM(METRICS())", &[(0, 11.0), (60, 2.0), (120, 4.0), (180, 5.0), (240, 8.0)]);
    points("MAX(METRICS('m2'))", &[(0, 10.0), (60, 0.0), (180, 5.0)]);
    scalar("METRIC_COUNT(list)", 3.0);
    scalar("METRIC_COUNT(REMOVE_EMPTY(list))", 2.0);
    points("FIRST(SORT(list, SUM, ASC))", &[(0, 1.0), (60, 2.0), (120, 4.0), (240, 8.0)]);
    points("LAST(SLICE(list, 0, 2))", &[(0, 10.0), (60, 0.0), (180, 5.0)]);
    scalar("METRIC_COUNT(SORT(list, MAX, DESC, 1))", 1.0);
}

#[test]
fn steps_from_point_to_point() {
    points("DIFF(m1)", &[(60, 1.0), (120, 2.0), (240, 4.0)]);
    points("RATE(m1) * 60", &[(60, 1.0), (120, 2.0), (240, 2.0)]);
    points("DIFF_TIME(m1)", &[(60, 60.0), (120, 60.0), (240, 120.0)]);
    points("RUNNING_SUM(m2)", &[(0, 10.0), (60, 10.0), (180, 15.0)]);
}

#[test]
fn gaps_are_filled() {
    points("FILL(m2, 0)", &[(0, 10.0), (60, 0.0), (120, 0.0), (180, 5.0), (240, 0.0)]);
    points("FILL(m2, REPEAT)", &[(0, 10.0), (60, 0.0), (120, 0.0), (180, 5.0), (240, 5.0)]);
    points("FILL(m2, LINEAR)", &[(0, 10.0), (60, 0.0), (120, 2.5), (180, 5.0)]);
    points("FILL(m2, m1)", &[(0, 10.0), (60, 0.0), (120, 4.0), (180, 5.0), (240, 8.0)]);
    points("TIME_SERIES(7)", &[(0, 7.0), (60, 7.0), (120, 7.0), (180, 7.0), (240, 7.0)]);
}

#[test]
fn if_chooses_point_by_point() {
    points("IF(m1 > 1, m1)", &[(60, 2.0), (120, 4.0), (240, 8.0)]);
    points("IF(m1 > 2, 1, 0)", &[(0, 0.0), (60, 0.0), (120, 1.0), (240, 1.0)]);
    points("IF(1 < 2, m2, m1)", &[(0, 10.0), (60, 0.0), (180, 5.0)]);
    points("IF(m2 == 0, m1, m2)", &[(0, 10.0), (60, 2.0), (180, 5.0)]);
}

#[test]
fn points_know_their_time() {
    points("MINUTE(m1)", &[(0, 0.0), (60, 1.0), (120, 2.0), (240, 4.0)]);
    points("DAY(m2)", &[(0, 4.0), (60, 4.0), (180, 4.0)]);
    points("EPOCH(m2)", &[(0, 0.0), (60, 60.0), (180, 180.0)]);
}

#[test]
fn search_takes_terms_statistic_and_period() {
    let Ok(Value::Many(found)) = compute("SEARCH('{A,b} MetricName=\"x\"', 'Sum', 300)") else {
        panic!("search yields series");
    };
    assert_eq!((found[0].label.as_str(), found[0].period_s), ("{A,b} MetricName=\"x\" Sum", 300));
}

#[test]
fn what_makes_no_sense_is_refused() {
    for text in ["", "1 +", "(1", "m1 m2", "SUM(", "1 @ 2", "'open", "[1, m1"] {
        assert_eq!(compute(text), Err(MathError::Syntax), "{text}");
    }
    assert_eq!(compute("m9"), Err(MathError::Undefined("m9".to_owned())));
    assert_eq!(compute("FOO(1)"), Err(MathError::Function("FOO".to_owned())));
    assert_eq!(compute("RATE(1)"), Err(MathError::Arguments("RATE".to_owned())));
    assert_eq!(compute("[m1] + list"), Err(MathError::Operands("+".to_owned())));
    assert_eq!(compute(&"(".repeat(5000)), Err(MathError::Syntax));
    assert_eq!(compute(&"-".repeat(5000)), Err(MathError::Syntax));
}

#[test]
fn no_more_points_are_made_than_an_answer_has() {
    let computed = |text: &str| compute_until(text, 60 * 1_000_000);
    assert_eq!(computed("TIME_SERIES(1)"), Err(MathError::Arguments("TIME_SERIES".to_owned())));
    assert_eq!(computed("FILL(m1, 0)"), Err(MathError::Arguments("FILL".to_owned())));
    assert_eq!(computed("FILL(list, 0)"), Err(MathError::Arguments("FILL".to_owned())));
    assert!(compute_until("TIME_SERIES(1)", 60 * 1440).is_ok());
}
