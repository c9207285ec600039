"""Queues, as their users reach them: boto3, and the older query protocol by hand."""

import hashlib
import json
import threading
import time
import xml.etree.ElementTree as ElementTree
from urllib.parse import urlencode

import errors
import pytest
from program import ACCOUNT, until
from signing import send, signed

NO_QUEUE = ("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
UNFIT = "Reason: The request include parameter that is not valid for this queue type"


@pytest.fixture(scope="session")
def sqs(server):
    return server.client("sqs", max_pool_connections=50, retries={"total_max_attempts": 1})


@pytest.fixture
def queue(sqs, name):
    """Makes queues with attributes, and returns their URLs."""
    made = []

    def make(suffix="", **attributes):
        if "FifoQueue" in attributes:
            suffix += ".fifo"
        made.append(sqs.create_queue(QueueName=f"{name}-{len(made)}{suffix}", Attributes=attributes)["QueueUrl"])
        return made[-1]

    yield make
    for url in made:
        try:
            sqs.delete_queue(QueueUrl=url)
        except sqs.exceptions.QueueDoesNotExist:
            pass


@pytest.fixture
def fifo(queue):
    return lambda **attributes: queue(FifoQueue="true", **attributes)


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def receive(sqs, url, **how):
    how = {"MaxNumberOfMessages": 10, "MessageSystemAttributeNames": ["All"], "MessageAttributeNames": ["All"], **how}
    return sqs.receive_message(QueueUrl=url, **how).get("Messages", [])


def bodies(messages):
    return [message["Body"] for message in messages]


def arn_of(sqs, url):
    return attribute(sqs, url, "QueueArn")


def attribute(sqs, url, which):
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[which]).get("Attributes", {}).get(which)


def redrive(arn, count):
    return json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": count})


def refusal(operation, **parameters):
    """(code, message) of a call that must be refused."""
    return errors.refusal(operation, **parameters)[1:]


# What works


def test_a_queue_is_made_found_listed_and_removed(sqs, server, name):
    url = sqs.create_queue(QueueName=name, tags={"a": "b"})["QueueUrl"]
    assert url == f"http://127.0.0.1:{server.port}/{ACCOUNT}/{name}"
    assert sqs.get_queue_url(QueueName=name)["QueueUrl"] == url
    assert sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=ACCOUNT)["QueueUrl"] == url
    assert sqs.list_queues(QueueNamePrefix=name)["QueueUrls"] == [url]
    assert sqs.create_queue(QueueName=name)["QueueUrl"] == url
    sqs.delete_queue(QueueUrl=url)
    assert refusal(sqs.get_queue_url, QueueName=name) == NO_QUEUE
    assert "QueueUrls" not in sqs.list_queues(QueueNamePrefix=name)


def test_lists_have_pages(sqs, queue, name):
    urls = [queue() for _ in range(5)]
    pages = list(sqs.get_paginator("list_queues").paginate(QueueNamePrefix=name, PaginationConfig={"PageSize": 2}))
    assert [url for page in pages for url in page["QueueUrls"]] == sorted(urls)
    assert [len(page["QueueUrls"]) for page in pages] == [2, 2, 1]


def test_defaults(sqs, queue):
    attributes = sqs.get_queue_attributes(QueueUrl=queue(), AttributeNames=["All"])["Attributes"]
    assert attributes.pop("QueueArn").startswith("arn:aws:sqs:us-east-1:")
    assert abs(int(attributes.pop("CreatedTimestamp")) - time.time()) < 60
    assert abs(int(attributes.pop("LastModifiedTimestamp")) - time.time()) < 60
    assert attributes == {
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
        "VisibilityTimeout": "30",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "DelaySeconds": "0",
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true",
    }


def test_attributes_are_set_together_or_not_at_all(sqs, queue):
    url = queue()
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "5", "DelaySeconds": "1"})
    code, _ = refusal(sqs.set_queue_attributes, QueueUrl=url, Attributes={"VisibilityTimeout": "6", "DelaySeconds": "901"})
    assert code == "InvalidAttributeValue"
    assert (attribute(sqs, url, "VisibilityTimeout"), attribute(sqs, url, "DelaySeconds")) == ("5", "1")


def test_a_message_comes_as_it_was_sent(sqs, queue):
    url = queue()
    attributes = {
        "text": {"DataType": "String.kind", "StringValue": "é"},
        "number": {"DataType": "Number", "StringValue": "-1.5e3"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
    sent = sqs.send_message(QueueUrl=url, MessageBody="hé", MessageAttributes=attributes, MessageSystemAttributes=trace)
    assert sent["MD5OfMessageBody"] == md5("hé")
    [message] = receive(sqs, url)
    assert (message["Body"], message["MessageId"]) == ("hé", sent["MessageId"])
    assert message["MessageAttributes"] == attributes
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    system = message["Attributes"]
    assert system["ApproximateReceiveCount"] == "1" and system["SenderId"] == ACCOUNT
    assert system["AWSTraceHeader"] == trace["AWSTraceHeader"]["StringValue"]
    assert abs(int(system["SentTimestamp"]) - time.time() * 1000) < 60_000


@pytest.mark.parametrize(
    "names, expect",
    [([], set()), (["a.b"], {"a.b"}), (["a.*"], {"a.b", "a.c"}), (["All"], {"a.b", "a.c", "d"}), ([".*"], {"a.b", "a.c", "d"})],
)
def test_attributes_are_chosen_by_name(sqs, queue, names, expect):
    url = queue()
    attributes = {key: {"DataType": "String", "StringValue": "v"} for key in ("a.b", "a.c", "d")}
    sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes=attributes)
    [message] = receive(sqs, url, MessageAttributeNames=names)
    assert set(message.get("MessageAttributes", {})) == expect


@pytest.mark.parametrize("wanted", ["AttributeNames", "MessageSystemAttributeNames"])
def test_system_attributes_are_chosen_by_name(sqs, queue, wanted):
    url = queue()
    sqs.send_message(QueueUrl=url, MessageBody="x")
    [message] = sqs.receive_message(QueueUrl=url, **{wanted: ["SentTimestamp"]})["Messages"]
    assert list(message["Attributes"]) == ["SentTimestamp"]


def test_a_long_poll_is_woken_at_once(sqs, queue):
    url = queue()
    found = []
    waiting = threading.Thread(target=lambda: found.extend(receive(sqs, url, WaitTimeSeconds=20)))
    waiting.start()
    time.sleep(0.3)
    began = time.monotonic()
    sqs.send_message(QueueUrl=url, MessageBody="x")
    waiting.join()
    assert bodies(found) == ["x"] and time.monotonic() - began < 5


def test_a_poll_ends_when_its_wait_does(sqs, queue):
    url = queue(ReceiveMessageWaitTimeSeconds="1")
    began = time.monotonic()
    assert receive(sqs, url) == []
    assert time.monotonic() - began >= 1
    assert receive(sqs, url, WaitTimeSeconds=0) == []


def test_hidden_shown_and_deleted(sqs, queue):
    url = queue()
    sqs.send_message(QueueUrl=url, MessageBody="x")
    [first] = receive(sqs, url, VisibilityTimeout=600)
    assert receive(sqs, url) == []
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0)
    [second] = receive(sqs, url)
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=second["ReceiptHandle"])
    sqs.delete_message(QueueUrl=url, ReceiptHandle=second["ReceiptHandle"])
    assert attribute(sqs, url, "ApproximateNumberOfMessagesNotVisible") == "0"


