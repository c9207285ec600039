//! Partitions: everything with an order or a clock hashes to one of them, and each has one owner at a time.

use std::sync::Arc;
use std::time::Duration;

use cauce_core::Timestamp;
use parking_lot::RwLock;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::contract::Bytes;
use crate::db::Db;
use crate::error::StoreError;
use crate::keys::partition_lease;
use crate::lease::{Claim, Lease};
use crate::tx::Tx;

/// How many virtual partitions there are. Written into rows all over the store by way of [`partition_of`]: never to be changed.
pub const PARTITIONS: u16 = 64;
/// How long a lease lasts unless it is renewed.
pub const LEASE_LASTS: Duration = Duration::from_secs(30);
/// How often an owner renews: three chances before the lease has run out.
pub const LEASE_RENEWED_EVERY: Duration = Duration::from_secs(9);

/// One of the [`PARTITIONS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(u16);

impl Partition {
    /// All partitions.
    pub fn all() -> impl Iterator<Item = Partition> {
        (0..PARTITIONS).map(Partition)
    }

    /// The partition of this number, if there is one.
    #[must_use]
    pub fn new(number: u16) -> Option<Self> {
        (number < PARTITIONS).then_some(Self(number))
    }

    /// Its number, below [`PARTITIONS`].
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }
}

/// The partition that owns whatever `key` names (a queue, a lane, a stream).
///
/// Stable for ever: FNV-1a over the bytes in 64 bits, then `h ^ (h >> 32)` so that the low bits hear of the high ones, modulo
/// [`PARTITIONS`].
#[must_use]
pub fn partition_of(key: &[u8]) -> Partition {
    const OFFSET: u64 = 0xCBF2_9CE4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01B3;
    let hash = key.iter().fold(OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME));
    let number = (hash ^ (hash >> 32)) % u64::from(PARTITIONS);
    Partition(u16::try_from(number).unwrap_or_default())
}

/// The right to act for a partition, as long as its fence holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owned {
    /// The partition.
    pub partition: Partition,
    /// The fencing token under which it is owned.
    pub token: u64,
}

impl Owned {
    /// Makes the commit of `tx` fail with [`StoreError::Fenced`] if the partition has passed to another owner.
    pub fn fence(&self, tx: &Tx) {
        tx.fence(partition_lease(self.partition), self.token);
    }
}

/// A node as the owner of partitions. With the embedded engine one node owns them all; the leases are written, renewed and
/// checked all the same.
#[derive(Clone)]
pub struct Owner {
    db: Db,
    node: Arc<str>,
    owned: Arc<RwLock<Vec<Owned>>>,
}

impl Owner {
    /// Takes all partitions for `node`, in one commit.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if another node holds a partition; any other [`StoreError`] of a transaction.
    pub async fn acquire_all(db: &Db, node: &str) -> Result<Self, StoreError> {
        let now = db.now().await?;
        let owned = db
            .transact(async |tx| {
                let keys: Vec<Bytes> = Partition::all().map(partition_lease).collect();
                tx.get_many(&keys).await?;
                let mut owned = Vec::with_capacity(keys.len());
                for (partition, key) in Partition::all().zip(keys) {
                    let found: Option<Lease> = tx.get_record(&key).await?;
                    let lease = match Lease::claim(found.as_ref(), node, now, LEASE_LASTS) {
                        Claim::Take(lease) => lease,
                        Claim::Held { by, until } => return Err(held(partition, &by, until)),
                    };
                    owned.push(Owned { partition, token: lease.token });
                    tx.set_record(key, &lease)?;
                }
                Ok(owned)
            })
            .await?;
        Ok(Self { db: db.clone(), node: node.into(), owned: Arc::new(RwLock::new(owned)) })
    }

    /// The right to act for `partition`, if this node has it.
    #[must_use]
    pub fn owned(&self, partition: Partition) -> Option<Owned> {
        self.owned.read().iter().find(|owned| owned.partition == partition).copied()
    }

    /// The right to act for whatever `key` names, if this node has it.
    #[must_use]
    pub fn owned_for(&self, key: &[u8]) -> Option<Owned> {
        self.owned(partition_of(key))
    }

    /// All that this node owns.
    #[must_use]
    pub fn all(&self) -> Vec<Owned> {
        self.owned.read().clone()
    }

