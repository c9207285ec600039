//! The events of a function: what each kind of source becomes.
//!
//! AWS: *AWS SAM Developer Guide*, "EventSource". Names: `<Function><Event>` for the source's resource,
//! `<Function><Event>Permission` for the permission.

mod schedule;
mod topic;

use serde_json::{Map, Value, json};

use super::function::{Role, Target};
use super::{Invalid, Made, policy, properties, resource};

/// The longest id of a target of a rule, in characters.
const TARGET_ID_CHARS_MAX: usize = 64;
const TARGET_SUFFIX: &str = "LambdaTarget";

const SCHEDULE: &[&str] =
    &["DeadLetterConfig", "Description", "Enabled", "Input", "Name", "RetryPolicy", "Schedule", "State"];
const RULE: &[&str] = &[
    "DeadLetterConfig",
    "Enabled",
    "EventBusName",
    "Input",
    "InputPath",
    "InputTransformer",
    "Pattern",
    "RetryPolicy",
    "RuleName",
    "State",
    "Target",
];
const MAPPING: &[&str] = &[
    "BatchSize",
    "BisectBatchOnFunctionError",
    "DestinationConfig",
    "Enabled",
    "FilterCriteria",
    "FunctionResponseTypes",
    "KmsKeyArn",
    "MaximumBatchingWindowInSeconds",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "MetricsConfig",
    "ParallelizationFactor",
    "ScalingConfig",
    "StartingPosition",
    "StartingPositionTimestamp",
    "TumblingWindowInSeconds",
];

/// One event of a function.
struct Source<'a> {
    name: &'a str,
    kind: &'a str,
    given: &'a Map<String, Value>,
    target: &'a Target<'a>,
    /// The logical id of what the source becomes.
    id: String,
}

/// Expands one event; what it asks of the function's role is added there.
pub(super) fn expand(name: &str, event: &Value, target: &Target<'_>, role: &mut Role) -> Result<Made, Invalid> {
    let invalid = |why: String| Invalid::event(target.logical_id, name, why);
    let Some(kind) = event.get("Type").and_then(Value::as_str) else {
        return Err(invalid("Resource dict has missing or invalid value for key Type.".to_owned()));
    };
    let empty = Map::new();
    let given = match event.get("Properties") {
        None => &empty,
        Some(Value::Object(given)) => given,
        Some(_) => return Err(invalid("Properties must be a map.".to_owned())),
    };
    let source = Source { name, kind, given, target, id: format!("{}{name}", target.logical_id) };
    match kind {
        "Schedule" => {
            source.only(SCHEDULE)?;
            source.need("Schedule")?;
            source.rule(properties([
                ("ScheduleExpression", given.get("Schedule").cloned()),
                ("Name", given.get("Name").cloned()),
                ("Description", given.get("Description").cloned()),
            ]))
        }
        "EventBridgeRule" | "CloudWatchEvent" => {
            source.only(RULE)?;
            source.rule(properties([
                ("EventBusName", given.get("EventBusName").cloned()),
                ("EventPattern", given.get("Pattern").cloned()),
                ("Name", given.get("RuleName").cloned()),
            ]))
        }
        "ScheduleV2" => source.schedule(),
        "SNS" => source.topic(role),
        "SQS" => source.mapping("Queue", "AWSLambdaSQSQueueExecutionRole", role),
        "DynamoDB" => source.mapping("Stream", "AWSLambdaDynamoDBExecutionRole", role),
        "Kinesis" => source.mapping("Stream", "AWSLambdaKinesisExecutionRole", role),
        other => Err(invalid(format!("Events of type {other} are not supported."))),
    }
}

