//! What CreateTable and UpdateTable say of streams.

use std::time::Duration;

use cauce_core::{Timestamp, Violations};
use cauce_store::Tx;
use serde::{Deserialize, Serialize};

use super::model::{Stream, TableStream, ViewType};
use crate::error::Error;
use crate::keys::{self, StreamId, TableId};
use crate::model::{BillingMode, Table};

/// How many shards a stream has, of a table paid for by request, or with provisioned capacity. AWS: a new table has four
/// partitions in the one case, and in the other mostly one.
pub const SHARDS: (u16, u16) = (4, 1);

/// AWS: *StreamSpecification*.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StreamSpecification {
    stream_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_view_type: Option<String>,
}

impl StreamSpecification {
    pub(crate) fn validate(given: Option<&StreamSpecification>, v: &mut Violations) {
        if let Some(view) = given.and_then(|given| given.stream_view_type.as_ref()) {
            v.within("streamSpecification", |v| v.one_of("streamViewType", view, &ViewType::NAMES));
        }
    }

    /// That of a table.
    pub(crate) fn of(table: &Table) -> Option<StreamSpecification> {
        let stream = table.stream.as_ref()?;
        Some(StreamSpecification { stream_enabled: true, stream_view_type: Some(stream.view.name().to_owned()) })
    }

    /// The view of a stream that is to be enabled; none if it is to be disabled.
    pub(crate) fn view(&self) -> Result<Option<ViewType>, Error> {
        match (self.stream_enabled, &self.stream_view_type) {
            (true, None) => Err(Error::values("If stream is being enabled then UpdateViewType is required")),
            (false, Some(_)) => {
                Err(Error::values("If stream is being disabled, then UpdateViewType must not be specified"))
            }
            (true, Some(view)) => Ok(ViewType::of_name(view)),
            (false, None) => Ok(None),
        }
    }
}

/// Gives a table the stream that a request wishes, or ends the one it has.
pub(crate) async fn update_stream(
    tx: &Tx,
    id: &TableId,
    table: &mut Table,
    wish: &StreamSpecification,
    now: Timestamp,
) -> Result<(), Error> {
    match (wish.view()?, &table.stream) {
        (Some(_), Some(_)) => {
            Err(Error::invalid(format!("Table already has an enabled stream: TableName: {}", id.name)))
        }
        (None, None) => Err(Error::invalid(format!("Table has no stream to disable: TableName: {}", id.name))),
        (Some(view), None) => begin_stream(tx, id, table, view, now).await,
        (None, Some(_)) => end_stream(tx, id, table, now).await,
    }
}

/// Gives a table a new stream.
pub(crate) async fn begin_stream(
    tx: &Tx,
    id: &TableId,
    table: &mut Table,
    view: ViewType,
    now: Timestamp,
) -> Result<(), Error> {
    let mut created = now;
    let mut own = StreamId { table: id.clone(), label: label(created) };
    // A label is given once: a stream that is disabled and enabled again in the same millisecond has another.
    while tx.get(&keys::stream(&own)).await?.is_some() {
        created = created + Duration::from_millis(1);
        own.label = label(created);
    }
    let number = keys::draw_number(tx).await?;
    let shards = if table.billing == BillingMode::PayPerRequest { SHARDS.0 } else { SHARDS.1 };
    let stream = Stream { number, view, shards, key: table.key.clone(), created, ended: None };
    tx.set_record(keys::stream(&own), &stream)?;
    table.stream = Some(TableStream { number, view, shards });
    table.latest_stream = Some(own.label);
    Ok(())
}

/// Ends the stream of a table, if it has one: what it has recorded can still be read.
pub(crate) async fn end_stream(tx: &Tx, id: &TableId, table: &mut Table, now: Timestamp) -> Result<(), Error> {
    let Some(label) = table.stream.take().and(table.latest_stream.clone()) else { return Ok(()) };
    let key = keys::stream(&StreamId { table: id.clone(), label });
    if let Some(mut stream) = tx.get_record::<Stream>(&key).await? {
        stream.ended = Some(now);
        tx.set_record(key, &stream)?;
    }
    Ok(())
}

/// The label of a stream: the moment, without its zone.
fn label(created: Timestamp) -> String {
    created.iso_millis().trim_end_matches('Z').to_owned()
}
