"""The control plane of API Gateway: what it keeps, and what it refuses in AWS's words."""

import json

import functions
import pytest
from errors import refusal
from program import ACCOUNT, REGION

FUNCTION_URI = (
    f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/"
    f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f/invocations"
)
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"


def bad(message):
    return (400, "BadRequestException", message)


def missing(message):
    return (404, "NotFoundException", message)


def conflict(message):
    return (409, "ConflictException", message)


def invalid(constraint):
    return (400, "ValidationException", f"1 validation error detected: {constraint}")


def mapping(what, parameter=False):
    kind = "parameter specified" if parameter else "specified"
    return bad(
        "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression "
        f"{kind}: {what}]"
    )


@pytest.fixture(scope="session")
def gateway(server):
    return server.client("apigateway")


@pytest.fixture
def api(gateway, name):
    """An API with nothing but its root."""
    made = gateway.create_rest_api(name=name)
    yield made
    gateway.delete_rest_api(restApiId=made["id"])


@pytest.fixture
def method(gateway, api):
    """GET on the root, and the parameters that name it."""
    at = {"restApiId": api["id"], "resourceId": api["rootResourceId"], "httpMethod": "GET"}
    gateway.put_method(**at, authorizationType="NONE", requestParameters={"method.request.header.a": False})
    return at


