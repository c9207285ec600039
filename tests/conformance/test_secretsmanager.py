"""Secrets Manager through boto3: values, versions and labels, deletion, policies, and what is refused."""

import json
import re
import uuid

import pytest
from errors import refusal
from functions import allow, create_role
from program import ACCOUNT, until

MISSING = "Secrets Manager can't find the specified secret."


@pytest.fixture
def secrets(server):
    return server.client("secretsmanager")


@pytest.fixture
def secret(secrets, name):
    """A secret with one version."""
    made = secrets.create_secret(Name=name, SecretString="first", Description="of a test")
    yield made
    secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def token():
    return str(uuid.uuid4())


def test_a_secret_is_found_by_name_and_by_both_arns(secrets, secret, name):
    arn = secret["ARN"]
    assert re.fullmatch(rf"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:{name}-[A-Za-z0-9]{{6}}", arn)
    for found in (name, arn, arn[:-7]):
        value = secrets.get_secret_value(SecretId=found)
        assert (value["ARN"], value["Name"], value["SecretString"]) == (arn, name, "first")
        assert value["VersionId"] == secret["VersionId"] and value["VersionStages"] == ["AWSCURRENT"]
        assert "SecretBinary" not in value
    wrong = arn[:-6] + ("AAAAAA" if arn[-6:] != "AAAAAA" else "BBBBBB")
    assert refusal(secrets.get_secret_value, SecretId=wrong) == (400, "ResourceNotFoundException", MISSING)
    assert refusal(secrets.get_secret_value, SecretId="nobody") == (400, "ResourceNotFoundException", MISSING)


def test_versions_and_labels_follow_each_other(secrets, secret, name):
    first = secret["VersionId"]
    second = secrets.put_secret_value(SecretId=name, SecretString="second")
    assert second["VersionStages"] == ["AWSCURRENT"]
    get = lambda **which: secrets.get_secret_value(SecretId=name, **which)["SecretString"]
    assert get() == "second" and get(VersionStage="AWSPREVIOUS") == "first" and get(VersionId=first) == "first"
    pending = secrets.put_secret_value(
        SecretId=name, SecretBinary=b"\x00\xff", VersionStages=["AWSPENDING"], ClientRequestToken=token()
    )["VersionId"]
    assert secrets.get_secret_value(SecretId=name, VersionStage="AWSPENDING")["SecretBinary"] == b"\x00\xff"
    assert get() == "second"
    secrets.update_secret_version_stage(
        SecretId=name,
        VersionStage="AWSCURRENT",
        MoveToVersionId=pending,
        RemoveFromVersionId=second["VersionId"],
    )
    assert secrets.get_secret_value(SecretId=name)["VersionId"] == pending
    stages = secrets.describe_secret(SecretId=name)["VersionIdsToStages"]
    assert set(stages[pending]) == {"AWSCURRENT", "AWSPENDING"} and stages[second["VersionId"]] == ["AWSPREVIOUS"]
    assert first not in stages
    listed = secrets.list_secret_version_ids(SecretId=name)
    assert {one["VersionId"] for one in listed["Versions"]} == {pending, second["VersionId"]}
    listed = secrets.list_secret_version_ids(SecretId=name, IncludeDeprecated=True, MaxResults=2)
    rest = secrets.list_secret_version_ids(SecretId=name, IncludeDeprecated=True, NextToken=listed["NextToken"])
    assert {one["VersionId"] for one in listed["Versions"] + rest["Versions"]} == {pending, second["VersionId"], first}


def test_a_label_is_moved_only_by_who_knows_where_it_is(secrets, secret, name):
    first = secret["VersionId"]
    second = secrets.put_secret_value(SecretId=name, SecretString="2")["VersionId"]
    stage = secrets.update_secret_version_stage
    status, code, message = refusal(stage, SecretId=name, VersionStage="AWSCURRENT", MoveToVersionId=first)
    assert (status, code) == (400, "InvalidParameterException")
    assert message == (
        "The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently attached to version "
        f"{second}, so you must explicitly reference that version in RemoveFromVersionId."
    )
    assert refusal(stage, SecretId=name, VersionStage="AWSCURRENT", RemoveFromVersionId=second)[1] == (
        "InvalidParameterException"
    )
    assert refusal(stage, SecretId=name, VersionStage="mine", RemoveFromVersionId=second)[1] == "InvalidParameterException"
    assert refusal(stage, SecretId=name, VersionStage="mine", MoveToVersionId=token())[1] == "ResourceNotFoundException"
    assert refusal(stage, SecretId=name, VersionStage="mine")[1] == "InvalidParameterException"
    stage(SecretId=name, VersionStage="mine", MoveToVersionId=first)
    stage(SecretId=name, VersionStage="mine", RemoveFromVersionId=first)


