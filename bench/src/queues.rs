//! Messages in and out of queues: what a durable one costs, and whether a long queue costs more than a short one.

use std::time::Duration;

use anyhow::{Context as _, Result};
use cauce_store::{Db, EmbeddedOptions};
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::echo::Echo;
use crate::load::{self, Figures};
use crate::programs::Programs;
use crate::report::Table;
use crate::samples::median;
use crate::server::Server;
use crate::throughput::commits_a_second;

const CONNECTIONS: [usize; 2] = [1, 64];
const BATCHES: [u64; 2] = [1, 10];

/// A message's body, in bytes.
const BODY_BYTES: usize = 300;

/// How many messages the long queue holds, and the short one it is compared with.
const LONG: u64 = 1_000_000;
const SHORT: u64 = 100;

const COLUMNS: &[&str] = &["messages/s", "p50 µs", "p99 µs", "processor µs/message", "× store"];

#[derive(Clone, Copy)]
enum Way {
    In,
    Out,
}

pub(crate) fn measure(programs: &Programs, quick: bool) -> Result<Vec<Table>> {
    let (rounds, span) = if quick { (1, Duration::from_millis(200)) } else { (3, Duration::from_millis(1_500)) };
    let folder = programs.folder()?;
    let server = Server::start(&programs.cauce, &folder.path().join("data"))?;
    let db = Db::open(&folder.path().join("store"), EmbeddedOptions::default())?;
    let echo = Echo::start(&programs.own)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut table = Table::new("Queues: durable messages", COLUMNS);
    let mut bare = Vec::new();
    for connections in CONNECTIONS {
        let commits: Result<Vec<f64>, _> =
            (0..rounds).map(|_| runtime.block_on(commits_a_second(&db, connections, span))).collect();
        let commits = median(commits?);
        bare.push(commits);
        table.row(format!("store alone, {connections:2} writers"), vec![Some(commits), None, None, None, None]);
        let mut figures = Figures::default();
        for _ in 0..rounds {
            let (opened, requests): (Vec<_>, Vec<_>) =
                (0..connections).map(|_| echo.connect(BODY_BYTES)).collect::<Result<Vec<_>>>()?.into_iter().unzip();
            load::round(opened, echo.pid(), span, &mut figures, |connection, number, _| {
                connection.call(requests.get(number).context("a request")?)?;
                Ok(1)
            })?;
        }
        table.row(format!("bare HTTP echo, {connections:2} connections"), figures.row(None));
    }
    for (connections, commits) in CONNECTIONS.into_iter().zip(bare) {
        for batch in BATCHES {
            let queue = Queue::create(&server, &format!("q-{connections}-{batch}"))?;
            let (mut sent, mut taken) = (Figures::default(), Figures::default());
            for _ in 0..rounds {
                queue.round(Way::In, connections, batch, span, &mut sent)?;
                queue.round(Way::Out, connections, batch, span, &mut taken)?;
            }
            let name = |what: &str| format!("{connections:2} connections, {what} {batch:2} at a time");
            table.row(name("sent"), sent.row(Some(commits)));
            table.row(name("received and deleted"), taken.row(Some(commits)));
        }
    }
    table.note(format!("{BODY_BYTES}-byte bodies; medians of {rounds} rounds, {} ms each", span.as_millis()));
    table.note(
        "a turn of receiving is one ReceiveMessage and one deletion; senders sign and parse, and share the cores",
    );
    Ok(vec![table, depth(programs, quick)?])
}

