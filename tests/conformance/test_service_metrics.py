"""What services publish of themselves is what was done to them."""

import json
import time

import pytest
from botocore.exceptions import ClientError
from figures import Figures
from functions import allow, create_role, invoke
from gateway import Api
from program import ACCOUNT, REGION, until


def test_functions(server, function):
    name = function("echo")
    for n in range(4):
        invoke(server, name, {"n": n})
    failing = function("fail")
    for _ in range(3):
        invoke(server, failing, {})
    good, bad = (Figures(server, "AWS/Lambda", FunctionName=own) for own in (name, failing))
    good.become({"Invocations": 4, "Errors": 0, "Throttles": None, "AsyncEventsReceived": None})
    bad.become({"Invocations": 3, "Errors": 3})
    good.become({"Invocations": 4}, Resource=name)
    assert 0 < good.of("Duration", "Minimum") <= good.of("Duration", "Maximum") < 60_000
    assert good.of("ConcurrentExecutions", "Maximum") == 1
    all_functions = Figures(server, "AWS/Lambda")
    assert all_functions.of("Invocations") >= 7 and all_functions.of("Errors") >= 3


def test_functions_without_room(server, function):
    name = function("echo")
    functions = server.client("lambda")
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    for _ in range(3):
        with pytest.raises(ClientError) as caught:
            invoke(server, name, {})
        assert caught.value.response["Error"]["Code"] == "TooManyRequestsException"
    Figures(server, "AWS/Lambda", FunctionName=name).become({"Throttles": 3, "Invocations": None, "Errors": None})


def test_functions_invoked_for_later(server, function):
    name = function("echo")
    for _ in range(3):
        invoke(server, name, {}, InvocationType="Event")
    Figures(server, "AWS/Lambda", FunctionName=name).become({"AsyncEventsReceived": 3, "Invocations": 3, "Errors": 0})


def test_what_follows_from_events_and_cannot_be_delivered(server, function, name):
    nowhere = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}-none"
    own = function("fail", DeadLetterConfig={"TargetArn": nowhere}, Role=create_role(server, name, allow("sqs:SendMessage")))
    server.client("lambda").put_function_event_invoke_config(
        FunctionName=own, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": nowhere}}
    )
    invoke(server, own, {}, InvocationType="Event")
    figures = Figures(server, "AWS/Lambda", FunctionName=own)
    figures.become({"AsyncEventsDropped": 1, "DeadLetterErrors": 1, "DestinationDeliveryFailures": 1})
    assert figures.of("AsyncEventAge", "SampleCount") == 1 and figures.of("AsyncEventAge") >= 0


def test_schedules(server, name):
    scheduler, sqs = server.client("scheduler"), server.client("sqs")
    statement = {"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = {"Version": "2012-10-17", "Statement": [statement]}
    role = create_role(server, name, allow("sqs:SendMessage"), trust=trust)
    scheduler.create_schedule_group(Name=name)
    policy = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}]}
    for queue in ("good", "letters"):
        attributes = {"Policy": json.dumps({"Version": "2012-10-17", **policy})}
        sqs.create_queue(QueueName=f"{name}-{queue}", Attributes=attributes)
    arn = lambda queue: f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}-{queue}"
    for target in ("good", "none"):
        scheduler.create_schedule(
            Name=target,
            GroupName=name,
            ScheduleExpression="rate(1 hour)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": arn(target), "RoleArn": role, "Input": "{}", "DeadLetterConfig": {"Arn": arn("letters")}},
        )
    figures = Figures(server, "AWS/Scheduler", ScheduleGroup=name)
    figures.become({"InvocationAttemptCount": 2, "TargetErrorCount": 1, "InvocationDroppedCount": 1})
    figures.become({"InvocationsSentToDeadLetterCount": 1, "InvocationsFailedToBeSentToDeadLetterCount": None})


