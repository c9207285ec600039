//! `POST /orders`: places an order.
//!
//! The answer comes after the commit. With log tailing the relay is woken then; if that fails, the schedule does it later.

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::InvocationType;
use functions::gateway::{Answer, Request};
use functions::{config, now_ms};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use orders::database::Placed;
use orders::order::OrderRequest;

use crate::lazy::Lazy;

struct Command {
    database: Lazy,
    /// Who wakes the relay, and which function it is; `None` where it wakes by itself.
    relay: Option<(Client, String)>,
}

pub async fn run() -> Result<(), Error> {
    let relay = match std::env::var("RELAY_FUNCTION").unwrap_or_default() {
        function if function.is_empty() => None,
        function => Some((Client::new(&config().await), function)),
    };
    let command = Command { database: Lazy::from_environment()?, relay };
    let command = &command;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Request>| async move {
        Ok::<_, Error>(command.answer(&event.payload).await)
    }))
    .await
}

impl Command {
    async fn answer(&self, request: &Request) -> Answer {
        let body = request.body.as_deref().unwrap_or_default();
        let order = match OrderRequest::parse(body.as_bytes(), request.header("idempotency-key")) {
            Ok(order) => order,
            Err(refusal) => return Answer::words(refusal.status(), refusal.message()),
        };
        let placed = match self.database.get().await {
            Ok(database) => database.place(&order, now_ms()).await,
            Err(cause) => Err(cause),
        };
        match placed {
            Ok(Placed::Created { id_order }) => {
                println!("order {id_order} of client {} created", order.id_client);
                self.wake_relay().await;
                Answer::words(200, "Order created successfully!")
            }
            Ok(Placed::Before { id_order }) => {
                println!("order {id_order} of client {} was created before", order.id_client);
                Answer::words(200, "Order created successfully!")
            }
            Ok(Placed::Refused(refusal)) => Answer::words(refusal.status(), refusal.message()),
            Err(cause) => {
                println!("no order: {cause}");
                Answer::words(503, "The order could not be stored. Try again later.")
            }
        }
    }

    async fn wake_relay(&self) {
        let Some((client, function)) = &self.relay else { return };
        let invocation = client.invoke().function_name(function).invocation_type(InvocationType::Event).send().await;
        if let Err(cause) = invocation {
            println!("the relay was not woken: {}", aws_sdk_lambda::error::DisplayErrorContext(cause));
        }
    }
}
