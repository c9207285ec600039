"""Messages on their whole way: topic, queue, function, and what becomes of those that fail."""

import json

import pytest
from errors import refusal
from functions import allow, create_function, create_role, events_logged, policy
from program import ACCOUNT, until

# What AWSLambdaSQSQueueExecutionRole allows.
POLL = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")


class Chain:
    """Topics, queues, functions and mappings that are removed together."""

    def __init__(self, server, name, code):
        self.server, self.name, self.code = server, name, code
        self.sns, self.sqs, self.lambda_ = (server.client(service) for service in ("sns", "sqs", "lambda"))
        self.role = create_role(server, f"{name}-worker", allow(*POLL))
        self.cleanup = []

    def later(self, operation, **parameters):
        self.cleanup.append(lambda: operation(**parameters))

    def topic(self, **attributes):
        own = self.sns.create_topic(Name=f"{self.name}{'.fifo' if attributes else ''}", Attributes=attributes)["TopicArn"]
        self.later(self.sns.delete_topic, TopicArn=own)
        return own

    def queue(self, suffix="", **attributes):
        """(URL, ARN) of a new queue that services may send to."""
        own = f"{self.name}{suffix}"
        arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:{own}"
        statement = {**allow("sqs:SendMessage", resource=arn), "Principal": {"Service": "sns.amazonaws.com"}}
        attributes = {"Policy": policy(statement), **attributes}
        url = self.sqs.create_queue(QueueName=own, Attributes=attributes)["QueueUrl"]
        self.later(self.sqs.delete_queue, QueueUrl=url)
        return url, arn

    def with_dead_letters(self, count, suffix="", **attributes):
        """(URL, ARN) of a queue, and those of the one that takes what was received so often."""
        fifo = ".fifo" if "FifoQueue" in attributes else ""
        dead = self.queue(f"-dead{fifo}", **({"FifoQueue": "true"} if fifo else {}))
        redrive = json.dumps({"deadLetterTargetArn": dead[1], "maxReceiveCount": count})
        return self.queue(f"{suffix}{fifo}", RedrivePolicy=redrive, **attributes), dead

    def function(self, handler, **settings):
        own = f"{self.name}-{handler}-{len(self.cleanup)}"
        made = create_function(self.server, own, self.role, self.code, handler, **settings)
        self.later(self.lambda_.delete_function, FunctionName=own)
        return own, made["FunctionArn"]

    def subscribe(self, topic, protocol, endpoint, **attributes):
        return self.sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint, Attributes=attributes)

    def map(self, function, queue_arn, **settings):
        made = self.lambda_.create_event_source_mapping(
            FunctionName=function, EventSourceArn=queue_arn, **settings
        )
        self.later(self.lambda_.delete_event_source_mapping, UUID=made["UUID"])
        return made["UUID"]

    def mapping(self, uuid):
        return self.lambda_.get_event_source_mapping(UUID=uuid)

    def bodies(self, function):
        return [record["body"] for event in events_logged(self.server, function) for record in event["Records"]]

    def count(self, url):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def receive(self, url):
        (message,) = until(
            lambda: self.sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages"), "a message"
        )
        return message

    def close(self):
        for remove in reversed(self.cleanup):
            try:
                remove()
            except self.lambda_.exceptions.ResourceNotFoundException:
                pass


@pytest.fixture
def chain(server, name, code):
    made = Chain(server, name, code)
    yield made
    made.close()


def test_what_is_published_reaches_the_function_behind_the_queue(chain):
    topic, (url, arn), (function, _) = chain.topic(), chain.queue(), chain.function("print")
    chain.subscribe(topic, "sqs", arn, FilterPolicy=json.dumps({"kind": ["order"]}))
    chain.map(function, arn)
    for kind, message in (("order", "one"), ("other", "two")):
        attributes = {"kind": {"DataType": "String", "StringValue": kind}}
        chain.sns.publish(TopicArn=topic, Message=message, Subject="s", MessageAttributes=attributes)
    (body,) = until(lambda: chain.bodies(function), "an invocation")
    notification = json.loads(body)
    assert (notification["Type"], notification["TopicArn"]) == ("Notification", topic)
    assert (notification["Message"], notification["Subject"]) == ("one", "s")
    assert notification["MessageAttributes"] == {"kind": {"Type": "String", "Value": "order"}}
    until(lambda: chain.count(url) == 0, "an empty queue")
    assert len(chain.bodies(function)) == 1


