"""What clients of deployed REST APIs meet."""

import base64
import http.server
import json
import threading
import time

import functions
import pytest
from gateway import Api, send
from program import ACCOUNT, REGION, until

ALLOW = {
    "principalId": "somebody",
    "policyDocument": {
        "Version": "2012-10-17",
        "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": "*"}],
    },
    "context": {"team": "blue", "level": 3, "admin": True},
}


def verdict(effect, resource="*", **more):
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    return json.dumps({"principalId": "p", "policyDocument": document, **more})


@pytest.fixture
def api(server, name):
    made = Api(server, name, binaryMediaTypes=["image/*"])
    yield made
    made.client.delete_rest_api(restApiId=made.id)


@pytest.fixture
def proxied(api, function):
    """An API all of whose paths are one function's."""
    echo = function("proxy")
    api.allow(echo)
    api.proxy(echo, "/", "ANY")
    api.proxy(echo, "/{proxy+}", "ANY")
    return api.deploy()


def saying(function, answer, handler="say"):
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return function(handler, Environment={"Variables": {"ANSWER": text}})


# Addresses and routes


def test_every_form_of_url(proxied):
    for answer in [
        proxied.call("/a"),
        proxied.call_by_host("/a"),
        proxied.call_by_host("/a", domain="amazonaws.com"),
        send(proxied.server, "GET", f"/restapis/{proxied.id}/test/_user_request_/a", headers={}),
    ]:
        assert answer.status == 200
        assert answer.json()["path"] == "/a"
        assert answer.headers["x-own"] == "yes"
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-amzn-requestid"] and answer.headers["x-amz-apigw-id"] and answer.headers["x-amzn-trace-id"]


@pytest.mark.parametrize("target", ["/_apis/nothere123/test/a", "/_apis/nothere123/", "/restapis/nothere123/test/_user_request_/a"])
def test_an_unknown_api_is_forbidden(server, target):
    answer = send(server, "GET", target, headers={})
    assert (answer.status, answer.json()) == (403, {"message": "Forbidden"})


def test_an_unknown_stage_is_forbidden(proxied):
    answer = proxied.call("/a", stage="other")
    assert (answer.status, answer.message) == (403, "Forbidden")


def test_routes(api):
    said = {"responseTemplates": {"application/json": "$context.resourcePath $context.httpMethod $input.params('id')$input.params('proxy')"}}
    for path, method in [("/pets", "GET"), ("/pets/{id}", "GET"), ("/pets/mine", "GET"), ("/files/{proxy+}", "ANY"), ("/pets", "ANY")]:
        api.mock(path, method, answers={"200": said})
    api.deploy()
    for method, path, expect in [
        ("GET", "/pets", "/pets GET "),
        ("GET", "/pets/", "/pets GET "),
        ("PUT", "/pets", "/pets PUT "),
        ("GET", "/pets/7", "/pets/{id} GET 7"),
        ("GET", "/pets/a%20b", "/pets/{id} GET a b"),
        ("GET", "/pets/mine", "/pets/mine GET "),
        ("PATCH", "/files/a/b/c", "/files/{proxy+} PATCH a/b/c"),
    ]:
        answer = api.call(path, method, headers={"Content-Type": "application/json"})
        assert (answer.status, answer.text) == (200, expect), (method, path)
    for method, path in [("GET", "/"), ("GET", "/nothing"), ("DELETE", "/pets/7"), ("GET", "/pets/7/8"), ("GET", "/files")]:
        answer = api.call(path, method)
        assert (answer.status, answer.json()) == (403, {"message": "Missing Authentication Token"}), (method, path)
        assert answer.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"


def test_head_has_no_body(proxied):
    answer = proxied.call("/a", "HEAD")
    assert (answer.status, answer.body) == (200, b"")


def test_a_deployment_is_a_copy(api):
    api.mock("/", "GET", answers={"200": {"responseTemplates": {"application/json": "one"}}})
    api.deploy()
    where = {"restApiId": api.id, "resourceId": api.root, "httpMethod": "GET", "statusCode": "200"}
    api.client.put_integration_response(**where, responseTemplates={"application/json": "two"})
    assert api.call().text == "one"
    api.deploy()
    assert api.call().text == "two"


def test_a_deleted_stage_is_gone_at_once(api):
    api.mock()
    api.deploy()
    assert api.call().status == 200
    api.client.delete_stage(restApiId=api.id, stageName="test")
    assert api.call().status == 403


# Proxied functions


