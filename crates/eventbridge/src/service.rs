//! The service and the one table of its operations.

use std::sync::{Arc, LazyLock};

use cauce_core::ports::Identity;
use cauce_core::{Arn, Call, Env, Timestamp};
use cauce_delivery::Delivery;
use cauce_store::{Db, Tx};
use cauce_wire::{Api, JsonVersion, Operation, Protocol, ServiceInfo};
use regex_lite::Regex;

use crate::error::Error;
use crate::keys::{self, BusId};
use crate::meters::Meters;
use crate::model::{Bus, DEFAULT_BUS, Rule};
use crate::route::Routes;

/// EventBridge as the wire knows it.
pub static INFO: ServiceInfo = ServiceInfo {
    name: "events",
    signing_name: "events",
    protocols: &[Protocol::Json { version: JsonVersion::V1_1, target_prefix: "AWSEvents" }],
    validation_code: "ValidationException",
};

/// The name under which it acts, in policies.
pub(crate) const PRINCIPAL: &str = "events.amazonaws.com";

/// The largest request, in bytes: ten entries that together fill the event limit, with the escaping of their JSON.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// EventBridge.
pub struct EventBridge {
    pub(crate) db: Db,
    pub(crate) env: Env,
    pub(crate) delivery: Delivery,
    pub(crate) identity: Arc<dyn Identity>,
    pub(crate) routes: Routes,
    /// Wakes the timer when the next tick may have changed.
    pub(crate) ticks_changed: tokio::sync::Notify,
    pub(crate) meters: Meters,
}

impl EventBridge {
    /// The service on this store. Register [`crate::BusTarget`] for `events` with `delivery`, and run
    /// [`EventBridge::run_schedules`], to have buses as targets and schedules.
    pub fn open(db: Db, env: Env, delivery: Delivery, identity: Arc<dyn Identity>) -> Arc<EventBridge> {
        let (routes, ticks_changed) = (Routes::default(), tokio::sync::Notify::new());
        Arc::new(EventBridge { db, env, delivery, identity, routes, ticks_changed, meters: Meters::default() })
    }

    /// The bus that a request means: a name or an ARN, the default bus if neither is given.
    pub(crate) fn bus_id(call: &Call, name: Option<&str>) -> BusId {
        let own = |name: &str| BusId { account: call.account, region: call.region.clone(), name: name.to_owned() };
        let Some(name) = name else { return own(DEFAULT_BUS) };
        let from_arn = |arn: &Arn| {
            let name = arn.resource().strip_prefix("event-bus/")?.to_owned();
            Some(BusId { account: arn.account()?, region: arn.region().parse().ok()?, name })
        };
        name.parse().ok().as_ref().and_then(from_arn).unwrap_or_else(|| own(name))
    }

    /// The bus's row; the default bus is there without one.
    pub(crate) async fn bus(&self, tx: &Tx, id: &BusId) -> Result<Bus, Error> {
        if let Some(bus) = tx.get_record::<Bus>(&keys::bus(id)).await? {
            return Ok(bus);
        }
        if id.name == DEFAULT_BUS {
            return Ok(Bus { name: DEFAULT_BUS.to_owned(), created: Timestamp::EPOCH, ..Bus::default() });
        }
        Err(Error::NoBus(id.name.clone()))
    }

    pub(crate) async fn rule(&self, tx: &Tx, bus: &BusId, name: &str) -> Result<Rule, Error> {
        let found = tx.get_record::<Rule>(&keys::rule(bus, name)).await?;
        found.ok_or_else(|| Error::NoRule { rule: name.to_owned(), bus: bus.name.clone() })
    }

    /// Writes a rule, and makes every later event see it.
    pub(crate) async fn set_rule(&self, tx: &Tx, bus: &BusId, rule: &Rule) -> Result<(), Error> {
        tx.set_record(keys::rule(bus, &rule.name), rule)?;
        self.touch(tx, bus).await
    }

    /// Counts a change of the bus's rules. Read and written, so that it conflicts with events that matched the old rules.
    pub(crate) async fn touch(&self, tx: &Tx, bus: &BusId) -> Result<(), Error> {
        let key = keys::generation(bus);
        tx.get_counter(&key).await?;
        Ok(tx.add(key, 1)?)
    }

    /// The resource policy of the bus whose ARN this is, for authorization.
    pub(crate) async fn bus_policy(self: Arc<Self>, call: Call, arn: String) -> Result<Option<String>, Error> {
        let id = EventBridge::bus_id(&call, Some(&arn));
        let bus = self.db.get::<Bus>(&keys::bus(&id)).await?;
        Ok(bus.and_then(|bus| bus.policy).map(|policy| policy.to_string()))
    }
}

/// The ARN of a bus.
pub(crate) fn bus_arn(id: &BusId) -> Arn {
    Arn::new("events", &id.region, id.account, &format!("event-bus/{}", id.name))
}

/// The ARN of a rule; that of a rule on the default bus does not name the bus.
pub(crate) fn rule_arn(bus: &BusId, rule: &str) -> Arn {
    let resource = if bus.name == DEFAULT_BUS { format!("rule/{rule}") } else { format!("rule/{}/{rule}", bus.name) };
    Arn::new("events", &bus.region, bus.account, &resource)
}

