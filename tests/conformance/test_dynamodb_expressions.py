"""DynamoDB's expressions: what they mean, and the words in which they are refused.

AWS: Developer Guide, "Using expressions in DynamoDB", and API Reference, "Common errors".
"""

import pytest
from botocore.exceptions import ClientError
from errors import refusal, refused

VALIDATION = (400, "ValidationException")
FAILED = (400, "ConditionalCheckFailedException", "The conditional request failed")


@pytest.fixture(scope="module")
def table(dynamodb):
    """A table with the partition key `p`."""
    name = "expressions"
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
def ranged(dynamodb):
    """A table with the partition key `p` and the number `s` as sort key, and ten items."""
    name = "expressions-ranged"
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
    for number in ("-20", "-1.5", "0", "0.001", "1", "2", "10", "99", "1e20", "1e-20"):
        dynamodb.put_item(TableName=name, Item={"p": {"S": "k"}, "s": {"N": number}})
    yield name
    dynamodb.delete_table(TableName=name)


@pytest.fixture
def key(name):
    return {"p": {"S": name}}


def used(text, known):
    """Those of the placeholders that a text uses: unused ones would be refused."""
    words = "".join(c if c.isalnum() or c in "#:_" else " " for c in text).split()
    return {placeholder: known[placeholder] for placeholder in words if placeholder in known}


def placeholders(text, names, values):
    found = {"ExpressionAttributeNames": used(text, names), "ExpressionAttributeValues": used(text, values)}
    return {parameter: given for parameter, given in found.items() if given}


ITEM = {
    "a": {"S": "hello"},
    "b": {"N": "5"},
    "c": {"B": b"hi there"},
    "t": {"BOOL": True},
    "nothing": {"NULL": True},
    "l": {"L": [{"N": "1"}, {"S": "two"}, {"M": {"x": {"N": "3"}}}]},
    "m": {"M": {"x": {"S": "deep"}, "y": {"L": [{"N": "7"}]}}},
    "ss": {"SS": ["red", "blue"]},
    "ns": {"NS": ["1", "2.50"]},
    "bs": {"BS": [b"\x01"]},
    "six": {"N": "6"},
    "a.b": {"S": "dotted"},
    "blank": {"S": ""},
    "note": {"S": "é𝄞"},
}
NAMES = {"#a": "a", "#b": "b", "#status": "status", "#dot": "a.b"}
VALUES = {
    ":hello": {"S": "hello"},
    ":hell": {"S": "hell"},
    ":ell": {"S": "ell"},
    ":five": {"N": "5.0"},
    ":six": {"N": "6"},
    ":four": {"N": "4"},
    ":hi": {"B": b"hi"},
    ":here": {"B": b"here"},
    ":true": {"BOOL": True},
    ":null": {"NULL": True},
    ":two": {"S": "two"},
    ":red": {"S": "red"},
    ":half": {"N": "2.5"},
    ":one": {"N": "1"},
    ":three": {"N": "3"},
    ":zero": {"N": "0"},
    ":byte": {"B": b"\x01"},
    ":S": {"S": "S"},
    ":SS": {"S": "SS"},
    ":N": {"S": "N"},
    ":set": {"SS": ["blue", "red"]},
    ":numbers": {"NS": ["2.5", "1.0"]},
    ":list": {"L": [{"N": "1"}, {"S": "two"}, {"M": {"x": {"N": "3.0"}}}]},
    ":map": {"M": {"y": {"L": [{"N": "7"}]}, "x": {"S": "deep"}}},
    ":e": {"S": ""},
}

