"""DynamoDB Streams and expiry with real clients: what is recorded, how it is read, what is refused, and kills."""

import json
import random
import threading
import time

import pytest
from botocore.exceptions import ClientError
from errors import refusal
from functions import allow, policy
from program import ACCOUNT, REGION, until

INVALID = "One or more parameter values were invalid: "
KEY = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
}


class Streamed:
    """Tables with streams, on one server."""

    def __init__(self, server, name):
        self.server, self.name, self.tables = server, name, []
        self.dynamodb, self.streams = server.client("dynamodb"), server.client("dynamodbstreams")

    def table(self, view="NEW_AND_OLD_IMAGES", **settings):
        own = f"{self.name}-{len(self.tables)}"
        stream = {"StreamEnabled": True, "StreamViewType": view} if view else None
        if stream:
            settings["StreamSpecification"] = stream
        settings = {"BillingMode": "PAY_PER_REQUEST", **KEY, **settings}
        made = self.dynamodb.create_table(TableName=own, **settings)["TableDescription"]
        self.tables.append(own)
        return own, made.get("LatestStreamArn")

    def put(self, table, id, **values):
        item = {"id": {"S": id}, **{name: {"N": str(value)} for name, value in values.items()}}
        self.dynamodb.put_item(TableName=table, Item=item)

    def shards(self, arn):
        return self.streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]

    def iterator(self, arn, shard, kind, **more):
        how = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": kind, **more}
        return self.streams.get_shard_iterator(**how)["ShardIterator"]

    def read(self, iterator, **how):
        """All records from an iterator on."""
        found = []
        while iterator:
            page = self.streams.get_records(ShardIterator=iterator, **how)
            found += page["Records"]
            iterator = page.get("NextShardIterator") if page["Records"] else None
        return found

    def records(self, arn):
        """All records of a stream, shard by shard."""
        return [
            record for shard in self.shards(arn) for record in self.read(self.iterator(arn, shard, "TRIM_HORIZON"))
        ]

    def close(self):
        for table in self.tables:
            try:
                self.dynamodb.delete_table(TableName=table)
            except self.dynamodb.exceptions.ResourceNotFoundException:
                pass


@pytest.fixture
def streamed(server, name):
    made = Streamed(server, name)
    yield made
    made.close()


