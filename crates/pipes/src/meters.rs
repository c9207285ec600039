//! What is measured of pipes. AWS: EventBridge User Guide, *Logging and monitoring Amazon EventBridge Pipes*.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cauce_core::ports::{Meter, MeterSets, Metrics};

use crate::keys::PipeId;
use crate::service::Pipes;

/// The meters of all pipes.
pub(crate) struct Meters {
    pipes: MeterSets<PipeMeters>,
    accounts: MeterSets<AccountMeters>,
    running: AtomicU32,
}

/// What counts for an account as a whole.
#[derive(Debug)]
struct AccountMeters {
    concurrency: Meter,
    invocations: Meter,
    throttled: Meter,
}

/// What counts for one pipe.
#[derive(Debug)]
struct PipeMeters {
    invocations: Meter,
    duration_ms: Meter,
    event_count: Meter,
    event_bytes: Meter,
    failed: Meter,
    partially_failed: Meter,
    throttled: Meter,
    timed_out: Meter,
    enrichment_ms: Meter,
    enrichment_failed: Meter,
    target_ms: Meter,
    target_failed: Meter,
}

/// How an execution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Succeeded,
    Failed,
    PartiallyFailed,
    Throttled,
    TimedOut,
}

/// The meters of one pipe while one execution is under way.
pub(crate) struct Execution {
    meters: Option<(Arc<PipeMeters>, Arc<AccountMeters>)>,
    pipes: Arc<Pipes>,
}

impl Pipes {
    /// Says where what is measured of pipes is recorded; without it, nothing is.
    pub fn measure(&self, metrics: &Arc<dyn Metrics>) {
        const NAMESPACE: &str = "AWS/EventBridge/Pipes";
        let pipes = MeterSets::new(Arc::clone(metrics), NAMESPACE, |maker, pipe| {
            let meter = |name: &str, unit: &'static str| maker.meter(name, unit, &[("PipeName", pipe)]);
            PipeMeters {
                invocations: meter("Invocations", "Count"),
                duration_ms: meter("Duration", "Milliseconds"),
                event_count: meter("EventCount", "Count"),
                event_bytes: meter("EventSize", "Bytes"),
                failed: meter("ExecutionFailed", "Count"),
                partially_failed: meter("ExecutionPartiallyFailed", "Count"),
                throttled: meter("ExecutionThrottled", "Count"),
                timed_out: meter("ExecutionTimeout", "Count"),
                enrichment_ms: meter("EnrichmentStageDuration", "Milliseconds"),
                enrichment_failed: meter("EnrichmentStageFailed", "Count"),
                target_ms: meter("TargetStageDuration", "Milliseconds"),
                target_failed: meter("TargetStageFailed", "Count"),
            }
        });
        let accounts = MeterSets::new(Arc::clone(metrics), NAMESPACE, |maker, account| {
            let meter = |name: &str| maker.meter(name, "Count", &[("AwsAccountId", account)]);
            AccountMeters {
                concurrency: meter("Concurrency"),
                invocations: meter("Invocations"),
                throttled: meter("ExecutionThrottled"),
            }
        });
        if self.meters.set(Meters { pipes, accounts, running: AtomicU32::new(0) }).is_err() {
            tracing::error!("where pipes are measured was said twice");
        }
    }

    /// Begins to measure an execution with events of these sizes.
    pub(crate) fn measured(self: &Arc<Self>, id: &PipeId, bytes: impl Iterator<Item = usize>) -> Execution {
        let meters = self.meters.get().map(|meters| {
            let running = meters.running.fetch_add(1, Ordering::Relaxed) + 1;
            let own = meters.pipes.of(id.account, &id.region, &id.name);
            let account = meters.accounts.of(id.account, &id.region, &id.account.to_string());
            own.invocations.count();
            account.invocations.count();
            account.concurrency.record(f64::from(running));
            let mut count = 0_u32;
            for bytes in bytes {
                #[expect(clippy::cast_precision_loss, reason = "no event has so many bytes")]
                own.event_bytes.record(bytes as f64);
                count += 1;
            }
            own.event_count.record(f64::from(count));
            (own, account)
        });
        Execution { meters, pipes: Arc::clone(self) }
    }
}

impl Execution {
    /// The enrichment has taken so long.
    pub(crate) fn enriched(&self, took: Duration, failed: bool) {
        if let Some((own, _)) = &self.meters {
            own.enrichment_ms.record_ms(took);
            own.enrichment_failed.record_flag(failed);
        }
    }

    /// The target has taken so long.
    pub(crate) fn sent(&self, took: Duration, failed: bool) {
        if let Some((own, _)) = &self.meters {
            own.target_ms.record_ms(took);
            own.target_failed.record_flag(failed);
        }
    }

    /// The execution has taken so long, and ended so.
    pub(crate) fn ended(&self, took: Duration, ended: Ended) {
        let Some((own, account)) = &self.meters else { return };
        own.duration_ms.record_ms(took);
        own.failed.record_flag(ended == Ended::Failed);
        own.partially_failed.record_flag(ended == Ended::PartiallyFailed);
        own.throttled.record_flag(ended == Ended::Throttled);
        own.timed_out.record_flag(ended == Ended::TimedOut);
        account.throttled.record_flag(ended == Ended::Throttled);
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        if let (Some(meters), true) = (self.pipes.meters.get(), self.meters.is_some()) {
            meters.running.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