def test_delays(sqs, queue):
    url = queue(DelaySeconds="600")
    sqs.send_message(QueueUrl=url, MessageBody="late")
    sqs.send_message(QueueUrl=url, MessageBody="now", DelaySeconds=0)
    assert bodies(receive(sqs, url)) == ["now"]
    assert attribute(sqs, url, "ApproximateNumberOfMessagesDelayed") == "1"


def test_batches_fail_in_part(sqs, queue):
    url = queue()
    entries = [
        {"Id": "good", "MessageBody": "x"},
        {"Id": "bad", "MessageBody": "y", "DelaySeconds": 901},
        {"Id": "worse", "MessageBody": "\x01"},
    ]
    answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert [(entry["Id"], entry["MD5OfMessageBody"]) for entry in answer["Successful"]] == [("good", md5("x"))]
    failed = {entry["Id"]: (entry["Code"], entry["SenderFault"]) for entry in answer["Failed"]}
    assert failed == {"bad": ("InvalidParameterValue", True), "worse": ("InvalidMessageContents", True)}
    [message] = receive(sqs, url)
    handle = message["ReceiptHandle"]
    changes = [
        {"Id": "a", "ReceiptHandle": handle, "VisibilityTimeout": 60},
        {"Id": "b", "ReceiptHandle": "no", "VisibilityTimeout": 60},
        {"Id": "c", "ReceiptHandle": handle, "VisibilityTimeout": 43201},
    ]
    answer = sqs.change_message_visibility_batch(QueueUrl=url, Entries=changes)
    assert [entry["Id"] for entry in answer["Successful"]] == ["a"]
    assert [entry["Code"] for entry in answer["Failed"]] == ["ReceiptHandleIsInvalid", "InvalidParameterValue"]
    entries = [{"Id": "a", "ReceiptHandle": handle}, {"Id": "b", "ReceiptHandle": "no"}]
    answer = sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    assert [entry["Id"] for entry in answer["Successful"]] == ["a"]
    assert [entry["Code"] for entry in answer["Failed"]] == ["ReceiptHandleIsInvalid"]


def test_the_largest_message(sqs, queue):
    url = queue()
    body = "x" * 1_048_576
    sqs.send_message(QueueUrl=url, MessageBody=body)
    [message] = receive(sqs, url)
    assert message["Body"] == body and message["MD5OfBody"] == md5(body)


def test_purge(sqs, queue):
    url = queue()
    sqs.send_message(QueueUrl=url, MessageBody="x")
    sqs.purge_queue(QueueUrl=url)
    assert receive(sqs, url) == []
    code, message = refusal(sqs.purge_queue, QueueUrl=url)
    assert code == "AWS.SimpleQueueService.PurgeQueueInProgress" and "every 60 seconds" in message
    sqs.send_message(QueueUrl=url, MessageBody="y")
    assert bodies(receive(sqs, url)) == ["y"]


def test_tags(sqs, queue):
    url = queue()
    assert "Tags" not in sqs.list_queue_tags(QueueUrl=url)
    sqs.tag_queue(QueueUrl=url, Tags={"a": "1", "b": ""})
    sqs.tag_queue(QueueUrl=url, Tags={"a": "2"})
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"a": "2", "b": ""}
    sqs.untag_queue(QueueUrl=url, TagKeys=["a", "none"])
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"b": ""}


def test_permissions_are_statements_of_the_policy(sqs, queue):
    url = queue()
    sqs.add_permission(QueueUrl=url, Label="l", AWSAccountIds=["111111111111"], Actions=["SendMessage"])
    [statement] = json.loads(attribute(sqs, url, "Policy"))["Statement"]
    assert statement == {
        "Sid": "l",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::111111111111:root"},
        "Action": "SQS:SendMessage",
        "Resource": arn_of(sqs, url),
    }
    sqs.remove_permission(QueueUrl=url, Label="l")
    assert attribute(sqs, url, "Policy") is None


def test_fifo_order_groups_and_deduplication(sqs, fifo):
    url = fifo()

    def put(group, body, own=None):
        how = {"MessageGroupId": group, "MessageDeduplicationId": own or f"{group}{body}"}
        return sqs.send_message(QueueUrl=url, MessageBody=body, **how)

    sent = [put(group, str(n)) for n in range(3) for group in "ab"]
    numbers = [int(message["SequenceNumber"]) for message in sent]
    assert numbers == sorted(numbers) and len(sent[0]["SequenceNumber"]) == 20
    again = put("a", "other", own="a0")
    assert again["SequenceNumber"] == sent[0]["SequenceNumber"] and again["MessageId"] == sent[0]["MessageId"]
    [first] = receive(sqs, url, MaxNumberOfMessages=1)
    assert first["Attributes"]["MessageGroupId"] == "a" and first["Attributes"]["MessageDeduplicationId"] == "a0"
    assert bodies(receive(sqs, url)) == ["0", "1", "2"]
    assert receive(sqs, url) == []
    sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    assert bodies(receive(sqs, url)) == ["1", "2"]


def test_content_based_deduplication(sqs, fifo):
    url = fifo(ContentBasedDeduplication="true")
    for body in ("x", "x", "y"):
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="g")
    [first, second] = receive(sqs, url)
    assert first["Attributes"]["MessageDeduplicationId"] == hashlib.sha256(b"x").hexdigest()
    assert second["Body"] == "y"


