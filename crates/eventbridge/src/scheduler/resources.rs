//! The CloudFormation resource types of EventBridge Scheduler.
//!
//! AWS: CloudFormation Template Reference, "EventBridge Scheduler resource types".

use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::ports::Access;
use cauce_core::{
    Arn, Call, CreateRequest, DeleteRequest, Property, Provisioned, ResourceSchema, ResourceType, ServiceError,
    Timestamp, UpdateRequest,
};
use serde_json::{Map, Value};

use super::error::SchedulerError;
use super::group::{CreateGroup, NamedGroup};
use super::operations::{NamedSchedule, PutSchedule};
use super::service::{Scheduler, group_arn, schedule_arn};
use crate::resources::{number, read};

/// The resource types of EventBridge Scheduler, for CloudFormation.
pub fn resource_types(scheduler: &Arc<Scheduler>) -> Vec<Arc<dyn ResourceType>> {
    vec![Arc::new(ScheduleType(Arc::clone(scheduler))), Arc::new(GroupType(Arc::clone(scheduler)))]
}

impl Scheduler {
    /// Refuses a deployer who may not do `action`.
    async fn may(&self, call: &Call, action: &str, resource: &Arn) -> Result<(), ServiceError> {
        let access = Access { action, resource: resource.as_str(), ..Access::default() };
        self.identity.authorize(call, &access).await
    }
}

struct ScheduleType(Arc<Scheduler>);

static SCHEDULE: ResourceSchema = ResourceSchema {
    type_name: "AWS::Scheduler::Schedule",
    properties: &[
        Property::optional("Name").replaces(),
        Property::optional("GroupName").replaces(),
        Property::optional("Description"),
        Property::optional("EndDate"),
        Property::required("FlexibleTimeWindow"),
        Property::required("ScheduleExpression"),
        Property::optional("ScheduleExpressionTimezone"),
        Property::optional("StartDate"),
        Property::optional("State"),
        Property::required("Target"),
    ],
    name_property: Some("Name"),
    name_chars_max: 64,
    name_lower_case: false,
    attributes: &["Arn"],
};

/// What a template says, as the input of the operation: dates are texts there, numbers may be.
fn wishes(name: &str, token: &str, properties: &Map<String, Value>) -> Result<PutSchedule, ServiceError> {
    let mut input = properties.clone();
    input.insert("Name".to_owned(), name.into());
    input.insert("ClientToken".to_owned(), token.into());
    for date in ["StartDate", "EndDate"] {
        let Some(text) = input.get(date).and_then(Value::as_str) else { continue };
        let at = Timestamp::parse(text).ok_or_else(|| ServiceError::validation(format!("{date} {text} is no date")))?;
        input.insert(date.to_owned(), at.as_secs().into());
    }
    if let Some(minutes) = input.get_mut("FlexibleTimeWindow").and_then(|w| w.get_mut("MaximumWindowInMinutes")) {
        *minutes = number(minutes);
    }
    let retry = input.get_mut("Target").and_then(|target| target.get_mut("RetryPolicy"));
    if let Some(retry) = retry.and_then(Value::as_object_mut) {
        retry.values_mut().for_each(|value| *value = number(value));
    }
    read(Value::Object(input))
}

/// A token that is the same when a create is repeated, within the characters that tokens may have.
fn token(stack_id: &str, logical_id: &str) -> String {
    let stack = stack_id.rsplit('/').next().unwrap_or_default();
    let text = format!("{stack}-{logical_id}");
    text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(64).collect()
}

fn provisioned(name: &str, arn: &str) -> Provisioned {
    Provisioned { physical_id: name.to_owned(), attributes: Map::from_iter([("Arn".to_owned(), Value::from(arn))]) }
}

fn text<'p>(properties: &'p Map<String, Value>, name: &str) -> Option<&'p str> {
    properties.get(name).and_then(Value::as_str)
}

