"""Parameter Store through boto3: values, versions, labels, hierarchies, and what is refused."""

import pytest
from errors import refusal
from program import ACCOUNT


@pytest.fixture
def ssm(server):
    return server.client("ssm")


@pytest.fixture
def put(ssm, name):
    """Puts parameters below a path of the test's own, and removes them at its end."""
    made = set()

    def parameter(path, value="v", **how):
        full = f"/{name}/{path}"
        made.add(full)
        return ssm.put_parameter(Name=full, Value=value, Type=how.pop("Type", "String"), **how)

    yield parameter
    for full in made:
        ssm.delete_parameters(Names=[full])


def test_versions_are_found_by_number_and_label(ssm, put, name):
    own = f"/{name}/a"
    assert put("a", "one", Description="d")["Version"] == 1 and ssm.get_parameter(Name=own)["Parameter"]["Version"] == 1
    assert put("a", "two", Overwrite=True)["Version"] == 2
    parameter = ssm.get_parameter(Name=own)["Parameter"]
    assert (parameter["Value"], parameter["Type"], parameter["DataType"]) == ("two", "String", "text")
    assert parameter["ARN"] == f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter{own}"
    assert ssm.get_parameter(Name=parameter["ARN"])["Parameter"]["Value"] == "two"
    first = ssm.get_parameter(Name=f"{own}:1")["Parameter"]
    assert (first["Value"], first["Selector"]) == ("one", ":1")
    labelled = ssm.label_parameter_version(Name=own, ParameterVersion=1, Labels=["prod", "1x", "aws-x"])
    assert labelled["InvalidLabels"] == ["1x", "aws-x"] and labelled["ParameterVersion"] == 1
    assert ssm.get_parameter(Name=f"{own}:prod")["Parameter"]["Value"] == "one"
    ssm.label_parameter_version(Name=own, Labels=["prod"])
    assert ssm.get_parameter(Name=f"{own}:prod")["Parameter"]["Value"] == "two"
    history = ssm.get_parameter_history(Name=own)["Parameters"]
    assert [(h["Version"], h["Value"], h["Labels"]) for h in history] == [(1, "one", []), (2, "two", ["prod"])]
    assert history[0]["Description"] == "d" and history[0]["LastModifiedUser"].startswith("arn:aws:iam::")
    removed = ssm.unlabel_parameter_version(Name=own, ParameterVersion=2, Labels=["prod", "nobody"])
    assert (removed["RemovedLabels"], removed["InvalidLabels"]) == (["prod"], ["nobody"])


def test_versions_that_are_not_there(ssm, put, name):
    put("a")
    own = f"/{name}/a"
    assert refusal(ssm.get_parameter, Name=f"/{name}/nobody")[:2] == (400, "ParameterNotFound")
    assert refusal(ssm.get_parameter, Name=f"{own}:9") == (
        400,
        "ParameterVersionNotFound",
        f"Systems Manager could not find version 9 of {own}. Verify the version and try again.",
    )
    assert refusal(ssm.get_parameter, Name=f"{own}:nobody")[1] == "ParameterVersionNotFound"
    assert refusal(ssm.label_parameter_version, Name=own, ParameterVersion=9, Labels=["a"])[1] == (
        "ParameterVersionNotFound"
    )
    assert refusal(ssm.label_parameter_version, Name=f"{own}x", Labels=["a"])[1] == "ParameterNotFound"
    assert refusal(ssm.get_parameter_history, Name=f"{own}x")[1] == "ParameterNotFound"
    assert refusal(ssm.delete_parameter, Name=f"{own}x")[1] == "ParameterNotFound"
    several = ssm.get_parameters(Names=[own, f"{own}x", f"{own}:7"])
    assert [p["Name"] for p in several["Parameters"]] == [own]
    assert sorted(several["InvalidParameters"]) == sorted([f"{own}x", f"{own}:7"])


