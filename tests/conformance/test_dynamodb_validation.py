"""DynamoDB's values: which are stored and as what, and the words in which the others are refused.

AWS: Developer Guide, "Supported data types and naming rules" and "Service, account, and table quotas".
"""

import json

import pytest
from errors import refusal
from signing import call

VALIDATION = (400, "ValidationException")
INVALID = "One or more parameter values were invalid: "
NOT_NUMERIC = "The parameter cannot be converted to a numeric value"
UNTYPED = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
SEVERAL = "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
NESTING = (
    "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit"
)
NINES = "9" * 38


@pytest.fixture(scope="module")
def table(dynamodb):
    """A table with the partition key `p`."""
    name = "values"
    dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.get_waiter("table_exists").wait(TableName=name)
    yield name
    dynamodb.delete_table(TableName=name)


@pytest.fixture(scope="module")
def numbered(dynamodb):
    """A table whose partition key `p` is a number and whose sort key `s` is binary."""
    name = "values-numbered"
    dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[
            {"AttributeName": "p", "AttributeType": "N"},
            {"AttributeName": "s", "AttributeType": "B"},
        ],
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.get_waiter("table_exists").wait(TableName=name)
    yield name
    dynamodb.delete_table(TableName=name)


@pytest.fixture
def key(name):
    return {"p": {"S": name}}


NUMBERS = {
    "0": "0",
    "-0": "0",
    "+0.0": "0",
    "0e1000": "0",
    "+5": "5",
    "+1.5": "1.5",
    "00042": "42",
    "1.0": "1",
    "3.1400": "3.14",
    ".5": "0.5",
    "+.5": "0.5",
    "5.": "5",
    "1.e5": "100000",
    "1e+2": "100",
    "1.5E+3": "1500",
    "+1e-2": "0.01",
    "1.23E10": "12300000000",
    "-17.4E37": "-174" + "0" * 36,
    "-120.50": "-120.5",
    NINES: NINES,
    f"0.{NINES}000": f"0.{NINES}",
    "100000000000000000000000000000000000000000": "1" + "0" * 41,
    "9.9999999999999999999999999999999999999E+125": NINES + "0" * 88,
    "-9.9999999999999999999999999999999999999E+125": "-" + NINES + "0" * 88,
    "1E-130": "0." + "0" * 129 + "1",
    "-1E-130": "-0." + "0" * 129 + "1",
}


@pytest.mark.parametrize("given,stored", NUMBERS.items())
def test_numbers_are_stored_exactly_and_answered_plainly(dynamodb, table, key, given, stored):
    dynamodb.put_item(TableName=table, Item={**key, "n": {"N": given}, "set": {"NS": [given]}, "l": {"L": [{"N": given}]}})
    item = dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
    assert item == {**key, "n": {"N": stored}, "set": {"NS": [stored]}, "l": {"L": [{"N": stored}]}}
    dynamodb.delete_item(
        TableName=table, Key=key, ConditionExpression="n = :n", ExpressionAttributeValues={":n": {"N": stored}}
    )


NO_NUMBERS = {
    **{text: f"{NOT_NUMERIC}: {text}" for text in (
        "+e2", "e2", "+1+2", "1.2.3", "++5", "+-5", "+", "-", "1e", "1e+", ".", "1.2e3.4", "0x5", "NaN", "-NaN", "Infinity",
        "-Infinity", "1_000", " 5", "5 ", "1 5", "dog", "1,5", "１",
    )},
    "": NOT_NUMERIC,
    "1E+126": "Number overflow. Attempting to store a number with magnitude larger than supported range",
    "-11e125": "Number overflow. Attempting to store a number with magnitude larger than supported range",
    "1.0e100000000": "Number overflow. Attempting to store a number with magnitude larger than supported range",
    "1E-131": "Number underflow. Attempting to store a number with magnitude smaller than supported range",
    "-0.9e-130": "Number underflow. Attempting to store a number with magnitude smaller than supported range",
    "1" * 39: "Attempting to store more than 38 significant digits in a Number",
    f"0.{'1' * 39}": "Attempting to store more than 38 significant digits in a Number",
    f"{'1' * 39}e30": "Attempting to store more than 38 significant digits in a Number",
}  # fmt: skip


