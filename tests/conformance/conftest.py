"""What every test starts from: the running program, a role, the test function, the AWS command line."""

import json
import subprocess

import functions
import gateway
import pytest
from program import Server

# What is asserted there is shown as what is asserted in a test.
pytest.register_assert_rewrite("dynamo")


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One server for every test that does not stop it; tests use names of their own."""
    running = Server(tmp_path_factory.mktemp("server")).start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session")
def dynamodb(server):
    return server.client("dynamodb")


@pytest.fixture(scope="session")
def s3(server):
    return server.client("s3", s3={"addressing_style": "path"})


@pytest.fixture
def bucket(s3, name):
    """The name of an empty bucket."""
    s3.create_bucket(Bucket=name)
    return name


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


@pytest.fixture(scope="session")
def code(tmp_path_factory):
    """The package of the test function."""
    return functions.compile_bootstrap(tmp_path_factory.mktemp("function"))


@pytest.fixture(scope="session")
def role(server):
    """The ARN of a role that functions of the shared server may have."""
    return functions.create_role(server, "plain")


@pytest.fixture(scope="session")
def log_role(server):
    """The role as which API Gateway writes logs on the shared server."""
    return gateway.log_as(server, "gateway-logs")


@pytest.fixture
def function(server, role, code, name):
    """Creates functions on the shared server, and returns their names."""
    created = []

    def create(handler, **settings):
        own = f"{name}-{handler}-{len(created)}"
        functions.create_function(server, own, settings.pop("Role", role), code, handler, **settings)
        created.append(own)
        return own

    yield create
    for own in created:
        server.client("lambda").delete_function(FunctionName=own)


class CommandLine:
    """The AWS command line, as its users install it."""

    def __init__(self, server, folder):
        self.server = server
        self.folder = folder

    def run(self, *arguments):
        """The finished process, whatever became of it."""
        command = ["aws", *map(str, arguments)]
        environment = self.server.environment()
        return subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True, timeout=120)

    def __call__(self, *arguments):
        """What a command that must succeed prints: read, if it is JSON."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        try:
            return json.loads(done.stdout)
        except ValueError:
            return done.stdout


@pytest.fixture
def aws(server, tmp_path):
    return CommandLine(server, tmp_path)
