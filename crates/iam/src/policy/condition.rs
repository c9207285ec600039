//! The `Condition` element: operators on condition keys.
//!
//! AWS: IAM User Guide, *IAM JSON policy elements: Condition operators*, *Single-valued vs. multivalued context keys*.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cauce_core::Timestamp;
use ipnet::IpNet;

use super::pattern::{Pattern, Syntax};
use super::request::{Keys, Request};

/// What is compared, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    /// `StringEquals`, `StringEqualsIgnoreCase` and `StringLike`: the pattern knows which.
    Text,
    Fold,
    Arn,
    Number(Order),
    Date(Order),
    Bool,
    Binary,
    Ip,
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    fn holds<T: PartialOrd>(self, found: &T, wanted: &T) -> bool {
        match self {
            Order::Equal => found == wanted,
            Order::Less => found < wanted,
            Order::LessOrEqual => found <= wanted,
            Order::Greater => found > wanted,
            Order::GreaterOrEqual => found >= wanted,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantifier {
    ForAll,
    ForAny,
}

/// An operator by its name: `ForAnyValue:StringNotLikeIfExists`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operator {
    test: Test,
    wildcards: bool,
    negated: bool,
    quantifier: Option<Quantifier>,
    if_exists: bool,
}

impl Operator {
    pub(crate) fn parse(name: &str) -> Option<Operator> {
        let (quantifier, name) = match name.split_once(':') {
            Some(("ForAllValues", rest)) => (Some(Quantifier::ForAll), rest),
            Some(("ForAnyValue", rest)) => (Some(Quantifier::ForAny), rest),
            Some(_) => return None,
            None => (None, name),
        };
        let (name, if_exists) = name.strip_suffix("IfExists").map_or((name, false), |rest| (rest, true));
        let (test, wildcards, negated) = match name {
            "StringEquals" => (Test::Text, false, false),
            "StringNotEquals" => (Test::Text, false, true),
            "StringEqualsIgnoreCase" => (Test::Fold, false, false),
            "StringNotEqualsIgnoreCase" => (Test::Fold, false, true),
            "StringLike" => (Test::Text, true, false),
            "StringNotLike" => (Test::Text, true, true),
            "ArnEquals" | "ArnLike" => (Test::Arn, true, false),
            "ArnNotEquals" | "ArnNotLike" => (Test::Arn, true, true),
            "Bool" => (Test::Bool, false, false),
            "BinaryEquals" => (Test::Binary, false, false),
            "IpAddress" => (Test::Ip, false, false),
            "NotIpAddress" => (Test::Ip, false, true),
            "Null" if !if_exists && quantifier.is_none() => (Test::Null, false, false),
            _ => {
                let (order, negated, number) = ordered(name)?;
                (if number { Test::Number(order) } else { Test::Date(order) }, false, negated)
            }
        };
        Some(Operator { test, wildcards, negated, quantifier, if_exists })
    }
}

/// `NumericLessThan`, `DateNotEquals` and their like.
fn ordered(name: &str) -> Option<(Order, bool, bool)> {
    let (number, rest) = match name.strip_prefix("Numeric") {
        Some(rest) => (true, rest),
        None => (false, name.strip_prefix("Date")?),
    };
    let (order, negated) = match rest {
        "Equals" => (Order::Equal, false),
        "NotEquals" => (Order::Equal, true),
        "LessThan" => (Order::Less, false),
        "LessThanEquals" => (Order::LessOrEqual, false),
        "GreaterThan" => (Order::Greater, false),
        "GreaterThanEquals" => (Order::GreaterOrEqual, false),
        _ => return None,
    };
    Some((order, negated, number))
}

/// A value of the policy, read once.
#[derive(Clone, Debug, PartialEq)]
enum Operand {
    Text(Pattern),
    Number(Number),
    Date(Timestamp),
    Bool(bool),
    Binary(Vec<u8>),
    Ip(IpNet),
    /// A value that its operator cannot read: it equals nothing.
    Never,
}

/// Integers are compared exactly, anything else as a double.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Number {
    Integer(i128),
    Double(f64),
}

impl Number {
    fn parse(text: &str) -> Option<Number> {
        let text = text.trim();
        if let Ok(n) = text.parse() {
            return Some(Number::Integer(n));
        }
        text.parse().ok().filter(|d: &f64| d.is_finite()).map(Number::Double)
    }

    fn double(self) -> f64 {
        match self {
            // Rounding is what comparing with a fraction means here.
            Number::Integer(n) => n as f64,
            Number::Double(d) => d,
        }
    }
}

/// One key of one operator with its values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    /// As the policy writes it.
    pub(crate) operator_name: Box<str>,
    /// As the policy writes it.
    pub(crate) key_name: Box<str>,
    pub(crate) values: Box<[Box<str>]>,
    operator: Operator,
    key: Box<str>,
    operands: Box<[Operand]>,
}

