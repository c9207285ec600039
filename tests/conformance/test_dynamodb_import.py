"""Tables made of objects in buckets: what becomes of their lines, and what is refused.

AWS: Developer Guide, "DynamoDB data import from Amazon S3".
"""

import gzip
import json

from errors import refusal
from functions import allow, create_role
from program import ACCOUNT, until

VALIDATION = (400, "ValidationException")


def parameters(name, **more):
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}],
        "AttributeDefinitions": [
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "n", "AttributeType": "N"},
            {"AttributeName": "g", "AttributeType": "S"},
        ],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "by-g",
                "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        **more,
    }


def wish(bucket, name, kind="DYNAMODB_JSON", prefix=None, **more):
    source = {"S3Bucket": bucket, **({"S3KeyPrefix": prefix} if prefix else {})}
    return {"S3BucketSource": source, "InputFormat": kind, "TableCreationParameters": parameters(name), **more}


def ended(dynamodb, made):
    arn = made["ImportTableDescription"]["ImportArn"]

    def settled():
        found = dynamodb.describe_import(ImportArn=arn)["ImportTableDescription"]
        return found if found["ImportStatus"] != "IN_PROGRESS" else None

    return until(settled, "the import has ended")


def contents(dynamodb, table, index=None):
    more = {"IndexName": index} if index else {}
    pages = dynamodb.get_paginator("scan").paginate(TableName=table, **more)
    items = [item for page in pages for item in page["Items"]]
    return sorted(items, key=lambda item: (item["id"]["S"], float(item["n"]["N"])))


def item(n, **more):
    return {"id": {"S": f"p{n % 3}"}, "n": {"N": str(n)}, "g": {"S": "g"}, **more}


def lines(items):
    return "".join(json.dumps({"Item": item}) + "\n" for item in items).encode()


def test_lines_of_json_become_items(dynamodb, s3, bucket, name):
    items = [item(n, x={"M": {"l": {"L": [{"NULL": True}, {"SS": ["a"]}]}}}) for n in range(700)]
    s3.put_object(Bucket=bucket, Key="in/a b.json.gz", Body=gzip.compress(lines(items[:400])))
    s3.put_object(Bucket=bucket, Key="in/c.json.gz", Body=gzip.compress(lines(items[400:])[:-1]))
    s3.put_object(Bucket=bucket, Key="out/d.json.gz", Body=b"not asked for")
    asked = wish(bucket, name, prefix="in/", InputCompressionType="GZIP", ClientToken=name)
    made = dynamodb.import_table(**asked)
    description = made["ImportTableDescription"]
    assert description["ImportStatus"] == "IN_PROGRESS"
    assert dynamodb.import_table(**asked)["ImportTableDescription"]["ImportArn"] == description["ImportArn"]
    conflict = refusal(dynamodb.import_table, **{**asked, "InputCompressionType": "NONE"})
    assert conflict[1] == "ImportConflictException"
    done = ended(dynamodb, made)
    assert (done["ImportStatus"], done["ErrorCount"]) == ("COMPLETED", 0), done
    assert (done["ProcessedItemCount"], done["ImportedItemCount"]) == (700, 700)
    table = dynamodb.describe_table(TableName=name)["Table"]
    assert (table["TableStatus"], table["ItemCount"], table["TableId"]) == ("ACTIVE", 700, done["TableId"])
    expected = sorted(items, key=lambda item: (item["id"]["S"], float(item["n"]["N"])))
    assert contents(dynamodb, name) == expected and contents(dynamodb, name, "by-g") == expected
    (listed,) = dynamodb.list_imports(TableArn=table["TableArn"])["ImportSummaryList"]
    assert (listed["ImportArn"], listed["InputFormat"]) == (description["ImportArn"], "DYNAMODB_JSON")
    dynamodb.delete_table(TableName=name)


def test_an_export_is_imported(dynamodb, s3, bucket, name):
    source, copy = f"{name}-source", f"{name}-copy"
    dynamodb.create_table(**parameters(source))
    on = {"PointInTimeRecoveryEnabled": True}
    dynamodb.update_continuous_backups(TableName=source, PointInTimeRecoverySpecification=on)
    for n in range(10):
        dynamodb.put_item(TableName=source, Item=item(n, b={"B": bytes([n])}))
    arn = dynamodb.describe_table(TableName=source)["Table"]["TableArn"]
    export = dynamodb.export_table_to_point_in_time(TableArn=arn, S3Bucket=bucket)["ExportDescription"]["ExportArn"]
    until(
        lambda: dynamodb.describe_export(ExportArn=export)["ExportDescription"]["ExportStatus"] == "COMPLETED",
        "the export is complete",
    )
    data = f"AWSDynamoDB/{export.rsplit('/', 1)[1]}/data/"
    made = dynamodb.import_table(**wish(bucket, copy, prefix=data, InputCompressionType="GZIP"))
    assert ended(dynamodb, made)["ImportedItemCount"] == 10
    assert contents(dynamodb, copy) == contents(dynamodb, source)
    for table in (source, copy):
        dynamodb.delete_table(TableName=table)