@pytest.mark.parametrize("given,message", NO_NUMBERS.items())
def test_what_is_no_number_is_refused_everywhere(dynamodb, table, key, given, message):
    value = {"N": given}
    for attribute in (value, {"NS": ["1", given]}, {"L": [value]}, {"M": {"a": value}}):
        refused = refusal(dynamodb.put_item, TableName=table, Item={**key, "n": attribute})
        assert refused == (*VALIDATION, message)
    refused = refusal(
        dynamodb.update_item,
        TableName=table,
        Key=key,
        UpdateExpression="SET n = :n",
        ExpressionAttributeValues={":n": value},
    )
    assert refused == (*VALIDATION, f"ExpressionAttributeValues contains invalid value: {message} for key :n")
    assert "Item" not in dynamodb.get_item(TableName=table, Key=key)


KEPT = [
    {"S": ""},
    {"S": "a\u0000b\n\"é𝄞"},
    {"B": b""},
    {"B": bytes(range(256))},
    {"BOOL": False},
    {"NULL": True},
    {"M": {}},
    {"L": []},
    {"M": {"": {"S": "a"}, "a.b": {"M": {"#": {"L": [{"NULL": True}]}}}}},
    {"L": [{"S": ""}, {"B": b""}, {"L": [{"L": []}]}]},
    {"SS": [""]},
    {"SS": ["a", "b"]},
    {"NS": ["-1", "2", "10"]},
    {"BS": [b"", b"\x01"]},
]


@pytest.mark.parametrize("value", KEPT, ids=[repr(value)[:30] for value in KEPT])
def test_values_of_every_type_come_back(dynamodb, table, key, value):
    dynamodb.put_item(TableName=table, Item={**key, "v": value})
    assert dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]["v"] == value
    found = dynamodb.update_item(
        TableName=table,
        Key=key,
        UpdateExpression="SET w = v",
        ConditionExpression="v = :v",
        ExpressionAttributeValues={":v": value},
        ReturnValues="UPDATED_NEW",
    )
    assert found["Attributes"] == {"w": value}


def test_equal_sets_are_equal_in_any_order(dynamodb, table, key):
    item = {**key, "ss": {"SS": ["b", "a", "c"]}, "ns": {"NS": ["3", "1.0"]}, "bs": {"BS": [b"\x02", b"\x01"]}}
    dynamodb.put_item(TableName=table, Item=item)
    dynamodb.delete_item(
        TableName=table,
        Key=key,
        ConditionExpression="ss = :ss AND ns = :ns AND bs = :bs",
        ExpressionAttributeValues={
            ":ss": {"SS": ["c", "b", "a"]},
            ":ns": {"NS": ["1", "3.0"]},
            ":bs": {"BS": [b"\x01", b"\x02"]},
        },
    )


NO_VALUES = [
    ({}, UNTYPED),
    ({"S": "a", "N": "1"}, SEVERAL),
    ({"S": "a", "NULL": True}, SEVERAL),
    ({"L": [{"S": "a"}, {}]}, UNTYPED),
    ({"M": {"a": {"L": [{"S": "a", "BOOL": True}]}}}, SEVERAL),
    ({"NULL": False}, f"{INVALID}Null attribute value types must have the value of true"),
    ({"SS": []}, f"{INVALID}An string set  may not be empty"),
    ({"NS": []}, f"{INVALID}An number set  may not be empty"),
    ({"BS": []}, f"{INVALID}Binary sets should not be empty"),
    ({"SS": ["a", "b", "a"]}, f"{INVALID}Input collection [a, b, a] contains duplicates."),
    ({"NS": ["1", "1.0"]}, "Input collection contains duplicates"),
    ({"BS": [b"\x01", b"\x01"]}, f"{INVALID}Input collection [AQ==, AQ==]of type BS contains duplicates."),
    ({"M": {"a": {"SS": []}}}, f"{INVALID}An string set  may not be empty"),
    ({"L": [{"NS": ["1", "x"]}]}, f"{NOT_NUMERIC}: x"),
]


@pytest.mark.parametrize("value,message", NO_VALUES, ids=[repr(value)[:40] for value, _ in NO_VALUES])
def test_what_is_no_value_is_refused_in_the_words_of_aws(dynamodb, table, key, value, message):
    assert refusal(dynamodb.put_item, TableName=table, Item={**key, "v": value}) == (*VALIDATION, message)
    refused = refusal(
        dynamodb.scan,
        TableName=table,
        FilterExpression="v = :v",
        ExpressionAttributeValues={":v": value},
    )
    assert refused == (*VALIDATION, f"ExpressionAttributeValues contains invalid value: {message} for key :v")
    assert "Item" not in dynamodb.get_item(TableName=table, Key=key)


