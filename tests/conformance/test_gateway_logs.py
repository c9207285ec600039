"""What API Gateway tells of the way of a request: execution logs, and tests of methods and authorizers."""

import json
import re

import pytest
from errors import refusal
from gateway import Api, log_as
from program import ACCOUNT, REGION, until


def bad(message):
    return (400, "BadRequestException", message)


def missing(message):
    return (404, "NotFoundException", message)


@pytest.fixture
def api(server, name):
    made = Api(server, name)
    yield made
    made.client.delete_rest_api(restApiId=made.id)


def lines_of(api, answer, last="Method completed with status"):
    """The lines of a request, once the last of them is there."""
    group, id = f"API-Gateway-Execution-Logs_{api.id}/{api.stage}", answer.headers["x-amzn-requestid"]
    logs = api.server.client("logs")

    def found():
        try:
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
            lines = [event["message"] for page in pages for event in page["events"] if event["message"].startswith(f"({id}) ")]
        except logs.exceptions.ResourceNotFoundException:
            return None
        lines = [line.removeprefix(f"({id}) ") for line in lines]
        return lines if any(line.startswith(last) for line in lines) else None

    return until(found, f"the lines of {id}")


def log(api, level="INFO", data=None, path="*/*"):
    operations = [("replace", f"/{path}/logging/loglevel", level)]
    if data is not None:
        operations.append(("replace", f"/{path}/logging/dataTrace", data))
    api.patch_stage(*operations)


# Execution logs


def test_every_step_of_a_request_is_logged(api, function, log_role):
    echo = function("proxy")
    api.allow(echo)
    api.proxy(echo, "/pets/{id}", "POST")
    api.deploy()
    log(api, "INFO", "true")
    answer = api.call("/pets/7?q=1", "POST", b'{"a": 1}', {"Content-Type": "application/json", "X-H": "v", "Authorization": "Bearer abcdef"})
    assert answer.status == 200
    lines = lines_of(api, answer, "AWS Integration Endpoint RequestId")
    id, arn = answer.headers["x-amzn-requestid"], f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{echo}"
    uri = f"https://lambda.{REGION}.amazonaws.com/2015-03-31/functions/{arn}/invocations"
    expect = [
        f"Extended Request Id: {re.escape(answer.headers['x-amz-apigw-id'])}",
        f"Verifying Usage Plan for request: {id}. API Key:  API Stage: {api.id}/test",
        "API Key  authorized because method 'POST /pets/\\{id\\}' does not require API Key. Request will not contribute to throttle or quota limits",
        f"Usage Plan check succeeded for API Key  and API Stage {api.id}/test",
        f"Starting execution for request: {id}",
        "HTTP Method: POST, Resource Path: /pets/7",
        "Method request path: \\{id=7\\}",
        "Method request query string: \\{q=1\\}",
        "Method request headers: \\{.*Authorization=\\*{7}abcdef.*X-H=v.*\\}|Method request headers: \\{.*X-H=v.*Authorization=\\*{7}abcdef.*\\}",
        'Method request body before transformations: \\{"a": 1\\}',
        f"Endpoint request URI: {re.escape(uri)}",
        f"Endpoint request headers: \\{{.*x-amzn-apigateway-api-id={api.id}.*X-Amz-Source-Arn=arn:aws:execute-api:{REGION}:{ACCOUNT}:{api.id}/test/POST/pets/\\{{id\\}}.*\\}}",
        'Endpoint request body after transformations: \\{"resource":"/pets/\\{id\\}".* \\[TRUNCATED\\]',
        f"Sending request to {re.escape(uri)}",
        "Received response. Status: 200, Integration latency: \\d+ ms",
        "Endpoint response headers: \\{Content-Type=application/json, .*X-Amz-Executed-Version=\\$LATEST.*\\}",
        'Endpoint response body before transformations: \\{.*',
        "Method response body after transformations: .*",
        "Method response headers: \\{.*X-Own=yes.*\\}",
        "Successfully completed execution",
        "Method completed with status: 200",
        "AWS Integration Endpoint RequestId : [0-9a-f-]{36}",
    ]
    assert len(lines) == len(expect), lines
    for line, pattern in zip(lines, expect):
        assert re.fullmatch(pattern, line, re.IGNORECASE | re.DOTALL), (line, pattern)


