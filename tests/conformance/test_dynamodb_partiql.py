"""PartiQL: what statements read and write, and the words in which they are refused.

AWS: Developer Guide, "PartiQL - a SQL-compatible query language for Amazon DynamoDB".
"""

import json

import pytest
from errors import refusal
from functions import allow, create_role
from program import ACCOUNT

VALIDATION = (400, "ValidationException")
MALFORMED = "Statement wasn't well formed, can't be processed: "
LEFTOVER = MALFORMED + "Unexpected token after expression"
NO_KEY = "Where clause does not contain a mandatory equality on all key attributes"
ALIAS = "Aliasing is not supported"


@pytest.fixture(scope="module")
def table(dynamodb):
    """A table with the key `pk`, `sk` and indexes over `g` and `l`."""
    name = "partiql"
    text = {"AttributeType": "S"}
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, **text} for name in ("pk", "sk", "g", "l")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-g",
                "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["shown"]},
            }
        ],
        LocalSecondaryIndexes=[
            {
                "IndexName": "by-l",
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "l", "KeyType": "RANGE"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    yield name
    dynamodb.delete_table(TableName=name)


@pytest.fixture
def run(dynamodb, table):
    """Runs a statement in which T stands for the table."""

    def execute(statement, *parameters, **more):
        if parameters:
            more["Parameters"] = list(parameters)
        return dynamodb.execute_statement(Statement=statement.replace("$T", f'"{table}"'), **more)

    return execute


@pytest.fixture
def refuse(dynamodb, table):
    """(code, message) of a statement that must be refused."""

    def execute(statement, *parameters, **more):
        if parameters:
            more["Parameters"] = list(parameters)
        statement = statement.replace("$T", f'"{table}"')
        status, code, message = refusal(dynamodb.execute_statement, Statement=statement, **more)
        assert status == 400
        return code, message

    return execute


@pytest.fixture
def songs(run, name):
    """Four items of the partition `name`."""
    for n, (title, awards) in enumerate([("alpha", 3), ("beta", 1), ("gamma", 2), ("delta", 5)]):
        run(f"INSERT INTO $T VALUE {{'pk': '{name}', 'sk': '{n}', 'title': '{title}', 'awards': {awards}}}")
    return name


def sorts(answer):
    return [item["sk"]["S"] for item in answer["Items"]]


def stored(dynamodb, table, pk, sk="1"):
    return dynamodb.get_item(TableName=table, Key={"pk": {"S": pk}, "sk": {"S": sk}}, ConsistentRead=True).get("Item")


def test_an_item_of_every_type_is_inserted(run, dynamodb, table, name):
    answer = run(
        f"INSERT INTO $T VALUE {{'pk': '{name}', 'sk': '1', 'n': -1.50e1, 'm': {{'a': 'it''s', 'b': 4}}, 'list': [1, 's', NULL], "
        "'ns': <<1, 34, 4.5>>, 'ss': <<'a', 'b'>>, 'yes': TRUE, 'no': false, 'bytes': ?, 'more': [?]};",
        {"B": b"\x00\x01"},
        {"SS": ["x"]},
    )
    assert answer["Items"] == []
    assert stored(dynamodb, table, name) == {
        "pk": {"S": name},
        "sk": {"S": "1"},
        "n": {"N": "-15"},
        "m": {"M": {"a": {"S": "it's"}, "b": {"N": "4"}}},
        "list": {"L": [{"N": "1"}, {"S": "s"}, {"NULL": True}]},
        "ns": {"NS": ["1", "4.5", "34"]},
        "ss": {"SS": ["a", "b"]},
        "yes": {"BOOL": True},
        "no": {"BOOL": False},
        "bytes": {"B": b"\x00\x01"},
        "more": {"L": [{"SS": ["x"]}]},
    }


def test_nothing_is_inserted_twice(run, refuse, dynamodb, table, name):
    insert = f"INSERT INTO $T VALUE {{'pk': '{name}', 'sk': '1', 'x': ?}}"
    run(insert, {"N": "1"})
    assert refuse(insert, {"N": "2"}) == ("DuplicateItemException", "Duplicate primary key exists in table")
    run(insert + " ON CONFLICT DO NOTHING", {"N": "3"})
    assert stored(dynamodb, table, name)["x"] == {"N": "1"}
    run(f"DELETE FROM $T WHERE pk = '{name}' AND sk = '1'")
    run(insert, {"N": "4"})
    assert stored(dynamodb, table, name)["x"] == {"N": "4"}


SELECTED = [
    ("sk = '1'", ["1"]),
    ("sk > '1'", ["2", "3"]),
    ("sk >= '1' AND sk <> '2'", ["1", "3"]),
    ("sk < '1'", ["0"]),
    ("'1' >= sk", ["0", "1"]),
    ("sk BETWEEN '1' AND '2'", ["1", "2"]),
    ("sk NOT BETWEEN '1' AND '2'", ["0", "3"]),
    ("begins_with(sk, '2')", ["2"]),
    ("sk IN ['3', '0']", ["3", "0"]),
    ("sk IN ('3', '1')", ["3", "1"]),
    ("awards > 1 AND awards < 5", ["0", "2"]),
    ("(awards = 1 OR title = 'delta')", ["1", "3"]),
    ("NOT (awards = 1 OR title = 'delta')", ["0", "2"]),
    ("title IN ['beta', 'gamma']", ["1", "2"]),
    ("title NOT IN ['beta', 'gamma']", ["0", "3"]),
    ("BEGINS_WITH(\"title\", 'al')", ["0"]),
    ("contains(title, 'lt')", ["3"]),
    ("size(title) = 4", ["1"]),
    ("attribute_type(awards, 'N')", ["0", "1", "2", "3"]),
    ("attribute_exists(none)", []),
    ("none IS MISSING", ["0", "1", "2", "3"]),
    ("title IS NOT MISSING AND awards IS NUMERIC", ["0", "1", "2", "3"]),
    ("title IS NULL", []),
    ("title IS STRING -- a remark", ["0", "1", "2", "3"]),
    ("/* another */ title != 'alpha'", ["1", "2", "3"]),
]


@pytest.mark.parametrize(("condition", "expected"), SELECTED, ids=[condition for condition, _ in SELECTED])
def test_conditions_select(run, songs, condition, expected):
    assert sorts(run(f"SELECT * FROM $T WHERE pk = '{songs}' AND {condition}")) == expected


def test_parameters_stand_for_values(run, songs):
    assert sorts(run("SELECT * FROM $T WHERE pk = ? AND awards >= ?", {"S": songs}, {"N": "3"})) == ["0", "3"]
    assert sorts(run("SELECT * FROM $T WHERE pk = ? AND sk IN ?", {"S": songs}, {"L": [{"S": "2"}]})) == ["2"]


def test_columns_are_named_as_their_paths_end(run, name):
    run(f"INSERT INTO $T VALUE {{'pk': '{name}', 'sk': '1', 'm': {{'deep': {{'down': 'here'}}, 'l': [1, 2]}}, 'x': 1}}")
    (item,) = run(f"SELECT pk, m.deep.down, m.l[1], \"x\", absent FROM $T WHERE pk = '{name}'")["Items"]
    assert item == {"pk": {"S": name}, "down": {"S": "here"}, "l[1]": {"N": "2"}, "x": {"N": "1"}}


def test_order_is_that_of_the_keys(run, songs):
    select = f"SELECT sk FROM $T WHERE pk = '{songs}' "
    assert sorts(run(select + "ORDER BY sk DESC")) == ["3", "2", "1", "0"]
    assert sorts(run(select + "AND sk IN ['2', '0', '1'] ORDER BY sk")) == ["0", "1", "2"]
    both = f"SELECT pk, sk FROM $T WHERE pk IN ['{songs}', '{songs}-none'] ORDER BY pk DESC, sk DESC"
    assert sorts(run(both)) == ["3", "2", "1", "0"]


def test_partitions_are_read_one_after_another(run, name):
    for part in "abc":
        for n in range(2):
            run(f"INSERT INTO $T VALUE {{'pk': '{name}-{part}', 'sk': '{n}'}}")
    where = f"pk IN ['{name}-c', '{name}-a']"
    pages, token = [], {}
    while True:
        answer = run(f"SELECT * FROM $T WHERE {where}", Limit=1, **token)
        pages.append([(item["pk"]["S"][-1], item["sk"]["S"]) for item in answer["Items"]])
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    assert [row for page in pages for row in page] == [("c", "0"), ("c", "1"), ("a", "0"), ("a", "1")]
    either = run(f"SELECT * FROM $T WHERE (pk = '{name}-a' AND sk = '1') OR (pk = '{name}-b' AND sk = '0')")
    assert [(item["pk"]["S"][-1], item["sk"]["S"]) for item in either["Items"]] == [("a", "1"), ("b", "0")]


def test_a_scan_is_read_in_pages(run, refuse, songs):
    statement = "SELECT pk, sk FROM $T WHERE title = ?"
    found, token = [], {}
    while True:
        answer = run(statement, {"S": "gamma"}, Limit=3, **token)
        assert ("NextToken" in answer) == ("LastEvaluatedKey" in answer)
        found += [item["sk"]["S"] for item in answer["Items"] if item["pk"]["S"] == songs]
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    assert found == ["2"]
    first = run(statement, {"S": "gamma"}, Limit=1)["NextToken"]
    assert refuse(statement, {"S": "beta"}, NextToken=first) == (VALIDATION[1], "NextToken does not match request")
    assert refuse(statement, {"S": "gamma"}, NextToken="none") == (VALIDATION[1], "Invalid NextToken")


def test_indexes_are_read(run, refuse, name):
    run(f"INSERT INTO $T VALUE {{'pk': '{name}', 'sk': '1', 'g': 'g-{name}', 'l': 'x', 'shown': 1, 'hidden': 2}}")
    (item,) = run(f"SELECT * FROM $T.\"by-g\" WHERE g = 'g-{name}' AND shown = 1")["Items"]
    assert item == {"pk": {"S": name}, "sk": {"S": "1"}, "g": {"S": f"g-{name}"}, "shown": {"N": "1"}}
    assert sorts(run(f"SELECT * FROM $T.\"by-g\" WHERE pk = '{name}'")) == ["1"]
    assert sorts(run(f"SELECT sk FROM $T.\"by-l\" WHERE pk = '{name}' AND l > 'a'", ConsistentRead=True)) == ["1"]
    select = "SELECT {} FROM $T.\"{}\" WHERE {}"
    invalid = "One or more parameter values were invalid: "
    refused = {
        select.format("*", "none", "g = 'a'"): "The table does not have the specified index",
        select.format("pk", "by-g", "g = 'a' AND hidden = 1"): invalid
        + "Secondary index by-g does not project one or more filter attributes: [hidden]",
        select.format("hidden", "by-g", "g = 'a'"): invalid
        + "Global secondary index by-g does not project [hidden]",
        "SELECT * FROM $T.\"by-g\".\"more\"": "A path may contain at most 2 components in the FROM clause",
        "SELECT * FROM $T.\"\"": "Path component cannot be an empty string",
        "DELETE FROM $T.\"by-g\" WHERE g = 'a'": "This operation is not supported on an index",
    }
    for statement, message in refused.items():
        assert refuse(statement) == (VALIDATION[1], message)
    consistent = refuse(select.format("*", "by-g", "g = 'a'"), ConsistentRead=True)
    assert consistent[1] == "Strongly consistent read is not supported on Global Secondary Indexes"


def test_updates(run, dynamodb, table, name):
    run(
        f"INSERT INTO $T VALUE {{'pk': '{name}', 'sk': '1', 'n': 1, 'list': [1, 2], 'm': {{'a': 1}}, 'ns': <<1, 2>>, "
        "'ss': <<'a', 'b'>>, 'gone': 1}"
    )
    run(
        "UPDATE $T SET n = n + 100 SET m.b = [2020, 'x'] SET \"list\" = list_append(\"list\", [3]), ns = set_add(ns, <<3>>) "
        f"SET ss = SET_DELETE(ss, <<'a'>>) SET copy = m.a REMOVE gone WHERE pk = '{name}' AND sk = '1'"
    )
    item = stored(dynamodb, table, name)
    assert item["n"] == {"N": "101"} and item["copy"] == {"N": "1"} and "gone" not in item
    assert item["m"]["M"]["b"] == {"L": [{"N": "2020"}, {"S": "x"}]}
    assert item["list"] == {"L": [{"N": "1"}, {"N": "2"}, {"N": "3"}]}
    assert item["ns"] == {"NS": ["1", "2", "3"]} and item["ss"] == {"SS": ["b"]}
    run(f"FROM $T WHERE pk = '{name}' AND sk = '1' SET n = n - 1 REMOVE \"list\"[0]")
    item = stored(dynamodb, table, name)
    assert item["n"] == {"N": "100"} and item["list"] == {"L": [{"N": "2"}, {"N": "3"}]}


RETURNED = {
    "": [],
    "RETURNING ALL OLD *": [{"x": "1", "y": "1"}],
    "RETURNING ALL NEW *": [{"x": "2", "y": "1"}],
    "RETURNING MODIFIED OLD *": [{"x": "1"}],
    "RETURNING MODIFIED NEW *": [{"x": "2"}],
}


@pytest.mark.parametrize("returning", RETURNED)
def test_an_update_returns_what_it_is_asked_for(run, name, returning):
    run(f"INSERT INTO $T VALUE {{'pk': '{name}', 'sk': '1', 'x': '1', 'y': '1'}}")
    items = run(f"UPDATE $T SET x = '2' WHERE pk = '{name}' AND sk = '1' {returning}")["Items"]
    plain = [{key: value["S"] for key, value in item.items() if key not in ("pk", "sk")} for item in items]
    assert plain == RETURNED[returning]


def test_a_delete_returns_what_it_is_asked_for(run, name):
    delete = f"DELETE FROM $T WHERE pk = '{name}' AND sk = '1' RETURNING ALL OLD *"
    assert run(delete)["Items"] == []
    run(f"INSERT INTO $T VALUE {{'pk': '{name}', 'sk': '1', 'x': 1}}")
    assert run(delete)["Items"] == [{"pk": {"S": name}, "sk": {"S": "1"}, "x": {"N": "1"}}]


def test_writes_hold_to_their_conditions(run, dynamodb, table, name):
    failed = (400, "ConditionalCheckFailedException", "The conditional request failed")
    where = f"WHERE pk = '{name}' AND sk = '1'"
    update, delete = f'UPDATE "{table}" SET x = 2 {where}', f'DELETE FROM "{table}" {where}'
    execute = dynamodb.execute_statement
    assert refusal(execute, Statement=update) == failed
    run(delete + " AND x = 5")
    run(f"INSERT INTO $T VALUE {{'pk': '{name}', 'sk': '1', 'x': 1}}")
    for statement in (update, delete):
        assert refusal(execute, Statement=statement + " AND x = 5") == failed
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException) as caught:
        execute(Statement=delete + " AND x = 5", ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert caught.value.response["Item"] == stored(dynamodb, table, name)
    run(update + " AND x IS NOT MISSING")
    assert stored(dynamodb, table, name)["x"] == {"N": "2"}
    run(delete + " AND x = 2")
    assert stored(dynamodb, table, name) is None


def test_capacity_is_told(run, table, songs):
    key = f"pk = '{songs}' AND sk = '1'"
    eventual = run(f"SELECT * FROM $T WHERE {key}", ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]
    assert eventual == {"TableName": table, "CapacityUnits": 0.5}
    consistent = run(f"SELECT * FROM $T WHERE {key}", ReturnConsumedCapacity="TOTAL", ConsistentRead=True)
    assert consistent["ConsumedCapacity"]["CapacityUnits"] == 1.0
    write = run(f"UPDATE $T SET x = 1 WHERE {key}", ReturnConsumedCapacity="INDEXES")["ConsumedCapacity"]
    assert write["Table"] == {"CapacityUnits": 1.0}


INSERT = "INSERT INTO $T VALUE "
UPDATE = "UPDATE $T SET {} WHERE pk = 'a' AND sk = '1'"
SELECT = "SELECT * FROM $T WHERE pk = 'a' AND {}"
NUMBER_OVERFLOW = "Number overflow. Attempting to store a number with magnitude larger than supported range under "

REFUSED = {
    "NOT A STATEMENT": MALFORMED + "Expected data manipulation",
    "SLECT * FROM $T": MALFORMED + "Expected data manipulation",
    "SELECT * FROM $T WHERE pk = 'a' foo": LEFTOVER,
    "SELECT * FROM $T WHERE pk = 1 e5": LEFTOVER,
    "SELECT * FROM $T WHERE pk = 'a')": LEFTOVER,
    "SELECT * FROM $T ORDER BY pk WHERE pk = 'a'": LEFTOVER,
    "DELETE FROM $T WHERE pk = 'a' AND sk = '1' ORDER BY pk": LEFTOVER,
    "FROM $T SET c = 1 WHERE pk = 'a'": LEFTOVER,
    INSERT + "{'pk': 'a', 'sk': '1'} foo": LEFTOVER,
    "INSERT INTO $T t VALUE {'pk': 'a'}": LEFTOVER,
    "SELECT * FROM $T WHERE pk = 1e2147483648": MALFORMED,
    "SELECT * FROM $T WHERE pk = 1.5e-2147483647": MALFORMED,
    "SELECT * FROM $T WHERE pk = 1 # note": MALFORMED,
    "SELECT * FROM $T WHERE pk = 1 /* note": MALFORMED,
    "SELECT * FROM $T WHERE pk = 'a": MALFORMED,
    "SELECT * FROM $T t WHERE pk = 'x'": ALIAS,
    "SELECT * FROM $T AS t": ALIAS,
    "UPDATE $T t SET a = 3 WHERE pk = 'x'": ALIAS,
    "DELETE FROM $T t WHERE pk = 'x'": ALIAS,
    "SELECT * FROM $T WHERE": MALFORMED + "Unexpected term",
    "SELECT * FROM $T WHERE;": MALFORMED + "Unexpected term",
    "SELECT * FROM $T WHERE NOT": MALFORMED + "Unexpected term",
    "SELECT * FROM $T WHERE (": MALFORMED + "Unexpected term",
    "UPDATE $T SET a = 1 WHERE": MALFORMED + "Unexpected term",
    "SELECT * FROM": MALFORMED + "Unexpected term",
    "SELECT * FROM $T WHERE pk = 'a' AND": MALFORMED + "Missing right-hand side expression of infix operator",
    "SELECT * FROM $T WHERE pk = 'a' OR": MALFORMED + "Missing right-hand side expression of infix operator",
    "SELECT * FROM $T WHERE ORDER BY pk": MALFORMED + "Unexpected keyword",
    "SELECT * FROM $T WHERE user = 'a'": MALFORMED + "Unexpected keyword",
    "SELECT * FROM $T WHERE IS NULL": MALFORMED + "Unexpected operator",
    "SELECT * FROM $T WHERE pk = LIKE": MALFORMED + "Unexpected operator",
    "SELECT * FROM $T WHERE pk = 'a' AND x IS FOO": MALFORMED + "Expected type name",
    "DELETE FROM": MALFORMED + "Expected identifier for simple path",
    "DELETE FROM WHERE pk = 'a'": MALFORMED + "Expected identifier for simple path",
    SELECT.format("attribute_exists(m.inner)"): MALFORMED + "Invalid path dot component",
    SELECT.format("x LIKE 'a'"): "Unsupported operation: Like",
    SELECT.format("x IS SYMBOL"): "Unsupported data type for IS operator: SYMBOL. Supported data types are [MISSING, NULL, "
    "BOOLEAN, BLOB, STRING, NUMERIC, STRUCT, TUPLE, LIST]",
    SELECT.format("x = MISSING"): "MISSING must be compared using IS operator at 1:48:7",
    SELECT.format("x IN []"): "IN operator must have a left hand argument of type Variable Reference and right hand argument "
    "of type Seq with at least one member",
    SELECT.format("attribute_exists('x')"): "Operator or function requires a document path; operator or function: "
    "attribute_exists",
    SELECT.format("attribute_exists()"): "Incorrect number of operands for operator or function; operator or function: "
    "attribute_exists, number of operands: 0",
    SELECT.format("begins_with(x, 1)"): "Incorrect operand type for operator or function; operator or function: begins_with, "
    "operand type: N",
    SELECT.format("x < TRUE"): "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL",
    SELECT.format("EXISTS(x)"): "Unrecognized function: exists at 1:44:6",
    SELECT.format("upcase(x) = 'A'"): "Unrecognized function: upcase at 1:44:6",
    SELECT.format("x[-1] = 1"): "List index is not within the allowable range; index: [-1]",
    SELECT.format("x[*] = 1"): "Wildcard path component like a[*].b are not supported",
    SELECT.format("x.* = 1"): "Unpivot path component like a.*.b are not supported",
    SELECT.format("sk.x = '1'"): "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: "
    "Key sk",
    "SELECT size(x) FROM $T": "Unexpected path component at 1:8:4",
    "SELECT pk, * FROM $T": "Other attributes should not be present in the projection when '*' is used.",
    "SELECT *, pk FROM $T": "Other attributes should not be present in the projection when '*' is used.",
    "SELECT pk, m.pk FROM $T": "Duplicate identifiers in select clause: pk",
    "SELECT VALUE pk FROM $T": "Select projection doesn't support value or pivot keywords",
    "SELECT DISTINCT pk FROM $T": "Unsupported clause: DISTINCT at 1:8:8",
    "SELECT * FROM $T WHERE pk = 'a' LIMIT 5": "Unsupported clause: LIMIT at 1:40:5",
    "SELECT * FROM $T, abc": "Only select from a single table or index is supported.",
    "SELECT * FROM \"\"": "Path component cannot be an empty string",
    "SELECT * FROM ab": "Table name should be within the length [3, 255] and only contain 'a-z', 'A-Z', '0-9', '-', '_', '.'.",
    "SELECT * FROM $T ORDER BY sk": "Must have WHERE clause in the statement when using ORDER BY clause.",
    "SELECT * FROM $T WHERE x = 1 ORDER BY sk": "Must have at least one non-optional hash key condition in WHERE clause when "
    "using ORDER BY clause.",
    "SELECT * FROM $T WHERE pk = 'a' ORDER BY x": "Variable reference x in ORDER BY clause must be part of the primary key",
    "SELECT * FROM $T WHERE pk IN ['a', 'b'] ORDER BY sk": "Must have hash key in ORDER BY clause when more than one hash key "
    "condition specified in WHERE clause.",
    "SELECT * FROM $T WHERE pk IN [" + ", ".join(f"'{n}'" for n in range(51)) + "]": "Too many decomposed read operations for "
    "a given query.",
    "SELECT * FROM $T WHERE pk = 5": "One or more parameter values were invalid: Condition parameter type does not match schema "
    "type",
    "EXISTS(SELECT * FROM $T WHERE pk = 'a' AND sk = '1' AND x = 1)": "EXISTS can only be used in ExecuteTransaction write "
    "requests.",
    INSERT + "{'pk': 'a'}": "Key attribute should be present in the item: Key sk",
    INSERT + "{'pk': 1, 'sk': '1'}": "Key attribute's data type should match its data type in table's schema: Key pk",
    INSERT + "{'pk': 'a', 'sk': '1', 'm': {'x': 1e126}}": NUMBER_OVERFLOW + "root.x",
    INSERT + "{'pk': 'a', 'sk': '1', 'l': [1, 1e126]}": NUMBER_OVERFLOW + "root[1]",
    INSERT + "{'pk': 'a', 'sk': '1', 'n': 1e126}": NUMBER_OVERFLOW + "root",
    INSERT + "{'pk': 'a', 'pk': 'b'}": "Duplicate keys in tuple. Key: pk under root",
    INSERT + "{'pk': 'a', 'sk': '1', 'x': <<>>}": "Empty bags are not supported",
    INSERT + "{'pk': 'a', 'sk': '1', 'x': <<'a', 1>>}": "Unexpected data type N in String Set under key root",
    INSERT + "{'pk': 'a', 'sk': '1', 'x': <<TRUE>>}": "Unsupported data type in Bag. DynamoDB only supports either numbers or "
    "strings in bags",
    INSERT + "{'pk': 'a', 'sk': '1', 'x': <<'x', 'x'>>}": "One or more parameter values were invalid: Input collection [x, x] "
    "contains duplicates.",
    INSERT + "'a'": "Unsupported format in item expression. Please use struct format {...} to express item values for insert "
    "statement.",
    INSERT + "{'pk': 'a', 'sk': '1'} RETURNING ALL OLD *": "RETURNING is not supported in INSERT",
    "INSERT INTO $T <<{'pk': 'a'}>>": "Unsupported operation: Inserting multiple items in a single statement is not supported, "
    "use \"INSERT INTO tableName VALUE item\" instead",
    "UPDATE $T SET x = 1": NO_KEY,
    "UPDATE $T SET x = 1 WHERE pk = 'a'": NO_KEY,
    "UPDATE $T SET x = 1 WHERE pk = 'a' OR sk = '1'": NO_KEY,
    "DELETE FROM $T WHERE x = 1": NO_KEY,
    "FROM $T REMOVE a": NO_KEY,
    "UPDATE $T SET x = 1 WHERE pk = 'a' AND sk = '1' AND sk = '2'": "Multiple conditions on same key sk. Only single item "
    "Update/Insert/Delete are supported",
    "UPDATE $T SET x = 1 WHERE pk = 1 AND sk = '1'": "Key attribute's data type should match its data type in table's schema: "
    "Key pk",
    UPDATE.format("pk = 'b'"): "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of "
    "the key",
    UPDATE.format("x = 'a' + 1"): "Incorrect operand type for operator or function; operator or function: +, operand type: S",
    UPDATE.format("x = x * 2"): "Unsupported operation: Times at 1:28:1",
    UPDATE.format("x = set_add(y, <<1>>)"): "The first argument to SET_ADD must equal the assignment value at 1:26:7",
    UPDATE.format("x = set_add(x, 1)"): "The second argument to SET_ADD must be a value with type SET at 1:34:1",
    UPDATE.format("x = set_add(x)"): "SET_ADD must have exactly two arguments at 1:26:7",
    UPDATE.format("x = 1 SET x = 2"): "Invalid UpdateExpression: Two document paths overlap with each other; must remove or "
    "rewrite one of these paths; path one: [x], path two: [x]",
    "UPDATE $T SET x = 1 WHERE pk = 'a' AND sk = '1' RETURNING ALL OLD x": "Expected '*' after ( MODIFIED | ALL ) ( NEW | OLD ) "
    "in RETURNING clause",
    "DELETE FROM $T WHERE pk = 'a' AND sk = '1' RETURNING MODIFIED OLD *": "Invalid returning clause: RETURNING MODIFIED OLD *. "
    "Only RETURNING ALL OLD * is allowed in DELETE statements.",
    "SELECT * FROM $T WHERE pk = ?": "Number of parameters in request and statement don't match.",
}


@pytest.mark.parametrize("statement", REFUSED, ids=[statement[:60] for statement in REFUSED])
def test_statements_are_refused_in_the_words_of_aws(refuse, statement):
    assert refuse(statement) == (VALIDATION[1], REFUSED[statement])


def test_constraints_of_the_model(dynamodb, refuse):
    code, message = refuse("SELECT * FROM abc WHERE x = '" + "x" * 8_192 + "'")
    assert code == "ValidationException"
    assert message.endswith("at 'statement' failed to satisfy constraint: Member must have length less than or equal to 8192")
    assert "greater than or equal to 1" in refuse("SELECT * FROM $T", Limit=0)[1]
    assert "'parameters' failed" in refuse("SELECT * FROM $T", Parameters=[])[1]
    assert refuse('SELECT * FROM "none-of-this-name"') == ("ResourceNotFoundException", "Requested resource not found")
    for operation, name in [(dynamodb.batch_execute_statement, "Statements"), (dynamodb.execute_transaction, "TransactStatements")]:
        assert refusal(operation, **{name: []})[:2] == VALIDATION


def test_a_batch_answers_each_statement(dynamodb, table, run, name):
    run(f"INSERT INTO $T VALUE {{'pk': '{name}', 'sk': '1', 'x': 1}}")
    where = f"WHERE pk = '{name}' AND sk = '1'"
    answer = dynamodb.batch_execute_statement(
        Statements=[
            {"Statement": f'SELECT x FROM "{table}" {where}', "ConsistentRead": True},
            {"Statement": f'SELECT * FROM "{table}" WHERE pk = ? AND sk = ?', "Parameters": [{"S": name}, {"S": "2"}]},
            {"Statement": f'SELECT * FROM "{table}" WHERE pk = \'a\''},
            {"Statement": f'SELECT * FROM "{table}"."by-g" WHERE g = \'a\''},
            {"Statement": f'SELECT * FROM "{table}" {where} AND x = 1'},
            {"Statement": 'SELECT * FROM "none-of-this-name" WHERE pk = \'a\''},
            {"Statement": "SLECT"},
        ],
        ReturnConsumedCapacity="TOTAL",
    )
    key = "Select statements within BatchExecuteStatement must specify the primary key in the where clause."
    invalid = {"Error": {"Code": "ValidationError", "Message": key}, "TableName": table}
    assert answer["Responses"] == [
        {"TableName": table, "Item": {"x": {"N": "1"}}},
        {"TableName": table},
        invalid,
        invalid,
        invalid,
        {"Error": {"Code": "ResourceNotFound", "Message": "Requested resource not found"}},
        {"Error": {"Code": "ValidationError", "Message": MALFORMED + "Expected data manipulation"}},
    ]
    assert answer["ConsumedCapacity"] == [{"TableName": table, "CapacityUnits": 1.5}]


def test_a_batch_writes_what_it_can(dynamodb, table, run, name):
    run(f"INSERT INTO $T VALUE {{'pk': '{name}', 'sk': '1', 'x': 1}}")
    where = f"WHERE pk = '{name}' AND sk = "
    answer = dynamodb.batch_execute_statement(
        Statements=[
            {"Statement": f'INSERT INTO "{table}" VALUE {{\'pk\': \'{name}\', \'sk\': \'2\'}}'},
            {"Statement": f'INSERT INTO "{table}" VALUE {{\'pk\': \'{name}\', \'sk\': \'1\'}}'},
            {"Statement": f'DELETE FROM "{table}" {where}\'3\' RETURNING ALL OLD *'},
            {
                "Statement": f'UPDATE "{table}" SET x = 2 {where}\'1\' AND x = 5',
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            },
            {"Statement": f'UPDATE "{table}" SET y = 2 {where}\'1\' RETURNING MODIFIED NEW *'},
        ]
    )["Responses"]
    assert answer[0] == {"TableName": table}
    duplicate = {"Code": "DuplicateItem", "Message": "Duplicate primary key exists in table"}
    assert answer[1] == {"TableName": table, "Error": duplicate}
    assert answer[2] == {"TableName": table}
    assert answer[3]["Error"]["Code"] == "ConditionalCheckFailed" and answer[3]["Error"]["Item"]["x"] == {"N": "1"}
    assert answer[4] == {"TableName": table, "Item": {"y": {"N": "2"}}}
    mixed = [{"Statement": f'SELECT * FROM "{table}" {where}\'1\''}, {"Statement": f'DELETE FROM "{table}" {where}\'1\''}]
    assert refusal(dynamodb.batch_execute_statement, Statements=mixed)[:2] == VALIDATION


def statements(table, *texts):
    return [{"Statement": text.replace("$T", f'"{table}"')} for text in texts]


def test_a_transaction_writes_all_or_nothing(dynamodb, table, run, name):
    run(f"INSERT INTO $T VALUE {{'pk': '{name}', 'sk': '1', 'n': 0}}")
    key = f"pk = '{name}' AND sk = "
    insert = f"INSERT INTO $T VALUE {{'pk': '{name}', 'sk': '2'}}"
    update = f"UPDATE $T SET n = n + 1 WHERE {key}'1'"
    check = f"EXISTS(SELECT * FROM $T WHERE {key}'3' AND n IS MISSING)"
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as caught:
        dynamodb.execute_transaction(TransactStatements=statements(table, insert, update, check))
    reasons = caught.value.response["CancellationReasons"]
    failed = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
    assert reasons == [{"Code": "None"}, {"Code": "None"}, failed]
    assert stored(dynamodb, table, name, "2") is None
    run(f"INSERT INTO $T VALUE {{'pk': '{name}', 'sk': '3'}}")
    answer = dynamodb.execute_transaction(TransactStatements=statements(table, insert, update, check))
    assert answer["Responses"] == [{}, {}, {}]
    assert stored(dynamodb, table, name)["n"] == {"N": "1"} and stored(dynamodb, table, name, "2")
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as caught:
        dynamodb.execute_transaction(TransactStatements=statements(table, insert, update))
    duplicate = {"Code": "DuplicateItem", "Message": "Duplicate primary key exists in table"}
    assert caught.value.response["CancellationReasons"] == [duplicate, {"Code": "None"}]


def test_a_transaction_reads_at_one_instant(dynamodb, table, songs):
    select = "SELECT title FROM $T WHERE pk = '{}' AND sk = '{}'"
    texts = [select.format(songs, n) for n in (0, 9, 2)]
    answer = dynamodb.execute_transaction(
        TransactStatements=statements(table, *texts), ReturnConsumedCapacity="TOTAL"
    )
    assert answer["Responses"] == [{"Item": {"title": {"S": "alpha"}}}, {}, {"Item": {"title": {"S": "gamma"}}}]
    assert answer["ConsumedCapacity"][0]["ReadCapacityUnits"] == 6.0


def test_a_transaction_with_a_token_is_done_once(dynamodb, table, run, name):
    run(f"INSERT INTO $T VALUE {{'pk': '{name}', 'sk': '1', 'n': 0}}")
    update = statements(table, f"UPDATE $T SET n = n + 1 WHERE pk = '{name}' AND sk = '1'")
    token = {"ClientRequestToken": name, "ReturnConsumedCapacity": "TOTAL"}
    first, again = (dynamodb.execute_transaction(TransactStatements=update, **token) for _ in range(2))
    assert first["ConsumedCapacity"][0]["WriteCapacityUnits"] == 2.0
    assert again["ConsumedCapacity"][0]["ReadCapacityUnits"] == 2.0
    assert stored(dynamodb, table, name)["n"] == {"N": "1"}
    other = statements(table, f"UPDATE $T SET n = n + 2 WHERE pk = '{name}' AND sk = '1'")
    refused = refusal(dynamodb.execute_transaction, TransactStatements=other, **token)
    assert refused[1] == "IdempotentParameterMismatchException"


def test_transactions_are_refused(dynamodb, table):
    update = "UPDATE $T SET x = 1 WHERE pk = 'a' AND sk = '1'"
    failed = "Validation failed in TransactStatements[0]: "
    key = failed + "Select statements within ExecuteTransaction must specify the primary key in the where clause."
    refused = {
        (update + " RETURNING ALL NEW *",): failed + "RETURNING clause is not supported in ExecuteTransaction.",
        ("SELECT * FROM $T WHERE",): failed + MALFORMED + "Unexpected term",
        ("SELECT * FROM $T WHERE pk = 'a'",): key,
        ("SELECT * FROM $T WHERE pk = 'a' AND sk = '1' AND attribute_exists(x)",): key,
        ("SELECT * FROM $T.\"by-g\" WHERE g = 'a'",): failed + "Reads on indices are not supported within transactions.",
        ("EXISTS(SELECT * FROM $T WHERE pk = 'a' AND sk = '1')", update): failed
        + "EXISTS() must contain a single item read with additional condition",
        ("SELECT * FROM $T WHERE pk = 'a' AND sk = '1'", update): "ExecuteTransaction API does not support both read and write "
        "operations in the same request.",
        (update, update): "Transaction request cannot include multiple operations on one item",
    }
    for texts, message in refused.items():
        answer = refusal(dynamodb.execute_transaction, TransactStatements=statements(table, *texts))
        assert answer == (*VALIDATION, message)
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as caught:
        dynamodb.execute_transaction(TransactStatements=statements(table, update, "DELETE FROM $T WHERE pk = 'a'"))
    assert caught.value.response["CancellationReasons"][1] == {"Code": "ValidationError", "Message": NO_KEY}


@pytest.fixture
def session(server, name):
    """A client that may do what the statements allow."""
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}

    def assume(*allowed):
        document = {"Version": "2012-10-17", "Statement": [trust]}
        role = create_role(server, name, *allowed, trust=document)
        keys = server.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        return server.client("dynamodb", keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])

    return assume


