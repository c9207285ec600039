"""DynamoDB's batches and transactions: what they may hold, and what they refuse.

AWS: API Reference, *BatchGetItem*, *BatchWriteItem*, *TransactGetItems*, *TransactWriteItems*; Developer Guide, "Amazon DynamoDB
Transactions: How it works".
"""

import pytest
from botocore.exceptions import ClientError
from dynamo import (
    INVALID,
    b,
    canceled,
    enumeration,
    invalid,
    l,
    m,
    n,
    reasons,
    s,
    tables,
    violation,
    violations,
)
from errors import refusal

DUPLICATES = "Provided list of item keys contains duplicates"
TWICE = "Transaction request cannot include multiple operations on one item"
NOWHERE = (400, "ResourceNotFoundException", "Requested resource not found")
FAILED = ("ConditionalCheckFailed", "The conditional request failed")
EMPTY_SET = INVALID + "An string set  may not be empty"
SEVERAL = "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
UNTYPED = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"


@pytest.fixture(scope="module")
def table(server):
    with tables(server, "batches", "plain", "texts", "numbers") as made:
        yield made


@pytest.fixture
def key(name):
    return {"p": s(name)}


def keys(name, count):
    return [{"p": s(f"{name}-{number}")} for number in range(count)]


def puts(items):
    return [{"PutRequest": {"Item": item}} for item in items]


# BatchWriteItem


def test_a_batch_writes_25_items(dynamodb, table, name):
    items = keys(name, 25)
    assert dynamodb.batch_write_item(RequestItems={table["plain"]: puts(items)})["UnprocessedItems"] == {}
    found = dynamodb.batch_get_item(RequestItems={table["plain"]: {"Keys": items, "ConsistentRead": True}})
    assert sorted(item["p"]["S"] for item in found["Responses"][table["plain"]]) == sorted(item["p"]["S"] for item in items)
    deletions = [{"DeleteRequest": {"Key": key}} for key in items]
    dynamodb.batch_write_item(RequestItems={table["plain"]: deletions})
    assert dynamodb.batch_get_item(RequestItems={table["plain"]: {"Keys": items}})["Responses"] == {table["plain"]: []}


ANY = {"p": s("x")}
EACH_25 = (
    "Map value must satisfy constraint: [Member must have length less than or equal to 25, Member must have length greater than "
    "or equal to 1]"
)
WRITES = {
    "nothing": (lambda t: {}, "The requestItems parameter is required for BatchWriteItem"),
    "nothing for a table": (
        lambda t: {t["plain"]: []},
        f"1 validation error detected: Value '{{batches-plain=[]}}' at 'requestItems' failed to satisfy constraint: {EACH_25}",
    ),
    "26 for one table": (
        lambda t: {t["plain"]: puts(keys("x", 26))},
        "1 validation error detected: Value '{batches-plain=[26 elements]}' at 'requestItems' failed to satisfy constraint: "
        + EACH_25,
    ),
    "26 for two tables": (
        lambda t: {t["plain"]: puts(keys("x", 13)), t["texts"]: puts([{**key, "s": s("x")} for key in keys("x", 13)])},
        "Too many items requested for the BatchWriteItem call",
    ),
    "an item twice": (lambda t: {t["plain"]: puts([ANY, {**ANY, "a": n(1)}])}, DUPLICATES),
    "an item put and deleted": (
        lambda t: {t["plain"]: [*puts([ANY]), {"DeleteRequest": {"Key": ANY}}]},
        DUPLICATES,
    ),
    "a number twice": (
        lambda t: {t["numbers"]: puts([{**ANY, "s": n("1")}, {**ANY, "s": n("1.0")}])},
        DUPLICATES,
    ),
    "a value": (lambda t: {t["plain"]: puts([{**ANY, "a": {"SS": []}}])}, EMPTY_SET),
    "no value": (lambda t: {t["plain"]: puts([{**ANY, "a": {}}])}, UNTYPED),
    "no number": (
        lambda t: {t["plain"]: [{"DeleteRequest": {"Key": {"p": n("x")}}}]},
        "The parameter cannot be converted to a numeric value: x",
    ),
    "an item too large": (
        lambda t: {t["plain"]: puts([{**ANY, "a": b(bytes(400 * 1024))}])},
        "Item size has exceeded the maximum allowed size",
    ),
    "neither": (lambda t: {t["plain"]: [{}]}, SEVERAL),
    "both": (lambda t: {t["plain"]: [{"PutRequest": {"Item": ANY}, "DeleteRequest": {"Key": ANY}}]}, SEVERAL),
}


