//! Topics as a source: the function is subscribed itself, or a queue between the two is.
//!
//! AWS: *AWS SAM Developer Guide*, "SNS" and "SqsSubscriptionObject".

use serde_json::{Map, Value, json};

use super::super::function::Role;
use super::super::{Invalid, Made, policy, properties, resource};
use super::Source;

const TOPIC: &[&str] = &["FilterPolicy", "FilterPolicyScope", "RedrivePolicy", "Region", "SqsSubscription", "Topic"];
const QUEUE: &[&str] = &["BatchSize", "Enabled", "QueueArn", "QueuePolicyLogicalId", "QueueUrl"];

/// Messages that the function takes from the queue at once, unless the event says otherwise.
const BATCH_SIZE: u64 = 10;

/// The queue between a topic and a function.
struct Between {
    arn: Value,
    url: Value,
    policy_id: String,
    batch_size: Value,
}

impl Source<'_> {
    pub(super) fn topic(&self, role: &mut Role) -> Result<Made, Invalid> {
        self.only(TOPIC)?;
        let topic = self.need("Topic")?;
        let mut made = Made::new();
        let between = match self.given.get("SqsSubscription") {
            None | Some(Value::Bool(false)) => {
                let permission = self.permission("sns.amazonaws.com", topic.clone());
                let subscription = self.subscription("lambda", self.target.arn.clone(), topic);
                return Ok(vec![permission, subscription]);
            }
            Some(Value::Bool(true)) => {
                let queue = format!("{}Queue", self.id);
                let (arn, url) = (json!({"Fn::GetAtt": [&queue, "Arn"]}), json!({ "Ref": &queue }));
                made.push((queue, resource("AWS::SQS::Queue", Map::new(), self.target.attributes)));
                Between { arn, url, policy_id: format!("{}QueuePolicy", self.id), batch_size: BATCH_SIZE.into() }
            }
            Some(Value::Object(given)) => self.existing(given)?,
            Some(_) => return Err(self.invalid("Property 'SqsSubscription' should be a map.")),
        };
        made.push(self.mapping_of(&between, role));
        made.push(self.policy_of(&between, &topic));
        made.push(self.subscription("sqs", between.arn, topic));
        Ok(made)
    }

    fn existing(&self, given: &Map<String, Value>) -> Result<Between, Invalid> {
        if let Some(name) = given.keys().find(|name| !QUEUE.contains(&name.as_str())) {
            return Err(self.invalid(format!("property {name} not defined for resource of type SqsSubscription")));
        }
        let (Some(arn), Some(url)) = (given.get("QueueArn"), given.get("QueueUrl")) else {
            return Err(self.invalid("No QueueARN or QueueURL provided."));
        };
        let policy_id = match given.get("QueuePolicyLogicalId") {
            None => format!("{}QueuePolicy", self.id),
            Some(Value::String(id)) => id.clone(),
            Some(_) => return Err(self.invalid("QueuePolicyLogicalId must be a string")),
        };
        let batch_size = given.get("BatchSize").cloned().unwrap_or_else(|| BATCH_SIZE.into());
        Ok(Between { arn: arn.clone(), url: url.clone(), policy_id, batch_size })
    }

    fn subscription(&self, protocol: &str, endpoint: Value, topic: Value) -> (String, Value) {
        let subscription = properties([
            ("Endpoint", Some(endpoint)),
            ("Protocol", Some(protocol.into())),
            ("TopicArn", Some(topic)),
            ("Region", self.given.get("Region").cloned()),
            ("FilterPolicy", self.given.get("FilterPolicy").cloned()),
            ("FilterPolicyScope", self.given.get("FilterPolicyScope").cloned()),
            ("RedrivePolicy", self.given.get("RedrivePolicy").cloned()),
        ]);
        (self.id.clone(), resource("AWS::SNS::Subscription", subscription, self.target.attributes))
    }

    /// The mapping from the queue to the function. SAM enables it whatever `Enabled` says.
    fn mapping_of(&self, between: &Between, role: &mut Role) -> (String, Value) {
        let managed = policy::service_role("AWSLambdaSQSQueueExecutionRole");
        if !role.managed.contains(&managed) {
            role.managed.push(managed);
        }
        let mapping = properties([
            ("BatchSize", Some(between.batch_size.clone())),
            ("Enabled", Some(true.into())),
            ("EventSourceArn", Some(between.arn.clone())),
            ("FunctionName", Some(self.target.name.clone())),
        ]);
        let mapping = resource("AWS::Lambda::EventSourceMapping", mapping, self.target.attributes);
        (format!("{}EventSourceMapping", self.id), mapping)
    }

    /// What lets the topic, and nothing else, send to the queue.
    fn policy_of(&self, between: &Between, topic: &Value) -> (String, Value) {
        let statement = json!({
            "Action": "sqs:SendMessage",
            "Effect": "Allow",
            "Principal": "*",
            "Resource": between.arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        });
        let policy = properties([
            ("PolicyDocument", Some(json!({"Version": "2012-10-17", "Statement": [statement]}))),
            ("Queues", Some(json!([between.url]))),
        ]);
        (between.policy_id.clone(), resource("AWS::SQS::QueuePolicy", policy, self.target.attributes))
    }
}
