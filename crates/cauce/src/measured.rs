//! What is measured: every service is told where, and what became of effects is counted for the services that sent them.

use std::sync::Arc;

use cauce_core::Arn;
use cauce_core::ports::{Meter, MeterSets, Metrics};
use cauce_delivery::Delivery;

/// What became of the effects of a rule or topic. AWS: *Monitoring Amazon EventBridge*, *Monitoring Amazon SNS topics*.
struct Ends {
    /// All, delivered or given up.
    all: Vec<Meter>,
    delivered: Vec<Meter>,
    failed: Vec<Meter>,
}

impl Ends {
    fn record(&self, delivered: bool) {
        let ended = if delivered { &self.delivered } else { &self.failed };
        self.all.iter().chain(ended).for_each(Meter::count);
    }
}

/// Counts what becomes of effects from now on.
pub(crate) fn count_ends(delivery: &Delivery, metrics: &Arc<dyn Metrics>) {
    let rules = MeterSets::new(Arc::clone(metrics), "AWS/Events", |maker, resource| {
        let (bus, rule) = resource.split_once('/').unwrap_or(("default", resource));
        let meters = |name: &str| {
            let own = maker.meter(name, "Count", &[("EventBusName", bus), ("RuleName", rule)]);
            let alone = (bus == "default").then(|| maker.meter(name, "Count", &[("RuleName", rule)]));
            std::iter::once(own).chain(alone).collect()
        };
        Ends { all: meters("Invocations"), delivered: Vec::new(), failed: meters("FailedInvocations") }
    });
    let topics = MeterSets::new(Arc::clone(metrics), "AWS/SNS", |maker, topic| {
        let meter = |name: &str| vec![maker.meter(name, "Count", &[("TopicName", topic)])];
        let (delivered, failed) = (meter("NumberOfNotificationsDelivered"), meter("NumberOfNotificationsFailed"));
        Ends { all: Vec::new(), delivered, failed }
    });
    delivery.on_end(Arc::new(move |source: &Arn, delivered| {
        let (Some(account), Ok(region)) = (source.account(), source.region().parse()) else { return };
        let (sets, resource) = match source.service() {
            "events" => (&rules, source.resource().strip_prefix("rule/")),
            "sns" => (&topics, Some(source.resource())),
            _ => return,
        };
        if let Some(resource) = resource {
            sets.of(account, &region, resource).record(delivered);
        }
    }));
}
