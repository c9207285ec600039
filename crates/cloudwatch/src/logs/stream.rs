//! Operations on log streams.

use std::collections::BTreeSet;
use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_store::{Bytes, RangeReq, Row, RowWriter, StoreError, decode_row};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use super::error::{LogsError, corrupt};
use super::keys;
use super::model::{Group, Stream};
use super::names;
use super::open_group::Slot;
use super::service::Logs;
use super::token::{self, Token};

/// Streams on a page.
const PAGE_MAX: i64 = 50;
/// The version of the rows of kind `stream maker`.
const MAKER_VERSION: u8 = 1;
/// Rows read at a time.
const READ_ROWS: usize = 1_000;

/// `CreateLogStream`, `DeleteLogStream`: an operation on a stream by its name.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StreamByName {
    pub(crate) log_group_name: String,
    pub(crate) log_stream_name: String,
}

impl Input for StreamByName {
    fn validate(&self, v: &mut Violations) {
        names::group(v, "logGroupName", &self.log_group_name);
        names::stream(v, "logStreamName", &self.log_stream_name);
    }
}

/// `DescribeLogStreams`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DescribeLogStreams {
    pub(crate) log_group_name: Option<String>,
    pub(crate) log_group_identifier: Option<String>,
    log_stream_name_prefix: Option<String>,
    order_by: Option<String>,
    descending: Option<bool>,
    next_token: Option<String>,
    limit: Option<i64>,
}

impl Input for DescribeLogStreams {
    fn validate(&self, v: &mut Violations) {
        names::optional_group(v, self.log_group_name.as_deref(), self.log_group_identifier.as_deref());
        if let Some(prefix) = &self.log_stream_name_prefix {
            names::stream(v, "logStreamNamePrefix", prefix);
        }
        if let Some(order) = &self.order_by {
            v.one_of("orderBy", order, &["LogStreamName", "LastEventTime"]);
        }
        if let Some(limit) = self.limit {
            v.range("limit", limit, 1, PAGE_MAX);
        }
        token::validate(v, self.next_token.as_deref());
    }
}

/// A page of streams.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogStreams {
    log_streams: Vec<LogStream>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// A stream as the API describes it. Its stored bytes are always reported as 0, as AWS does since 2019.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LogStream {
    log_stream_name: String,
    creation_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_event_timestamp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_event_timestamp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_ingestion_time: Option<i64>,
    upload_sequence_token: String,
    arn: String,
    stored_bytes: i64,
}

impl Logs {
    /// `CreateLogStream`.
    pub(crate) async fn create_log_stream(self: Arc<Self>, call: Call, input: StreamByName) -> Result<(), LogsError> {
        self.make_stream(&self.slot(&call, &input.log_group_name), &input.log_stream_name, None).await
    }

    /// Makes a stream that is not there yet. One that the same `maker` has made before is as good: its first request may have
    /// died before it heard so.
    pub(crate) async fn make_stream(&self, slot: &Slot, name: &str, maker: Option<&str>) -> Result<(), LogsError> {
        let in_use = slot.in_use(&self.db).await?;
        let group = in_use.group().ok_or(LogsError::GroupNotFound)?;
        let lane = self.lanes.lane(group.id, name);
        let mut state = lane.state(&self.db).await?;
        let made_by = keys::stream_maker(group.id, name);
        if state.stream.is_some() {
            let known = self.db.get_bytes(&made_by).await?;
            let same = known.is_some_and(|row| maker.is_some_and(|maker| row == maker_row(maker)));
            return if same { Ok(()) } else { Err(LogsError::StreamExists) };
        }
        let tx = self.db.begin();
        slot.fence(&self.owner, &tx)?;
        if let Some(maker) = maker {
            tx.set(made_by, maker_row(maker));
        }
        tx.set_record(lane.key.clone(), &self.committer.new_stream())?;
        // Held until the commit has ended, even if nobody waits for it any more.
        state.forget();
        tx.hold(state);
        tx.hold(in_use);
        Ok(tx.commit().await?)
    }

    /// `DeleteLogStream`. The stream is gone at once; its events are removed little by little.
    pub(crate) async fn delete_log_stream(self: Arc<Self>, call: Call, input: StreamByName) -> Result<(), LogsError> {
        self.remove_stream(&self.slot(&call, &input.log_group_name), &input.log_stream_name).await
    }

    pub(crate) async fn remove_stream(&self, slot: &Slot, name: &str) -> Result<(), LogsError> {
        let in_use = slot.in_use(&self.db).await?;
        let group = in_use.group().ok_or(LogsError::GroupNotFound)?.id;
        let lane = self.lanes.lane(group, name);
        let mut state = lane.state(&self.db).await?;
        let stream = state.stream.clone().ok_or(LogsError::StreamNotFound)?;
        let tx = self.db.begin();
        slot.fence(&self.owner, &tx)?;
        tx.clear(lane.key.clone());
        tx.clear(keys::stream_maker(group, name));
        tx.set(keys::reclaim(group, stream.id), super::reclaim::row());
        tx.add(keys::stored_bytes(group), i64::try_from(stream.stored_bytes).map_or(i64::MIN, |bytes| -bytes))?;
        state.forget();
        tx.hold(state);
        tx.hold(in_use);
        tx.commit().await?;
        self.reclaim.notify_one();
        Ok(())
    }