def test_deduplication_within_groups(sqs, fifo):
    url = fifo(DeduplicationScope="messageGroup", FifoThroughputLimit="perMessageGroupId")
    for group in "aab":
        sqs.send_message(QueueUrl=url, MessageBody="x", MessageGroupId=group, MessageDeduplicationId="d")
    assert [message["Attributes"]["MessageGroupId"] for message in receive(sqs, url)] == ["a", "b"]


def test_a_reception_is_repeated_under_its_attempt_id(sqs, fifo):
    url = fifo()
    sqs.send_message(QueueUrl=url, MessageBody="x", MessageGroupId="g", MessageDeduplicationId="d")
    [first] = receive(sqs, url, ReceiveRequestAttemptId="one")
    [again] = receive(sqs, url, ReceiveRequestAttemptId="one")
    assert first["MessageId"] == again["MessageId"]
    assert receive(sqs, url, ReceiveRequestAttemptId="two") == []


def test_a_group_on_a_standard_queue_is_kept(sqs, queue):
    url = queue()
    sqs.send_message(QueueUrl=url, MessageBody="x", MessageGroupId="tenant")
    assert receive(sqs, url)[0]["Attributes"]["MessageGroupId"] == "tenant"


@pytest.mark.parametrize("kind", ["standard", "fifo"])
def test_dead_letters_and_their_way_back(sqs, queue, fifo, kind):
    make = fifo if kind == "fifo" else queue
    how = {"MessageGroupId": "g", "MessageDeduplicationId": "d"} if kind == "fifo" else {}
    dead = make()
    url = make(RedrivePolicy=redrive(arn_of(sqs, dead), 1), VisibilityTimeout="0")
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]
    sent = sqs.send_message(QueueUrl=url, MessageBody="x", **how)
    assert bodies(receive(sqs, url)) == ["x"]
    assert receive(sqs, url) == []
    [message] = receive(sqs, dead, VisibilityTimeout=0)
    assert message["MessageId"] == sent["MessageId"]
    assert message["Attributes"]["DeadLetterQueueSourceArn"] == arn_of(sqs, url)
    handle = sqs.start_message_move_task(SourceArn=arn_of(sqs, dead))["TaskHandle"]
    assert handle
    tasks = lambda: sqs.list_message_move_tasks(SourceArn=arn_of(sqs, dead))["Results"]  # noqa: E731
    [task] = until(lambda: tasks()[0]["Status"] == "COMPLETED" and tasks(), "the end of the task")
    assert task["ApproximateNumberOfMessagesMoved"] == 1 and task["SourceArn"] == arn_of(sqs, dead)
    assert bodies(receive(sqs, url)) == ["x"]
    assert attribute(sqs, dead, "ApproximateNumberOfMessages") == "0"
    code, _ = refusal(sqs.cancel_message_move_task, TaskHandle=handle)
    assert code == "AWS.SimpleQueueService.UnsupportedOperation"


def test_an_event_reaches_a_queue_and_what_cannot_be_delivered_its_dead_letter_queue(server, sqs, queue, name):
    url, dead = queue(), queue()
    events = server.client("events")
    rule = events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))["RuleArn"]
    for target in (url, dead):
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn_of(sqs, target),
            "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        sqs.set_queue_attributes(QueueUrl=target, Attributes={"Policy": policy})
    gone = arn_of(sqs, url).replace(name, f"{name}-gone")
    targets = [
        {"Id": "1", "Arn": arn_of(sqs, url), "InputPath": "$.detail"},
        {"Id": "2", "Arn": gone, "DeadLetterConfig": {"Arn": arn_of(sqs, dead)}},
    ]
    assert events.put_targets(Rule=name, Targets=targets)["FailedEntryCount"] == 0
    events.put_events(Entries=[{"Source": name, "DetailType": "t", "Detail": '{"a":1}'}])
    assert bodies(receive(sqs, url)) == ['{"a":1}']
    [letter] = receive(sqs, dead)
    said = {key: value["StringValue"] for key, value in letter["MessageAttributes"].items()}
    assert said["ERROR_CODE"] == "NO_RESOURCE" and said["RULE_ARN"] == rule and said["TARGET_ARN"] == gone
    assert json.loads(letter["Body"])["source"] == name


def test_a_stack_makes_changes_and_removes_queues(server, sqs, name):
    def template(timeout):
        return json.dumps(
            {
                "Resources": {
                    "Dead": {"Type": "AWS::SQS::Queue"},
                    "Queue": {
                        "Type": "AWS::SQS::Queue",
                        "Properties": {
                            **timeout,
                            "RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 3},
                        },
                    },
                    "Fifo": {"Type": "AWS::SQS::Queue", "Properties": {"FifoQueue": True, "ContentBasedDeduplication": True}},
                    "Policy": {
                        "Type": "AWS::SQS::QueuePolicy",
                        "Properties": {
                            "Queues": [{"Ref": "Queue"}],
                            "PolicyDocument": {
                                "Version": "2012-10-17",
                                "Statement": [
                                    {
                                        "Effect": "Allow",
                                        "Principal": {"Service": "sns.amazonaws.com"},
                                        "Action": "sqs:SendMessage",
                                        "Resource": {"Fn::GetAtt": ["Queue", "Arn"]},
                                    }
                                ],
                            },
                        },
                    },
                },
                "Outputs": {
                    "Url": {"Value": {"Ref": "Queue"}},
                    "Name": {"Value": {"Fn::GetAtt": ["Queue", "QueueName"]}},
                    "Fifo": {"Value": {"Ref": "Fifo"}},
                },
            }
        )

    stacks = server.client("cloudformation")
    stacks.create_stack(StackName=name, TemplateBody=template({"VisibilityTimeout": 77}))
    stacks.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    [stack] = stacks.describe_stacks(StackName=name)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    assert outputs["Url"].endswith(f"/{ACCOUNT}/{outputs['Name']}") and outputs["Fifo"].endswith(".fifo")
    url = outputs["Url"]
    assert attribute(sqs, url, "VisibilityTimeout") == "77"
    assert json.loads(attribute(sqs, url, "RedrivePolicy"))["maxReceiveCount"] == 3
    assert "sns.amazonaws.com" in attribute(sqs, url, "Policy")
    stacks.update_stack(StackName=name, TemplateBody=template({}))
    stacks.get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    assert attribute(sqs, url, "VisibilityTimeout") == "30"
    stacks.delete_stack(StackName=name)
    stacks.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    assert refusal(sqs.get_queue_url, QueueName=outputs["Name"]) == NO_QUEUE


# The query protocol


