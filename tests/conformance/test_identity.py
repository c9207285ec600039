"""Who is let in, and what they may do."""

import datetime
import json

import pytest
from errors import refusal
from functions import allow, create_role, deny, invoke, policy
from program import ACCOUNT
from signing import call, send, signed

MISMATCH = "The request signature we calculated does not match the signature you provided."
INVALID_TOKEN = "The security token included in the request is invalid."
ANYBODY_HERE = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"},
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}
DEFAULT_BUS = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default"
ENTRY = {"Source": "test.identity", "DetailType": "t", "Detail": "{}"}


def ago(**time):
    return datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(**time)


@pytest.fixture
def session(server, name):
    """Makes a role with the given statements and returns clients that act as it."""

    def assume(*statements):
        arn = create_role(server, name, *statements, trust=ANYBODY_HERE)
        keys = server.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        pair = keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]
        return lambda service: server.client(service, *pair)

    return assume


def test_the_root_key_is_the_account(server):
    caller = server.client("sts").get_caller_identity()
    assert (caller["Account"], caller["Arn"]) == (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root")


def test_a_wrong_secret_is_refused_in_every_protocol(server):
    wrong = {"secret": "wrong"}
    status, code, message = refusal(server.client("events", **wrong).list_rules)
    assert (status, code) == (400, "InvalidSignatureException") and message.startswith(MISMATCH)
    status, code, message = refusal(server.client("lambda", **wrong).list_functions)
    assert (status, code) == (403, "InvalidSignatureException") and message.startswith(MISMATCH)
    status, code, message = refusal(server.client("sts", **wrong).get_caller_identity)
    assert (status, code) == (403, "SignatureDoesNotMatch") and message.startswith(MISMATCH)
    status, code, message = refusal(server.client("s3", **wrong).list_buckets)
    assert (status, code) == (403, "SignatureDoesNotMatch") and message.startswith(MISMATCH)


def test_an_unknown_key_is_refused_in_every_protocol(server):
    unknown = {"key": "AKIAUNKNOWN"}
    invalid = (INVALID_TOKEN,)
    assert refusal(server.client("events", **unknown).list_rules) == (400, "UnrecognizedClientException", *invalid)
    assert refusal(server.client("lambda", **unknown).list_functions) == (403, "UnrecognizedClientException", *invalid)
    assert refusal(server.client("sts", **unknown).get_caller_identity) == (403, "InvalidClientTokenId", *invalid)
    assert refusal(server.client("s3", **unknown).list_buckets)[:2] == (403, "InvalidAccessKeyId")


def test_nobody_gets_in_without_a_signature(server):
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "AWSEvents.ListRules"}
    answer = send(server, headers, b"{}")
    assert answer.error() == (400, "MissingAuthenticationTokenException", "Missing Authentication Token")


def test_the_signature_made_by_hand_is_a_good_one(server):
    answer = call(server, "events", "AWSEvents.ListRules", {})
    assert answer.status == 200 and "Rules" in json.loads(answer.body)


@pytest.mark.parametrize("minutes, begins", [(16, "Signature expired: "), (-16, "Signature not yet current: ")])
def test_a_signature_is_good_for_a_quarter_of_an_hour(server, minutes, begins):
    status, code, message = call(server, "events", "AWSEvents.ListRules", {}, at=ago(minutes=minutes)).error()
    assert (status, code) == (400, "InvalidSignatureException") and message.startswith(begins)
    assert call(server, "events", "AWSEvents.ListRules", {}, at=ago(minutes=14)).status == 200


def test_a_body_that_was_changed_on_the_way_is_refused(server):
    headers = signed(server, "events", b'{"Limit":1}', target="AWSEvents.ListRules")
    status, code, message = send(server, headers, b'{"Limit":2}').error()
    assert (status, code) == (400, "InvalidSignatureException") and message.startswith(MISMATCH)


