//! What is refused, in the words of AWS.

use serde_json::{Value, json};

use crate::harness::{GROUP, START, World, merged};

const INVALID: &str = "InvalidParameterException";

fn one(detail: &str) -> String {
    format!("1 validation error detected: {detail}")
}

fn pattern(value: &str, at: &str, pattern: &str) -> String {
    one(&format!(
        "Value '{value}' at '{at}' failed to satisfy constraint: Member must satisfy regular expression pattern: {pattern}"
    ))
}

#[tokio::test]
async fn names_have_shapes() {
    let world = World::with_stream().await;
    let check = async |operation: &str, input: Value, message: String| {
        world.refused(operation, input, INVALID, &message).await;
    };
    let group = r"[\.\-_/#A-Za-z0-9]+";
    for name in ["a b", "a:b", "ü", "$LATEST"] {
        check("CreateLogGroup", json!({"logGroupName": name}), pattern(name, "logGroupName", group)).await;
    }
    let empty = "2 validation errors detected: Value '' at 'logGroupName' failed to satisfy constraint: Member must satisfy \
                 regular expression pattern: [\\.\\-_/#A-Za-z0-9]+; Value '' at 'logGroupName' failed to satisfy constraint: \
                 Member must have length greater than or equal to 1";
    check("CreateLogGroup", json!({"logGroupName": ""}), empty.to_owned()).await;
    let long = "g".repeat(513);
    let too_long = |at: &str| {
        one(&format!(
            "Value '{long}' at '{at}' failed to satisfy constraint: Member must have length less than or equal to 512"
        ))
    };
    check("CreateLogGroup", json!({"logGroupName": long}), too_long("logGroupName")).await;
    world.ok("CreateLogGroup", json!({"logGroupName": "g".repeat(512)})).await;
    let stream = |name: &str| json!({"logGroupName": GROUP, "logStreamName": name});
    check("CreateLogStream", stream(&long), too_long("logStreamName")).await;
    for name in ["a:b", "a*"] {
        check("CreateLogStream", stream(name), pattern(name, "logStreamName", "[^:*]*")).await;
    }
    world.ok("CreateLogStream", stream("2026/11/22/[$LATEST]ä b\u{0}")).await;
    let arn = "arn:aws:logs:us-east-1:000000000000:log-group:g:*";
    check("ListTagsForResource", json!({"resourceArn": arn}), pattern(arn, "resourceArn", r"[\w+=/:,.@-]*")).await;
    let identified = json!({"logGroupIdentifier": arn});
    check("FilterLogEvents", identified, pattern(arn, "logGroupIdentifier", r"[\w#+=/:,.@-]*")).await;
    let null = one("Value null at 'logGroupName' failed to satisfy constraint: Member must not be null");
    check("CreateLogGroup", json!({}), null).await;
}

#[tokio::test]
async fn groups_and_streams_are_there_or_not() {
    let world = World::with_stream().await;
    let (exists, missing) = ("ResourceAlreadyExistsException", "ResourceNotFoundException");
    let no_group = "The specified log group does not exist.";
    let no_stream = "The specified log stream does not exist.";
    world
        .refused("CreateLogGroup", json!({"logGroupName": GROUP}), exists, "The specified log group already exists")
        .await;
    let at = |group: &str, stream: &str| json!({"logGroupName": group, "logStreamName": stream});
    world.refused("CreateLogStream", at(GROUP, "s"), exists, "The specified log stream already exists").await;
    for operation in ["CreateLogStream", "DeleteLogStream", "GetLogEvents"] {
        world.refused(operation, at("none", "s"), missing, no_group).await;
    }
    for operation in ["DeleteLogStream", "GetLogEvents"] {
        world.refused(operation, at(GROUP, "none"), missing, no_stream).await;
    }
    let events = json!({"logEvents": [{"timestamp": START, "message": "x"}]});
    let old = json!({"logEvents": [{"timestamp": 5, "message": "x"}]});
    world.refused("PutLogEvents", merged(at("none", "s"), &events), missing, no_group).await;
    world.refused("PutLogEvents", merged(at(GROUP, "none"), &events), missing, no_stream).await;
    world.refused("PutLogEvents", merged(at(GROUP, "none"), &old), missing, no_stream).await;
    let named = json!({"logGroupName": "none"});
    let retention = merged(named.clone(), &json!({"retentionInDays": 7}));
    for (operation, input) in [
        ("DeleteLogGroup", named.clone()),
        ("DescribeLogStreams", named.clone()),
        ("FilterLogEvents", named.clone()),
        ("DeleteRetentionPolicy", named.clone()),
        ("PutRetentionPolicy", retention),
        ("ListTagsLogGroup", named),
    ] {
        world.refused(operation, input, missing, no_group).await;
    }
    for arn in [
        "arn:aws:logs:us-east-1:000000000000:log-group:none",
        "arn:aws:logs:eu-west-1:000000000000:log-group:/aws/lambda/f",
        "arn:aws:logs:us-east-1:111111111111:log-group:/aws/lambda/f",
    ] {
        world.refused("ListTagsForResource", json!({"resourceArn": arn}), missing, no_group).await;
        world.refused("FilterLogEvents", json!({"logGroupIdentifier": arn}), missing, no_group).await;
    }
    let other = "arn:aws:sqs:us-east-1:000000000000:q";
    let message = format!("The specified ARN is invalid: {other}");
    world.refused("ListTagsForResource", json!({"resourceArn": other}), INVALID, &message).await;
}