def query(server, path="/", **parameters):
    body = urlencode({"Version": "2012-11-05", **parameters}).encode()
    headers = {**signed(server, "sqs", body, path=path), "content-type": "application/x-www-form-urlencoded"}
    answer = send(server, headers, body, path=path)
    text = answer.body.decode().replace(' xmlns="http://queue.amazonaws.com/doc/2012-11-05/"', "")
    return answer.status, ElementTree.fromstring(text)


def test_the_query_protocol_does_the_same(server, sqs, name):
    attributes = {"Attribute.1.Name": "VisibilityTimeout", "Attribute.1.Value": "9", "Tag.1.Key": "k", "Tag.1.Value": "v"}
    status, made = query(server, Action="CreateQueue", QueueName=name, **attributes)
    url = made.findtext("CreateQueueResult/QueueUrl")
    assert status == 200 and made.findtext("ResponseMetadata/RequestId") and url.endswith(name)
    path = f"/{ACCOUNT}/{name}"
    extra = {
        "MessageAttribute.1.Name": "a",
        "MessageAttribute.1.Value.DataType": "String",
        "MessageAttribute.1.Value.StringValue": "v",
    }
    _, sent = query(server, path, Action="SendMessage", MessageBody="<x>&é", **extra)
    assert sent.findtext("SendMessageResult/MD5OfMessageBody") == md5("<x>&é")
    entries = {
        "SendMessageBatchRequestEntry.1.Id": "one",
        "SendMessageBatchRequestEntry.1.MessageBody": "y",
        "SendMessageBatchRequestEntry.2.Id": "two",
        "SendMessageBatchRequestEntry.2.MessageBody": "z",
        "SendMessageBatchRequestEntry.2.DelaySeconds": "901",
    }
    _, batch = query(server, Action="SendMessageBatch", QueueUrl=url, **entries)
    assert batch.findtext("SendMessageBatchResult/SendMessageBatchResultEntry/Id") == "one"
    assert batch.findtext("SendMessageBatchResult/BatchResultErrorEntry/Code") == "InvalidParameterValue"
    wanted = {"AttributeName.1": "All", "MessageAttributeName.1": "All", "MaxNumberOfMessages": "10"}
    _, received = query(server, path, Action="ReceiveMessage", **wanted)
    messages = received.findall("ReceiveMessageResult/Message")
    assert [message.findtext("Body") for message in messages] == ["<x>&é", "y"]
    first = messages[0]
    system = {item.findtext("Name"): item.findtext("Value") for item in first.findall("Attribute")}
    assert system["ApproximateReceiveCount"] == "1"
    assert first.findtext("MessageAttribute/Name") == "a"
    assert first.findtext("MessageAttribute/Value/StringValue") == "v"
    status, _ = query(server, path, Action="DeleteMessage", ReceiptHandle=first.findtext("ReceiptHandle"))
    assert status == 200
    _, all_of_it = query(server, path, Action="GetQueueAttributes", **{"AttributeName.1": "All"})
    shown = {item.findtext("Name"): item.findtext("Value") for item in all_of_it.iter("Attribute")}
    assert shown["VisibilityTimeout"] == "9" and shown["ApproximateNumberOfMessagesNotVisible"] == "1"
    _, tags = query(server, path, Action="ListQueueTags")
    assert (tags.findtext(".//Tag/Key"), tags.findtext(".//Tag/Value")) == ("k", "v")
    _, listed = query(server, Action="ListQueues", QueueNamePrefix=name)
    assert [item.text for item in listed.findall("ListQueuesResult/QueueUrl")] == [url]
    status, _ = query(server, path, Action="DeleteQueue")
    assert status == 200


@pytest.mark.parametrize(
    "parameters, code",
    [
        ({"Action": "SendMessage", "MessageBody": "x", "QueueUrl": f"http://x/{ACCOUNT}/none"}, NO_QUEUE[0]),
        ({"Action": "SendMessage", "MessageBody": "x"}, "MissingParameter"),
        ({"Action": "GetQueueUrl"}, "MissingParameter"),
        ({"Action": "CreateQueue", "QueueName": "a b"}, "InvalidParameterValue"),
        ({"Action": "Nothing"}, "InvalidAction"),
        ({"Action": "ListQueues", "MaxResults": "x"}, "MalformedInput"),
    ],
)
def test_the_query_protocol_refuses_in_its_own_form(server, parameters, code):
    status, answer = query(server, **parameters)
    assert (status, answer.findtext("Error/Code"), answer.findtext("Error/Type")) == (400, code, "Sender")


# What is refused


