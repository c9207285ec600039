//! The value of an expression.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use super::functions;
use super::parse::{Expression, Operator};
use super::search::Searched;
use super::value::{MathError, Series, Value};

/// How many points the expressions of one request may make together.
pub const EXPRESSION_STEPS_MAX: usize = 20_000_000;

/// The periods of a request, for functions that make points where there were none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) start_s: i64,
    pub(crate) end_s: i64,
    pub(crate) period_s: i64,
}

impl Grid {
    /// The starts of the periods of a length.
    pub(crate) fn starts(&self, period_s: i64) -> impl Iterator<Item = i64> + use<> {
        let (start_s, end_s) = (self.start_s, self.end_s);
        (0..).map(move |n| start_s + n * period_s).take_while(move |at_s| *at_s < end_s)
    }
}

/// What an expression may name.
pub(crate) struct Scope<'a> {
    /// The values of the queries before, by id.
    pub(crate) values: &'a HashMap<String, Value>,
    /// The metrics of the request in its order: id and series.
    pub(crate) metrics: &'a [(String, Arc<Series>)],
    /// What searches have found.
    pub(crate) searched: &'a [Searched],
    pub(crate) grid: Grid,
    /// How many points may still be made.
    pub(crate) steps: &'a Cell<usize>,
}

impl Scope<'_> {
    /// Pays for points.
    pub(crate) fn step(&self, points: usize) -> Result<(), MathError> {
        // A call costs something even if it makes nothing.
        let left = self.steps.get().checked_sub(points + 1);
        self.steps.set(left.ok_or_else(|| {
            MathError::new(format!("The expressions need more than the limit of {EXPRESSION_STEPS_MAX} steps"))
        })?);
        Ok(())
    }

    /// Makes every series into another.
    pub(crate) fn each(
        &self,
        value: &Value,
        make: impl Fn(&Series) -> Result<Series, MathError>,
    ) -> Result<Value, MathError> {
        let made = |series: &Arc<Series>| {
            self.step(series.points.len())?;
            make(series).map(Arc::new)
        };
        match value {
            Value::Series(series) => made(series).map(Value::Series),
            Value::Array(array) => array.iter().map(made).collect::<Result<_, _>>().map(Value::Array),
            other => Err(MathError::new(format!("Expected a time series, found {}", other.kind()))),
        }
    }
}

/// Evaluates.
///
/// # Errors
/// Something that does not go together, or too many steps.
pub(crate) fn evaluate(expression: &Expression, scope: &Scope<'_>) -> Result<Value, MathError> {
    match expression {
        Expression::Number(number) => Ok(Value::Scalar(*number)),
        Expression::Text(text) => Ok(Value::Text(text.clone())),
        Expression::Word(word) => Ok(Value::Word(word.clone())),
        Expression::Id(id) => scope.values.get(id).cloned().ok_or_else(|| MathError::new(format!("Unknown id '{id}'"))),
        Expression::Negated(inner) => match evaluate(inner, scope)? {
            Value::Scalar(scalar) => Ok(Value::Scalar(-scalar)),
            value => scope.each(&value, |series| Ok(series.with(series.points.iter().map(|(at, v)| (*at, -v))))),
        },
        Expression::Both(operator, left, right) => {
            let (left, right) = (evaluate(left, scope)?, evaluate(right, scope)?);
            both(*operator, &left, &right, scope)
        }
        Expression::List(parts) => {
            let mut array = Vec::new();
            for part in parts {
                match evaluate(part, scope)? {
                    Value::Series(series) => array.push(series),
                    Value::Array(more) => array.extend(more),
                    other => return Err(MathError::new(format!("Expected a time series, found {}", other.kind()))),
                }
            }
            Ok(Value::Array(array))
        }
        Expression::Call(name, parts) => functions::call(name, parts, scope),
    }
}

fn apply(operator: Operator, left: f64, right: f64) -> f64 {
    let truth = |truth: bool| f64::from(u8::from(truth));
    match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        Operator::Power => left.powf(right),
        Operator::Less => truth(left < right),
        Operator::LessOrEqual => truth(left <= right),
        Operator::More => truth(left > right),
        Operator::MoreOrEqual => truth(left >= right),
        Operator::Equal => truth(left == right),
        Operator::Different => truth(left != right),
        Operator::And => truth(left != 0.0 && right != 0.0),
        Operator::Or => truth(left != 0.0 || right != 0.0),
    }
}

fn both(operator: Operator, left: &Value, right: &Value, scope: &Scope<'_>) -> Result<Value, MathError> {
    let over = |left: &Series, right: &Series| {
        let common = left.points.iter().filter_map(|(at, v)| Some((*at, apply(operator, *v, right.at(*at)?))));
        left.with(common)
    };
    match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => {
            scope.step(0)?;
            Ok(Value::Scalar(apply(operator, *left, *right)))
        }
        (Value::Scalar(scalar), value @ (Value::Series(_) | Value::Array(_))) => scope.each(value, |series| {
            Ok(series.with(series.points.iter().map(|(at, v)| (*at, apply(operator, *scalar, *v)))))
        }),
        (value @ (Value::Series(_) | Value::Array(_)), Value::Scalar(scalar)) => scope.each(value, |series| {
            Ok(series.with(series.points.iter().map(|(at, v)| (*at, apply(operator, *v, *scalar)))))
        }),
        (value @ (Value::Series(_) | Value::Array(_)), Value::Series(right)) => {
            scope.each(value, |series| Ok(over(series, right)))
        }
        (Value::Series(left), value @ Value::Array(_)) => scope.each(value, |series| {
            let common = series.points.iter();
            let common = common.filter_map(|(at, v)| Some((*at, apply(operator, left.at(*at)?, *v))));
            Ok(series.with(common))
        }),
        (left, right) => {
            let message = format!("An operator does not take {} and {}", left.kind(), right.kind());
            Err(MathError::new(message))
        }
    }
}