def test_a_stream_is_described_with_its_table(streamed):
    table, arn = streamed.table("NEW_IMAGE")
    described = streamed.dynamodb.describe_table(TableName=table)["Table"]
    assert described["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    assert described["LatestStreamArn"] == arn
    label = described["LatestStreamLabel"]
    assert arn == f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}/stream/{label}"
    stream = streamed.streams.describe_stream(StreamArn=arn)["StreamDescription"]
    assert (stream["StreamStatus"], stream["StreamViewType"]) == ("ENABLED", "NEW_IMAGE")
    assert (stream["TableName"], stream["StreamLabel"], stream["KeySchema"]) == (table, label, KEY["KeySchema"])
    assert abs(stream["CreationRequestDateTime"].timestamp() - time.time()) < 60
    assert len(stream["Shards"]) == 4
    for shard in stream["Shards"]:
        assert 28 <= len(shard["ShardId"]) <= 65 and shard["ShardId"].startswith("shardId-")
        assert list(shard["SequenceNumberRange"]) == ["StartingSequenceNumber"]
    first = streamed.streams.describe_stream(StreamArn=arn, Limit=3)["StreamDescription"]
    assert first["LastEvaluatedShardId"] == stream["Shards"][2]["ShardId"]
    more = {"StreamArn": arn, "ExclusiveStartShardId": first["LastEvaluatedShardId"]}
    assert streamed.streams.describe_stream(**more)["StreamDescription"]["Shards"] == stream["Shards"][3:]
    provisioned = {"BillingMode": "PROVISIONED", "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}
    assert len(streamed.shards(streamed.table(**provisioned)[1])) == 1


def test_streams_are_listed(streamed):
    made = [streamed.table() for _ in range(3)]
    listed = lambda **how: streamed.streams.list_streams(**how)
    (one,) = listed(TableName=made[1][0])["Streams"]
    label = made[1][1].rsplit("/", 1)[1]
    assert one == {"StreamArn": made[1][1], "TableName": made[1][0], "StreamLabel": label}
    assert listed(TableName="nobody-has-this")["Streams"] == []
    found, page = [], listed(Limit=1)
    while True:
        found += [stream["StreamArn"] for stream in page["Streams"]]
        if "LastEvaluatedStreamArn" not in page:
            break
        assert page["LastEvaluatedStreamArn"] == found[-1]
        page = listed(Limit=1, ExclusiveStartStreamArn=found[-1])
    assert set(arn for _, arn in made) <= set(found) and len(found) == len(set(found))


def test_records_show_what_the_view_says(streamed):
    old, new = {"id": {"S": "a"}, "n": {"N": "1"}}, {"id": {"S": "a"}, "n": {"N": "2"}}
    images = {
        "KEYS_ONLY": {},
        "NEW_IMAGE": {"NewImage": new},
        "OLD_IMAGE": {"OldImage": old},
        "NEW_AND_OLD_IMAGES": {"NewImage": new, "OldImage": old},
    }
    # Keys: 2 + 1; an image besides: 1 + 2.
    sizes = {"KEYS_ONLY": 3, "NEW_IMAGE": 9, "OLD_IMAGE": 9, "NEW_AND_OLD_IMAGES": 15}
    for view, shown in images.items():
        table, arn = streamed.table(view)
        streamed.put(table, "a", n=1)
        streamed.put(table, "a", n=2)
        streamed.dynamodb.delete_item(TableName=table, Key={"id": {"S": "a"}})
        inserted, modified, removed = streamed.records(arn)
        assert [record["eventName"] for record in (inserted, modified, removed)] == ["INSERT", "MODIFY", "REMOVE"]
        change = modified["dynamodb"]
        assert {name: change[name] for name in ("NewImage", "OldImage") if name in change} == shown
        assert (change["Keys"], change["StreamViewType"], change["SizeBytes"]) == ({"id": {"S": "a"}}, view, sizes[view])
        assert abs(change["ApproximateCreationDateTime"].timestamp() - time.time()) < 60
        assert 21 <= len(change["SequenceNumber"]) <= 40 and change["SequenceNumber"].isdigit()
        assert (modified["eventVersion"], modified["eventSource"], modified["awsRegion"]) == ("1.1", "aws:dynamodb", REGION)
        assert len({record["eventID"] for record in (inserted, modified, removed)}) == 3
        assert "userIdentity" not in removed and "NewImage" not in removed["dynamodb"] and "OldImage" not in inserted["dynamodb"]


def test_only_what_changes_something_is_recorded(streamed):
    table, arn = streamed.table()
    streamed.put(table, "a", n=1)
    streamed.put(table, "a", n=1)
    streamed.dynamodb.delete_item(TableName=table, Key={"id": {"S": "b"}})
    update = {"TableName": table, "Key": {"id": {"S": "a"}}, "UpdateExpression": "SET n = :n"}
    streamed.dynamodb.update_item(**update, ExpressionAttributeValues={":n": {"N": "1"}})
    streamed.dynamodb.update_item(**update, ExpressionAttributeValues={":n": {"N": "2"}})
    with pytest.raises(ClientError):
        streamed.dynamodb.delete_item(
            TableName=table, Key={"id": {"S": "a"}}, ConditionExpression="attribute_not_exists(id)"
        )
    assert [record["eventName"] for record in streamed.records(arn)] == ["INSERT", "MODIFY"]


def test_iterators_of_all_kinds(streamed):
    table, arn = streamed.table()
    streamed.put(table, "a", n=0)
    (shard,) = [shard for shard in streamed.shards(arn) if streamed.read(streamed.iterator(arn, shard, "TRIM_HORIZON"))]
    latest = streamed.iterator(arn, shard, "LATEST")
    for n in range(1, 6):
        streamed.put(table, "a", n=n)
    numbers = lambda records: [int(record["dynamodb"]["NewImage"]["n"]["N"]) for record in records]
    whole = streamed.read(streamed.iterator(arn, shard, "TRIM_HORIZON"))
    assert numbers(whole) == [0, 1, 2, 3, 4, 5]
    sequences = [record["dynamodb"]["SequenceNumber"] for record in whole]
    assert sequences == sorted(sequences) and len(set(sequences)) == 6
    assert numbers(streamed.read(latest)) == [1, 2, 3, 4, 5]
    at = streamed.iterator(arn, shard, "AT_SEQUENCE_NUMBER", SequenceNumber=sequences[3])
    after = streamed.iterator(arn, shard, "AFTER_SEQUENCE_NUMBER", SequenceNumber=sequences[3])
    assert (numbers(streamed.read(at)), numbers(streamed.read(after))) == ([3, 4, 5], [4, 5])
    page = streamed.streams.get_records(ShardIterator=at, Limit=2)
    assert numbers(page["Records"]) == [3, 4]
    assert numbers(streamed.read(page["NextShardIterator"])) == [5]
    assert numbers(streamed.read(at, Limit=1)) == [3, 4, 5]


def test_pages_end_at_a_megabyte(streamed):
    table, arn = streamed.table("NEW_IMAGE")
    for n in range(4):
        item = {"id": {"S": "a"}, "n": {"N": str(n)}, "text": {"S": "x" * 350_000}}
        streamed.dynamodb.put_item(TableName=table, Item=item)
    for shard in streamed.shards(arn):
        page = streamed.streams.get_records(ShardIterator=streamed.iterator(arn, shard, "TRIM_HORIZON"))
        if page["Records"]:
            assert len(page["Records"]) == 2
            assert len(streamed.read(page["NextShardIterator"])) == 2


def test_a_stream_outlives_its_being_disabled(streamed):
    table, arn = streamed.table("KEYS_ONLY")
    update = lambda **wish: streamed.dynamodb.update_table(TableName=table, StreamSpecification=wish)["TableDescription"]
    streamed.put(table, "a", n=1)
    on, off = {"StreamEnabled": True, "StreamViewType": "OLD_IMAGE"}, {"StreamEnabled": False}
    enabled = (400, "ValidationException", f"Table already has an enabled stream: TableName: {table}")
    assert refusal(update, **on) == enabled
    assert refusal(update, **{**on, "StreamViewType": "KEYS_ONLY"}) == enabled
    assert refusal(update, StreamEnabled=True)[2] == INVALID + "If stream is being enabled then UpdateViewType is required"
    assert refusal(update, **{**on, "StreamEnabled": False})[2] == (
        INVALID + "If stream is being disabled, then UpdateViewType must not be specified"
    )
    assert update(**off)["TableStatus"] == "UPDATING"
    described = streamed.dynamodb.describe_table(TableName=table)["Table"]
    assert "StreamSpecification" not in described and described["LatestStreamArn"] == arn
    assert refusal(update, **off)[2] == f"Table has no stream to disable: TableName: {table}"
    streamed.put(table, "a", n=2)
    second = update(**on)["LatestStreamArn"]
    assert second != arn
    streamed.put(table, "a", n=3)
    stream = streamed.streams.describe_stream(StreamArn=arn)["StreamDescription"]
    assert stream["StreamStatus"] == "DISABLED"
    assert all("EndingSequenceNumber" in shard["SequenceNumberRange"] for shard in stream["Shards"])
    assert [record["eventName"] for record in streamed.records(arn)] == ["INSERT"]
    for shard in stream["Shards"]:
        page = streamed.streams.get_records(ShardIterator=streamed.iterator(arn, shard, "TRIM_HORIZON"))
        assert "NextShardIterator" not in page
    ((old),) = [record["dynamodb"]["OldImage"]["n"]["N"] for record in streamed.records(second)]
    assert old == "2"
    assert {stream["StreamArn"] for stream in streamed.streams.list_streams(TableName=table)["Streams"]} == {arn, second}
    streamed.dynamodb.delete_table(TableName=table)
    assert streamed.streams.describe_stream(StreamArn=second)["StreamDescription"]["StreamStatus"] == "DISABLED"
    assert len(streamed.records(second)) == 1


def test_creations_that_are_refused(streamed):
    create = lambda wish: streamed.dynamodb.create_table(
        TableName=f"{streamed.name}-no", BillingMode="PAY_PER_REQUEST", StreamSpecification=wish, **KEY
    )
    for wish, message in [
        ({"StreamEnabled": True}, INVALID + "If stream is being enabled then UpdateViewType is required"),
        (
            {"StreamEnabled": False, "StreamViewType": "KEYS_ONLY"},
            INVALID + "If stream is being disabled, then UpdateViewType must not be specified",
        ),
        (
            {"StreamEnabled": True, "StreamViewType": "ALL"},
            "1 validation error detected: Value 'ALL' at 'streamSpecification.streamViewType' failed to satisfy constraint: "
            "Member must satisfy enum value set: [NEW_IMAGE, OLD_IMAGE, NEW_AND_OLD_IMAGES, KEYS_ONLY]",
        ),
    ]:
        assert refusal(create, wish=wish) == (400, "ValidationException", message)
    made = streamed.table(view=None, StreamSpecification={"StreamEnabled": False})
    assert made[1] is None


def test_reads_that_are_refused(streamed):
    table, arn = streamed.table()
    shard = streamed.shards(arn)[0]["ShardId"]
    streams = streamed.streams
    gone = arn[:-1] + ("0" if arn[-1] != "0" else "1")
    missing = (400, "ResourceNotFoundException", f"Requested resource not found: Stream: {gone} not found")
    get = {"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "LATEST"}
    assert refusal(streams.describe_stream, StreamArn=gone) == missing
    assert refusal(streams.get_shard_iterator, **{**get, "StreamArn": gone}) == missing
    other = f"shardId-{'0' * 20}-{'f' * 8}"
    assert refusal(streams.get_shard_iterator, **{**get, "ShardId": other}) == (
        400,
        "ResourceNotFoundException",
        f"Requested resource not found: Shard: {other} in Stream: {arn} not found",
    )
    assert refusal(streams.describe_stream, StreamArn=arn, ExclusiveStartShardId=other)[1] == "ResourceNotFoundException"
    invalid = lambda call, **how: refusal(call, **how)[1:]
    assert invalid(streams.describe_stream, StreamArn=f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}") == (
        "ValidationException",
        "Invalid StreamArn",
    )
    assert invalid(streams.get_records, ShardIterator="x" * 100) == ("ValidationException", "Invalid ShardIterator")
    for kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
        assert invalid(streams.get_shard_iterator, **{**get, "ShardIteratorType": kind}) == (
            "ValidationException",
            f"{INVALID}{kind} requires a SequenceNumber",
        )
        wrong = {**get, "ShardIteratorType": kind, "SequenceNumber": "7" * 39 + "x"}
        assert invalid(streams.get_shard_iterator, **wrong)[0] == "ValidationException"
    iterator = streams.get_shard_iterator(**get)["ShardIterator"]
    for call, how, where in [
        (streams.get_records, {"ShardIterator": iterator, "Limit": 0}, "limit"),
        (streams.get_records, {"ShardIterator": iterator, "Limit": 1001}, "limit"),
        (streams.get_records, {"ShardIterator": "x" * 2049}, "shardIterator"),
        (streams.get_shard_iterator, {**get, "ShardIteratorType": "AT_TIMESTAMP"}, "shardIteratorType"),
        (streams.get_shard_iterator, {**get, "ShardId": "short"}, "shardId"),
        (streams.get_shard_iterator, {**get, "SequenceNumber": "1"}, "sequenceNumber"),
        (streams.describe_stream, {"StreamArn": "arn:short"}, "streamArn"),
        (streams.describe_stream, {"StreamArn": arn, "Limit": 0}, "limit"),
        (streams.list_streams, {"Limit": 101}, "limit"),
        (streams.list_streams, {"TableName": "a"}, "tableName"),
    ]:
        code, message = invalid(call, **how)
        assert code == "ValidationException" and f"at '{where}' failed to satisfy constraint" in message, how


def test_policies_name_streams(server, streamed, name):
    _, arn = streamed.table()
    _, other = streamed.table()
    shard = streamed.shards(arn)[0]["ShardId"]
    iterator = streamed.iterator(arn, {"ShardId": shard}, "TRIM_HORIZON")
    iam = server.client("iam")
    iam.create_user(UserName=name)
    allowed = allow("dynamodb:DescribeStream", "dynamodb:GetRecords", resource=arn)
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy(allowed))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    streams = server.client("dynamodbstreams", key["AccessKeyId"], key["SecretAccessKey"])
    streams.describe_stream(StreamArn=arn)
    streams.get_records(ShardIterator=iterator)
    for call, how in [
        (streams.describe_stream, {"StreamArn": other}),
        (streams.get_shard_iterator, {"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "LATEST"}),
        (streams.get_records, {"ShardIterator": streamed.iterator(other, streamed.shards(other)[0], "LATEST")}),
        (streams.list_streams, {}),
    ]:
        assert refusal(call, **how)[:2] == (400, "AccessDeniedException")


def test_items_that_expire_are_deleted_within_seconds_and_recorded(streamed):
    table, arn = streamed.table()
    dynamodb = streamed.dynamodb
    dynamodb.update_table(
        TableName=table,
        AttributeDefinitions=[*KEY["AttributeDefinitions"], {"AttributeName": "ends", "AttributeType": "N"}],
        GlobalSecondaryIndexUpdates=[
            {
                "Create": {
                    "IndexName": "by-end",
                    "KeySchema": [{"AttributeName": "ends", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            }
        ],
    )
    now = int(time.time())
    streamed.put(table, "before", ends=now - 10)
    streamed.put(table, "ancient", ends=now - 6 * 365 * 86_400)
    wish = {"Enabled": True, "AttributeName": "ends"}
    dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=wish)
    streamed.put(table, "soon", ends=now + 2)
    streamed.put(table, "later", ends=now + 3600)
    ids = lambda **how: sorted(item["id"]["S"] for item in dynamodb.scan(TableName=table, **how)["Items"])
    until(lambda: ids() == ["ancient", "later"], "two items that are left", seconds=10)
    until(lambda: ids(IndexName="by-end") == ["ancient", "later"], "an index that shows the same")
    removed = [record for record in streamed.records(arn) if record["eventName"] == "REMOVE"]
    assert sorted(record["dynamodb"]["Keys"]["id"]["S"] for record in removed) == ["before", "soon"]
    identity = {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
    assert all(record["userIdentity"] == identity and "OldImage" in record["dynamodb"] for record in removed)
    dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification={**wish, "Enabled": False})
    streamed.put(table, "kept", ends=now - 1)
    dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "other"})
    streamed.put(table, "goes", other=now - 1)
    until(lambda: ids() == ["ancient", "kept", "later"], "only what the present attribute says", seconds=10)


TEMPLATE = {
    "Resources": {
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "BillingMode": "PAY_PER_REQUEST",
                **KEY,
                "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
            },
        }
    },
    "Outputs": {"Stream": {"Value": {"Fn::GetAtt": ["Table", "StreamArn"]}}, "Table": {"Value": {"Ref": "Table"}}},
}