def test_what_no_parameter_can_be(ssm, put, name):
    put("a")
    own = f"/{name}/a"
    exists = "The parameter already exists. To overwrite this value, set the overwrite option in the request to true."
    assert refusal(ssm.put_parameter, Name=own, Value="x", Type="String") == (400, "ParameterAlreadyExists", exists)
    new = lambda value="v", **how: refusal(ssm.put_parameter, **{"Name": f"/{name}/new", "Value": value, "Type": "String", **how})
    assert new(Name="a/b")[1:] == ("ValidationException", "Parameter name must be a fully qualified name.")
    prefix = 'Parameter name: can\'t be prefixed with "aws" or "ssm" (case-insensitive).'
    for reserved in ("awsome", "SSM/x", "/ssm/x"):
        got = new(Name=reserved)
        assert got[1] == "ValidationException" and (got[2].startswith(prefix) or "fully qualified" in got[2])
    assert new(Name="/aws/x")[1:] == ("AccessDeniedException", "No access to reserved parameter name: /aws/x.")
    assert new(Name="a b")[1] == "ValidationException"
    assert new(Name="/a" * 16)[1] == "HierarchyLevelLimitExceededException"
    assert new(Type="Number")[1] == "ValidationException"
    typeless = refusal(ssm.put_parameter, Name=f"/{name}/new", Value="x")
    assert typeless == (400, "ValidationException", "A parameter type is required when you create a parameter.")
    assert refusal(ssm.put_parameter, Name=own, Value="x", Type="StringList", Overwrite=True)[1] == (
        "HierarchyTypeMismatchException"
    )
    tagged = refusal(ssm.put_parameter, Name=own, Value="x", Overwrite=True, Tags=[{"Key": "a", "Value": "b"}])
    assert tagged[1] == "ValidationException" and tagged[2].startswith("Invalid request: tags and overwrite can't be used")
    standard = new("x" * 4_097)
    assert standard[1] == "ValidationException"
    assert standard[2].startswith("Standard tier parameters support a maximum parameter value of 4096 characters.")
    assert new("x" * 8_193, Tier="Advanced")[2].startswith("Advanced tier parameters support a maximum")
    assert new(DataType="Text")[2] == "The following data type is not supported: Text (Data type names are all lowercase.)"
    assert new(KeyId="alias/mine", Type="SecureString")[1] == "InvalidKeyId"
    assert new(Policies='[{"Type":"Expiration"}]')[1] == "ValidationException"
    assert new("")[1] == "ValidationException"


def test_patterns(ssm, put, name):
    own = f"/{name}/p"
    bad = refusal(ssm.put_parameter, Name=own, Value="12", Type="String", AllowedPattern="[a-z]+")
    assert bad == (
        400,
        "ParameterPatternMismatchException",
        "Parameter value, cannot be validated against allowedPattern: [a-z]+",
    )
    assert refusal(ssm.put_parameter, Name=own, Value="a", Type="String", AllowedPattern="(")[1] == (
        "InvalidAllowedPatternException"
    )
    put("p", "abc", AllowedPattern="[a-z]+")
    # It stays with the parameter.
    assert refusal(ssm.put_parameter, Name=own, Value="12", Overwrite=True)[1] == "ParameterPatternMismatchException"


def test_tiers(ssm, put, name):
    assert put("s", "x")["Tier"] == "Standard"
    assert put("i", "x" * 4_097, Tier="Intelligent-Tiering")["Tier"] == "Advanced"
    assert put("i", "x", Overwrite=True)["Tier"] == "Advanced"
    down = refusal(ssm.put_parameter, Name=f"/{name}/i", Value="x", Overwrite=True, Tier="Standard")
    assert down[1] == "ValidationException" and "can't downgrade a parameter" in down[2]
    assert put("s", "x", Overwrite=True, Tier="Advanced")["Tier"] == "Advanced"


def test_a_secure_string_is_shown_to_who_asks(ssm, put, name):
    put("s", "hidden", Type="SecureString")
    own = f"/{name}/s"
    cipher = ssm.get_parameter(Name=own)["Parameter"]["Value"]
    assert "hidden" not in cipher and cipher == ssm.get_parameter(Name=own)["Parameter"]["Value"]
    assert ssm.get_parameter(Name=own, WithDecryption=True)["Parameter"]["Value"] == "hidden"
    assert ssm.get_parameters(Names=[own], WithDecryption=True)["Parameters"][0]["Value"] == "hidden"
    (described,) = ssm.describe_parameters(ParameterFilters=[{"Key": "Path", "Values": [f"/{name}"]}])["Parameters"]
    assert described["KeyId"] == "alias/aws/ssm" and "Value" not in described


def test_hierarchies(ssm, put, name):
    for path in ("a", "b", "c/d", "c/e", "c/f/g"):
        put(path, path)
    below = lambda path, **how: [
        p["Name"].removeprefix(f"/{name}/")
        for page in ssm.get_paginator("get_parameters_by_path").paginate(Path=path, **how)
        for p in page["Parameters"]
    ]
    assert below(f"/{name}") == below(f"/{name}/") == ["a", "b"]
    assert below(f"/{name}", Recursive=True, PaginationConfig={"PageSize": 2}) == ["a", "b", "c/d", "c/e", "c/f/g"]
    assert below(f"/{name}/c") == ["c/d", "c/e"] and below(f"/{name}/nobody") == []
    assert below(f"/{name}", ParameterFilters=[{"Key": "Type", "Values": ["SecureString"]}]) == []
    assert refusal(ssm.get_parameters_by_path, Path="a")[1] == "ValidationException"
    assert refusal(ssm.get_parameters_by_path, Path="/", MaxResults=11)[1] == "ValidationException"
    assert refusal(ssm.get_parameters_by_path, Path="/", NextToken="x")[1] == "InvalidNextToken"
    assert refusal(ssm.get_parameters_by_path, Path="/", ParameterFilters=[{"Key": "Name", "Values": ["a"]}])[1] == (
        "InvalidFilterKey"
    )