def test_without_data_trace_nothing_of_the_data_is_logged(api, log_role):
    api.mock("/", "POST")
    api.deploy()
    log(api, "INFO")
    lines = lines_of(api, api.call("/?secret=s", "POST", {"secret": "s"}))
    assert [line.split(":")[0] for line in lines] == [
        "Extended Request Id", "Verifying Usage Plan for request",
        "API Key  authorized because method 'POST /' does not require API Key. Request will not contribute to throttle or quota limits",
        f"Usage Plan check succeeded for API Key  and API Stage {api.id}/test",
        "Starting execution for request", "HTTP Method", "Successfully completed execution", "Method completed with status",
    ]


def test_of_errors_only_what_went_wrong_is_logged(api, function, log_role):
    echo = function("proxy")
    api.proxy(echo, "/forbidden")
    api.mock("/fine")
    api.mock("/broken", template="{}")
    api.deploy()
    log(api, "ERROR", "true")
    for path, line in [
        ("/forbidden", "Execution failed due to configuration error: Invalid permissions on Lambda function"),
        ("/broken", "Execution failed due to configuration error: Unable to parse statusCode. It should be an integer and >= 100 and <= 599"),
    ]:
        api.call("/fine")
        answer = api.call(path)
        assert answer.json() == {"message": "Internal server error"}
        assert lines_of(api, answer) == [line, "Method completed with status: 500"]
    # What went well has left no line.
    logs = api.server.client("logs")
    events = logs.filter_log_events(logGroupName=f"API-Gateway-Execution-Logs_{api.id}/test")["events"]
    assert len(events) == 4


def test_a_method_may_have_a_level_of_its_own(api, log_role):
    api.mock("/quiet")
    api.mock("/loud")
    api.deploy()
    log(api, "INFO")
    log(api, "OFF", path="~1quiet/GET")
    api.call("/quiet")
    lines_of(api, api.call("/loud"))
    logs = api.server.client("logs")
    events = logs.filter_log_events(logGroupName=f"API-Gateway-Execution-Logs_{api.id}/test")["events"]
    assert not [event for event in events if "/quiet" in event["message"]]
    # Off again, all is quiet.
    log(api, "OFF")
    api.call("/loud")
    log(api, "INFO")
    lines_of(api, api.call("/loud"))
    events = logs.filter_log_events(logGroupName=f"API-Gateway-Execution-Logs_{api.id}/test")["events"]
    assert len([event for event in events if "Resource Path: /loud" in event["message"]]) == 2


def test_keys_and_limits_are_told_without_their_secrets(api, log_role):
    api.mock(apiKeyRequired=True)
    api.deploy()
    log(api, "INFO")
    client = api.client
    key = client.create_api_key(name="k", enabled=True)
    stage = {"apiId": api.id, "stage": "test"}
    plan = client.create_usage_plan(name="p", apiStages=[stage], quota={"limit": 1, "period": "DAY"})
    client.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    shown = "*" * (len(key["value"]) - 6) + key["value"][-6:]
    good = lines_of(api, api.call(headers={"x-api-key": key["value"]}))
    assert good[1].endswith(f"API Key: {shown} API Stage: {api.id}/test")
    assert good[2] == f"Usage Plan check succeeded for API Key {shown} and API Stage {api.id}/test"
    exhausted = lines_of(api, api.call(headers={"x-api-key": key["value"]}))
    assert exhausted[2] == (
        f"API Key {shown} exceeded quota limit for API Stage {api.id}/test: Key quota exhausted for Usage Plan ID "
        f"{plan['id']}. Quota Limit: 1 Period: DAY"
    )
    assert exhausted[3] == "Method completed with status: 429"
    nobody = lines_of(api, api.call())
    assert nobody[2].startswith("API Key  not authorized because method 'GET /' requires API Key")
    assert nobody[3] == "Method completed with status: 403"
    client.delete_api_key(apiKey=key["id"])


