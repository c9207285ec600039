//! Event buses and their resource policies.
//!
//! AWS: EventBridge User Guide, "Event buses in Amazon EventBridge" and "Permissions for event buses".

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::{Call, Tag, Timestamp, Violations};
use cauce_store::{RangeReq, Tx, decode_row};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{Error, POLICY_BYTES_MAX};
use crate::keys::{self, BusId};
use crate::model::{Bus, DEFAULT_BUS, DeadLetterConfig};
use crate::page;
use crate::service::{EventBridge, bus_arn};

/// How many buses an account may have in a region.
pub const BUSES_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateEventBus {
    pub(crate) name: String,
    description: Option<String>,
    event_source_name: Option<String>,
    kms_key_identifier: Option<String>,
    dead_letter_config: Option<DeadLetterConfig>,
    #[serde(default)]
    tags: Vec<Tag>,
}

impl Input for CreateEventBus {
    fn validate(&self, v: &mut Violations) {
        v.length("name", &self.name, 1, 256);
        if let (pattern, Some(regex)) = &*BUS_NAME {
            v.pattern("name", &self.name, pattern, regex);
        }
        validate_description(v, self.description.as_deref());
        Tag::validate(v, &self.tags);
    }
}

use std::sync::LazyLock;

use regex_lite::Regex;

static BUS_NAME: LazyLock<(&str, Option<Regex>)> =
    LazyLock::new(|| (r"[/\.\-_A-Za-z0-9]+", Regex::new(r"^[/.\-_A-Za-z0-9]+$").ok()));

