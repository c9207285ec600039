//! The CloudFormation resource types of EventBridge.
//!
//! AWS: CloudFormation Template Reference, "Amazon EventBridge resource types".

use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::ports::Access;
use cauce_core::{
    Arn, Call, CreateRequest, DeleteRequest, Property, Provisioned, ResourceSchema, ResourceType, ServiceError,
    UpdateRequest,
};
use cauce_wire::Input;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::bus::{CreateEventBus, DeleteEventBus, UpdateEventBus};
use crate::error::Error;
use crate::model::DEFAULT_BUS;
use crate::rule::{DeleteRule, PutRule};
use crate::service::{EventBridge, bus_arn, rule_arn};
use crate::target::{PutTargets, RemoveTargets};

/// The resource types of EventBridge, for CloudFormation.
pub fn resource_types(events: &Arc<EventBridge>) -> Vec<Arc<dyn ResourceType>> {
    vec![
        Arc::new(RuleType(Arc::clone(events))),
        Arc::new(BusType(Arc::clone(events))),
        Arc::new(BusPolicyType(Arc::clone(events))),
    ]
}

impl EventBridge {
    /// Refuses a deployer who may not do `action`.
    async fn may(&self, call: &Call, action: &str, resource: &Arn) -> Result<(), ServiceError> {
        let access = Access { action, resource: resource.as_str(), ..Access::default() };
        self.identity.authorize(call, &access).await
    }
}

/// The tags by which a rule remembers the stack it belongs to, as AWS sets them.
const STACK_TAG: &str = "aws:cloudformation:stack-id";
const LOGICAL_TAG: &str = "aws:cloudformation:logical-id";

/// Reads properties as the input of an operation and checks its constraints.
pub(crate) fn read<I: Input + DeserializeOwned>(properties: Value) -> Result<I, ServiceError> {
    let input: I = serde_json::from_value(properties).map_err(|error| ServiceError::validation(error.to_string()))?;
    let mut violations = cauce_core::Violations::new();
    input.validate(&mut violations);
    violations.finish()?;
    Ok(input)
}

/// Templates may write numbers and booleans as texts; the API may not.
pub(crate) fn number(value: &Value) -> Value {
    match value.as_str().and_then(|text| text.parse::<i64>().ok()) {
        Some(number) => number.into(),
        None => value.clone(),
    }
}

struct RuleType(Arc<EventBridge>);

static RULE: ResourceSchema = ResourceSchema {
    type_name: "AWS::Events::Rule",
    properties: &[
        Property::optional("Name").replaces(),
        Property::optional("EventBusName").replaces(),
        Property::optional("Description"),
        Property::optional("EventPattern"),
        Property::optional("RoleArn"),
        Property::optional("ScheduleExpression"),
        Property::optional("State"),
        Property::optional("Tags"),
        Property::optional("Targets"),
    ],
    name_property: Some("Name"),
    name_chars_max: 64,
    name_lower_case: false,
    attributes: &["Arn"],
};

/// What a template says of a rule, as the inputs of the two operations that make it.
struct RuleWishes {
    rule: PutRule,
    targets: Option<PutTargets>,
}

fn rule_wishes(name: &str, properties: &Map<String, Value>) -> Result<RuleWishes, ServiceError> {
    let mut rule = Map::new();
    for (key, value) in properties {
        match key.as_str() {
            "EventPattern" if !value.is_string() => drop(rule.insert(key.clone(), value.to_string().into())),
            "Targets" => {}
            _ => drop(rule.insert(key.clone(), value.clone())),
        }
    }
    rule.insert("Name".to_owned(), name.into());
    let targets = match properties.get("Targets").and_then(Value::as_array) {
        Some(targets) if !targets.is_empty() => {
            let mut targets = targets.clone();
            for target in &mut targets {
                if let Some(policy) = target.get_mut("RetryPolicy").and_then(Value::as_object_mut) {
                    policy.values_mut().for_each(|value| *value = number(value));
                }
            }
            let mut put = json!({ "Rule": name, "Targets": targets });
            if let (Some(bus), Some(put)) = (properties.get("EventBusName"), put.as_object_mut()) {
                put.insert("EventBusName".to_owned(), bus.clone());
            }
            Some(read(put)?)
        }
        _ => None,
    };
    Ok(RuleWishes { rule: read(Value::Object(rule))?, targets })
}