def test_the_event_of_a_proxied_request(proxied):
    answer = proxied.call("/a/b?x=1&y=a+b&x=2", "POST", body=b"hello", headers={"X-Thing": "v", "User-Agent": "tester"})
    event = answer.json()
    assert set(event) == {
        "resource", "path", "httpMethod", "headers", "multiValueHeaders", "queryStringParameters",
        "multiValueQueryStringParameters", "pathParameters", "stageVariables", "requestContext", "body", "isBase64Encoded",
    }
    assert (event["resource"], event["path"], event["httpMethod"]) == ("/{proxy+}", "/a/b", "POST")
    assert event["queryStringParameters"] == {"x": "2", "y": "a b"}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"], "y": ["a b"]}
    assert event["pathParameters"] == {"proxy": "a/b"}
    assert event["stageVariables"] is None
    assert (event["body"], event["isBase64Encoded"]) == ("hello", False)
    assert event["headers"]["X-Thing"] == "v" and event["multiValueHeaders"]["X-Thing"] == ["v"]
    assert event["headers"]["X-Forwarded-For"] == "127.0.0.1" and event["headers"]["X-Forwarded-Proto"] == "http"
    assert event["headers"]["X-Amzn-Trace-Id"].startswith("Root=1-")
    context = event["requestContext"]
    assert (context["stage"], context["path"], context["resourcePath"]) == ("test", "/test/a/b", "/{proxy+}")
    assert (context["apiId"], context["accountId"], context["protocol"]) == (proxied.id, ACCOUNT, "HTTP/1.1")
    assert context["identity"]["sourceIp"] == "127.0.0.1" and context["identity"]["userAgent"] == "tester"
    assert context["identity"]["user"] is None and context["identity"]["caller"] is None
    assert context["requestId"] == answer.headers["x-amzn-requestid"]
    assert context["extendedRequestId"] == answer.headers["x-amz-apigw-id"]
    assert abs(context["requestTimeEpoch"] / 1000 - time.time()) < 60
    assert context["requestTime"].endswith(" +0000") and context["deploymentId"] and context["resourceId"]
    assert "authorizer" not in context


