//! The CloudFormation resource types of SNS.
//!
//! AWS: CloudFormation Template Reference, "Amazon Simple Notification Service resource types".

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::ports::Access;
use cauce_core::{
    Call, CreateRequest, DeleteRequest, Property, Provisioned, ResourceSchema, ResourceType, ServiceError,
    UpdateRequest,
};
use serde_json::{Map, Value};

use crate::error::{Error, NO_TOPIC};
use crate::keys::TopicId;
use crate::name;
use crate::service::Sns;
use crate::subscribe::{Subscribe, Unsubscribe};
use crate::subscription::SetSubscriptionAttributes;

/// The resource types of SNS, for CloudFormation.
pub fn resource_types(sns: &Arc<Sns>) -> Vec<Arc<dyn ResourceType>> {
    vec![
        Arc::new(TopicType(Arc::clone(sns))),
        Arc::new(SubscriptionType(Arc::clone(sns))),
        Arc::new(TopicPolicyType(Arc::clone(sns))),
    ]
}

/// The tags by which a topic remembers the stack it belongs to, as AWS sets them.
const STACK_TAG: &str = "aws:cloudformation:stack-id";
const LOGICAL_TAG: &str = "aws:cloudformation:logical-id";

impl Sns {
    /// Refuses a deployer who may not do `action`.
    async fn may(&self, call: &Call, action: &str, topic: &TopicId) -> Result<(), ServiceError> {
        let arn = topic.arn();
        let policy =
            self.topic(&self.db.begin(), topic).await?.and_then(|topic| topic.attributes.get("Policy").cloned());
        let access = Access { action, resource: arn.as_str(), resource_policy: policy.as_deref(), ..Access::default() };
        self.identity.authorize(call, &access).await
    }
}

fn invalid(what: &str) -> ServiceError {
    ServiceError::validation(format!("Properties validation failed: {what}"))
}

/// A property as the API's attributes are written: texts as they are, everything else as JSON.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

struct TopicType(Arc<Sns>);

/// Properties that are attributes of the same name, with what they are when a template does not give them.
const ATTRIBUTES: &[(&str, &str)] = &[
    ("ContentBasedDeduplication", "false"),
    ("DisplayName", ""),
    ("FifoThroughputScope", "Topic"),
    ("KmsMasterKeyId", ""),
    ("SignatureVersion", "1"),
    ("TracingConfig", "PassThrough"),
];

static TOPIC: ResourceSchema = ResourceSchema {
    type_name: "AWS::SNS::Topic",
    properties: &[
        Property::optional("ContentBasedDeduplication"),
        Property::optional("DisplayName"),
        Property::optional("FifoThroughputScope"),
        Property::optional("FifoTopic").replaces(),
        Property::optional("KmsMasterKeyId"),
        Property::optional("SignatureVersion"),
        Property::optional("Subscription"),
        Property::optional("Tags"),
        Property::optional("TopicName").replaces(),
        Property::optional("TracingConfig"),
    ],
    name_property: Some("TopicName"),
    name_chars_max: 251,
    name_lower_case: false,
    attributes: &["TopicArn", "TopicName"],
};

/// The attributes that a template gives a topic.
fn attributes(properties: &Map<String, Value>) -> BTreeMap<String, String> {
    let given = ATTRIBUTES.iter().filter_map(|(name, _)| Some(((*name).to_owned(), text(properties.get(*name)?))));
    given.collect()
}

fn is_fifo(properties: &Map<String, Value>) -> bool {
    properties.get("FifoTopic").is_some_and(|value| text(value) == "true")
}

fn tags(properties: &Map<String, Value>, own: &[(&str, &str)]) -> Result<BTreeMap<String, String>, ServiceError> {
    let mut tags: BTreeMap<String, String> = own.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    for tag in properties.get("Tags").and_then(Value::as_array).into_iter().flatten() {
        let member = |name: &str| tag.get(name).map(text).ok_or_else(|| invalid("a tag has a Key and a Value"));
        tags.insert(member("Key")?, member("Value")?);
    }
    Ok(tags)
}

