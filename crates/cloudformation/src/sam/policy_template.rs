//! SAM's policy templates: a name and a few arguments for a whole policy.
//!
//! AWS: *AWS SAM Developer Guide*, "AWS SAM policy templates" and "Policy template list".

use serde_json::{Map, Value, json};

/// Actions on resources. A resource is what follows `arn:PARTITION:`, or `*`, or an argument that is itself an ARN; arguments
/// stand in it as `${name}` with a small first letter.
struct Grant {
    actions: &'static [&'static str],
    resources: &'static [&'static str],
}

struct PolicyTemplate {
    name: &'static str,
    arguments: &'static [&'static str],
    grants: &'static [Grant],
}

const fn grant(actions: &'static [&'static str], resources: &'static [&'static str]) -> Grant {
    Grant { actions, resources }
}

const fn template(name: &'static str, arguments: &'static [&'static str], grants: &'static [Grant]) -> PolicyTemplate {
    PolicyTemplate { name, arguments, grants }
}

const ANY: &[&str] = &["*"];
const QUEUE: &[&str] = &["sqs:${AWS::Region}:${AWS::AccountId}:${queueName}"];
const TOPIC: &[&str] = &["sns:${AWS::Region}:${AWS::AccountId}:${topicName}"];
const BUCKET: &[&str] = &["s3:::${bucketName}"];
const OBJECTS: &[&str] = &["s3:::${bucketName}/*"];
const BUCKET_AND_OBJECTS: &[&str] = &["s3:::${bucketName}", "s3:::${bucketName}/*"];
const TABLE: &[&str] = &["dynamodb:${AWS::Region}:${AWS::AccountId}:table/${tableName}"];
const TABLE_AND_INDEXES: &[&str] = &[
    "dynamodb:${AWS::Region}:${AWS::AccountId}:table/${tableName}",
    "dynamodb:${AWS::Region}:${AWS::AccountId}:table/${tableName}/index/*",
];
const BACKUPS: &[&str] = &["dynamodb:${AWS::Region}:${AWS::AccountId}:table/${tableName}/backup/*"];
const STREAM: &[&str] = &["kinesis:${AWS::Region}:${AWS::AccountId}:stream/${streamName}"];
const KEY: &[&str] = &["kms:${AWS::Region}:${AWS::AccountId}:key/${keyId}"];
const DELIVERY: &[&str] = &["firehose:${AWS::Region}:${AWS::AccountId}:deliverystream/${deliveryStreamName}"];
const IDENTITY: &[&str] = &["ses:${AWS::Region}:${AWS::AccountId}:identity/${identityName}"];

static TEMPLATES: &[PolicyTemplate] = &[
    template(
        "AWSSecretsManagerGetSecretValuePolicy",
        &["SecretArn"],
        &[grant(&["secretsmanager:GetSecretValue"], &["${secretArn}"])],
    ),
    template(
        "CloudFormationDescribeStacksPolicy",
        &[],
        &[grant(&["cloudformation:DescribeStacks"], &["cloudformation:${AWS::Region}:${AWS::AccountId}:stack/*"])],
    ),
    template(
        "CloudWatchDashboardPolicy",
        &[],
        &[grant(
            &[
                "cloudwatch:GetDashboard",
                "cloudwatch:ListDashboards",
                "cloudwatch:PutDashboard",
                "cloudwatch:ListMetrics",
            ],
            ANY,
        )],
    ),
    template("CloudWatchDescribeAlarmHistoryPolicy", &[], &[grant(&["cloudwatch:DescribeAlarmHistory"], ANY)]),
    template("CloudWatchPutMetricPolicy", &[], &[grant(&["cloudwatch:PutMetricData"], ANY)]),
    template(
        "DynamoDBBackupFullAccessPolicy",
        &["TableName"],
        &[
            grant(&["dynamodb:CreateBackup", "dynamodb:DescribeContinuousBackups"], TABLE),
            grant(&["dynamodb:DeleteBackup", "dynamodb:DescribeBackup", "dynamodb:ListBackups"], BACKUPS),
        ],
    ),
    template(
        "DynamoDBCrudPolicy",
        &["TableName"],
        &[grant(
            &[
                "dynamodb:GetItem",
                "dynamodb:DeleteItem",
                "dynamodb:PutItem",
                "dynamodb:Scan",
                "dynamodb:Query",
                "dynamodb:UpdateItem",
                "dynamodb:BatchWriteItem",
                "dynamodb:BatchGetItem",
                "dynamodb:DescribeTable",
                "dynamodb:ConditionCheckItem",
            ],
            TABLE_AND_INDEXES,
        )],
    ),
    template(
        "DynamoDBReadPolicy",
        &["TableName"],
        &[grant(
            &["dynamodb:GetItem", "dynamodb:Scan", "dynamodb:Query", "dynamodb:BatchGetItem", "dynamodb:DescribeTable"],
            TABLE_AND_INDEXES,
        )],
    ),
    template("DynamoDBReconfigurePolicy", &["TableName"], &[grant(&["dynamodb:UpdateTable"], TABLE)]),
    template(
        "DynamoDBRestoreFromBackupPolicy",
        &["TableName"],
        &[
            grant(&["dynamodb:RestoreTableFromBackup"], BACKUPS),
            grant(
                &[
                    "dynamodb:PutItem",
                    "dynamodb:UpdateItem",
                    "dynamodb:DeleteItem",
                    "dynamodb:GetItem",
                    "dynamodb:Query",
                    "dynamodb:Scan",
                    "dynamodb:BatchWriteItem",
                ],
                TABLE,
            ),
        ],
    ),
    template(
        "DynamoDBStreamReadPolicy",
        &["TableName", "StreamName"],
        &[
            grant(
                &["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"],
                &["dynamodb:${AWS::Region}:${AWS::AccountId}:table/${tableName}/stream/${streamName}"],
            ),
            grant(
                &["dynamodb:ListStreams"],
                &["dynamodb:${AWS::Region}:${AWS::AccountId}:table/${tableName}/stream/*"],
            ),
        ],
    ),
    template(
        "DynamoDBWritePolicy",
        &["TableName"],
        &[grant(&["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:BatchWriteItem"], TABLE_AND_INDEXES)],
    ),
    template(
        "EventBridgePutEventsPolicy",
        &["EventBusName"],
        &[grant(&["events:PutEvents"], &["events:${AWS::Region}:${AWS::AccountId}:event-bus/${eventBusName}"])],
    ),
    template(
        "FilterLogEventsPolicy",
        &["LogGroupName"],
        &[grant(
            &["logs:FilterLogEvents"],
            &["logs:${AWS::Region}:${AWS::AccountId}:log-group:${logGroupName}:log-stream:*"],
        )],
    ),
    template(
        "FirehoseCrudPolicy",
        &["DeliveryStreamName"],
        &[grant(
            &[
                "firehose:CreateDeliveryStream",
                "firehose:DeleteDeliveryStream",
                "firehose:DescribeDeliveryStream",
                "firehose:PutRecord",
                "firehose:PutRecordBatch",
                "firehose:UpdateDestination",
            ],
            DELIVERY,
        )],
    ),
    template(
        "FirehoseWritePolicy",
        &["DeliveryStreamName"],
        &[grant(&["firehose:PutRecord", "firehose:PutRecordBatch"], DELIVERY)],
    ),
    template("KMSDecryptPolicy", &["KeyId"], &[grant(&["kms:Decrypt"], KEY)]),
    template("KMSEncryptPolicy", &["KeyId"], &[grant(&["kms:Encrypt"], KEY)]),
    template(
        "KinesisCrudPolicy",
        &["StreamName"],
        &[grant(
            &[
                "kinesis:AddTagsToStream",
                "kinesis:CreateStream",
                "kinesis:DecreaseStreamRetentionPeriod",
                "kinesis:DeleteStream",
                "kinesis:DescribeStream",
                "kinesis:DescribeStreamSummary",
                "kinesis:GetShardIterator",
                "kinesis:IncreaseStreamRetentionPeriod",
                "kinesis:ListTagsForStream",
                "kinesis:MergeShards",
                "kinesis:PutRecord",
                "kinesis:PutRecords",
                "kinesis:SplitShard",
                "kinesis:RemoveTagsFromStream",
            ],
            STREAM,
        )],
    ),
    template(
        "KinesisStreamReadPolicy",
        &["StreamName"],
        &[
            grant(
                &["kinesis:ListStreams", "kinesis:DescribeLimits"],
                &["kinesis:${AWS::Region}:${AWS::AccountId}:stream/*"],
            ),
            grant(
                &[
                    "kinesis:DescribeStream",
                    "kinesis:DescribeStreamSummary",
                    "kinesis:GetRecords",
                    "kinesis:GetShardIterator",
                ],
                STREAM,
            ),
        ],
    ),
    template(
        "LambdaInvokePolicy",
        &["FunctionName"],
        &[grant(&["lambda:InvokeFunction"], &["lambda:${AWS::Region}:${AWS::AccountId}:function:${functionName}*"])],
    ),
    template(
        "S3CrudPolicy",
        &["BucketName"],
        &[grant(
            &[
                "s3:GetObject",
                "s3:ListBucket",
                "s3:GetBucketLocation",
                "s3:GetObjectVersion",
                "s3:PutObject",
                "s3:PutObjectAcl",
                "s3:GetLifecycleConfiguration",
                "s3:PutLifecycleConfiguration",
                "s3:DeleteObject",
            ],
            BUCKET_AND_OBJECTS,
        )],
    ),
    template(
        "S3FullAccessPolicy",
        &["BucketName"],
        &[
            grant(
                &[
                    "s3:GetObject",
                    "s3:GetObjectAcl",
                    "s3:GetObjectVersion",
                    "s3:PutObject",
                    "s3:PutObjectAcl",
                    "s3:DeleteObject",
                    "s3:DeleteObjectTagging",
                    "s3:DeleteObjectVersionTagging",
                    "s3:GetObjectTagging",
                    "s3:GetObjectVersionTagging",
                    "s3:PutObjectTagging",
                    "s3:PutObjectVersionTagging",
                ],
                OBJECTS,
            ),
            grant(
                &[
                    "s3:ListBucket",
                    "s3:GetBucketLocation",
                    "s3:GetLifecycleConfiguration",
                    "s3:PutLifecycleConfiguration",
                ],
                BUCKET,
            ),
        ],
    ),
    template(
        "S3ReadPolicy",
        &["BucketName"],
        &[grant(
            &[
                "s3:GetObject",
                "s3:ListBucket",
                "s3:GetBucketLocation",
                "s3:GetObjectVersion",
                "s3:GetLifecycleConfiguration",
            ],
            BUCKET_AND_OBJECTS,
        )],
    ),
    template(
        "S3WritePolicy",
        &["BucketName"],
        &[grant(&["s3:PutObject", "s3:PutObjectAcl", "s3:PutLifecycleConfiguration"], BUCKET_AND_OBJECTS)],
    ),
    template(
        "SESCrudPolicy",
        &["IdentityName"],
        &[grant(
            &["ses:GetIdentityVerificationAttributes", "ses:SendEmail", "ses:SendRawEmail", "ses:VerifyEmailIdentity"],
            IDENTITY,
        )],
    ),
    template(
        "SNSCrudPolicy",
        &["TopicName"],
        &[grant(
            &[
                "sns:ListSubscriptionsByTopic",
                "sns:CreateTopic",
                "sns:SetTopicAttributes",
                "sns:Subscribe",
                "sns:Publish",
            ],
            &["sns:${AWS::Region}:${AWS::AccountId}:${topicName}*"],
        )],
    ),
    template("SNSPublishMessagePolicy", &["TopicName"], &[grant(&["sns:Publish"], TOPIC)]),
    template(
        "SQSPollerPolicy",
        &["QueueName"],
        &[grant(
            &[
                "sqs:ChangeMessageVisibility",
                "sqs:ChangeMessageVisibilityBatch",
                "sqs:DeleteMessage",
                "sqs:DeleteMessageBatch",
                "sqs:GetQueueAttributes",
                "sqs:ReceiveMessage",
            ],
            QUEUE,
        )],
    ),
    template("SQSSendMessagePolicy", &["QueueName"], &[grant(&["sqs:SendMessage*"], QUEUE)]),
    template(
        "SSMParameterReadPolicy",
        &["ParameterName"],
        &[
            grant(&["ssm:DescribeParameters"], ANY),
            grant(
                &["ssm:GetParameters", "ssm:GetParameter", "ssm:GetParametersByPath"],
                &["ssm:${AWS::Region}:${AWS::AccountId}:parameter/${parameterName}"],
            ),
        ],
    ),
    template(
        "SSMParameterWithSlashPrefixReadPolicy",
        &["ParameterName"],
        &[
            grant(&["ssm:DescribeParameters"], ANY),
            grant(
                &["ssm:GetParameters", "ssm:GetParameter", "ssm:GetParametersByPath"],
                &["ssm:${AWS::Region}:${AWS::AccountId}:parameter${parameterName}"],
            ),
        ],
    ),
    template(
        "StepFunctionsExecutionPolicy",
        &["StateMachineName"],
        &[grant(
            &["states:StartExecution"],
            &["states:${AWS::Region}:${AWS::AccountId}:stateMachine:${stateMachineName}"],
        )],
    ),
    template(
        "VPCAccessPolicy",
        &[],
        &[grant(
            &[
                "ec2:CreateNetworkInterface",
                "ec2:DeleteNetworkInterface",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DetachNetworkInterface",
            ],
            ANY,
        )],
    ),
];

/// Whether there is a template of this name.
pub(super) fn exists(name: &str) -> bool {
    TEMPLATES.iter().any(|template| template.name == name)
}

/// The policy document that a template gives for its arguments.
///
/// # Errors
/// The name is not one, or arguments are missing.
pub(super) fn expand(name: &str, arguments: &Value) -> Result<Value, String> {
    let Some(template) = TEMPLATES.iter().find(|template| template.name == name) else {
        return Err(format!("The policy template {name} does not exist"));
    };
    let empty = Map::new();
    let Some(arguments) = arguments.as_object().or_else(|| arguments.is_null().then_some(&empty)) else {
        return Err(format!("Must specify valid parameter values for policy template '{name}'"));
    };
    let missing: Vec<String> = template
        .arguments
        .iter()
        .filter(|argument| !arguments.contains_key(**argument))
        .map(|argument| format!("'{argument}'"))
        .collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return Err(format!("Following required parameters of template '{name}' don't have values: [{missing}]"));
    }
    let statements: Vec<Value> = template
        .grants
        .iter()
        .map(|grant| {
            let mut resources: Vec<Value> =
                grant.resources.iter().map(|resource| arn(resource, template.arguments, arguments)).collect();
            let resource = if resources.len() == 1 { resources.remove(0) } else { Value::Array(resources) };
            json!({"Effect": "Allow", "Action": grant.actions, "Resource": resource})
        })
        .collect();
    Ok(json!({ "Statement": statements }))
}

fn arn(resource: &str, names: &[&str], values: &Map<String, Value>) -> Value {
    if resource == "*" {
        return resource.into();
    }
    let text =
        if resource.starts_with("${") { resource.to_owned() } else { format!("arn:${{AWS::Partition}}:{resource}") };
    let mut variables = Map::new();
    for name in names {
        let mut chars = name.chars();
        let small: String = chars.next().map(|c| c.to_ascii_lowercase()).into_iter().chain(chars).collect();
        if text.contains(&format!("${{{small}}}")) {
            variables.insert(small, values.get(*name).cloned().unwrap_or(Value::Null));
        }
    }
    if variables.is_empty() { json!({ "Fn::Sub": text }) } else { json!({"Fn::Sub": [text, variables]}) }
}