impl Source<'_> {
    fn invalid(&self, why: impl AsRef<str>) -> Invalid {
        Invalid::event(self.target.logical_id, self.name, why)
    }

    fn only(&self, known: &[&str]) -> Result<(), Invalid> {
        match self.given.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => {
                let kind = self.kind;
                Err(self.invalid(format!("property {name} not defined for resource of type {kind}")))
            }
        }
    }

    fn need(&self, name: &str) -> Result<Value, Invalid> {
        self.given.get(name).cloned().ok_or_else(|| self.invalid(format!("Missing required property '{name}'.")))
    }

    /// A rule with the function as its target, and the permission that lets it invoke the function.
    fn rule(&self, mut rule: Map<String, Value>) -> Result<Made, Invalid> {
        let state = match (self.given.get("State"), self.given.get("Enabled")) {
            (Some(_), Some(_)) => {
                return Err(self.invalid("State and Enabled Properties cannot both be specified."));
            }
            (Some(state), None) => Some(state.clone()),
            (None, Some(Value::Bool(enabled))) => Some(if *enabled { "ENABLED" } else { "DISABLED" }.into()),
            (None, Some(_)) => return Err(self.invalid("Type of property 'Enabled' is invalid.")),
            (None, None) => None,
        };
        if let Some(state) = state {
            rule.insert("State".to_owned(), state);
        }
        let arn = json!({"Fn::GetAtt": [&self.id, "Arn"]});
        let (dead_letter, mut made) = self.dead_letter(&arn)?;
        let id = match self.given.get("Target").and_then(|target| target.get("Id")) {
            Some(id) => id.clone(),
            None => target_id(&self.id).into(),
        };
        let target = properties([
            ("Arn", Some(self.target.arn.clone())),
            ("Id", Some(id)),
            ("Input", self.given.get("Input").cloned()),
            ("InputPath", self.given.get("InputPath").cloned()),
            ("InputTransformer", self.given.get("InputTransformer").cloned()),
            ("DeadLetterConfig", dead_letter.map(|arn| json!({ "Arn": arn }))),
            ("RetryPolicy", self.given.get("RetryPolicy").cloned()),
        ]);
        rule.insert("Targets".to_owned(), json!([target]));
        made.push((self.id.clone(), resource("AWS::Events::Rule", rule, self.target.attributes)));
        made.push(self.permission("events.amazonaws.com", arn));
        Ok(made)
    }

    fn permission(&self, principal: &str, source: Value) -> (String, Value) {
        let permission = properties([
            ("Action", Some("lambda:InvokeFunction".into())),
            ("FunctionName", Some(self.target.name.clone())),
            ("Principal", Some(principal.into())),
            ("SourceArn", Some(source)),
        ]);
        let permission = resource("AWS::Lambda::Permission", permission, self.target.attributes);
        (format!("{}Permission", self.id), permission)
    }

    /// The ARN of the dead-letter queue, and the queue with its policy where SAM makes it.
    fn dead_letter(&self, rule: &Value) -> Result<(Option<Value>, Made), Invalid> {
        let Some(config) = self.given.get("DeadLetterConfig") else { return Ok((None, Made::new())) };
        match (config.get("Arn"), config.get("Type").and_then(Value::as_str)) {
            (Some(_), Some(_)) => {
                Err(self.invalid("You can either define 'Arn' or 'Type' property of DeadLetterConfig."))
            }
            (Some(arn), None) => Ok((Some(arn.clone()), Made::new())),
            (None, None) => Err(self.invalid("No 'Arn' or 'Type' property provided for DeadLetterConfig.")),
            (None, Some("SQS")) => {
                let queue = match config.get("QueueLogicalId") {
                    None => format!("{}Queue", self.id),
                    Some(Value::String(id)) => id.clone(),
                    Some(_) => return Err(self.invalid("QueueLogicalId must be a string")),
                };
                let arn = json!({"Fn::GetAtt": [&queue, "Arn"]});
                let statement = json!({
                    "Action": "sqs:SendMessage",
                    "Effect": "Allow",
                    "Principal": {"Service": "events.amazonaws.com"},
                    "Resource": arn,
                    "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
                });
                let policy = properties([
                    ("PolicyDocument", Some(json!({"Version": "2012-10-17", "Statement": [statement]}))),
                    ("Queues", Some(json!([{ "Ref": &queue }]))),
                ]);
                let made = vec![
                    (queue, resource("AWS::SQS::Queue", Map::new(), self.target.attributes)),
                    (
                        format!("{}QueuePolicy", self.id),
                        resource("AWS::SQS::QueuePolicy", policy, self.target.attributes),
                    ),
                ];
                Ok((Some(arn), made))
            }
            (None, Some(_)) => {
                Err(self.invalid("The only valid value for 'Type' property of DeadLetterConfig is 'SQS'."))
            }
        }
    }

    /// An event source mapping, and the managed policy that lets the function's role read the source.
    fn mapping(&self, source: &str, managed: &str, role: &mut Role) -> Result<Made, Invalid> {
        let known: Vec<&str> = MAPPING.iter().copied().chain([source]).collect();
        self.only(&known)?;
        let arn = self.need(source)?;
        let mut mapping: Map<String, Value> = self.given.clone();
        mapping.remove(source);
        if let Some(failure) = mapping.get_mut("DestinationConfig").and_then(|config| config.get_mut("OnFailure")) {
            role.policies.extend(self.failure_policy(failure)?);
        }
        mapping.insert("EventSourceArn".to_owned(), arn);
        mapping.insert("FunctionName".to_owned(), self.target.name.clone());
        let managed = policy::service_role(managed);
        if !role.managed.contains(&managed) {
            role.managed.push(managed);
        }
        let mapping = resource("AWS::Lambda::EventSourceMapping", mapping, self.target.attributes);
        Ok(vec![(self.id.clone(), mapping)])
    }
}

impl Source<'_> {
    /// What lets the role send to the destination of failures, if its `Type` asks for that. The type is SAM's own and goes.
    fn failure_policy(&self, failure: &mut Value) -> Result<Option<Value>, Invalid> {
        let Some(kind) = failure.as_object_mut().and_then(|failure| failure.remove("Type")) else { return Ok(None) };
        let (suffix, action) = match kind.as_str() {
            Some("SQS") => ("SQSPolicy", "sqs:SendMessage"),
            Some("SNS") => ("SNSPolicy", "sns:publish"),
            _ => return Err(self.invalid("The only valid values for 'Type' are 'SQS', 'SNS', and 'S3'")),
        };
        let statement = json!({"Action": action, "Effect": "Allow", "Resource": failure.get("Destination")});
        Ok(Some(json!({"PolicyName": format!("{}{suffix}", self.id), "PolicyDocument": {"Statement": [statement]}})))
    }
}

fn target_id(id: &str) -> String {
    let kept = TARGET_ID_CHARS_MAX - TARGET_SUFFIX.len();
    id.chars().take(kept).chain(TARGET_SUFFIX.chars()).collect()
}
