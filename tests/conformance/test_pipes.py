"""EventBridge Pipes with boto3: from queues and streams through filters and enrichments to targets, refusals, stacks, kills."""

import json
import subprocess

import pytest
from errors import refusal
from figures import Figures
from functions import allow, create_function, create_role, logged
from gateway import Api
from program import ACCOUNT, BINARY, REGION, own_environment, until
from test_dynamodb_streams import KEY

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "pipes.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
QUEUE = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
STREAM = ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams")
SEND = (
    "sqs:SendMessage",
    "sns:Publish",
    "events:PutEvents",
    "lambda:InvokeFunction",
    "logs:PutLogEvents",
    "logs:CreateLogStream",
    "execute-api:Invoke",
)
# One shard, so that all records are in one order.
ONE_SHARD = {"BillingMode": "PROVISIONED", "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}


class Plumbing:
    """Pipes, and what they connect, on one server."""

    def __init__(self, server, name, code=None):
        self.server, self.name, self.code = server, name, code
        self.pipes, self.sqs, self.dynamodb = (server.client(s) for s in ("pipes", "sqs", "dynamodb"))
        self.events, self.logs, self.lambda_ = (server.client(s) for s in ("events", "logs", "lambda"))
        self.role = create_role(server, f"{name}-pipe", allow(*QUEUE, *STREAM, *SEND), trust=TRUST)
        self.count = 0

    def own(self, kind):
        self.count += 1
        return f"{self.name}-{kind}-{self.count}"

    def queue(self, fifo=False, **attributes):
        """(URL, ARN) of a new queue."""
        own = self.own("q") + (".fifo" if fifo else "")
        attributes = {**({"FifoQueue": "true"} if fifo else {}), **attributes}
        url = self.sqs.create_queue(QueueName=own, Attributes=attributes)["QueueUrl"]
        return url, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{own}"

    def table(self):
        """(name, ARN of its stream) of a new table with one shard."""
        own = self.own("t")
        view = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        made = self.dynamodb.create_table(TableName=own, StreamSpecification=view, **KEY, **ONE_SHARD)
        return own, made["TableDescription"]["LatestStreamArn"]

    def put(self, table, key, **numbers):
        item = {"id": {"S": key}, **{name: {"N": str(number)} for name, number in numbers.items()}}
        self.dynamodb.put_item(TableName=table, Item=item)

    def function(self, handler, **settings):
        """(name, ARN) of a new function."""
        role = create_role(self.server, self.own("role"))
        made = create_function(self.server, self.own("f"), role, self.code, handler, **settings)
        return made["FunctionName"], made["FunctionArn"]

    def pipe(self, source, target, **settings):
        own = self.own("p")
        made = self.pipes.create_pipe(Name=own, Source=source, Target=target, **{"RoleArn": self.role, **settings})
        assert (made["CurrentState"], made["Name"]) == ("CREATING", own)
        assert made["Arn"] == f"arn:aws:pipes:{REGION}:{ACCOUNT}:pipe/{own}"
        return own

    def send(self, url, body, **settings):
        text = body if isinstance(body, str) else json.dumps(body)
        self.sqs.send_message(QueueUrl=url, MessageBody=text, **settings)

    def take(self, url, count):
        """The next messages of a queue, in the order in which they come."""
        found = []

        def enough():
            got = self.sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, MessageSystemAttributeNames=["All"]
            ).get("Messages", [])
            for message in got:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found.extend(got)
            return len(found) >= count

        until(enough, f"{count} messages")
        return found

    def bodies(self, url, count):
        return [message["Body"] for message in self.take(url, count)]

    def left(self, url):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def described(self, pipe):
        return self.pipes.describe_pipe(Name=pipe)


@pytest.fixture
def plumbing(server, name, code):
    made = Plumbing(server, name, code)
    yield made
    for pipe in made.pipes.list_pipes(NamePrefix=name)["Pipes"]:
        made.pipes.delete_pipe(Name=pipe["Name"])


def filters(*patterns):
    return {"FilterCriteria": {"Filters": [{"Pattern": json.dumps(pattern)} for pattern in patterns]}}