@pytest.mark.parametrize(
    "own, attributes, code, said",
    [
        ("", {}, "MissingParameter", "QueueName"),
        ("a b", {}, "InvalidParameterValue", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"),
        ("a" * 81, {}, "InvalidParameterValue", "1 to 80 in length"),
        ("a.b", {}, "InvalidParameterValue", "1 to 80 in length"),
        ("a.fifo", {}, "InvalidParameterValue", "1 to 80 in length"),
        ("a", {"FifoQueue": "true"}, "InvalidParameterValue", "must end with .fifo suffix"),
        ("a", {"FifoQueue": "false"}, "InvalidAttributeName", "Unknown Attribute FifoQueue."),
        ("a.fifo", {"FifoQueue": "maybe"}, "InvalidAttributeValue", "FifoQueue"),
        ("a", {"ContentBasedDeduplication": "true"}, "InvalidAttributeName", "Unknown Attribute ContentBasedDeduplication."),
        ("a", {"DeduplicationScope": "queue"}, "InvalidAttributeName", "DeduplicationScope"),
        ("a", {"Nonsense": "1"}, "InvalidAttributeName", "Unknown Attribute Nonsense."),
        ("a", {"QueueArn": "x"}, "InvalidAttributeName", "Unknown Attribute QueueArn."),
        ("a", {"VisibilityTimeout": "-1"}, "InvalidAttributeValue", "Invalid value for the parameter VisibilityTimeout."),
        ("a", {"VisibilityTimeout": "43201"}, "InvalidAttributeValue", "VisibilityTimeout"),
        ("a", {"VisibilityTimeout": "x"}, "InvalidAttributeValue", "VisibilityTimeout"),
        ("a", {"DelaySeconds": "901"}, "InvalidAttributeValue", "DelaySeconds"),
        ("a", {"MaximumMessageSize": "1023"}, "InvalidAttributeValue", "MaximumMessageSize"),
        ("a", {"MaximumMessageSize": "1048577"}, "InvalidAttributeValue", "MaximumMessageSize"),
        ("a", {"MessageRetentionPeriod": "59"}, "InvalidAttributeValue", "MessageRetentionPeriod"),
        ("a", {"MessageRetentionPeriod": "1209601"}, "InvalidAttributeValue", "MessageRetentionPeriod"),
        ("a", {"ReceiveMessageWaitTimeSeconds": "21"}, "InvalidAttributeValue", "ReceiveMessageWaitTimeSeconds"),
        ("a", {"KmsDataKeyReusePeriodSeconds": "59"}, "InvalidAttributeValue", "KmsDataKeyReusePeriodSeconds"),
        ("a", {"SqsManagedSseEnabled": "yes"}, "InvalidAttributeValue", "SqsManagedSseEnabled"),
        ("a", {"Policy": "{"}, "InvalidAttributeValue", "Policy"),
        ("a", {"Policy": '{"Statement":[{"Effect":"Perhaps"}]}'}, "InvalidAttributeValue", "Policy"),
        ("a", {"RedrivePolicy": "x"}, "InvalidParameterValue", "Redrive policy is not a valid JSON map."),
        ("a", {"RedrivePolicy": '{"maxReceiveCount":1}'}, "InvalidParameterValue", "mandatory attribute: deadLetterTargetArn."),
        ("a", {"RedrivePolicy": redrive(f"arn:aws:sqs:us-east-1:{ACCOUNT}:none", 1)}, "InvalidParameterValue", "Dead letter target does not exist."),
        ("a", {"RedrivePolicy": redrive(f"arn:aws:sqs:us-east-1:{ACCOUNT}:none", 0)}, "InvalidParameterValue", "valid values are from 1 to 1000"),
        ("a", {"RedrivePolicy": redrive(f"arn:aws:sqs:us-east-1:{ACCOUNT}:none", 1001)}, "InvalidParameterValue", "valid values are from 1 to 1000"),
        ("a", {"RedriveAllowPolicy": "{}"}, "InvalidParameterValue", "RedriveAllowPolicy"),
        ("a", {"RedriveAllowPolicy": '{"redrivePermission":"byQueue"}'}, "InvalidParameterValue", "sourceQueueArns"),
        ("a.fifo", {"FifoQueue": "true", "FifoThroughputLimit": "perMessageGroupId"}, "InvalidParameterValue", "DeduplicationScope"),
        ("a.fifo", {"FifoQueue": "true", "DeduplicationScope": "group"}, "InvalidAttributeValue", "DeduplicationScope"),
    ],
)
def test_queues_that_are_refused(sqs, own, attributes, code, said):
    found = refusal(sqs.create_queue, QueueName=own, Attributes=attributes)
    assert found[0] == code and said in found[1], found


def test_a_queue_with_other_attributes_exists(sqs, queue, name):
    url = queue(VisibilityTimeout="10")
    own = url.rsplit("/", 1)[1]
    assert sqs.create_queue(QueueName=own, Attributes={"VisibilityTimeout": "10"})["QueueUrl"] == url
    code, said = refusal(sqs.create_queue, QueueName=own, Attributes={"VisibilityTimeout": "11"})
    assert code == "QueueAlreadyExists" and said.endswith("different value for attribute VisibilityTimeout")


def string(value):
    return {"DataType": "String", "StringValue": value}


@pytest.mark.parametrize(
    "message, code, said",
    [
        ({"MessageBody": ""}, "MissingParameter", "The request must contain the parameter MessageBody."),
        ({"MessageBody": "\x01"}, "InvalidMessageContents", "Invalid characters found."),
        ({"MessageBody": "\ufffe"}, "InvalidMessageContents", "Invalid characters found."),
        ({"MessageBody": "x" * 1_048_577}, "InvalidParameterValue", "Message must be shorter than 1048576 bytes."),
        ({"MessageBody": "x" * 1_048_570, "MessageAttributes": {"abc": string("v")}}, "InvalidParameterValue", "shorter than 1048576 bytes."),
        ({"DelaySeconds": -1}, "InvalidParameterValue", "DelaySeconds must be >= 0 and <= 900."),
        ({"DelaySeconds": 901}, "InvalidParameterValue", "Value 901 for parameter DelaySeconds is invalid."),
        ({"MessageDeduplicationId": "d"}, "InvalidParameterValue", UNFIT),
        ({"MessageGroupId": "a b"}, "InvalidParameterValue", "alphanumeric and punctuation"),
        ({"MessageGroupId": "a" * 129}, "InvalidParameterValue", "1 to 128 in length."),
        ({"MessageAttributes": {f"a{n}": string("v") for n in range(11)}}, "InvalidParameterValue", "[11] exceeds the allowed maximum [10]"),
        ({"MessageAttributes": {"": string("v")}}, "InvalidParameterValue", "name"),
        ({"MessageAttributes": {"a b": string("v")}}, "InvalidParameterValue", "name"),
        ({"MessageAttributes": {"AWS.a": string("v")}}, "InvalidParameterValue", "should not start with AWS"),
        ({"MessageAttributes": {"a": string("")}}, "InvalidParameterValue", "non-empty value of type 'String'"),
        ({"MessageAttributes": {"a": {"DataType": "Text", "StringValue": "v"}}}, "InvalidParameterValue", "invalid message attribute type"),
        ({"MessageAttributes": {"a": {"DataType": "", "StringValue": "v"}}}, "InvalidParameterValue", "non-empty message attribute type"),
        ({"MessageAttributes": {"a": {"DataType": "Binary", "StringValue": "v"}}}, "InvalidParameterValue", "must use field 'BinaryValue'"),
        ({"MessageAttributes": {"a": {"DataType": "Number", "StringValue": "v"}}}, "InvalidParameterValue", "to a number."),
        ({"MessageSystemAttributes": {"Other": string("v")}}, "InvalidParameterValue", "Other"),
    ],
)
def test_messages_that_are_refused(sqs, queue, message, code, said):
    found = refusal(sqs.send_message, QueueUrl=queue(), **{"MessageBody": "x", **message})
    assert found[0] == code and said in found[1], found


@pytest.mark.parametrize(
    "message, code, said",
    [
        ({"MessageDeduplicationId": "d"}, "MissingParameter", "The request must contain the parameter MessageGroupId."),
        ({"MessageGroupId": "g"}, "InvalidParameterValue", "ContentBasedDeduplication enabled or MessageDeduplicationId provided"),
        ({"MessageGroupId": "g", "MessageDeduplicationId": "d", "DelaySeconds": 1}, "InvalidParameterValue", UNFIT),
        ({"MessageGroupId": "g", "MessageDeduplicationId": "d" * 129}, "InvalidParameterValue", "1 to 128 in length."),
        ({"MessageGroupId": "g", "MessageDeduplicationId": "d d"}, "InvalidParameterValue", "MessageDeduplicationId"),
    ],
)
def test_fifo_messages_that_are_refused(sqs, fifo, message, code, said):
    found = refusal(sqs.send_message, QueueUrl=fifo(), MessageBody="x", **message)
    assert found[0] == code and said in found[1], found


@pytest.mark.parametrize(
    "how, code, said",
    [
        ({"MaxNumberOfMessages": 0}, "InvalidParameterValue", "Value 0 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided."),
        ({"MaxNumberOfMessages": 11}, "InvalidParameterValue", "Must be between 1 and 10"),
        ({"WaitTimeSeconds": 21}, "InvalidParameterValue", "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided."),
        ({"WaitTimeSeconds": -1}, "InvalidParameterValue", "WaitTimeSeconds"),
        ({"VisibilityTimeout": 43201}, "InvalidParameterValue", "VisibilityTimeout"),
        ({"VisibilityTimeout": -1}, "InvalidParameterValue", "VisibilityTimeout"),
        ({"AttributeNames": ["Nonsense"]}, "InvalidAttributeName", "Unknown Attribute Nonsense."),
        ({"ReceiveRequestAttemptId": "a"}, "InvalidParameterValue", UNFIT),
    ],
)
def test_receptions_that_are_refused(sqs, queue, how, code, said):
    found = refusal(sqs.receive_message, QueueUrl=queue(), **how)
    assert found[0] == code and said in found[1], found


@pytest.mark.parametrize(
    "entries, code, said",
    [
        ([], "AWS.SimpleQueueService.EmptyBatchRequest", "There should be at least one SendMessageBatchRequestEntry in the request."),
        ([{"Id": f"i{n}", "MessageBody": "x"} for n in range(11)], "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10. You have sent 11."),
        ([{"Id": "a", "MessageBody": "x"}] * 2, "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "Id a repeated."),
        ([{"Id": "a b", "MessageBody": "x"}], "AWS.SimpleQueueService.InvalidBatchEntryId", "A batch entry id can only contain"),
        ([{"Id": "a" * 81, "MessageBody": "x"}], "AWS.SimpleQueueService.InvalidBatchEntryId", "at most 80 letters"),
        ([{"Id": "", "MessageBody": "x"}], "AWS.SimpleQueueService.InvalidBatchEntryId", "batch entry id"),
        ([{"Id": f"i{n}", "MessageBody": "x" * 600_000} for n in range(2)], "AWS.SimpleQueueService.BatchRequestTooLong", "Batch requests cannot be longer than 1048576 bytes. You have sent 1200000 bytes."),
    ],
)
def test_batches_that_are_refused(sqs, queue, entries, code, said):
    found = refusal(sqs.send_message_batch, QueueUrl=queue(), Entries=entries)
    assert found[0] == code and said in found[1], found


@pytest.mark.parametrize("handle", ["garbage", "AQ==", "x" * 2_000])
def test_receipt_handles_that_are_none(sqs, queue, handle):
    url = queue()
    for operation, more in ((sqs.delete_message, {}), (sqs.change_message_visibility, {"VisibilityTimeout": 1})):
        code, said = refusal(operation, QueueUrl=url, ReceiptHandle=handle, **more)
        assert code == "ReceiptHandleIsInvalid" and said.endswith("is not a valid receipt handle.")


def test_visibility_that_cannot_be_changed(sqs, queue):
    url = queue()
    sqs.send_message(QueueUrl=url, MessageBody="x")
    [message] = receive(sqs, url)
    handle = message["ReceiptHandle"]

    def change(timeout):
        return refusal(sqs.change_message_visibility, QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=timeout)

    assert change(-1)[0] == change(43201)[0] == "InvalidParameterValue"
    time.sleep(0.01)
    code, said = change(43200)
    assert code == "InvalidParameterValue" and "beyond the limit [43200 seconds]" in said
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    assert change(10)[0] == "AWS.SimpleQueueService.MessageNotInflight"
    [again] = receive(sqs, url)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=again["ReceiptHandle"])
    code, said = change(10)
    assert code == "InvalidParameterValue" and "not available for visibility timeout change" in said


def test_a_fifo_message_is_deleted_only_under_the_reception_that_hides_it(sqs, fifo):
    url = fifo()
    sqs.send_message(QueueUrl=url, MessageBody="x", MessageGroupId="g", MessageDeduplicationId="d")
    [message] = receive(sqs, url, VisibilityTimeout=0)
    code, said = refusal(sqs.delete_message, QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert code == "InvalidParameterValue" and said.endswith("Reason: The receipt handle has expired.")


@pytest.mark.parametrize(
    "operation, more",
    [
        ("send_message", {"MessageBody": "x"}),
        ("receive_message", {}),
        ("delete_message", {"ReceiptHandle": "x"}),
        ("get_queue_attributes", {}),
        ("set_queue_attributes", {"Attributes": {"DelaySeconds": "1"}}),
        ("purge_queue", {}),
        ("delete_queue", {}),
        ("list_queue_tags", {}),
        ("list_dead_letter_source_queues", {}),
    ],
)
def test_what_is_done_to_no_queue(sqs, server, operation, more):
    url = f"http://127.0.0.1:{server.port}/{ACCOUNT}/none"
    assert refusal(getattr(sqs, operation), QueueUrl=url, **more) == NO_QUEUE
    assert refusal(getattr(sqs, operation), QueueUrl="garbage", **more)[0] == "InvalidAddress"
    assert refusal(getattr(sqs, operation), QueueUrl="", **more)[0] == "MissingParameter"


@pytest.mark.parametrize(
    "how, code, said",
    [
        ({"Actions": ["Nonsense"]}, "InvalidParameterValue", "list of valid actions"),
        ({"Actions": ["DeleteQueue"]}, "InvalidParameterValue", "Only the queue owner is allowed to invoke this action."),
        ({"AWSAccountIds": ["abc"]}, "InvalidParameterValue", "Unable to verify."),
        ({"AWSAccountIds": []}, "MissingParameter", "AWSAccountIds"),
        ({"Actions": []}, "MissingParameter", "Actions"),
        ({"Label": "a b"}, "InvalidParameterValue", "Label"),
        ({"Label": "there"}, "InvalidParameterValue", "Already exists."),
        ({"Actions": ["SendMessage"] * 8}, "OverLimit", "8 Actions were found, maximum allowed is 7."),
    ],
)
def test_permissions_that_are_refused(sqs, queue, how, code, said):
    url = queue()
    given = {"Label": "there", "AWSAccountIds": ["111111111111"], "Actions": ["SendMessage"]}
    sqs.add_permission(QueueUrl=url, **given)
    found = refusal(sqs.add_permission, QueueUrl=url, **{**given, "Label": "new", **how})
    assert found[0] == code and said in found[1], found
    code, said = refusal(sqs.remove_permission, QueueUrl=url, Label="none")
    assert code == "InvalidParameterValue" and "can't find label" in said


@pytest.mark.parametrize(
    "tags, said",
    [({"": "v"}, "Tag keys"), ({"k" * 129: "v"}, "Tag keys"), ({"aws:k": "v"}, "aws:"), ({"k": "v" * 257}, "Tag values"), ({f"k{n}": "v" for n in range(51)}, "at most 50")],
)
def test_tags_that_are_refused(sqs, queue, tags, said):
    code, found = refusal(sqs.tag_queue, QueueUrl=queue(), Tags=tags)
    assert code == "InvalidParameterValue" and said in found


def test_redrive_is_allowed_by_the_dead_letter_queue(sqs, queue, fifo):
    dead = queue(RedriveAllowPolicy='{"redrivePermission":"denyAll"}')
    url = queue()
    policy = {"RedrivePolicy": redrive(arn_of(sqs, dead), 1)}
    assert refusal(sqs.set_queue_attributes, QueueUrl=url, Attributes=policy)[0] == "InvalidParameterValue"
    allow = {"redrivePermission": "byQueue", "sourceQueueArns": [arn_of(sqs, url)]}
    sqs.set_queue_attributes(QueueUrl=dead, Attributes={"RedriveAllowPolicy": json.dumps(allow)})
    sqs.set_queue_attributes(QueueUrl=url, Attributes=policy)
    code, said = refusal(sqs.set_queue_attributes, QueueUrl=fifo(), Attributes=policy)
    assert code == "InvalidParameterValue" and "same type" in said
    code, said = refusal(sqs.set_queue_attributes, QueueUrl=url, Attributes={"FifoQueue": "true"})
    assert code == "InvalidAttributeValue" and "Modifying queue type is not supported" in said


def test_message_moves_that_are_refused(sqs, queue):
    dead = queue()
    code, said = refusal(sqs.start_message_move_task, SourceArn=arn_of(sqs, dead))
    assert code == "InvalidParameterValue" and "Dead Letter Queue" in said
    queue(RedrivePolicy=redrive(arn_of(sqs, dead), 1))
    none = f"arn:aws:sqs:us-east-1:{ACCOUNT}:none"
    assert refusal(sqs.start_message_move_task, SourceArn=none)[0] == "ResourceNotFoundException"
    how = {"SourceArn": arn_of(sqs, dead)}
    assert refusal(sqs.start_message_move_task, DestinationArn=none, **how)[0] == "ResourceNotFoundException"
    for rate in (0, 501):
        code, _ = refusal(sqs.start_message_move_task, MaxNumberOfMessagesPerSecond=rate, **how)
        assert code == "InvalidParameterValue"
    assert refusal(sqs.cancel_message_move_task, TaskHandle="x")[0] == "InvalidParameterValue"
    assert refusal(sqs.list_message_move_tasks, MaxResults=11, **how)[0] == "InvalidParameterValue"


def test_who_may_not_is_refused(server, sqs, queue, name):
    url = queue()
    iam = server.client("iam")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    user = server.client("sqs", key["AccessKeyId"], key["SecretAccessKey"])
    for operation, more in (("send_message", {"MessageBody": "x"}), ("receive_message", {}), ("purge_queue", {})):
        assert refusal(getattr(user, operation), QueueUrl=url, **more)[0] in ("AccessDenied", "AccessDeniedException")
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/{name}"},
        "Action": "sqs:SendMessage",
        "Resource": arn_of(sqs, url),
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    user.send_message(QueueUrl=url, MessageBody="x")
    user.send_message_batch(QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "y"}])
    assert refusal(user.receive_message, QueueUrl=url)[0] in ("AccessDenied", "AccessDeniedException")
    assert bodies(receive(sqs, url)) == ["x", "y"]


