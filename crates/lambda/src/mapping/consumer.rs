//! The consumer of a mapping: invokes its function with batches.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cauce_core::{Arn, Call, Timestamp, Trace};
use cauce_delivery::lineage::{Fate, Step};
use cauce_delivery::{Effect, Policy, ROLE_ARN};
use cauce_sources::stream::{BatchInfo, Discard, Window};
use cauce_sources::{Answer, Batch, Consumer, Delivered, Entry, Failed, Hold, Problem, Span, push_list};
use cauce_store::Key;
use serde::Serialize;
use serde_json::Value;

use super::record::{MappingKey, MappingRecord};
use crate::error::{Error, Throttle};
use crate::flight::{Flown, LogWish};
use crate::keys;
use crate::model::Deployment;
use crate::name::FunctionRef;
use crate::sandbox::Work;
use crate::service::Lambda;

/// The name under which Lambda assumes the function's role.
pub(super) const SERVICE: &str = "lambda.amazonaws.com";

/// `{"Records":[` and `]}`.
pub(super) const EVENT_FRAME_BYTES: usize = 14;

/// A mapping under one set of settings.
pub(super) struct MappedFunction {
    pub(super) lambda: Arc<Lambda>,
    pub(super) key: MappingKey,
    pub(super) record: MappingRecord,
    pub(super) function: FunctionRef,
}

/// An invocation, for whoever is told of records that were given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Invoked {
    request_id: String,
    executed_version: String,
    failed: bool,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        Problem(error.to_string())
    }
}

impl MappedFunction {
    async fn deployment(&self) -> Result<Arc<Deployment>, Error> {
        self.lambda.deployment(&self.function).await
    }

    /// A call as a session of the function's role.
    async fn call_as(&self, deployment: &Deployment) -> Result<Call, Error> {
        let (lambda, key) = (&self.lambda, &self.key);
        let session = lambda.ports.identity.session(&deployment.role, SERVICE, &self.function.function.name).await?;
        let trace = Trace::start(lambda.env.now(), lambda.env.entropy());
        let arn = key.arn();
        let call = Call::from_service(&lambda.env, SERVICE, Some(&arn), key.account, key.region.clone(), trace);
        Ok(Call { principal: Arc::new(session), ..call })
    }

    /// The event of a batch, with what belongs to its window.
    fn event(&self, batch: &Batch<'_>) -> Bytes {
        let records = event(batch.entries.iter().map(|entry| entry.json));
        let tumbling_s = self.record.stream.as_ref().map_or(0, |stream| stream.tumbling_s);
        match batch.span {
            Some(Span { shard_id, window: Some(window) }) => {
                windowed(&records, (window, tumbling_s), (shard_id, &self.record.source), batch.entries.is_empty())
            }
            _ => records,
        }
    }

    async fn answer(&self, call: &Call, batch: &Batch<'_>, flown: Flown, executed_version: String) -> Answer<Invoked> {
        // A batch of a stream is done with only when what the function said of it is on its way to stay.
        if let Some(written) = flown.written {
            let _ = written.await;
        }
        let failed = match (flown.error, self.record.report_failures) {
            (Some(_), _) => Failed::All,
            (None, true) => failures(&flown.payload, &batch.entries),
            (None, false) => Failed::Nothing,
        };
        let windowed = batch.span.is_some_and(|span| span.window.is_some());
        let answer = windowed.then(|| serde_json::from_slice::<Value>(&flown.payload).ok()).flatten();
        Answer {
            failed,
            state: answer.and_then(|mut answer| answer.get_mut("state").map(Value::take)),
            remark: Invoked {
                request_id: call.request_id.to_string(),
                executed_version,
                failed: flown.error.is_some(),
            },
        }
    }