def test_raw_messages_keep_their_attributes_up_to_the_function(chain):
    topic, (url, arn), (function, _) = chain.topic(), chain.queue(), chain.function("print")
    chain.subscribe(topic, "sqs", arn, RawMessageDelivery="true")
    pattern = {"messageAttributes": {"kind": {"stringValue": ["order"]}}, "body": {"n": [{"numeric": [">", 1]}]}}
    chain.map(function, arn, FilterCriteria={"Filters": [{"Pattern": json.dumps(pattern)}]})
    for kind, n in (("order", 1), ("other", 2), ("order", 3)):
        attributes = {"kind": {"DataType": "String", "StringValue": kind}}
        chain.sns.publish(TopicArn=topic, Message=json.dumps({"n": n}), MessageAttributes=attributes)
    until(lambda: chain.count(url) == 0 and chain.bodies(function), "all settled")
    assert chain.bodies(function) == ['{"n": 3}']


def test_dead_letters_go_back_once_the_function_is_mended(chain):
    topic, (function, _) = chain.topic(), chain.function("fail", Timeout=1)
    (url, arn), (dead_url, dead_arn) = chain.with_dead_letters(2, VisibilityTimeout="1")
    chain.subscribe(topic, "sqs", arn, RawMessageDelivery="true")
    uuid = chain.map(function, arn)
    chain.sns.publish(TopicArn=topic, Message="x")
    until(lambda: chain.count(dead_url) == 1 and chain.count(url) == 0, "a dead letter")
    assert chain.mapping(uuid)["LastProcessingResult"] == "PROBLEM: Function call failed"
    chain.lambda_.update_function_configuration(FunctionName=function, Handler="print")
    chain.sqs.start_message_move_task(SourceArn=dead_arn)
    (body,) = until(lambda: chain.bodies(function), "an invocation")
    assert body == "x"
    until(lambda: chain.count(url) == chain.count(dead_url) == 0, "empty queues")
    assert chain.mapping(uuid)["LastProcessingResult"] == "OK"


def test_a_group_waits_for_the_message_that_fails(chain):
    topic = chain.topic(FifoTopic="true", ContentBasedDeduplication="true")
    (url, arn), (dead_url, _) = chain.with_dead_letters(2, FifoQueue="true", VisibilityTimeout="2")
    function, _ = chain.function("report", Timeout=2)
    chain.subscribe(topic, "sqs", arn, RawMessageDelivery="true")
    chain.map(function, arn, BatchSize=1, FunctionResponseTypes=["ReportBatchItemFailures"])
    for group, message in (("a", "bad"), ("a", "after"), ("b", "aside")):
        chain.sns.publish(TopicArn=topic, Message=message, MessageGroupId=group)
    until(lambda: chain.count(url) == 0 and chain.count(dead_url) == 1, "a dead letter")
    seen = chain.bodies(function)
    assert sorted(seen) == ["after", "aside", "bad", "bad"]
    assert seen.index("after") > max(n for n, body in enumerate(seen) if body == "bad")
    assert chain.receive(dead_url)["Body"] == "bad"


