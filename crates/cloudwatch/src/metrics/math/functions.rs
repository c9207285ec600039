//! The functions of metric math.

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::Timestamp;

use super::evaluate::{Scope, evaluate};
use super::parse::Expression;
use super::value::{MathError, Series, Value};

/// Functions that ask for what is not here.
const UNSUPPORTED: [&str; 5] =
    ["ANOMALY_DETECTION_BAND", "INSIGHT_RULE_METRIC", "SERVICE_QUOTA", "LAMBDA", "DB_PERF_INSIGHTS"];

/// Calls a function.
pub(super) fn call(name: &str, parts: &[Expression], scope: &Scope<'_>) -> Result<Value, MathError> {
    let function = name.to_ascii_uppercase();
    if UNSUPPORTED.contains(&function.as_str()) {
        return Err(MathError::new(format!("The function {function} is not supported")));
    }
    if function == "IF" {
        return choose(parts, scope);
    }
    if function == "SEARCH" {
        return super::search::found(parts, scope);
    }
    let values = parts.iter().map(|part| evaluate(part, scope)).collect::<Result<Vec<_>, _>>()?;
    let arguments = Arguments { function: &function, values: &values, scope };
    match function.as_str() {
        "SUM" | "AVG" | "MIN" | "MAX" | "STDDEV" | "DATAPOINT_COUNT" => arguments.aggregate(),
        "FIRST" | "LAST" | "METRIC_COUNT" | "REMOVE_EMPTY" | "SLICE" | "SORT" => arguments.of_array(),
        "METRICS" => arguments.metrics(),
        "PERIOD" => arguments.count(1, 1).and_then(|()| Ok(Value::Scalar(arguments.series(0)?.period_s as f64))),
        "TIME_SERIES" => arguments.time_series(),
        "FILL" => arguments.fill(),
        "ABS" | "CEIL" | "FLOOR" | "LOG" | "LOG10" => arguments.mapped(),
        "DIFF" | "DIFF_TIME" | "RATE" | "RUNNING_SUM" => arguments.stepped(),
        "MINUTE" | "HOUR" | "DAY" | "DATE" | "MONTH" | "YEAR" | "EPOCH" => arguments.calendar(),
        _ => Err(MathError::new(format!("Unknown function {name}"))),
    }
}

struct Arguments<'a> {
    function: &'a str,
    values: &'a [Value],
    scope: &'a Scope<'a>,
}

impl<'a> Arguments<'a> {
    fn count(&self, min: usize, max: usize) -> Result<(), MathError> {
        if (min..=max).contains(&self.values.len()) {
            return Ok(());
        }
        let wanted = if min == max { min.to_string() } else { format!("{min} to {max}") };
        Err(MathError::new(format!("{} takes {wanted} arguments, found {}", self.function, self.values.len())))
    }

    fn wrong(&self, at: usize, wanted: &str) -> MathError {
        let found = self.values.get(at).map_or("nothing", Value::kind);
        MathError::new(format!("Argument {} of {} must be {wanted}, found {found}", at + 1, self.function))
    }

