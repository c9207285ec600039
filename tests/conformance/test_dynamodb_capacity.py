"""What DynamoDB says that a request has cost.

AWS: Developer Guide, "DynamoDB read and write operations", "Read and write capacity units" of tables and of secondary indexes.
"""

import pytest
from dynamo import b, l, m, n, s, tables

KB = 1024


@pytest.fixture(scope="module")
def table(server):
    with tables(server, "capacity", "plain", "texts", "indexed") as made:
        yield made


def sized(key, size):
    """An item of exactly so many bytes; names and values count."""
    room = size - sum(len(name) + len(value["S"]) for name, value in key.items()) - len("filler")
    return {**key, "filler": s("x" * room)}


def units(answer):
    return answer["ConsumedCapacity"]["CapacityUnits"]


TOTAL = {"ReturnConsumedCapacity": "TOTAL"}
# bytes, units of: a write, a consistent read, an eventually consistent one
SIZES = [
    (100, 1, 1, 0.5),
    (KB, 1, 1, 0.5),
    (KB + 1, 2, 1, 0.5),
    (2 * KB, 2, 1, 0.5),
    (4 * KB, 4, 1, 0.5),
    (4 * KB + 1, 5, 2, 1),
    (8 * KB, 8, 2, 1),
    (8 * KB + 1, 9, 3, 1.5),
    (400 * KB, 400, 100, 50),
]


@pytest.mark.parametrize("size, written, read, half", SIZES, ids=[str(size) for size, *_ in SIZES])
def test_an_item_costs_by_its_size(dynamodb, table, name, size, written, read, half):
    key, of = {"p": s(name)}, {"TableName": table["plain"], **TOTAL}
    item = sized(key, size)
    assert units(dynamodb.put_item(Item=item, **of)) == written
    assert units(dynamodb.get_item(Key=key, ConsistentRead=True, **of)) == read
    assert units(dynamodb.get_item(Key=key, **of)) == half
    # Whatever little of it is wanted.
    assert units(dynamodb.get_item(Key=key, ProjectionExpression="p", **of)) == half
    get = [{"Get": {"TableName": table["plain"], "Key": key}}]
    assert dynamodb.transact_get_items(TransactItems=get, **TOTAL)["ConsumedCapacity"][0]["CapacityUnits"] == 2 * read
    put = [{"Put": {"TableName": table["plain"], "Item": item}}]
    assert dynamodb.transact_write_items(TransactItems=put, **TOTAL)["ConsumedCapacity"][0]["CapacityUnits"] == 2 * written
    assert units(dynamodb.delete_item(Key=key, **of)) == written


@pytest.mark.parametrize(
    "value, size",
    [
        (s("é"), 2),
        (s("𝄞"), 4),
        (b(b"\x00\x01\x02"), 3),
        ({"BOOL": False}, 1),
        ({"NULL": True}, 1),
        ({"SS": ["ab", "c"]}, 3),
        ({"NS": ["1", "-1"]}, 5),
        ({"BS": [b"ab", b"c"]}, 3),
        (l(), 3),
        (m(), 3),
        (l(s("ab"), s("c")), 3 + 2 + 1 + 1 + 1),
        (m(name=s("ab")), 3 + 4 + 2 + 1),
    ],
)
def test_a_value_has_its_size(dynamodb, table, name, value, size):
    """An item that fills a kilobyte with it costs one unit, and two with a byte more."""
    key = {"p": s(name)}
    for more, expected in ((0, 1), (1, 2)):
        item = {**sized(key, KB - len("v") - size + more), "v": value}
        assert units(dynamodb.put_item(TableName=table["plain"], Item=item, **TOTAL)) == expected
        dynamodb.delete_item(TableName=table["plain"], Key=key)


@pytest.mark.parametrize("before, after, expected", [(100, 3000, 3), (3000, 100, 3), (3000, 2000, 3), (100, 100, 1)])
def test_a_change_costs_the_larger_of_two_items(dynamodb, table, name, before, after, expected):
    key, of = {"p": s(name)}, {"TableName": table["plain"], **TOTAL}
    dynamodb.put_item(Item=sized(key, before), **of)
    assert units(dynamodb.put_item(Item=sized(key, after), **of)) == expected
    dynamodb.put_item(Item=sized(key, before), **of)
    update = {
        "UpdateExpression": "SET filler = :f",
        "ExpressionAttributeValues": {":f": sized(key, after)["filler"]},
    }
    assert units(dynamodb.update_item(Key=key, **update, **of)) == expected


@pytest.mark.parametrize(
    "operation, more, expected",
    [
        ("get_item", {}, 0.5),
        ("get_item", {"ConsistentRead": True}, 1),
        ("delete_item", {}, 1),
        ("update_item", {"UpdateExpression": "REMOVE a"}, 1),
    ],
)
def test_nothing_costs_as_much_as_a_little(dynamodb, table, name, operation, more, expected):
    answer = getattr(dynamodb, operation)(TableName=table["plain"], Key={"p": s(name)}, **more, **TOTAL)
    assert units(answer) == expected