HOLDS = """
a = :hello|b = :five|#b = :five|#dot <> a|t = :true|nothing = :null|ss = :set|ns = :numbers|l = :list|m = :map
:hello = a|m.x <> a|l[0] = :one|l[2].x = :three|m.y[0] <> l[0]|blank = :e
b < :six|b <= :five|b > :four|b >= :five|a > :hell|a < b OR b < six|:four < b|size(a) < six
b BETWEEN :four AND :six|b between :five and :five|b BETWEEN :four AND six|size(l) BETWEEN :three AND b
b IN (:four, :five)|a in (b, :hello)|m IN (:map)|size(a) IN (:five)
z <> :five|z <> y|NOT z = :five|attribute_not_exists(z)|attribute_not_exists(m.z)|attribute_not_exists(l[3])
attribute_not_exists(a.x)|attribute_not_exists(m[0])|size(b) <> :zero
attribute_exists(a)|attribute_exists(m.y[0])|attribute_type(a, :S)|attribute_type(ss, :SS)|begins_with(a, :hell)
begins_with(a, :e)|begins_with(c, :hi)|begins_with(:hello, a)|contains(a, :ell)|contains(ss, :red)|contains(ns, :half)
contains(bs, :byte)|contains(l, :two)|contains(l, :one)|contains(c, :here)|contains(:list, :two)|size(a) = :five
size(l) = :three|size(ss) = size(ns)|size(m) < :three|size(note) = :three|size(blank) = :zero
a = :hello OR b = :four AND b = :six|NOT a = :hell AND b = :five|NOT (a = :hello AND b = :six)
(a = :hell OR b = :five) AND t = :true|(a) = (:hello)|(a = :hello) AND ((b = :four) OR (b = :five))
not attribute_exists(z) and (attribute_exists(a))|NOT NOT a = :hello
"""
FAILS = """
a = :five|a = b|a <> :hello|t = :null|ss = :list|l[1] = :one|#dot = a|b = :six|b < :five|b > a|a < b|t < b|l < b|m >= a
b BETWEEN :six AND six|b BETWEEN a AND :six|b BETWEEN six AND :four|b IN (:four, :six)|z IN (:four)|a IN (z)
z = :five|z = y|z < :five|z >= y|q BETWEEN z AND x|attribute_exists(z)|begins_with(z, :hell)|contains(z, :hell)
size(z) = :zero|attribute_type(z, :S)|size(b) = :five|attribute_type(a, :N)|begins_with(a, :ell)|begins_with(a, b)
contains(a, b)|contains(ss, :ell)|contains(ss, :one)|contains(b, :five)|contains(m, :two)|contains(l, :red)
(a = :hello OR b = :four) AND b = :six|NOT a = :hello OR NOT b = :five|NOT t = :true
"""


def conditions(text):
    return [condition for line in text.strip().splitlines() for condition in line.split("|")]


@pytest.mark.parametrize(
    "condition,holds", [(c, True) for c in conditions(HOLDS)] + [(c, False) for c in conditions(FAILS)]
)
def test_conditions_and_filters_agree(dynamodb, table, key, condition, holds):
    """A write goes through if and only if its condition holds; a scan keeps what its filter holds for."""
    dynamodb.put_item(TableName=table, Item={**key, **ITEM})
    more = placeholders(condition, NAMES, VALUES)
    if holds:
        dynamodb.put_item(TableName=table, Item={**key, **ITEM}, ConditionExpression=condition, **more)
    else:
        assert refusal(dynamodb.delete_item, TableName=table, Key=key, ConditionExpression=condition, **more) == FAILED
    more["ExpressionAttributeValues"] = {**more.get("ExpressionAttributeValues", {}), ":key": key["p"]}
    found = dynamodb.query(
        TableName=table, KeyConditionExpression="p = :key", FilterExpression=condition, **more
    )
    assert (found["Count"], found["ScannedCount"]) == (int(holds), 1)


SAME = "The first operand must be distinct from the remaining operands for this operator or function; "
OPERAND = "Incorrect operand type for operator or function; operator or function: "
COUNT = "Incorrect number of operands for operator or function; operator or function: "
MISUSED = "The function is not allowed to be used this way in an expression; function: "
RESERVED = "Attribute name is a reserved keyword; reserved keyword: "
NEEDS_PATH = "Operator or function requires a document path; operator or function: "
UNDEFINED_NAME = "An expression attribute name used in the document path is not defined; attribute name: "
UNDEFINED_VALUE = "An expression attribute value used in expression is not defined; attribute value: "
OVERLAP = "Two document paths overlap with each other; must remove or rewrite one of these paths; "
CONFLICT = "Two document paths conflict with each other; must remove or rewrite one of these paths; "
BETWEEN = "The BETWEEN operator requires "


def syntax(token, near):
    return f'Syntax error; token: "{token}", near: "{near}"'