@pytest.mark.parametrize("case", WRITES)
def test_batches_of_writes_that_are_refused(dynamodb, table, case):
    items, message = WRITES[case]
    invalid(dynamodb.batch_write_item, message, RequestItems=items(table))


def test_a_batch_that_is_refused_writes_nothing(dynamodb, table, name):
    good, bad = {"p": s(name)}, {"q": s(name)}
    assert refusal(dynamodb.batch_write_item, RequestItems={table["plain"]: puts([good, bad])})[1] == "ValidationException"
    assert refusal(dynamodb.batch_write_item, RequestItems={table["plain"]: puts([good]), "gone": puts([good])}) == NOWHERE
    assert "Item" not in dynamodb.get_item(TableName=table["plain"], Key=good)


@pytest.mark.parametrize(
    "parameter, value, allowed",
    [
        ("ReturnConsumedCapacity", "ALL", ("INDEXES", "TOTAL", "NONE")),
        ("ReturnItemCollectionMetrics", "ALL", ("SIZE", "NONE")),
    ],
)
def test_a_batch_of_writes_keeps_enumerations(dynamodb, table, parameter, value, allowed):
    message = violations(enumeration(value, parameter[0].lower() + parameter[1:], *allowed))
    invalid(dynamodb.batch_write_item, message, RequestItems={table["plain"]: puts([ANY])}, **{parameter: value})


# BatchGetItem

READS = {
    "nothing": (lambda t: {}, "The requestItems parameter is required for BatchGetItem"),
    "no keys": (
        lambda t: {t["plain"]: {"Keys": []}},
        violations(violation("[]", "requestItems.batches-plain.member.keys", "have length greater than or equal to 1")),
    ),
    "101 keys": (
        lambda t: {t["plain"]: {"Keys": keys("x", 101)}},
        violations(
            violation("[101 elements]", "requestItems.batches-plain.member.keys", "have length less than or equal to 100")
        ),
    ),
    "101 keys of two tables": (
        lambda t: {
            t["plain"]: {"Keys": keys("x", 51)},
            t["texts"]: {"Keys": [{**key, "s": s("x")} for key in keys("x", 50)]},
        },
        "Too many items requested for the BatchGetItem call",
    ),
    "a key twice": (lambda t: {t["plain"]: {"Keys": [ANY, ANY]}}, DUPLICATES),
    "a number twice": (
        lambda t: {t["numbers"]: {"Keys": [{**ANY, "s": n("10")}, {**ANY, "s": n("1e1")}]}},
        DUPLICATES,
    ),
    "a path twice": (
        lambda t: {t["plain"]: {"Keys": [ANY], "ProjectionExpression": "a, a"}},
        "Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; "
        "path one: [a], path two: [a]",
    ),
    "a path into another": (
        lambda t: {t["plain"]: {"Keys": [ANY], "ProjectionExpression": "a, a.b"}},
        "Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; "
        "path one: [a], path two: [a, b]",
    ),
    "a name unused": (
        lambda t: {t["plain"]: {"Keys": [ANY], "ProjectionExpression": "a", "ExpressionAttributeNames": {"#b": "b"}}},
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#b}",
    ),
    "a name without an expression": (
        lambda t: {t["plain"]: {"Keys": [ANY], "ExpressionAttributeNames": {"#b": "b"}}},
        "ExpressionAttributeNames can only be specified when using expressions",
    ),
    "old and new": (
        lambda t: {t["plain"]: {"Keys": [ANY], "ProjectionExpression": "a", "AttributesToGet": ["a"]}},
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: "
        "{AttributesToGet} Expression parameters: {ProjectionExpression}",
    ),
    "an attribute twice": (
        lambda t: {t["plain"]: {"Keys": [ANY], "AttributesToGet": ["a", "a"]}},
        INVALID + "Duplicate value in attribute name: a",
    ),
    "no value": (lambda t: {t["plain"]: {"Keys": [{"p": {}}]}}, UNTYPED),
}


@pytest.mark.parametrize("case", READS)
def test_batches_of_reads_that_are_refused(dynamodb, table, case):
    items, message = READS[case]
    invalid(dynamodb.batch_get_item, message, RequestItems=items(table))


