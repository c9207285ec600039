"""Buckets and objects."""

import hashlib
import io
import json
import os

from errors import refusal
from signing import send, signed

MIB = 1024 * 1024


def bucket(server, name):
    s3 = server.client("s3")
    s3.create_bucket(Bucket=name)
    return s3


def test_the_command_line_makes_a_bucket_and_copies(aws, name, tmp_path):
    content = os.urandom(100_000)
    (tmp_path / "file.bin").write_bytes(content)
    assert aws("s3", "mb", f"s3://{name}") == f"make_bucket: {name}\n"
    aws("s3", "cp", "file.bin", f"s3://{name}/folder/ñ file.bin")
    assert "ñ file.bin" in aws("s3", "ls", f"s3://{name}/folder/")
    aws("s3", "cp", f"s3://{name}/folder/ñ file.bin", "back.bin")
    assert (tmp_path / "back.bin").read_bytes() == content


def test_a_large_file_goes_up_in_parts(server, name, tmp_path):
    s3 = bucket(server, name)
    content = os.urandom(20 * MIB)
    s3.upload_fileobj(io.BytesIO(content), name, "large")
    head = s3.head_object(Bucket=name, Key="large")
    assert head["ContentLength"] == len(content) and head["ETag"].endswith('-3"')
    back = io.BytesIO()
    s3.download_fileobj(name, "large", back)
    assert hashlib.sha256(back.getvalue()).digest() == hashlib.sha256(content).digest()


def test_an_object_is_what_was_put(server, name):
    s3 = bucket(server, name)
    put = s3.put_object(
        Bucket=name,
        Key="a/b c",
        Body=b"content",
        ContentType="text/x",
        Metadata={"who": "me"},
        ServerSideEncryption="AES256",
    )
    assert put["ETag"] == f'"{hashlib.md5(b"content").hexdigest()}"' and put["ServerSideEncryption"] == "AES256"
    got = s3.get_object(Bucket=name, Key="a/b c")
    assert (got["Body"].read(), got["ContentType"], got["Metadata"]) == (b"content", "text/x", {"who": "me"})
    assert s3.get_object(Bucket=name, Key="a/b c", Range="bytes=2-4")["Body"].read() == b"nte"
    assert refusal(s3.get_object, Bucket=name, Key="a/b c", Range="bytes=7-")[:2] == (416, "InvalidRange")
    assert refusal(s3.get_object, Bucket=name, Key="a/b c", IfNoneMatch=put["ETag"])[0] == 304
    assert refusal(s3.put_object, Bucket=name, Key="a/b c", Body=b"", IfNoneMatch="*")[:2] == (
        412,
        "PreconditionFailed",
    )


def test_nothing_is_told_from_what_is_not_there(server, name):
    s3 = server.client("s3")
    assert refusal(s3.get_object, Bucket=name, Key="k")[:2] == (404, "NoSuchBucket")
    assert refusal(s3.head_object, Bucket=name, Key="k")[0] == 404
    bucket(server, name)
    assert refusal(s3.get_object, Bucket=name, Key="k") == (404, "NoSuchKey", "The specified key does not exist.")
    assert refusal(s3.head_object, Bucket=name, Key="k")[0] == 404


def test_a_bucket_goes_when_it_is_empty(server, name):
    s3 = bucket(server, name)
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    assert refusal(s3.delete_bucket, Bucket=name)[:2] == (409, "BucketNotEmpty")
    s3.delete_object(Bucket=name, Key="k")
    s3.delete_bucket(Bucket=name)
    s3.get_waiter("bucket_not_exists").wait(Bucket=name)


def test_objects_are_listed_page_by_page(server, name):
    s3 = bucket(server, name)
    keys = sorted(f"{folder}/{n}" for folder in ["a", "b", "ñ"] for n in range(5))
    for key in keys:
        s3.put_object(Bucket=name, Key=key, Body=b"")
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=name, PaginationConfig={"PageSize": 4}))
    assert [item["Key"] for page in pages for item in page["Contents"]] == keys and len(pages) == 4
    folders = s3.list_objects_v2(Bucket=name, Delimiter="/")["CommonPrefixes"]
    assert [folder["Prefix"] for folder in folders] == ["a/", "b/", "ñ/"]
    deleted = s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": key} for key in keys]})["Deleted"]
    assert {item["Key"] for item in deleted} == set(keys)
    assert s3.list_objects_v2(Bucket=name)["KeyCount"] == 0