def test_queues(server, name):
    sqs = server.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="12345")
    entries = [{"Id": str(n), "MessageBody": "1234567890"} for n in range(3)]
    sqs.send_message_batch(QueueUrl=url, Entries=[*entries, {"Id": "bad", "MessageBody": ""}])
    received = []
    while len(received) < 4:
        received += sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    for message in received[:2]:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    with pytest.raises(ClientError):
        sqs.delete_message(QueueUrl=url, ReceiptHandle="nothing")
    figures = Figures(server, "AWS/SQS", QueueName=name)
    expect = {"NumberOfMessagesSent": 4, "SentMessageSize": 35, "NumberOfMessagesReceived": 4, "NumberOfMessagesDeleted": 2}
    figures.become({**expect, "NumberOfEmptyReceives": 1})
    assert figures.of("SentMessageSize", "SampleCount") == 4


def test_buckets(server, name):
    s3 = server.client("s3")
    s3.create_bucket(Bucket=name)
    watch = lambda id, **more: s3.put_bucket_metrics_configuration(Bucket=name, Id=id, MetricsConfiguration={"Id": id, **more})
    watch("in", Filter={"Prefix": "in/"})
    watch("all")
    s3.put_object(Bucket=name, Key="in/a", Body=b"x" * 10)
    s3.put_object(Bucket=name, Key="out/b", Body=b"y" * 5)
    assert s3.get_object(Bucket=name, Key="in/a")["Body"].read() == b"x" * 10
    s3.head_object(Bucket=name, Key="in/a")
    with pytest.raises(ClientError):
        s3.get_object(Bucket=name, Key="out/none")
    s3.list_objects_v2(Bucket=name)
    s3.delete_object(Bucket=name, Key="out/b")
    s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "in/a"}]})
    whole, part = (Figures(server, "AWS/S3", BucketName=name, FilterId=id) for id in ("all", "in"))
    kinds = {"GetRequests": 2, "PutRequests": 2, "HeadRequests": 1, "ListRequests": 1, "DeleteRequests": 2}
    whole.become({"AllRequests": 8, **kinds, "PostRequests": None, "4xxErrors": 1, "5xxErrors": 0})
    kinds = {"GetRequests": 1, "PutRequests": 1, "HeadRequests": 1, "ListRequests": None, "DeleteRequests": None}
    part.become({"AllRequests": 3, **kinds, "4xxErrors": 0, "BytesUploaded": 10, "BytesDownloaded": 10})
    for latency in ("FirstByteLatency", "TotalRequestLatency"):
        assert part.of(latency, "SampleCount") == 3 and 0 < part.of(latency, "Maximum") < 60_000
    assert part.of("FirstByteLatency") <= part.of("TotalRequestLatency")


def test_topics(server, name):
    sns, sqs = server.client("sns"), server.client("sqs")
    topic = sns.create_topic(Name=name)["TopicArn"]
    policy = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}]}
    attributes = {"Policy": json.dumps({"Version": "2012-10-17", **policy})}
    for n in range(2):
        sqs.create_queue(QueueName=f"{name}-{n}", Attributes=attributes)
        endpoint = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}-{n}"
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=endpoint)
    # Nobody is there.
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}-none")
    for _ in range(3):
        sns.publish(TopicArn=topic, Message="12345")
    with pytest.raises(ClientError):
        sns.publish(TopicArn=topic, Message="")
    figures = Figures(server, "AWS/SNS", TopicName=name)
    expect = {"NumberOfMessagesPublished": 3, "PublishSize": 15}
    figures.become({**expect, "NumberOfNotificationsDelivered": 6, "NumberOfNotificationsFailed": 3})


def test_rules(server, name):
    events, sqs = server.client("events"), server.client("sqs")
    policy = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}]}
    attributes = {"Policy": json.dumps({"Version": "2012-10-17", **policy})}
    sqs.create_queue(QueueName=name, Attributes=attributes)
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
    arns = [f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}-none"]
    letters = {"DeadLetterConfig": {"Arn": f"{arns[0]}-letters"}}
    sqs.create_queue(QueueName=f"{name}-letters", Attributes=attributes)
    events.put_targets(Rule=name, Targets=[{"Id": str(n), "Arn": arn, **letters} for n, arn in enumerate(arns)])
    entry = {"Source": name, "DetailType": "t", "Detail": "{}"}
    events.put_events(Entries=[entry, entry, {**entry, "Source": f"{name}-other"}])
    figures = Figures(server, "AWS/Events", RuleName=name)
    figures.become({"TriggeredRules": 2, "MatchedEvents": 2, "Invocations": 4, "FailedInvocations": 2})
    figures.become({"InvocationsSentToDlq": 2, "InvocationsFailedToBeSentToDlq": None, "RetryInvocationAttempts": None})
    figures.become({"TriggeredRules": 2}, EventBusName="default")


