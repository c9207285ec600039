"""Functions, seen from outside: what they get, what their callers get, what is refused."""

import base64
import concurrent.futures
import json
import os
import re
import threading

import boto3
from errors import refusal
from functions import (
    create_function,
    create_role,
    events_logged,
    invoke,
    logged,
    package,
)
from program import ACCOUNT, until

SIX_MIB = 6 * 1024 * 1024


def arn(function):
    return f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{function}"


def tail(response):
    return base64.b64decode(response["LogResult"]).decode().splitlines()


def test_the_command_line_invokes(aws, function, tmp_path):
    own = function("echo")
    event = '{"pedido":"¿qué tal?"}'
    (tmp_path / "event.json").write_text(event, encoding="utf-8")
    answer = aws("lambda", "invoke", "--function-name", own, "--payload", "file://event.json", "out.json")
    assert answer == {"StatusCode": 200, "ExecutedVersion": "$LATEST"}
    assert (tmp_path / "out.json").read_text(encoding="utf-8") == event


def test_an_answer_is_the_function_s_to_the_byte(server, function):
    own = function("echo")
    for event in [None, 0, "", [], {"a": {"b": [1.5, True, None]}}, "ñ😀", 12345678901234567890]:
        assert invoke(server, own, event)[0] == event
    response = server.client("lambda").invoke(FunctionName=own, Payload=b'{ "kept" :  1.0 }')
    assert response["Payload"].read() == b'{ "kept" :  1.0 }'


def test_the_log_s_tail_comes_with_the_answer(server, function):
    own = function("print")
    _, response = invoke(server, own, {"a": 1}, LogType="Tail")
    lines = tail(response)
    request = response["ResponseMetadata"]["RequestId"]
    assert f"START RequestId: {request} Version: $LATEST" in lines and '{"a": 1}' in lines
    assert f"END RequestId: {request}" in lines
    times = rf"REPORT RequestId: {request}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\t"
    memory = r"Memory Size: 128 MB\tMax Memory Used: \d+ MB\t"
    assert re.match(times + memory, lines[-1]), lines
    assert "LogResult" not in invoke(server, own, {"a": 1})[1]


def test_an_invocation_is_in_the_log(server, function):
    own = function("print")
    invoke(server, own, {"número": 1})
    invoke(server, own, {"número": 2})
    lines = until(
        lambda: [line for line in logged(server, own) if line.startswith("REPORT")][1:] and logged(server, own),
        "two reports",
    )
    assert lines[0].startswith("INIT_START Runtime Version: provided:al2023")
    assert lines.count("initialized") == 1, "the second came to a warm sandbox"
    assert [json.loads(line)["número"] for line in lines if line.startswith("{")] == [1, 2]


def test_an_asynchronous_invocation_is_accepted_and_done(server, function):
    own = function("print")
    _, response = invoke(server, own, {"n": 1}, InvocationType="Event")
    assert response["StatusCode"] == 202
    until(lambda: events_logged(server, own) == [{"n": 1}], "the event in the log")


def test_a_dry_run_does_nothing(server, function):
    own = function("exit")
    _, response = invoke(server, own, {}, InvocationType="DryRun")
    assert response["StatusCode"] == 204 and "FunctionError" not in response


def test_an_error_is_the_function_s_own(server, function):
    answer, response = invoke(server, function("fail"))
    assert (response["StatusCode"], response["FunctionError"]) == (200, "Unhandled")
    assert answer == {"errorMessage": "as it was told", "errorType": "Test.Failure"}


def test_a_runtime_that_ends_is_reported_and_replaced(server, function):
    own = function("exit")
    for _ in range(2):
        answer, response = invoke(server, own)
        request = response["ResponseMetadata"]["RequestId"]
        assert response["FunctionError"] == "Unhandled"
        message = f"RequestId: {request} Error: Runtime exited with error: exit status 7"
        assert answer == {"errorMessage": message, "errorType": "Runtime.ExitError"}


def test_a_handler_that_is_not_there_is_an_error_of_the_initialization(server, function):
    own = function("nothing")
    answer, response = invoke(server, own)
    assert response["FunctionError"] == "Unhandled"
    assert answer == {"errorMessage": "no handler nothing", "errorType": "Runtime.NoSuchHandler"}


def test_a_function_stops_at_its_timeout_with_all_that_it_started(server, function):
    slow = function("sleep", Timeout=1)
    answer, response = invoke(server, slow, 20_000, LogType="Tail")
    request = response["ResponseMetadata"]["RequestId"]
    assert response["FunctionError"] == "Unhandled"
    assert answer["errorType"] == "Sandbox.Timedout"
    assert answer["errorMessage"] == f"RequestId: {request} Error: Task timed out after 1.00 seconds"
    assert tail(response)[-1].endswith("Status: timeout")
    assert invoke(server, slow, 1)[0] is None, "a new sandbox has taken its place"


