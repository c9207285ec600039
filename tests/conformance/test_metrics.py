"""CloudWatch metrics: in every protocol, with everything that AWS refuses."""

import datetime
import gzip
import http.client
import json
import math
import re
import time

import boto3
import pytest
from botocore.config import Config
from errors import refusal
from program import REGION, until
from signing import signed, send

PROTOCOLS = ["smithy-rpc-v2-cbor", "json", "query"]


def client(server, protocol=None, **options):
    """A client that is made to speak one protocol."""
    found = server.client("cloudwatch", **options)
    if protocol:
        session = boto3.session.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
        loader = session._session.get_component("data_loader")
        model = loader.load_service_model

        def only(service, kind, api_version=None):
            read = model(service, kind, api_version)
            if kind == "service-2":
                read = {**read, "metadata": {**read["metadata"], "protocol": protocol, "protocols": [protocol]}}
            return read

        loader.load_service_model = only
        config = Config(**{"retries": {"max_attempts": 0}, "parameter_validation": False, **options})
        found = session.client("cloudwatch", endpoint_url=server.endpoint, config=config)
        assert found.meta.service_model.resolved_protocol == protocol
    return found


@pytest.fixture(params=PROTOCOLS)
def cloudwatch(request, server):
    return client(server, request.param)


@pytest.fixture
def cw(server):
    """The protocol that the SDK chooses by itself."""
    return server.client("cloudwatch")


def minute(ago=0):
    """The start of a whole minute, so many minutes ago."""
    now = int(time.time()) // 60 * 60 - 60 * ago
    return datetime.datetime.fromtimestamp(now, datetime.timezone.utc)


def seconds(at):
    return int(at.timestamp())


def put(cw, namespace, name, values, at=None, **more):
    datum = {"MetricName": name, "Values": values, **more}
    if at:
        datum["Timestamp"] = at
    cw.put_metric_data(Namespace=namespace, MetricData=[datum])


