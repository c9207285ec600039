"""Event source mappings of streams with real tables and functions: order, batches, filters, failures, refusals, and kills."""

import json
import random
import threading
import time

import pytest
from errors import refusal
from figures import Figures
from functions import allow, create_role, events_logged, logged
from mappings import Mappings
from program import ACCOUNT, REGION, until
from test_dynamodb_streams import KEY, Streamed

# What AWSLambdaDynamoDBExecutionRole allows.
FOLLOW = ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams")
# One shard, so that all records are in one order.
ONE_SHARD = {"BillingMode": "PROVISIONED", "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}


class Mapped(Streamed, Mappings):
    """Tables, functions and mappings between them, on one server."""

    def __init__(self, server, name, code):
        Streamed.__init__(self, server, name)
        Mappings.__init__(self, server, name, code, allow(*FOLLOW), allow("sqs:SendMessage", "sns:Publish"))

    def map(self, function, arn, **settings):
        return super().map(function, arn, **{"StartingPosition": "TRIM_HORIZON", **settings})

    def queue(self):
        url = self.sqs.create_queue(QueueName=f"{self.name}-{len(self.queues)}")["QueueUrl"]
        self.queues.append(url)
        return url, self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def letter(self, url):
        receive = lambda: self.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages")
        (message,) = until(receive, "a message about what was given up")
        self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return json.loads(message["Body"])

    def batches(self, function):
        """What the function was invoked with, batch by batch: the value of `n` of each record."""
        n = lambda record: int(record["dynamodb"]["NewImage"]["n"]["N"])
        return [[n(record) for record in event["Records"]] for event in events_logged(self.server, function)]

    def seen(self, function, count):
        """The batches, once they have so many records together."""
        enough = lambda: sum(map(len, batches := self.batches(function))) >= count and batches
        return until(enough, f"{count} records")

    def result(self, uuid):
        return self.lambda_.get_event_source_mapping(UUID=uuid)["LastProcessingResult"]

    def close(self):
        Mappings.close(self)
        Streamed.close(self)


@pytest.fixture
def mapped(server, name, code):
    made = Mapped(server, name, code)
    yield made
    made.close()


def test_changes_come_as_aws_sends_them(mapped):
    (table, arn), function = mapped.table(), mapped.function("print")
    made = mapped.map(function, arn, StartingPosition="LATEST")
    assert (made["State"], made["StateTransitionReason"], made["LastProcessingResult"]) == (
        "Creating",
        "User action",
        "No records processed",
    )
    assert (made["BatchSize"], made["MaximumBatchingWindowInSeconds"], made["ParallelizationFactor"]) == (100, 0, 1)
    assert (made["MaximumRetryAttempts"], made["MaximumRecordAgeInSeconds"]) == (-1, -1)
    assert (made["BisectBatchOnFunctionError"], made["TumblingWindowInSeconds"]) == (False, 0)
    assert (made["StartingPosition"], made["EventSourceArn"], made["FunctionResponseTypes"]) == ("LATEST", arn, [])
    assert made["DestinationConfig"]["OnFailure"] == {}
    mapped.put(table, "a", n=1)
    ((record,),) = until(lambda: [event["Records"] for event in events_logged(mapped.server, function)], "an invocation")
    (stored,) = mapped.records(arn)
    assert record["dynamodb"]["ApproximateCreationDateTime"] == int(stored["dynamodb"]["ApproximateCreationDateTime"].timestamp())
    assert (record["eventID"], record["eventName"], record["eventVersion"]) == (stored["eventID"], "INSERT", "1.1")
    assert (record["eventSource"], record["awsRegion"], record["eventSourceARN"]) == ("aws:dynamodb", REGION, arn)
    assert record["dynamodb"]["NewImage"] == {"id": {"S": "a"}, "n": {"N": "1"}}
    for name in ("Keys", "SequenceNumber", "SizeBytes", "StreamViewType"):
        assert record["dynamodb"][name] == stored["dynamodb"][name]
    until(lambda: mapped.result(made["UUID"]) == "OK", "a result")
    assert mapped.lambda_.get_event_source_mapping(UUID=made["UUID"])["State"] == "Enabled"


def test_expired_items_name_who_deleted_them(mapped):
    (table, arn), function = mapped.table(), mapped.function("print")
    criteria = {"Filters": [{"Pattern": json.dumps({"userIdentity": {"type": ["Service"]}})}]}
    mapped.map(function, arn, FilterCriteria=criteria)
    wish = {"Enabled": True, "AttributeName": "n"}
    mapped.dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=wish)
    mapped.put(table, "a", n=int(time.time()))
    ((record,),) = until(lambda: [event["Records"] for event in events_logged(mapped.server, function)], "an invocation")
    assert record["eventName"] == "REMOVE"
    assert record["userIdentity"] == {"type": "Service", "principalId": "dynamodb.amazonaws.com"}


