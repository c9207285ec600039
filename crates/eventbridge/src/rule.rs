//! Rules: a pattern or a schedule, and whether it acts.
//!
//! AWS: EventBridge User Guide, "Rules in Amazon EventBridge".

use std::sync::Arc;

use cauce_core::{Arn, Call, Tag, Timestamp, Violations};
use cauce_event_pattern::Pattern;
use cauce_store::{RangeReq, Tx, decode_row};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::keys::{self, BusId};
use crate::model::{DEFAULT_BUS, Rule, RuleState};
use crate::page;
use crate::schedule::{Schedule, tick_of};
use crate::service::{EventBridge, NAME, rule_arn};

/// How many rules a bus may have. AWS's quota is 300 and is raised on request; this is what the matcher is measured with.
pub const RULES_MAX: usize = 100_000;

/// The longest event pattern, in characters. AWS: EventBridge API Reference, *PutRule*.
pub const PATTERN_CHARS_MAX: usize = 4_096;

/// How many rules are read from the store at once.
pub(crate) const RULES_A_READ: usize = 1_000;

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutRule {
    pub(crate) name: String,
    pub(crate) event_pattern: Option<String>,
    pub(crate) schedule_expression: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) role_arn: Option<String>,
    pub(crate) event_bus_name: Option<String>,
    #[serde(default)]
    pub(crate) tags: Vec<Tag>,
}

impl Input for PutRule {
    fn validate(&self, v: &mut Violations) {
        validate_name(v, &self.name);
        if let Some(pattern) = &self.event_pattern {
            v.length("eventPattern", pattern, 0, PATTERN_CHARS_MAX);
        }
        if let Some(schedule) = &self.schedule_expression {
            v.length("scheduleExpression", schedule, 0, 256);
        }
        if let Some(state) = &self.state {
            v.one_of("state", state, &RuleState::ALL);
        }
        if let Some(description) = &self.description {
            v.length("description", description, 0, 512);
        }
        if let Some(role) = &self.role_arn {
            v.length("roleArn", role, 1, 1_600);
        }
        validate_bus(v, self.event_bus_name.as_deref());
        Tag::validate(v, &self.tags);
    }
}

pub(crate) fn validate_name(v: &mut Violations, name: &str) {
    v.length("name", name, 1, 64);
    if let (pattern, Some(regex)) = &*NAME {
        v.pattern("name", name, pattern, regex);
    }
}