def test_descriptions_are_filtered(ssm, put, name):
    put("one", Tags=[{"Key": "team", "Value": name}])
    put("two", Type="StringList")
    find = lambda **filters: sorted(p["Name"][-3:] for p in ssm.describe_parameters(**filters)["Parameters"])
    own = {"Key": "Path", "Option": "Recursive", "Values": [f"/{name}"]}
    assert find(ParameterFilters=[own]) == ["one", "two"]
    assert find(ParameterFilters=[own, {"Key": "Type", "Values": ["StringList"]}]) == ["two"]
    assert find(ParameterFilters=[own, {"Key": "tag:team", "Values": [name]}]) == ["one"]
    assert find(ParameterFilters=[{"Key": "Name", "Option": "BeginsWith", "Values": [f"/{name}/o"]}]) == ["one"]
    assert find(ParameterFilters=[{"Key": "Name", "Option": "Contains", "Values": [f"{name}/t"]}]) == ["two"]
    assert find(Filters=[{"Key": "Name", "Values": [f"/{name}"]}]) == ["one", "two"]
    refused = lambda **filter: refusal(ssm.describe_parameters, ParameterFilters=[filter])[1]
    assert refused(Key="Color", Values=["x"]) in ("InvalidFilterKey", "ValidationException")
    assert refused(Key="Path", Option="Equals", Values=["/a"]) == "InvalidFilterOption"
    assert refused(Key="Type", Values=["Number"]) == "InvalidFilterValue"
    assert refused(Key="Path", Values=["a"]) == "ValidationException"
    both = dict(Filters=[{"Key": "Name", "Values": ["a"]}], ParameterFilters=[own])
    assert refusal(ssm.describe_parameters, **both)[1] == "ValidationException"


def test_only_a_hundred_versions_are_kept(ssm, put, name):
    own = f"/{name}/v"
    put("v")
    for _ in range(99):
        put("v", Overwrite=True)
    ssm.label_parameter_version(Name=own, ParameterVersion=1, Labels=["keep"])
    full = refusal(ssm.put_parameter, Name=own, Value="x", Overwrite=True)
    assert full[1] == "ParameterMaxVersionLimitExceeded" and "Version 1, the oldest version" in full[2]
    ssm.unlabel_parameter_version(Name=own, ParameterVersion=1, Labels=["keep"])
    assert put("v", Overwrite=True)["Version"] == 101
    assert refusal(ssm.get_parameter, Name=f"{own}:1")[1] == "ParameterVersionNotFound"
    assert ssm.get_parameter(Name=f"{own}:2")["Parameter"]["Version"] == 2
    pages = ssm.get_paginator("get_parameter_history").paginate(Name=own)
    assert [h["Version"] for page in pages for h in page["Parameters"]] == list(range(2, 102))


def test_labels_are_bounded(ssm, put, name):
    put("l")
    own = f"/{name}/l"
    ssm.label_parameter_version(Name=own, Labels=[f"l{n}" for n in range(10)])
    assert refusal(ssm.label_parameter_version, Name=own, Labels=["more"])[1] == "ParameterVersionLabelLimitExceeded"
    assert refusal(ssm.label_parameter_version, Name=own, Labels=["x"] * 11)[1] == "ValidationException"


def test_tags(ssm, put, name):
    put("t", Tags=[{"Key": "a", "Value": "1"}])
    where = {"ResourceType": "Parameter", "ResourceId": f"/{name}/t"}
    ssm.add_tags_to_resource(**where, Tags=[{"Key": "b", "Value": "2"}])
    ssm.remove_tags_from_resource(**where, TagKeys=["a"])
    assert ssm.list_tags_for_resource(**where)["TagList"] == [{"Key": "b", "Value": "2"}]
    assert refusal(ssm.list_tags_for_resource, ResourceType="Parameter", ResourceId="/nobody")[1] == "InvalidResourceId"
    assert refusal(ssm.list_tags_for_resource, ResourceType="Document", ResourceId="x")[1] == "InvalidResourceType"
    assert refusal(ssm.list_tags_for_resource, ResourceType="Color", ResourceId="x")[1] == "ValidationException"
    many = [{"Key": str(n), "Value": ""} for n in range(51)]
    assert refusal(ssm.add_tags_to_resource, **where, Tags=many)[1] == "TooManyTagsError"


def test_parameters_outlive_a_kill(own_server):
    ssm = own_server.client("ssm")
    ssm.put_parameter(Name="/a", Value="one", Type="String")
    ssm.put_parameter(Name="/a", Value="two", Overwrite=True)
    own_server.kill()
    own_server.start()
    ssm = own_server.client("ssm")
    assert ssm.get_parameter(Name="/a")["Parameter"]["Value"] == "two"
    assert ssm.get_parameter(Name="/a:1")["Parameter"]["Value"] == "one"