def test_a_mapping_begins_where_it_is_told(mapped):
    table, arn = mapped.table(**ONE_SHARD)
    for n in range(3):
        mapped.put(table, "a", n=n)
    oldest, latest = mapped.function("print"), mapped.function("print")
    mapped.map(oldest, arn)
    mapped.map(latest, arn, StartingPosition="LATEST")
    mapped.put(table, "a", n=3)
    assert sum(mapped.seen(oldest, 4), []) == [0, 1, 2, 3]
    assert sum(mapped.seen(latest, 1), []) == [3]


def test_the_age_of_what_is_read_is_measured(mapped):
    (table, arn), function = mapped.table(), mapped.function("print")
    mapped.map(function, arn)
    mapped.put(table, "a", n=1)
    mapped.seen(function, 1)
    figures = Figures(mapped.server, "AWS/Lambda", FunctionName=function)
    assert until(lambda: figures.of("IteratorAge", "SampleCount"), "an age") == 1
    assert figures.of("IteratorAge", "Minimum") >= 0


def test_batches_have_their_size_and_their_window(mapped):
    table, arn = mapped.table(**ONE_SHARD)
    for n in range(7):
        mapped.put(table, "a", n=n)
    small, gathered = mapped.function("print"), mapped.function("print")
    mapped.map(small, arn, BatchSize=3)
    assert mapped.seen(small, 7) == [[0, 1, 2], [3, 4, 5], [6]]
    mapped.map(gathered, arn, StartingPosition="LATEST", BatchSize=10_000, MaximumBatchingWindowInSeconds=2)
    for n in range(7, 10):
        mapped.put(table, "a", n=n)
    assert mapped.seen(gathered, 3) == [[7, 8, 9]]


def test_filters_pass_changes_by(mapped):
    (table, arn), function = mapped.table(**ONE_SHARD), mapped.function("print")
    pattern = {"eventName": ["INSERT", "MODIFY"], "dynamodb": {"NewImage": {"kind": {"N": ["1"]}}}}
    criteria = {"Filters": [{"Pattern": json.dumps(pattern)}]}
    assert mapped.map(function, arn, FilterCriteria=criteria)["FilterCriteria"] == criteria
    for n in range(6):
        mapped.put(table, "a", n=n, kind=n % 2)
    assert sum(mapped.seen(function, 3), []) == [1, 3, 5]