def test_a_pipe_lives(plumbing):
    (_, source), (_, target) = plumbing.queue(), plumbing.queue()
    pipe = plumbing.pipe(source, target, Description="d", DesiredState="STOPPED", Tags={"a": "1"})
    found = plumbing.described(pipe)
    assert (found["CurrentState"], found["DesiredState"]) == ("STOPPED", "STOPPED")
    assert (found["Description"], found["Tags"], found["RoleArn"]) == ("d", {"a": "1"}, plumbing.role)
    assert found["SourceParameters"]["SqsQueueParameters"] == {"BatchSize": 10, "MaximumBatchingWindowInSeconds": 0}
    started = plumbing.pipes.start_pipe(Name=pipe)
    assert (started["CurrentState"], started["DesiredState"]) == ("STARTING", "RUNNING")
    assert plumbing.described(pipe)["CurrentState"] == "RUNNING"
    updated = plumbing.pipes.update_pipe(
        Name=pipe, RoleArn=plumbing.role, SourceParameters={"SqsQueueParameters": {"BatchSize": 3}}
    )
    assert updated["CurrentState"] == "UPDATING"
    found = plumbing.described(pipe)
    assert found["SourceParameters"]["SqsQueueParameters"]["BatchSize"] == 3
    assert (found["Description"], found["StateReason"]) == ("d", "USER_INITIATED")
    assert plumbing.pipes.stop_pipe(Name=pipe)["CurrentState"] == "STOPPING"
    until(lambda: plumbing.described(pipe)["CurrentState"] == "STOPPED", "it has stopped")
    arn = found["Arn"]
    plumbing.pipes.tag_resource(resourceArn=arn, tags={"b": "2"})
    plumbing.pipes.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert plumbing.pipes.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"}
    assert plumbing.pipes.delete_pipe(Name=pipe)["DesiredState"] == "DELETED"
    gone = lambda: not plumbing.pipes.list_pipes(NamePrefix=pipe)["Pipes"]
    until(gone, "it is gone")
    missing = (404, "NotFoundException", f"Pipe {pipe} does not exist.")
    for operation in ("describe_pipe", "start_pipe", "stop_pipe", "delete_pipe"):
        assert refusal(getattr(plumbing.pipes, operation), Name=pipe) == missing


def test_pipes_are_listed(plumbing):
    (_, source), (_, other), (_, target) = plumbing.queue(), plumbing.queue(), plumbing.queue()
    made = [plumbing.pipe(source, target, DesiredState="STOPPED") for _ in range(3)]
    made.append(plumbing.pipe(other, target))
    names = lambda **wish: [p["Name"] for p in plumbing.pipes.list_pipes(NamePrefix=plumbing.name, **wish)["Pipes"]]
    assert names() == made
    assert names(SourcePrefix=other) == made[3:]
    assert names(DesiredState="STOPPED") == made[:3]
    assert names(CurrentState="RUNNING") == made[3:]
    assert names(TargetPrefix=source) == []
    page = plumbing.pipes.list_pipes(NamePrefix=plumbing.name, Limit=3)
    assert [p["Name"] for p in page["Pipes"]] == made[:3]
    rest = plumbing.pipes.list_pipes(NamePrefix=plumbing.name, Limit=3, NextToken=page["NextToken"])
    assert [p["Name"] for p in rest["Pipes"]] == made[3:] and "NextToken" not in rest


