"""What no well-behaved client sends: a clear refusal each time, and the same server goes on.

Sockets are used where clients would not let such things out.
"""

import http.client
import json
import os
import random
import socket

import pytest
from errors import refusal
from functions import package
from program import ACCOUNT, until
from signing import Answer, call, raw, send, signed

DEEP = 10_000


@pytest.fixture(autouse=True)
def still_the_same_server(server):
    """After whatever a test has done, the process that was there before answers as before."""
    before = server.process.pid
    yield
    assert server.process.poll() is None and server.process.pid == before
    assert server.client("sts").get_caller_identity()["Account"] == ACCOUNT


@pytest.fixture(scope="module", autouse=True)
def slow_clients(server):
    """Two hundred clients that began a request before the first test and never come to its end."""
    slow = []
    for _ in range(200):
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        slow.append(connection)
    yield slow
    for connection in slow:
        connection.close()


def xml_code(answer):
    assert answer.headers.get("x-amzn-requestid")
    return answer.status, answer.body.split(b"<Code>")[1].split(b"</Code>")[0].decode()


def test_an_operation_that_is_not_known(server):
    status, code, message = call(server, "events", "AWSEvents.MakeCoffee", {}).error()
    assert (status, code) == (400, "UnknownOperationException"), message
    status, code, _ = call(server, "events", "Nobody.MakeCoffee", {}).error()
    assert (status, code) == (400, "UnknownOperationException")
    form = b"Action=MakeCoffee&Version=2011-06-15"
    answer = send(server, {**signed(server, "sts", form), "content-type": "application/x-www-form-urlencoded"}, form)
    assert xml_code(answer) == (400, "InvalidAction")
    path = "/2015-03-31/coffee"
    answer = send(server, signed(server, "lambda", b"", method="GET", path=path), None, method="GET", path=path)
    assert answer.status in (403, 404) and answer.error()[1]


def test_a_service_that_is_not_known(server):
    status, code, message = call(server, "nothing", "Nothing.DoIt", b"{}").error()
    assert status in (400, 404) and code == "UnknownOperationException", message


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b"[]", b"\xff\xfe", b'{"Entries":[}', b'{"Entries":"text"}', b"null", b'{"Entries":[{}]}trailing'],
)
def test_json_that_is_none(server, body):
    status, code, message = call(server, "events", "AWSEvents.PutEvents", body).error()
    assert status == 400 and code in ("SerializationException", "ValidationException"), (code, message)


def test_json_of_ten_thousand_levels(server, name):
    deep = b"[" * DEEP + b"]" * DEEP
    status, code, _ = call(server, "events", "AWSEvents.PutEvents", b'{"Entries":' + deep + b"}").error()
    assert (status, code) == (400, "SerializationException")
    # Within a string it is the operation's to judge.
    entry = {"Source": "test.bad", "DetailType": "t", "Detail": '{"a":' + deep.decode() + "}"}
    answer = server.client("events").put_events(Entries=[entry])
    assert answer["Entries"][0]["ErrorCode"] == "MalformedDetail"
    pattern = '{"a":' * DEEP + '["x"]' + "}" * DEEP
    status, code, _ = refusal(server.client("events").put_rule, Name=name, EventPattern=pattern)
    assert status == 400 and code in ("InvalidEventPatternException", "ValidationException")
    policy = '{"Statement":' + deep.decode() + "}"
    status, code, _ = refusal(server.client("iam").create_role, RoleName=name, AssumeRolePolicyDocument=policy)
    assert (status, code) == (400, "MalformedPolicyDocument")


def test_an_event_of_ten_thousand_levels(server, function):
    own = function("echo")
    deep = b"[" * DEEP + b"]" * DEEP
    status, code, _ = refusal(server.client("lambda").invoke, FunctionName=own, Payload=deep)
    assert (status, code) == (400, "InvalidRequestContentException")


def test_xml_of_ten_thousand_levels(server, name):
    s3 = server.client("s3")
    s3.create_bucket(Bucket=name)
    body = b"<Tagging>" + b"<a>" * DEEP + b"</a>" * DEEP + b"</Tagging>"
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    url = s3.generate_presigned_url("put_bucket_tagging", Params={"Bucket": name, "Tagging": {"TagSet": []}})
    connection.request("PUT", url.removeprefix(server.endpoint), body=body)
    answer = Answer(connection.getresponse())
    connection.close()
    assert 400 <= answer.status < 500 and b"<Code>" in answer.body, answer.body