@pytest.mark.parametrize(
    "wanted, members",
    [("TOTAL", {"TableName", "CapacityUnits"}), ("INDEXES", {"TableName", "CapacityUnits", "Table"})],
)
def test_what_is_told_depends_on_what_is_wanted(dynamodb, table, name, wanted, members):
    told = dynamodb.put_item(TableName=table["plain"], Item={"p": s(name)}, ReturnConsumedCapacity=wanted)["ConsumedCapacity"]
    assert set(told) == members and told["TableName"] == table["plain"]
    if wanted == "INDEXES":
        assert told["Table"] == {"CapacityUnits": 1.0}


@pytest.mark.parametrize("more", [{}, {"ReturnConsumedCapacity": "NONE"}])
def test_nothing_is_told_unasked(dynamodb, table, name, more):
    of, key = {"TableName": table["plain"], **more}, {"p": s(name)}
    assert "ConsumedCapacity" not in dynamodb.put_item(Item=key, **of)
    assert "ConsumedCapacity" not in dynamodb.get_item(Key=key, **of)
    assert "ConsumedCapacity" not in dynamodb.scan(**of)
    assert "ConsumedCapacity" not in dynamodb.batch_get_item(RequestItems={table["plain"]: {"Keys": [key]}}, **more)


# Batches and transactions


def test_a_batch_costs_as_its_parts(dynamodb, table, name):
    items = [sized({"p": s(f"{name}-{size}")}, size) for size in (KB, KB + 1, 5 * KB)]
    writes = {table["plain"]: [{"PutRequest": {"Item": item}} for item in items]}
    written = dynamodb.batch_write_item(RequestItems=writes, **TOTAL)["ConsumedCapacity"]
    assert written == [{"TableName": table["plain"], "CapacityUnits": 1.0 + 2.0 + 5.0}]
    keys = [{"p": item["p"]} for item in items] + [{"p": s(f"{name}-none")}]
    for consistent, expected in ((False, 0.5 + 0.5 + 1 + 0.5), (True, 1 + 1 + 2 + 1)):
        wanted = {table["plain"]: {"Keys": keys, "ConsistentRead": consistent}}
        read = dynamodb.batch_get_item(RequestItems=wanted, **TOTAL)["ConsumedCapacity"]
        assert read == [{"TableName": table["plain"], "CapacityUnits": expected}]


def test_a_transaction_costs_twice_for_each_action(dynamodb, table, name):
    keys = [{"p": s(f"{name}-{n}")} for n in range(4)]
    of = {"TableName": table["plain"]}
    actions = [
        {"Put": {**of, "Item": sized(keys[0], KB + 1)}},
        {"Update": {**of, "Key": keys[1], "UpdateExpression": "REMOVE a"}},
        {"Delete": {**of, "Key": keys[2]}},
        {"ConditionCheck": {**of, "Key": keys[3], "ConditionExpression": "attribute_not_exists(p)"}},
    ]
    done = dynamodb.transact_write_items(TransactItems=actions, ReturnConsumedCapacity="INDEXES")["ConsumedCapacity"]
    spent = {"CapacityUnits": 10.0, "WriteCapacityUnits": 10.0}
    assert done == [{"TableName": table["plain"], **spent, "Table": spent}]
    gets = [{"Get": {**of, "Key": key}} for key in keys]
    read = dynamodb.transact_get_items(TransactItems=gets, ReturnConsumedCapacity="INDEXES")["ConsumedCapacity"]
    spent = {"CapacityUnits": 8.0, "ReadCapacityUnits": 8.0}
    assert read == [{"TableName": table["plain"], **spent, "Table": spent}]


# Queries and scans: by the sum of what was looked at


@pytest.fixture(scope="module")
def partition(dynamodb, table):
    for sort in range(6):
        item = sized({"p": s("partition"), "s": s(str(sort))}, 1500)
        dynamodb.put_item(TableName=table["texts"], Item={**item, "odd": {"BOOL": sort % 2 == 1}})
    return {
        "TableName": table["texts"],
        "KeyConditionExpression": "p = :p",
        "ExpressionAttributeValues": {":p": s("partition")},
        **TOTAL,
    }


@pytest.mark.parametrize(
    "more, expected",
    [
        ({}, 1.5),
        ({"ConsistentRead": True}, 3),
        ({"ProjectionExpression": "s"}, 1.5),
        ({"Select": "COUNT"}, 1.5),
        ({"FilterExpression": "odd = :t"}, 1.5),
        ({"FilterExpression": "attribute_exists(nothing)"}, 1.5),
        ({"Limit": 1}, 0.5),
        ({"Limit": 3}, 1),
        ({"Limit": 3, "ConsistentRead": True}, 2),
        ({"KeyConditionExpression": "p = :p AND s > :s"}, 0.5),
        ({"KeyConditionExpression": "p = :p AND s > :s", "ConsistentRead": True}, 1),
    ],
    ids=[
        "all",
        "consistent",
        "projected",
        "count",
        "half",
        "none",
        "one",
        "three",
        "three consistent",
        "empty",
        "empty consistent",
    ],
)
def test_a_query_costs_what_it_looked_at(dynamodb, partition, more, expected):
    request = {**partition, **more}
    values = {**request["ExpressionAttributeValues"]}
    if ":t" in more.get("FilterExpression", ""):
        values[":t"] = {"BOOL": True}
    if ":s" in more.get("KeyConditionExpression", ""):
        values[":s"] = s("9")
    assert units(dynamodb.query(**{**request, "ExpressionAttributeValues": values})) == expected


