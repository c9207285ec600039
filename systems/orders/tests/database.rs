//! One suite that both databases must pass. PostgreSQL is tested where `ORDERS_TEST_POSTGRES_URL` names an empty database that may be
//! filled; each test has a schema of its own there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code outside #[test]")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use orders::database::{Checked, Database, LEASE_MS, PUBLISHED_AGAIN_AFTER_MS, Placed, State};
use orders::event::{Event, ProductSold};
use orders::order::{Cents, Line, OrderRequest, Refusal};

const NOW: i64 = 1_707_484_820_000;

/// A fresh database: its URL, and what has to be kept for it to stay.
struct Fresh {
    url: String,
    _folder: Option<Folder>,
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("orders-{}-{test}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Every database there is here, fresh.
async fn fresh(test: &str) -> Vec<Fresh> {
    let folder = Folder::new(test);
    let url = format!("sqlite:{}?mode=rwc", folder.0.join("orders.db").display());
    let mut all = vec![Fresh { url, _folder: Some(folder) }];
    if let Ok(url) = std::env::var("ORDERS_TEST_POSTGRES_URL") {
        use sqlx::Connection as _;
        let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
        let make = format!("DROP SCHEMA IF EXISTS {test} CASCADE; CREATE SCHEMA {test};");
        sqlx::raw_sql(&make).execute(&mut connection).await.unwrap();
        let join = if url.contains('?') { '&' } else { '?' };
        all.push(Fresh { url: format!("{url}{join}options=-c%20search_path%3D{test}"), _folder: None });
    }
    all
}

fn request(client: i64, lines: &[(i64, i64)], key: Option<&str>) -> OrderRequest {
    let lines = lines.iter().map(|&(id_product, quantity)| Line { id_product, quantity }).collect();
    OrderRequest { id_client: client, lines, idempotency_key: key.map(str::to_owned) }
}

async fn place(database: &Database, client: i64, lines: &[(i64, i64)], now: i64) -> i64 {
    match database.place(&request(client, lines, None), now).await.unwrap() {
        Placed::Created { id_order } => id_order,
        other => panic!("{other:?}"),
    }
}

async fn take_out(database: &Database, id_order: i64, id_product: i64) -> bool {
    // Twice in one batch is once, too.
    let sold = [ProductSold { id_order, id_product }; 2];
    database.take_out(&sold).await.unwrap() == 1
}

fn ids(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.id.as_str()).collect()
}

#[tokio::test]
async fn an_order_its_lines_and_its_event_are_there_together_and_stay() {
    for fresh in fresh("orders_placed").await {
        let database = Database::open(&fresh.url).await.unwrap();
        let order = place(&database, 1, &[(1, 1), (2, 3)], NOW).await;
        database.close().await;
        let database = Database::open(&fresh.url).await.unwrap();
        let events = database.claim(10, NOW).await.unwrap();
        assert_eq!(events.len(), 1);
        let event = &events[0].order;
        assert_eq!((event.id_order, event.placed_at_ms, event.total_cents), (order, NOW, Cents(300_000)));
        assert_eq!((event.client.name.as_str(), event.client.email.as_str()), ("Bob", "bob@anemailprovider.com"));
        assert_eq!(event.products.len(), 2);
        let report = database.report().await.unwrap();
        assert_eq!((report.clients.len(), report.received, report.outbox), (1, 1, 1));
        assert_eq!((report.clients[0].orders, report.clients[0].total_cents), (1, Cents(300_000)));
    }
}

#[tokio::test]
async fn what_names_the_unknown_writes_nothing() {
    for fresh in fresh("unknown").await {
        let database = Database::open(&fresh.url).await.unwrap();
        for (client, product, words) in [(9, 1, "client 9 does not exist"), (1, 9, "product 9 does not exist")] {
            let placed = database.place(&request(client, &[(1, 1), (product, 1)], None), NOW).await.unwrap();
            assert_eq!(placed, Placed::Refused(Refusal::Unknown(words.to_owned())));
        }
        let report = database.report().await.unwrap();
        assert_eq!((report.received, report.outbox, report.clients.len()), (0, 0, 0));
    }
}

#[tokio::test]
async fn the_same_key_is_the_same_order() {
    for fresh in fresh("idempotency").await {
        let database = Database::open(&fresh.url).await.unwrap();
        let placed = database.place(&request(1, &[(1, 1)], Some("k")), NOW).await.unwrap();
        let Placed::Created { id_order } = placed else { panic!("{placed:?}") };
        let again = database.place(&request(1, &[(1, 1)], Some("k")), NOW + 1).await.unwrap();
        assert_eq!(again, Placed::Before { id_order });
        let other = database.place(&request(1, &[(1, 1)], Some("l")), NOW).await.unwrap();
        assert!(matches!(other, Placed::Created { .. }));
        assert_eq!(database.report().await.unwrap().outbox, 2);
    }
}

#[tokio::test]
async fn the_outbox_gives_each_row_to_one_relay_until_it_is_counted() {
    for fresh in fresh("outbox").await {
        let database = Database::open(&fresh.url).await.unwrap();
        let other = Database::open(&fresh.url).await.unwrap();
        let mut placed = Vec::new();
        for n in 0..5 {
            placed.push(place(&database, 1, &[(1, 1)], NOW + n).await);
        }
        let first = database.claim(3, NOW).await.unwrap();
        let second = other.claim(10, NOW).await.unwrap();
        let orders: Vec<i64> = first.iter().chain(&second).map(|event| event.order.id_order).collect();
        assert_eq!(orders, placed, "in order, none twice");
        assert_eq!(other.claim(10, NOW + LEASE_MS - 1).await.unwrap(), []);

        // The first relay published; the second died: its rows are due again after the lease, under the same ids.
        database.published(&ids(&first), NOW).await.unwrap();
        let again = database.claim(10, NOW + LEASE_MS).await.unwrap();
        assert_eq!(ids(&again), ids(&second));
        database.published(&ids(&again), NOW).await.unwrap();

        let counted: Vec<String> = first.iter().map(|event| event.id.clone()).collect();
        assert_eq!(database.remove(&counted).await.unwrap(), 3);
        assert_eq!(database.remove(&counted).await.unwrap(), 0, "a second time does nothing");
        let last_resort = database.claim(10, NOW + PUBLISHED_AGAIN_AFTER_MS).await.unwrap();
        assert_eq!(ids(&last_resort), ids(&second), "what nobody counted is published again");
    }
}

#[tokio::test]
async fn stock_is_reserved_and_lowered_once() {
    for fresh in fresh("stock").await {
        let database = Database::open(&fresh.url).await.unwrap();
        let fits = place(&database, 1, &[(1, 60_000), (2, 1)], NOW).await;
        let too_much = place(&database, 2, &[(1, 40_001), (3, 1)], NOW).await;
        let fits_too = place(&database, 3, &[(1, 40_000)], NOW).await;
        assert!(!take_out(&database, fits, 1).await, "nothing leaves for an order that is not confirmed");
        let checked = |state, products: &[i64]| Checked { state, products: products.to_vec() };
        let expect = BTreeMap::from([
            (fits, checked(State::Confirmed, &[1, 2])),
            (too_much, checked(State::Rejected, &[1, 3])),
            (fits_too, checked(State::Confirmed, &[1])),
        ]);
        // All at once, again, and one by one: a decision stays.
        assert_eq!(database.check(&[fits_too, 999, fits, too_much]).await.unwrap(), expect);
        assert_eq!(database.check(&[fits, too_much, fits_too]).await.unwrap(), expect);
        for (id, checked) in &expect {
            assert_eq!(database.check(&[*id]).await.unwrap(), BTreeMap::from([(*id, checked.clone())]));
        }
        assert_eq!(database.check(&[999]).await.unwrap(), BTreeMap::new());
        assert_eq!(database.check(&[]).await.unwrap(), BTreeMap::new());
        assert!(take_out(&database, fits, 1).await);
        assert!(!take_out(&database, fits, 1).await);
        assert!(!take_out(&database, too_much, 1).await);
        assert!(!take_out(&database, fits, 3).await, "no such line");
        let report = database.report().await.unwrap();
        let product = |n: usize| (report.products[n].stock, report.products[n].reserved, report.products[n].sold);
        assert_eq!(product(0), (40_000, 40_000, 100_000));
        assert_eq!(product(1), (100_000, 1, 1));
        assert_eq!(product(2), (100_000, 0, 0));
        assert_eq!((report.received, report.confirmed, report.rejected), (0, 2, 1));
    }
}

#[tokio::test]
async fn many_at_once_do_not_harm_each_other() {
    for fresh in fresh("many").await {
        let mut tasks = Vec::new();
        for client in 1..=3 {
            let url = fresh.url.clone();
            tasks.push(tokio::spawn(async move {
                // Also the schema is made by all of them at once.
                let database = Database::open(&url).await.unwrap();
                for n in 0..10 {
                    let order = place(&database, client, &[(1, 1), (3, 2)], NOW + n).await;
                    database.check(&[order]).await.unwrap();
                    take_out(&database, order, 3).await;
                    database.claim(1, NOW).await.unwrap();
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        let report = Database::open(&fresh.url).await.unwrap().report().await.unwrap();
        assert!(report.clients.iter().all(|client| client.orders == 10), "{report:?}");
        assert_eq!((report.confirmed, report.outbox), (30, 30));
        let stock: Vec<(i64, i64)> = report.products.iter().map(|p| (p.stock, p.reserved)).collect();
        assert_eq!(stock, [(100_000, 30), (100_000, 0), (100_000 - 60, 0)]);
    }
}

#[tokio::test]
async fn a_url_of_another_database_is_refused() {
    for url in ["mysql://localhost/x", "orders.db", ""] {
        assert!(Database::open(url).await.is_err(), "{url}");
    }
}
