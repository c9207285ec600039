"""DynamoDB: tables, items, indexes, queries, scans, batches, transactions."""

import threading

import pytest
from botocore.exceptions import ClientError
from errors import refusal, refused
from program import until

INVALID = "One or more parameter values were invalid: "


def attributes(**kinds):
    return [{"AttributeName": name, "AttributeType": kind} for name, kind in kinds.items()]


def key(*names):
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"))]


def projection(kind, *names):
    return {"ProjectionType": kind, **({"NonKeyAttributes": list(names)} if names else {})}


def index(name, *keys, show=None):
    return {"IndexName": name, "KeySchema": key(*keys), "Projection": projection("ALL") if show is None else show}


SHAPES = {
    "plain": {"KeySchema": key("id"), "AttributeDefinitions": attributes(id="S")},
    "sorted": {"KeySchema": key("id", "n"), "AttributeDefinitions": attributes(id="S", n="N")},
    "binary": {"KeySchema": key("id", "b"), "AttributeDefinitions": attributes(id="S", b="B")},
    "texts": {"KeySchema": key("id", "t"), "AttributeDefinitions": attributes(id="S", t="S")},
    "indexed": {
        "KeySchema": key("id", "n"),
        "AttributeDefinitions": attributes(id="S", n="N", g="S", l="S"),
        "GlobalSecondaryIndexes": [
            index("by-g", "g", "n"),
            index("keys-of-g", "g", show=projection("KEYS_ONLY")),
            index("some-of-g", "g", show=projection("INCLUDE", "shown")),
        ],
        "LocalSecondaryIndexes": [
            index("by-l", "id", "l"),
            index("keys-of-l", "id", "l", show=projection("KEYS_ONLY")),
        ],
    },
}


@pytest.fixture
def table(dynamodb, name):
    """Makes tables of a shape, and returns their names."""
    made = []

    def make(shape, **more):
        own = f"{name}-{shape}-{len(made)}"
        dynamodb.create_table(TableName=own, **{"BillingMode": "PAY_PER_REQUEST", **SHAPES[shape], **more})
        made.append(own)
        return own

    yield make
    for own in made:
        try:
            dynamodb.delete_table(TableName=own)
        except dynamodb.exceptions.ResourceNotFoundException:
            pass


def item(**values):
    def typed(value):
        match value:
            case bool():
                return {"BOOL": value}
            case int() | float():
                return {"N": str(value)}
            case bytes():
                return {"B": value}
            case _:
                return {"S": value}

    return {name: typed(value) for name, value in values.items()}


def invalid(operation, message, **parameters):
    assert refusal(operation, **parameters) == (400, "ValidationException", message)


# Tables


def test_a_table_is_made_described_listed_and_deleted(dynamodb, name):
    made = dynamodb.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **SHAPES["indexed"])
    made = made["TableDescription"]
    assert made["TableStatus"] == "CREATING"
    dynamodb.get_waiter("table_exists").wait(TableName=name)
    table = dynamodb.describe_table(TableName=name)["Table"]
    assert table["TableStatus"] == "ACTIVE"
    assert table["TableArn"] == f"arn:aws:dynamodb:us-east-1:000000000000:table/{name}"
    assert table["TableId"] == made["TableId"]
    assert table["KeySchema"] == key("id", "n")
    assert table["AttributeDefinitions"] == attributes(id="S", n="N", g="S", l="S")
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["ItemCount"] == 0 and table["TableSizeBytes"] == 0
    assert [i["IndexName"] for i in table["GlobalSecondaryIndexes"]] == ["by-g", "keys-of-g", "some-of-g"]
    assert table["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE"
    assert table["GlobalSecondaryIndexes"][2]["Projection"] == projection("INCLUDE", "shown")
    assert [i["IndexName"] for i in table["LocalSecondaryIndexes"]] == ["by-l", "keys-of-l"]
    assert name in dynamodb.list_tables()["TableNames"]
    assert dynamodb.delete_table(TableName=name)["TableDescription"]["TableStatus"] == "DELETING"
    dynamodb.get_waiter("table_not_exists").wait(TableName=name)
    assert name not in dynamodb.list_tables()["TableNames"]


def test_by_arn(dynamodb, table):
    name = table("plain")
    arn = dynamodb.describe_table(TableName=name)["Table"]["TableArn"]
    dynamodb.put_item(TableName=arn, Item=item(id="a"))
    assert dynamodb.get_item(TableName=name, Key=item(id="a"))["Item"] == item(id="a")


def test_names_are_listed_in_pages(dynamodb, table):
    names = sorted(table("plain") for _ in range(3))
    pages = dynamodb.get_paginator("list_tables").paginate(PaginationConfig={"PageSize": 1})
    listed = [name for page in pages for name in page["TableNames"]]
    assert [name for name in listed if name in names] == names
    invalid(
        dynamodb.list_tables,
        "1 validation error detected: Value '101' at 'limit' failed to satisfy constraint: "
        "Member must have value less than or equal to 100",
        Limit=101,
    )


def test_what_is_made_again_begins_empty(dynamodb, table):
    name = table("plain")
    dynamodb.put_item(TableName=name, Item=item(id="a"))
    assert dynamodb.describe_table(TableName=name)["Table"]["ItemCount"] == 1
    dynamodb.delete_table(TableName=name)
    dynamodb.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **SHAPES["plain"])
    assert "Item" not in dynamodb.get_item(TableName=name, Key=item(id="a"))
    assert dynamodb.scan(TableName=name)["Items"] == []
    assert dynamodb.describe_table(TableName=name)["Table"]["ItemCount"] == 0


def test_a_protected_table_stays(dynamodb, table):
    name = table("plain", DeletionProtectionEnabled=True)
    assert dynamodb.describe_table(TableName=name)["Table"]["DeletionProtectionEnabled"]
    status, code, message = refusal(dynamodb.delete_table, TableName=name)
    assert (status, code) == (400, "ValidationException") and "protected against deletion" in message
    dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName=name)


def test_provisioned_throughput_is_kept_and_changed(dynamodb, table):
    units = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6}
    name = table("plain", BillingMode="PROVISIONED", ProvisionedThroughput=units)
    described = dynamodb.describe_table(TableName=name)["Table"]["ProvisionedThroughput"]
    assert {key: described[key] for key in units} == units
    status, code, message = refusal(dynamodb.update_table, TableName=name, ProvisionedThroughput=units)
    assert code == "ValidationException" and "will not change" in message
    units = {"ReadCapacityUnits": 7, "WriteCapacityUnits": 1}
    dynamodb.update_table(TableName=name, ProvisionedThroughput=units)
    described = dynamodb.describe_table(TableName=name)["Table"]["ProvisionedThroughput"]
    assert {key: described[key] for key in units} == units
    dynamodb.update_table(TableName=name, BillingMode="PAY_PER_REQUEST")
    described = dynamodb.describe_table(TableName=name)["Table"]
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert described["ProvisionedThroughput"]["ReadCapacityUnits"] == 0