@pytest.fixture
def mocked(gateway, method):
    """The same with an integration, so that it can be deployed."""
    gateway.put_integration(**method, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    return method


@pytest.fixture
def staged(gateway, mocked):
    """The same, deployed to the stage `one`."""
    deployment = gateway.create_deployment(restApiId=mocked["restApiId"], stageName="one")
    return {"restApiId": mocked["restApiId"], "stageName": "one", "deploymentId": deployment["id"]}


def patch(op, path, value=None):
    operation = {"op": op, "path": path}
    if value is not None:
        operation["value"] = value
    return [operation]


# APIs


def test_an_api_is_made_shown_and_deleted(gateway, name):
    made = gateway.create_rest_api(name=name, description="d", version="1", tags={"a": "b"})
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    made.pop("ResponseMetadata")
    assert made["endpointConfiguration"] == {"types": ["EDGE"], "ipAddressType": "ipv4"}
    assert (made["apiKeySource"], made["disableExecuteApiEndpoint"], made["tags"]) == ("HEADER", False, {"a": "b"})
    assert len(made["id"]) == 10
    assert len(made["rootResourceId"]) == 10
    found = gateway.get_rest_api(restApiId=made["id"])
    found.pop("ResponseMetadata")
    assert found == made
    assert made["id"] in [one["id"] for one in gateway.get_rest_apis(limit=500)["items"]]
    models = gateway.get_models(restApiId=made["id"])["items"]
    assert [model["name"] for model in models] == ["Empty", "Error"]
    deleted = gateway.delete_rest_api(restApiId=made["id"])
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 202
    gone = missing(f"Invalid API identifier specified {ACCOUNT}:{made['id']}")
    assert refusal(gateway.get_rest_api, restApiId=made["id"]) == gone
    assert refusal(gateway.delete_rest_api, restApiId=made["id"]) == gone
    assert refusal(gateway.get_resources, restApiId=made["id"]) == gone


@pytest.mark.parametrize(
    ("wanted", "expect"),
    [
        ({}, bad("No Name specified")),
        ({"name": " "}, bad("No Name specified")),
        (
            {"name": "n", "minimumCompressionSize": -1},
            bad("Invalid minimum compression size, must be between 0 and 10485760"),
        ),
        (
            {"name": "n", "minimumCompressionSize": 10485761},
            bad("Invalid minimum compression size, must be between 0 and 10485760"),
        ),
        (
            {"name": "n", "endpointConfiguration": {"types": ["EDGE", "REGIONAL"]}},
            bad("Cannot create an api with multiple Endpoint Types."),
        ),
        (
            {"name": "n", "endpointConfiguration": {"types": ["REGIONAL"], "vpcEndpointIds": ["v"]}},
            bad("Only PRIVATE APIs can be associated with VPC endpoints."),
        ),
        (
            {"name": "n", "policy": "{"},
            bad("Invalid policy document. Please check the policy syntax and ensure that Principals are valid."),
        ),
        ({"name": "n", "binaryMediaTypes": ["png"]}, bad("Invalid binary media type specified: png")),
        (
            {"name": "n", "apiKeySource": "BODY"},
            invalid(
                "Value 'BODY' at 'apiKeySource' failed to satisfy constraint: Member must satisfy enum value set: "
                "[HEADER, AUTHORIZER]"
            ),
        ),
        (
            {"name": "n", "tags": {"aws:x": "1"}},
            bad("Invalid tag key: aws:x. aws: prefixed tag key names are not allowed"),
        ),
        ({"name": "n", "cloneFrom": "nothing"}, missing(f"Invalid API identifier specified {ACCOUNT}:nothing")),
    ],
)
def test_apis_that_are_refused(gateway, wanted, expect):
    assert refusal(gateway.create_rest_api, **wanted) == expect


def test_an_api_is_patched(gateway, api):
    changed = gateway.update_rest_api(
        restApiId=api["id"],
        patchOperations=[
            {"op": "replace", "path": "/name", "value": "other"},
            {"op": "replace", "path": "/description", "value": "said"},
            {"op": "replace", "path": "/apiKeySource", "value": "AUTHORIZER"},
            {"op": "add", "path": "/binaryMediaTypes/image~1png"},
            {"op": "replace", "path": "/minimumCompressionSize", "value": "10"},
            {"op": "replace", "path": "/endpointConfiguration/types/EDGE", "value": "REGIONAL"},
            {"op": "replace", "path": "/disableExecuteApiEndpoint", "value": "true"},
        ],
    )
    assert (changed["name"], changed["description"], changed["apiKeySource"]) == ("other", "said", "AUTHORIZER")
    assert (changed["binaryMediaTypes"], changed["minimumCompressionSize"]) == (["image/png"], 10)
    assert changed["endpointConfiguration"]["types"] == ["REGIONAL"]
    assert changed["disableExecuteApiEndpoint"] is True
    changed = gateway.update_rest_api(
        restApiId=api["id"], patchOperations=patch("remove", "/binaryMediaTypes/image~1png")
    )
    assert "binaryMediaTypes" not in changed


@pytest.mark.parametrize(
    ("operation", "expect"),
    [
        (patch("replace", "/name", ""), "Invalid null or empty value in /name"),
        (patch("replace", "/name"), "Invalid null or empty value in /name"),
        (
            patch("replace", "/disableExecuteApiEndpoint", "yes"),
            "Invalid patch value  'yes' specified for op 'replace'. Must be a boolean",
        ),
        (
            patch("add", "/name", "n"),
            "Invalid patch path  '/name' specified for op 'add'. Must be one of: [/binaryMediaTypes/{name}, "
            "/endpointConfiguration/vpcEndpointIds]",
        ),
        (
            patch("copy", "/name", "n"),
            "Invalid patch path  '/name' specified for op 'copy'. Please choose supported operations",
        ),
    ],
)
def test_patches_that_are_refused(gateway, api, operation, expect):
    assert refusal(gateway.update_rest_api, restApiId=api["id"], patchOperations=operation) == bad(expect)


def test_an_unknown_patch_operation_is_refused(gateway, api):
    operation = patch("change", "/name", "n")
    status, code, message = refusal(gateway.update_rest_api, restApiId=api["id"], patchOperations=operation)
    assert (status, code) == (400, "ValidationException")
    assert "Member must satisfy enum value set: [add, remove, replace, move, copy, test]" in message


def test_a_policy_is_kept_with_whole_arns(gateway, api):
    statement = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    changed = gateway.update_rest_api(restApiId=api["id"], patchOperations=patch("replace", "/policy", document))
    kept = json.loads(changed["policy"].replace('\\"', '"'))
    assert kept["Statement"][0]["Resource"] == f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api['id']}/*"


# Resources


def test_resources_are_a_tree(gateway, api):
    of = {"restApiId": api["id"]}
    orders = gateway.create_resource(**of, parentId=api["rootResourceId"], pathPart="orders")
    one = gateway.create_resource(**of, parentId=orders["id"], pathPart="{id}")
    rest = gateway.create_resource(**of, parentId=orders["id"], pathPart="{proxy+}")
    assert (orders["path"], one["path"], rest["path"]) == ("/orders", "/orders/{id}", "/orders/{proxy+}")
    moved = gateway.update_resource(
        **of, resourceId=orders["id"], patchOperations=patch("replace", "/pathPart", "purchases")
    )
    assert moved["path"] == "/purchases"
    assert gateway.get_resource(**of, resourceId=one["id"])["path"] == "/purchases/{id}"
    assert len(gateway.get_resources(**of)["items"]) == 4
    gateway.delete_resource(**of, resourceId=orders["id"])
    assert [one["path"] for one in gateway.get_resources(**of)["items"]] == ["/"]


def test_resources_come_in_pages(gateway, api):
    of = {"restApiId": api["id"]}
    for part in "abcde":
        gateway.create_resource(**of, parentId=api["rootResourceId"], pathPart=part)
    paths, position = [], None
    while True:
        page = gateway.get_resources(**of, limit=2, **({"position": position} if position else {}))
        assert len(page["items"]) <= 2
        paths += [one["path"] for one in page["items"]]
        position = page.get("position")
        if not position:
            break
    assert sorted(paths) == ["/", "/a", "/b", "/c", "/d", "/e"]
    assert refusal(gateway.get_resources, **of, position="%%%") == bad("Invalid position parameter specified")
    status, code, _ = refusal(gateway.get_resources, **of, limit=0)
    assert (status, code) == (400, "BadRequestException")


PATH_PART = (
    "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the beginning and "
    "the end."
)


@pytest.mark.parametrize("part", ["", "a/b", "{}", "{a", "a}", "{+}", "a b", "ñ", "{a+b}"])
def test_path_parts_that_are_refused(gateway, api, part):
    got = refusal(gateway.create_resource, restApiId=api["id"], parentId=api["rootResourceId"], pathPart=part)
    assert got == bad(PATH_PART)


def test_resources_that_cannot_stand_there(gateway, api):
    of, root = {"restApiId": api["id"]}, api["rootResourceId"]
    create, made = gateway.create_resource, gateway.create_resource(**of, parentId=root, pathPart="{a}")
    same = conflict("Another resource with the same parent already has this name: {a}")
    assert refusal(create, **of, parentId=root, pathPart="{a}") == same
    sibling = f"A sibling ({made['id']}) of this resource already has a variable path part -- only one is allowed"
    assert refusal(create, **of, parentId=root, pathPart="{b}") == bad(sibling)
    greedy = create(**of, parentId=root, pathPart="{p+}")
    below = "Cannot create a child of a resource with a greedy path variable: /{p+}"
    assert refusal(create, **of, parentId=greedy["id"], pathPart="x") == bad(below)
    assert refusal(create, **of, parentId="nothing", pathPart="x") == missing("Invalid Resource identifier specified")
    null = "Value null at 'createResourceInput.pathPart' failed to satisfy constraint: Member must not be null"
    assert refusal(create, **of, parentId=root) == invalid(null)
    assert refusal(gateway.delete_resource, **of, resourceId=root) == bad("Root resource cannot be deleted")
    move = patch("replace", "/parentId", made["id"])
    got = refusal(gateway.update_resource, **of, resourceId=made["id"], patchOperations=move)
    assert got == bad("A resource cannot be moved below itself")
    got = refusal(gateway.get_resource, **of, resourceId=root, embed=["all"])
    assert got == bad("Invalid embed parameter specified: all. Must be one of: [methods]")


# Methods, integrations and their responses


def test_a_method_is_whole(gateway, method):
    of = {"restApiId": method["restApiId"], "resourceId": method["resourceId"]}
    answer = {"method.response.header.b": True}
    gateway.put_method_response(**method, statusCode="200", responseParameters=answer, responseModels={"a/b": "Empty"})
    integration = gateway.put_integration(
        **method, type="AWS", integrationHttpMethod="POST", uri=FUNCTION_URI, timeoutInMillis=5000
    )
    assert integration["httpMethod"] == "POST"
    assert (integration["passthroughBehavior"], integration["timeoutInMillis"]) == ("WHEN_NO_MATCH", 5000)
    assert (integration["cacheNamespace"], integration["cacheKeyParameters"]) == (method["resourceId"], [])
    gateway.put_integration_response(
        **method,
        statusCode="200",
        selectionPattern="",
        responseParameters={"method.response.header.b": "integration.response.body.x"},
        responseTemplates={"application/json": ""},
    )
    whole = gateway.get_method(**method)
    assert whole["methodResponses"]["200"]["responseParameters"] == answer
    response = whole["methodIntegration"]["integrationResponses"]["200"]
    assert response["responseParameters"] == {"method.response.header.b": "integration.response.body.x"}
    assert gateway.get_resource(**of)["resourceMethods"] == {"GET": {}}
    embedded = gateway.get_resource(**of, embed=["methods"])["resourceMethods"]["GET"]
    whole.pop("ResponseMetadata")
    assert embedded == whole
    changed = gateway.update_method(**method, patchOperations=patch("replace", "/apiKeyRequired", "true"))
    assert changed["apiKeyRequired"] is True
    changed = gateway.update_integration(**method, patchOperations=patch("replace", "/timeoutInMillis", "100"))
    assert changed["timeoutInMillis"] == 100
    assert "200" in changed["integrationResponses"]
    gateway.delete_integration(**method)
    gone = missing("Invalid Integration identifier specified")
    assert refusal(gateway.get_integration, **method) == gone
    gateway.delete_method(**method)
    assert refusal(gateway.get_method, **method) == missing("Invalid Method identifier specified")


@pytest.mark.parametrize(
    ("wanted", "expect"),
    [
        (
            {"httpMethod": "GRAB", "authorizationType": "NONE"},
            bad("Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY"),
        ),
        (
            {"httpMethod": "PUT"},
            invalid(
                "Value null at 'putMethodInput.authorizationType' failed to satisfy constraint: Member must not be null"
            ),
        ),
        (
            {"httpMethod": "PUT", "authorizationType": "SOME"},
            bad(
                "Invalid Authorization Type specified: SOME. Valid options are NONE, AWS_IAM, CUSTOM, COGNITO_USER_POOLS"
            ),
        ),
        (
            {"httpMethod": "PUT", "authorizationType": "CUSTOM"},
            bad(
                "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires "
                "a valid authorizer."
            ),
        ),
        (
            {"httpMethod": "PUT", "authorizationType": "CUSTOM", "authorizerId": "nobody"},
            bad(
                "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires "
                "a valid authorizer."
            ),
        ),
        (
            {"httpMethod": "PUT", "authorizationType": "NONE", "requestValidatorId": "nobody"},
            bad("Invalid Request Validator identifier specified"),
        ),
        (
            {"httpMethod": "PUT", "authorizationType": "NONE", "requestModels": {"a/b": "Nothing"}},
            bad("Invalid model identifier specified: Nothing"),
        ),
        (
            {"httpMethod": "PUT", "authorizationType": "NONE", "requestParameters": {"header.x": True}},
            mapping("header.x"),
        ),
        (
            {"httpMethod": "PUT", "authorizationType": "NONE", "requestParameters": {"method.request.body.x": True}},
            mapping("method.request.body.x"),
        ),
        ({"httpMethod": "GET", "authorizationType": "NONE"}, conflict("Method already exists for this resource")),
    ],
)
def test_methods_that_are_refused(gateway, method, wanted, expect):
    assert refusal(gateway.put_method, **{**method, **wanted}) == expect


@pytest.mark.parametrize(
    ("wanted", "expect"),
    [
        (
            {},
            invalid("Value null at 'putIntegrationInput.type' failed to satisfy constraint: Member must not be null"),
        ),
        (
            {"type": "MAGIC"},
            invalid(
                "Value 'MAGIC' at 'type' failed to satisfy constraint: Member must satisfy enum value set: "
                "[HTTP, MOCK, AWS_PROXY, HTTP_PROXY, AWS]"
            ),
        ),
        ({"type": "HTTP", "uri": "http://e"}, bad("Enumeration value for HttpMethod must be non-empty")),
        (
            {"type": "HTTP", "uri": "e", "integrationHttpMethod": "GET"},
            bad("Invalid HTTP endpoint specified for URI"),
        ),
        (
            {"type": "AWS", "uri": "e", "integrationHttpMethod": "GET"},
            bad("Invalid ARN specified in the request"),
        ),
        (
            {"type": "AWS", "uri": f"arn:aws:apigateway:{REGION}:sqs:q", "integrationHttpMethod": "GET"},
            bad("AWS ARN for integration must contain path or action"),
        ),
        (
            {
                "type": "AWS_PROXY",
                "uri": f"arn:aws:apigateway:{REGION}:sqs:path/q",
                "integrationHttpMethod": "POST",
            },
            bad(
                "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations."
            ),
        ),
        (
            {"type": "AWS", "uri": f"arn:aws:apigateway:{REGION}:sqs:path/q", "integrationHttpMethod": "POST"},
            bad("Role ARN must be specified for AWS integrations"),
        ),
        ({"type": "MOCK", "timeoutInMillis": 49}, bad("Timeout should be between 50 ms and 29000 ms")),
        ({"type": "MOCK", "timeoutInMillis": 29001}, bad("Timeout should be between 50 ms and 29000 ms")),
        ({"type": "MOCK", "credentials": "me"}, bad("Invalid ARN specified in the request")),
        (
            {"type": "MOCK", "requestParameters": {"integration.request.header.x": "x"}},
            mapping("x"),
        ),
        (
            {"type": "MOCK", "requestParameters": {"header.x": "'x'"}},
            mapping("header.x"),
        ),
        (
            {"type": "MOCK", "requestParameters": {"integration.request.header.x": "method.request.header.z"}},
            mapping("method.request.header.z", parameter=True),
        ),
        ({"type": "MOCK", "connectionType": "VPC_LINK"}, bad("The connection type VPC_LINK is not supported by this server")),
        ({"type": "MOCK", "requestTemplates": {"json": ""}}, bad("Invalid content type specified: json")),
        ({"type": "MOCK", "cacheKeyParameters": ["q"]}, bad("Invalid cache key parameter specified: q")),
    ],
)
def test_integrations_that_are_refused(gateway, method, wanted, expect):
    assert refusal(gateway.put_integration, **method, **wanted) == expect


def test_responses_that_are_refused(gateway, mocked):
    put, status = gateway.put_method_response, missing("Invalid Response status code specified")
    assert refusal(put, **mocked, statusCode="99") == bad("Invalid status code specified: 99")
    header = {"response.header.x": True}
    assert refusal(put, **mocked, statusCode="200", responseParameters=header) == mapping("response.header.x")
    model = bad("Invalid model identifier specified: Nothing")
    assert refusal(put, **mocked, statusCode="200", responseModels={"a/b": "Nothing"}) == model
    assert refusal(gateway.put_integration_response, **mocked, statusCode="200") == status
    put(**mocked, statusCode="200")
    assert refusal(put, **mocked, statusCode="200") == conflict("Response already exists for this resource")
    undeclared = {"method.response.header.x": "'1'"}
    pattern = bad("Invalid selection pattern specified: (")
    assert refusal(gateway.put_integration_response, **mocked, statusCode="200", selectionPattern="(") == pattern
    got = refusal(gateway.put_integration_response, **mocked, statusCode="200", responseParameters=undeclared)
    assert got == mapping("method.response.header.x", parameter=True)
    assert refusal(gateway.get_method_response, **mocked, statusCode="404") == status
    assert refusal(gateway.get_integration_response, **mocked, statusCode="404") == status


# Models, validators, authorizers, gateway responses


def test_models_are_kept_and_guarded(gateway, api, method):
    of = {"restApiId": api["id"]}
    schema = json.dumps({"type": "object", "properties": {"n": {"type": "integer"}}})
    made = gateway.create_model(**of, name="Order", contentType="application/json", schema=schema)
    assert made["schema"] == schema
    again = conflict("Model name already exists for this REST API")
    create = gateway.create_model
    assert refusal(create, **of, name="Order", contentType="application/json", schema=schema) == again
    names = bad("Model name must be alphanumeric: a-b")
    assert refusal(create, **of, name="a-b", contentType="application/json", schema=schema) == names
    wrong = bad(
        "Invalid model specified: Validation Result: warnings : [], errors : [Invalid model schema specified]"
    )
    assert refusal(create, **of, name="Two", contentType="application/json", schema="{") == wrong
    status, code, message = refusal(
        create, **of, name="Two", contentType="application/json", schema='{"type": "nothing"}'
    )
    assert (status, code) == (400, "BadRequestException")
    assert message.startswith("Invalid model specified: Validation Result: warnings : [], errors : [Invalid model schema")
    gateway.update_method(**method, patchOperations=patch("add", "/requestModels/application~1json", "Order"))
    used = f"Cannot delete model 'Order', is referenced in method request: {method['resourceId']}/GET"
    assert refusal(gateway.delete_model, **of, modelName="Order") == conflict(used)
    gateway.update_method(**method, patchOperations=patch("remove", "/requestModels/application~1json"))
    gateway.delete_model(**of, modelName="Order")
    gone = missing("Invalid model name specified: Order")
    assert refusal(gateway.get_model, **of, modelName="Order") == gone


def test_validators_are_kept_and_guarded(gateway, api, method):
    of = {"restApiId": api["id"]}
    made = gateway.create_request_validator(**of, name="v", validateRequestBody=True)
    assert (made["validateRequestBody"], made["validateRequestParameters"]) == (True, False)
    one = {**of, "requestValidatorId": made["id"]}
    changed = gateway.update_request_validator(
        **one, patchOperations=patch("replace", "/validateRequestParameters", "true")
    )
    assert changed["validateRequestParameters"] is True
    gateway.update_method(**method, patchOperations=patch("replace", "/requestValidatorId", made["id"]))
    assert refusal(gateway.delete_request_validator, **one)[1] == "ConflictException"
    gateway.update_method(**method, patchOperations=patch("replace", "/requestValidatorId", ""))
    gateway.delete_request_validator(**one)
    gone = missing("Invalid Request Validator identifier specified")
    assert refusal(gateway.get_request_validator, **one) == gone


AUTHORIZER = {
    "name": "a",
    "type": "TOKEN",
    "authorizerUri": FUNCTION_URI,
    "identitySource": "method.request.header.Authorization",
}


def test_authorizers_are_kept_and_guarded(gateway, api, method):
    of = {"restApiId": api["id"]}
    made = gateway.create_authorizer(**of, **AUTHORIZER)
    assert (made["authType"], made["authorizerResultTtlInSeconds"]) == ("custom", 300)
    gateway.update_method(
        **method,
        patchOperations=[
            {"op": "replace", "path": "/authorizationType", "value": "CUSTOM"},
            {"op": "replace", "path": "/authorizerId", "value": made["id"]},
        ],
    )
    one = {**of, "authorizerId": made["id"]}
    assert refusal(gateway.delete_authorizer, **one)[1] == "ConflictException"
    changed = gateway.update_authorizer(
        **one, patchOperations=patch("replace", "/authorizerResultTtlInSeconds", "0")
    )
    assert changed["authorizerResultTtlInSeconds"] == 0
    gateway.update_method(**method, patchOperations=patch("replace", "/authorizationType", "NONE"))
    assert "authorizerId" not in gateway.get_method(**method)
    gateway.delete_authorizer(**one)
    assert refusal(gateway.get_authorizer, **one) == missing("Invalid Authorizer identifier specified")


@pytest.mark.parametrize(
    ("wanted", "expect"),
    [
        (
            {"name": None},
            invalid("Value null at 'createAuthorizerInput.name' failed to satisfy constraint: Member must not be null"),
        ),
        (
            {"type": "COOKIE"},
            invalid(
                "Value 'COOKIE' at 'type' failed to satisfy constraint: Member must satisfy enum value set: "
                "[TOKEN, REQUEST, COGNITO_USER_POOLS]"
            ),
        ),
        (
            {"authorizerUri": "f"},
            bad(
                "Invalid Authorizer URI: f. Authorizer URI should be a valid API Gateway ARN that represents a Lambda "
                "function invocation."
            ),
        ),
        ({"identitySource": None}, bad("Identity source is required for TOKEN authorizers")),
        ({"identitySource": "header.x"}, bad("Invalid identity source specified: header.x")),
        (
            {"authorizerResultTtlInSeconds": 3601},
            bad("Authorizer result TTL must be between 0 and 3600 seconds"),
        ),
        (
            {"type": "REQUEST", "identitySource": None},
            bad("Identity source is required for REQUEST authorizers whose results are cached"),
        ),
        ({"identityValidationExpression": "["}, bad("Invalid identity validation expression specified: [")),
        ({"type": "COGNITO_USER_POOLS"}, bad("The authorizer type COGNITO_USER_POOLS is not supported by this server")),
    ],
)
def test_authorizers_that_are_refused(gateway, api, wanted, expect):
    wanted = {name: value for name, value in {**AUTHORIZER, **wanted}.items() if value is not None}
    assert refusal(gateway.create_authorizer, restApiId=api["id"], **wanted) == expect


def test_authorizers_have_names_of_their_own_and_a_limit(gateway, api):
    of = {"restApiId": api["id"]}
    gateway.create_authorizer(**of, **AUTHORIZER)
    twice = bad("Authorizer name must be unique. Authorizer a already exists in this RestApi.")
    assert refusal(gateway.create_authorizer, **of, **AUTHORIZER) == twice
    for number in range(9):
        gateway.create_authorizer(**of, **{**AUTHORIZER, "name": str(number)})
    status, code, _ = refusal(gateway.create_authorizer, **of, **{**AUTHORIZER, "name": "more"})
    assert (status, code) == (429, "LimitExceededException")


def test_gateway_responses(gateway, api):
    of = {"restApiId": api["id"], "responseType": "UNAUTHORIZED"}
    assert len(gateway.get_gateway_responses(restApiId=api["id"])["items"]) == 21
    default = gateway.get_gateway_response(**of)
    assert (default["statusCode"], default["defaultResponse"]) == ("401", True)
    put = gateway.put_gateway_response(
        **of, statusCode="418", responseParameters={"gatewayresponse.header.x": "'1'"}, responseTemplates={"a/b": "t"}
    )
    assert (put["statusCode"], put["defaultResponse"], put["responseTemplates"]) == ("418", False, {"a/b": "t"})
    changed = gateway.update_gateway_response(**of, patchOperations=patch("replace", "/statusCode", "402"))
    assert changed["statusCode"] == "402"
    got = refusal(gateway.put_gateway_response, **of, responseParameters={"gatewayresponse.header.x": "1"})
    assert got == mapping("1")
    assert refusal(gateway.put_gateway_response, **of, statusCode="x") == bad("Invalid status code specified: x")
    unknown = {**of, "responseType": "TEAPOT"}
    assert refusal(gateway.get_gateway_response, **unknown)[1] == "BadRequestException"
    gateway.delete_gateway_response(**of)
    undefined = missing("Gateway response type not defined on api")
    assert refusal(gateway.delete_gateway_response, **of) == undefined
    assert gateway.get_gateway_response(**of)["statusCode"] == "401"


# Deployments and stages


def test_a_deployment_needs_methods_with_integrations(gateway, api):
    of = {"restApiId": api["id"]}
    nothing = bad("The REST API doesn't contain any methods")
    assert refusal(gateway.create_deployment, **of) == nothing
    gateway.put_method(**of, resourceId=api["rootResourceId"], httpMethod="GET", authorizationType="NONE")
    bare = bad("No integration defined for method")
    assert refusal(gateway.create_deployment, **of) == bare


def test_a_stage_shows_a_deployment_which_does_not_change(gateway, staged, mocked):
    of, stage = {"restApiId": staged["restApiId"]}, {"restApiId": staged["restApiId"], "stageName": "one"}
    shown = gateway.get_stage(**stage)
    assert (shown["deploymentId"], shown["cacheClusterStatus"]) == (staged["deploymentId"], "NOT_AVAILABLE")
    assert shown["methodSettings"] == {}
    gateway.delete_method(**mocked)
    deployment = {**of, "deploymentId": staged["deploymentId"]}
    summary = gateway.get_deployment(**deployment, embed=["apisummary"])["apiSummary"]
    assert summary == {"/": {"GET": {"authorizationType": "NONE", "apiKeyRequired": False}}}
    active = bad("Active stages pointing to this deployment must be moved or deleted")
    assert refusal(gateway.delete_deployment, **deployment) == active
    gateway.delete_stage(**stage)
    gateway.delete_deployment(**deployment)
    assert refusal(gateway.get_deployment, **deployment) == missing("Invalid Deployment identifier specified")
    assert refusal(gateway.get_stage, **stage) == missing("Invalid stage identifier specified")


@pytest.mark.parametrize(
    ("wanted", "expect"),
    [
        ({"stageName": "a b"}, bad("Stage name only allows a-zA-Z0-9_-")),
        ({"stageName": ""}, bad("Stage name only allows a-zA-Z0-9_-")),
        ({"stageName": "one"}, conflict("Stage already exists")),
        ({"stageName": "two", "deploymentId": "nothing"}, bad("Deployment id does not exist")),
        ({"stageName": "two", "canarySettings": {"percentTraffic": 1}}, bad("canarySettings is not supported by this server")),
        (
            {"stageName": "two", "cacheClusterEnabled": True},
            bad("cacheClusterEnabled is not supported by this server"),
        ),
        (
            {"stageName": "two", "variables": {"a-b": "1"}},
            bad("Invalid stage variable name specified: a-b. It may only have a-zA-Z0-9_"),
        ),
        (
            {"stageName": "two", "variables": {"a": "b c"}},
            bad(
                "Invalid stage variable value specified for a. It must match [A-Za-z0-9-._~:/?#&=,]+ with at most 512 "
                "characters"
            ),
        ),
    ],
)
def test_stages_that_are_refused(gateway, staged, wanted, expect):
    assert refusal(gateway.create_stage, **{**staged, **wanted}) == expect


def test_caches_have_sizes(gateway, staged):
    sizes = "[0.5, 1.6, 6.1, 13.5, 28.4, 58.2, 118, 237]"
    of = {"restApiId": staged["restApiId"], "stageName": "two"}
    deploy = lambda **wanted: gateway.create_deployment(**of, **wanted)
    stage = lambda **wanted: gateway.create_stage(**of, deploymentId=staged["deploymentId"], **wanted)
    for operation, place in [(stage, "createStageInput"), (deploy, "createDeploymentInput")]:
        got = refusal(operation, cacheClusterSize="1")
        value = f"Value '1' at '{place}.cacheClusterSize' failed to satisfy constraint"
        assert got == invalid(f"{value}: Member must satisfy enum value set: {sizes}")
    made = stage(cacheClusterSize="0.5")
    assert made["cacheClusterEnabled"] is False


def test_a_stage_is_patched(gateway, staged, log_role):
    stage = {"restApiId": staged["restApiId"], "stageName": "one"}
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:g"
    changed = gateway.update_stage(
        **stage,
        patchOperations=[
            {"op": "replace", "path": "/variables/v", "value": "1"},
            {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "2.5"},
            {"op": "replace", "path": "/*/*/logging/loglevel", "value": "INFO"},
            {"op": "replace", "path": "/~1a/GET/throttling/burstLimit", "value": "7"},
            {"op": "replace", "path": "/accessLogSettings/destinationArn", "value": group + ":*"},
            {"op": "replace", "path": "/accessLogSettings/format", "value": "$context.requestId"},
        ],
    )
    assert changed["variables"] == {"v": "1"}
    assert changed["methodSettings"]["*/*"]["throttlingRateLimit"] == 2.5
    assert changed["methodSettings"]["*/*"]["loggingLevel"] == "INFO"
    assert changed["methodSettings"]["~1a/GET"]["throttlingBurstLimit"] == 7
    assert changed["accessLogSettings"] == {"destinationArn": group, "format": "$context.requestId"}
    changed = gateway.update_stage(**stage, patchOperations=patch("remove", "/~1a/GET"))
    assert list(changed["methodSettings"]) == ["*/*"]
    refused = [
        (patch("replace", "/deploymentId", "nothing"), "Deployment id does not exist"),
        (patch("replace", "/*/*/throttling/rateLimit", "fast"), "Invalid patch value  'fast' specified for op 'replace'. Must be a number"),
        (patch("replace", "/*/*/logging/loglevel", "ALL"), "Invalid logging level specified: ALL. Must be one of: [OFF, ERROR, INFO]"),
        (
            patch("replace", "/accessLogSettings/format", "$context.status"),
            "Access Log format must contain reference to $context.requestId or $context.extendedRequestId",
        ),
        (patch("replace", "/*/*/caching/enabled", "true"), "caching/enabled is not supported by this server"),
        (
            patch("replace", "/*/*/caching/ttlInSeconds", "3601"),
            "Invalid cache TTL specified: 3601. Must be between 0 and 3600 seconds",
        ),
        (
            patch("replace", "/*/*/caching/unauthorizedCacheControlHeaderStrategy", "PANIC"),
            "Invalid cache control strategy specified: PANIC. Must be one of: [FAIL_WITH_403, SUCCEED_WITH_RESPONSE_HEADER, "
            "SUCCEED_WITHOUT_RESPONSE_HEADER]",
        ),
    ]
    for operation, expect in refused:
        assert refusal(gateway.update_stage, **stage, patchOperations=operation) == bad(expect)
    assert gateway.get_stage(**stage)["accessLogSettings"]["format"] == "$context.requestId"


