"""DynamoDB's tables: what makes one, changes one and names one; and what is refused.

AWS: API Reference, *CreateTable*, *UpdateTable*, *DescribeTable*, *DeleteTable*, *ListTables*, *TagResource*.
"""

import pytest
from dynamo import (
    INVALID,
    SHAPES,
    definitions,
    enumeration,
    index,
    invalid,
    key_schema,
    n,
    s,
    tables,
    violation,
    violations,
)
from errors import refusal
from program import until

UNITS = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
ON_DEMAND = {"BillingMode": "PAY_PER_REQUEST"}


@pytest.fixture(scope="module")
def table(server):
    with tables(server, "tables", "plain", "indexed") as made:
        yield made


@pytest.fixture
def made(dynamodb, name):
    """Makes one table, and returns its name."""
    names = []

    def make(**definition):
        dynamodb.create_table(TableName=name, **{**SHAPES["plain"], **ON_DEMAND, **definition})
        names.append(name)
        return name

    yield make
    for own in names:
        dynamodb.delete_table(TableName=own)


# Names of tables

PATTERN = "satisfy regular expression pattern: [a-zA-Z0-9_.-]+"


@pytest.mark.parametrize("name_", ["a b", "a/b/c", "naïve", "abc;"])
@pytest.mark.parametrize("operation", ["describe_table", "delete_table", "update_table", "describe_time_to_live", "scan"])
def test_a_name_has_letters_digits_and_three_signs(dynamodb, operation, name_):
    message = violations(violation(name_, "tableName", PATTERN))
    invalid(getattr(dynamodb, operation), message, TableName=name_)


@pytest.mark.parametrize("name_, constraint", [("", "greater than or equal to 1"), ("a" * 256, "less than or equal to 255")])
@pytest.mark.parametrize("operation, more", [
    ("describe_table", {}),
    ("delete_table", {}),
    ("scan", {}),
    ("get_item", {"Key": {"p": s("x")}}),
    ("put_item", {"Item": {"p": s("x")}}),
    ("update_item", {"Key": {"p": s("x")}}),
    ("delete_item", {"Key": {"p": s("x")}}),
    ("query", {"KeyConditionExpression": "p = :p", "ExpressionAttributeValues": {":p": s("x")}}),
])  # fmt: skip
def test_a_name_has_a_length(dynamodb, operation, more, name_, constraint):
    message = violations(violation(name_, "tableName", f"have length {constraint}"))
    invalid(getattr(dynamodb, operation), message, TableName=name_, **more)


@pytest.mark.parametrize("name_", ["a", "ab"])
def test_no_table_has_so_short_a_name(dynamodb, name_):
    not_found = (400, "ResourceNotFoundException", f"Requested resource not found: Table: {name_} not found")
    assert refusal(dynamodb.describe_table, TableName=name_) == not_found
    assert refusal(dynamodb.delete_table, TableName=name_) == not_found
    nowhere = (400, "ResourceNotFoundException", "Requested resource not found")
    assert refusal(dynamodb.get_item, TableName=name_, Key={"p": s("x")}) == nowhere


@pytest.mark.parametrize(
    "name_, each",
    [
        ("ab", [violation("ab", "tableName", "have length greater than or equal to 3")]),
        ("a" * 256, [violation("a" * 256, "tableName", "have length less than or equal to 255")]),
        ("a b", [violation("a b", "tableName", PATTERN)]),
        ("x!", [violation("x!", "tableName", PATTERN), violation("x!", "tableName", "have length greater than or equal to 3")]),
    ],
    ids=["short", "long", "blank", "short with a sign"],
)
def test_a_new_table_has_three_letters(dynamodb, name_, each):
    invalid(dynamodb.create_table, violations(*each), TableName=name_, **SHAPES["plain"], **ON_DEMAND)