@pytest.mark.parametrize("consistent, expected", [(False, 1.5), (True, 3)])
def test_a_scan_costs_what_it_looked_at(dynamodb, table, partition, consistent, expected):
    of = {"TableName": table["texts"], "ConsistentRead": consistent, **TOTAL}
    assert units(dynamodb.scan(**of)) == expected
    assert units(dynamodb.scan(FilterExpression="attribute_exists(nothing)", **of)) == expected
    assert units(dynamodb.scan(ProjectionExpression="s", Select="SPECIFIC_ATTRIBUTES", **of)) == expected


# Indexes

ALL = {"g": s("g"), "h": n(1), "l": s("l"), "shown": s("x"), "extra": s("x")}


@pytest.fixture
def indexed(dynamodb, table, name):
    """An item in every index but `g-4`, and what an update of it costs by index."""
    key = {"p": s(name), "s": s("x")}
    of = {"TableName": table["indexed"], "ReturnConsumedCapacity": "INDEXES"}

    def cost(answer):
        told = answer["ConsumedCapacity"]
        parts = {**told.get("GlobalSecondaryIndexes", {}), **told.get("LocalSecondaryIndexes", {})}
        by_index = {index: part["CapacityUnits"] for index, part in parts.items()}
        assert told["CapacityUnits"] == told["Table"]["CapacityUnits"] + sum(by_index.values())
        assert told["Table"] == {"CapacityUnits": 1.0}
        return by_index

    first = cost(dynamodb.put_item(Item={**key, **ALL}, **of))
    assert first == {"g-1": 1, "g-2": 1, "g-3": 1, "l-1": 1, "l-2": 1}
    return key, of, cost


# The cost is what the change does to what an index shows: nothing, a new entry in place of the old, or a move.
LADDER = {
    "REMOVE nothing": {},
    "SET extra = :v": {"g-1": 1, "l-1": 1},
    "SET shown = :v": {"g-1": 1, "g-2": 1, "l-1": 1},
    "SET g = :v": {"g-1": 2, "g-3": 2, "g-2": 0, "l-1": 1},
    "REMOVE g": {"g-1": 1, "g-3": 1, "l-1": 1},
    "SET l = :v": {"g-1": 1, "l-1": 2},
    "REMOVE l": {"g-1": 1, "l-1": 1},
    "ADD h :n": {"g-1": 1, "g-2": 2, "g-3": 2, "l-1": 1, "l-2": 2},
    "REMOVE h": {"g-1": 1, "g-2": 1, "g-3": 1, "l-1": 1, "l-2": 1},
    "SET k = :k": {"g-1": 1, "g-4": 1, "l-1": 1},
}


@pytest.mark.parametrize("update", LADDER)
def test_an_update_costs_where_an_index_shows_it(dynamodb, indexed, update):
    key, of, cost = indexed
    values = {value: what for value, what in {":v": s("y"), ":n": n(1), ":k": b(b"k")}.items() if update.endswith(value)}
    more = {"ExpressionAttributeValues": values} if values else {}
    expected = {index: cost for index, cost in LADDER[update].items() if cost}
    assert cost(dynamodb.update_item(Key=key, UpdateExpression=update, **more, **of)) == expected


def test_the_same_again_costs_no_index_anything(dynamodb, indexed):
    key, of, cost = indexed
    assert cost(dynamodb.put_item(Item={**key, **ALL}, **of)) == {}


def test_a_deletion_costs_every_index_that_shows_the_item(dynamodb, indexed):
    key, of, cost = indexed
    assert cost(dynamodb.delete_item(Key=key, **of)) == {"g-1": 1, "g-2": 1, "g-3": 1, "l-1": 1, "l-2": 1}


def test_a_query_of_an_index_costs_the_index(dynamodb, indexed):
    key, of, _ = indexed
    base = {**of, "ExpressionAttributeValues": {":p": key["p"]}, "KeyConditionExpression": "p = :p"}
    told = dynamodb.query(IndexName="l-1", ConsistentRead=True, **base)["ConsumedCapacity"]
    assert told["LocalSecondaryIndexes"] == {"l-1": {"CapacityUnits": 1.0}} and told["Table"] == {"CapacityUnits": 0.0}
    told = dynamodb.query(IndexName="l-2", **base)["ConsumedCapacity"]
    assert told["CapacityUnits"] == 0.5
    # What the index does not show is fetched from the table, item by item.
    told = dynamodb.query(IndexName="l-2", Select="ALL_ATTRIBUTES", **base)["ConsumedCapacity"]
    assert (told["CapacityUnits"], told["Table"], told["LocalSecondaryIndexes"]) == (
        1.0,
        {"CapacityUnits": 0.5},
        {"l-2": {"CapacityUnits": 0.5}},
    )
