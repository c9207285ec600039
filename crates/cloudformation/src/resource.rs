//! The resources of a stack as they are shown.
//!
//! AWS: *CloudFormation API Reference*, DescribeStackResources, DescribeStackResource, ListStackResources.

use std::sync::Arc;

use cauce_core::{Call, Timestamp};
use cauce_store::{RangeReq, StoreError, decode_row};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::describe::DescribeInput;
use crate::engine::load_resources;
use crate::error::Error;
use crate::keys;
use crate::limits::{PAGE_ENTRIES, STACKS_MAX};
use crate::model::{ResourceRecord, StackRecord};
use crate::page::{PageToken, Token};
use crate::service::{CloudFormation, existing};

/// `DescribeStackResource` and `DescribeStackResources`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ResourceInput {
    /// The stack, by name or ARN.
    pub stack_name: Option<String>,
    /// The resource, by its name in the template.
    pub logical_resource_id: Option<String>,
    /// The resource, by what `Ref` gives; instead of the stack's name.
    pub physical_resource_id: Option<String>,
}

impl Input for ResourceInput {}

/// Nobody has looked for drift.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ResourceDriftView {
    /// Always `NOT_CHECKED`.
    pub stack_resource_drift_status: &'static str,
}

const NOT_CHECKED: ResourceDriftView = ResourceDriftView { stack_resource_drift_status: "NOT_CHECKED" };

/// A resource.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "members are those of the AWS model: CloudFormation API Reference, StackResource")]
pub struct ResourceView {
    pub stack_name: String,
    pub stack_id: String,
    pub logical_resource_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub physical_resource_id: Option<String>,
    pub resource_type: String,
    pub timestamp: Timestamp,
    pub resource_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_status_reason: Option<String>,
    pub drift_information: ResourceDriftView,
}

/// A resource with its metadata.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(
    missing_docs,
    reason = "members are those of the AWS model: CloudFormation API Reference, StackResourceDetail"
)]
pub struct ResourceDetail {
    pub stack_name: String,
    pub stack_id: String,
    pub logical_resource_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub physical_resource_id: Option<String>,
    pub resource_type: String,
    pub last_updated_timestamp: Timestamp,
    pub resource_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_status_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    pub drift_information: ResourceDriftView,
}

/// A resource in a list.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(
    missing_docs,
    reason = "members are those of the AWS model: CloudFormation API Reference, StackResourceSummary"
)]
pub struct ResourceSummary {
    pub logical_resource_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub physical_resource_id: Option<String>,
    pub resource_type: String,
    pub last_updated_timestamp: Timestamp,
    pub resource_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_status_reason: Option<String>,
    pub drift_information: ResourceDriftView,
}

/// The answer of `DescribeStackResources`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ResourcesOutput {
    /// The resources, by name.
    pub stack_resources: Vec<ResourceView>,
}

/// The answer of `DescribeStackResource`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ResourceOutput {
    /// The resource.
    pub stack_resource_detail: ResourceDetail,
}

/// The answer of `ListStackResources`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListResourcesOutput {
    /// The resources, by name.
    pub stack_resource_summaries: Vec<ResourceSummary>,
    /// Where to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<PageToken>,
}

fn physical_id(record: &ResourceRecord) -> Option<String> {
    Some(record.physical_id.clone()).filter(|id| !id.is_empty())
}

fn view(stack: &StackRecord, record: &ResourceRecord) -> ResourceView {
    ResourceView {
        stack_name: stack.name.clone(),
        stack_id: stack.id.clone(),
        logical_resource_id: record.logical_id.clone(),
        physical_resource_id: physical_id(record),
        resource_type: record.type_name.clone(),
        timestamp: record.updated,
        resource_status: record.status.as_str(),
        resource_status_reason: record.reason.clone(),
        drift_information: NOT_CHECKED,
    }
}

impl CloudFormation {
    /// The resources of a stack, or of the stack to which a resource belongs.
    ///
    /// # Errors
    /// `ValidationError` if there is no such stack or resource.
    pub async fn describe_stack_resources(
        self: Arc<Self>,
        call: Call,
        input: ResourceInput,
    ) -> Result<ResourcesOutput, Error> {
        let name = input.stack_name.as_deref().filter(|name| !name.is_empty());
        let stack = match (name, &input.physical_resource_id) {
            (Some(name), _) => self.engine.db.transact(async |tx| existing(&tx, &call, name).await).await?,
            (None, Some(id)) => self.stack_of(&call, id).await?,
            (None, None) => return Err(Error::validation("StackName or PhysicalResourceId must be specified")),
        };
        let resources =
            self.engine.db.transact(async |tx| Ok::<_, Error>(load_resources(&tx, &stack.uuid).await?)).await?;
        let wanted = |record: &&ResourceRecord| {
            input.logical_resource_id.as_ref().is_none_or(|id| *id == record.logical_id)
                && (name.is_none() || input.physical_resource_id.as_ref().is_none_or(|id| *id == record.physical_id))
        };
        let stack_resources: Vec<ResourceView> =
            resources.values().filter(wanted).map(|record| view(&stack, record)).collect();
        if let Some(id) = input.logical_resource_id.filter(|_| stack_resources.is_empty()) {
            return Err(no_resource(&id, &stack));
        }
        Ok(ResourcesOutput { stack_resources })
    }

