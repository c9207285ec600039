//! What is measured of queues. AWS: SQS Developer Guide, *Available CloudWatch metrics for Amazon SQS*.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cauce_core::ports::{Meter, MeterSets, Metrics};
use cauce_core::{ServiceError, Timestamp};
use cauce_store::{RangeReq, decode_row};

use crate::error::Error;
use crate::held::Held;
use crate::keys::{self, QueueId};
use crate::message::Standing;
use crate::service::Sqs;

/// How often the depth of queues is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How long an empty queue that nobody uses is still measured. AWS: Developer Guide, *Monitoring Amazon SQS queues using
/// CloudWatch*.
pub const ACTIVE_LASTS: Duration = Duration::from_secs(6 * 3_600);

/// How many queues are looked at between two readings of the store.
const LOOKED_AT_MAX: usize = 1_000;

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

    /// The meters of a queue, found once as long as its row stays the same.
    pub(crate) fn meters_of(&self, held: &Held) -> Option<Arc<QueueMeters>> {
        let meters = self.meters.get()?;
        let QueueId { account, region, name } = &held.id;
        Some(Arc::clone(held.meters.get_or_init(|| meters.of(*account, region, name))))
    }

    /// Records how deep all active queues are. Those that are not in memory are looked at as they are in the store, and stay
    /// there; of a queue that has slept since before the start is taken that it was used then.
    pub(crate) async fn gauge(&self) -> Result<(), Error> {
        if self.meters.get().is_none() {
            return Ok(());
        }
        let mut range = RangeReq::new(keys::all_queues(), LOOKED_AT_MAX);
        loop {
            let page = self.db.range(range.clone()).await?;
            for row in &page.rows {
                let id = keys::read_queue(&row.key).map_err(ServiceError::internal)?;
                let (held, used) = match self.in_memory(&id) {
                    Some(held) => (Arc::clone(&held), held.stock.used()),
                    None => (self.looked_at(&id, row.val.clone())?, self.opened),
                };
                self.gauge_queue(&held, used).await?;
            }
            match page.rows.last() {
                Some(last) if page.more => range = range.after(&last.key),
                _ => return Ok(()),
            }
        }
    }

    async fn gauge_queue(&self, held: &Held, used: Timestamp) -> Result<(), Error> {
        let now = self.env.now();
        let numbers = self.numbers(held).await?;
        let active = numbers.visible + numbers.in_flight + numbers.delayed > 0 || now.since(used) < ACTIVE_LASTS;
        let Some(meters) = self.meters_of(held).filter(|_| active) else { return Ok(()) };
        let figure = |number: u64| u32::try_from(number).map_or(f64::MAX, f64::from);
        meters.visible.record(figure(numbers.visible));
        meters.not_visible.record(figure(numbers.in_flight));
        meters.delayed.record(figure(numbers.delayed));
        let age = self.oldest(held).await?.map_or(Duration::ZERO, |sent| now.since(sent));
        meters.oldest_s.record(figure(age.as_secs()));
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
