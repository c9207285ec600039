//! The managed policies of AWS that templates commonly name.
//!
//! The documents are our own wording of the permissions that the AWS Managed Policy Reference documents; where the original
//! lists services that this program does not have, they are left out.

use std::sync::{Arc, OnceLock};

use crate::policy::{Policy, PolicyError, PolicyKind};

/// One policy of AWS.
pub(crate) struct Managed {
    /// `/` or `/service-role/`.
    pub(crate) path: &'static str,
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) document: &'static str,
    compiled: OnceLock<Result<Arc<Policy>, PolicyError>>,
}

impl Managed {
    const fn new(path: &'static str, name: &'static str, description: &'static str, document: &'static str) -> Managed {
        Managed { path, name, description, document, compiled: OnceLock::new() }
    }

    pub(crate) fn arn(&self) -> String {
        format!("{PREFIX}{}{}", self.path, self.name)
    }

    /// `ANPA...`, the same for ever.
    pub(crate) fn id(&self) -> String {
        // FNV-1a over the name: ids only have to differ and to stay.
        let hash =
            self.name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        format!("ANPA{:0>17}", format!("{hash:016X}"))
    }

    pub(crate) fn policy(&self) -> Result<Arc<Policy>, PolicyError> {
        self.compiled.get_or_init(|| Policy::parse(self.document, PolicyKind::Managed).map(Arc::new)).clone()
    }
}

const PREFIX: &str = "arn:aws:iam::aws:policy";

/// The policy of AWS with this ARN.
pub(crate) fn find(arn: &str) -> Option<&'static Managed> {
    let rest = arn.strip_prefix(PREFIX)?;
    ALL.iter().find(|m| rest.strip_prefix(m.path) == Some(m.name))
}

/// All of them, sorted by name.
pub(crate) fn all() -> &'static [Managed] {
    &ALL
}

