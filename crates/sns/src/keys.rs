//! SNS's layout in the store. Kinds 0x0900 to 0x09FF are its own, and none is ever given another meaning.
//!
//! | kind | key | row |
//! |---|---|---|
//! | 0x0901 | account, region, topic | a topic |
//! | 0x0902 | account, region, topic | how often the topic or its subscriptions have changed (counter) |
//! | 0x0903 | account, region, topic, subscription | a subscription |
//! | 0x0904 | account, region, topic, protocol, endpoint | the id of the subscription that has this endpoint |
//! | 0x0905 | account, region, topic, which | how many subscriptions are confirmed, pending, have filters (counters) |
//! | 0x0906 | account, region, topic | the last sequence number of a FIFO topic (counter) |
//! | 0x0907 | account, region, topic, group or "", deduplication id | what was published under the id |
//! | 0x0908 | account, region, topic, end (µs), group or "", deduplication id | when the row above is no longer needed |
//! | 0x0909 | part | a part of a large fan-out that is done |
//! | 0x090A | | the key that signs, and its certificate |
//! | 0x090B | account, region, topic, subscription | a subscription that has ended and can be restored |
//! | 0x090C | end (µs), account, region, topic, subscription | when the token of a subscription ends |

use bytes::Bytes;
use cauce_core::{Account, Arn, Region, Timestamp};
use cauce_store::{Key, KeyError, KeyReader, Kind};

pub(crate) const TOPIC: Kind = Kind::new(0x0901);
pub(crate) const GENERATION: Kind = Kind::new(0x0902);
pub(crate) const SUBSCRIPTION: Kind = Kind::new(0x0903);
pub(crate) const ENDPOINT: Kind = Kind::new(0x0904);
pub(crate) const COUNT: Kind = Kind::new(0x0905);
pub(crate) const SEQUENCE: Kind = Kind::new(0x0906);
pub(crate) const DEDUPLICATION: Kind = Kind::new(0x0907);
pub(crate) const DEDUPLICATION_END: Kind = Kind::new(0x0908);
pub(crate) const PART: Kind = Kind::new(0x0909);
pub(crate) const SIGNER: Kind = Kind::new(0x090A);
pub(crate) const ENDED: Kind = Kind::new(0x090B);
pub(crate) const TOKEN_END: Kind = Kind::new(0x090C);

/// A topic, wherever it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TopicId {
    pub(crate) account: Account,
    pub(crate) region: Region,
    pub(crate) name: String,
}

impl TopicId {
    /// Its ARN.
    pub(crate) fn arn(&self) -> Arn {
        Arn::new("sns", &self.region, self.account, &self.name)
    }

    /// The ARN of one of its subscriptions.
    pub(crate) fn subscription_arn(&self, id: &str) -> Arn {
        Arn::new("sns", &self.region, self.account, &format!("{}:{id}", self.name))
    }

    /// Whether its name says that it is a FIFO topic.
    pub(crate) fn is_fifo(&self) -> bool {
        self.name.ends_with(".fifo")
    }

    fn key(&self, kind: Kind) -> Key {
        within(kind, self.account, &self.region).str(&self.name)
    }
}

/// What is counted of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    Confirmed,
    Pending,
    Filters,
}

fn within(kind: Kind, account: Account, region: &Region) -> Key {
    Key::new(kind).u64(account.number()).str(region.as_str())
}

pub(crate) fn topic(id: &TopicId) -> Bytes {
    id.key(TOPIC).build()
}

pub(crate) fn topics(account: Account, region: &Region) -> (Bytes, Bytes) {
    within(TOPIC, account, region).prefix_range()
}

pub(crate) fn generation(id: &TopicId) -> Bytes {
    id.key(GENERATION).build()
}

pub(crate) fn subscription(topic: &TopicId, id: &str) -> Bytes {
    topic.key(SUBSCRIPTION).str(id).build()
}

pub(crate) fn subscriptions(topic: &TopicId) -> (Bytes, Bytes) {
    topic.key(SUBSCRIPTION).prefix_range()
}

/// The subscriptions of every topic of an account.
pub(crate) fn all_subscriptions(account: Account, region: &Region) -> (Bytes, Bytes) {
    within(SUBSCRIPTION, account, region).prefix_range()
}

