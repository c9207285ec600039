//! The CloudFormation resource types of SQS.
//!
//! AWS: CloudFormation Template Reference, "Amazon Simple Queue Service resource types".

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::ports::Access;
use cauce_core::{
    Call, CreateRequest, DeleteRequest, Property, Provisioned, ResourceSchema, ResourceType, ServiceError,
    UpdateRequest,
};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::keys::QueueId;
use crate::service::{Sqs, queue_of, url};

/// The resource types of SQS, for CloudFormation.
pub fn resource_types(sqs: &Arc<Sqs>) -> Vec<Arc<dyn ResourceType>> {
    vec![Arc::new(QueueType(Arc::clone(sqs))), Arc::new(QueuePolicyType(Arc::clone(sqs)))]
}

impl Sqs {
    /// Refuses a deployer who may not do `action`.
    async fn may(&self, call: &Call, action: &str, id: &QueueId) -> Result<(), ServiceError> {
        let arn = id.arn();
        let access = Access { action, resource: arn.as_str(), ..Access::default() };
        self.identity.authorize(call, &access).await
    }
}

struct QueueType(Arc<Sqs>);

static QUEUE: ResourceSchema = ResourceSchema {
    type_name: "AWS::SQS::Queue",
    properties: &[
        Property::optional("ContentBasedDeduplication"),
        Property::optional("DeduplicationScope"),
        Property::optional("DelaySeconds"),
        Property::optional("FifoQueue").replaces(),
        Property::optional("FifoThroughputLimit"),
        Property::optional("KmsDataKeyReusePeriodSeconds"),
        Property::optional("KmsMasterKeyId"),
        Property::optional("MaximumMessageSize"),
        Property::optional("MessageRetentionPeriod"),
        Property::optional("QueueName").replaces(),
        Property::optional("ReceiveMessageWaitTimeSeconds"),
        Property::optional("RedriveAllowPolicy"),
        Property::optional("RedrivePolicy"),
        Property::optional("SqsManagedSseEnabled"),
        Property::optional("Tags"),
        Property::optional("VisibilityTimeout"),
    ],
    name_property: Some("QueueName"),
    name_chars_max: crate::NAME_CHARS_MAX,
    name_lower_case: false,
    attributes: &["Arn", "QueueName", "QueueUrl"],
};

/// The tags by which a queue remembers the stack it belongs to.
const STACK_TAG: &str = "aws:cloudformation:stack-id";
const LOGICAL_TAG: &str = "aws:cloudformation:logical-id";

/// A property's value as an attribute of a queue, which is always a text.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What a template sets, as attributes. `FifoQueue: false` says what is so without it.
fn attributes(properties: &Map<String, Value>) -> BTreeMap<String, String> {
    let others = properties.iter().filter(|(name, _)| !["QueueName", "Tags"].contains(&name.as_str()));
    let attributes = others.map(|(name, value)| (name.clone(), text(value)));
    attributes.filter(|(name, value)| name != "FifoQueue" || value != "false").collect()
}

fn tags(properties: &Map<String, Value>) -> Result<BTreeMap<String, String>, ServiceError> {
    let invalid = || ServiceError::validation("Tags must be a list of objects with Key and Value");
    let mut tags = BTreeMap::new();
    for tag in properties.get("Tags").map_or(Some(&Vec::new()), Value::as_array).ok_or_else(invalid)? {
        let part = |name: &str| tag.get(name).map(text);
        tags.insert(part("Key").ok_or_else(invalid)?, part("Value").ok_or_else(invalid)?);
    }
    crate::tags::check(&tags)?;
    Ok(tags)
}

impl QueueType {
    fn provisioned(call: &Call, id: &QueueId) -> Provisioned {
        let url = url(call, id);
        let attributes = [("Arn", id.arn().to_string()), ("QueueName", id.name.clone()), ("QueueUrl", url.clone())];
        let attributes = attributes.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        Provisioned { physical_id: url, attributes }
    }
}

/// The queue whose URL is the physical id.
fn queue(call: &Call, physical_id: &str) -> Result<QueueId, ServiceError> {
    Ok(queue_of(call, physical_id).ok_or_else(|| Error::Address(physical_id.to_owned()))?)
}

