"""Stacks through boto3: their life cycle, what is refused, and what a kill in their middle leaves."""

import json
import threading

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from errors import refusal
from functions import TRUST_LAMBDA, allow, create_role, invoke
from program import ACCOUNT, until


def template(resources, **sections):
    return json.dumps({"Resources": resources, **sections})


def rule(pattern="a", **attributes):
    return {"Type": "AWS::Events::Rule", "Properties": {"EventPattern": {"source": [pattern]}}, **attributes}


def group(name=None, **attributes):
    return {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": name} if name else {}, **attributes}


@pytest.fixture
def stacks(server):
    return server.client("cloudformation")


def status(stacks, name):
    return stacks.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]


def created(stacks, name, body, **how):
    stacks.create_stack(StackName=name, TemplateBody=body, **how)
    stacks.get_waiter("stack_create_complete").wait(StackName=name)


def test_a_stack_lives_from_create_to_delete(server, stacks, name):
    created(
        stacks,
        name,
        template({"R": rule(), "G": group(name)}, Outputs={"Arn": {"Value": {"Fn::GetAtt": ["R", "Arn"]}}}),
    )
    (stack,) = stacks.describe_stacks(StackName=name)["Stacks"]
    assert stack["StackId"].startswith(f"arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack/{name}/")
    assert stack["EnableTerminationProtection"] is False and stack["CreationTime"]
    arn = stack["Outputs"][0]["OutputValue"]
    events = server.client("events")
    assert events.describe_rule(Name=arn.rsplit("/")[-1])["Arn"] == arn
    resources = stacks.describe_stack_resources(StackName=name)["StackResources"]
    assert {found["LogicalResourceId"]: found["ResourceStatus"] for found in resources} == dict.fromkeys(
        "GR", "CREATE_COMPLETE"
    )

    stacks.update_stack(StackName=name, TemplateBody=template({"R": rule("b")}))
    stacks.get_waiter("stack_update_complete").wait(StackName=name)
    assert json.loads(events.describe_rule(Name=arn.rsplit("/")[-1])["EventPattern"]) == {"source": ["b"]}
    groups = server.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    assert groups == [], "what an update drops is deleted"
    same = {"StackName": name, "TemplateBody": template({"R": rule("b")})}
    assert refusal(stacks.update_stack, **same) == (400, "ValidationError", "No updates are to be performed.")

    stacks.delete_stack(StackName=name)
    stacks.get_waiter("stack_delete_complete").wait(StackName=name)
    missing = (400, "ValidationError", f"Stack with id {name} does not exist")
    assert refusal(stacks.describe_stacks, StackName=name) == missing
    assert status(stacks, stack["StackId"]) == "DELETE_COMPLETE", "one that is gone is found by its ARN"
    assert refusal(events.describe_rule, Name=arn.rsplit("/")[-1])[1] == "ResourceNotFoundException"


def test_parameters_conditions_mappings_and_functions_of_templates(stacks, name):
    body = template(
        {
            "Always": group({"Fn::Join": ["-", [name, {"Fn::FindInMap": ["Names", {"Ref": "Stage"}, "short"]}]]}),
            "Never": group(f"{name}-never", Condition="IsProd"),
        },
        Parameters={"Stage": {"Type": "String", "AllowedValues": ["dev", "prod"]}},
        Mappings={"Names": {"dev": {"short": "d"}, "prod": {"short": "p"}}},
        Conditions={"IsProd": {"Fn::Equals": [{"Ref": "Stage"}, "prod"]}},
        Outputs={
            "Sub": {
                "Value": {
                    "Fn::Sub": [
                        "${X}:${AWS::Region}:${Always}",
                        {"X": {"Fn::Select": [1, {"Fn::Split": [",", "a,b"]}]}},
                    ]
                }
            },
            "If": {"Value": {"Fn::If": ["IsProd", "yes", "no"]}},
        },
    )
    created(stacks, name, body, Parameters=[{"ParameterKey": "Stage", "ParameterValue": "dev"}])
    (stack,) = stacks.describe_stacks(StackName=name)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    assert outputs == {"Sub": f"b:us-east-1:{name}-d", "If": "no"}
    assert [
        found["LogicalResourceId"] for found in stacks.list_stack_resources(StackName=name)["StackResourceSummaries"]
    ] == ["Always"]
    wrong = {
        "StackName": f"{name}-b",
        "TemplateBody": body,
        "Parameters": [{"ParameterKey": "Stage", "ParameterValue": "x"}],
    }
    code, message = refusal(stacks.create_stack, **wrong)[1:]
    assert code == "ValidationError" and "Stage" in message, message


def test_what_fails_is_rolled_back_and_says_why(server, stacks, name):
    server.client("logs").create_log_group(logGroupName=f"{name}-taken")
    body = template({"First": group(f"{name}-first"), "Taken": group(f"{name}-taken", DependsOn="First")})
    stacks.create_stack(StackName=name, TemplateBody=body)
    until(lambda: status(stacks, name) == "ROLLBACK_COMPLETE", "the rollback")
    events = stacks.describe_stack_events(StackName=name)["StackEvents"]
    (failed,) = [event for event in events if event["ResourceStatus"] == "CREATE_FAILED"]
    assert failed["LogicalResourceId"] == "Taken" and "already exists" in failed["ResourceStatusReason"]
    left = [
        found["logGroupName"]
        for found in server.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    ]
    assert left == [f"{name}-taken"], "what the stack had made is gone, what was there before is not"


