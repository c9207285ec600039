"""DynamoDB's keys: of items, of requests, of indexes; what they may be, and who says what where they are not.

A single write, a batch and a transaction refuse the same key in different words, or in a different place. AWS: Developer Guide,
"Supported data types and naming rules"; API Reference, *TransactWriteItems*, "CancellationReasons".
"""

import pytest
from dynamo import INVALID, NO_MATCH, NOT_VALID, NULL, b, canceled, invalid, l, m, n, s, ss, tables


@pytest.fixture(scope="module")
def table(server):
    with tables(server, "keys", "plain", "texts", "numbers", "bytes", "indexed") as made:
        yield made


def batch(table, **request):
    return {"RequestItems": {table: [request]}}


def transaction(table, kind, **action):
    return {"TransactItems": [{kind: {"TableName": table, **action}}]}


# The key of an item that is put

EMPTY = NOT_VALID + "The AttributeValue for a key attribute cannot contain an empty {} value. Key: {}"
LONG_HASH = INVALID + "Size of hashkey has exceeded the maximum size limit of2048 bytes"
LONG_RANGE = INVALID + "Aggregated size of all range keys has exceeded the size limit of 1024 bytes"
MISMATCH = INVALID + "Type mismatch for key {} expected: S actual: {}"

ITEMS = {
    "no partition key": ({"s": s("x")}, INVALID + "Missing the key p in the item"),
    "no sort key": ({"p": s("x")}, INVALID + "Missing the key s in the item"),
    "no key": ({"a": s("x")}, INVALID + "Missing the key p in the item"),
    "a number": ({"p": n(1), "s": s("x")}, MISMATCH.format("p", "N")),
    "bytes": ({"p": s("x"), "s": b(b"x")}, MISMATCH.format("s", "B")),
    "a list": ({"p": l(s("x")), "s": s("x")}, MISMATCH.format("p", "L")),
    "a map": ({"p": s("x"), "s": m(x=s("x"))}, MISMATCH.format("s", "M")),
    "a set": ({"p": ss("x"), "s": s("x")}, MISMATCH.format("p", "SS")),
    "null": ({"p": NULL, "s": s("x")}, MISMATCH.format("p", "NULL")),
    "an empty partition key": ({"p": s(""), "s": s("x")}, EMPTY.format("string", "p")),
    "an empty sort key": ({"p": s("x"), "s": s("")}, EMPTY.format("string", "s")),
    "a long partition key": ({"p": s("x" * 2049), "s": s("x")}, LONG_HASH),
    "a long partition key in UTF-8": ({"p": s("é" * 1025), "s": s("x")}, LONG_HASH),
    "a long sort key": ({"p": s("x"), "s": s("x" * 1025)}, LONG_RANGE),
}


@pytest.mark.parametrize("fault", ITEMS)
def test_a_put_says_what_is_wrong_with_the_key(dynamodb, table, fault):
    item, message = ITEMS[fault]
    invalid(dynamodb.put_item, message, TableName=table["texts"], Item=item)


@pytest.mark.parametrize("fault", ITEMS)
def test_a_batch_only_says_that_the_key_does_not_match(dynamodb, table, fault):
    item, message = ITEMS[fault]
    vague = message.startswith((INVALID + "Missing", INVALID + "Type"))
    invalid(dynamodb.batch_write_item, NO_MATCH if vague else message, **batch(table["texts"], PutRequest={"Item": item}))


@pytest.mark.parametrize("fault", ITEMS)
def test_a_transaction_has_it_as_a_reason_unless_the_key_is_empty(dynamodb, table, fault):
    item, message = ITEMS[fault]
    refused = invalid if message.startswith(NOT_VALID) else canceled
    refused(dynamodb.transact_write_items, message, **transaction(table["texts"], "Put", Item=item))


# The key of a request

KEYS = {
    "nothing": ({}, NO_MATCH),
    "no sort key": ({"p": s("x")}, NO_MATCH),
    "no partition key": ({"s": s("x")}, NO_MATCH),
    "another attribute": ({"p": s("x"), "a": s("x")}, NO_MATCH),
    "an attribute more": ({"p": s("x"), "s": s("x"), "a": s("x")}, NO_MATCH),
    "a number": ({"p": n(1), "s": s("x")}, NO_MATCH),
    "a list": ({"p": s("x"), "s": l(s("x"))}, NO_MATCH),
    "an empty partition key": ({"p": s(""), "s": s("x")}, EMPTY.format("string", "p")),
    "an empty sort key": ({"p": s("x"), "s": s("")}, EMPTY.format("string", "s")),
    "a long partition key": ({"p": s("x" * 2049), "s": s("x")}, LONG_HASH),
    "a long sort key": ({"p": s("x"), "s": s("x" * 1025)}, LONG_RANGE),
}


