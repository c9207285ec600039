//! What whoever works for a mapping needs and does, whatever the source is.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cauce_core::{Call, ServiceError, Timestamp, Trace};
use cauce_delivery::lineage::{Fate, Step};

use super::crew::Crew;
use super::filter::Filters;
use super::record::{MappingKey, MappingRecord};
use crate::error::Error;
use crate::model::Deployment;
use crate::name::FunctionRef;
use crate::sandbox::Work;
use crate::service::Lambda;

/// The name under which Lambda assumes the function's role.
pub(super) const SERVICE: &str = "lambda.amazonaws.com";

/// The pause after the first failure; it doubles with every further one.
pub(super) const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause after a failure.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(30);
/// The longest wait for a throttled function, if no invocation ends before.
const THROTTLED_MAX: Duration = Duration::from_secs(5);

/// `{"Records":[` and `]}`.
pub(super) const EVENT_FRAME_BYTES: usize = 14;

/// A mapping under one set of settings, and who works for it.
pub(super) struct Duty {
    pub(super) lambda: Arc<Lambda>,
    pub(super) key: MappingKey,
    pub(super) record: MappingRecord,
    pub(super) function: FunctionRef,
    pub(super) filters: Filters,
    pub(super) crew: Arc<Crew>,
}

impl Duty {
    /// A call as a session of the function's role.
    pub(super) async fn call(&self, deployment: &Deployment) -> Result<Call, ServiceError> {
        let (lambda, key) = (&self.lambda, &self.key);
        let session = lambda.ports.identity.session(&deployment.role, SERVICE, &self.function.function.name).await?;
        let trace = Trace::start(lambda.env.now(), lambda.env.entropy());
        let arn = key.arn();
        let call = Call::from_service(&lambda.env, SERVICE, Some(&arn), key.account, key.region.clone(), trace);
        Ok(Call { principal: Arc::new(session), ..call })
    }

    /// The invocation of the function with an event.
    pub(super) fn work(&self, call: &Call, event: &Bytes) -> Work {
        Work {
            request_id: call.request_id.to_string(),
            payload: event.clone(),
            invoked_arn: self.record.function.to_string(),
            trace: call.trace.header(),
            client_context: None,
        }
    }

    /// Says what is wrong, and pauses; the pause after the next failure is longer.
    pub(super) async fn rest(&self, error: &Error, pause: &mut Duration) {
        self.crew.say(format!("PROBLEM: {error}"));
        tracing::debug!(mapping = %self.key.uuid, %error, "nothing can be taken");
        self.pause(pause).await;
    }

    /// Pauses, unless the crew is to stop; the next pause is longer.
    pub(super) async fn pause(&self, pause: &mut Duration) {
        tokio::select! {
            () = self.crew.stopped() => {}
            () = self.lambda.env.sleep(*pause) => {}
        }
        *pause = (*pause * 2).min(PAUSE_MAX);
    }

    /// Waits until a throttled function may have room; false if the crew is to stop.
    pub(super) async fn room(&self, pause: &mut Duration) -> bool {
        self.crew.say("PROBLEM: Function is throttled");
        tokio::select! {
            () = self.crew.stopped() => return false,
            () = self.lambda.fleet.landing() => {}
            () = self.lambda.env.sleep(*pause) => {}
        }
        *pause = (*pause * 2).min(THROTTLED_MAX);
        true
    }

    /// Puts an invocation into the lineage; `failure` is empty for a success.
    pub(super) fn note(&self, call: &Call, began: Timestamp, records: usize, failure: &str) {
        let (lambda, record) = (&self.lambda, &self.record);
        let colon = if failure.is_empty() { "" } else { ": " };
        lambda.ports.delivery.note(Step {
            trace: call.trace,
            at: began,
            ended: Some(lambda.env.now()),
            what: format!("lambda:Invoke ({})", record.source.resource()),
            to: record.function.to_string(),
            request_id: Some(call.request_id.clone()),
            fate: Fate::Done,
            detail: format!("{records} records{colon}{failure}"),
        });
    }
}

/// The event of a batch of records, each in JSON.
pub(super) fn event<'a>(records: impl Iterator<Item = &'a str> + Clone) -> Bytes {
    let bytes: usize = records.clone().map(|record| record.len() + 1).sum();
    let mut event = String::with_capacity(EVENT_FRAME_BYTES + bytes);
    event.push_str("{\"Records\":[");
    for (n, record) in records.enumerate() {
        if n > 0 {
            event.push(',');
        }
        event.push_str(record);
    }
    event.push_str("]}");
    event.into()
}

#[cfg(test)]
mod tests {
    use super::event;

    #[test]
    fn an_event_is_the_list_of_its_records() {
        assert_eq!(event([r#"{"a":1}"#, "{}"].into_iter()), r#"{"Records":[{"a":1},{}]}"#);
        assert_eq!(event([].into_iter()), r#"{"Records":[]}"#);
    }
}
