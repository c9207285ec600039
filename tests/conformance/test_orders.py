"""The system `orders`, deployed from its template: what is promised of it, also while everything is killed again and again.

`ORDERS_TEST_COUNT` says how many orders the crash test sends (300 without).
"""

import contextlib
import importlib.machinery
import importlib.util
import os
import pathlib
import random
import signal
import subprocess
import threading
import time

import pytest
from postgres import Postgres
from program import ACCOUNT, BINARY, REGION, ROOT

SEED = 20240209
COUNT = int(os.environ.get("ORDERS_TEST_COUNT", "300"))
CLIENTS = 16
# How long a server lives under load before each kill, and how long a function does.
SERVER_LIFE_S = (2.0, 4.0)
FUNCTION_LIFE_S = (0.3, 1.0)
# After the last kill: a message that a killed function had comes again after a minute, a row that a killed relay had within two.
SETTLES_S = 240
SYSTEM = ROOT / "systems/orders"


def load_traffic():
    """The system's traffic program, as a module."""
    loader = importlib.machinery.SourceFileLoader("traffic", str(SYSTEM / "traffic"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("traffic", loader))
    loader.exec_module(module)
    return module


traffic = load_traffic()


def deploy(server, **parameters):
    """Deploys the template with the program itself, which builds the functions."""
    parameters = {"AdminPassword": "a-password-for-tests", **parameters}
    command = [BINARY, "deploy", str(SYSTEM / "template.yaml"), "--stack-name", "orders", "--endpoint", server.endpoint]
    command += ["--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items())]
    environment = {**os.environ, "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


def file_system():
    """Where SQLite's file is: what AWS asks of a function with files."""
    point = f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:access-point/fsap-0123456789abcdef0"
    return {"FileSystemAccessPointArn": point, "SubnetIds": "subnet-00000000", "SecurityGroupIds": "sg-00000000"}


@pytest.fixture
def database(request, tmp_path):
    """The parameters that choose a database, and its server where it has one."""
    if request.param == "sqlite":
        yield file_system(), None
        return
    running = Postgres(tmp_path / "postgres").start()
    yield {"DatabaseUrl": running.url}, running
    running.stop()


@pytest.fixture
def api(own_server, monkeypatch):
    """Deploys, and returns the API; its clients find the server as any program does, in the environment."""
    for name, value in own_server.environment().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)

    def deployed(parameters):
        deploy(own_server, **parameters)
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
        done = subprocess.run(
            [str(SYSTEM / "traffic"), *command], env=own_server.environment(), capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def test_the_schedule_alone_is_enough(api):
    api = api({**file_system(), "RelayMode": "polling"})
    assert api.order(traffic.GOOD) == (200, traffic.CREATED)
    wrong, report = traffic.verify(api, SETTLES_S)
    assert (wrong, report["confirmed"]) == ([], 1)


def functions_of(server):
    """The processes that run functions: what the server has started and what is no server itself."""
    children = pathlib.Path(f"/proc/{server.process.pid}/task").glob("*/children")
    found = []
    for pid in {int(pid) for file in children for pid in file.read_text().split()}:
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/exe").endswith("/bootstrap"):
                found.append(pid)
    return found


class Havoc:
    """Kills the server, the database and functions, and starts again what does not start by itself."""

    def __init__(self, server, postgres):
        self.server = server
        self.postgres = postgres
        self.chance = random.Random(SEED)
        self.kills = {"server": 0, "function": 0, "database": 0}
        self.victims = ["server", "function", "database"] if postgres else ["server", "function"]
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.rage)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def rage(self):
        while not self.ended.is_set():
            self.kill_functions_for(self.chance.uniform(*SERVER_LIFE_S))
            if self.ended.is_set():
                return
            if self.kills["database"] < self.kills["server"] and self.postgres:
                self.postgres.kill()
                self.postgres.start()
                self.kills["database"] += 1
            else:
                self.server.kill()
                self.server.start()
                self.kills["server"] += 1

    def kill_functions_for(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.ended.wait(self.chance.uniform(*FUNCTION_LIFE_S)):
            with contextlib.suppress(OSError, IndexError):
                os.kill(self.chance.choice(sorted(functions_of(self.server))), signal.SIGKILL)
                self.kills["function"] += 1


@both
def test_every_order_is_counted_once_whatever_is_killed(api, database, own_server):
    parameters, postgres = database
    api = api(parameters)
    with Havoc(own_server, postgres) as havoc:
        expect, took, requests = traffic.send_load(api, COUNT, CLIENTS, SEED, 120)
        # However fast the machine is: the kills have come in the middle of it.
        sent = COUNT
        while min(havoc.kills[victim] for victim in havoc.victims) < 2:
            more, _, again = traffic.send_load(api, CLIENTS, CLIENTS, SEED + sent, 120)
            expect = {client: amount + more[client] for client, amount in expect.items()}
            sent, requests = sent + CLIENTS, requests + again
    print(f"{sent} orders, {requests} requests, kills: {havoc.kills}")
    wrong, report = traffic.verify(api, SETTLES_S)
    assert wrong + traffic.compare_load({"clients": []}, report, sent, expect) == []
