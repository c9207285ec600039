"""Events on their way: from PutEvents through buses, rules and targets to a function's log."""

import json
import subprocess

import pytest
from errors import refusal
from functions import (
    TRUST_LAMBDA,
    allow,
    allow_rule,
    create_role,
    events_logged,
    invoke,
    logged,
    put_event,
    route,
)
from program import ACCOUNT, BINARY, own_environment, until
from signing import call

ENTRY = {"Source": "test.events", "DetailType": "t", "Detail": "{}"}


def arrived(server, function, count):
    """The first `count` events that a printing function was invoked with, once they are there."""
    return until(
        lambda: events_logged(server, function)[count - 1 :] and events_logged(server, function), f"{count} events"
    )


def test_an_event_goes_from_the_command_line_to_the_log(server, aws, function, name):
    own = function("print")
    route(server, name, own, {"source": [name], "detail": {"result": ["approved"]}})
    entry = {
        "Source": name,
        "DetailType": "transaction",
        "Resources": ["arn:aws:x:y:z:1:r"],
        "Detail": '{"result":"approved"}',
    }
    put = aws("events", "put-events", "--entries", json.dumps([entry]))
    assert put["FailedEntryCount"] == 0
    arrived(server, own, 1)
    (found,) = aws("logs", "filter-log-events", "--log-group-name", f"/aws/lambda/{own}", "--filter-pattern", name)[
        "events"
    ]
    event = json.loads(found["message"])
    assert event.pop("time").endswith("Z")
    assert event == {
        "version": "0",
        "id": put["Entries"][0]["EventId"],
        "detail-type": "transaction",
        "source": name,
        "account": ACCOUNT,
        "region": "us-east-1",
        "resources": ["arn:aws:x:y:z:1:r"],
        "detail": {"result": "approved"},
    }


def test_a_rule_gets_what_matches_and_nothing_else(server, function, name):
    own = function("print")
    pattern = {
        "source": [name],
        "detail": {
            "amount": [{"numeric": [">", 0, "<=", 100]}],
            "place": [{"prefix": "MA-"}, {"anything-but": {"suffix": "-TEST"}}],
            "note": [{"exists": False}],
            "$or": [{"result": ["approved"]}, {"score": [{"numeric": ["=", 1]}]}],
        },
    }
    route(server, name, own, pattern)
    good = {"amount": 100, "place": "MA-BOS-TEST", "result": "approved"}
    put_event(server, name, {**good, "amount": 100.001})
    put_event(server, name, {**good, "amount": "100"})
    put_event(server, name, {**good, "place": "NY-TEST"})
    put_event(server, name, {**good, "note": None})
    put_event(server, name, {**good, "result": "denied"})
    put_event(server, f"{name}.other", good)
    first = put_event(server, name, good)
    second = put_event(server, name, {**good, "result": "denied", "score": 1.0, "place": "LA"})
    last = put_event(server, name, {**good, "amount": 1e-3})
    assert {event["id"] for event in arrived(server, own, 3)} == {first, second, last}


def test_every_target_of_every_matching_rule_gets_the_event(server, function, name):
    one, other = function("print"), function("print")
    route(server, f"{name}-a", one, {"source": [name]})
    route(server, f"{name}-b", other, {"detail-type": [name]})
    event = put_event(server, name, {}, detail_type=name)
    assert arrived(server, one, 1)[0]["id"] == arrived(server, other, 1)[0]["id"] == event


def test_the_input_of_a_target_is_what_was_asked_for(server, function, name):
    events = server.client("events")
    functions = [function("print") for _ in range(4)]
    rule = events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))["RuleArn"]
    transformer = {
        "InputPathsMap": {"amount": "$.detail.amount", "first": "$.detail.list[0]"},
        "InputTemplate": '{"sum": <amount>, "text": "<first> by <aws.events.rule-name>", "whole": <aws.events.event>}',
    }
    inputs = [{"Input": '{"constant":1}'}, {"InputPath": "$.detail"}, {"InputTransformer": transformer}, {}]
    targets = []
    for n, given in enumerate(inputs):
        allow_rule(server, functions[n], rule)
        targets.append({"Id": str(n), "Arn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{functions[n]}", **given})
    assert events.put_targets(Rule=name, Targets=targets)["FailedEntryCount"] == 0
    listed = events.list_targets_by_rule(Rule=name)["Targets"]
    assert sorted(listed, key=lambda target: target["Id"]) == targets
    detail = {"amount": 12.5, "list": ["x", "y"]}
    put_event(server, name, detail)
    whole = arrived(server, functions[3], 1)[0]
    assert arrived(server, functions[0], 1) == [{"constant": 1}]
    assert arrived(server, functions[1], 1) == [detail]
    expect = {"sum": 12.5, "text": f"x by {name}"}
    transformed = arrived(server, functions[2], 1)[0]
    assert transformed.pop("whole")["id"] == whole["id"] and transformed == expect


