"""The system `products`, deployed from its template: the catalogue, and everything that happened to each product.

`PRODUCTS_TEST_COUNT` says how many operations the crash test sends (300 without).
"""

import json
import os
import time

import pytest
import systems
from program import until

SEED = 20240513
COUNT = int(os.environ.get("PRODUCTS_TEST_COUNT", "300"))
CLIENTS = 8
PRODUCTS = list(range(1, 7))

traffic = systems.load_traffic("products")


@pytest.fixture
def api(own_server, monkeypatch):
    systems.in_environment(own_server, monkeypatch)
    systems.deploy(own_server, "products")
    return traffic.Api("products")


def test_the_catalogue_is_kept_and_everything_that_happened_is_told(api, own_server):
    for command in (["send"], ["send", "--product", "6"], ["load", "--operations", "60"], ["metrics"]):
        systems.drive(own_server, "products", *command)


def test_an_event_left_in_the_outbox_is_sent_by_the_schedule(api, own_server):
    # As a function leaves it that died a minute ago, between its commit and the queue.
    happened = int((time.time() - 60) * 1000)
    event = {"id": 7, "code": "C", "event": "CREATED", "user": "u", "time": happened, "request": "left"}
    item = {"request": {"S": "left"}, "event": {"S": json.dumps(event)}, "time": {"N": str(happened)}}
    own_server.client("dynamodb").put_item(TableName=api.outputs["Outbox"], Item=item)
    until(lambda: [event["request"] for event in api.events(7)] == ["left"], "the event", seconds=120)
    api.settle(systems.SETTLES_S)


def test_events_go_when_their_time_has_come(own_server, monkeypatch):
    systems.in_environment(own_server, monkeypatch)
    systems.deploy(own_server, "products", EventsKeptSeconds=2)
    api = traffic.Api("products")
    assert api.call("POST", "/products", traffic.GOOD)[0] == 201
    until(lambda: api.events(5) != [], "the event", seconds=60)
    until(lambda: api.events(5) == [], "its end", seconds=60)


def test_every_operation_leaves_its_event_whatever_is_killed(api, own_server):
    before = traffic.fresh(api, PRODUCTS, systems.SETTLES_S)
    with systems.Havoc(own_server, SEED) as havoc:
        done, unknown = traffic.send_load(api, COUNT, CLIENTS, PRODUCTS, SEED, 120)
        # However fast the machine is: the kills have come in the middle of it.
        while min(havoc.kills[victim] for victim in havoc.victims) < 2:
            more, again = traffic.send_load(api, CLIENTS, CLIENTS, PRODUCTS, SEED + sum(done.values()), 120)
            done, unknown = done + more, unknown + again
    print(f"{sum(done.values())} operations, {sum(unknown.values())} unanswered, kills: {havoc.kills}")
    api.settle(systems.SETTLES_S)
    assert traffic.check_events(api, PRODUCTS, done, unknown, before) == []
