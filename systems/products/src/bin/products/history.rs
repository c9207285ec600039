//! The table of events: everything that happened to a product is one query.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use functions::variable;
use lambda_runtime::Error;
use products::event::Event;
use serde::Serialize;

use crate::item::{Item, n, number, s, text};

/// An event as it is shown.
#[derive(Debug, Serialize)]
pub struct Shown {
    id: i64,
    code: String,
    event: String,
    user: String,
    time: i64,
    request: String,
}

pub struct History {
    client: Client,
    table: String,
}

impl History {
    pub fn new(client: &Client) -> Result<History, Error> {
        Ok(History { client: client.clone(), table: variable("EVENTS_TABLE")? })
    }

    /// Keeps an event. To keep it twice is to keep it once: its key is its own.
    pub async fn keep(&self, event: &Event, kept_s: i64) -> Result<(), Error> {
        let item = [
            ("id", n(event.id)),
            ("place", s(&event.place())),
            ("code", s(&event.code)),
            ("event", s(event.event.name())),
            ("user", s(&event.user)),
            ("time", n(event.time)),
            ("request", s(&event.request)),
            ("expires", n(event.expires_s(kept_s))),
        ];
        let item = item.map(|(name, value)| (name.to_owned(), value));
        self.client.put_item().table_name(&self.table).set_item(Some(item.into())).send().await?;
        Ok(())
    }

    /// What happened to a product, the earliest first, and the place after which the next page begins.
    pub async fn of(&self, id: i64, after: Option<&str>, limit: i32) -> Result<(Vec<Shown>, Option<String>), Error> {
        let start = after.map(|place| Item::from([("id".to_owned(), n(id)), ("place".to_owned(), s(place))]));
        let query = self.client.query().table_name(&self.table).key_condition_expression("id = :id");
        let query = query.expression_attribute_values(":id", AttributeValue::N(id.to_string()));
        let page = query.limit(limit).set_exclusive_start_key(start).consistent_read(true).send().await?;
        let next = page.last_evaluated_key.as_ref().map(|key| text(key, "place").to_owned());
        Ok((page.items.unwrap_or_default().iter().map(shown).collect(), next))
    }
}

fn shown(item: &Item) -> Shown {
    let text = |name: &str| text(item, name).to_owned();
    let (code, event, user, request) = (text("code"), text("event"), text("user"), text("request"));
    Shown { id: number(item, "id"), code, event, user, time: number(item, "time"), request }
}
