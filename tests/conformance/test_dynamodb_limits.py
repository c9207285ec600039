"""DynamoDB's limits, each at its last value and one beyond.

AWS: Developer Guide, "Quotas in Amazon DynamoDB" and "DynamoDB item sizes and formats".
"""

import pytest
from dynamo import b, canceled, invalid, l, m, n, s, tables
from errors import refusal

ITEM_BYTES = 400 * 1024
TOO_LARGE = "Item size has exceeded the maximum allowed size"
TOO_LARGE_UPDATED = "Item size to update has exceeded the maximum allowed size"
TOO_DEEP = "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit"


@pytest.fixture(scope="module")
def table(server):
    with tables(server, "limits", "plain", "indexed") as made:
        yield made


@pytest.fixture
def key(name):
    return {"p": s(name)}


def filled(key, value, size, total=ITEM_BYTES):
    """An item of exactly `total` bytes: its key, a value of `size` bytes, and a filler."""
    room = total - sum(len(name) + len(part["S"]) for name, part in key.items()) - len("v") - size - len("f")
    return {**key, "v": value, "f": s("x" * room)}


# Measured on AWS by what just fits an item.
NUMBERS = {
    "0": 1,
    "-0": 1,
    "1": 2,
    "12": 2,
    "123": 3,
    "1234": 3,
    "12345678901234567890123456789012345678": 20,
    "0042": 2,
    "100": 2,
    "1010": 3,
    "0.0000001": 2,
    "1E125": 2,
    "1E-100": 2,
    "1.5": 3,
    "15": 2,
    "1.2": 3,
    "1.200": 3,
    "1.234": 4,
    "3.14159": 5,
    "123456": 4,
    "100.5": 4,
    "0.15": 2,
    "-42": 3,
}


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_has_the_size_of_its_digits(dynamodb, table, key, number):
    dynamodb.put_item(TableName=table["plain"], Item=filled(key, n(number), NUMBERS[number]))
    beyond = filled(key, n(number), NUMBERS[number], ITEM_BYTES + 1)
    invalid(dynamodb.put_item, TOO_LARGE, TableName=table["plain"], Item=beyond)


VALUES = {
    "text": (s("é" * 500), 1000),
    "bytes": (b(bytes(999)), 999),
    "truth": ({"BOOL": True}, 1),
    "null": ({"NULL": True}, 1),
    "an empty text": (s(""), 0),
    "a set": ({"SS": ["ab", "abc"]}, 5),
    "a list": (l(s("ab"), n(1)), 3 + 3 + 3),
    "a map": (m(name=s("ab"), x=l()), 3 + 4 + 2 + 1 + 1 + 3 + 1),
}


@pytest.mark.parametrize("what", VALUES)
def test_an_item_has_400_kilobytes_of_names_and_values(dynamodb, table, key, what):
    value, size = VALUES[what]
    fitting, beyond = filled(key, value, size), filled(key, value, size, ITEM_BYTES + 1)
    dynamodb.put_item(TableName=table["plain"], Item=fitting)
    assert dynamodb.get_item(TableName=table["plain"], Key=key)["Item"] == fitting
    invalid(dynamodb.put_item, TOO_LARGE, TableName=table["plain"], Item=beyond)


def test_names_count(dynamodb, table, key):
    """As much as values: a hundred long ones make a small item too large."""
    item = {f"{number:03}{'a' * 4090}": s("") for number in range(100)}
    room = ITEM_BYTES - 100 * 4093 - len("p") - len(key["p"]["S"]) - len("f")
    dynamodb.put_item(TableName=table["plain"], Item={**item, **key, "f": s("x" * room)})
    invalid(dynamodb.put_item, TOO_LARGE, TableName=table["plain"], Item={**item, **key, "f": s("x" * (room + 1))})