def test_tags(dynamodb, table):
    name = table("plain", Tags=[{"Key": "a", "Value": "1"}])
    arn = dynamodb.describe_table(TableName=name)["Table"]["TableArn"]
    dynamodb.tag_resource(ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])
    tags = dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"]
    assert tags == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    dynamodb.untag_resource(ResourceArn=arn, TagKeys=["a"])
    assert dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    missing = refusal(dynamodb.list_tags_of_resource, ResourceArn=f"{arn}-gone")
    assert missing == (
        400,
        "ResourceNotFoundException",
        f"Requested resource not found: ResourcArn: {arn}-gone not found",
    )


def test_time_to_live_is_kept(dynamodb, table):
    name = table("plain")
    wish = {"Enabled": True, "AttributeName": "ends"}
    assert dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"] == {"TimeToLiveStatus": "DISABLED"}
    invalid(
        dynamodb.update_time_to_live,
        "TimeToLive is already disabled",
        TableName=name,
        TimeToLiveSpecification={**wish, "Enabled": False},
    )
    dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=wish)
    described = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert described == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ends"}
    invalid(
        dynamodb.update_time_to_live,
        "TimeToLive is already enabled",
        TableName=name,
        TimeToLiveSpecification=wish,
    )


def test_limits_and_endpoints(server, dynamodb):
    assert dynamodb.describe_limits()["TableMaxReadCapacityUnits"] == 40000
    assert dynamodb.describe_endpoints()["Endpoints"][0]["Address"] in server.endpoint


CREATE = {"BillingMode": "PAY_PER_REQUEST", **SHAPES["sorted"]}
UNITS = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"TableName": "ab"},
            "1 validation error detected: Value 'ab' at 'tableName' failed to satisfy constraint: "
            "Member must have length greater than or equal to 3",
        ),
        (
            {"TableName": "a" * 256},
            f"1 validation error detected: Value '{'a' * 256}' at 'tableName' failed to satisfy constraint: "
            "Member must have length less than or equal to 255",
        ),
        (
            {"TableName": "a b c"},
            "1 validation error detected: Value 'a b c' at 'tableName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
        ),
        (
            {"BillingMode": "FREE"},
            "1 validation error detected: Value 'FREE' at 'billingMode' failed to satisfy constraint: "
            "Member must satisfy enum value set: [PROVISIONED, PAY_PER_REQUEST]",
        ),
        (
            {"BillingMode": None},
            INVALID + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        ),
        (
            {"ProvisionedThroughput": UNITS},
            INVALID
            + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        ),
        (
            {"BillingMode": "PROVISIONED", "ProvisionedThroughput": {**UNITS, "ReadCapacityUnits": 10**12 + 1}},
            "Given value 1000000000001 for ReadCapacityUnits is out of bounds",
        ),
        (
            {"BillingMode": "PROVISIONED", "ProvisionedThroughput": {**UNITS, "ReadCapacityUnits": 0}},
            "1 validation error detected: Value '0' at 'provisionedThroughput.readCapacityUnits' failed to satisfy "
            "constraint: Member must have value greater than or equal to 1",
        ),
        (
            {"KeySchema": [{"AttributeName": "id", "KeyType": "RANGE"}]},
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
        ),
        (
            {"KeySchema": [{"AttributeName": n, "KeyType": "HASH"} for n in ("id", "n")]},
            "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
        ),
        (
            {"KeySchema": key("id", "id")},
            "Both the Hash Key and the Range Key element in the KeySchema have the same name",
        ),
        (
            {"KeySchema": key("id", "x")},
            INVALID + "Some index key attributes are not defined in AttributeDefinitions. Keys: [id, x], "
            "AttributeDefinitions: [id, n]",
        ),
        (
            {"KeySchema": key("id")},
            INVALID + "Number of attributes in KeySchema does not exactly match number of attributes defined in "
            "AttributeDefinitions",
        ),
        (
            {"AttributeDefinitions": attributes(id="S", n="N", x="S"), "GlobalSecondaryIndexes": [index("abc", "n")]},
            INVALID + "Some AttributeDefinitions are not used. AttributeDefinitions: [id, n, x], keys used: [id, n]",
        ),
        (
            {"AttributeDefinitions": attributes(id="X", n="N")},
            "1 validation error detected: Value 'X' at 'attributeDefinitions.1.member.attributeType' failed to satisfy "
            "constraint: Member must satisfy enum value set: [B, N, S]",
        ),
        ({"GlobalSecondaryIndexes": []}, INVALID + "List of GlobalSecondaryIndexes is empty"),
        ({"LocalSecondaryIndexes": []}, INVALID + "List of LocalSecondaryIndexes is empty"),
        (
            {"LocalSecondaryIndexes": [index("abc", "n", "id")]},
            INVALID + "Index KeySchema does not have the same leading hash key as table KeySchema for index: abc. "
            "index hash key: n, table hash key: id",
        ),
        (
            {"LocalSecondaryIndexes": [index("abc", "id")]},
            INVALID + "Index KeySchema does not have a range key for index: abc",
        ),
        (
            {"GlobalSecondaryIndexes": [index("abc", "n"), index("abc", "id")]},
            INVALID + "Duplicate index name: abc",
        ),
        (
            {"GlobalSecondaryIndexes": [index("abc", "y")]},
            INVALID + "Some index key attributes are not defined in AttributeDefinitions. Keys: [y], "
            "AttributeDefinitions: [id, n]",
        ),
        (
            {"GlobalSecondaryIndexes": [index("abc", "n", show={})]},
            INVALID + "Unknown ProjectionType: null",
        ),
        (
            {"GlobalSecondaryIndexes": [index("abc", "n", show=projection("ALL", "x"))]},
            INVALID + "ProjectionType is ALL, but NonKeyAttributes is specified",
        ),
        (
            {"GlobalSecondaryIndexes": [index("abc", "n", show=projection("INCLUDE"))]},
            INVALID + "ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
        ),
        (
            {"GlobalSecondaryIndexes": [{**index("abc", "n"), "ProvisionedThroughput": UNITS}]},
            INVALID + "ProvisionedThroughput should not be specified for index: abc when BillingMode is PAY_PER_REQUEST",
        ),
        (
            {"GlobalSecondaryIndexes": [index(f"abc{n}", "n") for n in range(21)]},
            INVALID + "GlobalSecondaryIndex count exceeds the per-table limit of 20",
        ),
        (
            {"LocalSecondaryIndexes": [index(f"abc{n}", "id", "n") for n in range(6)]},
            INVALID + "Number of LocalSecondaryIndexes exceeds per-table limit of 5",
        ),
    ],
)
def test_tables_that_are_refused(dynamodb, name, change, message):
    wish = {"TableName": name, **CREATE, **change}
    invalid(dynamodb.create_table, message, **{key: value for key, value in wish.items() if value is not None})


