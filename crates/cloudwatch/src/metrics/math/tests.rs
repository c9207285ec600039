//! Expressions over three small series.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::proptest;

use super::{EXPRESSION_STEPS_MAX, Grid, MathError, Scope, Series, Value, evaluate, parse};

const A: [(i64, f64); 3] = [(0, 1.0), (60, 2.0), (120, 3.0)];
const B: [(i64, f64); 2] = [(0, 10.0), (120, 0.0)];
const GRID: Grid = Grid { start_s: 0, end_s: 240, period_s: 60 };

fn value(text: &str, steps: usize) -> Result<Value, MathError> {
    let series = |label: &str, points: &[(i64, f64)]| Arc::new(Series::new(label, 60, points.to_vec()));
    let metrics =
        [("a".to_owned(), series("A", &A)), ("b".to_owned(), series("B", &B)), ("empty".to_owned(), series("E", &[]))];
    let values: HashMap<String, Value> =
        metrics.iter().map(|(id, series)| (id.clone(), Value::Series(Arc::clone(series)))).collect();
    let steps = Cell::new(steps);
    let scope = Scope { values: &values, metrics: &metrics, searched: &[], grid: GRID, steps: &steps };
    evaluate(&parse(text)?, &scope)
}

fn points(text: &str) -> Vec<(i64, f64)> {
    match value(text, EXPRESSION_STEPS_MAX) {
        Ok(Value::Series(series)) => series.points.clone(),
        other => panic!("{text}: {other:?}"),
    }
}

fn check(text: &str, expect: &[(i64, f64)]) {
    assert_eq!(points(text), expect, "{text}");
}

fn scalar(text: &str, expect: f64) {
    assert_eq!(value(text, EXPRESSION_STEPS_MAX), Ok(Value::Scalar(expect)), "{text}");
}

#[test]
fn operators() {
    scalar("1 + 2 * 3 ^ 2", 19.0);
    scalar("-2 ^ 2", -4.0);
    scalar("2 * -3", -6.0);
    scalar("10 - 2 - 3", 5.0);
    scalar("(1 + 2) * 3", 9.0);
    scalar("1.5e2 / .5", 300.0);
    scalar("1 < 2 AND 2 <= 2 && 3 > 4 || 1 != 2", 1.0);
    scalar("1 == 2 OR 0", 0.0);
    check("a * 2", &[(0, 2.0), (60, 4.0), (120, 6.0)]);
    check("10 - a", &[(0, 9.0), (60, 8.0), (120, 7.0)]);
    check("a + b", &[(0, 11.0), (120, 3.0)]);
    // What is divided by nothing is no point.
    check("a / b", &[(0, 0.1)]);
    check("a > 1", &[(0, 0.0), (60, 1.0), (120, 1.0)]);
    check("-a", &[(0, -1.0), (60, -2.0), (120, -3.0)]);
    check("SUM([a, b] * 2)", &[(0, 22.0), (60, 4.0), (120, 6.0)]);
    check("SUM(a - [a, b])", &[(0, -9.0), (60, 0.0), (120, 3.0)]);
}

#[test]
fn aggregates() {
    scalar("SUM(a)", 6.0);
    scalar("AVG(a)", 2.0);
    scalar("MIN(b)", 0.0);
    scalar("MAX(b)", 10.0);
    scalar("STDDEV(b)", 5.0);
    scalar("DATAPOINT_COUNT(a)", 3.0);
    scalar("DATAPOINT_COUNT(empty)", 0.0);
    check("SUM(METRICS())", &[(0, 11.0), (60, 2.0), (120, 3.0)]);
    check("AVG(METRICS())", &[(0, 5.5), (60, 2.0), (120, 1.5)]);
    check("MAX(METRICS(\"a\"))", &A);
    check("MIN([a,b])", &[(0, 1.0), (60, 2.0), (120, 0.0)]);
    check("DATAPOINT_COUNT([a,b])", &[(0, 2.0), (60, 1.0), (120, 2.0)]);
    check("a - AVG(a)", &[(0, -1.0), (60, 0.0), (120, 1.0)]);
}