def test_a_batch_of_reads_projects_each_table_by_itself(dynamodb, table, name):
    one, two = {"p": s(name)}, {"p": s(name), "s": s("x")}
    dynamodb.put_item(TableName=table["plain"], Item={**one, "a": m(b=n(1), c=n(2)), "d": n(3)})
    dynamodb.put_item(TableName=table["texts"], Item={**two, "a": n(1)})
    found = dynamodb.batch_get_item(
        RequestItems={
            table["plain"]: {"Keys": [one], "ProjectionExpression": "#a.b", "ExpressionAttributeNames": {"#a": "a"}},
            table["texts"]: {"Keys": [two], "AttributesToGet": ["s"]},
        }
    )
    assert found["Responses"] == {table["plain"]: [{"a": m(b=n(1))}], table["texts"]: [{"s": s("x")}]}


# TransactWriteItems


def put(table, item, **more):
    return {"Put": {"TableName": table, "Item": item, **more}}


def check(table, key, condition, **more):
    return {"ConditionCheck": {"TableName": table, "Key": key, "ConditionExpression": condition, **more}}


def update(table, key, expression, **more):
    return {"Update": {"TableName": table, "Key": key, "UpdateExpression": expression, **more}}


def delete(table, key, **more):
    return {"Delete": {"TableName": table, "Key": key, **more}}


ONE_OF = "TransactItems can only contain one of Check, Put, Update or Delete"
ITEMS = "transactItems"
TRANSACTIONS = {
    "nothing": (lambda t: [], violations(violation("[]", ITEMS, "have length greater than or equal to 1"))),
    "101 actions": (
        lambda t: [put(t, key) for key in keys("x", 101)],
        violations(violation("[101 elements]", ITEMS, "have length less than or equal to 100")),
    ),
    "no action": (lambda t: [{}], ONE_OF),
    "two actions in one": (lambda t: [{**put(t, ANY), **delete(t, {"p": s("y")})}], ONE_OF),
    "an item put twice": (lambda t: [put(t, ANY), put(t, {**ANY, "a": n(1)})], TWICE),
    "an item checked and put": (lambda t: [check(t, ANY, "attribute_exists(a)"), put(t, ANY)], TWICE),
    "an item updated and deleted": (lambda t: [update(t, ANY, "REMOVE a"), delete(t, ANY)], TWICE),
    "a check of nothing": (
        lambda t: [{"ConditionCheck": {"TableName": t, "Key": ANY}}],
        violations(violation(None, f"{ITEMS}.1.member.conditionCheck.conditionExpression", "not be null")),
    ),
    "an update of nothing": (
        lambda t: [{"Update": {"TableName": t, "Key": ANY}}],
        violations(violation(None, f"{ITEMS}.1.member.update.updateExpression", "not be null")),
    ),
    "a put of nothing": (
        lambda t: [{"Put": {"TableName": t}}],
        violations(violation(None, f"{ITEMS}.1.member.put.item", "not be null")),
    ),
    "a value": (lambda t: [put(t, {**ANY, "a": {"SS": []}})], EMPTY_SET),
    "a value in an expression": (
        lambda t: [check(t, ANY, "a = :v", ExpressionAttributeValues={":v": {"SS": []}})],
        f"ExpressionAttributeValues contains invalid value: {EMPTY_SET} for key :v",
    ),
    "an expression": (
        lambda t: [put(t, ANY), update(t, {"p": s("y")}, "SET a =")],
        'Invalid UpdateExpression: Syntax error; token: "<EOF>", near: "="',
    ),
    "values without an expression": (
        lambda t: [put(t, ANY, ExpressionAttributeValues={":v": n(1)})],
        "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null",
    ),
    "a value unused": (
        lambda t: [update(t, ANY, "REMOVE a", ExpressionAttributeValues={":v": n(1)})],
        "Value provided in ExpressionAttributeValues unused in expressions: keys: {:v}",
    ),
    "an item too large": (
        lambda t: [put(t, {**ANY, "a": b(bytes(400 * 1024))})],
        "Item size has exceeded the maximum allowed size",
    ),
    "what to show": (
        lambda t: [put(t, ANY, ReturnValuesOnConditionCheckFailure="SOME")],
        violations(
            enumeration("SOME", f"{ITEMS}.1.member.put.returnValuesOnConditionCheckFailure", "ALL_OLD", "NONE")
        ),
    ),
}