def test_a_local_index_needs_a_sort_key(dynamodb, name):
    invalid(
        dynamodb.create_table,
        INVALID + "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
        TableName=name,
        KeySchema=key("id"),
        AttributeDefinitions=attributes(id="S", l="S"),
        BillingMode="PAY_PER_REQUEST",
        LocalSecondaryIndexes=[index("abc", "id", "l")],
    )


def test_tables_that_are_or_are_not_there(dynamodb, table):
    name = table("plain")
    exists = refusal(dynamodb.create_table, TableName=name, BillingMode="PAY_PER_REQUEST", **SHAPES["plain"])
    assert exists == (400, "ResourceInUseException", f"Table already exists: {name}")
    gone = f"{name}-gone"
    not_found = (400, "ResourceNotFoundException", f"Requested resource not found: Table: {gone} not found")
    assert refusal(dynamodb.describe_table, TableName=gone) == not_found
    assert refusal(dynamodb.delete_table, TableName=gone) == not_found
    assert refusal(dynamodb.update_table, TableName=gone, BillingMode="PAY_PER_REQUEST") == not_found
    assert refusal(dynamodb.describe_time_to_live, TableName=gone) == not_found
    no_item = (400, "ResourceNotFoundException", "Requested resource not found")
    assert refusal(dynamodb.get_item, TableName=gone, Key=item(id="a")) == no_item
    assert refusal(dynamodb.put_item, TableName=gone, Item=item(id="a")) == no_item
    assert refusal(dynamodb.scan, TableName=gone) == no_item
    assert refusal(dynamodb.batch_get_item, RequestItems={gone: {"Keys": [item(id="a")]}}) == no_item
    writes = {gone: [{"PutRequest": {"Item": item(id="a")}}]}
    assert refusal(dynamodb.batch_write_item, RequestItems=writes) == no_item
    get = [{"Get": {"TableName": gone, "Key": item(id="a")}}]
    assert refusal(dynamodb.transact_get_items, TransactItems=get) == no_item
    put = [{"Put": {"TableName": gone, "Item": item(id="a")}}]
    assert refusal(dynamodb.transact_write_items, TransactItems=put) == no_item