def test_lanes_keep_the_order_of_each_item(mapped):
    # It takes its time after it has printed, so that the log tells the order.
    (table, arn), function = mapped.table(), mapped.function("late")
    made = mapped.map(function, arn, ParallelizationFactor=4, BatchSize=5)
    assert made["ParallelizationFactor"] == 4
    for n in range(20):
        for item in range(8):
            mapped.put(table, f"i{item}", n=n)
        if n == 10:
            # Other lanes take over; none passes a change by.
            mapped.lambda_.update_event_source_mapping(UUID=made["UUID"], ParallelizationFactor=2)
    enough = lambda: len({(r["dynamodb"]["Keys"]["id"]["S"], r["dynamodb"]["NewImage"]["n"]["N"]) for r in records()}) == 160
    records = lambda: [record for event in events_logged(mapped.server, function) for record in event["Records"]]
    until(enough, "every change")
    for item in range(8):
        numbers = [
            int(r["dynamodb"]["NewImage"]["n"]["N"]) for r in records() if r["dynamodb"]["Keys"]["id"]["S"] == f"i{item}"
        ]
        firsts = [n for place, n in enumerate(numbers) if n not in numbers[:place]]
        assert firsts == list(range(20))


def test_a_failing_batch_is_repeated_until_it_is_given_up(mapped):
    (table, arn), function, (url, queue) = mapped.table(**ONE_SHARD), mapped.function("judge"), mapped.queue()
    config = {"OnFailure": {"Destination": queue}}
    made = mapped.map(function, arn, MaximumRetryAttempts=2, DestinationConfig=config)
    assert made["MaximumRetryAttempts"] == 2 and made["DestinationConfig"]["OnFailure"] == config["OnFailure"]
    mapped.dynamodb.put_item(TableName=table, Item={"id": {"S": "bad"}, "n": {"N": "0"}})
    letter = mapped.letter(url)
    mapped.put(table, "good", n=1)
    assert mapped.seen(function, 4) == [[0], [0], [0], [1]]
    (first, _) = mapped.records(arn)
    info = letter.pop("DDBStreamBatchInfo")
    sequence = first["dynamodb"]["SequenceNumber"]
    arrival = time.strftime("%Y-%m-%dT%H:%M:%SZ", first["dynamodb"]["ApproximateCreationDateTime"].utctimetuple())
    assert info == {
        "shardId": mapped.shards(arn)[0]["ShardId"],
        "startSequenceNumber": sequence,
        "endSequenceNumber": sequence,
        "approximateArrivalOfFirstRecord": arrival,
        "approximateArrivalOfLastRecord": arrival,
        "batchSize": 1,
        "streamArn": arn,
    }
    context = letter["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("RetryAttemptsExhausted", 3)
    assert context["functionArn"].endswith(f":function:{function}") and context["requestId"]
    assert letter["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    assert letter["version"] == "1.0" and letter["timestamp"].endswith("Z")


def test_a_failing_batch_is_halved(mapped):
    (table, arn), function, (url, queue) = mapped.table(**ONE_SHARD), mapped.function("judge"), mapped.queue()
    for n in range(4):
        mapped.put(table, "bad" if n == 2 else f"good{n}", n=n)
    config = {"OnFailure": {"Destination": queue}}
    made = mapped.map(function, arn, BisectBatchOnFunctionError=True, MaximumRetryAttempts=0, DestinationConfig=config)
    assert made["BisectBatchOnFunctionError"] is True
    assert mapped.seen(function, 10) == [[0, 1, 2, 3], [0, 1], [2, 3], [2], [3]]
    assert mapped.letter(url)["DDBStreamBatchInfo"]["batchSize"] == 1


def test_only_what_is_reported_and_behind_it_comes_again(mapped):
    (table, arn), function, (url, queue) = mapped.table(**ONE_SHARD), mapped.function("report"), mapped.queue()
    for n in range(4):
        mapped.put(table, "bad" if n == 2 else f"good{n}", n=n)
    config = {"OnFailure": {"Destination": queue}}
    reports = ["ReportBatchItemFailures"]
    mapped.map(function, arn, FunctionResponseTypes=reports, MaximumRetryAttempts=1, DestinationConfig=config)
    assert mapped.letter(url)["DDBStreamBatchInfo"]["batchSize"] == 2
    assert mapped.seen(function, 6) == [[0, 1, 2, 3], [2, 3]]


def test_a_failing_batch_holds_up_its_shard_and_says_so(mapped):
    (table, arn), function = mapped.table(**ONE_SHARD), mapped.function("judge")
    uuid = mapped.map(function, arn, BatchSize=1)["UUID"]
    mapped.put(table, "bad", n=0)
    mapped.put(table, "good", n=1)
    assert set(sum(mapped.seen(function, 3), [])) == {0}
    assert mapped.result(uuid) == "PROBLEM: Function call failed"
    # Who gives up old records only is out of it: none is that old.
    mapped.lambda_.update_event_source_mapping(UUID=uuid, MaximumRecordAgeInSeconds=60)
    until(lambda: len(mapped.batches(function)) > 4, "another attempt")
    assert set(sum(mapped.batches(function), [])) == {0}
    mapped.lambda_.update_event_source_mapping(UUID=uuid, MaximumRetryAttempts=0)
    until(lambda: mapped.batches(function)[-1] == [1], "the record behind it")


def test_a_state_goes_through_a_tumbling_window(mapped):
    (table, arn), function = mapped.table(**ONE_SHARD), mapped.function("count")
    made = mapped.map(function, arn, TumblingWindowInSeconds=2, BatchSize=2)
    assert made["TumblingWindowInSeconds"] == 2
    for n in range(5):
        mapped.put(table, "a", n=n)
    events = lambda: events_logged(mapped.server, function)
    finals = lambda: [event for event in events() if event["isFinalInvokeForWindow"]]
    until(lambda: sum(event["state"]["count"] for event in finals()) == 5, "windows that have counted all")
    counts = {}
    for event in events():
        start = event["window"]["start"]
        assert event["shardId"] == mapped.shards(arn)[0]["ShardId"] and event["eventSourceARN"] == arn
        assert event["isWindowTerminatedEarly"] is False
        assert event["state"].get("count", 0) == counts.get(start, 0), "each batch goes on from the one before"
        assert event["isFinalInvokeForWindow"] == (event["Records"] == [])
        counts[start] = counts.get(start, 0) + len(event["Records"])
        seconds = [time.strptime(event["window"][end], "%Y-%m-%dT%H:%M:%SZ") for end in ("start", "end")]
        assert seconds[0].tm_sec % 2 == 0 and time.mktime(seconds[1]) - time.mktime(seconds[0]) == 2
    # A new window begins with nothing.
    mapped.put(table, "a", n=5)
    until(lambda: sum(event["state"]["count"] for event in finals()) == 6, "the next window")
    assert finals()[-1]["state"] == {"count": 1}


def test_states_and_positions(mapped):
    (table, arn), function = mapped.table(**ONE_SHARD), mapped.function("print")
    uuid = mapped.map(function, arn)["UUID"]
    state = lambda: mapped.lambda_.get_event_source_mapping(UUID=uuid)["State"]
    mapped.put(table, "a", n=0)
    mapped.seen(function, 1)
    assert mapped.lambda_.update_event_source_mapping(UUID=uuid, Enabled=False)["State"] == "Disabling"
    until(lambda: state() == "Disabled", "a disabled mapping")
    mapped.put(table, "a", n=1)
    assert mapped.lambda_.update_event_source_mapping(UUID=uuid, Enabled=True)["State"] == "Enabling"
    assert mapped.seen(function, 2) == [[0], [1]]
    listed = mapped.lambda_.list_event_source_mappings(EventSourceArn=arn)["EventSourceMappings"]
    assert [mapping["UUID"] for mapping in listed] == [uuid]
    assert mapped.lambda_.delete_event_source_mapping(UUID=uuid)["State"] == "Deleting"
    until(lambda: not mapped.lambda_.list_event_source_mappings(EventSourceArn=arn)["EventSourceMappings"], "no more")


def test_what_is_refused(mapped):
    (_, arn), function = mapped.table(), mapped.function("print")
    create = mapped.lambda_.create_event_source_mapping
    good = {"FunctionName": function, "EventSourceArn": arn, "StartingPosition": "LATEST"}
    refuse = lambda **how: refusal(create, **{name: value for name, value in {**good, **how}.items() if value is not None})
    invalid = "InvalidParameterValueException"
    assert refuse(FunctionName="nobody") == (400, invalid, "Function does not exist")
    assert refuse(StartingPosition=None) == (
        400,
        invalid,
        "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.",
    )
    assert refuse(StartingPosition="AT_TIMESTAMP")[1:] == (invalid, f"Unsupported starting position for arn type: {arn}")
    assert refuse(EventSourceArn=arn[:-1] + ("0" if arn[-1] != "0" else "1"))[2].startswith("Stream not found: ")
    for setting, value in [
        ("StartingPosition", "NEWEST"),
        ("BatchSize", 0),
        ("BatchSize", 10_001),
        ("MaximumBatchingWindowInSeconds", 301),
        ("ParallelizationFactor", 0),
        ("ParallelizationFactor", 11),
        ("MaximumRetryAttempts", -2),
        ("MaximumRetryAttempts", 10_001),
        ("MaximumRecordAgeInSeconds", -2),
        ("MaximumRecordAgeInSeconds", 604_801),
        ("TumblingWindowInSeconds", 901),
        ("FunctionResponseTypes", ["All"]),
    ]:
        assert refuse(**{setting: value})[:2] == (400, "ValidationException"), (setting, value)
    assert refuse(MaximumRecordAgeInSeconds=59)[1] == invalid
    foreign = "Unsupported {} parameter for given event source mapping type."
    assert refuse(ScalingConfig={"MaximumConcurrency": 5})[2] == foreign.format("ScalingConfig")
    assert refuse(Topics=["t"])[2] == foreign.format("Topics")
    assert refuse(DestinationConfig={"OnSuccess": {"Destination": arn}})[2] == foreign.format("OnSuccess")
    for destination in ("x", "arn:aws:lambda:us-east-1:000000000000:function:f"):
        config = {"OnFailure": {"Destination": destination}}
        message = f"The provided destination config DestinationConfig is invalid: {destination}"
        assert refuse(DestinationConfig=config)[1:] == (invalid, message)
    half = create_role(mapped.server, f"{mapped.name}-half", allow(*FOLLOW[:2]))
    assert refuse(FunctionName=mapped.function("print", Role=half))[2] == (
        f"Cannot access stream {arn}. Please ensure the role can perform the GetRecords, GetShardIterator, DescribeStream, and "
        "ListStreams Actions on your stream in IAM."
    )
    silent = create_role(mapped.server, f"{mapped.name}-silent", allow(*FOLLOW))
    to = {"OnFailure": {"Destination": f"arn:aws:sqs:{REGION}:{ACCOUNT}:some"}}
    assert refuse(FunctionName=mapped.function("print", Role=silent), DestinationConfig=to)[2] == (
        "The provided execution role does not have permissions to call SendMessage on SQS"
    )
    made = mapped.map(function, arn, StartingPosition="LATEST")
    uuid, function_arn = made["UUID"], made["FunctionArn"]
    assert refuse() == (
        409,
        "ResourceConflictException",
        f'The event source arn (" {arn} ") and function (" {function_arn} ") provided mapping already exists. Please update or '
        f"delete the existing mapping with UUID {uuid}",
    )
    update = mapped.lambda_.update_event_source_mapping
    assert refusal(update, UUID=uuid, ScalingConfig={"MaximumConcurrency": 5})[1] == invalid
    assert refusal(update, UUID=uuid, MaximumRecordAgeInSeconds=5)[1] == invalid


TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  Bucket: {Type: String}
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      StreamSpecification: {StreamViewType: NEW_IMAGE}
  Dead: {Type: AWS::SQS::Queue}
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: provided.al2023
      Handler: print
      CodeUri: {Bucket: !Ref Bucket, Key: code}
      Events:
        Change:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt Table.StreamArn
            StartingPosition: TRIM_HORIZON
            BatchSize: 7
            ParallelizationFactor: 2
            MaximumRetryAttempts: 3
            BisectBatchOnFunctionError: true
            DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Dead.Arn}}
