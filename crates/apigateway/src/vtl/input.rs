//! `$input`: the body and the parameters.

use super::evaluate::Rendering;
use super::strings::argument_text;
use super::value::Value;
use super::{RenderError, json, path};

pub(super) fn call(
    rendering: &mut Rendering<'_>,
    name: &str,
    arguments: &[Value],
) -> Result<Option<Value>, RenderError> {
    Ok(Some(match (name, arguments) {
        ("path", [at]) => {
            let at = argument_text(&rendering.heap, at)?;
            rendering.at(&at)?
        }
        ("json", [at]) => {
            let at = argument_text(&rendering.heap, at)?;
            let found = match rendering.at(&at)? {
                // What is missing shows as an empty text, so that the document around it stays one.
                Value::Null => Value::Text("".into()),
                found => found,
            };
            let text = json::write(&rendering.heap, &found)?;
            rendering.heap.text(text)?
        }
        ("params", []) => rendering.parameters()?,
        ("params", [name]) => {
            let name = argument_text(&rendering.heap, name)?;
            let scope = rendering.scope;
            let found = last(scope.path, &name)
                .or_else(|| last(scope.query, &name))
                .or_else(|| last(scope.headers, &name))
                .or_else(|| scope.headers.iter().rev().find(|(known, _)| known.eq_ignore_ascii_case(&name)).map(value));
            rendering.heap.text(found.unwrap_or(""))?
        }
        _ => return Ok(None),
    }))
}

fn value(pair: &(String, String)) -> &str {
    &pair.1
}

fn last<'p>(pairs: &'p [(String, String)], name: &str) -> Option<&'p str> {
    pairs.iter().rev().find(|(known, _)| known == name).map(value)
}

impl Rendering<'_> {
    /// What is at a JSONPath of the body. A body that is no JSON is a text.
    fn at(&mut self, at: &str) -> Result<Value, RenderError> {
        let body = match &self.body {
            Some(body) => body.clone(),
            None => {
                let text = self.scope.body;
                let read = match text.trim().is_empty() {
                    true => Value::Map(self.heap.map()?),
                    false => match json::read(&mut self.heap, text) {
                        Err(RenderError::Json(_)) => self.heap.text(text)?,
                        read => read?,
                    },
                };
                self.body.insert(read).clone()
            }
        };
        path::find(&mut self.heap, &body, at)
    }

    /// All parameters, by where they came from.
    fn parameters(&mut self) -> Result<Value, RenderError> {
        if let Some(parameters) = &self.parameters {
            return Ok(parameters.clone());
        }
        let scope = self.scope;
        let all = self.heap.map()?;
        let parts: [(&str, &[(String, String)]); 3] =
            [("path", scope.path), ("querystring", scope.query), ("header", scope.headers)];
        for (part, pairs) in parts {
            let map = self.heap.map()?;
            for (name, value) in pairs {
                let value = self.heap.text(value.as_str())?;
                self.heap.put(map, name, value)?;
            }
            self.heap.put(all, part, Value::Map(map))?;
        }
        self.parameters = Some(Value::Map(all));
        Ok(Value::Map(all))
    }
}
