//! What is measured of tables. AWS: DynamoDB Developer Guide, *DynamoDB metrics and dimensions*.

use std::sync::{Arc, OnceLock};

use cauce_core::Call;
use cauce_core::ports::{Meter, MeterMaker, MeterParts, MeterSets, Metrics};
use cauce_wire::Observed;

use crate::capacity::{Spent, write_units};
use crate::error::Error;
use crate::keys::{StreamId, TableId};
use crate::service::DynamoDb;

const READ: &str = "ConsumedReadCapacityUnits";
const WRITTEN: &str = "ConsumedWriteCapacityUnits";

/// The one operation that is measured of streams.
pub(crate) const GET_RECORDS: &str = "GetRecords";

/// Where what is measured of tables is read, once [`DynamoDb::measure`] has said so.
pub(crate) type Meters = OnceLock<Sets>;

/// The meters of tables, and of accounts.
pub(crate) struct Sets {
    tables: MeterSets<TableMeters>,
    accounts: MeterSets<AccountMeters>,
}

/// Units consumed.
struct UnitMeters {
    read: Meter,
    written: Meter,
}

struct TableMeters {
    /// Of the table with its local indexes.
    units: UnitMeters,
    conditions_failed: Meter,
    conflicts: Meter,
    expired_items: Meter,
    /// By the name of a global index.
    indexes: MeterParts<UnitMeters>,
    operations: MeterParts<OperationMeters>,
    /// By the label of a stream.
    streams: MeterParts<StreamMeters>,
}

struct OperationMeters {
    latency_ms: Meter,
    returned_items: Meter,
    system_errors: Meter,
}

/// Of `GetRecords`.
struct StreamMeters {
    latency_ms: Meter,
    system_errors: Meter,
    returned_records: Meter,
    returned_bytes: Meter,
}

struct AccountMeters {
    user_errors: Meter,
}

/// Whether units were read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Units {
    Read,
    Written,
}

impl UnitMeters {
    fn new(maker: &MeterMaker) -> UnitMeters {
        UnitMeters { read: maker.meter(READ, "Count", &[]), written: maker.meter(WRITTEN, "Count", &[]) }
    }

    fn record(&self, units: Units, count: f64) {
        match units {
            Units::Read => self.read.record(count),
            Units::Written => self.written.record(count),
        }
    }
}

impl TableMeters {
    fn new(maker: &MeterMaker, table: &str) -> TableMeters {
        let own = maker.within("TableName", table);
        let meter = |name| own.meter(name, "Count", &[]);
        TableMeters {
            units: UnitMeters::new(&own),
            conditions_failed: meter("ConditionalCheckFailedRequests"),
            conflicts: meter("TransactionConflict"),
            expired_items: meter("TimeToLiveDeletedItemCount"),
            indexes: MeterParts::new(own.clone(), |maker, index| {
                UnitMeters::new(&maker.within("GlobalSecondaryIndexName", index))
            }),
            operations: MeterParts::new(own.clone(), OperationMeters::new),
            streams: MeterParts::new(own, StreamMeters::new),
        }
    }
}

impl OperationMeters {
    fn new(maker: &MeterMaker, operation: &str) -> OperationMeters {
        let meter = |name, unit| maker.meter(name, unit, &[("Operation", operation)]);
        OperationMeters {
            latency_ms: meter("SuccessfulRequestLatency", "Milliseconds"),
            returned_items: meter("ReturnedItemCount", "Count"),
            system_errors: meter("SystemErrors", "Count"),
        }
    }
}

impl StreamMeters {
    fn new(maker: &MeterMaker, label: &str) -> StreamMeters {
        let meter = |name, unit| maker.meter(name, unit, &[("StreamLabel", label), ("Operation", GET_RECORDS)]);
        StreamMeters {
            latency_ms: meter("SuccessfulRequestLatency", "Milliseconds"),
            system_errors: meter("SystemErrors", "Count"),
            returned_records: meter("ReturnedRecordsCount", "Count"),
            returned_bytes: meter("ReturnedBytes", "Bytes"),
        }
    }
}

impl DynamoDb {
    /// Says where what is measured of tables is recorded; without it, nothing is.
    pub fn measure(&self, metrics: &Arc<dyn Metrics>) {
        const NAMESPACE: &str = "AWS/DynamoDB";
        let tables = MeterSets::new(Arc::clone(metrics), NAMESPACE, TableMeters::new);
        let accounts = MeterSets::new(Arc::clone(metrics), NAMESPACE, |maker, _| AccountMeters {
            user_errors: maker.meter("UserErrors", "Count", &[]),
        });
        if self.meters.set(Sets { tables, accounts }).is_err() {
            tracing::error!("where tables are measured was said twice");
        }
    }