def stat(namespace, name, stat="Sum", period=60, id="m", dimensions=(), **more):
    metric = {"Namespace": namespace, "MetricName": name, "Dimensions": list(dimensions)}
    return {"Id": id, "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}, **more}


def data(cw, queries, start, end, **more):
    answer = cw.get_metric_data(MetricDataQueries=queries, StartTime=start, EndTime=end, **more)
    return {found["Id"]: dict(zip(found["Timestamps"], found["Values"])) for found in answer["MetricDataResults"]}


HOUR = datetime.timedelta(hours=1)
MINUTE = datetime.timedelta(minutes=1)


# What is put comes back.


def test_values_come_back_in_every_protocol(cloudwatch, name):
    at = minute(5)
    dimensions = [{"Name": "Shop", "Value": "north"}, {"Name": "Kind", "Value": "put"}]
    datum = {"MetricName": "Orders", "Dimensions": dimensions, "Timestamp": at, "Unit": "Count"}
    values = [{**datum, "Value": 2.0}, {**datum, "Values": [1.0, 5.0], "Counts": [3.0, 1.0]}]
    answer = cloudwatch.put_metric_data(Namespace=name, MetricData=values)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    found = cloudwatch.get_metric_statistics(
        Namespace=name,
        MetricName="Orders",
        Dimensions=list(reversed(dimensions)),
        StartTime=at - HOUR,
        EndTime=at + HOUR,
        Period=60,
        Statistics=["SampleCount", "Average", "Sum", "Minimum", "Maximum"],
    )
    assert found["Label"] == "Orders"
    expect = {"SampleCount": 5, "Average": 2, "Sum": 10, "Minimum": 1, "Maximum": 5, "Unit": "Count", "Timestamp": at}
    assert found["Datapoints"] == [expect]
    queries = [stat(name, "Orders", id="sum", dimensions=dimensions), {"Id": "twice", "Expression": "sum * 2"}]
    assert data(cloudwatch, queries, at - HOUR, at + HOUR) == {"sum": {at: 10}, "twice": {at: 20}}
    listed = cloudwatch.list_metrics(Namespace=name)["Metrics"]
    ordered = sorted(dimensions, key=lambda dimension: dimension["Name"])
    assert listed == [{"Namespace": name, "MetricName": "Orders", "Dimensions": ordered}]


def test_the_sdk_itself_chooses_a_protocol_that_is_served(cw, name):
    assert cw.meta.service_model.resolved_protocol in PROTOCOLS
    put(cw, name, "M", [1.0])
    assert [metric["MetricName"] for metric in cw.list_metrics(Namespace=name)["Metrics"]] == ["M"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_errors_are_told_in_every_protocol(server, protocol, name):
    cw = client(server, protocol)
    status, code, message = refusal(cw.put_metric_data, Namespace="AWS/Lambda", MetricData=[{"MetricName": "M", "Value": 1}])
    assert (status, code) == (400, "InvalidParameterValue")
    assert message == "The value AWS/ for parameter Namespace is invalid."
    status, code, message = refusal(cw.get_dashboard, DashboardName=name)
    assert (status, code, message) == (404, "ResourceNotFound", f"Dashboard {name} does not exist")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_large_requests_are_compressed(server, protocol, name):
    """botocore compresses PutMetricData from 10 KB on."""
    cw = client(server, protocol)
    sent = []
    cw.meta.events.register("before-send.cloudwatch.PutMetricData", lambda request, **_: sent.append(request))
    at = minute(1)
    dimensions = [{"Name": "Filler", "Value": "x" * 900}]
    many = [{"MetricName": f"M{n}", "Dimensions": dimensions, "Timestamp": at, "Value": n} for n in range(40)]
    cw.put_metric_data(Namespace=name, MetricData=many)
    assert sent[0].headers["Content-Encoding"] in ("gzip", b"gzip")
    found = cw.list_metrics(Namespace=name)["Metrics"]
    assert len(found) == 40
    assert data(cw, [stat(name, "M39", dimensions=dimensions)], at, at + MINUTE) == {"m": {at: 39}}


def test_statistic_sets_and_units(cw, name):
    at = minute(2)
    sets = {"SampleCount": 4, "Sum": 20, "Minimum": 2, "Maximum": 9}
    data_ = [
        {"MetricName": "M", "Timestamp": at, "StatisticValues": sets, "Unit": "Seconds"},
        {"MetricName": "M", "Timestamp": at, "Value": 7, "Unit": "Count"},
        {"MetricName": "M", "Timestamp": at, "Value": 1, "Unit": "Seconds"},
    ]
    cw.put_metric_data(Namespace=name, MetricData=data_)
    window = {"StartTime": at, "EndTime": at + MINUTE, "Period": 60}
    question = {"Namespace": name, "MetricName": "M", "Statistics": ["Sum", "SampleCount"], **window}
    points = {p["Unit"]: (p["Sum"], p["SampleCount"]) for p in cw.get_metric_statistics(**question)["Datapoints"]}
    assert points == {"Seconds": (21, 5), "Count": (7, 1)}
    only = cw.get_metric_statistics(**question, Unit="Count")["Datapoints"]
    assert [(p["Unit"], p["Sum"]) for p in only] == [("Count", 7)]
    assert cw.get_metric_statistics(**question, Unit="Bytes")["Datapoints"] == []
    # Nothing is known of the values in a set.
    del question["Statistics"]
    points = cw.get_metric_statistics(**question, ExtendedStatistics=["p50"])["Datapoints"]
    assert [(p["Unit"], p["ExtendedStatistics"]) for p in points] == [("Count", {"p50": 7})]


def test_percentiles_and_trimmed_statistics(cw, name):
    at = minute(2)
    put(cw, name, "M", [float(n) for n in range(1, 101)], at)
    wanted = {
        "p0": 1, "p50": 50, "p99": 99, "p100": 100, "tm90": 45.5, "TM(10%:90%)": 50.5, "IQM": 50.5,
        "TC(10:20)": 10, "ts10": 55, "PR(:25)": 25, "wm98": (sum(range(1, 99)) + 2 * 98) / 100,
    }  # fmt: skip
    names = list(wanted)
    queries = [stat(name, "M", text, id=f"q{n}") for n, text in enumerate(names)]
    found = data(cw, queries, at, at + MINUTE)
    assert {names[int(id[1:])]: values[at] for id, values in found.items()} == pytest.approx(wanted)
    window = {"StartTime": at, "EndTime": at + MINUTE, "Period": 60}
    points = cw.get_metric_statistics(Namespace=name, MetricName="M", ExtendedStatistics=["p99.5", "tm50"], **window)
    assert points["Datapoints"][0]["ExtendedStatistics"] == pytest.approx({"p99.5": 100, "tm50": 25.5})


def test_many_values_keep_percentiles_within_a_percent(cw, name):
    at = minute(2)
    for first in range(0, 2000, 100):
        put(cw, name, "M", [float(n) for n in range(first + 1, first + 101)], at)
    found = data(cw, [stat(name, "M", "p90"), stat(name, "M", "SampleCount", id="n")], at, at + MINUTE)
    assert found["n"] == {at: 2000}
    assert found["m"][at] == pytest.approx(1800, rel=0.011)


def test_high_resolution(cw, name):
    at = minute(2)
    for second in (0, 1, 1, 12):
        put(cw, name, "Fine", [1.0], at + datetime.timedelta(seconds=second), StorageResolution=1)
        put(cw, name, "Coarse", [1.0], at + datetime.timedelta(seconds=second))
    at_second = lambda second: at + datetime.timedelta(seconds=second)
    found = data(cw, [stat(name, "Fine", period=1)], at, at + MINUTE)
    assert found == {"m": {at_second(0): 1, at_second(1): 2, at_second(12): 1}}
    assert data(cw, [stat(name, "Fine", period=10)], at, at + MINUTE) == {"m": {at: 3, at_second(10): 1}}
    assert data(cw, [stat(name, "Fine")], at, at + MINUTE) == {"m": {at: 4}}
    # A metric of whole minutes is shown at its minute.
    assert data(cw, [stat(name, "Coarse", period=1)], at, at + MINUTE) == {"m": {at: 4}}


def test_old_and_early_samples(cw, name):
    old = minute(60 * 24 * 13)
    early = minute(-115)
    put(cw, name, "M", [3.0], old)
    put(cw, name, "M", [4.0], early)
    assert data(cw, [stat(name, "M", period=300)], old - HOUR, old + HOUR)["m"].popitem()[1] == 3
    assert data(cw, [stat(name, "M")], early, early + HOUR) == {"m": {early: 4}}


def test_periods_begin_with_the_start(cw, name):
    at = minute(10)
    for n in range(5):
        put(cw, name, "M", [1.0], at + n * MINUTE)
    found = data(cw, [stat(name, "M", period=120)], at + MINUTE, at + 5 * MINUTE)
    assert found == {"m": {at + MINUTE: 2, at + 3 * MINUTE: 2}}
    # The end is not part of it.
    assert data(cw, [stat(name, "M")], at, at + 2 * MINUTE) == {"m": {at: 1, at + MINUTE: 1}}


def test_listing(cw, name):
    for shop in ("north", "south"):
        for kind in ("put", "get"):
            put(cw, name, "Orders", [1.0], Dimensions=[{"Name": "Shop", "Value": shop}, {"Name": "Kind", "Value": kind}])
    put(cw, name, "Visits", [1.0], Dimensions=[{"Name": "Shop", "Value": "north"}])

    def listed(**how):
        return len(cw.list_metrics(Namespace=name, **how)["Metrics"])

    assert listed() == 5
    assert listed(MetricName="Visits") == 1
    assert listed(MetricName="visits") == 0
    assert listed(Dimensions=[{"Name": "Shop"}]) == 5
    assert listed(Dimensions=[{"Name": "Kind"}]) == 4
    assert listed(Dimensions=[{"Name": "Shop", "Value": "north"}]) == 3
    assert listed(Dimensions=[{"Name": "Shop", "Value": "north"}, {"Name": "Kind", "Value": "put"}]) == 1
    assert listed(RecentlyActive="PT3H") == 5
    assert cw.list_metrics(Namespace=f"{name}-none")["Metrics"] == []


def test_listing_in_pages(cw, name):
    for first in (0, 600):
        metrics = [{"MetricName": f"M{n:04}", "Value": 1} for n in range(first, first + 600)]
        cw.put_metric_data(Namespace=name, MetricData=metrics)
    pages = list(cw.get_paginator("list_metrics").paginate(Namespace=name))
    assert [len(page["Metrics"]) for page in pages] == [500, 500, 200]
    names = [metric["MetricName"] for page in pages for metric in page["Metrics"]]
    assert names == [f"M{n:04}" for n in range(1200)]


# Metric math.


@pytest.fixture
def series(cw, name):
    """`a` is 1, 2, 3 and `b` is 10, -, 30 in three minutes in a row; returns how to ask."""
    at = minute(10)
    for n, (a, b) in enumerate([(1.0, 10.0), (2.0, None), (3.0, 30.0)]):
        put(cw, name, "A", [a], at + n * MINUTE)
        if b is not None:
            put(cw, name, "B", [b], at + n * MINUTE)
    metrics = [stat(name, "A", id="a", ReturnData=False), stat(name, "B", id="b", ReturnData=False)]

    def ask(*expressions, **more):
        queries = metrics + [{"Id": f"e{n}", "Expression": text} for n, text in enumerate(expressions)]
        found = data(cw, queries, at, at + 3 * MINUTE, **more)
        return [[((t - at) // MINUTE, v) for t, v in sorted(found[f"e{n}"].items())] for n in range(len(expressions))]

    ask.metrics, ask.at = metrics, at
    return ask


@pytest.mark.parametrize(
    ("expression", "expect"),
    [
        ("a + b", [(0, 11), (2, 33)]),
        ("a * 10 - 5 / 2 ^ 1", [(0, 7.5), (1, 17.5), (2, 27.5)]),
        ("a / (a - 2)", [(0, -1), (2, 3)]),
        ("a >= 2 AND b < 100", [(0, 0), (2, 1)]),
        ("IF(a > 1, a, -1)", [(0, -1), (1, 2), (2, 3)]),
        ("FILL(b, 0)", [(0, 10), (1, 0), (2, 30)]),
        ("FILL(b, REPEAT)", [(0, 10), (1, 10), (2, 30)]),
        ("FILL(b, LINEAR)", [(0, 10), (1, 20), (2, 30)]),
        ("SUM(METRICS())", [(0, 11), (1, 2), (2, 33)]),
        ("MAX([a, b])", [(0, 10), (1, 2), (2, 30)]),
        ("SUM(METRICS('a')) / PERIOD(a)", [(0, 1 / 60), (1, 2 / 60), (2, 3 / 60)]),
        ("a - AVG(a)", [(0, -1), (1, 0), (2, 1)]),
        ("RATE(a)", [(1, 1 / 60), (2, 1 / 60)]),
        ("DIFF(b)", [(2, 20)]),
        ("RUNNING_SUM(a)", [(0, 1), (1, 3), (2, 6)]),
        ("ABS(-CEIL(a / 2)) + FLOOR(a / 2)", [(0, 1), (1, 2), (2, 3)]),
        ("FIRST(SORT(METRICS(), SUM, DESC))", [(0, 10), (2, 30)]),
        ("SLICE(METRICS(), 1)", [(0, 10), (2, 30)]),
        ("TIME_SERIES(STDDEV(b))", [(0, 10), (1, 10), (2, 10)]),
        ("DATAPOINT_COUNT(METRICS())", [(0, 2), (1, 1), (2, 2)]),
    ],
)
def test_math(series, expression, expect):
    (found,) = series(expression)
    assert found == [(at, pytest.approx(value)) for at, value in expect]


def test_expressions_name_each_other(series):
    assert series("e1 + e2", "a * 2", "a * 3") == [[(0, 5), (1, 10), (2, 15)], [(0, 2), (1, 4), (2, 6)], [(0, 3), (1, 6), (2, 9)]]


def test_clock_functions(cw, series):
    expect = [(n, (series.at + n * MINUTE).minute) for n in range(3)]
    assert series("MINUTE(a)", "HOUR(a) - HOUR(a) + DAY(a)")[0] == expect


def test_search(cw, name):
    at = minute(3)
    for shop, kind, value in [("north", "put", 1.0), ("north", "get", 2.0), ("south", "put", 4.0)]:
        dimensions = [{"Name": "Shop", "Value": shop}, {"Name": "Kind", "Value": kind}]
        put(cw, name, "Orders", [value], at, Dimensions=dimensions)

    def total(search):
        expression = f"SUM(SEARCH('{{{name},Shop,Kind}} {search}', 'Sum', 60))"
        return list(data(cw, [{"Id": "e", "Expression": expression}], at, at + MINUTE)["e"].values())

    assert total('MetricName="Orders"') == [7]
    assert total('Shop="north"') == [3]
    assert total("Kind=put") == [5]
    assert total("north OR put") == [7]
    assert total("north AND NOT put") == [2]
    assert total("nothing") == []
    found = cw.get_metric_data(
        MetricDataQueries=[{"Id": "e", "Expression": f"SEARCH('{{{name},Shop,Kind}}', 'Sum', 60)"}],
        StartTime=at,
        EndTime=at + MINUTE,
    )["MetricDataResults"]
    assert sorted((result["Id"], result["Label"], result["Values"][0]) for result in found) == [
        ("e", "get north Orders", 2),
        ("e", "put north Orders", 1),
        ("e", "put south Orders", 4),
    ]


def test_order_labels_and_pages(cw, name):
    at = minute(20)
    for n in range(10):
        put(cw, name, "M", [float(n)], at + n * MINUTE)
    query = stat(name, "M", Label="[${MIN}..${MAX}] ${LABEL} ${PROP('Stat')}")
    window = {"StartTime": at, "EndTime": at + 10 * MINUTE}
    found = cw.get_metric_data(MetricDataQueries=[query], **window)["MetricDataResults"][0]
    assert (found["Label"], found["StatusCode"]) == ("[0..9] M Sum", "Complete")
    assert found["Values"] == [float(n) for n in reversed(range(10))]
    pages = []
    for page in cw.get_paginator("get_metric_data").paginate(
        MetricDataQueries=[query], ScanBy="TimestampAscending", MaxDatapoints=4, **window
    ):
        pages += [(result["StatusCode"], result["Values"]) for result in page["MetricDataResults"]]
    assert pages == [("PartialData", [0, 1, 2, 3]), ("PartialData", [4, 5, 6, 7]), ("Complete", [8, 9])]


# What AWS refuses.

MANY = [float(n) for n in range(151)]
SET = {"SampleCount": 1, "Sum": 1, "Minimum": 1, "Maximum": 1}
BOTH = "The parameters MetricData.member.1.{} and MetricData.member.1.{} are mutually exclusive and you have specified both."


def violation(value, at, constraint):
    return f"1 validation error detected: Value {value} at '{at}' failed to satisfy constraint: {constraint}"


@pytest.mark.parametrize(
    ("datum", "code", "message"),
    [
        ({"MetricName": None, "Value": 1}, "MissingParameter", "The parameter MetricData.member.1.MetricName is required."),
        ({}, "MissingParameter", "At least one of the parameters must be specified."),
        ({"MetricName": "", "Value": 1}, "ValidationError", violation("''", "metricData.1.member.metricName", "Member must have length greater than or equal to 1")),
        ({"MetricName": "é", "Value": 1}, "InvalidParameterValue", "The value é for parameter MetricData.member.1.MetricName is invalid."),
        ({"Value": math.nan}, "InvalidParameterValue", "The value NaN for parameter MetricData.member.1.Value is invalid."),
        ({"Value": math.inf}, "InvalidParameterValue", "The value Infinity for parameter MetricData.member.1.Value is invalid."),
        ({"Value": -math.inf}, "InvalidParameterValue", "The value -Infinity for parameter MetricData.member.1.Value is invalid."),
        ({"Value": 2.0**361}, "InvalidParameterValue", None),
        ({"Values": [1.0, math.nan]}, "InvalidParameterValue", "The value NaN for parameter MetricData.member.1.Values is invalid."),
        ({"Values": MANY}, "InvalidParameterValue", "The collection MetricData.member.1.Values must not have a size greater than 150."),
        ({"Values": [1.0], "Counts": MANY}, "InvalidParameterValue", "The collection MetricData.member.1.Counts must not have a size greater than 150."),
        ({"Values": [1.0], "Counts": [1.0, 2.0]}, "InvalidParameterValue", "The parameters MetricData.member.1.Values and MetricData.member.1.Counts must be of the same size."),
        ({"Values": [1.0], "Counts": [-1.0]}, "InvalidParameterValue", "The value -1.0 for parameter MetricData.member.1.Counts is invalid."),
        ({"Counts": [1.0]}, "MissingParameter", "The parameter MetricData.member.1.Values is required."),
        ({"Value": 1, "Values": [1.0]}, "InvalidParameterValue", BOTH.format("Value", "Values")),
        ({"Value": 1, "StatisticValues": SET}, "InvalidParameterCombination", BOTH.format("Value", "StatisticValues")),
        ({"StatisticValues": {"SampleCount": 1, "Minimum": 1, "Maximum": 1}}, "MissingParameter", "The parameter MetricData.member.1.StatisticValues.Sum is required."),
        ({"StatisticValues": {**SET, "SampleCount": 0}}, "InvalidParameterValue", "The value 0.0 for parameter MetricData.member.1.StatisticValues.SampleCount is invalid."),
        ({"StatisticValues": {**SET, "Minimum": 2}}, "InvalidParameterValue", None),
        ({"StatisticValues": {**SET, "Maximum": math.nan}}, "InvalidParameterValue", "The value NaN for parameter MetricData.member.1.StatisticValues.Maximum is invalid."),
        ({"Value": 1, "Unit": "Furlongs"}, "ValidationError", None),
        ({"Value": 1, "StorageResolution": 5}, "InvalidParameterValue", "The value 5 for parameter MetricData.member.1.StorageResolution is invalid."),
        ({"Value": 1, "StorageResolution": 0}, "ValidationError", violation("'0'", "metricData.1.member.storageResolution", "Member must have value greater than or equal to 1")),
        ({"Value": 1, "Timestamp": minute(60 * 24 * 14 + 2)}, "InvalidParameterValue", "The parameter MetricData.member.1.Timestamp must specify a time within the past two weeks."),
        ({"Value": 1, "Timestamp": minute(-125)}, "InvalidParameterValue", "The parameter MetricData.member.1.Timestamp must specify a time no more than two hours in the future."),
        ({"Value": 1, "Dimensions": [{"Name": f"D{n}", "Value": "v"} for n in range(31)]}, "InvalidParameterValue", "The collection MetricData.member.1.Dimensions must not have a size greater than 30."),
        ({"Value": 1, "Dimensions": [{"Name": "D"}]}, "MissingParameter", "The parameter MetricData.member.1.Dimensions.member.1.Value is required."),
        ({"Value": 1, "Dimensions": [{"Value": "v"}]}, "MissingParameter", "The parameter MetricData.member.1.Dimensions.member.1.Name is required."),
        ({"Value": 1, "Dimensions": [{"Name": ":D", "Value": "v"}]}, "InvalidParameterValue", "The value :D for parameter MetricData.member.1.Dimensions.member.1.Name is invalid."),
        ({"Value": 1, "Dimensions": [{"Name": "D", "Value": "\n"}]}, "InvalidParameterValue", None),
        ({"Value": 1, "Dimensions": [{"Name": "D", "Value": "v" * 1025}]}, "ValidationError", None),
        ({"Value": 1, "Dimensions": [{"Name": "D", "Value": "v"}, {"Name": "D", "Value": "w"}]}, "InvalidParameterValue", None),
    ],
)  # fmt: skip
def test_data_that_is_refused(server, name, datum, code, message):
    for protocol in ("smithy-rpc-v2-cbor", "json"):
        cw = client(server, protocol)
        given = {key: value for key, value in {"MetricName": "M", **datum}.items() if value is not None}
        said = refusal(cw.put_metric_data, Namespace=name, MetricData=[given])
        assert said[:2] == (400, code), said
        assert message is None or said[2] == message
        assert cw.list_metrics(Namespace=name)["Metrics"] == []


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        ({"MetricData": [{"MetricName": "M", "Value": 1}]}, "MissingParameter", "The parameter Namespace is required."),
        ({"Namespace": "n"}, "MissingParameter", "The parameter MetricData is required."),
        ({"Namespace": "n", "MetricData": []}, "MissingParameter", "The parameter MetricData is required."),
        ({"Namespace": "", "MetricData": []}, "ValidationError", violation("''", "namespace", "Member must have length greater than or equal to 1")),
        ({"Namespace": ":n", "MetricData": []}, "ValidationError", violation("':n'", "namespace", "Member must satisfy regular expression pattern: [^:].*")),
        ({"Namespace": "n" * 256, "MetricData": []}, "ValidationError", None),
        ({"Namespace": "é", "MetricData": []}, "InvalidParameterValue", "The value é for parameter Namespace is invalid."),
        ({"Namespace": "AWS/EC2", "MetricData": [{"MetricName": "M", "Value": 1}]}, "InvalidParameterValue", "The value AWS/ for parameter Namespace is invalid."),
        ({"Namespace": "n", "MetricData": [{"MetricName": "M", "Value": 1}] * 1001}, "InvalidParameterValue", "The collection MetricData must not have a size greater than 1000."),
        ({"Namespace": "n", "EntityMetricData": [{"Entity": {}}]}, "UnsupportedOperation", "The parameter EntityMetricData is not supported."),
    ],
)  # fmt: skip
def test_requests_that_are_refused(cw, request_, code, message):
    said = refusal(cw.put_metric_data, **request_)
    assert said[:2] == (400, code), said
    assert message is None or said[2] == message


def test_a_request_is_stored_whole_or_not_at_all(cw, name):
    good, bad = {"MetricName": "Good", "Value": 1}, {"MetricName": "Bad", "Value": math.nan}
    said = refusal(cw.put_metric_data, Namespace=name, MetricData=[good, bad])
    assert said[2] == "The value NaN for parameter MetricData.member.2.Value is invalid."
    assert cw.list_metrics(Namespace=name)["Metrics"] == []


AT = minute(10)
RANGE = {"StartTime": AT, "EndTime": AT + HOUR}


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"Namespace": None}, "MissingParameter", "The parameter Namespace is required."),
        ({"MetricName": None}, "MissingParameter", "The parameter MetricName is required."),
        ({"StartTime": None}, "MissingParameter", "The parameter StartTime is required."),
        ({"Period": None}, "MissingParameter", "The parameter Period is required."),
        ({"EndTime": AT}, "InvalidParameterValue", "The parameter StartTime must be less than the parameter EndTime."),
        ({"Period": 90}, "InvalidParameterValue", None),
        ({"Period": 0}, "ValidationError", violation("'0'", "period", "Member must have value greater than or equal to 1")),
        ({"Statistics": None}, "InvalidParameterCombination", "Must specify either Statistics or ExtendedStatistics"),
        ({"Statistics": ["Median"]}, "ValidationError", None),
        ({"ExtendedStatistics": ["p50"]}, "InvalidParameterCombination", None),
        ({"Statistics": None, "ExtendedStatistics": ["p101"]}, "InvalidParameterValue", "The value p101 for parameter ExtendedStatistics.member.1 is not supported."),
        ({"Statistics": None, "ExtendedStatistics": ["Sum"]}, "InvalidParameterValue", "The value Sum for parameter ExtendedStatistics.member.1 is not supported."),
        ({"Unit": "Furlongs"}, "ValidationError", None),
        ({"EndTime": AT + 25 * HOUR}, "InvalidParameterCombination", "You have requested up to 1500 datapoints, which exceeds the limit of 1440. You may reduce the datapoints requested by increasing Period, or decreasing the time range."),
    ],
)  # fmt: skip
def test_statistics_that_are_refused(cw, change, code, message):
    question = {"Namespace": "n", "MetricName": "M", "Period": 60, "Statistics": ["Sum"], **RANGE, **change}
    said = refusal(cw.get_metric_statistics, **{key: value for key, value in question.items() if value is not None})
    assert said[:2] == (400, code), said
    assert message is None or said[2] == message