def test_nothing_is_null_in_the_event(proxied):
    event = proxied.call("/").json()
    for part in ["queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "body"]:
        assert event[part] is None, part


def test_stage_variables_reach_the_function_and_name_it(api, function):
    echo = function("proxy")
    api.allow(echo)
    api.proxy("${stageVariables.fn}", "/", "GET")
    api.deploy(variables={"fn": echo})
    assert api.call().json()["stageVariables"] == {"fn": echo}


def test_binary_bodies_are_base64_both_ways(api, function):
    picture = bytes(range(256))
    echo = function("proxy")
    show = saying(function, {"statusCode": 200, "isBase64Encoded": True, "body": base64.b64encode(picture).decode(), "headers": {"Content-Type": "image/png"}})
    for path, target in [("/up", echo), ("/down", show)]:
        api.allow(target)
        api.proxy(target, path, "ANY")
    api.deploy()
    event = api.call("/up", "POST", body=picture, headers={"Content-Type": "image/png"}).json()
    assert event["isBase64Encoded"] is True and base64.b64decode(event["body"]) == picture
    answer = api.call("/down", headers={"Accept": "image/png"})
    assert (answer.headers["content-type"], answer.body) == ("image/png", picture)
    # Who does not ask for bytes gets the text.
    assert base64.b64decode(api.call("/down", headers={"Accept": "text/html"}).body) == picture


def test_what_a_function_may_answer(api, function):
    answers = {
        "full": ({"statusCode": 201, "headers": {"X-A": "1"}, "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}, "body": "b"}, 201),
        "text-status": ({"statusCode": "404", "body": "b"}, 404),
        "no-body": ({"statusCode": 204}, 204),
        "number-header": ({"statusCode": 200, "headers": {"X-N": 5, "X-B": True}}, 200),
        "null-parts": ({"statusCode": 200, "headers": None, "body": None, "multiValueHeaders": None}, 200),
        "remapped": ({"statusCode": 200, "headers": {"WWW-Authenticate": "Basic"}}, 200),
    }
    for path, (answer, _) in answers.items():
        target = saying(function, answer)
        api.allow(target)
        api.proxy(target, f"/{path}", "GET")
    api.deploy()
    got = {path: api.call(f"/{path}") for path in answers}
    assert {path: answer.status for path, answer in got.items()} == {path: status for path, (_, status) in answers.items()}
    assert got["full"].headers["x-a"] == "1" and got["full"].text == "b"
    assert [value for name, value in got["full"].all if name == "set-cookie"] == ["a=1", "b=2"]
    assert (got["number-header"].headers["x-n"], got["number-header"].headers["x-b"]) == ("5", "true")
    assert got["remapped"].headers["x-amzn-remapped-www-authenticate"] == "Basic"


MALFORMED = ['"text"', "null", "[]", '{"statusCode": 99}', '{"statusCode": "x"}', '{"statusCode": 200, "body": {"a": 1}}',
             '{"statusCode": 200, "headers": {"a": {}}}', '{"statusCode": 200, "other": 1}', '{"statusCode": 200, "headers": "x"}']


def test_what_a_function_may_not_answer(api, function):
    for at, answer in enumerate(MALFORMED):
        target = saying(function, answer)
        api.allow(target)
        api.proxy(target, f"/{at}", "GET")
    failing, ending = function("fail"), function("exit")
    for path, target in [("/fail", failing), ("/exit", ending)]:
        api.allow(target)
        api.proxy(target, path, "GET")
    api.deploy()
    for path in [*(f"/{at}" for at in range(len(MALFORMED))), "/fail", "/exit"]:
        answer = api.call(path)
        assert (answer.status, answer.json()) == (502, {"message": "Internal server error"}), path
        assert answer.headers["x-amzn-errortype"] == "InternalServerErrorException"


def test_an_api_without_permission_cannot_invoke(api, function):
    echo = function("proxy")
    api.proxy(echo)
    api.proxy(echo, "/mine", "GET")
    api.proxy("no-such-function", "/missing", "GET")
    api.deploy()
    for path in ["/", "/mine", "/missing"]:
        answer = api.call(path)
        assert (answer.status, answer.message) == (500, "Internal server error"), path
    # A permission for one method is one for no other.
    api.allow(echo, source="*/GET/mine")
    assert api.call("/mine").status == 200
    assert api.call("/").status == 500


def test_a_slow_integration_times_out(api, function):
    slow = function("late")
    api.allow(slow)
    api.proxy(slow, integration={"timeoutInMillis": 100})
    api.deploy()
    answer = api.call()
    assert (answer.status, answer.json()) == (504, {"message": "Endpoint request timed out"})


# Limits


def test_oversize_requests_are_refused(proxied):
    answer = proxied.call("/", "POST", body=b"x" * (10 * 1024 * 1024 + 1))
    assert (answer.status, answer.json()) == (413, {"message": "Request Too Long"})
    answer = proxied.call("/", headers={f"X-H{n}": "v" * 1000 for n in range(11)})
    assert answer.status == 400
    assert proxied.call("/", headers={f"X-H{n}": "v" for n in range(200)}).status == 431
    assert proxied.call("/", headers={"X-H": "v" * 70_000}).status == 431


def test_a_body_may_come_in_chunks(proxied):
    event = proxied.call("/", "POST", body=iter([b"a" * 1000, b"b" * 1000])).json()
    assert event["body"] == "a" * 1000 + "b" * 1000
    assert "Transfer-Encoding" not in event["headers"]


def test_bad_encodings_are_served(proxied):
    event = proxied.call("/%ff%zz?%ff=%zz&=&&", "POST", body=b"\xff\xfe").json()
    assert event["httpMethod"] == "POST" and event["body"] == "\ufffd\ufffd"


# Lambda authorizers


def authorizer(api, function, kind="TOKEN", ttl=0, source="method.request.header.Authorization", **settings):
    api.allow(function, source="authorizers/*")
    return api.client.create_authorizer(
        restApiId=api.id, name=f"a{len(function)}{kind}{ttl}", type=kind, authorizerUri=api.function_uri(function),
        identitySource=source, authorizerResultTtlInSeconds=ttl, **settings,
    )["id"]


def guarded(api, function, decide, **settings):
    """An API whose only method answers what `$context` knows of the authorizer."""
    echo = function("proxy")
    api.allow(echo)
    made = authorizer(api, decide, **settings)
    api.proxy(echo, "/{proxy+}", "ANY", authorization="CUSTOM", authorizerId=made)
    return api.deploy()


def test_a_token_authorizer_lets_in_and_its_context_is_passed_on(api, function):
    decide = saying(function, ALLOW)
    guarded(api, function, decide)
    answer = api.call("/a", headers={"Authorization": "Bearer t"})
    assert answer.status == 200
    assert answer.json()["requestContext"]["authorizer"] == {
        "principalId": "somebody", "team": "blue", "level": "3", "admin": "true",
    }
    [event] = until(lambda: functions.events_logged(api.server, decide), "the authorizer's event")
    assert event == {
        "type": "TOKEN", "authorizationToken": "Bearer t",
        "methodArn": f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api.id}/test/GET/a",
    }


def test_without_a_token_nobody_is_asked(api, function):
    decide = saying(function, ALLOW)
    guarded(api, function, decide, identityValidationExpression="^Bearer [a-z]+$")
    for headers in [{}, {"Authorization": ""}, {"Authorization": "Basic x"}, {"Authorization": "Bearer 7"}]:
        answer = api.call("/a", headers=headers)
        assert (answer.status, answer.json()) == (401, {"message": "Unauthorized"}), headers
        assert answer.headers["x-amzn-errortype"] == "UnauthorizedException"
    assert api.call("/a", headers={"Authorization": "Bearer abc"}).status == 200
    until(lambda: len(functions.events_logged(api.server, decide)) == 1, "one question")


@pytest.mark.parametrize(("answer", "status", "message"), [
    (verdict("Deny"), 403, "User is not authorized to access this resource with an explicit deny"),
    (verdict("Allow", "arn:aws:execute-api:*:*:*/*/GET/other"), 403, "User is not authorized to access this resource"),
    (verdict("Allow", "arn:aws:execute-api:*:*:*/*/GET/a"), 200, None),
    (json.dumps({"principalId": "p", "policyDocument": {"Version": "2012-10-17", "Statement": []}}), 500, None),
    (json.dumps({"policyDocument": ALLOW["policyDocument"]}), 500, None),
    (json.dumps({"principalId": "p"}), 500, None),
    ("null", 500, None),
    ('"text"', 500, None),
    (verdict("Allow", context={"list": [1]}), 500, None),
    (verdict("Maybe"), 500, None),
])
def test_what_an_authorizer_answers_counts(api, function, answer, status, message):
    guarded(api, function, saying(function, answer))
    got = api.call("/a", headers={"Authorization": "t"})
    assert got.status == status, got.text
    if status != 200:
        assert got.message == message


def test_an_authorizer_that_fails(api, function):
    guarded(api, function, saying(function, "Unauthorized", handler="refuse"))
    assert api.call("/a", headers={"Authorization": "t"}).json() == {"message": "Unauthorized"}
    other = Api(api.server, "other")
    guarded(other, function, saying(function, "oops", handler="refuse"))
    answer = other.call("/a", headers={"Authorization": "t"})
    assert (answer.status, answer.json()) == (500, {"message": None})
    other.client.delete_rest_api(restApiId=other.id)


def test_an_authorizer_without_permission_is_a_wrong_configuration(api, function):
    echo, decide = function("proxy"), saying(function, ALLOW)
    api.allow(echo)
    made = api.client.create_authorizer(
        restApiId=api.id, name="a", type="TOKEN", authorizerUri=api.function_uri(decide),
        identitySource="method.request.header.Authorization",
    )["id"]
    api.proxy(echo, "/", "GET", authorization="CUSTOM", authorizerId=made)
    api.deploy()
    answer = api.call("/", headers={"Authorization": "t"})
    assert (answer.status, answer.json()) == (500, {"message": None})


def test_a_decision_is_kept_for_its_identity(api, function):
    decide = saying(function, ALLOW)
    guarded(api, function, decide, ttl=300)
    for token in ["a", "a", "b", "a", "b"]:
        assert api.call("/x", headers={"Authorization": token}).status == 200
    until(lambda: len(functions.events_logged(api.server, decide)) == 2, "one question for each token")
    assert len(functions.events_logged(api.server, decide)) == 2


def test_a_request_authorizer_sees_the_request(api, function):
    decide = saying(function, ALLOW)
    guarded(api, function, decide, kind="REQUEST", source="method.request.header.X-Who,method.request.querystring.q")
    assert api.call("/a").status == 401
    assert api.call("/a", headers={"X-Who": "me"}).status == 401
    assert api.call("/a?q=1", headers={"X-Who": "me"}).status == 200
    [event] = until(lambda: functions.events_logged(api.server, decide), "the authorizer's event")
    assert event["type"] == "REQUEST" and event["methodArn"].endswith("/test/GET/a")
    assert event["headers"]["X-Who"] == "me" and event["queryStringParameters"] == {"q": "1"}
    assert event["pathParameters"] == {"proxy": "a"} and event["requestContext"]["stage"] == "test"
    assert "body" not in event


# IAM


def test_iam_methods_take_signed_requests_of_who_may(api, server, name, function):
    import botocore.auth
    import botocore.awsrequest
    import botocore.credentials

    api.mock("/open", "GET", authorization="AWS_IAM", answers={"200": {"responseTemplates": {"application/json": "$context.identity.userArn"}}})
    api.mock("/shut", "GET", authorization="AWS_IAM")
    api.deploy()
    iam = server.client("iam")
    iam.create_user(UserName=name)
    arn = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api.id}/test/GET/open"
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=functions.policy(functions.allow("execute-api:Invoke", resource=arn)))
    key = iam.create_access_key(UserName=name)["AccessKey"]

    def signed(path, secret=key["SecretAccessKey"]):
        credentials = botocore.credentials.Credentials(key["AccessKeyId"], secret)
        url = f"{server.endpoint}/_apis/{api.id}/test{path}"
        request = botocore.awsrequest.AWSRequest("GET", url)
        botocore.auth.SigV4Auth(credentials, "execute-api", REGION).add_auth(request)
        return api.call(path, headers=dict(request.headers))

    answer = signed("/open")
    assert (answer.status, answer.text) == (200, f"arn:aws:iam::{ACCOUNT}:user/{name}")
    answer = signed("/shut")
    assert answer.status == 403
    assert answer.json() == {"Message": f"User: arn:aws:iam::{ACCOUNT}:user/{name} is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:{REGION}:********{ACCOUNT[8:]}:{api.id}/test/GET/shut"}
    assert signed("/open", secret="wrong").status == 403
    answer = api.call("/open")
    assert (answer.status, answer.message) == (403, "Missing Authentication Token")


