//! JSON into values and back, and how values show as text.

use std::fmt;
use std::fmt::Write as _;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

use super::value::{Heap, Value, java_double};
use super::{DEPTH_MAX, OUTPUT_BYTES_MAX, RenderError};

/// Reads a document into the heap, in the order of its keys.
///
/// # Errors
/// [`RenderError::Json`] for what is no JSON or nests too deep, [`RenderError::Limit`] if it does not fit.
pub(super) fn read(heap: &mut Heap, text: &str) -> Result<Value, RenderError> {
    let mut failed = None;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let seed = Seed { heap, failed: &mut failed, depth: 0 };
    let value = seed.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    match (value, failed) {
        (Ok(value), _) => Ok(value),
        (Err(_), Some(error)) => Err(error),
        (Err(error), None) => Err(RenderError::Json(error.to_string())),
    }
}

struct Seed<'h> {
    heap: &'h mut Heap,
    /// The limit that was reached: errors of serde carry texts only.
    failed: &'h mut Option<RenderError>,
    depth: usize,
}

impl Seed<'_> {
    fn keep<T, E: serde::de::Error>(&mut self, made: Result<T, RenderError>) -> Result<T, E> {
        made.map_err(|error| {
            let message = error.to_string();
            *self.failed = Some(error);
            E::custom(message)
        })
    }

    fn inner<E: serde::de::Error>(&mut self) -> Result<Seed<'_>, E> {
        if self.depth >= DEPTH_MAX * 2 {
            return Err(E::custom("it nests too deep"));
        }
        Ok(Seed { heap: self.heap, failed: self.failed, depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        #[expect(clippy::cast_precision_loss, reason = "beyond 63 bits there is only the double")]
        Ok(i64::try_from(number).map_or(Value::Float(number as f64), Value::Int))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Float(number))
    }

    fn visit_str<E: serde::de::Error>(mut self, text: &str) -> Result<Value, E> {
        let made = self.heap.text(text);
        self.keep(made)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.inner()?)? {
            let paid = self.heap.spend(16);
            self.keep(paid)?;
            list.push(item);
        }
        let made = self.heap.list(list, true);
        self.keep(made)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Value, A::Error> {
        let made = self.heap.map();
        let map = self.keep(made)?;
        while let Some(key) = entries.next_key::<std::borrow::Cow<'de, str>>()? {
            let value = entries.next_value_seed(self.inner()?)?;
            let put = self.heap.put(map, &key, value);
            self.keep(put)?;
        }
        Ok(Value::Map(map))
    }
}

/// A value of `serde_json` in the heap.
pub(super) fn adopt(heap: &mut Heap, value: &serde_json::Value) -> Result<Value, RenderError> {
    Ok(match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => Value::Bool(*truth),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => heap.text(text.as_str())?,
        serde_json::Value::Array(items) => {
            let items = items.iter().map(|item| adopt(heap, item)).collect::<Result<Vec<_>, _>>()?;
            heap.list(items, true)?
        }
        serde_json::Value::Object(entries) => {
            let map = heap.map()?;
            for (key, value) in entries {
                let value = adopt(heap, value)?;
                heap.put(map, key, value)?;
            }
            Value::Map(map)
        }
    })
}

/// How lists and maps are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    /// As `toString` of Java's collections: `[a, b]`, `{key=value}`.
    Java,
}

struct Writer<'h> {
    heap: &'h Heap,
    out: String,
}

/// A value as JSON.
///
/// # Errors
/// [`RenderError::Limit`] if it is too large, or nests too deep because it contains itself.
pub(super) fn write(heap: &Heap, value: &Value) -> Result<String, RenderError> {
    let mut writer = Writer { heap, out: String::new() };
    writer.value(value, Form::Json, 0)?;
    Ok(writer.out)
}

/// A value as text.
///
/// # Errors
/// As [`write()`].
pub(super) fn show(heap: &Heap, value: &Value) -> Result<String, RenderError> {
    let mut writer = Writer { heap, out: String::new() };
    writer.value(value, Form::Java, 0)?;
    Ok(writer.out)
}

impl Writer<'_> {
    fn value(&mut self, value: &Value, form: Form, depth: usize) -> Result<(), RenderError> {
        if depth > DEPTH_MAX * 2 {
            return Err(RenderError::Limit { what: "levels of nesting in a value", max: DEPTH_MAX * 2 });
        }
        if self.out.len() > OUTPUT_BYTES_MAX {
            return Err(RenderError::Limit { what: "bytes for a text", max: OUTPUT_BYTES_MAX });
        }
        match value {
            Value::Null => self.out.push_str("null"),
            Value::Bool(truth) => self.out.push_str(if *truth { "true" } else { "false" }),
            // Writing to a string cannot fail.
            Value::Int(number) => drop(write!(self.out, "{number}")),
            Value::Float(number) => self.out.push_str(&java_double(*number)),
            Value::Text(text) => self.text(text, form),
            Value::List(id) => {
                let list = self.heap.list_of(*id);
                let form = if list.is_json { Form::Json } else { form };
                let comma = if form == Form::Json { "," } else { ", " };
                self.out.push('[');
                for (at, item) in list.items.iter().enumerate() {
                    self.out.push_str(if at == 0 { "" } else { comma });
                    self.value(item, form, depth + 1)?;
                }
                self.out.push(']');
            }
            Value::Map(id) => {
                let (comma, equals) = if form == Form::Json { (",", ":") } else { (", ", "=") };
                self.out.push('{');
                for (at, (key, value)) in self.heap.map_of(*id).entries().enumerate() {
                    self.out.push_str(if at == 0 { "" } else { comma });
                    self.text(key, form);
                    self.out.push_str(equals);
                    self.value(value, form, depth + 1)?;
                }
                self.out.push('}');
            }
            Value::Entry(entry) => {
                self.text(&entry.0, Form::Java);
                self.out.push('=');
                self.value(&entry.1, Form::Java, depth + 1)?;
            }
            // Java shows a class and an address; there is nothing to read from it.
            Value::Loop(_) | Value::Input | Value::Tools => self.out.push_str("{}"),
        }
        Ok(())
    }

    fn text(&mut self, text: &str, form: Form) {
        match form {
            Form::Java => self.out.push_str(text),
            // A text always has a JSON form.
            Form::Json => self.out.push_str(&serde_json::to_string(text).unwrap_or_default()),
        }
    }
}
