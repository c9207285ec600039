"""`aws cloudformation package` and `deploy`, as its users type it: a SAM template becomes a running application."""

import io
import json
import textwrap
import zipfile

import pytest
from functions import events_logged, put_event
from program import ACCOUNT, until

TEMPLATE = """
    AWSTemplateFormatVersion: '2010-09-09'
    Transform: AWS::Serverless-2016-10-31
    Parameters:
      Stage: {Type: String, Default: test}
    Globals:
      Function: {Runtime: provided.al2023, Timeout: 10}
    Resources:
      Producer:
        Type: AWS::Serverless::Function
        Properties:
          CodeUri: code/
          Handler: environment
          Environment: {Variables: {STAGE: !Ref Stage}}
          Policies:
            - Statement: [{Effect: Allow, Action: events:PutEvents, Resource: '*'}]
      Consumer:
        Type: AWS::Serverless::Function
        Properties:
          CodeUri: code/
          Handler: print
          Events:
            Approved:
              Type: EventBridgeRule
              Properties:
                Pattern: {source: [SOURCE], detail: {result: [approved]}}
    Outputs:
      Consumer: {Value: !Ref Consumer}
      ProducerArn: {Value: !GetAtt Producer.Arn}
"""


@pytest.fixture
def application(aws, name, code, tmp_path):
    """A folder with a SAM template and its code, packaged; returns a function that deploys it."""
    zipfile.ZipFile(io.BytesIO(code)).extractall(tmp_path / "code")
    (tmp_path / "code/bootstrap").chmod(0o755)
    aws("s3", "mb", f"s3://{name}")

    def deploy(template, *arguments):
        (tmp_path / "template.yaml").write_text(textwrap.dedent(template).replace("SOURCE", name))
        package = ["--template-file", "template.yaml", "--s3-bucket", name, "--output-template-file", "packaged.yaml"]
        aws("cloudformation", "package", *package)
        return aws.run(
            *["cloudformation", "deploy", "--template-file", "packaged.yaml", "--stack-name", name],
            *["--capabilities", "CAPABILITY_IAM", *arguments],
        )

    return deploy


def test_an_application_is_deployed_changed_and_removed(server, aws, application, name):
    done = application(TEMPLATE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Successfully created/updated stack - {name}" in done.stdout

    (stack,) = aws("cloudformation", "describe-stacks", "--stack-name", name)["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    consumer = outputs["Consumer"]
    assert outputs["ProducerArn"].startswith(f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}-Producer-")

    # It works.
    event = put_event(server, name, {"result": "approved"})
    put_event(server, name, {"result": "denied"})
    until(lambda: events_logged(server, consumer), "the event at its consumer")
    assert [found["id"] for found in events_logged(server, consumer)] == [event]
    aws("lambda", "invoke", "--function-name", outputs["ProducerArn"], "out.json")
    assert json.loads((aws.folder / "out.json").read_text())["STAGE"] == "test"

    # Its history, newest first.
    events = aws("cloudformation", "describe-stack-events", "--stack-name", name)["StackEvents"]
    assert (events[0]["ResourceStatus"], events[0]["LogicalResourceId"]) == ("CREATE_COMPLETE", name)
    assert (events[-1]["ResourceStatus"], events[-1]["LogicalResourceId"]) == ("REVIEW_IN_PROGRESS", name)
    assert {"AWS::Lambda::Function", "AWS::IAM::Role", "AWS::Events::Rule", "AWS::Lambda::Permission"} <= {
        event["ResourceType"] for event in events
    }

    # The same again.
    done = application(TEMPLATE)
    assert done.returncode != 0 and "No changes to deploy" in done.stderr, done.stdout + done.stderr
    done = application(TEMPLATE, "--no-fail-on-empty-changeset")
    assert done.returncode == 0 and "No changes to deploy" in done.stdout, done.stdout + done.stderr

    # A change.
    done = application(TEMPLATE, "--parameter-overrides", "Stage=next")
    assert done.returncode == 0, done.stdout + done.stderr
    aws("lambda", "invoke", "--function-name", outputs["ProducerArn"], "out.json")
    assert json.loads((aws.folder / "out.json").read_text())["STAGE"] == "next"

    # The end.
    aws("cloudformation", "delete-stack", "--stack-name", name)
    aws("cloudformation", "wait", "stack-delete-complete", "--stack-name", name)
    gone = aws.run("cloudformation", "describe-stacks", "--stack-name", name)
    assert gone.returncode != 0 and f"Stack with id {name} does not exist" in gone.stderr
    assert aws.run("lambda", "get-function", "--function-name", consumer).returncode != 0


def test_what_cannot_be_deployed_says_why(aws, application, name):
    wrong = TEMPLATE.replace("Runtime: provided.al2023", "Runtime: python3.13")
    done = application(wrong)
    assert done.returncode != 0 and name in done.stderr, done.stderr
    events = aws("cloudformation", "describe-stack-events", "--stack-name", name)["StackEvents"]
    assert events[0]["ResourceStatus"] == "ROLLBACK_COMPLETE"
    failed = [event for event in events if event["ResourceStatus"] == "CREATE_FAILED"]
    assert any("python3.13" in event["ResourceStatusReason"] for event in failed), failed