/// `bus|rule` for a rule on a bus of its own, as CloudFormation's physical ids of rules are.
fn rule_id(bus: Option<&str>, name: &str) -> String {
    match bus.map(|bus| bus.rsplit('/').next().unwrap_or(bus)) {
        Some(bus) if bus != DEFAULT_BUS => format!("{bus}|{name}"),
        _ => name.to_owned(),
    }
}

fn rule_of(physical_id: &str) -> (Option<String>, String) {
    match physical_id.split_once('|') {
        Some((bus, rule)) => (Some(bus.to_owned()), rule.to_owned()),
        None => (None, physical_id.to_owned()),
    }
}

impl RuleType {
    async fn put(&self, call: &Call, name: &str, properties: &Map<String, Value>) -> Result<Provisioned, ServiceError> {
        let wishes = rule_wishes(name, properties)?;
        let bus = wishes.rule.event_bus_name.clone();
        let own_arn = rule_arn(&EventBridge::bus_id(call, bus.as_deref()), name);
        self.0.may(call, "events:PutRule", &own_arn).await?;
        if wishes.targets.is_some() {
            self.0.may(call, "events:PutTargets", &own_arn).await?;
        }
        let wanted: Vec<String> =
            wishes.targets.iter().flat_map(|put| put.targets.iter().map(|t| t.id.clone())).collect();
        let arn = Arc::clone(&self.0).put_rule(call.clone(), wishes.rule).await?.rule_arn;
        self.drop_targets(call, bus.clone(), name, |id| !wanted.contains(id)).await?;
        if let Some(targets) = wishes.targets {
            Arc::clone(&self.0).put_targets(call.clone(), targets).await?;
        }
        Ok(Provisioned {
            physical_id: rule_id(bus.as_deref(), name),
            attributes: Map::from_iter([("Arn".to_owned(), Value::from(arn))]),
        })
    }

