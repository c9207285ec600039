//! DescribeContinuousBackups, UpdateContinuousBackups: whether any second of the last days can be restored.
//!
//! AWS: Developer Guide, *Point-in-time recovery for DynamoDB*.

use std::sync::Arc;

use bytes::Bytes;
use cauce_core::{Call, ServiceError, Timestamp, Violations};
use cauce_store::RangeReq;
use cauce_wire::{Api, Input, Operation};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::backup::{check_arrived, unnamed};
use crate::error::Error;
use crate::history::Recovery;
use crate::keys;
use crate::model::Table;
use crate::request::{table_id, table_resource, validate_table};
use crate::service::DynamoDb;
use crate::table::NamedTable;

/// For how many days changes are kept, if not told otherwise, and at most.
pub const RECOVERY_DAYS_MAX: u16 = 35;

/// How many rows of history one step removes.
const TRIMMED_MAX: usize = 500;

/// How many tables are looked at in one read.
const KEPT_MAX: usize = 500;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateContinuousBackups {
    table_name: String,
    point_in_time_recovery_specification: Specification,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Specification {
    point_in_time_recovery_enabled: bool,
    recovery_period_in_days: Option<i64>,
}

impl Input for UpdateContinuousBackups {
    fn validate(&self, v: &mut Violations) {
        validate_table(v, &self.table_name);
        if let Some(days) = self.point_in_time_recovery_specification.recovery_period_in_days {
            v.within("pointInTimeRecoverySpecification", |v| {
                v.range("recoveryPeriodInDays", days, 1, i64::from(RECOVERY_DAYS_MAX));
            });
        }
    }
}

/// The operations on continuous backups.
pub(crate) fn operations(api: Api<DynamoDb>) -> Api<DynamoDb> {
    api.operation(
        Operation::new("UpdateContinuousBackups", DynamoDb::update_continuous_backups)
            .resource(|call, input: &UpdateContinuousBackups| table_resource(call, &input.table_name)),
    )
    .operation(
        Operation::new("DescribeContinuousBackups", DynamoDb::describe_continuous_backups)
            .resource(|call, input: &NamedTable| table_resource(call, &input.table_name)),
    )
}

/// The first full second that is not before `at`.
fn next_second(at: Timestamp) -> Timestamp {
    Timestamp::from_micros(at.as_micros().saturating_add(999_999) / 1_000_000 * 1_000_000)
}

/// AWS: API Reference, *ContinuousBackupsDescription*.
fn description(table: &Table, now: Timestamp) -> Value {
    let recovery = match table.past.recovery {
        None => json!({ "PointInTimeRecoveryStatus": "DISABLED" }),
        Some(recovery) => json!({
            "PointInTimeRecoveryStatus": "ENABLED",
            "RecoveryPeriodInDays": recovery.days,
            "EarliestRestorableDateTime": next_second(recovery.earliest(now)),
            "LatestRestorableDateTime": now,
        }),
    };
    json!({
        "ContinuousBackupsDescription": {
            "ContinuousBackupsStatus": "ENABLED",
            "PointInTimeRecoveryDescription": recovery,
        },
    })
}

impl DynamoDb {
    pub(crate) async fn update_continuous_backups(
        self: Arc<Self>,
        call: Call,
        input: UpdateContinuousBackups,
    ) -> Result<Value, Error> {
        let id = table_id(&call, &input.table_name)?;
        let wish = &input.point_in_time_recovery_specification;
        let days = wish.recovery_period_in_days.and_then(|days| u16::try_from(days).ok());
        if days.is_some() && !wish.point_in_time_recovery_enabled {
            return Err(Error::invalid(
                "RecoveryPeriodInDays can only be specified when PointInTimeRecoveryEnabled is true",
            ));
        }
        let key = keys::table(&id);
        let updated = self.db.transact(async |tx| {
            let mut table = tx.get_record::<Table>(&key).await?.ok_or(Error::NoTable)?;
            check_arrived(&table)?;
            let before = table.past.recovery;
            table.past.recovery = wish.point_in_time_recovery_enabled.then(|| Recovery {
                since: before.map_or_else(|| self.moment(), |before| before.since),
                days: days.or(before.map(|before| before.days)).unwrap_or(RECOVERY_DAYS_MAX),
            });
            tx.set(keys::kept_history(table.number), key.clone());
            tx.set_record(key.clone(), &table)?;
            Ok(table)
        });
        let table = updated.await.map_err(|error| unnamed(error, &id.name))?;
        self.work.notify_one();
        Ok(description(&table, self.env.now()))
    }

    async fn describe_continuous_backups(self: Arc<Self>, call: Call, input: NamedTable) -> Result<Value, Error> {
        let id = table_id(&call, &input.table_name)?;
        let table = self.catalog.any(&self.db, &keys::table(&id)).await.map_err(|error| unnamed(error, &id.name))?;
        Ok(description(&table, self.env.now()))
    }

    /// No moment comes again that was given before the last start, though the clock may have gone back since: none that a change
    /// has had, and none that a copy shows.
    pub(crate) async fn reach_history(&self) -> Result<(), Error> {
        for (number, table_key) in self.kept_histories().await? {
            if let Some(table) = self.db.get::<Table>(&table_key).await? {
                let since = table.past.recovery.map(|recovery| recovery.since);
                table.past.copies.values().copied().chain(since).for_each(|at| self.moments.reach(at));
            }
            let last = self.db.range(RangeReq::new(keys::history_moments(number), 1).reversed()).await?;
            if let Some(row) = last.rows.first() {
                self.moments.reach(keys::read_history_moment(&row.key).map_err(ServiceError::internal)?.0);
            }
        }
        Ok(())
    }

    /// The numbers of the tables whose history is kept, and the keys of their rows.
    async fn kept_histories(&self) -> Result<Vec<(u64, Bytes)>, Error> {
        let mut kept = Vec::new();
        let mut range = RangeReq::new(keys::kept_histories(), KEPT_MAX);
        loop {
            let page = self.db.range(range.clone()).await?;
            for row in &page.rows {
                kept.push((keys::read_kept_history(&row.key).map_err(ServiceError::internal)?, row.val.clone()));
            }
            match page.rows.last() {
                Some(last) if page.more => range = range.after(&last.key),
                _ => return Ok(kept),
            }
        }
    }

    /// Removes some of the history that nobody can ask for any more; whether there is more of it.
    pub(crate) async fn trim_history(&self, now: Timestamp) -> Result<bool, Error> {
        let mut more = false;
        for (number, table_key) in self.kept_histories().await? {
            more |= self
                .db
                .transact(async |tx| {
                    let table = tx.get_record::<Table>(&table_key).await?.filter(|table| table.number == number);
                    let past = table.map(|table| table.past).unwrap_or_default();
                    let ended = tx
                        .snapshot_range(RangeReq::new(keys::history_moments_to(number, past.floor(now)), TRIMMED_MAX));
                    let ended = ended.await?;
                    for row in &ended {
                        let (moment, parts) = keys::read_history_moment(&row.key).map_err(ServiceError::internal)?;
                        tx.clear(keys::history(number, &parts, moment));
                        tx.clear(row.key.clone());
                    }
                    if ended.len() < TRIMMED_MAX && past.recovery.is_none() && past.copies.is_empty() {
                        tx.clear(keys::kept_history(number));
                    }
                    Ok::<_, Error>(ended.len() == TRIMMED_MAX)
                })
                .await?;
        }
        Ok(more)
    }
}