def test_ten_stages_are_enough(gateway, staged):
    for number in range(9):
        gateway.create_stage(**{**staged, "stageName": f"s{number}"})
    assert refusal(gateway.create_stage, **{**staged, "stageName": "more"})[:2] == (429, "LimitExceededException")
    assert len(gateway.get_stages(restApiId=staged["restApiId"])["item"]) == 10
    none = gateway.get_stages(restApiId=staged["restApiId"], deploymentId="other")
    assert none["item"] == []


# Keys and usage plans


def test_keys_are_found_by_name_and_show_their_values_only_when_asked(gateway, name):
    value = "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    made = gateway.create_api_key(name=name, value=value + name, enabled=True)
    assert made["value"] == value + name
    drawn = gateway.create_api_key(name=name + "-2")
    assert (len(drawn["value"]), drawn["enabled"]) == (40, False)
    found = gateway.get_api_keys(nameQuery=name, includeValues=True)["items"]
    assert {one["id"]: one["value"] for one in found} == {made["id"]: made["value"], drawn["id"]: drawn["value"]}
    assert all("value" not in one for one in gateway.get_api_keys(nameQuery=name)["items"])
    assert "value" not in gateway.get_api_key(apiKey=made["id"])
    assert gateway.get_api_key(apiKey=made["id"], includeValue=True)["value"] == made["value"]
    assert refusal(gateway.create_api_key, name="x", value=made["value"]) == conflict("API Key already exists")
    short = bad("API Key value should be at least 20 characters")
    assert refusal(gateway.create_api_key, name="x", value="short") == short
    long = bad("API Key value should be at most 128 characters")
    assert refusal(gateway.create_api_key, name="x", value="x" * 129) == long
    changed = gateway.update_api_key(apiKey=drawn["id"], patchOperations=patch("replace", "/enabled", "true"))
    assert changed["enabled"] is True
    path = refusal(gateway.update_api_key, apiKey=drawn["id"], patchOperations=patch("replace", "/value", "v" * 20))
    assert path == bad(
        "Invalid patch path  '/value' specified for op 'replace'. Must be one of: [/customerId, /description, /enabled, "
        "/name]"
    )
    gateway.delete_api_key(apiKey=made["id"])
    gateway.delete_api_key(apiKey=drawn["id"])
    gone = missing("Invalid API Key identifier specified")
    assert refusal(gateway.get_api_key, apiKey=made["id"]) == gone
    again = gateway.create_api_key(name=name, value=value + name)
    gateway.delete_api_key(apiKey=again["id"])


