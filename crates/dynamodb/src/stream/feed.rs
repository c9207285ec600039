//! Streams for what follows them inside the program: answers [`Streams`].

use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::ports::{ChangeRecord, STREAM_RECORDS_MAX, StreamFacts, StreamPage, StreamRead, Streams};
use cauce_core::{Arn, Call, ServiceError};

use super::read::{Amount, GET_RECORDS_BYTES_MAX, Page, Place};
use super::shard::sequence_text;
use crate::keys::{StreamId, spread};
use crate::service::DynamoDb;

/// Answers [`Streams`].
pub struct StreamFeed {
    tables: Arc<DynamoDb>,
}

impl StreamFeed {
    /// The streams of `tables`.
    pub fn new(tables: Arc<DynamoDb>) -> StreamFeed {
        StreamFeed { tables }
    }

    /// The stream, if the caller may do `action` to it.
    async fn allowed(&self, call: &Call, stream: &Arn, action: &str) -> Result<StreamId, ServiceError> {
        self.tables.may(call, action, stream, Vec::new()).await?;
        Ok(StreamId::of_arn(call, stream.as_str())?)
    }
}

/// A page as followers see it.
fn followed(page: Page, id: &StreamId, arn: &Arn) -> Result<StreamPage, ServiceError> {
    let mut records = Vec::with_capacity(page.records.len());
    for placed in &page.records {
        let shown = placed.shown(&page.stream, id, Some(arn.as_str()));
        records.push(ChangeRecord {
            position: placed.sequence,
            sequence_number: sequence_text(placed.sequence),
            at: placed.written.at,
            partition: spread(&placed.partition(&page.stream)),
            json: serde_json::to_string(&shown).map_err(ServiceError::internal)?,
        });
    }
    Ok(StreamPage { records, ended: page.ended })
}

#[async_trait]
impl Streams for StreamFeed {
    async fn facts(&self, call: &Call, stream: &Arn) -> Result<StreamFacts, ServiceError> {
        let id = self.allowed(call, stream, "dynamodb:DescribeStream").await?;
        let known = self.tables.stream(&id).await?;
        let mut facts = StreamFacts { shards: Vec::new(), latest: Vec::new() };
        for shard in 0..known.shards {
            let (last, trimmed) = self.tables.ends(&known, shard).await?;
            facts.shards.push(known.shard_id(shard));
            facts.latest.push(last.max(trimmed));
        }
        Ok(facts)
    }

    async fn read(&self, call: &Call, read: StreamRead) -> Result<StreamPage, ServiceError> {
        let id = self.allowed(call, &read.stream, "dynamodb:GetRecords").await?;
        let tables = &self.tables;
        let known = tables.stream(&id).await?;
        let flow = tables.flows.of(known.number, known.shards);
        let until = tables.env.now() + read.wait;
        let place = Place { stream: &id, shard: read.shard, after: read.after };
        let records_max = read.records_max.clamp(1, STREAM_RECORDS_MAX);
        loop {
            let Some(settled) = flow.settled(read.shard) else {
                return Ok(StreamPage { records: Vec::new(), ended: true });
            };
            let settled = settled.notified();
            tokio::pin!(settled);
            // Registered before the look, so that nothing that is settled in between is missed.
            settled.as_mut().enable();
            let amount = Amount { records_max, bytes_max: GET_RECORDS_BYTES_MAX };
            let page = tables.read_shard(&place, &amount).await?;
            if !page.records.is_empty() || page.ended || tables.env.now() >= until {
                return followed(page, &id, &read.stream);
            }
            tokio::select! {
                () = settled => {}
                () = tables.env.sleep_until(until) => {}
            }
        }
    }
}
