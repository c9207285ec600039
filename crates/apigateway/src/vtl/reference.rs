//! What references lead to.

use super::ast::{Reference, Step};
use super::evaluate::Rendering;
use super::json;
use super::value::{MapId, Value};
use super::{RenderError, collections, input, strings, tools};

impl Rendering<'_> {
    /// What a reference leads to: `None` if it was never set or asks what its value does not know, which shows as written;
    /// null, which shows as nothing, if there is nothing where it looks.
    pub(super) fn resolve(&mut self, reference: &Reference) -> Result<Option<Value>, RenderError> {
        let Some(root) = self.root(&reference.name)? else { return Ok(None) };
        self.follow(root, &reference.steps)
    }

    fn follow(&mut self, root: Value, steps: &[Step]) -> Result<Option<Value>, RenderError> {
        let mut value = root;
        for step in steps {
            self.heap.spend(1)?;
            if matches!(value, Value::Null) {
                return Ok(Some(Value::Null));
            }
            let next = match step {
                Step::Property(name) => self.property(&value, name)?,
                Step::Method(name, arguments) => {
                    let arguments = arguments.iter().map(|a| self.value(a)).collect::<Result<Vec<_>, _>>()?;
                    self.call(&value, name, &arguments)?
                }
                Step::Index(index) => {
                    let index = self.value(index)?;
                    self.element(&value, &index)?
                }
            };
            match next {
                Some(next) => value = next,
                None => return Ok(None),
            }
        }
        Ok(Some(value))
    }

    fn root(&mut self, name: &str) -> Result<Option<Value>, RenderError> {
        if let Some(value) = self.variables.get(name) {
            return Ok(Some(value.clone()));
        }
        Ok(match name {
            "input" => Some(Value::Input),
            "util" => Some(Value::Tools),
            "context" => Some(Value::Map(self.context()?)),
            "stageVariables" => Some(self.stage_variables()?),
            "foreach" => self.loops.len().checked_sub(1).map(Value::Loop),
            "velocityCount" => self.loops.last().map(|turn| Value::from_len(turn.index + 1)),
            _ => None,
        })
    }

    /// `$context`, with room for what a template may override.
    fn context(&mut self) -> Result<MapId, RenderError> {
        if let Some(id) = self.context {
            return Ok(id);
        }
        let made = (self.scope.context)();
        let id = match json::adopt(&mut self.heap, &made)? {
            Value::Map(id) => id,
            _ => self.heap.map()?,
        };
        for (name, parts) in
            [("requestOverride", ["header", "path", "querystring"].as_slice()), ("responseOverride", &["header"])]
        {
            let map = self.heap.map()?;
            for part in parts {
                let inner = self.heap.map()?;
                self.heap.put(map, part, Value::Map(inner))?;
            }
            self.heap.put(id, name, Value::Map(map))?;
        }
        self.context = Some(id);
        Ok(id)
    }

    fn stage_variables(&mut self) -> Result<Value, RenderError> {
        if let Some(value) = &self.stage_variables {
            return Ok(value.clone());
        }
        let map = self.heap.map()?;
        for (name, value) in self.scope.stage_variables {
            let value = self.heap.text(value.as_str())?;
            self.heap.put(map, name, value)?;
        }
        self.stage_variables = Some(Value::Map(map));
        Ok(Value::Map(map))
    }

    fn property(&mut self, value: &Value, name: &str) -> Result<Option<Value>, RenderError> {
        Ok(match value {
            Value::Map(id) => Some(self.heap.map_of(*id).get(name).cloned().unwrap_or(Value::Null)),
            Value::Entry(entry) => match name {
                "key" => Some(Value::Text(entry.0.clone())),
                "value" => Some(entry.1.clone()),
                _ => None,
            },
            Value::Loop(depth) => self.turn(*depth, name),
            Value::Input if name == "body" => Some(self.heap.text(self.scope.body)?),
            // The getters of Java's beans.
            Value::List(_) if name == "empty" => self.call(value, "isEmpty", &[])?,
            Value::Text(_) if matches!(name, "empty" | "bytes") => match name {
                "empty" => self.call(value, "isEmpty", &[])?,
                _ => None,
            },
            _ => None,
        })
    }

    fn turn(&self, depth: usize, name: &str) -> Option<Value> {
        let turn = self.loops.get(depth)?;
        match name {
            "index" => Some(Value::from_len(turn.index)),
            "count" => Some(Value::from_len(turn.index + 1)),
            "hasNext" => Some(Value::Bool(turn.index + 1 < turn.len)),
            "first" => Some(Value::Bool(turn.index == 0)),
            "last" => Some(Value::Bool(turn.index + 1 == turn.len)),
            "parent" => Some(depth.checked_sub(1).map_or(Value::Null, Value::Loop)),
            "topmost" => Some(Value::Loop(0)),
            _ => None,
        }
    }

    fn element(&mut self, value: &Value, index: &Value) -> Result<Option<Value>, RenderError> {
        match value {
            Value::List(_) | Value::Map(_) => self.call(value, "get", std::slice::from_ref(index)),
            _ => Ok(None),
        }
    }

    fn call(&mut self, value: &Value, name: &str, arguments: &[Value]) -> Result<Option<Value>, RenderError> {
        if name == "toString" && arguments.is_empty() {
            let text = json::show(&self.heap, value)?;
            return self.heap.text(text).map(Some);
        }
        if let ("equals", [other]) = (name, arguments) {
            let same_kind = std::mem::discriminant(value) == std::mem::discriminant(other);
            return Ok(Some(Value::Bool(same_kind && self.equal(value, other)?)));
        }
        match value {
            Value::Text(text) => strings::call(&mut self.heap, text, name, arguments),
            Value::List(id) => collections::call_list(self, *id, name, arguments),
            Value::Map(id) => collections::call_map(self, *id, name, arguments),
            Value::Entry(entry) => Ok(match (name, arguments) {
                ("getKey", []) => Some(Value::Text(entry.0.clone())),
                ("getValue", []) => Some(entry.1.clone()),
                _ => None,
            }),
            Value::Int(_) | Value::Float(_) => strings::call_number(value, name, arguments),
            Value::Loop(depth) => Ok(match (name, arguments) {
                ("hasNext" | "isFirst" | "isLast" | "getCount" | "getIndex", []) => {
                    let name = name.trim_start_matches("is").trim_start_matches("get");
                    let name = if name == "hasNext" { name.to_owned() } else { name.to_ascii_lowercase() };
                    self.turn(*depth, &name)
                }
                _ => None,
            }),
            Value::Input => input::call(self, name, arguments),
            Value::Tools => tools::call(&mut self.heap, name, arguments),
            Value::Null => Ok(Some(Value::Null)),
            Value::Bool(_) => Ok(None),
        }
    }

    /// Does what `#set` says; what leads to nothing that can be set is passed over, as in Velocity.
    pub(super) fn assign(&mut self, target: &Reference, value: Value) -> Result<(), RenderError> {
        let Some((last, steps)) = target.steps.split_last() else {
            self.variables.insert(target.name.clone(), value);
            return Ok(());
        };
        let Some(root) = self.root(&target.name)? else { return Ok(()) };
        let Some(container) = self.follow(root, steps)? else { return Ok(()) };
        match (container, last) {
            (Value::Map(id), Step::Index(index)) => {
                let key = self.value(index)?;
                let key = json::show(&self.heap, &key)?;
                self.heap.put(id, &key, value)?;
            }
            (Value::Map(id), step) => {
                self.heap.put(id, step.name().unwrap_or_default(), value)?;
            }
            (Value::List(id), Step::Index(index)) => {
                let at = self.value(index)?.as_int().and_then(|at| usize::try_from(at).ok());
                if let Some(slot) = at.and_then(|at| self.heap.items_mut(id).get_mut(at)) {
                    *slot = value;
                }
            }
            _ => {}
        }
        Ok(())
    }
}