/// What names must look like, and how AWS writes that.
pub(crate) static NAME: LazyLock<(&str, Option<Regex>)> =
    LazyLock::new(|| (r"[\.\-_A-Za-z0-9]+", Regex::new(r"^[.\-_A-Za-z0-9]+$").ok()));

fn rule_resource(call: &Call, bus: Option<&str>, rule: &str) -> Vec<String> {
    vec![rule_arn(&EventBridge::bus_id(call, bus), rule).to_string()]
}

fn bus_resource(call: &Call, bus: Option<&str>) -> Vec<String> {
    vec![bus_arn(&EventBridge::bus_id(call, bus)).to_string()]
}

/// Every operation of EventBridge that is served.
pub fn api(service: Arc<EventBridge>) -> Api<EventBridge> {
    let api = Api::new(&INFO, service).body_bytes_max(BODY_BYTES_MAX);
    let api = api
        .operation(
            Operation::new("PutEvents", EventBridge::put_events)
                .resource(crate::entry::resources)
                .context(crate::entry::context)
                .resource_policy(EventBridge::bus_policy),
        )
        .operation(Operation::new("TestEventPattern", EventBridge::test_event_pattern));
    let api = api
        .operation(
            Operation::new("CreateEventBus", EventBridge::create_event_bus)
                .resource(|call, i: &crate::bus::CreateEventBus| bus_resource(call, Some(&i.name))),
        )
        .operation(
            Operation::new("UpdateEventBus", EventBridge::update_event_bus)
                .resource(|call, i: &crate::bus::UpdateEventBus| bus_resource(call, i.name.as_deref())),
        )
        .operation(
            Operation::new("DeleteEventBus", EventBridge::delete_event_bus)
                .resource(|call, i: &crate::bus::DeleteEventBus| bus_resource(call, Some(&i.name))),
        )
        .operation(
            Operation::new("DescribeEventBus", EventBridge::describe_event_bus)
                .resource(|call, i: &crate::bus::DescribeEventBus| bus_resource(call, i.name.as_deref()))
                .resource_policy(EventBridge::bus_policy),
        )
        .operation(Operation::new("ListEventBuses", EventBridge::list_event_buses))
        .operation(
            Operation::new("PutPermission", EventBridge::put_permission)
                .resource(|call, i: &crate::bus::PutPermission| bus_resource(call, i.event_bus_name.as_deref())),
        )
        .operation(
            Operation::new("RemovePermission", EventBridge::remove_permission)
                .resource(|call, i: &crate::bus::RemovePermission| bus_resource(call, i.event_bus_name.as_deref())),
        );
    let api = api
        .operation(
            Operation::new("PutRule", EventBridge::put_rule)
                .resource(|call, i: &crate::rule::PutRule| rule_resource(call, i.event_bus_name.as_deref(), &i.name)),
        )
        .operation(
            Operation::new("DescribeRule", EventBridge::describe_rule)
                .resource(|call, i: &crate::rule::NamedRule| rule_resource(call, i.event_bus_name.as_deref(), &i.name)),
        )
        .operation(
            Operation::new("EnableRule", EventBridge::enable_rule)
                .resource(|call, i: &crate::rule::NamedRule| rule_resource(call, i.event_bus_name.as_deref(), &i.name)),
        )
        .operation(
            Operation::new("DisableRule", EventBridge::disable_rule)
                .resource(|call, i: &crate::rule::NamedRule| rule_resource(call, i.event_bus_name.as_deref(), &i.name)),
        )
        .operation(
            Operation::new("DeleteRule", EventBridge::delete_rule).resource(|call, i: &crate::rule::DeleteRule| {
                rule_resource(call, i.event_bus_name.as_deref(), &i.name)
            }),
        )
        .operation(Operation::new("ListRules", EventBridge::list_rules))
        .operation(Operation::new("ListRuleNamesByTarget", EventBridge::list_rule_names_by_target));
    api.operation(
        Operation::new("PutTargets", EventBridge::put_targets)
            .resource(|call, i: &crate::target::PutTargets| rule_resource(call, i.event_bus_name.as_deref(), &i.rule)),
    )
    .operation(
        Operation::new("RemoveTargets", EventBridge::remove_targets).resource(
            |call, i: &crate::target::RemoveTargets| rule_resource(call, i.event_bus_name.as_deref(), &i.rule),
        ),
    )
    .operation(Operation::new("ListTargetsByRule", EventBridge::list_targets_by_rule).resource(
        |call, i: &crate::target::ListTargetsByRule| rule_resource(call, i.event_bus_name.as_deref(), &i.rule),
    ))
    .operation(
        Operation::new("TagResource", EventBridge::tag_resource)
            .resource(|_, i: &crate::tags::TagResource| vec![i.resource_arn.clone()]),
    )
    .operation(
        Operation::new("UntagResource", EventBridge::untag_resource)
            .resource(|_, i: &crate::tags::UntagResource| vec![i.resource_arn.clone()]),
    )
    .operation(
        Operation::new("ListTagsForResource", EventBridge::list_tags_for_resource)
            .resource(|_, i: &crate::tags::ListTagsForResource| vec![i.resource_arn.clone()]),
    )
}
