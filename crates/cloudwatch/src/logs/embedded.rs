//! What events mean for metrics: those that are embedded in them, and how many there are.

use std::sync::Arc;

use cauce_core::ports::{Meter, MeterSets};

use super::lane::{NewEvent, Refusal};
use super::lines::EVENT_OVERHEAD_BYTES;
use super::open_group::GroupName;
use super::service::Logs;
use crate::metrics::{Metrics, MetricsError};

/// The meters of a group. AWS: *CloudWatch Logs User Guide*, "Monitoring with CloudWatch metrics".
#[derive(Debug)]
pub(crate) struct LogMeters {
    incoming_log_events: Meter,
    incoming_bytes: Meter,
}

impl LogMeters {
    pub(crate) fn sets(metrics: Arc<Metrics>) -> MeterSets<LogMeters> {
        MeterSets::new(metrics, "AWS/Logs", |maker, group| LogMeters {
            incoming_log_events: maker.meter("IncomingLogEvents", "None", &[("LogGroupName", group)]),
            incoming_bytes: maker.meter("IncomingBytes", "Bytes", &[("LogGroupName", group)]),
        })
    }
}

impl Logs {
    /// Counts events that have been stored, and stores the metrics that are embedded in them: the writer of the events is
    /// answered afterwards.
    pub(crate) async fn measure(&self, group: &GroupName, events: &[NewEvent]) -> Result<(), Refusal> {
        if let Some(meters) = &self.meters {
            let meters = meters.of(group.account, &group.region, &group.name);
            let bytes: usize = events.iter().map(|event| event.text.len() + EVENT_OVERHEAD_BYTES).sum();
            meters.incoming_log_events.record_times(1.0, events.len() as f64);
            meters.incoming_bytes.record(bytes as f64);
        }
        let Some(metrics) = &self.options.metrics else { return Ok(()) };
        let texts = events.iter().map(|event| event.text.as_str());
        match metrics.add_embedded(group.account, &group.region, texts).await {
            Ok(()) => Ok(()),
            Err(MetricsError::Store(cause)) => Err(Refusal::Store(cause)),
            // The events are stored, and that they have too many metrics is no reason to send them again.
            Err(cause) => {
                tracing::warn!(group = %group.name, %cause, "metrics embedded in log events are lost");
                Ok(())
            }
        }
    }
}
