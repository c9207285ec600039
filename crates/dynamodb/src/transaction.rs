//! TransactWriteItems: up to a hundred changes, all or none, in one commit.
//!
//! AWS: Developer Guide, *Amazon DynamoDB Transactions: How it works*.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cauce_core::{Call, Timestamp, Violations};
use cauce_store::{Record, Tx};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::access::{Expressions, Touched};
use crate::capacity::{ConsumedCapacity, Kind, Rate, Spent, Wanted, read_units};
use crate::change::{self, Action, Change, Refusal};
use crate::error::{CancellationReason, Error};
use crate::item::{ItemCollectionMetrics, update_change};
use crate::keys::{self, TableId, TokenId};
use crate::meters::Units;
use crate::model::{Table, table_arn};
use crate::request::{self, Names, Values, table_id, table_resource, validate_table};
use crate::service::DynamoDb;
use crate::value::{Given, Item, encode_item, item_size_bytes};

/// How many actions a transaction has.
pub const TRANSACTION_MAX: usize = 100;

/// How many bytes the items of a transaction are together.
pub const TRANSACTION_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long a `ClientRequestToken` is remembered.
pub const TOKEN_LASTS: Duration = Duration::from_secs(600);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TransactWriteItems {
    transact_items: Vec<TransactWriteItem>,
    return_consumed_capacity: Option<String>,
    return_item_collection_metrics: Option<String>,
    client_request_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TransactWriteItem {
    condition_check: Option<Wish>,
    put: Option<Wish>,
    delete: Option<Wish>,
    update: Option<Wish>,
}

/// An action of any kind; which members it must have depends on the kind.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wish {
    table_name: String,
    item: Option<Given<Item>>,
    key: Option<Given<Item>>,
    update_expression: Option<String>,
    condition_expression: Option<String>,
    expression_attribute_names: Names,
    expression_attribute_values: Values,
    return_values_on_condition_check_failure: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verb {
    Check,
    Put,
    Delete,
    Update,
}

impl Verb {
    fn member(self) -> &'static str {
        match self {
            Verb::Check => "conditionCheck",
            Verb::Put => "put",
            Verb::Delete => "delete",
            Verb::Update => "update",
        }
    }

    /// The permission it needs.
    fn action(self) -> &'static str {
        match self {
            Verb::Check => "dynamodb:ConditionCheckItem",
            Verb::Put => "dynamodb:PutItem",
            Verb::Delete => "dynamodb:DeleteItem",
            Verb::Update => "dynamodb:UpdateItem",
        }
    }
}

impl TransactWriteItem {
    fn wishes(&self) -> impl Iterator<Item = (Verb, &Wish)> {
        let all = [
            (Verb::Check, &self.condition_check),
            (Verb::Put, &self.put),
            (Verb::Delete, &self.delete),
            (Verb::Update, &self.update),
        ];
        all.into_iter().filter_map(|(verb, wish)| Some((verb, wish.as_ref()?)))
    }

    fn into_wish(self) -> Result<(Verb, Wish), Error> {
        let mut wishes = [
            (Verb::Check, self.condition_check),
            (Verb::Put, self.put),
            (Verb::Delete, self.delete),
            (Verb::Update, self.update),
        ]
        .into_iter()
        .filter_map(|(verb, wish)| Some((verb, wish?)));
        match (wishes.next(), wishes.next()) {
            (Some(wish), None) => Ok(wish),
            _ => Err(Error::invalid("TransactItems can only contain one of Check, Put, Update or Delete")),
        }
    }
}

impl Input for TransactWriteItems {
    fn validate(&self, v: &mut Violations) {
        v.count("transactItems", self.transact_items.len(), 1, TRANSACTION_MAX);
        for (n, item) in self.transact_items.iter().enumerate() {
            for (verb, wish) in item.wishes() {
                v.within(format!("transactItems.{}.member.{}", n + 1, verb.member()), |v| wish.validate(v, verb));
            }
        }
        if let Some(token) = &self.client_request_token {
            v.length("clientRequestToken", token, 1, 36);
        }
        request::validate_capacity(v, self.return_consumed_capacity.as_deref());
        request::validate_metrics(v, self.return_item_collection_metrics.as_deref());
    }
}

impl Wish {
    fn validate(&self, v: &mut Violations, verb: Verb) {
        validate_table(v, &self.table_name);
        match verb {
            Verb::Put => v.required("item", self.item.as_ref()),
            Verb::Check => {
                v.required("key", self.key.as_ref());
                v.required("conditionExpression", self.condition_expression.as_ref());
            }
            Verb::Delete => v.required("key", self.key.as_ref()),
            Verb::Update => {
                v.required("key", self.key.as_ref());
                v.required("updateExpression", self.update_expression.as_ref());
            }
        }
        request::validate_on_failure(v, self.return_values_on_condition_check_failure.as_deref());
    }