@pytest.mark.parametrize("case", TRANSACTIONS)
def test_transactions_that_are_refused(dynamodb, table, case):
    actions, message = TRANSACTIONS[case]
    invalid(dynamodb.transact_write_items, message, TransactItems=actions(table["plain"]))


def test_a_transaction_needs_all_its_tables(dynamodb, table, key):
    actions = [put(table["plain"], key), put("not-there", key)]
    assert refusal(dynamodb.transact_write_items, TransactItems=actions) == NOWHERE
    assert "Item" not in dynamodb.get_item(TableName=table["plain"], Key=key)


@pytest.mark.parametrize("token", ["", "x" * 37])
def test_a_token_has_a_length(dynamodb, table, key, token):
    at_least = "greater than or equal to 1" if not token else "less than or equal to 36"
    message = violations(violation(token, "clientRequestToken", f"have length {at_least}"))
    actions = [put(table["plain"], key)]
    invalid(dynamodb.transact_write_items, message, TransactItems=actions, ClientRequestToken=token)


ITEM = {"a": s("text"), "n": n("9" + "0" * 125), "list": l(n(1)), "big": b(bytes(300_000))}
# What of an item cancels an update of it.
CANCELED = {
    "an operand's type": ("ADD a :one", "An operand in the update expression has an incorrect data type"),
    "a sum's type": ("SET z = a + :one", "An operand in the update expression has an incorrect data type"),
    "nothing there": ("SET z = y", "The provided expression refers to an attribute that does not exist in the item"),
    "a path": ("SET a.b = :one", "The document path provided in the update expression is invalid for update"),
    "too large a number": (
        "ADD n :n",
        "Number overflow. Attempting to store a number with magnitude larger than supported range",
    ),
    "too large an item": ("SET z = :big", "Item size to update has exceeded the maximum allowed size"),
    "too deep a value": (
        "SET #l[0] = :deep",
        "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit",
    ),
}


def deep(levels):
    value = s("x")
    for _ in range(levels - 1):
        value = l(value)
    return value


@pytest.mark.parametrize("case", CANCELED)
def test_an_update_that_does_not_suit_the_item_cancels_the_transaction(dynamodb, table, key, name, case):
    expression, message = CANCELED[case]
    dynamodb.put_item(TableName=table["plain"], Item={**key, **ITEM})
    values = {":one": n(1), ":n": ITEM["n"], ":big": ITEM["big"], ":deep": deep(32)}
    used = {value: what for value, what in values.items() if value in expression.split()}
    more = {"ExpressionAttributeValues": used} if used else {}
    if "#l" in expression:
        more["ExpressionAttributeNames"] = {"#l": "list"}
    aside = {"p": s(f"{name} aside")}
    actions = [put(table["plain"], aside), update(table["plain"], key, expression, **more)]
    why = reasons(dynamodb.transact_write_items, TransactItems=actions)
    assert why == [None, ("ValidationError", message)]
    assert "Item" not in dynamodb.get_item(TableName=table["plain"], Key=aside)
    assert dynamodb.get_item(TableName=table["plain"], Key=key)["Item"] == {**key, **ITEM}


FAILING = {
    "Put": lambda t, key: put(t, {**key, "b": n(2)}, ConditionExpression="attribute_not_exists(p)"),
    "Update": lambda t, key: update(t, key, "REMOVE a", ConditionExpression="attribute_not_exists(p)"),
    "Delete": lambda t, key: delete(t, key, ConditionExpression="attribute_not_exists(p)"),
    "ConditionCheck": lambda t, key: check(t, key, "attribute_not_exists(p)"),
}


