//! Delivery policies: how HTTP endpoints are retried, and queues and functions too.
//!
//! AWS: SNS Developer Guide, *Amazon SNS message delivery retries* and *Creating an HTTP/S delivery policy*.

use cauce_delivery::{Backoff, Policy};
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::model::{Subscription, Topic};

/// Retries that a policy may ask for.
const RETRIES_MAX: u64 = 100;

/// The longest wait that a policy may ask for, in seconds.
const DELAY_S_MAX: u64 = 3_600;

/// How long all retries of a policy may take together, in seconds.
const RETRIES_S_MAX: u64 = 3_600;

/// How long a message may be on its way by HTTP at most, in milliseconds: the retries and what their attempts take.
const WEB_AGE_MS_MAX: u64 = 24 * 3_600 * 1_000;

/// How long queues and functions are retried, in milliseconds: 100,015 retries over 23 days.
const OWN_AGE_MS_MAX: u64 = 23 * 24 * 3_600 * 1_000;

/// Retries of queues and functions.
const OWN_RETRIES_MAX: u32 = 100_015;

/// How the waits between the first and the last grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Growth {
    Linear,
    Arithmetic,
    Geometric,
    Exponential,
}

impl Growth {
    fn parse(name: &str) -> Option<Growth> {
        match name {
            "linear" => Some(Growth::Linear),
            "arithmetic" => Some(Growth::Arithmetic),
            "geometric" => Some(Growth::Geometric),
            "exponential" => Some(Growth::Exponential),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Growth::Linear => "linear",
            Growth::Arithmetic => "arithmetic",
            Growth::Geometric => "geometric",
            Growth::Exponential => "exponential",
        }
    }
}

/// A `healthyRetryPolicy`, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retries {
    min_delay_s: u64,
    max_delay_s: u64,
    retries: u64,
    without_delay: u64,
    with_min_delay: u64,
    with_max_delay: u64,
    growth: Growth,
}

impl Default for Retries {
    fn default() -> Retries {
        Retries {
            min_delay_s: 20,
            max_delay_s: 20,
            retries: 3,
            without_delay: 0,
            with_min_delay: 0,
            with_max_delay: 0,
            growth: Growth::Linear,
        }
    }
}

impl Retries {
    fn read(given: &Map<String, Value>) -> Result<Retries, Error> {
        let mut retries = Retries::default();
        for (name, value) in given {
            let number = || value.as_u64().ok_or_else(|| refused(&format!("{name} must be a non-negative integer")));
            match name.as_str() {
                "minDelayTarget" => retries.min_delay_s = number()?,
                "maxDelayTarget" => retries.max_delay_s = number()?,
                "numRetries" => retries.retries = number()?,
                "numNoDelayRetries" => retries.without_delay = number()?,
                "numMinDelayRetries" => retries.with_min_delay = number()?,
                "numMaxDelayRetries" => retries.with_max_delay = number()?,
                "backoffFunction" => {
                    let growth = value.as_str().and_then(Growth::parse);
                    retries.growth = growth.ok_or_else(|| {
                        refused("backoffFunction must be one of: linear, arithmetic, geometric, exponential")
                    })?;
                }
                other => return Err(refused(&format!("{other} is not a member of healthyRetryPolicy"))),
            }
        }
        retries.check()?;
        Ok(retries)
    }

    fn check(&self) -> Result<(), Error> {
        let within = |name: &str, value: u64, min: u64, max: u64| {
            let inside = (min..=max).contains(&value);
            inside.then_some(()).ok_or_else(|| refused(&format!("{name} must be between {min} and {max}, inclusive")))
        };
        within("numRetries", self.retries, 0, RETRIES_MAX)?;
        within("minDelayTarget", self.min_delay_s, 1, self.max_delay_s.min(DELAY_S_MAX))?;
        within("maxDelayTarget", self.max_delay_s, self.min_delay_s, DELAY_S_MAX)?;
        let phases = [self.without_delay, self.with_min_delay, self.with_max_delay];
        let sum = phases.iter().fold(0_u64, |sum, phase| sum.saturating_add(*phase));
        if sum > self.retries {
            let message = "numRetries must be greater than or equal to the sum of numNoDelayRetries, numMinDelayRetries and \
                           numMaxDelayRetries";
            return Err(refused(message));
        }
        let total_ms: u64 = self.waits_ms().iter().sum();
        if total_ms > RETRIES_S_MAX * 1_000 {
            return Err(refused(&format!("the retries must not take more than {RETRIES_S_MAX} seconds together")));
        }
        Ok(())
    }

