"""Starting, stopping and starting again."""

import json
import os
import subprocess
import threading

from functions import create_function, create_role, events_logged, invoke, logged, put_event, route
from program import BINARY, Server, free_port, own_environment, until


def serve(*arguments, **variables):
    """Runs `cauce serve` until it ends by itself."""
    command = [BINARY, "serve", *map(str, arguments)]
    return subprocess.run(command, env=own_environment(**variables), capture_output=True, text=True, timeout=30)


def test_everything_is_there_after_a_restart(own_server, code):
    server = own_server
    role = create_role(server, "kept")
    create_function(server, "kept", role, code, "print", Environment={"Variables": {"STAGE": "1"}})
    rule = route(server, "kept", "kept", {"source": ["kept"]})
    s3, logs, events = server.client("s3"), server.client("logs"), server.client("events")
    s3.create_bucket(Bucket="kept")
    s3.put_object(Bucket="kept", Key="k", Body=b"content")
    logs.create_log_group(logGroupName="kept")
    logs.put_retention_policy(logGroupName="kept", retentionInDays=30)
    first = put_event(server, "kept", {"n": 1})
    until(lambda: events_logged(server, "kept"), "the first event")

    assert server.stop() == 0
    server.start()

    assert events.describe_rule(Name="kept")["Arn"] == rule
    assert s3.get_object(Bucket="kept", Key="k")["Body"].read() == b"content"
    assert logs.describe_log_groups(logGroupNamePrefix="kept")["logGroups"][0]["retentionInDays"] == 30
    assert server.client("iam").get_role(RoleName="kept")["Role"]["Arn"] == role
    configuration = server.client("lambda").get_function_configuration(FunctionName="kept")
    assert configuration["Environment"]["Variables"] == {"STAGE": "1"} and configuration["State"] == "Active"
    second = put_event(server, "kept", {"n": 2})
    until(lambda: len(events_logged(server, "kept")) == 2, "the second event")
    assert [event["id"] for event in events_logged(server, "kept")] == [first, second]


def test_stopping_lets_requests_under_way_come_to_their_end(own_server, code):
    server = own_server
    create_function(server, "slow", create_role(server, "slow"), code, "sleep")
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(invoke(server, "slow", 2_000)))
    waiting.start()
    until(lambda: any(line.startswith("START ") for line in logged(server, "slow")), "the invocation under way")
    assert server.stop() == 0
    waiting.join()
    ((answer, response),) = answers
    assert answer is None and response["StatusCode"] == 200 and "FunctionError" not in response


def test_no_function_outlives_the_server(own_server, code):
    server = own_server
    role = create_role(server, "family")
    create_function(server, "family", role, code, "family")
    for end in (server.stop, server.kill):
        (parent, child), _ = invoke(server, "family")
        assert os.path.exists(f"/proc/{parent}") and os.path.exists(f"/proc/{child}")
        end()
        for process in (parent, child):
            until(lambda: not os.path.exists(f"/proc/{process}"), f"the end of process {process}")
        server.start()


def test_two_servers_never_share_a_data_folder(own_server):
    done = serve("--data", own_server.data, "--listen", f"127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert str(own_server.data) in done.stderr and "panicked" not in done.stderr
    assert "another process" in done.stderr or "in use" in done.stderr or "locked" in done.stderr, done.stderr
    assert own_server.client("sts").get_caller_identity()


def test_a_taken_address_is_named(own_server, tmp_path):
    done = serve("--data", tmp_path / "other", "--listen", f"127.0.0.1:{own_server.port}")
    assert done.returncode == 1 and f"127.0.0.1:{own_server.port}" in done.stderr, done.stderr


def test_an_open_address_wants_keys_of_its_own(tmp_path):
    address = f"0.0.0.0:{free_port()}"
    done = serve("--data", tmp_path / "data", "--listen", address)
    assert done.returncode == 1
    assert address in done.stderr and "CAUCE_ROOT_SECRET_ACCESS_KEY" in done.stderr, done.stderr
    assert not (tmp_path / "data").exists(), "refused before anything was made"


def test_the_root_key_is_what_it_was_started_with(tmp_path):
    keys = {"CAUCE_ROOT_ACCESS_KEY_ID": "AKIAOWN", "CAUCE_ROOT_SECRET_ACCESS_KEY": "own secret"}
    server = Server(tmp_path, **keys, CAUCE_ACCOUNT="123456789012").start()
    try:
        identity = server.client("sts", "AKIAOWN", "own secret").get_caller_identity()
        assert identity["Account"] == "123456789012"
        done = subprocess.run(
            ["aws", "sts", "get-caller-identity"], env=server.environment(), capture_output=True, text=True, timeout=60
        )
        assert done.returncode != 0 and "InvalidClientTokenId" in done.stderr, "test:test is nobody here"
    finally:
        assert server.stop() == 0


def test_the_program_says_where_it_serves_and_how_to_use_it(own_server):
    said = f"serving on {own_server.endpoint} (data in {own_server.data})"
    assert said in own_server.log()
    command = [BINARY, "env", "--endpoint", own_server.endpoint, "--output", "json"]
    printed = json.loads(subprocess.run(command, env=own_environment(), capture_output=True, check=True).stdout)
    environment = {**own_server.environment(), **printed}
    command = ["aws", "sts", "get-caller-identity"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and ":root" in done.stdout, done.stderr


def test_a_damaged_store_is_refused_and_not_repaired_silently(own_server):
    server = own_server
    server.client("events").put_rule(Name="kept", EventPattern='{"source":["a"]}')
    assert server.stop() == 0
    files = [path for path in (server.data / "store").rglob("*") if path.is_file() and path.stat().st_size]
    assert files
    for path in files:
        content = path.read_bytes()
        path.write_bytes(b"damaged!" * (len(content) // 8 + 1))
    done = serve("--data", server.data, "--listen", f"127.0.0.1:{free_port()}")
    assert done.returncode == 1 and str(server.data) in done.stderr and "panicked" not in done.stderr, done.stderr
