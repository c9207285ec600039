//! The CloudFormation resource type of DynamoDB.
//!
//! AWS: CloudFormation Template Reference, *AWS::DynamoDB::Table*.

use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::{
    Call, CreateRequest, DeleteRequest, Property, Provisioned, ResourceSchema, ResourceType, ServiceError,
    UpdateRequest,
};
use cauce_wire::Input;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::keys::TableId;
use crate::model::table_arn;
use crate::resource_settings;
use crate::service::DynamoDb;
use crate::table::{CreateTable, NamedTable};
use crate::table_update::UpdateTable;
use crate::tags::{TagResource, UntagResource};
use crate::ttl::UpdateTimeToLive;

/// The resource types of DynamoDB, for CloudFormation.
pub fn resource_types(tables: &Arc<DynamoDb>) -> Vec<Arc<dyn ResourceType>> {
    vec![Arc::new(TableType(Arc::clone(tables)))]
}

/// The tags by which a table remembers the stack it belongs to, as AWS sets them.
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

pub(crate) struct TableType(pub(crate) Arc<DynamoDb>);

static TABLE: ResourceSchema = ResourceSchema {
    type_name: "AWS::DynamoDB::Table",
    properties: &[
        Property::optional("TableName").replaces(),
        Property::required("KeySchema").replaces(),
        Property::optional("AttributeDefinitions"),
        Property::optional("LocalSecondaryIndexes").replaces(),
        Property::optional("GlobalSecondaryIndexes"),
        Property::optional("BillingMode"),
        Property::optional("ProvisionedThroughput"),
        Property::optional("StreamSpecification"),
        Property::optional("DeletionProtectionEnabled"),
        Property::optional("TableClass"),
        Property::optional("Tags"),
        Property::optional("TimeToLiveSpecification"),
        Property::optional("PointInTimeRecoverySpecification"),
        Property::optional("ResourcePolicy"),
    ],
    name_property: Some("TableName"),
    name_chars_max: 255,
    name_lower_case: false,
    attributes: &["Arn", "StreamArn"],
};

/// Templates may write numbers and booleans as texts; the API may not.
fn plain(name: &str, value: &Value) -> Value {
    match value {
        Value::String(text) if name.ends_with("CapacityUnits") => {
            text.parse::<i64>().map_or_else(|_| value.clone(), Value::from)
        }
        Value::String(text) if name.ends_with("Enabled") => {
            text.parse::<bool>().map_or_else(|_| value.clone(), Value::from)
        }
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), plain(name, value))).collect(),
        Value::Array(list) => list.iter().map(|value| plain(name, value)).collect(),
        other => other.clone(),
    }
}

fn plain_properties(properties: &Map<String, Value>) -> Map<String, Value> {
    properties.iter().map(|(name, value)| (name.clone(), plain(name, value))).collect()
}

/// Whether a template wishes expiry, and by which attribute.
fn expiry(properties: &Map<String, Value>) -> Option<&Value> {
    let wish = properties.get("TimeToLiveSpecification")?;
    (wish.get("Enabled") == Some(&Value::Bool(true))).then_some(wish)
}

/// The stream that a template wishes, as the API wants it said.
fn stream(properties: &Map<String, Value>) -> Result<Option<Value>, ServiceError> {
    let Some(wish) = properties.get("StreamSpecification") else { return Ok(None) };
    if wish.get("ResourcePolicy").is_some() {
        return Err(Error::invalid("StreamSpecification.ResourcePolicy is not supported by this server").into());
    }
    let mut wish = wish.clone();
    if let Some(wish) = wish.as_object_mut() {
        wish.insert("StreamEnabled".to_owned(), true.into());
    }
    Ok(Some(wish))
}

impl TableType {
    pub(crate) fn id(call: &Call, name: &str) -> TableId {
        TableId { account: call.account, region: call.region.clone(), name: name.to_owned() }
    }

    async fn provisioned(&self, call: &Call, name: &str) -> Result<Provisioned, ServiceError> {
        let id = TableType::id(call, name);
        let table = self.0.definition(&id).await?;
        let stream = table.latest_stream_arn(&id).filter(|_| table.stream.is_some());
        let mut attributes = Map::from_iter([("Arn".to_owned(), table_arn(&id).to_string().into())]);
        attributes.extend(stream.map(|arn| ("StreamArn".to_owned(), arn.to_string().into())));
        Ok(Provisioned { physical_id: name.to_owned(), attributes })
    }

    pub(crate) async fn may(&self, call: &Call, action: &str, name: &str) -> Result<(), ServiceError> {
        self.0.may(call, action, &table_arn(&TableType::id(call, name)), Vec::new()).await
    }