/// A short and a long queue side by side.
fn depth(programs: &Programs, quick: bool) -> Result<Table> {
    let (rounds, span) = if quick { (1, Duration::from_millis(200)) } else { (3, Duration::from_millis(1_000)) };
    let long = if quick { LONG / 100 } else { LONG };
    let folder = programs.folder()?;
    let server = Server::start(&programs.cauce, &folder.path().join("data"))?;
    let mut cases = Vec::new();
    for messages in [SHORT, long] {
        let queue = Queue::create(&server, &format!("deep-{messages}"))?;
        queue.fill(messages)?;
        cases.push((messages, queue, Figures::default(), Figures::default()));
    }
    // In turns, and as many out as in, so that each stays as deep as it is.
    for _ in 0..rounds {
        for (_, queue, sent, taken) in &mut cases {
            queue.round(Way::In, 1, 1, span, sent)?;
            queue.round(Way::Out, 1, 1, span, taken)?;
        }
    }
    let mut table = Table::new("Queues: a short one and a long one", COLUMNS);
    for (messages, _, sent, taken) in cases {
        table.row(format!("{messages:7} waiting, sent one at a time"), sent.row(None));
        table.row(format!("{messages:7} waiting, received and deleted"), taken.row(None));
    }
    table.note(format!("one connection; medians of {rounds} rounds in turns, {} ms each", span.as_millis()));
    Ok(table)
}

struct Queue<'s> {
    server: &'s Server,
    url: String,
}

impl Queue<'_> {
    fn create<'s>(server: &'s Server, name: &str) -> Result<Queue<'s>> {
        let create = server.json("sqs", "AmazonSQS.CreateQueue", &json!({ "QueueName": name }))?;
        let answer: Value = serde_json::from_slice(server.connect()?.call(&create)?)?;
        let url = answer.get("QueueUrl").and_then(Value::as_str).context("a queue has a URL")?;
        Ok(Queue { server, url: url.to_owned() })
    }

    fn fill(&self, messages: u64) -> Result<()> {
        let send = self.send(10)?;
        load::fill(self.server, messages.div_ceil(10), |connection, _| connection.call(&send).map(drop))
    }

    fn send(&self, batch: u64) -> Result<crate::connection::Prepared> {
        let body = "x".repeat(BODY_BYTES);
        if batch == 1 {
            return self.call("SendMessage", &json!({ "QueueUrl": self.url, "MessageBody": body }));
        }
        let entry = |n: u64| json!({ "Id": n.to_string(), "MessageBody": body });
        let entries: Vec<Value> = (0..batch).map(entry).collect();
        self.call("SendMessageBatch", &json!({ "QueueUrl": self.url, "Entries": entries }))
    }

    fn call(&self, operation: &str, input: &Value) -> Result<crate::connection::Prepared> {
        self.server.json("sqs", &format!("AmazonSQS.{operation}"), input)
    }

    fn round(&self, way: Way, connections: usize, batch: u64, span: Duration, figures: &mut Figures) -> Result<()> {
        let opened = load::connect(self.server, connections)?;
        let send = self.send(batch)?;
        let receive = self.call("ReceiveMessage", &json!({ "QueueUrl": self.url, "MaxNumberOfMessages": batch }))?;
        load::round(opened, self.server.pid(), span, figures, |connection, _, _| match way {
            Way::In => connection.call(&send).map(|_| batch),
            Way::Out => self.take(connection, &receive),
        })
    }

    /// Receives and deletes; says how many messages.
    fn take(&self, connection: &mut Connection, receive: &crate::connection::Prepared) -> Result<u64> {
        let answer: Value = serde_json::from_slice(connection.call(receive)?)?;
        let messages = answer.get("Messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let handle = |message: &Value| message.get("ReceiptHandle").cloned().unwrap_or_default();
        match messages {
            [] => return Ok(0),
            [one] => {
                let input = json!({ "QueueUrl": self.url, "ReceiptHandle": handle(one) });
                connection.call(&self.call("DeleteMessage", &input)?)?;
            }
            many => {
                let entry =
                    |(n, message): (usize, &Value)| json!({ "Id": n.to_string(), "ReceiptHandle": handle(message) });
                let entries: Vec<Value> = many.iter().enumerate().map(entry).collect();
                let input = json!({ "QueueUrl": self.url, "Entries": entries });
                connection.call(&self.call("DeleteMessageBatch", &input)?)?;
            }
        }
        Ok(messages.len() as u64)
    }
}
