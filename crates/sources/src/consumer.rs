//! Whoever gets the batches.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use cauce_core::{Call, ServiceError, Timestamp};
use cauce_delivery::Effect;
use cauce_store::Key;
use serde_json::Value;

use crate::stream::{Discard, Window};

/// What keeps a consumer from taking or working, in words for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Problem(pub String);

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Problem {
        Problem(error.to_string())
    }
}

/// One message or record of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry<'a> {
    /// By what answers name it: the id of a message, the sequence number of a record.
    pub id: &'a str,
    /// It as events show it, in JSON.
    pub json: &'a str,
    /// When the record was written, or the message taken.
    pub at: Timestamp,
}

/// From where in a stream a batch is.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// The name of the shard.
    pub shard_id: &'a str,
    /// The tumbling window that it belongs to. A batch without records ends its window.
    pub window: Option<&'a Window>,
}

/// What a consumer is handed at once.
#[derive(Clone, Debug)]
pub struct Batch<'a> {
    /// In order.
    pub entries: Vec<Entry<'a>>,
    /// For batches of streams.
    pub span: Option<Span<'a>>,
}

/// With which entries of a batch a consumer has failed, by their places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed {
    /// All are done with.
    Nothing,
    /// The delivery as such has failed.
    All,
    /// Those that the consumer has named.
    These(BTreeSet<usize>),
}

impl Failed {
    /// The entries that an answer lists as its `batchItemFailures`: each by its `itemIdentifier`, of which `place` knows the place.
    /// Nothing if it lists nothing; all if it cannot be read, or names what was not in the batch.
    pub fn listed(listed: Option<&Value>, place: impl Fn(&str) -> Option<usize>) -> Failed {
        let listed = match listed {
            None | Some(Value::Null) => return Failed::Nothing,
            Some(Value::Array(listed)) => listed,
            Some(_) => return Failed::All,
        };
        let of = |item: &Value| place(item.get("itemIdentifier")?.as_str()?);
        match listed.iter().map(of).collect::<Option<BTreeSet<usize>>>() {
            Some(places) if places.is_empty() => Failed::Nothing,
            Some(places) => Failed::These(places),
            None => Failed::All,
        }
    }
}

/// Writes texts that are JSON as a JSON list of them.
pub fn push_list<'a>(out: &mut String, elements: impl IntoIterator<Item = &'a str>) {
    out.push('[');
    for (n, element) in elements.into_iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        out.push_str(element);
    }
    out.push(']');
}

/// What a consumer has made of a batch.
#[derive(Clone, Debug)]
pub struct Answer<R> {
    /// What comes again.
    pub failed: Failed,
    /// What it hands on to the next batch of the same tumbling window, if it hands on something.
    pub state: Option<Value>,
    /// What is worth telling should the batch be given up.
    pub remark: R,
}

/// What became of a delivery.
#[derive(Clone, Debug)]
pub enum Delivered<R> {
    /// The consumer has worked.
    Answered(Answer<R>),
    /// It has no room now: the batch is kept, and tried again.
    Throttled,
    /// It ends: the batch goes back unseen.
    Closing,
    /// It did not come to it, for a reason that is not the batch's; it counts as no attempt.
    Unable(Problem),
}

/// How long what is taken from a queue is hidden from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// For as long as one delivery may take, if the queue's own time is shorter.
    UpTo(Duration),
    /// For the queue's own time, which begins anew as long as a delivery is under way.
    Renewed,
}

/// Gets batches. One is shared by all workers of a crew.
#[async_trait]
pub trait Consumer: Send + Sync + 'static {
    /// What it remembers of a delivery, for [`Consumer::given_up`].
    type Remark: Clone + Send + Sync + 'static;

    /// Refuses to take anything from a queue that could only be given back.
    ///
    /// # Errors
    /// Why.
    async fn ready(&self) -> Result<(), Problem> {
        Ok(())
    }

    /// A call as whom the source is read, in a causal tree of its own.
    ///
    /// # Errors
    /// The role is missing, or cannot be assumed.
    async fn call(&self) -> Result<Call, Problem>;

    /// How long what is taken must stay hidden.
    ///
    /// # Errors
    /// What is to be invoked is missing.
    async fn hold(&self) -> Result<Hold, Problem>;

    /// Does what is to be done with a batch, and says how that went. `call` has the request id and the trace of this delivery.
    async fn deliver(&self, call: &Call, batch: &Batch<'_>) -> Delivered<Self::Remark>;

    /// Completes when there may be room again after [`Delivered::Throttled`]; it is tried again after a while in any case.
    async fn room(&self) {
        std::future::pending().await
    }

    /// Where the lanes of a stream keep their positions: a key to which the shard and the lane are added.
    fn positions(&self) -> Key;

    /// The message about records of a stream that are given up, if somebody is to be told. `last` is of the last delivery.
    ///
    /// # Errors
    /// It cannot be made now; it is tried again.
    async fn given_up(&self, discard: &Discard<'_>, last: Option<&Self::Remark>) -> Result<Option<Effect>, Problem>;
}