REFUSED_CONDITIONS = [
    ("", "The expression can not be empty;"),
    ("a", syntax("<EOF>", "a")),
    ("a =", syntax("<EOF>", "=")),
    ("a x b", syntax("x", "a x b")),
    ("a = = :one", syntax("=", "= = :one")),
    ("(a = :one", syntax("<EOF>", ":one")),
    ("a = :one)", syntax(")", ":one)")),
    ("a = :one AND", syntax("<EOF>", "AND")),
    ("a OR b = :one", syntax("OR", "a OR b")),
    ("a = 5", syntax("5", "= 5")),
    ("a == :one", syntax("=", "== :one")),
    ("a != :one", syntax("!", "a !=")),
    ("_a = :one", syntax("_", "_a")),
    ("a IN ()", syntax(")", "()")),
    ("a BETWEEN :one", syntax("<EOF>", ":one")),
    ("attribute_exists(", syntax("<EOF>", "(")),
    ("attribute_exists()", syntax(")", "()")),
    ("a[x] = :one", syntax("x", "[x]")),
    ("a[-1] = :one", syntax("-", "[-1")),
    ("# = :one", syntax("#", "# =")),
    ("((a = :one))", "The expression has redundant parentheses;"),
    ("((attribute_exists(a)))", "The expression has redundant parentheses;"),
    ("a = ((:one))", "The expression has redundant parentheses;"),
    ("status = :one", RESERVED + "status"),
    ("a.Name = :one", RESERVED + "Name"),
    ("attribute_exists(data)", RESERVED + "data"),
    ("f(a)", "Invalid function name; function: f"),
    ("ATTRIBUTE_EXISTS(a)", "Invalid function name; function: ATTRIBUTE_EXISTS"),
    ("a = if_not_exists(a, :one)", "The function is not allowed in a condition expression; function: if_not_exists"),
    ("size(a)", MISUSED + "size"),
    ("attribute_exists(a) = :true", MISUSED + "attribute_exists"),
    ("contains(a, begins_with(b, :hell))", MISUSED + "begins_with"),
    ("attribute_exists(a, b)", COUNT + "attribute_exists, number of operands: 2"),
    ("begins_with(a)", COUNT + "begins_with, number of operands: 1"),
    ("size(a, b) = :one", COUNT + "size, number of operands: 2"),
    ("attribute_exists(:one)", NEEDS_PATH + "attribute_exists"),
    ("attribute_not_exists(size(a))", NEEDS_PATH + "attribute_not_exists"),
    ("a < :list", OPERAND + "<, operand type: L"),
    (":map >= a", OPERAND + ">=, operand type: M"),
    ("a > :true", OPERAND + ">, operand type: BOOL"),
    ("a <= :set", OPERAND + "<=, operand type: SS"),
    ("a BETWEEN :list AND :list", OPERAND + "BETWEEN, operand type: L"),
    ("begins_with(a, :one)", OPERAND + "begins_with, operand type: N"),
    ("attribute_type(a, :one)", OPERAND + "attribute_type, operand type: N"),
    ("attribute_type(a, b)", OPERAND + "attribute_type, operand type: {NS,SS,L,BS,N,M,B,BOOL,NULL,S}"),
    ("size(:one) = :one", OPERAND + "size, operand type: N"),
    (
        "attribute_type(a, :red)",
        "Invalid attribute type name found; type: red, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
    ),
    ("a = a", SAME + "operator: =, first operand: [a]"),
    ("a.x[1] < a.x[1]", SAME + "operator: <, first operand: [a, x, [1]]"),
    ("a IN (b, a)", SAME + "operator: IN, first operand: [a]"),
    ("contains(a, #a)", SAME + "operator: contains, first operand: [a]"),
    (
        "a BETWEEN :one AND :red",
        BETWEEN + "same data type for lower and upper bounds; lower bound operand: AttributeValue: {N:1}, "
        "upper bound operand: AttributeValue: {S:red}",
    ),
    (
        "a BETWEEN :six AND :one",
        BETWEEN + "upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:6}, "
        "upper bound operand: AttributeValue: {N:1}",
    ),
    ("#zzz = :one", UNDEFINED_NAME + "#zzz"),
    ("a = :zzz", UNDEFINED_VALUE + ":zzz"),
    ("a[2147483648] = :one", "List index is not within the allowable range; index: [2147483648]"),
    (
        f"a IN ({', '.join(['b', *(f'l[{n}]' for n in range(100))])})",
        "The IN operator is provided with too many operands; number of operands: 101",
    ),
    (f"a = :one{' ' * 4096}", "Expression size has exceeded the maximum allowed size; expression size: 4104"),
    (f"a{'.b' * 32} = :one", "The document path has too many nesting levels; nesting levels: 33"),
]


@pytest.mark.parametrize("condition,reason", REFUSED_CONDITIONS, ids=[text[:40] for text, _ in REFUSED_CONDITIONS])
def test_conditions_are_refused_in_the_words_of_aws(dynamodb, table, key, condition, reason):
    """As a condition and as a filter, whatever the item is."""
    more = placeholders(condition, NAMES, VALUES)
    expected = (*VALIDATION, f"Invalid ConditionExpression: {reason}")
    assert refusal(dynamodb.put_item, TableName=table, Item=key, ConditionExpression=condition, **more) == expected
    expected = (*VALIDATION, f"Invalid FilterExpression: {reason}")
    assert refusal(dynamodb.scan, TableName=table, FilterExpression=condition, **more) == expected
    assert "Item" not in dynamodb.get_item(TableName=table, Key=key)


UPDATE_VALUES = {
    ":n": {"N": "4"},
    ":m": {"N": "-1.5"},
    ":s": {"S": "new"},
    ":t": {"S": "t"},
    ":u": {"S": "u"},
    ":l": {"L": [{"S": "x"}]},
    ":map": {"M": {}},
    ":ss": {"SS": ["a", "b"]},
    ":ns": {"NS": ["1"]},
    ":bs": {"BS": [b"\x01"]},
    ":big": {"N": "9e125"},
    ":fifty": {"N": "1e50"},
    ":true": {"BOOL": True},
    ":null": {"NULL": True},
    ":bytes": {"B": b"\x01\x02"},
}


def n(number):
    return {"N": str(number)}


def s(text):
    return {"S": text}