def test_policies_that_are_too_large(sqs, queue):
    url = queue()

    def policy(statements, padding=""):
        statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn_of(sqs, url)}
        listed = [{**statement, "Sid": f"s{n}{padding}"} for n in range(statements)]
        return {"Policy": json.dumps({"Version": "2012-10-17", "Statement": listed})}

    sqs.set_queue_attributes(QueueUrl=url, Attributes=policy(20))
    code, said = refusal(sqs.set_queue_attributes, QueueUrl=url, Attributes=policy(21))
    assert (code, said) == ("OverLimit", "21 statements were found, maximum allowed is 20.")
    more = {"Label": "l", "AWSAccountIds": ["111111111111"], "Actions": ["SendMessage"]}
    assert refusal(sqs.add_permission, QueueUrl=url, **more) == (code, said)
    long = refusal(sqs.set_queue_attributes, QueueUrl=url, Attributes=policy(1, "x" * 8_192))
    assert long == ("InvalidAttributeValue", "Invalid value for the parameter Policy.")
    sqs.set_queue_attributes(QueueUrl=url, Attributes=policy(1, "x" * 7_900))
    assert refusal(sqs.add_permission, QueueUrl=url, **more)[0] == "InvalidAttributeValue"


BATCHES = {
    "send_message_batch": {"MessageBody": "x"},
    "delete_message_batch": {"ReceiptHandle": "x"},
    "change_message_visibility_batch": {"ReceiptHandle": "x", "VisibilityTimeout": 1},
}