@pytest.mark.parametrize("operation", ["get_item", "update_item", "delete_item"])
@pytest.mark.parametrize("fault", KEYS)
def test_a_key_names_exactly_the_attributes_of_the_schema(dynamodb, table, fault, operation):
    key, message = KEYS[fault]
    invalid(getattr(dynamodb, operation), message, TableName=table["texts"], Key=key)


@pytest.mark.parametrize("fault", KEYS)
def test_so_does_a_key_in_a_batch(dynamodb, table, fault):
    key, message = KEYS[fault]
    invalid(dynamodb.batch_get_item, message, RequestItems={table["texts"]: {"Keys": [key]}})
    invalid(dynamodb.batch_write_item, message, **batch(table["texts"], DeleteRequest={"Key": key}))


ACTIONS = {
    "Update": {"UpdateExpression": "REMOVE a"},
    "Delete": {},
    "ConditionCheck": {"ConditionExpression": "attribute_not_exists(a)"},
}


@pytest.mark.parametrize("kind", ACTIONS)
@pytest.mark.parametrize("fault", KEYS)
def test_and_a_key_in_a_transaction(dynamodb, table, fault, kind):
    key, message = KEYS[fault]
    refused = invalid if message.startswith(NOT_VALID) else canceled
    refused(dynamodb.transact_write_items, message, **transaction(table["texts"], kind, Key=key, **ACTIONS[kind]))


@pytest.mark.parametrize("fault", KEYS)
def test_and_a_key_that_a_transaction_reads(dynamodb, table, fault):
    key, message = KEYS[fault]
    refused = invalid if message.startswith(NOT_VALID) else canceled
    refused(dynamodb.transact_get_items, message, **transaction(table["texts"], "Get", Key=key))


def test_keys_may_be_as_long_as_their_limits(dynamodb, table):
    for key in ({"p": s("x" * 2048), "s": s("x" * 1024)}, {"p": s("é" * 1024), "s": s("𝄞" * 256)}):
        dynamodb.put_item(TableName=table["texts"], Item=key)
        assert dynamodb.get_item(TableName=table["texts"], Key=key)["Item"] == key
    long = {"p": b(bytes(2048))}
    dynamodb.put_item(TableName=table["bytes"], Item=long)
    assert dynamodb.get_item(TableName=table["bytes"], Key=long)["Item"] == long


@pytest.mark.parametrize(
    "operation, request_",
    [
        ("put_item", lambda table: {"TableName": table, "Item": {"p": b(b"")}}),
        ("get_item", lambda table: {"TableName": table, "Key": {"p": b(b"")}}),
        ("update_item", lambda table: {"TableName": table, "Key": {"p": b(b"")}}),
        ("delete_item", lambda table: {"TableName": table, "Key": {"p": b(b"")}}),
        ("batch_get_item", lambda table: {"RequestItems": {table: {"Keys": [{"p": b(b"")}]}}}),
        ("batch_write_item", lambda table: batch(table, PutRequest={"Item": {"p": b(b"")}})),
        ("batch_write_item", lambda table: batch(table, DeleteRequest={"Key": {"p": b(b"")}})),
        ("transact_write_items", lambda table: transaction(table, "Put", Item={"p": b(b"")})),
        ("transact_write_items", lambda table: transaction(table, "Delete", Key={"p": b(b"")})),
        ("transact_get_items", lambda table: transaction(table, "Get", Key={"p": b(b"")})),
    ],
    ids=["put", "get", "update", "delete"]
    + ["batch get", "batch put", "batch delete"]
    + ["transact put", "transact delete", "transact get"],
)
def test_no_key_is_empty_bytes(dynamodb, table, operation, request_):
    invalid(getattr(dynamodb, operation), EMPTY.format("binary", "p"), **request_(table["bytes"]))


# The keys of indexes. AWS names the first index by name that an attribute does not suit.

INDEX_MISMATCH = INVALID + "Type mismatch for Index Key {} Expected: {} Actual: {} IndexName: {}"
INDEX_EMPTY = (
    NOT_VALID + "A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot "
    "contain an empty {} value. IndexName: {}, IndexKey: {}"
)
UPDATED_EMPTY = (
    NOT_VALID + "The update expression attempted to update a secondary index key to a value that is not supported. The "
    "AttributeValue for a key attribute cannot contain an empty {} value."
)
UNSUPPORTED = "The update expression attempted to update the secondary index key to unsupported type"