    /// Adds what it touches.
    fn touched(&self, touched: Touched, hash: Option<&str>) -> Touched {
        let expressions = Expressions {
            condition: self.condition_expression.as_deref(),
            update: self.update_expression.as_deref(),
            names: Some(&self.expression_attribute_names),
            values: Some(&self.expression_attribute_values),
            ..Expressions::default()
        };
        self.item.iter().chain(&self.key).fold(touched, Touched::item).expressions(&expressions, hash)
    }

    /// Adds all of it to a fingerprint. A value that is none adds nothing: it is refused, whatever the fingerprint.
    fn digest(&self, verb: Verb, digest: &mut Sha256) {
        let mut put = |part: &[u8]| {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        };
        put(verb.member().as_bytes());
        put(self.table_name.as_bytes());
        for item in [&self.item, &self.key, &self.expression_attribute_values] {
            let checked = item.clone().and_then(|item| item.checked().ok());
            put(&checked.as_ref().map(encode_item).unwrap_or_default());
        }
        let texts =
            [&self.update_expression, &self.condition_expression, &self.return_values_on_condition_check_failure];
        texts.into_iter().for_each(|text| put(text.as_deref().unwrap_or_default().as_bytes()));
        for (key, name) in self.expression_attribute_names.iter().flatten() {
            put(key.as_bytes());
            put(name.as_bytes());
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TransactWriteOutput {
    #[serde(skip_serializing_if = "Option::is_none")]
    consumed_capacity: Option<Vec<ConsumedCapacity>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item_collection_metrics: Option<BTreeMap<String, Vec<ItemCollectionMetrics>>>,
}

/// What is remembered of a transaction with a token.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Remembered {
    fingerprint: [u8; 32],
    pub(crate) end: Timestamp,
}

impl Record for Remembered {
    const VERSION: u8 = 1;
}

/// A token with the fingerprint of its request.
pub(crate) struct Token {
    pub(crate) id: TokenId,
    pub(crate) fingerprint: [u8; 32],
}

/// One action, ready to be done.
pub(crate) struct Step {
    pub(crate) id: TableId,
    pub(crate) table_key: Bytes,
    pub(crate) change: Change,
    /// Whether its condition is that there is no such item yet, as PartiQL inserts.
    pub(crate) inserts: bool,
    pub(crate) old_on_failure: bool,
}

/// What a transaction did.
pub(crate) struct Done {
    pub(crate) spent: BTreeMap<TableId, Spent>,
    metrics: BTreeMap<String, Vec<ItemCollectionMetrics>>,
    /// Whether it was done before under the same token, and only read this time.
    repeated: bool,
}

impl Done {
    /// What its units were spent on.
    pub(crate) fn kind(&self) -> Kind {
        if self.repeated { Kind::TransactionRead } else { Kind::TransactionWrite }
    }
}

/// The tables that a transaction writes, each once.
pub(crate) fn resources(call: &Call, input: &TransactWriteItems) -> Vec<String> {
    let wishes = input.transact_items.iter().flat_map(TransactWriteItem::wishes);
    let names: BTreeSet<&str> = wishes.map(|(_, wish)| wish.table_name.as_str()).collect();
    names.into_iter().flat_map(|name| table_resource(call, name)).collect()
}

fn step(call: &Call, (verb, wish): (Verb, Wish)) -> Result<Step, Error> {
    let id = table_id(call, &wish.table_name)?;
    let (names, values) = (wish.expression_attribute_names, wish.expression_attribute_values);
    let condition = wish.condition_expression.as_deref();
    let missing = || Error::invalid("The provided key element does not match the schema");
    let key = || wish.key.clone().ok_or_else(missing);
    let change = match verb {
        Verb::Update => update_change(key()?.checked()?, wish.update_expression.as_deref(), condition, names, values)?,
        verb => {
            request::check_parameters(condition, &names, &values, &(None, None))?;
            let action = match verb {
                Verb::Put => Action::Put(Arc::new(wish.item.ok_or_else(missing)?.checked()?)),
                Verb::Delete => Action::Delete { key: key()?.checked()? },
                _ => Action::Check { key: key()?.checked()? },
            };
            Change { action, condition: request::condition(condition, names, values, (None, None))? }
        }
    };
    let old_on_failure = wish.return_values_on_condition_check_failure.as_deref() == Some("ALL_OLD");
    Ok(Step { table_key: keys::table(&id), id, change, inserts: false, old_on_failure })
}

impl DynamoDb {
    pub(crate) async fn transact_write_items(
        self: Arc<Self>,
        call: Call,
        input: TransactWriteItems,
    ) -> Result<TransactWriteOutput, Error> {
        let wanted = Wanted::of(input.return_consumed_capacity.as_deref());
        let metrics = input.return_item_collection_metrics.as_deref() == Some("SIZE");
        let wishes: Vec<(Verb, Wish)> =
            input.transact_items.into_iter().map(TransactWriteItem::into_wish).collect::<Result<_, _>>()?;
        self.may_transact(&call, &wishes).await?;
        let token = input.client_request_token.map(|token| token_of(&call, token, &wishes)).transpose()?;
        let steps: Vec<Step> = wishes.into_iter().map(|wish| step(&call, wish)).collect::<Result<_, _>>()?;
        let done = self.transact(&steps, token.as_ref()).await?;
        let consumed = done.spent.iter().filter_map(|(id, spent)| spent.tell(&id.name, wanted, done.kind()));
        Ok(TransactWriteOutput {
            consumed_capacity: (wanted != Wanted::None).then(|| consumed.collect()),
            item_collection_metrics: metrics.then_some(done.metrics),
        })
    }

    /// Does all steps in one commit, or none.
    pub(crate) async fn transact(&self, steps: &[Step], token: Option<&Token>) -> Result<Done, Error> {
        let now = self.env.now();
        let done = match self.db.transact(async |tx| self.transact_in(&tx, steps, token, now).await).await {
            Ok(done) => done,
            Err(Error::Conflict) => {
                steps.iter().for_each(|step| self.refused(&step.id, &Error::Conflict));
                return Err(Error::Canceled(steps.iter().map(|_| conflict()).collect()));
            }
            Err(error) => return Err(error),
        };
        let units = if done.repeated { Units::Read } else { Units::Written };
        done.spent.iter().for_each(|(id, spent)| self.spent(id, units, spent));
        Ok(done)
    }

    /// Asks policies about each kind of action on each table.
    async fn may_transact(&self, call: &Call, wishes: &[(Verb, Wish)]) -> Result<(), Error> {
        let asked: BTreeSet<(Verb, &str)> =
            wishes.iter().map(|(verb, wish)| (*verb, wish.table_name.as_str())).collect();
        for (verb, name) in asked {
            let touched = |_: &str, hash: Option<&str>| {
                let same = wishes.iter().filter(|(other, wish)| *other == verb && wish.table_name == name);
                same.fold(Touched::default(), |touched, (_, wish)| wish.touched(touched, hash))
            };
            let context = self.context(call, [(name, None)], touched, &[]);
            self.may(call, verb.action(), &table_arn(&table_id(call, name)?), context).await?;
        }
        Ok(())
    }

    async fn transact_in(&self, tx: &Tx, steps: &[Step], token: Option<&Token>, now: Timestamp) -> Result<Done, Error> {
        let tables = self.tables_of(tx, steps).await?;
        let repeated = match token {
            Some(token) => remember(tx, token, now).await?,
            None => false,
        };
        let rows = rows_of(steps, &tables)?;
        let stored = tx.get_many(&rows).await?;
        let mut reasons = Vec::with_capacity(steps.len());
        let mut decided = Vec::with_capacity(steps.len());
        let mut done = Done { spent: BTreeMap::new(), metrics: BTreeMap::new(), repeated };
        for ((step, table), row) in steps.iter().zip(&tables).zip(&stored) {
            let old = change::item_of(row.as_ref())?;
            if repeated {
                let units = read_units(old.as_ref().map_or(0, item_size_bytes), Rate::Transactional);
                done.spent.entry(step.id.clone()).or_default().add(&Spent::on_table(units));
                continue;
            }
            match step.change.decide(table, old.as_ref()) {
                Ok(decision) => {
                    reasons.push(CancellationReason::NONE);
                    decided.push((old, decision));
                }
                Err(refusal) => reasons.push(reason(step, refusal, old)?),
            }
        }
        if reasons.iter().any(|reason| *reason != CancellationReason::NONE) {
            return Err(Error::Canceled(reasons));
        }
        check_size(&decided)?;
        let at = self.moment();
        for (((step, table), row), (old, decision)) in steps.iter().zip(&tables).zip(&rows).zip(decided) {
            let spent = self.write_decided(tx, table, row, (old.as_ref(), at), &decision).await?;
            done.spent.entry(step.id.clone()).or_default().add(&spent.doubled());
            let checks = matches!(step.change.action, Action::Check { .. });
            if let Some(metrics) = ItemCollectionMetrics::of(table, &step.change).filter(|_| !checks) {
                done.metrics.entry(step.id.name.clone()).or_default().push(metrics);
            }
        }
        Ok(done)
    }

    /// The table of each step.
    async fn tables_of(&self, tx: &Tx, steps: &[Step]) -> Result<Vec<Arc<Table>>, Error> {
        let keys: BTreeSet<&Bytes> = steps.iter().map(|step| &step.table_key).collect();
        let keys: Vec<Bytes> = keys.into_iter().cloned().collect();
        let rows = tx.get_many(&keys).await?;
        let mut tables = BTreeMap::new();
        for (key, row) in keys.iter().zip(&rows) {
            tables.insert(key, self.catalog.decode(key, row.as_ref())?);
        }
        steps.iter().map(|step| tables.get(&step.table_key).cloned().ok_or(Error::NoTable)).collect()
    }
}

fn conflict() -> CancellationReason {
    CancellationReason { code: "TransactionConflict", message: Some(Error::Conflict.to_string()), item: None }
}

/// Why a step is refused, as a reason; errors that are no reason go on.
fn reason(step: &Step, refusal: Refusal, old: Option<Item>) -> Result<CancellationReason, Error> {
    match refusal {
        Refusal::Condition if step.inserts => {
            Ok(CancellationReason { code: "DuplicateItem", message: Some(Error::Duplicate.to_string()), item: None })
        }
        Refusal::Condition => Ok(CancellationReason {
            code: "ConditionalCheckFailed",
            message: Some(Error::ConditionFailed { item: None, bytes: 0 }.to_string()),
            item: old.filter(|_| step.old_on_failure),
        }),
        Refusal::Invalid(error) => validation(error),
    }
}

/// A `ValidationException` as a reason.
pub(crate) fn validation(error: Error) -> Result<CancellationReason, Error> {
    match error {
        Error::Invalid(message) => {
            Ok(CancellationReason { code: "ValidationError", message: Some(message), item: None })
        }
        other => Err(other),
    }
}

/// The rows of all steps; each item once, each key as its table wants it.
fn rows_of(steps: &[Step], tables: &[Arc<Table>]) -> Result<Vec<Bytes>, Error> {
    let mut rows = Vec::with_capacity(steps.len());
    let mut reasons = Vec::with_capacity(steps.len());
    for (step, table) in steps.iter().zip(tables) {
        match step.change.row_key(table) {
            Ok(row) => {
                rows.push(row);
                reasons.push(CancellationReason::NONE);
            }
            Err(error) => reasons.push(validation(error)?),
        }
    }
    if rows.len() < steps.len() {
        return Err(Error::Canceled(reasons));
    }
    if rows.iter().collect::<BTreeSet<_>>().len() < rows.len() {
        return Err(Error::invalid("Transaction request cannot include multiple operations on one item"));
    }
    Ok(rows)
}

fn check_size(decided: &[(Option<Item>, change::Decision)]) -> Result<(), Error> {
    let size = |item: &Option<Item>| item.as_ref().map_or(0, item_size_bytes);
    let bytes: usize = decided.iter().map(|(old, decision)| size(old).max(size(&decision.new))).sum();
    if bytes > TRANSACTION_BYTES_MAX {
        return Err(Error::invalid(format!(
            "The aggregate size of the items in the transaction, {bytes} bytes, exceeds the limit of \
             {TRANSACTION_BYTES_MAX} bytes"
        )));
    }
    Ok(())
}

fn token_of(call: &Call, token: String, wishes: &[(Verb, Wish)]) -> Result<Token, Error> {
    let mut digest = Sha256::new();
    wishes.iter().for_each(|(verb, wish)| wish.digest(*verb, &mut digest));
    let id = TokenId { account: call.account, region: call.region.clone(), token };
    Ok(Token { id, fingerprint: digest.finalize().into() })
}

/// Whether the token was used before for the same request; if not, it is remembered from now on.
async fn remember(tx: &Tx, token: &Token, now: Timestamp) -> Result<bool, Error> {
    let key = keys::token(&token.id);
    if let Some(known) = tx.get_record::<Remembered>(&key).await?
        && known.end > now
    {
        return if known.fingerprint == token.fingerprint { Ok(true) } else { Err(Error::TokenReused) };
    }
    let end = now + TOKEN_LASTS;
    tx.set_record(key, &Remembered { fingerprint: token.fingerprint, end })?;
    tx.set(keys::token_end(end, &token.id), Bytes::from_static(&[1]));
    Ok(false)
}
