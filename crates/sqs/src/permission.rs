//! Queue policies, and the two operations that write statements of them.
//!
//! AWS: Amazon SQS API Reference, *AddPermission* and *RemovePermission*.

use std::sync::Arc;

use cauce_core::ports::Identity;
use cauce_core::{Account, Call};
use cauce_wire::Input;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::Error;
use crate::service::{Sqs, required};

/// How many actions one `AddPermission` may name.
pub const PERMISSION_ACTIONS_MAX: usize = 7;
/// The longest policy of a queue, in bytes. AWS: SQS Developer Guide, "Amazon SQS policy quotas".
pub const POLICY_BYTES_MAX: usize = 8_192;
/// How many statements a policy may have.
pub const STATEMENTS_MAX: usize = 20;
/// The longest label, in characters.
pub const LABEL_CHARS_MAX: usize = 80;

/// What the owner can let others do.
const GRANTABLE: [&str; 8] = [
    "*",
    "SendMessage",
    "ReceiveMessage",
    "DeleteMessage",
    "ChangeMessageVisibility",
    "GetQueueAttributes",
    "GetQueueUrl",
    "PurgeQueue",
];

/// What only the owner can do.
const OWNERS: [&str; 9] = [
    "AddPermission",
    "CreateQueue",
    "DeleteQueue",
    "ListQueues",
    "ListQueueTags",
    "RemovePermission",
    "SetQueueAttributes",
    "TagQueue",
    "UntagQueue",
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AddPermission {
    pub(crate) queue_url: Option<String>,
    label: Option<String>,
    #[serde(default, rename = "AWSAccountIds", alias = "AWSAccountId")]
    aws_account_ids: Vec<String>,
    #[serde(default, alias = "ActionName")]
    actions: Vec<String>,
}

impl Input for AddPermission {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RemovePermission {
    pub(crate) queue_url: Option<String>,
    label: Option<String>,
}

impl Input for RemovePermission {}

/// Refuses a policy that is too large, or could not be read later.
pub(crate) fn check_policy(identity: &dyn Identity, policy: &str) -> Result<(), Error> {
    let refused = || Error::AttributeValue("Policy".to_owned());
    if policy.len() > POLICY_BYTES_MAX {
        return Err(refused());
    }
    identity.check_resource_policy(policy).map_err(|_| refused())?;
    let mut document: Value = serde_json::from_str(policy).map_err(|_| refused())?;
    check_statements(statements(&mut document).len())
}

fn check_statements(count: usize) -> Result<(), Error> {
    if count <= STATEMENTS_MAX {
        return Ok(());
    }
    Err(Error::Quota(format!("{count} statements were found, maximum allowed is {STATEMENTS_MAX}.")))
}

fn check_label(label: &str) -> Result<(), Error> {
    let plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if plain && label.len() <= LABEL_CHARS_MAX {
        return Ok(());
    }
    let reason =
        format!("Can only include alphanumeric characters, hyphens, or underscores. 1 to {LABEL_CHARS_MAX} in length");
    Err(Error::value(label, "Label", &reason))
}

impl AddPermission {
    fn check(&self) -> Result<(), Error> {
        check_label(required(self.label.as_deref(), "Label")?)?;
        if self.aws_account_ids.is_empty() {
            return Err(Error::Missing("AWSAccountIds".to_owned()));
        }
        if self.actions.is_empty() {
            return Err(Error::Missing("Actions".to_owned()));
        }
        let count = self.actions.len();
        if count > PERMISSION_ACTIONS_MAX {
            let message = format!("{count} Actions were found, maximum allowed is {PERMISSION_ACTIONS_MAX}.");
            return Err(Error::Quota(message));
        }
        for action in &self.actions {
            if OWNERS.contains(&action.as_str()) {
                let reason = "Only the queue owner is allowed to invoke this action.";
                return Err(Error::value(format!("SQS:{action}"), "ActionName", reason));
            }
            if !GRANTABLE.contains(&action.as_str()) {
                let reason = "Please refer to the appropriate WSDL for a list of valid actions. ";
                return Err(Error::value(format!("SQS:{action}"), "ActionName", reason));
            }
        }
        let bad = self.aws_account_ids.iter().find(|account| account.parse::<Account>().is_err());
        bad.map_or(Ok(()), |bad| Err(Error::value(format!("[{bad}]"), "PrincipalId", "Unable to verify.")))
    }
}

/// One, or a list of them: as policies write it.
fn one_or_many(mut values: Vec<String>) -> Value {
    match (values.pop(), values.is_empty()) {
        (Some(one), true) => one.into(),
        (last, _) => values.into_iter().chain(last).collect::<Vec<_>>().into(),
    }
}

/// The statements of a policy document, as a list.
fn statements(policy: &mut Value) -> Vec<Value> {
    match policy.get_mut("Statement").map(Value::take) {
        Some(Value::Array(statements)) => statements,
        Some(Value::Null) | None => Vec::new(),
        Some(statement) => vec![statement],
    }
}

fn document(policy: Option<&str>, arn: &str) -> Value {
    let read = policy.and_then(|policy| serde_json::from_str(policy).ok()).filter(Value::is_object);
    read.unwrap_or_else(|| json!({ "Version": "2012-10-17", "Id": format!("{arn}/SQSDefaultPolicy"), "Statement": [] }))
}

impl Sqs {
    pub(crate) async fn add_permission(self: Arc<Self>, call: Call, input: AddPermission) -> Result<(), Error> {
        let held = self.addressed(&call, input.queue_url.as_deref()).await?;
        input.check()?;
        let label = input.label.unwrap_or_default();
        let arn = held.arn.to_string();
        let accounts = input.aws_account_ids.iter().map(|account| format!("arn:aws:iam::{account}:root")).collect();
        let actions = input.actions.iter().map(|action| format!("SQS:{action}")).collect();
        let statement = json!({
            "Sid": label,
            "Effect": "Allow",
            "Principal": { "AWS": one_or_many(accounts) },
            "Action": one_or_many(actions),
            "Resource": arn,
        });
        self.change(&held.id, |queue| {
            let mut policy = document(queue.settings.policy.as_deref(), &arn);
            let mut statements = statements(&mut policy);
            if statements.iter().any(|statement| statement.get("Sid").and_then(Value::as_str) == Some(&label)) {
                return Err(Error::value(&label, "Label", "Already exists."));
            }
            statements.push(statement);
            check_statements(statements.len())?;
            if let Some(policy) = policy.as_object_mut() {
                policy.insert("Statement".to_owned(), statements.into());
            }
            let policy = policy.to_string();
            if policy.len() > POLICY_BYTES_MAX {
                return Err(Error::AttributeValue("Policy".to_owned()));
            }
            queue.settings.policy = Some(policy);
            Ok(())
        })
        .await
    }

    pub(crate) async fn remove_permission(self: Arc<Self>, call: Call, input: RemovePermission) -> Result<(), Error> {
        let held = self.addressed(&call, input.queue_url.as_deref()).await?;
        let label = required(input.label.as_deref(), "Label")?.to_owned();
        let arn = held.arn.to_string();
        self.change(&held.id, |queue| {
            let mut policy = document(queue.settings.policy.as_deref(), &arn);
            let mut statements = statements(&mut policy);
            let before = statements.len();
            statements.retain(|statement| statement.get("Sid").and_then(Value::as_str) != Some(&label));
            if statements.len() == before {
                return Err(Error::value(&label, "Label", "can't find label on existing policy."));
            }
            let empty = statements.is_empty();
            if let Some(policy) = policy.as_object_mut() {
                policy.insert("Statement".to_owned(), statements.into());
            }
            queue.settings.policy = (!empty).then(|| policy.to_string());
            Ok(())
        })
        .await
    }
}
