//! Values, and the heap that lists and maps live in.
//!
//! Lists and maps are shared by reference, as in Java: what is added through one variable is seen through another. They live in
//! a heap of the rendering, so that one that contains itself is no leak.

use std::collections::HashMap;
use std::sync::Arc;

use super::{OUTPUT_BYTES_MAX, RenderError, STEPS_MAX};

/// What a variable or an expression stands for. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    List(ListId),
    Map(MapId),
    /// One of a map's `entrySet()`.
    Entry(Arc<(Arc<str>, Value)>),
    /// `$foreach` of the loop that is this deep.
    Loop(usize),
    /// `$input`
    Input,
    /// `$util`
    Tools,
}

/// A list in the heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ListId(usize);

/// A map in the heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MapId(usize);

/// A list.
#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) items: Vec<Value>,
    /// Whether it was read from JSON: then it shows as JSON.
    pub(super) is_json: bool,
}

/// A map that remembers the order in which its keys came.
#[derive(Debug, Default)]
pub(super) struct Map {
    entries: Vec<Option<(Arc<str>, Value)>>,
    places: HashMap<Arc<str>, usize>,
}

impl Map {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        let place = self.places.get(key)?;
        self.entries.get(*place)?.as_ref().map(|(_, value)| value)
    }

    /// Puts a value and gives the one that was there.
    pub(super) fn put(&mut self, key: Arc<str>, value: Value) -> Option<Value> {
        if let Some(place) = self.places.get(&key)
            && let Some(Some((_, old))) = self.entries.get_mut(*place)
        {
            return Some(std::mem::replace(old, value));
        }
        self.places.insert(Arc::clone(&key), self.entries.len());
        self.entries.push(Some((key, value)));
        None
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<Value> {
        let place = self.places.remove(key)?;
        self.entries.get_mut(place)?.take().map(|(_, value)| value)
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.places.clear();
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &(Arc<str>, Value)> {
        self.entries.iter().flatten()
    }
}

/// Everything that a rendering has made, and what it may still make.
#[derive(Debug)]
pub(super) struct Heap {
    lists: Vec<List>,
    maps: Vec<Map>,
    steps_left: usize,
    no_list: List,
    no_map: Map,
}

impl Heap {
    pub(super) fn new() -> Heap {
        Heap {
            lists: Vec::new(),
            maps: Vec::new(),
            steps_left: STEPS_MAX,
            no_list: List::default(),
            no_map: Map::default(),
        }
    }

    /// Pays for work.
    ///
    /// # Errors
    /// [`RenderError::Limit`] when there is nothing left to pay with.
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), RenderError> {
        let left = self.steps_left.checked_sub(steps);
        self.steps_left = left.ok_or(RenderError::Limit { what: "steps of a rendering", max: STEPS_MAX })?;
        Ok(())
    }

    /// A text of its own.
    ///
    /// # Errors
    /// [`RenderError::Limit`] if it is too long.
    pub(super) fn text(&mut self, text: impl Into<Arc<str>> + AsRef<str>) -> Result<Value, RenderError> {
        let len = text.as_ref().len();
        if len > OUTPUT_BYTES_MAX {
            return Err(RenderError::Limit { what: "bytes for a text", max: OUTPUT_BYTES_MAX });
        }
        self.spend(len)?;
        Ok(Value::Text(text.into()))
    }

    /// A list of these.
    pub(super) fn list(&mut self, items: Vec<Value>, is_json: bool) -> Result<Value, RenderError> {
        self.spend(items.len() + 8)?;
        self.lists.push(List { items, is_json });
        Ok(Value::List(ListId(self.lists.len() - 1)))
    }

    /// An empty map.
    pub(super) fn map(&mut self) -> Result<MapId, RenderError> {
        // A map takes some hundred bytes even when it is empty.
        self.spend(32)?;
        self.maps.push(Map::default());
        Ok(MapId(self.maps.len() - 1))
    }

    pub(super) fn list_of(&self, id: ListId) -> &List {
        self.lists.get(id.0).unwrap_or(&self.no_list)
    }

    pub(super) fn items_mut(&mut self, id: ListId) -> &mut Vec<Value> {
        &mut self.lists.get_mut(id.0).unwrap_or(&mut self.no_list).items
    }

    pub(super) fn map_of(&self, id: MapId) -> &Map {
        self.maps.get(id.0).unwrap_or(&self.no_map)
    }

    pub(super) fn map_mut(&mut self, id: MapId) -> &mut Map {
        self.maps.get_mut(id.0).unwrap_or(&mut self.no_map)
    }

    /// Puts a value into a map, for its price.
    pub(super) fn put(&mut self, id: MapId, key: &str, value: Value) -> Result<Option<Value>, RenderError> {
        self.spend(key.len() + 32)?;
        Ok(self.map_mut(id).put(key.into(), value))
    }
}

impl Value {
    /// What `#if` takes it for: everything but null and false is true, the empty text and zero too (Velocity 1.7).
    pub(super) fn is_true(&self) -> bool {
        !matches!(self, Value::Null | Value::Bool(false))
    }

    pub(super) fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn as_float(&self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "as Java widens a long to a double")]
            Value::Int(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn as_text(&self) -> Option<&Arc<str>> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn from_bool(truth: bool) -> Value {
        Value::Bool(truth)
    }

    /// A count or a position.
    pub(super) fn from_len(len: usize) -> Value {
        Value::Int(i64::try_from(len).unwrap_or(i64::MAX))
    }
}

/// A double as Java writes it: `1.0`, `0.001`, `1.0E10`.
pub(super) fn java_double(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let size = number.abs();
    if number == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{number:?}");
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let point = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{point}E{exponent}")
}