    /// Prolongs all leases of this node, in one commit. A partition that has passed to another owner is given up.
    ///
    /// # Errors
    /// Any [`StoreError`] of a transaction.
    pub async fn renew(&self) -> Result<(), StoreError> {
        let owned = self.all();
        let now = self.db.now().await?;
        let kept = self
            .db
            .transact(async |tx| {
                let keys: Vec<Bytes> = owned.iter().map(|owned| partition_lease(owned.partition)).collect();
                tx.get_many(&keys).await?;
                let mut kept = Vec::with_capacity(keys.len());
                for (owned, key) in owned.iter().zip(keys) {
                    let found: Option<Lease> = tx.get_record(&key).await?;
                    let Some(lease) = found.filter(|lease| lease.token == owned.token) else { continue };
                    tx.set_record(key, &Lease { expires: now + LEASE_LASTS, ..lease })?;
                    kept.push(*owned);
                }
                Ok::<_, StoreError>(kept)
            })
            .await?;
        if kept.len() < owned.len() {
            tracing::warn!(node = %self.node, lost = owned.len() - kept.len(), "partitions have passed to another owner");
        }
        *self.owned.write() = kept;
        Ok(())
    }

    /// Gives all partitions back, so that another node need not wait for the leases to run out.
    ///
    /// # Errors
    /// Any [`StoreError`] of a transaction.
    pub async fn release(&self) -> Result<(), StoreError> {
        let owned = std::mem::take(&mut *self.owned.write());
        self.db
            .transact(async |tx| {
                for owned in &owned {
                    let key = partition_lease(owned.partition);
                    let found: Option<Lease> = tx.get_record(&key).await?;
                    if let Some(lease) = found.filter(|lease| lease.token == owned.token) {
                        tx.set_record(key, &Lease { expires: Timestamp::EPOCH, ..lease })?;
                    }
                }
                Ok(())
            })
            .await
    }
}

impl std::fmt::Debug for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Owner").field("node", &self.node).finish_non_exhaustive()
    }
}

fn held(partition: Partition, by: &str, until: Timestamp) -> StoreError {
    StoreError::Unavailable(format!("partition {} is held by node {by} until {until}", partition.number()))
}

/// A counter of an owner, kept in memory and persisted by the commits that use it, so that numbers become visible in their
/// order: a reader that has seen a number will never see a smaller one appear later. Numbers of commits that fail are lost.
///
/// To that end a draw holds the counter until its transaction has ended. So draw many at once, for a whole batch.
#[derive(Debug, Clone)]
pub struct Sequence {
    key: Bytes,
    next: Arc<Mutex<u64>>,
}

impl Sequence {
    /// Reads the counter that lies at `key`; 1 is the first number ever drawn.
    ///
    /// # Errors
    /// Any [`StoreError`] of a read; `Corrupt` if the row is no counter.
    pub async fn load(db: &Db, key: Bytes) -> Result<Self, StoreError> {
        let stored = db.get_bytes(&key).await?;
        let last = crate::state::read_counter(stored.as_ref()).and_then(|last| u64::try_from(last).ok());
        let last = last.ok_or_else(|| StoreError::Corrupt { key: key.clone(), reason: "not a counter".to_owned() })?;
        Ok(Self { key, next: Arc::new(Mutex::new(last + 1)) })
    }

    /// Draws `count` numbers for `tx` and returns the first of them. Waits for the transaction that has drawn before.
    /// One draw a transaction: a second one would wait for the first for ever.
    pub async fn draw(&self, tx: &Tx, count: u64) -> u64 {
        let mut next: OwnedMutexGuard<u64> = Arc::clone(&self.next).lock_owned().await;
        let first = *next;
        *next = first.saturating_add(count);
        let last = next.saturating_sub(1);
        tx.set(self.key.clone(), Bytes::copy_from_slice(&last.to_be_bytes()));
        tx.hold(next);
        first
    }
}

#[cfg(test)]
mod tests {
    use super::{PARTITIONS, Partition, partition_of};

    #[test]
    fn partitions_stay_where_they_are() {
        fn check(key: &[u8], expect: u16) {
            assert_eq!(partition_of(key).number(), expect, "{key:?}");
        }
        assert_eq!(PARTITIONS, 64);
        check(b"", 1);
        check(b"a", 0);
        check(b"orders", 30);
        check(b"arn:aws:sqs:us-east-1:000000000000:orders", 26);
    }

    #[test]
    fn keys_spread_over_all_partitions() {
        let mut found = [0; PARTITIONS as usize];
        for number in 0..6_400 {
            found[usize::from(partition_of(format!("queue-{number}").as_bytes()).number())] += 1;
        }
        assert!(found.iter().all(|count| (50..200).contains(count)), "{found:?}");
        assert_eq!(Partition::all().count(), 64);
        assert_eq!((Partition::new(63).is_some(), Partition::new(64)), (true, None));
    }
}
