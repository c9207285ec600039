"""SNS and SQS together, with boto3: a message is in its queues when Publish answers, once, in order, whatever is killed."""

import json

import pytest
from program import ACCOUNT, until
from publishing import publish_through_kills


class Queue:
    """A queue, and what is in it."""

    def __init__(self, server, name, **attributes):
        self.server = server
        self.sqs = server.client("sqs")
        self.url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self.arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"

    def let_in(self, topic):
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": self.arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": policy})

    def subscribe(self, topic, **attributes):
        self.let_in(topic)
        sns = self.server.client("sns")
        return sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=self.arn, Attributes=attributes)["SubscriptionArn"]

    def take(self):
        """Up to ten messages that are there at this moment, removed."""
        answer = self.sqs.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        messages = answer.get("Messages", [])
        for message in messages:
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return messages

    def drain(self):
        """Every message that is there."""
        found = []
        while taken := self.take():
            found += taken
        return found


@pytest.fixture
def topic(server, name):
    sns = server.client("sns")
    own = sns.create_topic(Name=name)["TopicArn"]
    yield own
    sns.delete_topic(TopicArn=own)


def test_a_message_is_in_the_queue_when_publish_answers(server, topic, name):
    full, raw = Queue(server, f"{name}-full"), Queue(server, f"{name}-raw")
    full.subscribe(topic)
    raw.subscribe(topic, RawMessageDelivery="true")
    attributes = {
        "text": {"DataType": "String", "StringValue": "x"},
        "number": {"DataType": "Number.int", "StringValue": "5"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    sent = server.client("sns").publish(TopicArn=topic, Message="hello", Subject="s", MessageAttributes=attributes)
    (found,) = raw.take()
    assert found["Body"] == "hello"
    assert found["MessageAttributes"] == attributes
    (found,) = full.take()
    assert "MessageAttributes" not in found
    notification = json.loads(found["Body"])
    assert (notification["MessageId"], notification["Message"]) == (sent["MessageId"], "hello")
    assert notification["MessageAttributes"]["number"] == {"Type": "Number.int", "Value": "5"}


def test_a_queue_that_does_not_let_the_topic_in_gets_nothing(server, topic, name):
    closed, dead = Queue(server, f"{name}-closed"), Queue(server, f"{name}-dead")
    closed.subscribe(topic, RawMessageDelivery="true", RedrivePolicy=json.dumps({"deadLetterTargetArn": dead.arn}))
    dead.let_in(topic)
    closed.let_in(f"{topic}-other")
    server.client("sns").publish(TopicArn=topic, Message="refused")
    assert closed.take() == []
    (letter,) = dead.take()
    assert letter["Body"] == "refused"
    assert "not authorized" in letter["MessageAttributes"]["ERROR_MESSAGE"]["StringValue"]


def test_a_queue_that_is_gone_leaves_its_messages_to_the_dead_letters(server, topic, name):
    gone, dead = Queue(server, f"{name}-gone"), Queue(server, f"{name}-dead")
    gone.subscribe(topic, RawMessageDelivery="true", RedrivePolicy=json.dumps({"deadLetterTargetArn": dead.arn}))
    dead.let_in(topic)
    gone.sqs.delete_queue(QueueUrl=gone.url)
    attributes = {"kind": {"DataType": "String", "StringValue": "x"}}
    server.client("sns").publish(TopicArn=topic, Message="lost", MessageAttributes=attributes)
    (letter,) = dead.take()
    assert letter["Body"] == "lost"
    assert letter["MessageAttributes"]["kind"]["StringValue"] == "x"


def test_filters_and_batches(server, topic, name):
    queue = Queue(server, name)
    queue.subscribe(topic, RawMessageDelivery="true", FilterPolicy=json.dumps({"n": [{"numeric": [">=", 5]}]}))
    entries = [
        {
            "Id": str(n),
            "Message": str(n),
            "MessageAttributes": {"n": {"DataType": "Number", "StringValue": str(n)}},
        }
        for n in range(10)
    ]
    server.client("sns").publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert sorted(message["Body"] for message in queue.drain()) == ["5", "6", "7", "8", "9"]


def test_order_and_deduplication_from_a_fifo_topic(server, name):
    sns = server.client("sns")
    topic = sns.create_topic(
        Name=f"{name}.fifo", Attributes={"FifoTopic": "true", "ContentBasedDeduplication": "true"}
    )["TopicArn"]
    queue = Queue(server, f"{name}.fifo", FifoQueue="true")
    queue.subscribe(topic, RawMessageDelivery="true")
    for n in range(20):
        sns.publish(TopicArn=topic, Message=f"{n}", MessageGroupId=f"g{n % 2}")
        sns.publish(TopicArn=topic, Message=f"{n}", MessageGroupId=f"g{n % 2}")
    found = queue.drain()
    by_group = {"g0": [], "g1": []}
    for message in found:
        by_group[message["Attributes"]["MessageGroupId"]].append(int(message["Body"]))
    assert by_group == {"g0": list(range(0, 20, 2)), "g1": list(range(1, 20, 2))}


def test_more_queues_than_one_transaction_takes(server, topic, name):
    queues = [Queue(server, f"{name}-{n}") for n in range(3)]
    for queue in queues:
        queue.subscribe(topic, RawMessageDelivery="true")
    sns = server.client("sns")
    # Nobody has these queues: their messages become dead letters, each of which is an effect all the same.
    for n in range(1_000):
        missing = f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}-missing-{n}"
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=missing, Attributes={"RawMessageDelivery": "true"})
    sns.publish(TopicArn=topic, Message="to all")
    for queue in queues:
        (found,) = until(queue.take, "the message")
        assert found["Body"] == "to all"
        assert queue.take() == []


def test_each_acknowledged_message_is_in_every_queue_once(own_server):
    topic = own_server.client("sns").create_topic(Name="a")["TopicArn"]
    for name in ["one", "two"]:
        Queue(own_server, name).subscribe(topic, RawMessageDelivery="true")
    acknowledged = publish_through_kills(own_server, topic, lives=4, least=30, most=300)
    found = {name: [m["Body"] for m in Queue(own_server, name).drain()] for name in ["one", "two"]}
    for name, bodies in found.items():
        assert acknowledged <= set(bodies), f"{name} has lost messages"
        assert len(bodies) == len(set(bodies)), f"{name} has messages twice"
    # What was not acknowledged may be there, but then in both: they commit together.
    assert set(found["one"]) == set(found["two"])
