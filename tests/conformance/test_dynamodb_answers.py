"""What DynamoDB's writes answer: values before and after, the item that failed a condition, collections; and in which order a
request with several faults hears of them.

AWS: API Reference, *PutItem*, *UpdateItem*, *DeleteItem*.
"""

import pytest
from botocore.exceptions import ClientError
from dynamo import (
    EACH,
    INVALID,
    NO_MATCH,
    enumeration,
    invalid,
    l,
    m,
    n,
    s,
    ss,
    tables,
    violation,
    violations,
)
from errors import refusal

FAILED = (400, "ConditionalCheckFailedException", "The conditional request failed")
NOWHERE = (400, "ResourceNotFoundException", "Requested resource not found")


@pytest.fixture(scope="module")
def table(server):
    with tables(server, "answers", "plain", "indexed") as made:
        yield made


@pytest.fixture
def key(name):
    return {"p": s(name)}


# ReturnValues

KINDS = ["ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"]


@pytest.mark.parametrize("wanted", ["NONE", "ALL_OLD"])
def test_a_put_and_a_deletion_answer_what_was_there(dynamodb, table, key, wanted):
    first, second = {**key, "a": n(1)}, {**key, "a": n(2)}
    more = {"TableName": table["plain"], "ReturnValues": wanted}
    assert "Attributes" not in dynamodb.put_item(Item=first, **more)
    expected = {"NONE": [None, None], "ALL_OLD": [first, second]}[wanted]
    assert dynamodb.put_item(Item=second, **more).get("Attributes") == expected[0]
    assert dynamodb.delete_item(Key=key, **more).get("Attributes") == expected[1]
    assert "Attributes" not in dynamodb.delete_item(Key=key, **more)


@pytest.mark.parametrize("wanted", ["ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"])
def test_they_have_nothing_else_to_answer(dynamodb, table, key, wanted):
    message = "ReturnValues can only be ALL_OLD or NONE"
    invalid(dynamodb.put_item, message, TableName=table["plain"], Item=key, ReturnValues=wanted)
    invalid(dynamodb.delete_item, message, TableName=table["plain"], Key=key, ReturnValues=wanted)


@pytest.mark.parametrize("wanted", ["SOME", "all_old", ""])
@pytest.mark.parametrize("operation, what", [("put_item", "Item"), ("update_item", "Key"), ("delete_item", "Key")])
def test_return_values_are_of_an_enumeration(dynamodb, table, key, operation, what, wanted):
    message = violations(enumeration(wanted, "returnValues", *KINDS))
    invalid(getattr(dynamodb, operation), message, TableName=table["plain"], **{what: key}, ReturnValues=wanted)


BEFORE = {
    "a": s("hi"),
    "b": s("dog"),
    "n": n(1),
    "tags": ss("x", "y"),
    "m": m(b=s("dog"), c=l(n(1), n(2), n(3))),
}
VALUES = {":v": s("cat"), ":w": s("lion"), ":one": n(1), ":x": ss("x"), ":xy": ss("x", "y"), ":dog": s("dog")}
# What was there and what is there of what an update touched, by the paths as they are written.
TOUCHED = {
    "SET b = :v": ({"b": s("dog")}, {"b": s("cat")}),
    "SET b = :dog": ({"b": s("dog")}, {"b": s("dog")}),
    "SET b = :v, z = :w": ({"b": s("dog")}, {"b": s("cat"), "z": s("lion")}),
    "SET z = :v": (None, {"z": s("cat")}),
    "SET z = a": (None, {"z": s("hi")}),
    "SET b = if_not_exists(b, :v)": ({"b": s("dog")}, {"b": s("dog")}),
    "SET n = n + :one": ({"n": n(1)}, {"n": n(2)}),
    "REMOVE b": ({"b": s("dog")}, None),
    "REMOVE z": (None, None),
    "SET a = :v, b = :w REMOVE n": ({"a": s("hi"), "b": s("dog"), "n": n(1)}, {"a": s("cat"), "b": s("lion")}),
    "ADD n :one": ({"n": n(1)}, {"n": n(2)}),
    "ADD z :one": (None, {"z": n(1)}),
    "ADD tags :x": ({"tags": ss("x", "y")}, {"tags": ss("x", "y")}),
    "DELETE tags :x": ({"tags": ss("x", "y")}, {"tags": ss("y")}),
    "DELETE tags :xy": ({"tags": ss("x", "y")}, None),
    "DELETE z :x": (None, None),
    "SET m.b = :v": ({"m": m(b=s("dog"))}, {"m": m(b=s("cat"))}),
    "SET m.z = :v": (None, {"m": m(z=s("cat"))}),
    "SET m.c[1] = :v": ({"m": m(c=l(n(2)))}, {"m": m(c=l(s("cat")))}),
    "SET m.c[1] = :v, m.b = :w": ({"m": m(b=s("dog"), c=l(n(2)))}, {"m": m(b=s("lion"), c=l(s("cat")))}),
    "SET m.c[2] = :v, m.c[0] = :w": ({"m": m(c=l(n(1), n(3)))}, {"m": m(c=l(s("lion"), s("cat")))}),
    "REMOVE m.b": ({"m": m(b=s("dog"))}, None),
    # Beyond the end, it is appended, and does not stand where the path says.
    "SET m.c[100] = :v": (None, None),
    # What stood behind what is removed has moved up.
    "REMOVE m.c[1]": ({"m": m(c=l(n(2)))}, {"m": m(c=l(n(3)))}),
    "REMOVE m.c[1], m.c[3]": ({"m": m(c=l(n(2)))}, {"m": m(c=l(n(3)))}),
    "REMOVE m.c[2]": ({"m": m(c=l(n(3)))}, None),
}