    /// The stack that has a resource of this physical id.
    async fn stack_of(&self, call: &Call, id: &str) -> Result<StackRecord, Error> {
        let missing = || Error::Validation(format!("Stack for {id} does not exist"));
        let range = RangeReq::new(keys::stack_names(call.account, &call.region), STACKS_MAX);
        for row in self.engine.db.range(range).await?.rows {
            let uuid = String::from_utf8_lossy(&row.val).into_owned();
            let resources =
                self.engine.db.transact(async |tx| Ok::<_, Error>(load_resources(&tx, &uuid).await?)).await?;
            if resources.values().any(|record| record.physical_id == id && record.current.is_some()) {
                let key = keys::stack(call.account, &call.region, &uuid);
                return self.engine.db.get(&key).await?.ok_or_else(missing);
            }
        }
        Err(missing())
    }

    /// One resource, with its metadata.
    ///
    /// # Errors
    /// `ValidationError` if there is no such stack or resource.
    pub async fn describe_stack_resource(
        self: Arc<Self>,
        call: Call,
        input: ResourceInput,
    ) -> Result<ResourceOutput, Error> {
        let name = input.stack_name.unwrap_or_default();
        let id = input.logical_resource_id.unwrap_or_default();
        let (stack, record) = self
            .engine
            .db
            .transact(async |tx| {
                let stack = existing(&tx, &call, &name).await?;
                let record: Option<ResourceRecord> = tx.get_record(&keys::resource(&stack.uuid, &id)).await?;
                let record = record.ok_or_else(|| no_resource(&id, &stack))?;
                Ok::<_, Error>((stack, record))
            })
            .await?;
        let metadata = record.current.as_ref().and_then(|current| current.metadata.as_ref());
        Ok(ResourceOutput {
            stack_resource_detail: ResourceDetail {
                stack_name: stack.name.clone(),
                stack_id: stack.id.clone(),
                physical_resource_id: physical_id(&record),
                last_updated_timestamp: record.updated,
                resource_status: record.status.as_str(),
                metadata: Some(metadata.map_or_else(|| "{}".to_owned(), ToString::to_string)),
                drift_information: NOT_CHECKED,
                logical_resource_id: record.logical_id,
                resource_type: record.type_name,
                resource_status_reason: record.reason,
            },
        })
    }

    /// The resources of a stack, page by page.
    ///
    /// # Errors
    /// `ValidationError` if there is no such stack.
    pub async fn list_stack_resources(
        self: Arc<Self>,
        call: Call,
        input: DescribeInput,
    ) -> Result<ListResourcesOutput, Error> {
        let name = input.stack_name.unwrap_or_default();
        let rows = self
            .engine
            .db
            .transact(async |tx| {
                let stack = existing(&tx, &call, &name).await?;
                let mut req = RangeReq::new(keys::resources(&stack.uuid), PAGE_ENTRIES + 1);
                if let Some(token) = &input.next_token {
                    req = req.after(&token.bytes()?);
                }
                Ok::<_, Error>(tx.range(req).await?)
            })
            .await?;
        let next_token = Token::after(&rows, PAGE_ENTRIES);
        let records: Result<Vec<ResourceRecord>, StoreError> = rows.iter().take(PAGE_ENTRIES).map(decode_row).collect();
        let stack_resource_summaries = records?
            .into_iter()
            .map(|record| ResourceSummary {
                physical_resource_id: physical_id(&record),
                logical_resource_id: record.logical_id,
                resource_type: record.type_name,
                last_updated_timestamp: record.updated,
                resource_status: record.status.as_str(),
                resource_status_reason: record.reason,
                drift_information: NOT_CHECKED,
            })
            .collect();
        Ok(ListResourcesOutput { stack_resource_summaries, next_token })
    }
}

fn no_resource(id: &str, stack: &StackRecord) -> Error {
    Error::Validation(format!("Resource {id} does not exist for stack {}", stack.name))
}
