//! Events on their way to the queue. The event of a change waits in a table, written in the change's own transaction, until the queue has
//! it: a function that dies between the two loses nothing, the relay finds the event there.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use functions::variable;
use lambda_runtime::Error;
use products::event::Event;

use crate::item::{Item, n, number, s, text};

/// How many events the relay takes at once: what SQS takes in a request.
const BATCH_MAX: i32 = 10;

pub struct Outbox {
    client: Client,
    table: String,
}

impl Outbox {
    pub fn new(client: &Client) -> Result<Outbox, Error> {
        Ok(Outbox { client: client.clone(), table: variable("OUTBOX_TABLE")? })
    }

    /// What puts an event here.
    pub fn put(&self, event: &Event) -> Result<TransactWriteItem, Error> {
        let item = Item::from([
            ("request".to_owned(), s(&event.request)),
            ("event".to_owned(), s(&serde_json::to_string(event)?)),
            ("time".to_owned(), n(event.time)),
        ]);
        Ok(TransactWriteItem::builder()
            .put(Put::builder().table_name(&self.table).set_item(Some(item)).build()?)
            .build())
    }

    /// Takes out events that the queue has.
    pub async fn remove(&self, request: &str) -> Result<(), Error> {
        self.client.delete_item().table_name(&self.table).key("request", s(request)).send().await?;
        Ok(())
    }

    /// Some of the events that wait since before `until_ms`, and where to look on.
    pub async fn waiting(&self, until_ms: i64, after: Option<Item>) -> Result<(Vec<Event>, Option<Item>), Error> {
        let scan = self.client.scan().table_name(&self.table).limit(BATCH_MAX).set_exclusive_start_key(after);
        let page = scan.consistent_read(true).send().await?;
        let items = page.items.unwrap_or_default();
        let due = items.iter().filter(|item| number(item, "time") <= until_ms);
        let events = due.map(|item| serde_json::from_str(text(item, "event"))).collect::<Result<_, _>>()?;
        Ok((events, page.last_evaluated_key))
    }
}

/// The queue between the catalogue and the history.
pub struct Queue {
    client: aws_sdk_sqs::Client,
    url: String,
}

impl Queue {
    pub fn new(client: aws_sdk_sqs::Client) -> Result<Queue, Error> {
        Ok(Queue { client, url: variable("QUEUE_URL")? })
    }

    /// Sends an event, behind all others of its product.
    pub async fn send(&self, event: &Event) -> Result<(), Error> {
        let message = self.client.send_message().queue_url(&self.url).message_body(serde_json::to_string(event)?);
        message.message_group_id(event.id.to_string()).message_deduplication_id(&event.request).send().await?;
        Ok(())
    }
}
