//! Durable commits per second beside what the disk itself allows: a bare log of the same records, committed in groups the same
//! way. Both run in turns on the same disk, since a machine has good and bad minutes.
//!
//! `cargo bench -p cauce-store --bench commit [-- SECONDS [DIR]]`: seconds of each run (default 2), directory on the disk to be
//! measured (default: the build directory's).

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cauce_store::{Bytes, Commit, Db, EmbeddedOptions, EmbeddedStore, Key, Kind, Mutation, Store, StoreError};
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

const RECORD: Kind = Kind::new(0x7000);
const KEY_BYTES: usize = 24;
const VALUE_BYTES: usize = 276;
const WRITERS: [u64; 4] = [1, 16, 64, 256];
const ROUNDS: usize = 3;
/// The bare log is written round and round in a file of this size, like ours between two checkpoints.
const BARE_LOG_BYTES: u64 = 32 * 1024 * 1024;

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let seconds = args.next().and_then(|arg| arg.parse().ok()).unwrap_or(2.0);
    let place = args.next().map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let span = Duration::from_secs_f64(seconds);
    println!(
        "{VALUE_BYTES}-byte values, {KEY_BYTES}-byte keys, {ROUNDS} rounds of {seconds} s each; medians of the rounds"
    );
    println!("bare: append and fdatasync, in groups; ours: commit; tx: transaction that reads a key and writes it");
    let columns = format!("{:>8} {:>6} {:>7} {:>6}", "/s", "p50 ms", "p99 ms", "CPU µs");
    println!("{:>38} | {:>30} {:>6} | {:>30}", "bare", "ours", "", "tx");
    println!("{:>7} {columns} | {columns} {:>6} | {columns}", "writers", "ours %");
    for writers in WRITERS {
        let (mut bare, mut ours, mut tx) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            bare.push(measure(&place, writers, span, Kinds::Bare));
            ours.push(measure(&place, writers, span, Kinds::Commit));
            tx.push(measure(&place, writers, span, Kinds::Transact));
        }
        let ratio = median(bare.iter().zip(&ours).map(|(bare, ours)| 100.0 * ours.per_second / bare.per_second));
        println!("{writers:>7} {} | {} {ratio:>5.0}% | {}", medians(&bare), medians(&ours), medians(&tx));
    }
}

#[derive(Clone, Copy)]
enum Kinds {
    Bare,
    Commit,
    Transact,
}

#[derive(Clone, Copy)]
struct Figures {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// Of the whole process, per commit.
    cpu_us: f64,
}

fn medians(rounds: &[Figures]) -> String {
    let of = |field: fn(&Figures) -> f64| median(rounds.iter().map(field));
    format!(
        "{:>8.0} {:>6.2} {:>7.2} {:>6.1}",
        of(|round| round.per_second),
        of(|round| round.p50_ms),
        of(|round| round.p99_ms),
        of(|round| round.cpu_us)
    )
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// CPU time of this process so far, in microseconds.
fn cpu_us() -> f64 {
    use nix::sys::resource::{UsageWho, getrusage};
    let used = getrusage(UsageWho::RUSAGE_SELF).unwrap_or_else(|error| fail(&error));
    let us = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 * 1e6 + time.tv_usec() as f64;
    us(used.user_time()) + us(used.system_time())
}

/// One run: so many tasks, each committing one record after the other.
fn measure(place: &Path, writers: u64, span: Duration, kind: Kinds) -> Figures {
    let dir = place.join(format!("commit-bench-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&dir));
    std::fs::create_dir_all(&dir).unwrap_or_else(|error| fail(&error));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.unwrap_or_else(|error| fail(&error));
    let figures = runtime.block_on(async {
        match kind {
            Kinds::Bare => {
                let log = BareLog::open(&dir.join("bare.log"));
                drive(writers, span, move |writer, number| {
                    let log = Arc::clone(&log);
                    async move { log.append(record(writer, number)).await }
                })
                .await
            }
            Kinds::Commit => {
                let opened = EmbeddedStore::open(&dir.join("store"), EmbeddedOptions::default());
                let store = Arc::new(opened.unwrap_or_else(|error| fail(&error)));
                drive(writers, span, move |writer, number| {
                    let store = Arc::clone(&store);
                    async move {
                        let (key, val) = record(writer, number);
                        let commit = Commit { muts: vec![Mutation::Set { key, val }], ..Commit::default() };
                        store.commit(commit).await.unwrap_or_else(|error| fail(&error));
                    }
                })
                .await
            }
            Kinds::Transact => {
                let opened = Db::open(&dir.join("store"), EmbeddedOptions::default());
                let db = opened.unwrap_or_else(|error| fail(&error));
                drive(writers, span, move |writer, number| {
                    let db = db.clone();
                    async move {
                        let (key, val) = record(writer, number);
                        let done = db.transact(async |tx| {
                            tx.get(&key).await?;
                            tx.set(key.clone(), val.clone());
                            Ok::<_, StoreError>(())
                        });
                        done.await.unwrap_or_else(|error| fail(&error));
                    }
                })
                .await
            }
        }
    });
    drop(runtime);
    drop(std::fs::remove_dir_all(&dir));
    figures
}

async fn drive<F, Fut>(writers: u64, span: Duration, work: F) -> Figures
where
    F: Fn(u64, u64) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let (begun, cpu_before) = (Instant::now(), cpu_us());
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let work = work.clone();
            tokio::spawn(async move {
                let mut took = Vec::new();
                for number in 0.. {
                    let asked = Instant::now();
                    if asked - begun >= span {
                        break;
                    }
                    work(writer, number).await;
                    took.push(asked.elapsed());
                }
                took
            })
        })
        .collect();
    let mut took = Vec::new();
    for task in tasks {
        took.extend(task.await.unwrap_or_else(|error| fail(&error)));
    }
    let (seconds, cpu_us) = (begun.elapsed().as_secs_f64(), cpu_us() - cpu_before);
    took.sort_unstable();
    let at = |part: usize| took.get(took.len() * part / 100).map_or(f64::NAN, |took| took.as_secs_f64() * 1e3);
    let commits = took.len() as f64;
    Figures { per_second: commits / seconds, p50_ms: at(50), p99_ms: at(99), cpu_us: cpu_us / commits }
}

