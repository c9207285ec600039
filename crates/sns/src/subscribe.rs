//! Subscribing, confirming, unsubscribing.
//!
//! AWS: SNS API Reference, *Subscribe*, *ConfirmSubscription*, *Unsubscribe*; SNS Developer Guide, *Subscribing an HTTP/S
//! endpoint to a topic*.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cauce_core::{Arn, Call, Entropy, Principal, Timestamp};
use cauce_store::Tx;
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::envelope::Kind;
use crate::error::{Error, NO_TOPIC};
use crate::filter::FILTER_POLICIES_MAX;
use crate::keys::{self, Counted, TopicId};
use crate::model::{Protocol, Subscription, Topic, Wishes};
use crate::name;
use crate::service::Sns;
use crate::subscription_attributes::About;

/// How many subscriptions a standard topic may have. AWS allows 12,500,000; here a topic's subscriptions are kept in memory.
pub const SUBSCRIPTIONS_MAX: i64 = 100_000;

/// How many subscriptions a FIFO topic may have.
pub const FIFO_SUBSCRIPTIONS_MAX: i64 = 100;

/// How long the token of a subscription can be used.
pub const TOKEN_LASTS: Duration = Duration::from_secs(2 * 24 * 3_600);

/// The longest endpoint, in bytes.
const ENDPOINT_BYTES_MAX: usize = 2_048;

/// Random bytes of a token, besides the id of its subscription.
const TOKEN_BYTES: usize = 48;

/// What AWS delivers by and this server does not.
const FOREIGN_PROTOCOLS: &[&str] = &["email", "email-json", "sms", "application", "firehose"];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Subscribe {
    pub(crate) topic_arn: String,
    pub(crate) protocol: String,
    pub(crate) endpoint: Option<String>,
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) return_subscription_arn: bool,
}

impl Input for Subscribe {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SubscriptionOutput {
    pub(crate) subscription_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ConfirmSubscription {
    pub(crate) topic_arn: String,
    pub(crate) token: String,
    pub(crate) authenticate_on_unsubscribe: Option<String>,
}

impl Input for ConfirmSubscription {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Unsubscribe {
    pub(crate) subscription_arn: String,
}

impl Input for Unsubscribe {}

/// The protocol by this name.
///
/// # Errors
/// AWS's words for what is none, this server's for what it does not deliver by.
fn protocol(name: &str) -> Result<Protocol, Error> {
    if let Some(known) = Protocol::ALL.into_iter().find(|protocol| protocol.name() == name) {
        return Ok(known);
    }
    if FOREIGN_PROTOCOLS.contains(&name) {
        return Err(Error::Invalid(format!("Protocol Reason: {name} is not supported by this server")));
    }
    Err(Error::Invalid(format!("Amazon SNS does not support this protocol string: {name}")))
}

/// Refuses what is no endpoint of the protocol.
fn check_endpoint(topic: &TopicId, protocol: Protocol, endpoint: &str) -> Result<(), Error> {
    if endpoint.len() > ENDPOINT_BYTES_MAX {
        return Err(Error::Invalid(format!("Endpoint Reason: an endpoint is at most {ENDPOINT_BYTES_MAX} bytes long")));
    }
    let arn = endpoint.parse::<Arn>().ok().filter(|arn| arn.account().is_some());
    match protocol {
        Protocol::Sqs => {
            let queue = arn.filter(|arn| arn.service() == "sqs").ok_or_else(|| Error::invalid("SQS endpoint ARN"))?;
            if queue.resource().ends_with(".fifo") && !topic.is_fifo() {
                let message =
                    "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics";
                return Err(Error::invalid(message));
            }
        }
        _ if topic.is_fifo() => {
            let message = "Invalid parameter: Endpoint Reason: Please use FIFO SQS queue";
            return Err(Error::invalid(message));
        }
        Protocol::Lambda => {
            let function = arn.filter(|arn| arn.service() == "lambda" && arn.resource().starts_with("function:"));
            function.ok_or_else(|| Error::invalid("Lambda endpoint ARN"))?;
        }
        Protocol::Http | Protocol::Https => {
            let rest = endpoint.strip_prefix(protocol.name()).and_then(|rest| rest.strip_prefix("://"));
            let host = rest.ok_or_else(|| Error::invalid("Endpoint must match the specified protocol"))?;
            let is_url = endpoint.parse::<http::Uri>().is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty()));
            if host.is_empty() || !is_url {
                return Err(Error::invalid("Endpoint"));
            }
        }
    }
    Ok(())
}

impl Subscription {
    fn counted(&self) -> Counted {
        if self.confirmed { Counted::Confirmed } else { Counted::Pending }
    }

