//! Schedules of EventBridge Scheduler as a source, with the role under which they invoke the function.
//!
//! AWS: *AWS SAM Developer Guide*, "ScheduleV2".

use serde_json::{Value, json};

use super::super::{Invalid, Made, properties, resource};
use super::Source;

const SCHEDULE: &[&str] = &[
    "DeadLetterConfig",
    "Description",
    "EndDate",
    "FlexibleTimeWindow",
    "GroupName",
    "Input",
    "KmsKeyArn",
    "Name",
    "OmitName",
    "PermissionsBoundary",
    "RetryPolicy",
    "RoleArn",
    "ScheduleExpression",
    "ScheduleExpressionTimezone",
    "StartDate",
    "State",
];

impl Source<'_> {
    pub(super) fn schedule(&self) -> Result<Made, Invalid> {
        self.only(SCHEDULE)?;
        let expression = self.need("ScheduleExpression")?;
        let given = |name: &str| self.given.get(name).cloned();
        let name = match (given("OmitName"), given("Name")) {
            (Some(Value::Bool(true)), Some(_)) => {
                return Err(self.invalid("Name cannot be set when OmitName is True"));
            }
            (Some(Value::Bool(true)), None) => None,
            (_, name) => name.or_else(|| Some(self.id.clone().into())),
        };
        let (dead_letter, mut made) = self.dead_letter(&json!({"Fn::GetAtt": [&self.id, "Arn"]}))?;
        // The schedule's role is what may send to the queue; there is no policy of the queue.
        made.truncate(1);
        let role = match given("RoleArn") {
            Some(role) => role,
            None => {
                let (id, role) = self.schedule_role(dead_letter.as_ref());
                made.push((id.clone(), role));
                json!({"Fn::GetAtt": [id, "Arn"]})
            }
        };
        let target = properties([
            ("Arn", Some(self.target.arn.clone())),
            ("RoleArn", Some(role)),
            ("Input", given("Input")),
            ("DeadLetterConfig", dead_letter.map(|arn| json!({ "Arn": arn }))),
            ("RetryPolicy", given("RetryPolicy")),
        ]);
        let schedule = properties([
            ("Description", given("Description")),
            ("EndDate", given("EndDate")),
            ("FlexibleTimeWindow", Some(given("FlexibleTimeWindow").unwrap_or_else(|| json!({"Mode": "OFF"})))),
            ("GroupName", given("GroupName")),
            ("KmsKeyArn", given("KmsKeyArn")),
            ("Name", name),
            ("ScheduleExpression", Some(expression)),
            ("ScheduleExpressionTimezone", given("ScheduleExpressionTimezone")),
            ("StartDate", given("StartDate")),
            ("State", given("State")),
            ("Target", Some(Value::Object(target))),
        ]);
        made.push((self.id.clone(), resource("AWS::Scheduler::Schedule", schedule, self.target.attributes)));
        Ok(made)
    }

    /// The role that may invoke the function and leave what cannot be delivered.
    fn schedule_role(&self, dead_letter: Option<&Value>) -> (String, Value) {
        let allows = |suffix: &str, action: &str, on: &Value| {
            json!({
                "PolicyName": format!("{}{suffix}", self.id),
                "PolicyDocument": {"Statement": [{"Action": action, "Effect": "Allow", "Resource": on}]},
            })
        };
        let invoke = allows("LambdaPolicy", "lambda:InvokeFunction", &self.target.arn);
        let send = dead_letter.map(|queue| allows("SQSPolicy", "sqs:SendMessage", queue));
        let trust = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Action": ["sts:AssumeRole"],
                "Effect": "Allow",
                "Principal": {"Service": ["scheduler.amazonaws.com"]},
            }],
        });
        let role = properties([
            ("AssumeRolePolicyDocument", Some(trust)),
            ("Policies", Some(std::iter::once(invoke).chain(send).collect())),
            ("PermissionsBoundary", self.given.get("PermissionsBoundary").cloned()),
        ]);
        (format!("{}Role", self.id), resource("AWS::IAM::Role", role, self.target.attributes))
    }
}
