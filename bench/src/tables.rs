//! Tables that differ: a small one beside one of a million items, and what streams, recovery and indexes add to a write.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::load::{self, Figures};
use crate::process::Usage;
use crate::programs::Programs;
use crate::report::Table;
use crate::server::Server;

/// How many items the large table holds, and the small one it is compared with.
const LARGE: u64 = 1_000_000;
const SMALL: u64 = 1_000;

/// The text that makes an item about as large as those of the other part are, in bytes.
const TEXT_BYTES: usize = 300;

/// How many items lie under each partition key, and how many a query returns.
const ITEMS_A_PARTITION: u64 = 100;
const ITEMS_A_QUERY: usize = 10;

/// The most items of one BatchWriteItem.
const BATCH: u64 = 25;

/// How many parts of a scan are timed on their own.
const PARTS: u64 = 10;

const OPERATIONS: [&str; 4] = ["get", "query 10 of 100", "update a counter", "put over"];

/// What a table may have that a write pays for.
const EXTRAS: [(&str, bool, bool, bool); 5] = [
    ("nothing else", false, false, false),
    ("a stream of both images", true, false, false),
    ("point-in-time recovery", false, true, false),
    ("a global index of all attributes", false, false, true),
    ("all three", true, true, true),
];

pub(crate) fn measure(programs: &Programs, quick: bool) -> Result<Vec<Table>> {
    let mut tables = sizes(programs, quick)?;
    tables.push(extras(programs, quick)?);
    Ok(tables)
}

/// A small table and a large one, the scan of the large one, and what the server takes meanwhile.
fn sizes(programs: &Programs, quick: bool) -> Result<Vec<Table>> {
    let (rounds, span) = if quick { (1, Duration::from_millis(200)) } else { (5, Duration::from_millis(1_000)) };
    let large = if quick { LARGE / 50 } else { LARGE };
    let folder = programs.folder()?;
    let server = Server::start(&programs.cauce, &folder.path().join("data"))?;
    let mut memory = Table::new("Tables: what the server takes", &["resident MiB", "anonymous MiB", "threads"]);
    memory.row("without a table", usage(&server)?);
    let mut figures = Vec::new();
    for items in [SMALL, large] {
        let table = Filled::create(&server, items)?;
        memory.row(format!("with a table of {items} items"), usage(&server)?);
        figures.push((table, OPERATIONS.map(|operation| (operation, Figures::default()))));
    }
    for round in 0..rounds {
        for (table, cases) in &mut figures {
            for (operation, figures) in cases {
                let opened = load::connect(&server, 1)?;
                load::round(opened, server.pid(), span, figures, |connection, _, turn| {
                    table.call(connection, operation, turn.wrapping_add(round << 32))?;
                    Ok(1)
                })?;
            }
        }
    }
    memory.row("after reads and writes all over it", usage(&server)?);
    let mut shown =
        Table::new("Tables: a small one and a large one", &["a second", "p50 µs", "p99 µs", "processor µs", "× small"]);
    let small = figures.first().map(|(_, cases)| cases.each_ref().map(|(_, figures)| figures.samples().p50()));
    for (table, cases) in &figures {
        for (n, (operation, figures)) in cases.iter().enumerate() {
            let small = small.as_ref().and_then(|small| small.get(n)).copied();
            let mut row = figures.row(None);
            row.pop();
            row.push(small.map(|small| figures.samples().p50() / small));
            shown.row(format!("{:7} items, {operation}", table.items), row);
        }
    }
    shown.note(format!("one connection; medians of {rounds} rounds in turns, {} ms each", span.as_millis()));
    shown.note(format!("items of about {TEXT_BYTES} bytes, at places all over the table; × small: of the medians"));
    let large = figures.last().map(|(table, _)| table).context("a large table")?;
    let scan = scan(large, &mut memory)?;
    Ok(vec![shown, scan, memory])
}

fn usage(server: &Server) -> Result<Vec<Option<f64>>> {
    let usage = Usage::of(server.pid())?;
    Ok(vec![Some(usage.resident_mib), Some(usage.anonymous_mib), Some(usage.threads)])
}