# attribute, value, what a put says, what an update says
INDEX_KEYS = {
    "a number": ("g", n(1), INDEX_MISMATCH.format("g", "S", "N", "g-1"), None),
    "a list": ("g", l(s("x")), INDEX_MISMATCH.format("g", "S", "L", "g-1"), None),
    "a map": ("g", m(), INDEX_MISMATCH.format("g", "S", "M", "g-1"), None),
    "null": ("g", NULL, INDEX_MISMATCH.format("g", "S", "NULL", "g-1"), None),
    "a text for a number": ("h", s("1"), INDEX_MISMATCH.format("h", "N", "S", "g-2"), None),
    "a set for a number": ("h", {"NS": ["1"]}, INDEX_MISMATCH.format("h", "N", "NS", "g-2"), None),
    "a text for bytes": ("k", s("x"), INDEX_MISMATCH.format("k", "B", "S", "g-4"), None),
    "bytes in a local index": ("l", b(b"x"), INDEX_MISMATCH.format("l", "S", "B", "l-1"), None),
    "an empty text": ("g", s(""), INDEX_EMPTY.format("string", "g-1", "g"), UPDATED_EMPTY.format("string")),
    "empty bytes": ("k", b(b""), INDEX_EMPTY.format("binary", "g-4", "k"), UPDATED_EMPTY.format("binary")),
    "an empty text in a local index": ("l", s(""), INDEX_EMPTY.format("string", "l-1", "l"), UPDATED_EMPTY.format("string")),
}
KEY = {"p": s("x"), "s": s("x")}


@pytest.mark.parametrize("fault", INDEX_KEYS)
def test_an_item_must_suit_the_keys_of_its_indexes(dynamodb, table, fault):
    attribute, value, message, _ = INDEX_KEYS[fault]
    item = {**KEY, attribute: value}
    invalid(dynamodb.put_item, message, TableName=table["indexed"], Item=item)
    invalid(dynamodb.batch_write_item, message, **batch(table["indexed"], PutRequest={"Item": item}))
    refused = invalid if message.startswith(NOT_VALID) else canceled
    refused(dynamodb.transact_write_items, message, **transaction(table["indexed"], "Put", Item=item))


@pytest.mark.parametrize("fault", INDEX_KEYS)
def test_an_update_must_leave_it_so(dynamodb, table, fault):
    attribute, value, put, update = INDEX_KEYS[fault]
    message = update or put
    expression = {"UpdateExpression": f"SET {attribute} = :v", "ExpressionAttributeValues": {":v": value}}
    invalid(dynamodb.update_item, message, TableName=table["indexed"], Key=KEY, **expression)
    refused = invalid if message.startswith(NOT_VALID) else canceled
    refused(dynamodb.transact_write_items, message, **transaction(table["indexed"], "Update", Key=KEY, **expression))


@pytest.mark.parametrize("fault", INDEX_KEYS)
def test_and_so_must_what_it_works_out(dynamodb, table, fault, name):
    attribute, value, _, update = INDEX_KEYS[fault]
    key = {"p": s(name), "s": s("x")}
    dynamodb.put_item(TableName=table["indexed"], Item={**key, "spare": value})
    for operand in ("spare", f"if_not_exists({attribute}, spare)"):
        invalid(
            dynamodb.update_item,
            update or UNSUPPORTED,
            TableName=table["indexed"],
            Key=key,
            UpdateExpression=f"SET {attribute} = {operand}",
        )


def test_attribute_updates_must_as_well(dynamodb, table):
    updates = {"g": {"Action": "PUT", "Value": n(1)}}
    message = INDEX_MISMATCH.format("g", "S", "N", "g-1")
    invalid(dynamodb.update_item, message, TableName=table["indexed"], Key=KEY, AttributeUpdates=updates)


@pytest.mark.parametrize("attribute, length", [("g", 2049), ("l", 1025)])
def test_an_update_keeps_index_keys_within_their_sizes(dynamodb, table, attribute, length):
    invalid(
        dynamodb.update_item,
        "The update expression attempted to update the secondary index key beyond allowed size limits",
        TableName=table["indexed"],
        Key=KEY,
        UpdateExpression=f"SET {attribute} = :v",
        ExpressionAttributeValues={":v": s("x" * length)},
    )