#[async_trait]
impl ResourceType for ScheduleType {
    fn schema(&self) -> &'static ResourceSchema {
        &SCHEDULE
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let name = text(&request.properties, "Name").unwrap_or(&request.generated_name).to_owned();
        let input = wishes(&name, &token(&request.stack_id, &request.logical_id), &request.properties)?;
        let id = Scheduler::schedule_id(call, input.group_name.as_deref(), &name);
        self.0.may(call, "scheduler:CreateSchedule", &schedule_arn(&id)).await?;
        let made = Arc::clone(&self.0).create_schedule(call.clone(), input).await?;
        Ok(provisioned(&name, &made.schedule_arn))
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let name = request.physical_id;
        let input = wishes(&name, &token(&request.stack_id, &request.logical_id), &request.properties)?;
        let id = Scheduler::schedule_id(call, input.group_name.as_deref(), &name);
        self.0.may(call, "scheduler:UpdateSchedule", &schedule_arn(&id)).await?;
        let made = Arc::clone(&self.0).update_schedule(call.clone(), input).await?;
        Ok(provisioned(&name, &made.schedule_arn))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let group_name = text(&request.properties, "GroupName").map(str::to_owned);
        let id = Scheduler::schedule_id(call, group_name.as_deref(), &request.physical_id);
        self.0.may(call, "scheduler:DeleteSchedule", &schedule_arn(&id)).await?;
        let input = NamedSchedule { name: request.physical_id, group_name, client_token: None };
        match Arc::clone(&self.0).delete_schedule(call.clone(), input).await {
            Err(SchedulerError::NoSchedule(_)) => Ok(()),
            other => other.map_err(ServiceError::from),
        }
    }
}

struct GroupType(Arc<Scheduler>);

static GROUP: ResourceSchema = ResourceSchema {
    type_name: "AWS::Scheduler::ScheduleGroup",
    properties: &[Property::optional("Name").replaces(), Property::optional("Tags")],
    name_property: Some("Name"),
    name_chars_max: 64,
    name_lower_case: false,
    attributes: &["Arn", "CreationDate", "LastModificationDate", "State"],
};

#[async_trait]
impl ResourceType for GroupType {
    fn schema(&self) -> &'static ResourceSchema {
        &GROUP
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let name = text(&request.properties, "Name").unwrap_or(&request.generated_name).to_owned();
        let mut properties = request.properties.clone();
        properties.insert("Name".to_owned(), name.as_str().into());
        properties.insert("ClientToken".to_owned(), token(&request.stack_id, &request.logical_id).into());
        let input: CreateGroup = read(Value::Object(properties))?;
        self.0.may(call, "scheduler:CreateScheduleGroup", &group_arn(&Scheduler::group_id(call, Some(&name)))).await?;
        Arc::clone(&self.0).create_schedule_group(call.clone(), input).await?;
        self.described(call, &name).await
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let id = Scheduler::group_id(call, Some(&request.physical_id));
        self.0.may(call, "scheduler:TagResource", &group_arn(&id)).await?;
        let mut properties = request.properties.clone();
        properties.insert("Name".to_owned(), request.physical_id.as_str().into());
        let input: CreateGroup = read(Value::Object(properties))?;
        self.0.replace_tags(&id, &input.tags).await?;
        self.described(call, &request.physical_id).await
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let id = Scheduler::group_id(call, Some(&request.physical_id));
        self.0.may(call, "scheduler:DeleteScheduleGroup", &group_arn(&id)).await?;
        let input = NamedGroup { name: request.physical_id, client_token: None };
        match Arc::clone(&self.0).delete_schedule_group(call.clone(), input).await {
            Err(SchedulerError::NoGroup(_)) => Ok(()),
            other => other.map_err(ServiceError::from),
        }
    }
}

impl GroupType {
    async fn described(&self, call: &Call, name: &str) -> Result<Provisioned, ServiceError> {
        let id = Scheduler::group_id(call, Some(name));
        let group = self.0.group(&self.0.db.begin(), &id).await.map_err(ServiceError::from)?;
        let group = group.ok_or_else(|| ServiceError::from(SchedulerError::NoGroup(name.to_owned())))?;
        let mut made = provisioned(name, group_arn(&id).as_str());
        let times = [("CreationDate", group.created), ("LastModificationDate", group.modified)];
        made.attributes.extend(times.map(|(attribute, at)| (attribute.to_owned(), Value::from(at.iso_secs()))));
        made.attributes.insert("State".to_owned(), "ACTIVE".into());
        Ok(made)
    }
}