fn validate_description(v: &mut Violations, description: Option<&str>) {
    if let Some(description) = description {
        v.length("description", description, 0, 512);
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateEventBusOutput {
    event_bus_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letter_config: Option<DeadLetterConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateEventBus {
    pub(crate) name: Option<String>,
    description: Option<String>,
    kms_key_identifier: Option<String>,
    dead_letter_config: Option<DeadLetterConfig>,
}

impl Input for UpdateEventBus {
    fn validate(&self, v: &mut Violations) {
        validate_description(v, self.description.as_deref());
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateEventBusOutput {
    arn: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letter_config: Option<DeadLetterConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeleteEventBus {
    pub(crate) name: String,
}

impl Input for DeleteEventBus {
    fn validate(&self, v: &mut Violations) {
        v.length("name", &self.name, 1, 1_600);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeEventBus {
    pub(crate) name: Option<String>,
}

impl Input for DescribeEventBus {
    fn validate(&self, v: &mut Violations) {
        if let Some(name) = &self.name {
            v.length("name", name, 1, 1_600);
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BusDescription {
    name: String,
    arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letter_config: Option<DeadLetterConfig>,
    creation_time: Timestamp,
    last_modified_time: Timestamp,
}

impl BusDescription {
    fn new(id: &BusId, bus: Bus) -> BusDescription {
        BusDescription {
            name: id.name.clone(),
            arn: bus_arn(id).to_string(),
            description: bus.description,
            policy: bus.policy.map(|policy| policy.to_string()),
            dead_letter_config: bus.dead_letter.map(|arn| DeadLetterConfig { arn: Some(arn) }),
            creation_time: bus.created,
            last_modified_time: bus.modified,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListEventBuses {
    name_prefix: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
}

impl Input for ListEventBuses {
    fn validate(&self, v: &mut Violations) {
        if let Some(prefix) = &self.name_prefix {
            v.length("namePrefix", prefix, 1, 256);
        }
        page::validate(v, self.limit, self.next_token.as_deref());
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListEventBusesOutput {
    event_buses: Vec<BusDescription>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutPermission {
    pub(crate) event_bus_name: Option<String>,
    action: Option<String>,
    principal: Option<String>,
    statement_id: Option<String>,
    condition: Option<Condition>,
    policy: Option<String>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Condition {
    r#type: String,
    key: String,
    value: String,
}

impl Input for PutPermission {
    fn validate(&self, v: &mut Violations) {
        if let Some(id) = &self.statement_id {
            v.length("statementId", id, 1, 64);
        }
        if let Some(principal) = &self.principal {
            v.length("principal", principal, 1, 12);
        }
        if let Some(action) = &self.action {
            v.length("action", action, 1, 64);
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RemovePermission {
    pub(crate) event_bus_name: Option<String>,
    statement_id: Option<String>,
    #[serde(default)]
    remove_all_permissions: bool,
}

impl Input for RemovePermission {}

impl EventBridge {
    pub(crate) async fn create_event_bus(
        self: Arc<Self>,
        call: Call,
        input: CreateEventBus,
    ) -> Result<CreateEventBusOutput, Error> {
        if input.event_source_name.is_some() {
            return Err(Error::Invalid("Partner event sources are not supported by this server.".into()));
        }
        refuse_key(input.kms_key_identifier.as_deref())?;
        if input.name == DEFAULT_BUS {
            return Err(Error::BusExists(input.name));
        }
        if input.name.contains('/') {
            return Err(Error::Invalid("Event bus name starting with 'aws.' or containing '/' is not valid.".into()));
        }
        let id = EventBridge::bus_id(&call, Some(&input.name));
        let now = self.env.now();
        let bus = Bus {
            name: input.name,
            description: input.description.clone(),
            created: now,
            modified: now,
            policy: None,
            dead_letter: input.dead_letter_config.as_ref().and_then(|config| config.arn.clone()),
            tags: Tag::map(&input.tags),
        };
        self.db
            .transact(async |tx| {
                if tx.get(&keys::bus(&id)).await?.is_some() {
                    return Err(Error::BusExists(id.name.clone()));
                }
                let all = tx.snapshot_range(RangeReq::new(keys::buses(id.account, &id.region), BUSES_MAX)).await?;
                if all.len() >= BUSES_MAX {
                    return Err(Error::Limit);
                }
                Ok(tx.set_record(keys::bus(&id), &bus)?)
            })
            .await?;
        Ok(CreateEventBusOutput {
            event_bus_arn: bus_arn(&id).to_string(),
            description: input.description,
            dead_letter_config: input.dead_letter_config,
        })
    }

    pub(crate) async fn update_event_bus(
        self: Arc<Self>,
        call: Call,
        input: UpdateEventBus,
    ) -> Result<UpdateEventBusOutput, Error> {
        refuse_key(input.kms_key_identifier.as_deref())?;
        let id = EventBridge::bus_id(&call, input.name.as_deref());
        let now = self.env.now();
        self.db
            .transact(async |tx| {
                let mut bus = self.bus(&tx, &id).await?;
                bus.description.clone_from(&input.description);
                bus.dead_letter = input.dead_letter_config.as_ref().and_then(|config| config.arn.clone());
                bus.modified = now;
                Ok::<_, Error>(tx.set_record(keys::bus(&id), &bus)?)
            })
            .await?;
        Ok(UpdateEventBusOutput {
            arn: bus_arn(&id).to_string(),
            name: id.name,
            description: input.description,
            dead_letter_config: input.dead_letter_config,
        })
    }

    pub(crate) async fn delete_event_bus(self: Arc<Self>, call: Call, input: DeleteEventBus) -> Result<(), Error> {
        let id = EventBridge::bus_id(&call, Some(&input.name));
        if id.name == DEFAULT_BUS {
            return Err(Error::Invalid("Cannot delete event bus default.".to_owned()));
        }
        self.db
            .transact(async |tx| {
                if !tx.range(RangeReq::new(keys::rules(&id), 1)).await?.is_empty() {
                    return Err(Error::Invalid("Event bus can't be deleted since it has rules.".to_owned()));
                }
                tx.clear(keys::bus(&id));
                self.touch(&tx, &id).await
            })
            .await
    }

    pub(crate) async fn describe_event_bus(
        self: Arc<Self>,
        call: Call,
        input: DescribeEventBus,
    ) -> Result<BusDescription, Error> {
        let id = EventBridge::bus_id(&call, input.name.as_deref());
        let bus = self.bus(&self.db.begin(), &id).await?;
        Ok(BusDescription::new(&id, bus))
    }

    pub(crate) async fn list_event_buses(
        self: Arc<Self>,
        call: Call,
        input: ListEventBuses,
    ) -> Result<ListEventBusesOutput, Error> {
        let after = page::after(input.next_token.as_deref())?;
        let tx = self.db.begin();
        let rows = tx.snapshot_range(RangeReq::new(keys::buses(call.account, &call.region), BUSES_MAX + 1)).await?;
        let mut buses: Vec<Bus> = rows.iter().map(decode_row).collect::<Result<_, _>>()?;
        if !buses.iter().any(|bus| bus.name == DEFAULT_BUS) {
            buses.push(self.bus(&tx, &EventBridge::bus_id(&call, None)).await?);
        }
        buses.sort_by(|a, b| a.name.cmp(&b.name));
        let prefix = input.name_prefix.as_deref().unwrap_or("");
        buses.retain(|bus| bus.name.starts_with(prefix));
        let (buses, next_token) = page::cut(buses, |bus| &bus.name, after.as_deref(), input.limit);
        let describe = |bus: Bus| BusDescription::new(&EventBridge::bus_id(&call, Some(&bus.name)), bus);
        Ok(ListEventBusesOutput { event_buses: buses.into_iter().map(describe).collect(), next_token })
    }

    pub(crate) async fn put_permission(self: Arc<Self>, call: Call, input: PutPermission) -> Result<(), Error> {
        let id = EventBridge::bus_id(&call, input.event_bus_name.as_deref());
        self.change_policy(&id, |policy| match &input.policy {
            Some(text) => {
                // One that nobody could read would deny everybody.
                self.identity.check_resource_policy(text).map_err(|_| bad_policy())?;
                let parsed: Value = serde_json::from_str(text).map_err(|_| bad_policy())?;
                *policy = Some(parsed.is_object().then_some(parsed).ok_or_else(bad_policy)?);
                Ok(())
            }
            None => add_statement(policy, &id, &input),
        })
        .await
    }

    pub(crate) async fn remove_permission(self: Arc<Self>, call: Call, input: RemovePermission) -> Result<(), Error> {
        let id = EventBridge::bus_id(&call, input.event_bus_name.as_deref());
        self.change_policy(&id, |policy| {
            if input.remove_all_permissions {
                *policy = None;
                return Ok(());
            }
            let Some(wanted) = &input.statement_id else {
                return Err(Error::Invalid("Parameter StatementId is required.".to_owned()));
            };
            remove_statement(policy, wanted).then_some(()).ok_or_else(|| {
                Error::Other(cauce_core::ServiceError::new(400, "ResourceNotFoundException", NO_STATEMENT))
            })
        })
        .await
    }

    /// Changes a bus's policy in a transaction; what has no statement left is no policy.
    pub(crate) async fn change_policy(
        &self,
        id: &BusId,
        change: impl Fn(&mut Option<Value>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.db.transact(async |tx| self.change_policy_in(&tx, id, &change).await).await
    }

    async fn change_policy_in(
        &self,
        tx: &Tx,
        id: &BusId,
        change: &impl Fn(&mut Option<Value>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut bus = self.bus(tx, id).await?;
        change(&mut bus.policy)?;
        let empty = |policy: &Value| policy.get("Statement").and_then(Value::as_array).is_some_and(Vec::is_empty);
        bus.policy = bus.policy.take_if(|policy| !empty(policy));
        if bus.policy.as_ref().is_some_and(|policy| policy.to_string().len() > POLICY_BYTES_MAX) {
            return Err(Error::PolicyLength(id.name.clone()));
        }
        bus.modified = self.env.now();
        Ok(tx.set_record(keys::bus(id), &bus)?)
    }
}

const NO_STATEMENT: &str = "Statement with the provided id does not exist.";

fn bad_policy() -> Error {
    Error::Invalid("Parameter Policy is not valid. Reason: Policy is not a valid JSON document.".to_owned())
}

fn refuse_key(key: Option<&str>) -> Result<(), Error> {
    match key {
        Some(key) if !key.is_empty() => {
            Err(Error::Invalid("Customer managed keys are not supported by this server.".to_owned()))
        }
        _ => Ok(()),
    }
}

/// Adds the statement that the older members of PutPermission describe; one by the same id is replaced.
fn add_statement(policy: &mut Option<Value>, id: &BusId, input: &PutPermission) -> Result<(), Error> {
    let missing = |name: &str| Error::Invalid(format!("Parameter {name} must be specified."));
    let sid = input.statement_id.clone().ok_or_else(|| missing("StatementId"))?;
    let principal = input.principal.as_deref().ok_or_else(|| missing("Principal"))?;
    let action = input.action.clone().ok_or_else(|| missing("Action"))?;
    if action != "events:PutEvents" {
        return Err(Error::Invalid(format!("Provided value in parameter 'action' is not supported: {action}")));
    }
    let principal = match principal {
        "*" => json!("*"),
        account if account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()) => {
            json!({ "AWS": format!("arn:aws:iam::{account}:root") })
        }
        _ => {
            return Err(Error::Invalid(
                "Parameter Principal is not valid. Reason: it is not an account id or *.".into(),
            ));
        }
    };
    let mut statement = json!({
        "Sid": sid, "Effect": "Allow", "Principal": principal, "Action": action, "Resource": bus_arn(id).to_string(),
    });
    if let (Some(condition), Some(statement)) = (&input.condition, statement.as_object_mut()) {
        let inner = BTreeMap::from([(condition.key.clone(), condition.value.clone())]);
        statement.insert("Condition".to_owned(), json!({ condition.r#type.clone(): inner }));
    }
    remove_statement(policy, &sid);
    let document = policy.get_or_insert_with(|| json!({ "Version": "2012-10-17", "Statement": [] }));
    let statements = document.get_mut("Statement").and_then(Value::as_array_mut).ok_or_else(bad_policy)?;
    statements.push(statement);
    Ok(())
}

fn remove_statement(policy: &mut Option<Value>, sid: &str) -> bool {
    let statements = policy.as_mut().and_then(|p| p.get_mut("Statement")).and_then(Value::as_array_mut);
    let Some(statements) = statements else { return false };
    let before = statements.len();
    statements.retain(|statement| statement.get("Sid").and_then(Value::as_str) != Some(sid));
    statements.len() < before
}