@pytest.mark.parametrize("arn", ["arn:aws:dynamodb:us-east-1:000000000000:table/{}", "{}"])
def test_a_table_goes_by_its_name_or_its_arn(dynamodb, table, arn):
    name = arn.format(table["plain"])
    assert dynamodb.describe_table(TableName=name)["Table"]["TableName"] == table["plain"]
    dynamodb.put_item(TableName=name, Item={"p": s(arn)})
    assert dynamodb.get_item(TableName=table["plain"], Key={"p": s(arn)})["Item"] == {"p": s(arn)}


# CreateTable

SORTED = {"KeySchema": key_schema("p", "s"), "AttributeDefinitions": definitions(p="S", s="S")}
NO_DEFINITION = "Invalid KeySchema: Some index key attribute have no definition"
NOT_DEFINED = (
    INVALID + "Some index key attributes are not defined in AttributeDefinitions. Keys: [{}], AttributeDefinitions: [{}]"
)
SAME_NAME = "Both the Hash Key and the Range Key element in the KeySchema have the same name"
NOT_HASH = "Invalid KeySchema: The first KeySchemaElement is not a HASH key type"
NOT_RANGE = "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type"


def keys(*elements):
    return [{"AttributeName": name, "KeyType": kind} for name, kind in elements]


WRONG_KEYS = {
    "no definition": ({"AttributeDefinitions": []}, NO_DEFINITION),
    "one definition of two": ({"AttributeDefinitions": definitions(p="S")}, NO_DEFINITION),
    "another definition": (
        {"AttributeDefinitions": definitions(p="S", x="S")},
        NOT_DEFINED.format("p, s", "p, x"),
    ),
    "another definition of one": (
        {"KeySchema": key_schema("p"), "AttributeDefinitions": definitions(x="S")},
        NOT_DEFINED.format("p", "x"),
    ),
    "one name, one definition": (
        {"KeySchema": key_schema("p", "p"), "AttributeDefinitions": definitions(p="S")},
        NO_DEFINITION,
    ),
    "one name, two definitions": ({"KeySchema": key_schema("p", "p")}, SAME_NAME),
    "one name, twice the partition key": ({"KeySchema": keys(("p", "HASH"), ("p", "HASH"))}, SAME_NAME),
    "a sort key first": ({"KeySchema": keys(("p", "RANGE"), ("s", "HASH"))}, NOT_HASH),
    "two sort keys": ({"KeySchema": keys(("p", "RANGE"), ("s", "RANGE"))}, NOT_HASH),
    "two partition keys": ({"KeySchema": keys(("p", "HASH"), ("s", "HASH"))}, NOT_RANGE),
    "a sort key alone": (
        {"KeySchema": keys(("p", "RANGE")), "AttributeDefinitions": definitions(p="S")},
        NOT_HASH,
    ),
    "a definition too many": (
        {"AttributeDefinitions": definitions(p="S", s="S", x="S")},
        INVALID
        + "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions",
    ),
    "no key": (
        {"KeySchema": []},
        violations(violation("[]", "keySchema", "have length greater than or equal to 1")),
    ),
    "three keys": (
        {"KeySchema": keys(("p", "HASH"), ("s", "RANGE"), ("x", "RANGE"))},
        violations(violation("[3 elements]", "keySchema", "have length less than or equal to 2")),
    ),
    "no such kind of key": (
        {"KeySchema": keys(("p", "SORT"), ("s", "RANGE"))},
        violations(enumeration("SORT", "keySchema.1.member.keyType", "HASH", "RANGE")),
    ),
    "a key of truth": (
        {"AttributeDefinitions": definitions(p="BOOL", s="S")},
        violations(enumeration("BOOL", "attributeDefinitions.1.member.attributeType", "B", "N", "S")),
    ),
    "a key of a set": (
        {"AttributeDefinitions": definitions(p="S", s="SS")},
        violations(enumeration("SS", "attributeDefinitions.2.member.attributeType", "B", "N", "S")),
    ),
    "a name too long": (
        {"KeySchema": key_schema("p", "x" * 256), "AttributeDefinitions": definitions(p="S", s="S")},
        violations(violation("x" * 256, "keySchema.2.member.attributeName", "have length less than or equal to 255")),
    ),
    "a definition of a name too long": (
        {"AttributeDefinitions": definitions(p="S", **{"x" * 256: "S"})},
        violations(
            violation("x" * 256, "attributeDefinitions.2.member.attributeName", "have length less than or equal to 255")
        ),
    ),
}


