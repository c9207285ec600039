"""DynamoDB's operators and functions with operands of every type, in conditions and in updates.

AWS: Developer Guide, "Condition and filter expressions, operators, and functions" and "Using update expressions in DynamoDB".
"""

import pytest
from dynamo import EACH, FALSE, INVALID, NULL, TRUE, b, bs, invalid, l, m, n, ns, s, ss, tables
from errors import refusal

FAILED = (400, "ConditionalCheckFailedException", "The conditional request failed")


@pytest.fixture(scope="module")
def table(server):
    with tables(server, "operands", "plain") as made:
        yield made["plain"]


@pytest.fixture
def key(name):
    return {"p": s(name)}


def values(text, known):
    words = text.replace("(", " ").replace(")", " ").replace(",", " ").split()
    used = {value: known[value] for value in known if value in words}
    return {"ExpressionAttributeValues": used} if used else {}


def holds(dynamodb, table, key, condition, known):
    """Whether a condition holds: a deletion goes through, a filter keeps the item, or neither."""
    found = dynamodb.query(
        TableName=table,
        KeyConditionExpression="p = :key",
        FilterExpression=condition,
        ExpressionAttributeValues={":key": key["p"], **values(condition, known).get("ExpressionAttributeValues", {})},
    )["Count"]
    request = {"TableName": table, "Key": key, "ConditionExpression": condition, **values(condition, known)}
    if found:
        dynamodb.update_item(**request)
    else:
        assert refusal(dynamodb.update_item, **request) == FAILED
    return bool(found)


# Equality


@pytest.mark.parametrize("two", EACH)
@pytest.mark.parametrize("one", EACH)
def test_values_of_two_types_are_never_equal(dynamodb, table, key, one, two):
    dynamodb.put_item(TableName=table, Item={**key, "a": EACH[one], "b": EACH[two]})
    known = {":v": EACH[two]}
    assert holds(dynamodb, table, key, "a = :v", known) == (one == two)
    assert holds(dynamodb, table, key, "a <> :v", known) == (one != two)
    assert holds(dynamodb, table, key, "a = b", {}) == (one == two)


EQUAL = [
    (n("1"), n("1.0")),
    (n("100"), n("1e2")),
    (n("-0"), n("0")),
    (n("0.1"), n("0.10")),
    (ss("x", "y"), ss("y", "x")),
    (ns("1", "2"), ns("2.0", "1.00")),
    (bs(b"x", b"y"), bs(b"y", b"x")),
    (l(n("1"), m(x=n("2"))), l(n("1.0"), m(x=n("2.0")))),
    (m(x=s("1"), y=s("2")), m(y=s("2"), x=s("1"))),
    (s(""), s("")),
    (l(), l()),
    (m(), m()),
]
UNEQUAL = [
    (s("x"), s("X")),
    (s("é"), s("e\u0301")),
    (n("1"), n("1." + "0" * 36 + "1")),
    (b(b"x"), b(b"x\x00")),
    (TRUE, FALSE),
    (l(n("1"), n("2")), l(n("2"), n("1"))),
    (l(s("x")), l(s("x"), s("x"))),
    (m(x=s("1")), m(x=s("1"), y=s("2"))),
    (ss("x"), ss("x", "y")),
    (m(x=NULL), m()),
]


@pytest.mark.parametrize("one, two, equal", [(*pair, True) for pair in EQUAL] + [(*pair, False) for pair in UNEQUAL])
def test_values_of_one_type_are_compared_by_what_they_mean(dynamodb, table, key, one, two, equal):
    dynamodb.put_item(TableName=table, Item={**key, "a": one})
    assert holds(dynamodb, table, key, "a = :v", {":v": two}) == equal
    assert holds(dynamodb, table, key, "a IN (:v)", {":v": two}) == equal
    assert holds(dynamodb, table, key, "NOT a = :v", {":v": two}) == (not equal)


# Order

ASCENDING = [
    (s(""), s("a")),
    (s("A"), s("a")),
    (s("a"), s("aa")),
    (s("z"), s("é")),
    (s("\uffff"), s("𝄞")),
    (n("-10"), n("-9")),
    (n("-1"), n("0")),
    (n("9"), n("10")),
    (n("1e-130"), n("1e125")),
    (n("-9.9e125"), n("-1e-130")),
    (b(b""), b(b"\x00")),
    (b(b"\x7f"), b(b"\x80")),
    (b(b"ab"), b(b"b")),
]