def test_a_failed_update_goes_back_to_what_was(server, stacks, name):
    server.client("logs").create_log_group(logGroupName=f"{name}-taken")
    created(stacks, name, template({"R": rule("before")}))
    stacks.update_stack(
        StackName=name, TemplateBody=template({"R": rule("after"), "T": group(f"{name}-taken", DependsOn="R")})
    )
    until(lambda: status(stacks, name) == "UPDATE_ROLLBACK_COMPLETE", "the rollback")
    (resource,) = stacks.describe_stack_resources(StackName=name)["StackResources"]
    pattern = server.client("events").describe_rule(Name=resource["PhysicalResourceId"])["EventPattern"]
    assert json.loads(pattern) == {"source": ["before"]}


def test_a_change_set_shows_before_it_does(stacks, name):
    created(stacks, name, template({"R": rule("a"), "G": group()}))
    change = {"StackName": name, "ChangeSetName": "next"}
    stacks.create_change_set(**change, TemplateBody=template({"R": rule("b"), "H": group()}))
    stacks.get_waiter("change_set_create_complete").wait(**change)
    changes = stacks.describe_change_set(**change)["Changes"]
    actions = {found["ResourceChange"]["LogicalResourceId"]: found["ResourceChange"]["Action"] for found in changes}
    assert actions == {"R": "Modify", "G": "Remove", "H": "Add"}
    assert status(stacks, name) == "CREATE_COMPLETE", "nothing has happened yet"
    stacks.execute_change_set(**change)
    stacks.get_waiter("stack_update_complete").wait(StackName=name)
    stacks.create_change_set(
        StackName=name, ChangeSetName="empty", TemplateBody=template({"R": rule("b"), "H": group()})
    )
    empty = stacks.describe_change_set(StackName=name, ChangeSetName="empty")
    assert empty["Status"] == "FAILED" and "The submitted information didn't contain changes." in empty["StatusReason"]
    stacks.delete_change_set(StackName=name, ChangeSetName="empty")
    stacks.delete_change_set(StackName=name, ChangeSetName="empty")
    assert refusal(stacks.describe_change_set, StackName=name, ChangeSetName="empty")[:2] == (404, "ChangeSetNotFound")


@pytest.mark.parametrize(
    "body, says",
    [
        ("{", "format error"),
        ("Resources: [", "format error"),
        (template({}), "At least one Resources member must be defined"),
        (template({"A": {"Type": "AWS::Nothing::Here"}}), "AWS::Nothing::Here"),
        (template({"A": group(DependsOn="B"), "B": group(DependsOn="A")}), "Circular dependency between resources"),
        (
            template({"A": group({"Fn::GetAtt": ["B", "Arn"]}), "B": group({"Ref": "A"})}),
            "Circular dependency between resources",
        ),
        (template({"A": group({"Ref": "Nowhere"})}), "Nowhere"),
        (template({"A": group({"Fn::Nothing": "x"})}), "Fn::Nothing"),
        (template({"A": group()}, Transform="Own::Macro"), "Own::Macro"),
        ("[" * 10_000, "format error"),
        ('{"Resources":' + '{"a":' * 10_000 + "1" + "}" * 10_001, ""),
    ],
)
def test_a_template_that_cannot_be_is_refused_at_once(stacks, name, body, says):
    code, message = refusal(stacks.create_stack, StackName=name, TemplateBody=body)[1:]
    assert code == "ValidationError" and says in message, (code, message)
    assert refusal(stacks.describe_stacks, StackName=name)[1] == "ValidationError", "no stack was made"


def test_a_property_that_is_not_known_is_refused_by_name(stacks, name):
    unknown = {"Type": "AWS::Logs::LogGroup", "Properties": {"Colour": "red"}}
    try:
        stacks.create_stack(StackName=name, TemplateBody=template({"A": unknown}))
    except ClientError as error:
        assert "Colour" in error.response["Error"]["Message"]
        return
    until(lambda: status(stacks, name).startswith("ROLLBACK"), "the refusal")
    assert "Colour" in json.dumps(stacks.describe_stack_events(StackName=name)["StackEvents"], default=str)


def test_roles_need_to_be_acknowledged(stacks, name):
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST_LAMBDA}}
    body = template({"Role": role})
    expect = (400, "InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_IAM]")
    assert refusal(stacks.create_stack, StackName=name, TemplateBody=body) == expect
    created(stacks, name, body, Capabilities=["CAPABILITY_IAM"])