def test_every_way_to_write_keeps_to_it(dynamodb, table, key, name):
    fitting, beyond = filled(key, s(""), 0), filled(key, s(""), 0, ITEM_BYTES + 1)

    def batch(item):
        return {"RequestItems": {table["plain"]: [{"PutRequest": {"Item": item}}]}}

    def transaction(item):
        return {"TransactItems": [{"Put": {"TableName": table["plain"], "Item": item}}]}

    dynamodb.batch_write_item(**batch(fitting))
    invalid(dynamodb.batch_write_item, TOO_LARGE, **batch(beyond))
    dynamodb.transact_write_items(**transaction(fitting))
    # A put is too large whatever is there: it is no reason of an action. An update is only once the item is known.
    invalid(dynamodb.transact_write_items, TOO_LARGE, **transaction(beyond))
    update = {"Key": key, "UpdateExpression": "SET f = :f", "ExpressionAttributeValues": {":f": beyond["f"]}}
    invalid(dynamodb.update_item, TOO_LARGE_UPDATED, TableName=table["plain"], **update)
    canceled(
        dynamodb.transact_write_items,
        TOO_LARGE_UPDATED,
        TransactItems=[{"Update": {"TableName": table["plain"], **update}}],
    )
    assert dynamodb.get_item(TableName=table["plain"], Key=key)["Item"] == fitting


# Nesting


def deep(levels, kind="L"):
    value = s("x")
    for _ in range(levels - 1):
        value = l(value) if kind == "L" else m(x=value)
    return value


@pytest.mark.parametrize("kind", ["L", "M"])
@pytest.mark.parametrize("levels", [1, 31, 32])
def test_values_nest_32_levels(dynamodb, table, key, levels, kind):
    item = {**key, "v": deep(levels, kind)}
    dynamodb.put_item(TableName=table["plain"], Item=item)
    assert dynamodb.get_item(TableName=table["plain"], Key=key)["Item"] == item


@pytest.mark.parametrize("kind", ["L", "M"])
@pytest.mark.parametrize("levels", [33, 40])
def test_values_nest_no_deeper(dynamodb, table, key, levels, kind):
    value = deep(levels, kind)
    invalid(dynamodb.put_item, TOO_DEEP, TableName=table["plain"], Item={**key, "v": value})
    more = {"TableName": table["plain"], "ExpressionAttributeValues": {":v": value}}
    invalid(dynamodb.update_item, TOO_DEEP, Key=key, UpdateExpression="SET v = :v", **more)
    invalid(dynamodb.scan, TOO_DEEP, FilterExpression="v = :v", **more)


# Expressions

SIZE = "Expression size has exceeded the maximum allowed size; expression size: {}"


def padded(text, size):
    return text.replace(" ", " " * (size - len(text) + 1), 1)


EXPRESSIONS = {
    "ConditionExpression": ("put_item", "v <> :v", lambda key: {"Item": key}),
    "FilterExpression": ("scan", "v <> :v", lambda key: {}),
    "KeyConditionExpression": ("query", "p = :v", lambda key: {}),
    "UpdateExpression": ("update_item", "SET v = :v", lambda key: {"Key": key}),
    "ProjectionExpression": ("get_item", "v, w", lambda key: {"Key": key}),
}


@pytest.mark.parametrize("parameter", EXPRESSIONS)
def test_an_expression_has_four_kilobytes(dynamodb, table, key, parameter):
    operation, text, more = EXPRESSIONS[parameter]
    values = {"ExpressionAttributeValues": {":v": s("x")}} if ":v" in text else {}
    request = {"TableName": table["plain"], **more(key), **values}
    getattr(dynamodb, operation)(**request, **{parameter: padded(text, 4096)})
    for size in (4097, 5000):
        message = f"Invalid {parameter}: {SIZE.format(size)}"
        invalid(getattr(dynamodb, operation), message, **request, **{parameter: padded(text, size)})


def test_its_size_is_in_bytes(dynamodb, table):
    text = "é" * 2049
    message = f"Invalid ProjectionExpression: {SIZE.format(4098)}"
    invalid(dynamodb.scan, message, TableName=table["plain"], ProjectionExpression=text)