def test_a_stack_with_a_stream(server, streamed, name):
    stacks = server.client("cloudformation")

    def outputs(waiter, body, call):
        call(StackName=name, TemplateBody=json.dumps(body))
        stacks.get_waiter(waiter).wait(StackName=name)
        (stack,) = stacks.describe_stacks(StackName=name)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    first = outputs("stack_create_complete", TEMPLATE, stacks.create_stack)
    described = lambda: streamed.dynamodb.describe_table(TableName=first["Table"])["Table"]
    assert described()["LatestStreamArn"] == first["Stream"]
    other = json.loads(json.dumps(TEMPLATE))
    other["Resources"]["Table"]["Properties"]["StreamSpecification"]["StreamViewType"] = "KEYS_ONLY"
    second = outputs("stack_update_complete", other, stacks.update_stack)
    assert second["Stream"] != first["Stream"] and described()["LatestStreamArn"] == second["Stream"]
    assert described()["StreamSpecification"]["StreamViewType"] == "KEYS_ONLY"
    del other["Resources"]["Table"]["Properties"]["StreamSpecification"], other["Outputs"]["Stream"]
    outputs("stack_update_complete", other, stacks.update_stack)
    assert "StreamSpecification" not in described()
    stacks.delete_stack(StackName=name)
    stacks.get_waiter("stack_delete_complete").wait(StackName=name)