def test_an_item_without_the_keys_of_an_index_is_not_in_it(dynamodb, table):
    name = table["indexed"]
    for sort, more in (("a", {}), ("b", {"g": s("sparse")}), ("c", {"g": s("sparse"), "h": n(1)})):
        dynamodb.put_item(TableName=name, Item={"p": s("sparse"), "s": s(sort), **more})

    def found(index, attribute, value):
        answer = dynamodb.query(
            TableName=name,
            IndexName=index,
            KeyConditionExpression=f"{attribute} = :v",
            ExpressionAttributeValues={":v": value},
        )
        return [item["s"]["S"] for item in answer["Items"]]

    assert sorted(found("g-1", "g", s("sparse"))) == ["b", "c"]
    assert found("g-3", "g", s("sparse")) == ["c"]
    assert found("l-2", "p", s("sparse")) == ["c"]
    dynamodb.update_item(TableName=name, Key={"p": s("sparse"), "s": s("c")}, UpdateExpression="REMOVE g")
    assert (found("g-1", "g", s("sparse")), found("g-3", "g", s("sparse"))) == (["b"], [])


# Nothing is within a key

SCALARS = "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: {}: {}"
INTO_KEYS = [("p.x", "Key", "p"), ("s[0]", "Key", "s"), ("g.x", "IndexKey", "g"), ("l[1].x", "IndexKey", "l")]


@pytest.mark.parametrize("path, what, attribute", INTO_KEYS)
def test_no_expression_looks_into_a_key(dynamodb, table, path, what, attribute):
    name, message = table["indexed"], SCALARS.format(what, attribute)
    exists = f"attribute_exists({path})"
    invalid(dynamodb.get_item, message, TableName=name, Key=KEY, ProjectionExpression=path)
    invalid(dynamodb.batch_get_item, message, RequestItems={name: {"Keys": [KEY], "ProjectionExpression": path}})
    invalid(dynamodb.scan, message, TableName=name, ProjectionExpression=path)
    invalid(dynamodb.scan, message, TableName=name, FilterExpression=exists)
    invalid(dynamodb.put_item, message, TableName=name, Item=KEY, ConditionExpression=exists)
    invalid(dynamodb.delete_item, message, TableName=name, Key=KEY, ConditionExpression=exists)
    invalid(dynamodb.update_item, message, TableName=name, Key=KEY, ConditionExpression=exists)
    invalid(dynamodb.update_item, message, TableName=name, Key=KEY, UpdateExpression=f"SET x = {path}")


@pytest.mark.parametrize("update", ["SET g.x = :n", "ADD g.x :n", "SET g[1] = :n", "SET a = if_not_exists(g.x, :n)"])
def test_no_update_goes_into_the_key_of_an_index(dynamodb, table, update):
    invalid(
        dynamodb.update_item,
        SCALARS.format("IndexKey", "g"),
        TableName=table["indexed"],
        Key=KEY,
        UpdateExpression=update,
        ExpressionAttributeValues={":n": n(1)},
    )


@pytest.mark.parametrize("update", ["SET s = :v", "REMOVE s", "SET a = :v, s.x = :v", "ADD p :v", "DELETE p :v"])
def test_no_update_changes_a_key(dynamodb, table, update):
    attribute = "p" if "p" in update else "s"
    message = INVALID + f"Cannot update attribute {attribute}. This attribute is part of the key"
    values = {"ExpressionAttributeValues": {":v": ss("x")}} if ":v" in update else {}
    action = {"Key": KEY, "UpdateExpression": update, **values}
    invalid(dynamodb.update_item, message, TableName=table["texts"], **action)
    canceled(dynamodb.transact_write_items, message, **transaction(table["texts"], "Update", **action))


def test_the_attribute_of_an_index_alone_may_change(dynamodb, table, name):
    key = {"p": s(name), "s": s("x")}
    dynamodb.put_item(TableName=table["indexed"], Item={**key, "g": s("one"), "h": n(1)})
    dynamodb.update_item(
        TableName=table["indexed"],
        Key=key,
        UpdateExpression="SET g = :two ADD h :one",
        ExpressionAttributeValues={":two": s(f"two {name}"), ":one": n(1)},
    )
    found = dynamodb.query(
        TableName=table["indexed"],
        IndexName="g-3",
        KeyConditionExpression="g = :g AND h = :h",
        ExpressionAttributeValues={":g": s(f"two {name}"), ":h": n(2)},
    )
    assert found["Items"] == [{**key, "g": s(f"two {name}"), "h": n(2)}]
