"""What templates read from outside of themselves: parameters and secrets, and the resources that make them."""

import json
import re

import pytest
from errors import refusal
from program import ACCOUNT


@pytest.fixture
def stacks(server):
    return server.client("cloudformation")


def parameter(value, **properties):
    return {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value, **properties}}


def template(resources, **sections):
    return json.dumps({"Resources": resources, **sections})


def settled(stacks, name, action, **request):
    """The stack once it has come to rest."""
    getattr(stacks, f"{action}_stack")(StackName=name, **request)
    for _ in range(200):
        (stack,) = stacks.describe_stacks(StackName=name)["Stacks"]
        if not stack["StackStatus"].endswith("_IN_PROGRESS"):
            return stack
    raise AssertionError(f"{name} stays {stack['StackStatus']}")


GENERATED = {
    "Type": "AWS::SecretsManager::Secret",
    "Properties": {
        "GenerateSecretString": {
            "SecretStringTemplate": '{"user":"admin"}',
            "GenerateStringKey": "password",
            "PasswordLength": "20",
            "ExcludePunctuation": True,
        },
        "Tags": [{"Key": "a", "Value": "b"}],
    },
}


def test_a_generated_secret_is_read_by_the_stack_that_made_it(server, stacks, name):
    joined = {"Fn::Join": ["", ["{{resolve:secretsmanager:", {"Ref": "Db"}, ":SecretString:password::}}"]]}
    body = template({"Db": GENERATED, "P": parameter(joined)}, Outputs={"Arn": {"Value": {"Ref": "Db"}}})
    stack = settled(stacks, name, "create", TemplateBody=body)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.describe_stack_events(StackName=name)
    arn = stack["Outputs"][0]["OutputValue"]
    assert re.fullmatch(rf"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:Db-[A-Za-z0-9]{{12}}-[A-Za-z0-9]{{6}}", arn)
    secrets = server.client("secretsmanager")
    value = json.loads(secrets.get_secret_value(SecretId=arn)["SecretString"])
    assert value["user"] == "admin" and re.fullmatch(r"[A-Za-z0-9]{20}", value["password"])
    (made,) = [r for r in stacks.list_stack_resources(StackName=name)["StackResourceSummaries"] if r["LogicalResourceId"] == "P"]
    ssm = server.client("ssm")
    assert ssm.get_parameter(Name=made["PhysicalResourceId"])["Parameter"]["Value"] == value["password"]
    assert value["password"] not in json.dumps(stacks.get_template(StackName=name)["TemplateBody"])
    # What was generated stays while nothing asks for something else.
    body = template({"Db": {**GENERATED, "Properties": {**GENERATED["Properties"], "Description": "d"}}, "P": parameter(joined)})
    assert settled(stacks, name, "update", TemplateBody=body)["StackStatus"] == "UPDATE_COMPLETE"
    assert json.loads(secrets.get_secret_value(SecretId=arn)["SecretString"]) == value
    stacks.delete_stack(StackName=name)
    stacks.get_waiter("stack_delete_complete").wait(StackName=name)
    assert refusal(secrets.describe_secret, SecretId=arn)[1] == "ResourceNotFoundException"
    assert refusal(ssm.get_parameter, Name=made["PhysicalResourceId"])[1] == "ParameterNotFound"


def test_parameters_come_into_templates_in_two_ways(server, stacks, name):
    ssm = server.client("ssm")
    ssm.put_parameter(Name=f"/{name}/in", Value="one", Type="String")
    ssm.put_parameter(Name=f"/{name}/in", Value="two", Overwrite=True)
    body = template(
        {"P": parameter(f"{{{{resolve:ssm:/{name}/in:1}}}}", Name=f"/{name}/out"), "Q": parameter({"Ref": "In"})},
        Parameters={"In": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": f"/{name}/in"}},
        Outputs={"Q": {"Value": {"Fn::GetAtt": ["Q", "Value"]}}},
    )
    stack = settled(stacks, name, "create", TemplateBody=body)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stack["Outputs"][0]["OutputValue"] == "two"
    assert stack["Parameters"][0]["ResolvedValue"] == "two"
    assert ssm.get_parameter(Name=f"/{name}/out")["Parameter"]["Value"] == "one"
    stacks.delete_stack(StackName=name)


def test_references_to_nothing(server, stacks, name):
    body = template(
        {"Q": parameter({"Ref": "In"})},
        Parameters={"In": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": f"/{name}/nobody"}},
    )
    status, code, message = refusal(stacks.create_stack, StackName=name, TemplateBody=body)
    assert (status, code) == (400, "ValidationError")
    assert message == f"Unable to fetch parameters [/{name}/nobody] from parameter store for this account."
    hidden = f"/{name}/hidden"
    server.client("ssm").put_parameter(Name=hidden, Value="x", Type="SecureString")
    for n, reference in enumerate(
        (
            f"{{{{resolve:ssm:/{name}/nobody}}}}",
            f"{{{{resolve:ssm:{hidden}}}}}",
            "{{resolve:secretsmanager:nobody}}",
            "{{resolve:nothing:x}}",
        )
    ):
        stack = settled(stacks, f"{name}-{n}", "create", TemplateBody=template({"P": parameter(reference)}))
        assert stack["StackStatus"] == "ROLLBACK_COMPLETE", reference
        stacks.delete_stack(StackName=f"{name}-{n}")
    for n, resource in enumerate(
        (
            parameter("x", Type="SecureString"),
            {"Type": "AWS::SecretsManager::Secret", "Properties": {"SecretString": "x", "GenerateSecretString": {}}},
            {"Type": "AWS::SecretsManager::Secret", "Properties": {"GenerateSecretString": {"SecretStringTemplate": "{}"}}},
        )
    ):
        stack = settled(stacks, f"{name}-r{n}", "create", TemplateBody=template({"P": resource}))
        assert stack["StackStatus"] == "ROLLBACK_COMPLETE", resource
        stacks.delete_stack(StackName=f"{name}-r{n}")
    unknown = {"Type": "AWS::SecretsManager::RotationSchedule", "Properties": {}}
    assert refusal(stacks.create_stack, StackName=name, TemplateBody=template({"P": unknown}))[1] == "ValidationError"