def values_of(update):
    return {value: VALUES[value] for value in VALUES if value in update.replace(",", " ").replace(")", " ").split()}


@pytest.mark.parametrize("update", TOUCHED)
def test_an_update_answers_what_it_touched(dynamodb, table, key, update):
    values = values_of(update)
    more = {"ExpressionAttributeValues": values} if values else {}
    expected = dict(zip(("UPDATED_OLD", "UPDATED_NEW"), TOUCHED[update]))
    expected["ALL_OLD"] = {**key, **BEFORE}
    for wanted, attributes in {**expected, "NONE": None}.items():
        dynamodb.put_item(TableName=table["plain"], Item={**key, **BEFORE})
        answer = dynamodb.update_item(
            TableName=table["plain"], Key=key, UpdateExpression=update, ReturnValues=wanted, **more
        )
        assert answer.get("Attributes") == attributes, wanted
    dynamodb.put_item(TableName=table["plain"], Item={**key, **BEFORE})
    answer = dynamodb.update_item(
        TableName=table["plain"], Key=key, UpdateExpression=update, ReturnValues="ALL_NEW", **more
    )
    assert answer["Attributes"] == dynamodb.get_item(TableName=table["plain"], Key=key)["Item"]


@pytest.mark.parametrize(
    "update, wanted, attributes",
    [
        ("SET a = :v", "ALL_OLD", None),
        ("SET a = :v", "UPDATED_OLD", None),
        ("SET a = :v", "UPDATED_NEW", {"a": s("cat")}),
        ("SET a = :v", "ALL_NEW", {"p": None, "a": s("cat")}),
        ("REMOVE a", "ALL_NEW", None),
        ("REMOVE a", "UPDATED_NEW", None),
        (None, "ALL_NEW", {"p": None}),
        (None, "UPDATED_NEW", None),
        (None, "ALL_OLD", None),
    ],
)
def test_an_update_of_nothing_answers_what_it_made(dynamodb, table, key, update, wanted, attributes):
    more = {"UpdateExpression": update} if update else {"AttributeUpdates": {}}
    if update and ":v" in update:
        more["ExpressionAttributeValues"] = {":v": s("cat")}
    answer = dynamodb.update_item(TableName=table["plain"], Key=key, ReturnValues=wanted, **more)
    expected = attributes and {name: value or key[name] for name, value in attributes.items()}
    assert answer.get("Attributes") == expected


# ReturnValuesOnConditionCheckFailure

CONDITIONAL = {
    "put_item": lambda key: {"Item": {**key, "a": n(9)}},
    "update_item": lambda key: {"Key": key, "UpdateExpression": "REMOVE a"},
    "delete_item": lambda key: {"Key": key},
}
NEVER = "attribute_exists(a) AND attribute_not_exists(a)"


@pytest.mark.parametrize("there", [True, False], ids=["an item", "none"])
@pytest.mark.parametrize("wanted", ["ALL_OLD", "NONE", None])
@pytest.mark.parametrize("operation", CONDITIONAL)
def test_a_failed_condition_shows_the_item_where_asked(dynamodb, table, key, operation, wanted, there):
    item = {**key, "a": n(1)}
    if there:
        dynamodb.put_item(TableName=table["plain"], Item=item)
    more = {"ReturnValuesOnConditionCheckFailure": wanted} if wanted else {}
    with pytest.raises(ClientError) as caught:
        getattr(dynamodb, operation)(
            TableName=table["plain"], ConditionExpression=NEVER, **CONDITIONAL[operation](key), **more
        )
    error = caught.value.response
    assert (error["Error"]["Code"], error["Error"]["Message"]) == FAILED[1:]
    assert error.get("Item") == (item if there and wanted == "ALL_OLD" else None)
    assert dynamodb.get_item(TableName=table["plain"], Key=key).get("Item") == (item if there else None)


