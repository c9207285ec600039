//! The service and the one table of its operations.

use std::sync::Arc;

use cauce_core::ports::Identity;
use cauce_core::{Call, Env};
use cauce_delivery::Delivery;
use cauce_store::Db;
use cauce_wire::{Api, Operation, Protocol, ServiceInfo};
use tokio::sync::OnceCell;

use crate::error::Error;
use crate::meters::Meters;
use crate::name;
use crate::route::Routes;
use crate::signature::Signer;

/// The namespace of answers.
pub(crate) const XMLNS: &str = "http://sns.amazonaws.com/doc/2010-03-31/";

/// SNS as the wire knows it.
pub static INFO: ServiceInfo = ServiceInfo {
    name: "sns",
    signing_name: "sns",
    protocols: &[Protocol::Query { version: "2010-03-31", xmlns: XMLNS }],
    validation_code: "ValidationError",
};

/// The name under which it acts, in policies.
pub(crate) const PRINCIPAL: &str = "sns.amazonaws.com";

/// The largest request, in bytes: a message with the escaping of forms, or ten that share its limit.
const BODY_BYTES_MAX: usize = 2 * 1_024 * 1_024;

/// What can be chosen.
#[derive(Clone, Debug)]
pub struct SnsOptions {
    /// Where this server is reached, without a slash at the end: links in messages begin with it.
    pub endpoint: String,
}

/// SNS.
pub struct Sns {
    pub(crate) db: Db,
    pub(crate) env: Env,
    pub(crate) delivery: Delivery,
    pub(crate) identity: Arc<dyn Identity>,
    pub(crate) options: SnsOptions,
    pub(crate) routes: Routes,
    pub(crate) signer: OnceCell<Arc<Signer>>,
    pub(crate) meters: Meters,
}

impl Sns {
    /// The service on this store. Register [`crate::SnsTarget`] for `sns` with `delivery`, mount [`crate::Site`], and
    /// run [`crate::run_sweeps`].
    pub fn open(db: Db, env: Env, delivery: Delivery, identity: Arc<dyn Identity>, options: SnsOptions) -> Arc<Sns> {
        let (routes, signer, meters) = (Routes::default(), OnceCell::new(), Meters::default());
        Arc::new(Sns { db, env, delivery, identity, options, routes, signer, meters })
    }

    /// The policy of the topic that an ARN names, or whose subscription it names, for authorization. A topic whose policy was
    /// never set has none: the one that it shows allows its own account what the account allows itself.
    pub(crate) async fn topic_policy(self: Arc<Self>, _call: Call, arn: String) -> Result<Option<String>, Error> {
        let topic = arn.parse().ok().and_then(|arn| {
            name::topic_from_arn(&arn).or_else(|| name::subscription_from_arn(&arn).map(|(topic, _)| topic))
        });
        let Some(topic) = topic else { return Ok(None) };
        let tx = self.db.begin();
        let topic = match self.known_route(&tx, &topic).await? {
            Some(route) => return Ok(route.topic.attribute("Policy").map(str::to_owned)),
            None => self.topic(&tx, &topic).await?,
        };
        Ok(topic.and_then(|topic| topic.attribute("Policy").map(str::to_owned)))
    }
}

/// The ARN of the topic that CreateTopic will make.
fn new_topic(call: &Call, name: &str) -> Vec<String> {
    vec![call.arn("sns", name).to_string()]
}

/// The ARN of the topic whose subscription this is.
fn topic_of_subscription(arn: &str) -> Vec<String> {
    let parts: Vec<&str> = arn.splitn(7, ':').take(6).collect();
    vec![parts.join(":")]
}

/// Every operation of SNS that is served.
pub fn api(service: Arc<Sns>) -> Api<Sns> {
    let api = Api::new(&INFO, service).body_bytes_max(BODY_BYTES_MAX).denied_code("AuthorizationError");
    subscriptions(topics(messages(api)))
}

fn messages(api: Api<Sns>) -> Api<Sns> {
    api.operation(
        Operation::new("Publish", Sns::publish)
            .resource(|_, i: &crate::publish::Publish| vec![i.resource()])
            .resource_policy(Sns::topic_policy),
    )
    .operation(
        Operation::new("PublishBatch", Sns::publish_batch)
            .action("sns:Publish")
            .resource(|_, i: &crate::batch::PublishBatch| vec![i.topic_arn.clone()])
            .resource_policy(Sns::topic_policy),
    )
}

