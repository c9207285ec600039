"""APIs from templates: what a stack makes is served, changes with it, and goes with it."""

import json
import urllib.request

from errors import refusal

TEMPLATE = {
    "Parameters": {"Answer": {"Type": "String", "Default": "one"}},
    "Resources": {
        "Api": {
            "Type": "AWS::ApiGateway::RestApi",
            "Properties": {"Name": "stacked", "EndpointConfiguration": {"Types": ["REGIONAL"]}},
        },
        "Greeting": {
            "Type": "AWS::ApiGateway::Resource",
            "Properties": {
                "RestApiId": {"Ref": "Api"},
                "ParentId": {"Fn::GetAtt": ["Api", "RootResourceId"]},
                "PathPart": "greeting",
            },
        },
        "Get": {
            "Type": "AWS::ApiGateway::Method",
            "Properties": {
                "RestApiId": {"Ref": "Api"},
                "ResourceId": {"Ref": "Greeting"},
                "HttpMethod": "GET",
                "AuthorizationType": "NONE",
                "ApiKeyRequired": "true",
                "MethodResponses": [{"StatusCode": 200}],
                "Integration": {
                    "Type": "MOCK",
                    "RequestTemplates": {"application/json": '{"statusCode": 200}'},
                    "IntegrationResponses": [
                        {
                            "StatusCode": "200",
                            "ResponseTemplates": {"application/json": {"Fn::Sub": '{"answer": "${Answer}"}'}},
                        }
                    ],
                },
            },
        },
        "Deployment": {
            "Type": "AWS::ApiGateway::Deployment",
            "DependsOn": ["Get"],
            "Properties": {"RestApiId": {"Ref": "Api"}},
        },
        "Stage": {
            "Type": "AWS::ApiGateway::Stage",
            "Properties": {
                "RestApiId": {"Ref": "Api"},
                "DeploymentId": {"Ref": "Deployment"},
                "StageName": "prod",
                "MethodSettings": [{"ResourcePath": "/*", "HttpMethod": "*", "ThrottlingRateLimit": "100"}],
            },
        },
        "Key": {
            "Type": "AWS::ApiGateway::ApiKey",
            "Properties": {"Name": "stacked", "Value": "QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Enabled": "true"},
        },
        "Plan": {
            "Type": "AWS::ApiGateway::UsagePlan",
            "Properties": {"ApiStages": [{"ApiId": {"Ref": "Api"}, "Stage": {"Ref": "Stage"}}]},
        },
        "PlanKey": {
            "Type": "AWS::ApiGateway::UsagePlanKey",
            "Properties": {"KeyId": {"Ref": "Key"}, "KeyType": "API_KEY", "UsagePlanId": {"Ref": "Plan"}},
        },
    },
    "Outputs": {"Api": {"Value": {"Ref": "Api"}}, "Stage": {"Value": {"Ref": "Stage"}}},
}


def get(server, api, key):
    request = urllib.request.Request(f"{server.endpoint}/_apis/{api}/prod/greeting", headers={"x-api-key": key})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def outputs(stacks, name):
    stack = stacks.describe_stacks(StackName=name)["Stacks"][0]
    return {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}