E = lambda text: [{"Id": "e", "Expression": text}]


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        ([], "The parameter MetricDataQueries is required."),
        ([stat("n", "M", id="M")], "The value M for parameter MetricDataQueries.member.1.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$."),
        ([stat("n", "M", id="m-1")], "The value m-1 for parameter MetricDataQueries.member.1.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$."),
        ([stat("n", "M"), stat("n", "M")], "The values for parameter id in MetricDataQueries are not unique."),
        ([stat("n", "M", Expression="1")], "The parameters MetricDataQueries.member.1.Expression and MetricDataQueries.member.1.MetricStat are mutually exclusive and you have specified both."),
        ([{"Id": "m"}], None),
        ([stat("n", "M", "median")], "The value median for parameter MetricDataQueries.member.1.MetricStat.Stat is not supported."),
        ([stat("n", "M", period=61)], None),
        ([stat("n", "M", ReturnData=False)], "At least one of the MetricDataQueries must have ReturnData set to true."),
        ([stat("n", "M", id=f"m{n}") for n in range(501)], "The collection MetricDataQueries must not have a size greater than 500."),
        (E("m1 + 1"), "Error in expression 'e': Unknown id 'm1'"),
        (E("1 +"), "Error in expression 'e': Unexpected end of the expression"),
        (E("e + 1"), "Error in expression 'e': The expression refers to itself"),
        (E("1 + 1"), "Error in expression 'e': The expression must return a time series, but returns a scalar"),
        (E("NOSUCH(1)"), "Error in expression 'e': Unknown function NOSUCH"),
        (E("(" * 500), "Error in expression 'e': The expression nests deeper than the limit of 64 levels"),
        (E("ANOMALY_DETECTION_BAND(m, 2)"), "Error in expression 'e': The function ANOMALY_DETECTION_BAND is not supported"),
        (E("INSIGHT_RULE_METRIC('r', 'Sum')"), "Error in expression 'e': The function INSIGHT_RULE_METRIC is not supported"),
        (E("SEARCH('{', 'Sum', 60)"), "Error in expression 'e': The schema of a search must end with '}'"),
        (E("SEARCH('x', 'median', 60)"), "The value median for parameter Stat is not supported."),
        (E("x" * 2049), None),
    ],
)  # fmt: skip
def test_queries_that_are_refused(cw, queries, message):
    said = refusal(cw.get_metric_data, MetricDataQueries=queries, **RANGE)
    assert said[:2] == (400, "ValidationError"), said
    assert message is None or said[2] == message