    fn meters_of(&self, table: &TableId) -> Option<Arc<TableMeters>> {
        self.meters.get().map(|meters| meters.tables.of(table.account, &table.region, &table.name))
    }

    /// Records how a request has ended, of each table that it was about.
    pub(crate) fn ended(&self, observed: &Observed<'_>) {
        let Some(meters) = self.meters.get() else { return };
        let failed = match observed.error {
            None => false,
            Some(error) if error.status() >= 500 => true,
            // What was refused for a condition is counted of its table, and is no error of the user's.
            Some(error) if error.code() == "ConditionalCheckFailedException" => return,
            Some(_) => return meters.accounts.of(observed.account, observed.region, "").user_errors.count(),
        };
        let latency = self.env.now().since(observed.received);
        for (table, label) in observed.resources.iter().filter_map(|resource| table_of(resource)) {
            let table = meters.tables.of(observed.account, observed.region, table);
            let record = |errors: &Meter, latencies: &Meter| match failed {
                true => errors.count(),
                false => latencies.record_ms(latency),
            };
            match label {
                None => {
                    let own = table.operations.of(observed.operation);
                    record(&own.system_errors, &own.latency_ms);
                }
                Some(label) if observed.operation == GET_RECORDS => {
                    let own = table.streams.of(label);
                    record(&own.system_errors, &own.latency_ms);
                }
                Some(_) => {}
            }
        }
    }

    /// Records how long a request that has succeeded took, for those whose tables are known no earlier: statements.
    pub(crate) fn took(&self, call: &Call, table: &TableId, operation: &str) {
        if let Some(meters) = self.meters_of(table) {
            meters.operations.of(operation).latency_ms.record_ms(self.env.now().since(call.received));
        }
    }

    /// Records units spent on a table and its global indexes.
    pub(crate) fn spent(&self, table: &TableId, units: Units, spent: &Spent) {
        if let Some(meters) = self.meters_of(table) {
            meters.spent(units, spent);
        }
    }

    /// Records a page that an operation has read.
    pub(crate) fn paged(&self, table: &TableId, operation: &str, count: usize, spent: &Spent) {
        if let Some(meters) = self.meters_of(table) {
            meters.spent(Units::Read, spent);
            meters.operations.of(operation).returned_items.record(figure(count));
        }
    }

    /// Records that the write of an item was refused because of what the item is, or of who else writes it.
    pub(crate) fn refused(&self, table: &TableId, error: &Error) {
        let Some(meters) = self.meters_of(table) else { return };
        match error {
            Error::ConditionFailed { bytes, .. } => {
                meters.conditions_failed.count();
                meters.units.record(Units::Written, write_units(*bytes));
            }
            Error::Conflict => meters.conflicts.count(),
            _ => {}
        }
    }

    /// Records that the service has deleted items because they have expired.
    pub(crate) fn expired(&self, table: &TableId, count: usize) {
        if let Some(meters) = self.meters_of(table).filter(|_| count > 0) {
            meters.expired_items.record(figure(count));
        }
    }

    /// Records what `GetRecords` has returned.
    pub(crate) fn streamed(&self, stream: &StreamId, records: usize, bytes: usize) {
        if let Some(meters) = self.meters_of(&stream.table) {
            let own = meters.streams.of(&stream.label);
            own.returned_records.record(figure(records));
            own.returned_bytes.record(figure(bytes));
        }
    }
}

impl TableMeters {
    fn spent(&self, units: Units, spent: &Spent) {
        let own = spent.table + spent.local.values().sum::<f64>();
        if own > 0.0 {
            self.units.record(units, own);
        }
        for (index, count) in &spent.global {
            self.indexes.of(index).record(units, *count);
        }
    }
}

fn figure(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

/// The table in the ARN of a table, of an index or of a stream, and the label of the stream.
fn table_of(resource: &str) -> Option<(&str, Option<&str>)> {
    let (_, rest) = resource.split_once(":table/")?;
    let mut parts = rest.split('/');
    let table = parts.next()?;
    Some((table, parts.next().filter(|part| *part == "stream").and(parts.next())))
}

#[cfg(test)]
mod tests {
    use super::table_of;

    #[test]
    fn tables_are_read_from_resources() {
        let check = |resource: &str, expect| assert_eq!(table_of(resource), expect, "{resource}");
        check("arn:aws:dynamodb:r:1:table/t", Some(("t", None)));
        check("arn:aws:dynamodb:r:1:table/t/index/i", Some(("t", None)));
        check(
            "arn:aws:dynamodb:r:1:table/t/stream/2026-01-01T00:00:00.000",
            Some(("t", Some("2026-01-01T00:00:00.000"))),
        );
        check("arn:aws:dynamodb::1:global-table/t", None);
        check("t", None);
    }
}
