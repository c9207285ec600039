//! Filters on parameters.
//!
//! AWS: *ParameterStringFilter*, *ParametersFilter*.

use cauce_core::Violations;
use serde::Deserialize;

use crate::error::Error;
use crate::model::Parameter;

/// One condition: any of its values must fit.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Filter {
    key: String,
    option: Option<String>,
    values: Option<Vec<String>>,
}

/// The older form of a condition, which knows no options.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct OldFilter {
    key: String,
    values: Vec<String>,
}

impl OldFilter {
    /// The same condition as a newer one.
    pub(crate) fn renewed(self) -> Filter {
        let option = (self.key == "Name").then(|| "BeginsWith".to_owned());
        Filter { key: self.key, option, values: Some(self.values) }
    }
}

impl Filter {
    /// The one label whose versions are wanted.
    pub(crate) fn label(&self) -> Option<&str> {
        let wanted = self.key == "Label" && self.option.as_deref().unwrap_or("Equals") == "Equals";
        self.values.as_deref().filter(|_| wanted)?.first().map(String::as_str)
    }
}

pub(crate) fn validate(v: &mut Violations, filters: &[Filter]) {
    for (n, filter) in filters.iter().enumerate() {
        v.within(format!("parameterFilters.{}.member", n + 1), |v| {
            v.length("key", &filter.key, 1, 132);
            if let Some(option) = &filter.option {
                v.length("option", option, 1, 10);
            }
            if let Some(values) = &filter.values {
                v.count("values", values.len(), 1, 50);
            }
        });
    }
}

pub(crate) fn validate_old(v: &mut Violations, filters: &[OldFilter]) {
    for (n, filter) in filters.iter().enumerate() {
        v.within(format!("filters.{}.member", n + 1), |v| {
            v.one_of("key", &filter.key, &["Name", "KeyId", "Type"]);
            v.count("values", filter.values.len(), 1, 50);
        });
    }
}

/// Which filters an operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Describe,
    ByPath,
}

/// Refuses filters that the operation does not know.
pub(crate) fn check(filters: &[Filter], usage: Use) -> Result<(), Error> {
    for (n, filter) in filters.iter().enumerate() {
        let known: &[&str] = match usage {
            Use::Describe => &["Name", "Type", "KeyId", "Path", "Tier", "DataType"],
            Use::ByPath => &["Type", "KeyId", "Label"],
        };
        let tag = usage == Use::Describe && filter.key.strip_prefix("tag:").is_some_and(|key| !key.is_empty());
        if !tag && !known.contains(&filter.key.as_str()) {
            let message = "valid values are: [Name, Type, KeyId, Path, Tier, DataType, tag:*, Label]";
            return Err(Error::FilterKey(format!("{}, {message}", filter.key)));
        }
        if filters.iter().take(n).any(|earlier| earlier.key == filter.key) {
            let message = "The following filters are duplicated in the request: each filter can be used once";
            return Err(Error::FilterKey(format!("{}. {message}", filter.key)));
        }
        check_option(filter)?;
    }
    let both = |key: &str| filters.iter().any(|filter| filter.key == key);
    if both("Path") && both("Name") {
        return Err(Error::FilterKey("Path. The filters Path and Name can't be used together".to_owned()));
    }
    Ok(())
}

fn check_option(filter: &Filter) -> Result<(), Error> {
    let option = filter.option.as_deref();
    let known: &[&str] = match filter.key.as_str() {
        "Path" => &["Recursive", "OneLevel"],
        "Name" => &["Equals", "BeginsWith", "Contains"],
        "Type" | "KeyId" | "Label" | "Tier" | "DataType" => &["Equals", "BeginsWith"],
        _ => &["Equals"],
    };
    if let Some(option) = option.filter(|option| !known.contains(option)) {
        return Err(Error::FilterOption(format!(
            "The following filter option is not valid: {option}. Valid options include: [{}]",
            known.join(", ")
        )));
    }
    let values = filter.values.as_deref().unwrap_or_default();
    if values.is_empty() && !filter.key.starts_with("tag:") {
        let message = format!("The following filter values are missing : null for filter key {}", filter.key);
        return Err(Error::FilterValue(message));
    }
    if filter.key == "Type" {
        let bad = values.iter().find(|value| !["String", "StringList", "SecureString"].contains(&value.as_str()));
        if let Some(bad) = bad.filter(|_| option.unwrap_or("Equals") == "Equals") {
            return Err(Error::FilterValue(format!("The following filter value is not valid: {bad}")));
        }
    }
    if filter.key == "Path" {
        for path in values {
            crate::name::check_path(path)?;
        }
    }
    Ok(())
}

/// Whether the parameter fits every filter.
pub(crate) fn fits(parameter: &Parameter, filters: &[Filter]) -> bool {
    filters.iter().all(|filter| fits_one(parameter, filter))
}

fn fits_one(parameter: &Parameter, filter: &Filter) -> bool {
    let values = filter.values.as_deref().unwrap_or_default();
    let compare = |found: &str| {
        values.iter().any(|value| match filter.option.as_deref() {
            Some("BeginsWith") => found.starts_with(value.as_str()),
            Some("Contains") => found.contains(value.as_str()),
            _ => found == value,
        })
    };
    let newest = &parameter.newest;
    match filter.key.as_str() {
        // A name begins with what it begins with whether or not the slash in front of it is written.
        "Name" => compare(&parameter.name) || parameter.name.strip_prefix('/').is_some_and(compare),
        "Type" => compare(newest.r#type.name()),
        "KeyId" => newest.r#type == crate::model::Type::SecureString && compare("alias/aws/ssm"),
        "Tier" => compare(newest.tier.name()),
        "DataType" => compare(&newest.data_type),
        "Label" => parameter.labels.keys().any(|label| compare(label)),
        "Path" => {
            let recursive = filter.option.as_deref() == Some("Recursive");
            values.iter().any(|path| lies_below(&parameter.name, path, recursive))
        }
        key => key
            .strip_prefix("tag:")
            .and_then(|key| parameter.tags.get(key))
            .is_some_and(|value| values.is_empty() || compare(value)),
    }
}

/// Whether a name lies below a path, directly or at any depth.
pub(crate) fn lies_below(name: &str, path: &str, recursive: bool) -> bool {
    let rest = name.strip_prefix(path.trim_end_matches('/')).and_then(|rest| rest.strip_prefix('/'));
    rest.is_some_and(|rest| recursive || !rest.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::lies_below;

    #[test]
    fn below_a_path() {
        assert!(lies_below("/a/b", "/a", false) && lies_below("/a/b", "/a/", false) && lies_below("/a", "/", false));
        assert!(!lies_below("/a/b/c", "/a", false) && lies_below("/a/b/c", "/a", true));
        assert!(!lies_below("/ab", "/a", true) && !lies_below("/a", "/a", true) && !lies_below("a", "/", true));
    }
}