def test_ranges_and_tokens_that_are_refused(cw, name):
    queries = [stat(name, "M")]
    ask = lambda **how: refusal(cw.get_metric_data, **{"MetricDataQueries": queries, **RANGE, **how})
    assert ask(EndTime=AT) == (400, "ValidationError", "The parameter StartTime must not equal parameter EndTime.")
    assert ask(EndTime=AT - HOUR) == (400, "ValidationError", "The parameter EndTime must be greater than StartTime.")
    assert ask(NextToken="x")[:2] == (400, "InvalidNextToken")
    assert ask(MaxDatapoints=0)[:2] == (400, "ValidationError")
    assert ask(MaxDatapoints=100_801)[:2] == (400, "ValidationError")
    assert ask(ScanBy="Timestamp")[:2] == (400, "ValidationError")
    assert ask(LabelOptions={"Timezone": "UTC"})[:2] == (400, "ValidationError")
    assert re.match(r"You have requested up to 115\d{3} datapoints, which exceeds the limit of 100800\.", ask(StartTime=AT - 80 * 24 * HOUR)[2])
    insights = refusal(cw.get_metric_data, MetricDataQueries=E('SELECT AVG(x) FROM "n"'), **RANGE)
    assert insights == (400, "UnsupportedOperation", "Metrics Insights queries are not supported.")
    # A token belongs to its request.
    put(cw, name, "M", [1.0], AT)
    put(cw, name, "M", [1.0], AT + MINUTE)
    token = cw.get_metric_data(MetricDataQueries=queries, MaxDatapoints=1, **RANGE)["NextToken"]
    assert ask(NextToken=token, MetricDataQueries=[stat(name, "N")])[:2] == (400, "InvalidNextToken")