def test_a_stack_serves_its_api(server, name):
    stacks, gateway = server.client("cloudformation"), server.client("apigateway")
    stacks.create_stack(StackName=name, TemplateBody=json.dumps(TEMPLATE))
    stacks.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    made = outputs(stacks, name)
    key = TEMPLATE["Resources"]["Key"]["Properties"]["Value"]
    assert get(server, made["Api"], key) == {"answer": "one"}
    stage = gateway.get_stage(restApiId=made["Api"], stageName="prod")
    assert stage["methodSettings"]["*/*"]["throttlingRateLimit"] == 100

    # A deployment is a copy: a change of the method alone is not seen, a new deployment shows it.
    again = json.loads(json.dumps(TEMPLATE))
    two = [{"ParameterKey": "Answer", "ParameterValue": "two"}]
    stacks.update_stack(StackName=name, TemplateBody=json.dumps(again), Parameters=two)
    stacks.get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    assert get(server, made["Api"], key) == {"answer": "one"}
    again["Resources"]["Next"] = again["Resources"].pop("Deployment")
    again["Resources"]["Stage"]["Properties"]["DeploymentId"] = {"Ref": "Next"}
    stacks.update_stack(StackName=name, TemplateBody=json.dumps(again), Parameters=two)
    stacks.get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    assert get(server, made["Api"], key) == {"answer": "two"}
    assert len(gateway.get_deployments(restApiId=made["Api"])["items"]) == 1

    stacks.delete_stack(StackName=name)
    stacks.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    assert refusal(gateway.get_rest_api, restApiId=made["Api"])[0] == 404
    assert gateway.get_api_keys(nameQuery="stacked")["items"] == []


def test_a_stack_refuses_what_the_api_refuses(server, name):
    stacks = server.client("cloudformation")
    wrong = json.loads(json.dumps(TEMPLATE))
    wrong["Resources"]["Key"]["Properties"] = {"Value": "short"}
    stacks.create_stack(StackName=name, TemplateBody=json.dumps(wrong), OnFailure="DO_NOTHING")
    reasons = []
    while not reasons:
        events = stacks.describe_stack_events(StackName=name)["StackEvents"]
        failed = [one for one in events if one["ResourceStatus"] == "CREATE_FAILED" and one["LogicalResourceId"] == "Key"]
        reasons = [one["ResourceStatusReason"] for one in failed]
    assert "API Key value should be at least 20 characters" in reasons[0]
    stacks.delete_stack(StackName=name)
    stacks.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1})


def serverless(bucket, role):
    function = {"CodeUri": f"s3://{bucket}/code.zip", "Handler": "proxy", "Runtime": "provided.al2023", "Role": role}
    events = {
        "Create": {"Type": "Api", "Properties": {"Path": "/orders/{id}", "Method": "post"}},
        "Rest": {"Type": "Api", "Properties": {"Path": "/{proxy+}", "Method": "any"}},
    }
    return {
        "Transform": "AWS::Serverless-2016-10-31",
        "Globals": {"Api": {"Cors": "'*'"}},
        "Resources": {
            "Orders": {"Type": "AWS::Serverless::Function", "Properties": {**function, "Events": events}},
        },
        "Outputs": {
            "Api": {"Value": {"Ref": "ServerlessRestApi"}},
            "Url": {
                "Value": {"Fn::Sub": "https://${ServerlessRestApi}.execute-api.${AWS::Region}.amazonaws.com/Prod"}
            },
        },
    }


def test_functions_without_an_api_are_reached_through_one(server, role, code, name):
    stacks, s3 = server.client("cloudformation"), server.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="code.zip", Body=code)
    template = json.dumps(serverless(name, role))
    stacks.create_stack(StackName=name, TemplateBody=template, Capabilities=["CAPABILITY_AUTO_EXPAND"])
    stacks.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    made = outputs(stacks, name)
    assert made["Url"] == f"https://{made['Api']}.execute-api.us-east-1.amazonaws.com/Prod"
    base = f"{server.endpoint}/_apis/{made['Api']}/Prod"
    for method, path, resource in [("POST", "/orders/7", "/orders/{id}"), ("PUT", "/a/b", "/{proxy+}")]:
        request = urllib.request.Request(base + path, method=method, data=b"x")
        with urllib.request.urlopen(request) as answer:
            event = json.load(answer)
        assert (event["resource"], event["httpMethod"], event["path"]) == (resource, method, path)
    request = urllib.request.Request(base + "/orders/7", method="OPTIONS")
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Access-Control-Allow-Methods"] == "OPTIONS,POST"
    stacks.delete_stack(StackName=name)
    stacks.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    s3.delete_object(Bucket=name, Key="code.zip")
    s3.delete_bucket(Bucket=name)
