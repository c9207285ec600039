"""DynamoDB's parameters of the time before expressions: what they mean, and the words in which they are refused.

AWS: Developer Guide, "Legacy conditional parameters".
"""

import pytest
from errors import refusal

VALIDATION = (400, "ValidationException")
FAILED = (400, "ConditionalCheckFailedException", "The conditional request failed")
INVALID = "One or more parameter values were invalid: "


@pytest.fixture(scope="module")
def table(dynamodb):
    """A table with the partition key `p` and the number `s` as sort key."""
    name = "legacy"
    dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[
            {"AttributeName": "p", "AttributeType": "S"},
            {"AttributeName": "s", "AttributeType": "N"},
        ],
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.get_waiter("table_exists").wait(TableName=name)
    yield name
    dynamodb.delete_table(TableName=name)


@pytest.fixture
def key(name):
    return {"p": {"S": name}, "s": {"N": "1"}}


ITEM = {
    "a": {"S": "hello"},
    "b": {"N": "5"},
    "l": {"L": [{"N": "1"}, {"S": "two"}]},
    "ss": {"SS": ["red", "blue"]},
    "ns": {"NS": ["1", "2.5"]},
}


def compared(operator, *values):
    return {"ComparisonOperator": operator, "AttributeValueList": list(values)}


def s(text):
    return {"S": text}


def n(number):
    return {"N": str(number)}


CONDITIONS = [
    ({"a": compared("EQ", s("hello"))}, True),
    ({"a": compared("EQ", s("other"))}, False),
    ({"z": compared("EQ", s("other"))}, False),
    ({"ss": compared("EQ", {"SS": ["blue", "red"]})}, True),
    ({"a": compared("NE", s("other"))}, True),
    ({"z": compared("NE", s("other"))}, True),
    ({"b": compared("LT", n(6))}, True),
    ({"b": compared("LE", n("5.0"))}, True),
    ({"b": compared("GT", n(5))}, False),
    ({"b": compared("GE", n(5))}, True),
    ({"a": compared("LT", n(6))}, False),
    ({"b": compared("BETWEEN", n(4), n(6))}, True),
    ({"b": compared("BETWEEN", n(6), n(7))}, False),
    ({"b": compared("IN", n(4), n(5))}, True),
    ({"z": compared("IN", n(4))}, False),
    ({"a": compared("BEGINS_WITH", s("hell"))}, True),
    ({"a": compared("CONTAINS", s("ell"))}, True),
    ({"ns": compared("CONTAINS", n("2.50"))}, True),
    ({"l": compared("CONTAINS", s("two"))}, True),
    ({"a": compared("NOT_CONTAINS", s("xyz"))}, True),
    ({"a": compared("NOT_CONTAINS", s("ell"))}, False),
    ({"z": {"ComparisonOperator": "NULL"}}, True),
    ({"a": {"ComparisonOperator": "NULL"}}, False),
    ({"a": {"ComparisonOperator": "NOT_NULL"}}, True),
    ({"a": compared("EQ", s("hello")), "b": compared("EQ", n(4))}, False),
]


@pytest.mark.parametrize("conditions,holds", CONDITIONS, ids=[str(conditions)[:50] for conditions, _ in CONDITIONS])
def test_expectations_and_filters_agree(dynamodb, table, key, conditions, holds):
    dynamodb.put_item(TableName=table, Item={**key, **ITEM})
    if holds:
        dynamodb.put_item(TableName=table, Item={**key, **ITEM}, Expected=conditions)
    else:
        assert refusal(dynamodb.delete_item, TableName=table, Key=key, Expected=conditions) == FAILED
    of_key = {"p": compared("EQ", key["p"])}
    assert dynamodb.query(TableName=table, KeyConditions=of_key, QueryFilter=conditions)["Count"] == int(holds)
    scanned = dynamodb.scan(TableName=table, ScanFilter={**conditions, **of_key})
    assert scanned["Count"] == int(holds)


