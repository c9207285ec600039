//! SNS as a target of effects: a topic, to which other services publish in the causing transaction; a subscription by HTTP, to
//! which SNS itself sends after the commit.
//!
//! AWS: SNS Developer Guide, *Fanout to HTTP/S endpoints* and *Parsing message formats*.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cauce_core::ServiceError;
use cauce_core::ports::{Access, Http, HttpFailure, HttpRequest};
use cauce_delivery::{Acceptance, Effect, EffectId, Outcome, Settled, Target, message};
use cauce_store::Tx;

use crate::envelope::{SUBSCRIPTION_CONFIRMATION, UNSUBSCRIBE_CONFIRMATION};
use crate::error::Error;
use crate::fan_out::{
    AFTER, Budget, CONTENT_TYPE, Cause, ENDPOINT, MESSAGE_ID, MESSAGE_TYPE, PART, RAW, THROTTLE, read_rest,
};
use crate::keys::{self, TopicId};
use crate::message::Draft;
use crate::model::Subscription;
use crate::name;
use crate::service::{PRINCIPAL, Sns};

/// How long an endpoint may take to answer. AWS: *Amazon SNS message delivery retries*, "HTTP/S".
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// The longest answer of an endpoint that is read, in bytes: only its status counts.
const ANSWER_BYTES_MAX: usize = 64 * 1_024;

/// Requests to one endpoint under way at once.
const REQUESTS_MAX: usize = 16;

/// Takes effects on topics and subscriptions; register it for `sns`.
pub struct SnsTarget {
    sns: Arc<Sns>,
    http: Arc<dyn Http>,
}

impl SnsTarget {
    /// The target that publishes to the topics of `sns`, and reaches endpoints through `http`.
    pub fn new(sns: Arc<Sns>, http: Arc<dyn Http>) -> SnsTarget {
        SnsTarget { sns, http }
    }

    /// Publishes what another service sends to a topic.
    async fn publish(&self, tx: &Tx, effect: &Effect, topic: &TopicId) -> Result<(), ServiceError> {
        let route = self.sns.route(tx, topic).await.map_err(|error| match error {
            Error::NotFound(message) => ServiceError::new(404, "NO_RESOURCE", message),
            other => other.into(),
        })?;
        let access = Access {
            action: "sns:Publish",
            resource: effect.target.as_str(),
            resource_policy: route.topic.attribute("Policy"),
            context: Vec::new(),
        };
        effect.authorize(&*self.sns.identity, &self.sns.env, &access).await?;
        let text = std::str::from_utf8(&effect.payload);
        let attribute = |name: &str| effect.attribute(name).map(str::to_owned);
        let draft = Draft {
            message: text.map_err(|_| Error::invalid("Message is no UTF-8 text"))?.to_owned(),
            subject: attribute("subject"),
            message_group_id: attribute(message::GROUP_ID).filter(|_| topic.is_fifo()),
            message_deduplication_id: attribute(message::DEDUPLICATION_ID).filter(|_| topic.is_fifo()),
            ..Draft::default()
        };
        draft.check()?;
        draft.check_for(topic)?;
        let message = draft.into_message(self.sns.env.entropy().uuid(), self.sns.env.now())?;
        let cause = Cause { trace: effect.trace, hops: effect.hops.saturating_add(1) };
        self.sns.publish_in(tx, &route, message, cause, &mut Budget::default()).await?;
        Ok(())
    }

    /// Sends the next part of a fan-out, exactly once: a mark is written with it, and the effect is removed with the mark.
    async fn send_part(&self, effect: &Effect, topic: &TopicId) -> Result<(), Error> {
        let (message, after) = read_rest(effect)?;
        let sns = &self.sns;
        sns.db
            .transact(async |tx| {
                let mark = keys::part(effect.attribute(PART).unwrap_or_default());
                if tx.get(&mark).await?.is_some() {
                    return Ok(());
                }
                let route = match sns.route(&tx, topic).await {
                    // With the topic went its subscriptions.
                    Err(Error::NotFound(_)) => return Ok(()),
                    other => other?,
                };
                let cause = Cause { trace: effect.trace, hops: effect.hops };
                sns.fan_out(&tx, &route, &message, cause, &mut Budget::default(), Some(&after)).await?;
                tx.set(mark, Vec::new());
                Ok::<_, Error>(())
            })
            .await
    }