def test_an_object_that_was_changed_on_the_way_is_not_stored(server, name):
    s3 = server.client("s3")
    s3.create_bucket(Bucket=name)
    path = f"/{name}/key"
    headers = signed(server, "s3", b"right", method="PUT", path=path)
    answer = send(server, headers, b"wrong", method="PUT", path=path)
    assert answer.status == 400 and b"<Code>XAmzContentSHA256Mismatch</Code>" in answer.body
    assert refusal(s3.get_object, Bucket=name, Key="key")[:2] == (404, "NoSuchKey")


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_a_presigned_url_opens_what_it_names_until_it_expires(server, name, version, monkeypatch):
    server.client("s3").create_bucket(Bucket=name)
    signer = server.client("s3", signature_version=version)

    def url(operation, seconds):
        whole = signer.generate_presigned_url(operation, Params={"Bucket": name, "Key": "k"}, ExpiresIn=seconds)
        return whole.removeprefix(server.endpoint)

    assert send(server, {}, b"content", method="PUT", path=url("put_object", 60)).status == 200
    get = url("get_object", 60)
    assert send(server, {}, None, method="GET", path=get).body == b"content"
    other = send(server, {}, None, method="GET", path=get.replace(f"/{name}/k", f"/{name}/other"))
    assert other.status == 403 and b"<Code>SignatureDoesNotMatch</Code>" in other.body
    reading_only = send(server, {}, b"changed", method="PUT", path=get)
    assert reading_only.status == 403 and b"<Code>SignatureDoesNotMatch</Code>" in reading_only.body
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: ago(seconds=90).replace(tzinfo=None))
    ended = send(server, {}, None, method="GET", path=url("get_object", 60 if version == "s3v4" else -60))
    assert ended.status == 403 and b"<Message>Request has expired</Message>" in ended.body, ended.body


def test_an_assumed_role_is_who_it_says_it_is(server, session, name):
    act = session(allow("events:ListRules"))
    caller = act("sts").get_caller_identity()
    assert caller["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/test"
    assert "Rules" in act("events").list_rules()


def test_temporary_keys_are_nothing_without_their_token(server, name):
    arn = create_role(server, name, allow("events:*"), trust=ANYBODY_HERE)
    keys = server.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    events = server.client("events", keys["AccessKeyId"], keys["SecretAccessKey"])
    assert refusal(events.list_rules) == (400, "UnrecognizedClientException", INVALID_TOKEN)
    token = keys["SessionToken"]
    changed = token[:20] + ("A" if token[20] != "A" else "B") + token[21:]
    events = server.client("events", keys["AccessKeyId"], keys["SecretAccessKey"], changed)
    assert refusal(events.list_rules)[:2] == (400, "UnrecognizedClientException")


def test_a_role_may_do_nothing_that_no_policy_allows(session, name):
    events = session(allow("events:ListRules"))("events")
    assert refusal(events.put_events, Entries=[ENTRY]) == (
        400,
        "AccessDeniedException",
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/{name}/test is not authorized to perform: events:PutEvents "
        f"on resource: {DEFAULT_BUS} because no identity-based policy allows the events:PutEvents action",
    )


def test_an_explicit_deny_wins(session, name):
    events = session(allow("events:*"), deny("events:PutEvents"))("events")
    assert "Rules" in events.list_rules()
    status, code, message = refusal(events.put_events, Entries=[ENTRY])
    assert (status, code) == (400, "AccessDeniedException")
    assert message.endswith(" with an explicit deny in an identity-based policy"), message


def test_a_permission_reaches_as_far_as_its_resource(server, session, name):
    server.client("events").create_event_bus(Name=name)
    bus = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/{name}"
    events = session(allow("events:PutEvents", resource=bus))("events")
    assert events.put_events(Entries=[{**ENTRY, "EventBusName": name}])["FailedEntryCount"] == 0
    assert refusal(events.put_events, Entries=[ENTRY])[1] == "AccessDeniedException"


def test_a_policy_change_holds_from_the_next_request_on(server, session, name):
    events = session(allow("events:PutEvents"))("events")
    assert events.put_events(Entries=[ENTRY])["FailedEntryCount"] == 0
    iam = server.client("iam")
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy(allow("events:ListRules")))
    assert refusal(events.put_events, Entries=[ENTRY])[1] == "AccessDeniedException"
    iam.delete_role_policy(RoleName=name, PolicyName="own")
    iam.delete_role(RoleName=name)
    assert refusal(events.list_rules)[0] in (400, 403)