#[tokio::test]
async fn groups_have_limits() {
    let world = World::with_stream().await;
    let reserved = "Log groups starting with AWS/ are reserved for AWS.";
    for name in ["aws/x", "AWS/x"] {
        world.refused("CreateLogGroup", json!({"logGroupName": name}), INVALID, reserved).await;
    }
    let key = json!({"logGroupName": "k", "kmsKeyId": "arn:aws:kms:us-east-1:000000000000:key/1"});
    let message = "The specified KMS key does not exist or is not allowed to be used with Arn \
                   'arn:aws:logs:us-east-1:000000000000:log-group:k'";
    world.refused("CreateLogGroup", key, INVALID, message).await;
    let class = one(
        "Value 'GLACIER' at 'logGroupClass' failed to satisfy constraint: Member must satisfy enum value set: [STANDARD, \
         INFREQUENT_ACCESS, DELIVERY]",
    );
    world.refused("CreateLogGroup", json!({"logGroupName": "k", "logGroupClass": "GLACIER"}), INVALID, &class).await;
    let days = one(
        "Value '2' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: [1, 3, 5, 7, 14, 30, \
         60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]",
    );
    world.refused("PutRetentionPolicy", json!({"logGroupName": GROUP, "retentionInDays": 2}), INVALID, &days).await;
    for days in
        [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]
    {
        world.ok("PutRetentionPolicy", json!({"logGroupName": GROUP, "retentionInDays": days})).await;
    }
    let both = json!({"logGroupNamePrefix": "a", "logGroupNamePattern": "b"});
    let message = "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.";
    world.refused("DescribeLogGroups", both, INVALID, message).await;
    for (limit, bound) in [(0, "greater than or equal to 1"), (51, "less than or equal to 50")] {
        let message =
            one(&format!("Value '{limit}' at 'limit' failed to satisfy constraint: Member must have value {bound}"));
        world.refused("DescribeLogGroups", json!({"limit": limit}), INVALID, &message).await;
        world.refused("DescribeLogStreams", json!({"logGroupName": GROUP, "limit": limit}), INVALID, &message).await;
    }
    let reserved = json!({"logGroupName": "t", "tags": {"aws:x": "y"}});
    let message = "Tag keys starting with 'aws:' are reserved for system use: aws:x";
    world.refused("CreateLogGroup", reserved, INVALID, message).await;
    assert!(world.try_do("CreateLogGroup", json!({"logGroupName": "t", "tags": {"a?": "y"}})).await.is_err());
    assert!(
        world.try_do("CreateLogGroup", json!({"logGroupName": "t", "tags": {"k".repeat(129): "y"}})).await.is_err()
    );
    assert!(
        world.try_do("CreateLogGroup", json!({"logGroupName": "t", "tags": {"k": "y".repeat(257)}})).await.is_err()
    );
}

#[tokio::test]
async fn combinations_are_refused() {
    let world = World::with_stream().await;
    let order = json!({"logGroupName": GROUP, "orderBy": "LastEventTime", "logStreamNamePrefix": "s"});
    let message = "Cannot order by LastEventTime with a logStreamNamePrefix.";
    world.refused("DescribeLogStreams", order, INVALID, message).await;
    let order = one(
        "Value 'Size' at 'orderBy' failed to satisfy constraint: Member must satisfy enum value set: [LogStreamName, \
         LastEventTime]",
    );
    world.refused("DescribeLogStreams", json!({"logGroupName": GROUP, "orderBy": "Size"}), INVALID, &order).await;
    let streams = json!({"logGroupName": GROUP, "logStreamNames": ["s"], "logStreamNamePrefix": "s"});
    let message = "LogStreamNames and LogStreamNamePrefix are mutually exclusive parameters.";
    world.refused("FilterLogEvents", streams, INVALID, message).await;
    for (operation, more) in [
        ("FilterLogEvents", json!({})),
        ("DescribeLogStreams", json!({})),
        ("GetLogEvents", json!({"logStreamName": "s"})),
    ] {
        let both = merged(json!({"logGroupName": GROUP, "logGroupIdentifier": GROUP}), &more);
        let message = "LogGroup name and LogGroup ARN are mutually exclusive parameters.";
        world.refused(operation, both, INVALID, message).await;
        let message = "Either logGroupName or logGroupIdentifier must be specified.";
        world.refused(operation, more, INVALID, message).await;
    }
}

