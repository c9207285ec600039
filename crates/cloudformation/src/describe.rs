//! Stacks as they are shown.
//!
//! AWS: *CloudFormation API Reference*, DescribeStacks, ListStacks, DescribeStackEvents.

use std::sync::Arc;

use cauce_core::{Call, Timestamp};
use cauce_store::{RangeReq, StoreError, decode_row};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::keys;
use crate::limits::PAGE_ENTRIES;
use crate::model::{BoundParameter, EventRecord, StackRecord, StackStatus, Tag};
use crate::page::{PageToken, Token};
use crate::service::{CloudFormation, existing, find};
use crate::stack::not_there;

/// A request that may name a stack and goes on where the last page ended.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DescribeInput {
    /// The name or ARN; all stacks without it, where the operation knows that.
    pub stack_name: Option<String>,
    /// Where to go on.
    pub next_token: Option<PageToken>,
}

impl Input for DescribeInput {}

/// `ListStacks`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListStacksInput {
    /// Only stacks in one of these states.
    pub stack_status_filter: Option<Vec<String>>,
    /// Where to go on.
    pub next_token: Option<PageToken>,
}

impl Input for ListStacksInput {}

/// A parameter with its value.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "members are those of the AWS model: CloudFormation API Reference, Parameter")]
pub struct ParameterView {
    pub parameter_key: String,
    pub parameter_value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_value: Option<String>,
}

pub(crate) fn parameters(bound: &[BoundParameter]) -> Vec<ParameterView> {
    let shown = |one: &BoundParameter, value: &str| if one.no_echo { "****".to_owned() } else { value.to_owned() };
    bound
        .iter()
        .map(|one| ParameterView {
            parameter_key: one.key.clone(),
            parameter_value: shown(one, &one.value),
            resolved_value: one.resolved.as_ref().map(|value| shown(one, value)),
        })
        .collect()
}

/// No alarms roll anything back.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RollbackView {}

/// Nobody has looked for drift.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DriftView {
    /// Always `NOT_CHECKED`.
    pub stack_drift_status: &'static str,
}

/// An output.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "members are those of the AWS model: CloudFormation API Reference, Output")]
pub struct OutputView {
    pub output_key: String,
    pub output_value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export_name: Option<String>,
}

/// A stack.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "members are those of the AWS model: CloudFormation API Reference, Stack")]
pub struct StackView {
    pub stack_id: String,
    pub stack_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_set_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub parameters: Vec<ParameterView>,
    pub creation_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated_time: Option<Timestamp>,
    pub rollback_configuration: RollbackView,
    pub stack_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack_status_reason: Option<String>,
    pub disable_rollback: bool,
    #[serde(rename = "NotificationARNs")]
    pub notification_arns: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_in_minutes: Option<u32>,
    pub capabilities: Vec<String>,
    pub outputs: Vec<OutputView>,
    #[serde(rename = "RoleARN", skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    pub tags: Vec<Tag>,
    pub enable_termination_protection: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_id: Option<String>,
    pub drift_information: DriftView,
}

impl StackView {
    pub(crate) fn of(stack: StackRecord) -> StackView {
        let settings = stack.settings;
        StackView {
            stack_id: stack.id,
            stack_name: stack.name,
            change_set_id: stack.change_set_id,
            description: settings.description,
            parameters: parameters(&settings.parameters),
            creation_time: stack.created,
            deletion_time: stack.deleted,
            last_updated_time: stack.updated,
            rollback_configuration: RollbackView {},
            stack_status: stack.status.as_str(),
            stack_status_reason: stack.status_reason,
            disable_rollback: stack.disable_rollback,
            notification_arns: settings.notification_arns,
            timeout_in_minutes: stack.timeout_minutes,
            capabilities: settings.capabilities,
            outputs: stack
                .outputs
                .into_iter()
                .map(|output| OutputView {
                    output_key: output.key,
                    output_value: output.value,
                    description: output.description,
                    export_name: output.export,
                })
                .collect(),
            role_arn: settings.role_arn,
            tags: settings.tags,
            enable_termination_protection: stack.termination_protection,
            parent_id: stack.parent_id,
            root_id: stack.root_id,
            drift_information: DriftView { stack_drift_status: "NOT_CHECKED" },
        }
    }
}

/// The answer of `DescribeStacks`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DescribeStacksOutput {
    /// The stacks.
    pub stacks: Vec<StackView>,
    /// Where to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<PageToken>,
}

/// A stack in a list.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "members are those of the AWS model: CloudFormation API Reference, StackSummary")]
pub struct StackSummary {
    pub stack_id: String,
    pub stack_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_description: Option<String>,
    pub creation_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_time: Option<Timestamp>,
    pub stack_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack_status_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_id: Option<String>,
    pub drift_information: DriftView,
}

/// The answer of `ListStacks`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListStacksOutput {
    /// The stacks, deleted ones of the last 90 days included.
    pub stack_summaries: Vec<StackSummary>,
    /// Where to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<PageToken>,
}

/// An event.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "members are those of the AWS model: CloudFormation API Reference, StackEvent")]
pub struct EventView {
    pub stack_id: String,
    pub event_id: String,
    pub stack_name: String,
    pub logical_resource_id: String,
    pub physical_resource_id: String,
    pub resource_type: String,
    pub timestamp: Timestamp,
    pub resource_status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_status_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_properties: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_request_token: Option<String>,
}