def test_a_usage_plan_joins_keys_and_stages(gateway, staged, name):
    stage = {"apiId": staged["restApiId"], "stage": "one"}
    plan = gateway.create_usage_plan(
        name=name,
        apiStages=[stage],
        throttle={"rateLimit": 1.5, "burstLimit": 2},
        quota={"limit": 10, "period": "WEEK", "offset": 1},
    )
    assert (plan["throttle"], plan["quota"]["offset"]) == ({"rateLimit": 1.5, "burstLimit": 2}, 1)
    key = gateway.create_api_key(name=name, enabled=True)
    member = {"usagePlanId": plan["id"], "keyId": key["id"], "keyType": "API_KEY"}
    joined = gateway.create_usage_plan_key(**member)
    assert (joined["id"], joined["type"], joined["value"]) == (key["id"], "API_KEY", key["value"])
    assert refusal(gateway.create_usage_plan_key, **member)[1] == "ConflictException"
    other = gateway.create_usage_plan(name=name + "-2", apiStages=[stage])
    assert refusal(gateway.create_usage_plan_key, **{**member, "usagePlanId": other["id"]})[1] == "ConflictException"
    twice = conflict(f"API Stage {staged['restApiId']}:one is already associated with the usage plan")
    assert refusal(gateway.create_usage_plan, name=name, apiStages=[stage, stage]) == twice
    unknown = missing("Invalid API Key identifier specified")
    assert refusal(gateway.create_usage_plan_key, **{**member, "keyId": "nothing"}) == unknown
    kind = bad("Usage plan key type must be one of: [API_KEY]")
    assert refusal(gateway.create_usage_plan_key, **{**member, "keyType": "TOKEN"}) == kind
    assert [one["id"] for one in gateway.get_usage_plans(keyId=key["id"])["items"]] == [plan["id"]]
    assert [one["id"] for one in gateway.get_usage_plan_keys(usagePlanId=plan["id"])["items"]] == [key["id"]]
    named = f"{staged['restApiId']}:one"
    changed = gateway.update_usage_plan(
        usagePlanId=plan["id"],
        patchOperations=[
            {"op": "replace", "path": "/throttle/rateLimit", "value": "9"},
            {"op": "remove", "path": "/quota"},
            {"op": "add", "path": f"/apiStages/{named}/throttle/~1/GET/rateLimit", "value": "3"},
        ],
    )
    assert (changed["throttle"]["rateLimit"], "quota" in changed) == (9, False)
    assert changed["apiStages"][0]["throttle"] == {"//GET": {"burstLimit": 0, "rateLimit": 3}}
    associated = f"Cannot delete Usage Plan {plan['id']} because there are API Stages associated with it"
    assert refusal(gateway.delete_usage_plan, usagePlanId=plan["id"]) == bad(associated)
    for one in (plan, other):
        gateway.update_usage_plan(usagePlanId=one["id"], patchOperations=patch("remove", "/apiStages", named))
        gateway.delete_usage_plan(usagePlanId=one["id"])
    gateway.delete_api_key(apiKey=key["id"])
    gone = missing("Invalid Usage Plan ID specified")
    assert refusal(gateway.get_usage_plan, usagePlanId=plan["id"]) == gone