def test_lists_that_are_refused(cw):
    assert refusal(cw.list_metrics, NextToken="x")[:2] == (400, "InvalidParameterValue")
    assert refusal(cw.list_metrics, RecentlyActive="PT4H")[:2] == (400, "ValidationError")
    assert refusal(cw.list_metrics, Dimensions=[{"Value": "v"}])[:2] == (400, "ValidationError")
    assert refusal(cw.list_metrics, Dimensions=[{"Name": "d"}] * 11)[:2] == (400, "ValidationError")
    assert refusal(cw.list_metrics, OwningAccount="111111111111")[:2] == (400, "UnsupportedOperation")


def test_alarms_are_refused_by_name(cw):
    status, code, message = refusal(cw.describe_alarms)
    assert code == "UnknownOperationException"
    assert "DescribeAlarms" in message


# What is no request at all.


def rpc(server, operation, body, **headers):
    path = f"/service/GraniteServiceVersion20100801/operation/{operation}"
    found = signed(server, "monitoring", body, path=path)
    return send(server, {**found, "smithy-protocol": "rpc-v2-cbor", "content-type": "application/cbor", **headers}, body, path=path)


@pytest.mark.parametrize(
    "body",
    [
        b"\xff", b"\x9f", b"\xbf\x61a", b"\x81" * 100_000, b"\xa1\x61a" * 100_000, b"\x5b" + b"\xff" * 8, b"\x9b" + b"\xff" * 8,
        b"\xbb" + b"\x7f" * 8, b"\x00", b"\xa1\x6aMetricData\x9f" + b"\x00" * 500_000 + b"\xff", b"\xa1\x69Namespace\x05",
    ],
)  # fmt: skip
def test_bad_cbor(server, body):
    answer = rpc(server, "PutMetricData", body)
    assert answer.status == 400 and b"SerializationException" in answer.body
    assert answer.headers["smithy-protocol"] == "rpc-v2-cbor" and answer.headers["x-amzn-requestid"]