@pytest.mark.parametrize("low, high", ASCENDING)
def test_texts_numbers_and_bytes_have_an_order(dynamodb, table, key, low, high):
    dynamodb.put_item(TableName=table, Item={**key, "low": low, "high": high})
    known = {":l": low, ":h": high}
    for condition in ("low < :h", "low <= :h", "high > :l", "high >= :l", "low <= :l", "high >= :h", "low < high"):
        assert holds(dynamodb, table, key, condition, known), condition
    for condition in ("low > :h", "low >= :h", "high < :l", "high <= :l", "low < :l", "high > :h"):
        assert not holds(dynamodb, table, key, condition, known), condition
    assert holds(dynamodb, table, key, "low BETWEEN :l AND :h", known)
    assert not holds(dynamodb, table, key, "NOT high BETWEEN low AND :h", known)


ORDERED = ["S", "N", "B"]
UNORDERED = [kind for kind in EACH if kind not in ORDERED]
OPERAND = "Invalid {}: Incorrect operand type for operator or function; operator or function: {}, operand type: {}"


@pytest.mark.parametrize("kind", UNORDERED)
@pytest.mark.parametrize("operator", ["<", "<=", ">", ">="])
def test_other_values_have_none(dynamodb, table, key, operator, kind):
    more = {"ExpressionAttributeValues": {":v": EACH[kind]}}
    message = OPERAND.format("ConditionExpression", operator, kind)
    invalid(dynamodb.put_item, message, TableName=table, Item=key, ConditionExpression=f"a {operator} :v", **more)
    invalid(dynamodb.delete_item, message, TableName=table, Key=key, ConditionExpression=f":v {operator} a", **more)
    message = OPERAND.format("FilterExpression", operator, kind)
    invalid(dynamodb.scan, message, TableName=table, FilterExpression=f"a {operator} :v", **more)


@pytest.mark.parametrize("kind", UNORDERED)
def test_nor_do_they_lie_between(dynamodb, table, kind):
    more = {"ExpressionAttributeValues": {":v": EACH[kind]}}
    message = OPERAND.format("FilterExpression", "BETWEEN", kind)
    invalid(dynamodb.scan, message, TableName=table, FilterExpression="a BETWEEN :v AND :v", **more)
    invalid(dynamodb.scan, message, TableName=table, FilterExpression=":v BETWEEN a AND b", **more)


@pytest.mark.parametrize("kind", EACH)
@pytest.mark.parametrize("other", ORDERED)
def test_an_attribute_of_another_type_is_in_no_order(dynamodb, table, key, kind, other):
    dynamodb.put_item(TableName=table, Item={**key, "a": EACH[kind]})
    known = {":v": EACH[other]}
    assert holds(dynamodb, table, key, "a <= :v", known) == (kind == other)
    assert holds(dynamodb, table, key, "a >= :v", known) == (kind == other)
    assert holds(dynamodb, table, key, "a BETWEEN :v AND :v", known) == (kind == other)


# Functions


@pytest.mark.parametrize("wanted", EACH)
def test_attribute_type_knows_all_types(dynamodb, table, key, wanted):
    dynamodb.put_item(TableName=table, Item={**key, **EACH})
    for kind in EACH:
        names = {"ExpressionAttributeNames": {"#a": kind}, "ExpressionAttributeValues": {":t": s(wanted), ":p": key["p"]}}
        found = dynamodb.query(
            TableName=table, KeyConditionExpression="p = :p", FilterExpression="attribute_type(#a, :t)", **names
        )
        assert found["Count"] == int(kind == wanted)


@pytest.mark.parametrize("kind", [kind for kind in EACH if kind != "S"])
def test_attribute_type_takes_a_name(dynamodb, table, kind):
    more = {"ExpressionAttributeValues": {":v": EACH[kind]}}
    message = OPERAND.format("FilterExpression", "attribute_type", kind)
    invalid(dynamodb.scan, message, TableName=table, FilterExpression="attribute_type(a, :v)", **more)