def test_a_disabled_rule_is_silent(server, function, name):
    own = function("print")
    route(server, name, own, {"source": [name]})
    events = server.client("events")
    events.disable_rule(Name=name)
    assert events.describe_rule(Name=name)["State"] == "DISABLED"
    put_event(server, name, {"while": "disabled"})
    events.enable_rule(Name=name)
    event = put_event(server, name, {"while": "enabled"})
    assert [found["id"] for found in arrived(server, own, 1)] == [event]


def test_buses_are_apart(server, function, name):
    events = server.client("events")
    bus = events.create_event_bus(Name=name)["EventBusArn"]
    own = function("print")
    route(server, name, own, {"source": [name]}, bus=name)
    put_event(server, name, {}, bus="default")
    by_name, by_arn = put_event(server, name, {}, bus=name), put_event(server, name, {}, bus=bus)
    assert {event["id"] for event in arrived(server, own, 2)} == {by_name, by_arn}
    assert refusal(events.create_event_bus, Name=name)[:2] == (400, "ResourceAlreadyExistsException")
    assert refusal(events.delete_event_bus, Name=name)[:2] == (400, "ValidationException")


def test_a_bus_may_be_a_target(server, function, name):
    events = server.client("events")
    bus = events.create_event_bus(Name=name)["EventBusArn"]
    own = function("print")
    route(server, name, own, {"source": [name]}, bus=name)
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
    events.put_targets(Rule=name, Targets=[{"Id": "bus", "Arn": bus}])
    event = put_event(server, name, {"n": 1})
    assert [found["id"] for found in arrived(server, own, 1)] == [event]


