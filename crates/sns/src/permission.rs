//! Who else may use a topic: its policy, and the statements that AddPermission puts into it.
//!
//! AWS: SNS API Reference, *AddPermission*; SNS Developer Guide, *Using identity-based policies with Amazon SNS*.

use std::sync::Arc;

use cauce_core::Call;
use cauce_wire::Input;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{Error, NO_TOPIC};
use crate::keys::TopicId;
use crate::name;
use crate::service::Sns;

/// The longest policy of a topic, in bytes. AWS: SNS Developer Guide, *Amazon SNS endpoints and quotas*.
pub(crate) const POLICY_BYTES_MAX: usize = 30 * 1_024;

/// The longest label of a statement, in characters.
const LABEL_CHARS_MAX: usize = 80;

/// What others may be allowed to do with a topic.
const ACTIONS: &[&str] = &[
    "AddPermission",
    "DeleteTopic",
    "GetDataProtectionPolicy",
    "GetTopicAttributes",
    "ListSubscriptionsByTopic",
    "ListTagsForResource",
    "Publish",
    "PutDataProtectionPolicy",
    "RemovePermission",
    "SetTopicAttributes",
    "Subscribe",
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AddPermission {
    pub(crate) topic_arn: String,
    label: String,
    #[serde(rename = "AWSAccountId")]
    accounts: Vec<String>,
    #[serde(rename = "ActionName")]
    actions: Vec<String>,
}

impl Input for AddPermission {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RemovePermission {
    pub(crate) topic_arn: String,
    label: String,
}

impl Input for RemovePermission {}

/// The policy that a topic shows until another one is set: its own account may do everything.
pub(crate) fn default_policy(topic: &TopicId) -> Value {
    let actions = [
        "SNS:GetTopicAttributes",
        "SNS:SetTopicAttributes",
        "SNS:AddPermission",
        "SNS:RemovePermission",
        "SNS:DeleteTopic",
        "SNS:Subscribe",
        "SNS:ListSubscriptionsByTopic",
        "SNS:Publish",
    ];
    json!({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": { "AWS": "*" },
            "Action": actions,
            "Resource": topic.arn().as_str(),
            "Condition": { "StringEquals": { "AWS:SourceOwner": topic.account.to_string() } },
        }],
    })
}

impl Sns {
    /// Refuses a document that cannot be the policy of a topic.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check_policy(&self, text: &str) -> Result<(), Error> {
        if text.len() > POLICY_BYTES_MAX {
            return Err(Error::Invalid(format!("Policy Error: the policy is longer than {POLICY_BYTES_MAX} bytes")));
        }
        // One that nobody could read would deny everybody.
        self.identity.check_resource_policy(text).map_err(|why| Error::Invalid(format!("Policy Error: {why}")))?;
        let document: Value = serde_json::from_str(text).map_err(|_| Error::invalid("Policy Error: null"))?;
        let statements = match document.get("Statement") {
            Some(Value::Array(statements)) => statements.iter().collect(),
            Some(one @ Value::Object(_)) => vec![one],
            _ => return Err(Error::invalid("Policy Error: null")),
        };
        let actions =
            statements.into_iter().filter_map(|statement| statement.get("Action")).flat_map(|action| match action {
                Value::Array(several) => several.iter().collect(),
                one => vec![one],
            });
        for action in actions.filter_map(Value::as_str) {
            let is_ours = action == "*" || action.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("sns:"));
            if !is_ours {
                return Err(Error::invalid("Policy statement action out of service scope!"));
            }
        }
        Ok(())
    }

    pub(crate) async fn add_permission(self: Arc<Self>, call: Call, input: AddPermission) -> Result<(), Error> {
        let topic = name::topic(&call, &input.topic_arn)?;
        let is_label = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if input.label.is_empty() || input.label.len() > LABEL_CHARS_MAX || !input.label.bytes().all(is_label) {
            return Err(Error::invalid("Label"));
        }
        let is_account = |account: &String| account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        if input.accounts.is_empty() || !input.accounts.iter().all(is_account) {
            return Err(Error::invalid("AWSAccountId"));
        }
        if input.actions.is_empty() {
            return Err(Error::invalid("ActionName"));
        }
        let is_action = |action: &String| ACTIONS.iter().any(|known| known.eq_ignore_ascii_case(action));
        if !input.actions.iter().all(is_action) {
            return Err(Error::invalid("Policy statement action out of service scope!"));
        }
        let one_or_all = |mut values: Vec<String>| match (values.len(), values.pop()) {
            (1, Some(one)) => Value::from(one),
            (_, last) => values.into_iter().chain(last).collect::<Vec<_>>().into(),
        };
        let principals = input.accounts.iter().map(|account| format!("arn:aws:iam::{account}:root")).collect();
        let actions = input.actions.iter().map(|action| format!("SNS:{action}")).collect();
        let statement = json!({
            "Sid": input.label,
            "Effect": "Allow",
            "Principal": { "AWS": one_or_all(principals) },
            "Action": one_or_all(actions),
            "Resource": topic.arn().as_str(),
        });
        self.change_policy(&topic, |statements| {
            if statements.iter().any(|old| is_called(old, &input.label)) {
                return Err(Error::invalid("Statement already exists"));
            }
            statements.push(statement.clone());
            Ok(())
        })
        .await
    }

    pub(crate) async fn remove_permission(self: Arc<Self>, call: Call, input: RemovePermission) -> Result<(), Error> {
        let topic = name::topic(&call, &input.topic_arn)?;
        self.change_policy(&topic, |statements| {
            let before = statements.len();
            statements.retain(|old| !is_called(old, &input.label));
            if statements.len() == before { Err(Error::NotFound("Statement does not exist")) } else { Ok(()) }
        })
        .await
    }

    /// Changes the statements of a topic's policy in a transaction.
    async fn change_policy(
        &self,
        topic: &TopicId,
        change: impl Fn(&mut Vec<Value>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.db
            .transact(async |tx| {
                let mut row = self.topic(&tx, topic).await?.ok_or(NO_TOPIC)?;
                let set = row.attribute("Policy").and_then(|text| serde_json::from_str(text).ok());
                let mut policy: Value = set.unwrap_or_else(|| default_policy(topic));
                let statements = policy.get_mut("Statement").ok_or_else(|| Error::invalid("Policy Error: null"))?;
                if let Value::Object(_) = statements {
                    *statements = json!([statements.take()]);
                }
                change(statements.as_array_mut().ok_or_else(|| Error::invalid("Policy Error: null"))?)?;
                let text = policy.to_string();
                if text.len() > POLICY_BYTES_MAX {
                    let message = format!("Policy Error: the policy is longer than {POLICY_BYTES_MAX} bytes");
                    return Err(Error::Invalid(message));
                }
                row.attributes.insert("Policy".to_owned(), text);
                self.set_topic(&tx, topic, &row).await
            })
            .await
    }
}

fn is_called(statement: &Value, label: &str) -> bool {
    statement.get("Sid").and_then(Value::as_str) == Some(label)
}