def test_an_own_gateway_response_is_told(api, log_role):
    api.mock(apiKeyRequired=True)
    api.client.put_gateway_response(
        restApiId=api.id, responseType="INVALID_API_KEY", statusCode="402", responseTemplates={"application/json": "pay"}
    )
    api.deploy()
    log(api, "INFO", "true")
    lines = lines_of(api, api.call())
    assert lines[3:] == [
        "Gateway response type: INVALID_API_KEY with status code: 402",
        "Gateway response body: pay",
        "Gateway response headers: {Content-Type=application/json, x-amzn-ErrorType=ForbiddenException}",
        "Method completed with status: 402",
    ]


def test_without_a_role_nothing_can_be_logged(own_server):
    api = Api(own_server, "quiet")
    api.mock()
    api.deploy()
    stage = {"restApiId": api.id, "stageName": "test"}
    wanted = bad("CloudWatch Logs role ARN must be set in account settings to enable logging")
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:g"
    for path, value in [
        ("/*/*/logging/loglevel", "INFO"), ("/~1/GET/logging/loglevel", "ERROR"), ("/accessLogSettings/destinationArn", group),
    ]:
        operations = [{"op": "replace", "path": path, "value": value}]
        assert refusal(api.client.update_stage, **stage, patchOperations=operations) == wanted
    assert api.client.get_stage(**stage)["methodSettings"] == {}
    off = [{"op": "replace", "path": "/*/*/logging/loglevel", "value": "OFF"}]
    api.client.update_stage(**stage, patchOperations=off)
    log_as(own_server, "logs")
    log(api, "INFO")
    # A stage that logs already may change otherwise when the role has gone.
    api.client.update_account(patchOperations=[{"op": "remove", "path": "/cloudwatchRoleArn"}])
    assert "cloudwatchRoleArn" not in api.client.get_account()
    api.client.update_stage(**stage, patchOperations=[{"op": "replace", "path": "/variables/v", "value": "1"}])
    changed = api.client.update_stage(**stage, patchOperations=[{"op": "remove", "path": "/*/*/logging/loglevel"}])
    assert "loggingLevel" not in changed["methodSettings"]["*/*"]
    assert refusal(lambda: log(api)) == wanted


# Tests of methods


def of(api, path="/", method="GET"):
    return {"restApiId": api.id, "resourceId": api.resources[path], "httpMethod": method}


def steps(tested):
    """The lines of a test's log, without their times."""
    first, *lines = tested["log"].removesuffix("\n").split("\n")
    assert re.fullmatch(r"Execution log for request [0-9a-f-]{36}", first)
    time = r"[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d UTC \d{4} : "
    assert all(re.match(time, line) for line in lines), lines
    return [re.sub("^" + time, "", line) for line in lines]


