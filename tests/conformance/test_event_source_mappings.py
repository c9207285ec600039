"""Event source mappings with real queues and functions: batches, filters, failures, states, what is refused, and kills."""

import json
import threading
import time

import pytest
from errors import refusal
from functions import allow, create_role, events_logged, logged
from mappings import Mappings
from program import ACCOUNT, until

# What AWSLambdaSQSQueueExecutionRole allows.
POLL = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")


class Mapped(Mappings):
    """A queue, a function and a mapping between them, on one server."""

    def __init__(self, server, name, code):
        super().__init__(server, name, code, allow(*POLL))

    def queue(self, suffix="", **attributes):
        url = self.sqs.create_queue(QueueName=f"{self.name}{suffix}", Attributes=attributes)["QueueUrl"]
        self.queues.append(url)
        return url

    def arn(self, url):
        return self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def map(self, function, url, **settings):
        return super().map(function, self.arn(url), **settings)

    def records(self, function):
        """Every record that the function was invoked with, batch by batch."""
        return [event["Records"] for event in events_logged(self.server, function)]

    def left(self, url):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def until_empty(self, url):
        until(lambda: self.left(url) == 0, "an empty queue")


@pytest.fixture
def mapped(server, name, code):
    made = Mapped(server, name, code)
    yield made
    made.close()


def test_messages_come_as_aws_sends_them(mapped):
    url, function = mapped.queue(), mapped.function("print")
    made = mapped.map(function, url)
    assert made["State"] == "Creating" and made["BatchSize"] == 10
    assert made["FunctionArn"].endswith(f":function:{function}") and made["EventSourceArn"] == mapped.arn(url)
    assert made["EventSourceMappingArn"].endswith(f":event-source-mapping:{made['UUID']}")
    attributes = {"color": {"DataType": "String", "StringValue": "red"}}
    sent = mapped.sqs.send_message(QueueUrl=url, MessageBody='{"a": 1}', MessageAttributes=attributes)
    ((record,),) = until(lambda: mapped.records(function), "an invocation")
    assert set(record) >= {"messageId", "receiptHandle", "body", "attributes", "messageAttributes", "md5OfBody"}
    assert (record["messageId"], record["body"], record["md5OfBody"]) == (
        sent["MessageId"],
        '{"a": 1}',
        sent["MD5OfMessageBody"],
    )
    assert (record["eventSource"], record["eventSourceARN"], record["awsRegion"]) == (
        "aws:sqs",
        mapped.arn(url),
        "us-east-1",
    )
    assert record["attributes"]["ApproximateReceiveCount"] == "1" and record["attributes"]["SentTimestamp"]
    assert record["messageAttributes"]["color"]["stringValue"] == "red"
    assert record["messageAttributes"]["color"]["dataType"] == "String"
    mapped.until_empty(url)
    until(
        lambda: mapped.lambda_.get_event_source_mapping(UUID=made["UUID"])["LastProcessingResult"] == "OK", "a result"
    )
    assert mapped.lambda_.get_event_source_mapping(UUID=made["UUID"])["State"] == "Enabled"


def test_what_waits_is_one_batch(mapped):
    url, function = mapped.queue(), mapped.function("print")
    entries = [{"Id": str(n), "MessageBody": str(n)} for n in range(10)]
    mapped.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    mapped.map(function, url)
    mapped.until_empty(url)
    batches = until(lambda: mapped.records(function), "an invocation")
    assert [sorted(record["body"] for record in batch) for batch in batches] == [[str(n) for n in range(10)]]


def test_a_window_gathers_more_than_ten(mapped):
    url, function = mapped.queue(), mapped.function("print")
    mapped.map(function, url, BatchSize=1_000, MaximumBatchingWindowInSeconds=1)
    for batch in range(5):
        entries = [{"Id": str(n), "MessageBody": f"{batch}-{n}"} for n in range(10)]
        mapped.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    mapped.until_empty(url)
    batches = until(lambda: sum(map(len, mapped.records(function))) == 50 and mapped.records(function), "all")
    assert max(map(len, batches)) > 10