@pytest.mark.parametrize(
    ("wanted", "expect"),
    [
        (
            {"name": None},
            invalid("Value null at 'createUsagePlanInput.name' failed to satisfy constraint: Member must not be null"),
        ),
        (
            {"quota": {"limit": 1, "period": "DAY", "offset": 1}},
            bad("Usage Plan quota offset must be zero in the DAY period"),
        ),
        (
            {"quota": {"limit": 1, "period": "WEEK", "offset": 7}},
            bad("Usage Plan quota offset must be between zero and six inclusive in the WEEK period"),
        ),
        (
            {"quota": {"limit": 1, "period": "MONTH", "offset": 28}},
            bad("Usage Plan quota offset must be between zero and 27 inclusive in the MONTH period"),
        ),
        (
            {"quota": {"limit": 0, "period": "DAY"}},
            bad("Usage Plan quota limit must be greater than zero"),
        ),
        (
            {"throttle": {"rateLimit": -1, "burstLimit": 1}},
            bad("Usage Plan throttle limits must not be negative"),
        ),
        (
            {"quota": {"limit": 1, "period": "YEAR"}},
            invalid(
                "Value 'YEAR' at 'quota.period' failed to satisfy constraint: Member must satisfy enum value set: "
                "[DAY, WEEK, MONTH]"
            ),
        ),
        (
            {"apiStages": [{"apiId": "nothing", "stage": "s"}]},
            missing("API Stage not found: nothing:s"),
        ),
    ],
)
def test_usage_plans_that_are_refused(gateway, wanted, expect):
    wanted = {name: value for name, value in {"name": "n", **wanted}.items() if value is not None}
    assert refusal(gateway.create_usage_plan, **wanted) == expect