    async fn drop_targets(
        &self,
        call: &Call,
        bus: Option<String>,
        name: &str,
        unwanted: impl Fn(&String) -> bool,
    ) -> Result<(), ServiceError> {
        let id = EventBridge::bus_id(call, bus.as_deref());
        let rule = match self.0.rule(&self.0.db.begin(), &id, name).await {
            Ok(rule) => rule,
            Err(Error::NoRule { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let ids: Vec<String> = rule.targets.into_iter().map(|target| target.id).filter(unwanted).collect();
        if !ids.is_empty() {
            self.0.may(call, "events:RemoveTargets", &rule_arn(&id, name)).await?;
            let input = RemoveTargets { rule: name.to_owned(), event_bus_name: bus, ids };
            Arc::clone(&self.0).remove_targets(call.clone(), input).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl ResourceType for RuleType {
    fn schema(&self) -> &'static ResourceSchema {
        &RULE
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let name = request.properties.get("Name").and_then(Value::as_str).unwrap_or(&request.generated_name);
        let bus = request.properties.get("EventBusName").and_then(Value::as_str);
        let own = [(STACK_TAG, &request.stack_id), (LOGICAL_TAG, &request.logical_id)];
        let id = EventBridge::bus_id(call, bus);
        match self.0.rule(&self.0.db.begin(), &id, name).await {
            // Made by an earlier run of this very request, which did not live to hear so.
            Ok(found) if own.iter().all(|(key, value)| found.tags.get(*key) == Some(*value)) => {}
            Ok(_) => {
                let message = format!("Rule {name} already exists on EventBus {}.", id.name);
                return Err(ServiceError::new(400, "ResourceAlreadyExistsException", message));
            }
            Err(Error::NoRule { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let mut properties = request.properties.clone();
        let tags = properties.entry("Tags").or_insert_with(|| json!([]));
        if let Some(tags) = tags.as_array_mut() {
            tags.extend(own.iter().map(|(key, value)| json!({ "Key": key, "Value": value })));
        }
        self.put(call, name, &properties).await
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        self.put(call, &rule_of(&request.physical_id).1, &request.properties).await
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let (bus, name) = rule_of(&request.physical_id);
        self.drop_targets(call, bus.clone(), &name, |_| true).await?;
        self.0.may(call, "events:DeleteRule", &rule_arn(&EventBridge::bus_id(call, bus.as_deref()), &name)).await?;
        match Arc::clone(&self.0).delete_rule(call.clone(), DeleteRule { name, event_bus_name: bus }).await {
            Err(Error::NoBus(_)) => Ok(()),
            other => other.map_err(ServiceError::from),
        }
    }
}

struct BusType(Arc<EventBridge>);

static BUS: ResourceSchema = ResourceSchema {
    type_name: "AWS::Events::EventBus",
    properties: &[
        Property::required("Name").replaces(),
        Property::optional("Description"),
        Property::optional("DeadLetterConfig"),
        Property::optional("Tags"),
    ],
    name_property: Some("Name"),
    name_chars_max: 256,
    name_lower_case: false,
    attributes: &["Arn", "Name"],
};

impl BusType {
    fn provisioned(call: &Call, name: &str) -> Provisioned {
        let arn = bus_arn(&EventBridge::bus_id(call, Some(name))).to_string();
        let attributes = [("Arn".to_owned(), Value::from(arn)), ("Name".to_owned(), Value::from(name))];
        Provisioned { physical_id: name.to_owned(), attributes: Map::from_iter(attributes) }
    }
}

#[async_trait]
impl ResourceType for BusType {
    fn schema(&self) -> &'static ResourceSchema {
        &BUS
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let input: CreateEventBus = read(Value::Object(request.properties))?;
        let name = input.name.clone();
        self.0.may(call, "events:CreateEventBus", &bus_arn(&EventBridge::bus_id(call, Some(&name)))).await?;
        Arc::clone(&self.0).create_event_bus(call.clone(), input).await?;
        Ok(BusType::provisioned(call, &name))
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let input: UpdateEventBus = read(Value::Object(request.properties))?;
        self.0
            .may(call, "events:UpdateEventBus", &bus_arn(&EventBridge::bus_id(call, Some(&request.physical_id))))
            .await?;
        Arc::clone(&self.0).update_event_bus(call.clone(), input).await?;
        Ok(BusType::provisioned(call, &request.physical_id))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        self.0
            .may(call, "events:DeleteEventBus", &bus_arn(&EventBridge::bus_id(call, Some(&request.physical_id))))
            .await?;
        let input = DeleteEventBus { name: request.physical_id };
        Ok(Arc::clone(&self.0).delete_event_bus(call.clone(), input).await?)
    }
}

struct BusPolicyType(Arc<EventBridge>);

static BUS_POLICY: ResourceSchema = ResourceSchema {
    type_name: "AWS::Events::EventBusPolicy",
    properties: &[
        Property::required("StatementId").replaces(),
        Property::required("Statement"),
        Property::optional("EventBusName").replaces(),
    ],
    name_property: None,
    name_chars_max: 64,
    name_lower_case: false,
    attributes: &[],
};

impl BusPolicyType {
    async fn put(&self, call: &Call, properties: &Map<String, Value>) -> Result<Provisioned, ServiceError> {
        let text = |name: &str| properties.get(name).and_then(Value::as_str);
        let (bus, sid) = (text("EventBusName"), text("StatementId").unwrap_or_default());
        let id = EventBridge::bus_id(call, bus);
        let Some(statement) = properties.get("Statement").and_then(Value::as_object) else {
            return Err(ServiceError::validation("Property Statement must be an object"));
        };
        let mut statement = statement.clone();
        statement.insert("Sid".to_owned(), sid.into());
        self.0.may(call, "events:PutPermission", &bus_arn(&id)).await?;
        self.0.change_policy(&id, |policy| set_statement(policy, sid, Some(&statement))).await?;
        Ok(Provisioned { physical_id: format!("{}|{sid}", id.name), attributes: Map::new() })
    }
}

fn set_statement(policy: &mut Option<Value>, sid: &str, statement: Option<&Map<String, Value>>) -> Result<(), Error> {
    let document = policy.get_or_insert_with(|| json!({ "Version": "2012-10-17", "Statement": [] }));
    if let Some(statements) = document.get_mut("Statement").and_then(Value::as_array_mut) {
        statements.retain(|old| old.get("Sid").and_then(Value::as_str) != Some(sid));
        statements.extend(statement.cloned().map(Value::Object));
    }
    Ok(())
}

#[async_trait]
impl ResourceType for BusPolicyType {
    fn schema(&self) -> &'static ResourceSchema {
        &BUS_POLICY
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        self.put(call, &request.properties).await
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        self.put(call, &request.properties).await
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let (bus, sid) = request.physical_id.split_once('|').unwrap_or((DEFAULT_BUS, &request.physical_id));
        let id = EventBridge::bus_id(call, Some(bus));
        self.0.may(call, "events:RemovePermission", &bus_arn(&id)).await?;
        match self.0.change_policy(&id, |policy| set_statement(policy, sid, None)).await {
            Err(Error::NoBus(_)) => Ok(()),
            other => other.map_err(ServiceError::from),
        }
    }
}
