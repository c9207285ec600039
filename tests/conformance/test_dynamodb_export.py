"""Tables exported to buckets: which items, in which objects, and what is refused.

AWS: Developer Guide, "DynamoDB data export to Amazon S3".
"""

import base64
import gzip
import hashlib
import json
import time

import pytest
from errors import refusal
from functions import allow, create_role
from program import ACCOUNT, until

VALIDATION = (400, "ValidationException")


@pytest.fixture
def table(dynamodb, name):
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )
    on = {"PointInTimeRecoveryEnabled": True}
    dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=on)
    yield name
    dynamodb.delete_table(TableName=name)


def arn(table):
    return f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{table}"


def ended(dynamodb, export):
    def settled():
        found = dynamodb.describe_export(ExportArn=export)["ExportDescription"]
        return found if found["ExportStatus"] != "IN_PROGRESS" else None

    return until(settled, "the export has ended")


def body(s3, bucket, key):
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def exported(s3, bucket, manifest):
    """The items of an export, by way of its manifests."""
    summary = body(s3, bucket, manifest)
    md5 = base64.b64encode(hashlib.md5(summary).digest())
    assert body(s3, bucket, manifest.replace(".json", ".md5")) == md5
    summary = json.loads(summary)
    items = {}
    for line in body(s3, bucket, summary["manifestFilesS3Key"]).splitlines():
        file = json.loads(line)
        data = body(s3, bucket, file["dataFileS3Key"])
        assert file["md5Checksum"] == base64.b64encode(hashlib.md5(data).digest()).decode()
        lines = gzip.decompress(data).splitlines()
        assert len(lines) == file["itemCount"]
        for line in lines:
            item = json.loads(line)["Item"]
            items[item["id"]["S"]] = item
    assert summary["itemCount"] == len(items)
    return summary, items


def test_a_table_is_exported_as_it_was_at_a_moment(dynamodb, s3, table, bucket):
    values = {"n": {"N": "1.5"}, "b": {"B": b"\x00\x01"}, "m": {"M": {"l": {"L": [{"NULL": True}]}}}, "s": {"SS": ["a", "b"]}}
    for n in range(5):
        dynamodb.put_item(TableName=table, Item={"id": {"S": f"i{n}"}, **values})
    found = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    earliest = found["PointInTimeRecoveryDescription"]["EarliestRestorableDateTime"].timestamp()
    until(lambda: time.time() > earliest + 1, "a second has passed")
    moment = int(time.time()) + 1
    until(lambda: time.time() > moment, "the next second has come")
    dynamodb.put_item(TableName=table, Item={"id": {"S": "later"}})
    dynamodb.delete_item(TableName=table, Key={"id": {"S": "i0"}})
    wish = {"TableArn": arn(table), "S3Bucket": bucket, "S3Prefix": "some/where", "ExportTime": moment, "ClientToken": "once"}
    made = dynamodb.export_table_to_point_in_time(**wish)["ExportDescription"]
    assert (made["ExportFormat"], made["ExportType"]) == ("DYNAMODB_JSON", "FULL_EXPORT")
    assert dynamodb.export_table_to_point_in_time(**wish)["ExportDescription"]["ExportArn"] == made["ExportArn"]
    other = refusal(dynamodb.export_table_to_point_in_time, **{**wish, "S3Prefix": "elsewhere"})
    assert other[1] == "ExportConflictException"
    done = ended(dynamodb, made["ExportArn"])
    assert (done["ExportStatus"], done["ItemCount"]) == ("COMPLETED", 5), done
    assert done["ExportManifest"].startswith("some/where/AWSDynamoDB/")
    summary, items = exported(s3, bucket, done["ExportManifest"])
    assert summary["tableArn"] == arn(table) and summary["exportArn"] == made["ExportArn"]
    assert sorted(items) == [f"i{n}" for n in range(5)]
    assert items["i3"]["b"] == {"B": "AAE="} and items["i3"]["m"] == {"M": {"l": {"L": [{"NULL": True}]}}}
    now = dynamodb.export_table_to_point_in_time(TableArn=arn(table), S3Bucket=bucket)["ExportDescription"]
    _, items = exported(s3, bucket, ended(dynamodb, now["ExportArn"])["ExportManifest"])
    assert sorted(items) == ["i1", "i2", "i3", "i4", "later"]
    listed = dynamodb.list_exports(TableArn=arn(table))["ExportSummaries"]
    assert [summary["ExportArn"] for summary in listed] == [made["ExportArn"], now["ExportArn"]]
    page = dynamodb.list_exports(TableArn=arn(table), MaxResults=1)
    assert [s["ExportStatus"] for s in page["ExportSummaries"]] == ["COMPLETED"]
    rest = dynamodb.list_exports(TableArn=arn(table), NextToken=page["NextToken"])["ExportSummaries"]
    assert [summary["ExportArn"] for summary in rest] == [now["ExportArn"]]


