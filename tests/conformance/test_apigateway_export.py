"""Documents that deployed APIs are exported as, and templates from models."""

import json
from datetime import timezone

import pytest
import yaml
from errors import refusal
from gateway import Api
from program import ACCOUNT, REGION

FUNCTION_URI = (
    f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/arn:aws:lambda:{REGION}:{ACCOUNT}:function:f/invocations"
)


def bad(message):
    return (400, "BadRequestException", message)


def missing(message):
    return (404, "NotFoundException", message)


@pytest.fixture(scope="session")
def gateway(server):
    return server.client("apigateway")


DOCUMENT = {
    "openapi": "3.0.1",
    "info": {"title": "orders", "version": "7", "description": "all orders"},
    "x-amazon-apigateway-binary-media-types": ["image/png"],
    "x-amazon-apigateway-request-validators": {"body": {"validateRequestBody": True, "validateRequestParameters": False}},
    "x-amazon-apigateway-gateway-responses": {
        "UNAUTHORIZED": {
            "statusCode": "418",
            "responseParameters": {"gatewayresponse.header.x": "'1'"},
            "responseTemplates": {"application/json": "{}"},
        }
    },
    "components": {
        "schemas": {
            "Order": {"type": "object", "properties": {"line": {"$ref": "#/components/schemas/Line"}}},
            "Line": {"type": "object", "properties": {"n": {"type": "integer"}}},
            "Unused": {"type": "string"},
        },
        "securitySchemes": {
            "api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
            "sigv4": {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"},
            "check": {
                "type": "apiKey",
                "name": "Token",
                "in": "header",
                "x-amazon-apigateway-authtype": "custom",
                "x-amazon-apigateway-authorizer": {
                    "type": "token", "authorizerUri": FUNCTION_URI, "authorizerResultTtlInSeconds": 60,
                },
            },
        },
    },
    "paths": {
        "/orders/{id}": {
            "post": {
                "operationId": "put",
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
                    {"name": "mode", "in": "query", "required": False, "schema": {"type": "string"}},
                ],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}},
                },
                "responses": {
                    "200": {
                        "description": "200 response",
                        "headers": {"x": {"schema": {"type": "string"}}},
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Line"}}},
                    }
                },
                "security": [{"check": []}, {"api_key": []}],
                "x-amazon-apigateway-request-validator": "body",
                "x-amazon-apigateway-integration": {
                    "type": "aws",
                    "httpMethod": "POST",
                    "uri": FUNCTION_URI,
                    "passthroughBehavior": "never",
                    "requestTemplates": {"application/json": "$input.body"},
                    "timeoutInMillis": 500,
                    "responses": {
                        "default": {"statusCode": "200", "responseParameters": {"method.response.header.x": "'1'"}},
                    },
                },
            },
            "x-amazon-apigateway-any-method": {
                "responses": {},
                "security": [{"sigv4": []}],
                "x-amazon-apigateway-integration": {
                    "type": "http_proxy",
                    "httpMethod": "x-amazon-apigateway-any-method",
                    "uri": "http://example.com",
                    "passthroughBehavior": "when_no_match",
                },
            },
        }
    },
}


@pytest.fixture
def imported(gateway):
    made = gateway.import_rest_api(body=json.dumps(DOCUMENT))
    gateway.create_deployment(restApiId=made["id"], stageName="one")
    yield {"restApiId": made["id"], "stageName": "one"}
    gateway.delete_rest_api(restApiId=made["id"])


def export(gateway, at, kind="oas30", accepts=None, extensions=None):
    more = {} if accepts is None else {"accepts": accepts}
    if extensions is not None:
        more["parameters"] = {"extensions": extensions}
    answer = gateway.get_export(**at, exportType=kind, **more)
    return answer, answer["body"].read().decode()


def without(document, *names):
    return {name: value for name, value in document.items() if name not in names}