@pytest.mark.parametrize("case", WRONG_KEYS)
def test_keys_that_make_no_table(dynamodb, name, case):
    change, message = WRONG_KEYS[case]
    invalid(dynamodb.create_table, message, TableName=name, **{**SORTED, **ON_DEMAND, **change})


def global_(*indexes):
    return {"GlobalSecondaryIndexes": list(indexes)}


def local(*indexes):
    return {"LocalSecondaryIndexes": list(indexes)}


WRONG_INDEXES = {
    "no global index": (global_(), INVALID + "List of GlobalSecondaryIndexes is empty"),
    "no local index": (local(), INVALID + "List of LocalSecondaryIndexes is empty"),
    "one name, global": (global_(index("one", "s"), index("one", "p")), INVALID + "Duplicate index name: one"),
    "one name, local": (local(index("one", "p", "s"), index("one", "p", "s")), INVALID + "Duplicate index name: one"),
    "one name, of both": (
        {**local(index("one", "p", "s")), **global_(index("one", "s"))},
        INVALID + "Duplicate index name: one",
    ),
    "21 global": (
        global_(*(index(f"index-{number}", "s") for number in range(21))),
        INVALID + "GlobalSecondaryIndex count exceeds the per-table limit of 20",
    ),
    "6 local": (
        local(*(index(f"index-{number}", "p", "s") for number in range(6))),
        INVALID + "Number of LocalSecondaryIndexes exceeds per-table limit of 5",
    ),
    "a local index without a sort key": (
        local(index("one", "p")),
        INVALID + "Index KeySchema does not have a range key for index: one",
    ),
    "a local index of another partition key": (
        local(index("one", "s", "p")),
        INVALID + "Index KeySchema does not have the same leading hash key as table KeySchema for index: one. index hash key: "
        "s, table hash key: p",
    ),
    "keys of an index that are not defined": (global_(index("one", "x", "y")), NOT_DEFINED.format("x, y", "p, s")),
    "a sort key of an index that is not defined": (local(index("one", "p", "x")), NOT_DEFINED.format("p, x", "p, s")),
    "one key twice": (global_(index("one", "s", "s")), SAME_NAME),
    "an index by a sort key": (global_({**index("one", "s"), "KeySchema": keys(("s", "RANGE"))}), NOT_HASH),
    "an index by two partition keys": (
        global_({**index("one", "s"), "KeySchema": keys(("s", "HASH"), ("p", "HASH"))}),
        NOT_RANGE,
    ),
    "no projection": (global_({**index("one", "s"), "Projection": {}}), INVALID + "Unknown ProjectionType: null"),
    "names alone": (
        local({**index("one", "p", "s"), "Projection": {"NonKeyAttributes": ["a"]}}),
        INVALID + "Unknown ProjectionType: null",
    ),
    "all and some": (
        global_(index("one", "s", show="ALL", more=["a"])),
        INVALID + "ProjectionType is ALL, but NonKeyAttributes is specified",
    ),
    "keys and some": (
        local(index("one", "p", "s", show="KEYS_ONLY", more=["a"])),
        INVALID + "ProjectionType is KEYS_ONLY, but NonKeyAttributes is specified",
    ),
    "some, but which": (
        global_(index("one", "s", show="INCLUDE")),
        INVALID + "ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
    ),
    "no such projection": (
        global_(index("one", "s", show="SOME")),
        violations(
            enumeration(
                "SOME", "globalSecondaryIndexes.1.member.projection.projectionType", "ALL", "INCLUDE", "KEYS_ONLY"
            )
        ),
    ),
    "a short name": (
        global_(index("ab", "s")),
        violations(
            violation("ab", "globalSecondaryIndexes.1.member.indexName", "have length greater than or equal to 3")
        ),
    ),
    "a name with signs": (
        local(index("a b", "p", "s")),
        violations(violation("a b", "localSecondaryIndexes.1.member.indexName", PATTERN)),
    ),
    "capacity on demand": (
        global_({**index("one", "s"), "ProvisionedThroughput": UNITS}),
        INVALID + "ProvisionedThroughput should not be specified for index: one when BillingMode is PAY_PER_REQUEST",
    ),
}