@pytest.mark.parametrize(
    "handler, condition, error", [("print", "Success", None), ("fail", "RetriesExhausted", "Unhandled")]
)
def test_a_function_behind_a_topic_tells_its_destination(chain, handler, condition, error):
    topic, (url, arn) = chain.topic(), chain.queue()
    (other_url, other_arn), (function, function_arn) = chain.queue("-other"), chain.function(handler)
    iam = chain.server.client("iam")
    send = policy(allow("sqs:SendMessage", resource=arn), allow("sqs:SendMessage", resource=other_arn))
    iam.put_role_policy(RoleName=f"{chain.name}-worker", PolicyName="send", PolicyDocument=send)
    chain.lambda_.add_permission(
        FunctionName=function,
        StatementId="topic",
        Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com",
        SourceArn=topic,
    )
    ours, other = ("OnFailure", "OnSuccess") if error else ("OnSuccess", "OnFailure")
    chain.lambda_.put_function_event_invoke_config(
        FunctionName=function,
        MaximumRetryAttempts=0,
        DestinationConfig={ours: {"Destination": arn}, other: {"Destination": other_arn}},
    )
    chain.subscribe(topic, "lambda", function_arn)
    sent = chain.sns.publish(TopicArn=topic, Message="hello")
    record = json.loads(chain.receive(url)["Body"])
    assert (record["version"], record["requestContext"]["condition"]) == ("1.0", condition)
    assert record["requestContext"]["functionArn"] == f"{function_arn}:$LATEST"
    assert record["requestContext"]["approximateInvokeCount"] == 1
    assert record["requestPayload"]["Records"][0]["Sns"]["MessageId"] == sent["MessageId"]
    assert record["responseContext"].get("functionError") == error
    if error:
        assert record["responsePayload"]["errorMessage"] == "as it was told"
    assert chain.count(other_url) == 0


def overlap_max(spans):
    """How many of the spans of time overlap at most."""
    steps = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    running, most = 0, 0
    for _, step in steps:
        running += step
        most = max(most, running)
    return most