    /// The wait before each retry, in milliseconds: without delay, with the least, growing, with the longest.
    fn waits_ms(&self) -> Vec<u64> {
        let growing = self.retries - self.without_delay - self.with_min_delay - self.with_max_delay;
        let (min, max) = (self.min_delay_s * 1_000, self.max_delay_s * 1_000);
        let step = |n: u64| grown_ms(self.growth, min, max, n, growing);
        let repeated = |wait: u64, times: u64| (0..times).map(move |_| wait);
        repeated(0, self.without_delay)
            .chain(repeated(min, self.with_min_delay))
            .chain((1..=growing).map(step))
            .chain(repeated(max, self.with_max_delay))
            .collect()
    }

    fn document(&self) -> Value {
        json!({
            "minDelayTarget": self.min_delay_s,
            "maxDelayTarget": self.max_delay_s,
            "numRetries": self.retries,
            "numMaxDelayRetries": self.with_max_delay,
            "numNoDelayRetries": self.without_delay,
            "numMinDelayRetries": self.with_min_delay,
            "backoffFunction": self.growth.name(),
        })
    }
}

/// The `n`th of `of` waits that grow from `min` to `max`. AWS draws the curves and gives no formulas: each begins at the one and
/// ends at the other, and they bend from the line as they are named.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "waits of at most an hour"
)]
fn grown_ms(growth: Growth, min: u64, max: u64, n: u64, of: u64) -> u64 {
    if of <= 1 || min >= max {
        return if of <= 1 { min } else { max };
    }
    let x = (n - 1) as f64 / (of - 1) as f64;
    let span = (max - min) as f64;
    let part = match growth {
        Growth::Linear => x,
        Growth::Arithmetic => x * (x + 1.0) / 2.0,
        Growth::Geometric => x * x,
        Growth::Exponential => (2_f64.powf(10.0 * x) - 1.0) / 1_023.0,
    };
    min + (span * part).round() as u64
}

fn refused(why: &str) -> Error {
    Error::Invalid(format!("DeliveryPolicy: {why}"))
}

/// A delivery policy of a topic or a subscription, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DeliveryPolicy {
    retries: Option<Retries>,
    /// The `Content-Type` of requests.
    content_type: Option<String>,
    /// Whether the topic's policy stands above those of its subscriptions.
    disables_overrides: bool,
    /// Requests a second.
    throttle: Option<u64>,
}

