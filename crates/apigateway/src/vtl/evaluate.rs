//! Rendering: from nodes to text.

use std::collections::HashMap;

use super::ast::{Expression, Node, Operator, Reference};
use super::json;
use super::value::{Heap, MapId, Value};
use super::{LOOP_TURNS_MAX, NODE_STEPS, OUTPUT_BYTES_MAX, Overrides, Pairs, RenderError, Rendered, Scope};

/// A rendering under way.
pub(super) struct Rendering<'s> {
    pub(super) heap: Heap,
    pub(super) scope: &'s Scope<'s>,
    pub(super) variables: HashMap<Box<str>, Value>,
    pub(super) loops: Vec<Turn>,
    /// Made when a template first asks for them.
    pub(super) context: Option<MapId>,
    pub(super) stage_variables: Option<Value>,
    pub(super) body: Option<Value>,
    pub(super) parameters: Option<Value>,
    out: String,
}

/// How far a loop is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) index: usize,
    pub(super) len: usize,
}

/// Where to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Stop,
}

/// Renders a template.
pub(super) fn render(body: &[Node], scope: &Scope<'_>) -> Result<Rendered, RenderError> {
    let mut rendering = Rendering {
        heap: Heap::new(),
        scope,
        variables: HashMap::new(),
        loops: Vec::new(),
        context: None,
        stage_variables: None,
        body: None,
        parameters: None,
        out: String::new(),
    };
    rendering.nodes(body)?;
    let overrides = rendering.overrides()?;
    Ok(Rendered { text: rendering.out, overrides })
}