def test_a_token_makes_requests_repeatable(secrets, secret, name):
    one = token()
    first = secrets.put_secret_value(SecretId=name, SecretString="x", ClientRequestToken=one)
    again = secrets.put_secret_value(SecretId=name, SecretString="x", ClientRequestToken=one)
    assert first["VersionId"] == again["VersionId"] == one
    status, code, message = refusal(
        secrets.put_secret_value, SecretId=name, SecretString="other", ClientRequestToken=one
    )
    assert (status, code) == (400, "ResourceExistsException") and one in message and secret["ARN"] in message
    own = f"{name}-2"
    made = secrets.create_secret(Name=own, SecretString="a", ClientRequestToken=one)
    assert secrets.create_secret(Name=own, SecretString="a", ClientRequestToken=one)["ARN"] == made["ARN"]
    taken = (400, "ResourceExistsException", f"The operation failed because the secret {own} already exists.")
    assert refusal(secrets.create_secret, Name=own, SecretString="b", ClientRequestToken=one) == taken
    assert refusal(secrets.create_secret, Name=own) == taken
    secrets.delete_secret(SecretId=own, ForceDeleteWithoutRecovery=True)


def test_what_no_secret_can_be(secrets, secret, name):
    create, put = secrets.create_secret, secrets.put_secret_value
    invalid = "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!"
    for bad in ("a b", "a#b", "ä", "a:b"):
        assert refusal(create, Name=bad, SecretString="x") == (400, "ValidationException", invalid)
    status, code, message = refusal(create, Name="a" * 513, SecretString="x")
    assert (status, code) == (400, "ValidationException")
    assert message.endswith("at 'name' failed to satisfy constraint: Member must have length less than or equal to 512")
    both = "You can't specify both a binary secret value and a string secret value in the same secret."
    assert refusal(create, Name=f"{name}x", SecretString="x", SecretBinary=b"x") == (400, "InvalidParameterException", both)
    assert refusal(put, SecretId=name) == (
        400,
        "InvalidRequestException",
        "You must provide either SecretString or SecretBinary.",
    )
    put(SecretId=name, SecretString="x" * 65_536)
    status, code, message = refusal(put, SecretId=name, SecretString="x" * 65_537)
    assert code == "ValidationException" and "65536" in message and "xxx" not in message
    assert refusal(put, SecretId=name, SecretString="x", ClientRequestToken="short" * 4)[1] == "ValidationException"
    assert refusal(put, SecretId=name, SecretString="x", VersionStages=[f"s{n}" for n in range(21)])[1] == (
        "ValidationException"
    )
    assert refusal(create, Name=f"{name}k", KmsKeyId="alias/mine")[1] == "InvalidParameterException"
    assert refusal(create, Name=f"{name}r", AddReplicaRegions=[{"Region": "eu-west-1"}])[1] == "InvalidParameterException"
    assert refusal(secrets.rotate_secret, SecretId=name)[1] == "UnknownOperationException"


def test_a_value_that_is_not_there(secrets, name, secret):
    get = secrets.get_secret_value
    empty = f"{name}-empty"
    assert "VersionId" not in secrets.create_secret(Name=empty)
    label = "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT"
    assert refusal(get, SecretId=empty) == (400, "ResourceNotFoundException", label)
    unknown = token()
    by_id = f"Secrets Manager can't find the specified secret value for VersionId: {unknown}"
    assert refusal(get, SecretId=name, VersionId=unknown) == (400, "ResourceNotFoundException", by_id)
    other = "You provided a VersionStage that is not associated to the provided VersionId."
    version = secret["VersionId"]
    assert refusal(get, SecretId=name, VersionId=version, VersionStage="x") == (400, "InvalidRequestException", other)
    secrets.delete_secret(SecretId=empty, ForceDeleteWithoutRecovery=True)