impl DeliveryPolicy {
    /// Reads the policy of a topic: everything within `http`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn of_topic(text: &str) -> Result<DeliveryPolicy, Error> {
        let document = object(text)?;
        let mut policy = DeliveryPolicy::default();
        for (name, value) in &document {
            let http = value.as_object().filter(|_| name == "http");
            let http = http.ok_or_else(|| refused(&format!("{name} is not supported; use http")))?;
            for (name, value) in http {
                match name.as_str() {
                    "defaultHealthyRetryPolicy" => policy.retries = Some(Retries::read(members(name, value)?)?),
                    "defaultThrottlePolicy" => policy.throttle = throttle(name, value)?,
                    "defaultRequestPolicy" => policy.content_type = content_type(name, value)?,
                    "disableSubscriptionOverrides" => {
                        let set = value.as_bool();
                        policy.disables_overrides =
                            set.ok_or_else(|| refused("disableSubscriptionOverrides must be true or false"))?;
                    }
                    "defaultSicklyRetryPolicy" if value.is_null() => {}
                    other => return Err(refused(&format!("{other} is not a member of http"))),
                }
            }
        }
        Ok(policy)
    }

    /// Reads the policy of a subscription.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn of_subscription(text: &str) -> Result<DeliveryPolicy, Error> {
        let document = object(text)?;
        let mut policy = DeliveryPolicy::default();
        for (name, value) in &document {
            match name.as_str() {
                "healthyRetryPolicy" => policy.retries = Some(Retries::read(members(name, value)?)?),
                "throttlePolicy" => policy.throttle = throttle(name, value)?,
                "requestPolicy" => policy.content_type = content_type(name, value)?,
                "sicklyRetryPolicy" if value.is_null() => {}
                other => return Err(refused(&format!("{other} is not a member of the policy"))),
            }
        }
        Ok(policy)
    }

    /// As GetTopicAttributes shows what is in effect.
    pub(crate) fn effective_of_topic(&self) -> Value {
        let mut http = json!({
            "defaultHealthyRetryPolicy": self.retries.unwrap_or_default().document(),
            "disableSubscriptionOverrides": self.disables_overrides,
            "defaultRequestPolicy": { "headerContentType": self.content_type.as_deref().unwrap_or(CONTENT_TYPE) },
        });
        if let (Some(throttle), Some(http)) = (self.throttle, http.as_object_mut()) {
            http.insert("defaultThrottlePolicy".to_owned(), json!({ "maxReceivesPerSecond": throttle }));
        }
        json!({ "http": http })
    }

    /// As GetSubscriptionAttributes shows what is in effect.
    pub(crate) fn effective_of_subscription(&self) -> Value {
        let mut document = json!({
            "healthyRetryPolicy": self.retries.unwrap_or_default().document(),
            "sicklyRetryPolicy": null,
            "throttlePolicy": null,
            "requestPolicy": { "headerContentType": self.content_type.as_deref().unwrap_or(CONTENT_TYPE) },
            "guaranteed": false,
        });
        if let (Some(throttle), Some(document)) = (self.throttle, document.as_object_mut()) {
            document.insert("throttlePolicy".to_owned(), json!({ "maxReceivesPerSecond": throttle }));
        }
        document
    }

    /// What holds for a subscription: its own policy, unless the topic forbids that, else the topic's.
    pub(crate) fn in_effect(topic: &Topic, own: Option<&str>) -> DeliveryPolicy {
        // What is stored was checked when it was set.
        let of_topic =
            topic.attribute("DeliveryPolicy").and_then(|text| DeliveryPolicy::of_topic(text).ok()).unwrap_or_default();
        let own =
            own.filter(|_| !of_topic.disables_overrides).and_then(|text| DeliveryPolicy::of_subscription(text).ok());
        let own = own.unwrap_or_default();
        DeliveryPolicy {
            retries: own.retries.or(of_topic.retries),
            content_type: own.content_type.or(of_topic.content_type),
            throttle: own.throttle.or(of_topic.throttle),
            disables_overrides: of_topic.disables_overrides,
        }
    }

    /// The `Content-Type` of requests.
    pub(crate) fn content_type(&self) -> &str {
        self.content_type.as_deref().unwrap_or(CONTENT_TYPE)
    }

    /// How many requests a second are sent, where that is limited.
    pub(crate) fn throttle(&self) -> Option<u64> {
        self.throttle
    }
}

const CONTENT_TYPE: &str = "text/plain; charset=UTF-8";

fn object(text: &str) -> Result<Map<String, Value>, Error> {
    let document: Value = serde_json::from_str(text).map_err(|_| refused("failed to parse JSON."))?;
    match document {
        Value::Object(members) => Ok(members),
        _ => Err(refused("must be a JSON object")),
    }
}

fn members<'v>(name: &str, value: &'v Value) -> Result<&'v Map<String, Value>, Error> {
    value.as_object().ok_or_else(|| refused(&format!("{name} must be an object")))
}

fn throttle(name: &str, value: &Value) -> Result<Option<u64>, Error> {
    if value.is_null() {
        return Ok(None);
    }
    let given = members(name, value)?;
    if let Some(other) = given.keys().find(|key| *key != "maxReceivesPerSecond") {
        return Err(refused(&format!("{other} is not a member of {name}")));
    }
    let wanted = given.get("maxReceivesPerSecond").and_then(Value::as_u64).filter(|wanted| *wanted >= 1);
    wanted.map(Some).ok_or_else(|| refused("maxReceivesPerSecond must be greater than or equal to 1"))
}

/// What requests may call their content. AWS: *Creating an HTTP/S delivery policy*, "headerContentType".
const CONTENT_TYPES: &[&str] = &[
    "application/atom+xml",
    "application/json",
    "application/octet-stream",
    "application/soap+xml",
    "application/x-www-form-urlencoded",
    "application/xhtml+xml",
    "application/xml",
    "text/css",
    "text/csv",
    "text/html",
    "text/plain",
    "text/xml",
];

fn content_type(name: &str, value: &Value) -> Result<Option<String>, Error> {
    if value.is_null() {
        return Ok(None);
    }
    let given = members(name, value)?;
    if let Some(other) = given.keys().find(|key| *key != "headerContentType") {
        return Err(refused(&format!("{other} is not a member of {name}")));
    }
    let Some(wanted) = given.get("headerContentType") else { return Ok(None) };
    let wanted = wanted.as_str().unwrap_or_default();
    let kind = wanted.split(';').next().unwrap_or_default().trim();
    let is_printable = wanted.bytes().all(|b| (b' '..0x7f).contains(&b));
    if CONTENT_TYPES.contains(&kind) && is_printable {
        Ok(Some(wanted.to_owned()))
    } else {
        Err(refused(&format!("{wanted} is not a supported headerContentType")))
    }
}

