"""Backups, point-in-time recovery, and tables restored from them: what is restored, when, and what is refused.

AWS: Developer Guide, "Backing up and restoring DynamoDB tables".
"""

import json
import threading
import time

import pytest
from errors import refusal
from functions import allow, create_role
from program import ACCOUNT, until

VALIDATION = (400, "ValidationException")
NONE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/none-of-this-name/backup/01600000000000-00000000"


def keys(*names):
    kinds = ["HASH", "RANGE"]
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(names, kinds)]


def create(dynamodb, name):
    """A table with the key `id`, `n`, an index over `g` and a local one over `l`."""
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=keys("id", "n"),
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "n", "AttributeType": "N"},
            {"AttributeName": "g", "AttributeType": "S"},
            {"AttributeName": "l", "AttributeType": "N"},
        ],
        GlobalSecondaryIndexes=[
            {"IndexName": "by-g", "KeySchema": keys("g"), "Projection": {"ProjectionType": "ALL"}}
        ],
        LocalSecondaryIndexes=[
            {"IndexName": "by-l", "KeySchema": keys("id", "l"), "Projection": {"ProjectionType": "KEYS_ONLY"}}
        ],
        Tags=[{"Key": "a", "Value": "1"}],
    )
    return name


@pytest.fixture
def table(dynamodb, name):
    yield create(dynamodb, name)
    dynamodb.delete_table(TableName=name)


def item(n, x):
    return {"id": {"S": f"p{n % 3}"}, "n": {"N": str(n)}, "g": {"S": f"g{x % 2}"}, "x": {"N": str(x)}}


def put(dynamodb, table, n, x):
    dynamodb.put_item(TableName=table, Item=item(n, x))


def contents(dynamodb, table, index=None):
    """The values of `x` by `n`."""
    more = {"IndexName": index} if index else {}
    pages = dynamodb.get_paginator("scan").paginate(TableName=table, **more)
    return {int(i["n"]["N"]): int(i["x"]["N"]) for page in pages for i in page["Items"]}


def backed_up(dynamodb, table, backup="first"):
    """The ARN of a new backup that is available."""
    details = dynamodb.create_backup(TableName=table, BackupName=backup)["BackupDetails"]
    assert (details["BackupName"], details["BackupType"]) == (backup, "USER")
    assert details["BackupStatus"] in ("CREATING", "AVAILABLE")
    arn = details["BackupArn"]
    until(lambda: described(dynamodb, arn)["BackupStatus"] == "AVAILABLE", "the backup is available")
    return arn


def described(dynamodb, arn):
    return dynamodb.describe_backup(BackupArn=arn)["BackupDescription"]["BackupDetails"]


def arrived(dynamodb, table):
    def active():
        found = dynamodb.describe_table(TableName=table)["Table"]
        return found if found["TableStatus"] == "ACTIVE" else None

    return until(active, "the restored table is active")