WRONG_JSON = [
    {"S": 5},
    {"S": True},
    {"S": {}},
    {"S": ["a"]},
    {"N": 123},
    {"N": 1.5},
    {"B": 5},
    {"B": "x"},
    {"B": "AQ=1"},
    {"BOOL": "true"},
    {"BOOL": 1},
    {"NULL": "yes"},
    {"M": []},
    {"M": "x"},
    {"L": {}},
    {"L": "x"},
    {"SS": "a"},
    {"SS": [1]},
    {"NS": [1]},
    {"BS": [{}]},
    "S",
    5,
    [],
]


@pytest.mark.parametrize("value", WRONG_JSON, ids=json.dumps)
def test_what_is_no_json_of_a_value_is_not_read(server, dynamodb, table, key, value):
    body = {"TableName": table, "Item": {**key, "v": value}}
    status, code, message = call(server, "dynamodb", "DynamoDB_20120810.PutItem", body).error()
    assert (status, code) == (400, "SerializationException"), message
    assert message
    assert "Item" not in dynamodb.get_item(TableName=table, Key=key)


def nested(wraps, kind):
    """A text within so many maps or lists."""
    value = {"S": "leaf"}
    for _ in range(wraps):
        value = {"M": {"n": value}} if kind == "M" else {"L": [value]}
    return value


@pytest.mark.parametrize("kind", ["M", "L"])
def test_values_nest_32_levels_and_no_deeper(dynamodb, table, key, kind):
    deepest = nested(31, kind)
    dynamodb.put_item(TableName=table, Item={**key, "v": deepest})
    assert dynamodb.get_item(TableName=table, Key=key)["Item"]["v"] == deepest
    for wraps in (32, 40, 55):
        value = nested(wraps, kind)
        assert refusal(dynamodb.put_item, TableName=table, Item={**key, "v": value}) == (*VALIDATION, NESTING)
    step = ".n" if kind == "M" else "[0]"
    refused = refusal(
        dynamodb.update_item,
        TableName=table,
        Key=key,
        UpdateExpression=f"SET v{step * 31} = :v",
        ExpressionAttributeValues={":v": {"L": [{"S": "one level too many"}]}},
    )
    assert refused == (*VALIDATION, NESTING)
    assert dynamodb.get_item(TableName=table, Key=key)["Item"]["v"] == deepest


@pytest.mark.parametrize("wrapper", ['{"M":{"n":', '{"L":['])
def test_depth_without_end_is_refused(server, table, wrapper):
    """No client would send this; the next request is answered as if nothing had been."""
    body = f'{{"TableName":"{table}","Item":{{"p":{{"S":"x"}},"v":{wrapper * 20_000}'.encode()
    status, code, _ = call(server, "dynamodb", "DynamoDB_20120810.PutItem", body).error()
    assert (status, code) == (400, "SerializationException")
    expression = "(" * 2_000 + "a = :a"
    body = {"TableName": table, "FilterExpression": expression, "ExpressionAttributeValues": {":a": {"S": "a"}}}
    status, code, message = call(server, "dynamodb", "DynamoDB_20120810.Scan", body).error()
    assert (status, code) == VALIDATION and message.startswith("Invalid FilterExpression: ")


