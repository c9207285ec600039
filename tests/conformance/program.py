"""The real program, started and stopped as its users do, and real clients for it."""

import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import time

import boto3
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


def until(condition, what, seconds=30):
    """Waits for a condition and returns its value; what never comes true is a failure, not a skip."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds} s")


def own_environment(**variables):
    """Nothing of the tester's own environment may reach the program."""
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **variables}


class Server:
    """One run, or several in a row, of the program on one data folder."""

    def __init__(self, folder, **variables):
        self.folder = pathlib.Path(folder)
        self.data = self.folder / "data"
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.variables = variables
        self.process = None

    def start(self):
        with open(self.folder / "server.log", "ab") as log:
            said = log.tell()
            command = [BINARY, "serve", "--data", str(self.data), "--listen", f"127.0.0.1:{self.port}"]
            self.process = subprocess.Popen(command, env=own_environment(**self.variables), stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended: {self.log()}")
            # It listens earlier than it serves; what it prints is what its users go by too.
            if b"serving on " in (self.folder / "server.log").read_bytes()[said:]:
                return self
            time.sleep(0.01)
        raise RuntimeError(f"the server does not serve: {self.log()}")

    def log(self):
        return (self.folder / "server.log").read_text(errors="replace")

    def kill(self):
        """As a power cut would, short of the disk's."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.process.wait(timeout=30)

    def client(self, service, key="test", secret="test", token=None, **config):
        """A boto3 client that repeats nothing and leaves it to the server to refuse."""
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
            "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_PAGER": "",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
