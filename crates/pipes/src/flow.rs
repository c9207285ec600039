//! The way of a batch through a pipe: enrichment, target, and what follows from how that went.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cauce_core::{Arn, Call, Timestamp, Trace};
use cauce_delivery::lineage::{Fate, Step};
use cauce_delivery::{Effect, Policy, ROLE_ARN};
use cauce_sources::stream::{BatchInfo, Discard};
use cauce_sources::{Answer, Batch, Consumer, Delivered, Entry, Failed, Hold, Problem};
use cauce_store::Key;
use serde::Serialize;
use serde_json::Value;

use crate::enrichment::enrich;
use crate::journal::{Details, Journal, Level};
use crate::keys::{self, PipeId};
use crate::meters::{Ended, Execution};
use crate::model::Pipe;
use crate::payload::{Sent, Trouble, TroubleKind, list};
use crate::service::{PRINCIPAL, Pipes};
use crate::target::{self, Kind, Prepared, keep_order};
use crate::template::{Circumstances, Event, fill};

/// How long an execution may take. AWS: *Amazon EventBridge Pipes batching and concurrency*.
pub const EXECUTION_MAX: Duration = Duration::from_secs(5 * 60);

/// A pipe under one set of settings.
pub(crate) struct Flow {
    pub(crate) pipes: Arc<Pipes>,
    pub(crate) id: PipeId,
    pub(crate) pipe: Pipe,
    arn: String,
}

/// One execution on its way.
struct Way<'a> {
    call: &'a Call,
    entries: &'a [Entry<'a>],
    journal: Journal<'a>,
    execution: Execution,
}

/// What is told of records that were given up.
#[derive(Serialize)]
struct Document<'a> {
    context: Context<'a>,
    version: &'static str,
    timestamp: String,
    #[serde(rename = "DDBStreamBatchInfo")]
    batch: BatchInfo<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    partner_resource_arn: &'a str,
    condition: &'static str,
}

impl Flow {
    pub(crate) fn new(pipes: &Arc<Pipes>, id: &PipeId, pipe: Pipe) -> Flow {
        Flow { pipes: Arc::clone(pipes), id: id.clone(), pipe, arn: id.arn().to_string() }
    }

    fn now(&self) -> Timestamp {
        self.pipes.env.now()
    }

    fn event(&self, json: &str) -> Event {
        if self.pipe.of_stream() { Event::of(json.to_owned()) } else { Event::of_queue(json.to_owned()) }
    }

    /// What the events become by a template; without one, they stay as they are.
    fn prepared(&self, events: Vec<Event>, template: Option<&str>) -> Vec<Prepared> {
        let about = Circumstances {
            pipe_arn: &self.arn,
            pipe_name: &self.id.name,
            source_arn: self.pipe.source.as_str(),
            enrichment_arn: self.pipe.enrichment.as_ref().map_or("", |arn| arn.as_str()),
            target_arn: self.pipe.target.as_str(),
            ingested: self.now(),
        };
        let prepare = |event: Event| {
            let input = template.map_or_else(|| event.json.clone(), |template| fill(template, &event, &about));
            Prepared { event, input }
        };
        events.into_iter().map(prepare).collect()
    }

    /// Brings a batch to the target.
    async fn go(&self, way: &Way<'_>) -> Result<Failed, Trouble> {
        let events: Vec<Event> = way.entries.iter().map(|entry| self.event(entry.json)).collect();
        let events = match &self.pipe.enrichment {
            None => events,
            Some(enrichment) => self.enriched(way, enrichment, events).await?,
        };
        if events.is_empty() {
            way.journal.note(Level::Trace, "TARGET_STAGE_SKIPPED", Details::default());
            return Ok(Failed::Nothing);
        }
        let prepared = self.prepared(events, self.pipe.target_template());
        let sent = self.sent(way, &prepared).await?;
        Ok(self.failed(way.entries, prepared.len(), &sent))
    }

    async fn enriched(&self, way: &Way<'_>, enrichment: &Arn, events: Vec<Event>) -> Result<Vec<Event>, Trouble> {
        let journal = &way.journal;
        journal.note(Level::Info, "ENRICHMENT_STAGE_ENTERED", Details::default());
        let prepared = self.prepared(events, self.pipe.enrichment_template());
        journal.note(Level::Trace, "ENRICHMENT_INVOCATION_STARTED", Details::default());
        let began = self.now();
        let answer = enrich(self, way.call, enrichment, &prepared).await;
        way.execution.enriched(self.now().since(began), answer.is_err());
        match &answer {
            Ok(events) => {
                let events = journal.takes_data().then(|| list(events.iter().map(String::as_str)));
                let details = Details { answer: events.as_ref(), ..Details::default() };
                journal.note(Level::Trace, "ENRICHMENT_INVOCATION_SUCCEEDED", details);
                journal.note(Level::Info, "ENRICHMENT_STAGE_SUCCEEDED", Details::default());
            }
            Err(trouble) => {
                let details = Details { trouble: Some(trouble), ..Details::default() };
                journal.note(Level::Error, "ENRICHMENT_INVOCATION_FAILED", details);
                journal.note(Level::Error, "ENRICHMENT_STAGE_FAILED", details);
            }
        }
        Ok(answer?.into_iter().map(Event::of).collect())
    }

