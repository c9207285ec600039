//! What is known of subscriptions, and changing it.
//!
//! AWS: SNS API Reference, *ListSubscriptions*, *GetSubscriptionAttributes*, *SetSubscriptionAttributes*.

use std::sync::Arc;

use bytes::Bytes;
use cauce_core::{Call, ServiceError};
use cauce_store::decode_row;
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::{Error, NO_SUBSCRIPTION, NO_TOPIC};
use crate::keys;
use crate::model::Subscription;
use crate::name;
use crate::page;
use crate::service::Sns;
use crate::subscription_attributes::{About, shown};
use crate::topic::AttributesOutput;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListSubscriptions {
    next_token: Option<String>,
}

impl Input for ListSubscriptions {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListSubscriptionsByTopic {
    pub(crate) topic_arn: String,
    next_token: Option<String>,
}

impl Input for ListSubscriptionsByTopic {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListedSubscription {
    subscription_arn: String,
    owner: String,
    protocol: &'static str,
    endpoint: String,
    topic_arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListSubscriptionsOutput {
    subscriptions: Vec<ListedSubscription>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// Names a subscription.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NamedSubscription {
    pub(crate) subscription_arn: String,
}

impl Input for NamedSubscription {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SetSubscriptionAttributes {
    pub(crate) subscription_arn: String,
    pub(crate) attribute_name: String,
    #[serde(default)]
    pub(crate) attribute_value: String,
}

impl Input for SetSubscriptionAttributes {}

impl Sns {
    pub(crate) async fn list_subscriptions(
        self: Arc<Self>,
        call: Call,
        input: ListSubscriptions,
    ) -> Result<ListSubscriptionsOutput, Error> {
        let range = keys::all_subscriptions(call.account, &call.region);
        self.list(range, input.next_token.as_deref()).await
    }

    pub(crate) async fn list_subscriptions_by_topic(
        self: Arc<Self>,
        call: Call,
        input: ListSubscriptionsByTopic,
    ) -> Result<ListSubscriptionsOutput, Error> {
        let topic = name::topic(&call, &input.topic_arn)?;
        if self.topic(&self.db.begin(), &topic).await?.is_none() {
            return Err(NO_TOPIC);
        }
        self.list(keys::subscriptions(&topic), input.next_token.as_deref()).await
    }

    async fn list(&self, range: (Bytes, Bytes), token: Option<&str>) -> Result<ListSubscriptionsOutput, Error> {
        let (rows, next_token) = page::page(&self.db.begin(), range, token).await?;
        let mut subscriptions = Vec::with_capacity(rows.len());
        for row in &rows {
            let (topic, id) = keys::read_subscription(&row.key).map_err(|e| Error::Other(ServiceError::internal(e)))?;
            let found: Subscription = decode_row(row)?;
            let subscription_arn = match found.confirmed {
                true => topic.subscription_arn(&id).to_string(),
                false => "PendingConfirmation".to_owned(),
            };
            subscriptions.push(ListedSubscription {
                subscription_arn,
                owner: found.owner.to_string(),
                protocol: found.protocol.name(),
                endpoint: found.endpoint,
                topic_arn: topic.arn().to_string(),
            });
        }
        Ok(ListSubscriptionsOutput { subscriptions, next_token })
    }

    pub(crate) async fn get_subscription_attributes(
        self: Arc<Self>,
        _call: Call,
        input: NamedSubscription,
    ) -> Result<AttributesOutput, Error> {
        let (topic, id) = name::subscription(&input.subscription_arn)?;
        let tx = self.db.begin();
        let row = self.topic(&tx, &topic).await?.ok_or(NO_SUBSCRIPTION)?;
        let found = tx.get_record::<Subscription>(&keys::subscription(&topic, &id)).await?.ok_or(NO_SUBSCRIPTION)?;
        Ok(AttributesOutput { attributes: shown(&topic, &id, &row, &found) })
    }

    pub(crate) async fn set_subscription_attributes(
        self: Arc<Self>,
        _call: Call,
        input: SetSubscriptionAttributes,
    ) -> Result<(), Error> {
        let (topic, id) = name::subscription(&input.subscription_arn)?;
        self.db
            .transact(async |tx| {
                if self.topic(&tx, &topic).await?.is_none() {
                    return Err(NO_SUBSCRIPTION);
                }
                let before = tx.get_record::<Subscription>(&keys::subscription(&topic, &id)).await?;
                let before = before.ok_or(NO_SUBSCRIPTION)?;
                let mut after = before.clone();
                let about = About { topic: &topic, protocol: before.protocol, endpoint: &before.endpoint };
                after.wishes.set(&about, &input.attribute_name, &input.attribute_value)?;
                self.count_filter(&tx, &topic, Some(&before), Some(&after)).await?;
                self.set_subscription(&tx, &topic, &id, &after).await
            })
            .await
    }
}
