//! Change sets as they are shown.

use cauce_core::Timestamp;
use serde::Serialize;

use crate::change::ResourceChange;
use crate::describe::{ParameterView, RollbackView, parameters};
use crate::limits::PAGE_ENTRIES;
use crate::model::{ChangeSetRecord, OnFailure, StackRecord, Tag};
use crate::page::{PageToken, Token};

/// One change.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChangeView {
    /// Always `Resource`.
    pub r#type: &'static str,
    /// What changes.
    pub resource_change: ResourceChange,
}

/// The answer of `DescribeChangeSet`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "members are those of the AWS model: CloudFormation API Reference, DescribeChangeSet")]
pub struct ChangeSetView {
    pub change_set_name: String,
    pub change_set_id: String,
    pub stack_id: String,
    pub stack_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub parameters: Vec<ParameterView>,
    pub creation_time: Timestamp,
    pub execution_status: &'static str,
    pub status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    #[serde(rename = "NotificationARNs")]
    pub notification_arns: Vec<String>,
    pub rollback_configuration: RollbackView,
    pub capabilities: Vec<String>,
    pub tags: Vec<Tag>,
    pub changes: Vec<ChangeView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<PageToken>,
    pub include_nested_stacks: bool,
    pub import_existing_resources: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_stack_failure: Option<&'static str>,
}

impl ChangeSetView {
    /// The page of a change set that begins with the change number `from`.
    pub(crate) fn of(stack: &StackRecord, record: ChangeSetRecord, from: usize, values: bool) -> ChangeSetView {
        let until = from.saturating_add(PAGE_ENTRIES);
        let next_token = (record.changes.len() > until).then(|| Token::number(until));
        let page = record.changes.into_iter().skip(from).take(PAGE_ENTRIES);
        ChangeSetView {
            change_set_name: record.name,
            change_set_id: record.id,
            stack_id: stack.id.clone(),
            stack_name: stack.name.clone(),
            description: record.description,
            parameters: parameters(&record.settings.parameters),
            creation_time: record.created,
            execution_status: record.execution.as_str(),
            status: record.status.as_str(),
            status_reason: record.status_reason,
            notification_arns: record.settings.notification_arns,
            rollback_configuration: RollbackView {},
            capabilities: record.settings.capabilities,
            tags: record.settings.tags,
            changes: page.map(|change| view(change, values)).collect(),
            next_token,
            include_nested_stacks: record.include_nested,
            import_existing_resources: record.import_existing,
            on_stack_failure: record.on_failure.map(|word| match word {
                OnFailure::Rollback => "ROLLBACK",
                OnFailure::Delete => "DELETE",
                OnFailure::DoNothing => "DO_NOTHING",
            }),
        }
    }
}

fn view(mut change: ResourceChange, values: bool) -> ChangeView {
    if !values {
        change.before_context = None;
        change.after_context = None;
        for detail in &mut change.details {
            detail.target.before_value = None;
            detail.target.after_value = None;
        }
    }
    ChangeView { r#type: "Resource", resource_change: change }
}

/// A change set in a list.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "members are those of the AWS model: CloudFormation API Reference, ChangeSetSummary")]
pub struct ChangeSummary {
    pub stack_id: String,
    pub stack_name: String,
    pub change_set_id: String,
    pub change_set_name: String,
    pub execution_status: &'static str,
    pub status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    pub creation_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub include_nested_stacks: bool,
    pub import_existing_resources: bool,
}

impl ChangeSummary {
    pub(crate) fn of(stack: &StackRecord, record: ChangeSetRecord) -> ChangeSummary {
        ChangeSummary {
            stack_id: stack.id.clone(),
            stack_name: stack.name.clone(),
            change_set_id: record.id,
            change_set_name: record.name,
            execution_status: record.execution.as_str(),
            status: record.status.as_str(),
            status_reason: record.status_reason,
            creation_time: record.created,
            description: record.description,
            include_nested_stacks: record.include_nested,
            import_existing_resources: record.import_existing,
        }
    }
}

/// The answer of `ListChangeSets`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListChangeSetsOutput {
    /// The change sets, by name.
    pub summaries: Vec<ChangeSummary>,
    /// Where to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<PageToken>,
}
