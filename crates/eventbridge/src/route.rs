//! From an event to the targets of the rules that match it.

use std::collections::HashMap;
use std::sync::Arc;

use cauce_core::{Arn, Entropy};
use cauce_delivery::{Effect, Policy, ROLE_ARN, message};
use cauce_event_pattern::{Matcher, Pattern};
use cauce_store::{RangeReq, Tx, decode_row};
use parking_lot::RwLock;

use crate::entry::Event;
use crate::error::Error;
use crate::keys::{self, BusId};
use crate::model::{DEFAULT_BUS, Rule, Target};
use crate::rule::{RULES_A_READ, RULES_MAX, parse_pattern};
use crate::service::{EventBridge, PRINCIPAL, rule_arn};
use crate::transform::{Circumstances, input_for};

/// The compiled rules of each bus that has seen an event.
///
/// A bus's entry is as old as the generation it was read at; every event reads the present generation in its own transaction,
/// so an event never misses a rule that was there before it, on any node.
#[derive(Default)]
pub(crate) struct Routes {
    buses: RwLock<HashMap<BusId, Arc<Route>>>,
}

/// The rules of one bus at one generation.
struct Route {
    generation: i64,
    matcher: Matcher<Arc<str>>,
    rules: HashMap<Arc<str>, Arc<Active>>,
}

/// An enabled rule with a pattern.
#[derive(PartialEq)]
struct Active {
    rule: Rule,
    arn: Arn,
}

impl EventBridge {
    /// Sends an event to every target of every rule of its bus that matches; returns how many rules did.
    pub(crate) async fn route(&self, tx: &Tx, event: &Event) -> Result<usize, Error> {
        let route = self.route_of(tx, &event.bus).await?;
        let mut matched = Vec::new();
        let found = route.matcher.matches_trusted(&event.body, &mut matched);
        found.map_err(|error| Error::Invalid(error.to_string()))?;
        for name in &matched {
            let Some(active) = route.rules.get(name) else { continue };
            self.send_to_targets(tx, event, &active.rule, &active.arn).await?;
        }
        Ok(matched.len())
    }

    /// Sends an event to the targets of one rule.
    pub(crate) async fn send_to_targets(&self, tx: &Tx, event: &Event, rule: &Rule, arn: &Arn) -> Result<(), Error> {
        if let Some(meters) = self.meters_of(&event.bus, &rule.name) {
            tx.on_commit(move || meters.trigger());
        }
        for target in &rule.targets {
            if let Some(effect) = effect(event, rule, arn, target, self.env.entropy()) {
                self.delivery.send(tx, effect).await?;
            }
        }
        Ok(())
    }

    async fn route_of(&self, tx: &Tx, bus: &BusId) -> Result<Arc<Route>, Error> {
        let generation = tx.get_counter(&keys::generation(bus)).await?;
        let known = self.routes.buses.read().get(bus).cloned();
        if let Some(route) = &known
            && route.generation == generation
        {
            return Ok(Arc::clone(route));
        }
        if bus.name != DEFAULT_BUS {
            self.bus(tx, bus).await?;
        }
        let route = Arc::new(read_route(tx, bus, generation, known.as_deref()).await?);
        let mut buses = self.routes.buses.write();
        match buses.get(bus) {
            Some(newer) if newer.generation > generation => {}
            _ => drop(buses.insert(bus.clone(), Arc::clone(&route))),
        }
        Ok(route)
    }
}

/// Reads a bus's rules, and changes the matcher of an earlier generation by the difference.
async fn read_route(tx: &Tx, bus: &BusId, generation: i64, known: Option<&Route>) -> Result<Route, Error> {
    let mut rules = HashMap::new();
    let mut matcher = known.map(|known| known.matcher.clone()).unwrap_or_default();
    let mut req = RangeReq::new(keys::rules(bus), RULES_A_READ);
    loop {
        let rows = tx.snapshot_range(req.clone()).await?;
        for row in &rows {
            let rule: Rule = decode_row(row)?;
            if let Some(pattern) = compiled(&rule, known, &mut matcher)? {
                matcher.add(Arc::from(rule.name.as_str()), &pattern);
            }
            if rule.state.acts() && rule.pattern.is_some() {
                let arn = rule_arn(bus, &rule.name);
                rules.insert(Arc::from(rule.name.as_str()), Arc::new(Active { rule, arn }));
            }
        }
        match rows.last() {
            Some(last) if rows.len() == RULES_A_READ && rules.len() < RULES_MAX => req = req.after(&last.key),
            _ => break,
        }
    }
    if let Some(known) = known {
        for gone in known.rules.keys().filter(|name| !rules.contains_key(*name)) {
            matcher.remove(gone);
        }
    }
    Ok(Route { generation, matcher, rules })
}

/// The pattern to add for a rule: none if it does not act, has none, or is in the matcher already.
fn compiled(rule: &Rule, known: Option<&Route>, matcher: &mut Matcher<Arc<str>>) -> Result<Option<Pattern>, Error> {
    let Some(text) = rule.pattern.as_deref().filter(|_| rule.state.acts()) else { return Ok(None) };
    if let Some(active) = known.and_then(|known| known.rules.get(rule.name.as_str())) {
        if active.rule.pattern.as_deref() == Some(text) {
            return Ok(None);
        }
        matcher.remove(&Arc::from(rule.name.as_str()));
    }
    parse_pattern(text).map(Some)
}

fn effect(event: &Event, rule: &Rule, arn: &Arn, target: &Target, entropy: &dyn Entropy) -> Option<Effect> {
    let about = Circumstances { rule_arn: arn.as_str(), rule_name: &rule.name, ingested: event.ingested };
    let mut attributes = vec![("target-id".to_owned(), target.id.clone()), ("event-id".to_owned(), event.id.clone())];
    if let Some(role) = target.role_arn.as_ref().or(rule.role.as_ref()) {
        attributes.push((ROLE_ARN.to_owned(), role.clone()));
    }
    if let Some(group) = target.sqs_parameters.as_ref().and_then(|parameters| parameters.message_group_id.clone()) {
        attributes.push((message::GROUP_ID.to_owned(), group));
    }
    Some(Effect {
        target: target.arn()?,
        cause: format!("rule/{}/{}", event.bus.name, rule.name),
        service: PRINCIPAL.to_owned(),
        source: Some(arn.clone()),
        account: event.bus.account,
        region: event.bus.region.clone(),
        trace: event.trace.child(entropy),
        policy: policy(target),
        attributes,
        hops: event.hops,
        payload: input_for(target, &event.body, &about),
    })
}

fn policy(target: &Target) -> Policy {
    let mut policy = Policy::eventbridge();
    if let Some(retry) = &target.retry_policy {
        if let Some(attempts) = retry.maximum_retry_attempts.and_then(|n| u32::try_from(n).ok()) {
            policy.retries_max = attempts;
        }
        if let Some(age_s) = retry.maximum_event_age_in_seconds.and_then(|n| u64::try_from(n).ok()) {
            policy.age_max_ms = age_s * 1_000;
        }
    }
    let queue = target.dead_letter_config.as_ref().and_then(|config| config.arn.as_ref());
    policy.dead_letter = queue.and_then(|queue| queue.parse().ok());
    policy
}
