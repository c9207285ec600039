//! PutEvents: from entries to events on buses.
//!
//! AWS: EventBridge API Reference, *PutEvents*, and User Guide, "AWS service event metadata" for the envelope.

use std::sync::Arc;

use bytes::Bytes;
use cauce_core::{Call, ServiceError, Timestamp, Trace, Violations};
use cauce_delivery::lineage::{self, Fate, Step};
use cauce_store::Tx;
use cauce_wire::Input;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::Error;
use crate::keys::BusId;
use crate::service::{EventBridge, bus_arn};

/// How many entries a request may have.
pub const ENTRIES_MAX: usize = 10;

/// The size of all entries of a request together, in bytes, counted as AWS counts it: 1 MiB since January 2026.
pub const EVENT_BYTES_MAX: usize = 1_048_576;

/// What an entry's time counts for in its size, in bytes.
const TIME_BYTES: usize = 14;

/// The longest source and detail type, in characters.
const SOURCE_CHARS_MAX: usize = 256;
const DETAIL_TYPE_CHARS_MAX: usize = 128;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutEvents {
    pub(crate) entries: Vec<Entry>,
    endpoint_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Entry {
    time: Option<Timestamp>,
    source: Option<String>,
    resources: Option<Vec<String>>,
    detail_type: Option<String>,
    detail: Option<String>,
    event_bus_name: Option<String>,
}

impl Input for PutEvents {
    fn validate(&self, v: &mut Violations) {
        v.count("entries", self.entries.len(), 1, ENTRIES_MAX);
        for (n, entry) in self.entries.iter().enumerate() {
            if let Some(bus) = &entry.event_bus_name {
                v.within(format!("entries.{}.member", n + 1), |v| v.length("eventBusName", bus, 1, 1_600));
            }
        }
    }
}

/// The ARNs of the buses that a request puts on.
pub(crate) fn resources(call: &Call, input: &PutEvents) -> Vec<String> {
    let arn = |entry: &Entry| bus_arn(&EventBridge::bus_id(call, entry.event_bus_name.as_deref())).to_string();
    let mut arns: Vec<String> = input.entries.iter().map(arn).collect();
    arns.sort_unstable();
    arns.dedup();
    arns
}

/// `events:source` and `events:detail-type` for conditions.
pub(crate) fn context(_call: &Call, input: &PutEvents) -> Vec<(String, Vec<String>)> {
    let all = |member: fn(&Entry) -> &Option<String>| input.entries.iter().filter_map(|e| member(e).clone()).collect();
    vec![
        ("events:source".to_owned(), all(|entry| &entry.source)),
        ("events:detail-type".to_owned(), all(|entry| &entry.detail_type)),
    ]
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutEventsOutput {
    failed_entry_count: usize,
    entries: Vec<EntryResult>,
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct EntryResult {
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
}

/// An event in its envelope, as consumers see it.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) bus: BusId,
    pub(crate) body: Bytes,
    pub(crate) trace: Trace,
    pub(crate) ingested: Timestamp,
    /// How many effects within this transaction led to it.
    pub(crate) hops: u8,
}

/// The envelope. Members stand in the order in which AWS prints them.
#[derive(Serialize)]
pub(crate) struct Envelope<'a> {
    pub(crate) version: &'static str,
    pub(crate) id: &'a str,
    #[serde(rename = "detail-type")]
    pub(crate) detail_type: &'a str,
    pub(crate) source: &'a str,
    pub(crate) account: String,
    pub(crate) time: String,
    pub(crate) region: &'a str,
    pub(crate) resources: &'a [String],
    pub(crate) detail: &'a RawValue,
}

impl Entry {
    /// The size that AWS counts. EventBridge User Guide, "Calculating Amazon EventBridge event entry size".
    fn bytes(&self) -> usize {
        let len = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let resources: usize = self.resources.iter().flatten().map(String::len).sum();
        self.time.map_or(0, |_| TIME_BYTES) + len(&self.source) + len(&self.detail_type) + len(&self.detail) + resources
    }

    /// The parts that an event needs, or why this entry cannot become one.
    fn check<'a>(&'a self) -> Result<(&'a str, &'a str, &'a RawValue), (&'static str, String)> {
        let missing = |name| {
            ("InvalidArgument", format!("Parameter {name} is not valid. Reason: {name} is a required argument."))
        };
        let given =
            |member: &'a Option<String>, name| member.as_deref().filter(|t| !t.is_empty()).ok_or_else(|| missing(name));
        let source = given(&self.source, "Source")?;
        let detail_type = given(&self.detail_type, "DetailType")?;
        let detail = given(&self.detail, "Detail")?;
        let too_long = |name, max| {
            (
                "InvalidArgument",
                format!("Parameter {name} is not valid. Reason: {name} length must be less than or equal to {max}."),
            )
        };
        if source.chars().count() > SOURCE_CHARS_MAX {
            return Err(too_long("Source", SOURCE_CHARS_MAX));
        }
        if detail_type.chars().count() > DETAIL_TYPE_CHARS_MAX {
            return Err(too_long("DetailType", DETAIL_TYPE_CHARS_MAX));
        }
        if source.starts_with("aws.") {
            return Err(("NotAuthorizedForSourceException", "Not authorized for the source.".to_owned()));
        }
        let malformed = || ("MalformedDetail", "Detail is malformed.".to_owned());
        let detail: &RawValue = serde_json::from_str(detail).map_err(|_| malformed())?;
        // What is matched is what is sent on, so it must be an object that the matcher can read too.
        if !detail.get().starts_with('{') || cauce_event_pattern::validate(detail.get().as_bytes()).is_err() {
            return Err(malformed());
        }
        Ok((source, detail_type, detail))
    }
}

