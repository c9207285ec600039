//! Power cuts, thousands of them, each from a seed: no acknowledged commit may be lost, no commit may be torn, and what was not
//! acknowledged may be there only as the one batch under way. And what must make opening fail does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cauce_core::{Entropy, ManualClock, SeededEntropy, Timestamp};

use super::committer::{Checkpoint, Committer};
use super::index::Index;
use super::options::EmbeddedOptions;
use super::queue::Pending;
use super::recovery::{OpenError, recover};
use super::simulated_disk::{SimulatedDisk, Syncs};
use crate::contract::{Bytes, Commit, Mutation, RangeReq, ReadReq};
use crate::state::{measure, read_counter};

/// Cuts in a test run. Raise with `CAUCE_POWER_CUTS` for a long one.
const CUTS: u64 = 2_500;

fn cuts() -> u64 {
    std::env::var("CAUCE_POWER_CUTS").ok().and_then(|cuts| cuts.parse().ok()).unwrap_or(CUTS)
}

fn options(seed: u64) -> EmbeddedOptions {
    EmbeddedOptions {
        cache_bytes: 1024 * 1024,
        clock: Arc::new(ManualClock::new(Timestamp::from_secs(1_000))),
        entropy: Arc::new(SeededEntropy::new(seed)),
        ..EmbeddedOptions::default()
    }
}

/// What the store must hold, key by key.
type Model = BTreeMap<Bytes, Bytes>;

struct Simulation {
    disk: SimulatedDisk,
    entropy: SeededEntropy,
    options: EmbeddedOptions,
    /// All that was acknowledged.
    acknowledged: Model,
    /// The same with the batch under way, which may or may not have survived.
    under_way: Option<Model>,
    tokens: u64,
}

impl Simulation {
    fn new(seed: u64, syncs: Syncs) -> Self {
        Self {
            disk: SimulatedDisk::new(seed, syncs),
            entropy: SeededEntropy::new(!seed),
            options: options(seed),
            acknowledged: Model::new(),
            under_way: None,
            tokens: 0,
        }
    }

    fn key(&self) -> Bytes {
        Bytes::from(format!("k{:02}", self.entropy.below(40)))
    }

    fn commit(&mut self) -> Commit {
        let mutations = 1 + self.entropy.below(6);
        let mut muts: Vec<Mutation> = (0..mutations).map(|_| self.mutation()).collect();
        // One counter counts all commits, so a lost or doubled one shows even if others have written over it.
        muts.push(Mutation::Add { key: Bytes::from_static(b"count"), delta: 1 });
        let token = (self.entropy.below(4) == 0).then(|| {
            self.tokens += 1;
            u128::from(self.tokens).to_be_bytes()
        });
        Commit { muts, token, ..Commit::default() }
    }

    fn mutation(&self) -> Mutation {
        match self.entropy.below(10) {
            0..=5 => {
                let len = [3, 40, 700, 5_000][self.entropy.below(4) as usize];
                let val = vec![self.entropy.below(256) as u8; 1 + self.entropy.below(len) as usize];
                Mutation::Set { key: self.key(), val: val.into() }
            }
            6..=7 => Mutation::Clear { key: self.key() },
            8 => {
                let (a, b) = (self.key(), self.key());
                Mutation::ClearRange { start: a.clone().min(b.clone()), end: a.max(b) }
            }
            _ => Mutation::Add { key: Bytes::from_static(b"n"), delta: self.entropy.below(100) as i64 - 50 },
        }
    }

    /// Runs until the power goes. Returns how many commits were acknowledged.
    fn run_until_cut(&mut self) -> u64 {
        self.disk.cut_power_in(self.entropy.below(30));
        let Ok((mut committer, index)) = recover(&self.disk, &self.options) else {
            assert!(self.disk.is_dead(), "opening may fail only because the power went");
            return 0;
        };
        let mut checkpoint: Option<Checkpoint> = None;
        let mut acknowledged = 0;
        loop {
            match self.entropy.below(8) {
                0 if checkpoint.is_none() && committer.log.bytes() > 0 => {
                    checkpoint = Some(committer.begin_checkpoint());
                }
                1 | 2 => {
                    if let Some(checkpoint) = checkpoint.take()
                        && checkpoint.carry_out(&index, &committer.published).is_err()
                    {
                        return acknowledged;
                    }
                }
                _ => match self.commit_batch(&mut committer) {
                    Some(commits) => acknowledged += commits,
                    None => return acknowledged,
                },
            }
            self.check_reads(&committer);
        }
    }

