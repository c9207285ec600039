//! The API: the catalogue's operations, each of which leaves an event.

use functions::gateway::{Answer, Request};
use functions::{config, now_ms};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use products::event::{CATALOGUE_CODE, CATALOGUE_ID, Event, Kind};
use products::product::{Product, id_of_path};
use serde::Serialize;

use crate::catalogue::{Catalogue, Change, Outcome};
use crate::history::{History, Shown};
use crate::outbox::{Outbox, Queue};

/// How many things a page has if nobody says, and at most.
const PAGE: i32 = 100;

struct Api {
    catalogue: Catalogue,
    history: History,
    outbox: Outbox,
    queue: Queue,
}

#[derive(Serialize)]
struct Products {
    products: Vec<Product>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<i64>,
}

#[derive(Serialize)]
struct Events {
    events: Vec<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

pub async fn run() -> Result<(), Error> {
    let config = config().await;
    let client = aws_sdk_dynamodb::Client::new(&config);
    let queue = Queue::new(aws_sdk_sqs::Client::new(&config))?;
    let outbox = Outbox::new(&client)?;
    let api = Api { catalogue: Catalogue::new(&client)?, history: History::new(&client)?, outbox, queue };
    let api = &api;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Request>| async move {
        Ok::<_, Error>(api.answer(&event.payload).await)
    }))
    .await
}

fn document(status: u16, of: &impl Serialize) -> Result<Answer, Error> {
    Ok(Answer::json(status, serde_json::to_string(of)?))
}

fn not_found(id: i64) -> Result<Answer, Error> {
    Ok(Answer::words(404, &format!("There is no product {id}.")))
}

impl Api {
    async fn answer(&self, request: &Request) -> Answer {
        // A method without a key would be a mistake of the template's: no event may lack its user.
        let Some(user) = request.api_key_id() else { return Answer::words(403, "An API key is needed.") };
        let done = match (request.http_method.as_str(), request.resource.as_str()) {
            ("GET", "/products") => self.list(request, user).await,
            ("POST", "/products") => self.create(request, user).await,
            ("GET", "/products/{id}") => self.read(request, user).await,
            ("PUT", "/products/{id}") => self.update(request, user).await,
            ("DELETE", "/products/{id}") => self.delete(request, user).await,
            ("GET", "/products/{id}/events") => self.events(request).await,
            (method, resource) => Ok(Answer::words(404, &format!("There is no {method} {resource}."))),
        };
        done.unwrap_or_else(|cause| {
            println!("request {}: {cause:?}", request.id());
            Answer::words(503, "This could not be done now. Try again later.")
        })
    }

    async fn create(&self, request: &Request, user: &str) -> Result<Answer, Error> {
        let product = match Product::read(request.body.as_deref(), None) {
            Ok(product) => product,
            Err(refusal) => return Ok(Answer::words(400, &refusal.to_string())),
        };
        match self.catalogue.change(&Change::Create(&product), user, request.id()).await? {
            Outcome::Done(event) => {
                self.tell(&event).await;
                document(201, &product)
            }
            _ => Ok(Answer::words(409, &format!("There is a product {} already.", product.id))),
        }
    }

    async fn update(&self, request: &Request, user: &str) -> Result<Answer, Error> {
        let read = id_of_path(request.path_parameter("id").unwrap_or_default())
            .and_then(|id| Product::read(request.body.as_deref(), Some(id)));
        let product = match read {
            Ok(product) => product,
            Err(refusal) => return Ok(Answer::words(400, &refusal.to_string())),
        };
        match self.catalogue.change(&Change::Update(&product), user, request.id()).await? {
            Outcome::Done(event) => {
                self.tell(&event).await;
                document(200, &product)
            }
            _ => not_found(product.id),
        }
    }

    async fn delete(&self, request: &Request, user: &str) -> Result<Answer, Error> {
        let id = match id_of_path(request.path_parameter("id").unwrap_or_default()) {
            Ok(id) => id,
            Err(refusal) => return Ok(Answer::words(400, &refusal.to_string())),
        };
        match self.catalogue.change(&Change::Delete(id), user, request.id()).await? {
            Outcome::Done(event) => {
                self.tell(&event).await;
                Ok(Answer::words(200, &format!("Product {id} deleted.")))
            }
            _ => not_found(id),
        }
    }

    async fn read(&self, request: &Request, user: &str) -> Result<Answer, Error> {
        let id = match id_of_path(request.path_parameter("id").unwrap_or_default()) {
            Ok(id) => id,
            Err(refusal) => return Ok(Answer::words(400, &refusal.to_string())),
        };
        let Some(kept) = self.catalogue.find(id).await? else { return not_found(id) };
        let (code, time) = (kept.product.code.clone(), now_ms().max(kept.changed_ms));
        self.queue.send(&seen(id, code, Kind::Read, time, user, request)).await?;
        document(200, &kept.product)
    }

    async fn list(&self, request: &Request, user: &str) -> Result<Answer, Error> {
        let limit = match limit(request) {
            Ok(limit) => limit,
            Err(why) => return Ok(Answer::words(400, &why)),
        };
        let after = match request.query_parameter("after").map(id_of_path).transpose() {
            Ok(after) => after,
            Err(refusal) => return Ok(Answer::words(400, &format!("after: {refusal}"))),
        };
        let (products, next) = self.catalogue.list(after, limit).await?;
        let event = seen(CATALOGUE_ID, CATALOGUE_CODE.to_owned(), Kind::Listed, now_ms(), user, request);
        self.queue.send(&event).await?;
        document(200, &Products { products, next })
    }

    /// What happened to a product, also to one that is gone. To ask is no operation of the catalogue, and leaves nothing.
    async fn events(&self, request: &Request) -> Result<Answer, Error> {
        let id = request.path_parameter("id").unwrap_or_default();
        let id = match id_of_path(id) {
            Ok(id) => id,
            Err(_) if id == "0" => CATALOGUE_ID,
            Err(refusal) => return Ok(Answer::words(400, &refusal.to_string())),
        };
        let limit = match limit(request) {
            Ok(limit) => limit,
            Err(why) => return Ok(Answer::words(400, &why)),
        };
        let (events, next) = self.history.of(id, request.query_parameter("after"), limit).await?;
        document(200, &Events { events, next })
    }

    /// Sends the event of a change that is made. If that fails, the relay does it: the change is answered as made, for it is.
    async fn tell(&self, event: &Event) {
        let sent = async {
            self.queue.send(event).await?;
            self.outbox.remove(&event.request).await
        };
        if let Err(cause) = sent.await {
            println!("request {}: the event is left to the relay: {cause:?}", event.request);
        }
    }
}

fn seen(id: i64, code: String, event: Kind, time: i64, user: &str, request: &Request) -> Event {
    Event { id, code, event, user: user.to_owned(), time, request: request.id().to_owned() }
}

fn limit(request: &Request) -> Result<i32, String> {
    let Some(text) = request.query_parameter("limit") else { return Ok(PAGE) };
    let limit = text.parse().ok().filter(|limit| (1..=PAGE).contains(limit));
    limit.ok_or_else(|| format!("limit must be an integer from 1 to {PAGE}"))
}