def test_an_index_is_built_over_what_is_there_and_removed(dynamodb, table):
    name = table("plain")
    for n in range(250):
        dynamodb.put_item(TableName=name, Item=item(id=f"i{n}", g=f"g{n % 5}"))
    dynamodb.put_item(TableName=name, Item=item(id="without"))
    dynamodb.put_item(TableName=name, Item=item(id="of another type", g=1))
    dynamodb.update_table(
        TableName=name,
        AttributeDefinitions=attributes(g="S"),
        GlobalSecondaryIndexUpdates=[{"Create": index("by-g", "g")}],
    )

    def built():
        return dynamodb.describe_table(TableName=name)["Table"]["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE"

    until(built, "the index")
    scanned = dynamodb.scan(TableName=name, IndexName="by-g", Select="COUNT")
    assert scanned["Count"] == 250
    described = dynamodb.describe_table(TableName=name)["Table"]
    assert described["GlobalSecondaryIndexes"][0]["ItemCount"] == 250
    assert described["ItemCount"] == 252
    exists = refusal(
        dynamodb.update_table,
        TableName=name,
        AttributeDefinitions=attributes(g="S"),
        GlobalSecondaryIndexUpdates=[{"Create": index("by-g", "g")}],
    )
    assert exists[1] == "ValidationException"
    dynamodb.update_table(TableName=name, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by-g"}}])
    invalid(dynamodb.scan, "The table does not have the specified index: by-g", TableName=name, IndexName="by-g")
    gone = refusal(
        dynamodb.update_table,
        TableName=name,
        GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by-g"}}],
    )
    assert gone[1] == "ResourceNotFoundException"
    assert dynamodb.describe_table(TableName=name)["Table"]["AttributeDefinitions"] == attributes(id="S")


# Items


def test_an_item_is_put_got_updated_and_deleted(dynamodb, table):
    name = table("plain")
    first = item(id="a", n=1)
    assert "Attributes" not in dynamodb.put_item(TableName=name, Item=first, ReturnValues="ALL_OLD")
    second = item(id="a", n=2, x="y")
    assert dynamodb.put_item(TableName=name, Item=second, ReturnValues="ALL_OLD")["Attributes"] == first
    assert dynamodb.get_item(TableName=name, Key=item(id="a"))["Item"] == second
    got = dynamodb.get_item(TableName=name, Key=item(id="a"), ProjectionExpression="n", ConsistentRead=True)
    assert got["Item"] == item(n=2)
    assert "Item" not in dynamodb.get_item(TableName=name, Key=item(id="b"))
    deleted = dynamodb.delete_item(TableName=name, Key=item(id="a"), ReturnValues="ALL_OLD")
    assert deleted["Attributes"] == second
    assert "Attributes" not in dynamodb.delete_item(TableName=name, Key=item(id="a"), ReturnValues="ALL_OLD")


@pytest.mark.parametrize(
    "wanted, expected",
    [
        ("NONE", None),
        ("ALL_OLD", item(id="a", n=1, x="y")),
        ("ALL_NEW", item(id="a", n=3, x="y", z="new")),
        ("UPDATED_OLD", item(n=1)),
        ("UPDATED_NEW", item(n=3, z="new")),
    ],
)
def test_what_an_update_returns(dynamodb, table, wanted, expected):
    name = table("plain")
    dynamodb.put_item(TableName=name, Item=item(id="a", n=1, x="y"))
    updated = dynamodb.update_item(
        TableName=name,
        Key=item(id="a"),
        UpdateExpression="SET n = n + :two, z = :z",
        ExpressionAttributeValues={":two": {"N": "2"}, ":z": {"S": "new"}},
        ReturnValues=wanted,
    )
    assert updated.get("Attributes") == expected


def test_an_update_makes_an_item(dynamodb, table):
    name = table("plain")
    dynamodb.update_item(TableName=name, Key=item(id="alone"))
    assert dynamodb.get_item(TableName=name, Key=item(id="alone"))["Item"] == item(id="alone")
    new = dynamodb.update_item(
        TableName=name,
        Key=item(id="a"),
        UpdateExpression="ADD n :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
        ReturnValues="ALL_NEW",
    )
    assert new["Attributes"] == item(id="a", n=1)


def test_conditions_hold_or_nothing_happens(dynamodb, table):
    name = table("plain")
    once = {"TableName": name, "Item": item(id="a", n=1), "ConditionExpression": "attribute_not_exists(id)"}
    dynamodb.put_item(**once)
    failed = (400, "ConditionalCheckFailedException", "The conditional request failed")
    assert refusal(dynamodb.put_item, **once) == failed
    with pytest.raises(ClientError) as caught:
        dynamodb.put_item(**once, ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert caught.value.response["Item"] == item(id="a", n=1)
    two = {":two": {"N": "2"}}
    condition = {"ConditionExpression": "n = :two", "ExpressionAttributeValues": two}
    assert refusal(dynamodb.delete_item, TableName=name, Key=item(id="a"), **condition) == failed
    update = {"TableName": name, "Key": item(id="a"), "UpdateExpression": "SET n = :two", **condition}
    assert refusal(dynamodb.update_item, **update) == failed
    assert dynamodb.get_item(TableName=name, Key=item(id="a"))["Item"] == item(id="a", n=1)


LONG = "x" * 2049


@pytest.mark.parametrize(
    "shape, given, message",
    [
        ("plain", item(x="a"), INVALID + "Missing the key id in the item"),
        ("sorted", item(id="a"), INVALID + "Missing the key n in the item"),
        ("plain", item(id=1), INVALID + "Type mismatch for key id expected: S actual: N"),
        ("sorted", item(id="a", n="b"), INVALID + "Type mismatch for key n expected: N actual: S"),
        (
            "plain",
            item(id=""),
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty "
            "string value. Key: id",
        ),
        (
            "binary",
            item(id="a", b=b""),
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty "
            "binary value. Key: b",
        ),
        ("plain", item(id=LONG), INVALID + "Size of hashkey has exceeded the maximum size limit of2048 bytes"),
        (
            "texts",
            item(id="a", t=LONG[:1025]),
            INVALID + "Aggregated size of all range keys has exceeded the size limit of 1024 bytes",
        ),
        (
            "indexed",
            item(id="a", n=1, g=1),
            INVALID + "Type mismatch for Index Key g Expected: S Actual: N IndexName: by-g",
        ),
        (
            "indexed",
            item(id="a", n=1, g=""),
            "One or more parameter values are not valid. A value specified for a secondary index key is not supported. "
            "The AttributeValue for a key attribute cannot contain an empty string value. IndexName: by-g, IndexKey: g",
        ),
        ("plain", item(id="a", x="x" * (400 * 1024)), "Item size has exceeded the maximum allowed size"),
    ],
)
def test_items_that_are_refused(dynamodb, table, shape, given, message):
    name = table(shape)
    invalid(dynamodb.put_item, message, TableName=name, Item=given)
    batch = {name: [{"PutRequest": {"Item": given}}]}
    no_key = message.startswith((INVALID + "Missing the key", INVALID + "Type mismatch for key"))
    in_batch = "The provided key element does not match the schema" if no_key else message
    invalid(dynamodb.batch_write_item, in_batch, RequestItems=batch)
    with pytest.raises(ClientError) as caught:
        dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": name, "Item": given}}])
    if message.startswith(("One or more parameter values are not valid", "Item size")):
        error = caught.value.response["Error"]
        assert (error["Code"], error["Message"]) == ("ValidationException", message)
        return
    reasons = caught.value.response["CancellationReasons"]
    assert reasons == [{"Code": "ValidationError", "Message": message}]


@pytest.mark.parametrize("given", [item(), item(n=1), item(id="a", n=1), item(id=1), item(other="a")])
def test_keys_that_are_refused(dynamodb, table, given):
    name = table("plain")
    message = "The provided key element does not match the schema"
    invalid(dynamodb.get_item, message, TableName=name, Key=given)
    invalid(dynamodb.delete_item, message, TableName=name, Key=given)
    invalid(dynamodb.update_item, message, TableName=name, Key=given)
    invalid(dynamodb.batch_get_item, message, RequestItems={name: {"Keys": [given]}})


def test_a_key_is_not_updated(dynamodb, table):
    name = table("plain")
    invalid(
        dynamodb.update_item,
        INVALID + "Cannot update attribute id. This attribute is part of the key",
        TableName=name,
        Key=item(id="a"),
        UpdateExpression="SET id = :b",
        ExpressionAttributeValues={":b": {"S": "b"}},
    )


def test_an_update_keeps_limits(dynamodb, table):
    name = table("indexed")
    dynamodb.put_item(TableName=name, Item=item(id="a", n=1, x="x" * 300_000))
    update = {"TableName": name, "Key": item(id="a", n=1)}
    invalid(
        dynamodb.update_item,
        "Item size to update has exceeded the maximum allowed size",
        **update,
        UpdateExpression="SET y = :y",
        ExpressionAttributeValues={":y": {"S": "y" * 200_000}},
    )
    invalid(
        dynamodb.update_item,
        INVALID + "Type mismatch for Index Key g Expected: S Actual: N IndexName: by-g",
        **update,
        UpdateExpression="SET g = :g",
        ExpressionAttributeValues={":g": {"N": "1"}},
    )


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"ReturnValues": "ALL_NEW"}, "ReturnValues can only be ALL_OLD or NONE"),
        (
            {"ReturnValues": "SOME"},
            "1 validation error detected: Value 'SOME' at 'returnValues' failed to satisfy constraint: Member must satisfy "
            "enum value set: [ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]",
        ),
        (
            {"ReturnConsumedCapacity": "ALL"},
            "1 validation error detected: Value 'ALL' at 'returnConsumedCapacity' failed to satisfy constraint: Member "
            "must satisfy enum value set: [INDEXES, TOTAL, NONE]",
        ),
        (
            {"ReturnItemCollectionMetrics": "ALL"},
            "1 validation error detected: Value 'ALL' at 'returnItemCollectionMetrics' failed to satisfy constraint: "
            "Member must satisfy enum value set: [SIZE, NONE]",
        ),
        (
            {"ExpressionAttributeValues": {":a": {"S": "a"}}},
            "ExpressionAttributeValues can only be specified when using expressions",
        ),
        (
            {"ExpressionAttributeNames": {"#a": "a"}},
            "ExpressionAttributeNames can only be specified when using expressions",
        ),
    ],
)
def test_parameters_that_are_refused(dynamodb, table, parameters, message):
    name = table("plain")
    status, code, said = refusal(dynamodb.put_item, TableName=name, Item=item(id="a"), **parameters)
    assert (status, code) == (400, "ValidationException") and said.startswith(message)


# Capacity


def consumed(answer):
    return answer["ConsumedCapacity"]["CapacityUnits"]