@pytest.mark.parametrize("operation", BATCHES)
@pytest.mark.parametrize(
    "ids, code",
    [
        ([], "EmptyBatchRequest"),
        ([f"i{n}" for n in range(11)], "TooManyEntriesInBatchRequest"),
        (["a", "b", "a"], "BatchEntryIdsNotDistinct"),
        (["a.b"], "InvalidBatchEntryId"),
        (["a" * 81], "InvalidBatchEntryId"),
        (["é"], "InvalidBatchEntryId"),
    ],
)
def test_ids_of_batches_that_are_refused(sqs, queue, operation, ids, code):
    entries = [{"Id": own, **BATCHES[operation]} for own in ids]
    found = refusal(getattr(sqs, operation), QueueUrl=queue(), Entries=entries)
    assert found[0] == f"AWS.SimpleQueueService.{code}"


@pytest.mark.parametrize("operation", BATCHES)
def test_an_entry_without_what_it_needs_fails_alone(sqs, queue, operation):
    answer = getattr(sqs, operation)(QueueUrl=queue(), Entries=[{"Id": "a"}])
    assert answer["Failed"][0]["Id"] == "a" and answer["Failed"][0]["Code"] == "MissingParameter"
    assert answer["Failed"][0]["SenderFault"] and not answer.get("Successful")


