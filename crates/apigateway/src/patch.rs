//! Patch operations: how every update of API Gateway says what it changes.
//!
//! AWS: API Gateway API Reference (V1), "PatchOperation", and its tables of the paths that each resource supports.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::Error;

/// How many operations one update may have.
pub(crate) const PATCH_OPERATIONS_MAX: usize = 100;

/// What is done at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Op {
    Add,
    Remove,
    Replace,
    Move,
    Copy,
    Test,
}

impl Op {
    fn name(self) -> &'static str {
        match self {
            Op::Add => "add",
            Op::Remove => "remove",
            Op::Replace => "replace",
            Op::Move => "move",
            Op::Copy => "copy",
            Op::Test => "test",
        }
    }
}

/// One operation, as sent.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PatchOperation {
    op: Option<Op>,
    path: Option<String>,
    value: Option<String>,
}

impl PatchOperation {
    #[cfg(test)]
    pub(crate) fn new(op: Op, path: &str, value: Option<&str>) -> PatchOperation {
        PatchOperation { op: Some(op), path: Some(path.to_owned()), value: value.map(str::to_owned) }
    }
}

pub(crate) const REPLACE: &[Op] = &[Op::Replace];
pub(crate) const ADD_REMOVE: &[Op] = &[Op::Add, Op::Remove];
pub(crate) const REPLACE_REMOVE: &[Op] = &[Op::Replace, Op::Remove];
pub(crate) const ADD_REMOVE_REPLACE: &[Op] = &[Op::Add, Op::Remove, Op::Replace];

/// The paths that can be patched, `*` for one part of any name, and the operations on each.
pub(crate) type Supported = &'static [(&'static str, &'static [Op])];

/// One operation, understood.
pub(crate) struct Patch<'a> {
    /// The supported path that matched.
    pub(crate) template: &'static str,
    pub(crate) op: Op,
    path: &'a str,
    value: Option<&'a str>,
    /// What stands for each `*`.
    names: Vec<String>,
}

/// Applies operations in their order.
///
/// # Errors
/// The first operation that is not supported, or that `change` refuses.
pub(crate) fn apply<T>(
    noun: &mut T,
    operations: &[PatchOperation],
    supported: Supported,
    change: impl Fn(&mut T, &Patch<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    if operations.len() > PATCH_OPERATIONS_MAX {
        let count = operations.len();
        return Err(Error::bad(format!("{count} patch operations are more than the limit of {PATCH_OPERATIONS_MAX}")));
    }
    for operation in operations {
        change(noun, &understood(operation, supported)?)?;
    }
    Ok(())
}

fn understood<'a>(operation: &'a PatchOperation, supported: Supported) -> Result<Patch<'a>, Error> {
    let Some(op) = operation.op else {
        return Err(Error::bad("Invalid patch operation specified. Must be one of: [add, remove, replace, copy]"));
    };
    let path = operation.path.as_deref().unwrap_or("");
    let parts: Vec<String> = path.split('/').skip(1).map(unescape).collect();
    let fits = |template: &str| {
        let template: Vec<&str> = template.split('/').skip(1).collect();
        template.len() == parts.len()
            && template
                .iter()
                .zip(&parts)
                .all(|(wanted, part)| if *wanted == "*" { !part.is_empty() } else { wanted == part })
    };
    let found = supported.iter().find(|(template, ops)| ops.contains(&op) && fits(template));
    let Some((template, _)) = found.filter(|_| path.starts_with('/')) else {
        let of_op: Vec<String> = supported
            .iter()
            .filter(|(_, ops)| ops.contains(&op))
            .map(|(template, _)| template.replace('*', "{name}"))
            .collect();
        let end = match of_op.is_empty() {
            true => "Please choose supported operations".to_owned(),
            false => format!("Must be one of: [{}]", of_op.join(", ")),
        };
        return Err(Error::bad(format!("Invalid patch path  '{path}' specified for op '{}'. {end}", op.name())));
    };
    let names = template.split('/').skip(1).zip(parts).filter(|(wanted, _)| *wanted == "*").map(|(_, part)| part);
    let names = names.collect();
    Ok(Patch { template, op, path, value: operation.value.as_deref(), names })
}

