//! What is measured of buses and rules. AWS: EventBridge User Guide, *Monitoring Amazon EventBridge*. What became of invocations
//! is counted by who is told by the delivery engine.

use std::sync::{Arc, OnceLock};

use cauce_core::ports::{Meter, MeterSets, Metrics};

use crate::keys::BusId;
use crate::model::DEFAULT_BUS;
use crate::service::EventBridge;

/// The meters of all rules, once [`EventBridge::measure`] has said where they are read.
pub(crate) type Meters = OnceLock<MeterSets<RuleMeters>>;

/// The meters of one rule: by its name alone where its bus is the default one, and by the name of its bus.
#[derive(Debug)]
pub(crate) struct RuleMeters {
    triggered: Vec<Meter>,
    matched: Vec<Meter>,
}

impl RuleMeters {
    /// An event has matched, or a tick has come: once a rule, whatever its targets are.
    pub(crate) fn trigger(&self) {
        self.triggered.iter().chain(&self.matched).for_each(Meter::count);
    }
}

impl EventBridge {
    /// Says where what is measured of rules is recorded; without it, nothing is.
    pub fn measure(&self, metrics: Arc<dyn Metrics>) {
        let sets = MeterSets::new(metrics, "AWS/Events", |maker, resource| {
            let (bus, rule) = resource.split_once('/').unwrap_or((DEFAULT_BUS, resource));
            let meters = |name: &str| {
                let own = maker.meter(name, "Count", &[("EventBusName", bus), ("RuleName", rule)]);
                let alone = (bus == DEFAULT_BUS).then(|| maker.meter(name, "Count", &[("RuleName", rule)]));
                std::iter::once(own).chain(alone).collect()
            };
            RuleMeters { triggered: meters("TriggeredRules"), matched: meters("MatchedEvents") }
        });
        if self.meters.set(sets).is_err() {
            tracing::error!("where rules are measured was said twice");
        }
    }

    /// The meters of a rule.
    pub(crate) fn meters_of(&self, bus: &BusId, rule: &str) -> Option<Arc<RuleMeters>> {
        let meters = self.meters.get()?;
        Some(meters.of(bus.account, &bus.region, &format!("{}/{rule}", bus.name)))
    }
}