def test_a_bus_has_a_policy_that_counts(server, name):
    trust = {
        **TRUST_LAMBDA,
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}],
    }
    role = create_role(server, name, trust=trust)
    keys = server.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    guest = server.client("events", keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    events = server.client("events")
    bus = events.create_event_bus(Name=name)["EventBusArn"]
    entries = [{**ENTRY, "EventBusName": name}]
    assert refusal(guest.put_events, Entries=entries)[1] == "AccessDeniedException"

    def put(effect, principal):
        statement = {
            "Sid": "s",
            "Effect": effect,
            "Principal": {"AWS": principal},
            "Action": "events:PutEvents",
            "Resource": bus,
        }
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        events.put_permission(EventBusName=name, Policy=json.dumps(policy))

    put("Allow", role)
    assert guest.put_events(Entries=entries)["FailedEntryCount"] == 0
    assert json.loads(events.describe_event_bus(Name=name)["Policy"])["Statement"][0]["Sid"] == "s"
    put("Deny", role)
    status, code, message = refusal(guest.put_events, Entries=entries)
    assert (status, code) == (400, "AccessDeniedException")
    assert message.endswith("with an explicit deny in a resource-based policy"), message
    events.remove_permission(EventBusName=name, RemoveAllPermissions=True)
    assert "Policy" not in events.describe_event_bus(Name=name)


def test_entries_fail_one_by_one(server, function, name):
    own = function("print")
    route(server, name, own, {"source": [name]})
    good = {"Source": name, "DetailType": "t", "Detail": "{}"}
    entries = [
        good,
        {**good, "Detail": "{"},
        {**good, "Detail": "[]"},
        {"DetailType": "t", "Detail": "{}"},
        {**good, "Source": "aws.mine"},
        {"Source": name, "Detail": "{}"},
        {**good, "Detail": '{"last":true}'},
    ]
    answer = server.client("events").put_events(Entries=entries)
    assert answer["FailedEntryCount"] == 5
    codes = [entry.get("ErrorCode") for entry in answer["Entries"]]
    malformed, missing = "MalformedDetail", "InvalidArgument"
    assert codes == [None, malformed, malformed, missing, "NotAuthorizedForSourceException", missing, None]
    for entry in answer["Entries"]:
        assert ("EventId" in entry) != ("ErrorMessage" in entry)
    assert {event["id"] for event in arrived(server, own, 2)} == {answer["Entries"][n]["EventId"] for n in (0, 6)}


def test_a_call_has_between_one_and_ten_entries(server):
    put = server.client("events").put_events
    status, code, message = refusal(put, Entries=[])
    assert (status, code) == (400, "ValidationException") and "'entries'" in message, message
    status, code, message = refusal(put, Entries=[ENTRY] * 11)
    assert (status, code) == (400, "ValidationException")
    assert "Member must have length less than or equal to 10" in message, message


def test_rules_are_listed_page_by_page(server, name):
    events = server.client("events")
    for n in range(5):
        events.put_rule(Name=f"{name}-{n}", EventPattern='{"source":["a"]}', Description="ñ")
    pages = list(events.get_paginator("list_rules").paginate(NamePrefix=name, PaginationConfig={"PageSize": 2}))
    assert [len(page["Rules"]) for page in pages] == [2, 2, 1]
    assert [rule["Name"] for page in pages for rule in page["Rules"]] == [f"{name}-{n}" for n in range(5)]
    assert pages[0]["Rules"][0]["Description"] == "ñ"


def test_a_schedule_is_kept(server, name):
    events = server.client("events")
    for n, expression in enumerate(["rate(1 minute)", "rate(5 minutes)", "cron(0 12 ? * MON-FRI *)"]):
        arn = events.put_rule(Name=f"{name}-{n}", ScheduleExpression=expression)["RuleArn"]
        rule = events.describe_rule(Name=f"{name}-{n}")
        assert (rule["Arn"], rule["ScheduleExpression"], rule["State"]) == (arn, expression, "ENABLED")


@pytest.mark.parametrize(
    "expression",
    ["rate(1 minutes)", "rate(5 minute)", "rate(0 minutes)", "cron(* * * * * *)", "every day", "cron(61 * * * ? *)"],
)
def test_a_schedule_that_does_not_read_is_refused(server, name, expression):
    status, code, message = refusal(server.client("events").put_rule, Name=name, ScheduleExpression=expression)
    assert (status, code, message) == (400, "ValidationException", "Parameter ScheduleExpression is not valid.")


def test_a_schedule_belongs_to_the_default_bus(server, name):
    events = server.client("events")
    events.create_event_bus(Name=name)
    expect = (400, "ValidationException", "ScheduleExpression is supported only on the default event bus.")
    assert refusal(events.put_rule, Name=name, EventBusName=name, ScheduleExpression="rate(1 minute)") == expect


def test_a_rule_goes_after_its_targets(server, function, name):
    own = function("print")
    route(server, name, own, {"source": [name]})
    events = server.client("events")
    arn = events.describe_rule(Name=name)["Arn"]
    target = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{own}"
    assert events.list_rule_names_by_target(TargetArn=target)["RuleNames"] == [name]
    assert refusal(events.delete_rule, Name=name) == (
        400,
        "ValidationException",
        "Rule can't be deleted since it has targets.",
    )
    assert events.remove_targets(Rule=name, Ids=["1"])["FailedEntryCount"] == 0
    events.delete_rule(Name=name)
    missing = f"Rule {name} does not exist on EventBus default."
    assert refusal(events.describe_rule, Name=name) == (400, "ResourceNotFoundException", missing)
    assert arn.endswith(f":rule/{name}")


def test_a_pattern_is_tried_before_it_is_used(server):
    events = server.client("events")
    event = {
        "id": "1",
        "source": "a",
        "detail-type": "t",
        "account": ACCOUNT,
        "time": "2026-11-22T00:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {"n": 5},
    }

    def test(pattern):
        return events.test_event_pattern(EventPattern=json.dumps(pattern), Event=json.dumps(event))["Result"]

    assert test({"detail": {"n": [{"numeric": [">", 4]}]}})
    assert not test({"detail": {"n": [{"numeric": [">", 5]}]}})
    assert test({"source": [{"wildcard": "*"}], "detail": {"n": [{"exists": True}]}})


@pytest.mark.parametrize(
    "pattern",
    [
        '{"source":',
        "[]",
        '{"source":"a"}',
        '{"source":[]}',
        '{"source":[{"unknown":"a"}]}',
        '{"a":[{"numeric":["<>",1]}]}',
        '{"a":[{"wildcard":"**"}]}',
    ],
)
def test_a_pattern_that_does_not_read_is_refused(server, name, pattern):
    status, code, message = refusal(server.client("events").put_rule, Name=name, EventPattern=pattern)
    assert (status, code) == (400, "InvalidEventPatternException")
    assert message.startswith("Event pattern is not valid. Reason: "), message
    assert refusal(server.client("events").describe_rule, Name=name)[1] == "ResourceNotFoundException"


def test_what_no_target_takes_is_a_dead_letter_with_its_reason(server, function, name):
    own = function("print")
    events = server.client("events")
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
    target = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{own}"
    # The function's policy does not let the rule in.
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": target, "RetryPolicy": {"MaximumRetryAttempts": 0}}])
    event = put_event(server, name, {"n": 1})

    def letters():
        status = json.loads(call(server, "cauce", "Cauce.GetDeliveryStatus", {}).body)
        return [letter for letter in status["DeadLetters"] if event in letter["Payload"]]

    (letter,) = until(letters, "the dead letter")
    assert letter["Target"] == target and letter["Cause"] == f"rule/default/{name}"
    assert "lambda:InvokeFunction" in letter["Reason"], letter
    assert logged(server, own) == []


def test_a_request_s_effects_can_be_traced(server, function, name):
    own = function("print")
    route(server, name, own, {"source": [name]})
    entry = {"Source": name, "DetailType": "t", "Detail": "{}"}
    request = server.client("events").put_events(Entries=[entry])["ResponseMetadata"]["RequestId"]
    arrived(server, own, 1)
    command = [BINARY, "trace", request, "--endpoint", server.endpoint]

    def trace():
        done = subprocess.run(command, env=own_environment(), capture_output=True, text=True, timeout=30)
        return done.stdout if "delivered" in done.stdout else None

    text = until(trace, "the delivery in the trace")
    assert own in text and name in text, text


def test_an_event_sets_off_a_function_that_answers_for_itself_alone(server, function, name):
    """A failing consumer of an event keeps nothing from another."""
    failing, printing = function("fail"), function("print")
    route(server, f"{name}-a", failing, {"source": [name]})
    route(server, f"{name}-b", printing, {"source": [name]})
    ids = {put_event(server, name, {"n": n}) for n in range(10)}
    assert {event["id"] for event in arrived(server, printing, 10)} == ids
    assert invoke(server, failing)[1]["FunctionError"] == "Unhandled"


def test_tags_are_kept(server, name):
    events = server.client("events")
    arn = events.put_rule(Name=name, EventPattern='{"source":["a"]}', Tags=[{"Key": "a", "Value": "1"}])["RuleArn"]
    events.tag_resource(ResourceARN=arn, Tags=[{"Key": "b", "Value": "2"}])
    events.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "b", "Value": "2"}]


