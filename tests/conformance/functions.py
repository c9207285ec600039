"""Deploying the test function (`tests/functions/bootstrap.rs`) and looking at what it did."""

import io
import json
import subprocess
import zipfile

from program import ROOT

TRUST_LAMBDA = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}

TRUST_GATEWAY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def compile_bootstrap(folder):
    """The package of the test function, built anew."""
    binary = folder / "bootstrap"
    source = ROOT / "tests/functions/bootstrap.rs"
    subprocess.run(["rustc", "-O", "--edition", "2024", "-C", "strip=symbols", "-o", binary, source], check=True)
    return package({"bootstrap": binary.read_bytes()})


def package(files):
    """A zip of executable files."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o755 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            zipped.writestr(entry, content)
    return archive.getvalue()


def allow(*actions, resource="*"):
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


def deny(*actions, resource="*"):
    return {"Effect": "Deny", "Action": list(actions), "Resource": resource}


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def create_role(server, name, *statements, trust=None):
    """A role that Lambda may assume and that may do what the statements say; returns its ARN."""
    iam = server.client("iam")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust or TRUST_LAMBDA))["Role"]
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy(*statements))
    return role["Arn"]


def create_function(server, name, role, code, handler, **settings):
    """Creates the test function with one of its handlers; returns its configuration."""
    return server.client("lambda").create_function(
        FunctionName=name,
        Runtime="provided.al2023",
        Role=role,
        Handler=handler,
        Code={"ZipFile": code},
        **{"Timeout": 10, **settings},
    )


def invoke(server, name, event=None, **settings):
    """Invokes and returns (what the function answered, the response)."""
    response = server.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event), **settings)
    body = response["Payload"].read()
    return (json.loads(body) if body else None), response


def logged(server, name):
    """Every line of the function's log group, oldest first; none if there is no group yet."""
    logs = server.client("logs")
    try:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}")
        return [event["message"].rstrip("\n") for page in pages for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []


def events_logged(server, name):
    """The events that a function with the handler `print` has printed."""
    return [json.loads(line) for line in logged(server, name) if line.startswith("{")]


def allow_rule(server, function, rule_arn, statement="rule"):
    """Lets a rule invoke a function."""
    server.client("lambda").add_permission(
        FunctionName=function,
        StatementId=statement,
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=rule_arn,
    )


def route(server, rule, function, pattern, bus="default", **target):
    """A rule that sends what matches to a function; returns the rule's ARN."""
    events = server.client("events")
    arn = events.put_rule(Name=rule, EventBusName=bus, EventPattern=json.dumps(pattern))["RuleArn"]
    function_arn = server.client("lambda").get_function_configuration(FunctionName=function)["FunctionArn"]
    allow_rule(server, function, arn, statement=rule)
    put = events.put_targets(Rule=rule, EventBusName=bus, Targets=[{"Id": "1", "Arn": function_arn, **target}])
    assert put["FailedEntryCount"] == 0, put
    return arn


def put_event(server, source, detail, detail_type="test", bus="default", **entry):
    """Puts one event and returns its id."""
    entry = {"Source": source, "DetailType": detail_type, "Detail": json.dumps(detail), "EventBusName": bus, **entry}
    answer = server.client("events").put_events(Entries=[entry])
    assert answer["FailedEntryCount"] == 0, answer
    return answer["Entries"][0]["EventId"]