def test_a_resource_policy_is_asked(server, name):
    for effect, status in [("Allow", 200), ("Deny", 403)]:
        statement = {"Effect": effect, "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}
        made = Api(server, name + effect, policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
        made.mock()
        made.deploy()
        answer = made.call()
        assert answer.status == status
        if status == 403:
            assert answer.json()["Message"].startswith("User: anonymous is not authorized to perform: execute-api:Invoke on resource: ")
        made.client.delete_rest_api(restApiId=made.id)


# API keys and usage plans


def with_plan(api, **settings):
    """A key that may call the API's stage, and its value."""
    api.mock(apiKeyRequired=True, answers={"200": {"responseTemplates": {"application/json": "$context.identity.apiKey"}}})
    api.deploy()
    key = api.client.create_api_key(name="k", enabled=True)
    plan = api.client.create_usage_plan(name="p", apiStages=[{"apiId": api.id, "stage": "test"}], **settings)
    api.client.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    return key, plan


def test_a_method_may_ask_for_a_key(api):
    key, _ = with_plan(api)
    answer = api.call(headers={"x-api-key": key["value"]})
    assert (answer.status, answer.text) == (200, key["value"])
    stranger = api.client.create_api_key(name="s", enabled=True)
    for headers in [{}, {"x-api-key": "wrong"}, {"x-api-key": stranger["value"]}, {"x-api-key": ""}]:
        answer = api.call(headers=headers)
        assert (answer.status, answer.json()) == (403, {"message": "Forbidden"}), headers
    api.client.update_api_key(apiKey=key["id"], patchOperations=[{"op": "replace", "path": "/enabled", "value": "false"}])
    assert api.call(headers={"x-api-key": key["value"]}).status == 403


def test_a_plan_throttles(api):
    key, _ = with_plan(api, throttle={"rateLimit": 0.01, "burstLimit": 3})
    got = [api.call(headers={"x-api-key": key["value"]}) for _ in range(5)]
    assert [answer.status for answer in got] == [200, 200, 200, 429, 429]
    assert got[-1].json() == {"message": "Too Many Requests"}


def test_a_quota_is_counted_and_survives_a_kill(own_server):
    api = Api(own_server, "q")
    key, _ = with_plan(api, quota={"limit": 4, "period": "MONTH"})
    headers = {"x-api-key": key["value"]}
    assert [api.call(headers=headers).status for _ in range(3)] == [200, 200, 200]
    own_server.kill()
    own_server.start()
    assert [api.call(headers=headers).status for _ in range(2)] == [200, 429]
    assert api.call(headers=headers).json() == {"message": "Limit Exceeded"}


def test_usage_is_told_by_day(api):
    key, plan = with_plan(api, quota={"limit": 3, "period": "WEEK"})
    for _ in range(2):
        assert api.call(headers={"x-api-key": key["value"]}).status == 200
    today = time.strftime("%Y-%m-%d", time.gmtime())
    usage = api.client.get_usage(usagePlanId=plan["id"], startDate=today, endDate=today)
    assert (usage["usagePlanId"], usage["items"]) == (plan["id"], {key["id"]: [[2, 1]]})
    assert api.client.get_usage(usagePlanId=plan["id"], startDate=today, endDate=today, keyId="other")["items"] == {}
    for start, end in [("2026-01-01", "2026-12-31"), ("2026-02-02", "2026-02-01"), ("yesterday", today)]:
        with pytest.raises(api.client.exceptions.BadRequestException):
            api.client.get_usage(usagePlanId=plan["id"], startDate=start, endDate=end)


def test_a_stage_throttles_a_method(api):
    api.mock("/", "GET")
    api.mock("/free", "GET")
    api.deploy()
    api.patch_stage(("replace", "/~1/GET/throttling/burstLimit", "2"), ("replace", "/~1/GET/throttling/rateLimit", "0.01"))
    assert [api.call().status for _ in range(4)] == [200, 200, 429, 429]
    assert api.call("/free").status == 200


# Validation


def test_required_parameters(api):
    validator = api.client.create_request_validator(restApiId=api.id, name="v", validateRequestParameters=True)["id"]
    parameters = {"method.request.querystring.q": True, "method.request.header.X-H": True, "method.request.querystring.o": False}
    api.mock(requestParameters=parameters, requestValidatorId=validator)
    api.deploy()
    assert api.call("/?q=1", headers={"X-H": "1"}).status == 200
    for path, headers, missing in [("/", {}, "X-H, q"), ("/?q=1", {}, "X-H"), ("/?q=", {"X-H": "1"}, "q")]:
        answer = api.call(path, headers=headers)
        assert (answer.status, answer.json()) == (400, {"message": f"Missing required request parameters: [{missing}]"})
        assert answer.headers["x-amzn-errortype"] == "BadRequestException"


def test_bodies_fit_their_model(api):
    validator = api.client.create_request_validator(restApiId=api.id, name="v", validateRequestBody=True)["id"]
    item = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}
    api.client.create_model(restApiId=api.id, name="Item", contentType="application/json", schema=json.dumps(item))
    of_items = {"type": "object", "properties": {"items": {"type": "array", "items": {"$ref": f"https://apigateway.amazonaws.com/restapis/{api.id}/models/Item"}}}, "required": ["items"]}
    api.client.create_model(restApiId=api.id, name="Items", contentType="application/json", schema=json.dumps(of_items))
    api.mock("/", "POST", requestModels={"application/json": "Items"}, requestValidatorId=validator)
    api.deploy()
    assert api.call("/", "POST", {"items": [{"n": 1}]}).status == 200
    assert api.call("/", "POST", b"anything", {"Content-Type": "text/plain"}).status != 400
    for body in [{}, {"items": 1}, {"items": [{"n": 0}]}, {"items": [{}]}]:
        answer = api.call("/", "POST", body)
        assert (answer.status, answer.json()) == (400, {"message": "Invalid request body"}), body
    for body in [b"{", b"", b"[1]", b"[" * 100_000]:
        answer = api.call("/", "POST", body, {"Content-Type": "application/json"})
        assert (answer.status, answer.message) == (400, "Invalid request body"), body[:10]


# Mock, CORS, templates


def test_cors_by_mock(api):
    headers = {
        "method.response.header.Access-Control-Allow-Origin": "'*'",
        "method.response.header.Access-Control-Allow-Methods": "'GET,OPTIONS'",
    }
    api.mock("/", "OPTIONS", answers={"200": {"responseParameters": headers}})
    api.deploy()
    answer = api.call("/", "OPTIONS", headers={"Origin": "http://x"})
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "GET,OPTIONS"


def test_a_mock_chooses_its_answer(api):
    template = '{"statusCode": #if($input.params("bad") == "1")400#{else}200#end}'
    answers = {
        "200": {"responseTemplates": {"application/json": '{"ok": true}'}},
        "400": {"selectionPattern": "4\\d\\d", "responseTemplates": {"application/json": '{"bad": "$context.requestId"}'}},
    }
    api.mock(template=template, answers=answers)
    api.mock("/broken", template="{}", answers=answers)
    api.deploy()
    assert api.call().json() == {"ok": True}
    answer = api.call("/?bad=1")
    assert answer.status == 400 and answer.json() == {"bad": answer.headers["x-amzn-requestid"]}
    assert api.call("/broken").json() == {"message": "Internal server error"}


def test_a_template_overrides_the_answer(api):
    said = '#set($context.responseOverride.status = 418)#set($context.responseOverride.header.X-Tea = "pot")short'
    api.mock(answers={"200": {"responseTemplates": {"text/plain": said}}})
    api.deploy()
    answer = api.call()
    assert (answer.status, answer.headers["x-tea"], answer.text) == (418, "pot", "short")
    assert answer.headers["content-type"] == "text/plain"


def test_a_function_behind_templates(api, function):
    echo = function("echo")
    api.allow(echo)
    template = """#set($all = $input.path('$'))
{"id": "$input.params('id')", "name": $input.json('$.name'), "tags": [#foreach($t in $all.tags)"$t"#if($foreach.hasNext),#end#end],
 "who": "$context.identity.sourceIp", "raw": "$util.escapeJavaScript($input.body)"}"""
    answers = {"200": {
        "responseTemplates": {"application/json": '{"got": $input.json("$"), "n": $input.path("$.tags").size()}'},
        "responseParameters": {
            "method.response.header.X-Name": "integration.response.body.name",
            "method.response.header.X-Fixed": "'f'",
            "method.response.header.X-Stage": "context.stage",
        },
    }}
    api.mapped(echo, "/{id}", "POST", template, answers)
    api.deploy()
    answer = api.call("/7", "POST", {"name": 'A "b"', "tags": ["x", "y"]})
    assert answer.status == 200, answer.text
    got = answer.json()["got"]
    assert (got["id"], got["name"], got["tags"], got["who"], answer.json()["n"]) == ("7", 'A "b"', ["x", "y"], "127.0.0.1", 2)
    assert json.loads(got["raw"]) == {"name": 'A "b"', "tags": ["x", "y"]}
    assert (answer.headers["x-name"], answer.headers["x-fixed"], answer.headers["x-stage"]) == ('A "b"', "f", "test")


def test_errors_of_a_function_select_the_answer(api, function):
    failing = saying(function, "NotFound: order 7", handler="refuse")
    api.allow(failing)
    answers = {
        "200": {},
        "404": {"selectionPattern": "NotFound.*", "responseTemplates": {"application/json": '{"why": $input.json("$.errorMessage")}'}},
        "500": {"selectionPattern": "Bad.*"},
    }
    api.mapped(failing, answers=answers)
    api.deploy()
    answer = api.call("/", "POST", {})
    assert (answer.status, answer.json()) == (404, {"why": "NotFound: order 7"})


@pytest.mark.parametrize(("behavior", "media_type", "status"), [
    ("WHEN_NO_MATCH", "text/plain", 200),
    ("WHEN_NO_TEMPLATES", "text/plain", 415),
    ("NEVER", "text/plain", 415),
    ("NEVER", "application/json", 200),
    ("WHEN_NO_TEMPLATES", "application/json; charset=utf-8", 200),
])
def test_passthrough(api, function, behavior, media_type, status):
    echo = function("echo")
    api.allow(echo)
    api.mapped(echo, template='{"a": 1}', integration={"passthroughBehavior": behavior})
    api.deploy()
    answer = api.call("/", "POST", b'{"b": 2}', {"Content-Type": media_type})
    assert answer.status == status
    if status == 415:
        assert answer.json() == {"message": "Unsupported Media Type"}
    else:
        assert answer.json() == ({"b": 2} if media_type == "text/plain" else {"a": 1})


def test_a_body_that_is_no_json_does_not_reach_a_function(api, function):
    echo = function("echo")
    api.allow(echo)
    api.mapped(echo)
    api.deploy()
    answer = api.call("/", "POST", b"{", {"Content-Type": "application/json"})
    assert (answer.status, answer.message) == (400, "Could not parse request body into json")


# Servers elsewhere


class Upstream(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        length = int(self.headers.get("Content-Length") or 0)
        said = {"method": self.command, "path": self.path, "headers": dict(self.headers), "body": self.rfile.read(length).decode()}
        body = json.dumps(said).encode()
        self.send_response(404 if self.path.startswith("/missing") else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Up", "1")
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture
def upstream():
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


def test_http_proxy(api, upstream):
    where = api.method("/{proxy+}", "ANY", requestParameters={"method.request.path.proxy": True})
    api.client.put_integration(**where, type="HTTP_PROXY", integrationHttpMethod="ANY", uri=f"{upstream}/{{proxy}}",
                               requestParameters={"integration.request.path.proxy": "method.request.path.proxy"})
    api.deploy()
    answer = api.call("/a/b?x=1", "POST", b"hi", {"X-H": "v"})
    assert (answer.status, answer.headers["x-up"]) == (200, "1")
    assert (answer.json()["method"], answer.json()["path"], answer.json()["body"]) == ("POST", "/a/b?x=1", "hi")
    assert {name.lower(): value for name, value in answer.json()["headers"].items()}["x-h"] == "v"
    assert api.call("/missing").status == 404


def test_http_with_templates_and_a_server_that_is_not_there(api, upstream):
    where = api.method("/", "POST")
    api.client.put_integration(**where, type="HTTP", integrationHttpMethod="POST", uri=f"{upstream}/missing",
                               requestTemplates={"application/json": '{"was": $input.json("$.a")}'},
                               requestParameters={"integration.request.header.X-S": "'s'"})
    api.answers(where, {"200": {}, "410": {"selectionPattern": "404", "responseTemplates": {"application/json": "$input.json('$.body')"}}})
    where = api.method("/gone", "GET")
    api.client.put_integration(**where, type="HTTP_PROXY", integrationHttpMethod="GET", uri="http://127.0.0.1:1/")
    api.deploy()
    answer = api.call("/", "POST", {"a": 1})
    assert (answer.status, answer.json()) == (410, '{"was": 1}')
    answer = api.call("/gone")
    assert (answer.status, answer.json()) == (504, {"message": "Network error communicating with endpoint"})


# Other services


def test_an_event_is_put_by_a_session_of_the_role(api, server, name):
    role = functions.create_role(server, name, functions.allow("events:PutEvents"), trust=functions.TRUST_GATEWAY)
    weak = functions.create_role(server, name + "weak", trust=functions.TRUST_GATEWAY)
    template = '{"Entries": [{"Source": "api", "DetailType": "t", "Detail": "$util.escapeJavaScript($input.body)"}]}'
    answers = {"200": {}, "400": {"selectionPattern": "4\\d\\d"}}
    for path, credentials in [("/may", role), ("/may-not", weak), ("/missing", role + "x")]:
        where = api.method(path, "POST")
        api.client.put_integration(**where, type="AWS", integrationHttpMethod="POST", credentials=credentials,
                                   uri=f"arn:aws:apigateway:{REGION}:events:action/PutEvents",
                                   requestTemplates={"application/json": template})
        api.answers(where, answers)
    api.deploy()
    answer = api.call("/may", "POST", {"a": 1})
    assert answer.status == 200 and answer.json()["FailedEntryCount"] == 0, answer.text
    answer = api.call("/may-not", "POST", {"a": 1})
    assert answer.status == 400 and "events:PutEvents" in answer.text
    assert api.call("/missing", "POST", {"a": 1}).json() == {"message": "Internal server error"}


def test_a_message_is_sent_to_a_queue_by_path(api, server, name):
    sqs = server.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    role = functions.create_role(server, name, functions.allow("sqs:SendMessage"), trust=functions.TRUST_GATEWAY)
    where = api.method("/", "POST")
    api.client.put_integration(
        **where, type="AWS", integrationHttpMethod="POST", credentials=role,
        uri=f"arn:aws:apigateway:{REGION}:sqs:path/{ACCOUNT}/{name}",
        requestParameters={"integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"},
        requestTemplates={"application/json": "Action=SendMessage&MessageBody=$util.urlEncode($input.body)"},
    )
    api.answers(where, {"200": {"responseTemplates": {"application/json": '{"done": true}'}}, "500": {"selectionPattern": "[45]..", }})
    api.deploy()
    answer = api.call("/", "POST", {"a": "b & c"})
    assert (answer.status, answer.json()) == (200, {"done": True}), answer.text
    [message] = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    assert json.loads(message["Body"]) == {"a": "b & c"}


def test_a_message_is_published_by_action(api, server, name):
    topic = server.client("sns").create_topic(Name=name)["TopicArn"]
    role = functions.create_role(server, name, functions.allow("sns:Publish"), trust=functions.TRUST_GATEWAY)
    where = api.method("/", "POST", requestParameters={"method.request.querystring.text": False})
    api.client.put_integration(
        **where, type="AWS", integrationHttpMethod="POST", credentials=role,
        uri=f"arn:aws:apigateway:{REGION}:sns:action/Publish",
        requestParameters={"integration.request.querystring.TopicArn": f"'{topic}'",
                           "integration.request.querystring.Message": "method.request.querystring.text"},
    )
    api.answers(where, {"200": {}, "500": {"selectionPattern": "[45].."}})
    api.deploy()
    answer = api.call("/?text=hello", "POST")
    assert answer.status == 200 and "MessageId" in answer.text, answer.text
    assert api.call("/", "POST").status == 500


def test_an_item_is_put_into_a_table(api, server, name):
    tables = server.client("dynamodb")
    tables.create_table(TableName=name, BillingMode="PAY_PER_REQUEST",
                        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}])
    role = functions.create_role(server, name, functions.allow("dynamodb:PutItem"), trust=functions.TRUST_GATEWAY)
    where = api.method("/{id}", "PUT")
    template = '{"TableName": "%s", "Item": {"id": {"S": "$input.params(\'id\')"}, "n": {"N": "$input.path(\'$.n\')"}}}' % name
    api.client.put_integration(
        **where, type="AWS", integrationHttpMethod="POST", credentials=role,
        uri=f"arn:aws:apigateway:{REGION}:dynamodb:action/PutItem", requestTemplates={"application/json": template},
    )
    wrong = {"selectionPattern": "400", "responseTemplates": {"application/json": '{"why": $input.json("$.message")}'}}
    api.answers(where, {"200": {}, "422": wrong})
    api.deploy()
    assert api.call("/7", "PUT", {"n": 5}).status == 200
    assert tables.get_item(TableName=name, Key={"id": {"S": "7"}})["Item"] == {"id": {"S": "7"}, "n": {"N": "5"}}
    answer = api.call("/8", "PUT", {"n": "many"})
    assert answer.status == 422 and answer.json()["why"], answer.text


def storage(api, path, method, role, name, **settings):
    """A method that a bucket answers, `{key}` being the key; what the bucket refuses is refused."""
    types = ["Content-Type", "ETag", "Content-Length"]
    where = api.method(path, method, requestParameters={
        "method.request.path.key": True, "method.request.header.Content-Type": False, "method.request.header.Range": False,
    })
    api.client.put_integration(
        **where, type="AWS", integrationHttpMethod=method, credentials=role,
        uri=f"arn:aws:apigateway:{REGION}:s3:path/{name}/{{key}}",
        requestParameters={
            "integration.request.path.key": "method.request.path.key",
            "integration.request.header.Content-Type": "method.request.header.Content-Type",
            "integration.request.header.Range": "method.request.header.Range",
        },
        **settings,
    )
    headers = {f"method.response.header.{kind}": f"integration.response.header.{kind}" for kind in types}
    api.answers(where, {
        "200": {"responseParameters": headers},
        "206": {"selectionPattern": "206", "responseParameters": headers},
        "404": {"selectionPattern": "404"},
        "403": {"selectionPattern": "403"},
    })


def test_objects_are_put_and_read_by_path(api, server, name):
    s3 = server.client("s3")
    s3.create_bucket(Bucket=name)
    role = functions.create_role(
        server, name, functions.allow("s3:GetObject", "s3:PutObject", resource=f"arn:aws:s3:::{name}/*"),
        functions.allow("s3:ListBucket", resource=f"arn:aws:s3:::{name}"), trust=functions.TRUST_GATEWAY,
    )
    weak = functions.create_role(server, name + "weak", trust=functions.TRUST_GATEWAY)
    for method in ["GET", "PUT"]:
        storage(api, "/files/{key+}", method, role, name)
        storage(api, "/weak/{key+}", method, weak, name)
    api.deploy()
    # Text, through the same way as it came.
    answer = api.call("/files/a/b.txt", "PUT", b"hello", {"Content-Type": "text/plain"})
    assert answer.status == 200 and answer.headers["etag"], answer.text
    kept = s3.get_object(Bucket=name, Key="a/b.txt")
    assert (kept["Body"].read(), kept["ContentType"]) == (b"hello", "text/plain")
    answer = api.call("/files/a/b.txt")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"hello", "text/plain")
    answer = api.call("/files/a/b.txt", headers={"Range": "bytes=1-2"})
    assert (answer.status, answer.body) == (206, b"el")
    # Bytes, both ways.
    picture = bytes(range(256)) * 4
    assert api.call("/files/p.png", "PUT", picture, {"Content-Type": "image/png"}).status == 200
    assert s3.get_object(Bucket=name, Key="p.png")["Body"].read() == picture
    answer = api.call("/files/p.png", headers={"Accept": "image/png"})
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, picture, "image/png")
    # A key with a space and an accent.
    assert api.call("/files/a%20%C3%B1", "PUT", b"x", {"Content-Type": "text/plain"}).status == 200
    assert s3.get_object(Bucket=name, Key="a ñ")["Body"].read() == b"x"
    # What the bucket refuses is refused in its own words.
    answer = api.call("/files/nothing")
    assert answer.status == 404 and "<Code>NoSuchKey</Code>" in answer.text
    answer = api.call("/weak/a/b.txt")
    assert answer.status == 403 and "<Code>AccessDenied</Code>" in answer.text
    assert api.call("/weak/new", "PUT", b"x").status == 403