def test_nobody_assumes_a_role_that_does_not_trust_them(server, session, name):
    untrusting = create_role(server, f"{name}-other")
    sts = session(allow("sts:AssumeRole"))("sts")
    status, code, message = refusal(sts.assume_role, RoleArn=untrusting, RoleSessionName="test")
    assert (status, code) == (403, "AccessDenied")
    who = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/test"
    assert message == f"User: {who} is not authorized to perform: sts:AssumeRole on resource: {untrusting}"


def test_a_function_may_do_what_its_role_may_and_no_more(server, function, name):
    role = create_role(server, name, allow("events:ListRules"))
    own = function("environment", Role=role)
    variables, _ = invoke(server, own)
    keys = [variables[f"AWS_{part}"] for part in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")]
    caller = server.client("sts", *keys).get_caller_identity()
    assert caller["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{own}"
    events = server.client("events", *keys)
    assert "Rules" in events.list_rules()
    assert refusal(events.put_events, Entries=[ENTRY]) == (
        400,
        "AccessDeniedException",
        f"User: {caller['Arn']} is not authorized to perform: events:PutEvents "
        f"on resource: {DEFAULT_BUS} because no identity-based policy allows the events:PutEvents action",
    )


def test_a_user_has_keys_and_policies(server, name):
    iam = server.client("iam")
    iam.create_user(UserName=name)
    keys = iam.create_access_key(UserName=name)["AccessKey"]
    pair = keys["AccessKeyId"], keys["SecretAccessKey"]
    assert server.client("sts", *pair).get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/{name}"
    events = server.client("events", *pair)
    assert refusal(events.list_rules)[1] == "AccessDeniedException"
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy(allow("events:List*")))
    assert "Rules" in events.list_rules()
    iam.delete_access_key(UserName=name, AccessKeyId=pair[0])
    assert refusal(events.list_rules)[1] == "UnrecognizedClientException"


def test_roles_are_listed_page_by_page(server, name):
    iam = server.client("iam")
    made = {f"{name}-{n}" for n in range(5)}
    for role in made:
        create_role(server, role)
    pages = list(iam.get_paginator("list_roles").paginate(PaginationConfig={"PageSize": 2}))
    names = [role["RoleName"] for page in pages for role in page["Roles"]]
    assert made <= set(names) and len(names) == len(set(names)) and len(pages) > 2


def test_a_policy_that_does_not_read_is_refused(server, name):
    create_role(server, name)
    put = server.client("iam").put_role_policy
    status, code, _ = refusal(put, RoleName=name, PolicyName="p", PolicyDocument='{"Statement":')
    assert (status, code) == (400, "MalformedPolicyDocument")
    half = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*"}]})
    assert refusal(put, RoleName=name, PolicyName="p", PolicyDocument=half)[1] == "MalformedPolicyDocument"


def test_a_role_is_handed_on_only_by_those_who_may(server, session, name, code, role):
    settings = {"Runtime": "provided.al2023", "Handler": "echo", "Role": role, "Code": {"ZipFile": code}}
    functions = session(allow("lambda:*"))("lambda")
    status, error, message = refusal(functions.create_function, FunctionName=name, **settings)
    assert (status, error) == (403, "AccessDeniedException")
    who = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/test"
    assert message.startswith(f"User: {who} is not authorized to perform: iam:PassRole on resource: {role} "), message
    statements = allow("lambda:*"), allow("iam:PassRole", resource=role)
    server.client("iam").put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy(*statements))
    functions.create_function(FunctionName=name, **settings)
    functions.delete_function(FunctionName=name)