pub(crate) fn validate_bus(v: &mut Violations, bus: Option<&str>) {
    if let Some(bus) = bus {
        v.length("eventBusName", bus, 1, 1_600);
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutRuleOutput {
    pub(crate) rule_arn: String,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NamedRule {
    pub(crate) name: String,
    pub(crate) event_bus_name: Option<String>,
}

impl Input for NamedRule {
    fn validate(&self, v: &mut Violations) {
        validate_name(v, &self.name);
        validate_bus(v, self.event_bus_name.as_deref());
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeleteRule {
    pub(crate) name: String,
    pub(crate) event_bus_name: Option<String>,
}

impl Input for DeleteRule {
    fn validate(&self, v: &mut Violations) {
        validate_name(v, &self.name);
        validate_bus(v, self.event_bus_name.as_deref());
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RuleDescription {
    name: String,
    arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_pattern: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_expression: Option<String>,
    state: RuleState,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_arn: Option<String>,
    event_bus_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
}

impl RuleDescription {
    fn new(bus: &BusId, rule: Rule) -> RuleDescription {
        RuleDescription {
            arn: rule_arn(bus, &rule.name).to_string(),
            name: rule.name,
            event_pattern: rule.pattern,
            schedule_expression: rule.schedule,
            state: rule.state,
            description: rule.description,
            role_arn: rule.role,
            event_bus_name: bus.name.clone(),
            created_by: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListRules {
    name_prefix: Option<String>,
    event_bus_name: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
}

impl Input for ListRules {
    fn validate(&self, v: &mut Violations) {
        if let Some(prefix) = &self.name_prefix {
            v.length("namePrefix", prefix, 1, 64);
        }
        validate_bus(v, self.event_bus_name.as_deref());
        page::validate(v, self.limit, self.next_token.as_deref());
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListRulesOutput {
    rules: Vec<RuleDescription>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListRuleNamesByTarget {
    target_arn: String,
    event_bus_name: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
}

impl Input for ListRuleNamesByTarget {
    fn validate(&self, v: &mut Violations) {
        v.length("targetArn", &self.target_arn, 1, 1_600);
        validate_bus(v, self.event_bus_name.as_deref());
        page::validate(v, self.limit, self.next_token.as_deref());
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListRuleNamesByTargetOutput {
    rule_names: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TestEventPattern {
    event_pattern: String,
    event: String,
}

impl Input for TestEventPattern {
    fn validate(&self, v: &mut Violations) {
        v.length("eventPattern", &self.event_pattern, 0, PATTERN_CHARS_MAX);
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TestEventPatternOutput {
    result: bool,
}

/// The members that an event must have to be tested. AWS: EventBridge API Reference, *TestEventPattern*.
const EVENT_MEMBERS: [&str; 7] = ["id", "account", "source", "time", "region", "resources", "detail-type"];

pub(crate) fn parse_pattern(text: &str) -> Result<Pattern, Error> {
    Pattern::parse_with(text, &cauce_event_pattern::Limits::default().with_pattern_chars_max(PATTERN_CHARS_MAX))
        .map_err(|error| Error::Pattern(error.to_string()))
}

impl EventBridge {
    pub(crate) async fn put_rule(self: Arc<Self>, call: Call, input: PutRule) -> Result<PutRuleOutput, Error> {
        let bus = EventBridge::bus_id(&call, input.event_bus_name.as_deref());
        check_trigger(&input, &bus)?;
        let now = self.env.now();
        self.db
            .transact(async |tx| {
                self.bus(&tx, &bus).await?;
                let old = tx.get_record::<Rule>(&keys::rule(&bus, &input.name)).await?;
                let mut rule = merged(old.as_ref(), &input, now);
                self.reschedule(&tx, &bus, old.as_ref(), &mut rule, now);
                self.set_rule(&tx, &bus, &rule).await
            })
            .await?;
        self.ticks_changed.notify_one();
        Ok(PutRuleOutput { rule_arn: rule_arn(&bus, &input.name).to_string() })
    }

    /// Moves the rule's tick to where it now belongs.
    fn reschedule(&self, tx: &Tx, bus: &BusId, old: Option<&Rule>, rule: &mut Rule, now: Timestamp) {
        if let Some(due) = old.and_then(|old| old.next_tick) {
            tx.clear(keys::tick(&tick_of(bus, &rule.name, due)));
        }
        let schedule = rule.schedule.as_deref().filter(|_| rule.state.acts()).and_then(Schedule::parse);
        rule.next_tick = schedule.and_then(|schedule| schedule.next(rule.anchor, now));
        if let Some(due) = rule.next_tick {
            tx.set(keys::tick(&tick_of(bus, &rule.name, due)), crate::schedule::TICK_ROW);
        }
    }

    pub(crate) async fn describe_rule(self: Arc<Self>, call: Call, input: NamedRule) -> Result<RuleDescription, Error> {
        let bus = EventBridge::bus_id(&call, input.event_bus_name.as_deref());
        let tx = self.db.begin();
        self.bus(&tx, &bus).await?;
        Ok(RuleDescription::new(&bus, self.rule(&tx, &bus, &input.name).await?))
    }

    async fn set_state(&self, call: &Call, input: &NamedRule, state: RuleState) -> Result<(), Error> {
        let bus = EventBridge::bus_id(call, input.event_bus_name.as_deref());
        let now = self.env.now();
        self.db
            .transact(async |tx| {
                let old = self.rule(&tx, &bus, &input.name).await?;
                let mut rule = Rule { state, ..old.clone() };
                if !old.state.acts() && state.acts() {
                    rule.anchor = now;
                }
                self.reschedule(&tx, &bus, Some(&old), &mut rule, now);
                self.set_rule(&tx, &bus, &rule).await
            })
            .await?;
        self.ticks_changed.notify_one();
        Ok(())
    }

    pub(crate) async fn enable_rule(self: Arc<Self>, call: Call, input: NamedRule) -> Result<(), Error> {
        self.set_state(&call, &input, RuleState::Enabled).await
    }

    pub(crate) async fn disable_rule(self: Arc<Self>, call: Call, input: NamedRule) -> Result<(), Error> {
        self.set_state(&call, &input, RuleState::Disabled).await
    }

    pub(crate) async fn delete_rule(self: Arc<Self>, call: Call, input: DeleteRule) -> Result<(), Error> {
        let bus = EventBridge::bus_id(&call, input.event_bus_name.as_deref());
        self.db
            .transact(async |tx| {
                self.bus(&tx, &bus).await?;
                // Deleting what is not there is no error.
                let Some(rule) = tx.get_record::<Rule>(&keys::rule(&bus, &input.name)).await? else { return Ok(()) };
                if !rule.targets.is_empty() {
                    return Err(Error::Invalid("Rule can't be deleted since it has targets.".to_owned()));
                }
                if let Some(due) = rule.next_tick {
                    tx.clear(keys::tick(&tick_of(&bus, &rule.name, due)));
                }
                tx.clear(keys::rule(&bus, &rule.name));
                self.touch(&tx, &bus).await
            })
            .await
    }

    pub(crate) async fn list_rules(self: Arc<Self>, call: Call, input: ListRules) -> Result<ListRulesOutput, Error> {
        let bus = EventBridge::bus_id(&call, input.event_bus_name.as_deref());
        let after = page::after(input.next_token.as_deref())?;
        let prefix = input.name_prefix.as_deref().unwrap_or("");
        let rules = self.rules(&bus, |rule| rule.name.starts_with(prefix)).await?;
        let (rules, next_token) = page::cut(rules, |rule| &rule.name, after.as_deref(), input.limit);
        let rules = rules.into_iter().map(|rule| RuleDescription::new(&bus, rule)).collect();
        Ok(ListRulesOutput { rules, next_token })
    }

    pub(crate) async fn list_rule_names_by_target(
        self: Arc<Self>,
        call: Call,
        input: ListRuleNamesByTarget,
    ) -> Result<ListRuleNamesByTargetOutput, Error> {
        let bus = EventBridge::bus_id(&call, input.event_bus_name.as_deref());
        let after = page::after(input.next_token.as_deref())?;
        let aims = |rule: &Rule| rule.targets.iter().any(|target| target.arn == input.target_arn);
        let rules = self.rules(&bus, aims).await?;
        let (rules, next_token) = page::cut(rules, |rule| &rule.name, after.as_deref(), input.limit);
        Ok(ListRuleNamesByTargetOutput { rule_names: rules.into_iter().map(|rule| rule.name).collect(), next_token })
    }

    /// The rules of a bus that are wanted, by name.
    pub(crate) async fn rules(&self, bus: &BusId, wanted: impl Fn(&Rule) -> bool) -> Result<Vec<Rule>, Error> {
        let tx = self.db.begin();
        self.bus(&tx, bus).await?;
        let mut found = Vec::new();
        let mut req = RangeReq::new(keys::rules(bus), RULES_A_READ);
        loop {
            let rows = tx.snapshot_range(req.clone()).await?;
            for row in &rows {
                let rule = decode_row::<Rule>(row)?;
                if wanted(&rule) {
                    found.push(rule);
                }
            }
            match rows.last() {
                Some(last) if rows.len() == RULES_A_READ => req = req.after(&last.key),
                _ => return Ok(found),
            }
        }
    }

    pub(crate) async fn test_event_pattern(
        self: Arc<Self>,
        _call: Call,
        input: TestEventPattern,
    ) -> Result<TestEventPatternOutput, Error> {
        let pattern = parse_pattern(&input.event_pattern)?;
        let bad = |_| Error::Invalid("Parameter Event is not valid.".to_owned());
        let event: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&input.event).map_err(bad)?;
        if EVENT_MEMBERS.iter().any(|member| !event.contains_key(*member)) {
            return Err(Error::Invalid("Parameter Event is not valid.".to_owned()));
        }
        let matched = pattern.matches(input.event.as_bytes());
        Ok(TestEventPatternOutput { result: matched.map_err(|error| Error::Invalid(error.to_string()))? })
    }
}

/// What a rule must have and may have.
fn check_trigger(input: &PutRule, bus: &BusId) -> Result<(), Error> {
    let pattern = input.event_pattern.as_deref().filter(|text| !text.is_empty());
    let schedule = input.schedule_expression.as_deref().filter(|text| !text.is_empty());
    if pattern.is_none() && schedule.is_none() {
        return Err(Error::Invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.".to_owned()));
    }
    if let Some(pattern) = pattern {
        parse_pattern(pattern)?;
    }
    if let Some(schedule) = schedule {
        if bus.name != DEFAULT_BUS {
            return Err(Error::Invalid("ScheduleExpression is supported only on the default event bus.".to_owned()));
        }
        if Schedule::parse(schedule).is_none() {
            return Err(Error::Invalid("Parameter ScheduleExpression is not valid.".to_owned()));
        }
    }
    if let Some(role) = &input.role_arn
        && role.parse::<Arn>().is_err()
    {
        return Err(Error::Invalid(format!(
            "Parameter {role} is not valid. Reason: Provided Arn is not in correct format."
        )));
    }
    Ok(())
}

/// The rule as PutRule leaves it: everything that is not given is removed, but targets stay, and tags are those of creation.
fn merged(old: Option<&Rule>, input: &PutRule, now: Timestamp) -> Rule {
    let state = match input.state.as_deref() {
        Some("DISABLED") => RuleState::Disabled,
        Some("ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS") => RuleState::EnabledWithAllCloudtrailManagementEvents,
        _ => RuleState::Enabled,
    };
    let schedule = input.schedule_expression.clone().filter(|text| !text.is_empty());
    let goes_on = |old: &&Rule| old.schedule == schedule && old.state.acts() == state.acts();
    Rule {
        name: input.name.clone(),
        pattern: input.event_pattern.clone().filter(|text| !text.is_empty()),
        anchor: old.filter(goes_on).map_or(now, |old| old.anchor),
        schedule,
        state,
        description: input.description.clone(),
        role: input.role_arn.clone(),
        tags: old.map_or_else(|| Tag::map(&input.tags), |old| old.tags.clone()),
        targets: old.map_or_else(Vec::new, |old| old.targets.clone()),
        next_tick: None,
    }
}