def test_capacity_of_items(dynamodb, table):
    name = table("plain")
    total = {"ReturnConsumedCapacity": "TOTAL"}
    put = {"TableName": name, **total}
    assert consumed(dynamodb.put_item(Item=item(id="a"), **put)) == 1
    assert consumed(dynamodb.put_item(Item=item(id="a", x="x" * 1500), **put)) == 2
    # The larger of what was and what is.
    assert consumed(dynamodb.put_item(Item=item(id="a"), **put)) == 2
    dynamodb.put_item(TableName=name, Item=item(id="a", x="x" * 4500))
    read = {"TableName": name, "Key": item(id="a"), **total}
    assert consumed(dynamodb.get_item(**read)) == 1
    assert consumed(dynamodb.get_item(**read, ConsistentRead=True)) == 2
    assert consumed(dynamodb.get_item(**{**read, "Key": item(id="b")})) == 0.5
    assert consumed(dynamodb.delete_item(TableName=name, Key=item(id="a"), **total)) == 5
    assert consumed(dynamodb.delete_item(TableName=name, Key=item(id="a"), **total)) == 1


def test_capacity_of_indexes(dynamodb, table):
    name = table("indexed")
    wanted = {"TableName": name, "ReturnConsumedCapacity": "INDEXES"}
    put = dynamodb.put_item(Item=item(id="a", n=1, g="g", l="l"), **wanted)["ConsumedCapacity"]
    one = {"CapacityUnits": 1.0}
    assert put == {
        "TableName": name,
        "CapacityUnits": 6.0,
        "Table": one,
        "GlobalSecondaryIndexes": {"by-g": one, "keys-of-g": one, "some-of-g": one},
        "LocalSecondaryIndexes": {"by-l": one, "keys-of-l": one},
    }
    # What an index does not show costs it nothing; what moves in an index is written twice.
    put = dynamodb.put_item(Item=item(id="a", n=1, g="g", l="l", x="y"), **wanted)["ConsumedCapacity"]
    assert put["GlobalSecondaryIndexes"] == {"by-g": one} and put["LocalSecondaryIndexes"] == {"by-l": one}
    put = dynamodb.put_item(Item=item(id="a", n=1, g="h", l="l", x="y"), **wanted)["ConsumedCapacity"]
    assert put["GlobalSecondaryIndexes"]["keys-of-g"] == {"CapacityUnits": 2.0}
    query = dynamodb.query(
        **wanted,
        IndexName="by-g",
        KeyConditionExpression="g = :g",
        ExpressionAttributeValues={":g": {"S": "h"}},
    )["ConsumedCapacity"]
    assert query["GlobalSecondaryIndexes"] == {"by-g": {"CapacityUnits": 0.5}}
    assert query["Table"] == {"CapacityUnits": 0.0}


def test_collections_are_told_where_there_are_local_indexes(dynamodb, table):
    wanted = {"ReturnItemCollectionMetrics": "SIZE"}
    told = dynamodb.put_item(TableName=table("indexed"), Item=item(id="a", n=1), **wanted)
    assert told["ItemCollectionMetrics"]["ItemCollectionKey"] == item(id="a")
    assert "ItemCollectionMetrics" not in dynamodb.put_item(TableName=table("plain"), Item=item(id="a"), **wanted)


# Queries and scans


@pytest.fixture
def numbers(dynamodb, table):
    name = table("sorted")
    for n in (-20, -3, -1.5, 0, 0.25, 1, 7, 30):
        dynamodb.put_item(TableName=name, Item=item(id="a", n=n, even="yes" if n % 2 == 0 else "no"))
    dynamodb.put_item(TableName=name, Item=item(id="b", n=1))
    return name


def query(dynamodb, name, condition, values, **more):
    values = {f":{key}": value for key, value in item(**values).items()}
    return dynamodb.query(
        TableName=name,
        KeyConditionExpression=condition,
        ExpressionAttributeValues=values,
        **more,
    )


def sorts(answer):
    return [float(found["n"]["N"]) for found in answer["Items"]]


@pytest.mark.parametrize(
    "condition, values, expected",
    [
        ("id = :a", {}, [-20, -3, -1.5, 0, 0.25, 1, 7, 30]),
        ("id = :a AND n = :n", {"n": 1}, [1]),
        ("id = :a AND n < :n", {"n": 0}, [-20, -3, -1.5]),
        ("id = :a AND n <= :n", {"n": 0}, [-20, -3, -1.5, 0]),
        ("id = :a AND n > :n", {"n": 1}, [7, 30]),
        ("id = :a AND n >= :n", {"n": 1}, [1, 7, 30]),
        ("id = :a AND n BETWEEN :n AND :m", {"n": -3, "m": 0.25}, [-3, -1.5, 0, 0.25]),
        ("id = :a AND n = :n", {"n": 2}, []),
    ],
)
def test_queries_by_number(dynamodb, numbers, condition, values, expected):
    values = {"a": "a", **values}
    assert sorts(query(dynamodb, numbers, condition, values)) == expected
    assert sorts(query(dynamodb, numbers, condition, values, ScanIndexForward=False)) == expected[::-1]
    for forward in (True, False):
        found, start = [], {}
        while start is not None:
            page = query(dynamodb, numbers, condition, values, ScanIndexForward=forward, Limit=1, **start)
            assert page["ScannedCount"] <= 1
            found += sorts(page)
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]} if "LastEvaluatedKey" in page else None
        assert found == (expected if forward else expected[::-1])


def test_queries_by_text_and_bytes(dynamodb, table):
    texts, binary = table("texts"), table("binary")
    for text in ("", "a", "ab", "abc", "ab\x00", "b", "é"):
        if text:
            dynamodb.put_item(TableName=texts, Item=item(id="a", t=text))
            dynamodb.put_item(TableName=binary, Item=item(id="a", b=text.encode()))
    found = query(dynamodb, texts, "id = :a AND begins_with(t, :t)", {"a": "a", "t": "ab"})
    assert [i["t"]["S"] for i in found["Items"]] == ["ab", "ab\x00", "abc"]
    found = query(dynamodb, texts, "id = :a AND t > :t", {"a": "a", "t": "ab"})
    assert [i["t"]["S"] for i in found["Items"]] == ["ab\x00", "abc", "b", "é"]
    found = query(dynamodb, binary, "id = :a AND begins_with(b, :t)", {"a": "a", "t": b"ab"})
    assert [i["b"]["B"] for i in found["Items"]] == [b"ab", b"ab\x00", b"abc"]


def test_filters_count_what_was_scanned(dynamodb, numbers):
    values = {"a": "a", "yes": "yes"}
    found = query(dynamodb, numbers, "id = :a", values, FilterExpression="even = :yes")
    assert (found["Count"], found["ScannedCount"]) == (3, 8)
    assert sorts(found) == [-20, 0, 30]
    counted = query(dynamodb, numbers, "id = :a", values, FilterExpression="even = :yes", Select="COUNT")
    assert counted["Count"] == 3 and "Items" not in counted
    limited = query(dynamodb, numbers, "id = :a", values, FilterExpression="even = :yes", Limit=2)
    assert (limited["Count"], limited["ScannedCount"]) == (1, 2)
    assert limited["LastEvaluatedKey"] == item(id="a", n=-3)
    projected = query(dynamodb, numbers, "id = :a AND n = :n", {"a": "a", "n": 7}, ProjectionExpression="even")
    assert projected["Items"] == [item(even="no")]


