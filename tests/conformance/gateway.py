"""APIs for tests: made with the control plane, called over plain HTTP."""

import http.client
import json

import functions
from program import ACCOUNT, REGION


class Answer:
    """What an API answered."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {}
        self.all = [(name.lower(), value) for name, value in response.getheaders()]
        for name, value in self.all:
            self.headers[name] = value
        self.body = response.read()

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)

    @property
    def message(self):
        return self.json().get("message", self.json().get("Message"))


def log_as(server, name):
    """Gives the account a role as which API Gateway writes logs; returns its ARN."""
    role = functions.create_role(server, name, functions.allow("logs:*"), trust=functions.TRUST_GATEWAY)
    patch = [{"op": "replace", "path": "/cloudwatchRoleArn", "value": role}]
    server.client("apigateway").update_account(patchOperations=patch)
    return role


class Api:
    """One REST API, under construction and deployed."""

    def __init__(self, server, name, **settings):
        self.server = server
        self.client = server.client("apigateway")
        self.made = self.client.create_rest_api(name=name, **settings)
        self.id = self.made["id"]
        self.root = self.made["rootResourceId"]
        self.resources = {"/": self.root}
        self.stage = "test"

    def resource(self, path):
        """The id of the resource at a path, made with all above it where missing."""
        if path not in self.resources:
            above, _, part = path.rpartition("/")
            parent = self.resource(above or "/")
            made = self.client.create_resource(restApiId=self.id, parentId=parent, pathPart=part)
            self.resources[path] = made["id"]
        return self.resources[path]

    def method(self, path="/", method="GET", authorization="NONE", **settings):
        where = {"restApiId": self.id, "resourceId": self.resource(path), "httpMethod": method}
        self.client.put_method(**where, authorizationType=authorization, **settings)
        return where

    def function_uri(self, function):
        arn = function if function.startswith("arn:") else f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"
        return f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations"

    def allow(self, function, source=None):
        """Lets the API invoke a function."""
        self.server.client("lambda").add_permission(
            FunctionName=function,
            StatementId=f"api-{self.id}-{len(source or '')}",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{self.id}/{source or '*'}",
        )

    def proxy(self, function, path="/", method="GET", integration=None, **settings):
        """A method that a function answers."""
        where = self.method(path, method, **settings)
        self.client.put_integration(
            **where, type="AWS_PROXY", integrationHttpMethod="POST", uri=self.function_uri(function), **(integration or {})
        )
        return where

    def mock(self, path="/", method="GET", template='{"statusCode": 200}', answers=None, integration=None, **settings):
        """A method that answers by itself; `answers` maps a status to the settings of an integration response."""
        where = self.method(path, method, **settings)
        self.client.put_integration(
            **where, type="MOCK", requestTemplates={"application/json": template}, **(integration or {})
        )
        self.answers(where, answers or {"200": {}})
        return where

    def mapped(self, function, path="/", method="POST", template=None, answers=None, integration=None, **settings):
        """A method behind which a function stands with templates."""
        where = self.method(path, method, **settings)
        templates = {} if template is None else {"requestTemplates": {"application/json": template}}
        self.client.put_integration(
            **where,
            type="AWS",
            integrationHttpMethod="POST",
            uri=self.function_uri(function),
            **templates,
            **(integration or {}),
        )
        self.answers(where, answers or {"200": {}})
        return where

    def answers(self, where, answers):
        for status, settings in answers.items():
            parameters = settings.get("responseParameters", {})
            self.client.put_method_response(
                **where, statusCode=status, responseParameters={name: False for name in parameters}
            )
            self.client.put_integration_response(**where, statusCode=status, **settings)

    def deploy(self, stage="test", **settings):
        self.stage = stage
        self.client.create_deployment(restApiId=self.id, stageName=stage, **settings)
        return self

    def patch_stage(self, *operations):
        patch = [{"op": op, "path": path, "value": value} for op, path, value in operations]
        self.client.update_stage(restApiId=self.id, stageName=self.stage, patchOperations=patch)

    def call(self, path="/", method="GET", body=None, headers=None, stage=None):
        """One request by path, on a connection of its own."""
        target = f"/_apis/{self.id}/{stage or self.stage}{path}"
        return send(self.server, method, target, body, headers or {})

    def call_by_host(self, path="/", method="GET", body=None, headers=None, domain="localhost"):
        host = f"{self.id}.execute-api.{REGION}.{domain}:{self.server.port}"
        return send(self.server, method, f"/{self.stage}{path}", body, {"Host": host, **(headers or {})})


def send(server, method, target, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    if isinstance(body, dict):
        body = json.dumps(body)
        headers = {"Content-Type": "application/json", **headers}
    try:
        connection.request(method, target, body=body, headers=headers)
        return Answer(connection.getresponse())
    finally:
        connection.close()