def test_bad_compression(server):
    body = b"no gzip"
    answer = rpc(server, "PutMetricData", body, **{"content-encoding": "gzip"})
    assert answer.status == 400 and b"SerializationException" in answer.body
    bomb = gzip.compress(b"\x00" * 50_000_000)
    assert rpc(server, "PutMetricData", bomb, **{"content-encoding": "gzip"}).status == 413
    assert rpc(server, "PutMetricData", b"\x00" * 1_100_000).status == 413


def test_bad_paths(server):
    answer = rpc(server, "NoSuchThing", b"")
    assert answer.status == 404 and b"UnknownOperationException" in answer.body
    assert server.client("cloudwatch").list_metrics()["ResponseMetadata"]["HTTPStatusCode"] == 200


# Who may.


def limited(server, name, *statements):
    iam = server.client("iam")
    iam.create_user(UserName=name)
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return server.client("cloudwatch", key=key["AccessKeyId"], secret=key["SecretAccessKey"])


def test_a_policy_may_name_the_namespace(server, name):
    condition = {"StringEquals": {"cloudwatch:namespace": f"{name}-own"}}
    allowed = {"Effect": "Allow", "Action": "cloudwatch:PutMetricData", "Resource": "*", "Condition": condition}
    cw = limited(server, name, allowed)
    put(cw, f"{name}-own", "M", [1.0])
    data_ = [{"MetricName": "M", "Value": 1}]
    status, code, message = refusal(cw.put_metric_data, Namespace=f"{name}-other", MetricData=data_)
    assert code in ("AccessDenied", "AccessDeniedException")
    assert "is not authorized to perform: cloudwatch:PutMetricData" in message
    assert "cloudwatch:ListMetrics" in refusal(cw.list_metrics)[2]