def invocations(chain, function):
    """(first, last) time of every invocation, by the function's log."""
    logs, spans = chain.server.client("logs"), {}
    try:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{function}")
        events = [event for page in pages for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []
    for event in events:
        words = event["message"].split()
        if words[:2] in (["START", "RequestId:"], ["END", "RequestId:"]):
            spans.setdefault(words[2], []).append(event["timestamp"])
    return [span for span in spans.values() if len(span) == 2]


def test_as_many_work_at_once_as_the_mapping_says(chain):
    (url, arn), (function, _) = chain.queue(), chain.function("late")
    for n in range(8):
        chain.sqs.send_message(QueueUrl=url, MessageBody=str(n))
    uuid = chain.map(function, arn, BatchSize=1, ScalingConfig={"MaximumConcurrency": 2})
    assert chain.mapping(uuid)["ScalingConfig"] == {"MaximumConcurrency": 2}
    spans = until(lambda: len(found := invocations(chain, function)) == 8 and found, "eight invocations")
    assert overlap_max(spans) == 2


def test_settings_change_and_go(chain):
    (_, arn), (function, function_arn) = chain.queue(), chain.function("print")
    filters = {"Filters": [{"Pattern": json.dumps({"body": {"n": [n]}})} for n in range(5)]}
    uuid = chain.map(
        function,
        arn,
        FilterCriteria=filters,
        ScalingConfig={"MaximumConcurrency": 5},
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    shown = chain.mapping(uuid)
    assert (shown["FilterCriteria"], shown["ScalingConfig"]) == (filters, {"MaximumConcurrency": 5})
    assert shown["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    update = chain.lambda_.update_event_source_mapping
    changed = update(UUID=uuid, BatchSize=100, MaximumBatchingWindowInSeconds=1, ScalingConfig={"MaximumConcurrency": 9})
    assert (changed["BatchSize"], changed["MaximumBatchingWindowInSeconds"]) == (100, 1)
    assert changed["ScalingConfig"] == {"MaximumConcurrency": 9} and changed["FilterCriteria"] == filters
    update(UUID=uuid, FilterCriteria={}, ScalingConfig={}, FunctionResponseTypes=[])
    shown = chain.mapping(uuid)
    assert "FilterCriteria" not in shown and "ScalingConfig" not in shown and shown["FunctionResponseTypes"] == []
    other, other_arn = chain.function("echo")
    assert update(UUID=uuid, FunctionName=other)["FunctionArn"] == other_arn
    listed = chain.lambda_.list_event_source_mappings
    assert [found["UUID"] for found in listed(EventSourceArn=arn)["EventSourceMappings"]] == [uuid]
    assert [found["UUID"] for found in listed(FunctionName=other)["EventSourceMappings"]] == [uuid]
    assert listed(FunctionName=function)["EventSourceMappings"] == []
    second = chain.map(function, arn)
    assert sorted(found["UUID"] for found in listed(EventSourceArn=arn)["EventSourceMappings"]) == sorted([uuid, second])
    pages = chain.lambda_.get_paginator("list_event_source_mappings").paginate(
        EventSourceArn=arn, PaginationConfig={"PageSize": 1}
    )
    assert [len(page["EventSourceMappings"]) for page in pages] == [1, 1]
    # The pair of the function that the mapping left is free, that of the other is taken.
    taken = refusal(update, UUID=uuid, FunctionName=function)
    assert taken[:2] == (409, "ResourceConflictException") and second in taken[2]


INVALID = "InvalidParameterValueException"


@pytest.mark.parametrize(
    "settings, expected, said",
    [
        ({"FilterCriteria": {"Filters": [{"Pattern": "{}"}] * 6}}, INVALID, "6"),
        ({"FilterCriteria": {"Filters": [{"Pattern": '{"a":1}'}]}}, INVALID, "Invalid filter pattern definition."),
        ({"FilterCriteria": {"Filters": [{"Pattern": "x" * 4097}]}}, "ValidationException", "less than or equal to 4096"),
        ({"ScalingConfig": {"MaximumConcurrency": 1001}}, "ValidationException", "less than or equal to 1000"),
        ({"ScalingConfig": {"MaximumConcurrency": 4}}, INVALID, "reserved concurrency 3"),
        ({"BatchSize": 0}, "ValidationException", "greater than or equal to 1"),
        ({"MaximumBatchingWindowInSeconds": 301}, "ValidationException", "less than or equal to 300"),
        ({"MaximumBatchingWindowInSeconds": -1}, "ValidationException", "greater than or equal to 0"),
        ({"FunctionResponseTypes": ["Other"]}, "ValidationException", "ReportBatchItemFailures"),
        ({"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:000000000000:q"}}}, INVALID, "DestinationConfig"),
        ({"MaximumRetryAttempts": 3}, INVALID, "MaximumRetryAttempts"),
        ({"BisectBatchOnFunctionError": True}, INVALID, "BisectBatchOnFunctionError"),
        ({"ParallelizationFactor": 2}, INVALID, "ParallelizationFactor"),
        ({"TumblingWindowInSeconds": 5}, INVALID, "TumblingWindowInSeconds"),
        ({"MaximumRecordAgeInSeconds": 60}, INVALID, "MaximumRecordAgeInSeconds"),
    ],
)
def test_settings_that_are_refused_at_the_beginning_and_later(chain, settings, expected, said):
    (_, arn), (function, _) = chain.queue(), chain.function("print")
    chain.lambda_.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=3)
    create = chain.lambda_.create_event_source_mapping
    found = refusal(create, FunctionName=function, EventSourceArn=arn, **settings)
    assert found[:2] == (400, expected) and said in found[2], found
    uuid = chain.map(function, arn)
    found = refusal(chain.lambda_.update_event_source_mapping, UUID=uuid, **settings)
    assert found[:2] == (400, expected) and said in found[2], found


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"BatchSize": 11}, "FIFO queues must be at most 10"),
        ({"MaximumBatchingWindowInSeconds": 1}, "Batching window is not supported for FIFO queues."),
    ],
)
def test_settings_that_no_fifo_queue_takes(chain, settings, said):
    (_, arn), (function, _) = chain.queue(".fifo", FifoQueue="true"), chain.function("print")
    found = refusal(chain.lambda_.create_event_source_mapping, FunctionName=function, EventSourceArn=arn, **settings)
    assert found[:2] == (400, INVALID) and said in found[2], found
