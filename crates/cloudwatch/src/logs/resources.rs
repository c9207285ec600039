//! `AWS::Logs::LogGroup` and `AWS::Logs::LogStream`.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::ports::{Access, Identity};
use cauce_core::{
    Call, CreateRequest, DeleteRequest, Property, Provisioned, ResourceSchema, ResourceType, ServiceError,
    UpdateRequest,
};
use serde_json::{Map, Value};

use super::error::LogsError;
use super::group::{CreateLogGroup, RETENTION_DAYS, retention};
use super::names;
use super::open_group::Slot;
use super::service::Logs;
use super::tag::{self, Tags};

/// The tags by which a group remembers the stack it belongs to, as AWS sets them.
const STACK_TAG: &str = "aws:cloudformation:stack-id";
const LOGICAL_TAG: &str = "aws:cloudformation:logical-id";

/// The resource types of CloudWatch Logs.
pub fn resource_types(logs: &Arc<Logs>, identity: &Arc<dyn Identity>) -> Vec<Arc<dyn ResourceType>> {
    let deployer = Deployer { logs: Arc::clone(logs), identity: Arc::clone(identity) };
    vec![Arc::new(LogGroupType(deployer.clone())), Arc::new(LogStreamType(deployer))]
}

/// What every resource type needs: the service, and whom to ask what the deployer may do.
#[derive(Clone)]
struct Deployer {
    logs: Arc<Logs>,
    identity: Arc<dyn Identity>,
}

impl Deployer {
    async fn may(&self, call: &Call, action: &str, group: &str) -> Result<(), ServiceError> {
        let resource = format!("{}:*", self.logs.slot(call, group).name.arn());
        let access = Access { action, resource: &resource, ..Access::default() };
        self.identity.authorize(call, &access).await
    }
}

/// AWS: CloudFormation Template Reference, *AWS::Logs::LogGroup*. Not supported: `KmsKeyId`, `DataProtectionPolicy`,
/// `FieldIndexPolicies`, `ResourcePolicyDocument`.
static LOG_GROUP: ResourceSchema = ResourceSchema {
    type_name: "AWS::Logs::LogGroup",
    properties: &[
        Property::optional("LogGroupName").replaces(),
        Property::optional("RetentionInDays"),
        Property::optional("Tags"),
        Property::optional("LogGroupClass").replaces(),
        Property::optional("DeletionProtectionEnabled"),
    ],
    name_property: Some("LogGroupName"),
    name_chars_max: 512,
    name_lower_case: false,
    attributes: &["Arn"],
};

/// AWS: CloudFormation Template Reference, *AWS::Logs::LogStream*.
static LOG_STREAM: ResourceSchema = ResourceSchema {
    type_name: "AWS::Logs::LogStream",
    properties: &[Property::required("LogGroupName").replaces(), Property::optional("LogStreamName").replaces()],
    name_property: Some("LogStreamName"),
    name_chars_max: 512,
    name_lower_case: false,
    attributes: &[],
};

struct LogGroupType(Deployer);

/// What a template says of a group that can change.
struct GroupSettings {
    retention_days: Option<u32>,
    tags: Tags,
    protected: bool,
}

impl GroupSettings {
    fn read(properties: &Map<String, Value>) -> Result<GroupSettings, LogsError> {
        let retention_days = match properties.get("RetentionInDays") {
            None | Some(Value::Null) => None,
            Some(value) => {
                let days = value.as_i64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
                let allowed = || RETENTION_DAYS.map(|days| days.to_string()).join(", ");
                let refuse =
                    || LogsError::invalid(format!("RetentionInDays must be one of [{}], not {value}", allowed()));
                Some(days.and_then(retention).ok_or_else(refuse)?)
            }
        };
        let tags = tags(properties.get("Tags"))?;
        tag::refuse_reserved(tags.keys())?;
        let protected = match properties.get("DeletionProtectionEnabled") {
            None | Some(Value::Null) => false,
            Some(value) => {
                flag(value).ok_or_else(|| LogsError::invalid("DeletionProtectionEnabled must be true or false"))?
            }
        };
        Ok(GroupSettings { retention_days, tags, protected })
    }
}

/// Templates give booleans and numbers as texts where they come from parameters.
fn flag(value: &Value) -> Option<bool> {
    value.as_bool().or_else(|| value.as_str().and_then(|text| text.parse().ok()))
}

fn tags(value: Option<&Value>) -> Result<Tags, LogsError> {
    let malformed = || LogsError::invalid("Tags must be a list of objects with Key and Value");
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(Tags::new()) };
    let mut tags = Tags::new();
    for tag in value.as_array().ok_or_else(malformed)? {
        let text = |name: &str| tag.get(name).and_then(Value::as_str).map(str::to_owned).ok_or_else(malformed);
        tags.insert(text("Key")?, text("Value")?);
    }
    if !tags.is_empty() {
        let mut violations = cauce_core::Violations::new();
        tag::validate(&mut violations, &tags);
        if let Some(message) = violations.message() {
            return Err(LogsError::invalid(message));
        }
    }
    Ok(tags)
}

fn text<'p>(properties: &'p Map<String, Value>, name: &str) -> Option<&'p str> {
    properties.get(name).and_then(Value::as_str)
}

/// Checks what only the wire checks otherwise.
fn check(validate: impl FnOnce(&mut cauce_core::Violations)) -> Result<(), LogsError> {
    let mut violations = cauce_core::Violations::new();
    validate(&mut violations);
    violations.message().map_or(Ok(()), |message| Err(LogsError::Invalid(message)))
}