def test_tables(server, name):
    tables = server.client("dynamodb")
    tables.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for n in range(5):
        tables.put_item(TableName=name, Item={"k": {"S": str(n)}, "v": {"S": "x" * 1500}})
    tables.get_item(TableName=name, Key={"k": {"S": "1"}})
    tables.get_item(TableName=name, Key={"k": {"S": "1"}}, ConsistentRead=True)
    tables.scan(TableName=name)
    question = {"KeyConditionExpression": "k = :k", "ExpressionAttributeValues": {":k": {"S": "1"}}}
    tables.query(TableName=name, **question)
    for _ in range(2):
        with pytest.raises(ClientError) as caught:
            tables.put_item(TableName=name, Item={"k": {"S": "1"}}, ConditionExpression="attribute_not_exists(k)")
        assert caught.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
    figures = Figures(server, "AWS/DynamoDB", TableName=name)
    # Five items of two units, and two attempts that are paid for by such an item; half a unit, a unit, a unit for 7.5 KB read
    # eventually, half a unit.
    figures.become({"ConsumedWriteCapacityUnits": 14, "ConsumedReadCapacityUnits": 3, "ConditionalCheckFailedRequests": 2})
    figures.become({"ReturnedItemCount": 5}, Operation="Scan")
    figures.become({"ReturnedItemCount": 1}, Operation="Query")
    latency = {
        operation: figures.of("SuccessfulRequestLatency", "SampleCount", Operation=operation)
        for operation in ("PutItem", "GetItem", "Scan", "Query", "DeleteItem")
    }
    assert latency == {"PutItem": 5, "GetItem": 2, "Scan": 1, "Query": 1, "DeleteItem": None}


