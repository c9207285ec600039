//! The questions one service asks another. Each trait is answered by the crate that owns the subject and wired in `cauce`, so
//! that no service crate depends on another.

mod functions;
mod identity;
mod logs;
mod metrics;
mod objects;
mod outbound;
mod queues;
mod services;
mod streams;

pub use functions::{FunctionError, Functions, Invocation, InvocationOutcome};
pub use identity::{Access, AccessKey, Credentials, Identity, Verdict};
pub use logs::{LogBatch, LogLine, Logs};
pub use metrics::{
    KeptMetrics, METER_PLACES_MAX, METER_SETS_MAX, Meter, MeterMaker, MeterParts, MeterSets, Metric, Metrics, NoMetrics,
};
pub use objects::Objects;
pub use outbound::{Http, HttpFailure, HttpRequest, HttpResponse};
pub use queues::{Message, POLL_MESSAGES_MAX, Poll, QueueFacts, Queues};
pub use services::{ServiceRequest, ServiceResponse, Services};
pub use streams::{ChangeRecord, STREAM_RECORDS_MAX, StreamFacts, StreamPage, StreamPosition, StreamRead, Streams};
