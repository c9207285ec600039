//! `AWS::Lambda::EventSourceMapping`.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::ports::Access;
use cauce_core::{
    Call, CreateRequest, DeleteRequest, Property, Provisioned, ResourceSchema, ResourceType, ServiceError,
    UpdateRequest,
};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{plain, read};
use crate::mapping::{CreateMapping, MappingId, MappingKey, UpdateMapping};
use crate::service::Lambda;

pub(super) struct MappingType(pub(super) Arc<Lambda>);

static MAPPING: ResourceSchema = ResourceSchema {
    type_name: "AWS::Lambda::EventSourceMapping",
    properties: &[
        Property::optional("BatchSize"),
        Property::optional("BisectBatchOnFunctionError"),
        Property::optional("DestinationConfig"),
        Property::optional("Enabled"),
        Property::required("EventSourceArn").replaces(),
        Property::optional("FilterCriteria"),
        Property::required("FunctionName"),
        Property::optional("FunctionResponseTypes"),
        Property::optional("MaximumBatchingWindowInSeconds"),
        Property::optional("MaximumRecordAgeInSeconds"),
        Property::optional("MaximumRetryAttempts"),
        Property::optional("ParallelizationFactor"),
        Property::optional("ScalingConfig"),
        Property::optional("StartingPosition").replaces(),
        Property::optional("Tags"),
        Property::optional("TumblingWindowInSeconds"),
    ],
    name_property: None,
    name_chars_max: 64,
    name_lower_case: false,
    attributes: &["EventSourceMappingArn", "Id"],
};

/// The id of what is made under a name: a repeated request finds what the first one made.
fn uuid_of(stack_id: &str, name: &str) -> String {
    let digest = hex::encode(Sha256::digest(format!("{stack_id}\n{name}")));
    let part = |from: usize, to: usize| digest.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

/// The properties with numbers and booleans as such, without the tags.
fn settled(properties: &Map<String, Value>) -> Map<String, Value> {
    let mut input = properties.clone();
    input.remove("Tags");
    let plain_ones = [
        "BatchSize",
        "BisectBatchOnFunctionError",
        "Enabled",
        "MaximumBatchingWindowInSeconds",
        "MaximumRecordAgeInSeconds",
        "MaximumRetryAttempts",
        "ParallelizationFactor",
        "TumblingWindowInSeconds",
    ];
    for name in plain_ones {
        if let Some(value) = input.get_mut(name) {
            *value = plain(value);
        }
    }
    if let Some(max) = input.get_mut("ScalingConfig").and_then(|config| config.get_mut("MaximumConcurrency")) {
        *max = plain(max);
    }
    input
}

/// The tags as the operations take them.
fn tags_of(properties: &Map<String, Value>) -> Result<BTreeMap<String, String>, ServiceError> {
    let mut tags = BTreeMap::new();
    for tag in properties.get("Tags").and_then(Value::as_array).into_iter().flatten() {
        let member = |name: &str| tag.get(name).and_then(Value::as_str).map(str::to_owned);
        let key = member("Key").ok_or_else(|| ServiceError::validation("A tag must have a Key"))?;
        tags.insert(key, member("Value").unwrap_or_default());
    }
    Ok(tags)
}

impl MappingType {
    fn key(call: &Call, uuid: &str) -> MappingKey {
        MappingKey { account: call.account, region: call.region.clone(), uuid: uuid.to_owned() }
    }

    async fn may(&self, call: &Call, action: &str, resource: &str) -> Result<(), ServiceError> {
        let access = Access { action, resource, ..Access::default() };
        self.0.ports.identity.authorize(call, &access).await
    }

    fn provisioned(call: &Call, uuid: &str) -> Provisioned {
        let arn = MappingType::key(call, uuid).arn().to_string();
        let attributes = [("EventSourceMappingArn", arn.as_str()), ("Id", uuid)];
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
        Provisioned { physical_id: uuid.to_owned(), attributes }
    }
}

#[async_trait]
impl ResourceType for MappingType {
    fn schema(&self) -> &'static ResourceSchema {
        &MAPPING
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let mut input = settled(&request.properties);
        input.insert("Tags".to_owned(), json!(tags_of(&request.properties)?));
        let input: CreateMapping = read(Value::Object(input))?;
        self.may(call, "lambda:CreateEventSourceMapping", "*").await?;
        let uuid = uuid_of(&request.stack_id, &request.generated_name);
        self.0.make_mapping(call, input, uuid.clone()).await?;
        Ok(MappingType::provisioned(call, &uuid))
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let uuid = &request.physical_id;
        let (mut input, tags) = (settled(&request.properties), tags_of(&request.properties)?);
        let of_stream = input.remove("StartingPosition").is_some();
        input.remove("EventSourceArn");
        input.insert("UUID".to_owned(), json!(uuid));
        // What the template does not say any more is as if it had never said it.
        let of_all = [
            ("Enabled", json!(true)),
            ("FilterCriteria", json!({ "Filters": [] })),
            ("FunctionResponseTypes", json!([])),
            ("MaximumBatchingWindowInSeconds", json!(0)),
        ];
        let of_queues = [("BatchSize", json!(10)), ("ScalingConfig", json!({}))];
        let of_streams = [
            ("BatchSize", json!(100)),
            ("BisectBatchOnFunctionError", json!(false)),
            ("DestinationConfig", json!({})),
            ("MaximumRecordAgeInSeconds", json!(-1)),
            ("MaximumRetryAttempts", json!(-1)),
            ("ParallelizationFactor", json!(1)),
            ("TumblingWindowInSeconds", json!(0)),
        ];
        let of_source: &[_] = if of_stream { &of_streams } else { &of_queues };
        for (name, value) in of_all.iter().chain(of_source) {
            input.entry(*name).or_insert_with(|| value.clone());
        }
        let input: UpdateMapping = read(Value::Object(input))?;
        let arn = MappingType::key(call, uuid).arn();
        self.may(call, "lambda:UpdateEventSourceMapping", arn.as_str()).await?;
        Arc::clone(&self.0).update_mapping(call.clone(), input).await?;
        if request.properties.get("Tags") != request.previous.get("Tags") {
            self.may(call, "lambda:TagResource", arn.as_str()).await?;
            self.0.set_tags(call, arn.as_str(), &tags).await?;
        }
        Ok(MappingType::provisioned(call, uuid))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let key = MappingType::key(call, &request.physical_id);
        self.may(call, "lambda:DeleteEventSourceMapping", key.arn().as_str()).await?;
        let deleted = Arc::clone(&self.0).delete_mapping(call.clone(), MappingId { uuid: key.uuid.clone() }).await;
        match deleted.map_err(ServiceError::from) {
            Err(error) if error.code() == "ResourceNotFoundException" => return Ok(()),
            Err(error) if error.code() != "ResourceInUseException" => return Err(error),
            _ => {}
        }
        // The queue and the role that go next are still needed by what is under way.
        Ok(self.0.forget_mapping(&key).await?)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_are_uuids_and_repeat() {
        let id = super::uuid_of("stack", "name");
        assert_eq!(id, super::uuid_of("stack", "name"));
        assert_ne!(id, super::uuid_of("stack", "other"));
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
    }
}