def l(*elements):
    return {"L": list(elements)}


def m(**members):
    return {"M": members}


UPDATES = [
    ({}, "SET a = :n", {"a": n(4)}),
    ({"a": s("x"), "b": n(1)}, "SET a = :n, c = b", {"a": n(4), "b": n(1), "c": n(1)}),
    ({"a": n(1)}, "set a = a + :n", {"a": n(5)}),
    ({"a": n(1)}, "SET b = :n - a, a = :m+a", {"a": n(-0.5), "b": n(3)}),
    ({}, "SET a = if_not_exists(a, :n) + :n", {"a": n(8)}),
    ({"c": n(1)}, "SET a = if_not_exists(b, if_not_exists(c, :n))", {"a": n(1), "c": n(1)}),
    ({"a": l()}, "SET a = list_append(a, :l)", {"a": l(s("x"))}),
    ({}, "SET a = list_append(:l, if_not_exists(a, :l))", {"a": l(s("x"), s("x"))}),
    ({"a": n(1), "b": n(2)}, "SET a = b, b = a", {"a": n(2), "b": n(1)}),
    ({"a": s("v")}, "REMOVE a SET b = a", {"b": s("v")}),
    ({}, "SET #dot = :n", {"a.b": n(4)}),
    ({}, "SET a = :map, b = :null, c = :true", {"a": m(), "b": {"NULL": True}, "c": {"BOOL": True}}),
    ({"a": m()}, "SET a.b = :n", {"a": m(b=n(4))}),
    ({"a": m(b=l(m()))}, "SET a.b[0].c = :n", {"a": m(b=l(m(c=n(4))))}),
    ({"a": m(b=n(10))}, "SET a.b = a.b + :n", {"a": m(b=n(14))}),
    ({"a": l(s("0"), s("1"))}, "SET a[1] = :n", {"a": l(s("0"), n(4))}),
    ({"a": l()}, "SET a[0] = :n", {"a": l(n(4))}),
    ({"a": l(s("0"))}, "SET a[84] = :s, a[37] = :t, a[17] = :u", {"a": l(s("0"), s("u"), s("t"), s("new"))}),
    (
        {"a": l(n(2), n(3), n(4), n(5), n(6))},
        "REMOVE a[1] SET a[3] = :s, a[9] = :t",
        {"a": l(n(2), n(4), s("new"), n(6), s("t"))},
    ),
    (
        {"a": m(x=n(3), y=n(4), c=m(y=n(3))), "b": m(x=n(1), y=n(2))},
        "SET a.b = :n, a.c.d = :s, b.x = :m REMOVE a.x, b.y",
        {"a": m(y=n(4), b=n(4), c=m(y=n(3), d=s("new"))), "b": m(x=n(-1.5))},
    ),
    ({"a": s("x"), "b": s("y")}, "REMOVE a, c", {"b": s("y")}),
    ({"a": m(b=n(1))}, "REMOVE a.b", {"a": m()}),
    ({"a": l(n(0), n(1), n(2))}, "REMOVE a[0], a[2], a[17]", {"a": l(n(1))}),
    ({}, "ADD a :n", {"a": n(4)}),
    ({"a": n(1)}, "ADD a :m", {"a": n(-0.5)}),
    ({}, "ADD a :ss", {"a": {"SS": ["a", "b"]}}),
    ({"a": {"SS": ["b", "c"]}}, "ADD a :ss", {"a": {"SS": ["a", "b", "c"]}}),
    ({"a": {"BS": [b"\x02"]}}, "ADD a :bs", {"a": {"BS": [b"\x01", b"\x02"]}}),
    ({"a": m()}, "ADD a.b :n", {"a": m(b=n(4))}),
    ({"a": {"SS": ["b", "c"]}}, "DELETE a :ss", {"a": {"SS": ["c"]}}),
    ({"a": {"SS": ["b"]}, "z": n(1)}, "DELETE a :ss", {"z": n(1)}),
    ({"a": {"SS": ["z"]}}, "DELETE a :ss", {"a": {"SS": ["z"]}}),
    ({"z": n(1)}, "DELETE a :ss", {"z": n(1)}),
    ({"a": n(1)}, "SET b = :s REMOVE a ADD c :n, d :ns DELETE e :bs", {"b": s("new"), "c": n(4), "d": {"NS": ["1"]}}),
    ({"a": n("0.1")}, "SET a = a + a", {"a": n("0.2")}),
    ({"a": n("99999999999999999999999999999999999999")}, "SET a = a - :n", {"a": n("9" * 37 + "5")}),
]


@pytest.mark.parametrize("before,update,after", UPDATES, ids=[update for _, update, _ in UPDATES])
def test_updates_make_of_an_item_what_they_say(dynamodb, table, key, before, update, after):
    dynamodb.put_item(TableName=table, Item={**key, **before})
    more = placeholders(update, NAMES, UPDATE_VALUES)
    dynamodb.update_item(TableName=table, Key=key, UpdateExpression=update, **more)
    assert dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"] == {**key, **after}


