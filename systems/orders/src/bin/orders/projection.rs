//! The query updater: counts events in the table of clients, then tells the cleaner.
//!
//! The table's key is the client and what of them: `summary`, or `event#ID` for each event that is in the summary.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use functions::queue::{Batch, Failures};
use functions::{config, now_ms, variable};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use orders::event::{Event, Projected};
use orders::projection::{Counting, Outcome, ReadModel, project};

/// What of a client the summary is.
pub const SUMMARY: &str = "summary";

/// How long the first repetition waits on average; each further one waits up to twice as long, in milliseconds.
const PAUSE_MS: u64 = 8;

/// How long a repetition waits at most, in milliseconds.
const PAUSE_MS_MAX: u64 = 250;

/// An item.
pub type Item = HashMap<String, AttributeValue>;

/// The key of an item.
pub fn key(id_client: i64, part: &str) -> Item {
    let part = AttributeValue::S(part.to_owned());
    HashMap::from([("id_client".to_owned(), AttributeValue::N(id_client.to_string())), ("part".to_owned(), part)])
}

/// A text of an item.
pub fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

/// A number of an item.
pub fn number(item: &Item, name: &str) -> i64 {
    item.get(name).and_then(|value| value.as_n().ok()).and_then(|text| text.parse().ok()).unwrap_or_default()
}

struct Table {
    client: Client,
    name: String,
}

pub async fn run() -> Result<(), Error> {
    let config = config().await;
    let table = Table { client: Client::new(&config), name: variable("CLIENT_TABLE")? };
    let (cleaner, queue) = (aws_sdk_sqs::Client::new(&config), variable("PROJECTED_QUEUE_URL")?);
    let (table, cleaner, queue) = (&table, &cleaner, queue.as_str());
    lambda_runtime::run(service_fn(|event: LambdaEvent<Batch>| answer(table, cleaner, queue, event.payload))).await
}

async fn answer(table: &Table, cleaner: &aws_sdk_sqs::Client, queue: &str, batch: Batch) -> Result<Failures, Error> {
    let mut failures = Failures::default();
    let (mut records, mut events) = (Vec::new(), Vec::new());
    for record in &batch.records {
        match record.read::<Event>() {
            Ok(event) => {
                records.push(record);
                events.push(event);
            }
            Err(cause) => failures.note(record, &cause),
        }
    }
    let mut counted = Projected { ids: Vec::new() };
    for ((record, event), failure) in records.iter().zip(&events).zip(project(table, &events).await) {
        match failure {
            None => counted.ids.push(event.id.clone()),
            Some(why) => failures.note(record, &why),
        }
    }
    if !counted.ids.is_empty() {
        // If this fails, all messages come again, are found to be counted, and the cleaner is told then.
        cleaner.send_message().queue_url(queue).message_body(serde_json::to_string(&counted)?).send().await?;
    }
    Ok(failures)
}

impl Table {
    fn remember(&self, event: &Event) -> Result<TransactWriteItem, String> {
        let mut item = key(event.order.client.id, &format!("event#{}", event.id));
        let mut set = |name: &str, value: i64| item.insert(name.to_owned(), AttributeValue::N(value.to_string()));
        set("id_order", event.order.id_order);
        set("total_cents", event.order.total_cents.0);
        set("placed_at_ms", event.order.placed_at_ms);
        let put = Put::builder().table_name(&self.name).set_item(Some(item));
        let put = put.condition_expression("attribute_not_exists(id_client)").build();
        Ok(TransactWriteItem::builder().put(put.map_err(|cause| cause.to_string())?).build())
    }

    fn add(&self, counting: &Counting<'_>) -> Result<TransactWriteItem, String> {
        let number = |value: i64| AttributeValue::N(value.to_string());
        let mut update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(key(counting.client.id, SUMMARY)))
            .expression_attribute_values(":total", number(counting.total_cents.0))
            .expression_attribute_values(":count", number(i64::try_from(counting.events.len()).unwrap_or(i64::MAX)))
            .expression_attribute_values(":latest", number(counting.latest_ms));
        update = if counting.is_latest {
            update
                .condition_expression("attribute_not_exists(last_purchase_ms) OR last_purchase_ms < :latest")
                .update_expression(
                    "ADD total_cents :total, orders :count SET last_purchase_ms = :latest, #name = :name, email = :email",
                )
                .expression_attribute_names("#name", "name")
                .expression_attribute_values(":name", AttributeValue::S(counting.client.name.clone()))
                .expression_attribute_values(":email", AttributeValue::S(counting.client.email.clone()))
        } else {
            update
                .condition_expression("last_purchase_ms >= :latest")
                .update_expression("ADD total_cents :total, orders :count")
        };
        let update = update.build().map_err(|cause| cause.to_string())?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

#[async_trait]
impl ReadModel for Table {
    async fn count(&self, counting: &Counting<'_>) -> Result<Outcome, String> {
        let mut items = Vec::with_capacity(counting.events.len() + 1);
        for event in &counting.events {
            items.push(self.remember(event)?);
        }
        items.push(self.add(counting)?);
        let sent = self.client.transact_write_items().set_transact_items(Some(items)).send().await;
        let Err(cause) = sent else { return Ok(Outcome::Done) };
        match cause.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                let codes: Vec<&str> =
                    canceled.cancellation_reasons().iter().map(|reason| reason.code().unwrap_or("None")).collect();
                outcome(&codes, counting.events.len())
            }
            Some(TransactWriteItemsError::TransactionInProgressException(_)) => Ok(Outcome::Conflict),
            _ => Err(DisplayErrorContext(cause).to_string()),
        }
    }

    async fn pause(&self, attempt: u32) {
        let most = (PAUSE_MS << attempt.min(8)).min(PAUSE_MS_MAX);
        // Those that met differ in when they got here: that is chance enough to part them.
        let chance = u64::try_from(now_ms()).unwrap_or_default() ^ u64::from(std::process::id());
        tokio::time::sleep(Duration::from_millis(1 + chance % most)).await;
    }
}

/// What the reasons mean, one for each of `events` and one for the summary.
fn outcome(codes: &[&str], events: usize) -> Result<Outcome, String> {
    let failed = |code: &&str| *code == "ConditionalCheckFailed";
    let known: Vec<usize> = (0..events).filter(|n| codes.get(*n).is_some_and(failed)).collect();
    let not_so = codes.get(events).is_some_and(failed);
    if !known.is_empty() || not_so {
        return Ok(Outcome::Refused { known, not_so });
    }
    if codes.contains(&"TransactionConflict") {
        return Ok(Outcome::Conflict);
    }
    Err(format!("the transaction was cancelled: {}", codes.join(", ")))
}

#[cfg(test)]
mod tests {
    use orders::projection::Outcome;

    use super::outcome;

    #[test]
    fn reasons_say_what_to_do_next() {
        let (ok, failed, conflict) = ("None", "ConditionalCheckFailed", "TransactionConflict");
        let refused = |known: &[usize], not_so| Ok(Outcome::Refused { known: known.to_vec(), not_so });
        assert_eq!(outcome(&[failed, ok, ok], 2), refused(&[0], false));
        assert_eq!(outcome(&[ok, ok, failed], 2), refused(&[], true));
        assert_eq!(outcome(&[ok, failed, conflict], 2), refused(&[1], false));
        assert_eq!(outcome(&[ok, ok, conflict], 2), Ok(Outcome::Conflict));
        assert!(outcome(&[ok, "ValidationError"], 1).is_err());
    }
}