    /// `DescribeLogStreams`.
    pub(crate) async fn describe_log_streams(
        self: Arc<Self>,
        call: Call,
        input: DescribeLogStreams,
    ) -> Result<LogStreams, LogsError> {
        let by_time = input.order_by.as_deref() == Some("LastEventTime");
        if by_time && input.log_stream_name_prefix.is_some() {
            return Err(LogsError::invalid("Cannot order by LastEventTime with a logStreamNamePrefix."));
        }
        let name = names::either(&call, input.log_group_name.as_deref(), input.log_group_identifier.as_deref())?;
        let group = self.group(&self.slot(&call, &name)).await?;
        let limit = usize::try_from(input.limit.unwrap_or(PAGE_MAX)).unwrap_or(1);
        let token = match &input.next_token {
            Some(text) => Some(Token::decode(text).ok_or_else(LogsError::token)?),
            None => None,
        };
        let (found, next_token) = if by_time {
            self.by_last_event(&group, input.descending.unwrap_or(false), token, limit).await?
        } else {
            self.by_name(&group, &input, token, limit).await?
        };
        let describe = |(stream_name, stream): (String, Stream)| LogStream {
            arn: names::stream_resource(&call, &name, &stream_name).concat(),
            log_stream_name: stream_name,
            creation_time: stream.created_ms,
            first_event_timestamp: stream.span.map(|span| span.first_ms),
            last_event_timestamp: stream.span.map(|span| span.last_ms),
            last_ingestion_time: stream.span.map(|span| span.ingested_ms),
            upload_sequence_token: format!("49{:054}", stream.next_sequence.saturating_sub(1)),
            stored_bytes: 0,
        };
        let next_token = next_token.map(|token| token.encode());
        Ok(LogStreams { log_streams: found.into_iter().map(describe).collect(), next_token })
    }

    async fn by_name(
        &self,
        group: &Group,
        input: &DescribeLogStreams,
        token: Option<Token>,
        limit: usize,
    ) -> Result<(Vec<(String, Stream)>, Option<Token>), LogsError> {
        let prefix = input.log_stream_name_prefix.as_deref().unwrap_or("");
        let mut req = RangeReq::new(keys::streams_with_prefix(group.id, prefix), limit + 1);
        req.reverse = input.descending.unwrap_or(false);
        match token {
            Some(Token::Name(name)) => req = req.after(&keys::stream(group.id, &name)),
            Some(_) => return Err(LogsError::token()),
            None => {}
        }
        let page = self.db.range(req).await?;
        let mut found = page.rows.iter().map(read_row).collect::<Result<Vec<_>, _>>()?;
        let more = page.more || found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(name, _)| Token::Name(name.clone()));
        Ok((found, next))
    }

    /// Looks at every stream of the group and keeps the page's worth: no index is kept by last event, which would cost every
    /// batch of events two more rows for a listing that is asked for now and then.
    async fn by_last_event(
        &self,
        group: &Group,
        descending: bool,
        token: Option<Token>,
        limit: usize,
    ) -> Result<(Vec<(String, Stream)>, Option<Token>), LogsError> {
        let after = match token {
            Some(Token::LastEvent { last_ms, name }) => Some((last_ms, name)),
            Some(_) => return Err(LogsError::token()),
            None => None,
        };
        let mut best: BTreeSet<(i64, String)> = BTreeSet::new();
        let mut req = RangeReq::new(keys::streams_with_prefix(group.id, ""), READ_ROWS);
        loop {
            let page = self.db.range(req.clone()).await?;
            for row in &page.rows {
                let (name, stream) = read_row(row)?;
                let at = (last_event(&stream), name);
                let next = after.as_ref().is_none_or(|after| if descending { at < *after } else { at > *after });
                if next {
                    best.insert(at);
                    if best.len() > limit + 1 {
                        if descending {
                            best.pop_first()
                        } else {
                            best.pop_last()
                        };
                    }
                }
            }
            match page.rows.last() {
                Some(row) if page.more => req = req.after(&row.key),
                _ => break,
            }
        }
        let mut order: Vec<(i64, String)> = best.into_iter().collect();
        if descending {
            order.reverse();
        }
        let more = order.len() > limit;
        order.truncate(limit);
        let next = order.last().filter(|_| more).cloned();
        let mut found = Vec::with_capacity(order.len());
        for (_, name) in order {
            // Read again rather than kept, so that memory holds a page of names and no more.
            if let Some(stream) = self.db.get(&keys::stream(group.id, &name)).await? {
                found.push((name, stream));
            }
        }
        Ok((found, next.map(|(last_ms, name)| Token::LastEvent { last_ms, name })))
    }
}

/// The value of a row of kind `stream maker`.
fn maker_row(maker: &str) -> Bytes {
    let mut row = RowWriter::new(MAKER_VERSION);
    row.str(maker);
    row.finish()
}

/// Where a stream stands in the order of last events; one without any comes first.
fn last_event(stream: &Stream) -> i64 {
    stream.span.map_or(-1, |span| span.last_ms)
}

/// The name and stream in a row.
pub(crate) fn read_row(row: &Row) -> Result<(String, Stream), StoreError> {
    let name = keys::read_stream(&row.key).map_err(|error| corrupt(&row.key, error))?;
    Ok((name, decode_row(row)?))
}