fn provisioned(slot: &Slot) -> Provisioned {
    let arn = Value::String(format!("{}:*", slot.name.arn()));
    Provisioned { physical_id: slot.name.name.to_string(), attributes: Map::from_iter([("Arn".to_owned(), arn)]) }
}

impl LogGroupType {
    async fn make(&self, call: &Call, request: &CreateRequest) -> Result<Provisioned, LogsError> {
        let logs = &self.0.logs;
        let name = text(&request.properties, "LogGroupName").unwrap_or(&request.generated_name);
        let class = text(&request.properties, "LogGroupClass").map(str::to_owned);
        let settings = GroupSettings::read(&request.properties)?;
        let input = CreateLogGroup {
            log_group_name: name.to_owned(),
            log_group_class: class,
            tags: (!settings.tags.is_empty()).then(|| settings.tags.clone()),
            deletion_protection_enabled: Some(settings.protected),
            kms_key_id: None,
        };
        check(|v| cauce_wire::Input::validate(&input, v))?;
        let slot = logs.slot(call, name);
        let mut group = logs.new_group(&slot.name, &input)?;
        group.retention_days = settings.retention_days;
        group.tags.extend(belonging(&request.stack_id, &request.logical_id));
        match logs.make_group(&slot, group).await {
            Ok(()) => {}
            // Made by an earlier run of this very request, which did not live to hear so.
            Err(LogsError::GroupExists) => {
                let found = logs.group(&slot).await?;
                let own = belonging(&request.stack_id, &request.logical_id);
                if !own.iter().all(|(key, value)| found.tags.get(key) == Some(value)) {
                    return Err(LogsError::GroupExists);
                }
            }
            Err(error) => return Err(error),
        }
        Ok(provisioned(&slot))
    }

    async fn change(&self, call: &Call, request: &UpdateRequest) -> Result<Provisioned, LogsError> {
        let settings = GroupSettings::read(&request.properties)?;
        let slot = self.0.logs.slot(call, &request.physical_id);
        self.0
            .logs
            .change_group(&slot, |group| {
                group.retention_days = settings.retention_days;
                group.protected = settings.protected;
                group.tags.retain(|key, _| key.starts_with("aws:"));
                group.tags.extend(settings.tags);
                Ok(())
            })
            .await?;
        Ok(provisioned(&slot))
    }
}

fn belonging(stack_id: &str, logical_id: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(STACK_TAG.to_owned(), stack_id.to_owned()), (LOGICAL_TAG.to_owned(), logical_id.to_owned())])
}

#[async_trait]
impl ResourceType for LogGroupType {
    fn schema(&self) -> &'static ResourceSchema {
        &LOG_GROUP
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let name = text(&request.properties, "LogGroupName").unwrap_or(&request.generated_name);
        self.0.may(call, "logs:CreateLogGroup", name).await?;
        if request.properties.contains_key("RetentionInDays") {
            self.0.may(call, "logs:PutRetentionPolicy", name).await?;
        }
        Ok(self.make(call, &request).await?)
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let changed = |name: &str| request.properties.get(name) != request.previous.get(name);
        if changed("RetentionInDays") {
            let removes = !request.properties.contains_key("RetentionInDays");
            let action = if removes { "logs:DeleteRetentionPolicy" } else { "logs:PutRetentionPolicy" };
            self.0.may(call, action, &request.physical_id).await?;
        }
        if changed("Tags") {
            self.0.may(call, "logs:TagResource", &request.physical_id).await?;
        }
        if changed("DeletionProtectionEnabled") {
            self.0.may(call, "logs:PutLogGroupDeletionProtection", &request.physical_id).await?;
        }
        Ok(self.change(call, &request).await?)
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        self.0.may(call, "logs:DeleteLogGroup", &request.physical_id).await?;
        match self.0.logs.remove_group(&self.0.logs.slot(call, &request.physical_id)).await {
            Ok(()) | Err(LogsError::GroupNotFound) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

struct LogStreamType(Deployer);

#[async_trait]
impl ResourceType for LogStreamType {
    fn schema(&self) -> &'static ResourceSchema {
        &LOG_STREAM
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let group = text(&request.properties, "LogGroupName").unwrap_or("");
        let name = text(&request.properties, "LogStreamName").unwrap_or(&request.generated_name);
        check(|v| {
            names::group(v, "logGroupName", group);
            names::stream(v, "logStreamName", name);
        })?;
        self.0.may(call, "logs:CreateLogStream", group).await?;
        let maker = format!("{} {}", request.stack_id, request.logical_id);
        self.0.logs.make_stream(&self.0.logs.slot(call, group), name, Some(&maker)).await?;
        Ok(Provisioned { physical_id: name.to_owned(), attributes: Map::new() })
    }

    async fn update(&self, _call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        // Every property replaces; there is nothing to change in place.
        Ok(Provisioned { physical_id: request.physical_id, attributes: Map::new() })
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let group = text(&request.properties, "LogGroupName").unwrap_or("");
        self.0.may(call, "logs:DeleteLogStream", group).await?;
        match self.0.logs.remove_stream(&self.0.logs.slot(call, group), &request.physical_id).await {
            Ok(()) | Err(LogsError::GroupNotFound | LogsError::StreamNotFound) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