macro_rules! allow {
    ($($statement:literal),+ $(,)?) => {
        concat!(r#"{"Version":"2012-10-17","Statement":["#, allow!(@ $($statement),+), "]}")
    };
    (@ $first:literal $(, $rest:literal)*) => { concat!($first $(, ",", $rest)*) };
}

const WRITE_LOGS: &str = allow!(
    r#"{"Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}"#
);

static ALL: [Managed; 37] = [
    Managed::new(
        "/",
        "AWSCloudFormationFullAccess",
        "Everything in CloudFormation.",
        allow!(r#"{"Effect":"Allow","Action":"cloudformation:*","Resource":"*"}"#),
    ),
    Managed::new(
        "/",
        "AWSCloudFormationReadOnlyAccess",
        "Reading in CloudFormation.",
        allow!(
            r#"{"Effect":"Allow","Action":["cloudformation:Describe*","cloudformation:EstimateTemplateCost","cloudformation:Get*","cloudformation:List*","cloudformation:ValidateTemplate","cloudformation:Detect*"],"Resource":"*"}"#
        ),
    ),
    Managed::new("/service-role/", "AWSLambdaBasicExecutionRole", "A function may write its log.", WRITE_LOGS),
    Managed::new(
        "/service-role/",
        "AWSLambdaDynamoDBExecutionRole",
        "A function may read the streams of tables and write its log.",
        allow!(
            r#"{"Effect":"Allow","Action":["dynamodb:DescribeStream","dynamodb:GetRecords","dynamodb:GetShardIterator","dynamodb:ListStreams","logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}"#
        ),
    ),
    Managed::new(
        "/",
        "AWSLambdaExecute",
        "A function may write its log and read and write objects.",
        allow!(
            r#"{"Effect":"Allow","Action":"logs:*","Resource":"arn:aws:logs:*:*:*"}"#,
            r#"{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::*"}"#
        ),
    ),
    Managed::new(
        "/service-role/",
        "AWSLambdaKinesisExecutionRole",
        "A function may read Kinesis streams and write its log.",
        allow!(
            r#"{"Effect":"Allow","Action":["kinesis:DescribeStream","kinesis:DescribeStreamSummary","kinesis:GetRecords","kinesis:GetShardIterator","kinesis:ListShards","kinesis:ListStreams","kinesis:SubscribeToShard","logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}"#
        ),
    ),
    Managed::new(
        "/service-role/",
        "AWSLambdaRole",
        "A service may invoke functions.",
        allow!(r#"{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"*"}"#),
    ),
    Managed::new(
        "/service-role/",
        "AWSLambdaSQSQueueExecutionRole",
        "A function may take messages from queues and write its log.",
        allow!(
            r#"{"Effect":"Allow","Action":["sqs:ReceiveMessage","sqs:DeleteMessage","sqs:GetQueueAttributes","logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}"#
        ),
    ),
    Managed::new(
        "/service-role/",
        "AWSLambdaVPCAccessExecutionRole",
        "A function may manage its network interfaces and write its log.",
        allow!(
            r#"{"Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents","ec2:CreateNetworkInterface","ec2:DescribeNetworkInterfaces","ec2:DescribeSubnets","ec2:DeleteNetworkInterface","ec2:AssignPrivateIpAddresses","ec2:UnassignPrivateIpAddresses"],"Resource":"*"}"#
        ),
    ),
    Managed::new(
        "/",
        "AWSLambda_FullAccess",
        "Everything in Lambda, and what its console reads of others.",
        allow!(
            r#"{"Effect":"Allow","Action":["cloudformation:DescribeStacks","cloudformation:ListStackResources","cloudwatch:ListMetrics","cloudwatch:GetMetricData","ec2:DescribeSecurityGroups","ec2:DescribeSubnets","ec2:DescribeVpcs","kms:ListAliases","iam:GetPolicy","iam:GetPolicyVersion","iam:GetRole","iam:GetRolePolicy","iam:ListAttachedRolePolicies","iam:ListRolePolicies","iam:ListRoles","lambda:*","logs:DescribeLogGroups","states:DescribeStateMachine","states:ListStateMachines","tag:GetResources","xray:GetTraceSummaries","xray:BatchGetTraces"],"Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringEquals":{"iam:PassedToService":"lambda.amazonaws.com"}}}"#,
            r#"{"Effect":"Allow","Action":["logs:DescribeLogStreams","logs:GetLogEvents","logs:FilterLogEvents","logs:StartLiveTail","logs:StopLiveTail"],"Resource":"arn:aws:logs:*:*:log-group:/aws/lambda/*"}"#
        ),
    ),
    Managed::new(
        "/",
        "AWSLambda_ReadOnlyAccess",
        "Reading in Lambda, and what its console reads of others.",
        allow!(
            r#"{"Effect":"Allow","Action":["cloudformation:DescribeStacks","cloudformation:ListStackResources","cloudwatch:GetMetricData","cloudwatch:ListMetrics","iam:GetPolicy","iam:GetPolicyVersion","iam:GetRole","iam:GetRolePolicy","iam:ListAttachedRolePolicies","iam:ListRolePolicies","iam:ListRoles","logs:DescribeLogGroups","lambda:Get*","lambda:List*","tag:GetResources"],"Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":["logs:DescribeLogStreams","logs:GetLogEvents","logs:FilterLogEvents"],"Resource":"arn:aws:logs:*:*:log-group:/aws/lambda/*"}"#
        ),
    ),
    Managed::new(
        "/",
        "AWSXRayDaemonWriteAccess",
        "Sending traces.",
        allow!(
            r#"{"Effect":"Allow","Action":["xray:PutTraceSegments","xray:PutTelemetryRecords","xray:GetSamplingRules","xray:GetSamplingTargets","xray:GetSamplingStatisticSummaries"],"Resource":"*"}"#
        ),
    ),
    Managed::new(
        "/",
        "AWSXrayWriteOnlyAccess",
        "Sending traces.",
        allow!(
            r#"{"Effect":"Allow","Action":["xray:PutTraceSegments","xray:PutTelemetryRecords","xray:GetSamplingRules","xray:GetSamplingTargets","xray:GetSamplingStatisticSummaries"],"Resource":"*"}"#
        ),
    ),
    Managed::new(
        "/",
        "AdministratorAccess",
        "Everything.",
        allow!(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#),
    ),
    Managed::new(
        "/",
        "AmazonAPIGatewayAdministrator",
        "Everything in API Gateway.",
        allow!(r#"{"Effect":"Allow","Action":"apigateway:*","Resource":"arn:aws:apigateway:*::/*"}"#),
    ),
    Managed::new(
        "/",
        "AmazonAPIGatewayInvokeFullAccess",
        "Calling every API.",
        allow!(
            r#"{"Effect":"Allow","Action":["execute-api:Invoke","execute-api:ManageConnections"],"Resource":"arn:aws:execute-api:*:*:*"}"#
        ),
    ),
    Managed::new(
        "/service-role/",
        "AmazonAPIGatewayPushToCloudWatchLogs",
        "API Gateway may write logs.",
        allow!(
            r#"{"Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:DescribeLogGroups","logs:DescribeLogStreams","logs:PutLogEvents","logs:GetLogEvents","logs:FilterLogEvents"],"Resource":"*"}"#
        ),
    ),
    Managed::new(
        "/",
        "AmazonDynamoDBFullAccess",
        "Everything in DynamoDB, and what its console reads of others.",
        allow!(
            r#"{"Effect":"Allow","Action":["dynamodb:*","dax:*","application-autoscaling:*","cloudwatch:DeleteAlarms","cloudwatch:DescribeAlarms","cloudwatch:GetMetricData","cloudwatch:GetMetricStatistics","cloudwatch:ListMetrics","cloudwatch:PutMetricAlarm","iam:GetRole","iam:ListRoles","kms:DescribeKey","kms:ListAliases","sns:CreateTopic","sns:DeleteTopic","sns:ListSubscriptions","sns:ListSubscriptionsByTopic","sns:ListTopics","sns:Subscribe","sns:Unsubscribe","sns:SetTopicAttributes","lambda:CreateFunction","lambda:ListFunctions","lambda:ListEventSourceMappings","lambda:CreateEventSourceMapping","lambda:DeleteEventSourceMapping","lambda:GetFunctionConfiguration","lambda:DeleteFunction","tag:GetResources","kinesis:ListStreams","kinesis:DescribeStream","kinesis:DescribeStreamSummary"],"Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringLike":{"iam:PassedToService":["application-autoscaling.amazonaws.com","dax.amazonaws.com"]}}}"#
        ),
    ),
    Managed::new(
        "/",
        "AmazonDynamoDBReadOnlyAccess",
        "Reading in DynamoDB.",
        allow!(
            r#"{"Effect":"Allow","Action":["dynamodb:BatchGetItem","dynamodb:Describe*","dynamodb:List*","dynamodb:GetItem","dynamodb:GetResourcePolicy","dynamodb:Query","dynamodb:Scan","dynamodb:PartiQLSelect","cloudwatch:DescribeAlarms","cloudwatch:GetMetricData","cloudwatch:GetMetricStatistics","cloudwatch:ListMetrics","tag:GetResources"],"Resource":"*"}"#
        ),
    ),
    Managed::new(
        "/",
        "AmazonEventBridgeFullAccess",
        "Everything in EventBridge, its schedules, pipes and schemas.",
        allow!(
            r#"{"Effect":"Allow","Action":["events:*","schemas:*","scheduler:*","pipes:*"],"Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringLike":{"iam:PassedToService":["events.amazonaws.com","scheduler.amazonaws.com","pipes.amazonaws.com"]}}}"#
        ),
    ),
    Managed::new(
        "/",
        "AmazonEventBridgeReadOnlyAccess",
        "Reading in EventBridge.",
        allow!(
            r#"{"Effect":"Allow","Action":["events:Describe*","events:List*","events:TestEventPattern","schemas:Describe*","schemas:Get*","schemas:List*","schemas:SearchSchemas","scheduler:Get*","scheduler:List*","pipes:DescribePipe","pipes:List*"],"Resource":"*"}"#
        ),
    ),
    Managed::new(
        "/",
        "AmazonS3FullAccess",
        "Everything in S3.",
        allow!(r#"{"Effect":"Allow","Action":["s3:*","s3-object-lambda:*"],"Resource":"*"}"#),
    ),
    Managed::new(
        "/",
        "AmazonS3ReadOnlyAccess",
        "Reading in S3.",
        allow!(
            r#"{"Effect":"Allow","Action":["s3:Get*","s3:List*","s3:Describe*","s3-object-lambda:Get*","s3-object-lambda:List*"],"Resource":"*"}"#
        ),
    ),
    Managed::new(
        "/",
        "AmazonSNSFullAccess",
        "Everything in SNS.",
        allow!(r#"{"Effect":"Allow","Action":"sns:*","Resource":"*"}"#),
    ),
    Managed::new(
        "/",
        "AmazonSNSReadOnlyAccess",
        "Reading in SNS.",
        allow!(
            r#"{"Effect":"Allow","Action":["sns:GetTopicAttributes","sns:List*","sns:GetSubscriptionAttributes","sns:GetDataProtectionPolicy"],"Resource":"*"}"#
        ),
    ),
    Managed::new(
        "/",
        "AmazonSQSFullAccess",
        "Everything in SQS.",
        allow!(r#"{"Effect":"Allow","Action":"sqs:*","Resource":"*"}"#),
    ),
    Managed::new(
        "/",
        "AmazonSQSReadOnlyAccess",
        "Reading in SQS.",
        allow!(
            r#"{"Effect":"Allow","Action":["sqs:GetQueueAttributes","sqs:GetQueueUrl","sqs:ListDeadLetterSourceQueues","sqs:ListQueues","sqs:ListMessageMoveTasks","sqs:ListQueueTags"],"Resource":"*"}"#
        ),
    ),
    Managed::new(
        "/",
        "AmazonSSMReadOnlyAccess",
        "Reading in Systems Manager.",
        allow!(r#"{"Effect":"Allow","Action":["ssm:Describe*","ssm:Get*","ssm:List*"],"Resource":"*"}"#),
    ),
    Managed::new(
        "/",
        "CloudWatchFullAccess",
        "Everything in CloudWatch, its logs, and what its console reads of others.",
        allow!(
            r#"{"Effect":"Allow","Action":["autoscaling:Describe*","cloudwatch:*","logs:*","sns:*","iam:GetPolicy","iam:GetPolicyVersion","iam:GetRole","oam:ListSinks"],"Resource":"*"}"#
        ),
    ),
    Managed::new(
        "/",
        "CloudWatchLogsFullAccess",
        "Everything in CloudWatch Logs.",
        allow!(r#"{"Effect":"Allow","Action":["logs:*","cloudwatch:GenerateQuery"],"Resource":"*"}"#),
    ),
    Managed::new(
        "/",
        "CloudWatchLogsReadOnlyAccess",
        "Reading in CloudWatch Logs.",
        allow!(
            r#"{"Effect":"Allow","Action":["logs:Describe*","logs:Get*","logs:List*","logs:StartQuery","logs:StopQuery","logs:TestMetricFilter","logs:FilterLogEvents","logs:StartLiveTail","logs:StopLiveTail","cloudwatch:GenerateQuery"],"Resource":"*"}"#
        ),
    ),
    Managed::new(
        "/",
        "CloudWatchReadOnlyAccess",
        "Reading in CloudWatch and its logs.",
        allow!(
            r#"{"Effect":"Allow","Action":["autoscaling:Describe*","cloudwatch:BatchGet*","cloudwatch:Describe*","cloudwatch:GenerateQuery","cloudwatch:Get*","cloudwatch:List*","logs:Describe*","logs:Get*","logs:List*","logs:StartQuery","logs:StopQuery","logs:TestMetricFilter","logs:FilterLogEvents","logs:StartLiveTail","logs:StopLiveTail","sns:Get*","sns:List*"],"Resource":"*"}"#
        ),
    ),
    Managed::new(
        "/",
        "IAMFullAccess",
        "Everything in IAM.",
        allow!(
            r#"{"Effect":"Allow","Action":["iam:*","organizations:Describe*","organizations:List*"],"Resource":"*"}"#
        ),
    ),
    Managed::new(
        "/",
        "IAMReadOnlyAccess",
        "Reading in IAM.",
        allow!(
            r#"{"Effect":"Allow","Action":["iam:GenerateCredentialReport","iam:GenerateServiceLastAccessedDetails","iam:Get*","iam:List*","iam:SimulateCustomPolicy","iam:SimulatePrincipalPolicy"],"Resource":"*"}"#
        ),
    ),
    Managed::new(
        "/",
        "PowerUserAccess",
        "Everything but managing users, roles and accounts.",
        allow!(
            r#"{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":["account:GetAccountInformation","account:GetPrimaryEmail","account:ListRegions","iam:CreateServiceLinkedRole","iam:DeleteServiceLinkedRole","iam:ListRoles","organizations:DescribeOrganization"],"Resource":"*"}"#
        ),
    ),
    Managed::new(
        "/",
        "ReadOnlyAccess",
        "Reading in every service, without the values of secrets and without taking messages.",
        allow!(
            r#"{"Effect":"Allow","Action":["apigateway:GET","cloudformation:Describe*","cloudformation:Detect*","cloudformation:EstimateTemplateCost","cloudformation:Get*","cloudformation:List*","cloudformation:ValidateTemplate","cloudwatch:BatchGet*","cloudwatch:Describe*","cloudwatch:Get*","cloudwatch:List*","dynamodb:BatchGet*","dynamodb:Describe*","dynamodb:Get*","dynamodb:List*","dynamodb:PartiQLSelect","dynamodb:Query","dynamodb:Scan","ec2:Describe*","ec2:Get*","ec2:List*","ecr:BatchGet*","ecr:Describe*","ecr:Get*","ecr:List*","events:Describe*","events:List*","events:TestEventPattern","iam:Generate*","iam:Get*","iam:List*","iam:Simulate*","kinesis:Describe*","kinesis:Get*","kinesis:List*","kms:Describe*","kms:Get*","kms:List*","lambda:Get*","lambda:List*","logs:Describe*","logs:FilterLogEvents","logs:Get*","logs:List*","logs:StartQuery","logs:StopQuery","logs:TestMetricFilter","pipes:Describe*","pipes:List*","s3:Describe*","s3:Get*","s3:List*","scheduler:Get*","scheduler:List*","schemas:Describe*","schemas:Get*","schemas:List*","secretsmanager:Describe*","secretsmanager:GetResourcePolicy","secretsmanager:List*","sns:Check*","sns:Get*","sns:List*","sqs:Get*","sqs:List*","ssm:Describe*","ssm:Get*","ssm:List*","states:Describe*","states:Get*","states:List*","sts:GetAccessKeyInfo","sts:GetCallerIdentity","sts:GetSessionToken","tag:Get*","xray:BatchGet*","xray:Get*","xray:List*"],"Resource":"*"}"#
        ),
    ),
    Managed::new(
        "/",
        "SecretsManagerReadWrite",
        "Everything in Secrets Manager, and what its console reads of others.",
        allow!(
            r#"{"Effect":"Allow","Action":["secretsmanager:*","cloudformation:CreateChangeSet","cloudformation:DescribeChangeSet","cloudformation:DescribeStackResource","cloudformation:DescribeStacks","cloudformation:ExecuteChangeSet","docdb-elastic:GetCluster","docdb-elastic:ListClusters","ec2:DescribeSecurityGroups","ec2:DescribeSubnets","ec2:DescribeVpcs","kms:DescribeKey","kms:ListAliases","kms:ListKeys","lambda:ListFunctions","rds:DescribeDBClusters","rds:DescribeDBInstances","redshift:DescribeClusters","tag:GetResources"],"Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":["lambda:AddPermission","lambda:CreateFunction","lambda:GetFunction","lambda:InvokeFunction","lambda:UpdateFunctionConfiguration"],"Resource":"arn:aws:lambda:*:*:function:SecretsManager*"}"#
        ),
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{all, find};

    #[test]
    fn all_parse_are_sorted_and_are_found() {
        let names: Vec<_> = all().iter().map(|m| m.name).collect();
        assert!(names.is_sorted(), "{names:?}");
        assert_eq!(all().iter().map(super::Managed::id).collect::<HashSet<_>>().len(), all().len());
        for managed in all() {
            managed.policy().unwrap_or_else(|e| panic!("{}: {e}", managed.name));
            assert_eq!(find(&managed.arn()).map(|m| m.name), Some(managed.name));
            assert_eq!(managed.id().len(), 21);
        }
        assert!(find("arn:aws:iam::aws:policy/AWSLambdaBasicExecutionRole").is_none());
        assert!(find("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole").is_some());
    }
}