def test_deletion_waits_and_can_be_taken_back(secrets, name):
    arn = secrets.create_secret(Name=name, SecretString="x")["ARN"]
    window = "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive)."
    for days in (6, 31):
        assert refusal(secrets.delete_secret, SecretId=name, RecoveryWindowInDays=days) == (
            400,
            "InvalidParameterException",
            window,
        )
    both = "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays."
    assert refusal(
        secrets.delete_secret, SecretId=name, RecoveryWindowInDays=7, ForceDeleteWithoutRecovery=True
    ) == (400, "InvalidParameterException", both)
    deleted = secrets.delete_secret(SecretId=name, RecoveryWindowInDays=7)
    assert (deleted["ARN"], deleted["Name"]) == (arn, name)
    marked = "You can't perform this operation on the secret because it was marked for deletion."
    for operation in (secrets.get_secret_value, secrets.get_resource_policy):
        assert refusal(operation, SecretId=name) == (400, "InvalidRequestException", marked)
    assert refusal(secrets.put_secret_value, SecretId=name, SecretString="y")[2] == marked
    assert refusal(secrets.tag_resource, SecretId=name, Tags=[{"Key": "a", "Value": "b"}])[2] == marked
    assert refusal(secrets.create_secret, Name=name)[1:] == (
        "InvalidRequestException",
        "You can't create this secret because a secret with this name is already scheduled for deletion.",
    )
    again = "You can't perform this operation on the secret because it was already scheduled for deletion."
    assert refusal(secrets.delete_secret, SecretId=name)[2] == again
    assert "DeletedDate" in secrets.describe_secret(SecretId=name)
    listed = lambda **how: [s["Name"] for s in secrets.list_secrets(Filters=[{"Key": "name", "Values": [name]}], **how)["SecretList"]]
    assert listed() == [] and listed(IncludePlannedDeletion=True) == [name]
    secrets.restore_secret(SecretId=name)
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == "x"
    secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    assert refusal(secrets.describe_secret, SecretId=name) == (400, "ResourceNotFoundException", MISSING)
    secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    assert refusal(secrets.delete_secret, SecretId=name)[1] == "ResourceNotFoundException"
    anew = secrets.create_secret(Name=name, SecretString="new")
    assert anew["ARN"] != arn
    assert refusal(secrets.get_secret_value, SecretId=arn)[1] == "ResourceNotFoundException"
    secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def test_lists_are_filtered_sorted_and_paged(secrets, name):
    for n in range(5):
        tags = [{"Key": f"{name}-k{n % 2}", "Value": "v"}]
        secrets.create_secret(Name=f"{name}/{n}", Description=f"{name} Number{n}", Tags=tags)
    own = [{"Key": "name", "Values": [f"{name}/"]}]
    pages = list(secrets.get_paginator("list_secrets").paginate(Filters=own, PaginationConfig={"PageSize": 2}))
    assert len(pages) == 3
    assert [s["Name"] for page in pages for s in page["SecretList"]] == [f"{name}/{n}" for n in range(5)]
    names = lambda **how: [s["Name"][-1] for s in secrets.list_secrets(**how)["SecretList"]]
    assert names(Filters=own, SortBy="name", SortOrder="desc") == ["4", "3", "2", "1", "0"]
    assert names(Filters=[*own, {"Key": "tag-key", "Values": [f"{name}-k1"]}]) == ["1", "3"]
    assert names(Filters=[*own, {"Key": "tag-key", "Values": [f"!{name}-k1"]}]) == ["0", "2", "4"]
    assert names(Filters=[*own, {"Key": "description", "Values": ["number3", "NUMBER4"]}]) == ["3", "4"]
    assert names(Filters=[*own, {"Key": "all", "Values": ["number2"]}]) == ["2"]
    assert refusal(secrets.list_secrets, Filters=[{"Key": "color", "Values": ["x"]}])[1] == "ValidationException"
    assert refusal(secrets.list_secrets, NextToken="x")[1] == "InvalidNextTokenException"
    assert refusal(secrets.list_secrets, MaxResults=101)[1] == "ValidationException"
    batch = secrets.batch_get_secret_value(SecretIdList=[f"{name}/0", "nobody"])
    assert [one["ErrorCode"] for one in batch["Errors"]] == ["ResourceNotFoundException"] * 2
    for n in range(5):
        secrets.put_secret_value(SecretId=f"{name}/{n}", SecretString=str(n))
    batch = secrets.batch_get_secret_value(Filters=own, MaxResults=3)
    assert [one["SecretString"] for one in batch["SecretValues"]] == ["0", "1", "2"] and batch["NextToken"]
    message = "Either 'SecretIdList' or 'Filters' must be provided, but not both."
    assert refusal(secrets.batch_get_secret_value)[1:] == ("InvalidParameterException", message)
    assert refusal(secrets.batch_get_secret_value, SecretIdList=["a"], Filters=own)[2] == message
    for n in range(5):
        secrets.delete_secret(SecretId=f"{name}/{n}", ForceDeleteWithoutRecovery=True)


