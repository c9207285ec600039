//! BatchExecuteStatement: each statement by itself, and each answered by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cauce_core::{Call, ServiceError, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::access::Reach;
use super::plan;
use super::statement::{GivenParameters, Prepared, validate_statement};
use super::syntax::{Select, Statement};
use crate::capacity::{ConsumedCapacity, Kind, Rate, Spent, Wanted, read_units};
use crate::change::item_of;
use crate::error::Error;
use crate::keys::{self, TableId};
use crate::meters::Units;
use crate::request;
use crate::service::DynamoDb;
use crate::value::{Item, item_size_bytes};

/// How many statements a batch has.
pub const BATCH_STATEMENTS_MAX: usize = 25;

const OPERATION: &str = "BatchExecuteStatement";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchExecuteStatement {
    statements: Vec<BatchStatement>,
    return_consumed_capacity: Option<String>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BatchStatement {
    statement: String,
    parameters: GivenParameters,
    consistent_read: Option<bool>,
    return_values_on_condition_check_failure: Option<String>,
}

impl Input for BatchExecuteStatement {
    fn validate(&self, v: &mut Violations) {
        v.count("statements", self.statements.len(), 1, BATCH_STATEMENTS_MAX);
        for (n, one) in self.statements.iter().enumerate() {
            v.within(format!("statements.{}.member", n + 1), |v| {
                let on_failure = one.return_values_on_condition_check_failure.as_deref();
                validate_statement(v, &one.statement, &one.parameters, on_failure);
            });
        }
        request::validate_capacity(v, self.return_consumed_capacity.as_deref());
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchExecuteOutput {
    responses: Vec<Response>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumed_capacity: Option<Vec<ConsumedCapacity>>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Response {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<StatementError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<Item>,
}

/// AWS: API Reference, *BatchStatementError*.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StatementError {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<Item>,
}

impl StatementError {
    fn of(error: Error) -> StatementError {
        let code = match &error {
            Error::NoTable | Error::NotFound(_) => "ResourceNotFound",
            Error::Invalid(_) => "ValidationError",
            Error::ConditionFailed { .. } => "ConditionalCheckFailed",
            Error::Duplicate => "DuplicateItem",
            Error::Conflict => "TransactionConflict",
            Error::Other(other) if other.code() == "AccessDeniedException" => "AccessDenied",
            _ => "InternalServerError",
        };
        let message = match code {
            "InternalServerError" => {
                tracing::error!(%error, "a statement of a batch failed");
                "Internal server error".to_owned()
            }
            _ => error.to_string(),
        };
        let item = match error {
            Error::ConditionFailed { item, .. } => item,
            _ => None,
        };
        StatementError { code, message, item }
    }
}

/// What a statement came to; it has no table if that is not there.
struct Outcome {
    table: Option<TableId>,
    result: Result<(Option<Item>, Spent), Error>,
}

impl DynamoDb {
    pub(crate) async fn batch_execute_statement(
        self: Arc<Self>,
        call: Call,
        input: BatchExecuteStatement,
    ) -> Result<BatchExecuteOutput, Error> {
        let wanted = Wanted::of(input.return_consumed_capacity.as_deref());
        let prepared: Vec<(BatchStatement, Result<Prepared, Error>)> = input
            .statements
            .into_iter()
            .map(|one| {
                let prepared = Prepared::of(&call, &one.statement, one.parameters.clone());
                (one, prepared)
            })
            .collect();
        let reads = |prepared: &Prepared| matches!(prepared.statement, Statement::Select(_));
        let kinds: BTreeSet<bool> = prepared.iter().filter_map(|(_, one)| one.as_ref().ok().map(reads)).collect();
        if kinds.len() > 1 {
            return Err(Error::invalid(
                "BatchExecuteStatement API does not support both read and write operations in the same request.",
            ));
        }
        let count = prepared.len();
        let mut tasks = JoinSet::new();
        for (n, (one, prepared)) in prepared.into_iter().enumerate() {
            let (service, call) = (Arc::clone(&self), call.clone());
            tasks.spawn(async move {
                let outcome = match prepared {
                    Ok(prepared) => service.run_of_batch(&call, &one, &prepared).await,
                    Err(error) => Outcome { table: None, result: Err(error) },
                };
                (n, outcome)
            });
        }
        let mut outcomes = BTreeMap::new();
        while let Some(done) = tasks.join_next().await {
            let (n, outcome) = done.map_err(ServiceError::internal)?;
            outcomes.insert(n, outcome);
        }
        let tables: BTreeSet<&TableId> = outcomes.values().filter_map(|outcome| outcome.table.as_ref()).collect();
        tables.into_iter().for_each(|table| self.took(&call, table, OPERATION));
        Ok(answer((0..count).filter_map(|n| outcomes.remove(&n)), wanted))
    }

    async fn run_of_batch(&self, call: &Call, one: &BatchStatement, prepared: &Prepared) -> Outcome {
        let result = match &prepared.statement {
            Statement::Exists(_) => {
                Err(Error::invalid("EXISTS can only be used in ExecuteTransaction write requests."))
            }
            Statement::Select(select) => self.read_of_batch(call, prepared, select, one.consistent_read).await,
            _ => {
                let on_failure = one.return_values_on_condition_check_failure.as_deref() == Some("ALL_OLD");
                match self.planned_write(call, prepared, Some(OPERATION)).await {
                    Ok(write) => self.write_statement(prepared, &write, on_failure).await,
                    Err(error) => Err(error),
                }
                .map(|written| (written.returned, written.spent))
            }
        };
        // A table that is not there has no name.
        let known = !matches!(result, Err(Error::NoTable));
        Outcome { table: known.then(|| prepared.id.clone()), result }
    }

    async fn read_of_batch(
        &self,
        call: &Call,
        prepared: &Prepared,
        select: &Select,
        consistent: Option<bool>,
    ) -> Result<(Option<Item>, Spent), Error> {
        let table = self.catalog.table(&self.db, &prepared.table_key).await;
        let read = table.and_then(|table| plan::item_read(select, &prepared.parameters, &table, OPERATION));
        let reach = read
            .as_ref()
            .map_or_else(|_| Reach::unknown(), |(key, projection)| Reach::of_item(key, projection.as_ref()));
        self.may_run(call, prepared, &reach, Some(OPERATION)).await?;
        let (key, projection) = read?;
        let wanted = |table: &crate::model::Table| Ok(vec![keys::item(table.number, &table.key.named(&key)?)]);
        let seen = self.catalog.read(&self.db, &prepared.table_key, wanted).await?;
        let item = item_of(seen.rows.first().and_then(Option::as_ref))?;
        let spent = Spent::on_table(read_units(item.as_ref().map_or(0, item_size_bytes), Rate::of(consistent)));
        self.spent(&prepared.id, Units::Read, &spent);
        let item = match projection {
            Some(projection) => item.map(|item| projection.project(&item)),
            None => item,
        };
        Ok((item, spent))
    }
}

fn answer(outcomes: impl Iterator<Item = Outcome>, wanted: Wanted) -> BatchExecuteOutput {
    let mut spent: BTreeMap<String, Spent> = BTreeMap::new();
    let mut responses = Vec::new();
    for outcome in outcomes {
        let table_name = outcome.table.map(|table| table.name);
        responses.push(match outcome.result {
            Ok((item, units)) => {
                spent.entry(table_name.clone().unwrap_or_default()).or_default().add(&units);
                Response { error: None, table_name, item }
            }
            Err(error) => Response { error: Some(StatementError::of(error)), table_name, item: None },
        });
    }
    let told = spent.iter().filter_map(|(table, spent)| spent.tell(table, wanted, Kind::Plain));
    BatchExecuteOutput { responses, consumed_capacity: (wanted != Wanted::None).then(|| told.collect()) }
}