    async fn sent(&self, way: &Way<'_>, prepared: &[Prepared]) -> Result<Sent, Trouble> {
        let journal = &way.journal;
        journal.note(Level::Info, "TARGET_STAGE_ENTERED", Details::default());
        journal.note(Level::Trace, "TARGET_INVOCATION_STARTED", Details::default());
        let began = self.now();
        let sent = target::send(self, way.call, prepared).await;
        way.execution.sent(self.now().since(began), !matches!(&sent, Ok(sent) if sent.failed.is_empty()));
        match &sent {
            Ok(sent) if sent.failed.is_empty() => {
                let details = Details { answer: Some(&sent.answer), ..Details::default() };
                journal.note(Level::Trace, "TARGET_INVOCATION_SUCCEEDED", details);
                journal.note(Level::Info, "TARGET_STAGE_SUCCEEDED", Details::default());
            }
            Ok(sent) => {
                let trouble = Trouble::own(self.pipe.target.service(), sent.reason.as_str());
                let details = Details { answer: Some(&sent.answer), trouble: Some(&trouble), ..Details::default() };
                journal.note(Level::Error, "TARGET_INVOCATION_PARTIALLY_FAILED", details);
                journal.note(Level::Error, "TARGET_STAGE_PARTIALLY_FAILED", details);
            }
            Err(trouble) => {
                let details = Details { trouble: Some(trouble), ..Details::default() };
                journal.note(Level::Error, "TARGET_INVOCATION_FAILED", details);
                journal.note(Level::Error, "TARGET_STAGE_FAILED", details);
            }
        }
        sent
    }

    /// Which entries of the source a target has failed with that was sent so many events.
    fn failed(&self, entries: &[Entry<'_>], events: usize, sent: &Sent) -> Failed {
        if !sent.failed.is_empty() {
            // What an enrichment has made of how many cannot be told apart.
            return match events == entries.len() && sent.failed.len() < events {
                true => self.in_order(entries, sent.failed.clone()),
                false => Failed::All,
            };
        }
        if !matches!(Kind::of(&self.pipe.target), Some(Kind::Function | Kind::Gateway)) {
            return Failed::Nothing;
        }
        match reported(&sent.answer, |id| entries.iter().position(|entry| self.named(entry) == id)) {
            Failed::These(failed) => self.in_order(entries, failed),
            other => other,
        }
    }

    /// By what targets name an entry: a message by its id, a record by its event id.
    fn named(&self, entry: &Entry<'_>) -> String {
        #[derive(serde::Deserialize)]
        struct Named {
            #[serde(rename = "eventID")]
            event_id: String,
        }
        if !self.pipe.of_stream() {
            return entry.id.to_owned();
        }
        serde_json::from_str(entry.json).map_or_else(|_| entry.id.to_owned(), |named: Named| named.event_id)
    }

    /// Those of a FIFO queue take all behind them in their group along.
    fn in_order(&self, entries: &[Entry<'_>], mut failed: BTreeSet<usize>) -> Failed {
        let group = |entry: &Entry<'_>| {
            let event: Value = serde_json::from_str(entry.json).ok()?;
            Some(event.get("attributes")?.get("MessageGroupId")?.as_str()?.to_owned())
        };
        if self.pipe.source.resource().ends_with(".fifo") {
            keep_order(&mut failed, &entries.iter().map(group).collect::<Vec<_>>());
        }
        Failed::These(failed)
    }

    /// Puts an execution into the lineage; `failure` is empty for a success.
    fn lineage(&self, call: &Call, began: Timestamp, events: usize, failure: &str) {
        let colon = if failure.is_empty() { "" } else { ": " };
        self.pipes.ports.delivery.note(Step {
            trace: call.trace,
            at: began,
            ended: Some(self.now()),
            what: format!("pipe/{} ({})", self.id.name, self.pipe.source.resource()),
            to: self.pipe.target.to_string(),
            request_id: Some(call.request_id.clone()),
            fate: Fate::Done,
            detail: format!("{events} events{colon}{failure}"),
        });
    }

    /// Says everywhere how an execution has ended, and what follows.
    async fn conclude(&self, way: Way<'_>, began: Timestamp, ended: Option<Result<Failed, Trouble>>) -> Delivered<()> {
        let answered = |failed| Delivered::Answered(Answer { failed, state: None, remark: () });
        let (step, level, how, words, delivered) = match &ended {
            None => {
                let words = format!("timed out after {} s", EXECUTION_MAX.as_secs());
                ("EXECUTION_TIMEOUT", Level::Error, Ended::TimedOut, words, answered(Failed::All))
            }
            Some(Ok(Failed::Nothing)) => {
                ("EXECUTION_SUCCEEDED", Level::Info, Ended::Succeeded, String::new(), answered(Failed::Nothing))
            }
            Some(Ok(Failed::All)) => {
                ("EXECUTION_FAILED", Level::Error, Ended::Failed, "failed".to_owned(), answered(Failed::All))
            }
            Some(Ok(Failed::These(failed))) => {
                let words = format!("{} failed", failed.len());
                let delivered = answered(Failed::These(failed.clone()));
                ("EXECUTION_PARTIALLY_FAILED", Level::Error, Ended::PartiallyFailed, words, delivered)
            }
            Some(Err(trouble)) => {
                let words = trouble.message.clone();
                match trouble.kind {
                    TroubleKind::Throttled => {
                        ("EXECUTION_THROTTLED", Level::Error, Ended::Throttled, words, Delivered::Throttled)
                    }
                    TroubleKind::Internal => {
                        let unable = Delivered::Unable(Problem(words.clone()));
                        ("EXECUTION_FAILED", Level::Error, Ended::Failed, words, unable)
                    }
                    TroubleKind::Own => ("EXECUTION_FAILED", Level::Error, Ended::Failed, words, answered(Failed::All)),
                }
            }
        };
        let trouble = ended.as_ref().and_then(|ended| ended.as_ref().err());
        way.journal.note(level, step, Details { trouble, ..Details::default() });
        way.execution.ended(self.now().since(began), how);
        self.lineage(way.call, began, way.entries.len(), &words);
        way.journal.write().await;
        delivered
    }
}

/// Which entries an answer names as failed, by what `place` finds of an id; none if it names none, all if it is not to be read.
///
/// AWS: *Amazon EventBridge Pipes batching and concurrency*, "Partial batch failure", and *Amazon DynamoDB stream as a source*,
/// "Success and failure conditions".
fn reported(answer: &Bytes, place: impl Fn(&str) -> Option<usize>) -> Failed {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    Failed::listed(answer.get("batchItemFailures"), place)
}

#[async_trait]
impl Consumer for Flow {
    type Remark = ();