@pytest.mark.parametrize(
    "operation, more, code, said",
    [
        ("list_queues", {"MaxResults": 0}, "InvalidParameterValue", "MaxResults"),
        ("list_queues", {"MaxResults": 1001}, "InvalidParameterValue", "Value 1001 for parameter MaxResults is invalid."),
        ("list_queues", {"NextToken": "00"}, "MissingParameter", "MaxResults"),
        ("list_queues", {"NextToken": "no hex", "MaxResults": 1}, "InvalidParameterValue", "next token"),
        ("get_queue_url", {"QueueName": ""}, "MissingParameter", "QueueName"),
        ("get_queue_url", {"QueueName": "none", "QueueOwnerAWSAccountId": "x"}, NO_QUEUE[0], NO_QUEUE[1]),
        ("start_message_move_task", {}, "MissingParameter", "SourceArn"),
        ("start_message_move_task", {"SourceArn": "x"}, "ResourceNotFoundException", "SourceArn"),
        ("list_message_move_tasks", {}, "MissingParameter", "SourceArn"),
        ("list_message_move_tasks", {"SourceArn": "x"}, "ResourceNotFoundException", "SourceArn"),
        ("cancel_message_move_task", {}, "MissingParameter", "TaskHandle"),
    ],
)
def test_requests_about_no_queue_in_particular_that_are_refused(sqs, operation, more, code, said):
    found = refusal(getattr(sqs, operation), **more)
    assert found[0] == code and said in found[1], found


@pytest.mark.parametrize(
    "operation, more, code, said",
    [
        ("list_dead_letter_source_queues", {"MaxResults": 0}, "InvalidParameterValue", "MaxResults"),
        ("list_dead_letter_source_queues", {"MaxResults": 1001}, "InvalidParameterValue", "MaxResults"),
        ("get_queue_attributes", {"AttributeNames": ["Nonsense"]}, "InvalidAttributeName", "Unknown Attribute Nonsense."),
        ("set_queue_attributes", {"Attributes": {}}, "MissingParameter", "Attribute.Name"),
        ("set_queue_attributes", {"Attributes": {"QueueArn": "x"}}, "InvalidAttributeName", "Unknown Attribute QueueArn."),
        ("set_queue_attributes", {"Attributes": {"VisibilityTimeout": ""}}, "InvalidAttributeValue", "VisibilityTimeout"),
        ("tag_queue", {"Tags": {}}, "MissingParameter", "Tags"),
        ("untag_queue", {"TagKeys": []}, "MissingParameter", "TagKeys"),
        ("add_permission", {"AWSAccountIds": ["1" * 12], "Actions": ["*"]}, "MissingParameter", "Label"),
        ("remove_permission", {}, "MissingParameter", "Label"),
        ("delete_message", {}, "MissingParameter", "ReceiptHandle"),
        ("change_message_visibility", {"VisibilityTimeout": 1}, "MissingParameter", "ReceiptHandle"),
        ("send_message", {}, "MissingParameter", "MessageBody"),
    ],
)
def test_requests_about_a_queue_that_are_refused(sqs, queue, operation, more, code, said):
    found = refusal(getattr(sqs, operation), QueueUrl=queue(), **more)
    assert found[0] == code and said in found[1], found


def test_the_query_protocol_refuses_what_the_other_does(server, queue):
    url = queue()
    path = url[url.index(f"/{ACCOUNT}/") :]
    entry = "SendMessageBatchRequestEntry"
    attribute = "MessageAttribute.1"
    for parameters, code in [
        ({"Action": "SendMessage"}, "MissingParameter"),
        ({"Action": "SendMessage", "MessageBody": "x", "DelaySeconds": "901"}, "InvalidParameterValue"),
        ({"Action": "SendMessage", "MessageBody": "x", "DelaySeconds": "soon"}, "MalformedInput"),
        ({"Action": "SendMessage", "MessageBody": "x", "MessageDeduplicationId": "d"}, "InvalidParameterValue"),
        (
            {
                "Action": "SendMessage",
                "MessageBody": "x",
                f"{attribute}.Name": "a",
                f"{attribute}.Value.DataType": "Text",
                f"{attribute}.Value.StringValue": "v",
            },
            "InvalidParameterValue",
        ),
        ({"Action": "SendMessageBatch"}, "AWS.SimpleQueueService.EmptyBatchRequest"),
        (
            {"Action": "SendMessageBatch", f"{entry}.1.Id": "a b", f"{entry}.1.MessageBody": "x"},
            "AWS.SimpleQueueService.InvalidBatchEntryId",
        ),
        ({"Action": "ReceiveMessage", "MaxNumberOfMessages": "11"}, "InvalidParameterValue"),
        ({"Action": "ReceiveMessage", "AttributeName.1": "Nonsense"}, "InvalidAttributeName"),
        ({"Action": "DeleteMessage", "ReceiptHandle": "x"}, "ReceiptHandleIsInvalid"),
        ({"Action": "SetQueueAttributes"}, "MissingParameter"),
        (
            {"Action": "SetQueueAttributes", "Attribute.1.Name": "DelaySeconds", "Attribute.1.Value": "x"},
            "InvalidAttributeValue",
        ),
        ({"Action": "AddPermission", "Label": "l", "AWSAccountId.1": "1" * 12, "ActionName.1": "Fly"}, "InvalidParameterValue"),
        ({"Action": "TagQueue", "Tag.1.Key": "aws:k", "Tag.1.Value": "v"}, "InvalidParameterValue"),
    ]:
        status, answer = query(server, path, **parameters)
        found = (status, answer.findtext("Error/Code"), answer.findtext("Error/Type"))
        assert found == (400, code, "Sender"), (parameters, found, answer.findtext("Error/Message"))
