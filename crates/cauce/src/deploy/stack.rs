//! Bringing a stack to what a template says, by the same calls as `aws cloudformation deploy`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;

use super::Deployment;
use crate::progress::Progress;
use cauce_client::{Client, Element, ServiceFailure};

const VERSION: &str = "2010-05-15";

/// How often a stack that is still changing is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The longest deployment.
const DEPLOY_MAX: Duration = Duration::from_secs(15 * 60);

/// Outputs by name.
pub(crate) type StackOutputs = BTreeMap<String, String>;

struct Stacks<'a> {
    client: &'a Client,
    name: &'a str,
}

impl Stacks<'_> {
    async fn call(&self, action: &str, parameters: &[(&str, &str)]) -> Result<Element> {
        let mut all = vec![("StackName", self.name)];
        all.extend_from_slice(parameters);
        self.client.query("cloudformation", VERSION, action, &all).await
    }

    /// The stack, `None` if there is none.
    async fn describe(&self) -> Result<Option<Element>> {
        match self.call("DescribeStacks", &[]).await {
            Ok(answer) => Ok(answer.members(&["DescribeStacksResult", "Stacks"]).next().cloned()),
            Err(error) => match error.downcast_ref::<ServiceFailure>() {
                Some(failure) if failure.message.contains("does not exist") => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// Waits until nothing of the stack is in progress, and shows each new event.
    async fn settle(&self, seen: &mut BTreeSet<String>, progress: &Progress) -> Result<Option<Element>> {
        let end = tokio::time::Instant::now() + DEPLOY_MAX;
        loop {
            let stack = self.describe().await?;
            if stack.is_some() {
                self.show_events(seen, progress).await?;
            }
            let status = stack.as_ref().map_or("", |stack| stack.text(&["StackStatus"]));
            if !status.ends_with("_IN_PROGRESS") || status == "REVIEW_IN_PROGRESS" {
                return Ok(stack);
            }
            if tokio::time::Instant::now() > end {
                bail!("stack {} is still {status} after {} s", self.name, DEPLOY_MAX.as_secs());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn show_events(&self, seen: &mut BTreeSet<String>, progress: &Progress) -> Result<()> {
        let answer = self.call("DescribeStackEvents", &[]).await?;
        let path = ["DescribeStackEventsResult", "StackEvents"];
        let mut events: Vec<&Element> = answer.members(&path).collect();
        events.reverse();
        for event in events {
            if seen.insert(event.text(&["EventId"]).to_owned()) {
                let part = |name: &str| event.text(&[name]).to_owned();
                let (status, kind, name) = (part("ResourceStatus"), part("ResourceType"), part("LogicalResourceId"));
                let reason = part("ResourceStatusReason");
                if status.ends_with("FAILED") {
                    progress.say(&format!("{status} {kind} {name}: {reason}"));
                } else {
                    progress.detail(&format!("{status} {kind} {name}"));
                }
            }
        }
        Ok(())
    }
}

/// Makes or updates the stack; no change is no error.
pub(super) async fn apply(
    client: &Client,
    deployment: &Deployment<'_>,
    template: &Value,
    progress: &Progress,
) -> Result<StackOutputs> {
    let stacks = Stacks { client, name: deployment.stack_name };
    let step = progress.begin(&format!("deploying {}", deployment.stack_name));
    let mut seen = BTreeSet::new();
    let before = stacks.settle(&mut BTreeSet::new(), &Progress::silent()).await?;
    let new = before.as_ref().is_none_or(|stack| stack.text(&["StackStatus"]) == "REVIEW_IN_PROGRESS");
    if !new {
        stacks.show_events(&mut seen, &Progress::silent()).await?;
    }
    let set = format!("cauce-deploy-{}", jiff::Timestamp::now().as_millisecond());
    let changed = make_change_set(&stacks, deployment, template, &set, new).await?;
    if changed {
        stacks.call("ExecuteChangeSet", &[("ChangeSetName", &set)]).await?;
    }
    let after = stacks.settle(&mut seen, progress).await?;
    let Some(stack) = after else { bail!("stack {} is gone", deployment.stack_name) };
    let status = stack.text(&["StackStatus"]);
    if !matches!(status, "CREATE_COMPLETE" | "UPDATE_COMPLETE") && changed {
        bail!("stack {} is {status}: {}", deployment.stack_name, stack.text(&["StackStatusReason"]));
    }
    let end = if changed {
        format!("deployed {}", deployment.stack_name)
    } else {
        format!("{} has no changes", deployment.stack_name)
    };
    step.end(&end);
    let outputs = stack.members(&["Outputs"]);
    Ok(outputs.map(|o| (o.text(&["OutputKey"]).to_owned(), o.text(&["OutputValue"]).to_owned())).collect())
}

/// Makes a change set; false if it has nothing to change.
async fn make_change_set(
    stacks: &Stacks<'_>,
    deployment: &Deployment<'_>,
    template: &Value,
    set: &str,
    new: bool,
) -> Result<bool> {
    let body = template.to_string();
    let keys: Vec<(String, String)> = (1..=deployment.parameters.len())
        .map(|n| (format!("Parameters.member.{n}.ParameterKey"), format!("Parameters.member.{n}.ParameterValue")))
        .collect();
    let mut parameters = vec![
        ("ChangeSetName", set),
        ("ChangeSetType", if new { "CREATE" } else { "UPDATE" }),
        ("TemplateBody", body.as_str()),
        ("Capabilities.member.1", "CAPABILITY_IAM"),
        ("Capabilities.member.2", "CAPABILITY_NAMED_IAM"),
        ("Capabilities.member.3", "CAPABILITY_AUTO_EXPAND"),
    ];
    for ((key, value), (key_name, value_name)) in deployment.parameters.iter().zip(&keys) {
        parameters.push((key_name, key));
        parameters.push((value_name, value));
    }
    stacks.call("CreateChangeSet", &parameters).await?;
    let end = tokio::time::Instant::now() + DEPLOY_MAX;
    loop {
        let answer = stacks.call("DescribeChangeSet", &[("ChangeSetName", set)]).await?;
        let part = |name: &str| answer.text(&["DescribeChangeSetResult", name]).to_owned();
        let (status, reason) = (part("Status"), part("StatusReason"));
        match status.as_str() {
            "CREATE_COMPLETE" => return Ok(true),
            "FAILED" => {
                stacks.call("DeleteChangeSet", &[("ChangeSetName", set)]).await?;
                if reason.contains("didn't contain changes") || reason.contains("No updates are to be performed") {
                    return Ok(false);
                }
                bail!("{reason}");
            }
            _ if tokio::time::Instant::now() > end => bail!("change set {set} is still {status}"),
            _ => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// Deletes a stack and waits until it is gone.
///
/// # Errors
/// If there is no such stack, or something of it cannot be deleted.
pub(crate) async fn delete(client: &Client, name: &str, progress: &Progress) -> Result<()> {
    let stacks = Stacks { client, name };
    let Some(stack) = stacks.describe().await? else { bail!("Stack with id {name} does not exist") };
    let id = stack.text(&["StackId"]).to_owned();
    let step = progress.begin(&format!("deleting {name}"));
    let mut seen = BTreeSet::new();
    stacks.show_events(&mut seen, &Progress::silent()).await?;
    stacks.call("DeleteStack", &[]).await?;
    // By its ARN a stack is found after it is gone.
    let deleted = Stacks { client, name: &id };
    let end = deleted.settle(&mut seen, progress).await?;
    let status = end.as_ref().map_or("DELETE_COMPLETE", |stack| stack.text(&["StackStatus"]));
    if status != "DELETE_COMPLETE" {
        bail!("stack {name} is {status}: {}", end.as_ref().map_or("", |stack| stack.text(&["StackStatusReason"])));
    }
    step.end(&format!("deleted {name}"));
    Ok(())
}