# Gateway responses and logs


def test_gateway_responses(api):
    api.mock()
    api.client.put_gateway_response(
        restApiId=api.id, responseType="MISSING_AUTHENTICATION_TOKEN", statusCode="404",
        responseParameters={"gatewayresponse.header.X-Why": "'no route'", "gatewayresponse.header.X-Path": "context.path"},
        responseTemplates={"application/json": '{"error": $context.error.messageString, "type": "$context.error.responseType"}'},
    )
    api.client.put_gateway_response(restApiId=api.id, responseType="DEFAULT_5XX", statusCode="503",
                                    responseTemplates={"application/json": "{}"})
    api.mock("/broken", template="{}")
    api.deploy()
    answer = api.call("/nowhere")
    assert answer.status == 404
    assert answer.json() == {"error": "Missing Authentication Token", "type": "MISSING_AUTHENTICATION_TOKEN"}
    assert (answer.headers["x-why"], answer.headers["x-path"]) == ("no route", "/test/nowhere")
    answer = api.call("/broken")
    assert (answer.status, answer.json()) == (503, {})


def test_access_logs(api, server, name, log_role):
    group = f"/api/{name}"
    server.client("logs").create_log_group(logGroupName=group)
    api.mock()
    api.deploy()
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"
    form = '{"id":"$context.requestId","status":"$context.status","route":"$context.resourcePath","who":"$context.authorizer.principalId"}'
    api.patch_stage(("replace", "/accessLogSettings/destinationArn", arn), ("replace", "/accessLogSettings/format", form))
    first, second = api.call(), api.call("/nowhere")

    def lines():
        events = server.client("logs").filter_log_events(logGroupName=group)["events"]
        return [json.loads(event["message"]) for event in events] if len(events) == 2 else None

    found = sorted(until(lines, "two lines"), key=lambda line: line["status"])
    assert found[0] == {"id": first.headers["x-amzn-requestid"], "status": "200", "route": "/", "who": "-"}
    assert (found[1]["id"], found[1]["status"]) == (second.headers["x-amzn-requestid"], "403")
