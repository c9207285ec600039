//! JSONPath, as far as mapping templates go: `$.a['b'][0][-1][0,1][1:3][*]..c[?(@.price < 10)]` and `.length()`.

use std::sync::Arc;

use super::value::{Heap, Value};
use super::{DEPTH_MAX, RenderError};

/// The longest path, in bytes.
const PATH_BYTES_MAX: usize = 4 * 1_024;

#[derive(Clone, Debug, PartialEq)]
enum Step {
    /// `.a`, `['a']`, `['a','b']`
    Names(Vec<Arc<str>>),
    /// `[0]`, `[-1]`, `[0,2]`
    Indexes(Vec<i64>),
    /// `[1:3]`
    Slice(Option<i64>, Option<i64>),
    /// `*`
    All,
    /// `..`: the value and everything in it.
    Descend,
    /// `[?(@.a == 'b')]`
    Filter(Filter),
    /// `.length()`
    Length,
}

#[derive(Clone, Debug, PartialEq)]
struct Filter {
    /// The path below `@`.
    left: Vec<Step>,
    /// What it is compared with; only whether it exists counts where there is nothing.
    right: Option<(Comparison, Literal)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug, PartialEq)]
enum Literal {
    Text(String),
    Number(f64),
    Bool(bool),
    Null,
}

/// What is at `path` in `root`: one value, or for a path that may lead to several a list of them; null if there is nothing.
///
/// # Errors
/// [`RenderError::Path`] for what is no path, [`RenderError::Limit`] if it leads to too much.
pub(super) fn find(heap: &mut Heap, root: &Value, path: &str) -> Result<Value, RenderError> {
    let steps = Reader::new(path)?.whole()?;
    let many = steps.iter().any(|step| match step {
        Step::Names(names) => names.len() > 1,
        Step::Indexes(indexes) => indexes.len() > 1,
        Step::Slice(..) | Step::All | Step::Descend | Step::Filter(_) => true,
        Step::Length => false,
    });
    let found = walk(heap, vec![root.clone()], &steps)?;
    match many {
        true => heap.list(found, true),
        false => Ok(found.into_iter().next().unwrap_or(Value::Null)),
    }
}

fn walk(heap: &mut Heap, mut found: Vec<Value>, steps: &[Step]) -> Result<Vec<Value>, RenderError> {
    for step in steps {
        let mut next = Vec::new();
        for value in &found {
            take(heap, value, step, &mut next)?;
        }
        found = next;
    }
    Ok(found)
}

fn take(heap: &mut Heap, value: &Value, step: &Step, next: &mut Vec<Value>) -> Result<(), RenderError> {
    let before = next.len();
    match (step, value) {
        (Step::Names(names), Value::Map(id)) => {
            next.extend(names.iter().filter_map(|name| heap.map_of(*id).get(name)).cloned());
        }
        (Step::Indexes(indexes), Value::List(id)) => {
            let items = &heap.list_of(*id).items;
            next.extend(indexes.iter().filter_map(|at| items.get(place(*at, items.len())?)).cloned());
        }
        (Step::Slice(from, to), Value::List(id)) => {
            let items = &heap.list_of(*id).items;
            let from = from.map_or(0, |at| bound(at, items.len()));
            let to = to.map_or(items.len(), |at| bound(at, items.len()));
            next.extend(items.get(from..to).unwrap_or(&[]).iter().cloned());
        }
        (Step::All, value) => next.extend(children(heap, value)),
        (Step::Descend, value) => descend(heap, value, next, 0)?,
        (Step::Filter(filter), value) => {
            for child in children(heap, value) {
                if filter.takes(heap, &child)? {
                    next.push(child);
                }
            }
        }
        (Step::Length, Value::List(id)) => next.push(Value::from_len(heap.list_of(*id).items.len())),
        (Step::Length, Value::Map(id)) => next.push(Value::from_len(heap.map_of(*id).len())),
        (Step::Length, Value::Text(text)) => next.push(Value::from_len(text.chars().count())),
        _ => {}
    }
    heap.spend((next.len() - before) * 24 + 1)
}