@pytest.mark.parametrize("joined", [" OR ", " AND "])
def test_an_expression_has_300_operators(dynamodb, table, joined):
    more = {"TableName": table["plain"], "ExpressionAttributeValues": {":v": s("x")}}
    assert dynamodb.scan(FilterExpression=joined.join(["v<:v"] * 150), **more)["ScannedCount"] >= 0
    # However many there are, it tells of the first too many.
    message = "Invalid FilterExpression: The expression contains too many operators; operator count: 301"
    for comparisons in (151, 400):
        invalid(dynamodb.scan, message, FilterExpression=joined.join(["v<:v"] * comparisons), **more)
    invalid(dynamodb.scan, message, FilterExpression="NOT " * 500 + "v<:v", **more)


def test_parentheses_are_no_operators(dynamodb, table):
    text = "v<:v" + " OR (v<:v" * 90 + ")" * 90
    more = {"TableName": table["plain"], "ExpressionAttributeValues": {":v": s("x")}}
    assert dynamodb.scan(FilterExpression=text, **more)["ScannedCount"] >= 0


@pytest.mark.parametrize("operands", [100, 101])
def test_in_has_100_operands(dynamodb, table, operands):
    more = {
        "TableName": table["plain"],
        "FilterExpression": f"v IN ({', '.join(f':v{number}' for number in range(operands))})",
        "ExpressionAttributeValues": {f":v{number}": n(number) for number in range(operands)},
    }
    if operands == 100:
        assert dynamodb.scan(**more)["ScannedCount"] >= 0
    else:
        message = "The IN operator is provided with too many operands; number of operands: 101"
        invalid(dynamodb.scan, f"Invalid FilterExpression: {message}", **more)


@pytest.mark.parametrize("step", [".x", "[0]"])
def test_a_path_has_32_steps(dynamodb, table, key, step):
    request = {"TableName": table["plain"], "Key": key}
    assert "Item" not in dynamodb.get_item(ProjectionExpression=f"v{step * 31}", **request)
    message = "Invalid ProjectionExpression: The document path has too many nesting levels; nesting levels: 33"
    invalid(dynamodb.get_item, message, ProjectionExpression=f"v{step * 32}", **request)


@pytest.mark.parametrize("index", ["2147483648", "99999999999999999999"])
def test_a_list_has_no_such_element(dynamodb, table, key, index):
    reason = f"List index is not within the allowable range; index: [{index}]"
    request = {"TableName": table["plain"], "Key": key}
    invalid(dynamodb.get_item, f"Invalid ProjectionExpression: {reason}", ProjectionExpression=f"v[{index}]", **request)
    invalid(dynamodb.update_item, f"Invalid UpdateExpression: {reason}", UpdateExpression=f"REMOVE v[{index}]", **request)


@pytest.mark.parametrize("sigil, parameter", [("#", "ExpressionAttributeNames"), (":", "ExpressionAttributeValues")])
def test_a_placeholder_has_255_characters(dynamodb, table, sigil, parameter):
    def request(length):
        placeholder = sigil + "v" * (length - 1)
        text = f"attribute_exists({placeholder})" if sigil == "#" else f"v = {placeholder}"
        return {"FilterExpression": text, parameter: {placeholder: "v" if sigil == "#" else s("v")}}

    assert dynamodb.scan(TableName=table["plain"], **request(255))["ScannedCount"] >= 0
    message = "contains invalid key: The expression attribute map contains a key that is too long; size of key: 256"
    invalid(dynamodb.scan, f"{parameter} {message}", TableName=table["plain"], **request(256))


def test_placeholders_have_two_megabytes(dynamodb, table):
    values = {f":v{number}": b(bytes(400_000)) for number in range(6)}
    text = " OR ".join(f"v = {value}" for value in values)
    message = "ExpressionAttributeValues exceeds max size"
    invalid(dynamodb.scan, message, TableName=table["plain"], FilterExpression=text, ExpressionAttributeValues=values)


# Numbers

