//! What is measured of tables. AWS: DynamoDB Developer Guide, *DynamoDB metrics and dimensions*.

use std::sync::{Arc, OnceLock};

use cauce_core::ports::{Meter, MeterSets, Metrics};
use cauce_core::{Account, Call, Region};
use cauce_wire::Observed;

use crate::capacity::Spent;
use crate::keys::TableId;
use crate::service::DynamoDb;

/// What stands between the parts of what is measured, and in none of them.
const SEPARATOR: char = '/';

/// Where what is measured of tables is read, once [`DynamoDb::measure`] has said so.
pub(crate) type Meters = OnceLock<Sets>;

/// The meters of tables, of their indexes, of operations on tables, and of the account.
pub(crate) struct Sets {
    tables: MeterSets<TableMeters>,
    indexes: MeterSets<UnitMeters>,
    operations: MeterSets<OperationMeters>,
    accounts: MeterSets<AccountMeters>,
}

/// Units consumed.
struct UnitMeters {
    read: Meter,
    written: Meter,
}

struct TableMeters {
    units: UnitMeters,
    conditions_failed: Meter,
    conflicts: Meter,
}

struct OperationMeters {
    latency_ms: Meter,
    returned_items: Meter,
    system_errors: Meter,
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
    fn record(&self, units: Units, count: f64) {
        match units {
            Units::Read => self.read.record(count),
            Units::Written => self.written.record(count),
        }
    }
}

impl DynamoDb {
    /// Says where what is measured of tables is recorded; without it, nothing is.
    pub fn measure(&self, metrics: &Arc<dyn Metrics>) {
        const NAMESPACE: &str = "AWS/DynamoDB";
        const READ: &str = "ConsumedReadCapacityUnits";
        const WRITTEN: &str = "ConsumedWriteCapacityUnits";
        let tables = MeterSets::new(Arc::clone(metrics), NAMESPACE, |maker, table| {
            let meter = |name| maker.meter(name, "Count", &[("TableName", table)]);
            TableMeters {
                units: UnitMeters { read: meter(READ), written: meter(WRITTEN) },
                conditions_failed: meter("ConditionalCheckFailedRequests"),
                conflicts: meter("TransactionConflict"),
            }
        });
        let indexes = MeterSets::new(Arc::clone(metrics), NAMESPACE, |maker, resource| {
            let (table, index) = resource.split_once(SEPARATOR).unwrap_or((resource, ""));
            let meter = |name| maker.meter(name, "Count", &[("TableName", table), ("GlobalSecondaryIndexName", index)]);
            UnitMeters { read: meter(READ), written: meter(WRITTEN) }
        });
        let operations = MeterSets::new(Arc::clone(metrics), NAMESPACE, |maker, resource| {
            let (table, operation) = resource.split_once(SEPARATOR).unwrap_or((resource, ""));
            let meter = |name, unit| maker.meter(name, unit, &[("TableName", table), ("Operation", operation)]);
            OperationMeters {
                latency_ms: meter("SuccessfulRequestLatency", "Milliseconds"),
                returned_items: meter("ReturnedItemCount", "Count"),
                system_errors: meter("SystemErrors", "Count"),
            }
        });
        let accounts = MeterSets::new(Arc::clone(metrics), NAMESPACE, |maker, _| AccountMeters {
            user_errors: maker.meter("UserErrors", "Count", &[]),
        });
        if self.meters.set(Sets { tables, indexes, operations, accounts }).is_err() {
            tracing::error!("where tables are measured was said twice");
        }
    }

    /// Records how a request has ended.
    pub(crate) fn ended(&self, observed: &Observed<'_>) {
        let Some(meters) = self.meters.get() else { return };
        let call = observed.call;
        let (account, region) = (call.account, &call.region);
        let table = table_of(observed.resource);
        match observed.error {
            None => {
                if let Some(table) = table {
                    self.took(call, table, observed.operation);
                }
            }
            Some(error) if error.code() == "ConditionalCheckFailedException" => {
                if let Some(table) = table {
                    meters.tables.of(account, region, table).conditions_failed.count();
                }
            }
            Some(error) if error.status() >= 500 => {
                if let Some(table) = table {
                    meters.operation(account, region, table, observed.operation).system_errors.count();
                }
            }
            Some(error) if error.code() == "TransactionConflictException" => {
                if let Some(table) = table {
                    meters.tables.of(account, region, table).conflicts.count();
                }
            }
            // Why a transaction was canceled is counted of the tables that it was about.
            Some(error) if error.code() == "TransactionCanceledException" => {}
            Some(_) => meters.accounts.of(account, region, "").user_errors.count(),
        }
    }

    /// Records how long a request that has succeeded took; a transaction says it of each of its tables.
    pub(crate) fn took(&self, call: &Call, table: &str, operation: &str) {
        let Some(meters) = self.meters.get() else { return };
        let latency_ms = self.env.now().since(call.received).as_secs_f64() * 1_000.0;
        meters.operation(call.account, &call.region, table, operation).latency_ms.record(latency_ms);
    }

    /// Records units spent on a table and its global indexes.
    pub(crate) fn spent(&self, (account, region): (Account, &Region), table: &str, units: Units, spent: &Spent) {
        let Some(meters) = self.meters.get() else { return };
        let own = spent.table + spent.local.values().sum::<f64>();
        if own > 0.0 {
            meters.tables.of(account, region, table).units.record(units, own);
        }
        for (index, count) in &spent.global {
            meters.indexes.of(account, region, &format!("{table}{SEPARATOR}{index}")).record(units, *count);
        }
    }

    /// Records a page that an operation has read.
    pub(crate) fn paged(&self, table: &TableId, operation: &str, count: usize, spent: &Spent) {
        let Some(meters) = self.meters.get() else { return };
        self.spent((table.account, &table.region), &table.name, Units::Read, spent);
        let count = u32::try_from(count).map_or(f64::MAX, f64::from);
        meters.operation(table.account, &table.region, &table.name, operation).returned_items.record(count);
    }
}

impl Sets {
    fn operation(&self, account: Account, region: &Region, table: &str, operation: &str) -> Arc<OperationMeters> {
        self.operations.of(account, region, &format!("{table}{SEPARATOR}{operation}"))
    }
}

/// The table in the ARN of a table or index.
fn table_of(resource: &str) -> Option<&str> {
    let (_, rest) = resource.split_once(":table/")?;
    rest.split('/').next()
}
