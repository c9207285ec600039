//! ExecuteTransaction: statements that all read at one instant, or all write in one commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::access::Reach;
use super::plan;
use super::statement::{GivenParameters, Prepared, validate_statement};
use super::syntax::Statement;
use crate::capacity::{ConsumedCapacity, Kind, Spent, Wanted};
use crate::error::{CancellationReason, Error};
use crate::keys::{TableId, TokenId};
use crate::request;
use crate::service::DynamoDb;
use crate::transaction::{Step, TRANSACTION_MAX, Token, validation};
use crate::transaction_get::{Response, Wish};

const OPERATION: &str = "ExecuteTransaction";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ExecuteTransaction {
    transact_statements: Vec<TransactStatement>,
    client_request_token: Option<String>,
    return_consumed_capacity: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TransactStatement {
    statement: String,
    parameters: GivenParameters,
    return_values_on_condition_check_failure: Option<String>,
}

impl Input for ExecuteTransaction {
    fn validate(&self, v: &mut Violations) {
        v.count("transactStatements", self.transact_statements.len(), 1, TRANSACTION_MAX);
        for (n, one) in self.transact_statements.iter().enumerate() {
            v.within(format!("transactStatements.{}.member", n + 1), |v| {
                let on_failure = one.return_values_on_condition_check_failure.as_deref();
                validate_statement(v, &one.statement, &one.parameters, on_failure);
            });
        }
        if let Some(token) = &self.client_request_token {
            v.length("clientRequestToken", token, 1, 36);
        }
        request::validate_capacity(v, self.return_consumed_capacity.as_deref());
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ExecuteTransactionOutput {
    responses: Vec<Response>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumed_capacity: Option<Vec<ConsumedCapacity>>,
}

/// The answers of the statements, and what they cost.
type Answer = (Vec<Response>, BTreeMap<TableId, Spent>, Kind);

/// Says which statement is refused.
fn of_statement(n: usize) -> impl Fn(Error) -> Error {
    move |error| match error {
        Error::Invalid(message) => Error::Invalid(format!("Validation failed in TransactStatements[{n}]: {message}")),
        other => other,
    }
}

/// What a statement without the key of an item, or with another key than its table's, makes of a transaction.
fn cancels(error: &Error) -> bool {
    let beginnings = [
        "Where clause does not contain a mandatory equality",
        "Multiple conditions on same key",
        "Key attribute should be present in the item",
        "Key attribute's data type should match",
    ];
    matches!(error, Error::Invalid(message) if beginnings.iter().any(|beginning| message.starts_with(beginning)))
}

impl DynamoDb {
    pub(crate) async fn execute_transaction(
        self: Arc<Self>,
        call: Call,
        input: ExecuteTransaction,
    ) -> Result<ExecuteTransactionOutput, Error> {
        let wanted = Wanted::of(input.return_consumed_capacity.as_deref());
        let mut statements = Vec::with_capacity(input.transact_statements.len());
        for (n, one) in input.transact_statements.into_iter().enumerate() {
            let prepared = Prepared::of(&call, &one.statement, one.parameters).map_err(of_statement(n))?;
            if prepared.statement.returning().is_some() {
                let message = "RETURNING clause is not supported in ExecuteTransaction.";
                return Err(of_statement(n)(Error::invalid(message)));
            }
            let old_on_failure = one.return_values_on_condition_check_failure.as_deref() == Some("ALL_OLD");
            statements.push((prepared, old_on_failure));
        }
        let reads = statements.iter().filter(|(one, _)| matches!(one.statement, Statement::Select(_))).count();
        let (responses, spent, kind) = if reads == statements.len() {
            self.read_transaction(&call, statements.into_iter().map(|(one, _)| one).collect()).await?
        } else if reads > 0 {
            return Err(Error::invalid(
                "ExecuteTransaction API does not support both read and write operations in the same request.",
            ));
        } else {
            self.write_transaction(&call, statements, input.client_request_token).await?
        };
        spent.keys().for_each(|table| self.took(&call, table, OPERATION));
        let told = spent.iter().filter_map(|(table, spent)| spent.tell(&table.name, wanted, kind));
        Ok(ExecuteTransactionOutput { responses, consumed_capacity: (wanted != Wanted::None).then(|| told.collect()) })
    }

    async fn read_transaction(&self, call: &Call, statements: Vec<Prepared>) -> Result<Answer, Error> {
        let mut wishes = Vec::with_capacity(statements.len());
        for (n, prepared) in statements.into_iter().enumerate() {
            let Statement::Select(select) = &prepared.statement else { continue };
            let table = self.catalog.table(&self.db, &prepared.table_key).await;
            let read = table.and_then(|table| plan::item_read(select, &prepared.parameters, &table, OPERATION));
            let reach = read
                .as_ref()
                .map_or_else(|_| Reach::unknown(), |(key, projection)| Reach::of_item(key, projection.as_ref()));
            self.may_run(call, &prepared, &reach, Some(OPERATION)).await?;
            let (key, projection) = read.map_err(of_statement(n))?;
            wishes.push(Wish { id: prepared.id, table_key: prepared.table_key, key, projection });
        }
        let (responses, spent) = self.get_at_once(&wishes).await?;
        Ok((responses, spent, Kind::TransactionRead))
    }

    async fn write_transaction(
        &self,
        call: &Call,
        statements: Vec<(Prepared, bool)>,
        token: Option<String>,
    ) -> Result<Answer, Error> {
        let count = statements.len();
        let token = token.map(|token| token_of(call, token, &statements)).transpose()?;
        let mut steps = Vec::with_capacity(count);
        let mut reasons = vec![CancellationReason::NONE; count];
        for (n, (prepared, old_on_failure)) in statements.into_iter().enumerate() {
            match self.planned_write(call, &prepared, Some(OPERATION)).await {
                Ok(write) => steps.push(Step {
                    id: prepared.id,
                    table_key: prepared.table_key,
                    inserts: write.kind.inserts(),
                    change: write.change,
                    old_on_failure,
                }),
                Err(error) if cancels(&error) => {
                    if let Some(reason) = reasons.get_mut(n) {
                        *reason = validation(error)?;
                    }
                }
                Err(error) => return Err(of_statement(n)(error)),
            }
        }
        if steps.len() < count {
            return Err(Error::Canceled(reasons));
        }
        let done = self.transact(&steps, token.as_ref()).await?;
        let responses = steps.iter().map(|_| Response { item: None }).collect();
        let kind = done.kind();
        Ok((responses, done.spent, kind))
    }
}

fn token_of(call: &Call, token: String, statements: &[(Prepared, bool)]) -> Result<Token, Error> {
    let mut digest = Sha256::new();
    digest.update(OPERATION);
    for (prepared, old_on_failure) in statements {
        let parameters = serde_json::to_vec(&prepared.parameters).map_err(cauce_core::ServiceError::internal)?;
        for part in [prepared.statement.to_string().as_bytes(), &parameters, &[u8::from(*old_on_failure)]] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
    }
    let id = TokenId { account: call.account, region: call.region.clone(), token };
    Ok(Token { id, fingerprint: digest.finalize().into() })
}