    async fn post(&self, effect: &Effect) -> Outcome {
        let attribute = |name: &str| effect.attribute(name).unwrap_or_default().to_owned();
        let Some((topic, own_id)) = name::subscription_from_arn(&effect.target) else {
            return fail("NO_SUBSCRIPTION", "The target is no subscription");
        };
        let kind = effect.attribute(MESSAGE_TYPE).unwrap_or_default();
        match self.sns.db.get::<Subscription>(&keys::subscription(&topic, &own_id)).await {
            Ok(Some(_)) => {}
            Ok(None) if kind == UNSUBSCRIBE_CONFIRMATION => {}
            Ok(None) => return fail("NO_SUBSCRIPTION", "The subscription has ended"),
            Err(error) => return retry("StoreUnavailable", error.to_string()),
        }
        let mut headers = vec![
            ("Content-Type".to_owned(), attribute(CONTENT_TYPE)),
            ("User-Agent".to_owned(), "Amazon Simple Notification Service Agent".to_owned()),
            ("x-amz-sns-message-type".to_owned(), kind.to_owned()),
            ("x-amz-sns-message-id".to_owned(), attribute(MESSAGE_ID)),
            ("x-amz-sns-topic-arn".to_owned(), topic.arn().to_string()),
        ];
        if kind != SUBSCRIPTION_CONFIRMATION {
            headers.push(("x-amz-sns-subscription-arn".to_owned(), effect.target.to_string()));
        }
        if effect.attribute(RAW).is_some() {
            headers.push(("x-amz-sns-rawdelivery".to_owned(), "true".to_owned()));
        }
        let request = HttpRequest {
            method: "POST".to_owned(),
            url: attribute(ENDPOINT),
            headers,
            body: effect.payload.clone(),
            timeout: ANSWER_MAX,
            body_bytes_max: ANSWER_BYTES_MAX,
        };
        match self.http.send(request).await {
            Ok(answer) => judge(answer.status),
            // It has answered, at length.
            Err(HttpFailure::TooLarge) => Outcome::Done { detail: "answered".to_owned() },
            Err(HttpFailure::Invalid(why)) => fail("InvalidEndpoint", &why),
            Err(HttpFailure::Unreachable(why)) => retry("Unreachable", why),
            Err(HttpFailure::Timeout) => {
                retry("Timeout", format!("the endpoint did not answer within {} seconds", ANSWER_MAX.as_secs()))
            }
        }
    }
}

/// What a status means: that the endpoint has it, that it never will, or that it may later.
///
/// AWS: *Amazon SNS message delivery retries*: "status codes 4xx (except 429) are permanent errors".
fn judge(status: u16) -> Outcome {
    match status {
        200..=299 => Outcome::Done { detail: status.to_string() },
        429 | 500..=599 => retry(&status.to_string(), format!("the endpoint answered {status}")),
        _ => fail(&status.to_string(), &format!("the endpoint answered {status}")),
    }
}

fn fail(code: &str, reason: &str) -> Outcome {
    Outcome::Fail { code: code.to_owned(), reason: reason.to_owned() }
}

fn retry(code: &str, reason: String) -> Outcome {
    Outcome::Retry { code: code.to_owned(), reason, counts: true }
}

#[async_trait]
impl Target for SnsTarget {
    async fn accept(&self, tx: &Tx, effect: &Effect) -> Result<Acceptance, ServiceError> {
        let own = effect.service == PRINCIPAL;
        if own && (effect.attribute(AFTER).is_some() || effect.attribute(ENDPOINT).is_some()) {
            return Ok(Acceptance::Later(None));
        }
        let Some(topic) = name::topic_from_arn(&effect.target) else {
            let message = format!("{} is no topic", effect.target);
            return Err(ServiceError::new(404, "NO_RESOURCE", message));
        };
        self.publish(tx, effect, &topic).await?;
        Ok(Acceptance::Taken)
    }

    async fn perform(&self, _id: EffectId, effect: &Effect, _attempt: u32) -> Outcome {
        if effect.attribute(AFTER).is_none() {
            return self.post(effect).await;
        }
        let Some(topic) = name::topic_from_arn(&effect.target) else { return fail("NO_RESOURCE", "no topic") };
        match self.send_part(effect, &topic).await {
            Ok(()) => Outcome::Done { detail: "sent to more subscriptions".to_owned() },
            Err(error) => {
                let error = ServiceError::from(error);
                retry(error.code(), error.message().to_owned())
            }
        }
    }

    async fn settled(&self, tx: &Tx, effect: &Effect, _end: &Settled<'_>) -> Result<(), ServiceError> {
        if let Some(part) = effect.attribute(PART) {
            tx.clear(keys::part(part));
        }
        Ok(())
    }

    fn concurrency(&self, target: &cauce_core::Arn) -> usize {
        let _ = target;
        REQUESTS_MAX
    }

    fn rest(&self, effect: &Effect) -> Duration {
        let a_second = effect.attribute(THROTTLE).and_then(|text| text.parse::<u32>().ok()).filter(|n| *n > 0);
        a_second.map_or(Duration::ZERO, |a_second| Duration::from_secs(1) / a_second)
    }
}