    /// Whether the table is there already and belongs to this stack and logical id: a create repeated after a crash.
    async fn is_own(&self, call: &Call, name: &str, request: &CreateRequest) -> bool {
        let table = self.0.definition(&TableType::id(call, name)).await;
        let tag = |table: &crate::model::Table, key: &str, value: &str| {
            table.tags.get(key).is_some_and(|found| found == value)
        };
        table.is_ok_and(|table| {
            tag(&table, STACK_TAG, &request.stack_id) && tag(&table, LOGICAL_TAG, &request.logical_id)
        })
    }

    async fn set_expiry(
        &self,
        call: &Call,
        name: &str,
        before: Option<&Value>,
        after: Option<&Value>,
    ) -> Result<(), ServiceError> {
        if before == after {
            return Ok(());
        }
        self.may(call, "dynamodb:UpdateTimeToLive", name).await?;
        let off = before.map(|before| json!({ "AttributeName": before["AttributeName"], "Enabled": false }));
        for wish in off.into_iter().chain(after.cloned()) {
            let input: UpdateTimeToLive = read(json!({ "TableName": name, "TimeToLiveSpecification": wish }))?;
            match Arc::clone(&self.0).update_time_to_live(call.clone(), input).await {
                // An update repeated after a crash finds its wish fulfilled.
                Ok(_) | Err(Error::Invalid(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Brings the stream from `previous` to `properties`: another view is another stream.
    async fn update_stream(&self, call: &Call, name: &str, request: &UpdateRequest) -> Result<(), ServiceError> {
        let (before, after) = (stream(&request.previous)?, stream(&request.properties)?);
        if before == after {
            return Ok(());
        }
        self.may(call, "dynamodb:UpdateTable", name).await?;
        let table = self.0.definition(&TableType::id(call, name)).await?;
        let off = table.stream.as_ref().map(|_| json!({ "StreamEnabled": false }));
        for wish in off.into_iter().chain(after) {
            let input: UpdateTable = read(json!({ "TableName": name, "StreamSpecification": wish }))?;
            Arc::clone(&self.0).update_table(call.clone(), input).await?;
        }
        Ok(())
    }

    async fn update_tags(&self, call: &Call, name: &str, request: &UpdateRequest) -> Result<(), ServiceError> {
        let tags = |properties: &Map<String, Value>| properties.get("Tags").and_then(Value::as_array).cloned();
        let (before, after) = (tags(&request.previous), tags(&request.properties));
        if before == after {
            return Ok(());
        }
        let arn = table_arn(&TableType::id(call, name)).to_string();
        let key = |tag: &Value| tag.get("Key").and_then(Value::as_str).map(str::to_owned);
        let kept: Vec<String> = after.iter().flatten().filter_map(key).collect();
        let gone: Vec<String> = before.iter().flatten().filter_map(key).filter(|key| !kept.contains(key)).collect();
        if !gone.is_empty() {
            self.may(call, "dynamodb:UntagResource", name).await?;
            let input: UntagResource = read(json!({ "ResourceArn": arn, "TagKeys": gone }))?;
            Arc::clone(&self.0).untag_resource(call.clone(), input).await?;
        }
        if let Some(tags) = after.filter(|tags| !tags.is_empty()) {
            self.may(call, "dynamodb:TagResource", name).await?;
            let input: TagResource = read(json!({ "ResourceArn": arn, "Tags": tags }))?;
            Arc::clone(&self.0).tag_resource(call.clone(), input).await?;
        }
        Ok(())
    }

    /// Brings the indexes from `previous` to `properties`, one change a call as the API wants it.
    async fn update_indexes(&self, call: &Call, name: &str, request: &UpdateRequest) -> Result<(), ServiceError> {
        let named = |properties: &Map<String, Value>| -> Map<String, Value> {
            let list = properties.get("GlobalSecondaryIndexes").and_then(Value::as_array);
            let entry = |index: &Value| Some((index.get("IndexName")?.as_str()?.to_owned(), plain("", index)));
            list.into_iter().flatten().filter_map(entry).collect()
        };
        let (before, after) = (named(&request.previous), named(&request.properties));
        let definition = self.0.definition(&TableType::id(call, name)).await?;
        let mut changes = Vec::new();
        for (index, _) in before.iter().filter(|(index, wish)| after.get(*index) != Some(*wish)) {
            if definition.index(index).is_some() {
                changes.push(json!([{ "Delete": { "IndexName": index } }]));
            }
        }
        for (_, wish) in after.iter().filter(|(index, wish)| before.get(*index) != Some(*wish)) {
            changes.push(json!([{ "Create": wish }]));
        }
        for change in changes {
            let definitions = definitions_for(&request.properties, &change);
            self.may(call, "dynamodb:UpdateTable", name).await?;
            let input: UpdateTable = read(json!({
                "TableName": name, "AttributeDefinitions": definitions, "GlobalSecondaryIndexUpdates": change,
            }))?;
            Arc::clone(&self.0).update_table(call.clone(), input).await?;
            // One index is built at a time; a stack is done when its indexes are.
            while self.0.definition(&TableType::id(call, name)).await?.indexes.iter().any(|index| index.backfilling) {
                self.0.work_once().await?;
            }
        }
        Ok(())
    }

    async fn update_settings(&self, call: &Call, name: &str, request: &UpdateRequest) -> Result<(), ServiceError> {
        let (before, after) = (plain_properties(&request.previous), plain_properties(&request.properties));
        let settings = ["BillingMode", "ProvisionedThroughput", "DeletionProtectionEnabled", "TableClass"];
        let mut input = Map::new();
        for setting in settings.into_iter().filter(|setting| before.get(*setting) != after.get(*setting)) {
            let default = match setting {
                "BillingMode" => Some(json!("PROVISIONED")),
                "DeletionProtectionEnabled" => Some(json!(false)),
                "TableClass" => Some(json!("STANDARD")),
                _ => None,
            };
            input.extend(after.get(setting).cloned().or(default).map(|value| (setting.to_owned(), value)));
        }
        if input.is_empty() {
            return Ok(());
        }
        self.may(call, "dynamodb:UpdateTable", name).await?;
        input.insert("TableName".to_owned(), name.into());
        let updated = Arc::clone(&self.0).update_table(call.clone(), read(Value::Object(input))?).await;
        match updated {
            Err(Error::Invalid(message)) if message.contains("will not change") => Ok(()),
            other => Ok(other.map(drop)?),
        }
    }
}

/// The definitions of a template that a change of indexes is about: the API refuses those of no key.
fn definitions_for(properties: &Map<String, Value>, change: &Value) -> Vec<Value> {
    let key = change.pointer("/0/Create/KeySchema").and_then(Value::as_array);
    let keys: Vec<&Value> = key.into_iter().flatten().filter_map(|element| element.get("AttributeName")).collect();
    let all = properties.get("AttributeDefinitions").and_then(Value::as_array);
    let of_key = |definition: &&Value| definition.get("AttributeName").is_some_and(|name| keys.contains(&name));
    all.into_iter().flatten().filter(of_key).cloned().collect()
}

#[async_trait]
impl ResourceType for TableType {
    fn schema(&self) -> &'static ResourceSchema {
        &TABLE
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let mut properties = plain_properties(&request.properties);
        let expiry = expiry(&properties).cloned();
        properties.remove("TimeToLiveSpecification");
        let whole = properties.clone();
        resource_settings::for_creation(&mut properties);
        let named = properties.get("TableName").and_then(Value::as_str).map(str::to_owned);
        let name = named.unwrap_or_else(|| request.generated_name.clone());
        properties.insert("TableName".to_owned(), name.clone().into());
        if let Some(stream) = stream(&properties)? {
            properties.insert("StreamSpecification".to_owned(), stream);
        }
        self.may(call, "dynamodb:CreateTable", &name).await?;
        let mut input: CreateTable = read(Value::Object(properties))?;
        let own = [(STACK_TAG, &request.stack_id), (LOGICAL_TAG, &request.logical_id)];
        let own = own.map(|(key, value)| cauce_core::Tag { key: key.to_owned(), value: value.clone() });
        input.tags.get_or_insert_default().extend(own);
        match Arc::clone(&self.0).create_table(call.clone(), input).await {
            Err(Error::InUse(_)) if self.is_own(call, &name, &request).await => {}
            other => drop(other?),
        }
        self.set_expiry(call, &name, None, expiry.as_ref()).await?;
        self.set_recovery(call, &name, &Map::new(), &whole).await?;
        self.provisioned(call, &name).await
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let name = request.physical_id.clone();
        self.update_settings(call, &name, &request).await?;
        self.update_stream(call, &name, &request).await?;
        self.update_indexes(call, &name, &request).await?;
        self.update_tags(call, &name, &request).await?;
        let (before, after) = (plain_properties(&request.previous), plain_properties(&request.properties));
        self.set_expiry(call, &name, expiry(&before), expiry(&after)).await?;
        self.set_recovery(call, &name, &before, &after).await?;
        self.set_policy(call, &name, &before, &after).await?;
        self.provisioned(call, &name).await
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        self.may(call, "dynamodb:DeleteTable", &request.physical_id).await?;
        let input = NamedTable { table_name: request.physical_id };
        match Arc::clone(&self.0).delete_table(call.clone(), input).await {
            Ok(_) | Err(Error::NotFound(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
