"""What the tests of the systems share: deploying them, driving them with their own traffic, and killing their parts."""

import contextlib
import importlib.machinery
import importlib.util
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import threading
import time

from program import ACCOUNT, BINARY, REGION, ROOT

# How long a server lives under load before each kill, and how long a function does.
SERVER_LIFE_S = (2.0, 4.0)
FUNCTION_LIFE_S = (0.3, 1.0)
# After the last kill: a message that a killed function had comes again after a minute, a row that a killed relay had within two.
SETTLES_S = 240

# Where the SQLite file of `orders` is: what AWS asks of a function with files.
FILE_SYSTEM = {
    "FileSystemAccessPointArn": f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:access-point/fsap-0123456789abcdef0",
    "SubnetIds": "subnet-00000000",
    "SecurityGroupIds": "sg-00000000",
}
PASSWORD = {"AdminPassword": "a-password-for-tests"}
# What templates must be told.
PARAMETERS = {"orders": {**PASSWORD, **FILE_SYSTEM}}


def folder(system):
    return ROOT / "systems" / system


def load_traffic(system):
    """The system's traffic program, as a module."""
    name = f"{system}_traffic"
    loader = importlib.machinery.SourceFileLoader(name, str(folder(system) / "traffic"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


def deploy(server, system, **parameters):
    """Deploys the template with the program itself, which builds the functions."""
    command = [BINARY, "deploy", str(folder(system) / "template.yaml"), "--stack-name", system, "--endpoint", server.endpoint]
    if parameters:
        command += ["--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items())]
    environment = {**os.environ, "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


def drive(server, system, *command):
    """Runs the traffic program as its users do."""
    program = [str(folder(system) / "traffic"), *command]
    done = subprocess.run(program, env=server.environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def in_environment(server, monkeypatch):
    """Lets clients of this process find the server as any program does, in the environment."""
    for name, value in server.environment().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)


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

    def __init__(self, server, seed, postgres=None):
        self.server = server
        self.postgres = postgres
        self.chance = random.Random(seed)
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


def built(system, folder_):
    """The template beside the built code, as `sam build` leaves it; Cauce's own `deploy` has built the binary before."""
    template = (folder(system) / "template.yaml").read_text()
    # Every function brings its code itself: the AWS CLI packages what resources name, and nothing of `Globals`.
    metadata = re.compile(r"    Metadata: (?:&build\n(?:      .*\n)+|\*build\n)    Properties:\n")
    template, functions = metadata.subn("    Properties:\n      CodeUri: code\n", template)
    assert functions > 0
    (folder_ / "template.yaml").write_text(template)
    (folder_ / "code").mkdir()
    shutil.copy(ROOT / "systems/target/release" / system, folder_ / "code/bootstrap")