impl EventBridge {
    pub(crate) async fn put_events(self: Arc<Self>, call: Call, input: PutEvents) -> Result<PutEventsOutput, Error> {
        if input.endpoint_id.is_some() {
            return Err(Error::Invalid("Global endpoints are not supported by this server.".to_owned()));
        }
        let total: usize = input.entries.iter().map(Entry::bytes).sum();
        if total > EVENT_BYTES_MAX {
            let message = format!(
                "Total size of the entries in the request is over the limit. ({total} bytes, the limit is {EVENT_BYTES_MAX})"
            );
            return Err(Error::Invalid(message));
        }
        let now = self.env.now();
        let made: Vec<Result<Event, EntryResult>> =
            input.entries.iter().map(|entry| self.event(&call, entry, now)).collect();
        let entries = self
            .db
            .transact(async |tx| {
                let mut results = Vec::with_capacity(made.len());
                for event in &made {
                    results.push(match event {
                        Ok(event) => self.put_event(&tx, &call, event).await?,
                        Err(refused) => refused.clone(),
                    });
                }
                Ok::<_, Error>(results)
            })
            .await?;
        let failed_entry_count = entries.iter().filter(|entry| entry.error_code.is_some()).count();
        Ok(PutEventsOutput { failed_entry_count, entries })
    }

    fn event(&self, call: &Call, entry: &Entry, now: Timestamp) -> Result<Event, EntryResult> {
        let refuse =
            |(code, message)| EntryResult { event_id: None, error_code: Some(code), error_message: Some(message) };
        let (source, detail_type, detail) = entry.check().map_err(refuse)?;
        let bus = EventBridge::bus_id(call, entry.event_bus_name.as_deref());
        let id = self.env.entropy().uuid();
        let envelope = Envelope {
            version: "0",
            id: &id,
            detail_type,
            source,
            account: call.principal.account().unwrap_or(call.account).to_string(),
            time: entry.time.unwrap_or(now).iso_secs(),
            region: call.region.as_str(),
            resources: entry.resources.as_deref().unwrap_or_default(),
            detail,
        };
        let malformed = |_| refuse(("MalformedDetail", "Detail is malformed.".to_owned()));
        let body = serde_json::to_vec(&envelope).map_err(malformed)?.into();
        // The request itself is no step of its own: what it puts follows from whatever caused the request.
        let trace = Trace { parent: call.trace.parent, ..call.trace.child(self.env.entropy()) };
        Ok(Event { id, bus, body, trace, ingested: now, hops: 0 })
    }

    /// Puts one event on its bus, in the request's transaction.
    async fn put_event(&self, tx: &Tx, call: &Call, event: &Event) -> Result<EntryResult, Error> {
        match self.route(tx, event).await {
            Ok(matched) => {
                let step = Step {
                    trace: event.trace,
                    at: event.ingested,
                    ended: Some(event.ingested),
                    what: "events:PutEvents".to_owned(),
                    to: bus_arn(&event.bus).to_string(),
                    request_id: Some(call.request_id.clone()),
                    fate: Fate::Done,
                    detail: format!("event {}, {matched} rules matched", event.id),
                };
                lineage::record(tx, &step)?;
                Ok(EntryResult { event_id: Some(event.id.clone()), ..EntryResult::default() })
            }
            Err(Error::NoBus(name)) => Ok(EntryResult {
                event_id: None,
                error_code: Some("ResourceNotFoundException"),
                error_message: Some(Error::NoBus(name).to_string()),
            }),
            Err(other) => Err(other),
        }
    }

    /// Puts an event that this program itself raises (source `aws.SERVICE`) on the account's default bus, in the transaction
    /// that raises it.
    ///
    /// # Errors
    /// 5xx if the store cannot be read.
    pub async fn raise(&self, tx: &Tx, call: &Call, raised: Raised<'_>) -> Result<(), ServiceError> {
        let now = self.env.now();
        let id = self.env.entropy().uuid();
        let detail = serde_json::value::to_raw_value(raised.detail).map_err(ServiceError::internal)?;
        let envelope = Envelope {
            version: "0",
            id: &id,
            detail_type: raised.detail_type,
            source: raised.source,
            account: call.account.to_string(),
            time: now.iso_secs(),
            region: call.region.as_str(),
            resources: raised.resources,
            detail: &detail,
        };
        let body = serde_json::to_vec(&envelope).map_err(ServiceError::internal)?.into();
        let bus = EventBridge::bus_id(call, None);
        let trace = call.trace.child(self.env.entropy());
        self.route(tx, &Event { id, bus, body, trace, ingested: now, hops: 0 }).await?;
        Ok(())
    }
}

/// An event of one of the program's own services.
#[derive(Clone, Copy, Debug)]
pub struct Raised<'a> {
    /// For example `aws.cloudformation`.
    pub source: &'a str,
    /// For example `CloudFormation Stack Status Change`.
    pub detail_type: &'a str,
    /// The ARNs it is about.
    pub resources: &'a [String],
    /// An object.
    pub detail: &'a serde_json::Value,
}