/// The answer of `DescribeStackEvents`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct StackEventsOutput {
    /// The events, newest first.
    pub stack_events: Vec<EventView>,
    /// Where to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<PageToken>,
}

impl CloudFormation {
    /// A stack by name or ARN, or all that have not been deleted.
    ///
    /// # Errors
    /// `ValidationError`: `Stack with id X does not exist`.
    pub async fn describe_stacks(
        self: Arc<Self>,
        call: Call,
        input: DescribeInput,
    ) -> Result<DescribeStacksOutput, Error> {
        if let Some(name) = input.stack_name.filter(|name| !name.is_empty()) {
            let stack = self.engine.db.transact(async |tx| existing(&tx, &call, &name).await).await?;
            return Ok(DescribeStacksOutput { stacks: vec![StackView::of(stack)], next_token: None });
        }
        let (stacks, next_token) = self
            .engine
            .db
            .transact(async |tx| {
                let mut req = RangeReq::new(keys::stack_names(call.account, &call.region), PAGE_ENTRIES + 1);
                if let Some(token) = &input.next_token {
                    req = req.after(&token.bytes()?);
                }
                let rows = tx.range(req).await?;
                let next_token = Token::after(&rows, PAGE_ENTRIES);
                let mut stacks = Vec::new();
                for row in rows.iter().take(PAGE_ENTRIES) {
                    let uuid = String::from_utf8_lossy(&row.val);
                    let key = keys::stack(call.account, &call.region, &uuid);
                    stacks.extend(tx.get_record::<StackRecord>(&key).await?);
                }
                Ok::<_, Error>((stacks, next_token))
            })
            .await?;
        Ok(DescribeStacksOutput { stacks: stacks.into_iter().map(StackView::of).collect(), next_token })
    }

    /// All stacks, deleted ones included, that are in one of the states asked for.
    ///
    /// # Errors
    /// `ValidationError` for a token that is none.
    pub async fn list_stacks(self: Arc<Self>, call: Call, input: ListStacksInput) -> Result<ListStacksOutput, Error> {
        let mut req = RangeReq::new(keys::stacks(call.account, &call.region), PAGE_ENTRIES + 1);
        if let Some(token) = &input.next_token {
            req = req.after(&token.bytes()?);
        }
        let rows = self.engine.db.range(req).await?.rows;
        let next_token = Token::after(&rows, PAGE_ENTRIES);
        let wanted = input.stack_status_filter.unwrap_or_default();
        let records: Result<Vec<StackRecord>, StoreError> = rows.iter().take(PAGE_ENTRIES).map(decode_row).collect();
        let shown = |stack: &StackRecord| wanted.is_empty() || wanted.iter().any(|one| one == stack.status.as_str());
        let stack_summaries = records?
            .into_iter()
            .filter(shown)
            .map(|stack| StackSummary {
                stack_id: stack.id,
                stack_name: stack.name,
                template_description: stack.settings.description,
                creation_time: stack.created,
                last_updated_time: stack.updated,
                deletion_time: stack.deleted.filter(|_| stack.status == StackStatus::DeleteComplete),
                stack_status: stack.status.as_str(),
                stack_status_reason: stack.status_reason,
                parent_id: stack.parent_id,
                root_id: stack.root_id,
                drift_information: DriftView { stack_drift_status: "NOT_CHECKED" },
            })
            .collect();
        Ok(ListStacksOutput { stack_summaries, next_token })
    }

    /// What happened to a stack and its resources, newest first.
    ///
    /// # Errors
    /// `ValidationError`: `Stack [X] does not exist`.
    pub async fn describe_stack_events(
        self: Arc<Self>,
        call: Call,
        input: DescribeInput,
    ) -> Result<StackEventsOutput, Error> {
        let name = input.stack_name.unwrap_or_default();
        let (stack, rows) = self
            .engine
            .db
            .transact(async |tx| {
                let stack = find(&tx, &call, &name).await?.ok_or_else(|| not_there(&name))?;
                let mut req = RangeReq::new(keys::events(&stack.uuid), PAGE_ENTRIES + 1).reversed();
                if let Some(token) = &input.next_token {
                    req = req.after(&token.bytes()?);
                }
                // Events are only added at the other end: a page once read stays as it is.
                let rows = tx.snapshot_range(req).await?;
                Ok::<_, Error>((stack, rows))
            })
            .await?;
        let next_token = Token::after(&rows, PAGE_ENTRIES);
        let events: Result<Vec<EventRecord>, StoreError> = rows.iter().take(PAGE_ENTRIES).map(decode_row).collect();
        let stack_events = events?
            .into_iter()
            .map(|event| EventView {
                stack_id: stack.id.clone(),
                event_id: event.id,
                stack_name: stack.name.clone(),
                logical_resource_id: event.logical_id,
                physical_resource_id: event.physical_id,
                resource_type: event.type_name,
                timestamp: event.at,
                resource_status: event.status,
                resource_status_reason: event.reason,
                resource_properties: event.properties,
                client_request_token: event.token,
            })
            .collect();
        Ok(StackEventsOutput { stack_events, next_token })
    }
}
