//! Parts of inputs that several operations share.

use std::fmt;

use cauce_core::Violations;
use regex_lite::Regex;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use std::sync::LazyLock;

use super::error::MetricsError;
use super::name::Dimension;
use super::unit::{UNITS, Unit};

/// The longest namespace, metric name and dimension name, in characters.
pub(crate) const NAME_CHARS_MAX: usize = 255;
/// The longest value of a dimension, in characters.
pub(crate) const DIMENSION_VALUE_CHARS_MAX: usize = 1_024;
/// The most dimensions of a metric.
pub(crate) const DIMENSIONS_MAX: usize = 30;

const NAMESPACE_PATTERN: &str = "[^:].*";
static NAMESPACE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("^(?s:[^:].*)$").ok());

/// A double, which JSON and forms also write as a text where it is no number of theirs (`NaN`, `Infinity`, `-Infinity`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Number(pub(crate) f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_f64<E: Error>(self, n: f64) -> Result<Number, E> {
        Ok(Number(n))
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<Number, E> {
        Ok(Number(n as f64))
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<Number, E> {
        Ok(Number(n as f64))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
        let number = text.trim().parse::<f64>();
        number.map(Number).map_err(|_| E::custom("STRING_VALUE can not be converted to a Number"))
    }
}

/// The number as AWS writes it in messages: whole ones have a fraction.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n.is_nan() => f.write_str("NaN"),
            n if n.is_infinite() => f.write_str(if n > 0.0 { "Infinity" } else { "-Infinity" }),
            n => write!(f, "{n:?}"),
        }
    }
}

/// A dimension as a request has it.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DimensionInput {
    pub(crate) name: Option<String>,
    pub(crate) value: Option<String>,
}

/// Reports what is wrong with a namespace.
pub(crate) fn namespace(v: &mut Violations, name: &str, value: &str) {
    v.length(name, value, 1, NAME_CHARS_MAX);
    if let Some(regex) = NAMESPACE.as_ref()
        && !value.is_empty()
    {
        v.pattern(name, value, NAMESPACE_PATTERN, regex);
    }
}

/// Reports what is wrong with dimensions.
pub(crate) fn dimensions(v: &mut Violations, dimensions: &[DimensionInput]) {
    for (at, dimension) in dimensions.iter().enumerate().take(DIMENSIONS_MAX) {
        v.within(format!("dimensions.{}.member", at + 1), |v| {
            if let Some(name) = &dimension.name {
                v.length("name", name, 1, NAME_CHARS_MAX);
            }
            if let Some(value) = &dimension.value {
                v.length("value", value, 1, DIMENSION_VALUE_CHARS_MAX);
            }
        });
    }
}

/// The dimensions of a request, with what AWS refuses refused. `path` is where they are.
///
/// # Errors
/// More than [`DIMENSIONS_MAX`], a part that is missing or not printable, a name that comes twice.
pub(crate) fn checked_dimensions(path: &str, given: &[DimensionInput]) -> Result<Vec<Dimension>, MetricsError> {
    if given.len() > DIMENSIONS_MAX {
        return Err(MetricsError::collection(&format!("{path}Dimensions"), DIMENSIONS_MAX));
    }
    let mut dimensions: Vec<Dimension> = Vec::with_capacity(given.len());
    for (at, dimension) in given.iter().enumerate() {
        let place = |part: &str| format!("{path}Dimensions.member.{}.{part}", at + 1);
        let checked = |part: &str, value: Option<&String>| {
            let value = value.ok_or_else(|| MetricsError::required(&place(part)))?;
            match is_printable(value) && !(part == "Name" && value.starts_with(':')) {
                true => Ok(value.clone()),
                false => Err(MetricsError::invalid(value, &place(part))),
            }
        };
        let (name, value) = (checked("Name", dimension.name.as_ref())?, checked("Value", dimension.value.as_ref())?);
        if dimensions.iter().any(|known| known.name == name) {
            let message = format!("The collection {path}Dimensions must not have two dimensions of the name {name}.");
            return Err(MetricsError::value(message));
        }
        dimensions.push(Dimension { name, value });
    }
    Ok(dimensions)
}

/// ASCII without control characters, and not only spaces.
pub(crate) fn is_printable(text: &str) -> bool {
    text.bytes().all(|b| (0x20..0x7F).contains(&b)) && !text.trim().is_empty()
}

/// Reports a unit that is none.
pub(crate) fn unit(v: &mut Violations, unit: Option<&str>) {
    if let Some(unit) = unit.filter(|unit| Unit::named(unit).is_none()) {
        v.one_of("unit", unit, &UNITS);
    }
}