#[tokio::test]
async fn tokens_are_checked() {
    let world = World::with_stream().await;
    world.append(GROUP, "t", &[(0, "a"), (1, "b")]).await;
    world.append("other", "t", &[(0, "a"), (1, "b")]).await;
    let message = "The specified nextToken is invalid.";
    let foreign = world.ok("FilterLogEvents", json!({"logGroupName": "other", "limit": 1})).await["nextToken"].clone();
    for token in
        [json!("x"), json!("AQ"), json!("f/1/s"), json!("f/"), json!("b/".to_owned() + &"9".repeat(56) + "/s"), foreign]
    {
        let more = json!({"nextToken": token});
        world.refused("FilterLogEvents", merged(json!({"logGroupName": GROUP}), &more), INVALID, message).await;
        world.refused("DescribeLogStreams", merged(json!({"logGroupName": GROUP}), &more), INVALID, message).await;
        world.refused("DescribeLogGroups", more.clone(), INVALID, message).await;
        let at = json!({"logGroupName": GROUP, "logStreamName": "t"});
        world.refused("GetLogEvents", merged(at, &more), INVALID, message).await;
    }
    let empty =
        one("Value '' at 'nextToken' failed to satisfy constraint: Member must have length greater than or equal to 1");
    world.refused("DescribeLogGroups", json!({"nextToken": ""}), INVALID, &empty).await;
}

#[tokio::test]
async fn events_have_limits() {
    let world = World::with_stream().await;
    let put = |events: Value| json!({"logGroupName": GROUP, "logStreamName": "s", "logEvents": events});
    let check = async |events: Value, message: &str| world.refused("PutLogEvents", put(events), INVALID, message).await;
    let event = |at: i64, message: &str| json!({"timestamp": START + at, "message": message});
    let order = "Log events in a single PutLogEvents request must be in chronological order.";
    check(json!([event(1, "a"), event(0, "b")]), order).await;
    let span = "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.";
    check(json!([event(-86_400_001, "a"), event(0, "b")]), span).await;
    let large = "x".repeat(1_048_551);
    check(json!([event(0, &large)]), "Log event too large: 1048577 bytes exceeds limit of 1048576").await;
    let half = "x".repeat(524_263);
    check(json!([event(0, &half), event(0, &half)]), "Upload too large: 1048578 bytes exceeds limit of 1048576").await;
    check(
        json!([]),
        &one("Value '[]' at 'logEvents' failed to satisfy constraint: Member must have length greater than or equal to 1"),
    )
    .await;
    check(
        Value::Array(vec![event(0, "x"); 10_001]),
        &one("Value '[10001 elements]' at 'logEvents' failed to satisfy constraint: Member must have length less than or equal to 10000"),
    )
    .await;
    check(
        json!([event(0, "x"), event(0, "")]),
        &one("Value '' at 'logEvents.2.member.message' failed to satisfy constraint: Member must have length greater than or equal to 1"),
    )
    .await;
    check(
        json!([{"timestamp": -1, "message": "x"}]),
        &one("Value '-1' at 'logEvents.1.member.timestamp' failed to satisfy constraint: Member must have value greater than or equal to 0"),
    )
    .await;
    assert_eq!(world.search(json!({})).await, Vec::<String>::new(), "nothing of a refused request is stored");
}

#[tokio::test]
async fn searches_have_limits() {
    let world = World::with_stream().await;
    let check = async |more: Value, message: &str| {
        world.refused("FilterLogEvents", merged(json!({"logGroupName": GROUP}), &more), INVALID, message).await;
    };
    for pattern in ["a@b", "{ $.a = }", "[a,", "%(%", "\"open", "{ $.a EXISTS }"] {
        check(json!({"filterPattern": pattern}), "Invalid filter pattern").await;
    }
    let long = "x".repeat(1_025);
    let shown = "x".repeat(1_024);
    check(
        json!({"filterPattern": long}),
        &one(&format!("Value '{shown}...' at 'filterPattern' failed to satisfy constraint: Member must have length less than or equal to 1024")),
    )
    .await;
    check(
        json!({"limit": 10_001}),
        &one(
            "Value '10001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 10000",
        ),
    )
    .await;
    check(
        json!({"startTime": -1}),
        &one(
            "Value '-1' at 'startTime' failed to satisfy constraint: Member must have value greater than or equal to 0",
        ),
    )
    .await;
    check(
        json!({"logStreamNames": vec!["s"; 101]}),
        &one("Value '[101 elements]' at 'logStreamNames' failed to satisfy constraint: Member must have length less than or equal to 100"),
    )
    .await;
    check(
        json!({"logStreamNames": []}),
        &one("Value '[]' at 'logStreamNames' failed to satisfy constraint: Member must have length greater than or equal to 1"),
    )
    .await;
}

#[tokio::test]
async fn what_is_not_declared_is_unknown() {
    let world = World::new().await;
    for operation in ["PutMetricFilter", "PutSubscriptionFilter", "StartQuery", "StartLiveTail"] {
        assert_eq!(world.try_do(operation, json!({})).await.unwrap_err().code(), "UnknownOperationException");
    }
}
