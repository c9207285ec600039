"""What tests of DynamoDB share: values as they are on the wire, tables, and how a refusal is looked at."""

from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError
from errors import refusal, refused

INVALID = "One or more parameter values were invalid: "
NOT_VALID = "One or more parameter values are not valid. "
NO_MATCH = "The provided key element does not match the schema"
TRUE, FALSE, NULL = {"BOOL": True}, {"BOOL": False}, {"NULL": True}


def s(text):
    return {"S": text}


def n(number):
    return {"N": str(number)}


def b(data):
    return {"B": data}


def l(*elements):
    return {"L": list(elements)}


def m(**members):
    return {"M": members}


def ss(*members):
    return {"SS": list(members)}


def ns(*members):
    return {"NS": [str(member) for member in members]}


def bs(*members):
    return {"BS": list(members)}


# One value of each type.
EACH = {
    "S": s("x"),
    "N": n(7),
    "B": b(b"x"),
    "BOOL": TRUE,
    "NULL": NULL,
    "L": l(s("x")),
    "M": m(x=s("x")),
    "SS": ss("x"),
    "NS": ns(7),
    "BS": bs(b"x"),
}


def key_schema(*names):
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"))]


def definitions(**kinds):
    return [{"AttributeName": name, "AttributeType": kind} for name, kind in kinds.items()]


def index(name, *keys, show="ALL", more=()):
    projection = {"ProjectionType": show, **({"NonKeyAttributes": list(more)} if more else {})}
    return {"IndexName": name, "KeySchema": key_schema(*keys), "Projection": projection}


SHAPES = {
    "plain": {"KeySchema": key_schema("p"), "AttributeDefinitions": definitions(p="S")},
    "texts": {"KeySchema": key_schema("p", "s"), "AttributeDefinitions": definitions(p="S", s="S")},
    "numbers": {"KeySchema": key_schema("p", "s"), "AttributeDefinitions": definitions(p="S", s="N")},
    "bytes": {"KeySchema": key_schema("p"), "AttributeDefinitions": definitions(p="B")},
    # The names of the indexes are not in the order in which they are made.
    "indexed": {
        "KeySchema": key_schema("p", "s"),
        "AttributeDefinitions": definitions(p="S", s="S", g="S", h="N", k="B", l="S"),
        "GlobalSecondaryIndexes": [
            index("g-3", "g", "h", show="KEYS_ONLY"),
            index("g-2", "h", show="INCLUDE", more=["shown"]),
            index("g-1", "g"),
            index("g-4", "k", show="KEYS_ONLY"),
        ],
        "LocalSecondaryIndexes": [index("l-1", "p", "l"), index("l-2", "p", "h", show="KEYS_ONLY")],
    },
}


@contextmanager
def tables(server, prefix, *shapes):
    """Tables of these shapes, by shape."""
    client = server.client("dynamodb")
    names = {shape: f"{prefix}-{shape}" for shape in shapes}
    for shape, name in names.items():
        client.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **SHAPES[shape])
    yield names
    for name in names.values():
        client.delete_table(TableName=name)


def invalid(operation, message, **parameters):
    """The operation is refused with a `ValidationException` of exactly this message."""
    assert refusal(operation, **parameters) == (400, "ValidationException", message)


def violations(*each):
    """The message about constraints of the model."""
    plural = "" if len(each) == 1 else "s"
    return f"{len(each)} validation error{plural} detected: {'; '.join(each)}"


def violation(value, member, constraint):
    shown = "null" if value is None else f"'{value}'"
    return f"Value {shown} at '{member}' failed to satisfy constraint: Member must {constraint}"


def enumeration(value, member, *allowed):
    return violation(value, member, f"satisfy enum value set: [{', '.join(allowed)}]")


def reasons(operation, **parameters):
    """Why each action of a transaction did not happen: (code, message), or `None` where it was not the cause."""
    with pytest.raises(ClientError) as caught:
        operation(**parameters)
    why = caught.value.response.get("CancellationReasons")
    status, code, message = refused(caught.value)
    assert (status, code) == (400, "TransactionCanceledException"), message
    codes = ", ".join(reason["Code"] for reason in why)
    assert message == f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    return [None if reason == {"Code": "None"} else (reason["Code"], reason["Message"]) for reason in why]


def canceled(operation, message, **parameters):
    """The one action of a transaction is refused as no value that could be stored."""
    assert reasons(operation, **parameters) == [("ValidationError", message)]