def test_filters_delete_what_they_do_not_let_through(mapped):
    url, function = mapped.queue(), mapped.function("print")
    patterns = [{"body": {"kind": ["order"]}}, {"body": {"n": [{"numeric": [">", 5]}]}}]
    criteria = {"Filters": [{"Pattern": json.dumps(pattern)} for pattern in patterns]}
    made = mapped.map(function, url, FilterCriteria=criteria)
    assert made["FilterCriteria"] == criteria
    for body in ('{"kind":"order"}', '{"kind":"other"}', '{"n":9}', '{"n":1}', "no json"):
        mapped.sqs.send_message(QueueUrl=url, MessageBody=body)
    mapped.until_empty(url)
    bodies = until(
        lambda: len(found := [r["body"] for batch in mapped.records(function) for r in batch]) == 2 and found, "two"
    )
    assert sorted(bodies) == ['{"kind":"order"}', '{"n":9}']


def test_only_reported_messages_come_again_and_end_as_dead_letters(mapped):
    dead = mapped.queue("-dead")
    redrive = json.dumps({"deadLetterTargetArn": mapped.arn(dead), "maxReceiveCount": 2})
    url = mapped.queue(VisibilityTimeout="2", RedrivePolicy=redrive)
    function = mapped.function("report", Timeout=2)
    mapped.map(function, url, FunctionResponseTypes=["ReportBatchItemFailures"])
    entries = [{"Id": str(n), "MessageBody": "bad" if n == 1 else "good"} for n in range(3)]
    mapped.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    until(lambda: mapped.left(dead) == 1, "a dead letter")
    mapped.until_empty(url)
    records = [record for batch in mapped.records(function) for record in batch]
    assert sorted(r["body"] for r in records) == ["bad", "bad", "good", "good"]
    assert sorted(r["attributes"]["ApproximateReceiveCount"] for r in records if r["body"] == "bad") == ["1", "2"]


def test_a_failed_batch_comes_again(mapped):
    url, function = mapped.queue(VisibilityTimeout="1"), mapped.function("fail", Timeout=1)
    made = mapped.map(function, url)
    mapped.sqs.send_message(QueueUrl=url, MessageBody="x")
    starts = lambda: [line for line in logged(mapped.server, function) if line.startswith("START")]
    until(lambda: len(starts()) >= 2, "a second attempt")
    assert mapped.left(url) == 1
    result = mapped.lambda_.get_event_source_mapping(UUID=made["UUID"])["LastProcessingResult"]
    assert result == "PROBLEM: Function call failed"


def test_groups_keep_their_order(mapped):
    url = mapped.queue(".fifo", FifoQueue="true", ContentBasedDeduplication="true")
    function = mapped.function("print")
    for n in range(12):
        mapped.sqs.send_message(QueueUrl=url, MessageBody=f"{n:02}", MessageGroupId=f"g{n % 3}")
    mapped.map(function, url, BatchSize=2)
    mapped.until_empty(url)
    seen = until(lambda: len(all_ := [r for b in mapped.records(function) for r in b]) == 12 and all_, "all twelve")
    for group in ("g0", "g1", "g2"):
        bodies = [r["body"] for r in seen if r["attributes"]["MessageGroupId"] == group]
        assert bodies == sorted(bodies)