@pytest.mark.parametrize("case", WRONG_INDEXES)
def test_indexes_that_make_no_table(dynamodb, name, case):
    change, message = WRONG_INDEXES[case]
    invalid(dynamodb.create_table, message, TableName=name, **{**SORTED, **ON_DEMAND, **change})


def provisioned(read, write):
    throughput = {"ReadCapacityUnits": read, "WriteCapacityUnits": write}
    return {"BillingMode": "PROVISIONED", "ProvisionedThroughput": throughput}


AT_LEAST = "have value greater than or equal to 1"
WRONG_SETTINGS = {
    "capacity on demand": (
        {**ON_DEMAND, "ProvisionedThroughput": UNITS},
        INVALID + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
    ),
    "no capacity": (
        {"BillingMode": "PROVISIONED"},
        INVALID + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
    ),
    "no capacity by default": (
        {},
        INVALID + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
    ),
    "no units": (
        provisioned(0, -1),
        violations(
            violation(-1, "provisionedThroughput.writeCapacityUnits", AT_LEAST),
            violation(0, "provisionedThroughput.readCapacityUnits", AT_LEAST),
        ),
    ),
    "too many to read": (
        provisioned(1_000_000_000_001, 1_000_000_000_001),
        "Given value 1000000000001 for ReadCapacityUnits is out of bounds",
    ),
    "too many to write": (
        provisioned(1, 1_000_000_000_001),
        "Given value 1000000000001 for WriteCapacityUnits is out of bounds",
    ),
    "no capacity of an index": (
        {**provisioned(1, 1), **global_(index("one", "p"))},
        INVALID + "ProvisionedThroughput is not specified for index: one",
    ),
    "too many for an index": (
        {
            **provisioned(1, 1),
            **global_({**index("one", "p"), "ProvisionedThroughput": {**UNITS, "ReadCapacityUnits": 1_000_000_000_001}}),
        },
        "Given value 1000000000001 for ReadCapacityUnits is out of bounds for index one",
    ),
    "no such billing": (
        {"BillingMode": "FREE"},
        violations(enumeration("FREE", "billingMode", "PROVISIONED", "PAY_PER_REQUEST")),
    ),
    "no such class": (
        {**ON_DEMAND, "TableClass": "GLACIER"},
        violations(enumeration("GLACIER", "tableClass", "STANDARD", "STANDARD_INFREQUENT_ACCESS")),
    ),
}


@pytest.mark.parametrize("case", WRONG_SETTINGS)
def test_settings_that_make_no_table(dynamodb, name, case):
    change, message = WRONG_SETTINGS[case]
    invalid(dynamodb.create_table, message, TableName=name, **{**SHAPES["plain"], **change})


def test_a_name_is_taken_once(dynamodb, table):
    refused = refusal(dynamodb.create_table, TableName=table["plain"], **SHAPES["plain"], **ON_DEMAND)
    assert refused == (400, "ResourceInUseException", f"Table already exists: {table['plain']}")


# UpdateTable

NOTHING = (
    "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or SSESpecification or "
    "ReplicaUpdates is required"
)


