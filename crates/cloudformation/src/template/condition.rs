//! Conditions and rules: what parameters decide before anything is made.
//!
//! AWS: *CloudFormation User Guide*, "Conditions section", "Rules section" and "Rule-specific intrinsic functions".

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::declaration::Template;
use super::error::TemplateError;
use super::function::{Evaluator, NoResources, Pseudo};

/// The value of every condition. The template's references have been checked, so there is an order.
///
/// # Errors
/// A condition that is not one.
pub fn conditions(
    template: &Template,
    parameters: &BTreeMap<String, Value>,
    pseudo: &Pseudo,
) -> Result<BTreeMap<String, bool>, TemplateError> {
    let mut known = BTreeMap::new();
    let mut left: Vec<(&String, &Value)> = template.conditions.iter().collect();
    while !left.is_empty() {
        let before = left.len();
        let mut waiting = Vec::new();
        let mut first_error = None;
        for (name, condition) in left {
            let evaluator =
                Evaluator { mappings: &template.mappings, parameters, conditions: &known, pseudo, world: &NoResources };
            match evaluator.truth(condition) {
                Ok(value) => {
                    known.insert(name.clone(), value);
                }
                // Mostly because a condition that it names is not known yet.
                Err(error) => {
                    first_error.get_or_insert(error);
                    waiting.push((name, condition));
                }
            }
        }
        if let Some(error) = first_error.filter(|_| waiting.len() == before) {
            return Err(error);
        }
        left = waiting;
    }
    Ok(known)
}

/// Refuses parameters that violate a rule.
///
/// # Errors
/// The description of the first assertion that does not hold, or a rule that is not one.
pub fn check_rules(
    template: &Template,
    parameters: &BTreeMap<String, Value>,
    conditions: &BTreeMap<String, bool>,
    pseudo: &Pseudo,
) -> Result<(), TemplateError> {
    let evaluator = Evaluator { mappings: &template.mappings, parameters, conditions, pseudo, world: &NoResources };
    for (name, rule) in &template.rules {
        let malformed =
            || TemplateError::format(format!("Rule {name} is malformed: it must have a list of Assertions."));
        let Value::Object(rule) = rule else { return Err(malformed()) };
        if let Some(condition) = rule.get("RuleCondition")
            && !evaluator.truth(condition)?
        {
            continue;
        }
        let Some(Value::Array(assertions)) = rule.get("Assertions") else { return Err(malformed()) };
        for assertion in assertions {
            let Value::Object(assertion) = assertion else { return Err(malformed()) };
            check_assertion(name, assertion, &evaluator)?;
        }
    }
    Ok(())
}

fn check_assertion(rule: &str, assertion: &Map<String, Value>, evaluator: &Evaluator<'_>) -> Result<(), TemplateError> {
    let Some(assert) = assertion.get("Assert") else {
        return Err(TemplateError::format(format!("Rule {rule} is malformed: every assertion must have an Assert.")));
    };
    if evaluator.truth(assert)? {
        return Ok(());
    }
    let words = assertion.get("AssertDescription").and_then(Value::as_str).unwrap_or("the assertion does not hold");
    Err(TemplateError::function(format!("rule {rule} is violated: {words}")))
}
