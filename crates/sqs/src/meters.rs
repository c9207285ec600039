//! What is measured of queues. AWS: SQS Developer Guide, *Available CloudWatch metrics for Amazon SQS*.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cauce_core::Timestamp;
use cauce_core::ports::{Meter, MeterSets, Metrics};
use cauce_store::{RangeReq, decode_row};

use crate::error::Error;
use crate::held::Held;
use crate::keys::{self, QueueId};
use crate::message::Standing;
use crate::service::Sqs;

/// How often the depth of queues is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// The meters of all queues, once [`Sqs::measure`] has said where they are read.
pub(crate) type Meters = OnceLock<MeterSets<QueueMeters>>;

/// The meters of one queue.
#[derive(Debug)]
pub(crate) struct QueueMeters {
    pub(crate) sent: Meter,
    pub(crate) sent_bytes: Meter,
    pub(crate) received: Meter,
    pub(crate) empty_receives: Meter,
    pub(crate) deleted: Meter,
    visible: Meter,
    not_visible: Meter,
    delayed: Meter,
    oldest_s: Meter,
}

impl Sqs {
    /// Says where what is measured of queues is recorded; without it, nothing is. Run [`run_gauges`] too.
    pub fn measure(&self, metrics: Arc<dyn Metrics>) {
        let sets = MeterSets::new(metrics, "AWS/SQS", |maker, queue| {
            let meter = |name, unit| maker.meter(name, unit, &[("QueueName", queue)]);
            QueueMeters {
                sent: meter("NumberOfMessagesSent", "Count"),
                sent_bytes: meter("SentMessageSize", "Bytes"),
                received: meter("NumberOfMessagesReceived", "Count"),
                empty_receives: meter("NumberOfEmptyReceives", "Count"),
                deleted: meter("NumberOfMessagesDeleted", "Count"),
                visible: meter("ApproximateNumberOfMessagesVisible", "Count"),
                not_visible: meter("ApproximateNumberOfMessagesNotVisible", "Count"),
                delayed: meter("ApproximateNumberOfMessagesDelayed", "Count"),
                oldest_s: meter("ApproximateAgeOfOldestMessage", "Seconds"),
            }
        });
        if self.meters.set(sets).is_err() {
            tracing::error!("where queues are measured was said twice");
        }
    }

    /// The meters of a queue.
    pub(crate) fn meters_of(&self, id: &QueueId) -> Option<Arc<QueueMeters>> {
        self.meters.get().map(|meters| meters.of(id.account, &id.region, &id.name))
    }

    /// Records how deep the queues in memory are: those that were used since the start.
    pub(crate) async fn gauge(&self) -> Result<(), Error> {
        let now = self.env.now();
        for held in self.all_held() {
            let Some(meters) = self.meters_of(&held.id) else { return Ok(()) };
            let numbers = self.numbers(&held).await?;
            let figure = |number: u64| u32::try_from(number).map_or(f64::MAX, f64::from);
            meters.visible.record(figure(numbers.visible));
            meters.not_visible.record(figure(numbers.in_flight));
            meters.delayed.record(figure(numbers.delayed));
            let age = self.oldest(&held).await?.map_or(Duration::ZERO, |sent| now.since(sent));
            meters.oldest_s.record(figure(age.as_secs()));
        }
        Ok(())
    }

    /// When the first message of a queue was sent.
    async fn oldest(&self, held: &Held) -> Result<Option<Timestamp>, Error> {
        let page = self.db.range(RangeReq::new(keys::standings_after(held.stock.life, 0), 1)).await?;
        let first = page.rows.first().map(decode_row::<Standing>).transpose()?;
        Ok(first.map(|standing| standing.sent))
    }
}

/// Looks at the depth of queues for ever; spawn it once, and abort it at shutdown.
pub async fn run_gauges(sqs: Arc<Sqs>) {
    loop {
        if let Err(error) = sqs.gauge().await {
            tracing::warn!(%error, "queues cannot be measured; trying again");
        }
        sqs.env.sleep(LOOK_EVERY).await;
    }
}
