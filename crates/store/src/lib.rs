//! One ordered, transactional, durable key-value map: the floor that every service of Cauce stands on.
//!
//! - [`Store`] is the contract of an engine: batches of reads at one snapshot, self-contained commits, wake-ups.
//! - [`Db`] and [`Tx`] are what everyone uses: transactions with read-your-writes and automatic retry, written once for all engines.
//! - [`Key`] and [`Kind`] build keys that sort as their parts do; [`Record`] and [`RowCodec`] make rows with a version.
//! - [`Owner`], [`Owned`] and [`Sequence`]: partitions with one owner each, fenced by leases.
//! - [`EmbeddedStore`] is the engine for one machine: a log in front of redb. [`MemoryStore`] is the engine for tests.
//!
//! # Limits
//! [`Limits`], [`TRANSACT_ATTEMPTS_MAX`], [`PARTITIONS`]. A value that is larger belongs in a file, with a row that names it.
//!
//! # Invariants
//! - A commit is answered only when it is durable; nothing is read that is not durable.
//! - A layout once written is never reinterpreted: kinds are numbered for ever, rows begin with a version.
//! - A failed fsync ends the process: what the disk then holds is unknown.
//!
//! # Deliberately absent
//! Open read-write transactions in an engine, locks that callers can hold, secondary indexes, expiry, queries.

mod carried;
mod codec;
mod contract;
mod db;
mod embedded;
mod error;
mod gate;
mod key;
mod keys;
mod lease;
mod memory;
mod partition;
mod record;
mod state;
mod token;
mod tx;
mod watch;

pub use codec::{RowReader, RowWriter};
pub use contract::{
    Bytes, Check, Commit, Limits, Mutation, RangeReq, RangeResp, ReadReq, ReadResp, Row, Snapshot, Store, Version, View,
};
pub use db::{BACKOFF_MAX, Db, GATE_WAIT_MAX, TRANSACT_ATTEMPTS_MAX, UNKNOWN_ATTEMPTS_MAX, decode_row};
pub use embedded::{
    Directory, DirectoryError, Disk, DiskFile, EmbeddedOptions, EmbeddedStore, OnFatal, OpenError, VIEWS_MAX,
};
pub use error::{CommitError, StoreError};
pub use key::{Key, KeyError, KeyReader, Kind, prefix_end};
pub use lease::{Claim, Lease};
pub use memory::MemoryStore;
pub use partition::{LEASE_LASTS, LEASE_RENEWED_EVERY, Owned, Owner, PARTITIONS, Partition, Sequence, partition_of};
pub use record::{Record, RecordError, RowCodec};
pub use tx::Tx;
pub use watch::Watcher;