MISSING = "The provided expression refers to an attribute that does not exist in the item"
TYPE = "An operand in the update expression has an incorrect data type"
PATH = "The document path provided in the update expression is invalid for update"
OVERFLOW = "Number overflow. Attempting to store a number with magnitude larger than supported range"

REFUSED_BY_THE_ITEM = [
    ({}, "SET a = b", MISSING),
    ({}, "SET a = a + :n", MISSING),
    ({}, "SET a = list_append(b, :l)", MISSING),
    ({}, "SET x = :n, y = x", MISSING),
    ({"a": s("x")}, "SET a = a + :n", TYPE),
    ({"a": s("x")}, "SET a = list_append(a, :l)", TYPE),
    ({"a": s("x")}, "ADD a :n", TYPE),
    ({"a": {"NS": ["1"]}}, "ADD a :ss", TYPE),
    ({"a": l()}, "ADD a :ss", TYPE),
    ({"a": {"NS": ["1"]}}, "DELETE a :ss", TYPE),
    ({"a": s("x")}, "SET a.c = :n", PATH),
    ({"b": l()}, "SET b.c = :n", PATH),
    ({}, "SET c.c = :n", PATH),
    ({"a": m()}, "SET a[0] = :n", PATH),
    ({"a": m()}, "SET a.b.c = :n", PATH),
    ({"a": l()}, "SET a[0].b = :n", PATH),
    ({}, "REMOVE c.c", PATH),
    ({"a": s("x")}, "REMOVE a[0]", PATH),
    ({"a": n("9e125")}, "SET a = a + :big", OVERFLOW),
    ({"a": n("-9e125")}, "SET a = a - :big", OVERFLOW),
    ({"a": n(1)}, "SET a = a + :fifty", OVERFLOW),
    ({"a": n("9e125")}, "ADD a :big", OVERFLOW),
]


@pytest.mark.parametrize("before,update,message", REFUSED_BY_THE_ITEM, ids=[u for _, u, _ in REFUSED_BY_THE_ITEM])
def test_updates_that_do_not_suit_the_item_change_nothing(dynamodb, table, key, before, update, message):
    dynamodb.put_item(TableName=table, Item={**key, **before})
    more = placeholders(update, NAMES, UPDATE_VALUES)
    assert refusal(dynamodb.update_item, TableName=table, Key=key, UpdateExpression=update, **more) == (
        *VALIDATION,
        message,
    )
    stored = dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
    assert stored.keys() == {**key, **before}.keys()


def section(name, kind):
    return (
        f"Incorrect operand type for operator or function; operator: {name}, operand type: {kind}, "
        f"typeSet: ALLOWED_FOR_{name}_OPERAND"
    )


def twice(name):
    return f'The "{name}" section can only be used once in an update expression;'


REFUSED_UPDATES = [
    ("", "The expression can not be empty;"),
    ("INVALID SYNTAX HERE", syntax("INVALID", "INVALID SYNTAX")),
    ("SET", syntax("<EOF>", "SET")),
    ("SET a", syntax("<EOF>", "a")),
    ("SET a = :n,", syntax("<EOF>", ",")),
    ("SET a = :n b = :n", syntax("b", ":n b =")),
    ("SET a = :n + :n + :n", syntax("+", ":n + :n")),
    ("SET :n = :s", syntax(":n", "SET :n =")),
    ("SET a = if_not_exists(a, :n+:n)", syntax("+", ":n+:n")),
    ("SET a :n", syntax(":n", "a :n")),
    ("SET _123 = :n", syntax("_", "SET _123")),
    ("SET a[#a] = :n", syntax("#a", "[#a]")),
    ("REMOVE", syntax("<EOF>", "REMOVE")),
    ("REMOVE a = :n", syntax("=", "a = :n")),
    ("ADD a b", syntax("b", "a b")),
    ("DELETE a", syntax("<EOF>", "a")),
    ("SET status = :n", RESERVED + "status"),
    ("REMOVE a.Items[0]", RESERVED + "Items"),
    ("SET a = f(b, c)", "Invalid function name; function: f"),
    ("SET a = size(b)", "The function is not allowed in an update expression; function: size"),
    ("SET a = list_append(:l)", COUNT + "list_append, number of operands: 1"),
    ("SET a = list_append(list_append(:l, :l), :l)", MISUSED + "list_append"),
    ("SET a = if_not_exists(:n, :n)", NEEDS_PATH + "if_not_exists"),
    ("SET a = :s + :n", OPERAND + "+, operand type: S"),
    ("SET a = a - :l", OPERAND + "-, operand type: L"),
    ("SET a = list_append(a, :s)", OPERAND + "list_append, operand type: S"),
    ("ADD a :s", section("ADD", "STRING")),
    ("ADD a :l", section("ADD", "LIST")),
    ("ADD a :map", section("ADD", "MAP")),
    ("ADD a :true", section("ADD", "BOOLEAN")),
    ("ADD a :bytes", section("ADD", "BINARY")),
    ("DELETE a :n", section("DELETE", "NUMBER")),
    ("DELETE a :null", section("DELETE", "NULL")),
    ("SET a = :n SET b = :n", twice("SET")),
    ("SET a = :n REMOVE c set b = :n", twice("SET")),
    ("REMOVE a REMOVE b", twice("REMOVE")),
    ("SET a = :n REMOVE a", OVERLAP + "path one: [a], path two: [a]"),
    ("SET a = :n, #a = :s", OVERLAP + "path one: [a], path two: [a]"),
    ("SET a[1] = :n, a[1][1] = :s", OVERLAP + "path one: [a, [1]], path two: [a, [1], [1]]"),
    ("SET a.b.c = :n, a.b[2] = :s", CONFLICT + "path one: [a, b, c], path two: [a, b, [2]]"),
    ("SET #zzz = :n", UNDEFINED_NAME + "#zzz"),
    ("SET a = :zzz", UNDEFINED_VALUE + ":zzz"),
    (f"SET a = :n{' ' * 4096}", "Expression size has exceeded the maximum allowed size; expression size: 4106"),
]


