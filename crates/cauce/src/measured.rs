//! What is measured: every service is told where, and what became of effects is counted for the services that sent them.

use std::sync::Arc;

use cauce_core::Arn;
use cauce_core::ports::{Meter, MeterMaker, MeterSets, Metrics};
use cauce_delivery::{Delivery, End};
use cauce_lambda::Lambda;

/// What became of the effects of a rule, a topic or a group of schedules: each metric has its meters.
#[derive(Default)]
struct Ends {
    /// All, delivered or given up.
    all: Vec<Meter>,
    delivered: Vec<Meter>,
    failed: Vec<Meter>,
    attempts: Vec<Meter>,
    failed_attempts: Vec<Meter>,
    /// Attempts after the first.
    retries: Vec<Meter>,
    letters: Vec<Meter>,
    failed_letters: Vec<Meter>,
}

impl Ends {
    fn record(&self, end: End) {
        let times = |meters: &[Meter], times: u32| {
            if times > 0 {
                meters.iter().for_each(|meter| meter.record_times(1.0, f64::from(times)));
            }
        };
        if end.letter {
            return times(if end.delivered { &self.letters } else { &self.failed_letters }, 1);
        }
        times(&self.all, 1);
        times(if end.delivered { &self.delivered } else { &self.failed }, 1);
        times(&self.attempts, end.attempts);
        times(&self.failed_attempts, end.attempts.saturating_sub(u32::from(end.delivered)));
        times(&self.retries, end.attempts.saturating_sub(1));
    }

    /// AWS: EventBridge User Guide, *Monitoring Amazon EventBridge*.
    fn of_rule(maker: &MeterMaker, resource: &str) -> Ends {
        let (bus, rule) = resource.split_once('/').unwrap_or(("default", resource));
        let meters = |name: &str| {
            let own = maker.meter(name, "Count", &[("EventBusName", bus), ("RuleName", rule)]);
            let alone = (bus == "default").then(|| maker.meter(name, "Count", &[("RuleName", rule)]));
            std::iter::once(own).chain(alone).collect()
        };
        Ends {
            all: meters("Invocations"),
            failed: meters("FailedInvocations"),
            retries: meters("RetryInvocationAttempts"),
            letters: meters("InvocationsSentToDlq"),
            failed_letters: meters("InvocationsFailedToBeSentToDlq"),
            ..Ends::default()
        }
    }

    /// AWS: SNS Developer Guide, *Monitoring Amazon SNS topics using CloudWatch*.
    fn of_topic(maker: &MeterMaker, topic: &str) -> Ends {
        let meter = |name: &str| vec![maker.meter(name, "Count", &[("TopicName", topic)])];
        Ends {
            delivered: meter("NumberOfNotificationsDelivered"),
            failed: meter("NumberOfNotificationsFailed"),
            letters: meter("NumberOfNotificationsRedrivenToDlq"),
            failed_letters: meter("NumberOfNotificationsFailedToRedriveToDlq"),
            ..Ends::default()
        }
    }

    /// AWS: EventBridge Scheduler User Guide, *Monitoring Amazon EventBridge Scheduler with Amazon CloudWatch*.
    fn of_schedules(maker: &MeterMaker, group: &str) -> Ends {
        let meter = |name: &str| vec![maker.meter(name, "Count", &[("ScheduleGroup", group)])];
        Ends {
            failed: meter("InvocationDroppedCount"),
            attempts: meter("InvocationAttemptCount"),
            failed_attempts: meter("TargetErrorCount"),
            letters: meter("InvocationsSentToDeadLetterCount"),
            failed_letters: meter("InvocationsFailedToBeSentToDeadLetterCount"),
            ..Ends::default()
        }
    }
}

/// Counts what becomes of effects from now on.
pub(crate) fn count_ends(delivery: &Delivery, metrics: &Arc<dyn Metrics>, functions: &Arc<Lambda>) {
    let sets = |namespace, make| MeterSets::new(Arc::clone(metrics), namespace, make);
    let rules = sets("AWS/Events", Ends::of_rule);
    let topics = sets("AWS/SNS", Ends::of_topic);
    let groups = sets("AWS/Scheduler", Ends::of_schedules);
    // The engine must not keep the service alive.
    let functions = Arc::downgrade(functions);
    delivery.on_end(Arc::new(move |source: &Arn, end| {
        let (sets, resource) = match source.service() {
            "events" => (&rules, source.resource().strip_prefix("rule/")),
            "sns" => (&topics, Some(source.resource())),
            "scheduler" => {
                let schedule = source.resource().strip_prefix("schedule/");
                (&groups, schedule.and_then(|schedule| schedule.split('/').next()))
            }
            "lambda" if !end.delivered => {
                return functions.upgrade().iter().for_each(|functions| functions.undelivered(source, end.letter));
            }
            _ => return,
        };
        let (Some(account), Ok(region)) = (source.account(), source.region().parse()) else { return };
        if let Some(resource) = resource {
            sets.of(account, &region, resource).record(end);
        }
    }));
}