def test_what_a_function_starts_ends_with_it(server, function):
    own = function("family")
    (parent, child), _ = invoke(server, own)
    assert os.path.exists(f"/proc/{child}")
    server.client("lambda").update_function_configuration(FunctionName=own, Handler="echo")
    invoke(server, own, 1)
    for process in (parent, child):
        until(lambda: not os.path.exists(f"/proc/{process}"), f"the end of process {process}")


def test_reserved_concurrency_is_a_limit(server, function):
    own = function("sleep")
    client = server.client("lambda")
    client.put_function_concurrency(FunctionName=own, ReservedConcurrentExecutions=0)
    refused = (429, "TooManyRequestsException", "Rate Exceeded.")
    assert refusal(client.invoke, FunctionName=own, Payload=b"1") == refused
    client.put_function_concurrency(FunctionName=own, ReservedConcurrentExecutions=1)
    assert client.get_function_concurrency(FunctionName=own)["ReservedConcurrentExecutions"] == 1
    assert invoke(server, own, 0)[0] is None

    occupied = threading.Thread(target=invoke, args=(server, own, 3_000))
    occupied.start()
    begun = lambda: sum(line.startswith("START ") for line in logged(server, own)) == 2  # noqa: E731
    until(begun, "the invocation that takes the only place")
    assert refusal(client.invoke, FunctionName=own, Payload=b"0") == refused
    occupied.join()
    assert invoke(server, own, 0)[0] is None
    client.delete_function_concurrency(FunctionName=own)
    assert "ReservedConcurrentExecutions" not in client.get_function_concurrency(FunctionName=own)


