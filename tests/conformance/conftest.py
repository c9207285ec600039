"""Starts the real program for the tests, and gives them real clients."""

import os
import pathlib
import random
import signal
import socket
import subprocess
import time

import boto3
import pytest
from botocore.config import Config

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("CAUCE_BINARY", str(ROOT / "target/debug/cauce"))
REGION = "us-east-1"
ACCOUNT = "000000000000"


def free_port():
    """A free port on loopback, below the range from which clients draw theirs."""
    for _ in range(200):
        port = random.randrange(20000, 32768)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port below 32768")


class Server:
    """One run, or several in a row, of the program on one data folder."""

    def __init__(self, data, **variables):
        self.data = pathlib.Path(data)
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.variables = variables
        self.process = None

    def start(self):
        # Nothing of the tester's own environment may reach it.
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **self.variables}
        self.log = open(self.data / "server.log", "ab")
        command = [BINARY, "serve", "--data", str(self.data / "data"), "--listen", f"127.0.0.1:{self.port}"]
        self.process = subprocess.Popen(command, env=environment, stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended: {(self.data / 'server.log').read_text()}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.01)
        raise RuntimeError("the server does not listen")

    def kill(self):
        """As a power cut would, short of the disk's."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.process.wait(timeout=30)

    def client(self, service, key="test", secret="test", token=None, **config):
        options = {"retries": {"max_attempts": 0}, "parameter_validation": False, **config}
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(**options),
        )

    def environment(self):
        """What an unmodified command line needs to find this server, and nothing else."""
        return {
            "PATH": f"{pathlib.Path(os.sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.data),
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_PAGER": "",
        }


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One server for every test that does not stop it; tests use names of their own."""
    running = Server(tmp_path_factory.mktemp("server")).start()
    yield running
    assert running.stop() == 0


@pytest.fixture
def own_server(tmp_path):
    """A server that a test may kill and start again."""
    running = Server(tmp_path).start()
    yield running
    if running.process.poll() is None:
        running.stop()


@pytest.fixture
def name(request):
    """A name that no other test uses."""
    return f"t{abs(hash(request.node.nodeid)) % 10**10}"


def until(condition, what, seconds=30):
    """Waits for a condition and returns its value; what never comes true is a failure, not a skip."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds} s")