    /// Puts an invocation into the lineage; `failure` is empty for a success.
    fn note(&self, call: &Call, began: Timestamp, records: usize, failure: &str) {
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

#[async_trait]
impl Consumer for MappedFunction {
    type Remark = Invoked;

    async fn ready(&self) -> Result<(), Problem> {
        // It was switched off: what would be taken could only be given back.
        match self.deployment().await?.reserved_concurrency {
            Some(0) => Err(Error::Throttled(Throttle::Reserved).into()),
            _ => Ok(()),
        }
    }

    async fn call(&self) -> Result<Call, Problem> {
        Ok(self.call_as(&*self.deployment().await?).await?)
    }

    async fn hold(&self) -> Result<Hold, Problem> {
        let deployment = self.deployment().await?;
        let longest = deployment.plans.iter().map(|(_, plan)| plan.timeout).max().unwrap_or_default();
        Ok(Hold::UpTo(longest))
    }

    async fn deliver(&self, call: &Call, batch: &Batch<'_>) -> Delivered<Invoked> {
        let lambda = &self.lambda;
        let of_stream = batch.span.is_some();
        let began = lambda.env.now();
        // What throttles it may have been lifted meanwhile.
        let deployment = match self.deployment().await {
            Ok(deployment) => deployment,
            Err(error) => return Delivered::Unable(error.into()),
        };
        let work = Work {
            request_id: call.request_id.to_string(),
            payload: self.event(batch),
            invoked_arn: self.record.function.to_string(),
            trace: call.trace.header(),
            client_context: None,
        };
        let last = batch.entries.last().filter(|_| of_stream);
        if let (Some(last), Some(meters)) = (last, lambda.meters_of(self.record.function.as_str())) {
            meters.followed(began.since(last.at));
        }
        match lambda.run(&deployment, work, LogWish { tail: false, written: of_stream }).await {
            Ok((plan, flown)) => {
                let kind = if flown.error.is_some() { flown.error_kind.as_str() } else { "" };
                self.note(call, began, batch.entries.len(), kind);
                Delivered::Answered(self.answer(call, batch, flown, plan.version.clone()).await)
            }
            Err(Error::Throttled(Throttle::Closing)) => Delivered::Closing,
            Err(Error::Throttled(_)) => Delivered::Throttled,
            Err(error) => {
                if !of_stream {
                    self.note(call, began, batch.entries.len(), &error.to_string());
                }
                Delivered::Unable(error.into())
            }
        }
    }

    async fn room(&self) {
        self.lambda.fleet.landing().await;
    }

    fn positions(&self) -> Key {
        keys::positions(&self.key)
    }

    async fn given_up(&self, discard: &Discard<'_>, last: Option<&Invoked>) -> Result<Option<Effect>, Problem> {
        let deployment = self.deployment().await?;
        let call = self.call_as(&deployment).await?;
        let own = call.request_id.to_string();
        let document = Document {
            request_context: RequestContext {
                request_id: last.map_or(own.as_str(), |last| last.request_id.as_str()),
                function_arn: self.record.function.as_str(),
                condition: discard.why.name(),
                approximate_invoke_count: discard.deliveries,
            },
            response_context: last.map(|last| ResponseContext {
                status_code: 200,
                executed_version: &last.executed_version,
                function_error: last.failed.then_some("Unhandled"),
            }),
            version: "1.0",
            timestamp: self.lambda.env.now().iso_millis(),
            batch: discard.batch_info(),
        };
        Ok(Some(Effect {
            target: discard.to.clone(),
            cause: format!("event-source-mapping/{} (given up)", self.key.uuid),
            service: SERVICE.to_owned(),
            source: Some(self.record.function.clone()),
            account: self.key.account,
            region: self.key.region.clone(),
            trace: call.trace.child(self.lambda.env.entropy()),
            policy: Policy::asynchronous_invocation(),
            attributes: vec![(ROLE_ARN.to_owned(), deployment.role.to_string())],
            hops: 0,
            payload: serde_json::to_vec(&document).unwrap_or_default().into(),
        }))
    }
}

/// What a destination is told. AWS: Lambda Developer Guide, *Retain discarded records for a DynamoDB event source in Lambda*.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_context: Option<ResponseContext<'a>>,
    version: &'static str,
    timestamp: String,
    #[serde(rename = "DDBStreamBatchInfo")]
    batch: BatchInfo<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    request_id: &'a str,
    function_arn: &'a str,
    condition: &'static str,
    approximate_invoke_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseContext<'a> {
    status_code: u16,
    executed_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_error: Option<&'static str>,
}

/// What an event of a window has besides its records.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfWindow<'a> {
    window: Bounds,
    state: &'a Value,
    shard_id: &'a str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a Arn,
    is_final_invoke_for_window: bool,
    is_window_terminated_early: bool,
}

#[derive(Serialize)]
struct Bounds {
    start: String,
    end: String,
}

