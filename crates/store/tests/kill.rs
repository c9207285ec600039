//! `kill -9` in the middle of writing, again and again: whatever was acknowledged is there, and no commit is half there.
//!
//! The test runs its own binary a second time as the victim, which prints the number of every commit after its answer.

#![cfg(test)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cauce_core::{Entropy, SeededEntropy, SystemEntropy};
use cauce_store::{Bytes, Commit, EmbeddedOptions, EmbeddedStore, Key, Kind, Mutation, RangeReq, ReadReq, Store};

const ROW: Kind = Kind::new(0x7002);
const ROUNDS: u64 = 12;
const WRITERS: u64 = 8;
const VICTIM: &str = "CAUCE_KILL_TEST_DIR";

fn options() -> EmbeddedOptions {
    // Checkpoints all the time, so that kills meet them.
    EmbeddedOptions { checkpoint_every: Duration::from_millis(5), ..EmbeddedOptions::default() }
}

/// Each commit writes its number in two places, which must agree.
fn commit(round: u64, writer: u64, number: u64) -> Commit {
    let key = |half| Key::new(ROW).u8(half).u64(round).u64(writer).u64(number).build();
    let val = Bytes::from(vec![b'v'; 50 + usize::try_from(number % 7).unwrap() * 300]);
    let muts = [0, 1].map(|half| Mutation::Set { key: key(half), val: val.clone() });
    Commit { muts: muts.into(), ..Commit::default() }
}

/// What the second process does, until it is killed. As a test by itself it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn victim() {
    let Ok(job) = std::env::var(VICTIM) else { return };
    let (round, dir) = job.split_once(' ').unwrap();
    let round = round.parse().unwrap();
    let store = Arc::new(EmbeddedStore::open(Path::new(dir), options()).unwrap());
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for number in 0.. {
                    store.commit(commit(round, writer, number)).await.unwrap();
                    println!("acknowledged {writer} {number}");
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

/// Runs the victim until it has acknowledged so many commits, and kills it. Returns how many each writer has heard of.
fn run_and_kill(dir: &Path, round: u64, commits: u64) -> Vec<u64> {
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--nocapture"])
        .env(VICTIM, format!("{round} {}", dir.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = vec![0; usize::try_from(WRITERS).unwrap()];
    let mut heard = 0;
    for line in BufReader::new(victim.stdout.take().unwrap()).lines() {
        let Ok(line) = line else { break };
        let Some((_, what)) = line.split_once("acknowledged ") else { continue };
        // The last line may be cut off by the kill.
        let Some((Ok(writer), Ok(number))) = what.split_once(' ').map(|(w, n)| (w.parse::<usize>(), n.parse::<u64>()))
        else {
            continue;
        };
        // Cut off in its middle, a number would only be smaller.
        acknowledged[writer] = acknowledged[writer].max(number + 1);
        heard += 1;
        if heard == commits {
            victim.kill().unwrap();
        }
    }
    assert!(!victim.wait().unwrap().success(), "the victim was to be killed");
    acknowledged
}

async fn numbers(store: &EmbeddedStore, half: u8, round: u64, writer: u64) -> Vec<(u64, Bytes)> {
    let mut req = RangeReq::new(Key::new(ROW).u8(half).u64(round).u64(writer).prefix_range(), 5_000);
    let mut found = Vec::new();
    loop {
        let resp = store.read(ReadReq { gets: vec![], ranges: vec![req.clone()] }).await.unwrap().ranges.remove(0);
        let rows = resp.rows.iter().map(|row| (u64::from_be_bytes(*row.key.last_chunk().unwrap()), row.val.clone()));
        found.extend(rows);
        let Some(last) = resp.rows.last().filter(|_| resp.more) else { return found };
        req = req.after(&last.key);
    }
}

#[tokio::test]
async fn killed_again_and_again_it_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let chance = SeededEntropy::new(SystemEntropy.u64());
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        rounds.push(run_and_kill(dir.path(), round, 1 + chance.below(2_000)));
        // Every other time the next victim has to recover by itself.
        if round % 2 == 0 {
            continue;
        }
        let store = EmbeddedStore::open(dir.path(), options()).unwrap();
        for (round, acknowledged) in rounds.iter().enumerate() {
            for (writer, acknowledged) in acknowledged.iter().enumerate() {
                let (round, writer) = (round as u64, writer as u64);
                let first = numbers(&store, 0, round, writer).await;
                assert_eq!(first, numbers(&store, 1, round, writer).await, "half a commit");
                // A writer waits for each answer and prints it before it goes on: at most one more than was heard of.
                let there: Vec<u64> = first.iter().map(|(number, _)| *number).collect();
                assert_eq!(there, (0..there.len() as u64).collect::<Vec<_>>(), "round {round}, writer {writer}");
                let there = there.len() as u64;
                assert!(there >= *acknowledged, "lost: {there} of {acknowledged}");
                assert!(there <= acknowledged + 1, "{there} are there, {acknowledged} were acknowledged");
            }
        }
    }
}