def test_changes_are_filtered_enriched_and_put_on_a_bus(plumbing):
    table, stream = plumbing.table()
    bus = plumbing.own("bus")
    bus_arn = plumbing.events.create_event_bus(Name=bus)["EventBusArn"]
    (url, queue), (_, enrichment) = plumbing.queue(), plumbing.function("echo")
    plumbing.events.put_rule(Name=bus, EventBusName=bus, EventPattern=json.dumps({"source": ["orders"]}))
    statement = {**allow("sqs:SendMessage", resource=queue), "Principal": {"Service": "events.amazonaws.com"}}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    plumbing.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    plumbing.events.put_targets(Rule=bus, EventBusName=bus, Targets=[{"Id": "1", "Arn": queue}])
    pipe = plumbing.pipe(
        stream,
        bus_arn,
        SourceParameters={
            "DynamoDBStreamParameters": {"StartingPosition": "LATEST", "BatchSize": 5},
            **filters({"eventName": ["INSERT"], "dynamodb": {"NewImage": {"n": {"N": ["1", "3"]}}}}),
        },
        Enrichment=enrichment,
        EnrichmentParameters={
            "InputTemplate": '{"key": <$.dynamodb.Keys.id.S>, "n": <$.dynamodb.NewImage.n.N>, "by": "<aws.pipes.pipe-name>"}'
        },
        TargetParameters={
            "InputTemplate": '{"order": <$.key>, "all": <aws.pipes.event.json>}',
            "EventBridgeEventBusParameters": {
                "Source": "orders",
                "DetailType": "$.key",
                "Resources": ["$.key"],
            },
        },
    )
    for n in range(4):
        plumbing.put(table, f"k{n}", n=n)
    events = [json.loads(body) for body in plumbing.bodies(url, 2)]
    assert [event["detail-type"] for event in events] == ["k1", "k3"]
    assert events[0]["detail"] == {"order": "k1", "all": {"key": "k1", "n": "1", "by": pipe}}
    assert (events[0]["source"], events[0]["resources"]) == ("orders", ["k1"])