@pytest.mark.parametrize("update,reason", REFUSED_UPDATES, ids=[text[:40] for text, _ in REFUSED_UPDATES])
def test_updates_are_refused_in_the_words_of_aws(dynamodb, table, key, update, reason):
    more = placeholders(update, NAMES, UPDATE_VALUES)
    refused_with = refusal(dynamodb.update_item, TableName=table, Key=key, UpdateExpression=update, **more)
    assert refused_with == (*VALIDATION, f"Invalid UpdateExpression: {reason}")
    assert "Item" not in dynamodb.get_item(TableName=table, Key=key)


@pytest.mark.parametrize("update", ["SET p = :s", "REMOVE p", "ADD p :n", "DELETE p :ss", "SET p.x = :s"])
def test_keys_are_not_updated(dynamodb, table, key, update):
    more = placeholders(update, NAMES, UPDATE_VALUES)
    message = "One or more parameter values were invalid: Cannot update attribute p. This attribute is part of the key"
    refused_with = refusal(dynamodb.update_item, TableName=table, Key=key, UpdateExpression=update, **more)
    assert refused_with == (*VALIDATION, message)


def test_removing_alone_makes_no_item(dynamodb, table, key):
    dynamodb.update_item(TableName=table, Key=key, UpdateExpression="REMOVE a.b, c[0], d")
    assert "Item" not in dynamodb.get_item(TableName=table, Key=key)
    dynamodb.update_item(TableName=table, Key=key)
    assert dynamodb.get_item(TableName=table, Key=key)["Item"] == key


TOUCHED = [
    ("SET z = :n", None, {"z": n(4)}),
    ("SET a.b = :n", {"a": m(b=n(1))}, {"a": m(b=n(4))}),
    ("SET a.b = :n, a.d = :s", {"a": m(b=n(1))}, {"a": m(b=n(4), d=s("new"))}),
    ("REMOVE r", {"r": s("r")}, None),
    ("ADD a.c :n", {"a": m(c=n(2))}, {"a": m(c=n(6))}),
    ("SET r = if_not_exists(r, :s)", {"r": s("r")}, {"r": s("r")}),
]


@pytest.mark.parametrize("update,old,new", TOUCHED, ids=[update for update, _, _ in TOUCHED])
def test_what_an_update_touched_is_answered(dynamodb, table, key, update, old, new):
    item = {**key, "a": m(b=n(1), c=n(2)), "r": s("r")}
    more = placeholders(update, NAMES, UPDATE_VALUES)
    for wanted, expected in (("UPDATED_OLD", old), ("UPDATED_NEW", new), ("ALL_OLD", item)):
        dynamodb.put_item(TableName=table, Item=item)
        answer = dynamodb.update_item(
            TableName=table, Key=key, UpdateExpression=update, ReturnValues=wanted, **more
        )
        assert answer.get("Attributes") == expected, wanted


def test_many_clients_count_exactly(server, dynamodb, table, key):
    from concurrent.futures import ThreadPoolExecutor

    def count(_):
        client = server.client("dynamodb")
        for _ in range(25):
            client.update_item(
                TableName=table,
                Key=key,
                UpdateExpression="SET c = if_not_exists(c, :zero) + :tenth ADD d :tenth",
                ExpressionAttributeValues={":zero": n(0), ":tenth": n("0.1")},
            )

    with ThreadPoolExecutor(8) as clients:
        list(clients.map(count, range(8)))
    assert dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"] == {**key, "c": n(20), "d": n(20)}