    fn series(&self, at: usize) -> Result<&'a Arc<Series>, MathError> {
        match self.values.get(at) {
            Some(Value::Series(series)) => Ok(series),
            _ => Err(self.wrong(at, "a time series")),
        }
    }

    fn array(&self, at: usize) -> Result<&'a [Arc<Series>], MathError> {
        match self.values.get(at) {
            Some(Value::Array(array)) => Ok(array),
            _ => Err(self.wrong(at, "an array of time series")),
        }
    }

    fn scalar(&self, at: usize) -> Result<f64, MathError> {
        match self.values.get(at) {
            Some(Value::Scalar(scalar)) => Ok(*scalar),
            _ => Err(self.wrong(at, "a scalar")),
        }
    }

    /// A whole number from zero on.
    fn index(&self, at: usize) -> Result<usize, MathError> {
        let number = self.scalar(at)?;
        match number.fract() == 0.0 && (0.0..1e6).contains(&number) {
            // In range by the check above.
            true => Ok(number as usize),
            false => Err(MathError::new(format!("Argument {} of {} must be a whole number", at + 1, self.function))),
        }
    }

    /// Of a series a scalar, of an array a series.
    fn aggregate(&self) -> Result<Value, MathError> {
        self.count(1, usize::MAX)?;
        let name = self.function;
        match self.values {
            [Value::Series(series)] => {
                self.scope.step(series.points.len())?;
                let values: Vec<f64> = series.points.iter().map(|(_, value)| *value).collect();
                Ok(Value::Scalar(reduced(name, &values).unwrap_or(f64::NAN)))
            }
            [Value::Array(array)] => {
                let mut columns: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
                for series in array {
                    self.scope.step(series.points.len())?;
                    series.points.iter().for_each(|(at, value)| columns.entry(*at).or_default().push(*value));
                }
                let points = columns.into_iter().filter_map(|(at, values)| Some((at, reduced(name, &values)?)));
                let period_s = array.iter().map(|series| series.period_s).max().unwrap_or(self.scope.grid.period_s);
                Ok(Value::Series(Arc::new(Series::new("", period_s, Vec::new()).with(points))))
            }
            _ => Err(self.wrong(0, "a time series or an array of them, and the only one")),
        }
    }

    fn of_array(&self) -> Result<Value, MathError> {
        let array = self.array(0)?;
        let only = |series: Option<&Arc<Series>>| match series {
            Some(series) => Ok(Value::Series(Arc::clone(series))),
            None => Ok(Value::Array(Vec::new())),
        };
        match self.function {
            "FIRST" => self.count(1, 1).and_then(|()| only(array.first())),
            "LAST" => self.count(1, 1).and_then(|()| only(array.last())),
            "METRIC_COUNT" => self.count(1, 1).map(|()| Value::Scalar(array.len() as f64)),
            "REMOVE_EMPTY" => self
                .count(1, 1)
                .map(|()| Value::Array(array.iter().filter(|series| !series.points.is_empty()).cloned().collect())),
            "SLICE" => {
                self.count(2, 3)?;
                let from = self.index(1)?;
                if self.values.len() == 2 {
                    return only(array.get(from));
                }
                let to = self.index(2)?;
                Ok(Value::Array(array.iter().take(to).skip(from).cloned().collect()))
            }
            _ => self.sort(array),
        }
    }

    fn sort(&self, array: &[Arc<Series>]) -> Result<Value, MathError> {
        self.count(3, 4)?;
        let word = |at: usize| match self.values.get(at) {
            Some(Value::Word(word)) => Ok(word.to_ascii_uppercase()),
            _ => Err(self.wrong(at, "a keyword")),
        };
        let by = word(1)?;
        if !matches!(by.as_str(), "AVG" | "MIN" | "MAX" | "SUM") {
            return Err(MathError::new("Argument 2 of SORT must be one of AVG, MIN, MAX, SUM"));
        }
        let descending = match word(2)?.as_str() {
            "ASC" => false,
            "DESC" => true,
            _ => return Err(MathError::new("Argument 3 of SORT must be ASC or DESC")),
        };
        let limit = if self.values.len() == 4 { self.index(3)? } else { usize::MAX };
        let mut keyed = Vec::with_capacity(array.len());
        for series in array {
            self.scope.step(series.points.len())?;
            let values: Vec<f64> = series.points.iter().map(|(_, value)| *value).collect();
            keyed.push((reduced(&by, &values), Arc::clone(series)));
        }
        // What has no points comes last, either way.
        keyed.sort_by(|(left, _), (right, _)| match (left, right) {
            (Some(left), Some(right)) if descending => right.total_cmp(left),
            (Some(left), Some(right)) => left.total_cmp(right),
            (left, right) => right.is_some().cmp(&left.is_some()),
        });
        Ok(Value::Array(keyed.into_iter().take(limit).map(|(_, series)| series).collect()))
    }

    fn metrics(&self) -> Result<Value, MathError> {
        self.count(0, 1)?;
        let wanted = match self.values.first() {
            None => "",
            Some(Value::Text(text)) => text.as_str(),
            Some(_) => return Err(self.wrong(0, "a string")),
        };
        self.scope.step(self.scope.metrics.len())?;
        let chosen = self.scope.metrics.iter().filter(|(id, _)| id.contains(wanted));
        Ok(Value::Array(chosen.map(|(_, series)| Arc::clone(series)).collect()))
    }

    fn time_series(&self) -> Result<Value, MathError> {
        self.count(1, 1)?;
        let (scalar, grid) = (self.scalar(0)?, self.scope.grid);
        let points: Vec<(i64, f64)> = grid.starts(grid.period_s).map(|at| (at, scalar)).collect();
        self.scope.step(points.len())?;
        Ok(Value::Series(Arc::new(Series::new("", grid.period_s, Vec::new()).with(points))))
    }

    fn fill(&self) -> Result<Value, MathError> {
        self.count(2, 2)?;
        let grid = self.scope.grid;
        let [value, with] = self.values else { return Err(self.wrong(1, "a value")) };
        self.scope.each(value, |series| {
            let starts: Vec<i64> = grid.starts(series.period_s.max(1)).collect();
            self.scope.step(starts.len())?;
            let known = |at: &i64| series.at(*at);
            Ok(match with {
                Value::Scalar(scalar) => series.with(starts.iter().map(|at| (*at, known(at).unwrap_or(*scalar)))),
                Value::Series(other) => {
                    series.with(starts.iter().filter_map(|at| Some((*at, known(at).or_else(|| other.at(*at))?))))
                }
                Value::Word(word) if word.eq_ignore_ascii_case("REPEAT") => {
                    let repeated = starts.iter().scan(None, |last, at| {
                        *last = known(at).or(*last);
                        Some(last.map(|value| (*at, value)))
                    });
                    series.with(repeated.flatten())
                }
                Value::Word(word) if word.eq_ignore_ascii_case("LINEAR") => linear(series, &starts),
                _ => return Err(self.wrong(1, "a scalar, a time series, REPEAT or LINEAR")),
            })
        })
    }

    fn mapped(&self) -> Result<Value, MathError> {
        self.count(1, 1)?;
        let map: fn(f64) -> f64 = match self.function {
            "ABS" => f64::abs,
            "CEIL" => f64::ceil,
            "FLOOR" => f64::floor,
            "LOG" => f64::ln,
            _ => f64::log10,
        };
        match self.values {
            [Value::Scalar(scalar)] => Ok(Value::Scalar(map(*scalar))),
            [value] => self
                .scope
                .each(value, |series| Ok(series.with(series.points.iter().map(|(at, value)| (*at, map(*value)))))),
            _ => Err(self.wrong(0, "a value")),
        }
    }

    /// What depends on the point before.
    fn stepped(&self) -> Result<Value, MathError> {
        self.count(1, 1)?;
        let [value] = self.values else { return Err(self.wrong(0, "a time series")) };
        let name = self.function;
        self.scope.each(value, |series| {
            if name == "RUNNING_SUM" {
                let sums = series.points.iter().scan(0.0, |sum, (at, value)| {
                    *sum += value;
                    Some((*at, *sum))
                });
                return Ok(series.with(sums));
            }
            let pairs = series.points.iter().zip(series.points.iter().skip(1));
            Ok(series.with(pairs.map(|((before_s, before), (at_s, value))| {
                let (change, seconds) = (value - before, (at_s - before_s) as f64);
                let made = match name {
                    "DIFF" => change,
                    "DIFF_TIME" => seconds,
                    _ => change / seconds,
                };
                (*at_s, made)
            })))
        })
    }

    /// What the clock shows at each point, in UTC.
    fn calendar(&self) -> Result<Value, MathError> {
        self.count(1, 1)?;
        let [value] = self.values else { return Err(self.wrong(0, "a time series")) };
        let name = self.function;
        self.scope.each(value, |series| {
            Ok(series.with(series.points.iter().map(|(at_s, _)| {
                let at = Timestamp::from_secs(*at_s).to_jiff().to_zoned(jiff::tz::TimeZone::UTC);
                let shown = match name {
                    "MINUTE" => f64::from(at.minute()),
                    "HOUR" => f64::from(at.hour()),
                    "DAY" => f64::from(at.weekday().to_monday_one_offset()),
                    "DATE" => f64::from(at.day()),
                    "MONTH" => f64::from(at.month()),
                    "YEAR" => f64::from(at.year()),
                    _ => *at_s as f64,
                };
                (*at_s, shown)
            })))
        })
    }
}