@pytest.mark.parametrize("name_", ["", "s", "STRING", "Number", "SSS", "NULLS"])
def test_attribute_type_takes_the_name_of_a_type(dynamodb, table, name_):
    invalid(
        dynamodb.scan,
        f"Invalid FilterExpression: Invalid attribute type name found; type: {name_}, valid types: "
        "{B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
        TableName=table,
        FilterExpression="attribute_type(a, :v)",
        ExpressionAttributeValues={":v": s(name_)},
    )


@pytest.mark.parametrize("kind", [kind for kind in EACH if kind not in ("S", "B")])
def test_only_texts_and_bytes_begin(dynamodb, table, kind):
    more = {"ExpressionAttributeValues": {":v": EACH[kind]}}
    message = OPERAND.format("FilterExpression", "begins_with", kind)
    invalid(dynamodb.scan, message, TableName=table, FilterExpression="begins_with(a, :v)", **more)
    invalid(dynamodb.scan, message, TableName=table, FilterExpression="begins_with(:v, a)", **more)


SIZES = [
    (s(""), 0),
    (s("abc"), 3),
    (s("é"), 1),
    (s("𝄞"), 2),
    (b(b""), 0),
    (b(b"\x00\x01"), 2),
    (l(), 0),
    (l(NULL, l(NULL, NULL)), 2),
    (m(), 0),
    (m(x=m(y=NULL)), 1),
    (ss("a", "b"), 2),
    (ns(1, 2, 3), 3),
    (bs(b"a"), 1),
]


@pytest.mark.parametrize("value, size", SIZES)
def test_what_has_a_size_is_measured(dynamodb, table, key, value, size):
    dynamodb.put_item(TableName=table, Item={**key, "a": value, "len": n(size)})
    known = {":n": n(size), ":v": value}
    assert holds(dynamodb, table, key, "size(a) = :n", known)
    assert holds(dynamodb, table, key, "size(a) = len", known)
    assert holds(dynamodb, table, key, "size(:v) = size(a)", known)
    assert holds(dynamodb, table, key, "size(a) BETWEEN :n AND :n", known)


@pytest.mark.parametrize("kind", ["N", "BOOL", "NULL"])
def test_the_rest_has_no_size(dynamodb, table, key, kind):
    dynamodb.put_item(TableName=table, Item={**key, "a": EACH[kind]})
    assert not holds(dynamodb, table, key, "size(a) >= :zero", {":zero": n(0)})
    invalid(
        dynamodb.scan,
        OPERAND.format("FilterExpression", "size", kind),
        TableName=table,
        FilterExpression="size(:v) = :v",
        ExpressionAttributeValues={":v": EACH[kind]},
    )


CONTAINING = [
    (s("hello"), s("ell"), True),
    (s("hello"), s(""), True),
    (s("hello"), s("ELL"), False),
    (b(b"hello"), b(b"ell"), True),
    (s("1"), n(1), False),
    (n(11), n(1), False),
    (ss("a", "b"), s("a"), True),
    (ss("ab"), s("a"), False),
    (ss("a", "b"), ss("a"), False),
    (ns(1, 2), n("1.0"), True),
    (ns(1, 2), s("1"), False),
    (bs(b"a"), b(b"a"), True),
    (l(s("a"), n(1)), n("1.0"), True),
    (l(l(s("a"))), s("a"), False),
    (l(l(s("a"))), l(s("a")), True),
    (l(m(x=n(1))), m(x=n("1.0")), True),
    (l(NULL, TRUE), NULL, True),
    (l(ss("a", "b")), ss("b", "a"), True),
    (m(a=s("a")), s("a"), False),
]


@pytest.mark.parametrize("whole, part, expected", CONTAINING)
def test_texts_sets_and_lists_contain(dynamodb, table, key, whole, part, expected):
    dynamodb.put_item(TableName=table, Item={**key, "a": whole, "part": part})
    assert holds(dynamodb, table, key, "contains(a, :v)", {":v": part}) == expected
    assert holds(dynamodb, table, key, "contains(a, part)", {}) == expected
    assert holds(dynamodb, table, key, "contains(:w, part)", {":w": whole}) == expected


@pytest.mark.parametrize("kind", EACH)
def test_every_attribute_exists_whatever_it_is(dynamodb, table, key, kind):
    dynamodb.put_item(TableName=table, Item={**key, "a": EACH[kind], "in": m(a=EACH[kind], list=l(EACH[kind]))})
    assert holds(dynamodb, table, key, "attribute_exists(a) AND NOT attribute_not_exists(a)", {})
    assert not holds(dynamodb, table, key, "attribute_exists(z) OR attribute_exists(a.z.z)", {})