NO_PLACEHOLDERS = [
    ({"ExpressionAttributeNames": {}}, "ExpressionAttributeNames must not be empty"),
    ({"ExpressionAttributeValues": {}}, "ExpressionAttributeValues must not be empty"),
    ({"ExpressionAttributeNames": {"a": "a"}}, 'ExpressionAttributeNames contains invalid key: Syntax error; key: "a"'),
    ({"ExpressionAttributeNames": {"#": "a"}}, 'ExpressionAttributeNames contains invalid key: Syntax error; key: "#"'),
    (
        {"ExpressionAttributeNames": {"#a-b": "a"}},
        'ExpressionAttributeNames contains invalid key: Syntax error; key: "#a-b"',
    ),
    (
        {"ExpressionAttributeNames": {"#a": ""}},
        "ExpressionAttributeNames contains invalid value: Empty attribute name for key #a",
    ),
    (
        {"ExpressionAttributeNames": {"#" + "a" * 255: "a"}},
        "ExpressionAttributeNames contains invalid key: The expression attribute map contains a key that is too long; size of "
        "key: 256",
    ),
    (
        {"ExpressionAttributeValues": {"a": {"S": "x"}}},
        'ExpressionAttributeValues contains invalid key: Syntax error; key: "a"',
    ),
    (
        {"ExpressionAttributeValues": {":": {"S": "x"}}},
        'ExpressionAttributeValues contains invalid key: Syntax error; key: ":"',
    ),
    (
        {"ExpressionAttributeValues": {"#a": {"S": "x"}}},
        'ExpressionAttributeValues contains invalid key: Syntax error; key: "#a"',
    ),
    (
        {"ExpressionAttributeNames": {"#a": "a", "#b": "b"}},
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a, #b}",
    ),
    (
        {"ExpressionAttributeValues": {":v": {"S": "v"}, ":w": {"S": "w"}}},
        "Value provided in ExpressionAttributeValues unused in expressions: keys: {:v, :w}",
    ),
]


@pytest.mark.parametrize("given,message", NO_PLACEHOLDERS, ids=[str(given)[21:60] for given, _ in NO_PLACEHOLDERS])
def test_placeholders_are_refused_in_the_words_of_aws(dynamodb, table, key, given, message):
    condition = "attribute_not_exists(p)"
    refused = refusal(dynamodb.put_item, TableName=table, Item=key, ConditionExpression=condition, **given)
    assert refused == (*VALIDATION, message)
    refused = refusal(
        dynamodb.update_item,
        TableName=table,
        Key=key,
        UpdateExpression="REMOVE z",
        ConditionExpression=condition,
        **given,
    )
    assert refused == (*VALIDATION, message)
    assert "Item" not in dynamodb.get_item(TableName=table, Key=key)


def test_placeholders_belong_to_expressions(dynamodb, table, key):
    names, values = {"ExpressionAttributeNames": {"#a": "a"}}, {"ExpressionAttributeValues": {":a": {"S": "a"}}}
    message = "ExpressionAttributeNames can only be specified when using expressions"
    for operation, more in (
        (dynamodb.put_item, {"Item": key}),
        (dynamodb.get_item, {"Key": key}),
        (dynamodb.delete_item, {"Key": key}),
        (dynamodb.update_item, {"Key": key}),
        (dynamodb.scan, {}),
    ):
        assert refusal(operation, TableName=table, **more, **names) == (*VALIDATION, message), operation
    message = "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null"
    for operation, more in ((dynamodb.put_item, {"Item": key}), (dynamodb.delete_item, {"Key": key})):
        assert refusal(operation, TableName=table, **more, **values) == (*VALIDATION, message), operation


def test_all_expressions_of_a_request_use_the_placeholders_together(dynamodb, table, key):
    dynamodb.update_item(
        TableName=table,
        Key=key,
        UpdateExpression="SET #a = :v",
        ConditionExpression="attribute_not_exists(#b) AND #a <> :w",
        ExpressionAttributeNames={"#a": "a", "#b": "b"},
        ExpressionAttributeValues={":v": {"S": "v"}, ":w": {"S": "w"}},
    )
    assert dynamodb.get_item(TableName=table, Key=key)["Item"] == {**key, "a": {"S": "v"}}


KEY_MISMATCH = "The provided key element does not match the schema"


@pytest.mark.parametrize(
    "given,message",
    [
        ({}, KEY_MISMATCH),
        ({"q": {"S": "x"}}, KEY_MISMATCH),
        ({"p": {"N": "1"}}, KEY_MISMATCH),
        ({"p": {"NULL": True}}, KEY_MISMATCH),
        ({"p": {"S": "x"}, "q": {"S": "x"}}, KEY_MISMATCH),
        (
            {"p": {"S": ""}},
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string "
            "value. Key: p",
        ),
        (
            {"p": {"S": "x" * 2049}},
            f"{INVALID}Size of hashkey has exceeded the maximum size limit of2048 bytes",
        ),
        ({"p": {}}, UNTYPED),
        ({"p": {"S": "x", "N": "1"}}, SEVERAL),
    ],
    ids=["none", "another", "number", "null", "two", "empty", "long", "untyped", "several"],
)
def test_keys_are_refused_in_the_words_of_aws(dynamodb, table, given, message):
    for operation in (dynamodb.get_item, dynamodb.delete_item, dynamodb.update_item):
        assert refusal(operation, TableName=table, Key=given) == (*VALIDATION, message), operation