def test_versions_are_kept_where_asked_for(server, name):
    s3 = bucket(server, name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=name, Key="k", Body=b"1")["VersionId"]
    s3.put_object(Bucket=name, Key="k", Body=b"2")
    assert s3.get_object(Bucket=name, Key="k")["Body"].read() == b"2"
    assert s3.get_object(Bucket=name, Key="k", VersionId=first)["Body"].read() == b"1"
    s3.delete_object(Bucket=name, Key="k")
    assert refusal(s3.get_object, Bucket=name, Key="k")[:2] == (404, "NoSuchKey")
    assert s3.get_object(Bucket=name, Key="k", VersionId=first)["Body"].read() == b"1"
    listed = s3.list_object_versions(Bucket=name)
    assert len(listed["Versions"]) == 2 and len(listed["DeleteMarkers"]) == 1


def test_a_wrong_checksum_is_found(server, name):
    s3 = bucket(server, name)
    status, code, _ = refusal(s3.put_object, Bucket=name, Key="k", Body=b"content", ChecksumCRC32="AAAAAA==")
    assert (status, code) == (400, "BadDigest")
    assert refusal(s3.get_object, Bucket=name, Key="k")[1] == "NoSuchKey"


def test_what_is_not_built_is_refused_by_name(server, name):
    s3 = bucket(server, name)
    cors = {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}
    assert refusal(s3.put_bucket_cors, Bucket=name, CORSConfiguration=cors)[:2] == (501, "NotImplemented")


def test_metrics_configurations(server, name):
    s3 = bucket(server, name)
    put = lambda id, **more: s3.put_bucket_metrics_configuration(Bucket=name, Id=id, MetricsConfiguration={"Id": id, **more})
    put("whole")
    put("part", Filter={"Prefix": "in/"})
    put("part", Filter={"Prefix": "out/"})
    get = lambda id: s3.get_bucket_metrics_configuration(Bucket=name, Id=id)["MetricsConfiguration"]
    assert get("whole") == {"Id": "whole"}
    assert get("part") == {"Id": "part", "Filter": {"Prefix": "out/"}}
    for n in range(101):
        put(f"many-{n:03}")
    first = s3.list_bucket_metrics_configurations(Bucket=name)
    assert first["IsTruncated"] and len(first["MetricsConfigurationList"]) == 100
    rest = s3.list_bucket_metrics_configurations(Bucket=name, ContinuationToken=first["NextContinuationToken"])
    assert [one["Id"] for one in rest["MetricsConfigurationList"]] == ["many-100", "part", "whole"]
    assert not rest["IsTruncated"]
    s3.delete_bucket_metrics_configuration(Bucket=name, Id="part")
    missing = (404, "NoSuchConfiguration", "The specified configuration does not exist.")
    assert refusal(get, id="part") == missing
    assert refusal(s3.delete_bucket_metrics_configuration, Bucket=name, Id="part") == missing
    different = refusal(s3.put_bucket_metrics_configuration, Bucket=name, Id="a", MetricsConfiguration={"Id": "b"})
    assert different[:2] == (400, "InvalidArgument")
    tag = {"Tag": {"Key": "k", "Value": "v"}}
    assert refusal(put, id="tagged", Filter=tag)[:2] == (501, "NotImplemented")


def test_a_bucket_policy_counts(server, name):
    s3 = bucket(server, name)
    s3.put_object(Bucket=name, Key="public/k", Body=b"content")
    s3.put_object(Bucket=name, Key="private/k", Body=b"content")
    anyone = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{name}/public/*",
    }
    s3.delete_public_access_block(Bucket=name)
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [anyone]}))
    # Without a signature, the host is what says that S3 is meant.
    host = {"host": f"{name}.s3.us-east-1.amazonaws.com"}
    assert send(server, host, None, method="GET", path="/public/k").body == b"content"
    refused = send(server, host, None, method="GET", path="/private/k")
    assert refused.status == 403 and b"<Code>AccessDenied</Code>" in refused.body


def test_a_key_may_look_like_a_way_out(server, name):
    """Keys are names and no paths: nothing outside of the bucket is reached."""
    s3 = bucket(server, name)
    for key in ["../../../../../../etc/passwd", "a/../../b", "/etc/passwd", "%2e%2e/x", "a//b"]:
        s3.put_object(Bucket=name, Key=key, Body=key.encode())
        assert s3.get_object(Bucket=name, Key=key)["Body"].read() == key.encode()
    assert len(s3.list_objects_v2(Bucket=name)["Contents"]) == 5
    path = f"/{name}/../../../../etc/passwd"
    answer = send(server, signed(server, "s3", b"", method="GET", path=path), None, method="GET", path=path)
    assert b"root:" not in answer.body


def test_buckets_are_the_account_s(server, name):
    s3 = bucket(server, name)
    assert name in [found["Name"] for found in s3.list_buckets()["Buckets"]]
    assert s3.head_bucket(Bucket=name)["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] is None
    status, code, _ = refusal(s3.create_bucket, Bucket="No_Bucket")
    assert (status, code) == (400, "InvalidBucketName")
