//! Patterns for JSON events: `{ $.a.b[0] = "x*" && ($.n >= 5 || $.s NOT EXISTS) }`.
//!
//! AWS: CloudWatch Logs User Guide, *Using filter patterns to match terms in JSON log events*.

use std::fmt;

use serde_json::Value;

use super::error::PatternError;
use super::expr::{Expr, found};
use super::note::{Note, clipped};
use super::scan::{Scan, is_name_char};
use super::value::{Budget, Comparison, Number};

/// Wildcards in one selector, and in all selectors of a pattern.
const WILDCARDS_A_SELECTOR_MAX: usize = 1;
pub(super) const WILDCARDS_MAX: usize = 3;
/// The largest array index written in a pattern.
const INDEX_MAX: usize = 1_000_000;

#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Index(usize),
    AnyKey,
    AnyIndex,
}

/// Where in an event a condition looks. Without a wildcard it leads to one value at most.
#[derive(Clone, Debug)]
struct Selector(Vec<Step>);

#[derive(Clone, Debug)]
enum Test {
    Compare(Comparison),
    Null,
    True,
    False,
    NotExists,
}

#[derive(Clone, Debug)]
pub(super) struct Condition {
    selector: Selector,
    test: Test,
}

/// A pattern between braces.
#[derive(Clone, Debug)]
pub(super) struct JsonPattern(Expr<Condition>);

impl JsonPattern {
    /// Reads what follows the opening brace.
    pub(super) fn parse(scan: &mut Scan<'_>, regexes: &mut Budget) -> Result<JsonPattern, PatternError> {
        let mut wildcards = Budget::new(WILDCARDS_MAX, "wildcard selectors");
        let expr = Expr::parse(scan, &mut |scan| condition(scan, regexes, &mut wildcards))?;
        scan.skip_space();
        if scan.eat("}") { Ok(JsonPattern(expr)) } else { Err(found("&&, || or }", scan)) }
    }

    pub(super) fn matches(&self, message: &str, note: &mut impl Note) -> bool {
        if !message.trim_start().starts_with('{') {
            note.note(|| "the event is no JSON object".to_owned());
            return false;
        }
        let event: Value = match serde_json::from_str(message) {
            Ok(event) => event,
            Err(error) => {
                note.note(|| format!("the event is not JSON: {error}"));
                return false;
            }
        };
        self.0.holds(&mut |condition| condition.holds(&event, note))
    }

    pub(super) fn cost(&self) -> usize {
        // Reading the event is the larger part.
        let mut cost = 4;
        self.0.visit(&mut |condition| {
            cost += if let Test::Compare(compare) = &condition.test { compare.cost() } else { 1 }
        });
        cost
    }
}

fn condition(scan: &mut Scan<'_>, regexes: &mut Budget, wildcards: &mut Budget) -> Result<Condition, PatternError> {
    let selector = selector(scan, wildcards)?;
    scan.skip_space();
    if let Some(comparison) = Comparison::parse(scan, regexes)? {
        return Ok(Condition { selector, test: Test::Compare(comparison) });
    }
    let test = if scan.eat_word("IS") {
        scan.skip_space();
        [("NULL", Test::Null), ("TRUE", Test::True), ("FALSE", Test::False)]
            .into_iter()
            .find(|(word, _)| scan.eat_word(word))
            .map(|(_, test)| test)
            .ok_or_else(|| found("NULL, TRUE or FALSE", scan))?
    } else if scan.eat_word("NOT") {
        scan.skip_space();
        if !scan.eat_word("EXISTS") {
            return Err(found("EXISTS", scan));
        }
        Test::NotExists
    } else {
        return Err(found("an operator, IS or NOT EXISTS", scan));
    };
    Ok(Condition { selector, test })
}

fn selector(scan: &mut Scan<'_>, wildcards: &mut Budget) -> Result<Selector, PatternError> {
    if !scan.eat("$") {
        return Err(found("a selector, which begins with $.", scan));
    }
    let mut steps = Vec::new();
    let mut own = Budget::new(WILDCARDS_A_SELECTOR_MAX, "wildcard in one selector");
    loop {
        let step = if scan.eat(".['") {
            let name = scan.take_while(|c| c != '\'').to_owned();
            if name.is_empty() || !scan.eat("']") {
                return Err(found("a property name and ']", scan));
            }
            Step::Key(name)
        } else if scan.eat(".*") {
            Step::AnyKey
        } else if scan.eat(".") {
            let name = scan.take_while(is_name_char);
            if name.is_empty() {
                return Err(found("a property name", scan));
            }
            Step::Key(name.to_owned())
        } else if !steps.is_empty() && scan.eat("[") {
            // An index follows a property: `$[0]` is none.
            index(scan)?
        } else {
            break;
        };
        if matches!(step, Step::AnyKey | Step::AnyIndex) {
            own.spend()?;
            wildcards.spend()?;
        }
        steps.push(step);
    }
    if steps.is_empty() { Err(found(".", scan)) } else { Ok(Selector(steps)) }
}

