//! The sequence numbers of streams, drawn in memory by the stream's owner.
//!
//! A number is drawn by a transaction under way, and is *doubtful* until that has ended. Transactions end in any order, so a
//! number may be committed while a lower one is in doubt: a reader that went on past the lower one would never see its record.
//! So readers ask for the *horizon* first, the lowest number that may still appear, and then read the store below it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cauce_core::{ServiceError, Timestamp};
use cauce_store::{Db, RangeReq, ReadReq};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, OnceCell};

use super::shard::sequence_at;
use crate::error::Error;
use crate::keys;

/// The numbers of one stream.
#[derive(Debug, Default)]
struct Numbers {
    last: u64,
    /// By shard.
    doubtful: Vec<BTreeSet<u64>>,
}

impl Numbers {
    /// A number greater than all before: the time in microseconds, where that is.
    fn draw(&mut self, shard: u16, now: Timestamp) -> u64 {
        self.last = sequence_at(now).max(self.last.saturating_add(1));
        if let Some(doubtful) = self.doubtful.get_mut(usize::from(shard)) {
            doubtful.insert(self.last);
        }
        self.last
    }

    fn settle(&mut self, shard: u16, sequence: u64) {
        if let Some(doubtful) = self.doubtful.get_mut(usize::from(shard)) {
            doubtful.remove(&sequence);
        }
    }

    fn horizon(&self, shard: u16) -> u64 {
        let first = self.doubtful.get(usize::from(shard)).and_then(|doubtful| doubtful.first().copied());
        first.unwrap_or_else(|| self.last.saturating_add(1))
    }
}

/// One stream as its owner holds it.
pub(super) struct Flow {
    stream: u64,
    numbers: OnceCell<Mutex<Numbers>>,
    /// By shard: told whenever a transaction that has drawn there ends.
    settled: Vec<Notify>,
}

impl Flow {
    fn new(stream: u64, shards: u16) -> Flow {
        Flow { stream, numbers: OnceCell::new(), settled: (0..shards).map(|_| Notify::new()).collect() }
    }

    /// The numbers, which go on after all that were ever committed.
    async fn numbers(&self, db: &Db) -> Result<&Mutex<Numbers>, Error> {
        let load = async || {
            let shards = u16::try_from(self.settled.len()).unwrap_or(u16::MAX);
            let last = |shard| RangeReq::new(keys::stream_records(self.stream, shard, 0, u64::MAX), 1).reversed();
            let gets = (0..shards).map(|shard| keys::stream_trimmed(self.stream, shard)).collect();
            let found = db.read(ReadReq { gets, ranges: (0..shards).map(last).collect() }).await?;
            let mut numbers = Numbers { last: 0, doubtful: vec![BTreeSet::new(); self.settled.len()] };
            for row in found.ranges.iter().filter_map(|page| page.rows.first()) {
                let sequence = keys::read_stream_record(&row.key).map_err(ServiceError::internal)?;
                numbers.last = numbers.last.max(sequence);
            }
            for row in found.gets.iter().flatten() {
                numbers.last = numbers.last.max(super::trim::read_trimmed(&row.val)?);
            }
            Ok::<_, Error>(Mutex::new(numbers))
        };
        self.numbers.get_or_try_init(load).await
    }

    /// Draws a number in a shard.
    pub(super) async fn draw(self: &Arc<Self>, db: &Db, shard: u16, now: Timestamp) -> Result<Doubt, Error> {
        let sequence = self.numbers(db).await?.lock().draw(shard, now);
        Ok(Doubt { flow: Arc::clone(self), shard, sequence })
    }

    /// The lowest number of a shard that may still appear: what is committed by now and lower is all that ever will be.
    pub(super) async fn horizon(&self, db: &Db, shard: u16) -> Result<u64, Error> {
        Ok(self.numbers(db).await?.lock().horizon(shard))
    }

    /// Told whenever the horizon of a shard has moved.
    pub(super) fn settled(&self, shard: u16) -> Option<&Notify> {
        self.settled.get(usize::from(shard))
    }
}

/// A number drawn by a transaction that has not ended.
pub(super) struct Doubt {
    flow: Arc<Flow>,
    shard: u16,
    pub(super) sequence: u64,
}

impl Drop for Doubt {
    fn drop(&mut self) {
        if let Some(numbers) = self.flow.numbers.get() {
            numbers.lock().settle(self.shard, self.sequence);
        }
        if let Some(settled) = self.flow.settled(self.shard) {
            settled.notify_waiters();
        }
    }
}

/// The streams that were asked for, by number: at most as many as there are.
#[derive(Default)]
pub(crate) struct Flows(RwLock<HashMap<u64, Arc<Flow>>>);

impl Flows {
    pub(super) fn of(&self, stream: u64, shards: u16) -> Arc<Flow> {
        if let Some(flow) = self.0.read().get(&stream) {
            return Arc::clone(flow);
        }
        Arc::clone(self.0.write().entry(stream).or_insert_with(|| Arc::new(Flow::new(stream, shards))))
    }

    pub(super) fn forget(&self, stream: u64) {
        self.0.write().remove(&stream);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cauce_core::Timestamp;
    use cauce_store::Db;

    use super::Flow;
    use crate::keys;
    use crate::stream::trim::trimmed_row;

    const NOW: Timestamp = Timestamp::from_micros(1_000);

    #[tokio::test]
    async fn readers_stop_before_what_is_in_doubt() {
        let (db, flow) = (Db::memory(), Arc::new(Flow::new(7, 2)));
        assert_eq!(flow.horizon(&db, 0).await.unwrap(), 1);
        let first = flow.draw(&db, 0, NOW).await.unwrap();
        let second = flow.draw(&db, 0, NOW).await.unwrap();
        assert_eq!((first.sequence, second.sequence), (1_000, 1_001));
        drop(second);
        assert_eq!((flow.horizon(&db, 0).await.unwrap(), flow.horizon(&db, 1).await.unwrap()), (1_000, 1_002));
        drop(first);
        assert_eq!(flow.horizon(&db, 0).await.unwrap(), 1_002);
    }

    #[tokio::test]
    async fn numbers_go_on_after_a_restart_even_if_the_clock_went_back() {
        let db = Db::memory();
        let write = async |key: cauce_store::Bytes, val: cauce_store::Bytes| {
            let write = db.transact(async |tx| {
                tx.set(key.clone(), val.clone());
                Ok::<_, cauce_store::StoreError>(())
            });
            write.await.unwrap();
        };
        write(keys::stream_record(7, 1, 5_000), cauce_store::Bytes::new()).await;
        let flow = Arc::new(Flow::new(7, 2));
        assert_eq!(flow.draw(&db, 0, NOW).await.unwrap().sequence, 5_001);
        write(keys::stream_trimmed(7, 0), trimmed_row(9_000)).await;
        let flow = Arc::new(Flow::new(7, 2));
        assert_eq!(flow.draw(&db, 0, NOW).await.unwrap().sequence, 9_001);
    }
}
