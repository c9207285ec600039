//! Targets of rules.
//!
//! AWS: EventBridge User Guide, "Event bus targets".

use std::sync::Arc;

use cauce_core::{Arn, Call, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::keys;
use crate::model::{Rule, Target};
use crate::page;
use crate::rule::validate_bus;
use crate::service::{EventBridge, NAME};
use crate::transform::check_template;

/// How many targets a rule may have.
pub const TARGETS_MAX: usize = 5;

/// How many targets a request may name.
const ENTRIES_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutTargets {
    pub(crate) rule: String,
    pub(crate) event_bus_name: Option<String>,
    pub(crate) targets: Vec<Target>,
}

impl Input for PutTargets {
    fn validate(&self, v: &mut Violations) {
        v.length("rule", &self.rule, 1, 64);
        validate_bus(v, self.event_bus_name.as_deref());
        v.count("targets", self.targets.len(), 1, ENTRIES_MAX);
        for (n, target) in self.targets.iter().enumerate() {
            v.within(format!("targets.{}.member", n + 1), |v| validate(v, target));
        }
    }
}

/// The constraints that the API's model puts on a target.
pub(crate) fn validate(v: &mut Violations, target: &Target) {
    v.length("id", &target.id, 1, 64);
    if let (pattern, Some(regex)) = &*NAME {
        v.pattern("id", &target.id, pattern, regex);
    }
    v.length("arn", &target.arn, 1, 1_600);
    if let Some(input) = &target.input {
        v.length("input", input, 0, 8_192);
    }
    if let Some(path) = &target.input_path {
        v.length("inputPath", path, 0, 256);
    }
    if let Some(transformer) = &target.input_transformer {
        v.within("inputTransformer", |v| {
            v.length("inputTemplate", &transformer.input_template, 1, 8_192);
            let paths = transformer.input_paths_map.as_ref().map_or(0, |paths| paths.len());
            v.count("inputPathsMap", paths, 0, 100);
        });
    }
    if let Some(policy) = &target.retry_policy {
        v.within("retryPolicy", |v| {
            if let Some(attempts) = policy.maximum_retry_attempts {
                v.range("maximumRetryAttempts", attempts, 0, 185);
            }
            if let Some(age) = policy.maximum_event_age_in_seconds {
                v.range("maximumEventAgeInSeconds", age, 60, 86_400);
            }
        });
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RemoveTargets {
    pub(crate) rule: String,
    pub(crate) event_bus_name: Option<String>,
    pub(crate) ids: Vec<String>,
}

impl Input for RemoveTargets {
    fn validate(&self, v: &mut Violations) {
        v.length("rule", &self.rule, 1, 64);
        validate_bus(v, self.event_bus_name.as_deref());
        v.count("ids", self.ids.len(), 1, ENTRIES_MAX);
    }
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TargetsOutput {
    failed_entry_count: usize,
    failed_entries: Vec<FailedTarget>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct FailedTarget {
    target_id: String,
    error_code: &'static str,
    error_message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListTargetsByRule {
    pub(crate) rule: String,
    pub(crate) event_bus_name: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
}

impl Input for ListTargetsByRule {
    fn validate(&self, v: &mut Violations) {
        v.length("rule", &self.rule, 1, 64);
        validate_bus(v, self.event_bus_name.as_deref());
        page::validate(v, self.limit, self.next_token.as_deref());
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListTargetsByRuleOutput {
    targets: Vec<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

impl EventBridge {
    pub(crate) async fn put_targets(self: Arc<Self>, call: Call, input: PutTargets) -> Result<TargetsOutput, Error> {
        for target in &input.targets {
            self.check(target)?;
        }
        let bus = EventBridge::bus_id(&call, input.event_bus_name.as_deref());
        self.db
            .transact(async |tx| {
                self.bus(&tx, &bus).await?;
                let mut rule = self.rule(&tx, &bus, &input.rule).await?;
                for target in &input.targets {
                    put(&mut rule, target.clone());
                }
                if rule.targets.len() > TARGETS_MAX {
                    return Err(Error::Limit);
                }
                self.set_rule(&tx, &bus, &rule).await
            })
            .await?;
        Ok(TargetsOutput::default())
    }

    /// What no target may be, whatever its rule.
    pub(crate) fn check(&self, target: &Target) -> Result<(), Error> {
        let bad_arn = |arn: &str| {
            Error::Invalid(format!("Parameter {arn} is not valid. Reason: Provided Arn is not in correct format."))
        };
        let arn: Arn = target.arn.parse().map_err(|_| bad_arn(&target.arn))?;
        if !self.delivery.reaches(&arn) {
            let message =
                format!("Parameter {} is not valid. Reason: this server does not deliver to {}.", arn, arn.service());
            return Err(Error::Invalid(message));
        }
        let inputs = [target.input.is_some(), target.input_path.is_some(), target.input_transformer.is_some()];
        if inputs.iter().filter(|given| **given).count() > 1 {
            let message = "Only one of Input, InputPath, or InputTransformer must be provided for target {}.";
            return Err(Error::Invalid(message.replace("{}", &target.id)));
        }
        if let Some(input) = &target.input
            && serde_json::from_str::<serde::de::IgnoredAny>(input).is_err()
        {
            return Err(Error::Invalid(format!("JSON syntax error in input for target {}.", target.id)));
        }
        if let Some(transformer) = &target.input_transformer {
            check_template(&target.id, transformer)?;
        }
        if let Some(path) = &target.input_path {
            crate::transform::check_path(path)?;
        }
        if let Some(unknown) = target.other.keys().next() {
            return Err(Error::Invalid(format!("Parameter {unknown} is not supported by this server.")));
        }
        if let Some(queue) = target.dead_letter_config.as_ref().and_then(|config| config.arn.as_deref()) {
            let queue: Arn = queue.parse().map_err(|_| bad_arn(queue))?;
            if queue.service() != "sqs" {
                let message =
                    format!("Parameter DeadLetterConfig.Arn is not valid. Reason: {queue} is not an SQS queue.");
                return Err(Error::Invalid(message));
            }
        }
        Ok(())
    }

    pub(crate) async fn remove_targets(
        self: Arc<Self>,
        call: Call,
        input: RemoveTargets,
    ) -> Result<TargetsOutput, Error> {
        let bus = EventBridge::bus_id(&call, input.event_bus_name.as_deref());
        self.db
            .transact(async |tx| {
                self.bus(&tx, &bus).await?;
                let mut rule = self.rule(&tx, &bus, &input.rule).await?;
                let missing = |id: &&String| !rule.targets.iter().any(|target| target.id == **id);
                let failed = |id: &String| FailedTarget {
                    target_id: id.clone(),
                    error_code: "ResourceNotFoundException",
                    error_message: format!("Rule {} does not have a target with id {id}.", input.rule),
                };
                let failed_entries: Vec<FailedTarget> = input.ids.iter().filter(missing).map(failed).collect();
                rule.targets.retain(|target| !input.ids.contains(&target.id));
                self.set_rule(&tx, &bus, &rule).await?;
                Ok(TargetsOutput { failed_entry_count: failed_entries.len(), failed_entries })
            })
            .await
    }

    pub(crate) async fn list_targets_by_rule(
        self: Arc<Self>,
        call: Call,
        input: ListTargetsByRule,
    ) -> Result<ListTargetsByRuleOutput, Error> {
        let bus = EventBridge::bus_id(&call, input.event_bus_name.as_deref());
        let after = page::after(input.next_token.as_deref())?;
        let tx = self.db.begin();
        self.bus(&tx, &bus).await?;
        let mut targets = match tx.get_record::<Rule>(&keys::rule(&bus, &input.rule)).await? {
            Some(rule) => rule.targets,
            None => return Err(Error::NoRule { rule: input.rule, bus: bus.name }),
        };
        targets.sort_by(|a, b| a.id.cmp(&b.id));
        let (targets, next_token) = page::cut(targets, |target| &target.id, after.as_deref(), input.limit);
        Ok(ListTargetsByRuleOutput { targets, next_token })
    }
}

/// Adds a target, or replaces the one with its id.
pub(crate) fn put(rule: &mut Rule, target: Target) {
    match rule.targets.iter_mut().find(|old| old.id == target.id) {
        Some(old) => *old = target,
        None => rule.targets.push(target),
    }
}