DOCUMENT = {"a": m(b=l(n(2), n(4), m(x=s("hi"), y=s("yo"))), c=n(5)), "a.b": s("dot"), "q": s("x")}
PROJECTIONS = [
    ("q", {"q": s("x")}),
    (" q , #dot ", {"q": s("x"), "a.b": s("dot")}),
    ("#a.#b[0]", {"a": m(b=l(n(2)))}),
    ("a.b[2].y", {"a": m(b=l(m(y=s("yo"))))}),
    ("a.b[2].y, a.b[0], a.c", {"a": m(b=l(n(2), m(y=s("yo"))), c=n(5))}),
    ("a.x, a.b[0], x, a.b[3].x", {"a": m(b=l(n(2)))}),
    *((nothing, {}) for nothing in ("x", "a.b[3]", "a.x", "a.x.y", "a.b[3].x", "a.b.x", "a[0]", "a.b[0].x", "q.x")),
]


@pytest.mark.parametrize("projection,expected", PROJECTIONS, ids=[text for text, _ in PROJECTIONS])
def test_projections_take_what_is_there(dynamodb, table, key, projection, expected):
    dynamodb.put_item(TableName=table, Item={**key, **DOCUMENT})
    more = placeholders(projection, NAMES, {})
    answer = dynamodb.get_item(TableName=table, Key=key, ProjectionExpression=projection, **more)
    assert answer["Item"] == expected
    answer = dynamodb.query(
        TableName=table,
        KeyConditionExpression="p = :key",
        ProjectionExpression=projection,
        ExpressionAttributeValues={":key": key["p"]},
        **more,
    )
    assert answer["Items"] == [expected]


REFUSED_PROJECTIONS = [
    ("", "The expression can not be empty;"),
    ("a,", syntax("<EOF>", ",")),
    (",a", syntax(",", ",a")),
    ("a,,b", syntax(",", ",,b")),
    ("a b", syntax("b", "a b")),
    ("a = :n", syntax("=", "a = :n")),
    ("a[:n]", syntax(":n", "[:n]")),
    ("status", RESERVED + "status"),
    ("a.#zzz", UNDEFINED_NAME + "#zzz"),
    ("q, q", OVERLAP + "path one: [q], path two: [q]"),
    ("a, #a", OVERLAP + "path one: [a], path two: [a]"),
    ("a, b, a.b[2].c", OVERLAP + "path one: [a], path two: [a, b, [2], c]"),
    ("a.b.d, a.b", OVERLAP + "path one: [a, b, d], path two: [a, b]"),
    ("a.b, a[1]", CONFLICT + "path one: [a, b], path two: [a, [1]]"),
    (f"a{'.b' * 32}", "The document path has too many nesting levels; nesting levels: 33"),
    ("a" * 4097, "Expression size has exceeded the maximum allowed size; expression size: 4097"),
]


@pytest.mark.parametrize("projection,reason", REFUSED_PROJECTIONS, ids=[text[:40] for text, _ in REFUSED_PROJECTIONS])
def test_projections_are_refused_in_the_words_of_aws(dynamodb, table, key, projection, reason):
    more = placeholders(projection, NAMES, {})
    expected = (*VALIDATION, f"Invalid ProjectionExpression: {reason}")
    assert refusal(dynamodb.get_item, TableName=table, Key=key, ProjectionExpression=projection, **more) == expected
    assert refusal(dynamodb.scan, TableName=table, ProjectionExpression=projection, **more) == expected


KEY_VALUES = {
    ":p": s("k"), ":zero": n(0), ":one": n(1), ":ten": n(10), ":text": s("x"), ":e": s(""), ":nobody": s("nobody")
}  # fmt: skip
IN_ORDER = ["-20", "-1.5", "0", f"0.{'0' * 19}1", "0.001", "1", "2", "10", "99", f"1{'0' * 20}"]
KEY_CONDITIONS = [
    ("p = :p", IN_ORDER),
    (":p = p", IN_ORDER),
    ("p = :nobody", []),
    ("p = :p AND s = :one", ["1"]),
    ("s < :zero AND p = :p", IN_ORDER[:2]),
    ("p = :p AND s <= :zero", IN_ORDER[:3]),
    ("p = :p AND :zero < s", IN_ORDER[3:]),
    ("p = :p AND :zero >= s", IN_ORDER[:3]),
    ("(p = :p) AND (s >= :ten)", IN_ORDER[7:]),
    ("p = :p AND s BETWEEN :zero AND :one", IN_ORDER[2:6]),
    ("p = :p and s between :one and :one", ["1"]),
    ("#p = :p AND #s > :ten", IN_ORDER[8:]),
]


@pytest.mark.parametrize("condition,found", KEY_CONDITIONS, ids=[text for text, _ in KEY_CONDITIONS])
def test_key_conditions_find_keys_in_order(dynamodb, ranged, condition, found):
    more = placeholders(condition, {"#p": "p", "#s": "s"}, KEY_VALUES)
    for forward, expected in ((True, found), (False, found[::-1])):
        answer = dynamodb.query(
            TableName=ranged, KeyConditionExpression=condition, ScanIndexForward=forward, ConsistentRead=True, **more
        )
        assert [item["s"]["N"] for item in answer["Items"]] == expected