# Dashboards.


def test_dashboards(cw, name):
    body = json.dumps({"widgets": [{"type": "text", "properties": {"markdown": "hi"}}]})
    assert cw.put_dashboard(DashboardName=name, DashboardBody=body)["DashboardValidationMessages"] == []
    found = cw.get_dashboard(DashboardName=name)
    assert (found["DashboardBody"], found["DashboardName"]) == (body, name)
    assert found["DashboardArn"] == f"arn:aws:cloudwatch::000000000000:dashboard/{name}"
    (listed,) = cw.list_dashboards(DashboardNamePrefix=name)["DashboardEntries"]
    assert (listed["DashboardName"], listed["Size"]) == (name, len(body))
    said = refusal(cw.delete_dashboards, DashboardNames=[name, f"{name}-none"])
    assert said == (404, "ResourceNotFound", f"Dashboard {name}-none does not exist")
    cw.delete_dashboards(DashboardNames=[name])
    assert cw.list_dashboards(DashboardNamePrefix=name)["DashboardEntries"] == []


@pytest.mark.parametrize(
    ("dashboard", "body"),
    [("a b", "{}"), ("", "{}"), ("é", "{}"), ("a" * 256, "{}"), ("a", ""), ("a", "[]"), ("a", '{"widgets": 5}'), ("a", "[" * 100_000)],
)
def test_dashboards_that_are_refused(cw, dashboard, body):
    assert refusal(cw.put_dashboard, DashboardName=dashboard, DashboardBody=body)[:2] == (400, "InvalidParameterInput")


