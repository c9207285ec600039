//! Durable PutEvents a second, beside the store's own transactions and the disk's own syncs.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use cauce_store::{Bytes, Db, EmbeddedOptions, StoreError};
use serde_json::json;

use crate::deployment::{Deployment, bus_arn, entry, function_arn};
use crate::disk::Disk;
use crate::events::check;
use crate::load::{self, Figures};
use crate::notifier::Notifier;
use crate::programs::Programs;
use crate::report::Table;
use crate::samples::median;
use crate::server::Server;

const CONNECTIONS: [usize; 3] = [1, 16, 64];
const ENTRIES: [u64; 2] = [1, 10];

/// A bus without rules, and one with a rule that matches and sends on to the first.
const BUSES: [(&str, &str); 2] = [("plain", "no rule"), ("routed", "a rule to a bus")];

/// What one event of [`entry`] takes in the store, about.
const ROW_BYTES: usize = 1_024;

/// The most events under way to the function; the sender waits for the function beyond that.
const EVENTS_UNDER_WAY_MAX: u64 = 256;

pub(crate) fn measure(programs: &Programs, quick: bool) -> Result<Table> {
    let (rounds, span, through) =
        if quick { (1, Duration::from_millis(200), 200) } else { (3, Duration::from_millis(1_500), 3_000) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let folder = programs.folder()?;
    let server = Server::start(&programs.cauce, &folder.path().join("data"))?;
    let db = Db::open(&folder.path().join("store"), EmbeddedOptions::default())?;
    let (notifier, mut disk) = (Notifier::start()?, Disk::new(folder.path())?);
    runtime.block_on(async {
        let deployment = Deployment::new(&server.client, &programs.function).await?;
        deployment.bus("plain").await?;
        deployment.bus("routed").await?;
        deployment.rule("routed", &bus_arn("plain")).await?;
        deployment.bus("called").await?;
        deployment.function("log", "log", &json!({ "BENCH_NOTIFY": notifier.address.to_string() })).await?;
        deployment.rule("called", &function_arn("log")).await
    })?;
    let cases = CONNECTIONS.iter().flat_map(|n| ENTRIES.iter().flat_map(|e| BUSES.iter().map(|b| (*n, *e, *b))));
    let mut cases: Vec<_> = cases.map(|case| (case, Figures::default())).collect();
    let mut stores: Vec<_> = CONNECTIONS.iter().map(|writers| (*writers, Vec::new())).collect();
    let (mut syncs, mut called) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        syncs.push(disk.syncs_a_second(span)?);
        for (writers, commits) in &mut stores {
            commits.push(runtime.block_on(commits_a_second(&db, *writers, span))?);
        }
        for ((connections, entries, (bus, _)), figures) in &mut cases {
            put(&server, *connections, *entries, bus, span, figures)?;
        }
        called.push(through_function(&server, &notifier, through)?);
    }
    let columns = &["a second", "events/s", "p50 µs", "p99 µs", "processor µs/event", "× store"];
    let mut table = Table::new("Throughput: durable PutEvents a second", columns);
    let only = |figure: f64| vec![Some(figure), None, None, None, None, None];
    table.row("bare fdatasync, one after the other", only(median(syncs)));
    let mut bare = Vec::new();
    for (writers, commits) in stores {
        let commits = median(commits);
        bare.push((writers, commits));
        table.row(format!("store alone, {writers:2} writers"), only(commits));
    }
    for ((connections, entries, (_, rule)), figures) in cases {
        let events = figures.per_second();
        let store = bare.iter().find(|(writers, _)| *writers == connections).map_or(1.0, |(_, commits)| *commits);
        let (p50, p99) = (figures.samples().p50(), figures.samples().at(0.99));
        let per_second = events / entries as f64;
        table.row(
            format!("{connections:2} connections, {entries:2} entries, {rule}"),
            [per_second, events, p50, p99, figures.processor(), per_second / store].into_iter().map(Some).collect(),
        );
    }
    table.row("through a rule and a function, logged", vec![None, Some(median(called)), None, None, None, None]);
    table.note(format!(
        "medians of {rounds} rounds in turns, {} ms each; the sender takes its share of the same cores",
        span.as_millis()
    ));
    table.note("processor: the server's, user and kernel");
    table.note(format!("through a function: {through} events, at most {EVENTS_UNDER_WAY_MAX} under way"));
    Ok(table)
}

/// Sends the same signed request on so many connections for so long.
fn put(
    server: &Server,
    connections: usize,
    entries: u64,
    bus: &str,
    span: Duration,
    figures: &mut Figures,
) -> Result<()> {
    let entries_of: Vec<_> = (0..entries).map(|n| entry(bus, n)).collect();
    let request = server.json("events", "AWSEvents.PutEvents", &json!({ "Entries": entries_of }))?;
    load::round(load::connect(server, connections)?, server.pid(), span, figures, |connection, _, _| {
        check(connection.call(&request)?)?;
        Ok(entries)
    })
}

/// Events a second that a rule sends to a function which logs them, when there is always one waiting.
fn through_function(server: &Server, notifier: &Notifier, events: u64) -> Result<f64> {
    let request = |n: u64| {
        let entries: Vec<_> = (0..10).map(|i| entry("called", n + i)).collect();
        server.json("events", "AWSEvents.PutEvents", &json!({ "Entries": entries }))
    };
    let mut connection = server.connect()?;
    let (mut sent, mut logged) = (0, 0);
    let began = Instant::now();
    while logged < events {
        while sent < events && sent - logged < EVENTS_UNDER_WAY_MAX {
            check(connection.call(&request(sent)?)?)?;
            sent += 10;
        }
        notifier.next()?;
        logged += 1;
    }
    Ok(events as f64 / began.elapsed().as_secs_f64())
}

/// Transactions that write one row of an event's size.
pub(crate) async fn commits_a_second(db: &Db, writers: usize, span: Duration) -> Result<f64, StoreError> {
    let began = Instant::now();
    let write = |writer: usize| {
        let db = db.clone();
        async move {
            let (mut commits, row) = (0_u32, Bytes::from(vec![0x5a; ROW_BYTES]));
            while began.elapsed() < span {
                let key = Bytes::from(format!("\u{70}\0bench {writer:4} {commits:10}"));
                db.transact(async |tx| {
                    tx.set(key.clone(), row.clone());
                    Ok::<_, StoreError>(())
                })
                .await?;
                commits += 1;
            }
            Ok::<_, StoreError>(commits)
        }
    };
    let tasks: Vec<_> = (0..writers).map(|writer| tokio::spawn(write(writer))).collect();
    let mut commits = 0;
    for task in tasks {
        // A task that panicked has not counted; the figure shows it.
        commits += task.await.unwrap_or(Ok(0))?;
    }
    Ok(f64::from(commits) / began.elapsed().as_secs_f64())
}

/// Fills a data folder with events, and kills the server.
///
/// # Errors
/// If the server refuses one.
pub(crate) fn fill(programs: &Programs, data: &Path, events: u64) -> Result<()> {
    let server = Server::start(&programs.cauce, data)?;
    let entries: Vec<_> = (0..10).map(|n| entry("default", n)).collect();
    let request = server.json("events", "AWSEvents.PutEvents", &json!({ "Entries": entries }))?;
    let mut connection = server.connect()?;
    for _ in 0..events / 10 {
        check(connection.call(&request)?)?;
    }
    Ok(())
}