def test_events_beyond_a_function_s_concurrency_wait_for_their_turn(server, function, name):
    own = function("late")
    server.client("lambda").put_function_concurrency(FunctionName=own, ReservedConcurrentExecutions=1)
    route(server, name, own, {"source": [name]})
    ids = {put_event(server, name, {"n": n}) for n in range(4)}
    assert {event["id"] for event in arrived(server, own, 4)} == ids


def test_an_invocation_that_failed_for_good_goes_to_its_destination(server, function, name):
    role = create_role(server, name, allow("events:PutEvents"))
    failing, printing = function("fail", Role=role), function("print")
    function_arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{failing}"
    route(server, name, printing, {"source": ["lambda"], "resources": [f"{function_arn}:$LATEST"]})
    client = server.client("lambda")
    client.put_function_event_invoke_config(
        FunctionName=failing,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default"}},
    )
    _, response = invoke(server, failing, {"n": 1}, InvocationType="Event")
    event = arrived(server, printing, 1)[0]
    assert event["detail-type"] == "Lambda Function Invocation Result - Failure"
    detail = event["detail"]
    assert detail["requestContext"]["requestId"] == response["ResponseMetadata"]["RequestId"]
    assert detail["requestContext"]["condition"] == "RetriesExhausted"
    assert detail["requestPayload"] == {"n": 1}
    assert detail["responsePayload"] == {"errorMessage": "as it was told", "errorType": "Test.Failure"}