def test_tags(secrets, secret, name):
    secrets.tag_resource(SecretId=name, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    secrets.untag_resource(SecretId=name, TagKeys=["b", "nobody"])
    assert secrets.describe_secret(SecretId=name)["Tags"] == [{"Key": "a", "Value": "1"}]
    tag = lambda *tags: refusal(secrets.tag_resource, SecretId=name, Tags=[{"Key": k, "Value": "v"} for k in tags])[1]
    assert tag("aws:x") == tag("a", "a") == tag(*map(str, range(51))) == "InvalidParameterException"
    assert tag("k" * 129) == "ValidationException"


def test_passwords(secrets):
    draw = lambda **how: secrets.get_random_password(**how)["RandomPassword"]
    assert len(draw()) == 32 and draw() != draw()
    assert re.fullmatch(r"[a-z]{50}", draw(PasswordLength=50, ExcludeUppercase=True, ExcludeNumbers=True, ExcludePunctuation=True))
    assert refusal(secrets.get_random_password, PasswordLength=4_097)[1] == "ValidationException"
    assert refusal(secrets.get_random_password, PasswordLength=2)[1] == "InvalidParameterException"


def test_only_who_may_reads(server, secrets, secret, name):
    arn = secret["ARN"]
    role = create_role(server, f"{name}-role", allow("secretsmanager:GetSecretValue", resource=f"{arn[:-6]}??????"))
    trust = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}],
        }
    )
    server.client("iam").update_assume_role_policy(RoleName=f"{name}-role", PolicyDocument=trust)
    keys = server.client("sts").assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    limited = server.client(
        "secretsmanager", keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]
    )
    # By its name too: the policy sees the whole ARN.
    assert limited.get_secret_value(SecretId=name)["SecretString"] == "first"
    status, code, message = refusal(limited.put_secret_value, SecretId=name, SecretString="x")
    assert code == "AccessDeniedException" and f"secretsmanager:PutSecretValue on resource: {arn}" in message
    assert refusal(limited.get_secret_value, SecretId="nobody")[1] == "AccessDeniedException"
    assert refusal(limited.batch_get_secret_value, SecretIdList=[name])[1] == "AccessDeniedException"
    deny = {"Effect": "Deny", "Principal": {"AWS": role}, "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
    secrets.put_resource_policy(
        SecretId=name, ResourcePolicy=json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    )
    until(lambda: "explicit deny" in refusal(limited.get_secret_value, SecretId=name)[2], "the policy's denial")
    assert json.loads(secrets.get_resource_policy(SecretId=name)["ResourcePolicy"])["Statement"] == [deny]
    secrets.delete_resource_policy(SecretId=name)
    assert "ResourcePolicy" not in secrets.get_resource_policy(SecretId=name)
    assert limited.get_secret_value(SecretId=arn)["SecretString"] == "first"


def test_policies_that_cannot_stand(secrets, secret, name):
    put = secrets.put_resource_policy
    assert refusal(put, SecretId=name, ResourcePolicy="{")[1] == "MalformedPolicyDocumentException"
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "secretsmanager:*", "Resource": "*"}
    public = json.dumps({"Version": "2012-10-17", "Statement": [everybody]})
    assert refusal(put, SecretId=name, ResourcePolicy=public, BlockPublicPolicy=True)[1] == "PublicPolicyException"
    verdict = secrets.validate_resource_policy(SecretId=name, ResourcePolicy=public)
    assert verdict["PolicyValidationPassed"] is False and verdict["ValidationErrors"]


def test_secrets_outlive_a_kill(own_server):
    secrets = own_server.client("secretsmanager")
    made = secrets.create_secret(Name="s", SecretString="one")
    secrets.put_secret_value(SecretId="s", SecretString="two")
    own_server.kill()
    own_server.start()
    secrets = own_server.client("secretsmanager")
    assert secrets.get_secret_value(SecretId=made["ARN"])["SecretString"] == "two"
    assert secrets.get_secret_value(SecretId="s", VersionStage="AWSPREVIOUS")["SecretString"] == "one"


def test_the_command_line(aws, name):
    made = aws("secretsmanager", "create-secret", "--name", name, "--secret-string", '{"user":"me"}')
    got = aws("secretsmanager", "get-secret-value", "--secret-id", made["ARN"], "--query", "SecretString")
    assert got == '{"user":"me"}' or got == {"user": "me"}
    aws("secretsmanager", "delete-secret", "--secret-id", name, "--force-delete-without-recovery")