/// The topic's name and the id in the key of a subscription.
pub(crate) fn read_subscription(key: &[u8]) -> Result<(TopicId, String), KeyError> {
    read_own(&mut KeyReader::new(key, SUBSCRIPTION)?)
}

pub(crate) fn endpoint(topic: &TopicId, protocol: &str, endpoint: &str) -> Bytes {
    topic.key(ENDPOINT).str(protocol).str(endpoint).build()
}

pub(crate) fn endpoints(topic: &TopicId) -> (Bytes, Bytes) {
    topic.key(ENDPOINT).prefix_range()
}

pub(crate) fn count(topic: &TopicId, counted: Counted) -> Bytes {
    let which = match counted {
        Counted::Confirmed => 1,
        Counted::Pending => 2,
        Counted::Filters => 3,
    };
    topic.key(COUNT).u8(which).build()
}

pub(crate) fn counts(topic: &TopicId) -> (Bytes, Bytes) {
    topic.key(COUNT).prefix_range()
}

pub(crate) fn sequence(topic: &TopicId) -> Bytes {
    topic.key(SEQUENCE).build()
}

pub(crate) fn deduplication(topic: &TopicId, group: &str, id: &str) -> Bytes {
    topic.key(DEDUPLICATION).str(group).str(id).build()
}

pub(crate) fn deduplications(topic: &TopicId) -> (Bytes, Bytes) {
    topic.key(DEDUPLICATION).prefix_range()
}

pub(crate) fn deduplication_end(topic: &TopicId, end: Timestamp, group: &str, id: &str) -> Bytes {
    topic.key(DEDUPLICATION_END).i64(end.as_micros()).str(group).str(id).build()
}

pub(crate) fn deduplication_ends(topic: &TopicId) -> (Bytes, Bytes) {
    topic.key(DEDUPLICATION_END).prefix_range()
}

/// The ends before `now`.
pub(crate) fn deduplication_ended(topic: &TopicId, now: Timestamp) -> (Bytes, Bytes) {
    (deduplication_ends(topic).0, topic.key(DEDUPLICATION_END).i64(now.as_micros()).build())
}

/// The group and the deduplication id of an end.
pub(crate) fn read_deduplication_end(key: &[u8]) -> Result<(String, String), KeyError> {
    let mut reader = KeyReader::new(key, DEDUPLICATION_END)?;
    reader.u64()?;
    reader.str()?;
    reader.str()?;
    reader.i64()?;
    Ok((reader.str()?, reader.str()?))
}

pub(crate) fn part(id: &str) -> Bytes {
    Key::new(PART).str(id).build()
}

pub(crate) fn signer() -> Bytes {
    Key::new(SIGNER).build()
}

pub(crate) fn ended(topic: &TopicId, id: &str) -> Bytes {
    topic.key(ENDED).str(id).build()
}

pub(crate) fn all_ended(topic: &TopicId) -> (Bytes, Bytes) {
    topic.key(ENDED).prefix_range()
}

pub(crate) fn token_end(end: Timestamp, topic: &TopicId, id: &str) -> Bytes {
    let key = Key::new(TOKEN_END).i64(end.as_micros()).u64(topic.account.number());
    key.str(topic.region.as_str()).str(&topic.name).str(id).build()
}

/// The tokens whose time has passed.
pub(crate) fn tokens_ended(now: Timestamp) -> (Bytes, Bytes) {
    (Key::new(TOKEN_END).prefix_range().0, Key::new(TOKEN_END).i64(now.as_micros()).build())
}

/// The topic and the id of the subscription whose token ends.
pub(crate) fn read_token_end(key: &[u8]) -> Result<(TopicId, String), KeyError> {
    let mut reader = KeyReader::new(key, TOKEN_END)?;
    reader.i64()?;
    read_own(&mut reader)
}

fn read_own(reader: &mut KeyReader<'_>) -> Result<(TopicId, String), KeyError> {
    let account = Account::new(reader.u64()?).ok_or(KeyError::Short("account"))?;
    let region = Region::new(&reader.str()?).map_err(|_| KeyError::Text)?;
    let name = reader.str()?;
    Ok((TopicId { account, region, name }, reader.str()?))
}
