//! `ExpressionAttributeNames` and `ExpressionAttributeValues`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::error::{ExpressionError, PlaceholderMap, Reason};
use super::path::{PATH_STEPS_MAX, Path, Step};
use super::reserved::is_reserved;
use super::syntax::{WrittenName, WrittenPath, WrittenStep};
use crate::value::{AttributeValue, Given, Item, ValueError};

/// The longest placeholder, in bytes. AWS: Developer Guide, *Service, account, and table quotas*, expression parameters.
pub const PLACEHOLDER_BYTES_MAX: usize = 255;

/// The most names or values, placeholders included, in bytes: 2 MiB. AWS: ditto.
pub const PLACEHOLDERS_BYTES_MAX: usize = 2 << 20;

/// The placeholders of a request, and which of them its expressions have used.
#[derive(Debug, Default)]
pub struct Placeholders {
    names: BTreeMap<String, String>,
    values: BTreeMap<String, Arc<AttributeValue>>,
    used: BTreeSet<String>,
}

impl Placeholders {
    /// The placeholders of a request with expressions.
    ///
    /// # Errors
    /// An empty map, a key that is no placeholder or too long, an empty name, a value that AWS refuses, more than
    /// [`PLACEHOLDERS_BYTES_MAX`].
    pub fn new(
        names: Option<BTreeMap<String, String>>,
        values: Option<Given<Item>>,
    ) -> Result<Placeholders, ExpressionError> {
        let names = names.map(checked_names).transpose()?.unwrap_or_default();
        let values = values.map(checked_values).transpose()?.unwrap_or_default();
        let values = values.into_iter().map(|(key, value)| (key, Arc::new(value))).collect();
        Ok(Placeholders { names, values, used: BTreeSet::new() })
    }

    /// Refuses the placeholders of a request that has no expression; `valued` are the parameters that could have used values.
    ///
    /// # Errors
    /// If there are any.
    pub fn refuse(
        names: Option<&BTreeMap<String, String>>,
        values: Option<&Given<Item>>,
        valued: &[&'static str],
    ) -> Result<(), ExpressionError> {
        if names.is_some() {
            return Err(ExpressionError::NamesWithoutExpressions);
        }
        Placeholders::refuse_values(values, valued)
    }

    /// Refuses the values of a request that has no expression which could use them.
    ///
    /// # Errors
    /// If there are any.
    pub fn refuse_values(values: Option<&Given<Item>>, valued: &[&'static str]) -> Result<(), ExpressionError> {
        match values {
            Some(_) => Err(ExpressionError::ValuesWithoutExpressions(valued.to_vec())),
            None => Ok(()),
        }
    }

    /// Refuses what no expression has used. To be called when all of a request are parsed.
    ///
    /// # Errors
    /// The unused names, or else the unused values.
    pub fn finish(self) -> Result<(), ExpressionError> {
        let unused = |keys: Vec<String>, map| match keys.is_empty() {
            true => Ok(()),
            false => Err(ExpressionError::Unused { map, keys }),
        };
        let names = self.names.into_keys().filter(|key| !self.used.contains(key)).collect();
        let values = self.values.into_keys().filter(|key| !self.used.contains(key)).collect();
        unused(names, PlaceholderMap::Names)?;
        unused(values, PlaceholderMap::Values)
    }

    /// The value that `key` stands for.
    pub(super) fn value(&mut self, key: &str) -> Result<Arc<AttributeValue>, Reason> {
        let value = self.values.get(key).cloned().ok_or_else(|| Reason::UndefinedValue(key.to_owned()))?;
        self.mark(key);
        Ok(value)
    }

    fn mark(&mut self, key: &str) {
        if !self.used.contains(key) {
            self.used.insert(key.to_owned());
        }
    }

    fn name(&mut self, written: WrittenName<'_>) -> Result<String, Reason> {
        if !written.starts_with('#') {
            return Ok(written.to_owned());
        }
        let name = self.names.get(written).cloned().ok_or_else(|| Reason::UndefinedName(written.to_owned()))?;
        self.mark(written);
        Ok(name)
    }

    /// The path that is written.
    pub(super) fn path(&mut self, written: &WrittenPath<'_>) -> Result<Path, Reason> {
        let attribute = self.name(written.first)?;
        let mut steps = Vec::with_capacity(written.steps.len());
        for step in &written.steps {
            steps.push(match step {
                WrittenStep::Name(name) => Step::Name(self.name(name)?),
                WrittenStep::Index(digits) => Step::Index(index(digits)?),
            });
        }
        let levels = steps.len() + 1;
        if levels > PATH_STEPS_MAX {
            return Err(Reason::PathLevels(levels));
        }
        Ok(Path { attribute, steps })
    }
}

/// Refuses reserved words and indexes out of range, whatever the placeholders are.
pub(super) fn check_path(written: &WrittenPath<'_>) -> Result<(), Reason> {
    let name = |name: &str| match is_reserved(name) {
        true => Err(Reason::Reserved(name.to_owned())),
        false => Ok(()),
    };
    name(written.first)?;
    written.steps.iter().try_for_each(|step| match step {
        WrittenStep::Name(written) => name(written),
        WrittenStep::Index(digits) => index(digits).map(drop),
    })
}

fn index(digits: &str) -> Result<usize, Reason> {
    let index = digits.parse::<i32>().ok().and_then(|index| usize::try_from(index).ok());
    index.ok_or_else(|| Reason::ListIndex(digits.to_owned()))
}

fn checked_names(names: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, ExpressionError> {
    if names.is_empty() {
        return Err(ExpressionError::NoPlaceholders(PlaceholderMap::Names));
    }
    for (key, name) in &names {
        check_key(PlaceholderMap::Names, key, '#')?;
        if name.is_empty() {
            return Err(ExpressionError::EmptyName(key.clone()));
        }
    }
    if names.iter().map(|(key, name)| key.len() + name.len()).sum::<usize>() > PLACEHOLDERS_BYTES_MAX {
        return Err(ExpressionError::PlaceholdersSize(PlaceholderMap::Names));
    }
    Ok(names)
}

fn checked_values(given: Given<Item>) -> Result<Item, ExpressionError> {
    let values = match given.checked() {
        Ok(values) => values,
        Err(refused) => {
            check_key(PlaceholderMap::Values, &refused.name, ':')?;
            return Err(match refused.error {
                ValueError::Nesting => ExpressionError::Nesting(ValueError::Nesting),
                error => ExpressionError::InvalidValue { key: refused.name, error },
            });
        }
    };
    if values.is_empty() {
        return Err(ExpressionError::NoPlaceholders(PlaceholderMap::Values));
    }
    values.keys().try_for_each(|key| check_key(PlaceholderMap::Values, key, ':'))?;
    if values.iter().map(|(key, value)| key.len() + value.size_bytes()).sum::<usize>() > PLACEHOLDERS_BYTES_MAX {
        return Err(ExpressionError::PlaceholdersSize(PlaceholderMap::Values));
    }
    Ok(values)
}

fn check_key(map: PlaceholderMap, key: &str, sigil: char) -> Result<(), ExpressionError> {
    if key.len() > PLACEHOLDER_BYTES_MAX {
        return Err(ExpressionError::PlaceholderLength { map, bytes: key.len() });
    }
    let word = key.strip_prefix(sigil).filter(|word| !word.is_empty());
    match word.is_some_and(|word| word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')) {
        true => Ok(()),
        false => Err(ExpressionError::PlaceholderSyntax { map, key: key.to_owned() }),
    }
}
