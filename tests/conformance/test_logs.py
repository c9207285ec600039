"""Log groups, streams and events."""

import json
import subprocess
import time

import pytest
from errors import refusal
from functions import invoke
from program import ACCOUNT, BINARY, own_environment, until


@pytest.fixture
def group(server, name):
    """A group with one stream, `s`."""
    logs = server.client("logs")
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="s")
    return name


def now():
    return int(time.time() * 1000)


def put(server, group, messages, stream="s", start=None):
    """Puts messages a millisecond apart; returns the time of the first."""
    start = start or now() - 60_000
    events = [{"timestamp": start + n, "message": message} for n, message in enumerate(messages)]
    answer = server.client("logs").put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
    assert "rejectedLogEventsInfo" not in answer, answer
    return start


def found(server, group, **how):
    pages = server.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group, **how)
    return [event["message"] for page in pages for event in page["events"]]


def test_what_was_put_is_found_at_once(server, aws, group):
    start = put(server, group, ["one", "two ñ😀", "three"])
    events = aws("logs", "filter-log-events", "--log-group-name", group)["events"]
    assert [event["message"] for event in events] == ["one", "two ñ😀", "three"]
    assert [event["timestamp"] for event in events] == [start, start + 1, start + 2]
    assert len({event["eventId"] for event in events}) == 3
    assert all(event["logStreamName"] == "s" and event["ingestionTime"] >= start for event in events)


def test_following_sees_every_event_once(server, group):
    """What `aws logs tail --follow` of the command line's version 2 does: the same request again, from the last time
    seen, leaving out the ids it knows."""
    logs = server.client("logs")
    seen, start = {}, now() - 60_000

    def follow():
        nonlocal start
        for page in logs.get_paginator("filter_log_events").paginate(
            logGroupName=group, startTime=start, interleaved=True
        ):
            for event in page["events"]:
                start = max(start, event["timestamp"])
                seen.setdefault(event["eventId"], event["message"])

    first = start
    for n in range(5):
        # Each batch begins in the very millisecond in which the one before ended.
        put(server, group, [f"{n}-{m}" for m in range(3)], start=first + 2 * n)
        follow()
    assert sorted(seen.values()) == sorted(f"{n}-{m}" for n in range(5) for m in range(3))


@pytest.mark.parametrize(
    "pattern, expect",
    [
        ("ERROR", ["ERROR one two", 'ERROR {"code":7}']),
        ("ERROR two", ["ERROR one two"]),
        ("?one ?three", ["ERROR one two", "INFO three"]),
        ("ERROR -one", ['ERROR {"code":7}']),
        ('"one two"', ["ERROR one two"]),
        ("%E.*R%", ["ERROR one two", 'ERROR {"code":7}']),
        ('{ $.level = "warn" }', ['{"level":"warn","ms":12,"tags":["a","b"]}']),
        ('{ $.ms > 10 && $.tags[1] = "b" }', ['{"level":"warn","ms":12,"tags":["a","b"]}']),
        ('{ $.ms < 12 || $.level = "d*" }', ['{"level":"debug","ms":3}']),
        ("{ $.nothing NOT EXISTS }", ['{"level":"warn","ms":12,"tags":["a","b"]}', '{"level":"debug","ms":3}']),
        ("[ip, user, status=4*, size]", ["10.0.0.1 ann 404 1534"]),
        ("[ip, user, status, size>1000]", ["10.0.0.1 ann 404 1534"]),
        ("", None),
    ],
)
def test_patterns_select(server, group, pattern, expect):
    lines = [
        "ERROR one two",
        'ERROR {"code":7}',
        "INFO three",
        '{"level":"warn","ms":12,"tags":["a","b"]}',
        '{"level":"debug","ms":3}',
        "10.0.0.1 ann 404 1534",
    ]
    put(server, group, lines)
    assert found(server, group, filterPattern=pattern) == (lines if expect is None else expect)


@pytest.mark.parametrize("pattern", ["{ $.a = ", "[a, b", '"open', "{ $.a ! 1 }"])
def test_a_pattern_that_does_not_read_is_refused(server, group, pattern):
    status, code, _ = refusal(server.client("logs").filter_log_events, logGroupName=group, filterPattern=pattern)
    assert (status, code) == (400, "InvalidParameterException")


def test_pages_have_every_event_once_across_streams(server, group):
    logs = server.client("logs")
    logs.create_log_stream(logGroupName=group, logStreamName="t")
    start = put(server, group, [f"s{n}" for n in range(30)])
    put(server, group, [f"t{n}" for n in range(30)], stream="t", start=start)
    messages = found(server, group, PaginationConfig={"PageSize": 7})
    assert len(messages) == 60 and set(messages) == {f"{stream}{n}" for stream in "st" for n in range(30)}
    assert [message for message in messages if message.startswith("s")] == [f"s{n}" for n in range(30)]
    assert found(server, group, logStreamNames=["t"]) == [f"t{n}" for n in range(30)]
    assert found(server, group, startTime=start + 10, endTime=start + 11) == ["s10", "t10", "s11", "t11"]


