"""DynamoDB: who may do what, and tables of stacks."""

import json

import pytest
from botocore.exceptions import ClientError
from errors import refusal
from functions import allow, create_role
from program import ACCOUNT

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
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "n", "AttributeType": "N"},
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
def session(server, name):
    """A client that may do what the statements allow."""

    def assume(*statements):
        arn = create_role(server, name, *statements, trust=TRUST)
        keys = server.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        return server.client("dynamodb", keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])

    return assume


def arn(table, *more):
    return "/".join([f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{table}", *more])


def item(of, n=1, **more):
    return {"id": {"S": of}, "n": {"N": str(n)}, **{name: {"S": text} for name, text in more.items()}}


def denied(operation, **parameters):
    status, code, message = refusal(operation, **parameters)
    assert (status, code) == (400, "AccessDeniedException"), (code, message)
    return message


def query(client, table, of, **more):
    return client.query(
        TableName=table,
        KeyConditionExpression="id = :id",
        ExpressionAttributeValues={":id": {"S": of}},
        **more,
    )


def test_each_operation_needs_its_permission(session, table):
    own = session(allow("dynamodb:PutItem", "dynamodb:Query", resource=arn(table)))
    own.put_item(TableName=table, Item=item("a"))
    assert query(own, table, "a")["Count"] == 1
    message = denied(own.get_item, TableName=table, Key=item("a"))
    assert "dynamodb:GetItem" in message and arn(table) in message
    denied(own.delete_item, TableName=table, Key=item("a"))
    denied(own.scan, TableName=table)
    denied(own.describe_table, TableName=table)
    denied(own.delete_table, TableName=table)
    denied(own.batch_write_item, RequestItems={table: [{"PutRequest": {"Item": item("a")}}]})
    denied(own.put_item, TableName=f"{table}-other", Item=item("a"))


def test_an_index_is_a_resource_of_its_own(session, table):
    own = session(allow("dynamodb:Query", resource=arn(table, "index", "*")))
    by_g = {
        "TableName": table,
        "IndexName": "by-g",
        "KeyConditionExpression": "g = :g",
        "ExpressionAttributeValues": {":g": {"S": "g"}},
    }
    assert own.query(**by_g)["Count"] == 0
    denied(own.query, TableName=table, KeyConditionExpression="id = :g", ExpressionAttributeValues={":g": {"S": "g"}})


def test_each_action_of_a_transaction_needs_its_permission(session, table):
    own = session(allow("dynamodb:PutItem", "dynamodb:ConditionCheckItem", resource=arn(table)))
    put = {"Put": {"TableName": table, "Item": item("a")}}
    check = {
        "ConditionCheck": {
            "TableName": table,
            "Key": item("b"),
            "ConditionExpression": "attribute_not_exists(id)",
        }
    }
    own.transact_write_items(TransactItems=[put, check])
    delete = {"Delete": {"TableName": table, "Key": item("a", 2)}}
    assert "dynamodb:DeleteItem" in denied(own.transact_write_items, TransactItems=[put, delete])
    denied(own.transact_get_items, TransactItems=[{"Get": {"TableName": table, "Key": item("a")}}])


def test_a_policy_may_name_partition_keys(session, dynamodb, table):
    only = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["mine"]}}
    own = session({**allow("dynamodb:*", resource=arn(table)), "Condition": only})
    own.put_item(TableName=table, Item=item("mine"))
    assert own.get_item(TableName=table, Key=item("mine"))["Item"] == item("mine")
    assert query(own, table, "mine")["Count"] == 1
    equal = {of: {"AttributeValueList": [{"S": of}], "ComparisonOperator": "EQ"} for of in ("mine", "other")}
    assert own.query(TableName=table, KeyConditions={"id": equal["mine"]})["Count"] == 1
    denied(own.query, TableName=table, KeyConditions={"id": equal["other"]})
    own.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": item("mine", 2)}}]})
    own.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": item("mine", 3)}}])
    dynamodb.put_item(TableName=table, Item=item("other"))
    denied(own.put_item, TableName=table, Item=item("other"))
    denied(own.get_item, TableName=table, Key=item("other"))
    denied(own.update_item, TableName=table, Key=item("other"))
    denied(own.delete_item, TableName=table, Key=item("other"))
    denied(own.scan, TableName=table)
    denied(lambda: query(own, table, "other"))
    mixed = [{"PutRequest": {"Item": item(of)}} for of in ("mine", "other")]
    denied(own.batch_write_item, RequestItems={table: mixed})
    denied(own.batch_get_item, RequestItems={table: {"Keys": [item("mine"), item("other")]}})
    both = [{"Get": {"TableName": table, "Key": item(of)}} for of in ("mine", "other")]
    denied(own.transact_get_items, TransactItems=both)
    puts = [{"Put": {"TableName": table, "Item": item(of)}} for of in ("mine", "other")]
    denied(own.transact_write_items, TransactItems=puts)


