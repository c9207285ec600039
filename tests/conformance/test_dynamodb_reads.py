"""DynamoDB's queries and scans: what they find, in which order, page by page; and what they refuse.

AWS: API Reference, *Query* and *Scan*; Developer Guide, "Paginating table query results", "Scanning tables".
"""

import pytest
from dynamo import (
    INVALID,
    NO_MATCH,
    b,
    enumeration,
    invalid,
    l,
    m,
    n,
    s,
    tables,
    violation,
    violations,
)
from errors import refusal


SORTS = [-2, -1, 0, 0.5, 3, 20]


@pytest.fixture(scope="module")
def table(server, dynamodb):
    with tables(server, "reads", "plain", "texts", "numbers", "indexed") as made:
        for number in SORTS:
            dynamodb.put_item(TableName=made["numbers"], Item={"p": s("a"), "s": n(number), "even": {"BOOL": number % 2 == 0}})
        for text in ("a", "ab", "abc", "b", "é"):
            dynamodb.put_item(TableName=made["texts"], Item={"p": s("a"), "s": s(text)})
        for number in range(6):
            item = {"p": s(f"p{number % 2}"), "s": s(str(number)), "g": s("g"), "h": n(number // 2), "l": s(f"l{9 - number}")}
            dynamodb.put_item(TableName=made["indexed"], Item={**item, "shown": s("yes"), "unseen": s("yes")})
        yield made


def query(dynamodb, table, condition="p = :p", values=None, **more):
    values = {":p": s("a"), **(values or {})}
    return dynamodb.query(
        TableName=table, KeyConditionExpression=condition, ExpressionAttributeValues=values, **more
    )


# Key conditions

CONDITIONS = {
    "s = :x": ({":x": n(0)}, [0]),
    "s = :x ": ({":x": n("0.50")}, [0.5]),
    "s < :x": ({":x": n(0)}, [-2, -1]),
    "s <= :x": ({":x": n(0)}, [-2, -1, 0]),
    "s > :x": ({":x": n(0)}, [0.5, 3, 20]),
    "s >= :x": ({":x": n(3)}, [3, 20]),
    ":x < s": ({":x": n(0)}, [0.5, 3, 20]),
    ":x >= s": ({":x": n(-1)}, [-2, -1]),
    "s BETWEEN :x AND :y": ({":x": n(-1), ":y": n(3)}, [-1, 0, 0.5, 3]),
    "s between :x and :y": ({":x": n(1), ":y": n(2)}, []),
    "(s > :x)": ({":x": n(3)}, [20]),
}


@pytest.mark.parametrize("forward", [True, False], ids=["forward", "backward"])
@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_query_finds_by_the_sort_key(dynamodb, table, condition, forward):
    values, expected = CONDITIONS[condition]
    answer = query(dynamodb, table["numbers"], f"p = :p AND {condition}", values, ScanIndexForward=forward)
    found = [float(item["s"]["N"]) for item in answer["Items"]]
    assert found == (expected if forward else expected[::-1])
    assert (answer["Count"], answer["ScannedCount"]) == (len(expected), len(expected))


@pytest.mark.parametrize("order", ["p = :p AND s > :x", "s > :x AND p = :p", "(p = :p AND (s > :x))", ":p = p and :x < s"])
def test_conditions_may_stand_in_any_order_and_in_parentheses(dynamodb, table, order):
    found = query(dynamodb, table["numbers"], order, {":x": n(3)})
    assert [item["s"] for item in found["Items"]] == [n(20)]


@pytest.mark.parametrize(
    "prefix, expected",
    [("", ["a", "ab", "abc", "b", "é"]), ("a", ["a", "ab", "abc"]), ("ab", ["ab", "abc"]), ("é", ["é"]), ("z", [])],
)
def test_a_query_finds_what_begins_with_a_text(dynamodb, table, prefix, expected):
    found = query(dynamodb, table["texts"], "p = :p AND begins_with(s, :x)", {":x": s(prefix)})
    assert [item["s"]["S"] for item in found["Items"]] == expected


CONDITION_TYPE = INVALID + "Condition parameter type does not match schema type"
NOT_KEY = "Invalid condition in KeyConditionExpression: {} operator must have the key attribute as its first operand"
NO_CONDITIONS = {
    "p <> :p": "Invalid operator used in KeyConditionExpression: <>",
    "p = :p OR p = :t": "Invalid operator used in KeyConditionExpression: OR",
    "NOT p = :p": "Invalid operator used in KeyConditionExpression: NOT",
    "p IN (:p, :t)": "Invalid operator used in KeyConditionExpression: IN",
    "p = :p AND contains(s, :t)": "Invalid operator used in KeyConditionExpression: contains",
    "p = :p AND attribute_type(s, :t2)": "Invalid operator used in KeyConditionExpression: attribute_type",
    "p = :p AND attribute_not_exists(s)": "Invalid operator used in KeyConditionExpression: attribute_not_exists",
    "p = :p AND size(s) = :x": "KeyConditionExpressions cannot contain nested operations",
    "p = :p AND s = p": "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition",
    "p = :p AND s[0] = :x": "KeyConditionExpressions cannot have conditions on nested attributes",
    ":p = :t": "Invalid condition in KeyConditionExpression: No key attribute specified",
    "p = :p AND :x BETWEEN s AND :y": NOT_KEY.format("BETWEEN"),
    "p = :p AND begins_with(:t, s)": NOT_KEY.format("begins_with"),
    "p = :p AND p = :t": "KeyConditionExpressions must only contain one condition per key",
    "p = :p AND s > :x AND s < :y": "KeyConditionExpressions must only contain one condition per key",
    "s = :x": "Query condition missed key schema element: p",
    "a = :x": "Query condition missed key schema element: p",
    "p = :p AND a = :x": "Query condition missed key schema element: s",
    "p < :p": "Query key condition not supported",
    "p BETWEEN :p AND :t": "Query key condition not supported",
    "begins_with(p, :p)": "Query key condition not supported",
    "p = :x": CONDITION_TYPE,
    "p = :p AND s = :t": CONDITION_TYPE,
    "p = :p AND s BETWEEN :x AND :t": (
        "Invalid KeyConditionExpression: The BETWEEN operator requires same data type for lower and upper bounds; lower bound "
        "operand: AttributeValue: {N:1}, upper bound operand: AttributeValue: {S:text}"
    ),
    "p = :p AND s BETWEEN :y AND :x": (
        "Invalid KeyConditionExpression: The BETWEEN operator requires upper bound to be greater than or equal to lower bound; "
        "lower bound operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {N:1}"
    ),
    "p = :p AND begins_with(s, :x)": (
        "Invalid KeyConditionExpression: Incorrect operand type for operator or function; operator or function: begins_with, "
        "operand type: N"
    ),
    "((p = :p)) AND s = :x": "Invalid KeyConditionExpression: The expression has redundant parentheses;",
    "p = :p AND": 'Invalid KeyConditionExpression: Syntax error; token: "<EOF>", near: "AND"',
    "p = :nothing": (
        "Invalid KeyConditionExpression: An expression attribute value used in expression is not defined; attribute value: "
        ":nothing"
    ),
}
OPERANDS = {":p": s("a"), ":t": s("text"), ":t2": s("S"), ":x": n(1), ":y": n(2)}


@pytest.mark.parametrize("condition", NO_CONDITIONS)
def test_what_is_no_key_condition_is_refused(dynamodb, table, condition):
    words = condition.replace("(", " ").replace(")", " ").replace(",", " ").split()
    values = {value: OPERANDS[value] for value in OPERANDS if value in words}
    invalid(
        dynamodb.query,
        NO_CONDITIONS[condition],
        TableName=table["numbers"],
        KeyConditionExpression=condition,
        **({"ExpressionAttributeValues": values} if values else {}),
    )


def test_a_table_without_a_sort_key_takes_one_condition(dynamodb, table):
    invalid(
        dynamodb.query,
        "Query key condition not supported",
        TableName=table["plain"],
        KeyConditionExpression="p = :p AND s = :p",
        ExpressionAttributeValues={":p": s("a")},
    )


# Parameters that do not go together

OF_A = {"KeyConditionExpression": "p = :p", "ExpressionAttributeValues": {":p": s("a")}}
BY_OLD = {"KeyConditions": {"p": {"ComparisonOperator": "EQ", "AttributeValueList": [s("a")]}}}
VALUES_ALONE = "ExpressionAttributeValues can only be specified when using expressions: "
SELECTS = ("SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES")
QUERIES = {
    "no condition": ({}, "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."),
    "values alone": (
        {"ExpressionAttributeValues": {":p": s("a")}},
        VALUES_ALONE + "FilterExpression and KeyConditionExpression are null",
    ),
    "values for a projection": (
        {"ProjectionExpression": "a", "ExpressionAttributeValues": {":p": s("a")}},
        VALUES_ALONE + "FilterExpression and KeyConditionExpression are null",
    ),
    "values beside old conditions": (
        {**BY_OLD, "ExpressionAttributeValues": {":p": s("a")}},
        VALUES_ALONE + "FilterExpression and KeyConditionExpression are null",
    ),
    "names beside old conditions": (
        {**BY_OLD, "ExpressionAttributeNames": {"#p": "p"}},
        "ExpressionAttributeNames can only be specified when using expressions",
    ),
    "both conditions": (
        {**OF_A, **BY_OLD},
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: "
        "{KeyConditions} Expression parameters: {KeyConditionExpression}",
    ),
    "an old filter": (
        {**OF_A, "QueryFilter": {"a": {"ComparisonOperator": "NULL"}}},
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: "
        "{QueryFilter} Expression parameters: {KeyConditionExpression}",
    ),
    "names of old beside a projection": (
        {**OF_A, "AttributesToGet": ["a"], "ProjectionExpression": "a", "ConditionalOperator": "AND"},
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: "
        "{AttributesToGet, ConditionalOperator} Expression parameters: {ProjectionExpression, KeyConditionExpression}",
    ),
    "all attributes and some": (
        {**OF_A, "Select": "ALL_ATTRIBUTES", "ProjectionExpression": "a"},
        "Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES",
    ),
    "all attributes and some of old": (
        {**BY_OLD, "Select": "ALL_ATTRIBUTES", "AttributesToGet": ["a"]},
        "Cannot specify the AttributesToGet when choosing to get ALL_ATTRIBUTES",
    ),
    "a count and some": (
        {**OF_A, "Select": "COUNT", "ProjectionExpression": "a"},
        "Cannot specify the ProjectionExpression when choosing to get only the Count",
    ),
    "a count and some of old": (
        {**BY_OLD, "Select": "COUNT", "AttributesToGet": ["a"]},
        "Cannot specify the AttributesToGet when choosing to get only the Count",
    ),
    "some, but which": (
        {**OF_A, "Select": "SPECIFIC_ATTRIBUTES"},
        "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
    ),
    "projected without an index": (
        {**OF_A, "Select": "ALL_PROJECTED_ATTRIBUTES"},
        "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
    ),
    "no such selection": ({**OF_A, "Select": "SOME"}, violations(enumeration("SOME", "select", *SELECTS))),
    "no limit": ({**OF_A, "Limit": 0}, violations(violation(0, "limit", "have value greater than or equal to 1"))),
    "no such index": ({**OF_A, "IndexName": "none"}, "The table does not have the specified index: none"),
    "no name of an index": (
        {**OF_A, "IndexName": "a"},
        violations(violation("a", "indexName", "have length greater than or equal to 3")),
    ),
    "no attribute twice": (
        {**BY_OLD, "AttributesToGet": ["a", "b", "a"]},
        INVALID + "Duplicate value in attribute name: a",
    ),
    "an old filter of a key": (
        {**BY_OLD, "QueryFilter": {"s": {"ComparisonOperator": "NOT_NULL"}}},
        "QueryFilter can only contain non-primary key attributes: Primary key attribute: s",
    ),
    "a filter of a key": (
        {**OF_A, "FilterExpression": "attribute_exists(a) OR s <> :p"},
        "Filter Expression can only contain non-primary key attributes: Primary key attribute: s",
    ),
    "an old filter without an operator": (
        {**BY_OLD, "QueryFilter": {"a": {}}},
        violations(violation(None, "queryFilter.a.member.comparisonOperator", "not be null")),
    ),
    "all violations": (
        {"Limit": 0, "ReturnConsumedCapacity": "SOME", "Select": "SOME", "IndexName": "a b"},
        violations(
            violation(0, "limit", "have value greater than or equal to 1"),
            enumeration("SOME", "returnConsumedCapacity", "INDEXES", "TOTAL", "NONE"),
            enumeration("SOME", "select", *SELECTS),
            violation("a b", "indexName", "satisfy regular expression pattern: [a-zA-Z0-9_.-]+"),
        ),
    ),
}


@pytest.mark.parametrize("case", QUERIES)
def test_queries_that_are_refused(dynamodb, table, case):
    parameters, message = QUERIES[case]
    invalid(dynamodb.query, message, TableName=table["texts"], **parameters)


def test_old_conditions_go_with_new_filters(dynamodb, table):
    answer = dynamodb.query(
        TableName=table["numbers"],
        **BY_OLD,
        FilterExpression="even = :t",
        ProjectionExpression="s",
        ExpressionAttributeValues={":t": {"BOOL": True}},
    )
    assert [item for item in answer["Items"]] == [{"s": n(-2)}, {"s": n(0)}, {"s": n(20)}]
    assert answer["ScannedCount"] == len(SORTS)


# Pages


@pytest.mark.parametrize("forward", [True, False], ids=["forward", "backward"])
@pytest.mark.parametrize("limit", [1, 2, 4, 6, 7])
def test_pages_of_a_query_make_the_whole(dynamodb, table, limit, forward):
    found, start, pages = [], {}, 0
    while start is not None:
        page = query(dynamodb, table["numbers"], Limit=limit, ScanIndexForward=forward, **start)
        assert page["Count"] <= limit
        found += [float(item["s"]["N"]) for item in page["Items"]]
        last, pages = page.get("LastEvaluatedKey"), pages + 1
        start = {"ExclusiveStartKey": last} if last else None
    assert found == (SORTS if forward else SORTS[::-1])
    # The limit reached says nothing of what is behind it: a last page may be empty.
    assert pages == len(SORTS) // limit + 1


def test_a_filter_counts_after_the_limit(dynamodb, table):
    page = query(
        dynamodb, table["numbers"], values={":t": {"BOOL": True}}, FilterExpression="even = :t", Limit=2
    )
    assert (page["Count"], page["ScannedCount"], page["LastEvaluatedKey"]) == (1, 2, {"p": s("a"), "s": n(-1)})


STARTS = {
    "nothing": ({}, "The provided starting key is invalid"),
    "the partition alone": ({"p": s("a")}, "The provided starting key is invalid"),
    "an attribute more": ({"p": s("a"), "s": n(0), "a": n(0)}, "The provided starting key is invalid"),
    "another attribute": ({"p": s("a"), "a": n(0)}, "The provided starting key is invalid"),
    "a text": ({"p": s("a"), "s": s("0")}, NO_MATCH),
    "no number": (
        {"p": s("a"), "s": n("x")},
        "The provided starting key is invalid: The parameter cannot be converted to a numeric value: x",
    ),
    "no value": ({"p": s("a"), "s": {}}, (
        "The provided starting key is invalid: Supplied AttributeValue is empty, must contain exactly one of the supported "
        "datatypes"
    )),
    "another partition": (
        {"p": s("b"), "s": n(0)},
        "The provided starting key is outside query boundaries based on provided conditions",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", STARTS)
def test_a_query_goes_on_from_one_of_its_keys(dynamodb, table, case):
    start, message = STARTS[case]
    invalid(dynamodb.query, message, TableName=table["numbers"], **OF_A, ExclusiveStartKey=start)


@pytest.mark.parametrize(
    "start, message",
    [
        ({"p": s("a"), "s": n(3)}, "The provided starting key does not match the range key predicate"),
        ({"p": s("b"), "s": n(3)}, "The provided starting key does not match the range key predicate"),
        ({"p": s("b"), "s": n(0)}, "The query can return at most one row and cannot be restarted"),
    ],
    ids=["another sort key", "another key", "another partition"],
)
def test_a_query_of_a_range_goes_on_within_it(dynamodb, table, start, message):
    invalid(
        dynamodb.query,
        message,
        TableName=table["numbers"],
        KeyConditionExpression="p = :p AND s < :x",
        ExpressionAttributeValues={":p": s("a"), ":x": n(1)},
        ExclusiveStartKey=start,
    )


@pytest.mark.parametrize("start", [n(-1.5), n(2)])
def test_a_query_goes_on_from_a_key_that_is_not_there(dynamodb, table, start):
    page = query(dynamodb, table["numbers"], ExclusiveStartKey={"p": s("a"), "s": start})
    assert [float(item["s"]["N"]) for item in page["Items"]] == [x for x in SORTS if x > float(start["N"])]


# Indexes


def of_index(dynamodb, table, index, attribute, value, **more):
    return dynamodb.query(
        TableName=table["indexed"],
        IndexName=index,
        KeyConditionExpression=f"{attribute} = :v",
        ExpressionAttributeValues={":v": value},
        **more,
    )


KEYS = {"p", "s"}
SHOWN = {
    "g-1": ("g", s("g"), KEYS | {"g", "h", "l", "shown", "unseen"}),
    "g-2": ("h", n(1), KEYS | {"h", "shown"}),
    "g-3": ("g", s("g"), KEYS | {"g", "h"}),
    "l-1": ("p", s("p1"), KEYS | {"g", "h", "l", "shown", "unseen"}),
    "l-2": ("p", s("p1"), KEYS | {"h"}),
}


@pytest.mark.parametrize("index", SHOWN)
def test_an_index_shows_what_it_projects(dynamodb, table, index):
    attribute, value, shown = SHOWN[index]
    for more in ({}, {"Select": "ALL_PROJECTED_ATTRIBUTES"}):
        items = of_index(dynamodb, table, index, attribute, value, **more)["Items"]
        assert items and all(set(item) == shown for item in items)
    scanned = dynamodb.scan(TableName=table["indexed"], IndexName=index)["Items"]
    assert len(scanned) == 6 and all(set(item) == shown for item in scanned)


@pytest.mark.parametrize("index", ["l-1", "l-2"])
def test_a_local_index_fetches_the_rest(dynamodb, table, index):
    items = of_index(dynamodb, table, index, "p", s("p1"), Select="ALL_ATTRIBUTES", ConsistentRead=True)["Items"]
    assert [set(item) for item in items] == [KEYS | {"g", "h", "l", "shown", "unseen"}] * 3
    items = of_index(dynamodb, table, index, "p", s("p1"), ProjectionExpression="unseen")["Items"]
    assert items == [{"unseen": s("yes")}] * 3


@pytest.mark.parametrize("index, expected", [("l-1", ["5", "3", "1"]), ("l-2", ["1", "3", "5"])])
def test_a_local_index_has_an_order_of_its_own(dynamodb, table, index, expected):
    assert [item["s"]["S"] for item in of_index(dynamodb, table, index, "p", s("p1"))["Items"]] == expected


@pytest.mark.parametrize("index, attribute, value", [(index, *SHOWN[index][:2]) for index in SHOWN])
def test_pages_of_an_index_name_both_keys(dynamodb, table, index, attribute, value):
    whole = of_index(dynamodb, table, index, attribute, value)["Items"]
    found, start = [], {}
    while start is not None:
        page = of_index(dynamodb, table, index, attribute, value, Limit=1, **start)
        found += page["Items"]
        last = page.get("LastEvaluatedKey")
        start = {"ExclusiveStartKey": last} if last else None
        if last:
            own = {"g-1": {"g"}, "g-2": {"h"}, "g-3": {"g", "h"}, "l-1": {"l"}, "l-2": {"h"}}[index]
            assert set(last) == KEYS | own
    assert found == whole


@pytest.mark.parametrize(
    "index, more, message",
    [
        ("g-1", {"ConsistentRead": True}, "Consistent reads are not supported on global secondary indexes"),
        (
            "g-3",
            {"Select": "ALL_ATTRIBUTES"},
            INVALID + "Select type ALL_ATTRIBUTES is not supported for global secondary index g-3 because its projection type is "
            "not ALL",
        ),
        ("g-3", {"ExclusiveStartKey": {"g": s("g"), "h": n(1)}}, "The provided starting key is invalid"),
        ("g-3", {"ExclusiveStartKey": {"p": s("p"), "s": s("s")}}, "The provided starting key is invalid"),
        ("g-1", {"ExclusiveStartKey": {"p": s("p"), "s": s("s"), "g": n(1)}}, NO_MATCH),
        (
            "g-1",
            {"ExclusiveStartKey": {"p": s("p"), "s": s("s"), "g": s("another")}},
            "The provided starting key is outside query boundaries based on provided conditions",
        ),
        (
            "g-1",
            {"FilterExpression": "g = :v"},
            "Filter Expression can only contain non-primary key attributes: Primary key attribute: g",
        ),
    ],
    ids=["consistent", "all", "no table key", "no index key", "a number", "another partition", "a filter"],
)
def test_queries_of_an_index_that_are_refused(dynamodb, table, index, more, message):
    base = {"KeyConditionExpression": "g = :v", "ExpressionAttributeValues": {":v": s("g")}}
    invalid(dynamodb.query, message, TableName=table["indexed"], IndexName=index, **base, **more)


def test_a_filter_may_name_the_key_of_the_table_where_an_index_is_read(dynamodb, table):
    found = dynamodb.query(
        TableName=table["indexed"],
        IndexName="g-1",
        KeyConditionExpression="g = :g",
        FilterExpression="p = :p",
        ExpressionAttributeValues={":g": s("g"), ":p": s("p1")},
    )
    assert (found["Count"], found["ScannedCount"]) == (3, 6)


# Scans

SEGMENT_ALONE = "The TotalSegments parameter is required but was not present in the request when Segment parameter is present"
TOTAL_ALONE = "The Segment parameter is required but was not present in the request when parameter TotalSegments is present"
SCANS = {
    "a segment of how many": ({"Segment": 0}, SEGMENT_ALONE),
    "which segment": ({"TotalSegments": 4}, TOTAL_ALONE),
    "a segment too many": (
        {"Segment": 4, "TotalSegments": 4},
        "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 4 is not less than "
        "TotalSegments: 4",
    ),
    "no segments": (
        {"Segment": 0, "TotalSegments": 0},
        violations(violation(0, "totalSegments", "have value greater than or equal to 1")),
    ),
    "too many segments": (
        {"Segment": 0, "TotalSegments": 1_000_001},
        violations(violation(1000001, "totalSegments", "have value less than or equal to 1000000")),
    ),
    "less than no segment": (
        {"Segment": -1, "TotalSegments": 1},
        violations(violation(-1, "segment", "have value greater than or equal to 0")),
    ),
    "no limit": ({"Limit": 0}, violations(violation(0, "limit", "have value greater than or equal to 1"))),
    "values alone": ({"ExpressionAttributeValues": {":v": n(1)}}, VALUES_ALONE + "FilterExpression is null"),
    "values for a projection": (
        {"ProjectionExpression": "a", "ExpressionAttributeValues": {":v": n(1)}},
        VALUES_ALONE + "FilterExpression is null",
    ),
    "names alone": (
        {"ExpressionAttributeNames": {"#a": "a"}},
        "ExpressionAttributeNames can only be specified when using expressions",
    ),
    "an old filter beside a new one": (
        {"FilterExpression": "attribute_exists(a)", "ScanFilter": {"a": {"ComparisonOperator": "NULL"}}},
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: "
        "{ScanFilter} Expression parameters: {FilterExpression}",
    ),
    "projected without an index": (
        {"Select": "ALL_PROJECTED_ATTRIBUTES"},
        "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
    ),
    "some, but which": (
        {"Select": "SPECIFIC_ATTRIBUTES"},
        "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
    ),
    "no such index": ({"IndexName": "none"}, "The table does not have the specified index: none"),
    "half a starting key": (
        {"ExclusiveStartKey": {"p": s("a")}},
        "The provided starting key is invalid: The provided key element does not match the schema",
    ),
    "a starting key of another type": (
        {"ExclusiveStartKey": {"p": s("a"), "s": s("0")}},
        "The provided starting key is invalid: The provided key element does not match the schema",
    ),
    "a starting key of no number": (
        {"ExclusiveStartKey": {"p": s("a"), "s": n("")}},
        "The provided starting key is invalid: The parameter cannot be converted to a numeric value",
    ),
    "all violations": (
        {"Limit": 0, "ReturnConsumedCapacity": "SOME", "Select": "SOME"},
        violations(
            violation(0, "limit", "have value greater than or equal to 1"),
            enumeration("SOME", "returnConsumedCapacity", "INDEXES", "TOTAL", "NONE"),
            enumeration("SOME", "select", *SELECTS),
        ),
    ),
}


@pytest.mark.parametrize("case", SCANS)
def test_scans_that_are_refused(dynamodb, table, case):
    parameters, message = SCANS[case]
    invalid(dynamodb.scan, message, TableName=table["numbers"], **parameters)


@pytest.mark.parametrize("total", [1, 2, 3, 7])
def test_segments_make_the_whole(dynamodb, table, total):
    def scanned(**more):
        pages = dynamodb.get_paginator("scan").paginate(TableName=table["indexed"], **more, PaginationConfig={"PageSize": 2})
        return [item["s"]["S"] for page in pages for item in page["Items"]]

    parts = [scanned(TotalSegments=total, Segment=segment) for segment in range(total)]
    assert sorted(sum(parts, [])) == sorted(scanned()) == [str(number) for number in range(6)]


def test_a_scan_goes_on_in_its_segment(dynamodb, table):
    """A key belongs to one segment; the others refuse to go on from it."""
    start, refusals = {"p": s("a"), "s": n(0)}, []
    for segment in range(3):
        parameters = {"TableName": table["numbers"], "TotalSegments": 3, "Segment": segment, "ExclusiveStartKey": start}
        try:
            dynamodb.scan(**parameters)
        except dynamodb.exceptions.ClientError:
            refusals.append(refusal(dynamodb.scan, **parameters))
            message = (
                "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct "
                f"Segment. TotalSegments: 3 Segment: {segment}"
            )
            assert refusals[-1] == (400, "ValidationException", message)
    assert len(refusals) == 2


@pytest.mark.parametrize("operation", ["query", "scan"])
def test_a_page_ends_at_a_megabyte(dynamodb, table, name, operation):
    big = f"big {name}"
    for number in range(6):
        item = {"p": s(big), "s": s(str(number)), "x": b(bytes(250_000)), "deep": m(list=l(n(number)))}
        dynamodb.put_item(TableName=table["texts"], Item=item)
    of = {"KeyConditionExpression": "p = :p", "FilterExpression": "deep.#l[0] > :two"}
    if operation == "scan":
        of = {"FilterExpression": "p = :p AND deep.#l[0] > :two"}
    of.update(ExpressionAttributeNames={"#l": "list"}, ExpressionAttributeValues={":p": s(big), ":two": n(2)})
    pages = list(dynamodb.get_paginator(operation).paginate(TableName=table["texts"], ProjectionExpression="s", **of))
    # What is looked at makes a page, not what is answered.
    assert len(pages) >= 2 and all(page["ScannedCount"] <= 10 for page in pages)
    assert sorted(item["s"]["S"] for page in pages for item in page["Items"]) == ["3", "4", "5"]
    for number in range(6):
        dynamodb.delete_item(TableName=table["texts"], Key={"p": s(big), "s": s(str(number))})
