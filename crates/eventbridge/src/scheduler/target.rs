//! What a schedule may do: the checks of a target, and the effect that an occurrence has on it.

use std::sync::LazyLock;

use cauce_core::{Arn, Trace, Violations};
use cauce_delivery::{Effect, Policy, ROLE_ARN, message};
use regex_lite::Regex;
use serde_json::json;

use super::error::SchedulerError;
use super::keys::ScheduleId;
use super::model::{Next, Plan, Target};
use super::service::{PRINCIPAL, Scheduler, schedule_arn};
use super::universal::Universal;

/// The longest input of a target, in bytes. AWS: EventBridge Scheduler quotas, "Invocation payload".
pub const INPUT_BYTES_MAX: usize = 256 * 1_024;

/// The services whose resources can be targets by their ARN.
const TEMPLATED: [&str; 4] = ["lambda", "sqs", "sns", "events"];

const ROLE_PATTERN: &str = r"^arn:aws(-[a-z]+)?:iam::\d{12}:role\/[\w+=,.@\/-]+$";
const QUEUE_PATTERN: &str = r"^arn:aws(-[a-z]+)?:sqs:[a-z0-9\-]+:\d{12}:[a-zA-Z0-9\-_]+$";

static ROLE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(ROLE_PATTERN).ok());
static QUEUE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(QUEUE_PATTERN).ok());
static SOURCE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[/.\-_A-Za-z0-9]+$").ok());

pub(crate) fn validate(v: &mut Violations, target: &Target) {
    v.length("arn", &target.arn, 1, 1_600);
    v.length("roleArn", &target.role_arn, 1, 1_600);
    if let Some(regex) = &*ROLE {
        v.pattern("roleArn", &target.role_arn, ROLE_PATTERN, regex);
    }
    if let Some(input) = &target.input {
        v.length("input", input, 1, usize::MAX);
    }
    if let Some(queue) = target.dead_letter_config.as_ref().and_then(|config| config.arn.as_deref()) {
        v.within("deadLetterConfig", |v| {
            v.length("arn", queue, 1, 1_600);
            if let Some(regex) = &*QUEUE {
                v.pattern("arn", queue, QUEUE_PATTERN, regex);
            }
        });
    }
    if let Some(retry) = &target.retry_policy {
        v.within("retryPolicy", |v| {
            if let Some(age) = retry.maximum_event_age_in_seconds {
                v.range("maximumEventAgeInSeconds", age, 60, 86_400);
            }
            if let Some(attempts) = retry.maximum_retry_attempts {
                v.range("maximumRetryAttempts", attempts, 0, 185);
            }
        });
    }
    if let Some(event) = &target.event_bridge_parameters {
        v.within("eventBridgeParameters", |v| {
            v.length("detailType", &event.detail_type, 1, 128);
            v.length("source", &event.source, 1, 256);
        });
    }
    if let Some(group) = target.sqs_parameters.as_ref().and_then(|sqs| sqs.message_group_id.as_deref()) {
        v.within("sqsParameters", |v| v.length("messageGroupId", group, 1, 128));
    }
}

fn invalid(message: impl Into<String>) -> SchedulerError {
    SchedulerError::Invalid(message.into())
}

impl Scheduler {
    /// What no target may be.
    pub(crate) fn check_target(&self, target: &Target) -> Result<(), SchedulerError> {
        if let Some(unknown) = target.other.keys().next() {
            return Err(invalid(format!("{unknown} is not supported by this server.")));
        }
        let arn: Arn = target.arn.parse().map_err(|_| invalid(format!("Provided Arn {} is not valid.", target.arn)))?;
        if let Some(input) = &target.input
            && input.len() > INPUT_BYTES_MAX
        {
            return Err(invalid(format!(
                "The Input is {} bytes long, at most {INPUT_BYTES_MAX} are allowed.",
                input.len()
            )));
        }
        if let Some(universal) = Universal::parse(&arn) {
            return self.check_universal(&universal?, target);
        }
        if !TEMPLATED.contains(&arn.service()) || !self.delivery.reaches(&arn) {
            let message = format!("Provided Arn {arn} is not of a target that this server supports.");
            return Err(invalid(message));
        }
        match (arn.service(), &target.event_bridge_parameters, &target.sqs_parameters) {
            ("events", None, _) => {
                Err(invalid("EventBridgeParameters must be specified for a target that is an event bus."))
            }
            ("events", Some(event), None) => {
                let named = SOURCE.as_ref().is_some_and(|regex| regex.is_match(&event.source));
                if !named || event.source.starts_with("aws.") {
                    return Err(invalid(format!("The Source {} is not valid.", event.source)));
                }
                check_json(target)
            }
            ("sqs", None, sqs) => {
                let group = sqs.as_ref().and_then(|sqs| sqs.message_group_id.as_ref());
                if arn.resource().ends_with(".fifo") && group.is_none() {
                    return Err(invalid("MessageGroupId must be specified for a target that is a FIFO queue."));
                }
                Ok(())
            }
            ("lambda", None, None) => check_json(target),
            (_, None, None) => Ok(()),
            (service, ..) => Err(invalid(format!("The parameters given are not those of a target of {service}."))),
        }
    }