@pytest.mark.parametrize("wanted", ["ALL_NEW", "UPDATED_OLD", "SOME"])
@pytest.mark.parametrize("operation", CONDITIONAL)
def test_it_shows_all_of_it_or_nothing(dynamodb, table, key, operation, wanted):
    message = violations(enumeration(wanted, "returnValuesOnConditionCheckFailure", "ALL_OLD", "NONE"))
    more = {"ConditionExpression": NEVER, "ReturnValuesOnConditionCheckFailure": wanted}
    invalid(getattr(dynamodb, operation), message, TableName=table["plain"], **CONDITIONAL[operation](key), **more)


# ReturnItemCollectionMetrics


def test_collections_beside_local_indexes_are_told(dynamodb, table, name):
    key = {"p": s(name), "s": s("x")}
    of = {"TableName": table["indexed"], "ReturnItemCollectionMetrics": "SIZE"}
    told = {"ItemCollectionKey": {"p": s(name)}, "SizeEstimateRangeGB": [0.0, 1.0]}
    assert dynamodb.put_item(Item=key, **of)["ItemCollectionMetrics"] == told
    assert dynamodb.update_item(Key=key, **of)["ItemCollectionMetrics"] == told
    assert dynamodb.delete_item(Key=key, **of)["ItemCollectionMetrics"] == told
    writes = {table["indexed"]: [{"PutRequest": {"Item": key}}]}
    batch = dynamodb.batch_write_item(RequestItems=writes, ReturnItemCollectionMetrics="SIZE")
    assert batch["ItemCollectionMetrics"] == {table["indexed"]: [told]}
    put = [{"Put": {"TableName": table["indexed"], "Item": key}}]
    done = dynamodb.transact_write_items(TransactItems=put, ReturnItemCollectionMetrics="SIZE")
    assert done["ItemCollectionMetrics"] == {table["indexed"]: [told]}


@pytest.mark.parametrize("shape, wanted", [("plain", "SIZE"), ("indexed", "NONE")])
def test_others_are_not(dynamodb, table, name, shape, wanted):
    key = {"p": s(name), **({"s": s("x")} if shape == "indexed" else {})}
    of = {"TableName": table[shape], "ReturnItemCollectionMetrics": wanted}
    assert "ItemCollectionMetrics" not in dynamodb.put_item(Item=key, **of)
    assert "ItemCollectionMetrics" not in dynamodb.update_item(Key=key, **of)
    assert "ItemCollectionMetrics" not in dynamodb.delete_item(Key=key, **of)


# Several faults in one request

VALUES_FAULT = enumeration("BAD", "returnValues", *KINDS)
CAPACITY_FAULT = enumeration("BAD", "returnConsumedCapacity", "INDEXES", "TOTAL", "NONE")
METRICS_FAULT = enumeration("BAD", "returnItemCollectionMetrics", "SIZE", "NONE")
TABLE_FAULT = violation("no table", "tableName", "satisfy regular expression pattern: [a-zA-Z0-9_.-]+")
BAD = {name: "BAD" for name in ("ReturnValues", "ReturnConsumedCapacity", "ReturnItemCollectionMetrics")}


def test_a_put_hears_of_all_violations(dynamodb, key):
    message = violations(VALUES_FAULT, CAPACITY_FAULT, METRICS_FAULT, TABLE_FAULT)
    invalid(dynamodb.put_item, message, TableName="no table", Item=key, **BAD)


def test_a_deletion_hears_of_all_violations(dynamodb, key):
    message = violations(VALUES_FAULT, CAPACITY_FAULT, METRICS_FAULT, TABLE_FAULT)
    invalid(dynamodb.delete_item, message, TableName="no table", Key=key, **BAD)


def test_an_update_hears_of_all_violations(dynamodb, key):
    message = violations(CAPACITY_FAULT, TABLE_FAULT, METRICS_FAULT, VALUES_FAULT)
    invalid(dynamodb.update_item, message, TableName="no table", Key=key, **BAD)


def test_a_get_hears_of_all_violations(dynamodb, key):
    message = violations(CAPACITY_FAULT, TABLE_FAULT)
    invalid(dynamodb.get_item, message, TableName="no table", Key=key, ReturnConsumedCapacity="BAD")