def test_pages_end_at_a_megabyte(dynamodb, table):
    name = table("sorted")
    for n in range(4):
        dynamodb.put_item(TableName=name, Item=item(id="a", n=n, x="x" * 390_000))
    first = query(dynamodb, name, "id = :a", {"a": "a"}, ReturnConsumedCapacity="TOTAL")
    assert sorts(first) == [0, 1, 2] and first["LastEvaluatedKey"] == item(id="a", n=2)
    assert consumed(first) == 143
    second = query(dynamodb, name, "id = :a", {"a": "a"}, ExclusiveStartKey=first["LastEvaluatedKey"])
    assert sorts(second) == [3] and "LastEvaluatedKey" not in second
    assert len(dynamodb.scan(TableName=name)["Items"]) == 3


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({}, "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."),
        ({"KeyConditionExpression": "n = :a"}, "Query condition missed key schema element: id"),
        ({"KeyConditionExpression": "id > :a"}, "Query key condition not supported"),
        ({"KeyConditionExpression": "id = :a", "IndexName": "gone"}, "The table does not have the specified index: gone"),
        (
            {"KeyConditionExpression": "id = :a", "Select": "ALL_PROJECTED_ATTRIBUTES"},
            "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
        ),
        (
            {"KeyConditionExpression": "id = :a", "Select": "SPECIFIC_ATTRIBUTES"},
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
        ),
        (
            {"KeyConditionExpression": "id = :a", "Select": "ALL_ATTRIBUTES", "ProjectionExpression": "x"},
            "Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES",
        ),
        (
            {"KeyConditionExpression": "id = :a", "FilterExpression": "n <> :a"},
            "Filter Expression can only contain non-primary key attributes: Primary key attribute: n",
        ),
        (
            {"KeyConditionExpression": "id = :a", "ExclusiveStartKey": item(id="a")},
            "The provided starting key is invalid",
        ),
        (
            {"KeyConditionExpression": "id = :a", "ExclusiveStartKey": item(id="b", n=1)},
            "The provided starting key is outside query boundaries based on provided conditions",
        ),
        (
            {"KeyConditionExpression": "id = :a", "Limit": 0},
            "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value "
            "greater than or equal to 1",
        ),
        (
            {"KeyConditionExpression": "id = :a", "Select": "EVERYTHING"},
            "1 validation error detected: Value 'EVERYTHING' at 'select' failed to satisfy constraint: Member must satisfy "
            "enum value set: [SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES]",
        ),
    ],
)
def test_queries_that_are_refused(dynamodb, numbers, parameters, message):
    values = {"ExpressionAttributeValues": item(**{":a": "a"})} if parameters else {}
    invalid(dynamodb.query, message, TableName=numbers, **parameters, **values)


def test_queries_of_indexes(dynamodb, table):
    name = table("indexed")
    for n in range(6):
        more = {"g": "g", "l": f"l{9 - n}"} if n < 4 else {}
        dynamodb.put_item(TableName=name, Item=item(id=f"i{n % 2}", n=n, shown="s", unseen="h", **more))
    by_g = query(dynamodb, name, "g = :g", {"g": "g"}, IndexName="by-g")
    assert sorts(by_g) == [0, 1, 2, 3] and by_g["Items"][0]["unseen"] == {"S": "h"}
    keys = query(dynamodb, name, "g = :g", {"g": "g"}, IndexName="keys-of-g")["Items"]
    assert all(sorted(found) == ["g", "id", "n"] for found in keys)
    some = query(dynamodb, name, "g = :g", {"g": "g"}, IndexName="some-of-g")["Items"]
    assert all(sorted(found) == ["g", "id", "n", "shown"] for found in some)
    local = query(dynamodb, name, "id = :i", {"i": "i0"}, IndexName="by-l", ConsistentRead=True)
    assert sorts(local) == [2, 0]
    # A local index fetches from the table what it does not show.
    whole = query(dynamodb, name, "id = :i", {"i": "i0"}, IndexName="keys-of-l", Select="ALL_ATTRIBUTES")
    assert [found["unseen"] for found in whole["Items"]] == [{"S": "h"}] * 2
    part = query(dynamodb, name, "id = :i", {"i": "i0"}, IndexName="keys-of-l", ProjectionExpression="unseen")
    assert part["Items"] == [item(unseen="h")] * 2
    found, start = [], {}
    while start is not None:
        page = query(dynamodb, name, "g = :g", {"g": "g"}, IndexName="keys-of-g", Limit=1, **start)
        found += sorts(page)
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]} if "LastEvaluatedKey" in page else None
    assert sorted(found) == [0, 1, 2, 3]
    dynamodb.update_item(TableName=name, Key=item(id="i0", n=0), UpdateExpression="REMOVE g")
    dynamodb.delete_item(TableName=name, Key=item(id="i1", n=1))
    assert sorts(query(dynamodb, name, "g = :g", {"g": "g"}, IndexName="by-g")) == [2, 3]
    assert dynamodb.scan(TableName=name, IndexName="some-of-g", Select="COUNT")["Count"] == 2


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"ConsistentRead": True}, "Consistent reads are not supported on global secondary indexes"),
        (
            {"Select": "ALL_ATTRIBUTES"},
            INVALID + "Select type ALL_ATTRIBUTES is not supported for global secondary index keys-of-g because its "
            "projection type is not ALL",
        ),
        ({"ProjectionExpression": "unseen"}, INVALID + "Global secondary index keys-of-g does not project [unseen]"),
        ({"ExclusiveStartKey": item(g="g")}, "The provided starting key is invalid"),
    ],
)
def test_queries_of_global_indexes_that_are_refused(dynamodb, table, parameters, message):
    invalid(
        dynamodb.query,
        message,
        TableName=table("indexed"),
        IndexName="keys-of-g",
        KeyConditionExpression="g = :g",
        ExpressionAttributeValues=item(**{":g": "g"}),
        **parameters,
    )


def test_scans(dynamodb, table):
    name = table("sorted")
    expected = {(f"i{n}", m) for n in range(40) for m in range(2)}
    for of, n in expected:
        dynamodb.put_item(TableName=name, Item=item(id=of, n=n))

    def scan(**parameters):
        pages = dynamodb.get_paginator("scan").paginate(TableName=name, **parameters)
        return [(found["id"]["S"], int(found["n"]["N"])) for page in pages for found in page["Items"]]

    assert set(scan()) == expected
    assert len(scan(PaginationConfig={"PageSize": 7})) == 80
    segments = [scan(TotalSegments=4, Segment=n, PaginationConfig={"PageSize": 3}) for n in range(4)]
    assert sorted(sum(segments, [])) == sorted(expected)
    assert all(5 <= len(segment) <= 40 for segment in segments)
    found = dynamodb.scan(TableName=name, FilterExpression="n = :n", ExpressionAttributeValues={":n": {"N": "1"}})
    assert (found["Count"], found["ScannedCount"]) == (40, 80)