    fn commit_batch(&mut self, committer: &mut Committer) -> Option<u64> {
        let commits: Vec<Commit> = (0..=self.entropy.below(5)).map(|_| self.commit()).collect();
        let mut expected = self.acknowledged.clone();
        commits.iter().for_each(|commit| apply_to_model(&mut expected, commit));
        let (mut batch, answers): (Vec<_>, Vec<_>) = commits
            .into_iter()
            .map(|commit| {
                let bytes = measure(&commit, &self.options.limits).unwrap();
                Pending::new(commit, bytes)
            })
            .unzip();
        self.under_way = Some(expected);
        committer.commit(&mut batch).ok()?;
        for mut answer in answers {
            assert_eq!(answer.try_recv(), Ok(Ok(())));
        }
        self.acknowledged = self.under_way.take().unwrap();
        Some(commits_of(&self.acknowledged))
    }

    fn check_reads(&self, committer: &Committer) {
        assert_eq!(rows_of(committer), self.acknowledged, "what is read is not what was acknowledged");
    }

    /// Turns the power on again, and says what is wrong with what is found.
    fn check_after_cut(&mut self) -> Result<(), String> {
        self.disk.restart();
        let (committer, _index) =
            recover(&self.disk, &self.options).map_err(|error| format!("does not open: {error}"))?;
        let found = rows_of(&committer);
        let under_way = self.under_way.take();
        if found != self.acknowledged && Some(&found) != under_way.as_ref() {
            let (acknowledged, found) = (commits_of(&self.acknowledged), commits_of(&found));
            return Err(format!("lost or torn: {acknowledged} commits were acknowledged, {found} are there"));
        }
        self.acknowledged = found;
        Ok(())
    }
}

fn commits_of(model: &Model) -> u64 {
    read_counter(model.get(&b"count"[..])).unwrap().cast_unsigned()
}

fn apply_to_model(model: &mut Model, commit: &Commit) {
    for mutation in &commit.muts {
        match mutation {
            Mutation::Set { key, val } => drop(model.insert(key.clone(), val.clone())),
            Mutation::Clear { key } => drop(model.remove(key)),
            Mutation::ClearRange { start, end } => model.retain(|key, _| key < start || key >= end),
            Mutation::Add { key, delta } => {
                let sum = read_counter(model.get(key)).unwrap() + delta;
                model.insert(key.clone(), Bytes::copy_from_slice(&sum.to_be_bytes()));
            }
        }
    }
}

/// All rows but the store's own.
fn rows_of(committer: &Committer) -> Model {
    let req = RangeReq::new((Bytes::from_static(b"\x01"), Bytes::from_static(b"\xFF")), 10_000);
    let resp = committer.published.read(&ReadReq { gets: vec![], ranges: vec![req] }).unwrap();
    assert!(!resp.ranges[0].more);
    resp.ranges.into_iter().flat_map(|range| range.rows).map(|row| (row.key, row.val)).collect()
}

#[test]
fn no_power_cut_loses_or_tears_a_commit() {
    let mut cut = 0;
    let mut acknowledged = 0;
    for seed in 0.. {
        if cut >= cuts() {
            break;
        }
        let mut simulation = Simulation::new(seed, Syncs::Honest);
        // Several cuts on one disk: recovery itself is cut as well.
        for _ in 0..5 {
            acknowledged += simulation.run_until_cut();
            cut += 1;
            if let Err(wrong) = simulation.check_after_cut() {
                panic!("seed {seed}: {wrong}");
            }
        }
    }
    assert!(acknowledged > cut, "the simulation hardly commits anything: {acknowledged} in {cut} cuts");
}

/// In how many of 100 runs on a disk that lies about syncs something is found to be wrong.
fn found_out(syncs: Syncs) -> usize {
    let wrong = (0..100).filter(|seed| {
        let mut simulation = Simulation::new(*seed, syncs);
        // redb panics at some of the files that such a disk leaves behind.
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (0..5).any(|_| {
                simulation.run_until_cut();
                simulation.check_after_cut().is_err()
            })
        }));
        run.unwrap_or(true)
    });
    wrong.count()
}

/// The control runs: a checker that cannot fail proves nothing.
#[test]
fn a_disk_that_lies_about_syncs_is_found_out() {
    for files in ["", "commits", "index"] {
        let found_out = found_out(Syncs::Lying(files));
        assert!(found_out > 50, "only {found_out} of 100 runs without syncs of '{files}*' were found out");
    }
}