MIXED = (
    "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {Expected} "
    "Expression parameters: {ConditionExpression}"
)
VALUES_ALONE = "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null"
EMPTY_SET = INVALID + "An string set  may not be empty"
SYNTAX = 'Invalid ConditionExpression: Syntax error; token: "<EOF>", near: "="'
# Each fault is told before all that stand behind it.
IN_ORDER = {
    "a violation": ({"ReturnConsumedCapacity": "BAD"}, {}, violations(CAPACITY_FAULT)),
    "mixed parameters": ({"Expected": {"a": {"Exists": False}}}, {}, MIXED),
    "a value": ({}, {"a": {"SS": []}}, EMPTY_SET),
    "what is to be answered": ({"ReturnValues": "ALL_NEW"}, {}, "ReturnValues can only be ALL_OLD or NONE"),
    "an expression": ({"ConditionExpression": "a ="}, {}, SYNTAX),
}


@pytest.mark.parametrize("fault", IN_ORDER)
def test_faults_of_a_put_are_told_in_this_order(dynamodb, fault):
    """All that comes after, and a table that is not there, wait until the next time."""
    names = list(IN_ORDER)
    parameters, item = {"TableName": "not-there", "ConditionExpression": "a ="}, {"p": s("x")}
    for later in names[names.index(fault) :]:
        parameters.update(IN_ORDER[later][0])
        item.update(IN_ORDER[later][1])
    invalid(dynamodb.put_item, IN_ORDER[fault][2], Item=item, **parameters)


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"ExpressionAttributeValues": {":v": s("v")}}, VALUES_ALONE),
        ({"ExpressionAttributeValues": {":v": {"SS": []}}}, VALUES_ALONE),
        (
            {"ExpressionAttributeNames": {"#a": "a"}, "ExpressionAttributeValues": {":v": s("v")}},
            "ExpressionAttributeNames can only be specified when using expressions",
        ),
        (
            {"Expected": {"a": {"Exists": False}}, "ExpressionAttributeValues": {":v": s("v")}},
            VALUES_ALONE,
        ),
    ],
    ids=["values", "bad values", "names and values", "values beside Expected"],
)
def test_placeholders_without_expressions_are_told_before_values(dynamodb, table, parameters, message):
    item = {"p": s("x"), "a": {"NS": []}}
    invalid(dynamodb.put_item, message, TableName=table["plain"], Item=item, **parameters)
    invalid(dynamodb.delete_item, message, TableName=table["plain"], Key=item, **parameters)


def test_an_update_names_both_expressions_that_use_values(dynamodb, table, key):
    message = (
        "ExpressionAttributeValues can only be specified when using expressions: UpdateExpression and ConditionExpression are "
        "null"
    )
    more = {"ExpressionAttributeValues": {":v": s("v")}}
    invalid(dynamodb.update_item, message, TableName=table["plain"], Key=key, **more)
    invalid(dynamodb.update_item, message, TableName=table["plain"], Key=key, AttributeUpdates={}, **more)


def test_a_table_that_is_not_there_is_told_before_its_key(dynamodb, table):
    for operation, what in (("get_item", "Key"), ("put_item", "Item"), ("update_item", "Key"), ("delete_item", "Key")):
        assert refusal(getattr(dynamodb, operation), TableName="not-there", **{what: {"wrong": s("x")}}) == NOWHERE
    invalid(dynamodb.get_item, NO_MATCH, TableName=table["plain"], Key={"wrong": s("x")})


def test_a_key_is_told_before_a_condition(dynamodb, table):
    more = {"ConditionExpression": "attribute_exists(a)", "TableName": table["plain"]}
    invalid(dynamodb.delete_item, NO_MATCH, Key={"p": n(1)}, **more)
    invalid(dynamodb.put_item, INVALID + "Missing the key p in the item", Item={"a": n(1)}, **more)


@pytest.mark.parametrize("update", ["SET a = a + :one", "SET m.b.c = :one", "ADD b :one", "SET z = y"])
def test_a_condition_is_told_before_an_update(dynamodb, table, key, update):
    """Whether an update suits an item is asked only if the condition holds."""
    item = {**key, "a": s("text"), "b": s("text"), "m": m()}
    dynamodb.put_item(TableName=table["plain"], Item=item)
    more = {"UpdateExpression": update, "ConditionExpression": "attribute_not_exists(p)"}
    if ":one" in update:
        more["ExpressionAttributeValues"] = {":one": n(1)}
    assert refusal(dynamodb.update_item, TableName=table["plain"], Key=key, **more) == FAILED


@pytest.mark.parametrize("kind", EACH)
def test_a_put_makes_an_item_of_nothing_but_what_it_is_given(dynamodb, table, key, kind):
    """Unlike an update, it leaves nothing of what was there."""
    dynamodb.put_item(TableName=table["plain"], Item={**key, **EACH})
    dynamodb.put_item(TableName=table["plain"], Item={**key, kind: EACH[kind]})
    assert dynamodb.get_item(TableName=table["plain"], Key=key)["Item"] == {**key, kind: EACH[kind]}