def test_an_event_over_the_size_limit(server):
    limit = 1024 * 1024
    entry = {"Source": "test.bad", "DetailType": "t", "Detail": json.dumps({"x": "y" * limit})}
    status, code, message = refusal(server.client("events").put_events, Entries=[entry])
    assert status in (400, 413) and code in ("ValidationException", "RequestEntityTooLargeException"), (status, code)
    assert str(limit) in message, message
    half = {**entry, "Detail": json.dumps({"x": "y" * (limit // 2)})}
    status, code, message = refusal(server.client("events").put_events, Entries=[half, half])
    assert status in (400, 413) and str(limit) in message, (status, code, message)


def test_a_body_without_end(server):
    """Refused by what it announces, before any of it is sent; and cut off if it announces nothing."""
    headers = {**signed(server, "events", b"", target="AWSEvents.PutEvents"), "connection": "close"}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    announced = raw(server, f"POST / HTTP/1.1\r\n{head}content-length: 99999999999\r\n\r\n".encode())
    assert announced.startswith(b"HTTP/1.1 413 ") and b"RequestEntityTooLargeException" in announced
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    chunked = raw(server, f"POST / HTTP/1.1\r\n{head}transfer-encoding: chunked\r\n\r\n".encode() + chunk * 192)
    assert chunked == b"" or chunked.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
        b"\x00" * 1000 + b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nno header\r\n\r\n",
    ],
)
def test_bytes_that_are_no_request(server, data):
    assert raw(server, data).startswith(b"HTTP/1.1 400 ")


def test_noise(server):
    noise = random.Random(20261122)
    for _ in range(50):
        answer = raw(server, noise.randbytes(noise.randrange(1, 2000)) + b"\r\n\r\n")
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:100]


def test_huge_headers(server):
    begin = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    for head in [b"X: " + b"y" * 70_000, b"".join(b"X-%d: y\r\n" % n for n in range(500))]:
        answer = raw(server, begin + head + b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 431 ") and b"RequestHeaderSectionTooLarge" in answer, answer[:200]
    answer = raw(server, b"GET /" + b"y" * 100_000 + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert answer[:12] in (b"HTTP/1.1 414", b"HTTP/1.1 431"), answer[:200]


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic dGVzdDp0ZXN0",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=test/20261122/us-east-1/events/aws4_request, SignedHeaders=host",
        "AWS4-HMAC-SHA256 Credential=///, SignedHeaders=, Signature=",
        "AWS4-HMAC-SHA256 " + "a=b, " * 1000,
    ],
)
def test_authorizations_that_are_none(server, authorization):
    headers = signed(server, "events", b"{}", target="AWSEvents.ListRules")
    status, code, message = send(server, {**headers, "authorization": authorization}, b"{}").error()
    assert status in (400, 403) and code in (
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
    ), (code, message)


@pytest.mark.parametrize("date", ["", "yesterday", "20261322T000000Z", "99999999T999999Z"])
def test_dates_that_are_none(server, date):
    headers = signed(server, "events", b"{}", target="AWSEvents.ListRules")
    status, code, _ = send(server, {**headers, "x-amz-date": date}, b"{}").error()
    assert status in (400, 403) and code.endswith("SignatureException")


def test_zips_that_are_traps(server, role, name):
    create = server.client("lambda").create_function
    settings = {"FunctionName": name, "Runtime": "provided.al2023", "Role": role, "Handler": "h"}
    bomb = package({"bootstrap": bytes(300 * 1024 * 1024)})
    assert len(bomb) < 1024 * 1024
    status, code, message = refusal(create, **settings, Code={"ZipFile": bomb})
    assert (status, code) == (400, "InvalidParameterValueException")
    assert message == "Unzipped size must be smaller than 262144000 bytes"
    for trap in [b"", b"PK\x05\x06" + bytes(18), package({"/etc/cauce-was-here": b"x"}), package({"a/../../b": b"x"})]:
        assert refusal(create, **settings, Code={"ZipFile": trap})[:2] == (400, "InvalidParameterValueException")
    assert not os.path.exists("/etc/cauce-was-here")


def test_names_that_are_none(server):
    for name in ["", "a b", "ñ", "a" * 141, "../etc"]:
        status, code, _ = refusal(server.client("lambda").get_function, FunctionName=name or " ")
        assert 400 <= status < 500 and code != "InternalFailure"
    for name in ["a b", "ñ", "a" * 65, ""]:
        status, code, _ = refusal(server.client("events").put_rule, Name=name, EventPattern='{"source":["a"]}')
        assert (status, code) == (400, "ValidationException")


def test_an_internal_cause_never_reaches_a_client(server):
    """No refusal above was the server's own fault."""
    assert "panicked" not in server.log()


def test_slow_clients_are_closed_and_delay_nobody(server, slow_clients):
    assert server.client("events").list_rules()["Rules"] is not None

    def closed(connection):
        connection.setblocking(False)
        try:
            return connection.recv(65536) == b""
        except BlockingIOError:
            return False
        except ConnectionError:
            return True

    for connection in slow_clients:
        until(lambda: closed(connection), "the end of a connection that came to no end")