def test_expectations_of_the_first_kind(dynamodb, table, key):
    """`Value` and `Exists`, before there were operators."""
    dynamodb.put_item(TableName=table, Item={**key, "a": n(1)}, Expected={"p": {"Exists": False}})
    assert refusal(dynamodb.put_item, TableName=table, Item=key, Expected={"p": {"Exists": False}}) == FAILED
    assert refusal(dynamodb.put_item, TableName=table, Item=key, Expected={"a": {"Value": n(2)}}) == FAILED
    dynamodb.put_item(TableName=table, Item={**key, "a": n(2)}, Expected={"a": {"Value": n("1.0"), "Exists": True}})
    either = {"a": {"Value": n(7)}, "z": {"Exists": False}}
    assert refusal(dynamodb.put_item, TableName=table, Item=key, Expected=either) == FAILED
    dynamodb.delete_item(TableName=table, Key=key, Expected=either, ConditionalOperator="OR")
    assert "Item" not in dynamodb.get_item(TableName=table, Key=key)


REFUSED = [
    ({"a": {}}, f"{INVALID}Value must be provided when Exists is null for Attribute: a"),
    ({"a": {"Exists": True}}, f"{INVALID}Value must be provided when Exists is true for Attribute: a"),
    ({"a": {"Exists": False, "Value": n(1)}}, f"{INVALID}Value cannot be used when Exists is false for Attribute: a"),
    (
        {"a": {"Exists": True, "ComparisonOperator": "NULL"}},
        f"{INVALID}Exists and ComparisonOperator cannot be used together for Attribute: a",
    ),
    (
        {"a": {"Value": n(1), **compared("EQ", n(1))}},
        f"{INVALID}Value and AttributeValueList cannot be used together for Attribute: a",
    ),
    (
        {"a": {"AttributeValueList": [n(1)]}},
        f"{INVALID}AttributeValueList can only be used with a ComparisonOperator for Attribute: a",
    ),
    ({"a": compared("EQ")}, f"{INVALID}Invalid number of argument(s) for the EQ ComparisonOperator"),
    ({"a": compared("EQ", n(1), n(2))}, f"{INVALID}Invalid number of argument(s) for the EQ ComparisonOperator"),
    ({"a": compared("BETWEEN", n(1))}, f"{INVALID}Invalid number of argument(s) for the BETWEEN ComparisonOperator"),
    ({"a": compared("NULL", n(1))}, f"{INVALID}Invalid number of argument(s) for the NULL ComparisonOperator"),
    ({"a": compared("IN")}, f"{INVALID}Invalid number of argument(s) for the IN ComparisonOperator"),
    ({"a": compared("LT", {"L": []})}, f"{INVALID}ComparisonOperator LT is not valid for L AttributeValue type"),
    (
        {"a": compared("BEGINS_WITH", n(1))},
        f"{INVALID}ComparisonOperator BEGINS_WITH is not valid for N AttributeValue type",
    ),
    (
        {"a": compared("CONTAINS", {"SS": ["a"]})},
        f"{INVALID}ComparisonOperator CONTAINS is not valid for SS AttributeValue type",
    ),
    ({"a": compared("IN", n(1), s("x"))}, f"{INVALID}AttributeValues inside AttributeValueList must be of same type"),
    (
        {"a": compared("BETWEEN", n(2), n(1))},
        "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound",
    ),
    ({"a": {"Value": {"N": "dog"}}}, "The parameter cannot be converted to a numeric value: dog"),
]


@pytest.mark.parametrize("expected,message", REFUSED, ids=[str(expected)[:50] for expected, _ in REFUSED])
def test_expectations_are_refused_in_the_words_of_aws(dynamodb, table, key, expected, message):
    assert refusal(dynamodb.put_item, TableName=table, Item=key, Expected=expected) == (*VALIDATION, message)
    assert refusal(dynamodb.update_item, TableName=table, Key=key, Expected=expected) == (*VALIDATION, message)
    assert "Item" not in dynamodb.get_item(TableName=table, Key=key)


def put(value):
    return {"Action": "PUT", "Value": value}