def test_a_method_is_tried_before_it_is_deployed(api):
    said = {"responseTemplates": {"application/json": '{"id": "$input.params(\'id\')", "q": "$input.params(\'q\')", "v": "$stageVariables.v", "stage": "$context.stage"}'}}
    api.mock("/pets/{id}", "GET", answers={"200": said})
    tested = api.client.test_invoke_method(
        **of(api, "/pets/{id}"), pathWithQueryString="/pets/7?q=x+y", headers={"Accept": "application/json"}, stageVariables={"v": "1"},
    )
    assert tested["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert (tested["status"], json.loads(tested["body"])) == (200, {"id": "7", "q": "x y", "v": "1", "stage": "test-invoke-stage"})
    assert tested["headers"] == {"Content-Type": "application/json"}
    assert tested["multiValueHeaders"] == {"Content-Type": ["application/json"]}
    assert 0 <= tested["latency"] < 10_000
    got = steps(tested)
    assert got[0].startswith("Starting execution for request: ")
    assert got[1:] == [
        "HTTP Method: GET, Resource Path: /pets/7",
        "Method request path: {id=7}",
        "Method request query string: {q=x y}",
        "Method request headers: {Accept=application/json}",
        "Method request body before transformations: ",
        f"Method response body after transformations: {tested['body']}",
        "Method response headers: {Content-Type=application/json}",
        "Successfully completed execution",
        "Method completed with status: 200",
    ]


def test_a_function_behind_a_proxy_is_tried(api, function):
    echo = function("proxy")
    api.allow(echo)
    api.proxy(echo, "/", "ANY")
    tested = api.client.test_invoke_method(
        **of(api, method="PATCH"), body='{"a": 1}', multiValueHeaders={"x-many": ["1", "2"]}, headers={"x-one": "1", "X-Many": "0"},
    )
    event = json.loads(tested["body"])
    assert (event["httpMethod"], event["body"], event["path"]) == ("PATCH", '{"a": 1}', "/")
    assert event["multiValueHeaders"] == {"x-many": ["1", "2"], "x-one": ["1"]}
    context = event["requestContext"]
    assert (context["stage"], context["path"], context["domainPrefix"]) == ("test-invoke-stage", "/", "testPrefix")
    assert "deploymentId" not in context
    identity = context["identity"]
    assert (identity["sourceIp"], identity["apiKey"]) == ("test-invoke-source-ip", "test-invoke-api-key")
    assert (identity["accountId"], identity["userArn"]) == (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root")
    assert (tested["headers"]["X-Own"], tested["headers"]["Content-Type"]) == ("yes", "application/json")
    assert tested["headers"]["X-Amzn-Trace-Id"].startswith("Root=1-")
    got = steps(tested)
    assert "Successfully completed execution" in got and "Received response. Status: 200" in "\n".join(got)
    bare = json.loads(api.client.test_invoke_method(**of(api, method="GET"))["body"])
    assert (bare["headers"], bare["multiValueHeaders"]) == (None, None)


def test_what_goes_wrong_shows_in_a_test(api, function):
    failing, echo = function("fail"), function("proxy")
    api.allow(failing)
    api.proxy(failing, "/failing")
    api.proxy(echo, "/forbidden")
    schema = json.dumps({"type": "object", "required": ["a"]})
    api.client.create_model(restApiId=api.id, name="Thing", contentType="application/json", schema=schema)
    validator = api.client.create_request_validator(restApiId=api.id, name="v", validateRequestBody=True, validateRequestParameters=True)["id"]
    api.mock("/strict", "POST", requestValidatorId=validator, requestModels={"application/json": "Thing"},
             requestParameters={"method.request.querystring.q": True})
    internal = {"message": "Internal server error"}
    for where, more, status, body, line in [
        (of(api, "/failing"), {}, 502, internal, "Lambda execution failed with status 200 due to customer function error: "),
        (of(api, "/forbidden"), {}, 500, internal, "Execution failed due to configuration error: Invalid permissions on Lambda function"),
        (of(api, "/strict", "POST"), {}, 400, {"message": "Missing required request parameters: [q]"}, "Missing required request parameters: [q]"),
        (
            of(api, "/strict", "POST"), {"pathWithQueryString": "/strict?q=1", "body": "{}"}, 400, {"message": "Invalid request body"},
            "Request body does not match model schema for content type application/json: [",
        ),
    ]:
        tested = api.client.test_invoke_method(**where, **more)
        assert (tested["status"], json.loads(tested["body"])) == (status, body), tested["log"]
        got = steps(tested)
        assert got[-1 if "AWS Integration" not in got[-1] else -2] == f"Method completed with status: {status}"
        assert [one for one in got if one.startswith(line)], got
        assert tested["headers"]["x-amzn-ErrorType"]


def test_nobody_is_asked_in_a_test(api):
    """Neither authorization nor keys nor limits stand in its way."""
    api.mock(authorization="AWS_IAM", apiKeyRequired=True)
    assert api.client.test_invoke_method(**of(api))["status"] == 200


def test_tests_that_are_refused(api):
    api.mock("/pets/{id}")
    test = api.client.test_invoke_method
    where = of(api, "/pets/{id}")
    unknown = missing(f"Invalid API identifier specified {ACCOUNT}:nothere")
    assert refusal(test, **{**where, "restApiId": "nothere"}) == unknown
    assert refusal(test, **{**where, "resourceId": "nothere"}) == missing("Invalid Resource identifier specified")
    assert refusal(test, **{**where, "httpMethod": "PUT"}) == missing("Invalid Method identifier specified")
    assert refusal(test, **where, clientCertificateId="c") == missing("Invalid Client Certificate identifier specified")
    for path in ["/cats/7", "/pets/7/8", "pets/7"]:
        got = refusal(test, **where, pathWithQueryString=path)
        assert got == bad(f"Invalid path specified: {path} does not match the resource path /pets/{{id}}")
    _, code, message = refusal(test, **where, stageVariables={"a b": "1"})
    assert code == "BadRequestException" and message.startswith("Invalid stage variable name specified: a b")
    assert refusal(test, **where, body=5)[0] == 400


# Tests of authorizers


def authorizer(api, function, kind="TOKEN", **settings):
    made = api.client.create_authorizer(
        restApiId=api.id, name="a", type=kind, authorizerUri=api.function_uri(function),
        identitySource="method.request.header.Authorization", **settings,
    )
    api.allow(function, f"authorizers/{made['id']}")
    return {"restApiId": api.id, "authorizerId": made["id"]}


def saying(function, answer):
    return function("say", Environment={"Variables": {"ANSWER": json.dumps(answer)}})


POLICY = {"Version": "2012-10-17", "Statement": [{"Action": "execute-api:Invoke", "Effect": "Deny", "Resource": "*"}]}


def test_an_authorizer_is_tried(api, function):
    answer = {"principalId": "somebody", "policyDocument": POLICY, "context": {"team": "blue"}}
    at = authorizer(api, saying(function, answer))
    tested = api.client.test_invoke_authorizer(**at, headers={"authorization": "token"})
    assert (tested["clientStatus"], tested["principalId"]) == (0, "somebody")
    assert json.loads(tested["policy"]) == POLICY
    assert tested["authorization"] == {"team": ["blue"]}
    assert tested["latency"] >= 0
    got = steps(tested)
    assert got[0].startswith(f"Starting authorizer: {at['authorizerId']} for request: ")
    assert got[1] == "Incoming identity: token"
    assert got[2].startswith("Endpoint request URI: https://lambda.")
    arn = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api.id}/ESTestInvoke-stage/GET/"
    body = {"type": "TOKEN", "methodArn": arn, "authorizationToken": "token"}
    assert json.loads(got[4].removeprefix("Endpoint request body after transformations: ")) == body
    assert json.loads(got[6].removeprefix("Authorizer result body before parsing: ")) == answer
    assert got[7:] == ["Using valid authorizer policy for principal: **mebody", "Successfully completed authorizer execution"]


def test_authorizers_that_do_not_decide(api, function):
    at = authorizer(api, saying(function, {"principalId": "p"}), identityValidationExpression="good.*")
    test = api.client.test_invoke_authorizer
    for headers in [{}, {"Authorization": "bad"}]:
        tested = test(**at, headers=headers)
        assert tested["clientStatus"] == 401 and steps(tested)[-1].startswith("Unauthorized request: ")
        assert "principalId" not in tested and "policy" not in tested
    tested = test(**at, headers={"Authorization": "good"})
    assert tested["clientStatus"] == 500
    assert steps(tested)[-1] == "Execution failed due to configuration error: Authorizer error"
    assert refusal(test, **{**at, "authorizerId": "nothere"}) == missing("Invalid Authorizer identifier specified")
    unknown = missing(f"Invalid API identifier specified {ACCOUNT}:nothere")
    assert refusal(test, **{**at, "restApiId": "nothere"}) == unknown


def test_tests_need_permission(api, server, name):
    api.mock()
    iam = server.client("iam")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    stranger = server.client("apigateway", key["AccessKeyId"], key["SecretAccessKey"])
    for call, resource in [
        (lambda: stranger.test_invoke_method(**of(api)), f"restapis/{api.id}/resources/{api.root}/methods/GET"),
        (lambda: stranger.test_invoke_authorizer(restApiId=api.id, authorizerId="a"), f"restapis/{api.id}/authorizers/a"),
    ]:
        _, code, message = refusal(call)
        arn = f"arn:aws:apigateway:{REGION}::/{resource}"
        assert code == "AccessDeniedException" and f"perform: apigateway:POST on resource: {arn}" in message
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName=name)