@pytest.mark.parametrize(
    "parameters, message",
    [
        (
            {"Segment": 0},
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
        ),
        (
            {"TotalSegments": 2},
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is present",
        ),
        (
            {"TotalSegments": 2, "Segment": 2},
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 2 is not less "
            "than TotalSegments: 2",
        ),
        (
            {"ExclusiveStartKey": item(id="a")},
            "The provided starting key is invalid: The provided key element does not match the schema",
        ),
        ({"IndexName": "gone"}, "The table does not have the specified index: gone"),
        (
            {"ExpressionAttributeNames": {"#a": "a"}},
            "ExpressionAttributeNames can only be specified when using expressions",
        ),
    ],
)
def test_scans_that_are_refused(dynamodb, table, parameters, message):
    status, code, said = refusal(dynamodb.scan, TableName=table("sorted"), **parameters)
    assert (status, code) == (400, "ValidationException") and said.startswith(message)


# Batches


def test_batches(dynamodb, table):
    one, two = table("plain"), table("sorted")
    puts = [{"PutRequest": {"Item": item(id=f"i{n}")}} for n in range(20)]
    written = dynamodb.batch_write_item(
        RequestItems={one: puts, two: [{"PutRequest": {"Item": item(id="a", n=1)}}]},
        ReturnConsumedCapacity="TOTAL",
    )
    assert written["UnprocessedItems"] == {}
    assert {told["TableName"]: told["CapacityUnits"] for told in written["ConsumedCapacity"]} == {one: 20, two: 1}
    keys = [item(id=f"i{n}") for n in (0, 1, 99)]
    wanted = {one: {"Keys": keys}, two: {"Keys": [item(id="a", n=1)], "ProjectionExpression": "n"}}
    got = dynamodb.batch_get_item(RequestItems=wanted)
    assert sorted(found["id"]["S"] for found in got["Responses"][one]) == ["i0", "i1"]
    assert got["Responses"][two] == [item(n=1)]
    assert got["UnprocessedKeys"] == {}
    deletes = [{"DeleteRequest": {"Key": item(id=f"i{n}")}} for n in range(20)]
    dynamodb.batch_write_item(RequestItems={one: deletes})
    assert dynamodb.scan(TableName=one)["Count"] == 0


def test_a_batch_answers_sixteen_megabytes(dynamodb, table):
    name = table("plain")
    for n in range(45):
        dynamodb.put_item(TableName=name, Item=item(id=f"i{n}", x="x" * 400_000))
    left, found = {name: {"Keys": [item(id=f"i{n}") for n in range(45)]}}, 0
    rounds = 0
    while left:
        got = dynamodb.batch_get_item(RequestItems=left)
        found, left, rounds = found + len(got["Responses"][name]), got["UnprocessedKeys"], rounds + 1
    assert (found, rounds) == (45, 2)


def test_batches_that_are_refused(dynamodb, table):
    name = table("plain")
    put = {"PutRequest": {"Item": item(id="a")}}
    delete = {"DeleteRequest": {"Key": item(id="a")}}
    twice = "Provided list of item keys contains duplicates"
    invalid(dynamodb.batch_write_item, twice, RequestItems={name: [put, delete]})
    invalid(dynamodb.batch_get_item, twice, RequestItems={name: {"Keys": [item(id="a")] * 2}})
    other = table("plain")
    many = [{"PutRequest": {"Item": item(id=f"i{n}")}} for n in range(13)]
    invalid(
        dynamodb.batch_write_item,
        "Too many items requested for the BatchWriteItem call",
        RequestItems={name: many, other: many},
    )
    keys = {"Keys": [item(id=f"i{n}") for n in range(51)]}
    invalid(
        dynamodb.batch_get_item,
        "Too many items requested for the BatchGetItem call",
        RequestItems={name: keys, other: keys},
    )
    invalid(
        dynamodb.batch_write_item,
        "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
        RequestItems={name: [{**put, **delete}]},
    )
    for empty in (dynamodb.batch_write_item, dynamodb.batch_get_item):
        assert refusal(empty, RequestItems={})[1] == "ValidationException"
    assert refusal(dynamodb.batch_write_item, RequestItems={name: []})[1] == "ValidationException"
    # One that is refused keeps all others from being written.
    invalid(
        dynamodb.batch_write_item,
        "The provided key element does not match the schema",
        RequestItems={name: [put, {"PutRequest": {"Item": item(x="y")}}]},
    )
    assert dynamodb.scan(TableName=name)["Count"] == 0


# Transactions


def reasons(operation, **parameters):
    with pytest.raises(ClientError) as caught:
        operation(**parameters)
    assert refused(caught.value)[:2] == (400, "TransactionCanceledException")
    return caught.value.response["CancellationReasons"], refused(caught.value)[2]


