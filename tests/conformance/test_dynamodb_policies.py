"""Resource policies of tables, and what this server has none of.

AWS: Developer Guide, "Using resource-based policies for DynamoDB".
"""

import json

import pytest
from errors import refusal
from functions import allow, create_role
from program import ACCOUNT

VALIDATION = (400, "ValidationException")
MISSING = (400, "PolicyNotFoundException", "Resource-based policy not found for the provided ResourceArn")
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    ],
}


@pytest.fixture
def table(dynamodb, name):
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "g", "AttributeType": "S"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-g",
                "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    yield name
    dynamodb.delete_table(TableName=name)


@pytest.fixture
def role(server, name):
    """A role and a client of a session of it."""

    def assume(*statements):
        arn = create_role(server, name, *statements, trust=TRUST)
        keys = server.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        own = server.client("dynamodb", keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
        return arn, own

    return assume


def arn(table, *more):
    return "/".join([f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{table}", *more])


def statement(effect, principal, actions, *resources):
    return {"Effect": effect, "Principal": {"AWS": principal}, "Action": actions, "Resource": list(resources)}


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def denied(operation, **parameters):
    assert refusal(operation, **parameters)[:2] == (400, "AccessDeniedException")


def test_a_policy_lets_in_and_keeps_out(dynamodb, table, role):
    holder, own = role(allow("dynamodb:DeleteItem", resource=arn(table)))
    key = {"id": {"S": "a"}}
    denied(own.get_item, TableName=table, Key=key)
    own.delete_item(TableName=table, Key=key)
    lets = statement("Allow", holder, ["dynamodb:GetItem", "dynamodb:PartiQLInsert"], arn(table))
    index = statement("Allow", holder, "dynamodb:Query", arn(table, "index", "by-g"))
    keeps = statement("Deny", holder, "dynamodb:DeleteItem", arn(table))
    dynamodb.put_resource_policy(ResourceArn=arn(table), Policy=document(lets, index, keeps))
    own.execute_statement(Statement=f'INSERT INTO "{table}" VALUE {{\'id\': \'a\', \'g\': \'g\'}}')
    assert own.get_item(TableName=table, Key=key)["Item"]["g"] == {"S": "g"}
    equal = {"ExpressionAttributeValues": {":g": {"S": "g"}}, "KeyConditionExpression": "g = :g"}
    assert own.query(TableName=table, IndexName="by-g", **equal)["Count"] == 1
    denied(own.query, TableName=table, KeyConditionExpression="id = :g", ExpressionAttributeValues={":g": {"S": "a"}})
    denied(own.delete_item, TableName=table, Key=key)
    denied(own.transact_write_items, TransactItems=[{"Delete": {"TableName": table, "Key": key}}])
    assert own.transact_get_items(TransactItems=[{"Get": {"TableName": table, "Key": key}}])["Responses"][0]["Item"]
    dynamodb.delete_resource_policy(ResourceArn=arn(table))
    own.delete_item(TableName=table, Key=key)
    denied(own.get_item, TableName=table, Key=key)


def test_policies_have_revisions(dynamodb, table):
    own = {"ResourceArn": arn(table)}
    first = document(statement("Allow", f"arn:aws:iam::{ACCOUNT}:root", "dynamodb:*", "*"))
    second = document(statement("Allow", f"arn:aws:iam::{ACCOUNT}:root", "dynamodb:GetItem", "*"))
    put, get, delete = dynamodb.put_resource_policy, dynamodb.get_resource_policy, dynamodb.delete_resource_policy
    assert refusal(get, **own) == MISSING
    assert "RevisionId" not in delete(**own)
    assert refusal(put, **own, Policy=first, ExpectedRevisionId="7") == MISSING
    revision = put(**own, Policy=first, ExpectedRevisionId="NO_POLICY")["RevisionId"]
    found = get(**own)
    assert (found["Policy"], found["RevisionId"]) == (first, revision)
    assert put(**own, Policy=first)["RevisionId"] == revision
    assert refusal(put, **own, Policy=second, ExpectedRevisionId="NO_POLICY") == MISSING
    changed = put(**own, Policy=second, ExpectedRevisionId=revision)["RevisionId"]
    assert changed != revision
    assert refusal(delete, **own, ExpectedRevisionId=revision) == MISSING
    assert delete(**own, ExpectedRevisionId=changed)["RevisionId"] == changed
    assert refusal(get, **own) == MISSING


def test_policies_are_refused(dynamodb, table, role):
    put = dynamodb.put_resource_policy
    good = document(statement("Allow", f"arn:aws:iam::{ACCOUNT}:root", "dynamodb:*", "*"))
    for text in ("", "none", "{}", "[]", document({"Effect": "Perhaps"})):
        assert refusal(put, ResourceArn=arn(table), Policy=text)[:2] == VALIDATION
    long = document(*[statement("Allow", f"arn:aws:iam::{ACCOUNT}:root", "dynamodb:*", "*" * 250)] * 80)
    assert "exceeds the limit of 20480 bytes" in refusal(put, ResourceArn=arn(table), Policy=long)[2]
    for other in ("x", f"arn:aws:sqs:us-east-1:{ACCOUNT}:queue", arn(table, "index", "by-g")):
        assert refusal(put, ResourceArn=other, Policy=good)[:2] == VALIDATION
    missing = refusal(put, ResourceArn=arn("none-of-this-name"), Policy=good)
    assert missing[1] == "ResourceNotFoundException"
    holder, own = role(allow("dynamodb:GetResourcePolicy"))
    denied(own.put_resource_policy, ResourceArn=arn(table), Policy=good)
    denied(own.delete_resource_policy, ResourceArn=arn(table))
    assert refusal(own.get_resource_policy, ResourceArn=arn(table)) == MISSING


def test_nobody_locks_oneself_out_unasked(dynamodb, table, role):
    holder, own = role(allow("dynamodb:*", resource=arn(table)))
    out = document(statement("Deny", holder, "dynamodb:PutResourcePolicy", arn(table)))
    refused = refusal(own.put_resource_policy, ResourceArn=arn(table), Policy=out)
    assert refused[:2] == VALIDATION and "ConfirmRemoveSelfResourceAccess" in refused[2]
    own.put_resource_policy(ResourceArn=arn(table), Policy=out, ConfirmRemoveSelfResourceAccess=True)
    denied(own.put_resource_policy, ResourceArn=arn(table), Policy=out)
    dynamodb.delete_resource_policy(ResourceArn=arn(table))


def test_a_table_is_made_with_its_policy(dynamodb, name):
    text = document(statement("Allow", f"arn:aws:iam::{ACCOUNT}:root", "dynamodb:*", "*"))
    wish = {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    }
    assert refusal(dynamodb.create_table, **wish, ResourcePolicy="none")[:2] == VALIDATION
    dynamodb.create_table(**wish, ResourcePolicy=text)
    assert dynamodb.get_resource_policy(ResourceArn=arn(name))["Policy"] == text
    dynamodb.delete_table(TableName=name)


def test_definitions_of_no_key_are_refused(dynamodb, table):
    update = dynamodb.update_table
    capacity = {"TableName": table, "DeletionProtectionEnabled": False}
    more = [{"AttributeName": name, "AttributeType": "S"} for name in ("id", "x")]
    assert refusal(update, **capacity, AttributeDefinitions=more) == (
        *VALIDATION,
        "One or more parameter values were invalid: Some AttributeDefinitions are not used. AttributeDefinitions: [id, x], keys "
        "used: [g, id]",
    )
    update(**capacity, AttributeDefinitions=more[:1])


def test_what_there_is_none_of_is_said(dynamodb, table):
    insights = dynamodb.describe_contributor_insights(TableName=table, IndexName="by-g")
    assert (insights["TableName"], insights["IndexName"]) == (table, "by-g")
    assert insights["ContributorInsightsStatus"] == "DISABLED"
    assert dynamodb.list_contributor_insights()["ContributorInsightsSummaries"] == []
    streams = dynamodb.describe_kinesis_streaming_destination(TableName=table)
    assert streams["KinesisDataStreamDestinations"] == []
    assert dynamodb.list_global_tables()["GlobalTables"] == []
    limits = dynamodb.describe_limits()
    assert limits["TableMaxReadCapacityUnits"] == 40_000
    assert dynamodb.describe_endpoints()["Endpoints"][0]["CachePeriodInMinutes"] == 1_440
    global_table = refusal(dynamodb.describe_global_table, GlobalTableName="none-of-this-name")
    assert global_table[1] == "GlobalTableNotFoundException"
    for describe in (dynamodb.describe_contributor_insights, dynamodb.describe_kinesis_streaming_destination):
        assert refusal(describe, TableName="none-of-this-name")[1] == "ResourceNotFoundException"
    assert refusal(dynamodb.describe_contributor_insights, TableName=table, IndexName="none")[1] == (
        "ResourceNotFoundException"
    )


REFUSED = {
    "update_contributor_insights": {"ContributorInsightsAction": "ENABLE"},
    "enable_kinesis_streaming_destination": {"StreamArn": "arn:aws:kinesis:us-east-1:000000000000:stream/s"},
    "disable_kinesis_streaming_destination": {"StreamArn": "arn:aws:kinesis:us-east-1:000000000000:stream/s"},
    "update_kinesis_streaming_destination": {"StreamArn": "arn:aws:kinesis:us-east-1:000000000000:stream/s"},
    "create_global_table": {"GlobalTableName": "abc", "ReplicationGroup": [{"RegionName": "us-east-1"}]},
    "update_global_table": {"GlobalTableName": "abc", "ReplicaUpdates": []},
    "update_global_table_settings": {"GlobalTableName": "abc"},
    "describe_table_replica_auto_scaling": {},
    "update_table_replica_auto_scaling": {},
}


@pytest.mark.parametrize("operation", REFUSED)
def test_what_would_make_one_is_refused_by_name(dynamodb, table, operation):
    named = {} if "global_table" in operation else {"TableName": table}
    status, code, message = refusal(getattr(dynamodb, operation), **named, **REFUSED[operation])
    assert (status, code) == VALIDATION and "not supported by this server" in message


def test_they_need_permission_too(role, table):
    own = role(allow("dynamodb:DescribeTable"))[1]
    denied(own.describe_contributor_insights, TableName=table)
    denied(own.list_global_tables)
    denied(own.create_backup, TableName=table, BackupName="backup")
    on = {"PointInTimeRecoveryEnabled": True}
    denied(own.update_continuous_backups, TableName=table, PointInTimeRecoverySpecification=on)
    denied(own.list_backups)