    /// Whether it was not confirmed in time.
    pub(crate) fn is_forgotten(&self, now: Timestamp) -> bool {
        !self.confirmed && now > self.created + TOKEN_LASTS
    }
}

/// The token that confirms the subscription `id`: which it is, and what nobody can guess.
pub(crate) fn token(id: &str, entropy: &dyn Entropy) -> String {
    let mut secret = [0; TOKEN_BYTES];
    entropy.fill(&mut secret);
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    format!("{}{}", id.replace('-', ""), hex(&secret))
}

/// The id of the subscription that a token confirms.
fn subscription_of(token: &str) -> Option<String> {
    let hex = token.get(..32).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))?;
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    Some(format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)))
}

/// Compares without telling by time how much is right.
pub(crate) fn is_same(given: &str, kept: &str) -> bool {
    let differences = given.bytes().zip(kept.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
    given.len() == kept.len() && differences == 0
}

impl Sns {
    pub(crate) async fn subscribe(self: Arc<Self>, call: Call, input: Subscribe) -> Result<SubscriptionOutput, Error> {
        let topic = name::topic(&call, &input.topic_arn)?;
        let protocol = protocol(&input.protocol)?;
        let Some(endpoint) = input.endpoint.filter(|endpoint| !endpoint.is_empty()) else {
            return Err(Error::invalid("Endpoint Reason: no value for required parameter"));
        };
        check_endpoint(&topic, protocol, &endpoint)?;
        let about = About { topic: &topic, protocol, endpoint: &endpoint };
        let wishes = Wishes::read(&about, &input.attributes)?;
        let (id, confirmed) = self
            .db
            .transact(async |tx| {
                let row = self.topic(&tx, &topic).await?.ok_or(NO_TOPIC)?;
                let mut existing = self.existing(&tx, &about).await?;
                if let Some((id, found)) = existing.take_if(|(_, found)| found.is_forgotten(self.env.now())) {
                    self.take_out(&tx, &topic, &id, &found).await?;
                }
                match existing {
                    Some((id, found)) if input.attributes.is_empty() || found.wishes == wishes => {
                        if !found.confirmed {
                            self.ask(&tx, &call, &row, &topic, &id, &found).await?;
                        }
                        Ok((id, found.confirmed))
                    }
                    Some(_) => {
                        let message = "Attributes Reason: Subscription already exists with different attributes";
                        Err(Error::invalid(message))
                    }
                    None => self.add(&tx, &call, &row, &about, &wishes).await,
                }
            })
            .await?;
        let subscription_arn = match confirmed || input.return_subscription_arn {
            true => topic.subscription_arn(&id).to_string(),
            false => "pending confirmation".to_owned(),
        };
        Ok(SubscriptionOutput { subscription_arn })
    }

    /// The subscription that has this endpoint already.
    async fn existing(&self, tx: &Tx, about: &About<'_>) -> Result<Option<(String, Subscription)>, Error> {
        let key = keys::endpoint(about.topic, about.protocol.name(), about.endpoint);
        let Some(id) = tx.get(&key).await? else { return Ok(None) };
        let id = String::from_utf8_lossy(&id).into_owned();
        let found = tx.get_record::<Subscription>(&keys::subscription(about.topic, &id)).await?;
        Ok(found.map(|found| (id, found)))
    }

    /// The ARN of the subscription of an endpoint, if it has one.
    pub(crate) async fn subscription_of(
        &self,
        topic: &TopicId,
        protocol: &str,
        endpoint: &str,
    ) -> Result<Option<String>, Error> {
        let id = self.db.get_bytes(&keys::endpoint(topic, protocol, endpoint)).await?;
        Ok(id.map(|id| topic.subscription_arn(&String::from_utf8_lossy(&id)).to_string()))
    }

    /// Adds a subscription; one by HTTP is asked to confirm in the same transaction.
    async fn add(
        &self,
        tx: &Tx,
        call: &Call,
        row: &Topic,
        about: &About<'_>,
        wishes: &Wishes,
    ) -> Result<(String, bool), Error> {
        let topic = about.topic;
        let id = self.env.entropy().uuid();
        let confirmed = !about.protocol.is_web();
        let principal = match &*call.principal {
            Principal::Session { role, .. } => role.to_string(),
            other => other.arn().map_or_else(|| other.to_string(), |arn| arn.to_string()),
        };
        let subscription = Subscription {
            protocol: about.protocol,
            endpoint: about.endpoint.to_owned(),
            owner: call.principal.account().unwrap_or(call.account),
            principal,
            created: self.env.now(),
            confirmed,
            authenticated: confirmed,
            authenticate_on_unsubscribe: false,
            token: (!confirmed).then(|| token(&id, self.env.entropy())),
            wishes: wishes.clone(),
        };
        self.take_in(tx, topic, &id, &subscription).await?;
        if !confirmed {
            tx.set(keys::token_end(subscription.created + TOKEN_LASTS, topic, &id), Vec::new());
            self.ask(tx, call, row, topic, &id, &subscription).await?;
        }
        Ok((id, confirmed))
    }

    /// Writes a subscription that the topic did not have, if there is room for it.
    pub(crate) async fn take_in(
        &self,
        tx: &Tx,
        topic: &TopicId,
        id: &str,
        subscription: &Subscription,
    ) -> Result<(), Error> {
        let max = if topic.is_fifo() { FIFO_SUBSCRIPTIONS_MAX } else { SUBSCRIPTIONS_MAX };
        let mut there = 0;
        for counted in [Counted::Confirmed, Counted::Pending] {
            there += tx.get_counter(&keys::count(topic, counted)).await?;
        }
        if there >= max {
            return Err(Error::Subscriptions { max });
        }
        tx.set(keys::endpoint(topic, subscription.protocol.name(), &subscription.endpoint), id.to_owned());
        tx.add(keys::count(topic, subscription.counted()), 1)?;
        self.count_filter(tx, topic, None, Some(subscription)).await?;
        self.set_subscription(tx, topic, id, subscription).await
    }

    /// Removes a subscription.
    pub(crate) async fn take_out(
        &self,
        tx: &Tx,
        topic: &TopicId,
        id: &str,
        subscription: &Subscription,
    ) -> Result<(), Error> {
        tx.clear(keys::subscription(topic, id));
        tx.clear(keys::endpoint(topic, subscription.protocol.name(), &subscription.endpoint));
        if !subscription.confirmed {
            tx.clear(keys::token_end(subscription.created + TOKEN_LASTS, topic, id));
        }
        tx.add(keys::count(topic, subscription.counted()), -1)?;
        self.count_filter(tx, topic, Some(subscription), None).await?;
        self.touch(tx, topic).await
    }

    /// Keeps count of the topic's filter policies.
    pub(crate) async fn count_filter(
        &self,
        tx: &Tx,
        topic: &TopicId,
        before: Option<&Subscription>,
        after: Option<&Subscription>,
    ) -> Result<(), Error> {
        let has = |subscription: Option<&Subscription>| subscription.is_some_and(|s| s.wishes.filter_policy.is_some());
        let delta = i64::from(has(after)) - i64::from(has(before));
        let key = keys::count(topic, Counted::Filters);
        if delta > 0 && tx.get_counter(&key).await? >= FILTER_POLICIES_MAX {
            return Err(Error::FilterPolicies { max: FILTER_POLICIES_MAX });
        }
        if delta != 0 {
            tx.add(key, delta)?;
        }
        Ok(())
    }

    /// Writes a subscription, and makes every later message see it.
    pub(crate) async fn set_subscription(
        &self,
        tx: &Tx,
        topic: &TopicId,
        id: &str,
        subscription: &Subscription,
    ) -> Result<(), Error> {
        tx.set_record(keys::subscription(topic, id), subscription)?;
        self.touch(tx, topic).await
    }

    /// Asks an endpoint whether it wants messages.
    async fn ask(
        &self,
        tx: &Tx,
        call: &Call,
        row: &Topic,
        topic: &TopicId,
        id: &str,
        subscription: &Subscription,
    ) -> Result<(), Error> {
        let token = subscription.token.as_deref().unwrap_or_default();
        self.send_handshake(tx, call, row, topic, id, subscription, Kind::SubscriptionConfirmation { token }).await
    }

    pub(crate) async fn confirm_subscription(
        self: Arc<Self>,
        call: Call,
        input: ConfirmSubscription,
    ) -> Result<SubscriptionOutput, Error> {
        let refused = || Error::invalid("Token");
        let topic = name::topic_in("Topic", &call, &input.topic_arn).map_err(|_| Error::invalid("Topic"))?;
        let id = subscription_of(&input.token).ok_or_else(refused)?;
        let authenticated = !matches!(&*call.principal, Principal::Anonymous);
        let guards = input.authenticate_on_unsubscribe.is_some_and(|text| text.eq_ignore_ascii_case("true"));
        if guards && !authenticated {
            let message = "AuthenticateOnUnsubscribe can only be set by a signed request".to_owned();
            return Err(Error::Unauthorized(message));
        }
        self.db
            .transact(async |tx| {
                if self.topic(&tx, &topic).await?.is_none() {
                    return Err(NO_TOPIC);
                }
                let found = tx.get_record::<Subscription>(&keys::subscription(&topic, &id)).await?;
                let Some(mut found) = found else {
                    return self.restore(&tx, &topic, &id, &input.token, (authenticated, guards)).await;
                };
                if !found.token.as_deref().is_some_and(|kept| is_same(&input.token, kept)) {
                    return Err(refused());
                }
                // Confirming again, as endpoints that got the question twice do, changes nothing.
                if found.confirmed {
                    return Ok(());
                }
                if found.is_forgotten(self.env.now()) {
                    return Err(refused());
                }
                tx.clear(keys::token_end(found.created + TOKEN_LASTS, &topic, &id));
                (found.confirmed, found.authenticated, found.authenticate_on_unsubscribe) =
                    (true, authenticated, guards);
                tx.add(keys::count(&topic, Counted::Pending), -1)?;
                tx.add(keys::count(&topic, Counted::Confirmed), 1)?;
                self.set_subscription(&tx, &topic, &id, &found).await
            })
            .await?;
        Ok(SubscriptionOutput { subscription_arn: topic.subscription_arn(&id).to_string() })
    }

    pub(crate) async fn unsubscribe(self: Arc<Self>, call: Call, input: Unsubscribe) -> Result<(), Error> {
        let (topic, id) = name::subscription(&input.subscription_arn)?;
        let anonymous = matches!(&*call.principal, Principal::Anonymous);
        self.db
            .transact(async |tx| {
                let found = tx.get_record::<Subscription>(&keys::subscription(&topic, &id)).await?;
                let Some(found) = found else { return Ok(()) };
                if anonymous && (found.authenticate_on_unsubscribe || !found.protocol.is_web() || !found.confirmed) {
                    return Err(Error::Unauthorized(
                        "This subscription can only be ended by a signed request".to_owned(),
                    ));
                }
                self.take_out(&tx, &topic, &id, &found).await?;
                if found.confirmed && found.protocol.is_web() && call.principal.account() != Some(found.owner) {
                    self.bid_farewell(&tx, &call, &topic, &id, found).await?;
                }
                Ok(())
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use cauce_core::{Entropy as _, SeededEntropy};

    use super::{subscription_of, token};

    #[test]
    fn a_token_says_what_it_confirms() {
        let entropy = SeededEntropy::new(4);
        let id = entropy.uuid();
        let (one, other) = (token(&id, &entropy), token(&id, &entropy));
        assert_eq!(subscription_of(&one), Some(id));
        assert_ne!(one, other);
        for wrong in ["", "x", &"é".repeat(40)] {
            assert_eq!(subscription_of(wrong), None);
        }
    }
}
