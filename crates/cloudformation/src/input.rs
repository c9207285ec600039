//! What requests have in common. AWS: *CloudFormation API Reference*.

use cauce_core::Violations;
use cauce_wire::Input;
use regex_lite::Regex;
use serde::Deserialize;

use crate::error::Error;
use crate::limits::TAGS_MAX;
use crate::model::{OnFailure, Tag};
use crate::template::GivenParameter;

const STACK_NAME_PATTERN: &str = "[a-zA-Z][-a-zA-Z0-9]*";
const STACK_NAME_CHARS_MAX: usize = 128;

/// A parameter as a request gives it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ParameterInput {
    /// Its name.
    #[serde(default)]
    pub parameter_key: String,
    /// Its value.
    pub parameter_value: Option<String>,
    /// Whether it stays what it is.
    pub use_previous_value: Option<bool>,
}

/// How to deploy.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeploymentConfig {
    /// `STANDARD` or `EXPRESS`: a stack is always deployed as fast as it can be.
    pub mode: Option<String>,
    /// Whether failures leave everything as it is.
    pub disable_rollback: Option<bool>,
}

/// Alarms that would roll an operation back.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RollbackConfiguration {
    /// The alarms.
    pub rollback_triggers: Option<Vec<serde_json::Value>>,
}

pub(crate) fn given(parameters: Option<&Vec<ParameterInput>>) -> Vec<GivenParameter> {
    parameters
        .into_iter()
        .flatten()
        .map(|one| GivenParameter {
            key: one.parameter_key.clone(),
            value: one.parameter_value.clone(),
            use_previous: one.use_previous_value == Some(true),
        })
        .collect()
}

/// The name of a stack that is to be made.
pub(crate) fn check_new_name(v: &mut Violations, member: &str, name: &str) {
    v.length(member, name, 1, STACK_NAME_CHARS_MAX);
    check_pattern(v, member, name, STACK_NAME_PATTERN);
}

pub(crate) fn check_pattern(v: &mut Violations, member: &str, value: &str, pattern: &str) {
    if let Ok(regex) = Regex::new(&format!(r"\A(?:{pattern})\z")) {
        v.pattern(member, value, pattern, &regex);
    }
}

pub(crate) fn check_tags(v: &mut Violations, tags: Option<&Vec<Tag>>) {
    if let Some(tags) = tags {
        v.count("Tags", tags.len(), 0, TAGS_MAX);
    }
}

pub(crate) fn check_on_failure(v: &mut Violations, member: &str, value: Option<&String>) {
    if let Some(value) = value {
        v.one_of(member, value, &["DO_NOTHING", "ROLLBACK", "DELETE"]);
    }
}

/// What a request says about failures: `OnFailure`, `DisableRollback` and `DeploymentConfig` together.
pub(crate) fn on_failure(
    word: Option<&String>,
    disable: Option<bool>,
    config: Option<&DeploymentConfig>,
) -> Result<OnFailure, Error> {
    if word.is_some() && disable.is_some() {
        return Err(Error::validation("You can specify either DisableRollback or OnFailure, but not both."));
    }
    let disable = disable.or(config.and_then(|config| config.disable_rollback)).unwrap_or(false);
    Ok(match word.map(String::as_str) {
        Some("DO_NOTHING") => OnFailure::DoNothing,
        Some("DELETE") => OnFailure::Delete,
        None if disable => OnFailure::DoNothing,
        _ => OnFailure::Rollback,
    })
}

/// Members that would change what happens and that are not supported.
pub(crate) fn refuse_unsupported(
    triggers: Option<&RollbackConfiguration>,
    resource_types: Option<&Vec<String>>,
    policy: bool,
) -> Result<(), Error> {
    if triggers.and_then(|config| config.rollback_triggers.as_ref()).is_some_and(|triggers| !triggers.is_empty()) {
        return Err(Error::validation("RollbackConfiguration.RollbackTriggers is not supported"));
    }
    if resource_types.is_some_and(|types| !types.is_empty()) {
        return Err(Error::validation("ResourceTypes is not supported"));
    }
    if policy {
        return Err(Error::validation("Stack policies are not supported"));
    }
    Ok(())
}

/// A request about one stack, by name or ARN.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StackInput {
    /// The name or ARN.
    pub stack_name: String,
}

impl Input for StackInput {}