def enable(dynamodb, table, **more):
    wish = {"PointInTimeRecoveryEnabled": True, **more}
    answer = dynamodb.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=wish)
    return answer["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]


def recovery(dynamodb, table):
    found = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    assert found["ContinuousBackupsStatus"] == "ENABLED"
    return found["PointInTimeRecoveryDescription"]


class Writer(threading.Thread):
    """Writes one item after another and notes when: between `begun` and `ended` each was made."""

    def __init__(self, dynamodb, table, items):
        super().__init__()
        self.dynamodb, self.table, self.items = dynamodb, table, items
        self.writes = []
        self.stopping = threading.Event()

    def run(self):
        x = 0
        while not self.stopping.is_set():
            n = x * 7 % self.items
            begun = time.time()
            if x % 5 == 4:
                self.dynamodb.delete_item(TableName=self.table, Key={"id": {"S": f"p{n % 3}"}, "n": {"N": str(n)}})
            else:
                put(self.dynamodb, self.table, n, x)
            self.writes.append((begun, time.time(), n, None if x % 5 == 4 else x))
            x += 1

    def stop(self):
        self.stopping.set()
        self.join()

    def after(self, count):
        """The table after the first `count` writes."""
        state = {}
        for _, _, n, x in self.writes[:count]:
            state.pop(n, None)
            if x is not None:
                state[n] = x
        return state

    def states(self, first, last):
        """Every state that the table had between two moments."""
        done = sum(ended < first for _, ended, _, _ in self.writes)
        begun = sum(begun <= last for begun, _, _, _ in self.writes)
        return [self.after(count) for count in range(done, begun + 1)]


def test_a_backup_is_made_listed_restored_and_deleted(dynamodb, table, name):
    for n in range(20):
        put(dynamodb, table, n, n)
    arn = backed_up(dynamodb, table)
    assert arn.startswith(f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{table}/backup/")
    for n in range(10):
        put(dynamodb, table, n, 100)
    description = dynamodb.describe_backup(BackupArn=arn)["BackupDescription"]
    source = description["SourceTableDetails"]
    assert (source["TableName"], source["ItemCount"], source["KeySchema"]) == (table, 20, keys("id", "n"))
    assert description["SourceTableFeatureDetails"]["GlobalSecondaryIndexes"][0]["IndexName"] == "by-g"
    second = backed_up(dynamodb, table, "second")
    listed = dynamodb.list_backups(TableName=table)["BackupSummaries"]
    assert [summary["BackupArn"] for summary in listed] == [arn, second]
    page = dynamodb.list_backups(TableName=table, Limit=1)
    assert page["LastEvaluatedBackupArn"] == arn
    rest = dynamodb.list_backups(TableName=table, ExclusiveStartBackupArn=arn)
    assert [summary["BackupName"] for summary in rest["BackupSummaries"]] == ["second"]
    assert dynamodb.list_backups(TableName=table, BackupType="SYSTEM")["BackupSummaries"] == []

    copy = f"{name}-copy"
    made = dynamodb.restore_table_from_backup(TargetTableName=copy, BackupArn=arn)["TableDescription"]
    assert made["TableStatus"] == "CREATING" and made["RestoreSummary"]["RestoreInProgress"]
    restored = arrived(dynamodb, copy)
    assert restored["RestoreSummary"]["SourceBackupArn"] == arn and not restored["RestoreSummary"]["RestoreInProgress"]
    assert restored["ItemCount"] == 20 and restored["TableId"] != source["TableId"]
    assert contents(dynamodb, copy) == {n: n for n in range(20)}
    assert contents(dynamodb, copy, "by-g") == {n: n for n in range(20)}
    assert dynamodb.list_tags_of_resource(ResourceArn=restored["TableArn"])["Tags"] == []
    put(dynamodb, copy, 0, 5)

    deleted = dynamodb.delete_backup(BackupArn=arn)["BackupDescription"]["BackupDetails"]
    assert deleted["BackupStatus"] == "DELETED"
    assert refusal(dynamodb.describe_backup, BackupArn=arn)[:2] == (400, "BackupNotFoundException")
    dynamodb.delete_table(TableName=copy)


def test_a_backup_is_of_one_moment(dynamodb, table, name):
    writer = Writer(dynamodb, table, 40)
    writer.start()
    until(lambda: len(writer.writes) > 50, "something has been written")
    first = time.time()
    arn = dynamodb.create_backup(TableName=table, BackupName="moment")["BackupDetails"]["BackupArn"]
    last = time.time()
    until(lambda: described(dynamodb, arn)["BackupStatus"] == "AVAILABLE", "the backup is available")
    writer.stop()
    dynamodb.restore_table_from_backup(TargetTableName=f"{name}-copy", BackupArn=arn)
    arrived(dynamodb, f"{name}-copy")
    assert contents(dynamodb, f"{name}-copy") in writer.states(first, last)
    dynamodb.delete_table(TableName=f"{name}-copy")


def test_any_second_is_restored_while_writes_go_on(dynamodb, table, name):
    put(dynamodb, table, 39, 5)
    dynamodb.delete_item(TableName=table, Key={"id": {"S": "p0"}, "n": {"N": "39"}})
    since = enable(dynamodb, table)
    assert since["PointInTimeRecoveryStatus"] == "ENABLED" and since["RecoveryPeriodInDays"] == 35
    writer = Writer(dynamodb, table, 40)
    writer.start()
    earliest = since["EarliestRestorableDateTime"].timestamp()
    until(lambda: time.time() > earliest + 2, "seconds have passed")
    seconds = [int(earliest), int(earliest) + 1, int(earliest) + 2]
    for n, second in enumerate(seconds):
        dynamodb.restore_table_to_point_in_time(
            SourceTableName=table, TargetTableName=f"{name}-{n}", RestoreDateTime=second
        )
    before = time.time()
    dynamodb.restore_table_to_point_in_time(
        SourceTableArn=f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{table}",
        TargetTableName=f"{name}-latest",
        UseLatestRestorableTime=True,
    )
    after = time.time()
    found = [arrived(dynamodb, f"{name}-{n}") for n in range(3)]
    arrived(dynamodb, f"{name}-latest")
    writer.stop()
    for n, second in enumerate(seconds):
        assert found[n]["RestoreSummary"]["RestoreDateTime"].timestamp() == second
        assert contents(dynamodb, f"{name}-{n}") in writer.states(second, second)
    assert contents(dynamodb, f"{name}-latest") in writer.states(before, after)
    for suffix in (0, 1, 2, "latest"):
        dynamodb.delete_table(TableName=f"{name}-{suffix}")


def test_recovery_is_enabled_and_disabled(dynamodb, table):
    assert recovery(dynamodb, table) == {"PointInTimeRecoveryStatus": "DISABLED"}
    first = enable(dynamodb, table, RecoveryPeriodInDays=7)
    assert first["RecoveryPeriodInDays"] == 7
    assert recovery(dynamodb, table)["EarliestRestorableDateTime"] == first["EarliestRestorableDateTime"]
    again = enable(dynamodb, table, RecoveryPeriodInDays=9)
    assert again["RecoveryPeriodInDays"] == 9
    assert again["EarliestRestorableDateTime"] == first["EarliestRestorableDateTime"]
    off = {"PointInTimeRecoveryEnabled": False}
    dynamodb.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=off)
    assert recovery(dynamodb, table) == {"PointInTimeRecoveryStatus": "DISABLED"}
    refused = refusal(
        dynamodb.restore_table_to_point_in_time,
        SourceTableName=table,
        TargetTableName=f"{table}-copy",
        UseLatestRestorableTime=True,
    )
    assert refused == (
        400,
        "PointInTimeRecoveryUnavailableException",
        f"Point in time recovery is not enabled for table '{table}'",
    )


def test_a_restored_table_may_have_other_settings(dynamodb, table, name):
    for n in range(6):
        put(dynamodb, table, n, n)
    arn = backed_up(dynamodb, table)
    capacity = {"ReadCapacityUnits": 3, "WriteCapacityUnits": 4}
    index = {
        "IndexName": "by-g",
        "KeySchema": keys("g"),
        "Projection": {"ProjectionType": "ALL"},
        "ProvisionedThroughput": capacity,
    }
    restore = dynamodb.restore_table_from_backup
    restore(
        TargetTableName=f"{name}-copy",
        BackupArn=arn,
        BillingModeOverride="PROVISIONED",
        ProvisionedThroughputOverride=capacity,
        GlobalSecondaryIndexOverride=[index],
        LocalSecondaryIndexOverride=[],
    )
    made = arrived(dynamodb, f"{name}-copy")
    assert made["ProvisionedThroughput"]["WriteCapacityUnits"] == 4
    assert "LocalSecondaryIndexes" not in made
    assert sorted(definition["AttributeName"] for definition in made["AttributeDefinitions"]) == ["g", "id", "n"]
    assert contents(dynamodb, f"{name}-copy", "by-g") == {n: n for n in range(6)}
    dynamodb.delete_table(TableName=f"{name}-copy")
    other = {"TargetTableName": f"{name}-other", "BackupArn": arn}
    foreign = {**index, "KeySchema": keys("l")}
    assert refusal(restore, **other, GlobalSecondaryIndexOverride=[foreign])[:2] == VALIDATION
    assert refusal(restore, **other, BillingModeOverride="PROVISIONED")[:2] == VALIDATION
    assert refusal(restore, **other, BillingModeOverride="FREE")[:2] == VALIDATION
    assert refusal(restore, **other, OnDemandThroughputOverride={"MaxReadRequestUnits": 5})[:2] == VALIDATION
    assert refusal(restore, **{**other, "TargetTableName": table})[1] == "TableAlreadyExistsException"


def test_what_is_refused(dynamodb, table):
    missing = (400, "TableNotFoundException", "Table not found: none-of-this-name")
    none = {"TableName": "none-of-this-name"}
    on = {"PointInTimeRecoveryEnabled": True}
    assert refusal(dynamodb.create_backup, **none, BackupName="backup") == missing
    assert refusal(dynamodb.describe_continuous_backups, **none) == missing
    update = dynamodb.update_continuous_backups
    assert refusal(update, **none, PointInTimeRecoverySpecification=on) == missing
    absent = (400, "BackupNotFoundException", f"Backup not found: {NONE}")
    assert refusal(dynamodb.describe_backup, BackupArn=NONE) == absent
    assert refusal(dynamodb.delete_backup, BackupArn=NONE) == absent
    assert refusal(dynamodb.restore_table_from_backup, TargetTableName="abc", BackupArn=NONE) == absent
    for days in (0, 36):
        refused = refusal(update, TableName=table, PointInTimeRecoverySpecification={**on, "RecoveryPeriodInDays": days})
        assert refused[:2] == VALIDATION and "recoveryPeriodInDays" in refused[2]
    for backup in ("ab", "no spaces", "x" * 256):
        assert refusal(dynamodb.create_backup, TableName=table, BackupName=backup)[:2] == VALIDATION
    assert refusal(dynamodb.describe_backup, BackupArn="short")[:2] == VALIDATION
    assert refusal(dynamodb.list_backups, Limit=101)[:2] == VALIDATION
    assert refusal(dynamodb.list_backups, BackupType="NONE")[:2] == VALIDATION
    enable(dynamodb, table)
    restore = dynamodb.restore_table_to_point_in_time
    target = {"SourceTableName": table, "TargetTableName": f"{table}-copy"}
    assert refusal(restore, **target)[:2] == VALIDATION
    assert refusal(restore, **target, UseLatestRestorableTime=True, RestoreDateTime=1)[:2] == VALIDATION
    assert refusal(restore, TargetTableName="abc", UseLatestRestorableTime=True)[:2] == VALIDATION
    for moment in (1_000_000_000, int(time.time()) + 3_600):
        assert refusal(restore, **target, RestoreDateTime=moment)[1] == "InvalidRestoreTimeException"
    assert refusal(restore, **{**target, "TargetTableName": table}, UseLatestRestorableTime=True)[1] == (
        "TableAlreadyExistsException"
    )
    assert refusal(restore, **{**target, "SourceTableName": "none-of-this-name"}, UseLatestRestorableTime=True)[1] == (
        "TableNotFoundException"
    )


def test_killed_in_the_middle_they_go_on(own_server):
    dynamodb = own_server.client("dynamodb")
    table = create(dynamodb, "killed")
    enable(dynamodb, table)
    count = 1_500
    for first in range(0, count, 25):
        puts = [{"PutRequest": {"Item": item(n, n)}} for n in range(first, first + 25)]
        dynamodb.batch_write_item(RequestItems={table: puts})
    arn = dynamodb.create_backup(TableName=table, BackupName="killed")["BackupDetails"]["BackupArn"]
    moment = "UseLatestRestorableTime"
    dynamodb.restore_table_to_point_in_time(SourceTableName=table, TargetTableName="moment", **{moment: True})
    own_server.kill()
    own_server.start()
    for n in range(0, count, 100):
        put(dynamodb, table, n, count)
    until(lambda: described(dynamodb, arn)["BackupStatus"] == "AVAILABLE", "the backup is available")
    dynamodb.restore_table_from_backup(TargetTableName="backup", BackupArn=arn)
    own_server.kill()
    own_server.start()
    for restored in ("moment", "backup"):
        assert arrived(dynamodb, restored)["ItemCount"] == count
        assert contents(dynamodb, restored) == {n: n for n in range(count)}
        assert contents(dynamodb, restored, "by-g") == {n: n for n in range(count)}


def test_backups_are_made_on_a_schedule(server, dynamodb, table, name):
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    arn = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{table}"
    role = create_role(server, name, allow("dynamodb:CreateBackup", resource=arn), trust=trust)
    put(dynamodb, table, 1, 1)
    scheduler = server.client("scheduler")
    scheduler.create_schedule(
        Name=name,
        ScheduleExpression="rate(1 hour)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": "arn:aws:scheduler:::aws-sdk:dynamodb:createBackup",
            "RoleArn": role,
            "Input": json.dumps({"TableName": table, "BackupName": "planned"}),
        },
    )
    (backup,) = until(lambda: dynamodb.list_backups(TableName=table)["BackupSummaries"], "a backup was made")
    assert backup["BackupName"] == "planned"
    scheduler.delete_schedule(Name=name)
    until(lambda: described(dynamodb, backup["BackupArn"])["BackupStatus"] == "AVAILABLE", "the backup is available")