impl Rendering<'_> {
    fn nodes(&mut self, nodes: &[Node]) -> Result<Flow, RenderError> {
        for node in nodes {
            self.heap.spend(NODE_STEPS)?;
            let flow = self.node(node)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn node(&mut self, node: &Node) -> Result<Flow, RenderError> {
        match node {
            Node::Text(text) => self.write(text)?,
            Node::Reference(reference) => self.show_reference(reference)?,
            Node::Escaped { backslashes, reference } => self.show_escaped(*backslashes, reference)?,
            Node::Set { target, value } => {
                let value = self.value(value)?;
                self.assign(target, value)?;
            }
            Node::If { branches, otherwise } => {
                for (condition, body) in branches {
                    if self.value(condition)?.is_true() {
                        return self.nodes(body);
                    }
                }
                return self.nodes(otherwise);
            }
            Node::Foreach { variable, over, body } => return self.foreach(variable, over, body),
            Node::Break => return Ok(Flow::Break),
            Node::Stop => return Ok(Flow::Stop),
        }
        Ok(Flow::Next)
    }

    fn write(&mut self, text: &str) -> Result<(), RenderError> {
        if self.out.len() + text.len() > OUTPUT_BYTES_MAX {
            return Err(RenderError::Limit { what: "bytes of output", max: OUTPUT_BYTES_MAX });
        }
        self.out.push_str(text);
        Ok(())
    }

    fn show_reference(&mut self, reference: &Reference) -> Result<(), RenderError> {
        match self.resolve(reference)? {
            None if reference.quiet => Ok(()),
            None => self.write(&reference.source),
            Some(Value::Null) => Ok(()),
            Some(Value::Text(text)) => self.write(&text),
            Some(value) => {
                let text = json::show(&self.heap, &value)?;
                self.write(&text)
            }
        }
    }

    fn show_escaped(&mut self, backslashes: usize, reference: &Reference) -> Result<(), RenderError> {
        if self.resolve(reference)?.is_none() {
            self.write(&"\\".repeat(backslashes))?;
            return self.write(&reference.source);
        }
        self.write(&"\\".repeat(backslashes / 2))?;
        match backslashes.is_multiple_of(2) {
            true => self.show_reference(reference),
            false => self.write(&reference.source),
        }
    }

    fn foreach(&mut self, variable: &str, over: &Expression, body: &[Node]) -> Result<Flow, RenderError> {
        let items = match self.value(over)? {
            Value::List(id) => self.heap.list_of(id).items.clone(),
            Value::Map(id) => self.heap.map_of(id).entries().map(|(_, value)| value.clone()).collect(),
            _ => Vec::new(),
        };
        self.heap.spend(items.len())?;
        let outer = self.variables.get(variable).cloned();
        let len = items.len();
        let mut flow = Flow::Next;
        for (index, item) in items.into_iter().enumerate().take(LOOP_TURNS_MAX) {
            self.heap.spend(NODE_STEPS)?;
            self.variables.insert(variable.into(), item);
            self.loops.push(Turn { index, len });
            let done = self.nodes(body);
            self.loops.pop();
            flow = done?;
            if flow != Flow::Next {
                break;
            }
        }
        match outer {
            Some(value) => self.variables.insert(variable.into(), value),
            None => self.variables.remove(variable),
        };
        Ok(if flow == Flow::Stop { Flow::Stop } else { Flow::Next })
    }

    /// The value of an expression; null where a reference leads nowhere.
    pub(super) fn value(&mut self, expression: &Expression) -> Result<Value, RenderError> {
        self.heap.spend(NODE_STEPS)?;
        Ok(match expression {
            Expression::Bool(truth) => Value::Bool(*truth),
            Expression::Int(number) => Value::Int(*number),
            Expression::Float(number) => Value::Float(*number),
            Expression::Text(text) => Value::Text(text.clone()),
            Expression::Interpolated(nodes) => {
                let outer = std::mem::take(&mut self.out);
                let flow = self.nodes(nodes);
                let text = std::mem::replace(&mut self.out, outer);
                flow?;
                self.heap.text(text)?
            }
            Expression::Reference(reference) => self.resolve(reference)?.unwrap_or(Value::Null),
            Expression::List(items) => {
                let items = items.iter().map(|item| self.value(item)).collect::<Result<Vec<_>, _>>()?;
                self.heap.list(items, false)?
            }
            Expression::Map(entries) => {
                let map = self.heap.map()?;
                for (key, value) in entries {
                    let key = self.value(key)?;
                    let key = json::show(&self.heap, &key)?;
                    let value = self.value(value)?;
                    self.heap.put(map, &key, value)?;
                }
                Value::Map(map)
            }
            Expression::Range(first, last) => self.range(first, last)?,
            Expression::Not(inner) => Value::from_bool(!self.value(inner)?.is_true()),
            Expression::Negative(inner) => match self.value(inner)? {
                Value::Int(number) => number.checked_neg().map_or(Value::Null, Value::Int),
                Value::Float(number) => Value::Float(-number),
                _ => Value::Null,
            },
            Expression::Chain(first, rest) => self.chain(first, rest)?,
        })
    }

    fn range(&mut self, first: &Expression, last: &Expression) -> Result<Value, RenderError> {
        let (first, last) = (self.value(first)?, self.value(last)?);
        let (Some(first), Some(last)) = (first.as_int(), last.as_int()) else { return Ok(Value::Null) };
        // Paid for before it is made.
        let len = usize::try_from(first.abs_diff(last)).unwrap_or(usize::MAX);
        self.heap.spend(len.saturating_mul(24))?;
        let items = match first <= last {
            true => (first..=last).map(Value::Int).collect(),
            false => (last..=first).rev().map(Value::Int).collect(),
        };
        self.heap.list(items, false)
    }

    fn chain(&mut self, first: &Expression, rest: &[(Operator, Expression)]) -> Result<Value, RenderError> {
        let mut left = self.value(first)?;
        for (operator, right) in rest {
            left = match operator {
                // What is decided already is not evaluated.
                Operator::Or if left.is_true() => Value::Bool(true),
                Operator::And if !left.is_true() => Value::Bool(false),
                Operator::Or | Operator::And => Value::Bool(self.value(right)?.is_true()),
                operator => {
                    let right = self.value(right)?;
                    self.combine(*operator, &left, &right)?
                }
            };
        }
        Ok(left)
    }

    fn combine(&mut self, operator: Operator, left: &Value, right: &Value) -> Result<Value, RenderError> {
        let order = || left.as_float()?.partial_cmp(&right.as_float()?);
        Ok(match operator {
            Operator::Equal => Value::Bool(self.equal(left, right)?),
            Operator::NotEqual => Value::Bool(!self.equal(left, right)?),
            Operator::Less => Value::Bool(order().is_some_and(|o| o.is_lt())),
            Operator::LessOrEqual => Value::Bool(order().is_some_and(|o| o.is_le())),
            Operator::Greater => Value::Bool(order().is_some_and(|o| o.is_gt())),
            Operator::GreaterOrEqual => Value::Bool(order().is_some_and(|o| o.is_ge())),
            Operator::Add if left.as_text().is_some() || right.as_text().is_some() => {
                let mut text = json::show(&self.heap, left)?;
                text.push_str(&json::show(&self.heap, right)?);
                self.heap.text(text)?
            }
            operator => calculate(operator, left, right),
        })
    }

    /// Numbers are compared as numbers, values of one kind as what they are, and of different kinds as the texts they show.
    pub(super) fn equal(&mut self, left: &Value, right: &Value) -> Result<bool, RenderError> {
        Ok(match (left, right) {
            (Value::Null, Value::Null) => true,
            (Value::Null, _) | (_, Value::Null) => false,
            (Value::Int(left), Value::Int(right)) => left == right,
            (Value::Text(left), Value::Text(right)) => left == right,
            (Value::List(left), Value::List(right)) if left == right => true,
            (Value::Map(left), Value::Map(right)) if left == right => true,
            _ => match (left.as_float(), right.as_float()) {
                (Some(left), Some(right)) => left.total_cmp(&right).is_eq(),
                _ => {
                    let (left, right) = (json::show(&self.heap, left)?, json::show(&self.heap, right)?);
                    self.heap.spend(left.len() + right.len())?;
                    left == right
                }
            },
        })
    }

    fn overrides(&self) -> Result<Overrides, RenderError> {
        let Some(context) = self.context else { return Ok(Overrides::default()) };
        let part = |id: MapId, name: &str| match self.heap.map_of(id).get(name) {
            Some(Value::Map(id)) => Some(*id),
            _ => None,
        };
        let pairs = |id: Option<MapId>| -> Result<Pairs, RenderError> {
            let Some(id) = id else { return Ok(Pairs::new()) };
            let shown = self.heap.map_of(id).entries().filter(|(_, value)| !matches!(value, Value::Null));
            shown.map(|(name, value)| Ok((name.to_string(), json::show(&self.heap, value)?))).collect()
        };
        let (request, response) = (part(context, "requestOverride"), part(context, "responseOverride"));
        let status = response.and_then(|id| self.heap.map_of(id).get("status"));
        let status = status.map(|status| json::show(&self.heap, status)).transpose()?;
        Ok(Overrides {
            request_headers: pairs(request.and_then(|id| part(id, "header")))?,
            request_path: pairs(request.and_then(|id| part(id, "path")))?,
            request_query: pairs(request.and_then(|id| part(id, "querystring")))?,
            response_headers: pairs(response.and_then(|id| part(id, "header")))?,
            response_status: status.and_then(|status| status.parse().ok()),
        })
    }
}

/// Arithmetic; null for what is no number, and for a division by zero.
fn calculate(operator: Operator, left: &Value, right: &Value) -> Value {
    if let (Value::Int(left), Value::Int(right)) = (left, right) {
        let exact = match operator {
            Operator::Add => left.checked_add(*right),
            Operator::Subtract => left.checked_sub(*right),
            Operator::Multiply => left.checked_mul(*right),
            Operator::Divide | Operator::Remainder if *right == 0 => return Value::Null,
            Operator::Divide => left.checked_div(*right),
            _ => left.checked_rem(*right),
        };
        if let Some(exact) = exact {
            return Value::Int(exact);
        }
    }
    let (Some(left), Some(right)) = (left.as_float(), right.as_float()) else { return Value::Null };
    match operator {
        Operator::Add => Value::Float(left + right),
        Operator::Subtract => Value::Float(left - right),
        Operator::Multiply => Value::Float(left * right),
        _ if right == 0.0 => Value::Null,
        Operator::Divide => Value::Float(left / right),
        _ => Value::Float(left % right),
    }
}