fn children(heap: &Heap, value: &Value) -> Vec<Value> {
    match value {
        Value::List(id) => heap.list_of(*id).items.clone(),
        Value::Map(id) => heap.map_of(*id).entries().map(|(_, value)| value.clone()).collect(),
        _ => Vec::new(),
    }
}

fn descend(heap: &mut Heap, value: &Value, next: &mut Vec<Value>, depth: usize) -> Result<(), RenderError> {
    if depth > DEPTH_MAX * 2 {
        return Err(RenderError::Limit { what: "levels of nesting in a value", max: DEPTH_MAX * 2 });
    }
    heap.spend(1)?;
    next.push(value.clone());
    for child in children(heap, value) {
        descend(heap, &child, next, depth + 1)?;
    }
    Ok(())
}

/// The place that an index from either end means.
fn place(at: i64, len: usize) -> Option<usize> {
    match usize::try_from(at) {
        Ok(at) => Some(at),
        Err(_) => len.checked_sub(usize::try_from(at.unsigned_abs()).ok()?),
    }
}

/// The end of a slice, which may lie outside.
fn bound(at: i64, len: usize) -> usize {
    match usize::try_from(at) {
        Ok(at) => at.min(len),
        Err(_) => len.saturating_sub(usize::try_from(at.unsigned_abs()).unwrap_or(usize::MAX)),
    }
}

impl Filter {
    fn takes(&self, heap: &mut Heap, value: &Value) -> Result<bool, RenderError> {
        let found = walk(heap, vec![value.clone()], &self.left)?;
        let Some(left) = found.first() else { return Ok(false) };
        let Some((comparison, right)) = &self.right else { return Ok(true) };
        let order = match (left, right) {
            (Value::Text(left), Literal::Text(right)) => Some((**left).cmp(right.as_str())),
            (left, Literal::Number(right)) => left.as_float().and_then(|left| left.partial_cmp(right)),
            (Value::Bool(left), Literal::Bool(right)) => Some(left.cmp(right)),
            (Value::Null, Literal::Null) => Some(std::cmp::Ordering::Equal),
            _ => None,
        };
        Ok(match comparison {
            Comparison::Equal => order.is_some_and(|o| o.is_eq()),
            Comparison::NotEqual => !order.is_some_and(|o| o.is_eq()),
            Comparison::Less => order.is_some_and(|o| o.is_lt()),
            Comparison::LessOrEqual => order.is_some_and(|o| o.is_le()),
            Comparison::Greater => order.is_some_and(|o| o.is_gt()),
            Comparison::GreaterOrEqual => order.is_some_and(|o| o.is_ge()),
        })
    }
}

struct Reader<'p> {
    path: &'p str,
    rest: &'p str,
}