def test_records_of_csv_become_items(dynamodb, s3, bucket, name):
    body = 'id,n,g,text,empty\r\np1,1,g,"a ""quoted"", thing\nof two lines",\r\np1,2.50,g,b,\r\n'
    s3.put_object(Bucket=bucket, Key="a.csv", Body=body.encode())
    done = ended(dynamodb, dynamodb.import_table(**wish(bucket, name, "CSV")))
    assert (done["ImportStatus"], done["ImportedItemCount"], done["ErrorCount"]) == ("COMPLETED", 2, 0), done
    first, second = contents(dynamodb, name)
    assert first["text"] == {"S": 'a "quoted", thing\nof two lines'} and "empty" not in first
    assert second["n"] == {"N": "2.5"}
    dynamodb.delete_table(TableName=name)
    s3.put_object(Bucket=bucket, Key="b/headless.csv", Body=b"p1;1;g\np1;2;g")
    options = {"Csv": {"Delimiter": ";", "HeaderList": ["id", "n", "g"]}}
    made = dynamodb.import_table(**wish(bucket, f"{name}-2", "CSV", "b/", InputFormatOptions=options))
    assert ended(dynamodb, made)["ImportedItemCount"] == 2
    dynamodb.delete_table(TableName=f"{name}-2")


def test_lines_that_are_no_items_are_counted(dynamodb, s3, bucket, name):
    bad = [
        b"{}",
        b"none",
        b'{"Item": {"id": {"S": "p"}}}',
        b'{"Item": {"id": {"S": "p"}, "n": {"S": "1"}}}',
        b'{"Item": {"id": {"S": "p"}, "n": {"N": "x"}}}',
        b'{"Item": {"id": {"S": ""}, "n": {"N": "1"}}}',
        b'{"Item": {"id": {"S": "p"}, "n": {"N": "1"}, "g": {"N": "1"}}}',
    ]
    good = lines([item(1, x={"N": "1"}), item(1, x={"N": "2"})])
    s3.put_object(Bucket=bucket, Key="a", Body=b"\n".join(bad) + b"\n\n" + good)
    done = ended(dynamodb, dynamodb.import_table(**wish(bucket, name)))
    assert (done["ImportStatus"], done["ErrorCount"]) == ("COMPLETED", len(bad)), done
    assert (done["ProcessedItemCount"], done["ImportedItemCount"]) == (len(bad) + 2, 2)
    assert contents(dynamodb, name) == [item(1, x={"N": "2"})], "the later of two with one key is there"
    assert dynamodb.describe_table(TableName=name)["Table"]["ItemCount"] == 1
    dynamodb.delete_table(TableName=name)


def test_imports_are_refused(dynamodb, bucket, name):
    unsupported = [
        wish(bucket, name, "ION"),
        wish(bucket, name, InputCompressionType="ZSTD"),
    ]
    for asked in unsupported:
        answer = refusal(dynamodb.import_table, **asked)
        assert answer[:2] == VALIDATION and "not supported by this server" in answer[2]
    invalid = [
        wish(bucket, name, "XML"),
        wish(bucket, name, InputCompressionType="RAR"),
        wish(bucket, name, "CSV", InputFormatOptions={"Csv": {"Delimiter": "x"}}),
        wish(bucket, name, "CSV", InputFormatOptions={"Csv": {"HeaderList": []}}),
        wish(bucket, name, InputFormatOptions={"Csv": {"Delimiter": ","}}),
        {**wish(bucket, name), "TableCreationParameters": parameters(name, KeySchema=[])},
        {**wish(bucket, name), "TableCreationParameters": parameters("a b")},
        {**wish(bucket, name), "TableCreationParameters": parameters(name, BillingMode="PROVISIONED")},
    ]
    for asked in invalid:
        assert refusal(dynamodb.import_table, **asked)[:2] == VALIDATION, asked
    dynamodb.create_table(**parameters(name))
    assert refusal(dynamodb.import_table, **wish(bucket, name))[1] == "ResourceInUseException"
    dynamodb.delete_table(TableName=name)
    absent = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{name}/import/01600000000000-00000000"
    assert refusal(dynamodb.describe_import, ImportArn=absent)[1] == "ImportNotFoundException"
    assert refusal(dynamodb.list_imports, PageSize=26)[:2] == VALIDATION


def test_what_cannot_be_imported_is_no_table(server, dynamodb, s3, bucket, name):
    def failed(client, asked, code):
        done = ended(dynamodb, client.import_table(**asked))
        assert (done["ImportStatus"], done["FailureCode"]) == ("FAILED", code), done
        missing = refusal(dynamodb.describe_table, TableName=name)
        assert missing[1] == "ResourceNotFoundException"

    failed(dynamodb, wish(f"{name}-none", name), "S3NoSuchBucket")
    s3.put_object(Bucket=bucket, Key="a", Body=lines([item(1)]))
    failed(dynamodb, wish(bucket, name, InputCompressionType="GZIP"), "InvalidCompression")
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    document = {"Version": "2012-10-17", "Statement": [trust]}
    role = create_role(server, name, allow("dynamodb:*"), trust=document)
    keys = server.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    own = server.client("dynamodb", keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    failed(own, wish(bucket, name), "S3AccessDenied")


def test_killed_in_the_middle_it_goes_on(own_server):
    dynamodb = own_server.client("dynamodb")
    s3 = own_server.client("s3", s3={"addressing_style": "path"})
    s3.create_bucket(Bucket="killed")
    items = [item(n) for n in range(2_000)]
    s3.put_object(Bucket="killed", Key="a", Body=lines(items[:1_500]))
    s3.put_object(Bucket="killed", Key="b", Body=lines(items[1_500:]))
    made = dynamodb.import_table(**wish("killed", "killed"))
    assert refusal(dynamodb.put_item, TableName="killed", Item=item(1))[1] == "ResourceNotFoundException"
    own_server.kill()
    own_server.start()
    done = ended(dynamodb, made)
    assert (done["ProcessedItemCount"], done["ImportedItemCount"], done["ErrorCount"]) == (2_000, 2_000, 0)
    assert dynamodb.describe_table(TableName="killed")["Table"]["ItemCount"] == 2_000
    assert len(contents(dynamodb, "killed", "by-g")) == 2_000
