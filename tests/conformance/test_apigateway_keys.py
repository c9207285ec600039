"""API keys from files, and quotas that are changed while they run."""

import json

import pytest
from errors import refusal
from gateway import Api
from program import REGION


def bad(message):
    return (400, "BadRequestException", message)


@pytest.fixture(scope="session")
def gateway(server):
    return server.client("apigateway")


@pytest.fixture
def api(server, name):
    made = Api(server, name)
    made.mock(apiKeyRequired=True)
    made.deploy()
    yield made
    made.client.delete_rest_api(restApiId=made.id)


@pytest.fixture
def plan(gateway, api, name):
    """A usage plan for the API with a quota of three requests a month."""
    made = gateway.create_usage_plan(
        name=name, apiStages=[{"apiId": api.id, "stage": "test"}], quota={"limit": 3, "period": "MONTH"}
    )
    yield made
    gateway.update_usage_plan(
        usagePlanId=made["id"], patchOperations=[{"op": "remove", "path": "/apiStages", "value": f"{api.id}:test"}]
    )
    gateway.delete_usage_plan(usagePlanId=made["id"])


@pytest.fixture
def key(gateway, plan, name):
    made = gateway.create_api_key(name=name, enabled=True)
    gateway.create_usage_plan_key(usagePlanId=plan["id"], keyId=made["id"], keyType="API_KEY")
    yield made
    gateway.delete_api_key(apiKey=made["id"])


# Keys from files


def load(gateway, text, **settings):
    return gateway.import_api_keys(body=text.encode(), format="csv", **settings)


def test_keys_come_from_a_file(gateway, api, plan, name):
    value = name.ljust(20, "x")
    file = f'Enabled,KEY,name,description,UsagePlanIds,other\ntrue,{value}1,{name} one,"with, comma","{plan["id"]}",z\nFALSE,{value}2,{name} two,,\n'
    made = load(gateway, file)
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert made["warnings"] == []
    one, two = [gateway.get_api_key(apiKey=id, includeValue=True) for id in made["ids"]]
    assert (one["name"], one["value"], one["enabled"], one["description"]) == (f"{name} one", value + "1", True, "with, comma")
    assert (two["name"], two["enabled"], two.get("description")) == (f"{name} two", False, None)
    assert [one["id"] for one in gateway.get_usage_plan_keys(usagePlanId=plan["id"])["items"]] == [one["id"]]
    assert api.call(headers={"x-api-key": value + "1"}).status == 200
    # The same value is the same key.
    again = load(gateway, f"name,key,enabled\nrenamed,{value}1,false\n")
    assert again["ids"] == [one["id"]]
    assert gateway.get_api_key(apiKey=one["id"])["name"] == "renamed"
    assert api.call(headers={"x-api-key": value + "1"}).status == 403
    for id in made["ids"]:
        gateway.delete_api_key(apiKey=id)


def test_what_is_wrong_with_a_line_is_a_warning(gateway, name):
    value = name.ljust(20, "x")
    file = f"name,key,usageplanids\n{name},short,\n{name},{value},nothere\n,{value}3,\n"
    warnings = [
        "Unable to import the API key of line 2: API Key value should be at least 20 characters",
        "Unable to associate the API key of line 3 with the usage plan nothere: Invalid Usage Plan ID specified",
        "Unable to import the API key of line 4: API Key name must not be empty",
    ]
    got = refusal(lambda: load(gateway, file, failOnWarnings=True))
    assert got == bad("Warnings found during import:\n\t" + "\n\t".join(warnings))
    assert gateway.get_api_keys(nameQuery=name)["items"] == []
    made = load(gateway, file, failOnWarnings=False)
    assert made["warnings"] == warnings
    assert [one["id"] for one in gateway.get_api_keys(nameQuery=name)["items"]] == made["ids"]
    gateway.delete_api_key(apiKey=made["ids"][0])


def test_files_that_are_refused(gateway):
    columns = bad("The API key file must contain the columns Name and Key")
    for file in ["", "name,value\n", "key\n"]:
        assert refusal(lambda: load(gateway, file)) == columns
    limit = bad("The API key file has more than the limit of 1500 keys and associations with usage plans")
    assert refusal(lambda: load(gateway, "name,key\n" + "n,k\n" * 1501)) == limit


def test_only_one_format_is_known(gateway):
    got = refusal(gateway.import_api_keys, body=b"name,key\n", format="xml")
    assert got == bad("Invalid format specified: xml. Must be one of: [csv]")


# Quotas


def remaining(value, op="replace", path="/remaining"):
    return [{"op": op, "path": path, "value": value}]