def test_an_api_enriches_and_an_empty_answer_ends_it(plumbing):
    (url, source), (target_url, target) = plumbing.queue(), plumbing.queue()
    api = Api(plumbing.server, plumbing.own("api"))
    answer = """#if($input.params('id') == 'silent')[]#else[{"id":"$input.params('id')","q":"$input.params('q')"}]#end"""
    api.mock("/who/{id}", "POST", authorization="AWS_IAM", answers={"200": {"responseTemplates": {"application/json": answer}}})
    api.deploy()
    pipe = plumbing.pipe(
        source,
        target,
        SourceParameters={"SqsQueueParameters": {"BatchSize": 1}},
        Enrichment=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api.id}/test/POST/who/*",
        EnrichmentParameters={
            "HttpParameters": {"PathParameterValues": ["$.body.id"], "QueryStringParameters": {"q": "$.body.q"}}
        },
    )
    for id_ in ("silent", "a b"):
        plumbing.send(url, {"id": id_, "q": "x&y"})
    assert [json.loads(body) for body in plumbing.bodies(target_url, 1)] == [{"id": "a b", "q": "x&y"}]
    until(lambda: plumbing.left(url) == 0, "the source is empty")
    assert plumbing.left(target_url) == 0
    plumbing.pipes.update_pipe(
        Name=pipe, RoleArn=plumbing.role, Enrichment="", TargetParameters={"InputTemplate": "<$.body>"}
    )
    assert "Enrichment" not in plumbing.described(pipe)
    plumbing.send(url, "y")
    assert plumbing.bodies(target_url, 1) == ["y"]


def test_messages_reach_a_fifo_queue_in_order(plumbing):
    (url, source), (target_url, target) = plumbing.queue(fifo=True), plumbing.queue(fifo=True)
    plumbing.pipe(
        source,
        target,
        TargetParameters={
            "InputTemplate": "<$.body.n>",
            "SqsQueueParameters": {"MessageGroupId": "$.body.group", "MessageDeduplicationId": "$.messageId"},
        },
    )
    for n in range(30):
        body = {"n": n, "group": f"g{n % 3}"}
        plumbing.send(url, body, MessageGroupId=body["group"], MessageDeduplicationId=str(n))
    got = plumbing.take(target_url, 30)
    by_group = {}
    for message in got:
        by_group.setdefault(message["Attributes"]["MessageGroupId"], []).append(int(message["Body"]))
    assert by_group == {f"g{g}": list(range(g, 30, 3)) for g in range(3)}
    until(lambda: plumbing.left(url) == 0, "the source is empty")


def test_functions_get_the_batch_that_is_wanted(plumbing):
    url, source = plumbing.queue()
    name, function = plumbing.function("print")
    plumbing.pipe(source, function, SourceParameters=filters({"body": {"kind": ["wanted"]}}))
    plumbing.send(url, {"kind": "other"})
    plumbing.send(url, {"kind": "wanted"})
    until(lambda: plumbing.left(url) == 0, "both are done with")
    lines = lambda: [line for line in logged(plumbing.server, name) if line.startswith("[")]
    (batch,) = until(lambda: [json.loads(line) for line in lines()], "an invocation")
    (record,) = batch
    assert json.loads(record["body"]) == {"kind": "wanted"}
    assert (record["eventSource"], record["eventSourceARN"], record["awsRegion"]) == ("aws:sqs", source, REGION)
    assert {"messageId", "receiptHandle", "attributes", "messageAttributes", "md5OfBody"} <= set(record)


def test_only_what_a_function_reports_comes_again(plumbing):
    dead_url, dead = plumbing.queue()
    redrive = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 1})
    # Long enough for a slow machine: what is not done with in time would be given up too.
    url, source = plumbing.queue(VisibilityTimeout="6", RedrivePolicy=redrive)
    _, function = plumbing.function("report")
    for n in range(5):
        attributes = {"k": {"DataType": "String", "StringValue": "bad" if n == 3 else "good"}}
        plumbing.send(url, str(n), MessageAttributes=attributes)
    plumbing.pipe(source, function)
    assert plumbing.bodies(dead_url, 1) == ["3"]
    until(lambda: plumbing.left(url) == 0, "the others are done with")
    assert plumbing.left(dead_url) == 0


def test_a_function_that_is_not_waited_for(plumbing):
    url, source = plumbing.queue()
    name, function = plumbing.function("print")
    parameters = {"LambdaFunctionParameters": {"InvocationType": "FIRE_AND_FORGET"}, "InputTemplate": '{"b": <$.body>}'}
    plumbing.pipe(source, function, TargetParameters=parameters)
    plumbing.send(url, {"x": 1})
    lines = lambda: [line for line in logged(plumbing.server, name) if line.startswith("[")]
    assert until(lambda: [json.loads(line) for line in lines()], "an invocation") == [[{"b": {"x": 1}}]]
    until(lambda: plumbing.left(url) == 0, "the source is empty")


def test_log_groups_and_topics_are_targets(plumbing):
    (url, source), (second_url, second) = plumbing.queue(), plumbing.queue()
    group = plumbing.own("group")
    plumbing.logs.create_log_group(logGroupName=group)
    group_arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"
    parameters = {"CloudWatchLogsParameters": {"LogStreamName": "$.body.stream"}, "InputTemplate": "<$.body.text>"}
    plumbing.pipe(source, group_arn, TargetParameters=parameters)
    plumbing.send(url, {"stream": "s1", "text": "hello"})
    events = lambda: plumbing.logs.filter_log_events(logGroupName=group)["events"]
    (event,) = until(events, "a log event")
    assert (event["message"], event["logStreamName"]) == ("hello", "s1")
    sns = plumbing.server.client("sns")
    topic = sns.create_topic(Name=plumbing.own("topic"))["TopicArn"]
    heard_url, heard = plumbing.queue()
    statement = {**allow("sqs:SendMessage", resource=heard), "Principal": {"Service": "sns.amazonaws.com"}}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    plumbing.sqs.set_queue_attributes(QueueUrl=heard_url, Attributes={"Policy": policy})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=heard, Attributes={"RawMessageDelivery": "true"})
    plumbing.pipe(second, topic, TargetParameters={"InputTemplate": '"said <$.body>"'})
    plumbing.send(second_url, "so")
    assert plumbing.bodies(heard_url, 1) == ["said so"]


def test_what_a_function_cannot_process_goes_to_the_dead_letters(plumbing):
    table, stream = plumbing.table()
    (dead_url, dead), (_, function) = plumbing.queue(), plumbing.function("fail")
    pipe = plumbing.pipe(
        stream,
        function,
        SourceParameters={
            "DynamoDBStreamParameters": {
                "StartingPosition": "TRIM_HORIZON",
                "BatchSize": 10,
                "MaximumRetryAttempts": 0,
                "DeadLetterConfig": {"Arn": dead},
            }
        },
    )
    plumbing.put(table, "a", n=1)
    (letter,) = [json.loads(body) for body in plumbing.bodies(dead_url, 1)]
    arn = f"arn:aws:pipes:{REGION}:{ACCOUNT}:pipe/{pipe}"
    assert letter["context"] == {"partnerResourceArn": arn, "condition": "RetryAttemptsExhausted"}
    assert (letter["DDBStreamBatchInfo"]["batchSize"], letter["DDBStreamBatchInfo"]["streamArn"]) == (1, stream)


def test_a_message_that_fails_comes_again_until_its_queue_gives_it_up(plumbing):
    dead_url, dead = plumbing.queue()
    redrive = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 2})
    url, source = plumbing.queue(VisibilityTimeout="1", RedrivePolicy=redrive)
    _, function = plumbing.function("fail")
    plumbing.pipe(source, function)
    plumbing.send(url, "x")
    assert plumbing.bodies(dead_url, 1) == ["x"]


def test_a_role_that_may_not_is_a_state(plumbing):
    (url, source), (target_url, target) = plumbing.queue(), plumbing.queue()
    poor = create_role(plumbing.server, plumbing.own("poor"), allow("sqs:SendMessage"), trust=TRUST)
    pipe = plumbing.pipe(source, target, RoleArn=poor)
    found = plumbing.described(pipe)
    assert found["CurrentState"] == "CREATE_FAILED"
    assert found["StateReason"] == (
        "Input parameter is invalid from the request due to : The provided customer role does not have permissions to call "
        "ReceiveMessage on SQS"
    )
    no_trust = create_role(plumbing.server, plumbing.own("no-trust"), allow(*QUEUE, *SEND))
    other = plumbing.pipe(source, target, RoleArn=no_trust)
    assert "cannot be assumed" in plumbing.described(other)["StateReason"]
    # What it may take but not send stays where it is.
    taker = create_role(plumbing.server, plumbing.own("taker"), allow(*QUEUE), trust=TRUST)
    plumbing.pipes.update_pipe(Name=pipe, RoleArn=taker)
    assert plumbing.described(pipe)["CurrentState"] == "RUNNING"
    plumbing.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})
    plumbing.send(url, "x")
    figures = Figures(plumbing.server, "AWS/EventBridge/Pipes", PipeName=pipe)
    until(lambda: (figures.of("ExecutionFailed") or 0) > 0, "a failed execution is counted")
    assert plumbing.left(target_url) == 0 and plumbing.left(url) == 1
    plumbing.pipes.update_pipe(Name=pipe, RoleArn=plumbing.role, TargetParameters={"InputTemplate": "<$.body>"})
    assert plumbing.bodies(target_url, 1) == ["x"]


def test_refusals(plumbing):
    (_, source), (_, target), (_, stream) = plumbing.queue(), plumbing.queue(), plumbing.table()
    create = plumbing.pipes.create_pipe
    base = {"Name": plumbing.own("p"), "Source": source, "Target": target, "RoleArn": plumbing.role}

    def field(name, message, **changes):
        status, code, text = refusal(create, **{**base, **changes})
        assert (status, code) == (400, "ValidationException")
        assert json.loads(text) == {"ValidationErrorFields": [{"Name": name, "Message": message}]}

    status, code, text = refusal(
        create, **{**base, "Name": "no blanks", "SourceParameters": {"SqsQueueParameters": {"BatchSize": 0}}}
    )
    assert (status, code) == (400, "ValidationException")
    assert text.startswith("2 validation errors detected: Value 'no blanks' at 'name' failed to satisfy constraint: ")
    assert text.endswith(
        "Value '0' at 'sourceParameters.sqsQueueParameters.batchSize' failed to satisfy constraint: Member must have value "
        "greater than or equal to 1"
    )
    missing = "Missing required parameter."
    field("SourceParameters.DynamoDBStreamParameters", missing, Source=stream)
    field("Target", "Not supported by this server.", Target=f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:s")
    field("Source", "Not supported by this server.", Source=f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s")
    fifo = plumbing.queue(fifo=True)[1]
    field("TargetParameters.SqsQueueParameters.MessageGroupId", missing, Target=fifo)
    field(
        "TargetParameters.KinesisStreamParameters",
        "Not supported by this server.",
        TargetParameters={"KinesisStreamParameters": {"PartitionKey": "x"}},
    )
    field(
        "SourceParameters.SqsQueueParameters.BatchSize",
        "BatchSize 100 exceeds the 10 that the enrichment or target takes at once.",
        SourceParameters={"SqsQueueParameters": {"BatchSize": 100}},
    )
    field(
        "SourceParameters.FilterCriteria",
        "Invalid filter pattern.",
        SourceParameters={"FilterCriteria": {"Filters": [{"Pattern": "no json"}]}},
    )
    create(**base)
    assert refusal(create, **base) == (409, "ConflictException", f"Pipe {base['Name']} already exists.")


def test_callers_need_the_actions_and_the_role(plumbing):
    (_, source), (_, target) = plumbing.queue(), plumbing.queue()
    iam = plumbing.server.client("iam")
    user = plumbing.own("user")
    iam.create_user(UserName=user)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    pipes = plumbing.server.client("pipes", key["AccessKeyId"], key["SecretAccessKey"])
    base = {"Name": plumbing.own("p"), "Source": source, "Target": target, "RoleArn": plumbing.role}
    arn = f"arn:aws:pipes:{REGION}:{ACCOUNT}:pipe/{base['Name']}"
    status, code, text = refusal(pipes.create_pipe, **base)
    assert (status, code) == (403, "AccessDeniedException") and f"pipes:CreatePipe on resource: {arn}" in text
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow("pipes:*", resource=arn)]})
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=document)
    status, code, text = refusal(pipes.create_pipe, **base)
    assert code == "AccessDeniedException" and f"iam:PassRole on resource: {plumbing.role}" in text


def test_steps_are_logged_and_lineage_is_kept(plumbing):
    (url, source), (target_url, target) = plumbing.queue(), plumbing.queue()
    group = plumbing.own("log")
    plumbing.logs.create_log_group(logGroupName=group)
    logging = {
        "Level": "TRACE",
        "CloudwatchLogsLogDestination": {"LogGroupArn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"},
        "IncludeExecutionData": ["ALL"],
    }
    pipe = plumbing.pipe(source, target, LogConfiguration=logging)
    plumbing.send(url, "x")
    plumbing.take(target_url, 1)
    events = lambda: [json.loads(e["message"]) for e in plumbing.logs.filter_log_events(logGroupName=group)["events"]]
    until(lambda: any(event["messageType"] == "EXECUTION_SUCCEEDED" for event in events()), "the last step")
    steps = [event["messageType"] for event in events()]
    assert steps == [
        "EXECUTION_STARTED",
        "TARGET_STAGE_ENTERED",
        "TARGET_INVOCATION_STARTED",
        "TARGET_INVOCATION_SUCCEEDED",
        "TARGET_STAGE_SUCCEEDED",
        "EXECUTION_SUCCEEDED",
    ]
    first = events()[0]
    command = [BINARY, "trace", first["executionId"], "--endpoint", plumbing.server.endpoint]
    shown = subprocess.run(command, env=own_environment(), capture_output=True, text=True, timeout=60)
    assert f"pipe/{pipe}" in shown.stdout and "1 events" in shown.stdout, shown
    assert (first["logLevel"], first["resourceArn"].endswith(f"pipe/{pipe}")) == ("TRACE", True)
    assert json.loads(first["payload"])[0]["body"] == "x"


TEMPLATE = {
    "Resources": {
        "From": {"Type": "AWS::SQS::Queue"},
        "To": {"Type": "AWS::SQS::Queue"},
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": TRUST,
                "Policies": [
                    {
                        "PolicyName": "p",
                        "PolicyDocument": {"Version": "2012-10-17", "Statement": [allow(*QUEUE, "sqs:SendMessage")]},
                    }
                ],
            },
        },
        "Pipe": {
            "Type": "AWS::Pipes::Pipe",
            "Properties": {
                "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                "Source": {"Fn::GetAtt": ["From", "Arn"]},
                "SourceParameters": {"SqsQueueParameters": {"BatchSize": "5"}},
                "Target": {"Fn::GetAtt": ["To", "Arn"]},
                "TargetParameters": {"InputTemplate": "<$.body>"},
                "Tags": {"team": "a"},
            },
        },
    },
    "Outputs": {
        "Name": {"Value": {"Ref": "Pipe"}},
        "Arn": {"Value": {"Fn::GetAtt": ["Pipe", "Arn"]}},
        "State": {"Value": {"Fn::GetAtt": ["Pipe", "CurrentState"]}},
        "From": {"Value": {"Ref": "From"}},
        "To": {"Value": {"Ref": "To"}},
    },
}


def test_a_stack_makes_changes_and_removes_a_pipe(plumbing):
    stacks = plumbing.server.client("cloudformation")
    stack = {"StackName": plumbing.own("stack"), "Capabilities": ["CAPABILITY_IAM"]}
    status = lambda: stacks.describe_stacks(StackName=stack["StackName"])["Stacks"][0]
    stacks.create_stack(TemplateBody=json.dumps(TEMPLATE), **stack)
    until(lambda: status()["StackStatus"] == "CREATE_COMPLETE", "the stack is made")
    outputs = {output["OutputKey"]: output["OutputValue"] for output in status()["Outputs"]}
    assert outputs["Arn"] == f"arn:aws:pipes:{REGION}:{ACCOUNT}:pipe/{outputs['Name']}" and outputs["State"] == "RUNNING"
    found = plumbing.described(outputs["Name"])
    assert found["SourceParameters"]["SqsQueueParameters"]["BatchSize"] == 5 and found["Tags"] == {"team": "a"}
    plumbing.send(outputs["From"], "one")
    assert plumbing.bodies(outputs["To"], 1) == ["one"]
    changed = json.loads(json.dumps(TEMPLATE))
    changed["Resources"]["Pipe"]["Properties"].update(
        TargetParameters={"InputTemplate": '"changed <$.body>"'}, Tags={"team": "b"}
    )
    del changed["Resources"]["Pipe"]["Properties"]["SourceParameters"]
    stacks.update_stack(TemplateBody=json.dumps(changed), **stack)
    until(lambda: status()["StackStatus"] == "UPDATE_COMPLETE", "the stack is changed")
    plumbing.send(outputs["From"], "two")
    assert plumbing.bodies(outputs["To"], 1) == ["changed two"]
    found = plumbing.described(outputs["Name"])
    assert found["SourceParameters"]["SqsQueueParameters"]["BatchSize"] == 10 and found["Tags"] == {"team": "b"}
    stacks.delete_stack(StackName=stack["StackName"])
    gone = lambda: not plumbing.pipes.list_pipes(NamePrefix=outputs["Name"])["Pipes"]
    until(gone, "the pipe is gone")


def test_nothing_is_lost_by_kills(own_server, name, code):
    plumbing = Plumbing(own_server, name, code)
    (url, source), (target_url, target) = plumbing.queue(VisibilityTimeout="2"), plumbing.queue()
    (table, stream), (changes_url, changes) = plumbing.table(), plumbing.queue(fifo=True)
    _, enrichment = plumbing.function("echo")
    plumbing.pipe(source, target, Enrichment=enrichment, EnrichmentParameters={"InputTemplate": "<$.body>"})
    plumbing.pipe(
        stream,
        changes,
        SourceParameters={"DynamoDBStreamParameters": {"StartingPosition": "TRIM_HORIZON", "BatchSize": 3}},
        TargetParameters={
            "InputTemplate": "<$.dynamodb.NewImage.n.N>",
            "SqsQueueParameters": {"MessageGroupId": "g", "MessageDeduplicationId": "$.eventID"},
        },
    )
    for round_ in range(3):
        for n in range(20):
            plumbing.send(url, {"m": round_ * 20 + n})
            plumbing.put(table, "a", n=round_ * 20 + n)
        own_server.kill()
        own_server.start()
    plumbing = Plumbing.__new__(Plumbing)
    plumbing.sqs = own_server.client("sqs")
    seen = set()

    def all_there():
        seen.update(json.loads(body)["m"] for body in received(plumbing, target_url))
        return len(seen) == 60

    until(all_there, "every message", seconds=60)
    order = []

    def in_order():
        order.extend(int(body) for body in received(plumbing, changes_url))
        return len(set(order)) == 60

    until(in_order, "every change", seconds=60)
    # A queue that knows what it has had lets nothing in twice.
    assert order == list(range(60))


def received(plumbing, url):
    got = plumbing.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
    for message in got:
        plumbing.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [message["Body"] for message in got]