def test_requests_about_several_tables(server, name):
    tables = server.client("dynamodb")
    names = [f"{name}-{n}" for n in range(2)]
    for table in names:
        tables.create_table(
            TableName=table,
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    key = {"k": {"S": "a"}}
    tables.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": key}}] for table in names})
    tables.batch_get_item(RequestItems={table: {"Keys": [key]} for table in names})
    item = {"k": {"S": "b"}}
    tables.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": item}} for table in names])
    tables.transact_get_items(TransactItems=[{"Get": {"TableName": table, "Key": key}} for table in names])
    inserts = [{"Statement": f"INSERT INTO \"{table}\" VALUE {{'k': 'c'}}"} for table in names]
    tables.execute_transaction(TransactStatements=inserts)
    again = tables.batch_execute_statement(Statements=inserts, ReturnConsumedCapacity="TOTAL")
    assert [answer["Error"]["Code"] for answer in again["Responses"]] == ["DuplicateItem"] * 2
    for table in names:
        chosen = tables.execute_statement(Statement=f'SELECT * FROM "{table}"', ReturnConsumedCapacity="TOTAL")
        assert chosen["ConsumedCapacity"]["CapacityUnits"] == 0.5 and len(chosen["Items"]) == 3
    operations = [
        "BatchWriteItem",
        "BatchGetItem",
        "TransactWriteItems",
        "TransactGetItems",
        "ExecuteTransaction",
        "BatchExecuteStatement",
        "ExecuteStatement",
    ]
    for table in names:
        figures = Figures(server, "AWS/DynamoDB", TableName=table)
        # A unit, two transactions of two, and one for finding another item; half a unit, two, half a unit.
        figures.become({"ConsumedWriteCapacityUnits": 6, "ConsumedReadCapacityUnits": 3, "ConditionalCheckFailedRequests": None})
        figures.become({"ReturnedItemCount": 3}, Operation="ExecuteStatement")
        counts = {one: figures.of("SuccessfulRequestLatency", "SampleCount", Operation=one) for one in operations}
        assert counts == dict.fromkeys(operations, 1)


def test_streams_of_tables(server, name):
    tables, streams = server.client("dynamodb"), server.client("dynamodbstreams")
    made = tables.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    arn = made["TableDescription"]["LatestStreamArn"]
    for n in range(3):
        tables.put_item(TableName=name, Item={"k": {"S": str(n)}})
    records = []
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        place = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        records += streams.get_records(ShardIterator=streams.get_shard_iterator(**place)["ShardIterator"])["Records"]
    sizes = [record["dynamodb"]["SizeBytes"] for record in records]
    label = {"StreamLabel": arn.split("/")[-1], "Operation": "GetRecords"}
    figures = Figures(server, "AWS/DynamoDB", TableName=name)
    figures.become({"ReturnedRecordsCount": 3, "ReturnedBytes": sum(sizes)}, **label)
    assert len(sizes) == 3 and figures.of("SuccessfulRequestLatency", "SampleCount", **label) > 0


def test_user_errors_of_tables(own_server, name):
    tables = own_server.client("dynamodb")
    for _ in range(3):
        with pytest.raises(ClientError):
            tables.get_item(TableName=f"{name}-none", Key={"k": {"S": "1"}})
    Figures(own_server, "AWS/DynamoDB").become({"UserErrors": 3})


def test_apis(server, function, name):
    api = Api(server, name)
    api.mock("/good")
    api.deploy()
    for _ in range(3):
        assert api.call("/good").status == 200
    for _ in range(2):
        assert api.call("/nothing").status == 403
    figures = Figures(server, "AWS/ApiGateway", ApiName=name)
    figures.become({"Count": 5, "4XXError": 2, "5XXError": 0})
    figures.become({"Count": 5, "4XXError": 2, "5XXError": 0}, Stage=api.stage)
    assert figures.of("4XXError", "Average") == pytest.approx(2 / 5)
    assert figures.of("Latency", "SampleCount") == 5
    assert figures.of("IntegrationLatency", "SampleCount") == 3
    # Methods are measured where the stage says so.
    method = {"Stage": api.stage, "Method": "GET", "Resource": "/good"}
    assert figures.of("Count", **method) is None
    patch = [{"op": "replace", "path": "/*/*/metrics/enabled", "value": "true"}]
    server.client("apigateway").update_stage(restApiId=api.id, stageName=api.stage, patchOperations=patch)
    assert api.call("/good").status == 200
    figures.become({"Count": 1, "4XXError": 0}, **method)


def test_log_groups(server, name):
    logs = server.client("logs")
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="s")
    events = [{"timestamp": int(time.time() * 1000), "message": "1234"}] * 3
    logs.put_log_events(logGroupName=name, logStreamName="s", logEvents=events)
    Figures(server, "AWS/Logs", LogGroupName=name).become({"IncomingLogEvents": 3, "IncomingBytes": 90})


def test_metrics_of_a_service_survive_an_orderly_end(own_server, name):
    sqs = own_server.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    for _ in range(5):
        sqs.send_message(QueueUrl=url, MessageBody="x")
    assert own_server.stop() == 0
    own_server.start()
    assert Figures(own_server, "AWS/SQS", QueueName=name).of("NumberOfMessagesSent") == 5


def test_what_was_flushed_survives_a_kill(own_server, name):
    sqs = own_server.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    for _ in range(5):
        sqs.send_message(QueueUrl=url, MessageBody="x")
    figures = Figures(own_server, "AWS/SQS", QueueName=name)
    figures.become({"NumberOfMessagesSent": 5})
    own_server.kill()
    own_server.start()
    assert figures.of("NumberOfMessagesSent") == 5


def test_depth_of_queues(own_server, name):
    """Looked at at once after a start, and then once a minute, whether anybody has used the queue since the start or not."""
    sqs = own_server.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    own_server.client("sqs").send_message(QueueUrl=url, MessageBody="y", DelaySeconds=900)
    own_server.kill()
    own_server.start()
    figures = Figures(own_server, "AWS/SQS", QueueName=name)
    visible = lambda: figures.of("ApproximateNumberOfMessagesVisible", "Maximum") == 1
    until(visible, "the depth of the queue", seconds=75)
    assert figures.of("ApproximateNumberOfMessagesDelayed", "Maximum") == 1
    assert figures.of("ApproximateNumberOfMessagesNotVisible", "Maximum") == 0
    assert figures.of("ApproximateAgeOfOldestMessage", "Maximum") >= 0
