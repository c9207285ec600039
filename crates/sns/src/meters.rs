//! What is measured of topics. AWS: SNS Developer Guide, *Monitoring Amazon SNS topics using CloudWatch*. What became of
//! notifications is counted by who is told by the delivery engine.

use std::sync::{Arc, OnceLock};

use cauce_core::ports::{Meter, MeterSets, Metrics};

use crate::keys::TopicId;
use crate::service::Sns;

/// The meters of all topics, once [`Sns::measure`] has said where they are read.
pub(crate) type Meters = OnceLock<MeterSets<TopicMeters>>;

/// The meters of one topic.
#[derive(Debug)]
pub(crate) struct TopicMeters {
    pub(crate) published: Meter,
    pub(crate) published_bytes: Meter,
}

impl Sns {
    /// Says where what is measured of topics is recorded; without it, nothing is.
    pub fn measure(&self, metrics: Arc<dyn Metrics>) {
        let sets = MeterSets::new(metrics, "AWS/SNS", |maker, topic| TopicMeters {
            published: maker.meter("NumberOfMessagesPublished", "Count", &[("TopicName", topic)]),
            published_bytes: maker.meter("PublishSize", "Bytes", &[("TopicName", topic)]),
        });
        if self.meters.set(sets).is_err() {
            tracing::error!("where topics are measured was said twice");
        }
    }

    /// The meters of a topic.
    pub(crate) fn meters_of(&self, id: &TopicId) -> Option<Arc<TopicMeters>> {
        self.meters.get().map(|meters| meters.of(id.account, &id.region, &id.name))
    }
}