/// Reads the whole table, page by page, and says how fast each part of it came.
fn scan(table: &Filled<'_>, memory: &mut Table) -> Result<Table> {
    let mut connection = table.server.connect()?;
    let (mut seen, mut next, mut most) = (0, Value::Null, Vec::new());
    let mut shown = Table::new("Tables: one scan of the large one, page by page", &["items", "items/s"]);
    let (mut part_began, mut part_items) = (Instant::now(), 0);
    loop {
        let mut input = json!({ "TableName": table.name });
        if let (false, Some(input)) = (next.is_null(), input.as_object_mut()) {
            input.insert("ExclusiveStartKey".to_owned(), next);
        }
        let request = table.server.json("dynamodb", "DynamoDB_20120810.Scan", &input)?;
        let answer: Value = serde_json::from_slice(connection.call(&request)?)?;
        let count = answer.get("Count").and_then(Value::as_u64).context("a page has a count")?;
        seen += count;
        part_items += count;
        next = answer.get("LastEvaluatedKey").cloned().unwrap_or(Value::Null);
        if part_items >= table.items / PARTS || next.is_null() {
            let per_second = part_items as f64 / part_began.elapsed().as_secs_f64();
            shown.row(format!("up to item {seen:7}"), vec![Some(part_items as f64), Some(per_second)]);
            let now = usage(table.server)?;
            if most.first() < now.first() {
                most = now;
            }
            (part_began, part_items) = (Instant::now(), 0);
        }
        if next.is_null() {
            break;
        }
    }
    anyhow::ensure!(seen == table.items, "a scan of {} items has shown {seen}", table.items);
    memory.row("the most during a scan of it", most);
    shown.note("whoever scans parses each page of up to 1 MB as well, and shares the cores");
    Ok(shown)
}

/// What streams, recovery and an index add to writes.
fn extras(programs: &Programs, quick: bool) -> Result<Table> {
    let (rounds, span) = if quick { (1, Duration::from_millis(200)) } else { (3, Duration::from_millis(1_000)) };
    let folder = programs.folder()?;
    let server = Server::start(&programs.cauce, &folder.path().join("data"))?;
    let mut shown = Table::new(
        "Tables: what a write pays for",
        &["a second", "p50 µs", "p99 µs", "processor µs", "× nothing else"],
    );
    for (n, (_, stream, recovery, index)) in EXTRAS.iter().enumerate() {
        create(&server, &format!("extra-{n}"), *stream, *index)?;
        if *recovery {
            let specification = json!({ "PointInTimeRecoveryEnabled": true });
            let input = json!({ "TableName": format!("extra-{n}"), "PointInTimeRecoverySpecification": specification });
            ask(&mut server.connect()?, &server, "UpdateContinuousBackups", &input)?;
        }
    }
    for connections in [1, 16] {
        let mut cases: Vec<_> =
            EXTRAS.iter().map(|_| ["put", "put over"].map(|what| (what, Figures::default()))).collect();
        for round in 0..rounds {
            for (n, case) in cases.iter_mut().enumerate() {
                for (what, figures) in case {
                    let opened = load::connect(&server, connections)?;
                    load::round(opened, server.pid(), span, figures, |connection, number, turn| {
                        let (pk, sk) = match *what {
                            "put" => (format!("{connections}-{round}-{number}-{turn}"), 0),
                            _ => (format!("over-{number}"), turn % ITEMS_A_PARTITION),
                        };
                        let input = json!({ "TableName": format!("extra-{n}"), "Item": item(&pk, sk, turn) });
                        ask(connection, &server, "PutItem", &input)?;
                        Ok(1)
                    })?;
                }
            }
        }
        let nothing = cases.first().map(|case| case.each_ref().map(|(_, figures)| figures.per_second()));
        for ((name, ..), case) in EXTRAS.iter().zip(&cases) {
            for (at, (what, figures)) in case.iter().enumerate() {
                let nothing = nothing.as_ref().and_then(|nothing| nothing.get(at)).copied();
                shown.row(format!("{connections:2} connections, {what}, {name}"), figures.row(nothing));
            }
        }
    }
    shown.note(format!(
        "items of about {TEXT_BYTES} bytes; medians of {rounds} rounds in turns, {} ms each",
        span.as_millis()
    ));
    shown.note(
        "put: an item that was not there; put over: one of a hundred, which is then kept in both images or history",
    );
    Ok(shown)
}