def test_a_policy_may_name_attributes(session, dynamodb, table):
    only = {
        "ForAllValues:StringEquals": {"dynamodb:Attributes": ["id", "n", "open"]},
        "StringEqualsIfExists": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES", "dynamodb:ReturnValues": "NONE"},
    }
    own = session({**allow("dynamodb:*", resource=arn(table)), "Condition": only})
    dynamodb.put_item(TableName=table, Item=item("a", open="yes", closed="no"))
    got = own.get_item(TableName=table, Key=item("a"), ProjectionExpression="#o", ExpressionAttributeNames={"#o": "open"})
    assert got["Item"] == {"open": {"S": "yes"}}
    denied(own.get_item, TableName=table, Key=item("a"))
    denied(own.get_item, TableName=table, Key=item("a"), ProjectionExpression="closed")
    denied(own.put_item, TableName=table, Item=item("a", closed="x"))
    values = {":x": {"S": "x"}}
    update = {"TableName": table, "Key": item("a"), "ExpressionAttributeValues": values}
    own.update_item(**update, UpdateExpression="SET #o = :x", ExpressionAttributeNames={"#o": "open"})
    denied(own.update_item, **update, UpdateExpression="SET closed = :x")
    denied(
        own.update_item,
        **update,
        UpdateExpression="SET #o = :x",
        ExpressionAttributeNames={"#o": "open"},
        ReturnValues="ALL_OLD",
    )
    denied(lambda: query(own, table, "a", FilterExpression="closed = :id", ProjectionExpression="n"))
    # What the older parameters name counts as well.
    assert own.get_item(TableName=table, Key=item("a"), AttributesToGet=["open"])["Item"] == {"open": {"S": "x"}}
    denied(own.get_item, TableName=table, Key=item("a"), AttributesToGet=["closed"])
    denied(own.update_item, TableName=table, Key=item("a"), AttributeUpdates={"closed": {"Value": {"S": "x"}}})
    denied(own.put_item, TableName=table, Item=item("a"), Expected={"closed": {"Exists": False}})
    equal = {"AttributeValueList": [{"S": "a"}], "ComparisonOperator": "EQ"}
    old_query = {"TableName": table, "KeyConditions": {"id": equal}, "AttributesToGet": ["open"]}
    assert own.query(**old_query)["Count"] == 1
    denied(own.query, **old_query, QueryFilter={"closed": equal})
    denied(own.scan, TableName=table, ScanFilter={"closed": equal}, AttributesToGet=["open"])
    batch = {"Keys": [item("a")], "AttributesToGet": ["open", "closed"]}
    denied(own.batch_get_item, RequestItems={table: batch})


# Stacks


def properties(**more):
    return {
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
        **more,
    }


def template(table):
    resources = {"T": {"Type": "AWS::DynamoDB::Table", "Properties": table}}
    outputs = {"Name": {"Value": {"Ref": "T"}}, "Arn": {"Value": {"Fn::GetAtt": ["T", "Arn"]}}}
    return json.dumps({"Resources": resources, "Outputs": outputs})


def outputs(stacks, name):
    (stack,) = stacks.describe_stacks(StackName=name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def test_a_table_of_a_stack(server, dynamodb, name):
    stacks = server.client("cloudformation")
    expiry = {"AttributeName": "ends", "Enabled": True}
    tags = [{"Key": "a", "Value": "1"}]
    first = properties(TimeToLiveSpecification=expiry, Tags=tags)
    stacks.create_stack(StackName=name, TemplateBody=template(first))
    stacks.get_waiter("stack_create_complete").wait(StackName=name)
    made = outputs(stacks, name)
    table = made["Name"]
    assert made["Arn"] == arn(table) and table.startswith(f"{name}-T-")
    assert dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]["AttributeName"] == "ends"
    assert {"Key": "a", "Value": "1"} in dynamodb.list_tags_of_resource(ResourceArn=made["Arn"])["Tags"]
    for n in range(150):
        dynamodb.put_item(TableName=table, Item={"id": {"S": f"i{n}"}, "g": {"S": "g"}})

    index = {
        "IndexName": "by-g",
        "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    second = properties(GlobalSecondaryIndexes=[index], DeletionProtectionEnabled="true", Tags=[])
    second["AttributeDefinitions"].append({"AttributeName": "g", "AttributeType": "S"})
    stacks.update_stack(StackName=name, TemplateBody=template(second))
    stacks.get_waiter("stack_update_complete").wait(StackName=name)
    assert outputs(stacks, name) == made, "the table stays"
    described = dynamodb.describe_table(TableName=table)["Table"]
    assert described["GlobalSecondaryIndexes"][0]["ItemCount"] == 150
    assert described["DeletionProtectionEnabled"]
    assert dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]["TimeToLiveStatus"] == "DISABLED"
    assert {"Key": "a", "Value": "1"} not in dynamodb.list_tags_of_resource(ResourceArn=made["Arn"])["Tags"]

    stacks.update_stack(StackName=name, TemplateBody=template(properties()))
    stacks.get_waiter("stack_update_complete").wait(StackName=name)
    assert "GlobalSecondaryIndexes" not in dynamodb.describe_table(TableName=table)["Table"]
    stacks.delete_stack(StackName=name)
    stacks.get_waiter("stack_delete_complete").wait(StackName=name)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        dynamodb.describe_table(TableName=table)


@pytest.mark.parametrize(
    "table, message",
    [
        (properties(StreamSpecification={"StreamViewType": "SOME"}), "streamViewType"),
        (properties(ContributorInsightsSpecification={"Enabled": True}), "ContributorInsightsSpecification"),
        (properties(Colour="blue"), "Colour"),
        (properties(TableName="a b"), "tableName"),
        (properties(BillingMode="PROVISIONED"), "ReadCapacityUnits and WriteCapacityUnits must both be specified"),
    ],
)
def test_tables_of_stacks_that_are_refused(server, name, table, message):
    stacks = server.client("cloudformation")
    try:
        stacks.create_stack(StackName=name, TemplateBody=template(table), OnFailure="DO_NOTHING")
    except ClientError as error:
        assert message in str(error)
        return
    with pytest.raises(Exception):
        stacks.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    events = stacks.describe_stack_events(StackName=name)["StackEvents"]
    assert any(message in event.get("ResourceStatusReason", "") for event in events), events
    stacks.delete_stack(StackName=name)