def test_a_document_comes_back_as_it_was(gateway, server, imported):
    answer, body = export(gateway, imported, accepts="application/json", extensions="apigateway")
    assert answer["contentType"] == "application/json"
    assert answer["contentDisposition"] == 'attachment; filename="oas30_7.json"'
    document = json.loads(body)
    url = f"http://{imported['restApiId']}.execute-api.{REGION}.localhost:{server.port}/{{basePath}}"
    assert document["servers"] == [{"url": url, "variables": {"basePath": {"default": "/one"}}}]
    schemas = document["components"]["schemas"]
    assert set(schemas) == {"Order", "Line"}
    expect = json.loads(json.dumps(DOCUMENT))
    expect["components"]["schemas"].pop("Unused")
    assert without(document, "servers") == expect
    # And what comes back can go in again.
    again = gateway.import_rest_api(body=body)
    gateway.create_deployment(restApiId=again["id"], stageName="one")
    _, second = export(gateway, {"restApiId": again["id"], "stageName": "one"}, extensions="apigateway")
    assert without(json.loads(second), "servers") == without(document, "servers")
    gateway.delete_rest_api(restApiId=again["id"])


def test_extensions_are_left_out_unless_asked_for(gateway, imported):
    _, body = export(gateway, imported)
    document = json.loads(body)
    assert not [name for name in document if name.startswith("x-")]
    operation = document["paths"]["/orders/{id}"]["post"]
    assert not [name for name in operation if name.startswith("x-")]
    assert operation["security"] == [{"check": []}, {"api_key": []}]
    scheme = document["components"]["securitySchemes"]["check"]
    assert scheme == {"type": "apiKey", "name": "Token", "in": "header", "x-amazon-apigateway-authtype": "custom"}
    _, body = export(gateway, imported, extensions="integrations")
    document = json.loads(body)
    assert document["paths"]["/orders/{id}"]["post"]["x-amazon-apigateway-integration"]["timeoutInMillis"] == 500
    assert "x-amazon-apigateway-authorizer" not in document["components"]["securitySchemes"]["check"]
    _, body = export(gateway, imported, extensions="integrations,authorizers")
    document = json.loads(body)
    assert document["components"]["securitySchemes"]["check"]["x-amazon-apigateway-authorizer"]["authorizerUri"] == FUNCTION_URI
    assert "x-amazon-apigateway-binary-media-types" not in document


def test_swagger(gateway, server, imported):
    answer, body = export(gateway, imported, "swagger", extensions="apigateway")
    assert answer["contentType"] == "application/json"
    assert answer["contentDisposition"] == 'attachment; filename="swagger_7.json"'
    document = json.loads(body)
    assert (document["swagger"], document["basePath"], document["schemes"]) == ("2.0", "/one", ["http"])
    assert document["host"] == f"{imported['restApiId']}.execute-api.{REGION}.localhost:{server.port}"
    operation = document["paths"]["/orders/{id}"]["post"]
    assert operation["consumes"] == operation["produces"] == ["application/json"]
    assert {"in": "body", "name": "Order", "required": True, "schema": {"$ref": "#/definitions/Order"}} in operation["parameters"]
    assert {"name": "id", "in": "path", "required": True, "type": "string"} in operation["parameters"]
    assert operation["responses"]["200"] == {
        "description": "200 response", "headers": {"x": {"type": "string"}}, "schema": {"$ref": "#/definitions/Line"},
    }
    assert document["definitions"]["Order"]["properties"]["line"] == {"$ref": "#/definitions/Line"}
    again = gateway.import_rest_api(body=body)
    paths = [one["path"] for one in gateway.get_resources(restApiId=again["id"])["items"]]
    assert sorted(paths) == ["/", "/orders", "/orders/{id}"]
    gateway.delete_rest_api(restApiId=again["id"])


def test_yaml_says_the_same(gateway, imported):
    answer, body = export(gateway, imported, accepts="application/yaml", extensions="apigateway")
    assert answer["contentType"] == "application/yaml"
    assert answer["contentDisposition"] == 'attachment; filename="oas30_7.yaml"'
    _, in_json = export(gateway, imported, extensions="apigateway")
    assert yaml.safe_load(body) == json.loads(in_json)