def test_attributes_are_put_added_to_and_deleted(dynamodb, table, key):
    def update(**updates):
        answer = dynamodb.update_item(TableName=table, Key=key, AttributeUpdates=updates, ReturnValues="ALL_NEW")
        return {name: value for name, value in answer["Attributes"].items() if name not in key}

    assert update(a=put(n(1)), b={"Value": s("x")}, c={"Action": "ADD", "Value": n(2)}) == {"a": n(1), "b": s("x"), "c": n(2)}
    assert update(a={"Action": "ADD", "Value": n("0.5")}, b={"Action": "DELETE"}) == {"a": n("1.5"), "c": n(2)}
    members = {"SS": ["x", "y"]}
    assert update(a={"Action": "DELETE"}, c={"Action": "DELETE"}, d={"Action": "ADD", "Value": members}) == {"d": members}
    assert update(d={"Action": "DELETE", "Value": {"SS": ["x"]}}, l=put({"L": [n(1)]})) == {"d": {"SS": ["y"]}, "l": {"L": [n(1)]}}
    assert update(l={"Action": "ADD", "Value": {"L": [n(2)]}}, d={"Action": "DELETE", "Value": members}) == {"l": {"L": [n(1), n(2)]}}
    assert update(**{"a.b": put(n(1)), "l": {"Action": "DELETE"}}) == {"a.b": n(1)}


def test_updates_make_items_or_not(dynamodb, table, key):
    dynamodb.update_item(TableName=table, Key=key, AttributeUpdates={"a": {"Action": "DELETE"}})
    assert "Item" not in dynamodb.get_item(TableName=table, Key=key)
    dynamodb.update_item(TableName=table, Key=key, AttributeUpdates={})
    assert dynamodb.get_item(TableName=table, Key=key)["Item"] == key


@pytest.mark.parametrize(
    "update,message",
    [
        ({"Action": "PUT"}, f"{INVALID}Only DELETE action is allowed when no attribute value is specified"),
        ({"Action": "ADD"}, f"{INVALID}Only DELETE action is allowed when no attribute value is specified"),
        ({"Action": "ADD", "Value": s("x")}, f"{INVALID}ADD action is not supported for the type S"),
        ({"Action": "ADD", "Value": {"M": {}}}, f"{INVALID}ADD action is not supported for the type M"),
        ({"Action": "DELETE", "Value": s("x")}, f"{INVALID}DELETE action with value is not supported for the type S"),
        ({"Action": "DELETE", "Value": n(1)}, f"{INVALID}DELETE action with value is not supported for the type N"),
        ({"Action": "PUT", "Value": {"SS": []}}, f"{INVALID}An string set  may not be empty"),
    ],
    ids=["put", "add", "add text", "add map", "delete text", "delete number", "empty set"],
)
def test_updates_are_refused_in_the_words_of_aws(dynamodb, table, key, update, message):
    refused = refusal(dynamodb.update_item, TableName=table, Key=key, AttributeUpdates={"a": update})
    assert refused == (*VALIDATION, message)
    assert "Item" not in dynamodb.get_item(TableName=table, Key=key)


def test_keys_are_not_updated(dynamodb, table, key):
    message = f"{INVALID}Cannot update attribute s. This attribute is part of the key"
    refused = refusal(dynamodb.update_item, TableName=table, Key=key, AttributeUpdates={"s": put(n(2))})
    assert refused == (*VALIDATION, message)


def test_key_conditions_find_keys_in_order(dynamodb, table, key):
    for number in range(5):
        dynamodb.put_item(TableName=table, Item={"p": key["p"], "s": n(number)})

    def found(**conditions):
        answer = dynamodb.query(TableName=table, KeyConditions={"p": compared("EQ", key["p"]), **conditions})
        return [int(item["s"]["N"]) for item in answer["Items"]]

    assert found() == [0, 1, 2, 3, 4]
    assert found(s=compared("GT", n(2))) == [3, 4]
    assert found(s=compared("LE", n(1))) == [0, 1]
    assert found(s=compared("BETWEEN", n(1), n(3))) == [1, 2, 3]
    assert found(s=compared("EQ", n(7))) == []