TOO_MANY_DIGITS = "Attempting to store more than 38 significant digits in a Number"
OVERFLOW = "Number overflow. Attempting to store a number with magnitude larger than supported range"
UNDERFLOW = "Number underflow. Attempting to store a number with magnitude smaller than supported range"
EDGES = {
    "1" * 38: None,
    "1" * 39: TOO_MANY_DIGITS,
    "1" * 38 + "0": None,
    "1" * 38 + ".0": None,
    "1" * 38 + ".1": TOO_MANY_DIGITS,
    "0." + "0" * 50 + "1" * 38: None,
    "0." + "0" * 50 + "1" * 39: TOO_MANY_DIGITS,
    "9.9999999999999999999999999999999999999e125": None,
    "9.99999999999999999999999999999999999999e125": TOO_MANY_DIGITS,
    "1e126": OVERFLOW,
    "-1e126": OVERFLOW,
    "0.1e126": None,
    "1e-130": None,
    "1e-131": UNDERFLOW,
    "-1e-131": UNDERFLOW,
    "10e-131": None,
    "0e999": None,
    "1e99999999999999999999": OVERFLOW,
    "1e-99999999999999999999": UNDERFLOW,
}


@pytest.mark.parametrize("number", EDGES, ids=[f"{number[:20]}…{len(number)}" for number in EDGES])
def test_a_number_has_38_digits_and_a_range(dynamodb, table, key, number):
    message, request = EDGES[number], {"TableName": table["plain"], "Item": {**key, "v": n(number)}}
    if message:
        invalid(dynamodb.put_item, message, **request)
    else:
        dynamodb.put_item(**request)
        dynamodb.delete_item(
            TableName=table["plain"],
            Key=key,
            ConditionExpression="v = :v",
            ExpressionAttributeValues={":v": n(number)},
        )


@pytest.mark.parametrize("sum_", ["digits", "nothing left", "a digit more", "two", "far apart", "too large"])
def test_sums_are_exact_or_refused(dynamodb, table, key, sum_):
    """A sum that 38 digits cannot hold is too large, as AWS words it."""
    one, sign, two, expected = {
        "digits": ("1" * 38, "+", "1", "1" * 37 + "2"),
        "nothing left": ("1" * 38, "-", "1" * 38, "0"),
        "a digit more": ("9" * 38, "+", "1", "1" + "0" * 38),
        "two": ("9" * 38, "+", "2", None),
        "far apart": ("1e125", "-", "1e-130", None),
        "too large": ("9e125", "+", "1e125", None),
    }[sum_]
    dynamodb.put_item(TableName=table["plain"], Item={**key, "v": n(one)})
    request = {
        "TableName": table["plain"],
        "Key": key,
        "UpdateExpression": f"SET v = v {sign} :v",
        "ExpressionAttributeValues": {":v": n(two)},
    }
    if expected is None:
        invalid(dynamodb.update_item, OVERFLOW, **request)
    else:
        answer = dynamodb.update_item(**request, ReturnValues="UPDATED_NEW")
        assert answer["Attributes"] == {"v": n(expected)}


# Names in requests


@pytest.mark.parametrize("count", [1, 255, 256])
def test_255_attributes_are_got(dynamodb, table, key, count):
    names = [f"a{number}" for number in range(count)]
    request = {"TableName": table["plain"], "Key": key, "AttributesToGet": names}
    if count < 256:
        assert "Item" not in dynamodb.get_item(**request)
    else:
        status, code, message = refusal(dynamodb.get_item, **request)
        assert (status, code) == (400, "ValidationException")
        constraint = "Member must have length less than or equal to 255"
        assert message.endswith(f"at 'attributesToGet' failed to satisfy constraint: {constraint}")


def test_no_attributes_are_not_got(dynamodb, table, key):
    message = (
        "1 validation error detected: Value '[]' at 'attributesToGet' failed to satisfy constraint: Member must have length "
        "greater than or equal to 1"
    )
    invalid(dynamodb.get_item, message, TableName=table["plain"], Key=key, AttributesToGet=[])
