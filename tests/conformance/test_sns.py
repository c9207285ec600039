"""SNS with boto3: topics, subscriptions, messages that functions and HTTP endpoints really get, signatures, and what is refused."""

import base64
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from errors import refusal
from functions import allow, create_role, events_logged
from program import ACCOUNT, until
from publishing import publish_through_kills

QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:some-queue"
FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:some-function"
INVALID = (400, "InvalidParameter")
NO_TOPIC = (404, "NotFound", "Topic does not exist")


def arn(name):
    return f"arn:aws:sns:us-east-1:{ACCOUNT}:{name}"


@pytest.fixture(scope="module")
def sns(server):
    return server.client("sns")


@pytest.fixture
def topic(sns, name):
    own = sns.create_topic(Name=name)["TopicArn"]
    yield own
    sns.delete_topic(TopicArn=own)


@pytest.fixture
def fifo(sns, name):
    own = sns.create_topic(Name=f"{name}.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
    yield own
    sns.delete_topic(TopicArn=own)


class Endpoint:
    """A web server that keeps what it is sent and answers what it is told to."""

    def __init__(self):
        self.received = []
        self.times = []
        self.status = 200
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                endpoint.times.append(time.monotonic())
                endpoint.received.append((dict(self.headers), body))
                self.send_response(endpoint.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def bodies(self, kind):
        return [body for headers, body in list(self.received) if headers["x-amz-sns-message-type"] == kind]

    def question(self):
        (body,) = until(lambda: self.bodies("SubscriptionConfirmation"), "the question")
        return json.loads(body)

    def notifications(self, count=1):
        return until(lambda: self.bodies("Notification")[count - 1 :] and self.bodies("Notification"), "notifications")


@pytest.fixture
def endpoint():
    own = Endpoint()
    yield own
    own.server.shutdown()


def get(url):
    """(status, body) of an unsigned request."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


QUESTION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": QUESTION,
    "UnsubscribeConfirmation": QUESTION,
}


def check_signature(message, algorithm=hashes.SHA1):
    certificate = x509.load_pem_x509_certificate(get(message["SigningCertURL"])[1].encode())
    signed = "".join(f"{key}\n{message[key]}\n" for key in SIGNED[message["Type"]] if key in message)
    signature = base64.b64decode(message["Signature"])
    certificate.public_key().verify(signature, signed.encode(), padding.PKCS1v15(), algorithm())


def confirm(sns, topic, endpoint, **attributes):
    """A confirmed subscription of the endpoint."""
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url, Attributes=attributes)
    return sns.confirm_subscription(TopicArn=topic, Token=endpoint.question()["Token"])["SubscriptionArn"]


# ---- topics


def test_a_topic_is_made_once_described_and_removed(sns, name):
    made = sns.create_topic(Name=name, Attributes={"DisplayName": "Orders"}, Tags=[{"Key": "k", "Value": "v"}])
    assert made["TopicArn"] == arn(name)
    again = sns.create_topic(Name=name, Attributes={"DisplayName": "Orders"}, Tags=[{"Key": "k", "Value": "v"}])
    assert again["TopicArn"] == arn(name)
    assert sns.create_topic(Name=name)["TopicArn"] == arn(name)
    attributes = sns.get_topic_attributes(TopicArn=arn(name))["Attributes"]
    expected = {
        "TopicArn": arn(name),
        "Owner": ACCOUNT,
        "DisplayName": "Orders",
        "SubscriptionsConfirmed": "0",
        "SubscriptionsPending": "0",
        "SubscriptionsDeleted": "0",
    }
    assert expected.items() <= attributes.items()
    assert json.loads(attributes["Policy"])["Id"] == "__default_policy_ID"
    assert json.loads(attributes["EffectiveDeliveryPolicy"])["http"]["defaultHealthyRetryPolicy"]["numRetries"] == 3
    pages = sns.get_paginator("list_topics").paginate()
    assert {"TopicArn": arn(name)} in [topic for page in pages for topic in page["Topics"]]
    sns.delete_topic(TopicArn=arn(name))
    sns.delete_topic(TopicArn=arn(name))
    assert refusal(sns.get_topic_attributes, TopicArn=arn(name)) == NO_TOPIC


def test_the_command_line_speaks_to_it(aws, name):
    made = aws("sns", "create-topic", "--name", name)
    assert made == {"TopicArn": arn(name)}
    sent = aws("sns", "publish", "--topic-arn", arn(name), "--message", "hello", "--subject", "s")
    assert len(sent["MessageId"]) == 36
    aws("sns", "delete-topic", "--topic-arn", arn(name))


@pytest.mark.parametrize("bad", ["", "a b", "a.b", "a/b", "é", "a.fifo", "x" * 257, "a:b"])
def test_names_of_topics_are_checked(sns, bad):
    assert refusal(sns.create_topic, Name=bad) == (*INVALID, "Invalid parameter: Topic Name")


@pytest.mark.parametrize("bad", ["plain", ".fifo", "a.b.fifo", "x" * 252 + ".fifo"])
def test_names_of_fifo_topics_are_checked(sns, bad):
    status, code, message = refusal(sns.create_topic, Name=bad, Attributes={"FifoTopic": "true"})
    assert (status, code) == INVALID and "Fifo Topic names must end with .fifo" in message


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"FifoTopic": "yes"}, "FifoTopic: Invalid value [yes]. Must be true or false."),
        ({"Colour": "red"}, "Unknown attribute Colour"),
        ({"SignatureVersion": "3"}, "SignatureVersion: Invalid value [3]. Must be one of 1, 2."),
        ({"TracingConfig": "On"}, "TracingConfig: Invalid value [On]. Must be one of PassThrough, Active."),
        (
            {"ContentBasedDeduplication": "true"},
            "Content-based deduplication can only be set for FIFO topics",
        ),
        ({"DisplayName": "x" * 101}, "DisplayName"),
        ({"DeliveryPolicy": "{"}, "DeliveryPolicy: failed to parse JSON."),
        (
            {"LambdaSuccessFeedbackSampleRate": "101"},
            "LambdaSuccessFeedbackSampleRate: value provided is not an integer between 0-100",
        ),
    ],
)
def test_attributes_of_new_topics_are_checked(sns, name, attributes, expected):
    refused = refusal(sns.create_topic, Name=name, Attributes=attributes)
    assert refused == (*INVALID, f"Invalid parameter: Attributes Reason: {expected}")


def test_a_topic_is_not_made_twice_in_two_ways(sns, topic, name):
    assert refusal(sns.create_topic, Name=name, Attributes={"DisplayName": "Other"}) == (
        *INVALID,
        "Invalid parameter: Attributes Reason: Topic already exists with different attributes",
    )
    assert refusal(sns.create_topic, Name=name, Tags=[{"Key": "k", "Value": "v"}]) == (
        *INVALID,
        "Invalid parameter: Tags Reason: Topic already exists with different tags",
    )


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        ("x", "TopicArn Reason: An ARN must have at least 6 elements, not 1"),
        ("a:b:c", "TopicArn Reason: An ARN must have at least 6 elements, not 3"),
        (QUEUE, "TopicArn"),
        (f"arn:aws:sns:eu-west-1:{ACCOUNT}:a", "TopicArn"),
        (f"arn:aws:sns:us-east-1:{ACCOUNT}:a b", "TopicArn"),
        ("arn:aws:sns:us-east-1:1:a", "TopicArn"),
    ],
)
@pytest.mark.parametrize("operation", ["get_topic_attributes", "delete_topic", "list_subscriptions_by_topic", "publish"])
def test_arns_of_topics_are_checked(sns, operation, bad, expected):
    extra = {"Message": "x"} if operation == "publish" else {}
    assert refusal(getattr(sns, operation), TopicArn=bad, **extra) == (*INVALID, f"Invalid parameter: {expected}")


@pytest.mark.parametrize(
    ("operation", "extra"),
    [
        ("get_topic_attributes", {}),
        ("set_topic_attributes", {"AttributeName": "DisplayName", "AttributeValue": "x"}),
        ("list_subscriptions_by_topic", {}),
        ("publish", {"Message": "x"}),
        ("publish_batch", {"PublishBatchRequestEntries": [{"Id": "1", "Message": "x"}]}),
        ("subscribe", {"Protocol": "sqs", "Endpoint": QUEUE}),
        ("add_permission", {"Label": "l", "AWSAccountId": [ACCOUNT], "ActionName": ["Publish"]}),
        ("remove_permission", {"Label": "l"}),
    ],
)
def test_what_is_not_there_is_not_found(sns, operation, extra):
    assert refusal(getattr(sns, operation), TopicArn=arn("none"), **extra) == NO_TOPIC


@pytest.mark.parametrize(
    ("attribute", "value", "expected"),
    [
        ("Colour", "red", "AttributeName"),
        ("FifoTopic", "true", "AttributeName"),
        ("Owner", "x", "AttributeName"),
        ("SignatureVersion", "0", "SignatureVersion: Invalid value [0]. Must be one of 1, 2."),
        ("Policy", "{}", None),
        ("Policy", "[]", None),
        ("FifoThroughputScope", "Topic", "FifoThroughputScope can only be set for FIFO topics"),
        ("DeliveryPolicy", '{"https":{}}', "DeliveryPolicy: https is not supported; use http"),
        (
            "DeliveryPolicy",
            '{"http":{"defaultHealthyRetryPolicy":{"numRetries":101}}}',
            "DeliveryPolicy: numRetries must be between 0 and 100, inclusive",
        ),
        (
            "DeliveryPolicy",
            '{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":9,"maxDelayTarget":8}}}',
            None,
        ),
        ("ArchivePolicy", '{"MessageRetentionPeriod":"30"}', None),
    ],
)
def test_attributes_of_topics_are_checked(sns, topic, attribute, value, expected):
    status, code, message = refusal(
        sns.set_topic_attributes, TopicArn=topic, AttributeName=attribute, AttributeValue=value
    )
    assert (status, code) == INVALID and message.startswith("Invalid parameter: ")
    assert expected is None or message == f"Invalid parameter: {expected}"


def test_a_policy_of_another_service_is_refused(sns, topic):
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": topic}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    assert refusal(sns.set_topic_attributes, TopicArn=topic, AttributeName="Policy", AttributeValue=policy) == (
        *INVALID,
        "Invalid parameter: Policy statement action out of service scope!",
    )


def test_permissions_are_statements_of_the_policy(sns, topic):
    sns.add_permission(TopicArn=topic, Label="other", AWSAccountId=["111111111111"], ActionName=["Publish", "Subscribe"])
    policy = json.loads(sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"])
    assert policy["Statement"][1] == {
        "Sid": "other",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::111111111111:root"},
        "Action": ["SNS:Publish", "SNS:Subscribe"],
        "Resource": topic,
    }
    again = {"TopicArn": topic, "Label": "other", "AWSAccountId": ["111111111111"], "ActionName": ["Publish"]}
    assert refusal(sns.add_permission, **again) == (*INVALID, "Invalid parameter: Statement already exists")
    for change in [{"ActionName": ["Explode"]}, {"ActionName": []}, {"AWSAccountId": ["1"]}, {"Label": "a b"}]:
        assert refusal(sns.add_permission, **{**again, "Label": "new", **change})[:2] == INVALID
    sns.remove_permission(TopicArn=topic, Label="other")
    assert refusal(sns.remove_permission, TopicArn=topic, Label="other")[:2] == (404, "NotFound")


def test_tags_come_and_go(sns, topic):
    sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "a", "Value": "2"}])
    sns.untag_resource(ResourceArn=topic, TagKeys=["b", "none"])
    assert sns.list_tags_for_resource(ResourceArn=topic)["Tags"] == [{"Key": "a", "Value": "2"}]
    twice = [{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}]
    assert refusal(sns.tag_resource, ResourceArn=topic, Tags=twice) == (
        *INVALID,
        "Invalid parameter: Duplicated keys are not allowed.",
    )
    own = [{"Key": "aws:x", "Value": "1"}]
    assert refusal(sns.tag_resource, ResourceArn=topic, Tags=own)[:2] == INVALID
    many = [{"Key": f"k{n}", "Value": "v"} for n in range(50)]
    assert refusal(sns.tag_resource, ResourceArn=topic, Tags=many)[:2] == (400, "TagLimitExceeded")
    for bad in [{"Key": "", "Value": "v"}, {"Key": "k" * 129, "Value": "v"}, {"Key": "k", "Value": "v" * 257}]:
        assert refusal(sns.tag_resource, ResourceArn=topic, Tags=[bad])[1] == "ValidationError"
    assert refusal(sns.list_tags_for_resource, ResourceArn=arn("none")) == (
        404,
        "ResourceNotFound",
        "Resource does not exist",
    )


# ---- subscriptions


def test_a_subscription_is_described_changed_and_ended(sns, topic):
    own = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=QUEUE)["SubscriptionArn"]
    assert own.startswith(f"{topic}:")
    assert sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=QUEUE)["SubscriptionArn"] == own
    listed = {
        "SubscriptionArn": own,
        "Owner": ACCOUNT,
        "Protocol": "sqs",
        "Endpoint": QUEUE,
        "TopicArn": topic,
    }
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == [listed]
    pages = sns.get_paginator("list_subscriptions").paginate()
    assert listed in [subscription for page in pages for subscription in page["Subscriptions"]]
    policy = json.dumps({"kind": ["a", {"prefix": "b"}]})
    for attribute, value in [("FilterPolicy", policy), ("RawMessageDelivery", "TRUE")]:
        sns.set_subscription_attributes(SubscriptionArn=own, AttributeName=attribute, AttributeValue=value)
    attributes = sns.get_subscription_attributes(SubscriptionArn=own)["Attributes"]
    assert attributes == {
        "SubscriptionArn": own,
        "TopicArn": topic,
        "Protocol": "sqs",
        "Endpoint": QUEUE,
        "Owner": ACCOUNT,
        "SubscriptionPrincipal": f"arn:aws:iam::{ACCOUNT}:root",
        "PendingConfirmation": "false",
        "ConfirmationWasAuthenticated": "true",
        "RawMessageDelivery": "true",
        "FilterPolicy": policy,
        "FilterPolicyScope": "MessageAttributes",
    }
    sns.unsubscribe(SubscriptionArn=own)
    sns.unsubscribe(SubscriptionArn=own)
    gone = (404, "NotFound", "Subscription does not exist")
    assert refusal(sns.get_subscription_attributes, SubscriptionArn=own) == gone
    changed = {"AttributeName": "RawMessageDelivery", "AttributeValue": "true"}
    assert refusal(sns.set_subscription_attributes, SubscriptionArn=own, **changed) == gone


@pytest.mark.parametrize(
    ("protocol", "endpoint", "expected"),
    [
        ("smoke", "x", "Amazon SNS does not support this protocol string: smoke"),
        ("SQS", QUEUE, "Amazon SNS does not support this protocol string: SQS"),
        ("email", "a@example.com", "Protocol Reason: email is not supported by this server"),
        ("email-json", "a@example.com", "Protocol Reason: email-json is not supported by this server"),
        ("sms", "+4915123", "Protocol Reason: sms is not supported by this server"),
        ("application", "x", "Protocol Reason: application is not supported by this server"),
        ("firehose", "x", "Protocol Reason: firehose is not supported by this server"),
        ("sqs", "https://queue", "SQS endpoint ARN"),
        ("sqs", FUNCTION, "SQS endpoint ARN"),
        ("lambda", QUEUE, "Lambda endpoint ARN"),
        ("lambda", "f", "Lambda endpoint ARN"),
        ("http", "https://example.com/", "Endpoint must match the specified protocol"),
        ("https", "http://example.com/", "Endpoint must match the specified protocol"),
        ("http", "example.com", "Endpoint must match the specified protocol"),
        ("http", "http://", "Endpoint"),
        ("http", "http://a b/", "Endpoint"),
        ("sqs", "", "Endpoint Reason: no value for required parameter"),
        (
            "sqs",
            f"{QUEUE}.fifo",
            "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics",
        ),
    ],
)
def test_who_can_be_subscribed_is_checked(sns, topic, protocol, endpoint, expected):
    refused = refusal(sns.subscribe, TopicArn=topic, Protocol=protocol, Endpoint=endpoint)
    assert refused == (*INVALID, f"Invalid parameter: {expected}")


@pytest.mark.parametrize(("protocol", "endpoint"), [("lambda", FUNCTION), ("http", "http://example.com/")])
def test_fifo_topics_have_queues_only(sns, fifo, protocol, endpoint):
    refused = refusal(sns.subscribe, TopicArn=fifo, Protocol=protocol, Endpoint=endpoint)
    assert refused == (*INVALID, "Invalid parameter: Invalid parameter: Endpoint Reason: Please use FIFO SQS queue")


NUMBERS = list(range(13))


@pytest.mark.parametrize(
    ("attribute", "value", "expected"),
    [
        ("Colour", "red", "AttributeName"),
        ("RawMessageDelivery", "1", "RawMessageDelivery: Invalid value [1]. Must be true or false."),
        (
            "FilterPolicyScope",
            "Everything",
            "FilterPolicyScope: Invalid value [Everything]. Please use either MessageBody or MessageAttributes",
        ),
        ("FilterPolicy", "{invalidjson}", "FilterPolicy: failed to parse JSON."),
        ("FilterPolicy", '{"a":"b"}', 'FilterPolicy: "a" must be an object or an array'),
        (
            "FilterPolicy",
            '{"a":{"b":["c"]}}',
            "FilterPolicy: Filter policy scope MessageAttributes does not support nested filter policy",
        ),
        (
            "FilterPolicy",
            json.dumps({f"k{n}": ["x"] for n in range(6)}),
            "FilterPolicy: Filter policy can not have more than 5 keys",
        ),
        ("FilterPolicy", json.dumps({"a": NUMBERS, "b": NUMBERS}), "FilterPolicy: Filter policy is too complex"),
        ("FilterPolicy", '{"a":[{"wildcard":"x"},{"unknown":"x"}]}', None),
        ("FilterPolicy", '{"a":[{"numeric":["<"]}]}', None),
        ("FilterPolicy", '{"a":[]}', None),
        ("FilterPolicy", '{"a":[{"exists":"yes"}]}', None),
        ("FilterPolicy", '{"a":[["x"]]}', None),
        ("RedrivePolicy", "{", "RedrivePolicy: failed to parse JSON."),
        (
            "RedrivePolicy",
            '{"deadLetterTargetArn":"fake-arn"}',
            "RedrivePolicy: deadLetterTargetArn is an invalid arn",
        ),
        (
            "RedrivePolicy",
            json.dumps({"deadLetterTargetArn": FUNCTION}),
            "RedrivePolicy: deadLetterTargetArn is an invalid arn",
        ),
        ("RedrivePolicy", json.dumps({"deadLetterTargetArn": f"{QUEUE}.fifo"}), None),
        ("RedrivePolicy", '{"maxReceiveCount":3}', None),
        ("DeliveryPolicy", "{}", "DeliveryPolicy: Delivery protocol [sqs] does not support delivery policies."),
        ("ReplayPolicy", "{}", None),
    ],
)
def test_attributes_of_subscriptions_are_checked(sns, topic, attribute, value, expected):
    own = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=QUEUE)["SubscriptionArn"]
    status, code, message = refusal(
        sns.set_subscription_attributes, SubscriptionArn=own, AttributeName=attribute, AttributeValue=value
    )
    assert (status, code) == INVALID and message.startswith("Invalid parameter: ")
    assert expected is None or message == f"Invalid parameter: {expected}"
    said = message.removeprefix("Invalid parameter: ")
    other = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": f"{QUEUE}-2", "Attributes": {attribute: value}}
    assert refusal(sns.subscribe, **other) == (*INVALID, f"Invalid parameter: Attributes Reason: {said}")


def test_functions_get_no_raw_messages(sns, topic):
    raw = {"RawMessageDelivery": "true"}
    refused = refusal(sns.subscribe, TopicArn=topic, Protocol="lambda", Endpoint=FUNCTION, Attributes=raw)
    assert refused[:2] == INVALID and "does not support raw message delivery" in refused[2]


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        ("x", "SubscriptionArn Reason: An ARN must have at least 6 elements, not 1"),
        (arn("a"), "SubscriptionId"),
        (f"{QUEUE}:x", "SubscriptionArn"),
    ],
)
@pytest.mark.parametrize("operation", ["unsubscribe", "get_subscription_attributes"])
def test_arns_of_subscriptions_are_checked(sns, operation, bad, expected):
    assert refusal(getattr(sns, operation), SubscriptionArn=bad) == (*INVALID, f"Invalid parameter: {expected}")


def test_an_endpoint_is_subscribed_once_in_one_way(sns, topic):
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=QUEUE)
    raw = {"RawMessageDelivery": "true"}
    assert refusal(sns.subscribe, TopicArn=topic, Protocol="sqs", Endpoint=QUEUE, Attributes=raw) == (
        *INVALID,
        "Invalid parameter: Attributes Reason: Subscription already exists with different attributes",
    )


def test_lists_come_in_pages(sns, topic):
    for n in range(101):
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"{QUEUE}-{n}")
    first = sns.list_subscriptions_by_topic(TopicArn=topic)
    second = sns.list_subscriptions_by_topic(TopicArn=topic, NextToken=first["NextToken"])
    assert (len(first["Subscriptions"]), len(second["Subscriptions"])) == (100, 1)
    assert "NextToken" not in second
    for operation in [sns.list_topics, sns.list_subscriptions]:
        assert refusal(operation, NextToken="nonsense") == (*INVALID, "Invalid parameter: NextToken")


# ---- by HTTP


def test_an_endpoint_confirms_by_its_link_and_ends_by_another(sns, topic, endpoint):
    answer = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url)
    assert answer["SubscriptionArn"] == "pending confirmation"
    question = endpoint.question()
    headers = endpoint.received[0][0]
    assert headers["x-amz-sns-topic-arn"] == question["TopicArn"] == topic
    assert headers["x-amz-sns-message-id"] == question["MessageId"]
    (listed,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert listed["SubscriptionArn"] == "PendingConfirmation"
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["SubscriptionsPending"] == "1"
    status, body = get(question["SubscribeURL"])
    assert status == 200 and "<ConfirmSubscriptionResult><SubscriptionArn>" in body
    attributes = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (attributes["SubscriptionsConfirmed"], attributes["SubscriptionsPending"]) == ("1", "0")
    sent = sns.publish(TopicArn=topic, Message="hello", Subject="s")
    (body,) = endpoint.notifications()
    notification = json.loads(body)
    assert (notification["Message"], notification["Subject"]) == ("hello", "s")
    assert notification["MessageId"] == sent["MessageId"]
    assert get(notification["UnsubscribeURL"])[0] == 200
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []


def test_an_endpoint_is_told_of_its_end_and_takes_it_back(sns, topic, endpoint):
    own = confirm(sns, topic, endpoint)
    sns.publish(TopicArn=topic, Message="one")
    notification = json.loads(endpoint.notifications()[0])
    assert get(notification["UnsubscribeURL"])[0] == 200
    (body,) = until(lambda: endpoint.bodies("UnsubscribeConfirmation"), "the news")
    headers, news = endpoint.received[-1][0], json.loads(body)
    assert headers["x-amz-sns-subscription-arn"] == own
    assert headers["x-amz-sns-topic-arn"] == news["TopicArn"] == topic
    assert headers["x-amz-sns-message-id"] == news["MessageId"]
    assert news["Message"].startswith(f"You have chosen to deactivate subscription {own}.\n")
    check_signature(news)
    sns.publish(TopicArn=topic, Message="two")
    status, body = get(news["SubscribeURL"])
    assert status == 200 and own in body
    sns.publish(TopicArn=topic, Message="three")
    assert [json.loads(body)["Message"] for body in endpoint.notifications(2)] == ["one", "three"]
    # Who owns a subscription and ends it needs no news of it.
    sns.unsubscribe(SubscriptionArn=own)
    assert refusal(sns.confirm_subscription, TopicArn=topic, Token=news["Token"]) == (*INVALID, "Invalid parameter: Token")
    assert len(endpoint.bodies("UnsubscribeConfirmation")) == 1


def test_an_endpoint_gets_no_more_a_second_than_it_wants(sns, topic, endpoint):
    policy = {"throttlePolicy": {"maxReceivesPerSecond": 5}}
    confirm(sns, topic, endpoint, DeliveryPolicy=json.dumps(policy))
    for n in range(8):
        sns.publish(TopicArn=topic, Message=str(n))
    assert len(endpoint.notifications(8)) == 8
    times = [at for at, (headers, _) in zip(endpoint.times, endpoint.received) if headers["x-amz-sns-message-type"] == "Notification"]
    assert all(later - earlier >= 1 for earlier, later in zip(times, times[6:])), times


@pytest.mark.parametrize(("version", "algorithm"), [("1", hashes.SHA1), ("2", hashes.SHA256)])
def test_messages_are_signed_as_their_certificate_says(sns, topic, endpoint, version, algorithm):
    sns.set_topic_attributes(TopicArn=topic, AttributeName="SignatureVersion", AttributeValue=version)
    confirm(sns, topic, endpoint)
    sns.publish(TopicArn=topic, Message="line one\nline two é", Subject="subject")
    sns.publish(TopicArn=topic, Message="without a subject")
    notifications = [json.loads(body) for body in endpoint.notifications(2)]
    for message in [endpoint.question(), *notifications]:
        assert message["SignatureVersion"] == version
        check_signature(message, algorithm)


def test_raw_delivery_and_content_type(sns, topic, endpoint):
    policy = {"requestPolicy": {"headerContentType": "application/json"}}
    confirm(sns, topic, endpoint, RawMessageDelivery="true", DeliveryPolicy=json.dumps(policy))
    sns.publish(TopicArn=topic, Message='{"a":1}')
    assert endpoint.notifications() == [b'{"a":1}']
    headers = endpoint.received[-1][0]
    assert headers["x-amz-sns-rawdelivery"] == "true"
    assert headers["content-type"] == "application/json"


def test_a_failing_endpoint_is_tried_again(sns, topic, endpoint):
    policy = {"healthyRetryPolicy": {"numRetries": 3, "numNoDelayRetries": 3}}
    confirm(sns, topic, endpoint, DeliveryPolicy=json.dumps(policy))
    endpoint.status = 503
    sns.publish(TopicArn=topic, Message="again")
    assert len(set(endpoint.notifications(4))) == 1


@pytest.mark.parametrize("token", ["", "x", "0" * 128, "é" * 40])
def test_a_token_that_is_none_confirms_nothing(sns, topic, token):
    assert refusal(sns.confirm_subscription, TopicArn=topic, Token=token) == (*INVALID, "Invalid parameter: Token")


def test_the_token_of_another_topic_confirms_nothing(sns, topic, endpoint, name):
    other = sns.create_topic(Name=f"{name}-other")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url)
    token = endpoint.question()["Token"]
    assert refusal(sns.confirm_subscription, TopicArn=other, Token=token) == (*INVALID, "Invalid parameter: Token")


def test_links_without_a_signature_do_what_they_say_and_nothing_else(server, sns, topic, endpoint):
    own = confirm(sns, topic, endpoint)
    sns_url = f"{server.endpoint}/?" + urllib.parse.urlencode({"Action": "Publish", "TopicArn": topic, "Message": "x"})
    assert get(sns_url)[0] == 403
    queue = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=QUEUE)["SubscriptionArn"]
    unsubscribe = f"{server.endpoint}/?Action=Unsubscribe&SubscriptionArn="
    status, body = get(unsubscribe + queue)
    assert status == 403 and "<Code>AuthorizationError</Code>" in body
    assert get(f"{server.endpoint}/SimpleNotificationService-0.pem")[0] == 404
    assert get(f"{server.endpoint}/?Action=ConfirmSubscription&TopicArn={topic}&Token=x")[0] == 400
    assert get(f"{server.endpoint}/?Action=ConfirmSubscription&TopicArn=x&Token=x")[0] == 400
    assert get(unsubscribe + own)[0] == 200


def test_who_confirms_with_a_signature_may_ask_for_one_at_the_end(sns, topic, endpoint):
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url)
    question = endpoint.question()
    assert get(question["SubscribeURL"] + "&AuthenticateOnUnsubscribe=true")[0] == 403
    sns.confirm_subscription(TopicArn=topic, Token=question["Token"], AuthenticateOnUnsubscribe="true")
    sns.publish(TopicArn=topic, Message="x")
    notification = json.loads(endpoint.notifications()[0])
    assert get(notification["UnsubscribeURL"])[0] == 403


# ---- messages


@pytest.mark.parametrize(
    ("change", "code", "expected"),
    [
        ({"Message": ""}, "InvalidParameter", "Invalid parameter: Empty message"),
        ({"Message": "x" * (256 * 1024 + 1)}, "InvalidParameter", "Invalid parameter: Message too long"),
        ({"Message": "é" * (128 * 1024 + 1)}, "InvalidParameter", "Invalid parameter: Message too long"),
        ({"Subject": ""}, "InvalidParameter", "Invalid parameter: Subject"),
        ({"Subject": "x" * 101}, "InvalidParameter", "Invalid parameter: Subject"),
        ({"Subject": "two\nlines"}, "InvalidParameter", "Invalid parameter: Subject"),
        (
            {"MessageStructure": "xml"},
            "InvalidParameter",
            "Invalid parameter: Invalid message structure. Must be json",
        ),
        (
            {"MessageStructure": "json"},
            "InvalidParameter",
            "Invalid parameter: Message Structure - JSON message body failed to parse",
        ),
        (
            {"MessageStructure": "json", "Message": '{"sqs":"x"}'},
            "InvalidParameter",
            "Invalid parameter: Message Structure - No default entry in JSON message body",
        ),
        (
            {"MessageDeduplicationId": "d"},
            "InvalidParameter",
            "Invalid parameter: MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is "
            "not valid for this topic type",
        ),
        (
            {"PhoneNumber": "+4915123"},
            "InvalidParameter",
            "Invalid parameter: PhoneNumber Reason: SMS is not supported by this server",
        ),
        (
            {"MessageAttributes": {"a": {"DataType": "Text", "StringValue": "x"}}},
            "ParameterValueInvalid",
            "The message attribute 'a' has an invalid message attribute type, the set of supported type prefixes is Binary, "
            "Number, and String.",
        ),
        (
            {"MessageAttributes": {"a": {"DataType": "String", "StringValue": ""}}},
            "ParameterValueInvalid",
            "The message attribute 'a' must contain non-empty message attribute value for message attribute type 'String'.",
        ),
        (
            {"MessageAttributes": {"a": {"DataType": "Number", "StringValue": "one"}}},
            "ParameterValueInvalid",
            "Could not cast message attribute 'a' value to number.",
        ),
        (
            {"MessageAttributes": {"a": {"DataType": "Binary", "StringValue": "x"}}},
            "ParameterValueInvalid",
            "The message attribute 'a' with type 'Binary' must use field 'Binary'.",
        ),
        (
            {"MessageAttributes": {"a b": {"DataType": "String", "StringValue": "x"}}},
            "ParameterValueInvalid",
            "Invalid non-alphanumeric character '#x20' was found in the message attribute name. Can only include "
            "alphanumeric characters, hyphens, underscores, or dots.",
        ),
        (
            {"MessageAttributes": {"a" * 257: {"DataType": "String", "StringValue": "x"}}},
            "ParameterValueInvalid",
            "Length of message attribute name must be less than 256 bytes.",
        ),
        ({"MessageAttributes": {"AWS.a": {"DataType": "String", "StringValue": "x"}}}, "ParameterValueInvalid", None),
        ({"MessageAttributes": {"a": {"DataType": "", "StringValue": "x"}}}, "ParameterValueInvalid", None),
        ({"MessageAttributes": {"a": {"DataType": "String"}}}, "ParameterValueInvalid", None),
    ],
)
def test_messages_are_checked(sns, topic, change, code, expected):
    refused = refusal(sns.publish, **{"TopicArn": topic, "Message": "x", **change})
    assert refused[:2] == (400, code)
    assert expected is None or refused[2] == expected


def test_a_message_needs_one_place_to_go(sns, topic):
    assert refusal(sns.publish, Message="x") == (
        *INVALID,
        "Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter",
    )
    assert refusal(sns.publish, Message="x", TopicArn=topic, TargetArn=topic)[:2] == INVALID
    push = f"arn:aws:sns:us-east-1:{ACCOUNT}:endpoint/GCM/app/1"
    assert refusal(sns.publish, Message="x", TargetArn=push)[:2] == INVALID
    assert len(sns.publish(Message="x", TargetArn=topic)["MessageId"]) == 36


@pytest.mark.parametrize("missing", ["publish", "create_topic", "subscribe", "confirm_subscription", "unsubscribe"])
def test_what_must_be_given_is_asked_for(sns, missing):
    status, code, message = refusal(getattr(sns, missing))
    assert (status, code) == (400, "ValidationError")
    assert "Member must not be null" in message


def test_the_largest_message_goes_through(sns, topic, endpoint):
    confirm(sns, topic, endpoint, RawMessageDelivery="true")
    text = "x" * (256 * 1024)
    sns.publish(TopicArn=topic, Message=text)
    assert endpoint.notifications() == [text.encode()]


def test_a_batch_reports_each_message(sns, topic, endpoint):
    confirm(sns, topic, endpoint, RawMessageDelivery="true")
    entries = [{"Id": str(n), "Message": f"m{n}"} for n in range(9)]
    answer = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[*entries, {"Id": "bad", "Message": ""}])
    assert [entry["Id"] for entry in answer["Successful"]] == [str(n) for n in range(9)]
    assert answer["Failed"] == [
        {"Id": "bad", "Code": "InvalidParameter", "Message": "Invalid parameter: Empty message", "SenderFault": True}
    ]
    assert sorted(endpoint.notifications(9)) == [f"m{n}".encode() for n in range(9)]


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ([], "EmptyBatchRequest"),
        ([{"Id": str(n), "Message": "x"} for n in range(11)], "TooManyEntriesInBatchRequest"),
        ([{"Id": "a", "Message": "x"}] * 2, "BatchEntryIdsNotDistinct"),
        ([{"Id": "a b", "Message": "x"}], "InvalidBatchEntryId"),
        ([{"Id": "", "Message": "x"}], "InvalidBatchEntryId"),
        ([{"Id": "x" * 81, "Message": "x"}], "InvalidBatchEntryId"),
        ([{"Id": str(n), "Message": "x" * 100_000} for n in range(3)], "BatchRequestTooLong"),
    ],
)
def test_batches_are_checked(sns, topic, entries, code):
    refused = refusal(sns.publish_batch, TopicArn=topic, PublishBatchRequestEntries=entries)
    assert refused[:2] == (400, code)


def test_fifo_topics_want_groups_and_ids(sns, fifo):
    assert refusal(sns.publish, TopicArn=fifo, Message="x") == (
        *INVALID,
        "Invalid parameter: The MessageGroupId parameter is required for FIFO topics",
    )
    assert refusal(sns.publish, TopicArn=fifo, Message="x", MessageGroupId="g") == (
        *INVALID,
        "Invalid parameter: The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId "
        "provided explicitly",
    )
    for bad in ["", "a b", "x" * 129]:
        assert refusal(sns.publish, TopicArn=fifo, Message="x", MessageGroupId=bad)[:2] == INVALID
    first = sns.publish(TopicArn=fifo, Message="x", MessageGroupId="g", MessageDeduplicationId="d")
    again = sns.publish(TopicArn=fifo, Message="y", MessageGroupId="h", MessageDeduplicationId="d")
    assert (first["MessageId"], first["SequenceNumber"]) == (again["MessageId"], again["SequenceNumber"])
    sns.set_topic_attributes(TopicArn=fifo, AttributeName="ContentBasedDeduplication", AttributeValue="true")
    second = sns.publish(TopicArn=fifo, Message="x", MessageGroupId="g")
    assert second["SequenceNumber"] > first["SequenceNumber"] and len(second["SequenceNumber"]) == 20
    assert sns.publish(TopicArn=fifo, Message="x", MessageGroupId="g")["MessageId"] == second["MessageId"]


# ---- functions, filters, other services


def allow_topic(server, function, topic):
    server.client("lambda").add_permission(
        FunctionName=function,
        StatementId="topic",
        Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com",
        SourceArn=topic,
    )


def subscribe_function(server, sns, topic, function, **attributes):
    allow_topic(server, function, topic)
    own = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{function}"
    return sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=own, Attributes=attributes)["SubscriptionArn"]


def records(server, function, count=1):
    def found():
        events = events_logged(server, function)
        return len(events) >= count and [event["Records"][0] for event in events]

    return until(found, f"{count} records")


def test_a_function_gets_the_record(server, sns, topic, function):
    own = function("print")
    subscription = subscribe_function(server, sns, topic, own)
    attributes = {"kind": {"DataType": "String", "StringValue": "x"}}
    sent = sns.publish(TopicArn=topic, Message="hello", Subject="s", MessageAttributes=attributes)
    (record,) = records(server, own)
    assert (record["EventSource"], record["EventVersion"]) == ("aws:sns", "1.0")
    assert record["EventSubscriptionArn"] == subscription
    message = record["Sns"]
    assert (message["MessageId"], message["TopicArn"]) == (sent["MessageId"], topic)
    assert (message["Message"], message["Subject"], message["Type"]) == ("hello", "s", "Notification")
    assert message["MessageAttributes"] == {"kind": {"Type": "String", "Value": "x"}}


def test_a_function_that_does_not_let_the_topic_in_gets_nothing(server, sns, topic, function):
    closed, open_ = function("print"), function("print")
    own = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{closed}"
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=own)
    subscribe_function(server, sns, topic, open_)
    sns.publish(TopicArn=topic, Message="x")
    records(server, open_)
    assert events_logged(server, closed) == []


def test_filters_let_through_what_they_say(server, sns, topic, function):
    by_attributes, by_body = function("print"), function("print")
    policy = {"kind": ["order", {"prefix": "pay"}], "total": [{"numeric": [">=", 10]}]}
    subscribe_function(server, sns, topic, by_attributes, FilterPolicy=json.dumps(policy))
    nested = {"order": {"status": ["paid"]}, "test": [{"exists": False}]}
    subscribe_function(
        server, sns, topic, by_body, FilterPolicy=json.dumps(nested), FilterPolicyScope="MessageBody"
    )

    def publish(message, kind, total):
        attributes = {
            "kind": {"DataType": "String", "StringValue": kind},
            "total": {"DataType": "Number", "StringValue": total},
        }
        return sns.publish(TopicArn=topic, Message=message, MessageAttributes=attributes)["MessageId"]

    paid = json.dumps({"order": {"status": "paid"}})
    publish("x", "order", "9.99")
    publish("x", "other", "10")
    publish(json.dumps({"order": {"status": "paid"}, "test": 1}), "other", "1")
    publish("not json", "other", "1")
    both = publish(paid, "order", "10")
    attributes_only = publish("x", "payment", "1e3")
    body_only = publish(paid, "other", "10")
    assert {r["Sns"]["MessageId"] for r in records(server, by_attributes, 2)} == {both, attributes_only}
    assert {r["Sns"]["MessageId"] for r in records(server, by_body, 2)} == {both, body_only}


def test_a_rule_reaches_a_topic_that_lets_it(server, sns, topic, function, name):
    own = function("print")
    subscribe_function(server, sns, topic, own)
    events = server.client("events")
    rule = events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))["RuleArn"]
    put = events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": topic, "InputPath": "$.detail"}])
    assert put["FailedEntryCount"] == 0
    entry = {"Source": name, "DetailType": "t", "Detail": '{"n":1}'}
    events.put_events(Entries=[entry])
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    events.put_events(Entries=[{**entry, "Detail": '{"n":2}'}])
    (record,) = records(server, own)
    assert json.loads(record["Sns"]["Message"]) == {"n": 2}, "what came before the policy was refused"


# ---- who may


def session(server, name, *statements):
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
        ],
    }
    role = create_role(server, name, *statements, trust=trust)
    made = server.client("sts").assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    return role, server.client(
        "sns", key=made["AccessKeyId"], secret=made["SecretAccessKey"], token=made["SessionToken"]
    )


def test_a_role_does_what_its_policies_allow(server, sns, topic, name):
    _, own = session(server, name, allow("sns:Publish", resource=topic))
    own.publish(TopicArn=topic, Message="x")
    own.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[{"Id": "1", "Message": "x"}])
    for operation, extra in [
        (own.get_topic_attributes, {}),
        (own.delete_topic, {}),
        (own.subscribe, {"Protocol": "sqs", "Endpoint": QUEUE}),
        (own.list_subscriptions_by_topic, {}),
    ]:
        status, code, message = refusal(operation, TopicArn=topic, **extra)
        assert (status, code) == (403, "AuthorizationError")
        assert "is not authorized to perform: sns:" in message
    other = sns.create_topic(Name=f"{name}-other")["TopicArn"]
    assert "is not authorized" in refusal(own.publish, TopicArn=other, Message="x")[2]


def test_a_topic_lets_in_whom_its_policy_names(server, sns, topic, name):
    role, own = session(server, name)
    assert "is not authorized" in refusal(own.publish, TopicArn=topic, Message="x")[2]
    statement = {"Effect": "Allow", "Principal": {"AWS": role}, "Action": "SNS:Publish", "Resource": topic}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    own.publish(TopicArn=topic, Message="x")


def test_who_may_subscribe_what_is_a_condition(server, topic, name):
    only_queues = {**allow("sns:Subscribe"), "Condition": {"StringEquals": {"sns:Protocol": "sqs"}}}
    _, own = session(server, name, only_queues)
    own.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=QUEUE)
    assert "is not authorized" in refusal(own.subscribe, TopicArn=topic, Protocol="lambda", Endpoint=FUNCTION)[2]


def test_nobody_gets_in_with_a_wrong_key(server, topic):
    refused = refusal(server.client("sns", secret="wrong").publish, TopicArn=topic, Message="x")
    assert refused[:2] == (403, "SignatureDoesNotMatch")


# ---- across lives


def test_topics_subscriptions_and_the_key_live_on(own_server, endpoint):
    sns = own_server.client("sns")
    topic = sns.create_topic(Name="a")["TopicArn"]
    own = confirm(sns, topic, endpoint)
    before = endpoint.question()
    endpoint.status = 500
    sent = sns.publish(TopicArn=topic, Message="before")
    endpoint.notifications()
    own_server.kill()
    endpoint.status = 200
    endpoint.received.clear()
    own_server.start()
    sns = own_server.client("sns")
    assert sns.list_subscriptions()["Subscriptions"][0]["SubscriptionArn"] == own
    (body,) = endpoint.notifications()
    assert json.loads(body)["MessageId"] == sent["MessageId"], "what was under way is delivered by the next life"
    sns.publish(TopicArn=topic, Message="after")
    after = json.loads(endpoint.notifications(2)[1])
    path = urllib.parse.urlparse(after["SigningCertURL"]).path
    assert path == urllib.parse.urlparse(before["SigningCertURL"]).path


def test_what_was_acknowledged_arrives_whatever_is_killed(own_server, endpoint):
    topic = own_server.client("sns").create_topic(Name="a")["TopicArn"]
    confirm(own_server.client("sns"), topic, endpoint, RawMessageDelivery="true")
    acknowledged = publish_through_kills(own_server, topic, lives=5, least=20, most=200)
    assert len(acknowledged) > 100

    def missing():
        return acknowledged - {body.decode() for body in endpoint.bodies("Notification")}

    until(lambda: not missing(), "everything that was acknowledged", seconds=60)


# ---- templates


def test_a_stack_makes_and_removes_topics(server, sns, function, name):
    own = function("print")
    template = {
        "Resources": {
            "Topic": {
                "Type": "AWS::SNS::Topic",
                "Properties": {"DisplayName": "One", "Tags": [{"Key": "k", "Value": "v"}]},
            },
            "Permission": {
                "Type": "AWS::Lambda::Permission",
                "Properties": {
                    "FunctionName": own,
                    "Action": "lambda:InvokeFunction",
                    "Principal": "sns.amazonaws.com",
                    "SourceArn": {"Ref": "Topic"},
                },
            },
            "Subscription": {
                "Type": "AWS::SNS::Subscription",
                "Properties": {
                    "TopicArn": {"Ref": "Topic"},
                    "Protocol": "lambda",
                    "Endpoint": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{own}",
                    "FilterPolicy": {"kind": ["x"]},
                },
            },
            "Policy": {
                "Type": "AWS::SNS::TopicPolicy",
                "Properties": {
                    "Topics": [{"Ref": "Topic"}],
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [
                            {
                                "Effect": "Allow",
                                "Principal": {"Service": "events.amazonaws.com"},
                                "Action": "sns:Publish",
                                "Resource": {"Ref": "Topic"},
                            }
                        ],
                    },
                },
            },
            "Inline": {
                "Type": "AWS::SNS::Topic",
                "Properties": {
                    "FifoTopic": True,
                    "ContentBasedDeduplication": True,
                    "Subscription": [{"Protocol": "sqs", "Endpoint": f"{QUEUE}.fifo"}],
                },
            },
        },
        "Outputs": {
            "Arn": {"Value": {"Ref": "Topic"}},
            "Name": {"Value": {"Fn::GetAtt": ["Inline", "TopicName"]}},
            "Subscription": {"Value": {"Ref": "Subscription"}},
        },
    }
    stacks = server.client("cloudformation")
    stacks.create_stack(StackName=name, TemplateBody=json.dumps(template))
    stacks.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    outputs = {o["OutputKey"]: o["OutputValue"] for o in stacks.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]}
    topic = outputs["Arn"]
    assert outputs["Name"].endswith(".fifo")
    (inline,) = sns.list_subscriptions_by_topic(TopicArn=arn(outputs["Name"]))["Subscriptions"]
    assert inline["Endpoint"] == f"{QUEUE}.fifo"
    attributes = {"kind": {"DataType": "String", "StringValue": "x"}}
    sns.publish(TopicArn=topic, Message="filtered out")
    sns.publish(TopicArn=topic, Message="wanted", MessageAttributes=attributes)
    (record,) = records(server, own)
    assert record["Sns"]["Message"] == "wanted"

    template["Resources"]["Subscription"]["Properties"] |= {"FilterPolicy": {"n": [1]}, "FilterPolicyScope": "MessageBody"}
    template["Resources"]["Topic"]["Properties"] = {"DisplayName": "Two"}
    del template["Resources"]["Inline"]["Properties"]["Subscription"]
    stacks.update_stack(StackName=name, TemplateBody=json.dumps(template))
    stacks.get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    subscription = sns.get_subscription_attributes(SubscriptionArn=outputs["Subscription"])["Attributes"]
    assert (subscription["FilterPolicy"], subscription["FilterPolicyScope"]) == ('{"n":[1]}', "MessageBody")
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["DisplayName"] == "Two"
    assert sns.list_subscriptions_by_topic(TopicArn=arn(outputs["Name"]))["Subscriptions"] == []

    stacks.delete_stack(StackName=name)
    stacks.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    assert refusal(sns.get_topic_attributes, TopicArn=topic) == NO_TOPIC


def test_a_template_with_unknown_properties_is_refused(server, name):
    stacks = server.client("cloudformation")
    template = {"Resources": {"T": {"Type": "AWS::SNS::Topic", "Properties": {"ArchivePolicy": {}}}}}
    try:
        stacks.create_stack(StackName=name, TemplateBody=json.dumps(template))
    except Exception as error:  # noqa: BLE001
        assert "ArchivePolicy" in str(error)
        return
    stack = until(
        lambda: [s for s in stacks.describe_stacks(StackName=name)["Stacks"] if s["StackStatus"].endswith("_COMPLETE")],
        "the stack is rolled back",
    )[0]
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    reasons = [e.get("ResourceStatusReason", "") for e in stacks.describe_stack_events(StackName=name)["StackEvents"]]
    assert any("ArchivePolicy" in reason for reason in reasons), reasons
