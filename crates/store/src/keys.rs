//! The store's own rows. Kinds `0x0000..=0x00FF` are the store's.

use crate::contract::Bytes;
use crate::key::{Key, Kind};
use crate::partition::Partition;

/// Lease of a partition: partition number -> [`Lease`](crate::Lease).
const PARTITION_LEASE: Kind = Kind::new(0x0001);
/// Idempotency token: token -> when it was used, see [`token`](crate::token).
pub(crate) const TOKEN: Kind = Kind::new(0x0002);
/// Idempotency tokens by time: time, token -> nothing.
pub(crate) const TOKEN_BY_TIME: Kind = Kind::new(0x0003);

/// Where the lease of a partition lies.
pub(crate) fn partition_lease(partition: Partition) -> Bytes {
    Key::new(PARTITION_LEASE).u16(partition.number()).build()
}