/// One value of many; none of none, but for counts.
fn reduced(function: &str, values: &[f64]) -> Option<f64> {
    let count = values.len() as f64;
    let sum = || values.iter().sum::<f64>();
    match function {
        "DATAPOINT_COUNT" => return Some(count),
        _ if values.is_empty() => return None,
        _ => {}
    }
    Some(match function {
        "SUM" => sum(),
        "AVG" => sum() / count,
        "MIN" => values.iter().copied().fold(f64::INFINITY, f64::min),
        "MAX" => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        _ => {
            let mean = sum() / count;
            (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt()
        }
    })
}

/// Points between known ones on the straight line between them.
fn linear(series: &Series, starts: &[i64]) -> Series {
    series.with(starts.iter().filter_map(|at_s| {
        let after = series.points.partition_point(|(known, _)| known < at_s);
        let (right_s, right) = series.points.get(after).copied()?;
        if right_s == *at_s {
            return Some((*at_s, right));
        }
        let (left_s, left) = after.checked_sub(1).and_then(|before| series.points.get(before)).copied()?;
        let part = (at_s - left_s) as f64 / (right_s - left_s) as f64;
        Some((*at_s, left + (right - left) * part))
    }))
}

/// `IF(condition, then)` and `IF(condition, then, else)`: at each point of the condition.
fn choose(parts: &[Expression], scope: &Scope<'_>) -> Result<Value, MathError> {
    let values = parts.iter().map(|part| evaluate(part, scope)).collect::<Result<Vec<_>, _>>()?;
    let (condition, then, otherwise) = match values.as_slice() {
        [condition, then] => (condition, then, None),
        [condition, then, otherwise] => (condition, then, Some(otherwise)),
        _ => return Err(MathError::new(format!("IF takes 2 to 3 arguments, found {}", values.len()))),
    };
    for value in [Some(then), otherwise].into_iter().flatten() {
        if !matches!(value, Value::Scalar(_) | Value::Series(_)) {
            return Err(MathError::new(format!("IF chooses between scalars and time series, found {}", value.kind())));
        }
    }
    let at = |value: &Value, at_s: i64| match value {
        Value::Scalar(scalar) => Some(*scalar),
        Value::Series(series) => series.at(at_s),
        Value::Array(_) | Value::Text(_) | Value::Word(_) => None,
    };
    match condition {
        Value::Scalar(scalar) => match (*scalar != 0.0, otherwise) {
            (true, _) => Ok(then.clone()),
            (false, Some(otherwise)) => Ok(otherwise.clone()),
            // A choice of nothing is a series without points.
            (false, None) => Ok(Value::Series(Arc::new(Series::new("", scope.grid.period_s, Vec::new())))),
        },
        Value::Series(series) => {
            scope.step(series.points.len())?;
            let chosen = series.points.iter().filter_map(|(at_s, truth)| {
                let chosen = if *truth != 0.0 { Some(then) } else { otherwise };
                Some((*at_s, at(chosen?, *at_s)?))
            });
            Ok(Value::Series(Arc::new(series.with(chosen))))
        }
        other => Err(MathError::new(format!(
            "The condition of IF must be a scalar or a time series, found {}",
            other.kind()
        ))),
    }
}