# Tags, the account, documents


def test_tags(gateway, staged):
    arn = f"arn:aws:apigateway:{REGION}::/restapis/{staged['restApiId']}"
    for one in (arn, arn + "/stages/one"):
        gateway.tag_resource(resourceArn=one, tags={"a": "1", "b": "2"})
        gateway.untag_resource(resourceArn=one, tagKeys=["a"])
        assert gateway.get_tags(resourceArn=one)["tags"] == {"b": "2"}
    assert gateway.get_stage(restApiId=staged["restApiId"], stageName="one")["tags"] == {"b": "2"}
    wrong = bad("Invalid resource ARN specified: arn:aws:x")
    assert refusal(gateway.get_tags, resourceArn="arn:aws:x") == wrong
    null = "Value null at 'tagResourceInput.tags' failed to satisfy constraint: Member must not be null"
    assert refusal(gateway.tag_resource, resourceArn=arn) == invalid(null)
    reserved = bad("Invalid tag key: aws:a. aws: prefixed tag key names are not allowed")
    assert refusal(gateway.tag_resource, resourceArn=arn, tags={"aws:a": "1"}) == reserved


def test_the_account(gateway, server, name, log_role):
    shown = gateway.get_account()
    assert shown["throttleSettings"] == {"burstLimit": 5000, "rateLimit": 10000}
    assert shown["cloudwatchRoleArn"] == log_role
    changed = gateway.update_account(patchOperations=patch("replace", "/cloudwatchRoleArn", log_role))
    assert changed["cloudwatchRoleArn"] == log_role
    got = refusal(gateway.update_account, patchOperations=patch("replace", "/throttleSettings/rateLimit", "1"))
    assert got == bad(
        "Invalid patch path  '/throttleSettings/rateLimit' specified for op 'replace'. Must be one of: "
        "[/cloudwatchRoleArn]"
    )
    refused = bad(
        "The role ARN does not have required permissions configured. Please grant trust permission for API Gateway and add "
        "the required role policy."
    )
    foreign = functions.create_role(server, name + "-foreign", functions.allow("logs:*"))
    mute = functions.create_role(server, name + "-mute", functions.allow("logs:PutLogEvents"), trust=functions.TRUST_GATEWAY)
    for role in ["me", f"arn:aws:iam::{ACCOUNT}:user/u", ROLE + "-nobody", foreign, mute]:
        assert refusal(gateway.update_account, patchOperations=patch("replace", "/cloudwatchRoleArn", role)) == refused
    assert gateway.get_account()["cloudwatchRoleArn"] == log_role


