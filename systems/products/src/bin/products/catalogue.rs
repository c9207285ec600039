//! The table of products. Each change commits together with its event, which waits in the outbox.
//!
//! A product that was deleted leaves a mark for a day, which no client sees: if it is made again meanwhile, that must have happened later.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use functions::{now_ms, variable};
use lambda_runtime::Error;
use products::event::{Event, Kind};
use products::product::{Cents, Product};

use crate::item::{Item, n, number, s, text};
use crate::outbox::Outbox;

/// How often a change is tried that met another one of the same product.
const ATTEMPTS_MAX: u64 = 20;

/// How much longer each further attempt waits, in milliseconds.
const PAUSE_MS: u64 = 5;

/// How long the mark of a deleted product stays, in seconds: longer than a request lasts, and than clocks differ.
const MARK_KEPT_S: i64 = 86_400;

/// A product as it is kept.
pub struct Kept {
    pub product: Product,
    /// When it was last changed, in milliseconds since 1970: later with each change, so that it also tells one state from another.
    pub changed_ms: i64,
    /// Whether this is but the mark of a product that was deleted.
    deleted: bool,
}

/// What became of a change.
pub enum Outcome {
    Done(Event),
    /// There is such a product already.
    Exists,
    NotFound,
}

/// What to do to a product.
pub enum Change<'a> {
    Create(&'a Product),
    Update(&'a Product),
    Delete(i64),
}

pub struct Catalogue {
    client: Client,
    table: String,
    outbox: Outbox,
}

impl Catalogue {
    pub fn new(client: &Client) -> Result<Catalogue, Error> {
        Ok(Catalogue { client: client.clone(), table: variable("PRODUCT_TABLE")?, outbox: Outbox::new(client)? })
    }

    /// A product.
    pub async fn find(&self, id: i64) -> Result<Option<Kept>, Error> {
        Ok(self.last(id).await?.filter(|kept| !kept.deleted))
    }

    /// A product, or its mark.
    async fn last(&self, id: i64) -> Result<Option<Kept>, Error> {
        let found =
            self.client.get_item().table_name(&self.table).key("id", n(id)).consistent_read(true).send().await?;
        Ok(found.item.as_ref().map(kept))
    }

    /// A page of the catalogue, and the id after which the next one begins.
    pub async fn list(&self, after: Option<i64>, limit: i32) -> Result<(Vec<Product>, Option<i64>), Error> {
        let start = after.map(|id| Item::from([("id".to_owned(), n(id))]));
        let scan = self.client.scan().table_name(&self.table).filter_expression("attribute_not_exists(expires)");
        let page = scan.limit(limit).set_exclusive_start_key(start).send().await?;
        let next = page.last_evaluated_key.as_ref().map(|key| number(key, "id"));
        Ok((page.items.unwrap_or_default().iter().map(|item| kept(item).product).collect(), next))
    }

    /// Makes a change and puts its event into the outbox, in one transaction.
    pub async fn change(&self, change: &Change<'_>, user: &str, request: &str) -> Result<Outcome, Error> {
        for attempt in 0..ATTEMPTS_MAX {
            let id = change.id();
            let before = self.last(id).await?;
            let product = before.as_ref().filter(|kept| !kept.deleted).map(|kept| &kept.product);
            let (code, kind) = match (change, product) {
                (Change::Create(_), Some(_)) => return Ok(Outcome::Exists),
                (Change::Create(product), None) => (&product.code, Kind::Created),
                (Change::Update(_) | Change::Delete(_), None) => return Ok(Outcome::NotFound),
                (Change::Update(product), Some(_)) => (&product.code, Kind::Updated),
                (Change::Delete(_), Some(product)) => (&product.code, Kind::Deleted),
            };
            // Clocks of different machines differ; a product's events are in the order of its changes all the same.
            let time = now_ms().max(before.as_ref().map_or(0, |kept| kept.changed_ms.saturating_add(1)));
            let event =
                Event { id, code: code.clone(), event: kind, user: user.to_owned(), time, request: request.to_owned() };
            let writes = vec![self.write(change, before.as_ref(), time)?, self.outbox.put(&event)?];
            let sent = self.client.transact_write_items().set_transact_items(Some(writes)).send().await;
            let Err(cause) = sent else { return Ok(Outcome::Done(event)) };
            match cause.as_service_error() {
                // Another request was faster: look again.
                Some(
                    TransactWriteItemsError::TransactionCanceledException(_)
                    | TransactWriteItemsError::TransactionInProgressException(_),
                ) => {}
                _ => return Err(DisplayErrorContext(cause).to_string().into()),
            }
            tokio::time::sleep(Duration::from_millis(PAUSE_MS * attempt)).await;
        }
        Err(format!("{ATTEMPTS_MAX} attempts met other changes of the same product").into())
    }

    fn write(&self, change: &Change<'_>, before: Option<&Kept>, time: i64) -> Result<TransactWriteItem, Error> {
        let item = match change {
            Change::Create(product) | Change::Update(product) => item(product, time),
            Change::Delete(id) => mark(*id, time),
        };
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        let put = match before {
            None => put.condition_expression("attribute_not_exists(id)"),
            Some(kept) => put
                .condition_expression("changed_ms = :changed_ms")
                .expression_attribute_values(":changed_ms", n(kept.changed_ms)),
        };
        Ok(TransactWriteItem::builder().put(put.build()?).build())
    }
}

impl Change<'_> {
    fn id(&self) -> i64 {
        match self {
            Change::Create(product) | Change::Update(product) => product.id,
            Change::Delete(id) => *id,
        }
    }
}

fn item(product: &Product, changed_ms: i64) -> Item {
    Item::from([
        ("id".to_owned(), n(product.id)),
        ("code".to_owned(), s(&product.code)),
        ("name".to_owned(), s(&product.name)),
        ("price_cents".to_owned(), n(product.price.0)),
        ("changed_ms".to_owned(), n(changed_ms)),
    ])
}

/// What a product leaves that is deleted; the table removes it itself.
fn mark(id: i64, changed_ms: i64) -> Item {
    let expires = (changed_ms / 1_000).saturating_add(MARK_KEPT_S);
    [("id", id), ("changed_ms", changed_ms), ("expires", expires)]
        .map(|(name, value)| (name.to_owned(), n(value)))
        .into()
}

fn kept(item: &Item) -> Kept {
    let product = Product {
        id: number(item, "id"),
        code: text(item, "code").to_owned(),
        name: text(item, "name").to_owned(),
        price: Cents(number(item, "price_cents")),
    };
    Kept { product, changed_ms: number(item, "changed_ms"), deleted: item.contains_key("expires") }
}

#[cfg(test)]
mod tests {
    use products::product::{Cents, Product};

    use super::{item, kept, mark};

    #[test]
    fn what_is_kept_is_found_again() {
        let (code, name) = ("TV-1".to_owned(), "Television".to_owned());
        let product = Product { id: 5, code, name, price: Cents(99_990) };
        let found = kept(&item(&product, 7));
        assert_eq!((found.product, found.changed_ms, found.deleted), (product, 7, false));
    }

    #[test]
    fn a_mark_is_no_product() {
        let found = kept(&mark(5, 7_000));
        assert_eq!((found.product.id, found.changed_ms, found.deleted), (5, 7_000, true));
    }
}