def test_a_transaction_is_all_or_nothing(dynamodb, table):
    one, two = table("plain"), table("sorted")
    dynamodb.put_item(TableName=one, Item=item(id="delete"))
    dynamodb.put_item(TableName=one, Item=item(id="check", n=1))
    actions = [
        {"Put": {"TableName": one, "Item": item(id="put")}},
        {
            "Update": {
                "TableName": two,
                "Key": item(id="update", n=1),
                "UpdateExpression": "SET x = :x",
                "ExpressionAttributeValues": item(**{":x": "y"}),
            }
        },
        {"Delete": {"TableName": one, "Key": item(id="delete")}},
        {
            "ConditionCheck": {
                "TableName": one,
                "Key": item(id="check"),
                "ConditionExpression": "n = :n",
                "ExpressionAttributeValues": item(**{":n": 2}),
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        },
    ]
    why, message = reasons(dynamodb.transact_write_items, TransactItems=actions)
    assert message == (
        "Transaction cancelled, please refer cancellation reasons for specific reasons "
        "[None, None, None, ConditionalCheckFailed]"
    )
    assert why[:3] == [{"Code": "None"}] * 3
    assert why[3] == {
        "Code": "ConditionalCheckFailed",
        "Message": "The conditional request failed",
        "Item": item(id="check", n=1),
    }
    assert dynamodb.scan(TableName=one)["Count"] == 2
    actions[3]["ConditionCheck"]["ExpressionAttributeValues"] = item(**{":n": 1})
    done = dynamodb.transact_write_items(TransactItems=actions, ReturnConsumedCapacity="TOTAL")
    assert {told["TableName"]: told["WriteCapacityUnits"] for told in done["ConsumedCapacity"]} == {one: 6, two: 2}
    keys = [
        {"Get": {"TableName": one, "Key": item(id="put")}},
        {"Get": {"TableName": one, "Key": item(id="delete")}},
        {"Get": {"TableName": two, "Key": item(id="update", n=1), "ProjectionExpression": "x"}},
    ]
    got = dynamodb.transact_get_items(TransactItems=keys, ReturnConsumedCapacity="TOTAL")
    assert got["Responses"] == [{"Item": item(id="put")}, {}, {"Item": item(x="y")}]
    assert {told["TableName"]: told["ReadCapacityUnits"] for told in got["ConsumedCapacity"]} == {one: 4, two: 2}


def test_a_token_makes_a_transaction_once(dynamodb, table, name):
    counter = table("plain")
    count = {
        "TableName": counter,
        "Key": item(id="a"),
        "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": item(**{":one": 1}),
    }
    for _ in range(3):
        dynamodb.transact_write_items(TransactItems=[{"Update": count}], ClientRequestToken=name)
    assert dynamodb.get_item(TableName=counter, Key=item(id="a"))["Item"] == item(id="a", n=1)
    other = {**count, "ExpressionAttributeValues": item(**{":one": 2})}
    refused = refusal(dynamodb.transact_write_items, TransactItems=[{"Update": other}], ClientRequestToken=name)
    assert refused[:2] == (400, "IdempotentParameterMismatchException")


def test_transactions_that_are_refused(dynamodb, table):
    name = table("plain")
    put = {"Put": {"TableName": name, "Item": item(id="a")}}
    delete = {"Delete": {"TableName": name, "Key": item(id="a")}}
    invalid(
        dynamodb.transact_write_items,
        "Transaction request cannot include multiple operations on one item",
        TransactItems=[put, delete],
    )
    for wrong in ({**put, **delete}, {}):
        invalid(
            dynamodb.transact_write_items,
            "TransactItems can only contain one of Check, Put, Update or Delete",
            TransactItems=[wrong],
        )
    many = [{"Put": {"TableName": name, "Item": item(id=f"i{n}")}} for n in range(101)]
    status, code, message = refusal(dynamodb.transact_write_items, TransactItems=many)
    assert code == "ValidationException" and "Member must have length less than or equal to 100" in message
    assert refusal(dynamodb.transact_write_items, TransactItems=[])[1] == "ValidationException"
    no_condition = {"ConditionCheck": {"TableName": name, "Key": item(id="a")}}
    status, code, message = refusal(dynamodb.transact_write_items, TransactItems=[no_condition])
    assert code == "ValidationException" and "conditionCheck.conditionExpression" in message
    why, _ = reasons(dynamodb.transact_get_items, TransactItems=[{"Get": {"TableName": name, "Key": item(x="a")}}])
    assert why == [{"Code": "ValidationError", "Message": "The provided key element does not match the schema"}]
    assert dynamodb.scan(TableName=name)["Count"] == 0


# Many at once, and after a crash


def run_all(*workers):
    failures = []

    def guarded(work):
        try:
            work()
        except Exception as error:  # noqa: BLE001, told below
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in workers]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not failures, failures


def test_counting_at_once_is_exact(server, dynamodb, table):
    name = table("plain")

    def count():
        own = server.client("dynamodb")
        for _ in range(40):
            own.update_item(
                TableName=name,
                Key=item(id="a"),
                UpdateExpression="ADD n :one",
                ExpressionAttributeValues=item(**{":one": 1}),
            )

    run_all(*[count] * 8)
    assert dynamodb.get_item(TableName=name, Key=item(id="a"))["Item"] == item(id="a", n=320)


def test_transactions_are_isolated(server, dynamodb, table):
    """Money moves between accounts: the sum that a transaction reads is always the same."""
    name = table("plain")
    accounts = [f"i{n}" for n in range(4)]
    for account in accounts:
        dynamodb.put_item(TableName=name, Item=item(id=account, n=100))

    def move(step):
        own = server.client("dynamodb")
        for n in range(30):
            pair = accounts[n % 4], accounts[(n + step) % 4]
            actions = [
                {
                    "Update": {
                        "TableName": name,
                        "Key": item(id=account),
                        "UpdateExpression": "ADD n :n",
                        "ExpressionAttributeValues": item(**{":n": amount}),
                    }
                }
                for account, amount in zip(pair, (1, -1))
            ]
            own.transact_write_items(TransactItems=actions)

    def watch():
        own = server.client("dynamodb")
        for _ in range(40):
            got = own.transact_get_items(
                TransactItems=[{"Get": {"TableName": name, "Key": item(id=account)}} for account in accounts]
            )
            assert sum(int(found["Item"]["n"]["N"]) for found in got["Responses"]) == 400

    run_all(lambda: move(1), lambda: move(2), lambda: move(3), watch)


def test_what_was_answered_survives_a_kill(own_server):
    dynamodb = own_server.client("dynamodb")
    dynamodb.create_table(TableName="kept", BillingMode="PAY_PER_REQUEST", **SHAPES["indexed"])
    answered = {}
    stop = threading.Event()

    def write(worker):
        own = own_server.client("dynamodb")
        n = 0
        while not stop.is_set():
            n += 1
            value = item(id=f"w{worker}", n=n % 20, g=f"g{n % 3}", l=f"l{n}", x=str(n))
            try:
                own.put_item(TableName="kept", Item=value)
            except Exception:  # noqa: BLE001, the server is killed under it
                answered.setdefault("unsure", set()).add((f"w{worker}", n % 20))
                return
            answered[f"w{worker}", n % 20] = value

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(6)]
    [thread.start() for thread in threads]
    until(lambda: len(answered) >= 100, "writes")
    own_server.kill()
    stop.set()
    [thread.join() for thread in threads]
    unsure = answered.pop("unsure", set())
    own_server.start()
    dynamodb = own_server.client("dynamodb")
    stored = {}
    for page in dynamodb.get_paginator("scan").paginate(TableName="kept"):
        for found in page["Items"]:
            stored[found["id"]["S"], int(found["n"]["N"])] = found
    for place, value in answered.items():
        assert place in stored
        if place not in unsure:
            assert stored[place] == value
    pages = dynamodb.get_paginator("scan").paginate(TableName="kept", IndexName="by-g")
    shown = {(found["id"]["S"], int(found["n"]["N"])): found for page in pages for found in page["Items"]}
    assert shown == stored
    described = dynamodb.describe_table(TableName="kept")["Table"]
    assert described["ItemCount"] == len(stored)
    assert {i["ItemCount"] for i in described["GlobalSecondaryIndexes"]} == {len(stored)}