KEY_TYPE = "One or more parameter values were invalid: Condition parameter type does not match schema type"
REFUSED_KEY_CONDITIONS = [
    ("", "Invalid KeyConditionExpression: The expression can not be empty;"),
    ("((p = :p))", "Invalid KeyConditionExpression: The expression has redundant parentheses;"),
    ("status = :p", f"Invalid KeyConditionExpression: {RESERVED}status"),
    ("p = :zzz", f"Invalid KeyConditionExpression: {UNDEFINED_VALUE}:zzz"),
    ("p = :p OR s = :one", "Invalid operator used in KeyConditionExpression: OR"),
    ("NOT p = :p", "Invalid operator used in KeyConditionExpression: NOT"),
    ("p = :p AND s <> :one", "Invalid operator used in KeyConditionExpression: <>"),
    ("p IN (:p)", "Invalid operator used in KeyConditionExpression: IN"),
    ("p = :p AND contains(s, :text)", "Invalid operator used in KeyConditionExpression: contains"),
    ("attribute_exists(p)", "Invalid operator used in KeyConditionExpression: attribute_exists"),
    ("p = :p AND size(s) = :one", "KeyConditionExpressions cannot contain nested operations"),
    ("p = s", "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition"),
    ("p.x = :p", "KeyConditionExpressions cannot have conditions on nested attributes"),
    (":p = :text", "Invalid condition in KeyConditionExpression: No key attribute specified"),
    ("p = :p AND s > :zero AND s < :ten", "KeyConditionExpressions must only contain one condition per key"),
    ("s = :one", "Query condition missed key schema element: p"),
    ("z = :one", "Query condition missed key schema element: p"),
    ("p = :p AND z = :one", "Query condition missed key schema element: s"),
    ("p > :p", "Query key condition not supported"),
    ("begins_with(p, :p)", "Query key condition not supported"),
    ("p = :one", KEY_TYPE),
    ("p = :p AND s = :text", KEY_TYPE),
    ("p = :p AND begins_with(s, :text)", KEY_TYPE),
    (
        "p = :e",
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string "
        "value. Key: p",
    ),
]


@pytest.mark.parametrize(
    "condition,message", REFUSED_KEY_CONDITIONS, ids=[text[:40] for text, _ in REFUSED_KEY_CONDITIONS]
)
def test_key_conditions_are_refused_in_the_words_of_aws(dynamodb, ranged, condition, message):
    more = placeholders(condition, {}, KEY_VALUES)
    refused_with = refusal(dynamodb.query, TableName=ranged, KeyConditionExpression=condition, **more)
    assert refused_with == (*VALIDATION, message)


def test_a_filter_does_not_name_the_keys(dynamodb, ranged):
    message = "Filter Expression can only contain non-primary key attributes: Primary key attribute: s"
    refused_with = refusal(
        dynamodb.query,
        TableName=ranged,
        KeyConditionExpression="p = :p",
        FilterExpression="s > :one",
        ExpressionAttributeValues={":p": s("k"), ":one": n(1)},
    )
    assert refused_with == (*VALIDATION, message)


def test_a_condition_that_fails_shows_the_item_where_asked(dynamodb, table, key):
    item = {**key, "a": n(1)}
    dynamodb.put_item(TableName=table, Item=item)
    for operation, more in ((dynamodb.put_item, {"Item": key}), (dynamodb.delete_item, {"Key": key})):
        with pytest.raises(ClientError) as caught:
            operation(
                TableName=table,
                ConditionExpression="attribute_not_exists(p)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **more,
            )
        assert refused(caught.value) == FAILED and caught.value.response["Item"] == item


def test_the_resource_interface_builds_expressions(server, table, name):
    """boto3's own builders and its types: Decimal, sets, binary."""
    from decimal import Decimal

    import boto3
    from boto3.dynamodb.conditions import Attr, Key
    from program import REGION

    resource = boto3.resource(
        "dynamodb",
        endpoint_url=server.endpoint,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    ).Table(table)
    item = {"p": name, "n": Decimal("1.50"), "set": {Decimal(1), Decimal(2)}, "l": ["a", {"x": None}], "b": b"\x00", "t": True}
    resource.put_item(Item=item, ConditionExpression=Attr("p").not_exists() | Attr("n").lt(5))
    found = resource.query(
        KeyConditionExpression=Key("p").eq(name),
        FilterExpression=Attr("n").between(1, 2) & Attr("set").contains(2) & ~Attr("z").exists() & Attr("l").size().eq(2),
    )
    assert found["Items"] == [item]
    assert resource.scan(FilterExpression=Attr("p").eq(name) & Attr("t").ne(False))["Count"] == 1
