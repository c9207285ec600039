"""Killed again and again under load: what was acknowledged is there.

The invariants of ARCHITECTURE.md through the whole program: an answer means it is on disk, and an accepted event
arrives at least once, whatever is killed, whenever. (That the disk may lose what was not synced: `crates/store`.)
"""

import collections
import json
import random
import threading
import time

from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, HTTPClientError
from functions import allow_rule, create_function, create_role, events_logged
from program import until

SEED = 20261122
KILLS = 6
# How long the server lives under load before each kill, once every writer has been answered.
LIFE_S = (0.0, 1.2)
# What one writer sends at most between two kills: what is accepted is also worked off.
WRITES_MAX = 80
KINDS = ("event", "line", "rule", "function", "object")


class Load:
    """Writers that note what was acknowledged, and end when the server does."""

    def __init__(self, clients, code, role, life):
        self.clients = clients
        self.code = code
        self.role = role
        self.life = life
        self.attempted = collections.defaultdict(set)
        self.acknowledged = collections.defaultdict(set)
        self.refusals = []
        self.threads = []

    def begin(self):
        writers = (
            [self.put_event] * 3 + [self.put_log_events] * 2 + [self.put_rule, self.create_function, self.put_object]
        )
        for number, writer in enumerate(writers):
            self.threads.append(threading.Thread(target=self.write, args=(writer, number)))
        for thread in self.threads:
            thread.start()

    def end(self):
        for thread in self.threads:
            thread.join()

    def write(self, writer, number):
        for n in range(WRITES_MAX):
            own = f"{self.life}-{number}-{n}"
            try:
                writer(own)
            except (ConnectionClosedError, EndpointConnectionError, HTTPClientError, ConnectionError):
                return
            except ClientError as error:
                self.refusals.append(str(error))

    def note(self, kind, own, call):
        self.attempted[kind].add(own)
        answer = call()
        self.acknowledged[kind].add(own)
        return answer

    def put_event(self, own):
        entry = {"Source": "crash", "DetailType": "t", "Detail": json.dumps({"own": own})}
        twin = {**entry, "Detail": json.dumps({"own": f"{own}-twin"})}
        answer = self.note("event", own, lambda: self.clients["events"].put_events(Entries=[entry, twin]))
        if answer["FailedEntryCount"]:
            self.refusals.append(str(answer))

    def put_log_events(self, own):
        at = int(time.time() * 1000)
        events = [{"timestamp": at, "message": f"{own}/{part}"} for part in range(3)]
        self.note(
            "line",
            own,
            lambda: self.clients["logs"].put_log_events(logGroupName="crash", logStreamName="s", logEvents=events),
        )

    def put_rule(self, own):
        self.note(
            "rule", own, lambda: self.clients["events"].put_rule(Name=own, EventPattern=json.dumps({"source": [own]}))
        )

    def create_function(self, own):
        settings = {"Runtime": "provided.al2023", "Role": self.role, "Handler": "echo", "Code": {"ZipFile": self.code}}
        self.note("function", own, lambda: self.clients["lambda"].create_function(FunctionName=f"f{own}", **settings))

    def put_object(self, own):
        self.note(
            "object", own, lambda: self.clients["s3"].put_object(Bucket="crash", Key=own, Body=own.encode() * 1000)
        )


def test_what_was_acknowledged_survives_every_kill(own_server, code):
    server = own_server
    moments = random.Random(SEED)
    role = create_role(server, "crash")
    create_function(server, "consumer", role, code, "print")
    server.client("s3").create_bucket(Bucket="crash")
    logs, events = server.client("logs"), server.client("events")
    logs.create_log_group(logGroupName="crash")
    logs.create_log_stream(logGroupName="crash", logStreamName="s")
    rule = events.put_rule(Name="crash", EventPattern='{"source":["crash"]}')["RuleArn"]
    allow_rule(server, "consumer", rule)
    consumer = server.client("lambda").get_function_configuration(FunctionName="consumer")["FunctionArn"]
    events.put_targets(Rule="crash", Targets=[{"Id": "1", "Arn": consumer}])

    clients = {
        service: server.client(service, max_pool_connections=20) for service in ("events", "logs", "lambda", "s3")
    }
    attempted, acknowledged = collections.defaultdict(set), collections.defaultdict(set)
    for life in range(KILLS):
        load = Load(clients, code, role, life)
        load.begin()
        until(lambda: all(load.acknowledged[kind] for kind in KINDS), "an answer to every writer")
        time.sleep(moments.uniform(*LIFE_S))
        server.kill()
        load.end()
        assert load.refusals == [], "a server that is killed breaks off; it refuses nothing that it should accept"
        for kind in load.attempted:
            attempted[kind] |= load.attempted[kind]
            acknowledged[kind] |= load.acknowledged[kind]
        server.start()

    assert any(attempted[kind] - acknowledged[kind] for kind in attempted), "no kill came in the middle of anything"

    expected = {own + twin for own in acknowledged["event"] for twin in ("", "-twin")}

    def seen():
        return {event["detail"]["own"] for event in events_logged(server, "consumer")}

    until(lambda: expected <= seen(), "every accepted event in the function's log", seconds=60)
    sent = {own + twin for own in attempted["event"] for twin in ("", "-twin")}
    assert seen() <= sent, "nothing arrives that nobody sent"

    pages = server.client("logs").get_paginator("filter_log_events").paginate(logGroupName="crash")
    lines = collections.Counter(event["message"] for page in pages for event in page["events"])
    assert {own: count for own, count in lines.items() if count != 1} == {}, "no line is there twice"
    for own in attempted["line"]:
        parts = [lines[f"{own}/{part}"] for part in range(3)]
        if own in acknowledged["line"]:
            assert parts == [1, 1, 1], f"{own} was acknowledged"
        assert parts in ([0, 0, 0], [1, 1, 1]), f"{own} is there in part"

    pages = server.client("events").get_paginator("list_rules").paginate()
    rules = {found["Name"] for page in pages for found in page["Rules"]}
    assert acknowledged["rule"] <= rules <= attempted["rule"] | {"crash"}
    pages = server.client("lambda").get_paginator("list_functions").paginate()
    functions = {found["FunctionName"] for page in pages for found in page["Functions"]}
    assert {f"f{own}" for own in acknowledged["function"]} <= functions
    s3 = server.client("s3")
    for own in acknowledged["object"]:
        assert s3.get_object(Bucket="crash", Key=own)["Body"].read() == own.encode() * 1000
    for own in list(acknowledged["function"])[-2:]:
        answer = server.client("lambda").invoke(FunctionName=f"f{own}", Payload=b'"still works"')
        assert answer["Payload"].read() == b'"still works"'
