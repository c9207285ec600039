//! The methods of lists and maps.

use std::sync::Arc;

use super::evaluate::Rendering;
use super::value::{ListId, MapId, Value};
use super::{RenderError, json};

fn outside(method: &'static str, at: i64, len: usize) -> RenderError {
    RenderError::Method { method, reason: format!("index {at} is outside of a list of {len}") }
}

/// A position among `len` elements.
fn place(method: &'static str, index: &Value, len: usize) -> Result<usize, RenderError> {
    let Some(at) = index.as_int() else {
        return Err(RenderError::Method { method, reason: "an index is a whole number".to_owned() });
    };
    usize::try_from(at).ok().filter(|at| *at < len).ok_or_else(|| outside(method, at, len))
}

pub(super) fn call_list(
    rendering: &mut Rendering<'_>,
    id: ListId,
    name: &str,
    arguments: &[Value],
) -> Result<Option<Value>, RenderError> {
    let len = rendering.heap.list_of(id).items.len();
    Ok(Some(match (name, arguments) {
        ("size" | "length", []) => Value::from_len(len),
        ("isEmpty", []) => Value::Bool(len == 0),
        ("get", [index]) => {
            let at = place("get", index, len)?;
            rendering.heap.list_of(id).items.get(at).cloned().unwrap_or(Value::Null)
        }
        ("set", [index, value]) => {
            let at = place("set", index, len)?;
            let slot = rendering.heap.items_mut(id).get_mut(at);
            slot.map_or(Value::Null, |slot| std::mem::replace(slot, value.clone()))
        }
        ("add", [value]) => {
            rendering.heap.spend(24)?;
            rendering.heap.items_mut(id).push(value.clone());
            Value::Bool(true)
        }
        ("add", [index, value]) => {
            let at = place("add", index, len + 1)?;
            rendering.heap.spend(24 + len)?;
            rendering.heap.items_mut(id).insert(at, value.clone());
            Value::Null
        }
        ("addAll", [Value::List(other)]) => {
            let items = rendering.heap.list_of(*other).items.clone();
            rendering.heap.spend(items.len() * 24)?;
            rendering.heap.items_mut(id).extend(items);
            Value::Bool(true)
        }
        ("remove", [index @ Value::Int(_)]) => {
            let at = place("remove", index, len)?;
            rendering.heap.spend(len)?;
            rendering.heap.items_mut(id).remove(at)
        }
        ("clear", []) => {
            rendering.heap.items_mut(id).clear();
            Value::Null
        }
        ("contains", [value]) => Value::Bool(position(rendering, id, value)?.is_some()),
        ("indexOf", [value]) => position(rendering, id, value)?.map_or(Value::Int(-1), Value::from_len),
        ("subList", [from, to]) => {
            let (from, to) = (place("subList", from, len + 1)?, place("subList", to, len + 1)?);
            let list = rendering.heap.list_of(id);
            let is_json = list.is_json;
            let items = list.items.get(from..to).ok_or_else(|| outside("subList", 0, len))?.to_vec();
            rendering.heap.list(items, is_json)?
        }
        _ => return Ok(None),
    }))
}

fn position(rendering: &mut Rendering<'_>, id: ListId, wanted: &Value) -> Result<Option<usize>, RenderError> {
    let items = rendering.heap.list_of(id).items.clone();
    rendering.heap.spend(items.len())?;
    for (at, item) in items.iter().enumerate() {
        if rendering.equal(item, wanted)? {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

pub(super) fn call_map(
    rendering: &mut Rendering<'_>,
    id: MapId,
    name: &str,
    arguments: &[Value],
) -> Result<Option<Value>, RenderError> {
    let key = match arguments.first() {
        Some(key) => json::show(&rendering.heap, key)?,
        None => String::new(),
    };
    let heap = &mut rendering.heap;
    Ok(Some(match (name, arguments) {
        ("size", []) => Value::from_len(heap.map_of(id).len()),
        ("isEmpty", []) => Value::Bool(heap.map_of(id).len() == 0),
        ("get", [_]) => heap.map_of(id).get(&key).cloned().unwrap_or(Value::Null),
        ("getOrDefault", [_, otherwise]) => heap.map_of(id).get(&key).unwrap_or(otherwise).clone(),
        ("containsKey", [_]) => Value::Bool(heap.map_of(id).get(&key).is_some()),
        ("put", [_, value]) => heap.put(id, &key, value.clone())?.unwrap_or(Value::Null),
        ("putAll", [Value::Map(other)]) => {
            let entries: Vec<_> = heap.map_of(*other).entries().cloned().collect();
            for (key, value) in entries {
                heap.put(id, &key, value)?;
            }
            Value::Null
        }
        ("remove", [_]) => heap.map_mut(id).remove(&key).unwrap_or(Value::Null),
        ("clear", []) => {
            heap.map_mut(id).clear();
            Value::Null
        }
        ("keySet", []) => {
            let keys = heap.map_of(id).entries().map(|(key, _)| Value::Text(key.clone())).collect();
            heap.list(keys, false)?
        }
        ("values", []) => {
            let values = heap.map_of(id).entries().map(|(_, value)| value.clone()).collect();
            heap.list(values, false)?
        }
        ("entrySet", []) => {
            let entries: Vec<_> =
                heap.map_of(id).entries().map(|entry| Value::Entry(Arc::new(entry.clone()))).collect();
            heap.spend(entries.len() * 64)?;
            heap.list(entries, false)?
        }
        ("containsValue", [value]) => {
            let values: Vec<_> = heap.map_of(id).entries().map(|(_, value)| value.clone()).collect();
            heap.spend(values.len())?;
            let mut found = false;
            for candidate in &values {
                found = found || rendering.equal(candidate, value)?;
            }
            Value::Bool(found)
        }
        _ => return Ok(None),
    }))
}