def updates(*each):
    return {"GlobalSecondaryIndexUpdates": list(each)}


CHANGES = {
    "nothing": ({}, NOTHING),
    "no index": (updates(), NOTHING),
    "an index, but what": (
        updates({}),
        INVALID + "One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, "
        "GlobalSecondaryIndexUpdate.Delete must not be null",
    ),
    "an index twice": (
        updates({"Delete": {"IndexName": "one"}}, {"Delete": {"IndexName": "one"}}),
        INVALID + "Only one global secondary index update per index is allowed simultaneously. Index: one",
    ),
    "an index of that name": (
        {"AttributeDefinitions": definitions(g="S"), **updates({"Create": index("g-1", "g")})},
        "Attempting to create an index which already exists",
    ),
    "a local index of that name": (
        {"AttributeDefinitions": definitions(g="S"), **updates({"Create": index("l-1", "g")})},
        "Attempting to create an index which already exists",
    ),
    "an index without definitions": (
        updates({"Create": index("new", "g")}),
        NOT_DEFINED.format("g", ""),
    ),
    "an index by what is not defined": (
        {"AttributeDefinitions": definitions(x="S"), **updates({"Create": index("new", "y", "x")})},
        NOT_DEFINED.format("y, x", "x"),
    ),
    "no units": (
        {"ProvisionedThroughput": {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0}},
        violations(
            violation(0, "provisionedThroughput.writeCapacityUnits", AT_LEAST),
            violation(0, "provisionedThroughput.readCapacityUnits", AT_LEAST),
        ),
    ),
    "capacity on demand": (
        {**ON_DEMAND, "ProvisionedThroughput": UNITS},
        INVALID + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
    ),
    "no capacity": (
        {"BillingMode": "PROVISIONED"},
        INVALID + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
    ),
    "no such billing": (
        {"BillingMode": "FREE"},
        violations(enumeration("FREE", "billingMode", "PROVISIONED", "PAY_PER_REQUEST")),
    ),
    "a short name of an index": (
        updates({"Delete": {"IndexName": "ab"}}),
        violations(
            violation(
                "ab", "globalSecondaryIndexUpdates.1.member.delete.indexName", "have length greater than or equal to 3"
            )
        ),
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_changes_of_a_table_that_are_refused(dynamodb, table, case):
    change, message = CHANGES[case]
    status, code, said = refusal(dynamodb.update_table, TableName=table["indexed"], **change)
    assert (status, code) == (400, "ValidationException")
    assert said == message or (case.endswith("of that name") and said.startswith(message))


def test_an_index_that_is_not_there_is_not_deleted(dynamodb, table):
    status, code, message = refusal(dynamodb.update_table, TableName=table["plain"], **updates({"Delete": {"IndexName": "none"}}))
    assert (status, code) == (400, "ResourceNotFoundException") and message.startswith("Requested resource not found")


def test_the_capacity_that_is_there_is_no_change(dynamodb, made):
    name = made(**provisioned(3, 4))
    message = (
        "The provisioned throughput for the table will not change. The requested value equals the current value. Current "
        "ReadCapacityUnits provisioned for the table: 3. Requested ReadCapacityUnits: 3. Current WriteCapacityUnits provisioned "
        "for the table: 4. Requested WriteCapacityUnits: 4. Refer to the Amazon DynamoDB Developer Guide for current limits and "
        "how to request higher limits."
    )
    same = {"ReadCapacityUnits": 3, "WriteCapacityUnits": 4}
    invalid(dynamodb.update_table, message, TableName=name, ProvisionedThroughput=same)
    dynamodb.update_table(TableName=name, ProvisionedThroughput={**same, "ReadCapacityUnits": 5})
    described = dynamodb.describe_table(TableName=name)["Table"]["ProvisionedThroughput"]
    assert (described["ReadCapacityUnits"], described["WriteCapacityUnits"]) == (5, 4)


def test_an_index_may_be_by_an_attribute_that_is_a_key_already(dynamodb, made):
    name = made(**SHAPES["texts"])
    dynamodb.put_item(TableName=name, Item={"p": s("x"), "s": s("y"), "a": n(1)})
    create = updates({"Create": index("by-s", "s")})
    dynamodb.update_table(TableName=name, AttributeDefinitions=definitions(s="S"), **create)

    def built():
        return dynamodb.describe_table(TableName=name)["Table"]["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE"

    until(built, "the index")
    assert dynamodb.scan(TableName=name, IndexName="by-s")["Items"] == [{"p": s("x"), "s": s("y"), "a": n(1)}]


def test_a_protected_table_is_not_deleted(dynamodb, made):
    name = made(DeletionProtectionEnabled=True)
    message = "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first."
    invalid(dynamodb.delete_table, message, TableName=name)
    assert dynamodb.describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE"
    dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)


# ListTables, tags


@pytest.mark.parametrize(
    "parameters, each",
    [
        ({"Limit": 0}, [violation(0, "limit", AT_LEAST)]),
        ({"Limit": 101}, [violation(101, "limit", "have value less than or equal to 100")]),
        (
            {"ExclusiveStartTableName": ""},
            [
                violation("", "exclusiveStartTableName", PATTERN),
                violation("", "exclusiveStartTableName", "have length greater than or equal to 3"),
            ],
        ),
        (
            {"ExclusiveStartTableName": "a;", "Limit": 500},
            [
                violation(500, "limit", "have value less than or equal to 100"),
                violation("a;", "exclusiveStartTableName", PATTERN),
                violation("a;", "exclusiveStartTableName", "have length greater than or equal to 3"),
            ],
        ),
    ],
    ids=["none", "too many", "an empty start", "all"],
)
def test_lists_that_are_refused(dynamodb, parameters, each):
    invalid(dynamodb.list_tables, violations(*each), **parameters)


def test_a_list_goes_on_behind_a_name_that_is_not_there(dynamodb, table):
    first, second = sorted(table.values())
    listed = dynamodb.list_tables(ExclusiveStartTableName=first[:-1], Limit=1)
    assert (listed["TableNames"], listed["LastEvaluatedTableName"]) == ([first], first)
    assert dynamodb.list_tables(ExclusiveStartTableName=first, Limit=1)["TableNames"] == [second]


ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/{}"


@pytest.mark.parametrize(
    "operation, more",
    [
        ("tag_resource", {"Tags": [{"Key": "a", "Value": "b"}]}),
        ("untag_resource", {"TagKeys": ["a"]}),
        ("list_tags_of_resource", {}),
    ],
)
def test_tags_are_of_a_table_that_is_there(dynamodb, operation, more):
    arn = ARN.format("not-there")
    expected = (400, "ResourceNotFoundException", f"Requested resource not found: ResourcArn: {arn} not found")
    assert refusal(getattr(dynamodb, operation), ResourceArn=arn, **more) == expected


@pytest.mark.parametrize("arn", ["not-an-arn", "arn:aws:s3:::bucket", ARN.format("x/index/y")])
def test_tags_are_of_an_arn(dynamodb, arn):
    message = f"Invalid TableArn: Invalid ResourceArn provided as input {arn}"
    invalid(dynamodb.list_tags_of_resource, message, ResourceArn=arn)


def test_tags_have_lengths(dynamodb, table):
    arn = ARN.format(table["plain"])
    tags = [{"Key": "k" * 129, "Value": "v"}, {"Key": "k", "Value": "v" * 257}]
    message = violations(
        violation("k" * 129, "tags.1.member.key", "have length less than or equal to 128"),
        violation("v" * 257, "tags.2.member.value", "have length less than or equal to 256"),
    )
    invalid(dynamodb.tag_resource, message, ResourceArn=arn, Tags=tags)
