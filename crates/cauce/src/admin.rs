//! Cauce's own service, beside those of AWS: what happened and why. JSON 1.1, target prefix `Cauce`, signing name `cauce`.

use std::sync::Arc;

use cauce_core::{Call, Env, ServiceError, TraceId, Violations};
use cauce_delivery::lineage::{self, Fate, Step};
use cauce_delivery::{Delivery, dead_letters};
use cauce_eventbridge::{EventBridge, RuleExplanation};
use cauce_store::Db;
use cauce_wire::{Api, Input, JsonVersion, Operation, Protocol, ServiceInfo};
use serde::{Deserialize, Serialize};

static INFO: ServiceInfo = ServiceInfo {
    name: "cauce",
    signing_name: "cauce",
    protocols: &[Protocol::Json { version: JsonVersion::V1_1, target_prefix: "Cauce" }],
    validation_code: "ValidationException",
};

/// What the answers are made from.
pub(crate) struct Admin {
    pub(crate) db: Db,
    pub(crate) env: Env,
    pub(crate) delivery: Delivery,
    pub(crate) events: Arc<EventBridge>,
}

/// The largest event that is explained, in bytes.
const EVENT_BYTES_MAX: usize = 1_048_576;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ExplainEvent {
    event: String,
    event_bus_name: Option<String>,
    rule: Option<String>,
}

impl Input for ExplainEvent {
    fn validate(&self, v: &mut Violations) {
        v.length("event", &self.event, 1, EVENT_BYTES_MAX);
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ExplainEventOutput {
    rules: Vec<ExplainedRule>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ExplainedRule {
    #[serde(flatten)]
    explanation: RuleExplanation,
    /// The same for people.
    text: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetTrace {
    id: String,
}

impl Input for GetTrace {
    fn validate(&self, v: &mut Violations) {
        v.length("id", &self.id, 1, 128);
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GetTraceOutput {
    trace_id: String,
    steps: Vec<StepOutput>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StepOutput {
    span: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    at_micros: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_micros: Option<i64>,
    what: String,
    to: String,
    fate: String,
    detail: String,
}

impl From<Step> for StepOutput {
    fn from(step: Step) -> StepOutput {
        let fate = match step.fate {
            Fate::Done => "done".to_owned(),
            Fate::Waiting => "waiting".to_owned(),
            Fate::Delivered { attempts: 1 } => "delivered".to_owned(),
            Fate::Delivered { attempts } => format!("delivered at attempt {attempts}"),
            Fate::DeadLettered { code, reason, queue } => {
                format!("dead letter{} because {code}: {reason}", queue.map(|q| format!(" in {q}")).unwrap_or_default())
            }
        };
        StepOutput {
            span: step.trace.span.to_string(),
            parent: step.trace.parent.map(|parent| parent.to_string()),
            at_micros: step.at.as_micros(),
            ended_micros: step.ended.map(|end| end.as_micros()),
            what: step.what,
            to: step.to,
            fate,
            detail: step.detail,
        }
    }
}

#[derive(Deserialize)]
struct Nothing {}

impl Input for Nothing {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DeliveryStatus {
    lanes: Vec<LaneStatus>,
    dead_letters: Vec<DeadLetterStatus>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LaneStatus {
    target: String,
    waiting: usize,
    in_flight: usize,
    more_in_store: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DeadLetterStatus {
    target: String,
    cause: String,
    sent: cauce_core::Timestamp,
    code: String,
    reason: String,
    payload: String,
}

impl Admin {
    async fn get_trace(self: Arc<Self>, _call: Call, input: GetTrace) -> Result<GetTraceOutput, ServiceError> {
        let missing = || {
            let message = format!("No request or trace {} within the last 24 hours.", input.id);
            ServiceError::new(404, "ResourceNotFoundException", message)
        };
        let root = match input.id.parse::<TraceId>() {
            Ok(root) => root,
            Err(_) => {
                let found = lineage::tree_of_request(&self.db, &input.id, self.env.now()).await?;
                found.ok_or_else(missing)?
            }
        };
        let steps = lineage::tree(&self.db, root).await?;
        if steps.is_empty() {
            return Err(missing());
        }
        Ok(GetTraceOutput { trace_id: root.to_string(), steps: steps.into_iter().map(StepOutput::from).collect() })
    }

    async fn explain_event(
        self: Arc<Self>,
        call: Call,
        input: ExplainEvent,
    ) -> Result<ExplainEventOutput, ServiceError> {
        let (bus, rule) = (input.event_bus_name.as_deref(), input.rule.as_deref());
        let explained = self.events.explain(&call, bus, rule, input.event.as_bytes()).await?;
        let text = |explanation: &RuleExplanation| match &explanation.pattern {
            Some(pattern) => pattern.to_string(),
            None => "the rule has a schedule and no pattern\n".to_owned(),
        };
        let explained =
            explained.into_iter().map(|explanation| ExplainedRule { text: text(&explanation), explanation });
        Ok(ExplainEventOutput { rules: explained.collect() })
    }

    async fn get_delivery_status(
        self: Arc<Self>,
        _call: Call,
        _input: Nothing,
    ) -> Result<DeliveryStatus, ServiceError> {
        let lanes = self.delivery.lanes().into_iter().map(|(target, depth)| LaneStatus {
            target,
            waiting: depth.waiting,
            in_flight: depth.in_flight,
            more_in_store: depth.more,
        });
        let letters = dead_letters(&self.db).await?.into_iter().map(|letter| DeadLetterStatus {
            target: letter.effect.target.to_string(),
            cause: letter.effect.cause,
            sent: letter.sent,
            code: letter.code,
            reason: letter.reason,
            payload: String::from_utf8_lossy(&letter.effect.payload).into_owned(),
        });
        Ok(DeliveryStatus { lanes: lanes.collect(), dead_letters: letters.collect() })
    }
}

/// The operations of this service.
pub(crate) fn api(admin: Admin) -> Api<Admin> {
    Api::new(&INFO, Arc::new(admin))
        .operation(Operation::new("ExplainEvent", Admin::explain_event))
        .operation(Operation::new("GetTrace", Admin::get_trace))
        .operation(Operation::new("GetDeliveryStatus", Admin::get_delivery_status))
}