# Embedded metrics.


def test_embedded_metrics(server, cw, name):
    logs = server.client("logs")
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="s")
    at = minute(1)
    directive = {"Namespace": name, "Dimensions": [["shop"], []], "Metrics": [{"Name": "ms", "Unit": "Milliseconds"}]}
    meta = {"Timestamp": seconds(at) * 1000, "CloudWatchMetrics": [directive]}
    good = [{"_aws": meta, "shop": "north", "ms": value} for value in (10, [20, 30])]
    bad = [
        {"_aws": meta, "shop": 5, "ms": 1},
        {"_aws": {**meta, "Timestamp": 1}, "shop": "north", "ms": 1},
        {"_aws": {**meta, "CloudWatchMetrics": [{**directive, "Namespace": "AWS/Lambda"}]}, "shop": "north", "ms": 1},
        {"_aws": {**meta, "CloudWatchMetrics": [{**directive, "Metrics": [{"Name": "ms", "Unit": "Furlongs"}]}]}, "shop": "x", "ms": 1},
        {"aws": meta, "shop": "north", "ms": 1},
        {"_aws": meta, "shop": "north", "ms": "1"},
    ]  # fmt: skip
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": json.dumps(event)} for event in good + bad]
    logs.put_log_events(logGroupName=name, logStreamName="s", logEvents=events)
    # They are there when the events are.
    shop = [{"Name": "shop", "Value": "north"}]
    queries = [stat(name, "ms", dimensions=shop), stat(name, "ms", "p50", id="p"), stat(name, "ms", "SampleCount", id="n")]
    assert data(cw, queries, at, at + MINUTE) == {"m": {at: 60}, "p": {at: 20}, "n": {at: 3}}
    assert len(cw.list_metrics(Namespace=name)["Metrics"]) == 2


# Prometheus.


def page(server, path="/metrics", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.getheader("content-type"), answer.read().decode()


def test_prometheus(server, name):
    logs = server.client("logs")
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="s")
    events = [{"timestamp": int(time.time() * 1000), "message": "hi"}]
    logs.put_log_events(logGroupName=name, logStreamName="s", logEvents=events)
    place = f'{{account="000000000000",region="{REGION}",log_group_name="{name}"}}'
    line = f"cauce_aws_logs_incoming_bytes_bytes_sum{place} 28"
    until(lambda: line in page(server)[2].splitlines(), "the bytes of one event")
    status, kind, text = page(server)
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert "# TYPE cauce_aws_logs_incoming_bytes_bytes summary" in text.splitlines()


def test_prometheus_is_for_this_machine(server):
    """A page in a browser that leads its own name here gets nothing."""
    assert page(server, Host="evil.example:4566")[0] == 403
    assert page(server, Host="localhost")[0] == 200


# Durability.


def test_what_was_acknowledged_survives_a_kill(own_server, name):
    cw = own_server.client("cloudwatch")
    at = minute(1)
    for round_ in range(3):
        for value in range(20):
            put(cw, name, f"M{value % 3}", [float(value)], at, Unit="Count")
        own_server.kill()
        own_server.start()
    found = data(cw, [stat(name, f"M{n}", id=f"m{n}") for n in range(3)], at, at + MINUTE)
    assert found == {f"m{n}": {at: 3 * sum(range(n, 20, 3))} for n in range(3)}
    assert len(cw.list_metrics(Namespace=name)["Metrics"]) == 3