fn index(scan: &mut Scan<'_>) -> Result<Step, PatternError> {
    let step = if scan.eat("*") {
        Step::AnyIndex
    } else {
        let digits = scan.take_while(|c| c.is_ascii_digit());
        match digits.parse() {
            Ok(index) if index <= INDEX_MAX => Step::Index(index),
            _ => return Err(found("an array index or *", scan)),
        }
    };
    if scan.eat("]") { Ok(step) } else { Err(found("]", scan)) }
}

impl Selector {
    /// Whether `good` holds for one of the values that this leads to; and whether there is any.
    fn any<'v>(&self, event: &'v Value, good: &mut dyn FnMut(&'v Value) -> bool) -> Found {
        fn walk<'v>(steps: &[Step], value: &'v Value, good: &mut dyn FnMut(&'v Value) -> bool) -> Found {
            let Some((step, rest)) = steps.split_first() else {
                return if good(value) { Found::Good } else { Found::Bad };
            };
            let mut one = |next: Option<&'v Value>| next.map_or(Found::Nothing, |next| walk(rest, next, good));
            match (step, value) {
                (Step::Key(name), Value::Object(object)) => one(object.get(name)),
                (Step::Index(index), Value::Array(array)) => one(array.get(*index)),
                (Step::AnyKey, Value::Object(object)) => best(object.values(), &mut one),
                (Step::AnyIndex, Value::Array(array)) => best(array.iter(), &mut one),
                _ => Found::Nothing,
            }
        }
        walk(&self.0, event, good)
    }
}

fn best<'v>(values: impl Iterator<Item = &'v Value>, one: &mut impl FnMut(Option<&'v Value>) -> Found) -> Found {
    let mut best = Found::Nothing;
    for value in values {
        best = best.max(one(Some(value)));
        if best == Found::Good {
            break;
        }
    }
    best
}

/// What a selector leads to, worse to better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    Nothing,
    Bad,
    Good,
}

impl Condition {
    fn holds(&self, event: &Value, note: &mut impl Note) -> bool {
        let mut last = None;
        let found = self.selector.any(event, &mut |value| {
            last = Some(value);
            match &self.test {
                Test::Compare(comparison) => compare(comparison, value),
                Test::Null => value.is_null(),
                Test::True => *value == Value::Bool(true),
                Test::False => *value == Value::Bool(false),
                Test::NotExists => true,
            }
        });
        let holds = (found == Found::Good) != matches!(self.test, Test::NotExists);
        if !holds {
            note.note(|| match (found, last) {
                (Found::Nothing, _) | (_, None) => format!("{self}: there is no such value"),
                (_, Some(value @ (Value::Array(_) | Value::Object(_)))) => {
                    let kind = if value.is_array() { "an array" } else { "an object" };
                    format!("{self}: the value is {kind}, and only strings and numbers compare")
                }
                (_, Some(value)) => format!("{self}: the value is {}", clipped(&value.to_string())),
            });
        }
        holds
    }
}

/// Arrays, objects and null satisfy no comparison, `!=` included. Booleans compare by their names.
fn compare(comparison: &Comparison, value: &Value) -> bool {
    match value {
        Value::String(text) => comparison.holds(text, None),
        Value::Number(number) => comparison.holds(&number.to_string(), Number::of_json(number)),
        Value::Bool(flag) => comparison.holds(if *flag { "true" } else { "false" }, None),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        for step in &self.selector.0 {
            match step {
                Step::Key(name) if name.chars().all(is_name_char) => write!(f, ".{name}")?,
                Step::Key(name) => write!(f, ".['{name}']")?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::AnyKey => f.write_str(".*")?,
                Step::AnyIndex => f.write_str("[*]")?,
            }
        }
        match &self.test {
            Test::Compare(comparison) => write!(f, " {comparison}"),
            Test::Null => f.write_str(" IS NULL"),
            Test::True => f.write_str(" IS TRUE"),
            Test::False => f.write_str(" IS FALSE"),
            Test::NotExists => f.write_str(" NOT EXISTS"),
        }
    }
}
