//! What an invocation costs beyond the handler.
//!
//! The same empty handler is called in two ways: through Lambda (warm, and cold), and through a bare Unix socket by a process
//! that does nothing else. `cargo bench -p cauce-lambda --bench invoke`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark"
)]

#[path = "../tests/lambda/world.rs"]
mod world;

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;
use std::time::{Duration, Instant};

use cauce_core::ports::{Functions as _, Invocation};
use serde_json::json;

use world::World;

const ROUNDS: usize = 20_000;
const COLD_ROUNDS: usize = 60;

/// What the program is given as its first argument to answer over a Unix socket instead.
const ECHO: &str = "__echo";

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(ECHO) {
        return echo(&arguments.next().unwrap());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    // On a worker, as in a server.
    let work = runtime.spawn(async {
        let world = World::new().await;
        world.create("f", json!({"MemorySize": 512})).await;
        let bare = bare();
        let warm = warm(&world, false).await;
        let tail = self::warm(&world, true).await;
        let busy = parallel(&world, 2).await;
        let cold = cold(&world).await;
        println!("{:<44} {:>9} {:>9} {:>9}", "", "p50 µs", "p99 µs", "mean µs");
        show("bare Unix socket, same handler", &bare);
        show("warm invocation through Lambda", &warm);
        show("the same, with the log's tail", &tail);
        show("warm, 2 callers at once", &busy);
        show("cold invocation", &cold);
        println!("overhead of a warm invocation, p50: {:.1} µs", (micros(&warm, 0.5) - micros(&bare, 0.5)));
        world.lambda.shutdown().await;
    });
    runtime.block_on(work).unwrap();
}

/// A process that answers each line with the same line: the handler without anything around it.
fn echo(path: &str) {
    let (mut stream, _) = UnixListener::bind(path).unwrap().accept().unwrap();
    let mut buffer = [0; 4_096];
    while let Ok(len @ 1..) = stream.read(&mut buffer) {
        stream.write_all(&buffer[..len]).unwrap();
    }
}

fn bare() -> Vec<Duration> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let mut child = Command::new(std::env::current_exe().unwrap()).arg(ECHO).arg(&path).spawn().unwrap();
    let mut stream = loop {
        match UnixStream::connect(&path) {
            Ok(stream) => break stream,
            Err(_) => std::thread::yield_now(),
        }
    };
    let mut buffer = [0; 4_096];
    let times = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            stream.write_all(b"{}").unwrap();
            let len = stream.read(&mut buffer).unwrap();
            assert_eq!(&buffer[..len], b"{}");
            begun.elapsed()
        })
        .collect();
    drop(stream);
    child.wait().unwrap();
    times
}

fn invocation(log_tail: bool) -> Invocation {
    let function = "arn:aws:lambda:us-east-1:000000000000:function:f".parse().unwrap();
    Invocation { function, payload: "{}".into(), log_tail }
}

/// One call after the other.
async fn warm(world: &World, tail: bool) -> Vec<Duration> {
    let mut times = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS + 500 {
        let call = world.call();
        let begun = Instant::now();
        let answer = world.lambda.invoke(&call, invocation(tail)).await.unwrap();
        if round >= 500 {
            times.push(begun.elapsed());
        }
        assert_eq!(answer.payload, "{}");
    }
    times
}

async fn parallel(world: &World, callers: usize) -> Vec<Duration> {
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let lambda = std::sync::Arc::clone(&world.lambda);
            let call = world.call();
            tokio::spawn(async move {
                let mut times = Vec::new();
                for _ in 0..ROUNDS / 4 {
                    let begun = Instant::now();
                    lambda.invoke(&call, invocation(false)).await.unwrap();
                    times.push(begun.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    times
}

/// Every round a function of its own, so that each begins with a new process.
async fn cold(world: &World) -> Vec<Duration> {
    let mut times = Vec::new();
    for round in 0..COLD_ROUNDS {
        let name = format!("cold{round}");
        world.create(&name, json!({})).await;
        let invocation = Invocation {
            function: format!("arn:aws:lambda:us-east-1:000000000000:function:{name}").parse().unwrap(),
            payload: "{}".into(),
            log_tail: true,
        };
        let call = world.call();
        let begun = Instant::now();
        world.lambda.invoke(&call, invocation).await.unwrap();
        times.push(begun.elapsed());
    }
    times
}

fn micros(times: &[Duration], part: f64) -> f64 {
    let mut sorted: Vec<f64> = times.iter().map(|t| t.as_secs_f64() * 1e6).collect();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * part) as usize]
}

fn show(name: &str, times: &[Duration]) {
    let mean = times.iter().sum::<Duration>().as_secs_f64() * 1e6 / times.len() as f64;
    println!("{name:<44} {:>9.1} {:>9.1} {mean:>9.1}", micros(times, 0.5), micros(times, 0.99));
}