# Precedence: NOT before AND before OR; comparisons, IN and BETWEEN before all of them


@pytest.mark.parametrize("a", [TRUE, FALSE], ids=["a", "not a"])
@pytest.mark.parametrize("c", [TRUE, FALSE], ids=["c", "not c"])
@pytest.mark.parametrize("d", [TRUE, FALSE], ids=["d", "not d"])
def test_operators_bind_as_documented(dynamodb, table, key, a, c, d):
    dynamodb.put_item(TableName=table, Item={**key, "a": a, "c": c, "d": d, "n": n(5)})
    x, y, z = (value == TRUE for value in (a, c, d))
    known = {":t": TRUE, ":lo": n(1), ":hi": n(9)}
    for condition, expected in (
        ("a = :t OR c = :t AND d = :t", x or (y and z)),
        ("(a = :t OR c = :t) AND d = :t", (x or y) and z),
        ("NOT a = :t AND c = :t", (not x) and y),
        ("NOT (a = :t AND c = :t)", not (x and y)),
        ("NOT a = :t OR NOT c = :t AND NOT d = :t", (not x) or ((not y) and (not z))),
        ("a = :t AND n BETWEEN :lo AND :hi AND c = :t", x and y),
        ("a = :t OR n BETWEEN :hi AND :hi OR c IN (:t, :lo)", x or y),
        ("NOT n BETWEEN :lo AND :hi OR d = :t", z),
        ("not a = :t and not c = :t Or d = :t", ((not x) and (not y)) or z),
    ):
        assert holds(dynamodb, table, key, condition, known) == expected, condition


# Operands of updates

LONG = {
    "S": "STRING",
    "B": "BINARY",
    "BOOL": "BOOLEAN",
    "NULL": "NULL",
    "L": "LIST",
    "M": "MAP",
    "N": "NUMBER",
}


@pytest.mark.parametrize("section, kind", [("ADD", kind) for kind in LONG if kind != "N"] + [("DELETE", kind) for kind in LONG])
def test_only_numbers_and_sets_are_added_and_sets_deleted(dynamodb, table, key, section, kind):
    invalid(
        dynamodb.update_item,
        f"Invalid UpdateExpression: Incorrect operand type for operator or function; operator: {section}, operand type: "
        f"{LONG[kind]}, typeSet: ALLOWED_FOR_{section}_OPERAND",
        TableName=table,
        Key=key,
        UpdateExpression=f"{section} a :v",
        ExpressionAttributeValues={":v": EACH[kind]},
    )


@pytest.mark.parametrize("kind", [kind for kind in EACH if kind != "N"])
@pytest.mark.parametrize("sign", ["+", "-"])
def test_only_numbers_are_added_up(dynamodb, table, key, sign, kind):
    more = {"TableName": table, "Key": key, "ExpressionAttributeValues": {":v": EACH[kind]}}
    message = OPERAND.format("UpdateExpression", sign, kind)
    invalid(dynamodb.update_item, message, UpdateExpression=f"SET a = a {sign} :v", **more)
    invalid(dynamodb.update_item, message, UpdateExpression=f"SET a = :v {sign} a", **more)
    dynamodb.put_item(TableName=table, Item={**key, "a": EACH[kind], "b": n(1)})
    message = "An operand in the update expression has an incorrect data type"
    invalid(dynamodb.update_item, message, TableName=table, Key=key, UpdateExpression=f"SET b = b {sign} a")


@pytest.mark.parametrize("kind", [kind for kind in EACH if kind != "L"])
def test_only_lists_are_appended(dynamodb, table, key, kind):
    more = {"TableName": table, "Key": key, "ExpressionAttributeValues": {":v": EACH[kind]}}
    message = OPERAND.format("UpdateExpression", "list_append", kind)
    invalid(dynamodb.update_item, message, UpdateExpression="SET a = list_append(a, :v)", **more)
    invalid(dynamodb.update_item, message, UpdateExpression="SET a = list_append(:v, a)", **more)
    dynamodb.put_item(TableName=table, Item={**key, "a": EACH[kind], "b": l()})
    message = "An operand in the update expression has an incorrect data type"
    invalid(dynamodb.update_item, message, TableName=table, Key=key, UpdateExpression="SET b = list_append(b, a)")