fn record(writer: u64, number: u64) -> (Bytes, Bytes) {
    let key = Key::new(RECORD).raw(b"bench!").u64(writer).u64(number).build();
    let mut mixed = writer << 32 | number;
    let val: Vec<u8> = (0..VALUE_BYTES)
        .map(|at| {
            mixed = mixed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if at % 2 == 0 { (mixed >> 56).to_le_bytes()[0] } else { b'v' }
        })
        .collect();
    (key, val.into())
}

/// A log and nothing else: what a group commit costs at least.
struct BareLog {
    waiting: Mutex<Vec<Waiting>>,
    arrived: Condvar,
}

type Waiting = ((Bytes, Bytes), oneshot::Sender<()>);

impl BareLog {
    fn open(path: &Path) -> Arc<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path);
        let file = file.unwrap_or_else(|error| fail(&error));
        let zeros = vec![0; BARE_LOG_BYTES as usize];
        file.write_all_at(&zeros, 0).and_then(|()| file.sync_all()).unwrap_or_else(|error| fail(&error));
        let log = Arc::new(Self { waiting: Mutex::default(), arrived: Condvar::new() });
        let committer = Arc::downgrade(&log);
        std::thread::spawn(move || {
            let (mut end, mut frame) = (0, Vec::new());
            while let Some(log) = committer.upgrade() {
                let batch = {
                    let mut waiting = log.waiting.lock();
                    if waiting.is_empty() {
                        log.arrived.wait_for(&mut waiting, Duration::from_millis(10));
                    }
                    std::mem::take(&mut *waiting)
                };
                drop(log);
                if !batch.is_empty() {
                    end = append(&file, &mut frame, &batch, end);
                }
                for (_, reply) in batch {
                    let _ = reply.send(());
                }
            }
        });
        log
    }

    async fn append(&self, record: (Bytes, Bytes)) {
        let (reply, answer) = oneshot::channel();
        self.waiting.lock().push((record, reply));
        self.arrived.notify_one();
        drop(answer.await);
    }
}

fn append(file: &File, frame: &mut Vec<u8>, batch: &[Waiting], mut end: u64) -> u64 {
    frame.clear();
    frame.extend_from_slice(&[0; 8]);
    for ((key, val), _) in batch {
        frame.extend_from_slice(&(key.len() as u32).to_le_bytes());
        frame.extend_from_slice(&(val.len() as u32).to_le_bytes());
        frame.extend_from_slice(key);
        frame.extend_from_slice(val);
    }
    let crc = crc32c::crc32c(frame);
    if let Some(place) = frame.first_chunk_mut::<4>() {
        *place = crc.to_le_bytes();
    }
    if end + frame.len() as u64 > BARE_LOG_BYTES {
        end = 0;
    }
    file.write_all_at(frame, end).and_then(|()| file.sync_data()).unwrap_or_else(|error| fail(&error));
    end + frame.len() as u64
}

fn fail(error: &dyn std::fmt::Display) -> ! {
    eprintln!("commit bench: {error}");
    std::process::exit(1)
}