def test_a_stack_asks_for_recovery(server, dynamodb, name):
    stacks = server.client("cloudformation")

    def template(**more):
        properties = {
            "KeySchema": keys("id"),
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
            **more,
        }
        resources = {"T": {"Type": "AWS::DynamoDB::Table", "Properties": properties}}
        return json.dumps({"Resources": resources, "Outputs": {"Name": {"Value": {"Ref": "T"}}}})

    on = {"PointInTimeRecoveryEnabled": "true", "RecoveryPeriodInDays": 5}
    statement = {"Effect": "Allow", "Principal": "*", "Action": "dynamodb:GetItem", "Resource": "*"}
    policy = {"PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
    first = template(PointInTimeRecoverySpecification=on, ResourcePolicy=policy)
    stacks.create_stack(StackName=name, TemplateBody=first)
    stacks.get_waiter("stack_create_complete").wait(StackName=name)
    (stack,) = stacks.describe_stacks(StackName=name)["Stacks"]
    table = stack["Outputs"][0]["OutputValue"]
    assert recovery(dynamodb, table)["RecoveryPeriodInDays"] == 5
    arn = dynamodb.describe_table(TableName=table)["Table"]["TableArn"]
    assert json.loads(dynamodb.get_resource_policy(ResourceArn=arn)["Policy"]) == policy["PolicyDocument"]
    stacks.update_stack(StackName=name, TemplateBody=template())
    stacks.get_waiter("stack_update_complete").wait(StackName=name)
    assert recovery(dynamodb, table) == {"PointInTimeRecoveryStatus": "DISABLED"}
    assert refusal(dynamodb.get_resource_policy, ResourceArn=arn)[1] == "PolicyNotFoundException"
    stacks.delete_stack(StackName=name)
    stacks.get_waiter("stack_delete_complete").wait(StackName=name)
