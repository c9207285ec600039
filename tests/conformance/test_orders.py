"""The system `orders`, deployed from its template: what is promised of it, also while everything is killed again and again.

`ORDERS_TEST_COUNT` says how many orders the crash test sends (300 without).
"""

import os
import subprocess

import pytest
import systems
from postgres import Postgres
from program import ROOT, until

SEED = 20240209
COUNT = int(os.environ.get("ORDERS_TEST_COUNT", "300"))
CLIENTS = 16

traffic = systems.load_traffic("orders")


@pytest.fixture
def database(request, tmp_path):
    """The parameters that choose a database, and its server where it has one."""
    if request.param == "sqlite":
        yield systems.FILE_SYSTEM, None
        return
    running = Postgres(tmp_path / "postgres").start()
    yield {"DatabaseUrl": running.url}, running
    running.stop()


@pytest.fixture
def api(own_server, monkeypatch):
    """Deploys, and returns the API."""
    systems.in_environment(own_server, monkeypatch)

    def deployed(parameters):
        systems.deploy(own_server, "orders", **systems.PASSWORD, **parameters)
        return traffic.Api("orders")

    return deployed


def test_both_databases_pass_the_same_suite(tmp_path):
    running = Postgres(tmp_path / "postgres").start()
    command = ["cargo", "test", "--release", "--quiet", "--package", "orders", "--test", "database"]
    environment = {**os.environ, "ORDERS_TEST_POSTGRES_URL": running.url}
    done = subprocess.run(command, cwd=ROOT / "systems", env=environment, capture_output=True, text=True, timeout=1800)
    running.stop()
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


both = pytest.mark.parametrize("database", ["sqlite", "postgres"], indirect=True)


@both
def test_orders_are_taken_or_refused_and_counted_once(api, database, own_server):
    api(database[0])
    for command in (["send"], ["load", "--orders", "50"], ["lag", "--orders", "5"], ["verify"]):
        systems.drive(own_server, "orders", *command)


def test_the_schedule_alone_is_enough(api):
    api = api({**systems.FILE_SYSTEM, "RelayMode": "polling"})
    assert api.order(traffic.GOOD) == (200, traffic.CREATED)
    wrong, report = traffic.verify(api, systems.SETTLES_S)
    assert (wrong, report["confirmed"]) == ([], 1)


def test_a_relay_outside_lambda_publishes_what_postgresql_notifies(api, tmp_path, own_server):
    running = Postgres(tmp_path / "postgres").start()
    api = api({"DatabaseUrl": running.url, "RelayMode": "polling"})
    # The first order makes the schema, and waits for the schedule.
    assert api.order(traffic.GOOD) == (200, traffic.CREATED)
    environment = {**own_server.environment(), "DATABASE_URL": running.url, "TOPIC_ARN": api.outputs["Topic"]}
    with open(tmp_path / "listen.log", "w+") as log:
        listen = subprocess.Popen([ROOT / "systems/target/release/orders", "listen"], env=environment, stdout=log)
        try:
            until(lambda: "listening" in (tmp_path / "listen.log").read_text(), "the relay")
            for _ in range(5):
                assert api.order(traffic.GOOD) == (200, traffic.CREATED)
            wrong, report = traffic.verify(api, systems.SETTLES_S)
        finally:
            listen.kill()
            listen.wait()
    assert (wrong, report["confirmed"]) == ([], 6)
    # The schedule may have been faster with some, not with all.
    assert "events published" in (tmp_path / "listen.log").read_text()
    running.stop()


@both
def test_every_order_is_counted_once_whatever_is_killed(api, database, own_server):
    parameters, postgres = database
    api = api(parameters)
    with systems.Havoc(own_server, SEED, postgres) as havoc:
        expect, took, requests = traffic.send_load(api, COUNT, CLIENTS, SEED, 120)
        # However fast the machine is: the kills have come in the middle of it.
        sent = COUNT
        while min(havoc.kills[victim] for victim in havoc.victims) < 2:
            more, _, again = traffic.send_load(api, CLIENTS, CLIENTS, SEED + sent, 120)
            expect = {client: amount + more[client] for client, amount in expect.items()}
            sent, requests = sent + CLIENTS, requests + again
    print(f"{sent} orders, {requests} requests, kills: {havoc.kills}")
    wrong, report = traffic.verify(api, systems.SETTLES_S)
    assert wrong + traffic.compare_load({"clients": []}, report, sent, expect) == []
