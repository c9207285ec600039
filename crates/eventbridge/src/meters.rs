//! What is measured of buses and rules. AWS: EventBridge User Guide, *Monitoring Amazon EventBridge*. What became of invocations
//! is counted by who is told by the delivery engine.

use std::sync::{Arc, OnceLock};

use cauce_core::ports::{Meter, MeterMaker, MeterParts, MeterSets, Metrics};

use crate::keys::BusId;
use crate::model::DEFAULT_BUS;
use crate::service::EventBridge;

/// The meters of all rules by their buses, once [`EventBridge::measure`] has said where they are read.
pub(crate) type Meters = OnceLock<MeterSets<MeterParts<RuleMeters>>>;

/// The meters of one rule: by its name alone where its bus is the default one, and by the name of its bus.
#[derive(Debug)]
pub(crate) struct RuleMeters {
    triggered: Vec<Meter>,
    matched: Vec<Meter>,
}

impl RuleMeters {
    /// Of a rule of the bus that the maker is within.
    fn of_bus(maker: &MeterMaker, rule: &str) -> RuleMeters {
        RuleMeters::of(&[maker], rule)
    }

    fn of_default_bus(maker: &MeterMaker, rule: &str) -> RuleMeters {
        RuleMeters::of(&[&maker.within("EventBusName", DEFAULT_BUS), maker], rule)
    }

    fn of(makers: &[&MeterMaker], rule: &str) -> RuleMeters {
        let meters = |name| makers.iter().map(|maker| maker.meter(name, "Count", &[("RuleName", rule)])).collect();
        RuleMeters { triggered: meters("TriggeredRules"), matched: meters("MatchedEvents") }
    }

    /// An event has matched, or a tick has come: once a rule, whatever its targets are.
    pub(crate) fn trigger(&self) {
        self.triggered.iter().chain(&self.matched).for_each(Meter::count);
    }
}

impl EventBridge {
    /// Says where what is measured of rules is recorded; without it, nothing is.
    pub fn measure(&self, metrics: Arc<dyn Metrics>) {
        let sets = MeterSets::new(metrics, "AWS/Events", |maker, bus| match bus {
            DEFAULT_BUS => MeterParts::new(maker.clone(), RuleMeters::of_default_bus),
            _ => MeterParts::new(maker.within("EventBusName", bus), RuleMeters::of_bus),
        });
        if self.meters.set(sets).is_err() {
            tracing::error!("where rules are measured was said twice");
        }
    }

    /// The meters of a rule.
    pub(crate) fn meters_of(&self, bus: &BusId, rule: &str) -> Option<Arc<RuleMeters>> {
        let meters = self.meters.get()?;
        Some(meters.of(bus.account, &bus.region, &bus.name).of(rule))
    }
}
