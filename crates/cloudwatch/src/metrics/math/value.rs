//! What expressions are made of.

use std::sync::Arc;

use crate::metrics::name::MetricName;

/// A series of points in time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    pub(crate) label: String,
    /// In seconds.
    pub(crate) period_s: i64,
    /// Times in seconds with their values, earliest first.
    pub(crate) points: Vec<(i64, f64)>,
    /// The metric and the statistic, where it is of one.
    pub(crate) source: Option<Arc<(MetricName, String)>>,
}

impl Series {
    pub(crate) fn new(label: &str, period_s: i64, points: Vec<(i64, f64)>) -> Series {
        Series { label: label.to_owned(), period_s, points, source: None }
    }

    /// The same series with other points; what is no number is no point.
    pub(crate) fn with(&self, points: impl IntoIterator<Item = (i64, f64)>) -> Series {
        let points = points.into_iter().filter(|(_, value)| value.is_finite()).collect();
        Series { points, label: self.label.clone(), period_s: self.period_s, source: self.source.clone() }
    }

    /// The value at a time.
    pub(crate) fn at(&self, at_s: i64) -> Option<f64> {
        let place = self.points.binary_search_by_key(&at_s, |(known, _)| *known).ok()?;
        self.points.get(place).map(|(_, value)| *value)
    }
}

/// The value of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Scalar(f64),
    Series(Arc<Series>),
    Array(Vec<Arc<Series>>),
    Text(String),
    /// A word of its own: `REPEAT`, `ASC`, `SUM`, ...
    Word(String),
}

impl Value {
    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Scalar(_) => "a scalar",
            Value::Series(_) => "a time series",
            Value::Array(_) => "an array of time series",
            Value::Text(_) => "a string",
            Value::Word(_) => "a keyword",
        }
    }
}

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MathError(pub(crate) String);

impl MathError {
    pub(crate) fn new(message: impl Into<String>) -> MathError {
        MathError(message.into())
    }
}
