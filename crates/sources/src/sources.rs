//! The sources there are, and who is set to work on them.

use std::sync::Arc;

use cauce_core::Arn;
use cauce_core::ports::{Queues, Streams};
use cauce_store::{Owned, Owner};

use crate::consumer::Consumer;
use crate::crew::Crew;
use crate::duty::Duty;
use crate::queue::QueueSource;
use crate::stream::{self, StreamPost, StreamSettings};
use crate::worker::{self, Post};

/// What a consumer must be allowed to do with its queue.
pub const QUEUE_ACTIONS: [&str; 3] = ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"];

/// What a consumer must be allowed to do with its stream.
pub const STREAM_ACTIONS: [&str; 4] = ["DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"];

/// Where batches come from, and for which consumers this node is responsible.
pub struct Sources {
    /// Where queues are read.
    pub queues: Arc<dyn Queues>,
    /// Where streams are read.
    pub streams: Arc<dyn Streams>,
    /// Who may act here, and for whom.
    pub owner: Owner,
}

impl Sources {
    /// Sets a crew to work on a source: with `stream`, a stream that is followed so, as soon as those `before` have ended; else a
    /// queue. `owned` is the right to act for the consumer.
    pub fn begin<C: Consumer>(
        &self,
        duty: Duty<C>,
        source: Arn,
        stream: Option<StreamSettings>,
        (owned, before): (Owned, Vec<Arc<Crew>>),
    ) {
        match stream {
            Some(settings) => {
                let streams = Arc::clone(&self.streams);
                stream::begin(Arc::new(StreamPost { duty, settings, streams, stream: source, owned, before }));
            }
            None => {
                let filtered = !duty.filters.is_empty();
                let source = QueueSource::new(Arc::clone(&self.queues), source, duty.env.clone(), filtered);
                worker::begin(Arc::new(Post { duty, source: Box::new(source) }));
            }
        }
    }
}