/// The subscriptions that a template lists within a topic: protocol and endpoint.
fn listed(properties: &Map<String, Value>) -> Result<Vec<(String, String)>, ServiceError> {
    let listed = properties.get("Subscription").and_then(Value::as_array).into_iter().flatten();
    listed
        .map(|subscription| {
            let member = |name: &str| {
                subscription.get(name).map(text).ok_or_else(|| invalid("a Subscription has an Endpoint and a Protocol"))
            };
            Ok((member("Protocol")?, member("Endpoint")?))
        })
        .collect()
}

fn subscribe_input(
    topic: &TopicId,
    protocol: String,
    endpoint: String,
    attributes: BTreeMap<String, String>,
) -> Subscribe {
    Subscribe {
        topic_arn: topic.arn().to_string(),
        protocol,
        endpoint: Some(endpoint),
        attributes,
        return_subscription_arn: true,
    }
}

impl TopicType {
    fn provisioned(id: &TopicId) -> Provisioned {
        let arn = id.arn().to_string();
        let attributes =
            [("TopicArn".to_owned(), Value::from(arn.clone())), ("TopicName".to_owned(), id.name.clone().into())];
        Provisioned { physical_id: arn, attributes: Map::from_iter(attributes) }
    }

    async fn subscribe(&self, call: &Call, id: &TopicId, listed: &[(String, String)]) -> Result<(), ServiceError> {
        if !listed.is_empty() {
            self.0.may(call, "sns:Subscribe", id).await?;
        }
        for (protocol, endpoint) in listed {
            let input = subscribe_input(id, protocol.clone(), endpoint.clone(), BTreeMap::new());
            Arc::clone(&self.0).subscribe(call.clone(), input).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl ResourceType for TopicType {
    fn schema(&self) -> &'static ResourceSchema {
        &TOPIC
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let properties = &request.properties;
        let fifo = is_fifo(properties);
        let name = match properties.get("TopicName").and_then(Value::as_str) {
            Some(name) => name.to_owned(),
            None if fifo => format!("{}.fifo", request.generated_name),
            None => request.generated_name.clone(),
        };
        let id = TopicId { account: call.account, region: call.region.clone(), name };
        let own = [(STACK_TAG, request.stack_id.as_str()), (LOGICAL_TAG, request.logical_id.as_str())];
        self.0.may(call, "sns:CreateTopic", &id).await?;
        let listed = listed(properties)?;
        let tags = tags(properties, &own)?;
        match self.0.topic(&self.0.db.begin(), &id).await? {
            // Made by an earlier run of this very request, which did not live to hear so.
            Some(found) if own.iter().all(|(key, value)| found.tags.get(*key).is_some_and(|tag| tag == value)) => {}
            Some(_) => {
                let message = format!("{} already exists", id.name);
                return Err(ServiceError::new(400, "AlreadyExists", message));
            }
            None => {
                let mut attributes = attributes(properties);
                if fifo {
                    attributes.insert("FifoTopic".to_owned(), "true".to_owned());
                }
                self.0.make_topic(call, &id.name, &attributes, tags).await?;
            }
        }
        self.subscribe(call, &id, &listed).await?;
        Ok(TopicType::provisioned(&id))
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let id = name::topic(call, &request.physical_id)?;
        self.0.may(call, "sns:SetTopicAttributes", &id).await?;
        let wanted = attributes(&request.properties);
        let before = listed(&request.previous)?;
        let after = listed(&request.properties)?;
        let given_tags = tags(&request.properties, &[])?;
        self.0
            .db
            .transact(async |tx| {
                let mut topic = self.0.topic(&tx, &id).await?.ok_or(NO_TOPIC)?;
                for (name, default) in ATTRIBUTES {
                    match wanted.get(*name) {
                        Some(value) => self.0.set_topic_attribute(&id, &mut topic, name, value)?,
                        None if topic.attributes.contains_key(*name) => {
                            self.0.set_topic_attribute(&id, &mut topic, name, default)?;
                        }
                        None => {}
                    }
                }
                topic.tags.retain(|name, _| name.starts_with("aws:"));
                topic.tags.extend(given_tags.clone());
                self.0.set_topic(&tx, &id, &topic).await
            })
            .await
            .map_err(|error: Error| ServiceError::from(error))?;
        let gone = before.iter().filter(|entry| !after.contains(entry));
        for (protocol, endpoint) in gone {
            if let Some(subscription_arn) = self.0.subscription_of(&id, protocol, endpoint).await? {
                self.0.may(call, "sns:Unsubscribe", &id).await?;
                Arc::clone(&self.0).unsubscribe(call.clone(), Unsubscribe { subscription_arn }).await?;
            }
        }
        self.subscribe(call, &id, &after).await?;
        Ok(TopicType::provisioned(&id))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let id = name::topic(call, &request.physical_id)?;
        self.0.may(call, "sns:DeleteTopic", &id).await?;
        let input = crate::topic::NamedTopic { topic_arn: request.physical_id };
        Ok(Arc::clone(&self.0).delete_topic(call.clone(), input).await?)
    }
}

struct SubscriptionType(Arc<Sns>);

/// Properties that are attributes of the same name, with what they are when a template does not give them.
const WISHES: &[(&str, &str)] = &[
    ("FilterPolicyScope", "MessageAttributes"),
    ("FilterPolicy", ""),
    ("RawMessageDelivery", "false"),
    ("RedrivePolicy", ""),
    ("DeliveryPolicy", ""),
];

static SUBSCRIPTION: ResourceSchema = ResourceSchema {
    type_name: "AWS::SNS::Subscription",
    properties: &[
        Property::optional("DeliveryPolicy"),
        Property::optional("Endpoint").replaces(),
        Property::optional("FilterPolicy"),
        Property::optional("FilterPolicyScope"),
        Property::required("Protocol").replaces(),
        Property::optional("RawMessageDelivery"),
        Property::optional("RedrivePolicy"),
        Property::optional("Region"),
        Property::required("TopicArn").replaces(),
    ],
    name_property: None,
    name_chars_max: 64,
    name_lower_case: false,
    attributes: &["Arn"],
};

fn wishes(properties: &Map<String, Value>) -> BTreeMap<String, String> {
    let given = WISHES.iter().filter_map(|(name, _)| Some(((*name).to_owned(), text(properties.get(*name)?))));
    given.collect()
}

impl SubscriptionType {
    fn provisioned(arn: String) -> Provisioned {
        let attributes = Map::from_iter([("Arn".to_owned(), Value::from(arn.clone()))]);
        Provisioned { physical_id: arn, attributes }
    }
}

#[async_trait]
impl ResourceType for SubscriptionType {
    fn schema(&self) -> &'static ResourceSchema {
        &SUBSCRIPTION
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let member = |name: &str| request.properties.get(name).map(text).unwrap_or_default();
        let topic = name::topic(call, &member("TopicArn"))?;
        if request.properties.get("Region").is_some_and(|region| text(region) != topic.region.as_str()) {
            return Err(invalid("Region must be the region of the topic"));
        }
        self.0.may(call, "sns:Subscribe", &topic).await?;
        // Subscribing again is finding the same subscription, so a repeated create is none.
        let input = subscribe_input(&topic, member("Protocol"), member("Endpoint"), wishes(&request.properties));
        let arn = Arc::clone(&self.0).subscribe(call.clone(), input).await?.subscription_arn;
        Ok(SubscriptionType::provisioned(arn))
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let (topic, _) = name::subscription(&request.physical_id)?;
        self.0.may(call, "sns:SetSubscriptionAttributes", &topic).await?;
        let (before, after) = (wishes(&request.previous), wishes(&request.properties));
        let changed = WISHES.iter().filter(|(name, _)| before.get(*name) != after.get(*name));
        // The old filter may be none for the new scope, so it goes first.
        let reset = ("FilterPolicy", String::new());
        let scoped = before.get("FilterPolicyScope") != after.get("FilterPolicyScope");
        let filter = after.get("FilterPolicy").filter(|_| scoped).map(|policy| ("FilterPolicy", policy.clone()));
        let changed =
            changed.map(|(name, default)| (*name, after.get(*name).cloned().unwrap_or_else(|| (*default).to_owned())));
        for (name, value) in scoped.then_some(reset).into_iter().chain(changed).chain(filter) {
            let input = SetSubscriptionAttributes {
                subscription_arn: request.physical_id.clone(),
                attribute_name: name.to_owned(),
                attribute_value: value,
            };
            Arc::clone(&self.0).set_subscription_attributes(call.clone(), input).await?;
        }
        Ok(SubscriptionType::provisioned(request.physical_id))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let (topic, _) = name::subscription(&request.physical_id)?;
        self.0.may(call, "sns:Unsubscribe", &topic).await?;
        let input = Unsubscribe { subscription_arn: request.physical_id };
        Ok(Arc::clone(&self.0).unsubscribe(call.clone(), input).await?)
    }
}

struct TopicPolicyType(Arc<Sns>);

static TOPIC_POLICY: ResourceSchema = ResourceSchema {
    type_name: "AWS::SNS::TopicPolicy",
    properties: &[Property::required("PolicyDocument"), Property::required("Topics")],
    name_property: None,
    name_chars_max: 64,
    name_lower_case: false,
    attributes: &["Id"],
};

fn topics(call: &Call, properties: &Map<String, Value>) -> Result<Vec<TopicId>, ServiceError> {
    let listed = properties.get("Topics").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    Ok(listed.map(|arn| name::topic(call, arn)).collect::<Result<_, Error>>()?)
}

impl TopicPolicyType {
    async fn set(&self, call: &Call, topic: &TopicId, policy: &str) -> Result<(), ServiceError> {
        self.0.may(call, "sns:SetTopicAttributes", topic).await?;
        let set = self.0.db.transact(async |tx| {
            let mut row = self.0.topic(&tx, topic).await?.ok_or(NO_TOPIC)?;
            self.0.set_topic_attribute(topic, &mut row, "Policy", policy)?;
            self.0.set_topic(&tx, topic, &row).await
        });
        set.await.map_err(|error: Error| ServiceError::from(error))
    }