def test_stacks_and_events_are_listed_page_by_page(stacks, name):
    for n in range(3):
        created(stacks, f"{name}-{n}", template({f"G{m}": group() for m in range(4)}))
    pages = stacks.get_paginator("list_stacks").paginate(StackStatusFilter=["CREATE_COMPLETE"])
    assert {f"{name}-{n}" for n in range(3)} <= {
        stack["StackName"] for page in pages for stack in page["StackSummaries"]
    }
    pages = stacks.get_paginator("describe_stack_events").paginate(StackName=f"{name}-0")
    events = [event for page in pages for event in page["StackEvents"]]
    assert len(events) >= 10 and len({event["EventId"] for event in events}) == len(events)
    assert [event["Timestamp"] for event in events] == sorted((event["Timestamp"] for event in events), reverse=True)


def test_the_original_text_of_a_template_is_kept(stacks, name):
    body = "Resources:\n  G: {Type: 'AWS::Logs::LogGroup'}  # a comment\n"
    created(stacks, name, body)
    assert stacks.get_template(StackName=name, TemplateStage="Original")["TemplateBody"] == body
    assert stacks.validate_template(TemplateBody=body)["Parameters"] == []


def test_a_protected_stack_stays(stacks, name):
    created(stacks, name, template({"G": group()}), EnableTerminationProtection=True)
    code, message = refusal(stacks.delete_stack, StackName=name)[1:]
    assert code == "ValidationError" and "TerminationProtection is enabled" in message
    stacks.update_termination_protection(StackName=name, EnableTerminationProtection=False)
    stacks.delete_stack(StackName=name)
    stacks.get_waiter("stack_delete_complete").wait(StackName=name)


def chain(length, code_bucket):
    """A function and a long row of resources of which each waits for the one before."""
    resources = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST_LAMBDA}},
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": "provided.al2023",
                "Handler": "echo",
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Code": {"S3Bucket": code_bucket, "S3Key": "code.zip"},
            },
        },
    }
    before = "Function"
    for n in range(length):
        resources[f"G{n}"] = group(DependsOn=before)
        before = f"G{n}"
    return template(resources)


@pytest.mark.parametrize("progress", [1, 3, 8])
def test_a_stack_whose_creation_was_killed_settles_after_the_restart(own_server, code, progress):
    server = own_server
    s3 = server.client("s3")
    s3.create_bucket(Bucket="code")
    s3.put_object(Bucket="code", Key="code.zip", Body=code)
    body = chain(30, "code")

    def create():
        try:
            server.client("cloudformation").create_stack(
                StackName="killed", TemplateBody=body, Capabilities=["CAPABILITY_IAM"]
            )
        except BotoCoreError:
            pass  # The server was killed before it could answer.

    creating = threading.Thread(target=create)
    creating.start()
    stacks = server.client("cloudformation")

    def made():
        try:
            events = stacks.describe_stack_events(StackName="killed")["StackEvents"]
        except ClientError:
            return 0
        return sum(event["ResourceStatus"] == "CREATE_COMPLETE" for event in events)

    until(lambda: made() >= progress, "some of the resources")
    server.kill()
    creating.join()
    server.start()

    stacks = server.client("cloudformation")
    until(lambda: not status(stacks, "killed").endswith("IN_PROGRESS"), "the stack's rest")
    assert status(stacks, "killed") == "CREATE_COMPLETE"
    resources = stacks.describe_stack_resources(StackName="killed")["StackResources"]
    assert len(resources) == 32
    groups = {found["logGroupName"] for found in server.client("logs").describe_log_groups()["logGroups"]}
    physical = {found["PhysicalResourceId"] for found in resources if found["ResourceType"] == "AWS::Logs::LogGroup"}
    assert physical == {found for found in groups if found.startswith("killed-")}, "each was made once"
    (function,) = [found["PhysicalResourceId"] for found in resources if found["LogicalResourceId"] == "Function"]
    assert [found["FunctionName"] for found in server.client("lambda").list_functions()["Functions"]] == [function]
    assert invoke(server, function, "alive")[0] == "alive"
    stacks.delete_stack(StackName="killed")
    stacks.get_waiter("stack_delete_complete").wait(StackName="killed")
    assert server.client("lambda").list_functions()["Functions"] == []


@pytest.mark.parametrize("resource", [rule(), group(), {"Type": "AWS::S3::Bucket"}, {"Type": "AWS::IAM::User"}])
def test_a_stack_may_do_no_more_than_whoever_deploys_it(server, name, resource):
    anybody = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    trust = {"Version": "2012-10-17", "Statement": [anybody]}
    role = create_role(server, name, allow("cloudformation:*"), trust=trust)
    keys = server.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    pair = keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]
    stacks = server.client("cloudformation", *pair)
    stacks.create_stack(StackName=name, TemplateBody=template({"R": resource}), Capabilities=["CAPABILITY_IAM"])
    until(lambda: status(stacks, name) == "ROLLBACK_COMPLETE", "the rollback")
    events = stacks.describe_stack_events(StackName=name)["StackEvents"]
    (failed,) = [event for event in events if event["ResourceStatus"] == "CREATE_FAILED"]
    assert "is not authorized to perform" in failed["ResourceStatusReason"], failed
