//! Metric math: expressions over time series. AWS: *CloudWatch User Guide*, "Metric math syntax and functions".
//!
//! Parsing is a recursive descent whose depth is bounded, evaluating counts its steps: no expression can run for ever or exhaust
//! anything.

mod evaluate;
mod functions;
mod lexer;
mod parse;
mod search;
mod value;

pub use evaluate::EXPRESSION_STEPS_MAX;
pub(crate) use evaluate::{Grid, Scope, evaluate};
pub use parse::EXPRESSION_DEPTH_MAX;
pub(crate) use parse::{Expression, parse};
pub(crate) use search::{Query, SEARCH_SERIES_MAX, Search, Searched};
pub(crate) use value::{MathError, Series, Value};

#[cfg(test)]
mod tests;