def test_each_kind_of_statement_needs_its_permission(session, table, songs):
    arn = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{table}"
    no_scan = {"Bool": {"dynamodb:FullTableScan": "false"}}
    mine = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [songs]}}
    own = session(
        {**allow("dynamodb:PartiQLSelect", resource=arn), "Condition": no_scan},
        {**allow("dynamodb:PartiQLUpdate", resource=arn), "Condition": mine},
    )
    key = "WHERE pk = '{}' AND sk = '1'"
    assert own.execute_statement(Statement=f'SELECT * FROM "{table}" {key.format(songs)}')["Items"]
    own.execute_statement(Statement=f'UPDATE "{table}" SET x = 1 {key.format(songs)}')
    denied = [
        f'SELECT * FROM "{table}"',
        f'SELECT * FROM "{table}" WHERE title = \'alpha\'',
        f'SELECT * FROM "{table}"."by-g" WHERE g = \'a\'',
        f'UPDATE "{table}" SET x = 1 {key.format("other")}',
        f'DELETE FROM "{table}" {key.format(songs)}',
        f'INSERT INTO "{table}" VALUE {{\'pk\': \'{songs}\', \'sk\': \'9\'}}',
        'SELECT * FROM "none-of-this-name"',
    ]
    for statement in denied:
        status, code, message = refusal(own.execute_statement, Statement=statement)
        assert (status, code) == (400, "AccessDeniedException"), statement
        assert "dynamodb:PartiQL" in message
    batch = own.batch_execute_statement(Statements=[{"Statement": denied[4]}])["Responses"]
    assert batch[0]["Error"]["Code"] == "AccessDenied"
    refused = refusal(own.execute_transaction, TransactStatements=[{"Statement": denied[4]}])
    assert refused[1] == "AccessDeniedException"


def test_a_policy_may_ask_for_a_transaction(session, table, songs):
    arn = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{table}"
    within = {"StringEquals": {"dynamodb:EnclosingOperation": ["ExecuteTransaction"]}}
    own = session({**allow("dynamodb:PartiQLDelete", resource=arn), "Condition": within})
    delete = f'DELETE FROM "{table}" WHERE pk = \'{songs}\' AND sk = \'1\''
    assert refusal(own.execute_statement, Statement=delete)[1] == "AccessDeniedException"
    own.execute_transaction(TransactStatements=[{"Statement": delete}])


def test_the_command_line_runs_statements(aws, table, songs):
    statement = f"SELECT title FROM \"{table}\" WHERE pk = '{songs}' AND sk = ?"
    parameters = json.dumps([{"S": "3"}])
    answer = aws("dynamodb", "execute-statement", "--statement", statement, "--parameters", parameters)
    assert answer["Items"] == [{"title": {"S": "delta"}}]