/// A store with `frames` frames in its log, none of them in the index yet.
fn store_with_frames(seed: u64, frames: usize) -> (Simulation, Vec<usize>) {
    let mut simulation = Simulation::new(seed, Syncs::Honest);
    let (mut committer, _index) = recover(&simulation.disk, &simulation.options).unwrap();
    let ends = (0..frames).map(|_| {
        simulation.commit_batch(&mut committer).unwrap();
        committer.log.bytes() as usize
    });
    let ends = ends.collect();
    (simulation, ends)
}

fn open(simulation: &Simulation) -> Result<(Committer, Index), OpenError> {
    recover(&simulation.disk, &simulation.options)
}

#[test]
fn damage_before_the_end_of_the_log_refuses_to_open() {
    for seed in 0..60 {
        let (simulation, ends) = store_with_frames(seed, 5);
        let last = ends[3];
        // Anywhere in the first four frames but in the padding, which says nothing.
        let log = simulation.disk.bytes_of("commits.0.log");
        let at = SeededEntropy::new(seed).below(last as u64) as usize;
        let frame = ends.iter().position(|end| at < *end).unwrap();
        let start = if frame == 0 { 0 } else { ends[frame - 1] };
        let body = u32::from_le_bytes(log[start + 20..start + 24].try_into().unwrap()) as usize;
        let at = at.min(start + 32 + body - 1);
        simulation.disk.damage("commits.0.log", at);
        match open(&simulation) {
            Err(OpenError::Damaged(message)) => assert!(message.contains("acknowledged"), "{message}"),
            Err(other) => panic!("seed {seed}: {other}"),
            Ok(_) => panic!("seed {seed}: opened with byte {at} of {ends:?} damaged"),
        }
    }
}

#[test]
fn damage_before_a_switch_of_the_log_refuses_to_open() {
    let mut simulation = Simulation::new(1, Syncs::Honest);
    let (mut committer, index) = open(&simulation).unwrap();
    simulation.commit_batch(&mut committer).unwrap();
    let _begun_but_never_carried_out = committer.begin_checkpoint();
    simulation.commit_batch(&mut committer).unwrap();
    drop((committer, index));
    simulation.disk.damage("commits.0.log", 40);
    assert!(matches!(open(&simulation), Err(OpenError::Damaged(_))));
    // Put right again, both files are read.
    simulation.disk.damage("commits.0.log", 40);
    let (committer, _index) = open(&simulation).unwrap();
    assert_eq!(rows_of(&committer), simulation.acknowledged);
}

#[test]
fn a_torn_last_frame_is_not_there() {
    let (mut simulation, ends) = store_with_frames(3, 4);
    let before = simulation.acknowledged.clone();
    let (mut committer, index) = open(&simulation).unwrap();
    simulation.commit_batch(&mut committer).unwrap();
    drop((committer, index));
    // Replay has put the frames above into the index and gone on in the other file; damage the one frame there.
    assert!(!ends.is_empty());
    simulation.disk.damage("commits.1.log", 33);
    let (committer, _index) = open(&simulation).unwrap();
    assert_eq!(rows_of(&committer), before);
}

#[test]
fn a_token_is_remembered_across_a_cut_and_forgotten_in_time() {
    let simulation = Simulation::new(5, Syncs::Honest);
    let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_000)));
    let options = EmbeddedOptions { clock: clock.clone(), ..simulation.options.clone() };
    let once = || Commit {
        muts: vec![Mutation::Add { key: Bytes::from_static(b"count"), delta: 1 }],
        token: Some([7; 16]),
        ..Commit::default()
    };
    let commit = |committer: &mut Committer| {
        let (pending, mut answer) = Pending::new(once(), 10);
        committer.commit(&mut vec![pending]).unwrap();
        assert_eq!(answer.try_recv(), Ok(Ok(())));
        commits_of(&rows_of(committer))
    };
    let (mut committer, index) = recover(&simulation.disk, &options).unwrap();
    assert_eq!(commit(&mut committer), 1);
    assert_eq!(commit(&mut committer), 1);
    drop((committer, index));
    simulation.disk.restart();
    let (mut committer, index) = recover(&simulation.disk, &options).unwrap();
    assert_eq!(commit(&mut committer), 1);
    clock.advance(options.limits.token_kept + Duration::from_secs(1));
    committer.begin_checkpoint().carry_out(&index, &committer.published).unwrap();
    assert_eq!(commit(&mut committer), 2);
}