def test_states(mapped):
    url, function = mapped.queue(), mapped.function("print")
    uuid = mapped.map(function, url, Enabled=False)["UUID"]
    state = lambda: mapped.lambda_.get_event_source_mapping(UUID=uuid)["State"]
    assert state() == "Disabled"
    mapped.sqs.send_message(QueueUrl=url, MessageBody="x")
    assert mapped.lambda_.update_event_source_mapping(UUID=uuid, Enabled=True)["State"] == "Enabling"
    mapped.until_empty(url)
    assert state() == "Enabled"
    assert mapped.lambda_.update_event_source_mapping(UUID=uuid, BatchSize=3)["BatchSize"] == 3
    assert mapped.lambda_.update_event_source_mapping(UUID=uuid, Enabled=False)["State"] == "Disabling"
    until(lambda: state() == "Disabled", "a disabled mapping")
    mapped.sqs.send_message(QueueUrl=url, MessageBody="y")
    time.sleep(0.5)
    assert mapped.left(url) == 1 and len(mapped.records(function)) == 1
    listed = mapped.lambda_.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
    assert [mapping["UUID"] for mapping in listed] == [uuid]
    assert mapped.lambda_.delete_event_source_mapping(UUID=uuid)["State"] == "Deleting"
    gone = lambda: refusal(mapped.lambda_.get_event_source_mapping, UUID=uuid)
    until(lambda: not mapped.lambda_.list_event_source_mappings(FunctionName=function)["EventSourceMappings"], "no more")
    assert gone() == (404, "ResourceNotFoundException", "The resource you requested does not exist.")


def test_what_is_refused(mapped):
    url, function = mapped.queue(), mapped.function("print")
    create = mapped.lambda_.create_event_source_mapping
    refuse = lambda **how: refusal(create, **{"FunctionName": function, "EventSourceArn": mapped.arn(url), **how})
    invalid = "InvalidParameterValueException"
    assert refuse(FunctionName="nobody") == (400, invalid, "Function does not exist")
    assert refuse(EventSourceArn="arn:aws:s3:::b")[1] == invalid
    missing = refuse(EventSourceArn=f"arn:aws:sqs:us-east-1:{ACCOUNT}:nobody")
    assert missing[1] == invalid and "AWS.SimpleQueueService.NonExistentQueue" in missing[2]
    assert refuse(BatchSize=11)[2] == (
        "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
    )
    assert refuse(BatchSize=10_001)[1] == "ValidationException"
    assert refuse(ScalingConfig={"MaximumConcurrency": 1})[1] == "ValidationException"
    assert refuse(FilterCriteria={"Filters": [{"Pattern": "{"}]})[2] == "Invalid filter pattern definition."
    assert refuse(StartingPosition="LATEST")[1] == invalid
    slow = mapped.function("print", Timeout=60)
    assert refuse(FunctionName=slow)[2] == (
        "Queue visibility timeout: 30 seconds is less than Function timeout: 60 seconds"
    )
    powerless = create_role(mapped.server, f"{mapped.name}-powerless")
    assert refuse(FunctionName=mapped.function("print", Role=powerless))[2] == (
        "The provided execution role does not have permissions to call ReceiveMessage on SQS"
    )
    half = create_role(mapped.server, f"{mapped.name}-half", allow("sqs:ReceiveMessage"))
    assert refuse(FunctionName=mapped.function("print", Role=half))[2].endswith("to call DeleteMessage on SQS")
    uuid = mapped.map(function, url)["UUID"]
    twice = refuse()
    assert twice[:2] == (409, "ResourceConflictException") and uuid in twice[2]
    assert refusal(mapped.lambda_.update_event_source_mapping, UUID=uuid, BatchSize=50)[1] == invalid
    for operation in ("get", "delete", "update"):
        call = getattr(mapped.lambda_, f"{operation}_event_source_mapping")
        assert refusal(call, UUID="nobody")[:2] == (404, "ResourceNotFoundException")


def test_failed_events_of_a_function_become_dead_letters(mapped):
    dead = mapped.queue("-dead")
    iam = mapped.server.client("iam")
    policy = {"Version": "2012-10-17", "Statement": [allow("sqs:SendMessage", resource=mapped.arn(dead))]}
    iam.put_role_policy(RoleName=f"{mapped.name}-role", PolicyName="dead", PolicyDocument=json.dumps(policy))
    function = mapped.function("fail", DeadLetterConfig={"TargetArn": mapped.arn(dead)})
    mapped.lambda_.put_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=0)
    mapped.lambda_.invoke(FunctionName=function, InvocationType="Event", Payload=b'{"a":1}')
    receive = lambda: mapped.sqs.receive_message(QueueUrl=dead, MessageAttributeNames=["All"]).get("Messages")
    (message,) = until(receive, "a dead letter")
    assert json.loads(message["Body"]) == {"a": 1}
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert attributes["ErrorMessage"] == "as it was told" and attributes["ErrorCode"] == "200" and attributes["RequestID"]


TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  Bucket: {Type: String}
  Orders: {Type: String}
Resources:
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: provided.al2023
      Handler: print
      CodeUri: {Bucket: !Ref Bucket, Key: code}
      Events:
        Order:
          Type: SQS
          Properties: {Queue: !Ref Orders, BatchSize: 5}
Outputs:
  Worker: {Value: !Ref Worker}
"""


def test_a_stack_with_an_event_of_sqs(server, mapped, code, name):
    s3, stacks, url = server.client("s3"), server.client("cloudformation"), mapped.queue()
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="code", Body=code)
    stacks.create_stack(
        StackName=name,
        TemplateBody=TEMPLATE,
        Parameters=[
            {"ParameterKey": "Bucket", "ParameterValue": name},
            {"ParameterKey": "Orders", "ParameterValue": mapped.arn(url)},
        ],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    stacks.get_waiter("stack_create_complete").wait(StackName=name)
    (stack,) = stacks.describe_stacks(StackName=name)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    (mapping,) = server.client("lambda").list_event_source_mappings(FunctionName=outputs["Worker"])["EventSourceMappings"]
    assert (mapping["BatchSize"], mapping["State"]) == (5, "Enabled")
    mapped.sqs.send_message(QueueUrl=url, MessageBody="hello")
    until(lambda: events_logged(server, outputs["Worker"]), "an invocation")
    stacks.delete_stack(StackName=name)
    stacks.get_waiter("stack_delete_complete").wait(StackName=name)


def test_no_message_is_lost_by_kills(own_server, code):
    """Every message that was acknowledged is processed at least once, whenever the server is killed."""
    mapped = Mapped(own_server, "kill", code)
    url, function = mapped.queue(VisibilityTimeout="2"), mapped.function("late", Timeout=2)
    mapped.map(function, url, BatchSize=3)
    acknowledged = []

    def send(first):
        sqs = own_server.client("sqs")
        for n in range(first, first + 40):
            try:
                sqs.send_message(QueueUrl=url, MessageBody=str(n))
                acknowledged.append(str(n))
            except Exception:
                return

    for life in range(3):
        sender = threading.Thread(target=send, args=(life * 40,))
        sender.start()
        until(lambda: events_logged(own_server, function), "work under way")
        time.sleep(0.3)
        own_server.kill()
        sender.join()
        own_server.start()
    mapped = mapped.__class__.__new__(Mapped)
    mapped.server, mapped.sqs = own_server, own_server.client("sqs")
    until(lambda: mapped.left(url) == 0, "an empty queue", seconds=60)
    seen = {record["body"] for event in events_logged(own_server, function) for record in event["Records"]}
    assert set(acknowledged) <= seen and acknowledged


def test_an_orderly_end_loses_nothing_and_repeats_nothing(own_server, code):
    mapped = Mapped(own_server, "end", code)
    url, function = mapped.queue(), mapped.function("late")
    mapped.map(function, url, BatchSize=1)
    for n in range(4):
        mapped.sqs.send_message(QueueUrl=url, MessageBody=str(n))
    until(lambda: events_logged(own_server, function), "work under way")
    assert own_server.stop() == 0
    own_server.start()
    mapped.server, mapped.sqs = own_server, own_server.client("sqs")
    mapped.until_empty(url)
    bodies = sorted(r["body"] for event in events_logged(own_server, function) for r in event["Records"])
    assert bodies == ["0", "1", "2", "3"]
