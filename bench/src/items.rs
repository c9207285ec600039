//! Items of tables: put, get, query and transactions.

use std::time::Duration;

use anyhow::{Context as _, Result};
use cauce_store::{Db, EmbeddedOptions};
use serde_json::{Value, json};

use crate::echo::Echo;
use crate::load::{self, Figures};
use crate::programs::Programs;
use crate::report::Table;
use crate::samples::median;
use crate::server::Server;
use crate::tables::{ask, create};
use crate::throughput::commits_a_second;

const CONNECTIONS: [usize; 2] = [1, 64];

/// The text that makes an item about as large as a message or an event is, in bytes.
const TEXT_BYTES: usize = 300;

/// How many items lie under each partition key that is queried, and how many a query returns.
const ITEMS_A_PARTITION: usize = 100;
const ITEMS_A_QUERY: usize = 10;

/// How many partitions are filled beforehand.
const PARTITIONS: usize = 10;

const OPERATIONS: [&str; 5] = ["put", "update a counter", "get", "query 10 of 100", "transaction of 4 puts"];

pub(crate) fn measure(programs: &Programs, quick: bool) -> Result<Table> {
    let (rounds, span) = if quick { (1, Duration::from_millis(200)) } else { (3, Duration::from_millis(1_500)) };
    let folder = programs.folder()?;
    let server = Server::start(&programs.cauce, &folder.path().join("data"))?;
    let db = Db::open(&folder.path().join("store"), EmbeddedOptions::default())?;
    let echo = Echo::start(&programs.own)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    create_table(&server)?;
    let columns = &["a second", "p50 µs", "p99 µs", "processor µs", "× store"];
    let mut table = Table::new("Items: operations on a table", columns);
    for connections in CONNECTIONS {
        let (mut stores, mut echoes) = (Vec::new(), Figures::default());
        let mut cases: Vec<_> = OPERATIONS.iter().map(|operation| (*operation, Figures::default())).collect();
        for round in 0..rounds {
            stores.push(runtime.block_on(commits_a_second(&db, connections, span))?);
            let (opened, pings): (Vec<_>, Vec<_>) =
                (0..connections).map(|_| echo.connect(TEXT_BYTES)).collect::<Result<Vec<_>>>()?.into_iter().unzip();
            load::round(opened, echo.pid(), span, &mut echoes, |connection, number, _| {
                connection.call(pings.get(number).context("a request")?)?;
                Ok(1)
            })?;
            for (operation, figures) in &mut cases {
                let opened = load::connect(&server, connections)?;
                load::round(opened, server.pid(), span, figures, |connection, number, turn| {
                    let (target, input) = request(operation, &format!("{round}-{connections}-{number}-{turn}"), turn);
                    ask(connection, &server, target, &input)?;
                    Ok(1)
                })?;
            }
        }
        let commits = median(stores);
        table.row(format!("store alone, {connections:2} writers"), vec![Some(commits), None, None, None, None]);
        table.row(format!("bare HTTP echo, {connections:2} connections"), echoes.row(None));
        for (operation, figures) in cases {
            table.row(format!("{connections:2} connections, {operation}"), figures.row(Some(commits)));
        }
    }
    table.note(format!(
        "items of about {TEXT_BYTES} bytes; medians of {rounds} rounds in turns, {} ms each",
        span.as_millis()
    ));
    table.note("counters: one item a turn of a hundred, so that writers meet; reads: eventually consistent");
    table.note("senders sign every request, and share the cores");
    Ok(table)
}

fn create_table(server: &Server) -> Result<()> {
    create(server, "bench", false, false)?;
    let mut connection = server.connect()?;
    for partition in 0..PARTITIONS {
        for n in 0..ITEMS_A_PARTITION {
            let input = json!({ "TableName": "bench", "Item": item(&format!("full-{partition}"), n) });
            ask(&mut connection, server, "PutItem", &input)?;
        }
    }
    Ok(())
}

fn item(partition: &str, n: usize) -> Value {
    json!({ "pk": { "S": partition }, "sk": { "N": n.to_string() }, "text": { "S": "x".repeat(TEXT_BYTES) } })
}

/// The operation and its input; `own` is told apart from every other turn's.
fn request(operation: &str, own: &str, turn: u64) -> (&'static str, Value) {
    let n = usize::try_from(turn).unwrap_or(0);
    let full = format!("full-{}", n % PARTITIONS);
    match operation {
        "put" => ("PutItem", json!({ "TableName": "bench", "Item": item(own, 0) })),
        "update a counter" => (
            "UpdateItem",
            json!({
                "TableName": "bench",
                "Key": { "pk": { "S": "counter" }, "sk": { "N": (n % 100).to_string() } },
                "UpdateExpression": "ADD seen :one",
                "ExpressionAttributeValues": { ":one": { "N": "1" } },
            }),
        ),
        "get" => (
            "GetItem",
            json!({
                "TableName": "bench",
                "Key": { "pk": { "S": full }, "sk": { "N": (n % ITEMS_A_PARTITION).to_string() } },
            }),
        ),
        "query 10 of 100" => (
            "Query",
            json!({
                "TableName": "bench",
                "KeyConditionExpression": "pk = :p AND sk >= :from",
                "ExpressionAttributeValues": { ":p": { "S": full }, ":from": { "N": (n % 80).to_string() } },
                "Limit": ITEMS_A_QUERY,
            }),
        ),
        _ => {
            let put = |n: usize| json!({ "Put": { "TableName": "bench", "Item": item(own, n) } });
            ("TransactWriteItems", json!({ "TransactItems": (0..4).map(put).collect::<Vec<_>>() }))
        }
    }
}