fn topics(api: Api<Sns>) -> Api<Sns> {
    api.operation(
        Operation::new("CreateTopic", Sns::create_topic)
            .resource(|call, i: &crate::topic::CreateTopic| new_topic(call, &i.name)),
    )
    .operation(
        Operation::new("DeleteTopic", Sns::delete_topic)
            .resource(|_, i: &crate::topic::NamedTopic| vec![i.topic_arn.clone()])
            .resource_policy(Sns::topic_policy),
    )
    .operation(Operation::new("ListTopics", Sns::list_topics))
    .operation(
        Operation::new("GetTopicAttributes", Sns::get_topic_attributes)
            .resource(|_, i: &crate::topic::NamedTopic| vec![i.topic_arn.clone()])
            .resource_policy(Sns::topic_policy),
    )
    .operation(
        Operation::new("SetTopicAttributes", Sns::set_topic_attributes)
            .resource(|_, i: &crate::topic::SetTopicAttributes| vec![i.topic_arn.clone()])
            .resource_policy(Sns::topic_policy),
    )
    .operation(
        Operation::new("AddPermission", Sns::add_permission)
            .resource(|_, i: &crate::permission::AddPermission| vec![i.topic_arn.clone()])
            .resource_policy(Sns::topic_policy),
    )
    .operation(
        Operation::new("RemovePermission", Sns::remove_permission)
            .resource(|_, i: &crate::permission::RemovePermission| vec![i.topic_arn.clone()])
            .resource_policy(Sns::topic_policy),
    )
    .operation(
        Operation::new("TagResource", Sns::tag_resource)
            .resource(|_, i: &crate::tags::TagResource| vec![i.resource_arn.clone()]),
    )
    .operation(
        Operation::new("UntagResource", Sns::untag_resource)
            .resource(|_, i: &crate::tags::UntagResource| vec![i.resource_arn.clone()]),
    )
    .operation(
        Operation::new("ListTagsForResource", Sns::list_tags_for_resource)
            .resource(|_, i: &crate::tags::ListTagsForResource| vec![i.resource_arn.clone()]),
    )
}

fn subscriptions(api: Api<Sns>) -> Api<Sns> {
    api.operation(
        Operation::new("Subscribe", Sns::subscribe)
            .resource(|_, i: &crate::subscribe::Subscribe| vec![i.topic_arn.clone()])
            .context(|_, i| {
                let endpoint = i.endpoint.iter().map(|endpoint| ("sns:Endpoint".to_owned(), vec![endpoint.clone()]));
                endpoint.chain([("sns:Protocol".to_owned(), vec![i.protocol.clone()])]).collect()
            })
            .resource_policy(Sns::topic_policy),
    )
    .operation(
        Operation::new("ConfirmSubscription", Sns::confirm_subscription)
            .resource(|_, i: &crate::subscribe::ConfirmSubscription| vec![i.topic_arn.clone()])
            .resource_policy(Sns::topic_policy),
    )
    .operation(
        Operation::new("Unsubscribe", Sns::unsubscribe)
            .resource(|_, i: &crate::subscribe::Unsubscribe| topic_of_subscription(&i.subscription_arn)),
    )
    .operation(Operation::new("ListSubscriptions", Sns::list_subscriptions))
    .operation(
        Operation::new("ListSubscriptionsByTopic", Sns::list_subscriptions_by_topic)
            .resource(|_, i: &crate::subscription::ListSubscriptionsByTopic| vec![i.topic_arn.clone()])
            .resource_policy(Sns::topic_policy),
    )
    .operation(
        Operation::new("GetSubscriptionAttributes", Sns::get_subscription_attributes)
            .resource(|_, i: &crate::subscription::NamedSubscription| topic_of_subscription(&i.subscription_arn)),
    )
    .operation(
        Operation::new("SetSubscriptionAttributes", Sns::set_subscription_attributes).resource(
            |_, i: &crate::subscription::SetSubscriptionAttributes| topic_of_subscription(&i.subscription_arn),
        ),
    )
}