@pytest.mark.parametrize(
    "conditions,message",
    [
        ({}, "Conditions can be of length 1 or 2 only"),
        ({name: compared("EQ", n(1)) for name in "abc"}, "Conditions can be of length 1 or 2 only"),
        ({"p": compared("NE", s("x"))}, "Attempted conditional constraint is not an indexable operation"),
        ({"p": {"ComparisonOperator": "NOT_NULL"}}, "Attempted conditional constraint is not an indexable operation"),
        ({"p": compared("GT", s("x"))}, "Query key condition not supported"),
        ({"s": compared("EQ", n(1))}, "Query condition missed key schema element: p"),
        ({"p": compared("EQ", s("x")), "z": compared("EQ", n(1))}, "Query condition missed key schema element: s"),
        ({"p": compared("EQ", n(1))}, f"{INVALID}Condition parameter type does not match schema type"),
    ],
)
def test_key_conditions_are_refused_in_the_words_of_aws(dynamodb, table, conditions, message):
    assert refusal(dynamodb.query, TableName=table, KeyConditions=conditions) == (*VALIDATION, message)


def test_attributes_to_get(dynamodb, table, key):
    dynamodb.put_item(TableName=table, Item={**key, **ITEM})
    wanted = {"a": ITEM["a"], "l": ITEM["l"]}
    names = ["l", "a", "z"]
    assert dynamodb.get_item(TableName=table, Key=key, AttributesToGet=names)["Item"] == wanted
    of_key = {"p": compared("EQ", key["p"])}
    assert dynamodb.query(TableName=table, KeyConditions=of_key, AttributesToGet=names)["Items"] == [wanted]
    assert dynamodb.scan(TableName=table, ScanFilter=of_key, AttributesToGet=names)["Items"] == [wanted]
    batch = dynamodb.batch_get_item(RequestItems={table: {"Keys": [key], "AttributesToGet": names}})
    assert batch["Responses"] == {table: [wanted]}
    refused = refusal(dynamodb.get_item, TableName=table, Key=key, AttributesToGet=["a", "a"])
    assert refused == (*VALIDATION, f"{INVALID}Duplicate value in attribute name: a")


def test_old_and_new_do_not_mix(dynamodb, table, key):
    def mixed(operation, legacy, expressions, **parameters):
        message = (
            "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: "
            f"{{{legacy}}} Expression parameters: {{{expressions}}}"
        )
        assert refusal(operation, TableName=table, **parameters) == (*VALIDATION, message)

    condition = {"ConditionExpression": "attribute_not_exists(p)"}
    expected = {"Expected": {"p": {"Exists": False}}}
    mixed(dynamodb.put_item, "Expected", "ConditionExpression", Item=key, **expected, **condition)
    mixed(dynamodb.delete_item, "Expected", "ConditionExpression", Key=key, **expected, **condition)
    update = {"AttributeUpdates": {"a": put(n(1))}}
    mixed(dynamodb.update_item, "AttributeUpdates", "UpdateExpression", Key=key, UpdateExpression="REMOVE a", **update)
    mixed(dynamodb.update_item, "AttributeUpdates", "ConditionExpression", Key=key, **update, **condition)
    mixed(dynamodb.get_item, "AttributesToGet", "ProjectionExpression", Key=key, AttributesToGet=["a"], ProjectionExpression="a")
    mixed(dynamodb.scan, "AttributesToGet", "FilterExpression", AttributesToGet=["a"], FilterExpression="a = b")
    mixed(
        dynamodb.query,
        "AttributesToGet",
        "KeyConditionExpression",
        AttributesToGet=["a"],
        KeyConditionExpression="p = :p",
        ExpressionAttributeValues={":p": s("x")},
    )
    refused = refusal(dynamodb.put_item, TableName=table, Item=key, ConditionalOperator="OR")
    assert refused == (*VALIDATION, "ConditionalOperator cannot be used without Filter or Expected")
    refused = refusal(
        dynamodb.put_item, TableName=table, Item=key, **expected, ExpressionAttributeNames={"#a": "a"}
    )
    assert refused == (*VALIDATION, "ExpressionAttributeNames can only be specified when using expressions")
    assert "Item" not in dynamodb.get_item(TableName=table, Key=key)