/// The event of a batch of records, each in JSON.
fn event<'a>(records: impl Iterator<Item = &'a str> + Clone) -> Bytes {
    let bytes: usize = records.clone().map(|record| record.len() + 1).sum();
    let mut event = String::with_capacity(EVENT_FRAME_BYTES + bytes);
    event.push_str("{\"Records\":");
    push_list(&mut event, records);
    event.push('}');
    event.into()
}

/// The event with what belongs to its window. AWS: Lambda Developer Guide, *Stateful stream processing in DynamoDB*.
fn windowed(records: &Bytes, (window, lasts_s): (&Window, u32), (shard_id, stream): (&str, &Arn), last: bool) -> Bytes {
    let members = OfWindow {
        window: Bounds { start: window.start().iso_secs(), end: window.end(lasts_s).iso_secs() },
        state: window.state(),
        shard_id,
        event_source_arn: stream,
        is_final_invoke_for_window: last,
        is_window_terminated_early: last && window.overflows(),
    };
    let members = serde_json::to_vec(&members).unwrap_or_default();
    let (Some(records), Some(members)) = (records.strip_suffix(b"}"), members.strip_prefix(b"{")) else {
        return records.clone();
    };
    [records, b",", members].concat().into()
}

/// Which entries the function says it could not process; all if its answer counts as a failure of the whole batch.
///
/// AWS: Lambda Developer Guide, *Handling errors for an SQS event source in Lambda* and *Configuring partial batch response with
/// DynamoDB and Lambda*, "Success and failure conditions".
fn failures(answer: &[u8], entries: &[Entry<'_>]) -> Failed {
    let answer = match answer {
        [] => Ok(Value::Null),
        answer => serde_json::from_slice(answer),
    };
    let place = |id: &str| entries.iter().position(|entry| entry.id == id);
    match &answer {
        Ok(Value::Null) => Failed::Nothing,
        Ok(Value::Object(map)) => Failed::listed(map.get("batchItemFailures"), place),
        _ => Failed::All,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use cauce_core::Timestamp;
    use cauce_sources::stream::Window;
    use cauce_sources::{Entry, Failed};
    use serde_json::{Value, json};

    use super::{event, failures, windowed};

    #[test]
    fn an_event_is_the_list_of_its_records() {
        assert_eq!(event([r#"{"a":1}"#, "{}"].into_iter()), r#"{"Records":[{"a":1},{}]}"#);
        assert_eq!(event([].into_iter()), r#"{"Records":[]}"#);
    }

    #[test]
    fn an_event_of_a_window_says_which_and_what_was_said() {
        let window = Window::of(Timestamp::from_secs(1_800_000_007), 5);
        let stream = "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/x".parse().unwrap();
        let event = windowed(&Bytes::from_static(br#"{"Records":[{}]}"#), (&window, 5), ("s0", &stream), true);
        let expected = json!({
            "Records": [{}],
            "window": { "start": "2027-01-15T08:00:05Z", "end": "2027-01-15T08:00:10Z" },
            "state": {},
            "shardId": "s0",
            "eventSourceARN": stream.as_str(),
            "isFinalInvokeForWindow": true,
            "isWindowTerminatedEarly": false,
        });
        assert_eq!(serde_json::from_slice::<Value>(&event).unwrap(), expected);
    }

    #[test]
    fn answers_of_functions_that_report_failures() {
        let entry = |id| Entry { id, json: "{}", at: Timestamp::EPOCH };
        let entries = [entry("a"), entry("b"), entry("c")];
        let check =
            |answer: &str, expect: Failed| assert_eq!(failures(answer.as_bytes(), &entries), expect, "{answer}");
        for all_done in ["", "null", "{}", r#"{"batchItemFailures":[]}"#, r#"{"batchItemFailures":null}"#] {
            check(all_done, Failed::Nothing);
        }
        check(r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#, Failed::These([1].into()));
        let two = r#"{"batchItemFailures":[{"itemIdentifier":"c"},{"itemIdentifier":"a"}]}"#;
        check(two, Failed::These([0, 2].into()));
        for all_failed in [
            "no json",
            "[]",
            r#""text""#,
            r#"{"batchItemFailures":"b"}"#,
            r#"{"batchItemFailures":[{}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"d"}]}"#,
            r#"{"batchItemFailures":[{"id":"b"}]}"#,
        ] {
            check(all_failed, Failed::All);
        }
    }
}
