//! Leases: rows that say who owns what, with a fencing token that every change of owner raises.

use std::time::Duration;

use cauce_core::Timestamp;

use crate::codec::{RowReader, RowWriter};
use crate::contract::Bytes;
use crate::record::{RecordError, RowCodec};

const VERSION: u8 = 1;

/// Who owns something, until when, and the token by which the store tells this owner from all earlier ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Raised by one at every change of hands, so an owner that missed the change is fenced off.
    pub token: u64,
    /// When others may take it, by the clock of the store.
    pub expires: Timestamp,
    /// The name of the node that holds it.
    pub holder: String,
}

/// What asking for a lease leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Write this lease: it is the caller's.
    Take(Lease),
    /// Another node holds it until then.
    Held {
        /// That node.
        by: String,
        /// Until when.
        until: Timestamp,
    },
}

impl Lease {
    /// Decides what `node` gets when it asks for a lease for the first time since it started.
    ///
    /// A node takes at once what carries its own name: that is what an earlier run of it has left, and that run has ended,
    /// since two runs on one data directory exclude each other. The token still rises, in case it has not.
    #[must_use]
    pub fn claim(found: Option<&Lease>, node: &str, now: Timestamp, lasts: Duration) -> Claim {
        match found {
            Some(lease) if lease.holder != node && lease.expires > now => {
                Claim::Held { by: lease.holder.clone(), until: lease.expires }
            }
            found => Claim::Take(Lease {
                token: found.map_or(0, |lease| lease.token) + 1,
                expires: now + lasts,
                holder: node.to_owned(),
            }),
        }
    }
}

impl RowCodec for Lease {
    fn encode_row(&self) -> Result<Bytes, RecordError> {
        let mut row = RowWriter::new(VERSION);
        row.u64(self.token).u64(self.expires.as_micros().cast_unsigned()).str(&self.holder);
        Ok(row.finish())
    }

    fn decode_row(row: &[u8]) -> Result<Self, RecordError> {
        let (version, mut reader) = RowReader::new(row)?;
        if version != VERSION {
            return Err(RecordError::Version { found: version, written: VERSION });
        }
        let lease = Self {
            token: reader.u64()?,
            expires: Timestamp::from_micros(reader.u64()?.cast_signed()),
            holder: reader.str()?.to_owned(),
        };
        reader.end()?;
        Ok(lease)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cauce_core::Timestamp;

    use super::{Claim, Lease};
    use crate::record::RowCodec;

    fn lease(token: u64, expires: i64, holder: &str) -> Lease {
        Lease { token, expires: Timestamp::from_secs(expires), holder: holder.to_owned() }
    }

    #[test]
    fn who_gets_a_lease() {
        fn check(found: Option<Lease>, expect: Claim) {
            let now = Timestamp::from_secs(100);
            assert_eq!(Lease::claim(found.as_ref(), "me", now, Duration::from_secs(10)), expect);
        }
        check(None, Claim::Take(lease(1, 110, "me")));
        check(Some(lease(4, 99, "you")), Claim::Take(lease(5, 110, "me")));
        check(Some(lease(4, 100, "you")), Claim::Take(lease(5, 110, "me")));
        check(Some(lease(4, 101, "you")), Claim::Held { by: "you".to_owned(), until: Timestamp::from_secs(101) });
        check(Some(lease(4, 101, "me")), Claim::Take(lease(5, 110, "me")));
    }

    #[test]
    fn its_layout_stays_as_it_is() {
        let row = lease(258, 1, "n").encode_row().unwrap();
        assert_eq!(row.as_ref(), [1, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0x0F, 0x42, 0x40, 1, b'n']);
        assert_eq!(Lease::decode_row(&row).unwrap(), lease(258, 1, "n"));
        assert!(Lease::decode_row(&row[..row.len() - 1]).is_err());
        assert!(Lease::decode_row(&[&row[..], &[0]].concat()).is_err());
        assert!(Lease::decode_row(&[2]).is_err());
    }
}