def test_a_quota_is_extended_for_its_period(gateway, api, plan, key):
    of, headers = {"usagePlanId": plan["id"], "keyId": key["id"]}, {"x-api-key": key["value"]}
    assert [api.call(headers=headers).status for _ in range(4)] == [200, 200, 200, 429]
    changed = gateway.update_usage(**of, patchOperations=remaining("2"))
    assert (changed["usagePlanId"], changed["items"][key["id"]][-1]) == (plan["id"], [3, 2])
    assert [api.call(headers=headers).status for _ in range(3)] == [200, 200, 429]
    today = changed["endDate"]
    usage = gateway.get_usage(usagePlanId=plan["id"], startDate=today, endDate=today)
    assert usage["items"] == {key["id"]: [[5, 0]]}
    changed = gateway.update_usage(**of, patchOperations=remaining("0"))
    assert changed["items"][key["id"]][-1] == [5, 0]
    assert api.call(headers=headers).status == 429
    # Without an operation nothing changes.
    assert gateway.update_usage(**of)["items"] == changed["items"]


def test_extensions_that_are_refused(gateway, plan, key, name):
    of = {"usagePlanId": plan["id"], "keyId": key["id"]}
    update = gateway.update_usage
    negative = bad("Usage Plan remaining quota must not be negative")
    assert refusal(update, **of, patchOperations=remaining("-1")) == negative
    number = bad("Invalid patch value  'many' specified for op 'replace'. Must be an integer")
    assert refusal(update, **of, patchOperations=remaining("many")) == number
    path = bad("Invalid patch path  '/used' specified for op 'replace'. Must be one of: [/remaining]")
    assert refusal(update, **of, patchOperations=remaining("1", path="/used")) == path
    op = bad("Invalid patch path  '/remaining' specified for op 'add'. Please choose supported operations")
    assert refusal(update, **of, patchOperations=remaining("1", op="add")) == op
    stranger = (404, "NotFoundException", "Invalid Usage Plan Key identifier specified")
    assert refusal(update, usagePlanId=plan["id"], keyId="nothere", patchOperations=remaining("1")) == stranger
    unknown = (404, "NotFoundException", "Invalid Usage Plan ID specified")
    assert refusal(update, usagePlanId="nothere", keyId=key["id"], patchOperations=remaining("1")) == unknown
    free = gateway.create_usage_plan(name=name + "-free")
    gateway.create_usage_plan_key(usagePlanId=free["id"], keyId=key["id"], keyType="API_KEY")
    got = refusal(update, usagePlanId=free["id"], keyId=key["id"], patchOperations=remaining("1"))
    assert got == bad(f"Usage Plan {free['id']} does not have a quota")
    gateway.delete_usage_plan(usagePlanId=free["id"])


def test_an_extension_is_there_after_a_kill(own_server):
    made = Api(own_server, "kept")
    made.mock(apiKeyRequired=True)
    made.deploy()
    gateway = made.client
    plan = gateway.create_usage_plan(name="p", apiStages=[{"apiId": made.id, "stage": "test"}], quota={"limit": 1, "period": "DAY"})
    key = gateway.create_api_key(name="k", enabled=True)
    gateway.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    gateway.update_usage(usagePlanId=plan["id"], keyId=key["id"], patchOperations=remaining("3"))
    own_server.kill()
    own_server.start()
    made.server = own_server
    statuses = [made.call(headers={"x-api-key": key["value"]}).status for _ in range(4)]
    assert statuses == [200, 200, 200, 429]


# Permission


def test_every_operation_has_its_permission(server, gateway, plan, key, name):
    iam = server.client("iam")
    iam.create_user(UserName=name)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    stranger = server.client("apigateway", made["AccessKeyId"], made["SecretAccessKey"])
    usage = f"usageplans/{plan['id']}/keys/{key['id']}/usage"
    calls = [
        (lambda: load(stranger, "name,key\n"), "POST", "apikeys"),
        (lambda: stranger.update_usage(usagePlanId=plan["id"], keyId=key["id"], patchOperations=remaining("1")), "PATCH", usage),
    ]
    for call, action, resource in calls:
        _, code, message = refusal(call)
        arn = f"arn:aws:apigateway:{REGION}::/{resource}"
        assert code == "AccessDeniedException" and f"perform: apigateway:{action} on resource: {arn}" in message
    statement = {"Effect": "Allow", "Action": "apigateway:*", "Resource": [f"arn:aws:apigateway:{REGION}::/{one}" for _, _, one in calls]}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
    for call, _, _ in calls:
        call()
    iam.delete_user_policy(UserName=name, PolicyName="p")
    iam.delete_access_key(UserName=name, AccessKeyId=made["AccessKeyId"])
    iam.delete_user(UserName=name)