def test_items_indexes_and_records_agree_whatever_is_killed(own_server):
    """What records say, replayed in order, is what is in the table and in its index; what was acknowledged is in them."""
    streamed = Streamed(own_server, "kill")
    index = {
        "IndexName": "by-n",
        "KeySchema": [{"AttributeName": "n", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    settings = {
        "AttributeDefinitions": [*KEY["AttributeDefinitions"], {"AttributeName": "n", "AttributeType": "N"}],
        "GlobalSecondaryIndexes": [index],
    }
    table, arn = streamed.table(**settings)
    acknowledged, moments = {}, random.Random(20261127)

    def write(writer, life):
        dynamodb = own_server.client("dynamodb")
        for n in range(200):
            # Each writer has keys of its own, so it knows what the last acknowledged state of each is.
            id, state = f"{writer}-{n % 5}", life * 1_000 + n + 1
            try:
                if n % 7 == 6:
                    dynamodb.delete_item(TableName=table, Key={"id": {"S": id}})
                    state = None
                elif n % 3 == 0:
                    item = {"id": {"S": id}, "n": {"N": str(state)}}
                    dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": item}}])
                else:
                    dynamodb.put_item(TableName=table, Item={"id": {"S": id}, "n": {"N": str(state)}})
            except Exception:
                return
            acknowledged.setdefault(id, []).append(state)

    for life in range(4):
        writers = [threading.Thread(target=write, args=(writer, life)) for writer in range(6)]
        before = sum(map(len, acknowledged.values()))
        for writer in writers:
            writer.start()
        until(lambda: sum(map(len, acknowledged.values())) > before + 20, "writes under way")
        time.sleep(moments.uniform(0, 0.4))
        own_server.kill()
        for writer in writers:
            writer.join()
        own_server.start()

    replayed, told = {}, {}
    for record in streamed.records(arn):
        change = record["dynamodb"]
        id = change["Keys"]["id"]["S"]
        image = change.get("NewImage")
        assert change.get("OldImage") == replayed.get(id), "each record goes on from the one before"
        replayed[id] = image
        told.setdefault(id, []).append(image and int(image["n"]["N"]))
    items = lambda **how: {
        item["id"]["S"]: item
        for page in own_server.client("dynamodb").get_paginator("scan").paginate(TableName=table, **how)
        for item in page["Items"]
    }
    assert items() == {id: image for id, image in replayed.items() if image} == items(IndexName="by-n")
    for id, states in acknowledged.items():
        rest = iter(told.get(id, []))
        missing = [state for state in states if state is not None and state not in rest]
        assert missing == [], "every acknowledged state is recorded, in order"