    async fn call(&self) -> Result<Call, Problem> {
        let trace = Trace::start(self.now(), self.pipes.env.entropy());
        Ok(self.pipes.call_as(&self.id, &self.pipe.role, trace).await?)
    }

    async fn hold(&self) -> Result<Hold, Problem> {
        Ok(Hold::Renewed)
    }

    async fn deliver(&self, call: &Call, batch: &Batch<'_>) -> Delivered<()> {
        let began = self.now();
        let call = Call { deadline: began + EXECUTION_MAX, ..call.clone() };
        let way = Way {
            call: &call,
            entries: &batch.entries,
            journal: Journal::new(self, call.request_id.as_str()),
            execution: self.pipes.measured(&self.id, batch.entries.iter().map(|entry| entry.json.len())),
        };
        let payload = way.journal.takes_data().then(|| list(batch.entries.iter().map(|entry| entry.json)));
        way.journal.note(Level::Info, "EXECUTION_STARTED", Details { payload: payload.as_ref(), ..Details::default() });
        let ended = tokio::select! {
            ended = self.go(&way) => Some(ended),
            () = self.pipes.env.sleep(EXECUTION_MAX) => None,
        };
        self.conclude(way, began, ended).await
    }

    fn positions(&self) -> Key {
        keys::positions(&self.id)
    }

    async fn given_up(&self, discard: &Discard<'_>, _last: Option<&()>) -> Result<Option<Effect>, Problem> {
        let document = Document {
            context: Context { partner_resource_arn: &self.arn, condition: discard.why.name() },
            version: "1.0",
            timestamp: self.now().iso_millis(),
            batch: discard.batch_info(),
        };
        let env = &self.pipes.env;
        Ok(Some(Effect {
            target: discard.to.clone(),
            cause: format!("pipe/{} (given up)", self.id.name),
            service: PRINCIPAL.to_owned(),
            source: Some(self.id.arn()),
            account: self.id.account,
            region: self.id.region.clone(),
            trace: Trace::start(self.now(), env.entropy()),
            policy: Policy::eventbridge(),
            attributes: vec![(ROLE_ARN.to_owned(), self.pipe.role.to_string())],
            hops: 0,
            payload: serde_json::to_vec(&document).unwrap_or_default().into(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use cauce_sources::Failed;

    use super::reported;

    #[test]
    fn answers_name_what_has_failed() {
        let check = |answer: &'static str, expect: Failed| {
            let place = |id: &str| ["a", "b"].iter().position(|known| *known == id);
            assert_eq!(reported(&Bytes::from_static(answer.as_bytes()), place), expect, "{answer}");
        };
        for nothing in
            ["", "null", "no json", "[]", "{}", r#"{"batchItemFailures":[]}"#, r#"{"batchItemFailures":null}"#]
        {
            check(nothing, Failed::Nothing);
        }
        check(r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#, Failed::These([1].into()));
        for all in [
            r#"{"batchItemFailures":"b"}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"id":"a"}]}"#,
        ] {
            check(all, Failed::All);
        }
    }
}
