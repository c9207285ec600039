//! Why an event reaches a rule's targets, or why it does not.

use cauce_core::{Call, ServiceError};
use cauce_event_pattern::Explanation;
use serde::Serialize;

use crate::error::Error;
use crate::model::RuleState;
use crate::rule::parse_pattern;
use crate::service::EventBridge;

/// What one rule says to an event.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RuleExplanation {
    /// The rule's name.
    pub rule: String,
    /// Whether it acts at all.
    pub state: RuleState,
    /// Whether the event goes to its targets.
    pub matched: bool,
    /// Every condition of its pattern with its verdict and the values it saw; `None` for a rule that has only a schedule.
    pub pattern: Option<Explanation>,
    /// Whom it would go to.
    pub targets: Vec<String>,
}

impl EventBridge {
    /// What every rule of a bus (of one name, if one is given) says to `event`, an event in its envelope.
    ///
    /// # Errors
    /// 400 if there is no such bus, or the event is no JSON object.
    pub async fn explain(
        &self,
        call: &Call,
        bus: Option<&str>,
        rule: Option<&str>,
        event: &[u8],
    ) -> Result<Vec<RuleExplanation>, ServiceError> {
        let bus = EventBridge::bus_id(call, bus);
        let rules = self.rules(&bus, |candidate| rule.is_none_or(|name| candidate.name == name)).await?;
        let bad = |error| ServiceError::from(Error::Invalid(format!("Parameter Event is not valid. {error}")));
        let mut explained = Vec::with_capacity(rules.len());
        for rule in rules {
            let pattern = rule.pattern.as_deref().map(parse_pattern).transpose()?;
            let explanation = pattern.map(|pattern| pattern.explain(event).map_err(bad)).transpose()?;
            let matched = rule.state.acts() && explanation.as_ref().is_some_and(|explanation| explanation.matched);
            explained.push(RuleExplanation {
                rule: rule.name,
                state: rule.state,
                matched,
                pattern: explanation,
                targets: rule.targets.into_iter().map(|target| target.arn).collect(),
            });
        }
        Ok(explained)
    }
}