#[test]
fn functions_of_series() {
    check("ABS(-a)", &A);
    check("CEIL(a / 2)", &[(0, 1.0), (60, 1.0), (120, 2.0)]);
    check("FLOOR(a / 2)", &[(0, 0.0), (60, 1.0), (120, 1.0)]);
    check("LOG10(10 ^ a)", &A);
    check("LOG(a / a)", &[(0, 0.0), (60, 0.0), (120, 0.0)]);
    check("DIFF(a)", &[(60, 1.0), (120, 1.0)]);
    check("DIFF(b)", &[(120, -10.0)]);
    check("DIFF_TIME(b)", &[(120, 120.0)]);
    check("RATE(a * 60)", &[(60, 1.0), (120, 1.0)]);
    check("RUNNING_SUM(a)", &[(0, 1.0), (60, 3.0), (120, 6.0)]);
    check("FILL(b, 7)", &[(0, 10.0), (60, 7.0), (120, 0.0), (180, 7.0)]);
    check("FILL(b, a)", &[(0, 10.0), (60, 2.0), (120, 0.0)]);
    check("FILL(b, REPEAT)", &[(0, 10.0), (60, 10.0), (120, 0.0), (180, 0.0)]);
    check("FILL(b, LINEAR)", &[(0, 10.0), (60, 5.0), (120, 0.0)]);
    check("FILL(empty, 0)", &[(0, 0.0), (60, 0.0), (120, 0.0), (180, 0.0)]);
    check("TIME_SERIES(5)", &[(0, 5.0), (60, 5.0), (120, 5.0), (180, 5.0)]);
    scalar("PERIOD(a)", 60.0);
    check("MINUTE(a)", &[(0, 0.0), (60, 1.0), (120, 2.0)]);
    check("DAY(b) * 100 + DATE(b) * 10 + MONTH(b)", &[(0, 411.0), (120, 411.0)]);
    check("YEAR(b) + HOUR(b)", &[(0, 1970.0), (120, 1970.0)]);
    check("EPOCH(a)", &[(0, 0.0), (60, 60.0), (120, 120.0)]);
    check("IF(a > 1, a, 0 - a)", &[(0, -1.0), (60, 2.0), (120, 3.0)]);
    check("IF(a > 1, b)", &[(120, 0.0)]);
    check("IF(a > 1, 5)", &[(60, 5.0), (120, 5.0)]);
    check("IF(0, a, b)", &B);
}

#[test]
fn functions_of_arrays() {
    check("FIRST([a, b])", &A);
    check("LAST([a, b])", &B);
    check("SLICE([a, b], 1)", &B);
    check("FIRST(SLICE([a, b, a], 1, 2))", &B);
    check("FIRST(SORT([a, b], SUM, DESC))", &B);
    check("FIRST(SORT([empty, b, a], MAX, ASC))", &A);
    scalar("METRIC_COUNT(SORT([empty, b, a], MAX, ASC, 2))", 2.0);
    scalar("METRIC_COUNT(METRICS())", 3.0);
    scalar("METRIC_COUNT(REMOVE_EMPTY(METRICS()))", 2.0);
}

#[test]
fn what_is_wrong_is_said() {
    let check = |text: &str, expect: &str| {
        let said = value(text, EXPRESSION_STEPS_MAX).map_err(|error| error.0);
        assert_eq!(said, Err(expect.to_owned()), "{text}");
    };
    check("", "Unexpected end of the expression");
    check("1 +", "Unexpected end of the expression");
    check("a b", "Unexpected 'b'");
    check("a $ b", "Unexpected character '$'");
    check("(a", "Expected ')'");
    check("SUM(a", "Expected ')'");
    check("'a", "Unterminated string");
    check("1.2.3", "'1.2.3' is not a number");
    check("m9", "Unknown id 'm9'");
    check("NOSUCH(a)", "Unknown function NOSUCH");
    check("ANOMALY_DETECTION_BAND(a, 2)", "The function ANOMALY_DETECTION_BAND is not supported");
    check("INSIGHT_RULE_METRIC('r', 'Sum')", "The function INSIGHT_RULE_METRIC is not supported");
    check("SUM(5)", "Argument 1 of SUM must be a time series or an array of them, and the only one, found a scalar");
    check("FILL(a)", "FILL takes 2 arguments, found 1");
    check("FILL(a, 'x')", "Argument 2 of FILL must be a scalar, a time series, REPEAT or LINEAR, found a string");
    check("RATE(5)", "Expected a time series, found a scalar");
    check("[a, b] + [a, b]", "An operator does not take an array of time series and an array of time series");
    check("a + 'x'", "An operator does not take a time series and a string");
    check("SORT([a], STDDEV, ASC)", "Argument 2 of SORT must be one of AVG, MIN, MAX, SUM");
    check("SLICE([a], 0.5)", "Argument 2 of SLICE must be a whole number");
    check("IF(a)", "IF takes 2 to 3 arguments, found 1");
    check("SEARCH('x')", "SEARCH takes a search, a statistic and a period");
    check(&"(".repeat(10_000), "The expression nests deeper than the limit of 64 levels");
    check(&"-".repeat(10_000), "The expression nests deeper than the limit of 64 levels");
    check(&format!("1{}", "+1".repeat(300)), "The expression has more than the limit of 256 operators");
}

#[test]
fn work_is_bounded() {
    assert_eq!(value("a + a + a", 12).map(|_| ()), Ok(()));
    let message = format!("The expressions need more than the limit of {EXPRESSION_STEPS_MAX} steps");
    assert_eq!(value("a + a + a", 7), Err(MathError(message)));
}

proptest! {
    #[test]
    fn no_text_makes_it_fail_badly(text in "[ -~é]{0,40}") {
        let _ = value(&text, 10_000);
    }

    #[test]
    fn no_expression_makes_it_fail_badly(words in proptest::collection::vec("a|b|empty|1|0|\\+|-|\\*|/|\\^|\\(|\\)|,|\\[|\\]|<|==|AND|SUM\\(|FILL\\(|REPEAT|LINEAR|SORT\\(|METRICS\\(\\)|SLICE\\(|IF\\(|DESC|RATE\\(|TIME_SERIES\\(", 0..24)) {
        let _ = value(&words.join(" "), 10_000);
    }
}