Outputs:
  Worker: {Value: !Ref Worker}
  Table: {Value: !Ref Table}
"""


def test_a_stack_with_an_event_of_dynamodb(server, mapped, code, name):
    s3, stacks = server.client("s3"), server.client("cloudformation")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="code", Body=code)
    how = {
        "StackName": name,
        "Parameters": [{"ParameterKey": "Bucket", "ParameterValue": name}],
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    }
    stacks.create_stack(TemplateBody=TEMPLATE, **how)
    stacks.get_waiter("stack_create_complete").wait(StackName=name)
    (stack,) = stacks.describe_stacks(StackName=name)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    mapping = lambda: server.client("lambda").list_event_source_mappings(FunctionName=outputs["Worker"])["EventSourceMappings"][0]
    assert (mapping()["BatchSize"], mapping()["ParallelizationFactor"], mapping()["MaximumRetryAttempts"]) == (7, 2, 3)
    mapped.put(outputs["Table"], "a", n=1)
    assert mapped.seen(outputs["Worker"], 1) == [[1]]
    uuid = mapping()["UUID"]
    changed = TEMPLATE.replace("BatchSize: 7", "BatchSize: 8").replace("            MaximumRetryAttempts: 3\n", "")
    stacks.update_stack(TemplateBody=changed, **how)
    stacks.get_waiter("stack_update_complete").wait(StackName=name)
    assert (mapping()["UUID"], mapping()["BatchSize"], mapping()["MaximumRetryAttempts"]) == (uuid, 8, -1)
    mapped.put(outputs["Table"], "a", n=2)
    assert mapped.seen(outputs["Worker"], 2) == [[1], [2]]
    stacks.delete_stack(StackName=name)
    stacks.get_waiter("stack_delete_complete").wait(StackName=name)


def test_no_change_is_lost_or_out_of_order_whatever_is_killed(own_server, code):
    """Every change that was acknowledged is processed at least once, in the order of its item, whenever the server is killed."""
    mapped = Mapped(own_server, "kill", code)
    (table, arn), function = mapped.table("NEW_IMAGE"), mapped.function("late")
    mapped.map(function, arn, ParallelizationFactor=2, BatchSize=20)
    acknowledged, moments = {}, random.Random(20261127)

    def write(writer, life):
        dynamodb = own_server.client("dynamodb")
        for n in range(60):
            id, state = f"{writer}-{n % 3}", life * 1_000 + n
            try:
                dynamodb.put_item(TableName=table, Item={"id": {"S": id}, "n": {"N": str(state)}})
            except Exception:
                return
            acknowledged.setdefault(id, []).append(state)

    for life in range(4):
        writers = [threading.Thread(target=write, args=(writer, life)) for writer in range(4)]
        before = len(events_logged(own_server, function))
        for writer in writers:
            writer.start()
        until(lambda: len(events_logged(own_server, function)) > before, "work under way")
        time.sleep(moments.uniform(0, 0.4))
        own_server.kill()
        for writer in writers:
            writer.join()
        own_server.start()

    def seen():
        found = {}
        for event in events_logged(own_server, function):
            for record in event["Records"]:
                image = record["dynamodb"]["NewImage"]
                found.setdefault(image["id"]["S"], []).append(int(image["n"]["N"]))
        return found

    def all_seen():
        found = seen()
        return all(set(states) <= set(found.get(id, [])) for id, states in acknowledged.items())

    assert acknowledged
    until(all_seen, "every acknowledged change", seconds=60)
    for states in seen().values():
        firsts = [state for place, state in enumerate(states) if state not in states[:place]]
        assert firsts == sorted(firsts), "what is seen for the first time is in order"
    starts = [line for line in logged(own_server, function) if line.startswith("START")]
    assert len(starts) >= 4