#[async_trait]
impl ResourceType for QueueType {
    fn schema(&self) -> &'static ResourceSchema {
        &QUEUE
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let attributes = attributes(&request.properties);
        let fifo = attributes.contains_key("FifoQueue");
        let made_up = || {
            let kept = crate::NAME_CHARS_MAX - ".fifo".len();
            let stem: String = request.generated_name.chars().take(if fifo { kept } else { usize::MAX }).collect();
            if fifo { format!("{stem}.fifo") } else { stem }
        };
        let name = request.properties.get("QueueName").map_or_else(made_up, text);
        let id = QueueId { account: call.account, region: call.region.clone(), name };
        self.0.may(call, "sqs:CreateQueue", &id).await?;
        let mut tags = tags(&request.properties)?;
        let own = [(STACK_TAG, &request.stack_id), (LOGICAL_TAG, &request.logical_id)];
        match self.0.held(&id).await {
            // Made by an earlier run of this very request, which did not live to hear so.
            Ok(held) if own.iter().all(|(key, value)| held.queue.tags.get(*key) == Some(*value)) => {
                return Ok(QueueType::provisioned(call, &id));
            }
            Ok(_) => {
                let message = format!("{} already exists", id.name);
                return Err(ServiceError::new(400, "QueueNameExists", message));
            }
            Err(Error::NoQueue) => {}
            Err(error) => return Err(error.into()),
        }
        tags.extend(own.map(|(key, value)| (key.to_owned(), value.clone())));
        self.0.create_tagged(&id, &attributes, tags).await?;
        Ok(QueueType::provisioned(call, &id))
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let id = queue(call, &request.physical_id)?;
        self.0.may(call, "sqs:SetQueueAttributes", &id).await?;
        let mut wanted = attributes(&request.properties);
        // What a template no longer sets gets its default back.
        let defaults = crate::model::Queue::default_attributes(&id);
        for name in attributes(&request.previous).into_keys().filter(|name| name != "FifoQueue") {
            let default = defaults.get(&name).cloned().unwrap_or_default();
            wanted.entry(name).or_insert(default);
        }
        wanted.retain(|name, _| name != "FifoQueue");
        if !wanted.is_empty() {
            self.0.set_attributes(&id, &wanted).await?;
        }
        if request.previous.get("Tags") != request.properties.get("Tags") {
            self.0.may(call, "sqs:TagQueue", &id).await?;
            let wanted = tags(&request.properties)?;
            self.0
                .change(&id, |queue| {
                    queue.tags.retain(|key, _| key.starts_with("aws:"));
                    queue.tags.extend(wanted);
                    Ok(())
                })
                .await?;
        }
        Ok(QueueType::provisioned(call, &id))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let id = queue(call, &request.physical_id)?;
        self.0.may(call, "sqs:DeleteQueue", &id).await?;
        let _changing = self.0.changing.lock().await;
        match self.0.load(&id).await {
            Ok(held) => Ok(self.0.remove(&held).await?),
            Err(Error::NoQueue) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

struct QueuePolicyType(Arc<Sqs>);

static QUEUE_POLICY: ResourceSchema = ResourceSchema {
    type_name: "AWS::SQS::QueuePolicy",
    properties: &[Property::required("PolicyDocument"), Property::required("Queues")],
    name_property: None,
    name_chars_max: crate::NAME_CHARS_MAX,
    name_lower_case: false,
    attributes: &["Id"],
};

impl QueuePolicyType {
    fn queues(call: &Call, properties: &Map<String, Value>) -> Result<Vec<QueueId>, ServiceError> {
        let urls = properties.get("Queues").and_then(Value::as_array).filter(|urls| !urls.is_empty());
        let urls = urls.ok_or_else(|| ServiceError::validation("Property Queues must be a list of queue URLs"))?;
        urls.iter().map(|url| queue(call, url.as_str().unwrap_or_default())).collect()
    }

    /// Sets the policy of every queue.
    async fn put(&self, call: &Call, properties: &Map<String, Value>) -> Result<(), ServiceError> {
        let policy = properties.get("PolicyDocument").map(text).unwrap_or_default();
        let attributes = BTreeMap::from([("Policy".to_owned(), policy)]);
        for id in QueuePolicyType::queues(call, properties)? {
            self.0.may(call, "sqs:SetQueueAttributes", &id).await?;
            self.0.set_attributes(&id, &attributes).await?;
        }
        Ok(())
    }

    /// Takes the policy from queues; those that are gone have none.
    async fn clear(&self, call: &Call, queues: Vec<QueueId>) -> Result<(), ServiceError> {
        let attributes = BTreeMap::from([("Policy".to_owned(), String::new())]);
        for id in queues {
            self.0.may(call, "sqs:SetQueueAttributes", &id).await?;
            match self.0.set_attributes(&id, &attributes).await {
                Ok(()) | Err(Error::NoQueue) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn provisioned(physical_id: String) -> Provisioned {
        let attributes = Map::from_iter([("Id".to_owned(), physical_id.clone().into())]);
        Provisioned { physical_id, attributes }
    }
}

#[async_trait]
impl ResourceType for QueuePolicyType {
    fn schema(&self) -> &'static ResourceSchema {
        &QUEUE_POLICY
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        self.put(call, &request.properties).await?;
        Ok(QueuePolicyType::provisioned(request.generated_name))
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        self.put(call, &request.properties).await?;
        let kept = QueuePolicyType::queues(call, &request.properties)?;
        let left = QueuePolicyType::queues(call, &request.previous)?.into_iter().filter(|id| !kept.contains(id));
        self.clear(call, left.collect()).await?;
        Ok(QueuePolicyType::provisioned(request.physical_id))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        self.clear(call, QueuePolicyType::queues(call, &request.properties)?).await
    }
}