/// JSON Pointer's escapes.
fn unescape(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

impl Patch<'_> {
    /// What stands for the first `*`.
    pub(crate) fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    /// What stands for the second `*`.
    pub(crate) fn second_name(&self) -> &str {
        self.names.get(1).map_or("", String::as_str)
    }

    /// What stands for the third `*`.
    pub(crate) fn third_name(&self) -> &str {
        self.names.get(2).map_or("", String::as_str)
    }

    /// The value, which must be given.
    pub(crate) fn value(&self) -> Result<&str, Error> {
        self.value.ok_or_else(|| Error::bad(format!("Invalid null or empty value in {}", self.path)))
    }

    /// The value, which must not be empty.
    pub(crate) fn text(&self) -> Result<String, Error> {
        match self.value()? {
            "" => Err(Error::bad(format!("Invalid null or empty value in {}", self.path))),
            text => Ok(text.to_owned()),
        }
    }

    /// The value; nothing when it is empty, or removed.
    pub(crate) fn optional(&self) -> Option<String> {
        if self.op == Op::Remove {
            return None;
        }
        self.value.filter(|value| !value.is_empty()).map(str::to_owned)
    }

    fn refused(&self, must: &str) -> Error {
        let (value, op) = (self.value.unwrap_or_default(), self.op.name());
        Error::bad(format!("Invalid patch value  '{value}' specified for op '{op}'. Must be {must}"))
    }

    pub(crate) fn flag(&self) -> Result<bool, Error> {
        match self.value()? {
            value if value.eq_ignore_ascii_case("true") => Ok(true),
            value if value.eq_ignore_ascii_case("false") => Ok(false),
            _ => Err(self.refused("a boolean")),
        }
    }

    pub(crate) fn number(&self) -> Result<i64, Error> {
        self.value()?.parse().map_err(|_| self.refused("an integer"))
    }

    pub(crate) fn decimal(&self) -> Result<f64, Error> {
        let number = self.value()?.parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| self.refused("a number"))
    }

    /// The value as one of an enumeration.
    pub(crate) fn one_of<T: serde::de::DeserializeOwned>(&self, all: &[&str]) -> Result<T, Error> {
        let value = serde_json::Value::from(self.value()?);
        serde_json::from_value(value).map_err(|_| self.refused(&format!("one of: [{}]", all.join(", "))))
    }

    /// Adds, replaces or removes the entry by the name that the path ends with.
    pub(crate) fn put(&self, texts: &mut BTreeMap<String, String>) -> Result<(), Error> {
        let name = self.name();
        if self.op == Op::Remove {
            return match texts.remove(name) {
                Some(_) => Ok(()),
                None => Err(Error::missing(format!("Invalid parameter name specified: {name}"))),
            };
        }
        texts.insert(name.to_owned(), self.value.unwrap_or_default().to_owned());
        Ok(())
    }

    /// As [`Patch::put`], for flags.
    pub(crate) fn put_flag(&self, flags: &mut BTreeMap<String, bool>) -> Result<(), Error> {
        let name = self.name();
        if self.op == Op::Remove {
            return match flags.remove(name) {
                Some(_) => Ok(()),
                None => Err(Error::missing("Invalid parameter name specified")),
            };
        }
        // Adding a parameter without a value says that it is known, not that it is required.
        let required = if self.value.is_none() { false } else { self.flag()? };
        flags.insert(name.to_owned(), required);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{ADD_REMOVE_REPLACE, Op, PatchOperation, REPLACE, Supported, apply};

    const SUPPORTED: Supported = &[("/name", REPLACE), ("/variables/*", ADD_REMOVE_REPLACE)];

    fn check(op: Op, path: &str, value: Option<&str>, expect: Result<&[(&str, &str)], &str>) {
        let mut noun = BTreeMap::from([("old".to_owned(), "1".to_owned())]);
        let result = apply(&mut noun, &[PatchOperation::new(op, path, value)], SUPPORTED, |noun, patch| {
            match patch.template {
                "/name" => drop(noun.insert("name".to_owned(), patch.text()?)),
                _ => patch.put(noun)?,
            }
            Ok(())
        });
        let got = result.map(|()| noun.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>());
        assert_eq!(got.map_err(|e| e.to_string()), expect.map(<[_]>::to_vec).map_err(str::to_owned), "{path}");
    }

    #[test]
    fn operations_change_or_are_refused() {
        check(Op::Replace, "/name", Some("n"), Ok(&[("name", "n"), ("old", "1")]));
        check(Op::Add, "/variables/a~1b~0c", Some("2"), Ok(&[("a/b~c", "2"), ("old", "1")]));
        check(Op::Remove, "/variables/old", None, Ok(&[]));
        check(Op::Remove, "/variables/none", None, Err("Invalid parameter name specified: none"));
        check(Op::Replace, "/name", None, Err("Invalid null or empty value in /name"));
        check(Op::Replace, "/name", Some(""), Err("Invalid null or empty value in /name"));
        let paths = "Invalid patch path  '/nam' specified for op 'replace'. Must be one of: [/name, /variables/{name}]";
        check(Op::Replace, "/nam", Some("x"), Err(paths));
        let none = "Invalid patch path  '/name' specified for op 'copy'. Please choose supported operations";
        check(Op::Copy, "/name", Some("x"), Err(none));
        let add = "Invalid patch path  '/name' specified for op 'add'. Must be one of: [/variables/{name}]";
        check(Op::Add, "/name", Some("x"), Err(add));
        let empty = "Invalid patch path  '/variables/' specified for op 'add'. Must be one of: [/variables/{name}]";
        check(Op::Add, "/variables/", Some("x"), Err(empty));
    }
}