SETS = {"SS": (ss("a", "b"), ss("b", "c")), "NS": (ns(1, 2), ns(2, 3)), "BS": (bs(b"a", b"b"), bs(b"b", b"c"))}


@pytest.mark.parametrize("kind", SETS)
def test_sets_are_united_and_taken_from(dynamodb, table, key, kind):
    one, two = SETS[kind]
    dynamodb.put_item(TableName=table, Item={**key, "a": one})

    def update(expression):
        more = {"ExpressionAttributeValues": {":v": two}, "ReturnValues": "ALL_NEW"}
        return dynamodb.update_item(TableName=table, Key=key, UpdateExpression=expression, **more)["Attributes"].get("a")

    first, middle, last = one[kind][0], one[kind][1], two[kind][1]
    assert update("ADD a :v") == {kind: [first, middle, last]}
    assert update("DELETE a :v") == {kind: [first]}
    assert update("ADD a :v") == {kind: [first, middle, last]}


@pytest.mark.parametrize("kind", [kind for kind in EACH if kind not in SETS])
@pytest.mark.parametrize("set_", SETS)
def test_a_set_goes_with_sets_of_its_type(dynamodb, table, key, kind, set_):
    message = "An operand in the update expression has an incorrect data type"
    others = {other: SETS[other][0] for other in SETS if other != set_}
    dynamodb.put_item(TableName=table, Item={**key, "a": EACH[kind], **others})
    more = {"TableName": table, "Key": key, "ExpressionAttributeValues": {":v": SETS[set_][0]}}
    for attribute in ("a", *others):
        for section in ("ADD", "DELETE"):
            invalid(dynamodb.update_item, message, UpdateExpression=f"{section} {attribute} :v", **more)


# Reserved words, whatever their case; the documentation lists 573


WORDS = """ABORT Action ADD all AND Any as ASC Attribute BETWEEN Bucket by Character Comment COUNT counter data Date day DELETE
DESC Domain EMPTY exists FALSE FILTER Function group Hash IN Index Item Items key Keys LANGUAGE Limit List Location Map Method
MIN Month name Names NOT null Number Object Order OR Owner Partition Path Percent permissions Plan Position public QUERY Range
region Role SET SIZE Source State Status TABLE Text Time timestamp Token TOTAL TTL Type UNKNOWN Update url User Users UUID
Value Values VIEW year Zone""".split()
KEYWORDS = {"ADD", "AND", "BETWEEN", "DELETE", "IN", "NOT", "OR", "REMOVE", "SET"}


@pytest.mark.parametrize("word", [word for word in WORDS if word not in KEYWORDS])
def test_a_reserved_word_needs_a_placeholder(dynamodb, table, key, word):
    reason = f"Attribute name is a reserved keyword; reserved keyword: {word}"
    wanted = {"TableName": table, "Key": key}
    invalid(dynamodb.get_item, f"Invalid ProjectionExpression: {reason}", **wanted, ProjectionExpression=f"a.{word}")
    invalid(dynamodb.update_item, f"Invalid UpdateExpression: {reason}", **wanted, UpdateExpression=f"REMOVE {word}")
    more = {"ProjectionExpression": "#w", "ExpressionAttributeNames": {"#w": word}}
    dynamodb.put_item(TableName=table, Item={**key, word: n(1)})
    assert dynamodb.get_item(TableName=table, Key=key, **more)["Item"] == {word: n(1)}


@pytest.mark.parametrize("word", sorted(KEYWORDS))
def test_a_keyword_is_no_name_at_all(dynamodb, table, key, word):
    for written in (word, word.lower()):
        status, code, message = refusal(dynamodb.get_item, TableName=table, Key=key, ProjectionExpression=written)
        assert (status, code) == (400, "ValidationException")
        assert message == f'Invalid ProjectionExpression: Syntax error; token: "{written}", near: "{written}"'


def test_legacy_conditions_may_name_them(dynamodb, table, key):
    """They are no expressions."""
    dynamodb.put_item(TableName=table, Item={**key, "status": s("x")})
    dynamodb.put_item(TableName=table, Item=key, Expected={"status": {"Value": s("x")}})
    message = INVALID + "Duplicate value in attribute name: status"
    invalid(dynamodb.get_item, message, TableName=table, Key=key, AttributesToGet=["status", "status"])
