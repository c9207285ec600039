//! SQS's layout in the store. Kinds 0x0800 to 0x08FF are its own, and none is ever given another meaning.
//!
//! | kind | key | row |
//! |---|---|---|
//! | 0x0801 | account, region, queue | a queue with its settings |
//! | 0x0802 | life, sequence | where a message stands: due, receive count, receipt; small |
//! | 0x0803 | life, sequence | what a message says: body and attributes; never rewritten |
//! | 0x0804 | life | how many messages there are (counter) |
//! | 0x0805 | life, deduplication id or hash, group where the scope is the group | a FIFO message that was sent lately |
//! | 0x0806 | life, expiry (µs), key of 0x0805 without its kind | the same, in the order of their expiry |
//! | 0x0807 | life | messages of a queue that is gone: to be swept |
//! | 0x0808 | account, region, source queue, start (µs), latest first | a message move task |
//!
//! A *life* is what a queue is between its creation and its purge or deletion, and between two purges: a random number. Everything
//! about messages lies under it, so that a purge is one small write whatever the queue holds.

use bytes::Bytes;
use cauce_core::{Account, Arn, Region, Timestamp};
use cauce_store::{Key, KeyError, KeyReader, Kind};

pub(crate) const QUEUE: Kind = Kind::new(0x0801);
pub(crate) const STANDING: Kind = Kind::new(0x0802);
pub(crate) const CONTENT: Kind = Kind::new(0x0803);
pub(crate) const COUNT: Kind = Kind::new(0x0804);
pub(crate) const SENT: Kind = Kind::new(0x0805);
pub(crate) const SENT_EXPIRY: Kind = Kind::new(0x0806);
pub(crate) const GONE: Kind = Kind::new(0x0807);
pub(crate) const MOVE_TASK: Kind = Kind::new(0x0808);

/// A queue, wherever it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct QueueId {
    pub(crate) account: Account,
    pub(crate) region: Region,
    pub(crate) name: String,
}

impl QueueId {
    /// The queue that an ARN names, if it names one.
    pub(crate) fn from_arn(arn: &Arn) -> Option<QueueId> {
        let name = arn.resource();
        if arn.service() != "sqs" || name.is_empty() || name.contains([':', '/']) {
            return None;
        }
        Some(QueueId { account: arn.account()?, region: arn.region().parse().ok()?, name: name.to_owned() })
    }

    pub(crate) fn arn(&self) -> Arn {
        Arn::new("sqs", &self.region, self.account, &self.name)
    }
}

/// Tells one life of a queue from every other.
pub(crate) type Life = u64;

fn within(kind: Kind, account: Account, region: &Region) -> Key {
    Key::new(kind).u64(account.number()).str(region.as_str())
}

pub(crate) fn queue(id: &QueueId) -> Bytes {
    within(QUEUE, id.account, &id.region).str(&id.name).build()
}

pub(crate) fn queues(account: Account, region: &Region, prefix: &str) -> (Bytes, Bytes) {
    within(QUEUE, account, region).str_prefix(prefix).prefix_range()
}

/// The queues of all accounts and regions.
pub(crate) fn all_queues() -> (Bytes, Bytes) {
    Key::new(QUEUE).prefix_range()
}

pub(crate) fn standing(life: Life, sequence: u64) -> Bytes {
    Key::new(STANDING).u64(life).u64(sequence).build()
}

/// All standings of a life after `sequence`, in order.
pub(crate) fn standings_after(life: Life, sequence: u64) -> (Bytes, Bytes) {
    let start = Key::new(STANDING).u64(life).u64(sequence.saturating_add(1)).build();
    (start, Key::new(STANDING).u64(life).prefix_range().1)
}

pub(crate) fn read_standing(key: &[u8]) -> Result<u64, KeyError> {
    let mut reader = KeyReader::new(key, STANDING)?;
    reader.u64()?;
    reader.u64()
}

pub(crate) fn content(life: Life, sequence: u64) -> Bytes {
    Key::new(CONTENT).u64(life).u64(sequence).build()
}

pub(crate) fn count(life: Life) -> Bytes {
    Key::new(COUNT).u64(life).build()
}

/// A message sent lately, by what tells it from others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SentId<'a> {
    pub(crate) life: Life,
    pub(crate) deduplication_id: &'a str,
    /// Where deduplication is within the group.
    pub(crate) group: Option<&'a str>,
}

impl SentId<'_> {
    fn onto(&self, key: Key) -> Key {
        key.str(self.deduplication_id).str(self.group.unwrap_or(""))
    }

    pub(crate) fn key(&self) -> Bytes {
        self.onto(Key::new(SENT).u64(self.life)).build()
    }

    pub(crate) fn expiry_key(&self, expires: Timestamp) -> Bytes {
        self.onto(Key::new(SENT_EXPIRY).u64(self.life).i64(expires.as_micros())).build()
    }
}

/// What has expired up to `now`.
pub(crate) fn sent_expired(life: Life, now: Timestamp) -> (Bytes, Bytes) {
    let end = Key::new(SENT_EXPIRY).u64(life).i64(now.as_micros()).build();
    (Key::new(SENT_EXPIRY).u64(life).prefix_range().0, end)
}

/// The key of 0x0805 that a key of 0x0806 stands for.
pub(crate) fn sent_of_expiry(key: &[u8]) -> Result<Bytes, KeyError> {
    let mut reader = KeyReader::new(key, SENT_EXPIRY)?;
    let life = reader.u64()?;
    reader.i64()?;
    let (deduplication_id, group) = (reader.str()?, reader.str()?);
    Ok(SentId { life, deduplication_id: &deduplication_id, group: Some(&group) }.key())
}

pub(crate) fn gone(life: Life) -> Bytes {
    Key::new(GONE).u64(life).build()
}

pub(crate) fn all_gone() -> (Bytes, Bytes) {
    Key::new(GONE).prefix_range()
}

pub(crate) fn read_gone(key: &[u8]) -> Result<Life, KeyError> {
    KeyReader::new(key, GONE)?.u64()
}

/// The kinds whose rows lie under a life, in the order in which a sweep removes them.
pub(crate) fn of_life(life: Life) -> [(Bytes, Bytes); 5] {
    [CONTENT, STANDING, COUNT, SENT, SENT_EXPIRY].map(|kind| Key::new(kind).u64(life).prefix_range())
}

pub(crate) fn move_task(source: &QueueId, task: u64) -> Bytes {
    within(MOVE_TASK, source.account, &source.region).str(&source.name).u64_desc(task).build()
}

/// The tasks of a source queue, the latest first.
pub(crate) fn move_tasks(source: &QueueId) -> (Bytes, Bytes) {
    within(MOVE_TASK, source.account, &source.region).str(&source.name).prefix_range()
}

pub(crate) fn all_move_tasks() -> (Bytes, Bytes) {
    Key::new(MOVE_TASK).prefix_range()
}

pub(crate) fn read_queue(key: &[u8]) -> Result<QueueId, KeyError> {
    let mut reader = KeyReader::new(key, QUEUE)?;
    let account = Account::new(reader.u64()?).ok_or(KeyError::Short("account"))?;
    let region = Region::new(&reader.str()?).map_err(|_| KeyError::Text)?;
    Ok(QueueId { account, region, name: reader.str()? })
}