def test_exports_are_refused(dynamodb, table, bucket):
    export = dynamodb.export_table_to_point_in_time
    wish = {"TableArn": arn(table), "S3Bucket": bucket}
    unsupported = [
        {"ExportFormat": "ION"},
        {"ExportType": "INCREMENTAL_EXPORT"},
        {"S3SseAlgorithm": "KMS", "S3SseKmsKeyId": "key"},
    ]
    for more in unsupported:
        answer = refusal(export, **wish, **more)
        assert answer[:2] == VALIDATION and "not supported by this server" in answer[2]
    for more in ({"ExportFormat": "CSV"}, {"ExportType": "HALF"}, {"S3Prefix": "x" * 1_025}):
        assert refusal(export, **wish, **more)[:2] == VALIDATION
    for moment in (1_000_000_000, int(time.time()) + 3_600):
        assert refusal(export, **wish, ExportTime=moment)[1] == "InvalidExportTimeException"
    assert refusal(export, **{**wish, "TableArn": arn("none-of-this-name")})[1] == "TableNotFoundException"
    absent = f"{arn(table)}/export/01600000000000-00000000"
    assert refusal(dynamodb.describe_export, ExportArn=absent)[1] == "ExportNotFoundException"
    off = {"PointInTimeRecoveryEnabled": False}
    dynamodb.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=off)
    assert refusal(export, **wish)[1] == "PointInTimeRecoveryUnavailableException"


def test_an_export_that_cannot_be_written_says_why(server, dynamodb, table, bucket, name):
    export = dynamodb.export_table_to_point_in_time
    made = export(TableArn=arn(table), S3Bucket=f"{name}-none")["ExportDescription"]
    failed = ended(dynamodb, made["ExportArn"])
    assert (failed["ExportStatus"], failed["FailureCode"]) == ("FAILED", "S3NoSuchBucket")
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    allowed = [allow("dynamodb:*"), allow("s3:PutObject", resource="arn:aws:s3:::other/*")]
    role = create_role(server, name, *allowed, trust={"Version": "2012-10-17", "Statement": [trust]})
    keys = server.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    own = server.client("dynamodb", keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    made = own.export_table_to_point_in_time(TableArn=arn(table), S3Bucket=bucket)["ExportDescription"]
    failed = ended(dynamodb, made["ExportArn"])
    assert (failed["ExportStatus"], failed["FailureCode"]) == ("FAILED", "S3AccessDenied")


def test_killed_in_the_middle_it_goes_on(own_server):
    dynamodb = own_server.client("dynamodb")
    s3 = own_server.client("s3", s3={"addressing_style": "path"})
    s3.create_bucket(Bucket="killed")
    dynamodb.create_table(
        TableName="killed",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )
    on = {"PointInTimeRecoveryEnabled": True}
    dynamodb.update_continuous_backups(TableName="killed", PointInTimeRecoverySpecification=on)
    large = {"x": {"S": "x" * 200_000}}
    for n in range(60):
        dynamodb.put_item(TableName="killed", Item={"id": {"S": f"i{n}"}, **large})
    wish = {"TableArn": arn("killed"), "S3Bucket": "killed"}
    made = dynamodb.export_table_to_point_in_time(**wish)["ExportDescription"]["ExportArn"]
    own_server.kill()
    own_server.start()
    dynamodb.put_item(TableName="killed", Item={"id": {"S": "later"}})
    done = ended(dynamodb, made)
    assert (done["ExportStatus"], done["ItemCount"]) == ("COMPLETED", 60), done
    _, items = exported(s3, "killed", done["ExportManifest"])
    assert sorted(items) == sorted(f"i{n}" for n in range(60))
    files = body(s3, "killed", done["ExportManifest"].replace("summary", "files")).splitlines()
    assert len(files) > 1, "12 MB are more than one file"