    fn check_universal(&self, universal: &Universal<'_>, target: &Target) -> Result<(), SchedulerError> {
        let known = self.services.offers(universal.service(), &universal.operation());
        if !known {
            let message = format!("{} is not an operation of this server.", universal.shown());
            return Err(invalid(message));
        }
        if universal.reads() {
            return Err(invalid(format!("{} only reads; a schedule cannot use it.", universal.shown())));
        }
        check_json(target)
    }

    /// What an occurrence does.
    pub(crate) fn effect(&self, id: &ScheduleId, plan: &Plan, next: Next, trace: Trace) -> Option<Effect> {
        let (target, own) = (&plan.target, schedule_arn(id));
        let mut attributes = vec![(ROLE_ARN.to_owned(), target.role_arn.clone())];
        if let Some(event) = &target.event_bridge_parameters {
            attributes.push(("source".to_owned(), event.source.clone()));
            attributes.push(("detail-type".to_owned(), event.detail_type.clone()));
            attributes.push(("resource".to_owned(), own.to_string()));
        }
        if let Some(group) = target.sqs_parameters.as_ref().and_then(|sqs| sqs.message_group_id.clone()) {
            attributes.push((message::GROUP_ID.to_owned(), group));
        }
        let execution = format!("{:016x}", self.env.entropy().u64());
        let arn: Arn = target.arn.parse().ok()?;
        let payload = match &target.input {
            Some(input) => filled_in(input, &own, next, &execution),
            None if matches!(arn.service(), "lambda" | "sqs" | "sns") => self.notification(id, next),
            None => "{}".to_owned(),
        };
        Some(Effect {
            target: arn,
            cause: format!("schedule/{}/{}", id.group.name, id.name),
            service: PRINCIPAL.to_owned(),
            account: id.group.account,
            region: id.group.region.clone(),
            trace: trace.child(self.env.entropy()),
            policy: policy(target),
            attributes,
            hops: 0,
            payload: payload.into(),
            source: Some(own),
        })
    }

    /// What a target hears that was given no input.
    fn notification(&self, id: &ScheduleId, next: Next) -> String {
        json!({
            "version": "0",
            "id": self.env.entropy().uuid(),
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": id.group.account.to_string(),
            "time": next.nominal.iso_secs(),
            "region": id.group.region.as_str(),
            "resources": [schedule_arn(id).as_str()],
            "detail": "{}",
        })
        .to_string()
    }
}

fn check_json(target: &Target) -> Result<(), SchedulerError> {
    let input = target.input.as_deref().unwrap_or("{}");
    match serde_json::from_str::<serde::de::IgnoredAny>(input) {
        Ok(_) => Ok(()),
        Err(error) => Err(invalid(format!("The Input is not valid JSON: {error}."))),
    }
}

/// The input with its context attributes filled in. AWS: EventBridge Scheduler User Guide, "Adding context attributes".
fn filled_in(input: &str, schedule: &Arn, next: Next, execution: &str) -> String {
    if !input.contains("<aws.scheduler.") {
        return input.to_owned();
    }
    input
        .replace("<aws.scheduler.schedule-arn>", schedule.as_str())
        .replace("<aws.scheduler.scheduled-time>", &next.nominal.iso_secs())
        .replace("<aws.scheduler.execution-id>", execution)
        .replace("<aws.scheduler.attempt-number>", "1")
}

fn policy(target: &Target) -> Policy {
    let mut policy = Policy::eventbridge();
    if let Some(retry) = &target.retry_policy {
        if let Some(attempts) = retry.maximum_retry_attempts.and_then(|n| u32::try_from(n).ok()) {
            policy.retries_max = attempts;
        }
        if let Some(age_s) = retry.maximum_event_age_in_seconds.and_then(|n| u64::try_from(n).ok()) {
            policy.age_max_ms = age_s * 1_000;
        }
    }
    let queue = target.dead_letter_config.as_ref().and_then(|config| config.arn.as_ref());
    policy.dead_letter = queue.and_then(|queue| queue.parse().ok());
    policy
}
