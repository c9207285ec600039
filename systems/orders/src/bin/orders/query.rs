//! `GET /clients/{id}`: what is known of a client.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use functions::gateway::{Answer, Request};
use functions::{config, variable};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use orders::order::Cents;
use serde::Serialize;

use crate::projection::{SUMMARY, key, number, text};

/// The answer, member by member in this order.
#[derive(Serialize)]
struct Summary<'a> {
    name: &'a str,
    email: &'a str,
    total: f64,
    last_purchase: i64,
}

pub async fn run() -> Result<(), Error> {
    let (client, table) = (Client::new(&config().await), variable("CLIENT_TABLE")?);
    let (client, table) = (&client, &table);
    lambda_runtime::run(service_fn(|event: LambdaEvent<Request>| async move {
        Ok::<_, Error>(answer(client, table, &event.payload).await)
    }))
    .await
}

async fn answer(client: &Client, table: &str, request: &Request) -> Answer {
    let named = request.path_parameter("id").unwrap_or_default();
    let Ok(id) = named.parse::<i64>() else {
        return Answer::words(400, "the client's id must be an integer");
    };
    let found = client.get_item().table_name(table).set_key(Some(key(id, SUMMARY))).consistent_read(true).send().await;
    let item = match found {
        Ok(found) => found.item,
        Err(cause) => {
            println!("client {id}: {}", DisplayErrorContext(cause));
            return Answer::words(503, "The client could not be read. Try again later.");
        }
    };
    let Some(item) = item else { return Answer::words(404, &format!("client {id} is not known")) };
    let summary = Summary {
        name: text(&item, "name"),
        email: text(&item, "email"),
        total: Cents(number(&item, "total_cents")).in_units(),
        last_purchase: number(&item, "last_purchase_ms") / 1_000,
    };
    match serde_json::to_string(&summary) {
        Ok(body) => Answer::json(200, body),
        Err(cause) => Answer::words(500, &cause.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Cents, Summary};

    #[test]
    fn a_client_is_shown_as_documented_to_the_byte() {
        let total = Cents(300_000).in_units();
        let bob = Summary { name: "Bob", email: "bob@anemailprovider.com", total, last_purchase: 1_707_484_820 };
        let expect = r#"{"name":"Bob","email":"bob@anemailprovider.com","total":3000.0,"last_purchase":1707484820}"#;
        assert_eq!(serde_json::to_string(&bob).ok().as_deref(), Some(expect));
    }
}