@pytest.mark.parametrize(
    "given,message",
    [
        ({}, f"{INVALID}Missing the key p in the item"),
        ({"q": {"S": "x"}}, f"{INVALID}Missing the key p in the item"),
        ({"p": {"N": "1"}}, f"{INVALID}Type mismatch for key p expected: S actual: N"),
        ({"p": {"L": []}}, f"{INVALID}Type mismatch for key p expected: S actual: L"),
        (
            {"p": {"S": ""}},
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string "
            "value. Key: p",
        ),
    ],
    ids=["none", "another", "number", "list", "empty"],
)
def test_items_without_their_key_are_refused(dynamodb, table, given, message):
    assert refusal(dynamodb.put_item, TableName=table, Item={**given, "a": {"S": "x"}}) == (*VALIDATION, message)


def test_one_number_is_one_key_however_it_is_written(dynamodb, numbered):
    for number, byte in (("1", b"a"), ("1.0", b"b"), ("10e-1", b"a"), ("+1", b"c")):
        dynamodb.put_item(TableName=numbered, Item={"p": {"N": number}, "s": {"B": byte}, "n": {"S": number}})
    items = dynamodb.query(
        TableName=numbered, KeyConditionExpression="p = :p", ExpressionAttributeValues={":p": {"N": "0.1e1"}}
    )["Items"]
    assert [(item["p"]["N"], item["s"]["B"], item["n"]["S"]) for item in items] == [
        ("1", b"a", "10e-1"),
        ("1", b"b", "1.0"),
        ("1", b"c", "+1"),
    ]


def test_binary_keys_are_ordered_by_their_bytes(dynamodb, numbered):
    keys = [b"\x00", b"\x00\x00", b"\x00\xff", b"\x01", b"\x7f", b"\x80", b"\xfe\xff", b"\xff", b"\xff\x00"]
    for byte in reversed(keys):
        dynamodb.put_item(TableName=numbered, Item={"p": {"N": "7"}, "s": {"B": byte}})
    found = dynamodb.query(
        TableName=numbered,
        KeyConditionExpression="p = :p AND s BETWEEN :low AND :high",
        ExpressionAttributeValues={":p": {"N": "7"}, ":low": {"B": b"\x00\x00"}, ":high": {"B": b"\xff"}},
    )["Items"]
    assert [item["s"]["B"] for item in found] == keys[1:-1]
    found = dynamodb.query(
        TableName=numbered,
        KeyConditionExpression="p = :p AND begins_with(s, :prefix)",
        ExpressionAttributeValues={":p": {"N": "7"}, ":prefix": {"B": b"\xff"}},
    )["Items"]
    assert [item["s"]["B"] for item in found] == [b"\xff", b"\xff\x00"]


def test_items_are_as_large_as_aws_counts_them(dynamodb, table, key):
    """400 KB of names and values: texts in UTF-8, half a byte a digit."""
    limit = 400 * 1024
    room = limit - len("p") - len(key["p"]["S"]) - len("v")
    dynamodb.put_item(TableName=table, Item={**key, "v": {"S": "x" * room}})
    message = (*VALIDATION, "Item size has exceeded the maximum allowed size")
    assert refusal(dynamodb.put_item, TableName=table, Item={**key, "v": {"S": "x" * (room + 1)}}) == message
    assert refusal(dynamodb.put_item, TableName=table, Item={**key, "v": {"S": "é" * (room // 2 + 1)}}) == message
    numbers = {"L": [{"N": NINES}] * 15_000}
    dynamodb.put_item(TableName=table, Item={**key, "v": numbers})
    assert len(dynamodb.get_item(TableName=table, Key=key)["Item"]["v"]["L"]) == 15_000
    assert refusal(dynamodb.put_item, TableName=table, Item={**key, "v": {"L": [{"N": NINES}] * 21_000}}) == message
    refused = refusal(
        dynamodb.update_item,
        TableName=table,
        Key=key,
        UpdateExpression="SET w = :w",
        ExpressionAttributeValues={":w": {"S": "x" * 200_000}},
    )
    assert refused == (*VALIDATION, "Item size to update has exceeded the maximum allowed size")
