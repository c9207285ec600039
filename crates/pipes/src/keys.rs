//! The layout in the store. Kinds `0x0F00..=0x0FFF` belong to pipes.
//!
//! | kind | key | row |
//! |---|---|---|
//! | `0x0F00` | account, region, pipe | [`Pipe`](crate::model::Pipe) |
//! | `0x0F01` | account, region, pipe, shard, lane | where a lane of a pipe of a stream stands |
//! | `0x0F02` | account, region | how many pipes there are (counter) |

use bytes::Bytes;
use cauce_core::{Account, Arn, Region};
use cauce_store::{Key, KeyError, KeyReader, Kind};

const PIPE: Kind = Kind::new(0x0F00);
const POSITION: Kind = Kind::new(0x0F01);
const PIPES: Kind = Kind::new(0x0F02);

/// A pipe, wherever it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PipeId {
    pub(crate) account: Account,
    pub(crate) region: Region,
    pub(crate) name: String,
}

impl PipeId {
    pub(crate) fn arn(&self) -> Arn {
        Arn::new("pipes", &self.region, self.account, &format!("pipe/{}", self.name))
    }

    /// The pipe that an ARN names.
    pub(crate) fn of_arn(arn: &Arn) -> Option<PipeId> {
        let name = arn.resource().strip_prefix("pipe/").filter(|_| arn.service() == "pipes")?;
        Some(PipeId { account: arn.account()?, region: arn.region().parse().ok()?, name: name.to_owned() })
    }
}

fn within(kind: Kind, account: Account, region: &Region) -> Key {
    Key::new(kind).u64(account.number()).str(region.as_str())
}

pub(crate) fn pipe(id: &PipeId) -> Bytes {
    within(PIPE, id.account, &id.region).str(&id.name).build()
}

/// The pipes of an account and region, by name.
pub(crate) fn pipes(account: Account, region: &Region) -> (Bytes, Bytes) {
    within(PIPE, account, region).prefix_range()
}

/// The pipes of all accounts and regions.
pub(crate) fn all_pipes() -> (Bytes, Bytes) {
    Key::new(PIPE).prefix_range()
}

pub(crate) fn pipe_of(key: &[u8]) -> Result<PipeId, KeyError> {
    let mut reader = KeyReader::new(key, PIPE)?;
    let account = Account::new(reader.u64()?).ok_or(KeyError::Short("account"))?;
    let region = Region::new(&reader.str()?).map_err(|_| KeyError::Text)?;
    Ok(PipeId { account, region, name: reader.str()? })
}

/// Where the lanes of a pipe stand; the shard and the lane are added.
pub(crate) fn positions(id: &PipeId) -> Key {
    within(POSITION, id.account, &id.region).str(&id.name)
}

pub(crate) fn pipes_count(account: Account, region: &Region) -> Bytes {
    within(PIPES, account, region).build()
}
