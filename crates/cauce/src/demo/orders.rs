//! Drives `orders`: sends orders that must be taken and others that must not, waits until the query side has counted them, and
//! compares it with what the command side knows.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use cauce_core::{Entropy as _, SystemEntropy};
use http::Method;
use serde_json::Value;

use super::api::{Api, api_key};
use crate::deploy::StackOutputs;
use cauce_client::Client;

/// How long orders may take to be counted; they take milliseconds, a busy machine may take longer to start the functions.
const ARRIVAL_MAX: Duration = Duration::from_secs(60);

/// How often the query side is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How many orders are sent at once after the first.
const ORDERS: usize = 24;

/// Orders that must be refused, and with which status.
const REFUSED: [(&str, &str, u16); 4] = [
    ("no JSON", "{", 400),
    ("no products", r#"{"id_client":2,"products":[]}"#, 400),
    ("a quantity of 0", r#"{"id_client":2,"products":[{"id_product":1,"quantity":0}]}"#, 400),
    ("an unknown product", r#"{"id_client":2,"products":[{"id_product":9,"quantity":1}]}"#, 404),
];

/// The order of the documentation: 1500 and three times 500.
const ORDER: &str = r#"{"id_client":1,"products":[{"id_product":1,"quantity":1},{"id_product":2,"quantity":3}]}"#;

/// What that order costs.
const ORDER_TOTAL: f64 = 3_000.0;

/// What the template must be told: a password, and where SQLite's file is.
pub(super) fn parameters(account: &str, region: &str) -> Vec<(String, String)> {
    let point = format!("arn:aws:elasticfilesystem:{region}:{account}:access-point/fsap-0123456789abcdef0");
    let password = format!("{:016x}", SystemEntropy.u64());
    [
        ("AdminPassword", password.as_str()),
        ("FileSystemAccessPointArn", &point),
        ("SubnetIds", "subnet-00000000"),
        ("SecurityGroupIds", "sg-00000000"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// The deployed API, and who may use it.
struct Orders<'a> {
    api: Api<'a>,
    authorization: String,
}

impl Orders<'_> {
    async fn call(&self, method: Method, path: &str, body: &str, authorization: &str) -> Result<(u16, String)> {
        self.api.call(method, path, body, ("authorization", authorization)).await
    }

    async fn order(&self, body: &str) -> Result<(u16, String)> {
        self.call(Method::POST, "/orders", body, &self.authorization).await
    }

    /// What the query side says of a client: their total, 0 if it does not know them yet.
    async fn total(&self, client: i64) -> Result<(f64, String)> {
        let (status, shown) = self.call(Method::GET, &format!("/clients/{client}"), "", &self.authorization).await?;
        match status {
            200 => Ok((member(&shown, "total").as_f64().unwrap_or(f64::NAN), shown)),
            404 => Ok((0.0, shown)),
            _ => bail!("GET /clients/{client}: {status} {shown}"),
        }
    }

    /// Waits until a client's total is what it must become; returns what is said of the client then.
    async fn until_total(&self, client: i64, expect: f64) -> Result<Option<String>> {
        let end = Instant::now() + ARRIVAL_MAX;
        loop {
            let (total, shown) = self.total(client).await?;
            // Both are whole cents divided by 100: equal or different, never nearly equal.
            if total.to_bits() == expect.to_bits() {
                return Ok(Some(shown));
            }
            if Instant::now() > end {
                println!("  client {client}: {shown} instead of a total of {expect}  <-- WRONG");
                return Ok(None);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Drives the deployed system; returns how many things were not as they should be.
pub(super) async fn drive(client: &Client, outputs: &StackOutputs) -> Result<usize> {
    let output = |name: &str| outputs.get(name).with_context(|| format!("the stack has no output {name}"));
    let authorization = format!("Basic {}", api_key(client, "admin_key").await?.value);
    let orders = Orders { api: Api::of(client, outputs)?, authorization };
    let mut wrong = refusals(&orders).await?;

    let (before, _) = orders.total(1).await?;
    let (status, answer) = orders.order(ORDER).await?;
    let answered = Instant::now();
    println!("  POST /orders {ORDER}\n    {status} {answer}");
    wrong += usize::from(status != 200 || answer != r#"{"statusCode":200,"body":"Order created successfully!"}"#);
    match orders.until_total(1, before + ORDER_TOTAL).await? {
        Some(shown) => {
            println!(
                "  GET /clients/1, {:.0} ms after that answer\n    {shown}",
                answered.elapsed().as_secs_f64() * 1e3
            );
        }
        None => wrong += 1,
    }
    wrong += many(&orders).await?;
    wrong += sides(&orders, output("Report")?).await?;
    println!("\n  more: systems/orders/traffic load --orders 1000, with AWS_ENDPOINT_URL={}", client.endpoint());
    Ok(wrong)
}

/// A member of an answer.
fn member(answer: &str, name: &str) -> Value {
    let document: Value = serde_json::from_str(answer).unwrap_or_default();
    document.get(name).cloned().unwrap_or_default()
}

/// What must not be let in or taken.
async fn refusals(orders: &Orders<'_>) -> Result<usize> {
    let mut wrong = 0;
    for (what, authorization) in [("without credentials", ""), ("with wrong ones", "Basic YWRtaW46YWRtaW4=")] {
        let (status, _) = orders.call(Method::POST, "/orders", ORDER, authorization).await?;
        wrong += usize::from(status != 401);
        println!("  {what}: {status}{}", if status == 401 { "" } else { "  <-- WRONG" });
    }
    for (what, body, expect) in REFUSED {
        let (status, answer) = orders.order(body).await?;
        wrong += usize::from(status != expect);
        let words = member(&answer, "body");
        println!("  {what}: {status} {words}{}", if status == expect { "" } else { "  <-- WRONG" });
    }
    Ok(wrong)
}

/// Many orders at once, of two clients.
async fn many(orders: &Orders<'_>) -> Result<usize> {
    let (alice, john) = (orders.total(2).await?.0, orders.total(3).await?.0);
    let began = Instant::now();
    let order = |n: usize| async move {
        let body = format!(r#"{{"id_client":{},"products":[{{"id_product":3,"quantity":1}}]}}"#, 2 + n % 2);
        orders.order(&body).await
    };
    let mut wrong = 0;
    for answer in futures_util::future::join_all((0..ORDERS).map(order)).await {
        let (status, answer) = answer?;
        if status != 200 {
            println!("  {status} {answer}  <-- WRONG");
            wrong += 1;
        }
    }
    let answered = began.elapsed();
    // One TV each, 1000.
    let each = 1_000.0 * (ORDERS / 2) as f64;
    for (client, total) in [(2, alice + each), (3, john + each)] {
        wrong += usize::from(orders.until_total(client, total).await?.is_none());
    }
    let (answered, counted) = (answered.as_secs_f64() * 1e3, began.elapsed().as_secs_f64() * 1e3);
    println!("  {ORDERS} orders at once: all answered after {answered:.0} ms, all counted after {counted:.0} ms");
    Ok(wrong)
}

/// Compares both sides once nothing is on its way any more.
async fn sides(orders: &Orders<'_>, function: &str) -> Result<usize> {
    let path = format!("/2015-03-31/functions/{function}/invocations");
    let end = Instant::now() + ARRIVAL_MAX;
    let report = loop {
        let answer =
            orders.api.client.rest("lambda", Method::POST, &path, Vec::new(), Bytes::from_static(b"{}")).await?;
        let report: Value = serde_json::from_slice(&answer.body)?;
        let none = |name: &str| report.get(name).and_then(Value::as_i64) == Some(0);
        let products = report.get("products").and_then(Value::as_array).cloned().unwrap_or_default();
        let reserved = products.iter().any(|product| product.get("reserved").and_then(Value::as_i64) != Some(0));
        if none("received") && none("outbox") && !reserved {
            break report;
        }
        if Instant::now() > end {
            println!("  still on its way: {report}  <-- WRONG");
            return Ok(1);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let mut wrong = 0;
    let number = |value: &Value, name: &str| value.get(name).and_then(Value::as_i64).unwrap_or_default();
    for client in report.get("clients").and_then(Value::as_array).into_iter().flatten() {
        let id = number(client, "id");
        let expect = number(client, "total_cents") as f64 / 100.0;
        wrong += usize::from(orders.until_total(id, expect).await?.is_none());
    }
    let (confirmed, rejected) = (number(&report, "confirmed"), number(&report, "rejected"));
    println!("  both sides agree: {confirmed} orders confirmed, {rejected} rejected, the outbox is empty");
    for product in report.get("products").and_then(Value::as_array).into_iter().flatten() {
        println!(
            "    product {}: {} sold, {} left",
            number(product, "id"),
            number(product, "sold"),
            number(product, "stock")
        );
    }
    Ok(wrong)
}