@pytest.mark.parametrize("shown", [True, False], ids=["shown", "not shown"])
@pytest.mark.parametrize("kind", FAILING)
def test_an_action_whose_condition_fails_cancels_the_transaction(dynamodb, table, key, name, kind, shown):
    item, aside = {**key, "a": n(1)}, {"p": s(f"{name} aside")}
    dynamodb.put_item(TableName=table["plain"], Item=item)
    action = FAILING[kind](table["plain"], key)
    if shown:
        action[kind]["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    with pytest.raises(ClientError) as caught:
        dynamodb.transact_write_items(TransactItems=[action, put(table["plain"], aside)])
    why = caught.value.response["CancellationReasons"]
    assert why == [{"Code": FAILED[0], "Message": FAILED[1], **({"Item": item} if shown else {})}, {"Code": "None"}]
    assert dynamodb.get_item(TableName=table["plain"], Key=key)["Item"] == item
    assert "Item" not in dynamodb.get_item(TableName=table["plain"], Key=aside)


def test_every_action_has_its_reason(dynamodb, table, name):
    present, *others = keys(name, 4)
    dynamodb.put_item(TableName=table["plain"], Item={**present, "a": s("x")})
    actions = [
        check(table["plain"], others[0], "attribute_exists(p)"),
        put(table["plain"], others[1]),
        update(table["plain"], present, "ADD a :one", ExpressionAttributeValues={":one": n(1)}),
        put(table["plain"], others[2], ConditionExpression="attribute_exists(p)"),
    ]
    wrong = ("ValidationError", "An operand in the update expression has an incorrect data type")
    assert reasons(dynamodb.transact_write_items, TransactItems=actions) == [FAILED, None, wrong, FAILED]


def test_a_transaction_takes_100_actions(dynamodb, table, name):
    items = keys(name, 100)
    dynamodb.transact_write_items(TransactItems=[put(table["plain"], item) for item in items])
    gets = [{"Get": {"TableName": table["plain"], "Key": item}} for item in items]
    assert dynamodb.transact_get_items(TransactItems=gets)["Responses"] == [{"Item": item} for item in items]


def test_a_transaction_takes_four_megabytes(dynamodb, table, name):
    def actions(count):
        return [put(table["plain"], {**key, "a": b(bytes(400_000))}) for key in keys(name, count)]

    dynamodb.transact_write_items(TransactItems=actions(10))
    assert refusal(dynamodb.transact_write_items, TransactItems=actions(11))[:2] == (400, "ValidationException")


def test_a_token_stands_for_its_request(dynamodb, table, key, name):
    def count(by):
        action = update(table["plain"], key, "ADD c :n", ExpressionAttributeValues={":n": n(by)})
        return dynamodb.transact_write_items(
            TransactItems=[action], ClientRequestToken=name, ReturnConsumedCapacity="TOTAL"
        )["ConsumedCapacity"][0]

    assert count(1)["WriteCapacityUnits"] == 2
    # What was done before is read, and paid for as such.
    assert count(1)["ReadCapacityUnits"] == 2
    with pytest.raises(dynamodb.exceptions.IdempotentParameterMismatchException):
        count(2)
    assert dynamodb.get_item(TableName=table["plain"], Key=key)["Item"]["c"] == n(1)


# TransactGetItems


def get(table, key, **more):
    return {"Get": {"TableName": table, "Key": key, **more}}


GETS = {
    "nothing": (lambda t: [], violations(violation("[]", ITEMS, "have length greater than or equal to 1"))),
    "101 gets": (
        lambda t: [get(t, key) for key in keys("x", 101)],
        violations(violation("[101 elements]", ITEMS, "have length less than or equal to 100")),
    ),
    "an item twice": (lambda t: [get(t, ANY), get(t, ANY)], TWICE),
    "an expression": (
        lambda t: [get(t, ANY, ProjectionExpression="!!!")],
        'Invalid ProjectionExpression: Syntax error; token: "!", near: "!!"',
    ),
    "a name undefined": (
        lambda t: [get(t, ANY, ProjectionExpression="#a")],
        "Invalid ProjectionExpression: An expression attribute name used in the document path is not defined; attribute name: #a",
    ),
    "a name without an expression": (
        lambda t: [get(t, ANY, ExpressionAttributeNames={"#a": "a"})],
        "ExpressionAttributeNames can only be specified when using expressions",
    ),
    "no value": (lambda t: [get(t, {"p": {}})], UNTYPED),
}


@pytest.mark.parametrize("case", GETS)
def test_transactions_of_reads_that_are_refused(dynamodb, table, case):
    actions, message = GETS[case]
    invalid(dynamodb.transact_get_items, message, TransactItems=actions(table["plain"]))


def test_a_transaction_of_reads_says_which_key_is_wrong(dynamodb, table, key):
    actions = [get(table["plain"], key), get(table["plain"], {"q": s("x")}), get(table["texts"], key)]
    wrong = ("ValidationError", "The provided key element does not match the schema")
    assert reasons(dynamodb.transact_get_items, TransactItems=actions) == [None, wrong, wrong]
    canceled(dynamodb.transact_get_items, wrong[1], TransactItems=[get(table["plain"], {})])
    assert refusal(dynamodb.transact_get_items, TransactItems=[get("not-there", key)]) == NOWHERE