    async fn put(&self, call: &Call, properties: &Map<String, Value>) -> Result<(), ServiceError> {
        let policy = properties.get("PolicyDocument").map(text).unwrap_or_default();
        for topic in topics(call, properties)? {
            self.set(call, &topic, &policy).await?;
        }
        Ok(())
    }

    /// Gives topics their default policy again; one that is gone needs none.
    async fn reset(&self, call: &Call, topics: &[TopicId]) -> Result<(), ServiceError> {
        for topic in topics {
            match self.set(call, topic, "").await {
                Err(error) if error.code() == "NotFound" => {}
                other => other?,
            }
        }
        Ok(())
    }

    fn provisioned(id: String) -> Provisioned {
        Provisioned { attributes: Map::from_iter([("Id".to_owned(), Value::from(id.clone()))]), physical_id: id }
    }
}

#[async_trait]
impl ResourceType for TopicPolicyType {
    fn schema(&self) -> &'static ResourceSchema {
        &TOPIC_POLICY
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        self.put(call, &request.properties).await?;
        Ok(TopicPolicyType::provisioned(request.generated_name))
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let after = topics(call, &request.properties)?;
        let mut gone = topics(call, &request.previous)?;
        gone.retain(|topic| !after.contains(topic));
        self.put(call, &request.properties).await?;
        self.reset(call, &gone).await?;
        Ok(TopicPolicyType::provisioned(request.physical_id))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        self.reset(call, &topics(call, &request.properties)?).await
    }
}