DOCUMENT = {
    "swagger": "2.0",
    "info": {"title": "imported", "version": "7"},
    "x-amazon-apigateway-request-validators": {"body": {"validateRequestBody": True}},
    "securityDefinitions": {
        "key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
        "check": {
            "type": "apiKey",
            "name": "Authorization",
            "in": "header",
            "x-amazon-apigateway-authtype": "custom",
            "x-amazon-apigateway-authorizer": {"type": "token", "authorizerUri": FUNCTION_URI},
        },
    },
    "definitions": {"Order": {"type": "object", "properties": {"line": {"$ref": "#/definitions/Line"}}}, "Line": {"type": "object"}},
    "paths": {
        "/orders/{id}": {
            "post": {
                "operationId": "put",
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "type": "string"},
                    {"name": "order", "in": "body", "schema": {"$ref": "#/definitions/Order"}},
                ],
                "responses": {"200": {"description": "ok", "headers": {"x": {"type": "string"}}}},
                "security": [{"check": []}, {"key": []}],
                "x-amazon-apigateway-request-validator": "body",
                "x-amazon-apigateway-integration": {
                    "type": "aws_proxy",
                    "httpMethod": "POST",
                    "uri": FUNCTION_URI,
                    "responses": {"default": {"statusCode": "200", "responseParameters": {"method.response.header.x": "'1'"}}},
                },
            }
        }
    },
}


