//! What is told of records that were given up.
//!
//! AWS: Lambda Developer Guide, *Retain discarded records for a DynamoDB event source in Lambda*.

use cauce_core::Arn;
use cauce_core::ports::ChangeRecord;
use serde::Serialize;

/// Why records are given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// They failed too often.
    RetryAttemptsExhausted,
    /// They are too old.
    RecordAgeExceeded,
}

impl Why {
    /// As messages about it name it.
    pub fn name(self) -> &'static str {
        match self {
            Why::RetryAttemptsExhausted => "RetryAttemptsExhausted",
            Why::RecordAgeExceeded => "RecordAgeExceeded",
        }
    }
}

/// Records that are given up together.
#[derive(Clone, Copy, Debug)]
pub struct Discard<'a> {
    /// Who is to be told.
    pub to: &'a Arn,
    /// The records.
    pub records: &'a [ChangeRecord],
    /// How often they were delivered.
    pub deliveries: u32,
    /// Why.
    pub why: Why,
    /// The name of their shard.
    pub shard_id: &'a str,
    /// Their stream.
    pub stream: &'a Arn,
}

/// Where the records of a batch are: `DDBStreamBatchInfo` of the messages.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchInfo<'a> {
    shard_id: &'a str,
    start_sequence_number: &'a str,
    end_sequence_number: &'a str,
    approximate_arrival_of_first_record: String,
    approximate_arrival_of_last_record: String,
    batch_size: usize,
    stream_arn: &'a Arn,
}

impl<'a> Discard<'a> {
    /// Where the records are, for whoever wants to read them.
    pub fn batch_info(&self) -> BatchInfo<'a> {
        let (first, end) = (self.records.first(), self.records.last());
        let number = |record: Option<&'a ChangeRecord>| record.map_or("", |record| record.sequence_number.as_str());
        let arrival = |record: Option<&ChangeRecord>| record.map_or_else(String::new, |record| record.at.iso_secs());
        BatchInfo {
            shard_id: self.shard_id,
            start_sequence_number: number(first),
            end_sequence_number: number(end),
            approximate_arrival_of_first_record: arrival(first),
            approximate_arrival_of_last_record: arrival(end),
            batch_size: self.records.len(),
            stream_arn: self.stream,
        }
    }
}
