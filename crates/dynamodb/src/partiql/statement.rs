//! ExecuteStatement.

use std::sync::Arc;

use bytes::Bytes;
use cauce_core::{Call, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use super::access::Reach;
use super::parser::{Read, parse};
use super::plan::{self, Kind, Write};
use super::syntax::{Returning, Statement};
use crate::capacity::{ConsumedCapacity, Kind as Consumed, Spent, Wanted, write_units};
use crate::change::Decision;
use crate::error::Error;
use crate::keys::{self, TableId};
use crate::meters::Units;
use crate::request::{self, table_id};
use crate::service::DynamoDb;
use crate::value::{AttributeValue, Given, Item};

pub(super) const OPERATION: &str = "ExecuteStatement";

/// The longest statement, in characters. AWS: API Reference, *ExecuteStatement*.
pub const STATEMENT_CHARS_MAX: usize = 8_192;

/// The longest `NextToken`, in characters.
const TOKEN_CHARS_MAX: usize = 32_768;

/// The parameters of a statement.
pub(super) type GivenParameters = Option<Given<Vec<AttributeValue>>>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ExecuteStatement {
    statement: String,
    parameters: GivenParameters,
    pub(super) consistent_read: Option<bool>,
    pub(super) next_token: Option<String>,
    return_consumed_capacity: Option<String>,
    limit: Option<i64>,
    return_values_on_condition_check_failure: Option<String>,
}

/// The constraints that all statements share.
pub(super) fn validate_statement(
    v: &mut Violations,
    text: &str,
    parameters: &GivenParameters,
    on_failure: Option<&str>,
) {
    v.length("statement", text, 1, STATEMENT_CHARS_MAX);
    if let Some(Ok(parameters)) = parameters.as_ref().map(|given| given.clone().checked()) {
        v.count("parameters", parameters.len(), 1, usize::MAX);
    }
    request::validate_on_failure(v, on_failure);
}

impl Input for ExecuteStatement {
    fn validate(&self, v: &mut Violations) {
        let on_failure = self.return_values_on_condition_check_failure.as_deref();
        validate_statement(v, &self.statement, &self.parameters, on_failure);
        if let Some(token) = &self.next_token {
            v.length("nextToken", token, 1, TOKEN_CHARS_MAX);
        }
        if let Some(limit) = self.limit {
            v.range("limit", limit, 1, i64::from(i32::MAX));
        }
        request::validate_capacity(v, self.return_consumed_capacity.as_deref());
    }
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ExecuteStatementOutput {
    pub(super) items: Vec<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_evaluated_key: Option<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) consumed_capacity: Option<ConsumedCapacity>,
}

/// A statement that has been read, with its parameters.
pub(super) struct Prepared {
    pub(super) statement: Statement,
    pub(super) parameters: Vec<AttributeValue>,
    pub(super) id: TableId,
    pub(super) table_key: Bytes,
}

impl Prepared {
    pub(super) fn of(call: &Call, text: &str, given: GivenParameters) -> Result<Prepared, Error> {
        let Read { statement, parameters: wanted } = parse(text)?;
        let parameters = given.map(Given::checked).transpose()?.unwrap_or_default();
        if parameters.len() != wanted {
            return Err(Error::invalid("Number of parameters in request and statement don't match."));
        }
        let id = table_id(call, &statement.source().table)?;
        Ok(Prepared { statement, parameters, table_key: keys::table(&id), id })
    }
}

/// What a write has done.
pub(super) struct Written {
    pub(super) returned: Option<Item>,
    pub(super) spent: Spent,
}

/// What `RETURNING` wants of a write; nothing of it is nothing.
fn returned(write: &Write, old: Option<Item>, decision: Decision) -> Option<Item> {
    let item = match write.returning? {
        Returning { modified: false, new: false } => old,
        Returning { modified: false, new: true } => decision.new,
        Returning { modified: true, new: false } => old.map(|old| write.change.updated(&old)),
        Returning { modified: true, new: true } => decision.new.map(|new| write.change.updated(&new)),
    };
    item.filter(|item| !item.is_empty())
}

impl DynamoDb {
    pub(crate) async fn execute_statement(
        self: Arc<Self>,
        call: Call,
        input: ExecuteStatement,
    ) -> Result<ExecuteStatementOutput, Error> {
        let prepared = Prepared::of(&call, &input.statement, input.parameters.clone())?;
        let wanted = Wanted::of(input.return_consumed_capacity.as_deref());
        let output = match &prepared.statement {
            Statement::Exists(_) => {
                return Err(Error::invalid("EXISTS can only be used in ExecuteTransaction write requests."));
            }
            Statement::Select(select) => {
                let limit = input.limit.and_then(|limit| usize::try_from(limit).ok());
                self.select(&call, &prepared, select, &input, limit, wanted).await?
            }
            _ => {
                let write = self.planned_write(&call, &prepared, None).await?;
                let on_failure = input.return_values_on_condition_check_failure.as_deref();
                let written = self.write_statement(&prepared, &write, on_failure == Some("ALL_OLD")).await?;
                ExecuteStatementOutput {
                    items: written.returned.into_iter().collect(),
                    consumed_capacity: written.spent.tell(&prepared.id.name, wanted, Consumed::Plain),
                    ..ExecuteStatementOutput::default()
                }
            }
        };
        self.took(&call, &prepared.id, OPERATION);
        Ok(output)
    }

    /// What a statement writes, once policies allow it.
    pub(super) async fn planned_write(
        &self,
        call: &Call,
        prepared: &Prepared,
        enclosing: Option<&'static str>,
    ) -> Result<Write, Error> {
        let table = self.catalog.table(&self.db, &prepared.table_key).await;
        let write = table.and_then(|table| plan::write(&prepared.statement, &prepared.parameters, &table));
        let reach = write.as_ref().map_or_else(|_| Reach::unknown(), Reach::of_write);
        self.may_run(call, prepared, &reach, enclosing).await?;
        write
    }

    /// Writes what a statement says, in one transaction, and records what that costs. To find another item in the place of one
    /// that is to be inserted costs as much as a condition that fails, and is none.
    pub(super) async fn write_statement(
        &self,
        prepared: &Prepared,
        write: &Write,
        old_on_failure: bool,
    ) -> Result<Written, Error> {
        let change = &write.change;
        let changed =
            self.db.transact(async |tx| self.change_in(&tx, &prepared.table_key, change, old_on_failure).await).await;
        let (returned, spent) = match changed {
            Ok((_, old, decision, spent)) => (Some(returned(write, old, decision)), spent),
            Err(Error::ConditionFailed { bytes, .. }) if write.kind.inserts() => {
                (None, Spent::on_table(write_units(bytes)))
            }
            Err(error) => {
                self.refused(&prepared.id, &error);
                return Err(error);
            }
        };
        self.spent(&prepared.id, Units::Written, &spent);
        match returned {
            None if write.kind == Kind::Insert => Err(Error::Duplicate),
            returned => Ok(Written { returned: returned.flatten(), spent }),
        }
    }
}