impl Condition {
    pub(crate) fn new(
        operator_name: &str,
        operator: Operator,
        key: &str,
        values: Vec<String>,
        variables: bool,
    ) -> Condition {
        let operands = values.iter().map(|value| operand(operator, value, variables)).collect();
        Condition {
            operator_name: operator_name.into(),
            key_name: key.into(),
            values: values.into_iter().map(String::into_boxed_str).collect(),
            operator,
            key: key.to_lowercase().into(),
            operands,
        }
    }

    /// Whether the request satisfies it.
    pub(crate) fn holds(&self, request: &Request<'_>) -> bool {
        let Operator { test, negated, quantifier, if_exists, .. } = self.operator;
        let values = request.keys.get(&self.key).filter(|values| !values.is_empty());
        if test == Test::Null {
            let absent = values.is_none();
            return self.operands.contains(&Operand::Bool(absent));
        }
        let Some(values) = values else {
            return if_exists
                || match quantifier {
                    Some(Quantifier::ForAll) => true,
                    Some(Quantifier::ForAny) => false,
                    None => negated,
                };
        };
        let hit = |value: &str| self.hits(value, request.keys);
        match quantifier {
            Some(Quantifier::ForAll) => values.iter().all(|v| hit(v) != negated),
            Some(Quantifier::ForAny) => values.iter().any(|v| hit(v) != negated),
            // Several values without a quantifier: one that matches is a match, so a negated operator needs none.
            None => values.iter().any(hit) != negated,
        }
    }

    /// Whether a value of the request equals (or whatever the operator asks, unnegated) one of the policy's.
    fn hits(&self, value: &str, keys: &dyn Keys) -> bool {
        let test = self.operator.test;
        match test {
            Test::Text => self.texts().any(|p| p.matches(value, keys)),
            Test::Fold => {
                let value = value.to_lowercase();
                self.texts().any(|p| p.matches(&value, keys))
            }
            Test::Arn => self.texts().any(|p| p.matches_arn(value, keys)),
            Test::Number(order) => Number::parse(value).is_some_and(|found| {
                self.operands.iter().any(|o| matches!(o, Operand::Number(wanted) if numbers(order, found, *wanted)))
            }),
            Test::Date(order) => Timestamp::parse(value).is_some_and(|found| {
                self.operands.iter().any(|o| matches!(o, Operand::Date(wanted) if order.holds(&found, wanted)))
            }),
            Test::Bool => read_bool(value).is_some_and(|found| self.operands.contains(&Operand::Bool(found))),
            Test::Binary => {
                let found = STANDARD.decode(value).ok();
                found.is_some_and(|found| self.operands.contains(&Operand::Binary(found)))
            }
            Test::Ip => value.parse::<IpAddr>().is_ok_and(|found| {
                let found = found.to_canonical();
                self.operands.iter().any(|o| matches!(o, Operand::Ip(net) if net.contains(&found)))
            }),
            Test::Null => false,
        }
    }

    fn texts(&self) -> impl Iterator<Item = &Pattern> {
        self.operands.iter().filter_map(|o| if let Operand::Text(p) = o { Some(p) } else { None })
    }

    /// The values that the request has for the key, to tell why it does not hold.
    pub(crate) fn found(&self, request: &Request<'_>) -> Vec<String> {
        request.keys.get(&self.key).map(|v| v.iter().map(str::to_owned).collect()).unwrap_or_default()
    }
}

fn numbers(order: Order, found: Number, wanted: Number) -> bool {
    match (found, wanted) {
        (Number::Integer(a), Number::Integer(b)) => order.holds(&a, &b),
        (a, b) => order.holds(&a.double(), &b.double()),
    }
}

fn read_bool(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

fn operand(operator: Operator, value: &str, variables: bool) -> Operand {
    let or_never = |operand: Option<Operand>| operand.unwrap_or(Operand::Never);
    match operator.test {
        Test::Text | Test::Fold | Test::Arn => {
            let fold = operator.test == Test::Fold;
            Operand::Text(Pattern::new(value, Syntax { wildcards: operator.wildcards, variables, fold }))
        }
        Test::Number(_) => or_never(Number::parse(value).map(Operand::Number)),
        Test::Date(_) => or_never(read_date(value).map(Operand::Date)),
        Test::Bool | Test::Null => or_never(read_bool(value).map(Operand::Bool)),
        Test::Binary => or_never(STANDARD.decode(value).ok().map(Operand::Binary)),
        Test::Ip => {
            let one = || value.parse::<IpAddr>().ok().map(IpNet::from);
            or_never(value.parse::<IpNet>().ok().or_else(one).map(Operand::Ip))
        }
    }
}

/// A date of a policy: seconds, ISO 8601, or the day alone.
pub(crate) fn read_date(text: &str) -> Option<Timestamp> {
    let day = || {
        let date: jiff::civil::Date = text.parse().ok()?;
        Some(Timestamp::from_jiff(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp()))
    };
    Timestamp::parse(text).or_else(day)
}

/// Whether an operator compares dates: AWS refuses a document with a date it cannot read.
pub(crate) fn is_date(operator: Operator) -> bool {
    matches!(operator.test, Test::Date(_))
}