def test_a_document_becomes_an_api(gateway):
    made = gateway.import_rest_api(body=json.dumps(DOCUMENT))
    of = {"restApiId": made["id"]}
    assert (made["name"], made["version"]) == ("imported", "7")
    resources = {one["path"]: one for one in gateway.get_resources(**of, embed=["methods"])["items"]}
    assert sorted(resources) == ["/", "/orders", "/orders/{id}"]
    method = resources["/orders/{id}"]["resourceMethods"]["POST"]
    assert (method["operationName"], method["authorizationType"], method["apiKeyRequired"]) == ("put", "CUSTOM", True)
    assert method["requestModels"] == {"application/json": "Order"}
    assert method["requestParameters"] == {"method.request.path.id": True}
    authorizer = gateway.get_authorizer(**of, authorizerId=method["authorizerId"])
    assert (authorizer["name"], authorizer["identitySource"]) == ("check", "method.request.header.Authorization")
    assert gateway.get_request_validator(**of, requestValidatorId=method["requestValidatorId"])["name"] == "body"
    order = json.loads(gateway.get_model(**of, modelName="Order")["schema"])
    url = f"https://apigateway.amazonaws.com/restapis/{made['id']}/models/Line"
    assert order["properties"]["line"]["$ref"] == url
    more = {"swagger": "2.0", "info": {"title": "other"}, "paths": {"/more": {"get": {}}}}
    gateway.put_rest_api(**of, mode="merge", body=json.dumps(more))
    assert len(gateway.get_resources(**of)["items"]) == 4
    assert gateway.get_rest_api(**of)["name"] == "imported"
    gateway.put_rest_api(**of, mode="overwrite", body=json.dumps(more))
    assert sorted(one["path"] for one in gateway.get_resources(**of)["items"]) == ["/", "/more"]
    assert gateway.get_rest_api(**of)["name"] == "other"
    assert refusal(gateway.put_rest_api, **of, mode="mix", body="{}")[1] == "BadRequestException"
    gateway.delete_rest_api(**of)


@pytest.mark.parametrize(
    ("document", "expect"),
    [
        ("no json", "Invalid OpenAPI input. It must be JSON"),
        ("[]", "Invalid OpenAPI input."),
        ('{"swagger": "1.0"}', "Invalid OpenAPI input."),
        ('{"swagger": "2.0"}', "No Name specified"),
        ("[" * 90 + "]" * 90, "Invalid OpenAPI input."),
        (
            json.dumps({"openapi": "3.0.1", "info": {"title": "t"}, "paths": {"/a": {"get": {"x-amazon-apigateway-integration": {"type": "http"}}}}}),
            "Errors found during import:\n\tUnable to put integration on 'GET' for resource at path '/a': Enumeration value "
            "for HttpMethod must be non-empty",
        ),
        (
            json.dumps({"openapi": "3.0.1", "info": {"title": "t"}, "paths": {"/a": {"get": {"security": [{"s": []}]}}}}),
            "Errors found during import:\n\tUnable to put method 'GET' for resource at path '/a': Invalid security scheme "
            "specified: s",
        ),
    ],
)
def test_documents_that_are_refused(gateway, document, expect):
    assert refusal(gateway.import_rest_api, body=document) == bad(expect)


# Identity, durability, stacks


def test_every_path_has_its_permission(server, gateway, api, name):
    iam = server.client("iam")
    iam.create_user(UserName=name)
    arn = f"arn:aws:apigateway:{REGION}::/restapis/{api['id']}"
    statement = {"Effect": "Allow", "Action": ["apigateway:GET"], "Resource": [arn, arn + "/resources"]}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    reader = server.client("apigateway", key["AccessKeyId"], key["SecretAccessKey"])
    assert reader.get_rest_api(restApiId=api["id"])["id"] == api["id"]
    assert len(reader.get_resources(restApiId=api["id"])["items"]) == 1
    for operation, parameters, action, resource in [
        (reader.get_rest_apis, {}, "GET", "restapis"),
        (reader.delete_rest_api, {"restApiId": api["id"]}, "DELETE", f"restapis/{api['id']}"),
        (reader.get_stages, {"restApiId": api["id"]}, "GET", f"restapis/{api['id']}/stages"),
        (reader.create_api_key, {}, "POST", "apikeys"),
        (reader.update_account, {}, "PATCH", "account"),
        (
            reader.put_gateway_response,
            {"restApiId": api["id"], "responseType": "THROTTLED"},
            "PUT",
            f"restapis/{api['id']}/gatewayresponses/THROTTLED",
        ),
        (reader.import_rest_api, {"body": "{}"}, "POST", "restapis"),
    ]:
        status, code, message = refusal(operation, **parameters)
        assert code == "AccessDeniedException"
        assert f"is not authorized to perform: apigateway:{action} on resource: arn:aws:apigateway:{REGION}::/{resource}" in message
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.delete_user_policy(UserName=name, PolicyName="p")
    iam.delete_user(UserName=name)


def test_what_was_answered_is_there_after_a_kill(own_server):
    gateway = own_server.client("apigateway")
    api = gateway.create_rest_api(name="kept")
    of = {"restApiId": api["id"]}
    at = {**of, "resourceId": api["rootResourceId"], "httpMethod": "GET"}
    gateway.put_method(**at, authorizationType="NONE")
    gateway.put_integration(**at, type="MOCK")
    deployment = gateway.create_deployment(**of, stageName="one")
    key = gateway.create_api_key(name="k")
    plan = gateway.create_usage_plan(name="p", apiStages=[{"apiId": api["id"], "stage": "one"}])
    gateway.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    gateway.delete_method(**at)
    own_server.kill()
    own_server.start()
    gateway = own_server.client("apigateway")
    assert gateway.get_stage(**of, stageName="one")["deploymentId"] == deployment["id"]
    summary = gateway.get_deployment(**of, deploymentId=deployment["id"], embed=["apisummary"])["apiSummary"]
    assert list(summary) == ["/"]
    assert refusal(gateway.get_method, **at)[0] == 404
    assert gateway.get_api_keys(includeValues=True)["items"][0]["value"] == key["value"]
    assert gateway.get_usage_plan_keys(usagePlanId=plan["id"])["items"][0]["id"] == key["id"]