def test_a_function_sees_its_environment_and_nothing_of_the_server_s(server, function):
    own = function("environment", Environment={"Variables": {"TABLE": 'ñ "quoted"', "EMPTY": ""}}, MemorySize=256)
    seen, _ = invoke(server, own)
    assert (seen["TABLE"], seen["EMPTY"]) == ('ñ "quoted"', "")
    assert seen["AWS_LAMBDA_FUNCTION_NAME"] == own and seen["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert seen["AWS_REGION"] == "us-east-1" and seen["AWS_ENDPOINT_URL"] == server.endpoint
    assert seen["AWS_LAMBDA_LOG_GROUP_NAME"] == f"/aws/lambda/{own}"
    assert seen["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert "HOME" not in seen and not [variable for variable in seen if variable.startswith("CAUCE")]


def test_a_change_of_configuration_reaches_the_next_invocation(server, function):
    own = function("environment", Environment={"Variables": {"STAGE": "one"}})
    assert invoke(server, own)[0]["STAGE"] == "one"
    client = server.client("lambda")
    client.update_function_configuration(FunctionName=own, Environment={"Variables": {"STAGE": "two"}})
    client.get_waiter("function_updated_v2").wait(FunctionName=own)
    assert invoke(server, own)[0]["STAGE"] == "two"


def test_a_change_of_code_reaches_the_next_invocation(server, role, name):
    client = server.client("lambda")
    script = "#!/bin/sh\nexit {}\n"
    create_function(server, name, role, package({"bootstrap": script.format(1)}), "any")
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    before = client.get_function_configuration(FunctionName=name)["CodeSha256"]
    assert "exit status 1" in invoke(server, name)[0]["errorMessage"]
    client.update_function_code(FunctionName=name, ZipFile=package({"bootstrap": script.format(2)}))
    assert "exit status 2" in invoke(server, name)[0]["errorMessage"]
    assert client.get_function_configuration(FunctionName=name)["CodeSha256"] != before
    client.delete_function(FunctionName=name)


def test_code_comes_from_a_bucket_too(server, role, name, code):
    s3 = server.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="code/function.zip", Body=code)
    client = server.client("lambda")
    settings = {"FunctionName": name, "Runtime": "provided.al2023", "Role": role, "Handler": "echo"}
    status, error, message = refusal(client.create_function, **settings, Code={"S3Bucket": name, "S3Key": "other.zip"})
    assert (status, error) == (400, "InvalidParameterValueException") and "NoSuchKey" in message, message
    client.create_function(**settings, Code={"S3Bucket": name, "S3Key": "code/function.zip"})
    assert invoke(server, name, {"a": 1})[0] == {"a": 1}
    client.delete_function(FunctionName=name)
    assert refusal(client.get_function, FunctionName=name)[:2] == (404, "ResourceNotFoundException")


def test_a_version_stays_as_it_was_and_an_alias_points_at_it(server, function):
    own = function("environment", Environment={"Variables": {"STAGE": "one"}})
    client = server.client("lambda")
    assert client.publish_version(FunctionName=own)["Version"] == "1"
    client.create_alias(FunctionName=own, Name="live", FunctionVersion="1")
    client.update_function_configuration(FunctionName=own, Environment={"Variables": {"STAGE": "two"}})
    assert client.publish_version(FunctionName=own)["Version"] == "2"

    def stage(qualifier):
        answer, response = invoke(server, own, Qualifier=qualifier)
        return answer["STAGE"], response["ExecutedVersion"]

    assert [stage("1"), stage("2"), stage("$LATEST"), stage("live")] == [
        ("one", "1"),
        ("two", "2"),
        ("two", "$LATEST"),
        ("one", "1"),
    ]
    client.update_alias(FunctionName=own, Name="live", FunctionVersion="2")
    assert stage("live") == ("two", "2")
    assert invoke(server, f"{arn(own)}:live")[0]["STAGE"] == "two"
    versions = client.get_paginator("list_versions_by_function").paginate(FunctionName=own)
    assert [version["Version"] for page in versions for version in page["Versions"]] == ["$LATEST", "1", "2"]
    status, error, message = refusal(client.invoke, FunctionName=own, Qualifier="3")
    assert (status, error, message) == (404, "ResourceNotFoundException", f"Function not found: {arn(own)}:3")


def test_permissions_are_a_policy(server, function):
    own = function("echo")
    client = server.client("lambda")
    assert refusal(client.get_policy, FunctionName=own)[:2] == (404, "ResourceNotFoundException")
    rule = f"arn:aws:events:us-east-1:{ACCOUNT}:rule/r"
    permission = {
        "FunctionName": own,
        "StatementId": "s",
        "Action": "lambda:InvokeFunction",
        "Principal": "events.amazonaws.com",
    }
    client.add_permission(**permission, SourceArn=rule)
    (statement,) = json.loads(client.get_policy(FunctionName=own)["Policy"])["Statement"]
    assert statement == {
        "Sid": "s",
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": arn(own),
        "Condition": {"ArnLike": {"AWS:SourceArn": rule}},
    }
    assert refusal(client.add_permission, **permission)[:2] == (409, "ResourceConflictException")
    client.remove_permission(FunctionName=own, StatementId="s")
    assert refusal(client.get_policy, FunctionName=own)[:2] == (404, "ResourceNotFoundException")


def test_functions_are_listed_page_by_page(server, function):
    made = {function("echo") for _ in range(3)}
    pages = list(server.client("lambda").get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2}))
    names = [found["FunctionName"] for page in pages for found in page["Functions"]]
    assert made <= set(names) and len(names) == len(set(names)) and len(pages) > 1


def test_a_function_is_there_once(server, function, role, code):
    own = function("echo")
    settings = {"Runtime": "provided.al2023", "Role": role, "Handler": "echo", "Code": {"ZipFile": code}}
    create = server.client("lambda").create_function
    expect = (409, "ResourceConflictException", f"Function already exist: {own}")
    assert refusal(create, FunctionName=own, **settings) == expect


def test_a_package_without_bootstrap_is_an_error_of_its_invocation(server, role, name):
    create_function(server, name, role, package({"main": b"no runtime"}), "any")
    answer, response = invoke(server, name)
    assert response["FunctionError"] == "Unhandled" and answer["errorType"] == "Runtime.InvalidEntrypoint"
    assert "Couldn't find valid bootstrap(s)" in answer["errorMessage"], answer


def test_a_package_that_is_no_zip_is_refused(server, role, name):
    settings = {"FunctionName": name, "Runtime": "provided.al2023", "Role": role, "Handler": "h"}
    create = server.client("lambda").create_function
    unzip = "Could not unzip uploaded file. Please check your file, then try to upload again."
    expect = (400, "InvalidParameterValueException", unzip)
    assert refusal(create, **settings, Code={"ZipFile": b"no zip at all"}) == expect
    outside = package({"../outside": b"x"})
    assert refusal(create, **settings, Code={"ZipFile": outside})[:2] == (400, "InvalidParameterValueException")


def test_a_runtime_that_is_not_built_is_refused_by_name(server, role, name, code):
    settings = {"FunctionName": name, "Role": role, "Handler": "h", "Code": {"ZipFile": code}}
    status, error, message = refusal(server.client("lambda").create_function, **settings, Runtime="python3.13")
    assert status == 400 and "python3.13" in message, (error, message)