/// A table with items.
struct Filled<'s> {
    server: &'s Server,
    name: String,
    items: u64,
}

impl Filled<'_> {
    fn create(server: &Server, items: u64) -> Result<Filled<'_>> {
        let table = Filled { server, name: format!("of-{items}"), items };
        create(server, &table.name, false, false)?;
        load::fill(server, items.div_ceil(BATCH), |connection, batch| table.fill(connection, batch))?;
        Ok(table)
    }

    fn fill(&self, connection: &mut Connection, batch: u64) -> Result<()> {
        let numbers = batch * BATCH..((batch + 1) * BATCH).min(self.items);
        let put = |n: u64| json!({ "PutRequest": { "Item": item(&partition(n), n % ITEMS_A_PARTITION, 0) } });
        let name = self.name.as_str();
        let input = json!({ "RequestItems": { name: numbers.map(put).collect::<Vec<_>>() } });
        ask(connection, self.server, "BatchWriteItem", &input)
    }

    /// One operation at a place that no pattern of turns prefers.
    fn call(&self, connection: &mut Connection, operation: &str, turn: u64) -> Result<()> {
        let n = turn.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(31) % self.items;
        let (pk, sk) = (partition(n), n % ITEMS_A_PARTITION);
        let key = json!({ "pk": { "S": pk }, "sk": { "N": sk.to_string() } });
        let (operation, mut input) = match operation {
            "get" => ("GetItem", json!({ "Key": key })),
            "query 10 of 100" => (
                "Query",
                json!({
                    "KeyConditionExpression": "pk = :p AND sk >= :from",
                    "ExpressionAttributeValues": { ":p": { "S": pk }, ":from": { "N": (sk % 80).to_string() } },
                    "Limit": ITEMS_A_QUERY,
                }),
            ),
            "update a counter" => (
                "UpdateItem",
                json!({
                    "Key": key,
                    "UpdateExpression": "ADD seen :one",
                    "ExpressionAttributeValues": { ":one": { "N": "1" } },
                }),
            ),
            _ => ("PutItem", json!({ "Item": item(&pk, sk, turn) })),
        };
        if let Some(input) = input.as_object_mut() {
            input.insert("TableName".to_owned(), self.name.clone().into());
        }
        ask(connection, self.server, operation, &input)
    }
}

/// The partition key of the item with this number.
fn partition(n: u64) -> String {
    format!("partition-{}", n / ITEMS_A_PARTITION)
}

fn item(pk: &str, sk: u64, turn: u64) -> Value {
    json!({
        "pk": { "S": pk },
        "sk": { "N": sk.to_string() },
        "group": { "S": format!("group-{}", turn % 1_000) },
        "text": { "S": "x".repeat(TEXT_BYTES) },
    })
}

/// Performs an operation on tables.
pub(crate) fn ask(connection: &mut Connection, server: &Server, operation: &str, input: &Value) -> Result<()> {
    connection.call(&server.json("dynamodb", &format!("DynamoDB_20120810.{operation}"), input)?)?;
    Ok(())
}

/// Makes a table with a partition key `pk` and a sort key `sk`, with a stream and a global index if they are wanted.
pub(crate) fn create(server: &Server, name: &str, stream: bool, index: bool) -> Result<()> {
    let attribute = |name: &str, kind: &str| json!({ "AttributeName": name, "AttributeType": kind });
    let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
    let mut attributes = vec![attribute("pk", "S"), attribute("sk", "N")];
    let mut input = json!({
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
    });
    let Some(wish) = input.as_object_mut() else { return Ok(()) };
    if stream {
        let specification = json!({ "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" });
        wish.insert("StreamSpecification".to_owned(), specification);
    }
    if index {
        attributes.push(attribute("group", "S"));
        let index = json!({
            "IndexName": "by-group",
            "KeySchema": [key("group", "HASH")],
            "Projection": { "ProjectionType": "ALL" },
        });
        wish.insert("GlobalSecondaryIndexes".to_owned(), json!([index]));
    }
    wish.insert("AttributeDefinitions".to_owned(), attributes.into());
    ask(&mut server.connect()?, server, "CreateTable", &input)
}