def test_a_stream_is_read_in_both_directions(server, group):
    put(server, group, [str(n) for n in range(10)])
    logs = server.client("logs")
    read = lambda **how: logs.get_log_events(logGroupName=group, logStreamName="s", **how)  # noqa: E731
    messages = lambda page: [event["message"] for event in page["events"]]  # noqa: E731
    page = read(startFromHead=True, limit=4)
    assert messages(page) == ["0", "1", "2", "3"]
    page = read(nextToken=page["nextForwardToken"], limit=4)
    assert messages(page) == ["4", "5", "6", "7"]
    assert messages(read(nextToken=page["nextBackwardToken"], limit=4)) == ["0", "1", "2", "3"]
    end = read(nextToken=page["nextForwardToken"], limit=4)
    assert messages(end) == ["8", "9"]
    after = read(nextToken=end["nextForwardToken"])
    assert messages(after) == [] and after["nextForwardToken"] == end["nextForwardToken"]
    put(server, group, ["10"], start=now() - 1000)
    assert messages(read(nextToken=after["nextForwardToken"])) == ["10"]
    assert messages(read(limit=3)) == ["8", "9", "10"], "without a direction: the newest"


def test_retention_is_kept_and_removed(server, aws, group):
    logs = server.client("logs")
    aws("logs", "put-retention-policy", "--log-group-name", group, "--retention-in-days", 7)
    (described,) = aws("logs", "describe-log-groups", "--log-group-name-prefix", group)["logGroups"]
    assert described["retentionInDays"] == 7
    assert described["arn"] == f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{group}:*"
    status, code, _ = refusal(logs.put_retention_policy, logGroupName=group, retentionInDays=8)
    assert (status, code) == (400, "InvalidParameterException")
    logs.delete_retention_policy(logGroupName=group)
    assert "retentionInDays" not in logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]


def test_what_is_older_than_the_retention_is_gone(server, group):
    day = 86_400_000
    put(server, group, ["old"], start=now() - 2 * day)
    put(server, group, ["young"])
    assert found(server, group) == ["old", "young"]
    server.client("logs").put_retention_policy(logGroupName=group, retentionInDays=1)
    assert found(server, group) == ["young"]


def test_events_too_old_or_too_new_are_rejected_by_index(server, group):
    day = 86_400_000
    logs = server.client("logs")
    at = now()
    old = logs.put_log_events(
        logGroupName=group,
        logStreamName="s",
        logEvents=[
            {"timestamp": at - 15 * day, "message": "old"},
            {"timestamp": at - 14 * day + 60_000, "message": "not yet"},
        ],
    )
    assert old["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    new = logs.put_log_events(
        logGroupName=group,
        logStreamName="s",
        logEvents=[{"timestamp": at, "message": "now"}, {"timestamp": at + 3 * 3_600_000, "message": "new"}],
    )
    assert new["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 1}
    assert found(server, group) == ["not yet", "now"]


def test_events_come_in_order_of_time(server, group):
    events = [{"timestamp": now(), "message": "b"}, {"timestamp": now() - 1000, "message": "a"}]
    order = "Log events in a single PutLogEvents request must be in chronological order."
    put_events = server.client("logs").put_log_events
    assert refusal(put_events, logGroupName=group, logStreamName="s", logEvents=events) == (
        400,
        "InvalidParameterException",
        order,
    )


def test_groups_and_streams_are_there_once_or_not_at_all(server, group):
    logs = server.client("logs")
    exists = (400, "ResourceAlreadyExistsException")
    assert refusal(logs.create_log_group, logGroupName=group) == (*exists, "The specified log group already exists")
    assert refusal(logs.create_log_stream, logGroupName=group, logStreamName="s") == (
        *exists,
        "The specified log stream already exists",
    )
    missing = (400, "ResourceNotFoundException")
    assert refusal(logs.filter_log_events, logGroupName="nowhere") == (
        *missing,
        "The specified log group does not exist.",
    )
    assert refusal(logs.get_log_events, logGroupName=group, logStreamName="no") == (
        *missing,
        "The specified log stream does not exist.",
    )
    logs.delete_log_stream(logGroupName=group, logStreamName="s")
    logs.delete_log_group(logGroupName=group)
    assert refusal(logs.describe_log_streams, logGroupName=group)[:2] == missing


def test_a_group_made_again_has_nothing_of_the_one_before(server, group):
    put(server, group, ["before"])
    logs = server.client("logs")
    logs.delete_log_group(logGroupName=group)
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    assert found(server, group) == []
    put(server, group, ["after"])
    assert found(server, group) == ["after"]


def test_groups_and_streams_are_listed_page_by_page(server, name):
    logs = server.client("logs")
    for n in range(5):
        logs.create_log_group(logGroupName=f"{name}/{n}")
        logs.create_log_stream(logGroupName=f"{name}/0", logStreamName=f"s{n}")
    pages = list(
        logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name, PaginationConfig={"PageSize": 2})
    )
    assert [group["logGroupName"] for page in pages for group in page["logGroups"]] == [f"{name}/{n}" for n in range(5)]
    assert len(pages) == 3
    put(server, f"{name}/0", ["x"], stream="s3")
    streams = logs.describe_log_streams(logGroupName=f"{name}/0", orderBy="LastEventTime", descending=True)[
        "logStreams"
    ]
    assert streams[0]["logStreamName"] == "s3" and "lastEventTimestamp" in streams[0]
    pages = list(
        logs.get_paginator("describe_log_streams").paginate(logGroupName=f"{name}/0", PaginationConfig={"PageSize": 2})
    )
    assert [stream["logStreamName"] for page in pages for stream in page["logStreams"]] == [f"s{n}" for n in range(5)]


def test_the_program_s_own_logs_command_shows_a_function(server, function):
    own = function("print")
    invoke(server, own, {"hello": 1})
    command = [BINARY, "logs", own, "--endpoint", server.endpoint]

    def shown():
        done = subprocess.run(command, env=own_environment(), capture_output=True, text=True, timeout=30)
        return [line for line in done.stdout.splitlines() if '{"hello": 1}' in line]

    assert len(until(shown, "the line")) == 1
    assert json.dumps({"hello": 1}) in shown()[0]