def test_a_role_that_is_not_there_or_does_not_trust_lambda_is_refused(server, name, code):
    settings = {"FunctionName": name, "Runtime": "provided.al2023", "Handler": "h", "Code": {"ZipFile": code}}
    create = server.client("lambda").create_function
    cannot = (400, "InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda.")
    assert refusal(create, **settings, Role=f"arn:aws:iam::{ACCOUNT}:role/{name}-missing") == cannot
    other = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
    assert refusal(create, **settings, Role=create_role(server, name, trust=other)) == cannot


def test_a_role_that_goes_away_stops_its_functions(server, name, code):
    role = create_role(server, name)
    create_function(server, name, role, code, "echo")
    server.client("iam").delete_role(RoleName=name)
    client = server.client("lambda")
    status, error, message = refusal(client.invoke, FunctionName=name, Payload=b"1")
    assert (status, error) == (403, "AccessDeniedException")
    assert message == "The role defined for the function cannot be assumed by Lambda."
    client.delete_function(FunctionName=name)


def test_payloads_are_limited_to_six_mebibytes(server, function):
    own = function("large", Timeout=30, MemorySize=512)
    client = server.client("lambda")
    answer, response = invoke(server, own, SIX_MIB - 100)
    assert "FunctionError" not in response and len(answer) == SIX_MIB - 102
    answer, response = invoke(server, own, SIX_MIB + 200)
    assert response["FunctionError"] == "Unhandled" and answer["errorType"] == "Function.ResponseSizeTooLarge"
    event = b'"' + b"x" * SIX_MIB + b'"'
    status, error, message = refusal(client.invoke, FunctionName=own, Payload=event)
    assert (status, error) == (413, "RequestTooLargeException")
    assert str(SIX_MIB) in message and str(len(event)) in message, message
    asynchronous = b'"' + b"x" * 1024 * 1024 + b'"'
    status, error, _ = refusal(client.invoke, FunctionName=own, Payload=asynchronous, InvocationType="Event")
    assert (status, error) == (413, "RequestTooLargeException")


def test_what_is_no_json_is_no_event(server, function):
    own = function("echo")
    status, error, message = refusal(server.client("lambda").invoke, FunctionName=own, Payload=b"{")
    assert (status, error) == (400, "InvalidRequestContentException")
    assert message.startswith("Could not parse request body into json"), message


def test_a_function_that_is_not_there_is_named(server, name):
    expect = (404, "ResourceNotFoundException", f"Function not found: {arn(name)}")
    assert refusal(server.client("lambda").invoke, FunctionName=name) == expect
    assert refusal(server.client("lambda").get_function, FunctionName=name) == expect


def test_one_that_hangs_delays_no_other(server, function):
    slow, quick = function("sleep"), function("echo")
    invoke(server, quick, 0)
    hanging = threading.Thread(target=invoke, args=(server, slow, 5_000))
    hanging.start()
    until(lambda: any(line.startswith("START ") for line in logged(server, slow)), "the slow one at work")
    for n in range(20):
        assert invoke(server, quick, n)[0] == n
    assert hanging.is_alive(), "all twenty were done while the other was still at work"
    hanging.join()


def test_many_at_once_get_each_their_own_answer(server, function):
    own = function("echo")
    client = server.client("lambda", max_pool_connections=40)

    def ask(n):
        return json.loads(client.invoke(FunctionName=own, Payload=json.dumps({"n": n}))["Payload"].read())

    with concurrent.futures.ThreadPoolExecutor(20) as callers:
        assert list(callers.map(ask, range(200))) == [{"n": n} for n in range(200)]
    starts = until(lambda: sum(line.startswith("INIT_START") for line in logged(server, own)), "a sandbox's first line")
    assert starts <= 20, "sandboxes are reused: never more of them than callers at once"


def test_a_region_has_functions_of_its_own(server, role, code, name):
    there = boto3.client(
        "lambda",
        endpoint_url=server.endpoint,
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    create = {"FunctionName": name, "Runtime": "provided.al2023", "Role": role, "Handler": "environment"}
    made = there.create_function(**create, Code={"ZipFile": code}, Timeout=10)
    assert made["FunctionArn"] == f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:{name}"
    seen = json.loads(there.invoke(FunctionName=name)["Payload"].read())
    assert seen["AWS_REGION"] == "eu-west-1"
    assert refusal(server.client("lambda").get_function, FunctionName=name)[:2] == (404, "ResourceNotFoundException")
    there.delete_function(FunctionName=name)