impl<'p> Reader<'p> {
    fn new(path: &'p str) -> Result<Reader<'p>, RenderError> {
        if path.len() > PATH_BYTES_MAX {
            return Err(RenderError::Limit { what: "bytes for a JSONPath", max: PATH_BYTES_MAX });
        }
        Ok(Reader { path, rest: path.trim() })
    }

    fn error(&self) -> RenderError {
        RenderError::Path(self.path.to_owned())
    }

    fn eat(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), RenderError> {
        self.rest = self.rest.trim_start();
        if self.eat(token) { Ok(()) } else { Err(self.error()) }
    }

    fn take(&mut self, good: impl Fn(char) -> bool) -> &'p str {
        let len = self.rest.find(|c| !good(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    /// A path from its `$`, which may be left out as Jayway allows.
    fn whole(mut self) -> Result<Vec<Step>, RenderError> {
        if !self.eat("$") && !self.rest.starts_with('[') {
            let first = self.name()?;
            let mut steps = vec![first];
            steps.extend(self.steps(0)?);
            return if self.rest.is_empty() { Ok(steps) } else { Err(self.error()) };
        }
        let steps = self.steps(0)?;
        if self.rest.is_empty() { Ok(steps) } else { Err(self.error()) }
    }

    fn steps(&mut self, depth: usize) -> Result<Vec<Step>, RenderError> {
        let mut steps = Vec::new();
        loop {
            if self.eat("..") {
                steps.push(Step::Descend);
                if !self.rest.starts_with('[') {
                    steps.push(self.name()?);
                }
            } else if self.eat(".") {
                steps.push(self.name()?);
            } else if self.eat("[") {
                steps.push(self.bracket(depth)?);
            } else {
                return Ok(steps);
            }
        }
    }

    fn name(&mut self) -> Result<Step, RenderError> {
        if self.eat("*") {
            return Ok(Step::All);
        }
        let name = self.take(|c| !matches!(c, '.' | '[' | ']' | '(' | ')' | '=' | '<' | '>' | '!' | ' ' | '&' | '|'));
        if name == "length" && self.eat("()") {
            return Ok(Step::Length);
        }
        if name.is_empty() { Err(self.error()) } else { Ok(Step::Names(vec![name.into()])) }
    }

    fn quoted(&mut self) -> Result<String, RenderError> {
        let quote = if self.eat("'") { '\'' } else { '"' };
        if quote == '"' {
            self.expect("\"")?;
        }
        let mut text = String::new();
        let mut chars = self.rest.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => text.extend(chars.next()),
                c if c == quote => {
                    self.rest = chars.as_str();
                    return Ok(text);
                }
                c => text.push(c),
            }
        }
        Err(self.error())
    }

    fn integer(&mut self) -> Result<Option<i64>, RenderError> {
        self.rest = self.rest.trim_start();
        let digits = self.take(|c| c.is_ascii_digit() || c == '-');
        self.rest = self.rest.trim_start();
        if digits.is_empty() { Ok(None) } else { digits.parse().map(Some).map_err(|_| self.error()) }
    }

    fn bracket(&mut self, depth: usize) -> Result<Step, RenderError> {
        self.rest = self.rest.trim_start();
        let step = if self.eat("*") {
            Step::All
        } else if self.eat("?") {
            self.filter(depth)?
        } else if self.rest.starts_with(['\'', '"']) {
            let mut names = vec![self.quoted()?.into()];
            self.rest = self.rest.trim_start();
            while self.eat(",") {
                self.rest = self.rest.trim_start();
                names.push(self.quoted()?.into());
                self.rest = self.rest.trim_start();
            }
            Step::Names(names)
        } else {
            self.places()?
        };
        self.expect("]")?;
        Ok(step)
    }

    fn places(&mut self) -> Result<Step, RenderError> {
        let first = self.integer()?;
        if self.eat(":") {
            return Ok(Step::Slice(first, self.integer()?));
        }
        let mut indexes = vec![first.ok_or_else(|| self.error())?];
        while self.eat(",") {
            indexes.push(self.integer()?.ok_or_else(|| self.error())?);
        }
        Ok(Step::Indexes(indexes))
    }

    fn filter(&mut self, depth: usize) -> Result<Step, RenderError> {
        if depth >= DEPTH_MAX {
            return Err(RenderError::Limit { what: "levels of nesting in a JSONPath", max: DEPTH_MAX });
        }
        self.expect("(")?;
        self.expect("@")?;
        let left = self.steps(depth + 1)?;
        self.rest = self.rest.trim_start();
        let comparisons = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        let comparison = comparisons.into_iter().find(|(token, _)| self.eat(token)).map(|(_, comparison)| comparison);
        let right = match comparison {
            Some(comparison) => Some((comparison, self.literal()?)),
            None => None,
        };
        self.expect(")")?;
        Ok(Step::Filter(Filter { left, right }))
    }

    fn literal(&mut self) -> Result<Literal, RenderError> {
        self.rest = self.rest.trim_start();
        if self.rest.starts_with(['\'', '"']) {
            return self.quoted().map(Literal::Text);
        }
        match self.take(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+')) {
            "true" => Ok(Literal::Bool(true)),
            "false" => Ok(Literal::Bool(false)),
            "null" => Ok(Literal::Null),
            number => number.parse().map(Literal::Number).map_err(|_| self.error()),
        }
    }
}