/// How an effect on a subscription is retried.
pub(crate) fn retry_policy(topic: &Topic, subscription: &Subscription) -> Policy {
    let dead_letter = subscription.dead_letter();
    if !subscription.protocol.is_web() {
        return Policy {
            retries_max: OWN_RETRIES_MAX,
            age_max_ms: OWN_AGE_MS_MAX,
            backoff: own_backoff(),
            dead_letter,
        };
    }
    let retries =
        DeliveryPolicy::in_effect(topic, subscription.wishes.delivery_policy.as_deref()).retries.unwrap_or_default();
    Policy {
        retries_max: u32::try_from(retries.retries).unwrap_or(0),
        age_max_ms: WEB_AGE_MS_MAX,
        backoff: Backoff::Fixed(retries.waits_ms()),
        dead_letter,
    }
}

/// Three retries at once, two after a second, ten from one to twenty seconds, then every twenty.
fn own_backoff() -> Backoff {
    let growing = (1..=10).map(|n| grown_ms(Growth::Exponential, 1_000, 20_000, n, 10));
    Backoff::Fixed([0, 0, 0, 1_000, 1_000].into_iter().chain(growing).chain([20_000]).collect())
}

#[cfg(test)]
mod tests {
    use super::{DeliveryPolicy, Retries};

    fn waits_s(policy: &str) -> Vec<u64> {
        let policy = format!("{{\"healthyRetryPolicy\":{policy}}}");
        let retries = DeliveryPolicy::of_subscription(&policy).unwrap().retries.unwrap();
        retries.waits_ms().into_iter().map(|ms| ms / 1_000).collect()
    }

    #[test]
    fn the_phases_follow_one_another() {
        assert_eq!(Retries::default().waits_ms(), [20_000; 3]);
        let phases = r#"{"numRetries":9,"numNoDelayRetries":2,"numMinDelayRetries":2,"numMaxDelayRetries":2,"minDelayTarget":1,"maxDelayTarget":21}"#;
        assert_eq!(waits_s(phases), [0, 0, 1, 1, 1, 11, 21, 21, 21]);
        for growth in ["arithmetic", "geometric", "exponential"] {
            let waits = waits_s(&format!(
                r#"{{"numRetries":5,"minDelayTarget":1,"maxDelayTarget":60,"backoffFunction":"{growth}"}}"#
            ));
            assert!(waits.is_sorted() && waits.first() == Some(&1) && waits.last() == Some(&60), "{growth} {waits:?}");
            assert!(waits.get(2) < Some(&30), "{growth} bends below the line: {waits:?}");
        }
    }

    #[test]
    fn what_aws_refuses_is_refused() {
        for policy in [
            "1",
            "{",
            r#"{"colour":1}"#,
            r#"{"healthyRetryPolicy":{"numRetries":101}}"#,
            r#"{"healthyRetryPolicy":{"numRetries":-1}}"#,
            r#"{"healthyRetryPolicy":{"numRetries":"3"}}"#,
            r#"{"healthyRetryPolicy":{"minDelayTarget":0}}"#,
            r#"{"healthyRetryPolicy":{"minDelayTarget":30,"maxDelayTarget":20}}"#,
            r#"{"healthyRetryPolicy":{"maxDelayTarget":3601}}"#,
            r#"{"healthyRetryPolicy":{"numRetries":2,"numNoDelayRetries":3}}"#,
            r#"{"healthyRetryPolicy":{"numRetries":100,"minDelayTarget":60,"maxDelayTarget":60}}"#,
            r#"{"healthyRetryPolicy":{"backoffFunction":"wild"}}"#,
            r#"{"healthyRetryPolicy":{"colour":1}}"#,
            r#"{"throttlePolicy":{"maxReceivesPerSecond":0}}"#,
            r#"{"requestPolicy":{"headerContentType":"image/png"}}"#,
            r#"{"requestPolicy":{"headerContentType":"text/plain;\r\nX-A: b"}}"#,
        ] {
            assert!(DeliveryPolicy::of_subscription(policy).is_err(), "{policy}");
        }
        assert!(DeliveryPolicy::of_topic(r#"{"https":{}}"#).is_err());
        assert!(DeliveryPolicy::of_topic(r#"{"http":{"healthyRetryPolicy":{}}}"#).is_err());
    }
}