def test_the_version_is_the_time_of_the_deployment_where_there_is_none(gateway, server, name):
    api = Api(server, name)
    api.mock(answers={"200": {}})
    api.deploy("one")
    [deployment] = gateway.get_deployments(restApiId=api.id)["items"]
    answer, body = export(gateway, {"restApiId": api.id, "stageName": "one"})
    version = deployment["createdDate"].astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert json.loads(body)["info"] == {"title": name, "version": version}
    assert answer["contentDisposition"] == f'attachment; filename="oas30_{version}.json"'
    # What is exported is what was deployed.
    api.mock("/later")
    assert list(json.loads(export(gateway, {"restApiId": api.id, "stageName": "one"})[1])["paths"]) == ["/"]
    gateway.delete_rest_api(restApiId=api.id)


def test_exports_that_are_refused(gateway, imported):
    got = refusal(lambda: export(gateway, imported, "raml"))
    assert got == bad("Invalid export type specified: raml. Must be one of: [oas30, swagger]")
    got = refusal(lambda: export(gateway, imported, accepts="text/html"))
    assert got == bad("Invalid accept type specified: text/html. Must be one of: [application/json, application/yaml]")
    got = refusal(lambda: export(gateway, imported, extensions="all"))
    assert got == bad("Invalid extensions specified: all. Must be any of: [integrations, authorizers, apigateway, documentation]")
    assert refusal(lambda: export(gateway, {**imported, "stageName": "two"})) == missing("Invalid stage identifier specified")
    unknown = missing(f"Invalid API identifier specified {ACCOUNT}:nothere")
    assert refusal(lambda: export(gateway, {**imported, "restApiId": "nothere"})) == unknown


def test_a_model_has_a_sample_template(gateway, server, name):
    api = Api(server, name)
    of = {"restApiId": api.id}
    line = {"type": "object", "properties": {"n": {"type": "integer"}, "text": {"type": "string"}}}
    gateway.create_model(**of, name="Line", contentType="application/json", schema=json.dumps(line))
    order = {"properties": {"lines": {"type": "array", "items": {"$ref": f"https://apigateway.amazonaws.com/restapis/{api.id}/models/Line"}}}}
    gateway.create_model(**of, name="Order", contentType="application/json", schema=json.dumps(order))
    template = gateway.get_model_template(**of, modelName="Line")["value"]
    assert template == "#set($inputRoot = $input.path('$'))\n{\n  \"n\" : 42,\n  \"text\" : \"foo\"\n}"
    # The sample for another one really is a template.
    template = gateway.get_model_template(**of, modelName="Order")["value"]
    api.mock("/", "POST", template="#set($n = 1){\"statusCode\": 200}", answers={"200": {"responseTemplates": {"application/json": template}}})
    api.deploy()
    assert api.call("/", "POST", {}).json() == {"lines": []}
    empty = gateway.get_model_template(**of, modelName="Empty")["value"]
    assert empty == "#set($inputRoot = $input.path('$'))\n{ }"
    got = refusal(gateway.get_model_template, **of, modelName="Nothing")
    assert got == missing("Invalid model name specified: Nothing")
    gateway.delete_rest_api(restApiId=api.id)


def test_every_operation_has_its_permission(server, gateway, imported, name):
    iam = server.client("iam")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    stranger = server.client("apigateway", key["AccessKeyId"], key["SecretAccessKey"])
    api = imported["restApiId"]
    for call, resource in [
        (lambda: export(stranger, imported), f"restapis/{api}/stages/one/exports/oas30"),
        (lambda: stranger.get_model_template(restApiId=api, modelName="Line"), f"restapis/{api}/models/Line/default_template"),
    ]:
        _, code, message = refusal(call)
        arn = f"arn:aws:apigateway:{REGION}::/{resource}"
        assert code == "AccessDeniedException" and f"perform: apigateway:GET on resource: {arn}" in message
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName=name)
