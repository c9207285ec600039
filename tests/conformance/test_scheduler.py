"""EventBridge Scheduler with boto3: schedules that really happen under their roles, and what is refused."""

import json

import pytest
from errors import refusal
from functions import allow, create_role, events_logged
from program import ACCOUNT, until

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
OFF = {"Mode": "OFF"}


@pytest.fixture(scope="module")
def scheduler(server):
    return server.client("scheduler")


@pytest.fixture(scope="module")
def planner(server):
    """A role that schedules may assume, and that may do all that these tests want."""
    return create_role(
        server, "planner", allow("lambda:InvokeFunction", "events:PutEvents", "logs:CreateLogGroup"), trust=TRUST
    )


def function_arn(name):
    return f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}"


def test_a_function_is_invoked_at_once_and_with_its_input(server, scheduler, planner, function, name):
    own = function("print")
    target = {"Arn": function_arn(own), "RoleArn": planner, "Input": json.dumps({"marked": name})}
    made = scheduler.create_schedule(
        Name=name, ScheduleExpression="rate(1 hour)", FlexibleTimeWindow=OFF, Target=target
    )
    assert made["ScheduleArn"] == f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule/default/{name}"
    (event,) = until(lambda: events_logged(server, own), "the function has been invoked")
    assert event == {"marked": name}
    found = scheduler.get_schedule(Name=name)
    assert found["Target"] == target
    assert (found["State"], found["ActionAfterCompletion"], found["ScheduleExpressionTimezone"]) == (
        "ENABLED",
        "NONE",
        "UTC",
    )
    scheduler.delete_schedule(Name=name)
    assert refusal(scheduler.get_schedule, Name=name) == (
        404,
        "ResourceNotFoundException",
        f"Schedule {name} does not exist.",
    )


def test_a_universal_target_does_what_its_role_may(server, scheduler, planner, name):
    group = f"/made/{name}"
    scheduler.create_schedule(
        Name=name,
        ScheduleExpression="rate(1 hour)",
        FlexibleTimeWindow=OFF,
        Target={
            "Arn": "arn:aws:scheduler:::aws-sdk:cloudwatchlogs:createLogGroup",
            "RoleArn": planner,
            "Input": json.dumps({"logGroupName": group}),
        },
    )
    logs = server.client("logs")
    until(lambda: logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"], "the log group is there")
    scheduler.delete_schedule(Name=name)


def test_a_role_that_may_not_does_not(server, scheduler, function, name):
    own = function("print")
    poor = create_role(server, f"{name}-poor", trust=TRUST)
    allowed = create_role(server, f"{name}-rich", allow("lambda:InvokeFunction"), trust=TRUST)
    for role in [poor, allowed]:
        scheduler.create_schedule(
            Name=f"{name}-{role[-4:]}",
            ScheduleExpression="rate(1 hour)",
            FlexibleTimeWindow=OFF,
            Target={"Arn": function_arn(own), "RoleArn": role, "Input": json.dumps({"by": role})},
        )
    # The one that comes second arrives, the first never did.
    assert until(lambda: events_logged(server, own), "the allowed one has arrived") == [{"by": allowed}]


def test_groups_and_lists(scheduler, planner, name):
    scheduler.create_schedule_group(Name=name, Tags=[{"Key": "a", "Value": "b"}])
    assert refusal(scheduler.create_schedule_group, Name=name)[:2] == (409, "ConflictException")
    target = {"Arn": function_arn("f"), "RoleArn": planner}
    for n in range(3):
        scheduler.create_schedule(
            Name=f"s{n}",
            GroupName=name,
            State="DISABLED",
            ScheduleExpression="cron(0 3 ? * MON *)",
            ScheduleExpressionTimezone="America/Bogota",
            FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5},
            Target=target,
        )
    pages = scheduler.get_paginator("list_schedules").paginate(GroupName=name, PaginationConfig={"PageSize": 2})
    assert [s["Name"] for page in pages for s in page["Schedules"]] == ["s0", "s1", "s2"]
    arn = scheduler.get_schedule_group(Name=name)["Arn"]
    assert scheduler.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    scheduler.untag_resource(ResourceArn=arn, TagKeys=["a"])
    assert scheduler.list_tags_for_resource(ResourceArn=arn)["Tags"] == []
    scheduler.delete_schedule_group(Name=name)
    assert refusal(scheduler.get_schedule_group, Name=name) == (
        404,
        "ResourceNotFoundException",
        f"Schedule group {name} does not exist.",
    )
    assert refusal(scheduler.get_schedule, Name="s0", GroupName=name)[0] == 404


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ScheduleExpression": "rate(1 hours)"}, "Invalid Schedule Expression rate(1 hours)."),
        ({"ScheduleExpression": "at(2026-02-30T00:00:00)"}, "Invalid Schedule Expression at(2026-02-30T00:00:00)."),
        ({"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}}, "MaximumWindowInMinutes must be specified"),
        ({"StartDate": 1_000_000_000}, "The StartDate you specify cannot be earlier than 5 minutes ago."),
        ({"EndDate": 1_000_000_000}, "The EndDate you specify cannot be in the past."),
        ({"Name": "no spaces"}, "failed to satisfy constraint"),
        ({"Target": {"Arn": "x", "RoleArn": "ROLE"}}, "Provided Arn x is not valid."),
        (
            {"Target": {"Arn": "arn:aws:scheduler:::aws-sdk:lambda:listFunctions", "RoleArn": "ROLE"}},
            "lambda:listFunctions only reads",
        ),
        (
            {"Target": {"Arn": function_arn("f"), "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/nobody"}},
            "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
        ),
    ],
)
def test_what_is_refused(scheduler, planner, changes, message):
    good = {
        "Name": "refused",
        "ScheduleExpression": "rate(1 hour)",
        "FlexibleTimeWindow": OFF,
        "Target": {"Arn": function_arn("f"), "RoleArn": planner},
    }
    wanted = json.loads(json.dumps({**good, **changes}).replace('"ROLE"', f'"{planner}"'))
    status, code, said = refusal(scheduler.create_schedule, **wanted)
    assert (status, code) == (400, "ValidationException")
    assert message in said
    assert refusal(scheduler.get_schedule, Name="refused")[0] in (400, 404)


def test_schedules_outlive_the_program(own_server):
    scheduler, iam = own_server.client("scheduler"), own_server
    role = create_role(iam, "planner", allow("logs:CreateLogGroup"), trust=TRUST)
    for name, expression in [("hourly", "rate(1 hour)"), ("once", "at(2040-01-01T00:00:00)")]:
        scheduler.create_schedule(
            Name=name,
            ScheduleExpression=expression,
            FlexibleTimeWindow=OFF,
            Target={
                "Arn": "arn:aws:scheduler:::aws-sdk:cloudwatchlogs:createLogGroup",
                "RoleArn": role,
                "Input": json.dumps({"logGroupName": f"/made/{name}"}),
            },
        )
    own_server.kill()
    own_server.start()
    scheduler = own_server.client("scheduler")
    assert [s["Name"] for s in scheduler.list_schedules()["Schedules"]] == ["hourly", "once"]
    logs = own_server.client("logs")
    # Whether it happened before the end or after it: it did happen.
    until(lambda: logs.describe_log_groups(logGroupNamePrefix="/made/hourly")["logGroups"], "it has happened")
